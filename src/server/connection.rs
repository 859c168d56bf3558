//! One connection, from accept to its end.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::{
    io::Interest,
    net::TcpStream,
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    connections::ConnectionPlace,
    events::Reason,
    http1, http2,
    kernel::{self, TcpFigures},
    running::Shared,
    socket::{Remote, Socket},
    tls::Spoken,
};
use crate::sync::lock;

/// One connection, or one stream of a connection that has several, as far as others have to know of it.
#[derive(Debug)]
pub(super) struct Connection {
    peer: Remote,
    /// The connection that this is a stream of.
    parent: Option<Arc<Self>>,
    began: Instant,
    /// A whole request has come.
    has_asked: AtomicBool,
    /// Since when, in milliseconds after `began` and one more, the peer has taken no byte of those that wait for it; 0
    /// when none wait.
    waiting_since: AtomicU64,
    /// Its socket, once it is served.
    socket: OnceLock<Weak<TcpStream>>,
    leave: Notify,
    departure: Mutex<Departure>,
}

/// How a connection comes to its end.
#[derive(Debug, Default)]
struct Departure {
    end: End,
    /// Who is to hear that it is asked to end.
    sender: Option<Waker>,
}

/// Whether a connection has to end, and why: the first reason stays.
#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    None,
    /// As soon as what is under way has been sent.
    Asked { reason: Reason, since: Instant },
    /// Whatever is under way.
    Now(Reason),
}

impl End {
    fn reason(self) -> Option<Reason> {
        match self {
            Self::None => None,
            Self::Asked { reason, .. } | Self::Now(reason) => Some(reason),
        }
    }
}

/// Serves one connection until its peer or the server ends it.
pub(super) async fn serve(
    socket: Socket,
    place: ConnectionPlace,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) {
    place.connection.socket.get_or_init(|| socket.tcp());
    let socket = socket.noting(place.connection.clone());
    let Some(tls) = &shared.tls else {
        return speak(TokioIo::new(socket), Spoken::Http1, place, shared, stopping).await;
    };
    let accepted = tokio::select! {
        accepted = tls.accept(socket) => accepted,
        () = place.connection.leaving() => return,
        _ = stopping.changed() => return,
    };
    if let Some((stream, spoken)) = accepted {
        speak(TokioIo::new(stream), spoken, place, shared.clone(), stopping).await;
    }
}

/// Serves what is asked on this stream of bytes until its peer or the server ends it.
pub(super) async fn speak(
    stream: impl Read + Write + Unpin,
    spoken: Spoken,
    place: ConnectionPlace,
    shared: Arc<Shared>,
    stopping: watch::Receiver<Option<Duration>>,
) {
    match spoken {
        Spoken::Http1 => http1::serve(stream, place, shared, stopping).await,
        Spoken::Http2 => http2::serve(stream, place, shared, stopping).await,
    }
}

impl Connection {
    pub(super) fn new(peer: Remote) -> Self {
        Self {
            peer,
            parent: None,
            began: Instant::now(),
            has_asked: AtomicBool::new(false),
            waiting_since: AtomicU64::new(0),
            socket: OnceLock::new(),
            leave: Notify::new(),
            departure: Mutex::default(),
        }
    }

    pub(super) fn stream_of(parent: Arc<Self>) -> Self {
        Self { parent: Some(parent.clone()), ..Self::new(parent.peer) }
    }

    /// The peer's address.
    pub(super) fn peer(&self) -> Remote {
        self.peer
    }

    /// What the kernel knows of it; `None` where it is no TCP, or over.
    pub(super) fn tcp(&self) -> Option<TcpFigures> {
        match &self.parent {
            Some(parent) => parent.tcp(),
            None => kernel::tcp_figures(&*self.socket.get()?.upgrade()?).ok(),
        }
    }

    /// Returns when the kernel says that the connection has broken. A peer that has sent all that it will is no longer
    /// read, and while no picture comes none is written, so nobody else would hear of it.
    pub(super) async fn broken(&self) {
        match self.socket.get().and_then(Weak::upgrade) {
            Some(socket) => drop(socket.ready(Interest::ERROR).await),
            None => std::future::pending().await,
        }
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// A whole request has come.
    pub(super) fn asks(&self) {
        self.has_asked.store(true, Ordering::Relaxed);
        if let Some(parent) = &self.parent {
            parent.asks();
        }
    }

    /// Whether no whole request has come, nor need any more.
    pub(super) fn is_silent(&self) -> bool {
        !self.has_asked.load(Ordering::Relaxed) && !self.is_leaving()
    }

    /// Why it has to end, once it has.
    pub(super) fn reason(&self) -> Option<Reason> {
        let own = lock(&self.departure).end.reason();
        own.or_else(|| self.parent.as_ref()?.reason())
    }

    /// The peer's address, if it has one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.peer.ip()
    }

    /// The kernel took bytes: the peer reads.
    pub(super) fn progress(&self) {
        self.waiting_since.store(0, Ordering::Relaxed);
    }

    /// The kernel takes no more bytes until the peer has read some. Having waited before does not begin anew.
    pub(super) fn waits(&self) {
        if self.waiting_since.load(Ordering::Relaxed) == 0 {
            let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.waiting_since.store(since.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Ends the connection, whatever is under way.
    pub(super) fn leave(&self, reason: Reason) {
        {
            let end = &mut lock(&self.departure).end;
            *end = End::Now(end.reason().unwrap_or(reason));
        }
        self.leave.notify_one();
    }

    /// Ends the connection when what is under way has been sent.
    pub(super) fn ask_to_leave(&self, reason: Reason) {
        let sender = {
            let mut departure = lock(&self.departure);
            if let End::None = departure.end {
                departure.end = End::Asked { reason, since: Instant::now() };
            }
            departure.sender.take()
        };
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    /// Ready when it was asked to leave, and why. Else the task is woken when that is so.
    pub(super) fn poll_asked(&self, cx: &Context<'_>) -> Poll<Reason> {
        let mut departure = lock(&self.departure);
        if let End::Asked { reason, .. } = departure.end {
            return Poll::Ready(reason);
        }
        match &mut departure.sender {
            Some(sender) => sender.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// For how long it has been asked to leave.
    pub(super) fn asked_for(&self, now: Instant) -> Option<Duration> {
        match lock(&self.departure).end {
            End::Asked { since, .. } => Some(now.saturating_duration_since(since)),
            End::None | End::Now(_) => None,
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.reason().is_some()
    }

    /// Returns when the connection has to end.
    pub(super) async fn leaving(&self) {
        self.leave.notified().await;
    }

    /// For how long the peer has taken no byte of those that wait for it.
    pub(super) fn stalled_for(&self, now: Instant) -> Duration {
        let parents = self.parent.as_ref().map(|parent| parent.stalled_for(now)).unwrap_or_default();
        let Some(since) = self.waiting_since.load(Ordering::Relaxed).checked_sub(1) else { return parents };
        let since = Duration::from_millis(since);
        now.saturating_duration_since(self.began).saturating_sub(since).max(parents)
    }
}

/// Time for a request head to come in whole, and for a connection to be of no use; without it hyper keeps half a
/// request for ever. Chosen near what go2rtc (5 s) and ustreamer (10 s) allow.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
