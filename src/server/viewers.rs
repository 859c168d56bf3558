//! Who is connected, who watches, and how each of them gets on.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use slab::Slab;
use tokio::time::Instant;

use super::connection::Connection;

use crate::{multipart::Layout, sync::lock};

/// Why a viewer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It closed its connection, or that broke.
    Closed,
    /// The series ended, and it has had the last picture.
    Ended,
    /// It took no byte for too long.
    Stalled,
    /// It had stalled when another one asked for its place.
    Evicted,
    /// The application sent it away.
    Removed,
    /// The server stopped.
    Stopped,
}

/// What happened to a viewer.
#[derive(Clone, Debug)]
pub enum Change {
    /// It began to watch.
    Added,
    /// It has left.
    Removed(Reason),
}

/// Told of each change, on a thread of the runtime: must not block.
pub type Observer = Box<dyn Fn(&Viewer, Change) + Send + Sync>;

/// Who may watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Most viewers; 0 is no limit.
    pub clients: usize,
    /// Most connections from one address; 0 is no limit.
    pub per_address: usize,
}

/// Why there is no place for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The connections of one server, and the viewers among them.
pub struct Viewers {
    places: Places,
    /// Connections beyond this would take the descriptors that the application needs for itself.
    most_connections: usize,
    connections: Mutex<Slab<Arc<Connection>>>,
    viewers: Mutex<Slab<Arc<Viewer>>>,
    last_id: AtomicU64,
    observer: Observer,
}

/// One viewer of the stream.
#[derive(Debug)]
pub struct Viewer {
    id: u64,
    layout: Layout,
    connection: Arc<Connection>,
    pictures: AtomicU64,
    skipped: AtomicU64,
    bytes: AtomicU64,
}

/// The figures of a viewer.
#[derive(Clone, Debug)]
pub struct ViewerFigures {
    /// Its number; no other viewer of this server ever has the same.
    pub id: u64,
    /// Its address.
    pub peer: SocketAddr,
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
}

/// A connection's place among the others; dropping it gives the place up.
pub(super) struct ConnectionPlace {
    viewers: Arc<Viewers>,
    key: usize,
    pub(super) connection: Arc<Connection>,
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
    pub(super) fn new(places: Places, observer: Observer) -> Arc<Self> {
        Arc::new(Self {
            places,
            most_connections: descriptors() / 2,
            connections: Mutex::default(),
            viewers: Mutex::default(),
            last_id: AtomicU64::new(0),
            observer,
        })
    }

    /// How many watch.
    pub fn count(&self) -> usize {
        lock(&self.viewers).len()
    }

    /// The figures of all viewers, in the order of their ids.
    pub fn figures(&self) -> Vec<ViewerFigures> {
        let viewers: Vec<_> = lock(&self.viewers).iter().map(|(_, viewer)| viewer.clone()).collect();
        let mut figures: Vec<_> = viewers.iter().map(|viewer| viewer.figures(Instant::now())).collect();
        figures.sort_by_key(|figures| figures.id);
        figures
    }

    /// Sends the viewer with this id away. Whether there was one.
    pub fn remove(&self, id: u64) -> bool {
        let viewer = lock(&self.viewers).iter().find(|(_, viewer)| viewer.id == id).map(|(_, viewer)| viewer.clone());
        viewer.is_some_and(|viewer| {
            viewer.connection.leave(Reason::Removed);
            true
        })
    }

    /// A place for a connection from `peer`.
    pub(super) fn connect(self: &Arc<Self>, peer: SocketAddr) -> Result<ConnectionPlace, Full> {
        let connection = Arc::new(Connection::new(peer));
        let key = {
            let mut connections = lock(&self.connections);
            let same = connections.iter().filter(|(_, other)| other.ip() == peer.ip()).count();
            if connections.len() >= self.most_connections
                || self.places.per_address > 0 && same >= self.places.per_address
            {
                return Err(Full);
            }
            connections.insert(connection.clone())
        };
        Ok(ConnectionPlace { viewers: self.clone(), key, connection })
    }

    /// A place for a viewer. When there is none the one that has stalled longest has to give up its own.
    pub(super) fn watch(self: &Arc<Self>, connection: &Arc<Connection>, layout: Layout) -> Result<ViewerPlace, Full> {
        let (key, viewer) = {
            let mut viewers = lock(&self.viewers);
            let staying = viewers.iter().filter(|(_, viewer)| !viewer.connection.is_leaving()).count();
            if self.places.clients > 0 && staying >= self.places.clients {
                let now = Instant::now();
                let stalled = viewers.iter().map(|(_, other)| &other.connection).filter(|other| !other.is_leaving());
                let longest = stalled.max_by_key(|other| other.stalled_for(now)).ok_or(Full)?;
                if longest.stalled_for(now) < EVICT_AFTER {
                    return Err(Full);
                }
                longest.leave(Reason::Evicted);
            }
            let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
            let viewer = Arc::new(Viewer::new(id, layout, connection.clone()));
            (viewers.insert(viewer.clone()), viewer)
        };
        (self.observer)(&viewer, Change::Added);
        Ok(ViewerPlace { viewers: self.clone(), key, viewer, reason: Reason::Closed })
    }

    /// Sends away all connections whose peers have taken no byte for `timeout`.
    pub(super) fn drop_stalled(&self, timeout: Duration) {
        let now = Instant::now();
        for (_, connection) in lock(&self.connections).iter() {
            if connection.stalled_for(now) >= timeout {
                connection.leave(Reason::Stalled);
            }
        }
    }
}

impl Viewer {
    fn new(id: u64, layout: Layout, connection: Arc<Connection>) -> Self {
        let (pictures, skipped, bytes) = Default::default();
        Self { id, layout, connection, pictures, skipped, bytes }
    }

    /// Its number; no other viewer of this server ever has the same.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its address.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer()
    }

    /// Counts a picture handed out to it, and those before that it did not get.
    pub(super) fn count(&self, bytes: usize, skipped: u64) {
        self.pictures.fetch_add(1, Ordering::Relaxed);
        self.skipped.fetch_add(skipped, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn figures(&self, now: Instant) -> ViewerFigures {
        ViewerFigures {
            id: self.id,
            peer: self.connection.peer(),
            layout: self.layout,
            pictures: self.pictures.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            connected_for: now.saturating_duration_since(self.connection.began()),
            stalled_for: self.connection.stalled_for(now),
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        lock(&self.viewers.connections).remove(self.key);
    }
}

impl Drop for ViewerPlace {
    fn drop(&mut self) {
        lock(&self.viewers.viewers).remove(self.key);
        let reason = self.viewer.connection.reason().unwrap_or(self.reason);
        (self.viewers.observer)(&self.viewer, Change::Removed(reason));
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Ended => "ended",
            Self::Stalled => "stalled",
            Self::Evicted => "evicted",
            Self::Removed => "removed",
            Self::Stopped => "stopped",
        })
    }
}

/// How many descriptors the process may have open; proc(5). Read at each start, as an application may raise its limit.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(DESCRIPTORS)
}

/// Descriptors where the system does not tell: Linux's and most others' default.
const DESCRIPTORS: usize = 1024;

/// Least time without a byte after which a viewer has to give up its place to another one. Chosen: a viewer on a poor
/// link stands still for less.
const EVICT_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn viewers(clients: usize, per_address: usize) -> Arc<Viewers> {
        Viewers::new(Places { clients, per_address }, Box::new(|_, _| ()))
    }

    fn peer(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_server_evicts_the_viewer_that_stalled_longest() {
        let viewers = viewers(2, 0);
        let connections = [1, 2, 3].map(|port| viewers.connect(peer(port)).expect("a place"));
        let first = viewers.watch(&connections[0].connection, Layout::Standard).expect("a place");
        let _second = viewers.watch(&connections[1].connection, Layout::Standard).expect("a place");
        assert!(viewers.watch(&connections[2].connection, Layout::Standard).is_err());

        connections[0].connection.waits();
        tokio::time::advance(EVICT_AFTER).await;
        let _third = viewers.watch(&connections[2].connection, Layout::Standard).expect("a place");
        connections[0].connection.leaving().await;
        assert_eq!(first.viewer.connection.reason(), Some(Reason::Evicted));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_not_begun_anew_by_waiting_again() {
        let viewers = viewers(0, 0);
        let place = viewers.connect(peer(1)).expect("a place");
        for _ in 0..10 {
            place.connection.waits();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        viewers.drop_stalled(Duration::from_secs(11));
        assert!(!place.connection.is_leaving());
        viewers.drop_stalled(Duration::from_secs(10));
        assert!(place.connection.is_leaving());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_is_not_dropped() {
        let viewers = viewers(0, 0);
        let place = viewers.connect(peer(1)).expect("a place");
        place.connection.waits();
        tokio::time::advance(Duration::from_secs(10)).await;
        place.connection.progress();
        viewers.drop_stalled(Duration::from_secs(5));
        assert!(!place.connection.is_leaving());
    }

    #[test]
    fn one_address_has_so_many_connections_and_no_more() {
        let viewers = viewers(0, 2);
        let first = viewers.connect(peer(1)).expect("a place");
        let _second = viewers.connect(peer(2)).expect("a place");
        assert!(viewers.connect(peer(3)).is_err());
        assert!(viewers.connect(([127, 0, 0, 2], 1).into()).is_ok());
        drop(first);
        assert!(viewers.connect(peer(3)).is_ok());
    }
}
