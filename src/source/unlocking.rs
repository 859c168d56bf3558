//! Which of the base class's calls of `unlock()` and `unlock_stop()` are meant for a `create()` that waits.
//!
//! Up to GStreamer 1.22 all are: they belong to flushes, and to stopping. A newer one (seen with 1.26.2) also unlocks a
//! live source for each pause. A `create()` that returns for that, and only when the pause is over already, has its
//! task stopped for good: it was started again before, when it still ran. So that unlock is not followed; `create()`
//! waits through the pause (`Queue::hold`).
//!
//! The newer one takes the unlock of a pause back from the streaming thread, on its way into `create()`, with no lock
//! held. A flush or a stop that another thread has begun at that moment would be taken back with it, and its thread
//! would then wait for a picture. So that one is not followed either.

use std::thread::ThreadId;

/// Who does what. The values are asked for with the calls: nothing here knows which thread it is on.
#[derive(Debug, Default)]
pub(super) struct Unlocking {
    pausing: Option<ThreadId>,
    streaming: Option<ThreadId>,
    unlocked: Option<ThreadId>,
}

impl Unlocking {
    /// This thread makes the source pause, or none does any longer.
    pub(super) fn pauses(&mut self, thread: Option<ThreadId>) {
        self.pausing = thread;
    }

    /// This thread takes the pictures.
    pub(super) fn streams(&mut self, thread: ThreadId) {
        self.streaming = Some(thread);
    }

    /// Whether `create()` has to return.
    pub(super) fn unlock(&mut self, thread: ThreadId) -> bool {
        if self.pausing == Some(thread) {
            return false;
        }
        self.unlocked = Some(thread);
        true
    }

    /// Whether `create()` may wait again.
    pub(super) fn unlock_stop(&mut self, thread: ThreadId) -> bool {
        // What the streaming thread unlocked itself, as by a flush from a probe, it also takes back.
        if self.streaming == Some(thread) && self.unlocked.is_some_and(|unlocked| unlocked != thread) {
            return false;
        }
        self.unlocked = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The threads of an application, of a flush from elsewhere, and of the stream.
    fn threads() -> [ThreadId; 3] {
        let id = || thread::spawn(|| thread::current().id()).join().expect("it only says who it is");
        [id(), id(), id()]
    }

    #[test]
    fn pausing_unlocks_nothing() {
        let [application, elsewhere, _] = threads();
        let mut unlocking = Unlocking::default();
        unlocking.pauses(Some(application));
        assert!(!unlocking.unlock(application));
        assert!(unlocking.unlock(elsewhere), "a flush meanwhile does");
        unlocking.pauses(None);
        assert!(unlocking.unlock(application), "stopping does");
    }

    #[test]
    fn streaming_thread_takes_back_nobody_elses_unlock() {
        let [application, elsewhere, streaming] = threads();
        let mut unlocking = Unlocking::default();
        unlocking.streams(streaming);
        assert!(unlocking.unlock_stop(streaming), "nothing is unlocked");
        assert!(unlocking.unlock(application));
        assert!(!unlocking.unlock_stop(streaming));
        assert!(unlocking.unlock_stop(elsewhere), "the end of a flush may come from any other thread");
    }

    #[test]
    fn streaming_thread_takes_back_its_own_unlock() {
        let [_, _, streaming] = threads();
        let mut unlocking = Unlocking::default();
        unlocking.streams(streaming);
        assert!(unlocking.unlock(streaming));
        assert!(unlocking.unlock_stop(streaming));
    }
}
