//! One writer, many readers, the newest item wins.
//!
//! [`Fanout::publish`] replaces the newest item and returns; no reader can hold it up. Each [`Reader`] takes the newest
//! item whenever it is ready for one, and learns how many it skipped. Items are numbered from 1.
//!
//! Readers are polled as futures are, on any executor.

use std::{
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, lock};

/// The writer's side. Clones write to the same readers.
#[derive(Debug)]
pub struct Fanout<T>(Arc<Shared<T>>);

/// One reader's side; dropping it signs it off.
#[derive(Debug)]
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    key: usize,
    /// Number of the last item taken; before the first, of the one before the newest at its signing on.
    seen: u64,
    /// Number of the last repetition taken.
    repeats_seen: u64,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The newest item.
    Item {
        /// The item.
        item: T,
        /// How many were published since the reader's last one, or its signing on, that it was not given.
        skipped: u64,
    },
    /// The newest item once more, as [`Fanout::repeat`] asked for.
    Again {
        /// The item.
        item: T,
        /// Why.
        why: Repeat,
    },
    /// No item follows. The reader has had the last one.
    Ended,
    /// The writer has gone: leave at once.
    Closed,
}

/// Why an item is given out once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// No newer one came for a while.
    Settled,
    /// To keep what lies between from taking the silence for the end.
    KeepAlive,
}

/// How a wait for the readers ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// All have gone.
    Empty,
    /// This many were still there when the time was up.
    TimedOut(usize),
    /// [`Fanout::cancel_waits`] was called.
    Cancelled,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// A reader has gone, or a wait was cancelled.
    left: Condvar,
}

#[derive(Debug)]
struct State<T> {
    newest: Option<T>,
    number: u64,
    repeats: u64,
    why: Repeat,
    phase: Phase,
    cancelled: bool,
    /// Counts the cancels: a wait that sleeps may wake only after the flag was cleared again.
    cancellations: u64,
    /// A place per reader: its waker while it waits.
    readers: Slab<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Ended,
    Closed,
}

impl<T> Clone for Fanout<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone> Default for Fanout<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> Fanout<T> {
    /// A fan-out without items and readers.
    pub fn new() -> Self {
        let state = State {
            newest: None,
            number: 0,
            repeats: 0,
            why: Repeat::Settled,
            phase: Phase::Open,
            cancelled: false,
            cancellations: 0,
            readers: Slab::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), left: Condvar::new() }))
    }

    /// Makes `item` the newest one and wakes the readers that wait. Publishing after [`end`](Self::end) goes on with
    /// new readers.
    pub fn publish(&self, item: T) {
        let mut state = self.0.lock();
        let before = state.newest.replace(item);
        state.number += 1;
        if state.phase == Phase::Ended {
            state.phase = Phase::Open;
        }
        wake(state);
        // Freeing a picture takes time that no reader should wait for, so it happens after the lock is given back.
        drop(before);
    }

    /// Gives the newest item once more to each reader that has had it.
    pub fn repeat(&self, why: Repeat) {
        let mut state = self.0.lock();
        state.repeats += 1;
        state.why = why;
        wake(state);
    }

    /// The newest item.
    pub fn newest(&self) -> Option<T> {
        self.0.lock().newest.clone()
    }

    /// Ends the series: each reader still gets the newest item if it has not had it, then [`Next::Ended`].
    pub fn end(&self) {
        self.enter(Phase::Ended);
    }

    /// Takes an [`end`](Self::end) back: readers that have not learnt of it wait for the next item.
    pub fn go_on(&self) {
        let mut state = self.0.lock();
        if state.phase == Phase::Ended {
            state.phase = Phase::Open;
        }
    }

    /// Sends all readers away, now and for ever.
    pub fn close(&self) {
        self.enter(Phase::Closed);
    }

    /// Signs on a reader. It is given, or skips, the newest item and all that are published from now on.
    pub fn subscribe(&self) -> Reader<T> {
        let (key, seen, repeats_seen) = {
            let mut state = self.0.lock();
            (state.readers.insert(None), state.number.saturating_sub(1), state.repeats)
        };
        Reader { shared: self.0.clone(), key, seen, repeats_seen }
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.0.lock().readers.len()
    }

    /// Blocks until all readers have gone, the time is up, or [`cancel_waits`](Self::cancel_waits) was called.
    pub fn wait_until_empty(&self, at_most: Duration) -> Wait {
        let until = Instant::now() + at_most;
        let mut state = self.0.lock();
        let cancellations = state.cancellations;
        loop {
            if state.readers.is_empty() {
                return Wait::Empty;
            }
            if state.cancelled || state.cancellations != cancellations {
                return Wait::Cancelled;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Wait::TimedOut(state.readers.len());
            }
            state = self.0.left.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Cancels a [`wait_until_empty`](Self::wait_until_empty) under way and all later ones, until
    /// [`allow_waits`](Self::allow_waits).
    pub fn cancel_waits(&self) {
        let mut state = self.0.lock();
        state.cancelled = true;
        state.cancellations += 1;
        drop(state);
        self.0.left.notify_all();
    }

    /// Lets later calls of [`wait_until_empty`](Self::wait_until_empty) wait again.
    pub fn allow_waits(&self) {
        self.0.lock().cancelled = false;
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.0.lock();
        if state.phase != Phase::Closed {
            state.phase = phase;
        }
        wake(state);
    }
}

impl<T: Clone> Reader<T> {
    /// Takes the newest item if it has not been taken yet, else waits for the next one.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<T>> {
        let mut state = self.shared.lock();
        if state.phase == Phase::Closed {
            return Poll::Ready(Next::Closed);
        }
        if let Some(newest) = &state.newest {
            if state.number > self.seen {
                let skipped = state.number - self.seen - 1;
                self.seen = state.number;
                self.repeats_seen = state.repeats;
                return Poll::Ready(Next::Item { item: newest.clone(), skipped });
            }
            if state.repeats > self.repeats_seen {
                self.repeats_seen = state.repeats;
                return Poll::Ready(Next::Again { item: newest.clone(), why: state.why });
            }
        }
        if state.phase == Phase::Ended {
            return Poll::Ready(Next::Ended);
        }
        state.wake_later(self.key, cx);
        Poll::Pending
    }

    /// Number of the last item that it was given or skipped; of those before its signing on all but the newest count as
    /// that.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Waits for the end of the series.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.phase != Phase::Open {
            return Poll::Ready(());
        }
        state.wake_later(self.key, cx);
        Poll::Pending
    }
}

impl<T> State<T> {
    fn wake_later(&mut self, key: usize, cx: &Context<'_>) {
        match &mut self.readers[key] {
            Some(waker) => waker.clone_from(cx.waker()),
            place => *place = Some(cx.waker().clone()),
        }
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.shared.lock().readers.remove(self.key);
        self.shared.left.notify_all();
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

/// Wakes the readers that wait, after the lock is given back.
fn wake<T>(mut state: MutexGuard<'_, State<T>>) {
    let wakers: Vec<Waker> = state.readers.iter_mut().filter_map(|(_, place)| place.take()).collect();
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}
