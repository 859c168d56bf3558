//! The byte stream under a connection, which tells when all that was written has left for the kernel.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::sync::lock;

/// Wraps a connection's stream. hyper flushes it when, and only when, its own buffer is empty.
#[derive(Debug)]
pub(super) struct Link<T> {
    inner: T,
    flush: Flush,
}

/// The next time that all that was written to a [`Link`] has left, TLS's own buffer included.
#[derive(Clone, Debug, Default)]
pub(super) struct Flush(Arc<Mutex<Vec<Drain>>>);

/// Whether all that was handed out for a viewer has left.
#[derive(Clone, Debug, Default)]
pub(super) struct Drain(Arc<Mutex<Pending>>);

#[derive(Debug, Default)]
struct Pending {
    waits: bool,
    awaited_by: Option<Waker>,
}

impl<T> Link<T> {
    pub(super) fn new(inner: T) -> (Self, Flush) {
        let flush = Flush::default();
        (Self { inner, flush: flush.clone() }, flush)
    }

    /// The stream itself, once nobody waits to hear that it has drained.
    pub(super) fn into_inner(self) -> T {
        self.inner
    }
}

impl Flush {
    /// What was handed out for this viewer has been written, and leaves with the rest.
    pub(super) fn drains(&self, drain: &Drain) {
        lock(&self.0).push(drain.clone());
    }

    fn done(&self) {
        let drains = mem::take(&mut *lock(&self.0));
        drains.iter().for_each(Drain::drained);
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

    fn drained(&self) {
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
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.flush.done();
        }
        flushed
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
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }
}
