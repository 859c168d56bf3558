//! The bodies of responses: a stream of pictures, or bytes that are there at once.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, buf::Chain};
use hyper::body::{Frame, SizeHint};

use super::{camera::Picture, link::Drain};
use crate::{
    fanout::{Next, Reader},
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
    drain: Drain,
    phase: Phase,
    last: Option<Arc<Picture>>,
}

/// What is handed to hyper at once, and by it to one vectored write.
pub(super) type Piece = Chain<Bytes, Chain<Chain<Bytes, Bytes>, Bytes>>;

enum Phase {
    Opening,
    Running,
    Ended,
}

impl Stream {
    pub(super) fn new(pictures: Reader<Arc<Picture>>, writer: Writer, drain: Drain) -> Self {
        Self { pictures, writer, drain, phase: Phase::Opening, last: None }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        match self.phase {
            Phase::Opening => {
                // The first delimiter goes out with the response head, picture or not: readers wait for it.
                self.phase = Phase::Running;
                let opening = self.writer.opening();
                Poll::Ready(match self.pictures.poll_next(cx) {
                    Poll::Ready(Next::Item { item, .. }) => Some(self.picture(opening, item)),
                    Poll::Ready(Next::Closed) => None,
                    Poll::Ready(Next::Ended) | Poll::Pending => {
                        Some(piece([opening, Bytes::new(), Bytes::new(), Bytes::new()]))
                    }
                })
            }
            Phase::Running => {
                ready!(self.drain.poll_drained());
                Poll::Ready(match ready!(self.pictures.poll_next(cx)) {
                    Next::Item { item, .. } => Some(self.picture(Bytes::new(), item)),
                    Next::Ended => {
                        self.phase = Phase::Ended;
                        let [again, closing] = self.writer.closing(self.last.as_ref().map(|last| last.part()));
                        Some(piece([again, closing, Bytes::new(), Bytes::new()]))
                    }
                    Next::Closed => None,
                })
            }
            Phase::Ended => Poll::Ready(None),
        }
    }

    fn picture(&mut self, before: Bytes, picture: Arc<Picture>) -> Piece {
        let [head, jpeg, after] = self.writer.part(picture.part());
        self.last = Some(picture);
        piece([before, head, jpeg, after])
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
