//! Slows down who guesses a password.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::sync::lock;

/// Who guesses, and from when on the next guess of each is looked at.
///
/// What counts is the time between two looks, not that before an answer: who resets a stream, closes a connection or
/// opens many of them guesses no faster. What is known to be wrong needs no look: a page that goes on with an old token
/// would slow down all others at its address for ever, and its sender learns nothing new.
#[derive(Default)]
pub(super) struct Guesses {
    /// All that come through a Unix socket are one.
    guessers: Mutex<HashMap<Option<IpAddr>, Arc<Guesser>>>,
    /// All those for whom there is no room.
    others: Arc<Guesser>,
    /// Its keys are random, so that nobody can make a right answer look like a wrong one.
    hashes: RandomState,
}

/// What came of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// It was not looked at: too many wait already.
    Crowded,
}

/// Who guesses.
#[derive(Default)]
struct Guesser {
    /// Held by the one whose turn it is; the others get it in the order in which they came.
    turn: tokio::sync::Mutex<Failures>,
    wrong: Mutex<KnownWrong>,
}

/// The hashes of the last wrong answers. Whoever rotates through more of them than fit here is judged, and slowed down,
/// as for new ones.
#[derive(Default)]
struct KnownWrong {
    hashes: [Option<u64>; MAX_KNOWN],
    oldest: usize,
}

/// Wrong guesses in a row.
#[derive(Default)]
struct Failures {
    count: u32,
    /// When the last one was looked at, and from when on the next one may be.
    last: Option<(Instant, Instant)>,
}

impl Guesses {
    /// Looks at a guess when its turn has come; after a wrong one waits as long as the next one has to. One that is
    /// known to be wrong has its answer at once, and moves nobody's turn.
    ///
    /// A right one waits as well: were it let through, a guesser would know it from the others by that.
    pub(super) async fn look(
        &self,
        from: Option<IpAddr>,
        guess: impl Hash,
        is_right: impl FnOnce() -> bool,
    ) -> Outcome {
        let hash = self.hashes.hash_one(guess);
        let guesser = self.guesser(from.map(network));
        if lock(&guesser.wrong).has(hash) {
            return Outcome::Wrong;
        }
        // One of them is the table's own, or that of the others, and one is this.
        if Arc::strong_count(&guesser) > MAX_WAITING + 1 {
            return Outcome::Crowded;
        }
        let next = {
            let mut failures = guesser.turn.lock().await;
            // It may have become known meanwhile: a page asks for several things at once.
            if lock(&guesser.wrong).has(hash) {
                return Outcome::Wrong;
            }
            if let Some((_, next)) = failures.last {
                sleep_until(next).await;
            }
            // From here to the note of it nothing can be given up.
            if is_right() {
                return Outcome::Right;
            }
            lock(&guesser.wrong).learn(hash);
            failures.note(Instant::now())
        };
        drop(guesser);
        sleep_until(next).await;
        Outcome::Wrong
    }

    /// Where guesses from there wait for their turn.
    fn guesser(&self, from: Option<IpAddr>) -> Arc<Guesser> {
        let mut guessers = lock(&self.guessers);
        if guessers.len() >= MAX_ADDRESSES && !guessers.contains_key(&from) {
            let now = Instant::now();
            guessers.retain(|_, guesser| guesser.turn.try_lock().map_or(true, |failures| !failures.are_forgiven(now)));
        }
        let guesser = match guessers.get(&from) {
            Some(guesser) => guesser,
            None if guessers.len() < MAX_ADDRESSES => guessers.entry(from).or_default(),
            None => &self.others,
        };
        guesser.clone()
    }
}

impl KnownWrong {
    fn has(&self, hash: u64) -> bool {
        self.hashes.contains(&Some(hash))
    }

    /// Remembers one in the place of the oldest.
    fn learn(&mut self, hash: u64) {
        self.hashes[self.oldest] = Some(hash);
        self.oldest = (self.oldest + 1) % MAX_KNOWN;
    }
}

impl Failures {
    /// Counts a wrong guess; from when on the next one is looked at.
    fn note(&mut self, now: Instant) -> Instant {
        if self.are_forgiven(now) {
            self.count = 0;
        }
        let pause = FIRST_PAUSE.saturating_mul(1u32.checked_shl(self.count).unwrap_or(u32::MAX)).min(MAX_PAUSE);
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
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Time without a wrong guess after which those before are forgiven. A right one does not make up for them: who shares
/// an address with a guesser would speed it up.
const FORGIVE_AFTER: Duration = Duration::from_secs(60);

/// Guesses from one address that wait for their turn, the one whose turn it is included. Chosen: two browsers ask for
/// fewer at once (six each), and the last one waits 80 s at most. A guesser that takes all places keeps out the others
/// at its address while it goes on.
const MAX_WAITING: usize = 16;

/// Wrong answers remembered for each address. Chosen: as many old tabs with different tokens in one house; 64 bytes.
const MAX_KNOWN: usize = 8;

/// Addresses remembered. Chosen: some 300 kB of memory. Beyond them all others have one turn together.
const MAX_ADDRESSES: usize = 1024;

#[cfg(test)]
mod tests {
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicU64, Ordering},
    };

    use tokio::task::JoinSet;

    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// A guess that nobody has made before.
    fn new_guess() -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(1 << 32);
        LAST.fetch_add(1, Ordering::Relaxed)
    }

    async fn guess(guesses: &Guesses, from: Option<IpAddr>, is_right: bool) -> (Outcome, u128) {
        let began = Instant::now();
        let outcome = guesses.look(from, new_guess(), || is_right).await;
        (outcome, began.elapsed().as_millis())
    }

    /// How long the answer to this wrong guess takes, in milliseconds; nothing when it was not looked at.
    async fn guess_again(guesses: &Guesses, from: Option<IpAddr>, guess: u64) -> Option<u128> {
        let (began, mut looked) = (Instant::now(), false);
        let is_right = || {
            looked = true;
            false
        };
        assert_eq!(guesses.look(from, guess, is_right).await, Outcome::Wrong);
        assert!(looked || began.elapsed().is_zero(), "it waited for nothing");
        looked.then(|| began.elapsed().as_millis())
    }

    /// A guess whose sender goes away at once.
    async fn give_up(guesses: &Guesses, from: Option<IpAddr>) -> bool {
        let mut looked = false;
        tokio::select! {
            biased;
            _ = guesses.look(from, new_guess(), || { looked = true; false }) => {}
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

    /// A page with an old token asks once a second: all others at its address once waited 5 s, for as long as it was
    /// open.
    #[tokio::test(start_paused = true)]
    async fn the_same_wrong_answer_again_slows_down_nobody() {
        let guesses = Guesses::default();
        assert_eq!(guess_again(&guesses, HERE, 1).await, Some(100));
        for _ in 0..100 {
            assert_eq!(guess_again(&guesses, HERE, 1).await, None);
        }
        assert_eq!(guess(&guesses, HERE, true).await, (Outcome::Right, 0));
        assert_eq!(guess_again(&guesses, HERE, 2).await, Some(200));
        assert_eq!(guess_again(&guesses, Some([127, 0, 0, 2].into()), 1).await, Some(100));
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_wrong_answer_several_times_at_once_is_one() {
        let guesses = Arc::new(Guesses::default());
        let mut waiting = JoinSet::new();
        for _ in 0..MAX_WAITING {
            let guesses = guesses.clone();
            waiting.spawn(async move { guess_again(&guesses, HERE, 1).await });
        }
        let looked = waiting.join_all().await;
        assert_eq!(looked.iter().flatten().collect::<Vec<_>>(), [&100]);
    }

    #[tokio::test(start_paused = true)]
    async fn taking_turns_between_wrong_answers_makes_guessing_no_faster() {
        let guesses = Guesses::default();
        let began = Instant::now();
        // Those remembered are not looked at again; of one more than that each is.
        for (different, looks) in [(8, 8), (9, 1000)] {
            let mut looked = 0;
            for round in 0..1000 {
                looked += u32::from(guess_again(&guesses, HERE, round % different).await.is_some());
            }
            assert!(looked <= looks, "{looked} of {different}");
        }
        assert!(began.elapsed() > MAX_PAUSE * 900, "{:?}", began.elapsed());
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
