//! What is served: the newest picture, and the figures about it.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hasher as _},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::header::HeaderValue;

use super::{
    events::{Observer, Reason},
    viewers::{Ids, STANDS_STILL, Served, Viewers},
};
use crate::{
    fanout::{Fanout, Repeat, Wait},
    jpeg::Header,
    multipart::{Boundary, Extra, Part},
    sync::lock,
};

/// One picture as it is served.
#[derive(Clone, Debug)]
pub struct Picture {
    part: Part,
    header: Header,
    published: Instant,
    tag: OnceLock<HeaderValue>,
}

/// How a camera is served.
#[derive(Clone, Debug)]
pub struct CameraConfig {
    /// Boundary of the streams.
    pub boundary: Boundary,
    /// Time without a picture after which the last one is sent again, if it ever is.
    pub keepalive: Option<Duration>,
    /// Most pictures per second for each viewer.
    pub max_fps: Option<f64>,
    /// Most viewers, if there is a limit.
    pub max_clients: Option<NonZeroUsize>,
}

/// A series of pictures and its viewers.
#[derive(Debug)]
pub struct Camera {
    /// How it is served.
    pub config: CameraConfig,
    /// The viewers' way to the pictures.
    pub fanout: Fanout<Arc<Picture>>,
    /// Who watches.
    pub viewers: Arc<Viewers>,
    pictures: Arc<AtomicU64>,
    bytes: AtomicU64,
    damaged: AtomicU64,
    /// When the pictures of the last [`RATE_WINDOW`] came, the last two at least.
    recent: Mutex<VecDeque<Instant>>,
    idle: Mutex<Idle>,
}

/// What has been done since the newest picture came.
#[derive(Debug, Default)]
struct Idle {
    /// When the newest picture was published, or given out again to keep connections alive.
    sent: Option<Instant>,
    /// It was given out once more because no newer one came.
    settled: bool,
}

/// The figures at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Pictures published.
    pub pictures: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Pictures dropped because they were no whole JPEG.
    pub damaged: u64,
    /// Viewers of the stream.
    pub viewers: usize,
    /// What the viewers have had.
    pub served: Served,
    /// Pictures per second, over the last seconds, or between the last two where more time than that lies between them.
    pub rate: f64,
    /// Time since the newest picture was published.
    pub age: Option<Duration>,
    /// What the newest picture's frame header says.
    pub header: Option<Header>,
}

impl Picture {
    /// The picture with its part head.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// Its entity tag. Made of its bytes, by the first who asks for it, so that it means the same picture after a
    /// restart of the same build as well.
    pub(super) fn tag(&self) -> &HeaderValue {
        self.tag.get_or_init(|| {
            let mut hasher = DefaultHasher::new();
            hasher.write(self.part.jpeg());
            HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).expect("hexadecimal digits in quotes")
        })
    }
}

impl Camera {
    /// A camera without pictures. The observer is told who comes and goes, by numbers of `ids`.
    pub fn new(config: CameraConfig, ids: Ids, observer: Observer) -> Self {
        let pictures = Arc::<AtomicU64>::default();
        Self {
            fanout: Fanout::new(),
            viewers: Viewers::new(config.max_clients, pictures.clone(), ids, observer),
            config,
            pictures,
            bytes: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            recent: Mutex::default(),
            idle: Mutex::default(),
        }
    }

    /// Publishes a picture, captured `latency` ago; never waits for a viewer.
    pub fn publish(&self, part: Part, header: Header, latency: Option<Duration>, now: Instant) {
        let number = self.pictures.fetch_add(1, Ordering::Relaxed) + 1;
        let part = part.with_extra(Extra { number, width: header.width, height: header.height, latency });
        self.bytes.fetch_add(part.jpeg().len() as u64, Ordering::Relaxed);
        {
            let mut recent = lock(&self.recent);
            recent.push_back(now);
            forget(&mut recent, now);
        }
        *lock(&self.idle) = Idle { sent: Some(now), settled: false };
        self.fanout.publish(Arc::new(Picture { part, header, published: now, tag: OnceLock::new() }));
    }

    /// Gives the newest picture out once more where that is due: once when the next one is late, and each time that
    /// nothing was sent for the keep-alive time.
    pub fn repeat_if_idle(&self, now: Instant) {
        let interval = {
            let mut recent = lock(&self.recent);
            forget(&mut recent, now);
            interval(&recent).unwrap_or_default()
        };
        let why = {
            let mut idle = lock(&self.idle);
            let Some(sent) = idle.sent else { return };
            let silence = now.saturating_duration_since(sent);
            if self.config.keepalive.is_some_and(|keepalive| silence >= keepalive) {
                idle.sent = Some(now);
                Repeat::KeepAlive
            } else if !idle.settled && silence >= MIN_PAUSE.max(2 * interval) {
                idle.settled = true;
                Repeat::Settled
            } else {
                return;
            }
        };
        self.fanout.repeat(why);
    }

    /// Somebody came who sees the newest picture only when it is given out twice: a pause counts from the beginning.
    pub(super) fn came_in_a_pause(&self) {
        lock(&self.idle).settled = false;
    }

    /// Counts a picture that was dropped. Returns how many there are now.
    pub fn count_damaged(&self) -> u64 {
        self.damaged.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Waits until all viewers have gone. Those that have not after `at_most` are sent away, and those that stand still
    /// at once. Returns how many had to be.
    pub(super) fn send_away(&self, at_most: Duration) -> usize {
        self.viewers.drop_stalled(STANDS_STILL, Reason::Stopped);
        let Wait::TimedOut(left) = self.fanout.wait_until_empty(at_most) else { return 0 };
        self.viewers.drop_stalled(Duration::ZERO, Reason::Stopped);
        self.fanout.wait_until_empty(SEND_AWAY_RESERVE);
        left
    }

    /// The figures at this moment.
    pub fn figures(&self, now: Instant) -> Figures {
        let newest = self.fanout.newest();
        let rate = {
            let mut recent = lock(&self.recent);
            forget(&mut recent, now);
            rate(&recent, now)
        };
        Figures {
            pictures: self.pictures.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
            viewers: self.viewers.count(),
            served: self.viewers.served(),
            rate,
            age: newest.as_ref().map(|picture| now.saturating_duration_since(picture.published)),
            header: newest.map(|picture| picture.header),
        }
    }
}

fn forget(recent: &mut VecDeque<Instant>, now: Instant) {
    while let Some(first) = recent.front().filter(|_| recent.len() > 2)
        && (now.saturating_duration_since(*first) > RATE_WINDOW || recent.len() > RATE_PICTURES)
    {
        recent.pop_front();
    }
}

/// From one picture to the next.
fn interval(recent: &VecDeque<Instant>) -> Option<Duration> {
    let intervals = u32::try_from(recent.len()).ok()?.checked_sub(1)?;
    recent.back()?.saturating_duration_since(*recent.front()?).checked_div(intervals)
}

/// Pictures per second. Time by which the next one is late counts as well: of a camera that has stopped the rate falls.
fn rate(recent: &VecDeque<Instant>, now: Instant) -> f64 {
    let (Some(interval), Some(last)) = (interval(recent), recent.back()) else { return 0.0 };
    let silence = now.saturating_duration_since(*last);
    if silence > RATE_WINDOW.max(3 * interval) {
        return 0.0;
    }
    let intervals = (recent.len() - 1) as f64;
    let late = silence.saturating_sub(interval);
    intervals / (interval.as_secs_f64() * intervals + late.as_secs_f64()).max(MIN_SPAN.as_secs_f64())
}

/// Time over which the rate is measured. Chosen: long enough for one picture a second, short enough to follow.
const RATE_WINDOW: Duration = Duration::from_secs(3);

/// Shortest time over which the rate is measured. Two pictures that come together say nothing of a rate.
const MIN_SPAN: Duration = Duration::from_secs(1);

/// Shortest silence that counts as a pause. Chosen: a camera that stumbles is silent for less.
const MIN_PAUSE: Duration = Duration::from_millis(500);

/// How long a viewer that is sent away may take to be gone. Chosen: its task has but to run once; with the 40 ms that a
/// stop gives to the picture under way it leaves 40 of the 100 ms within which a change to NULL returns.
const SEND_AWAY_RESERVE: Duration = Duration::from_millis(20);

/// Most pictures over which the rate is measured. Chosen: enough for RATE_WINDOW at 300 a second.
const RATE_PICTURES: usize = 900;

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;
    use crate::fanout::Next;

    fn camera_with(count: u32, every: Duration, start: Instant) -> Camera {
        let config = CameraConfig {
            boundary: "frame".parse().expect("a valid boundary"),
            keepalive: Some(Duration::from_secs(3)),
            max_fps: None,
            max_clients: None,
        };
        let camera = Camera::new(config, Ids::default(), Box::new(|_| ()));
        for n in 0..count {
            let header = Header { width: 16, height: 8, components: 3 };
            camera.publish(Part::new(&[b"JPEG"], None, &camera.config.boundary), header, None, start + every * n);
        }
        camera
    }

    #[test]
    fn rate_and_age_follow_the_pictures() {
        let start = Instant::now();
        let camera = camera_with(30, Duration::from_millis(100), start);
        let figures = camera.figures(start + Duration::from_millis(2950));
        assert!((figures.rate - 10.0).abs() < 0.01, "{}", figures.rate);
        assert_eq!(figures.age, Some(Duration::from_millis(50)));
        assert_eq!((figures.pictures, figures.bytes), (30, 120));
    }

    #[test]
    fn the_newest_picture_is_repeated_once_in_a_pause_and_again_to_keep_alive() {
        let start = Instant::now();
        let camera = camera_with(10, Duration::from_millis(40), start);
        let mut reader = camera.fanout.subscribe();
        let mut poll = || reader.poll_next(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(poll(), Poll::Ready(Next::Item { .. })));
        let mut repeated = Vec::new();
        for second in 1..=6 {
            camera.repeat_if_idle(start + Duration::from_secs(second));
            if let Poll::Ready(Next::Again { why, .. }) = poll() {
                repeated.push((second, why));
            }
        }
        assert_eq!(repeated, [(1, Repeat::Settled), (4, Repeat::KeepAlive)]);
    }

    #[test]
    fn who_comes_in_a_pause_has_the_newest_picture_repeated_too() {
        let start = Instant::now();
        let camera = camera_with(10, Duration::from_millis(40), start);
        camera.repeat_if_idle(start + Duration::from_secs(1));
        let mut late = camera.fanout.subscribe();
        camera.came_in_a_pause();
        let mut poll = || late.poll_next(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(poll(), Poll::Ready(Next::Item { .. })));
        camera.repeat_if_idle(start + Duration::from_secs(2));
        assert!(matches!(poll(), Poll::Ready(Next::Again { why: Repeat::Settled, .. })));
        camera.repeat_if_idle(start + Duration::from_millis(2500));
        assert!(poll().is_pending());
    }

    /// How many a second there are so many milliseconds after the last picture.
    #[track_caller]
    fn expect_rate(count: u32, every: u64, after: u64, expected: f64) {
        let (start, every) = (Instant::now(), Duration::from_millis(every));
        let camera = camera_with(count, every, start);
        let rate = camera.figures(start + every * (count - 1) + Duration::from_millis(after)).rate;
        assert!((rate - expected).abs() < 0.01, "{rate} instead of {expected}");
    }

    #[test]
    fn a_slow_camera_has_a_rate() {
        expect_rate(5, 3200, 0, 0.3125);
        expect_rate(5, 3200, 3200, 0.3125);
        expect_rate(3, 30_000, 29_000, 1.0 / 30.0);
    }

    #[test]
    fn of_a_camera_that_stops_the_rate_falls_to_nothing() {
        expect_rate(90, 50, 50, 20.0);
        expect_rate(90, 50, 1500, 30.0 / 2.95);
        expect_rate(90, 50, 3000, 1.0 / 3.0);
        expect_rate(90, 50, 3001, 0.0);
        expect_rate(5, 3200, 9601, 0.0);
    }

    #[test]
    fn two_pictures_that_come_together_make_no_rate_of_fifty() {
        expect_rate(1, 20, 0, 0.0);
        expect_rate(2, 20, 0, 1.0);
        expect_rate(16, 33, 0, 15.0);
        expect_rate(31, 40, 0, 25.0);
    }
}
