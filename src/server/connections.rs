//! The connections of a server.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use slab::Slab;
use tokio::time::Instant;

use super::{connection::Connection, events::Reason, socket::Remote, viewers::Full};
use crate::sync::lock;

/// The connections of one server.
pub(super) struct Connections {
    /// Most from one address, if there is a limit.
    per_address: Option<NonZeroUsize>,
    /// All those of the process, however many servers it has.
    in_process: &'static AtomicUsize,
    /// More of them would take the descriptors that the application needs for itself.
    most: usize,
    open: Mutex<Slab<Arc<Connection>>>,
    /// The streams of those that speak HTTP/2.
    streams: Mutex<Slab<Arc<Connection>>>,
}

/// The place of a stream among the others; dropping it gives the place up.
pub(super) struct StreamPlace {
    connections: Arc<Connections>,
    key: usize,
    pub(super) connection: Arc<Connection>,
}

/// A connection's place among the others; dropping it gives the place up.
pub(super) struct ConnectionPlace {
    connections: Arc<Connections>,
    key: usize,
    pub(super) connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new(per_address: Option<NonZeroUsize>) -> Arc<Self> {
        static IN_PROCESS: AtomicUsize = AtomicUsize::new(0);
        Self::among(&IN_PROCESS, descriptors() / 2, per_address)
    }

    fn among(in_process: &'static AtomicUsize, most: usize, per_address: Option<NonZeroUsize>) -> Arc<Self> {
        Arc::new(Self { per_address, in_process, most, open: Mutex::default(), streams: Mutex::default() })
    }

    /// A place for a connection from `peer`. Where the process has none left, the oldest that has not asked for
    /// anything has to give up its own: half a request would keep it for ten seconds.
    pub(super) fn connect(self: &Arc<Self>, peer: Remote) -> Result<ConnectionPlace, Full> {
        let connection = Arc::new(Connection::new(peer));
        let key = {
            let mut open = lock(&self.open);
            let same = || open.iter().filter(|(_, other)| other.ip() == peer.ip()).count();
            let crowded = |most: NonZeroUsize| peer.ip().is_some() && same() >= most.get();
            if self.per_address.is_some_and(crowded) {
                return Err(Full);
            }
            let one_more = |count| (count < self.most).then_some(count + 1);
            if self.in_process.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
                let silent = open.iter().map(|(_, other)| other).filter(|other| other.is_silent());
                silent.min_by_key(|other| other.began()).ok_or(Full)?.leave(Reason::Evicted);
                // Until that one has gone, in a moment, there is one too many.
                self.in_process.fetch_add(1, Ordering::Relaxed);
            }
            open.insert(connection.clone())
        };
        Ok(ConnectionPlace { connections: self.clone(), key, connection })
    }

    /// Ends all connections and streams whose peers have taken no byte for `timeout`.
    pub(super) fn drop_stalled(&self, timeout: Duration, reason: Reason) {
        let now = Instant::now();
        for table in [&self.open, &self.streams] {
            for (_, connection) in lock(table).iter() {
                if connection.stalled_for(now) >= timeout {
                    connection.leave(reason);
                }
            }
        }
    }
}

impl ConnectionPlace {
    /// A place for one more stream of this connection.
    pub(super) fn stream(&self) -> StreamPlace {
        let connection = Arc::new(Connection::stream_of(self.connection.clone()));
        let key = lock(&self.connections.streams).insert(connection.clone());
        StreamPlace { connections: self.connections.clone(), key, connection }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        lock(&self.connections.streams).remove(self.key);
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        lock(&self.connections.open).remove(self.key);
        self.connections.in_process.fetch_sub(1, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Remote {
        Remote::Tcp(([127, 0, 0, 1], port).into())
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_not_begun_anew_by_waiting_again() {
        let connections = Connections::new(None);
        let place = connections.connect(peer(1)).expect("a place");
        for _ in 0..10 {
            place.connection.waits();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        connections.drop_stalled(Duration::from_secs(11), Reason::Stalled);
        assert!(!place.connection.is_leaving());
        connections.drop_stalled(Duration::from_secs(10), Reason::Stalled);
        assert!(place.connection.is_leaving());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_is_not_dropped() {
        let connections = Connections::new(None);
        let place = connections.connect(peer(1)).expect("a place");
        place.connection.waits();
        tokio::time::advance(Duration::from_secs(10)).await;
        place.connection.progress();
        connections.drop_stalled(Duration::from_secs(5), Reason::Stalled);
        assert!(!place.connection.is_leaving());
    }

    /// Half a request kept out everybody for ten seconds.
    #[tokio::test(start_paused = true)]
    async fn when_places_run_out_the_oldest_that_has_not_asked_goes() {
        let connections = Connections::among(Box::leak(Box::default()), 3, None);
        let mut places = Vec::new();
        for port in 1..=3 {
            places.push(connections.connect(peer(port)).expect("a place"));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let leaving =
            |places: &[ConnectionPlace]| places.iter().map(|place| place.connection.is_leaving()).collect::<Vec<_>>();
        places[0].connection.asks();
        places.push(connections.connect(peer(4)).expect("a place"));
        assert_eq!(leaving(&places), [false, true, false, false]);
        places[3].connection.asks();
        places.push(connections.connect(peer(5)).expect("a place"));
        assert_eq!(leaving(&places), [false, true, true, false, false]);
        places[4].connection.asks();
        assert!(connections.connect(peer(6)).is_err(), "all have asked or leave already");
    }

    /// Three sinks, each with half of the descriptors, left none to the application.
    #[test]
    fn all_servers_of_a_process_have_so_many_connections_together() {
        let in_process = Box::leak(Box::default());
        let [one, other] = [3, 3].map(|most| Connections::among(in_process, most, None));
        let first = one.connect(peer(1)).expect("a place");
        let second = other.connect(peer(2)).expect("a place");
        let third = other.connect(peer(3)).expect("a place");
        [&first, &second, &third].iter().for_each(|place| place.connection.asks());
        assert!(one.connect(peer(4)).is_err() && other.connect(peer(4)).is_err());
        drop(first);
        assert!(other.connect(peer(4)).is_ok());
    }

    #[test]
    fn one_address_has_so_many_connections_and_no_more() {
        let connections = Connections::new(NonZeroUsize::new(2));
        let first = connections.connect(peer(1)).expect("a place");
        let _second = connections.connect(peer(2)).expect("a place");
        assert!(connections.connect(peer(3)).is_err());
        assert!(connections.connect(Remote::Tcp(([127, 0, 0, 2], 1).into())).is_ok());
        drop(first);
        assert!(connections.connect(peer(3)).is_ok());
    }
}
