//! Sends a stream of pictures over a connection that hyper has given back.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, Write};

use super::{
    input::Input,
    stream::{Piece, Stream},
};

/// Sends the stream up to its end. A piece is asked for when the last one has left for the kernel, so at most one waits
/// in the process; a piece once begun is always finished.
///
/// # Errors
///
/// The connection broke.
pub(super) async fn send(
    link: &mut (impl Read + Write + Unpin),
    input: &mut Input,
    stream: Box<Stream>,
) -> io::Result<()> {
    let mut pump = Pump { link, input, stream, piece: Bytes::new().chain(Bytes::new()), flushed: true };
    std::future::poll_fn(|cx| pump.poll(cx)).await
}

struct Pump<'a, T> {
    link: &'a mut T,
    input: &'a mut Input,
    stream: Box<Stream>,
    /// What of the last piece has not been sent.
    piece: Piece,
    flushed: bool,
}

impl<T: Read + Write + Unpin> Pump<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_sent(cx))?;
            self.piece = match self.stream.poll_piece(cx) {
                Poll::Ready(Some(piece)) => piece,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(self.input.poll_end(self.link, cx))?;
                    // One that has gone and one that only has nothing more to say look the same, until something is
                    // sent: who has gone answers with a reset.
                    self.stream.begin_part()
                }
            };
            self.flushed = false;
        }
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
}
