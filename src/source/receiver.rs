//! The reading thread's way into the element.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use gst::prelude::*;

use super::{MjpegClientSrc, imp::CAT, message, queue::Queue, stats::Stats};
use crate::{
    client::{ClientError, Framing, Receiver},
    multipart::Event,
    sync::lock,
    unix_time,
};

/// What the reading thread holds of the element.
pub(super) struct ToElement {
    /// Weak: this thread must not keep the element alive.
    pub(super) element: glib::WeakRef<MjpegClientSrc>,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Arc<Stats>,
    pub(super) warnings: Mutex<Warnings>,
}

/// Which losses people are warned of: a user of gst-launch should read it, but not every two seconds all night.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    last: Option<Instant>,
}

impl Receiver for ToElement {
    type Stamp = Option<gst::ClockTime>;

    fn stamp(&self) -> Option<gst::ClockTime> {
        self.element.upgrade()?.current_running_time()
    }

    fn received(&self, bytes: usize) {
        self.stats.update(|figures| figures.bytes += bytes as u64);
    }

    fn event(&self, event: Event<Self::Stamp>) {
        match event {
            Event::Frame(frame) => {
                let captured = frame.timestamp.as_deref().and_then(unix_time::parse);
                let age = captured.and_then(|captured| {
                    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(captured.into())
                });
                self.stats.update(|figures| {
                    figures.count_frame(Instant::now());
                    figures.age = age.or(figures.age);
                    if frame.timestamp.is_some() {
                        figures.timestamp.clone_from(&frame.timestamp);
                    }
                });
                let transfer = frame.stamp.and_then(|first| self.stamp()?.checked_sub(first)).unwrap_or_default();
                self.queue.put(frame, transfer, Instant::now());
            }
            Event::Damaged(damage) => {
                self.stats.update(|figures| figures.damaged += 1);
                self.queue.gap();
                if let Some(element) = self.element.upgrade() {
                    gst::info!(CAT, obj = element, "a picture was lost: {damage}");
                }
            }
            Event::Foreign => self.stats.update(|figures| figures.foreign += 1),
        }
    }

    fn connected(&self, peer: &str) {
        self.stats.update(|figures| {
            peer.clone_into(&mut figures.peer);
            figures.connected = Some(Instant::now());
        });
        let Some(element) = self.element.upgrade() else { return };
        gst::info!(CAT, obj = element, "connected to {peer}");
        let _ = element.post_message(message::connected(&element, peer));
    }

    fn learnt(&self, framing: &Framing) {
        self.stats.update(|figures| figures.framing = framing.clone());
        if let Some(element) = self.element.upgrade() {
            gst::info!(CAT, obj = element, "the stream has {framing}");
        }
    }

    fn lost(&self, cause: &ClientError, attempt: u32, delay: Duration) {
        self.queue.gap();
        self.stats.update(|figures| {
            figures.reconnects += 1;
            figures.last_reason = cause.to_string();
            figures.connected = None;
        });
        let Some(element) = self.element.upgrade() else { return };
        gst::info!(CAT, obj = element, "lost: {cause}; attempt {attempt} in {:.1} s", delay.as_secs_f64());
        let _ = element.post_message(message::reconnecting(&element, cause, attempt, delay));
        if lock(&self.warnings).is_due(attempt, Instant::now()) {
            gst::element_warning!(
                element,
                gst::ResourceError::Read,
                ("{cause}; trying again in {:.1} s, attempt {attempt}", delay.as_secs_f64())
            );
        }
    }

    fn waits(&self) {
        self.queue.wake();
    }

    fn pause(&self, delay: Duration) {
        self.queue.wake();
        self.queue.wait_before_retry(delay);
    }
}

impl Warnings {
    /// Whether a warning is due of this try in a row. A stream that is lost after each picture begins with 1 each time.
    fn is_due(&mut self, attempt: u32, now: Instant) -> bool {
        let again = self.last.is_some_and(|last| now.saturating_duration_since(last) < WARN_AGAIN);
        let due = attempt.is_power_of_two() && !(attempt == 1 && again);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Least time between two warnings of a first attempt. Chosen: often enough to see that it still happens.
const WARN_AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_does_not_come_back_is_warned_of_less_and_less() {
        let (mut warnings, now) = (Warnings::default(), Instant::now());
        let due: Vec<_> = (1..=64).filter(|attempt| warnings.is_due(*attempt, now)).collect();
        assert_eq!(due, [1, 2, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn a_stream_that_is_lost_after_each_picture_is_warned_of_now_and_then() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        let due: Vec<_> = (0..40).map(|second| warnings.is_due(1, start + Duration::from_secs(second))).collect();
        let seconds: Vec<_> = (0..40).filter(|second| due[*second]).collect();
        assert_eq!(seconds, [0, 10, 20, 30]);
    }
}
