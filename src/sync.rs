//! The one way in which this crate takes a lock.
//!
//! The fan-out takes all that it synchronises with from here, so that `tests/fanout_model.rs` can give it the types of
//! a model checker instead.

pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Takes a lock, poisoned or not: what our locks guard is whole at every moment, so a thread that panicked in between
/// is no reason for the others to stop.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
