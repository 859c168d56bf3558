//! Who watches, and how each of them gets on.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use slab::Slab;
use tokio::time::Instant;

use super::{
    connection::Connection,
    events::{Event, Observer, Reason, Refusal},
    kernel::TcpFigures,
    socket::Remote,
};
use crate::{multipart::Layout, sync::lock};

/// Numbers viewers from 1 on, also over several cameras, so that what is told late of one is not taken for what is told
/// of the next.
#[derive(Clone, Debug, Default)]
pub struct Ids(Arc<AtomicU64>);

/// Why there is no place for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The viewers of one camera.
pub struct Viewers {
    /// Most of them, if there is a limit.
    most: Option<NonZeroUsize>,
    /// How many pictures were published.
    published: Arc<AtomicU64>,
    state: Mutex<State>,
    ids: Ids,
    observer: Observer,
}

#[derive(Default)]
struct State {
    viewers: Slab<Arc<Viewer>>,
    /// What those have had who left.
    departed: Served,
}

/// What the viewers have had, those that left included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Pictures sent, those sent again included.
    pub pictures: u64,
    /// Pictures that viewers were too slow for, or that their rates left out.
    pub skipped: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// How many have left for each reason.
    pub left: BTreeMap<Reason, u64>,
}

/// One viewer of the stream.
#[derive(Debug)]
pub struct Viewer {
    id: u64,
    layout: Layout,
    /// What it calls itself by; nothing depends on it that others may not know.
    mark: Option<u64>,
    connection: Arc<Connection>,
    /// How many pictures were published.
    published: Arc<AtomicU64>,
    /// How many of them it was given, or skipped, or were there before it came.
    passed: AtomicU64,
    pictures: AtomicU64,
    skipped: AtomicU64,
    bytes: AtomicU64,
}

/// The figures of a viewer.
#[derive(Clone, Debug)]
pub struct ViewerFigures {
    /// Its number; no other viewer has the same that was counted by the same [`Ids`].
    pub id: u64,
    /// Its address.
    pub peer: Remote,
    /// How it is served.
    pub layout: Layout,
    /// Pictures sent, those sent again included.
    pub pictures: u64,
    /// Pictures that it was too slow for, or that its rate left out.
    pub skipped: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Time since it connected.
    pub connected_for: Duration,
    /// Time for which it has taken no byte of those that wait for it.
    pub stalled_for: Duration,
    /// What the kernel knows of the way to it; nothing of a Unix socket.
    pub tcp: Option<TcpFigures>,
}

/// A viewer's place among the others; dropping it gives the place up and tells the observer.
pub(super) struct ViewerPlace {
    viewers: Arc<Viewers>,
    key: usize,
    pub(super) viewer: Arc<Viewer>,
    /// Why it leaves unless its connection knows better.
    pub(super) reason: Reason,
}

impl std::fmt::Debug for Viewers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} viewers", self.count())
    }
}

impl Viewers {
    /// `published` counts the pictures.
    pub(super) fn new(
        most: Option<NonZeroUsize>,
        published: Arc<AtomicU64>,
        ids: Ids,
        observer: Observer,
    ) -> Arc<Self> {
        Arc::new(Self { most, published, state: Mutex::default(), ids, observer })
    }

    /// How many watch.
    pub fn count(&self) -> usize {
        lock(&self.state).viewers.len()
    }

    /// What all viewers have had until now.
    pub fn served(&self) -> Served {
        let state = lock(&self.state);
        let mut served = state.departed.clone();
        state.viewers.iter().for_each(|(_, viewer)| served.add(viewer));
        served
    }

    /// The figures of all viewers, in the order of their ids.
    pub fn figures(&self) -> Vec<ViewerFigures> {
        let viewers: Vec<_> = lock(&self.state).viewers.iter().map(|(_, viewer)| viewer.clone()).collect();
        let mut figures: Vec<_> = viewers.iter().map(|viewer| viewer.figures()).collect();
        figures.sort_by_key(|figures| figures.id);
        figures
    }

    /// Whether a viewer with this mark watches, and was not sent away.
    pub(super) fn has(&self, mark: u64) -> bool {
        let state = lock(&self.state);
        let mut viewers = state.viewers.iter().map(|(_, viewer)| viewer);
        viewers.any(|viewer| viewer.mark == Some(mark) && !viewer.connection.is_leaving())
    }

    /// Sends the viewer with this id away: with the end of its stream, unless it has stalled. Returns whether there was
    /// one.
    pub fn remove(&self, id: u64) -> bool {
        let viewer =
            lock(&self.state).viewers.iter().find(|(_, viewer)| viewer.id == id).map(|(_, viewer)| viewer.clone());
        viewer.is_some_and(|viewer| {
            if viewer.connection.stalled_for(Instant::now()) < EVICT_AFTER {
                viewer.connection.ask_to_leave(Reason::Removed);
            } else {
                viewer.connection.leave(Reason::Removed);
            }
            true
        })
    }

    /// Ends those that were sent away and do not take the end of their stream.
    pub(super) fn end_farewells(&self) {
        let now = Instant::now();
        for (_, viewer) in lock(&self.state).viewers.iter() {
            if viewer.connection.asked_for(now).is_some_and(|time| time >= FAREWELL) {
                viewer.connection.leave(Reason::Removed);
            }
        }
    }

    /// Whether there is no place for one more viewer unless another one gives up its own.
    pub(super) fn are_full(&self) -> bool {
        self.reach_limit(&lock(&self.state).viewers)
    }

    fn reach_limit(&self, viewers: &Slab<Arc<Viewer>>) -> bool {
        self.most.is_some_and(|most| staying(viewers) >= most.get())
    }

    /// A place for a viewer. When there is none the one that has stalled longest has to give up its own.
    pub(super) fn watch(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        layout: Layout,
        mark: Option<u64>,
    ) -> Result<ViewerPlace, Full> {
        let (key, viewer) = {
            let viewers = &mut lock(&self.state).viewers;
            if self.reach_limit(viewers) {
                let now = Instant::now();
                let stalled = viewers.iter().map(|(_, other)| &other.connection).filter(|other| !other.is_leaving());
                let longest = stalled.max_by_key(|other| other.stalled_for(now)).ok_or(Full)?;
                if longest.stalled_for(now) < EVICT_AFTER {
                    return Err(Full);
                }
                longest.leave(Reason::Evicted);
            }
            let id = self.ids.0.fetch_add(1, Ordering::Relaxed) + 1;
            let viewer = Arc::new(Viewer::new(id, layout, mark, connection.clone(), self.published.clone()));
            (viewers.insert(viewer.clone()), viewer)
        };
        let place = ViewerPlace { viewers: self.clone(), key, viewer, reason: Reason::Closed };
        (self.observer)(Event::Added(&place.viewer));
        Ok(place)
    }

    /// Says that somebody has to see to something.
    pub(super) fn tell_trouble(&self, what: &str) {
        (self.observer)(Event::Trouble(what));
    }

    /// Says that somebody did not get what was asked for.
    pub(super) fn tell_refusal(&self, refusal: Refusal<'_>) {
        (self.observer)(Event::Refused(refusal));
    }

    /// Ends all viewers that have taken no byte for `timeout`.
    pub(super) fn drop_stalled(&self, timeout: Duration, reason: Reason) {
        let now = Instant::now();
        for (_, viewer) in lock(&self.state).viewers.iter() {
            if viewer.connection.stalled_for(now) >= timeout {
                viewer.connection.leave(reason);
            }
        }
    }
}

fn staying(viewers: &Slab<Arc<Viewer>>) -> usize {
    viewers.iter().filter(|(_, viewer)| !viewer.connection.is_leaving()).count()
}

impl Served {
    fn add(&mut self, viewer: &Viewer) {
        self.pictures += viewer.pictures.load(Ordering::Relaxed);
        self.skipped += viewer.skipped();
        self.bytes += viewer.bytes.load(Ordering::Relaxed);
    }
}

impl Viewer {
    fn new(id: u64, layout: Layout, mark: Option<u64>, connection: Arc<Connection>, published: Arc<AtomicU64>) -> Self {
        let passed = published.load(Ordering::Relaxed).into();
        let (pictures, skipped, bytes) = Default::default();
        Self { id, layout, mark, connection, published, passed, pictures, skipped, bytes }
    }

    /// Ready when it was sent away, and why. Else the task is woken when that is so.
    pub(super) fn poll_sent_away(&self, cx: &Context<'_>) -> Poll<Reason> {
        self.connection.poll_asked(cx)
    }

    /// Counts a picture handed out to it, and those before that it did not get.
    pub(super) fn count(&self, bytes: usize, skipped: u64) {
        self.pictures.fetch_add(1, Ordering::Relaxed);
        self.skipped.fetch_add(skipped, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Of the pictures published it was given or has skipped all up to this one.
    pub(super) fn passed(&self, number: u64) {
        self.passed.store(number, Ordering::Relaxed);
    }

    /// Pictures that it was not given and will not be: of those that wait for it the newest may still be.
    fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed) + self.waiting().saturating_sub(1)
    }

    /// Pictures published that it was neither given nor has skipped.
    fn waiting(&self) -> u64 {
        self.published.load(Ordering::Relaxed).saturating_sub(self.passed.load(Ordering::Relaxed))
    }

    /// It goes, and gets none of the pictures that wait for it.
    fn skip_the_rest(&self) {
        let waiting = self.waiting();
        self.skipped.fetch_add(waiting, Ordering::Relaxed);
        self.passed.fetch_add(waiting, Ordering::Relaxed);
    }

    /// How it gets on.
    pub fn figures(&self) -> ViewerFigures {
        let now = Instant::now();
        ViewerFigures {
            id: self.id,
            peer: self.connection.peer(),
            layout: self.layout,
            pictures: self.pictures.load(Ordering::Relaxed),
            skipped: self.skipped(),
            bytes: self.bytes.load(Ordering::Relaxed),
            connected_for: now.saturating_duration_since(self.connection.began()),
            stalled_for: self.connection.stalled_for(now),
            tcp: self.connection.tcp(),
        }
    }
}

impl Drop for ViewerPlace {
    fn drop(&mut self) {
        let reason = self.viewer.connection.reason().unwrap_or(self.reason);
        self.viewer.skip_the_rest();
        {
            let mut state = lock(&self.viewers.state);
            state.viewers.remove(self.key);
            state.departed.add(&self.viewer);
            *state.departed.left.entry(reason).or_default() += 1;
        }
        (self.viewers.observer)(Event::Removed(&self.viewer, reason));
    }
}

/// Least time without a byte after which a viewer has to give up its place to another one. Chosen: a viewer on a poor
/// link stands still for less.
const EVICT_AFTER: Duration = Duration::from_secs(1);

/// Time that a viewer which is sent away has for the rest of its picture, and in the advance layout for the picture
/// once more. Chosen: 2 Mbit/s take 1 MB in it, and as its place is free at once nobody waits for it.
const FAREWELL: Duration = Duration::from_secs(5);

/// Time without a byte after which a stop waits for a viewer no more. Chosen: longer than the round trip of nearly any
/// link, so that nothing is under way that says otherwise.
pub(super) const STANDS_STILL: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::{super::connections::Connections, *};

    fn peer(port: u16) -> Remote {
        Remote::Tcp(([127, 0, 0, 1], port).into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_server_evicts_the_viewer_that_stalled_longest() {
        let viewers = Viewers::new(NonZeroUsize::new(2), Arc::default(), Ids::default(), Box::new(|_| ()));
        let server = Connections::new(None);
        let connections = [1, 2, 3].map(|port| server.connect(peer(port)).expect("a place"));
        let first = viewers.watch(&connections[0].connection, Layout::Standard, None).expect("a place");
        let _second = viewers.watch(&connections[1].connection, Layout::Standard, None).expect("a place");
        assert!(viewers.watch(&connections[2].connection, Layout::Standard, None).is_err());

        connections[0].connection.waits();
        tokio::time::advance(EVICT_AFTER).await;
        let _third = viewers.watch(&connections[2].connection, Layout::Standard, None).expect("a place");
        connections[0].connection.leaving().await;
        assert_eq!(first.viewer.connection.reason(), Some(Reason::Evicted));
    }
}
