//! The byte stream under a connection, which tells when all that was written has left for the kernel.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::connection::Connection;
use crate::sync::lock;

/// Wraps a connection's stream. hyper flushes it when, and only when, its own buffer is empty.
#[derive(Debug)]
pub(super) struct Link<T> {
    inner: T,
    drain: Drain,
    connection: Arc<Connection>,
}

/// Whether all that was handed out for a viewer has left.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    waits: bool,
    awaited_by: Option<Waker>,
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
        lock(&self.0).waits = true;
    }

    /// Ready when nothing is pending. Else the task is woken when that is so.
    pub(super) fn poll_drained(&self, cx: &Context<'_>) -> Poll<()> {
        let mut pending = lock(&self.0);
        if !pending.waits {
            return Poll::Ready(());
        }
        match &mut pending.awaited_by {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Says that all of it has left.
    pub(super) fn drained(&self) {
        let awaited_by = {
            let mut pending = lock(&self.0);
            pending.waits = false;
            pending.awaited_by.take()
        };
        if let Some(waker) = awaited_by {
            waker.wake();
        }
    }
}

impl<T: Read + Unpin> Read for Link<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Link<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is encrypted takes a picture at once; that the peer does not is seen here.
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        let flushed = self.note(flushed);
        if let Poll::Ready(Ok(())) = flushed {
            self.drain.drained();
        }
        // TLS holds bytes of its own back until the peer reads.
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.note(written)
    }
}
