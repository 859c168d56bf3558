//! The fan-out in every order in which its threads can meet, as loom finds them.
#![allow(dead_code, reason = "the models use a part of the fan-out")]

#[path = "../src/fanout/mod.rs"]
mod fanout;

/// What the fan-out synchronises with, from loom.
mod sync {
    use std::{sync::LockResult, time::Duration};

    pub use std::sync::PoisonError;

    use loom::sync::atomic::{AtomicBool, Ordering};
    pub use loom::sync::{Arc, Mutex, MutexGuard};

    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    loom::lazy_static! {
        /// Whether somebody waits, or has waited.
        pub static ref WAITED: AtomicBool = AtomicBool::new(false);
    }

    /// A wait without a time limit: what nobody ends is a deadlock, which loom reports.
    #[derive(Debug)]
    pub struct Condvar(loom::sync::Condvar);

    impl Condvar {
        pub fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub fn notify_all(&self) {
            self.0.notify_all();
        }

        pub fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            _: Duration,
        ) -> LockResult<(MutexGuard<'a, T>, ())> {
            WAITED.store(true, Ordering::SeqCst);
            Ok((self.0.wait(guard).unwrap_or_else(PoisonError::into_inner), ()))
        }
    }
}

use std::{future::poll_fn, time::Duration};

use fanout::{Fanout, Next, Wait};
use loom::{future::block_on, model, sync::atomic::Ordering, thread};

#[test]
fn every_item_is_taken_or_counted_as_skipped_and_the_last_one_is_taken() {
    model(|| {
        let fanout = Fanout::new();
        fanout.publish(1);
        let mut reader = fanout.subscribe();
        let reading = thread::spawn(move || {
            let (mut counted, mut last) = (0, 0);
            while let Next::Item { item, skipped } = block_on(poll_fn(|cx| reader.poll_next(cx))) {
                assert!(item > last, "never an older one");
                counted += skipped + 1;
                last = item;
            }
            (counted, last)
        });
        fanout.publish(2);
        fanout.publish(3);
        fanout.end();
        assert_eq!(reading.join().expect("the reader ends"), (3, 3));
    });
}

#[test]
fn closing_wakes_a_reader_that_waits() {
    model(|| {
        let fanout = Fanout::<u64>::new();
        let mut reader = fanout.subscribe();
        let reading = thread::spawn(move || block_on(poll_fn(|cx| reader.poll_next(cx))));
        fanout.close();
        assert_eq!(reading.join().expect("the reader ends"), Next::Closed);
    });
}

#[test]
fn a_reader_that_leaves_ends_the_wait_for_it() {
    model(|| {
        let fanout = Fanout::<u64>::new();
        let reader = fanout.subscribe();
        let leaving = thread::spawn(move || drop(reader));
        assert_eq!(fanout.wait_until_empty(LONG), Wait::Empty);
        leaving.join().expect("the reader leaves");
    });
}

/// Seen in a review: who slept while a cancel was set and taken back slept on.
#[test]
fn a_cancel_that_is_taken_back_at_once_ends_the_wait() {
    model(|| {
        let fanout = Fanout::<u64>::new();
        let _reader = fanout.subscribe();
        let waiting = thread::spawn({
            let fanout = fanout.clone();
            move || fanout.wait_until_empty(LONG)
        });
        while !sync::WAITED.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        fanout.cancel_waits();
        fanout.allow_waits();
        assert_eq!(waiting.join().expect("the wait ends"), Wait::Cancelled);
    });
}

/// Longer than any model takes, as the fan-out looks at the real clock.
const LONG: Duration = Duration::from_secs(3600);
