//! One writer, many readers, the newest item wins. In every order of threads: `tests/fanout_model.rs`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use gstmjpeghttp::fanout::{Fanout, Next, Reader, Repeat, Wait};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(reader: &mut Reader<&'static str>) -> Poll<Next<&'static str>> {
    reader.poll_next(&mut Context::from_waker(Waker::noop()))
}

fn item(item: &'static str, skipped: u64) -> Poll<Next<&'static str>> {
    Poll::Ready(Next::Item { item, skipped })
}

#[test]
fn a_new_reader_gets_the_newest_item_at_once() {
    let fanout = Fanout::new();
    fanout.publish("old");
    fanout.publish("new");
    let mut reader = fanout.subscribe();
    assert_eq!(poll(&mut reader), item("new", 0));
    assert_eq!(poll(&mut reader), Poll::Pending);
}

#[test]
fn a_slow_reader_gets_the_newest_item_and_the_number_it_skipped() {
    let fanout = Fanout::new();
    let mut reader = fanout.subscribe();
    fanout.publish("a");
    assert_eq!(poll(&mut reader), item("a", 0));
    for next in ["b", "c", "d"] {
        fanout.publish(next);
    }
    assert_eq!(poll(&mut reader), item("d", 2));
}

#[test]
fn a_waiting_reader_is_woken_once_per_item() {
    let fanout = Fanout::new();
    let mut reader = fanout.subscribe();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    assert_eq!(reader.poll_next(&mut Context::from_waker(&waker)), Poll::Pending);
    fanout.publish("a");
    fanout.publish("b");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}

#[test]
fn the_last_item_reaches_every_reader_before_the_end() {
    let fanout = Fanout::new();
    let (mut quick, mut slow) = (fanout.subscribe(), fanout.subscribe());
    fanout.publish("last");
    assert_eq!(poll(&mut quick), item("last", 0));
    fanout.end();
    assert_eq!(poll(&mut quick), Poll::Ready(Next::Ended));
    assert_eq!(poll(&mut slow), item("last", 0));
    assert_eq!(poll(&mut slow), Poll::Ready(Next::Ended));
}

#[test]
fn a_repetition_reaches_who_has_had_the_item_and_nobody_twice() {
    let fanout = Fanout::new();
    let mut reader = fanout.subscribe();
    fanout.repeat(Repeat::Settled);
    assert_eq!(poll(&mut reader), Poll::Pending);
    fanout.publish("a");
    assert_eq!(poll(&mut reader), item("a", 0));
    fanout.repeat(Repeat::KeepAlive);
    let again = Next::Again { item: "a", why: Repeat::KeepAlive };
    assert_eq!(poll(&mut reader), Poll::Ready(again));
    fanout.repeat(Repeat::KeepAlive);
    fanout.publish("b");
    assert_eq!(poll(&mut reader), item("b", 0));
    assert_eq!(poll(&mut reader), Poll::Pending);
}

#[test]
fn an_end_can_be_taken_back() {
    let fanout = Fanout::new();
    fanout.publish("last");
    fanout.end();
    fanout.go_on();
    let mut reader = fanout.subscribe();
    assert_eq!(poll(&mut reader), item("last", 0));
    assert_eq!(poll(&mut reader), Poll::Pending);
    fanout.close();
    fanout.go_on();
    assert_eq!(poll(&mut reader), Poll::Ready(Next::Closed));
}

/// Those before its signing on are not its own, but for the newest.
#[test]
fn a_reader_takes_or_skips_what_is_published_while_it_reads() {
    let fanout = Fanout::new();
    ["1", "2", "3", "4", "5"].into_iter().for_each(|number| fanout.publish(number));
    let (mut quick, mut slow) = (fanout.subscribe(), fanout.subscribe());
    assert_eq!((poll(&mut quick), quick.seen()), (item("5", 0), 5));
    ["6", "7", "8"].into_iter().for_each(|number| fanout.publish(number));
    assert_eq!(slow.seen(), 4);
    assert_eq!((poll(&mut slow), slow.seen()), (item("8", 3), 8));
    assert_eq!((poll(&mut quick), quick.seen()), (item("8", 2), 8));
}

#[test]
fn a_series_can_go_on_after_its_end_but_not_after_closing() {
    let fanout = Fanout::new();
    fanout.end();
    fanout.publish("again");
    let mut reader = fanout.subscribe();
    assert_eq!(poll(&mut reader), item("again", 0));
    fanout.close();
    fanout.end();
    assert_eq!(poll(&mut reader), Poll::Ready(Next::Closed));
}

#[test]
fn waiting_for_the_readers_ends_when_the_last_one_goes() {
    let fanout = Fanout::<()>::new();
    let reader = fanout.subscribe();
    assert_eq!(fanout.wait_until_empty(Duration::ZERO), Wait::TimedOut(1));
    let waiting = thread::spawn({
        let fanout = fanout.clone();
        move || fanout.wait_until_empty(Duration::from_secs(10))
    });
    drop(reader);
    assert_eq!(waiting.join().expect("the wait does not panic"), Wait::Empty);
}

#[test]
fn a_wait_begun_after_cancel_returns_at_once() {
    let fanout = Fanout::<()>::new();
    let _reader = fanout.subscribe();
    fanout.cancel_waits();
    assert_eq!(fanout.wait_until_empty(Duration::from_secs(10)), Wait::Cancelled);
    fanout.allow_waits();
    assert_eq!(fanout.wait_until_empty(Duration::ZERO), Wait::TimedOut(1));
}
