//! The connections of a server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use slab::Slab;
use tokio::time::Instant;

use super::{
    connection::Connection,
    socket::Remote,
    viewers::{Full, Reason},
};
use crate::sync::lock;

/// The connections of one server.
pub(super) struct Connections {
    /// Most from one address; 0 is no limit.
    per_address: usize,
    /// More would take the descriptors that the application needs for itself.
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
    pub(super) fn new(per_address: usize) -> Arc<Self> {
        Arc::new(Self { per_address, most: descriptors() / 2, open: Mutex::default(), streams: Mutex::default() })
    }

    /// A place for a connection from `peer`.
    pub(super) fn connect(self: &Arc<Self>, peer: Remote) -> Result<ConnectionPlace, Full> {
        let connection = Arc::new(Connection::new(peer));
        let key = {
            let mut open = lock(&self.open);
            let same = || open.iter().filter(|(_, other)| other.ip() == peer.ip()).count();
            let crowded = self.per_address > 0 && peer.ip().is_some() && same() >= self.per_address;
            if open.len() >= self.most || crowded {
                return Err(Full);
            }
            open.insert(connection.clone())
        };
        Ok(ConnectionPlace { connections: self.clone(), key, connection })
    }

    /// Ends all connections and streams whose peers have taken no byte for `timeout`.
    pub(super) fn drop_stalled(&self, timeout: Duration) {
        let now = Instant::now();
        for table in [&self.open, &self.streams] {
            for (_, connection) in lock(table).iter() {
                if connection.stalled_for(now) >= timeout {
                    connection.leave(Reason::Stalled);
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
        let connections = Connections::new(0);
        let place = connections.connect(peer(1)).expect("a place");
        for _ in 0..10 {
            place.connection.waits();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        connections.drop_stalled(Duration::from_secs(11));
        assert!(!place.connection.is_leaving());
        connections.drop_stalled(Duration::from_secs(10));
        assert!(place.connection.is_leaving());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_is_not_dropped() {
        let connections = Connections::new(0);
        let place = connections.connect(peer(1)).expect("a place");
        place.connection.waits();
        tokio::time::advance(Duration::from_secs(10)).await;
        place.connection.progress();
        connections.drop_stalled(Duration::from_secs(5));
        assert!(!place.connection.is_leaving());
    }

    #[test]
    fn one_address_has_so_many_connections_and_no_more() {
        let connections = Connections::new(2);
        let first = connections.connect(peer(1)).expect("a place");
        let _second = connections.connect(peer(2)).expect("a place");
        assert!(connections.connect(peer(3)).is_err());
        assert!(connections.connect(Remote::Tcp(([127, 0, 0, 2], 1).into())).is_ok());
        drop(first);
        assert!(connections.connect(peer(3)).is_ok());
    }
}
