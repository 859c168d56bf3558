//! HTTP/1: one viewer by each connection.
//!
//! hyper reads the requests and sends the answers. Of a stream it sends the beginning only and gives the connection
//! back; the pictures go past it (`pump`), as its care for each costs more than all else but the kernel
//! (docs/performance.md).

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{
    Request, Response, Version,
    body::{Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue},
    rt::{Read, Write},
    server::conn::http1::{self, Parts},
    service::service_fn,
};
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;

use super::{
    connection::{Connection, HEAD_TIMEOUT},
    connections::ConnectionPlace,
    input::Input,
    link::{Drain, Flush, Link},
    pump,
    reply::Endless,
    routes,
    running::Shared,
    stream::{Body, Piece, Stream},
};
use crate::sync::lock;

/// Serves one connection until its peer or the server ends it.
pub(super) async fn serve(
    stream: impl Read + Write + Unpin,
    place: ConnectionPlace,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) {
    let (link, flush) = Link::new(stream);
    let begun = Begun { flush, drain: Drain::default(), stream: Arc::default() };
    let (connection, to_begin) = (place.connection.clone(), begun.clone());
    let service =
        service_fn(move |request| Box::pin(answer(request, shared.clone(), connection.clone(), to_begin.clone())));
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_FIELDS)
        // Names are equal in any case, but small readers compare them as the RFCs write them.
        .title_case_headers(true)
        // A viewer that shuts its sending side still wants its pictures.
        .half_close(true)
        .serve_connection(link, service);
    let finish = async {
        let served = tokio::select! {
            served = poll_fn(|cx| serving.poll_without_shutdown(cx)) => served,
            _ = stopping.changed() => {
                Pin::new(&mut serving).graceful_shutdown();
                poll_fn(|cx| serving.poll_without_shutdown(cx)).await
            }
        };
        // hyper has answered what it could not parse; after any other error nobody is left to answer.
        served.or_else(|error| if error.is_parse() { Ok(()) } else { Err(error) }).ok()?;
        let stream = begun.take();
        if stream.is_none() {
            // hyper may still hold the end of its last answer; this sends it and closes our side.
            (&mut serving).await.ok()?;
        }
        let Parts { io: link, read_buf, .. } = serving.into_parts();
        let (mut link, mut input) = (link.into_inner(), Input::new(read_buf.len()));
        if let Some(stream) = stream {
            pump::send(&mut link, &mut input, stream).await.ok()?;
            poll_fn(|cx| Pin::new(&mut link).poll_shutdown(cx)).await.ok()?;
        }
        tokio::select! {
            () = input.linger(&mut link) => {}
            // A stop that has ended the wait above already does not end this one; the stop's own deadline does.
            _ = stopping.changed() => {}
        }
        Some(())
    };
    // Losing a connection is a viewer's own affair: that it was lost is of no use to anybody here.
    tokio::select! {
        biased;
        _ = finish => {}
        () = place.connection.leaving() => {}
        () = place.connection.broken() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    begun: Begun,
) -> Result<Response<Sent>, Infallible> {
    let mut response = routes::answer(request, shared, &connection).await?;
    if response.extensions().get::<Endless>().is_some() {
        // As HTTP/1.0 the end of the connection ends the body: chunks are what many readers of pictures cannot take.
        *response.version_mut() = Version::HTTP_10;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| match body {
        Body::Stream(stream) => Sent::Beginning { stream: Some(stream), begun },
        whole => Sent::Whole(whole),
    }))
}

/// The stream whose beginning has been sent.
#[derive(Clone)]
struct Begun {
    flush: Flush,
    drain: Drain,
    stream: Arc<Mutex<Option<Box<Stream>>>>,
}

impl Begun {
    fn take(&self) -> Option<Box<Stream>> {
        lock(&self.stream).take()
    }
}

/// What hyper sends of an answer.
enum Sent {
    Whole(Body),
    /// What comes before the first picture. It ends when all of it has left, as hyper keeps to itself what has not.
    Beginning {
        stream: Option<Box<Stream>>,
        begun: Begun,
    },
}

impl hyper::body::Body for Sent {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Beginning { stream, begun } => Poll::Ready(match stream.take() {
                Some(mut stream) => {
                    let opening = stream.open();
                    begun.drain.fill();
                    begun.flush.drains(&begun.drain);
                    *lock(&begun.stream) = Some(stream);
                    Some(Ok(Frame::data(opening)))
                }
                None => {
                    ready!(begun.drain.poll_drained(cx));
                    None
                }
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Beginning { .. } => SizeHint::default(),
        }
    }
}

/// Longest request head, and bytes that hyper gathers before it flushes: the least it takes.
const MAX_BUFFER: usize = 8 * 1024;

/// Most fields of a request. Chosen: browsers send about 15.
const MAX_FIELDS: usize = 100;
