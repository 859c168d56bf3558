//! How long pictures take to come in, as downstream has to know it.

use std::collections::VecDeque;

/// Reckons the latency from what the last pictures took: what all but a few of them needed. One picture that stalled
/// makes none of the later ones late.
#[derive(Debug, Default)]
pub(super) struct Latency {
    transfers: VecDeque<gst::ClockTime>,
    reported: gst::ClockTime,
}

impl Latency {
    /// Takes the time from a picture's first byte to its last; the latency, where it is another than before.
    pub(super) fn reckon(&mut self, transfer: gst::ClockTime) -> Option<gst::ClockTime> {
        self.transfers.push_back(transfer);
        if self.transfers.len() > PICTURES {
            self.transfers.pop_front();
        }
        if transfer <= STEP && self.reported.is_zero() {
            // Nothing was reported, and this picture is in time: the answer cannot change.
            return None;
        }
        let mut last = [gst::ClockTime::ZERO; PICTURES];
        let last = &mut last[..self.transfers.len()];
        last.iter_mut().zip(&self.transfers).for_each(|(place, transfer)| *place = *transfer);
        // The first pictures count in full: there is nothing else to go by.
        let nth = last.len() - 1 - last.len() / FORGIVEN;
        let needed = *last.select_nth_unstable(nth).1;
        // A step needs no report: video sinks forgive 20 ms.
        let steps = if needed <= STEP { 0 } else { needed.nseconds().div_ceil(STEP.nseconds()) };
        let latency = (STEP * steps).min(MAX);
        let falls = latency < self.reported / 2 && self.transfers.len() == PICTURES;
        if latency <= self.reported && !falls {
            return None;
        }
        self.reported = latency;
        Some(latency)
    }
}

/// Pictures looked back at, and the part of them that may have been late. Chosen: two seconds at 25 pictures a second,
/// one in ten.
const PICTURES: usize = 50;
const FORGIVEN: usize = 10;

/// Latency is reported in such steps, so that it does not change with every picture.
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(10);

/// Longest latency reported. Chosen: on a link that takes longer for a picture, late is what pictures are.
const MAX: gst::ClockTime = gst::ClockTime::from_seconds(1);

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(milliseconds)
    }

    #[test]
    fn a_slow_link_is_reported_in_steps_and_once() {
        let mut latency = Latency::default();
        let reported: Vec<_> = [5, 95, 93, 91].into_iter().map(|transfer| latency.reckon(ms(transfer))).collect();
        assert_eq!(reported, [None, Some(ms(100)), None, None]);
        assert_eq!(latency.reckon(ms(5000)), Some(MAX));
    }

    #[test]
    fn one_picture_that_stalled_changes_nothing() {
        let mut latency = Latency::default();
        for _ in 0..PICTURES {
            assert_eq!(latency.reckon(ms(2)), None);
        }
        assert_eq!(latency.reckon(ms(900)), None);
    }

    #[test]
    fn a_link_that_got_better_is_believed_after_a_while() {
        let mut latency = Latency::default();
        assert_eq!(latency.reckon(ms(300)), Some(ms(300)));
        let reported: Vec<_> = (0..PICTURES).filter_map(|_| latency.reckon(ms(3))).collect();
        assert_eq!(reported, [gst::ClockTime::ZERO]);
    }
}
