//! Pictures on their way from the reading thread to the streaming thread.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::settings::LeakyType;
use crate::{client::ClientError, multipart::Frame, sync::lock};

/// A short queue between one writer and one reader.
#[derive(Debug)]
pub(super) struct Queue {
    leaky_type: LeakyType,
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

/// A picture as the streaming thread takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) frame: Frame<Option<gst::ClockTime>>,
    /// Time from its first byte to its last.
    pub(super) transfer: gst::ClockTime,
    /// Pictures before it were lost.
    pub(super) discont: bool,
}

/// What the streaming thread gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Picture(Picture),
    /// The stream ended, or failed for good.
    Ended(Result<(), ClientError>),
    Flushing,
}

#[derive(Debug, Default)]
struct State {
    pictures: VecDeque<(Picture, Instant)>,
    ended: Option<Result<(), ClientError>>,
    /// The next picture put in follows a gap.
    gap: bool,
    flushing: bool,
    paused: bool,
    stopped: bool,
    skipped: u64,
    /// Time that sinks let pass between a picture's first byte and showing it.
    latency: Duration,
    /// Who waits for the other. Waking nobody costs a system call too.
    reader_waits: bool,
    writer_waits: bool,
}

impl Queue {
    pub(super) fn new(leaky_type: LeakyType, capacity: usize) -> Self {
        let state = State { gap: true, ..State::default() };
        Self { leaky_type, capacity, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Puts in a picture. With [`LeakyType::None`] waits for a place; gives up when the queue is stopped. Who waits for
    /// a picture is woken by [`wake`](Self::wake), or when several are there.
    pub(super) fn put(&self, frame: Frame<Option<gst::ClockTime>>, transfer: gst::ClockTime, now: Instant) {
        let mut state = self.lock();
        match self.leaky_type {
            LeakyType::None => {
                while state.pictures.len() >= self.capacity && !state.stopped {
                    state.writer_waits = true;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.writer_waits = false;
            }
            LeakyType::Downstream => {
                let latency = state.latency;
                state.skip_stale(now, latency, self.capacity - 1, 0);
            }
        }
        if state.stopped {
            return;
        }
        let discont = std::mem::take(&mut state.gap);
        state.pictures.push_back((Picture { frame, transfer, discont }, now));
        if state.pictures.len() >= BATCH.min(self.capacity) {
            self.wake_reader(state);
        }
    }

    /// Wakes who waits for a picture, if there is one.
    pub(super) fn wake(&self) {
        let state = self.lock();
        if !state.pictures.is_empty() {
            self.wake_reader(state);
        }
    }

    fn wake_reader(&self, state: MutexGuard<'_, State>) {
        let reader_waits = state.reader_waits;
        // It would wake up only to wait for the lock.
        drop(state);
        if reader_waits {
            self.changed.notify_all();
        }
    }

    /// Waits for the next picture, and for the end of a pause; `now` tells the time, once before and once after each
    /// wait.
    pub(super) fn take(&self, now: impl Fn() -> Instant) -> Taken {
        let mut state = self.lock();
        loop {
            if state.flushing {
                return Taken::Flushing;
            }
            if !state.paused {
                if self.leaky_type == LeakyType::Downstream {
                    let latency = state.latency;
                    state.skip_stale(now(), latency, usize::MAX, 1);
                }
                if let Some((picture, _)) = state.pictures.pop_front() {
                    let writer_waits = state.writer_waits;
                    drop(state);
                    if writer_waits {
                        self.changed.notify_all();
                    }
                    return Taken::Picture(picture);
                }
                if let Some(ended) = &state.ended {
                    return Taken::Ended(ended.clone());
                }
            }
            state.reader_waits = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.reader_waits = false;
        }
    }

    /// Says how long after its first byte a picture is shown: a sink that waits for that holds up the next ones, which
    /// are not late by it.
    pub(super) fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Says that pictures were lost here.
    pub(super) fn gap(&self) {
        self.lock().gap = true;
    }

    /// Says that no picture follows, and why.
    pub(super) fn end(&self, ended: Result<(), ClientError>) {
        self.lock().ended = Some(ended);
        self.changed.notify_all();
    }

    /// Lets [`take`](Self::take) return at once, now and until [`stop_flushing`](Self::stop_flushing).
    pub(super) fn start_flushing(&self) {
        self.lock().flushing = true;
        self.changed.notify_all();
    }

    pub(super) fn stop_flushing(&self) {
        self.lock().flushing = false;
    }

    /// Lets [`take`](Self::take) hand out nothing, now and until [`resume`](Self::resume).
    pub(super) fn pause(&self) {
        self.lock().paused = true;
        self.changed.notify_all();
    }

    /// Ends a pause. Of what came meanwhile the newest is next, whatever the latency: no sink waited for it.
    pub(super) fn resume(&self, now: Instant) {
        let mut state = self.lock();
        state.paused = false;
        if self.leaky_type == LeakyType::Downstream {
            state.skip_stale(now, Duration::ZERO, usize::MAX, 1);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Ends all waits of the writer for ever.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Lets the writer wait that long, or until stopped.
    pub(super) fn wait_before_retry(&self, delay: Duration) {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, delay, |state| !state.stopped);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Pictures dropped because newer ones made them stale.
    pub(super) fn skipped(&self) -> u64 {
        self.lock().skipped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Picture {
    /// How long it may wait while a newer one waits behind it.
    fn may_wait(&self, latency: Duration) -> Duration {
        STALE.saturating_add(latency.saturating_sub(self.transfer.into()))
    }
}

impl State {
    /// Drops from the front what is over the capacity, and what is stale though newer ones are there; the last `keep`
    /// stay.
    fn skip_stale(&mut self, now: Instant, latency: Duration, capacity: usize, keep: usize) {
        while let Some((picture, put)) = self.pictures.front()
            && self.pictures.len() > keep
            && (self.pictures.len() > capacity || now.saturating_duration_since(*put) > picture.may_wait(latency))
        {
            self.pictures.pop_front();
            self.skipped += 1;
            match self.pictures.front_mut() {
                Some((next, _)) => next.discont = true,
                None => self.gap = true,
            }
        }
    }
}

/// Pictures that wake the reader though more are about to come. Chosen: half of a queue as long as by default; each
/// wake-up costs as much as reading a small picture.
const BATCH: usize = 8;

/// Time that a picture may wait, besides the latency, while a newer one waits behind it. Chosen: pictures that come in
/// one burst all reach a downstream that takes them at once, and one that takes longer gets the newest.
const STALE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
