use std::{sync::mpsc, thread};

use super::*;
use crate::jpeg::Header;

fn frame(number: u8) -> Frame<Option<gst::ClockTime>> {
    let header = Header { width: 1, height: 1, components: 1 };
    Frame { jpeg: vec![number].into(), header, timestamp: None, stamp: None }
}

/// A queue and a time to begin at, for values of time.
fn queue(leaky_type: LeakyType, capacity: usize) -> (Queue, Instant) {
    (Queue::new(leaky_type, capacity), Instant::now())
}

fn put(queue: &Queue, number: u8, now: Instant) {
    queue.put(frame(number), gst::ClockTime::ZERO, now);
    queue.wake();
}

/// The number of the next picture, and whether it follows a gap.
#[track_caller]
fn take(queue: &Queue, now: Instant) -> (u8, bool) {
    match queue.take(|| now) {
        Taken::Picture(picture) => (picture.frame.jpeg[0], picture.discont),
        other => panic!("{other:?} instead of a picture"),
    }
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_burst_that_is_taken_at_once_loses_nothing() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    (0..10).for_each(|number| put(&queue, number, start));
    let taken: Vec<_> = (0..10).map(|number| take(&queue, start + ms(number)).0).collect();
    assert_eq!(taken, (0..10).collect::<Vec<_>>());
    assert_eq!(queue.skipped(), 0);
}

#[test]
fn the_newest_is_next_when_downstream_is_slow() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    (0..5).for_each(|number| put(&queue, number, start + ms(33) * number.into()));
    assert_eq!(take(&queue, start + ms(150)), (4, true));
    assert_eq!(queue.skipped(), 4);
}

#[test]
fn the_newest_waits_for_downstream_however_long() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    put(&queue, 0, start);
    assert_eq!(take(&queue, start + ms(60_000)), (0, true));
    assert_eq!(queue.skipped(), 0);
}

#[test]
fn a_picture_may_wait_behind_others_as_long_as_the_rule_says() {
    for (waited, next) in [(STALE, 0), (STALE + Duration::from_nanos(1), 1)] {
        let (queue, start) = queue(LeakyType::Downstream, 16);
        put(&queue, 0, start);
        put(&queue, 1, start);
        assert_eq!(take(&queue, start + waited).0, next, "after {waited:?}");
    }
}

/// Seen from outside: 6 of 150 pictures in a pipeline with a latency of a second.
#[test]
fn who_waits_for_the_latency_makes_no_picture_stale() {
    let (queue, start) = queue(LeakyType::Downstream, 100);
    queue.set_latency(ms(1000));
    (0..25).for_each(|number| put(&queue, number, start + ms(40) * number.into()));
    for number in 0..25 {
        // Each is taken when the one before is shown.
        let shown = start + ms(40) * u32::from(number).saturating_sub(1) + ms(1000);
        assert_eq!(take(&queue, shown).0, number);
    }
    assert_eq!(queue.skipped(), 0);
}

#[test]
fn latency_is_counted_from_the_first_byte() {
    for (waited, next) in [(ms(700) + STALE, 0), (ms(700) + STALE + Duration::from_nanos(1), 1)] {
        let (queue, start) = queue(LeakyType::Downstream, 16);
        queue.set_latency(ms(1000));
        (0..2).for_each(|number| queue.put(frame(number), gst::ClockTime::from_mseconds(300), start));
        assert_eq!(take(&queue, start + waited).0, next, "after {waited:?}");
    }
}

#[test]
fn a_transfer_longer_than_the_latency_leaves_the_rule_as_it_is() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    queue.set_latency(ms(100));
    (0..2).for_each(|number| queue.put(frame(number), gst::ClockTime::from_mseconds(300), start));
    assert_eq!(take(&queue, start + STALE).0, 0);
    (2..4).for_each(|number| queue.put(frame(number), gst::ClockTime::from_mseconds(300), start));
    assert_eq!(take(&queue, start + STALE + Duration::from_nanos(1)).0, 3);
}

#[test]
fn a_burst_longer_than_the_queue_loses_its_oldest() {
    let (queue, start) = queue(LeakyType::Downstream, 4);
    (0..6).for_each(|number| put(&queue, number, start));
    let taken: Vec<_> = (0..4).map(|_| take(&queue, start)).collect();
    assert_eq!(taken, [(2, true), (3, false), (4, false), (5, false)]);
    assert_eq!(queue.skipped(), 2);
}

#[test]
fn a_queue_for_one_holds_the_newest() {
    let (queue, start) = queue(LeakyType::Downstream, 1);
    (0..3).for_each(|number| put(&queue, number, start));
    assert_eq!(take(&queue, start), (2, true));
    assert_eq!(queue.skipped(), 2);
}

#[test]
fn first_picture_and_the_one_after_a_gap_are_marked() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    put(&queue, 0, start);
    put(&queue, 1, start);
    queue.gap();
    put(&queue, 2, start);
    put(&queue, 3, start);
    let taken: Vec<_> = (0..4).map(|_| take(&queue, start)).collect();
    assert_eq!(taken, [(0, true), (1, false), (2, true), (3, false)]);
}

#[test]
fn a_gap_before_a_skipped_picture_is_not_forgotten() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    put(&queue, 0, start);
    assert_eq!(take(&queue, start), (0, true));
    queue.gap();
    put(&queue, 1, start);
    put(&queue, 2, start + ms(100));
    assert_eq!(take(&queue, start + ms(100)), (2, true));
}

#[test]
fn without_leaking_the_writer_waits_for_a_place() {
    let (queue, start) = queue(LeakyType::None, 2);
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..9).for_each(|number| put(&queue, number, start));
            done.send(()).expect("the test still has the other end");
        });
        let taken: Vec<_> = (0..6).map(|number| take(&queue, start + ms(1000) * number)).map(|(n, _)| n).collect();
        assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
        assert!(is_done.try_recv().is_err(), "9 pictures are more than 6 taken and 2 held");
        assert_eq!((take(&queue, start).0, take(&queue, start).0, take(&queue, start).0), (6, 7, 8));
    });
    assert_eq!(queue.skipped(), 0);
}

#[test]
fn a_full_queue_wakes_its_reader_though_more_is_to_come() {
    for capacity in [1, BATCH, 100] {
        let (queue, start) = queue(LeakyType::None, capacity);
        thread::scope(|scope| {
            let reader = scope.spawn(|| take(&queue, start));
            for number in (0..100).take(BATCH.min(capacity)) {
                queue.put(frame(number), gst::ClockTime::ZERO, start);
            }
            assert_eq!(reader.join().expect("the reader does not panic"), (0, true));
        });
    }
}

#[test]
fn stopping_ends_the_wait_of_the_writer() {
    let (queue, start) = queue(LeakyType::None, 1);
    thread::scope(|scope| {
        scope.spawn(|| (0..3).for_each(|number| put(&queue, number, start)));
        queue.stop();
    });
}

#[test]
fn stopping_ends_a_pause_and_every_later_one() {
    let (queue, _) = queue(LeakyType::Downstream, 1);
    thread::scope(|scope| {
        scope.spawn(|| queue.wait_before_retry(Duration::from_secs(3600)));
        queue.stop();
    });
    queue.wait_before_retry(Duration::from_secs(3600));
}

#[test]
fn flushing_ends_the_wait_of_the_reader_until_it_is_over() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    thread::scope(|scope| {
        let reader = scope.spawn(|| queue.take(|| start));
        queue.start_flushing();
        assert_eq!(reader.join().expect("the reader does not panic"), Taken::Flushing);
    });
    put(&queue, 0, start);
    assert_eq!(queue.take(|| start), Taken::Flushing);
    queue.stop_flushing();
    assert_eq!(take(&queue, start), (0, true));
}

#[test]
fn what_came_in_a_pause_is_chosen_from_at_its_end() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    queue.pause();
    thread::scope(|scope| {
        let reader = scope.spawn(|| take(&queue, start + ms(60_000)));
        put(&queue, 0, start);
        put(&queue, 1, start + ms(33));
        queue.resume(start + ms(60_000));
        assert_eq!(reader.join().expect("the reader does not panic"), (1, true));
    });
}

#[test]
fn what_came_in_a_pause_is_late_whatever_the_latency() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    queue.set_latency(ms(1000));
    queue.pause();
    put(&queue, 0, start);
    put(&queue, 1, start + ms(33));
    queue.resume(start + ms(60));
    assert_eq!(take(&queue, start + ms(60)), (1, true));
}

#[test]
fn flushing_ends_the_wait_of_the_reader_in_a_pause() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    queue.pause();
    put(&queue, 0, start);
    thread::scope(|scope| {
        let reader = scope.spawn(|| queue.take(|| start));
        queue.start_flushing();
        assert_eq!(reader.join().expect("the reader does not panic"), Taken::Flushing);
    });
}

#[test]
fn the_end_comes_after_the_last_picture_and_stays() {
    let (queue, start) = queue(LeakyType::Downstream, 16);
    put(&queue, 0, start);
    queue.end(Err(ClientError::Closed));
    assert_eq!(take(&queue, start), (0, true));
    assert_eq!(queue.take(|| start), Taken::Ended(Err(ClientError::Closed)));
    assert_eq!(queue.take(|| start), Taken::Ended(Err(ClientError::Closed)));
}
