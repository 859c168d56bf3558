//! The figures of a source.

use std::sync::Mutex;

use crate::sync::lock;

/// Counters since the start. One lock: they are written a few times per picture.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<Counters>);

/// The counters.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) damaged: u64,
    pub(super) foreign: u64,
    pub(super) reconnects: u64,
    pub(super) peer: String,
    pub(super) last_reason: String,
}

impl Stats {
    /// Changes the counters.
    pub(super) fn update(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.0));
    }

    /// The counters as a structure; `skipped` is counted elsewhere.
    pub(super) fn structure(&self, skipped: u64) -> gst::Structure {
        let counters = lock(&self.0).clone();
        gst::Structure::builder("application/x-mjpegclientsrc-stats")
            .field("frames", counters.frames)
            .field("bytes", counters.bytes)
            .field("skipped", skipped)
            .field("damaged", counters.damaged)
            .field("foreign", counters.foreign)
            .field("reconnects", counters.reconnects)
            .field("peer", counters.peer)
            .field("last-reason", counters.last_reason)
            .build()
    }
}
