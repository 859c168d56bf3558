//! The figures of a source.

use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::{client::Framing, multipart::Lengths, sync::lock};

/// Figures since the start. One lock: they are written a few times per picture.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<Figures>);

#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) damaged: u64,
    pub(super) foreign: u64,
    pub(super) reconnects: u64,
    pub(super) last_reason: String,
    pub(super) peer: String,
    pub(super) connected: Option<Instant>,
    pub(super) framing: Framing,
    /// Time from capture to arrival of the last picture that said when it was captured.
    pub(super) age: Option<Duration>,
    /// The value of the last `X-Timestamp`, also where it is no Unix time.
    pub(super) timestamp: Option<String>,
    intervals: VecDeque<Duration>,
    last_arrival: Option<Instant>,
}

impl Stats {
    /// Changes the figures.
    pub(super) fn update(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut lock(&self.0));
    }

    /// The figures for people; `skipped` is counted elsewhere.
    pub(super) fn summary(&self, skipped: u64) -> String {
        let Figures { frames, bytes, damaged, foreign, reconnects, .. } = &*lock(&self.0);
        format!(
            "{frames} pictures, {bytes} bytes; {skipped} skipped, {damaged} damaged, {foreign} foreign parts, \
             {reconnects} reconnects"
        )
    }

    /// The figures as a structure; `skipped` is counted elsewhere.
    pub(super) fn structure(&self, skipped: u64, now: Instant) -> gst::Structure {
        let figures = lock(&self.0).clone();
        let time = |duration: Option<Duration>| duration.and_then(|time| gst::ClockTime::try_from(time).ok());
        let connected = figures.connected.map(|since| now.saturating_duration_since(since));
        gst::Structure::builder("application/x-mjpegclientsrc-stats")
            .field("frames", figures.frames)
            .field("bytes", figures.bytes)
            .field("skipped", skipped)
            .field("damaged", figures.damaged)
            .field("foreign", figures.foreign)
            .field("reconnects", figures.reconnects)
            .field("last-reason", &figures.last_reason)
            .field("peer", &figures.peer)
            .field("connected-for", time(connected))
            .field("delimiter", figures.framing.delimiter.as_deref().unwrap_or_default())
            .field("lengths", lengths(figures.framing.lengths))
            .field("chunked", figures.framing.chunked)
            .field("interval-p50", time(figures.interval(0.50)))
            .field("interval-p95", time(figures.interval(0.95)))
            .field("age", time(figures.age))
            .field("last-timestamp", figures.timestamp.as_deref().unwrap_or_default())
            .build()
    }
}

impl Figures {
    /// Counts a picture that came now.
    pub(super) fn count_frame(&mut self, now: Instant) {
        self.frames += 1;
        if let Some(last) = self.last_arrival.replace(now) {
            self.intervals.push_back(now.saturating_duration_since(last));
            if self.intervals.len() > INTERVALS {
                self.intervals.pop_front();
            }
        }
    }

    /// The interval between two pictures that this part of the last ones does not exceed.
    fn interval(&self, part: f64) -> Option<Duration> {
        let mut sorted: Vec<_> = self.intervals.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get((last as f64 * part).round() as usize).copied()
    }
}

fn lengths(lengths: Lengths) -> &'static str {
    match lengths {
        Lengths::Unproven => "unproven",
        Lengths::Right => "right",
        Lengths::Wrong => "wrong",
    }
}

/// Intervals kept for the percentiles. Chosen: ten seconds at 25 pictures a second.
const INTERVALS: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_intervals() {
        let start = Instant::now();
        let mut figures = Figures::default();
        let mut at = start;
        figures.count_frame(at);
        for n in 0..100 {
            at += Duration::from_millis(if n < 90 { 40 } else { 500 });
            figures.count_frame(at);
        }
        assert_eq!(figures.interval(0.50), Some(Duration::from_millis(40)));
        assert_eq!(figures.interval(0.95), Some(Duration::from_millis(500)));
        assert_eq!(figures.frames, 101);
    }

    #[test]
    fn there_is_no_interval_before_the_second_picture() {
        let mut figures = Figures::default();
        figures.count_frame(Instant::now());
        assert_eq!(figures.interval(0.5), None);
    }
}
