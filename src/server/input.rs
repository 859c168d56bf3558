//! What a peer still sends when its last request has been read. Nothing of it is of interest but its end.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBuf};
use tokio::time::timeout;

/// The peer's side of a connection.
#[derive(Debug)]
pub(super) struct Input {
    /// The end has not come.
    open: bool,
    /// The peer has sent what nobody waits for, and may send more.
    is_talking: bool,
    /// Bytes that are still read.
    budget: usize,
}

impl Input {
    /// `unread` bytes have come already.
    pub(super) fn new(unread: usize) -> Self {
        Self { open: true, is_talking: unread > 0, budget: MAX_IGNORED }
    }

    /// Ready, once, when the peer has sent all that it will, or with an error when the connection has broken. Costs no
    /// system call unless something has come. Who talks too much is no longer listened to, and the kernel stops it.
    pub(super) fn poll_end(&mut self, link: &mut (impl Read + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.open && self.budget > 0 {
            if ready!(self.poll_some(link, cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Lets a peer that talks have the end of what was sent to it: a kernel that is to close a connection on bytes
    /// which nobody has read resets it, and with that takes back what the peer has not read (RFC 9112 9.6).
    pub(super) async fn linger(mut self, link: &mut (impl Read + Unpin)) {
        let ended = poll_fn(|cx| Poll::Ready(self.poll_end(link, cx).is_ready())).await;
        if ended || !self.is_talking {
            return;
        }
        self.budget = MAX_IGNORED_AT_END;
        let silence = async {
            while self.budget > 0 && poll_fn(|cx| self.poll_some(link, cx)).await.is_ok_and(|read| read > 0) {}
        };
        // It may have the rest of its time for itself.
        let _ = timeout(LINGER, silence).await;
    }

    /// Reads some bytes and forgets them. Returns how many.
    fn poll_some(&mut self, link: &mut (impl Read + Unpin), cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; 1024];
        let mut space = ReadBuf::new(&mut space);
        ready!(Pin::new(link).poll_read(cx, space.unfilled()))?;
        let read = space.filled().len();
        (self.open, self.is_talking) = (read > 0, self.is_talking || read > 0);
        self.budget = self.budget.saturating_sub(read);
        Poll::Ready(Ok(read))
    }
}

/// Bytes beside its request that a viewer may send before it is no longer listened to. Chosen: some more requests, as
/// pipelining clients send them. Without a limit one that sends all the time would have all the time of our thread.
const MAX_IGNORED: usize = 64 * 1024;

/// Bytes that are read of one who talks when it has been answered. Chosen: a small upload to the wrong address.
const MAX_IGNORED_AT_END: usize = 1024 * 1024;

/// How long one who talks may take for the end of its answer. Chosen: some round trips of any link; nginx gives 5 s.
const LINGER: Duration = Duration::from_secs(2);
