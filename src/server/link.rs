//! The byte stream under a connection, which tells when all that was written has left for the kernel.

use std::{
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::connection::Connection;

/// Wraps a connection's stream. hyper flushes it when, and only when, its own buffer is empty; a stream body asks
/// [`Drain`] and answers only then, so that at most one picture waits in the process for each viewer. hyper alone
/// buffers 417 kB ahead (measured, docs/design.md).
#[derive(Debug)]
pub(super) struct Link<T> {
    inner: T,
    drain: Drain,
    connection: Arc<Connection>,
}

/// Whether a connection has drained. Stream body and link live on one task, so plain loads and stores do.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    pending: AtomicBool,
    awaited: AtomicBool,
}

impl<T> Link<T> {
    pub(super) fn new(inner: T, connection: Arc<Connection>) -> (Self, Drain) {
        let drain = Drain::default();
        (Self { inner, drain: drain.clone(), connection }, drain)
    }

    /// Notes whether the peer reads.
    fn note<R>(&self, written: Poll<R>) -> Poll<R> {
        match &written {
            Poll::Ready(_) => self.connection.progress(),
            Poll::Pending => self.connection.waits(),
        }
        written
    }
}

impl Drain {
    /// Says that bytes were handed out that have to drain.
    pub(super) fn fill(&self) {
        self.0.pending.store(true, Ordering::Relaxed);
    }

    /// Ready when nothing is pending. Else the task is woken when that is so.
    pub(super) fn poll_drained(&self) -> Poll<()> {
        if self.0.pending.load(Ordering::Relaxed) {
            self.0.awaited.store(true, Ordering::Relaxed);
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn drained(&self, cx: &Context<'_>) {
        self.0.pending.store(false, Ordering::Relaxed);
        if self.0.awaited.swap(false, Ordering::Relaxed) {
            cx.waker().wake_by_ref();
        }
    }
}

impl<T: Read + Unpin> Read for Link<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<(), std::io::Error>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Link<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, std::io::Error>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.drain.drained(cx);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize, std::io::Error>> {
        let written = match bufs {
            // A picture is one slice. That costs the kernel less by send than by writev; and tokio takes a short send,
            // not a short writev, for a full socket, which spares trying once more.
            [one] => Pin::new(&mut self.inner).poll_write(cx, one),
            _ => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
        };
        self.note(written)
    }
}
