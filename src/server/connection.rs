//! One connection, from accept to its end.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    connections::ConnectionPlace,
    link::{Drain, Link},
    routes,
    running::Shared,
    viewers::Reason,
};
use crate::sync::lock;

/// One connection, as far as others have to know of it.
#[derive(Debug)]
pub(super) struct Connection {
    peer: SocketAddr,
    began: Instant,
    /// Since when, in milliseconds after `began`, the peer has taken no byte of those that wait for it.
    waiting_since: AtomicU64,
    waits: AtomicBool,
    leave: Notify,
    reason: Mutex<Option<Reason>>,
}

/// Serves one connection until its peer or the server ends it.
pub(super) async fn serve(
    stream: TcpStream,
    place: ConnectionPlace,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) {
    let (link, drain) = Link::new(TokioIo::new(stream), place.connection.clone());
    let peer = Peer { connection: place.connection.clone(), drain };
    let service = service_fn(move |request| routes::answer(request, shared.clone(), peer.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_FIELDS)
        // Names are equal in any case, but small readers compare them as the RFCs write them.
        .title_case_headers(true)
        // A viewer that shuts its sending side still wants its pictures.
        .half_close(true)
        .serve_connection(link, service);
    let mut connection = std::pin::pin!(connection);
    // Losing a connection is a viewer's own affair: its error is of no use to anybody here.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = place.connection.leaving() => return,
        _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// What a request has to know of the connection that it came by.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) connection: Arc<Connection>,
    pub(super) drain: Drain,
}

impl Connection {
    pub(super) fn new(peer: SocketAddr) -> Self {
        Self {
            peer,
            began: Instant::now(),
            waiting_since: AtomicU64::new(0),
            waits: AtomicBool::new(false),
            leave: Notify::new(),
            reason: Mutex::new(None),
        }
    }

    /// The peer's address.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Why it has to end, once it has.
    pub(super) fn reason(&self) -> Option<Reason> {
        *lock(&self.reason)
    }

    /// The peer's address, the same whether it came by IPv4 or by IPv4 within IPv6.
    pub(super) fn ip(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// The kernel took bytes: the peer reads.
    pub(super) fn progress(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// The kernel takes no more bytes until the peer has read some. Having waited before does not begin anew.
    pub(super) fn waits(&self) {
        if !self.waits.load(Ordering::Relaxed) {
            let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.waiting_since.store(since, Ordering::Relaxed);
            self.waits.store(true, Ordering::Relaxed);
        }
    }

    /// Ends the connection.
    pub(super) fn leave(&self, reason: Reason) {
        lock(&self.reason).get_or_insert(reason);
        self.leave.notify_one();
    }

    pub(super) fn is_leaving(&self) -> bool {
        lock(&self.reason).is_some()
    }

    /// Returns when the connection has to end.
    pub(super) async fn leaving(&self) {
        self.leave.notified().await;
    }

    pub(super) fn stalled_for(&self, now: Instant) -> Duration {
        if !self.waits.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let since = Duration::from_millis(self.waiting_since.load(Ordering::Relaxed));
        now.saturating_duration_since(self.began).saturating_sub(since)
    }
}

/// Time for a request head to come in whole; without it hyper keeps half a request for ever. Chosen near what go2rtc
/// (5 s) and ustreamer (10 s) allow.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest request head, and bytes that hyper gathers before it flushes: the least it takes.
const MAX_BUFFER: usize = 8 * 1024;

/// Most fields of a request. Chosen: browsers send about 15.
const MAX_FIELDS: usize = 100;
