//! The reading thread's way into the element.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gst::prelude::*;

use super::{MjpegClientSrc, imp::CAT, message, queue::Queue, stats::Stats};
use crate::{
    client::{ClientError, Receiver},
    multipart::Event,
};

/// What the reading thread holds of the element.
pub(super) struct ToElement {
    /// Weak: the thread ends with the element, not the element with the thread.
    pub(super) element: glib::WeakRef<MjpegClientSrc>,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Arc<Stats>,
}

impl Receiver for ToElement {
    type Stamp = Option<gst::ClockTime>;

    fn stamp(&self) -> Option<gst::ClockTime> {
        self.element.upgrade()?.current_running_time()
    }

    fn received(&self, bytes: usize) {
        self.stats.update(|counters| counters.bytes += bytes as u64);
    }

    fn event(&self, event: Event<Self::Stamp>) {
        match event {
            Event::Frame(frame) => {
                self.stats.update(|counters| counters.frames += 1);
                let transfer = frame.stamp.and_then(|first| self.stamp()?.checked_sub(first)).unwrap_or_default();
                self.queue.put(frame, transfer, Instant::now());
            }
            Event::Damaged(damage) => {
                self.stats.update(|counters| counters.damaged += 1);
                self.queue.gap();
                if let Some(element) = self.element.upgrade() {
                    gst::info!(CAT, obj = element, "a picture was lost: {damage}");
                }
            }
            Event::Foreign => self.stats.update(|counters| counters.foreign += 1),
        }
    }

    fn connected(&self, peer: &str) {
        self.stats.update(|counters| peer.clone_into(&mut counters.peer));
        let Some(element) = self.element.upgrade() else { return };
        gst::info!(CAT, obj = element, "connected to {peer}");
        let _ = element.post_message(message::connected(&element, peer));
    }

    fn lost(&self, cause: &ClientError, attempt: u32, delay: Duration) {
        self.queue.gap();
        self.stats.update(|counters| {
            counters.reconnects += 1;
            counters.last_reason = cause.to_string();
        });
        let Some(element) = self.element.upgrade() else { return };
        let _ = element.post_message(message::reconnecting(&element, cause, attempt, delay));
        if attempt.is_power_of_two() {
            // A user of gst-launch should read it, but not every two seconds all night.
            gst::element_warning!(
                element,
                gst::ResourceError::Read,
                ("{cause}; trying again in {:.1} s, attempt {attempt}", delay.as_secs_f64())
            );
        }
    }

    fn pause(&self, delay: Duration) {
        self.queue.pause(delay);
    }
}
