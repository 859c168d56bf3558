//! The HTTP server: listener, routes, stream body, snapshot, page and status.
//!
//! [`Server::start`] binds at once and serves on the shared runtime from then on; nothing here blocks the caller but
//! [`Server::stop`], which waits with a deadline. What is served is a [`Camera`].

mod access;
mod camera;
mod connection;
mod cors;
mod health;
mod link;
mod listener;
mod page;
mod query;
mod reply;
mod routes;
mod snapshot;
mod status;
mod stream;
mod viewers;
mod wishes;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

pub use access::{Secrets, Token, TokenError};
pub use camera::{Camera, Figures, Picture};
pub use cors::{AllowedOrigin, OriginError};
pub use viewers::{Change, Observer, Places, Reason, Viewer, ViewerFigures, Viewers};

use self::access::Access;
use crate::runtime;

/// Where to listen and how to frame.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name or address of the interface to listen on.
    pub host: String,
    /// Port to listen on; 0 is any free one.
    pub port: u16,
    /// Time after which a peer that takes no byte of those that wait for it is dropped; zero never drops one.
    pub timeout: Duration,
    /// Time without a picture after which the last one is sent again; zero never does.
    pub keepalive: Duration,
    /// Most pictures per second for each viewer.
    pub max_fps: Option<f64>,
    /// What a viewer has to know.
    pub secrets: Secrets,
    /// Whose pages may read what is served, besides our own.
    pub allow_origin: Option<AllowedOrigin>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime could not be made.
    #[error("no thread to serve from: {0}")]
    Runtime(#[source] io::Error),
    /// The host is no address of this machine, or no known name.
    #[error(
        "host {host} is no address of this machine; set host=0.0.0.0 for all, host=127.0.0.1 for this machine only"
    )]
    Host {
        /// As it was given.
        host: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else has the port.
    #[error("port {port} is in use; set port=0 for any free port")]
    PortInUse {
        /// As it was given.
        port: u16,
    },
    /// Ports below 1024 are for the administrator.
    #[error("port {port} needs administrator rights; set a port from 1024 on, or port=0 for any free port")]
    PortForbidden {
        /// As it was given.
        port: u16,
    },
    /// Anything else that the system answered.
    #[error("cannot listen on {host}:{port}: {source}")]
    Listen {
        /// As it was given.
        host: String,
        /// As it was given.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A server that runs. Dropping it without [`stop`](Self::stop) ends it as well, without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    stopped: mpsc::Receiver<usize>,
}

/// What every connection shares.
struct Shared {
    camera: Arc<Camera>,
    timeout: Duration,
    keepalive: Duration,
    max_fps: Option<f64>,
    access: Access,
    allow_origin: Option<AllowedOrigin>,
}

impl Server {
    /// Binds, and serves `camera` until stopped.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on; the error says what to do.
    pub fn start(config: &Config, camera: Arc<Camera>) -> Result<Self, StartError> {
        let runtime = runtime::handle().map_err(StartError::Runtime)?;
        let listener = {
            let _entered = runtime.enter();
            listener::bind(config)?
        };
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            host: config.host.clone(),
            port: config.port,
            source,
        })?;
        let (stop, stopping) = watch::channel(None);
        let (done, stopped) = mpsc::channel();
        let Config { timeout, keepalive, max_fps, secrets, allow_origin, .. } = config.clone();
        let access = Access::new(secrets);
        let shared = Arc::new(Shared { camera, timeout, keepalive, max_fps, access, allow_origin });
        runtime.spawn(async move {
            let aborted = accept(listener, shared, stopping).await;
            // Nobody listens when the server was dropped without stop().
            let _ = done.send(aborted);
        });
        Ok(Self { address, stop, stopped })
    }

    /// The address it listens on, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets each connection finish what it is sending, and ends those that have not after `at_most`.
    /// Blocks until then. The number of connections that it had to end.
    ///
    /// The camera's fan-out must have been ended or closed before, else viewers stay until the deadline.
    pub fn stop(self, at_most: Duration) -> usize {
        let _ = self.stop.send(Some(at_most));
        // The task has no wait that outlives the deadline; the reserve is for a machine under load.
        self.stopped.recv_timeout(at_most + STOP_RESERVE).unwrap_or_default()
    }
}

/// Accepts connections until told to stop; the number of connections ended by force.
async fn accept(
    listener: tokio::net::TcpListener,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) -> usize {
    let mut connections = JoinSet::new();
    let mut pause = Duration::ZERO;
    let mut resume = tokio::time::Instant::now();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            accepted = listener::accept(&listener, resume) => accepted,
            Some(_) = connections.join_next() => continue,
            _ = rounds.tick() => {
                shared.look_after();
                continue;
            }
            _ = stopping.changed() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::ZERO;
                // Without a place the connection is closed at once.
                if let Ok(place) = shared.camera.viewers.connect(peer) {
                    connections.spawn(connection::serve(stream, place, shared.clone(), stopping.clone()));
                }
            }
            // One failed accept never ends anything: a peer gave up, or descriptors ran out for now.
            Err(_) => {
                pause = listener::next_pause(pause);
                resume = tokio::time::Instant::now() + pause;
            }
        }
    }
    drop(listener);
    let at_most = stopping.borrow().unwrap_or_default();
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(at_most, all_done).await.is_ok() {
        return 0;
    }
    let left = connections.len();
    connections.shutdown().await;
    left
}

impl Shared {
    /// What has to be seen to now and then.
    fn look_after(&self) {
        if !self.timeout.is_zero() {
            self.camera.viewers.drop_stalled(self.timeout);
        }
        self.camera.repeat_if_idle(Instant::now(), self.keepalive);
    }
}

/// Time between two rounds of looking after viewers. Chosen: timeouts are exact to that, and four wake-ups a second cost
/// nothing.
const ROUND: Duration = Duration::from_millis(250);

/// How long [`Server::stop`] waits beyond its deadline for its task to answer. Chosen; an end of the process without
/// the answer costs nothing but the closing of sockets.
const STOP_RESERVE: Duration = Duration::from_secs(1);
