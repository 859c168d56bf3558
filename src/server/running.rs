//! A server that runs: it accepts connections for all the cameras that share it.

use std::{
    io,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::spawn_blocking, time::MissedTickBehavior};

use super::{
    Config, StartError,
    access::Access,
    cameras::Cameras,
    connection,
    connections::Connections,
    cors::AllowedOrigin,
    crowd::{Crowd, NO_PLACE},
    endpoint::{Address, Candidates},
    events::{Reason, Refusal},
    listener::{self, Listener},
    names::Names,
    tasks::Tasks,
    tls::{self, Tls},
    viewers::{Full, STANDS_STILL},
};
use crate::runtime;

/// What all its requests share.
pub(super) struct Shared {
    pub(super) cameras: Cameras,
    pub(super) connections: Arc<Connections>,
    pub(super) access: Access,
    /// The names by which it may be asked; `None` is any.
    pub(super) names: Option<Names>,
    pub(super) allow_origin: Option<AllowedOrigin>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) tasks: Tasks,
    pub(super) timeout: Option<Duration>,
}

/// A server that runs. It ends when it is dropped, without waiting; [`close`](Self::close) and [`stop`](Self::stop)
/// wait.
pub(super) struct Running {
    pub(super) address: Address,
    pub(super) config: Config,
    pub(super) shared: Arc<Shared>,
    stop: watch::Sender<Option<Duration>>,
    closed: mpsc::Receiver<()>,
    stopped: mpsc::Receiver<usize>,
}

impl Running {
    /// Binds the first of these that can be had, and serves on the shared runtime from then on, with `tls` if there is
    /// any.
    pub(super) fn start(config: &Config, candidates: Candidates, tls: Option<Tls>) -> Result<Self, StartError> {
        let runtime = runtime::handle().map_err(StartError::Runtime)?;
        let (listener, address) = {
            let _entered = runtime.enter();
            listener::bind(candidates)?
        };
        let shared = Arc::new(Shared {
            cameras: Cameras::default(),
            connections: Connections::new(config.per_address),
            access: Access::new(config.secrets.clone()),
            names: Names::new(config, &address),
            allow_origin: config.allow_origin.clone(),
            tls: tls.map(Arc::new),
            tasks: Tasks::new(),
            timeout: config.timeout,
        });
        let (stop, stopping) = watch::channel(None);
        let (has_closed, closed) = mpsc::channel();
        let (has_stopped, stopped) = mpsc::channel();
        let serving = shared.clone();
        runtime.spawn(async move {
            accept(listener, &serving, stopping.clone()).await;
            // Nobody listens to either when the server was dropped without stop().
            let _ = has_closed.send(());
            let at_most = stopping.borrow().unwrap_or_default();
            let _ = has_stopped.send(finish(&serving.tasks, at_most).await);
        });
        Ok(Self { address, config: config.clone(), shared, stop, closed, stopped })
    }

    /// Stops listening and begins to end: each connection may finish what it is sending for `at_most`, unless it stands
    /// still. Blocks until the address is free, which takes one turn of the runtime.
    pub(super) fn close(&self, at_most: Duration) {
        self.stop.send_replace(Some(at_most));
        self.shared.connections.drop_stalled(STANDS_STILL, Reason::Stopped);
        let _ = self.closed.recv_timeout(STOP_RESERVE);
    }

    /// After [`close`](Self::close), blocks until all connections have gone. Returns how many had to be ended by force,
    /// or `None` where the runtime has not done it in time.
    pub(super) fn stop(self, at_most: Duration) -> Option<usize> {
        // The task has no wait that outlives the deadline; the reserve is for a machine under load.
        self.stopped.recv_timeout(at_most + STOP_RESERVE).ok()
    }
}

/// Accepts connections until told to stop.
async fn accept(listener: Listener, shared: &Arc<Shared>, mut stopping: watch::Receiver<Option<Duration>>) {
    let mut pause = Duration::ZERO;
    let mut resume = tokio::time::Instant::now();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watching = std::pin::pin!(shared.watch_certificate());
    let crowd = Crowd::new();
    let mut told = None::<Instant>;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(resume) => accepted,
            () = shared.tasks.forget_ended() => continue,
            () = watching.as_mut() => continue,
            _ = rounds.tick() => {
                shared.look_after();
                continue;
            }
            _ = stopping.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::ZERO;
                match shared.connections.connect(peer) {
                    Ok(place) => {
                        shared.tasks.spawn(connection::serve(stream, place, shared.clone(), stopping.clone()));
                    }
                    Err(Full) => {
                        shared.tell_refusal(Refusal { peer, asked: None, why: NO_PLACE });
                        if shared.tls.is_none() {
                            crowd.turn_away(stream, &shared.tasks, stopping.clone());
                        }
                    }
                }
            }
            // One failed accept never ends anything: a peer gave up, or descriptors ran out for now.
            Err(error) => {
                if error.kind() != io::ErrorKind::ConnectionAborted && told.is_none_or(|told| told.elapsed() >= AGAIN) {
                    told = Some(Instant::now());
                    shared.tell_trouble(&format!(
                        "no connection can be accepted now: {error}; a higher limit of open files (ulimit -n) may help"
                    ));
                }
                pause = listener::next_pause(pause);
                resume = tokio::time::Instant::now() + pause;
            }
        }
    }
}

/// Lets connections finish for `at_most`. Returns how many have not.
async fn finish(tasks: &Tasks, at_most: Duration) -> usize {
    // Those that make it need no force.
    let _ = tokio::time::timeout(at_most, tasks.all_ended()).await;
    tasks.end().await
}

impl Shared {
    /// Reads the certificate again when its files change; goes on for ever.
    async fn watch_certificate(&self) {
        let Some(tls) = &self.tls else { return std::future::pending().await };
        loop {
            tokio::time::sleep(tls::LOOK_INTERVAL).await;
            let tls = tls.clone();
            // Off this thread, as a disk may be slow.
            if let Ok(Err(error)) = spawn_blocking(move || tls.look()).await {
                self.tell_trouble(&format!("{error}; the certificate in use stays, until the files are right"));
            }
        }
    }

    /// Tells all cameras of what somebody has to see to.
    fn tell_trouble(&self, what: &str) {
        self.cameras.all().iter().for_each(|(_, camera)| camera.viewers.tell_trouble(what));
    }

    /// Tells the camera that was asked for, or else the first one, of what was refused.
    pub(super) fn tell_refusal(&self, refusal: Refusal<'_>) {
        let asked = refusal.asked.and_then(|(path, _)| self.cameras.find(path)).map(|found| found.camera);
        if let Some(camera) = asked.or_else(|| self.cameras.all().into_iter().next().map(|(_, camera)| camera)) {
            camera.viewers.tell_refusal(refusal);
        }
    }

    /// What has to be seen to now and then.
    fn look_after(&self) {
        if let Some(timeout) = self.timeout {
            self.connections.drop_stalled(timeout, Reason::Stalled);
        }
        for (_, camera) in self.cameras.all() {
            camera.viewers.end_farewells();
            camera.repeat_if_idle(Instant::now());
        }
    }
}

/// Time between two rounds of looking after viewers. Chosen: timeouts are exact to that, and four wake-ups a second
/// cost nothing.
const ROUND: Duration = Duration::from_millis(250);

/// Least time between two words about connections that cannot be accepted. Chosen: often enough to be seen, where one
/// connection that ends and the next one may bring the same trouble a hundred times a second.
const AGAIN: Duration = Duration::from_secs(60);

/// How long a stop waits beyond its deadline for the runtime to answer. Chosen; an end of the process without the
/// answer costs nothing but the closing of sockets.
const STOP_RESERVE: Duration = Duration::from_secs(1);
