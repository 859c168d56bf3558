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

use super::{camera::Picture, events::Reason, viewers::ViewerPlace};
use crate::{
    fanout::{Next, Reader, Repeat},
    multipart::{Layout, Writer},
};

/// The body of a response.
pub(super) enum Body {
    Bytes(Bytes),
    Stream(Box<Stream>),
}

/// A stream of pictures for one viewer: the newest one whenever it is asked for a piece, so whoever sends it asks when
/// the last one has left.
pub(super) struct Stream {
    /// Dropped first, so that whoever waits for the last reader finds the viewer counted out already.
    place: ViewerPlace,
    pictures: Reader<Arc<Picture>>,
    writer: Writer,
    layout: Layout,
    pace: Option<Pace>,
    phase: Phase,
    last: Option<Arc<Picture>>,
    /// The last one went out a second time.
    had_twice: bool,
    /// Bytes of the next part that have gone ahead of it.
    ahead: usize,
}

/// Keeps a viewer to its rate.
struct Pace {
    interval: Duration,
    /// When the next picture may go.
    due: Pin<Box<Sleep>>,
}

/// What goes out at once, by one vectored write.
pub(super) type Piece = Chain<Bytes, Bytes>;

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
        place: ViewerPlace,
    ) -> Self {
        place.viewer.passed(pictures.seen());
        let pace = fps.map(Pace::new);
        Self { pictures, writer, layout, pace, place, phase: Phase::Opening, last: None, had_twice: false, ahead: 0 }
    }

    /// The first delimiter. It goes out with the response head, picture or not: readers wait for it.
    pub(super) fn open(&mut self) -> Piece {
        self.phase = Phase::Running;
        piece([Bytes::new(), self.writer.opening()])
    }

    /// The next piece: the first delimiter unless it has been taken, then pictures, then the end.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match self.phase {
            Phase::Opening => Poll::Ready(Some(self.open())),
            Phase::Running => {
                if let Poll::Ready(reason) = self.place.viewer.poll_sent_away(cx) {
                    return Poll::Ready(self.close(reason));
                }
                if let Some(pace) = &mut self.pace {
                    // The end need not wait for its turn.
                    if self.pictures.poll_end(cx).is_pending() {
                        ready!(pace.due.as_mut().poll(cx));
                    }
                }
                let next = ready!(self.poll_wanted(cx));
                self.had_twice = matches!(next, Next::Again { .. });
                Poll::Ready(match next {
                    Next::Item { item, skipped } => Some(self.picture(item, skipped)),
                    Next::Again { item, .. } => Some(self.picture(item, 0)),
                    Next::Ended => self.close(Reason::Ended),
                    // WebKit blanks a picture after which nothing closes the stream.
                    Next::Closed => self.close(Reason::Stopped),
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
                Next::Again { why: Repeat::Settled, .. } if self.layout != Layout::Advance || self.had_twice => {}
                next => return Poll::Ready(next),
            }
        }
    }

    /// The beginning of the next part, ahead of its picture: something to write while there is no picture.
    pub(super) fn begin_part(&mut self) -> Piece {
        let beginning = self.writer.beginning();
        self.ahead = beginning.len();
        piece([Bytes::new(), beginning])
    }

    fn picture(&mut self, picture: Arc<Picture>, skipped: u64) -> Piece {
        if let Some(pace) = &mut self.pace {
            pace.count();
        }
        let mut piece = piece(self.writer.part(picture.part()));
        self.last = Some(picture);
        self.place.viewer.count(piece.remaining(), skipped);
        self.place.viewer.passed(self.pictures.seen());
        piece.advance(std::mem::take(&mut self.ahead));
        piece
    }

    fn close(&mut self, reason: Reason) -> Option<Piece> {
        if self.ahead > 0
            && let Some(last) = self.last.clone()
        {
            // A part that has begun is finished.
            return Some(self.picture(last, 0));
        }
        self.phase = Phase::Ended;
        self.place.reason = reason;
        // Without any picture there is nothing to finish one with.
        (self.ahead == 0).then(|| piece(self.writer.closing(self.last.as_ref().map(|last| last.part()))))
    }
}

impl Pace {
    fn new(fps: f64) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / fps.max(MIN_FPS)), due: Box::pin(sleep_until(Instant::now())) }
    }

    /// A picture goes out. The next is due one interval after this one was, so that the rate is right on average; a
    /// viewer that was too slow for its rate does not catch up.
    fn count(&mut self) {
        let next = (self.due.deadline() + self.interval).max(Instant::now());
        self.due.as_mut().reset(next);
    }
}

fn piece([a, b]: [Bytes; 2]) -> Piece {
    a.chain(b)
}

impl hyper::body::Body for Body {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let piece = match &mut *self {
            Body::Bytes(bytes) if bytes.is_empty() => None,
            Body::Bytes(bytes) => Some(piece([Bytes::new(), std::mem::take(bytes)])),
            Body::Stream(stream) => ready!(stream.poll_piece(cx)),
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

/// Least rate of a viewer, in pictures per second. Chosen: one picture in 100 s is near no picture at all.
pub(super) const MIN_FPS: f64 = 0.01;
