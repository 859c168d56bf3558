//! The tasks of a server, which end with it.

use std::{
    future::poll_fn,
    sync::Mutex,
    task::{Context, Poll},
};

use tokio::task::JoinSet;

use crate::sync::lock;

/// One task for each connection, and one for each stream of those that have several.
pub(super) struct Tasks(Mutex<Option<JoinSet<()>>>);

impl Tasks {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(JoinSet::new())))
    }

    /// Runs a task. After the end there are no more.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *lock(&self.0) {
            tasks.spawn(task);
        }
    }

    /// Forgets one that has come to its end, as soon as there is one.
    pub(super) async fn forget_ended(&self) {
        poll_fn(|cx| match self.poll_ended(cx) {
            Poll::Ready(Some(())) => Poll::Ready(()),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Returns when there are none.
    pub(super) async fn all_ended(&self) {
        poll_fn(|cx| {
            loop {
                match self.poll_ended(cx) {
                    Poll::Ready(Some(())) => {}
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Ends those that are left, by force. Returns how many there were.
    pub(super) async fn end(&self) -> usize {
        let tasks = lock(&self.0).take();
        let Some(mut tasks) = tasks else { return 0 };
        while tasks.try_join_next().is_some() {}
        let left = tasks.len();
        tasks.shutdown().await;
        left
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        match &mut *lock(&self.0) {
            // One that panicked has ended, too.
            Some(tasks) => tasks.poll_join_next(cx).map(|ended| ended.map(|_| ())),
            None => Poll::Ready(None),
        }
    }
}
