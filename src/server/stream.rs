//! The bodies of responses: a stream of pictures, or bytes that are there at once.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, buf::Chain};
use hyper::body::{Frame, SizeHint};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    camera::Picture,
    link::Drain,
    viewers::{Reason, ViewerPlace},
};
use crate::{
    fanout::{Next, Reader, Repeat},
    multipart::{Layout, Writer},
};

/// The body of a response.
pub(super) enum Body {
    Bytes(Bytes),
    Stream(Box<Stream>),
}

/// A stream of pictures for one viewer: the newest one whenever the last has left for the kernel, each in one write.
pub(super) struct Stream {
    pictures: Reader<Arc<Picture>>,
    writer: Writer,
    layout: Layout,
    drain: Drain,
    pace: Option<Pace>,
    place: ViewerPlace,
    phase: Phase,
    last: Option<Arc<Picture>>,
}

/// Keeps a viewer to its rate.
struct Pace {
    interval: Duration,
    /// When the next picture may go.
    due: Pin<Box<Sleep>>,
}

/// What is handed to hyper at once, and by it to one vectored write.
pub(super) type Piece = Chain<Bytes, Chain<Chain<Bytes, Bytes>, Bytes>>;

enum Phase {
    Opening,
    Running,
    Ended,
}

impl Stream {
    /// A stream of at most so many pictures per second.
    pub(super) fn new(
        pictures: Reader<Arc<Picture>>,
        writer: Writer,
        layout: Layout,
        fps: Option<f64>,
        drain: Drain,
        place: ViewerPlace,
    ) -> Self {
        let pace = fps.map(Pace::new);
        Self { pictures, writer, layout, drain, pace, place, phase: Phase::Opening, last: None }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match self.phase {
            Phase::Opening => {
                // The first delimiter goes out with the response head, picture or not: readers wait for it.
                self.phase = Phase::Running;
                let opening = self.writer.opening();
                Poll::Ready(match self.pictures.poll_next(cx) {
                    Poll::Ready(Next::Item { item, skipped }) => Some(self.picture(opening, item, skipped)),
                    Poll::Ready(Next::Closed) => self.leave(Reason::Stopped),
                    Poll::Ready(Next::Ended | Next::Again { .. }) | Poll::Pending => {
                        Some(piece([opening, Bytes::new(), Bytes::new(), Bytes::new()]))
                    }
                })
            }
            Phase::Running => {
                ready!(self.drain.poll_drained());
                if let Some(pace) = &mut self.pace {
                    // The end need not wait for its turn.
                    if self.pictures.poll_end(cx).is_pending() {
                        ready!(pace.due.as_mut().poll(cx));
                    }
                }
                Poll::Ready(match ready!(self.poll_wanted(cx)) {
                    Next::Item { item, skipped } => Some(self.picture(Bytes::new(), item, skipped)),
                    Next::Again { item, .. } => Some(self.picture(Bytes::new(), item, 0)),
                    Next::Ended => {
                        self.phase = Phase::Ended;
                        self.place.reason = Reason::Ended;
                        let [again, closing] = self.writer.closing(self.last.as_ref().map(|last| last.part()));
                        Some(piece([again, closing, Bytes::new(), Bytes::new()]))
                    }
                    Next::Closed => self.leave(Reason::Stopped),
                })
            }
            Phase::Ended => Poll::Ready(None),
        }
    }

    /// The next item that this viewer wants. Safari shows the last picture before a pause only when it comes twice
    /// (ustreamer's author; not measurable here); all others need no repetition but to keep the connection alive.
    fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<Next<Arc<Picture>>> {
        loop {
            match ready!(self.pictures.poll_next(cx)) {
                Next::Again { why: Repeat::Settled, .. } if self.layout != Layout::Advance => {}
                next => return Poll::Ready(next),
            }
        }
    }

    fn picture(&mut self, before: Bytes, picture: Arc<Picture>, skipped: u64) -> Piece {
        if let Some(pace) = &mut self.pace {
            pace.count();
        }
        let [head, jpeg, after] = self.writer.part(picture.part());
        self.last = Some(picture);
        let piece = piece([before, head, jpeg, after]);
        self.place.viewer.count(piece.remaining(), skipped);
        piece
    }

    fn leave(&mut self, reason: Reason) -> Option<Piece> {
        self.place.reason = reason;
        None
    }
}

impl Pace {
    fn new(fps: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / fps), due: Box::pin(sleep_until(Instant::now())) }
    }

    /// A picture goes out. The next is due one interval after this one was, so that the rate is right on average; a
    /// viewer that was too slow for its rate does not catch up.
    fn count(&mut self) {
        let next = (self.due.deadline() + self.interval).max(Instant::now());
        self.due.as_mut().reset(next);
    }
}

fn piece([a, b, c, d]: [Bytes; 4]) -> Piece {
    a.chain(b.chain(c).chain(d))
}

impl hyper::body::Body for Body {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let piece = match &mut *self {
            Body::Bytes(bytes) if bytes.is_empty() => None,
            Body::Bytes(bytes) => Some(piece([std::mem::take(bytes), Bytes::new(), Bytes::new(), Bytes::new()])),
            Body::Stream(stream) => {
                let piece = ready!(stream.poll_piece(cx));
                if piece.is_some() {
                    stream.drain.fill();
                }
                piece
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Bytes(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}

/// The layout for a viewer: the one it asks for, else the one that its program needs.
pub(super) fn layout(asked: Option<Layout>, user_agent: Option<&str>) -> Layout {
    asked.or_else(|| user_agent.map(Layout::for_user_agent)).unwrap_or_default()
}
