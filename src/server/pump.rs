//! Sends a stream of pictures over a connection that hyper has given back.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBuf, Write};

use super::stream::{Piece, Stream};

/// Sends the stream up to its end. A piece is asked for when the last one has left for the kernel, so at most one waits
/// in the process; a piece once begun is always finished.
///
/// # Errors
///
/// The connection broke.
pub(super) async fn send(link: &mut (impl Read + Write + Unpin), stream: Box<Stream>) -> io::Result<()> {
    let mut pump = Pump { link, stream, piece: Bytes::new().chain(Bytes::new()), flushed: true, half_closed: false };
    std::future::poll_fn(|cx| pump.poll(cx)).await
}

struct Pump<'a, T> {
    link: &'a mut T,
    stream: Box<Stream>,
    /// What of the last piece has not been sent.
    piece: Piece,
    flushed: bool,
    /// The peer sends nothing more. It may still want its pictures.
    half_closed: bool,
}

impl<T: Read + Write + Unpin> Pump<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_sent(cx))?;
            match self.stream.poll_piece(cx) {
                Poll::Ready(Some(piece)) => (self.piece, self.flushed) = (piece, false),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        self.poll_broken(cx).map(Err)
    }

    /// Ready when the last piece has left.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.piece.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = self.piece.chunks_vectored(&mut slices);
            match ready!(Pin::new(&mut *self.link).poll_write_vectored(cx, &slices[..count]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.piece.advance(sent),
            }
        }
        if !self.flushed {
            ready!(Pin::new(&mut *self.link).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the connection breaks. Nothing that the peer says is of interest any more, but an end has to be read
    /// to be seen.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while !self.half_closed {
            let mut space = [0; 256];
            let mut space = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut *self.link).poll_read(cx, space.unfilled())) {
                Ok(()) => self.half_closed = space.filled().is_empty(),
                Err(error) => return Poll::Ready(error),
            }
        }
        Poll::Pending
    }
}
