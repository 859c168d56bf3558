//! HTTP/2: many viewers by one connection, each with a stream of its own.

use std::{
    convert::Infallible,
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use hyper::{
    Method, Request, Response,
    body::{Body as _, Frame, Incoming, SizeHint},
    header::CONTENT_LENGTH,
    rt::{Executor, Read, Write},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;

use super::{
    connection::{Connection, HEAD_TIMEOUT},
    connections::ConnectionPlace,
    link::{Drain, Flush, Link},
    routes,
    running::Shared,
    stream::{Body, Piece},
};

/// Serves one connection until its peer or the server ends it.
pub(super) async fn serve(
    stream: impl Read + Write + Unpin,
    place: ConnectionPlace,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) {
    let (link, flush) = Link::new(stream);
    let connection = place.connection.clone();
    let streams = Streams::new(shared.clone(), place);
    let patience = shared.timeout;
    let service = service_fn(move |request| answer(request, shared.clone(), flush.clone()));
    let serving = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(MAX_BUFFER)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .keep_alive_interval(patience.map(|_| PING_INTERVAL))
        .keep_alive_timeout(patience.unwrap_or_default())
        .serve_connection(link, service);
    let mut serving = std::pin::pin!(serving);
    // Losing a connection is a viewer's own affair: its error is of no use to anybody here.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = connection.leaving() => return,
        () = streams.be_idle() => serving.as_mut().graceful_shutdown(),
        _ = stopping.changed() => serving.as_mut().graceful_shutdown(),
    }
    // What a peer has begun in the meantime may go on; one that says nothing any more may not.
    tokio::select! {
        _ = serving => {}
        () = connection.leaving() => {}
        () = streams.be_idle() => {}
    }
}

tokio::task_local! {
    /// The stream that a task serves: hyper has no other way to tell the service which one asks.
    static STREAM: Arc<Connection>;
}

/// Runs the streams of one connection, each as a task of its own.
#[derive(Clone)]
struct Streams(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    place: ConnectionPlace,
    /// How many streams there were.
    begun: AtomicUsize,
    /// Each stream that is open has a clone.
    open: Arc<()>,
}

impl Streams {
    fn new(shared: Arc<Shared>, place: ConnectionPlace) -> Self {
        Self(Arc::new(Inner { shared, place, begun: AtomicUsize::new(0), open: Arc::default() }))
    }

    /// Returns when the connection has been of no use for a while.
    async fn be_idle(&self) {
        let begun = || self.0.begun.load(Ordering::Relaxed);
        loop {
            let before = begun();
            tokio::time::sleep(HEAD_TIMEOUT).await;
            if begun() == before && Arc::strong_count(&self.0.open) == 1 {
                return;
            }
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        let (place, open) = (self.0.place.stream(), self.0.open.clone());
        self.0.shared.tasks.spawn(async move {
            let _open = open;
            let line = place.connection.clone();
            tokio::select! {
                () = STREAM.scope(line.clone(), stream) => {}
                // Giving a stream up resets it, and leaves the others of the connection alone.
                () = line.leaving() => {}
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    flush: Flush,
) -> Result<Response<Tracked>, Infallible> {
    let taken = Taken { stream: STREAM.get(), flush, drain: Drain::default() };
    let is_head = *request.method() == Method::HEAD;
    let mut response = routes::answer(request, shared, &taken.stream).await?;
    // In HTTP/1 hyper does this.
    if is_head {
        if let length @ 1.. = response.body().size_hint().lower() {
            response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
        }
        *response.body_mut() = Body::Bytes(Default::default());
    }
    Ok(response.map(|body| Tracked { body, taken, has_begun: false }))
}

/// A body that gives its next piece when the last one is taken, and ends when all are. hyper asks for the next as soon
/// as it has passed on the last, however little of that the peer's window or the connection has let through. And it
/// drops the body after the last piece, so that nobody could give up a peer that does not take that: so the body ends
/// only when it has gone.
struct Tracked {
    body: Body,
    taken: Taken,
    has_begun: bool,
}

/// What the pieces of a stream tell.
#[derive(Clone)]
struct Taken {
    stream: Arc<Connection>,
    flush: Flush,
    drain: Drain,
}

/// A piece of a body. It is taken when all of it has been written to the connection.
struct TrackedPiece {
    piece: Piece,
    taken: Taken,
}

impl hyper::body::Body for Tracked {
    type Data = TrackedPiece;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<TrackedPiece>, Infallible>>> {
        self.has_begun = true;
        ready!(self.taken.drain.poll_drained(cx));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|piece| self.taken.track(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        // Asked before the first piece, to learn whether there is one, and behind each.
        !self.has_begun && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Taken {
    fn track(&self, piece: Piece) -> TrackedPiece {
        self.drain.fill();
        self.stream.waits();
        TrackedPiece { piece, taken: self.clone() }
    }
}

impl Buf for TrackedPiece {
    fn remaining(&self) -> usize {
        self.piece.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.piece.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.piece.chunks_vectored(slices)
    }

    fn advance(&mut self, count: usize) {
        self.piece.advance(count);
        if count == 0 {
            return;
        }
        let Taken { stream, flush, drain } = &self.taken;
        stream.progress();
        if self.piece.has_remaining() {
            stream.waits();
        } else {
            // TLS has it; the next one is chosen when the kernel has.
            flush.drains(drain);
        }
    }
}

/// Streams of one connection at a time. Chosen: a wall of cameras has fewer; browsers ask for 100 at least (RFC 9113
/// 5.1.2 recommends no fewer).
const MAX_STREAMS: u32 = 128;

/// Longest list of header fields, in bytes as RFC 9113 6.5.2 counts them. Chosen near what HTTP/1 takes here.
const MAX_HEAD: u32 = 16 * 1024;

/// Bytes of one stream beyond which no further piece is asked for; a piece once begun is taken whole. Less than any
/// picture, so that none waits behind another.
const MAX_BUFFER: usize = 8 * 1024;

/// What a peer may send before we read it, in bytes: the least that a connection begins with. No request has a body of
/// use to us.
const WINDOW: u32 = 65_535;

/// Time between two questions whether the peer is still there. Chosen as TCP's own are.
const PING_INTERVAL: Duration = Duration::from_secs(30);
