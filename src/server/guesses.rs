//! Slows down who guesses a password.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::sync::lock;

/// Who guesses, and from when on the next guess of each is looked at.
///
/// What counts is the time between two looks, not that before an answer: who resets a stream, closes a connection or
/// opens many of them guesses no faster.
#[derive(Default)]
pub(super) struct Guesses {
    /// All that come through a Unix socket are one.
    guessers: Mutex<HashMap<Option<IpAddr>, Arc<Guesser>>>,
    /// All those for whom there is no room.
    others: Arc<Guesser>,
}

/// What came of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// It was not looked at: too many wait already.
    Crowded,
}

/// Its lock is held by the one whose turn it is; the others get it in the order in which they came.
type Guesser = tokio::sync::Mutex<Failures>;

/// Wrong guesses in a row.
#[derive(Default)]
struct Failures {
    count: u32,
    /// When the last one was looked at, and from when on the next one may be.
    last: Option<(Instant, Instant)>,
}

impl Guesses {
    /// Looks at a guess when its turn has come; after a wrong one waits as long as the next one has to.
    ///
    /// A right one waits as well: were it let through, a guesser would know it from the others by that.
    pub(super) async fn look(&self, from: Option<IpAddr>, is_right: impl FnOnce() -> bool) -> Outcome {
        let Some(guesser) = self.guesser(from.map(network)) else { return Outcome::Crowded };
        let next = {
            let mut failures = guesser.lock().await;
            if let Some((_, next)) = failures.last {
                sleep_until(next).await;
            }
            // From here to the note of it nothing can be given up.
            if is_right() {
                return Outcome::Right;
            }
            failures.note(Instant::now())
        };
        drop(guesser);
        sleep_until(next).await;
        Outcome::Wrong
    }

    /// Where guesses from there wait for their turn; `None` when too many do.
    fn guesser(&self, from: Option<IpAddr>) -> Option<Arc<Guesser>> {
        let mut guessers = lock(&self.guessers);
        if guessers.len() >= MAX_ADDRESSES && !guessers.contains_key(&from) {
            let now = Instant::now();
            guessers.retain(|_, guesser| guesser.try_lock().map_or(true, |failures| !failures.are_forgiven(now)));
        }
        let guesser = match guessers.get(&from) {
            Some(guesser) => guesser,
            None if guessers.len() < MAX_ADDRESSES => guessers.entry(from).or_default(),
            None => &self.others,
        };
        // One of them is the table's own.
        (Arc::strong_count(guesser) <= MAX_WAITING).then(|| guesser.clone())
    }
}

impl Failures {
    /// Counts a wrong guess; from when on the next one is looked at.
    fn note(&mut self, now: Instant) -> Instant {
        if self.are_forgiven(now) {
            self.count = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1u32.checked_shl(self.count).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
        self.count = self.count.saturating_add(1);
        let next = now + pause;
        self.last = Some((now, next));
        next
    }

    fn are_forgiven(&self, now: Instant) -> bool {
        self.last.is_none_or(|(last, _)| now.saturating_duration_since(last) >= FORGIVE_AFTER)
    }
}

/// Of IPv6 the part that a machine cannot choose by itself: of the rest it has as many as it likes (RFC 8981).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

/// The first 64 bits (RFC 4291 2.5.1).
const NETWORK: u128 = !0 << 64;

/// Wait after the first wrong guess, doubled with each, and the longest. Chosen: nobody who mistypes notices the first;
/// 17,000 guesses in a day are few for a password of any length, and a viewer behind the same address waits no longer
/// than a page takes that loads slowly.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Time without a wrong guess after which those before are forgiven. A right one does not make up for them: who shares
/// an address with a guesser would speed it up.
const FORGIVE_AFTER: Duration = Duration::from_secs(60);

/// Guesses from one address that wait for their turn, the one whose turn it is included. Chosen: two browsers ask for
/// fewer at once (six each), and the last one waits 80 s at most. A guesser that takes all places keeps out the others
/// at its address while it goes on.
const MAX_WAITING: usize = 16;

/// Addresses remembered. Chosen: some 200 kB of memory. Beyond them all others have one turn together.
const MAX_ADDRESSES: usize = 1024;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::task::JoinSet;

    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    async fn guess(guesses: &Guesses, from: Option<IpAddr>, is_right: bool) -> (Outcome, u128) {
        let began = Instant::now();
        let outcome = guesses.look(from, || is_right).await;
        (outcome, began.elapsed().as_millis())
    }

    /// A guess whose sender goes away at once.
    async fn give_up(guesses: &Guesses, from: Option<IpAddr>) -> bool {
        let mut looked = false;
        tokio::select! {
            biased;
            _ = guesses.look(from, || { looked = true; false }) => {}
            () = std::future::ready(()) => {}
        }
        looked
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_gets_slower_for_the_one_who_guesses() {
        let guesses = Guesses::default();
        for pause in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert_eq!(guess(&guesses, HERE, false).await, (Outcome::Wrong, pause));
        }
        assert_eq!(guess(&guesses, Some([127, 0, 0, 2].into()), false).await, (Outcome::Wrong, 100));
        tokio::time::advance(FORGIVE_AFTER).await;
        assert_eq!(guess(&guesses, HERE, false).await, (Outcome::Wrong, 100));
    }

    #[tokio::test(start_paused = true)]
    async fn giving_up_makes_guessing_no_faster() {
        let guesses = Guesses::default();
        let mut looked = 0;
        for _ in 0..1000 {
            looked += u32::from(give_up(&guesses, HERE).await);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        // In 10 s: at 0, 0.1, 0.3, 0.7, 1.5, 3.1 and 6.3 s.
        assert_eq!(looked, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_right_answer_waits_its_turn_and_makes_up_for_no_wrong_one() {
        let guesses = Guesses::default();
        assert_eq!(guess(&guesses, HERE, true).await, (Outcome::Right, 0));
        assert!(give_up(&guesses, HERE).await);
        assert_eq!(guess(&guesses, HERE, true).await, (Outcome::Right, 100));
        assert_eq!(guess(&guesses, HERE, true).await, (Outcome::Right, 0));
        assert_eq!(guess(&guesses, HERE, false).await, (Outcome::Wrong, 200));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_wait_and_no_more() {
        let guesses = Arc::new(Guesses::default());
        assert!(give_up(&guesses, HERE).await);
        let mut waiting = JoinSet::new();
        for _ in 0..MAX_WAITING {
            let guesses = guesses.clone();
            waiting.spawn(async move { guess(&guesses, HERE, true).await });
        }
        tokio::task::yield_now().await;
        assert_eq!(guess(&guesses, HERE, true).await, (Outcome::Crowded, 0));
        assert_eq!(guess(&guesses, None, true).await, (Outcome::Right, 0));
        for waited in waiting.join_all().await {
            assert_eq!(waited, (Outcome::Right, 100));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_for_whom_there_is_no_room_have_one_turn_together() {
        let guesses = Guesses::default();
        let address = |n: u32| Some(IpAddr::from(Ipv4Addr::from_bits(n)));
        for n in 0..1024 {
            assert!(give_up(&guesses, address(n)).await);
        }
        assert!(give_up(&guesses, address(5000)).await);
        assert!(!give_up(&guesses, address(5001)).await);
        tokio::time::advance(FORGIVE_AFTER).await;
        assert!(give_up(&guesses, address(5002)).await);
        assert!(give_up(&guesses, address(5003)).await);
    }

    #[test]
    fn addresses_that_one_machine_can_choose_are_one() {
        let same = |one: &str, other: &str| {
            network(one.parse().expect("an address")) == network(other.parse().expect("an address"))
        };
        assert!(same("2001:db8:1:2::3", "2001:db8:1:2:ffff::4"));
        assert!(!same("2001:db8:1:2::3", "2001:db8:1:3::3"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }
}
