//! What came through, and how old it was.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn describe(newest: Option<Age>) -> String {
    match newest {
        Some(Age(Some(age))) => format!("newest {age:5.1} ms old"),
        Some(Age(None)) => "age not sent".to_owned(),
        None => "no picture".to_owned(),
    }
}

/// Age of a picture in milliseconds when it was decoded; `None` if it does not say when it was taken.
#[derive(Clone, Copy)]
pub struct Age(Option<f64>);

/// What the second pipeline got.
#[derive(Default)]
pub struct Received {
    pub pictures: u64,
    /// The last picture since the last line.
    pub newest: Option<Age>,
    ages: u64,
    ages_sum_ms: f64,
    oldest_ms: f64,
}

impl Received {
    pub fn count(&mut self, age_ms: Option<f64>) {
        self.pictures += 1;
        self.newest = Some(Age(age_ms));
        if let Some(age_ms) = age_ms {
            self.ages += 1;
            self.ages_sum_ms += age_ms;
            self.oldest_ms = self.oldest_ms.max(age_ms);
        }
    }

    pub fn totals(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = self.pictures as f64 / seconds;
        let mut text = format!("{} pictures in {seconds:.1} s, {rate:.1} a second", self.pictures);
        if self.ages > 0 {
            let mean = self.ages_sum_ms / self.ages as f64;
            text += &format!("; age {mean:.1} ms on average, {:.1} ms at most", self.oldest_ms);
        }
        text
    }
}

/// Time from capture to now in milliseconds, where the picture says when it was taken.
pub fn age_ms(buffer: &gst::BufferRef, unix_time: &gst::CapsRef, now: SystemTime) -> Option<f64> {
    let taken =
        buffer.iter_meta::<gst::ReferenceTimestampMeta>().find(|meta| meta.reference().can_intersect(unix_time))?;
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let taken = Duration::from_nanos(taken.timestamp().nseconds());
    // Signed: clocks of two machines, or one that was set, can make a picture come from the future.
    Some((now.as_secs_f64() - taken.as_secs_f64()) * 1e3)
}

/// A panic elsewhere leaves the numbers as good as they were.
pub fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}
