//! A server that runs: it accepts connections for all the cameras that share it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::MissedTickBehavior};

use super::{
    Config, StartError, access::Access, cameras::Cameras, connection, connections::Connections, cors::AllowedOrigin,
    listener,
};
use crate::{runtime, sync::lock};

/// What all its requests share.
pub(super) struct Shared {
    pub(super) cameras: Cameras,
    pub(super) connections: Arc<Connections>,
    pub(super) access: Access,
    pub(super) allow_origin: Option<AllowedOrigin>,
    timeout: Duration,
}

/// A server that runs. Dropping it without [`stop`](Self::stop) ends it as well, without waiting.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) config: Config,
    pub(super) shared: Arc<Shared>,
    stop: watch::Sender<Option<Duration>>,
    closed: Mutex<mpsc::Receiver<()>>,
    stopped: Mutex<mpsc::Receiver<usize>>,
}

impl Running {
    /// Binds the first of these addresses that can be had, and serves on the shared runtime from then on.
    pub(super) fn start(config: &Config, addresses: &[SocketAddr]) -> Result<Self, StartError> {
        let runtime = runtime::handle().map_err(StartError::Runtime)?;
        let listener = {
            let _entered = runtime.enter();
            listener::bind(config, addresses)?
        };
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            host: config.host.clone(),
            port: config.port,
            source,
        })?;
        let shared = Arc::new(Shared {
            cameras: Cameras::default(),
            connections: Connections::new(config.per_address),
            access: Access::new(config.secrets.clone()),
            allow_origin: config.allow_origin.clone(),
            timeout: config.timeout,
        });
        let (stop, stopping) = watch::channel(None);
        let (has_closed, closed) = mpsc::channel();
        let (has_stopped, stopped) = mpsc::channel();
        let serving = shared.clone();
        runtime.spawn(async move {
            let connections = accept(listener, serving, stopping.clone()).await;
            // Nobody listens to either when the server was dropped without stop().
            let _ = has_closed.send(());
            let at_most = stopping.borrow().unwrap_or_default();
            let _ = has_stopped.send(finish(connections, at_most).await);
        });
        let (closed, stopped) = (Mutex::new(closed), Mutex::new(stopped));
        Ok(Self { address, config: config.clone(), shared, stop, closed, stopped })
    }

    /// Stops listening and begins to end: each connection may finish what it is sending for `at_most`. Blocks until the
    /// address is free, which takes one turn of the runtime.
    pub(super) fn close(&self, at_most: Duration) {
        self.stop.send_replace(Some(at_most));
        let _ = lock(&self.closed).recv_timeout(STOP_RESERVE);
    }

    /// After [`close`](Self::close), blocks until all connections have gone; how many had to be ended by force.
    pub(super) fn stop(self, at_most: Duration) -> usize {
        // The task has no wait that outlives the deadline; the reserve is for a machine under load.
        lock(&self.stopped).recv_timeout(at_most + STOP_RESERVE).unwrap_or_default()
    }
}

/// Accepts connections until told to stop; then it gives back those that are open.
async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) -> JoinSet<()> {
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
            _ = stopping.changed() => return connections,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::ZERO;
                // Without a place the connection is closed at once.
                if let Ok(place) = shared.connections.connect(peer) {
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
}

/// Lets connections finish for `at_most`; how many have not.
async fn finish(mut connections: JoinSet<()>, at_most: Duration) -> usize {
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
            self.connections.drop_stalled(self.timeout);
        }
        for (_, camera) in self.cameras.all() {
            camera.repeat_if_idle(Instant::now());
        }
    }
}

/// Time between two rounds of looking after viewers. Chosen: timeouts are exact to that, and four wake-ups a second cost
/// nothing.
const ROUND: Duration = Duration::from_millis(250);

/// How long a stop waits beyond its deadline for the runtime to answer. Chosen; an end of the process without the
/// answer costs nothing but the closing of sockets.
const STOP_RESERVE: Duration = Duration::from_secs(1);
