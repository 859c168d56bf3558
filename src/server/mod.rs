//! The HTTP server: listener, routes, stream body, snapshot, page and status.
//!
//! [`Server::start`] binds at once and serves on the shared runtime from then on. It may block: on a name server, on
//! the disk, and up to a second on the lock of a socket's folder. [`Server::stop`] waits with a deadline; nothing else
//! blocks the caller. What is served is a [`Camera`]. Cameras of one process that ask for the same address share one
//! listener, each under its own [`Mount`].
//!
//! Order of locking, where two are held: `RUNNING`, the cameras of a server, its connections or streams, the viewers
//! of a camera, the departure of a connection, that of the connection that it is a stream of.

mod access;
#[allow(unsafe_code, reason = "a socket that was passed to us comes as a bare number")]
mod activation;
mod camera;
mod cameras;
mod connection;
mod connections;
mod cors;
mod crowd;
mod endpoint;
mod events;
mod guesses;
mod handler;
mod health;
mod http1;
mod http2;
mod input;
#[allow(unsafe_code, reason = "TCP_INFO and TCP_RTO_MAX_MS have no safe bindings")]
mod kernel;
mod link;
mod listener;
mod metrics;
mod mount;
mod names;
mod page;
mod pump;
mod query;
mod reply;
mod routes;
mod running;
mod snapshot;
mod socket;
mod status;
mod stream;
mod tasks;
mod tls;
mod unix;
mod viewers;
mod wishes;

use std::{
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};

pub use access::{Secrets, Token, TokenError};
pub use activation::{Activation, ActivationError};
pub use camera::{Camera, CameraConfig, Figures, Picture};
pub use cors::{AllowedOrigin, OriginError};
pub use endpoint::{Address, Endpoint};
pub use events::{Event, Observer, Reason, Refusal};
pub use handler::Handler;
pub use kernel::TcpFigures;
pub use mount::{Mount, MountError};
pub use socket::Remote;
pub use tls::{Spoken, TlsError, TlsFiles};
pub use unix::UnixError;
pub use viewers::{Ids, Served, Viewer, ViewerFigures, Viewers};

use self::{running::Running, tls::Tls};
use crate::sync::lock;

/// Where to listen and whom to let in: what cameras that share a server have in common.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub endpoint: Endpoint,
    /// The sockets that were passed to this process.
    pub activation: Activation,
    /// What to speak TLS with; without, nothing is encrypted.
    pub tls: Option<TlsFiles>,
    /// Time after which a peer that takes no byte of those that wait for it is dropped, if it is ever.
    pub timeout: Option<Duration>,
    /// Most connections from one address, if there is a limit.
    pub per_address: Option<NonZeroUsize>,
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
        "host {host} is not an address of this machine; set host=0.0.0.0 for all, host=127.0.0.1 for this machine only"
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
    /// Another camera of this process has the port, on another interface.
    #[error(
        "port {} is in use by another mjpegserversink of this program, which listens on {other}; set the same host for \
         both, or port=0 for any free port",
        other.port()
    )]
    OtherHost {
        /// Where the other one listens.
        other: Address,
    },
    /// Ports below 1024 are for the administrator.
    #[error("port {port} needs administrator rights; set a port from 1024 on, or port=0 for any free port")]
    PortForbidden {
        /// As it was given.
        port: u16,
    },
    /// Another camera of this process is served there.
    #[error(
        "{address} is in use by another mjpegserversink with mount={mount}; set mount=/name, a different one for each{}",
        endpoint.other_place()
    )]
    MountTaken {
        /// As it was given.
        mount: Mount,
        /// Where both listen.
        address: Address,
        /// As it was given.
        endpoint: Endpoint,
    },
    /// The other cameras at this address are served with other settings.
    #[error("{address} is shared with another mjpegserversink that has a different {what}; set the same for both")]
    Differs {
        /// Where both listen.
        address: Address,
        /// The properties that differ.
        what: &'static str,
    },
    /// Nothing is to be had at the path of a Unix socket.
    #[error(transparent)]
    Unix(#[from] UnixError),
    /// There is no passed socket to be had.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// Certificate and key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Anything else that the system answered.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Where.
        address: Address,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A camera's place at a server. Dropping it without [`stop`](Self::stop) gives it up as well, without waiting for
/// viewers; where it is the last one there, that blocks until the address is free, a second at most.
#[derive(Debug)]
pub struct Server {
    address: Address,
    tls: bool,
    mount: Mount,
    has_left: bool,
}

/// Who is left at a server that a camera has left.
enum Left {
    /// Nobody: it ends.
    Nobody(Box<Running>),
    /// Others; this is the camera that left.
    Others(Option<Arc<Camera>>),
}

impl Server {
    /// Serves `camera` under `mount` until stopped: on the server of this process that listens at the address, else on
    /// a new one. Port 0 is always a new one.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or is shared with cameras that this one does not go with; the error says what
    /// to do.
    pub fn start(config: &Config, mount: Mount, camera: Arc<Camera>) -> Result<Self, StartError> {
        let candidates = config.endpoint.candidates(&config.activation)?;
        // Before the lock, as it may take a while.
        let _turn = candidates.path().and_then(unix::turn);
        let mut running = lock(&RUNNING);
        let mut tls = None;
        if let Some(files) = &config.tls
            && !running.iter().any(|server| candidates.contains(&server.address))
        {
            // A disk may be slow, and all other servers of the process need not wait for it.
            drop(running);
            tls = Some(Tls::new(files.clone())?);
            running = lock(&RUNNING);
        }
        let address = match running.iter().find(|server| candidates.contains(&server.address)) {
            Some(server) => {
                join(server, config, &mount, camera)?;
                server.address.clone()
            }
            None => {
                let neighbour =
                    running.iter().map(|server| &server.address).find(|address| candidates.overlaps(address));
                let server = Running::start(config, candidates, tls).map_err(|error| match (error, neighbour) {
                    (StartError::PortInUse { .. }, Some(other)) => StartError::OtherHost { other: other.clone() },
                    (error, _) => error,
                })?;
                server.shared.cameras.add(mount.clone(), camera).expect("a new server has no cameras");
                let address = server.address.clone();
                running.push(server);
                address
            }
        };
        Ok(Self { address, tls: config.tls.is_some(), mount, has_left: false })
    }

    /// The address it listens on, with the port that port 0 became.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where the camera's page is, for a browser on this machine where that can be.
    pub fn url(&self) -> String {
        self.address.url(if self.tls { "https" } else { "http" }, &self.mount.folder())
    }

    /// Stops serving the camera: lets each connection finish what it is sending, and ends those that have not after
    /// `at_most`. Blocks until then. Returns how many connections it had to end, or `None` where the runtime has not
    /// ended them in time.
    ///
    /// The camera's fan-out must have been ended or closed before, else viewers stay until the deadline.
    pub fn stop(mut self, at_most: Duration) -> Option<usize> {
        match self.leave(at_most) {
            Left::Nobody(server) => server.stop(at_most),
            Left::Others(camera) => Some(camera.map_or(0, |camera| camera.send_away(at_most))),
        }
    }

    fn leave(&mut self, at_most: Duration) -> Left {
        self.has_left = true;
        let mut running = lock(&RUNNING);
        let index = running.iter().position(|server| server.address == self.address);
        let index = index.expect("a server runs as long as a camera has its place there");
        let camera = running[index].shared.cameras.remove(&self.mount);
        if !running[index].shared.cameras.is_empty() {
            return Left::Others(camera);
        }
        let server = running.swap_remove(index);
        // While nobody else can ask for the address.
        server.close(at_most);
        Left::Nobody(server.into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.has_left {
            self.leave(Duration::ZERO);
        }
    }
}

/// Gives a camera its place at a server that runs.
fn join(server: &Running, config: &Config, mount: &Mount, camera: Arc<Camera>) -> Result<(), StartError> {
    let address = || server.address.clone();
    if let Some(what) = config.difference(&server.config) {
        return Err(StartError::Differs { address: address(), what });
    }
    let taken =
        |_| StartError::MountTaken { mount: mount.clone(), address: address(), endpoint: config.endpoint.clone() };
    server.shared.cameras.add(mount.clone(), camera).map_err(taken)?;
    if let Some(names) = &server.shared.names {
        names.learn(&config.endpoint);
    }
    Ok(())
}

impl Config {
    /// What in it does not go with a server that runs with `other`.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            (self.tls == other.tls, "tls-certificate-file or tls-private-key-file"),
            (self.secrets == other.secrets, "user-id, user-pw or token"),
            (self.allow_origin == other.allow_origin, "allow-origin"),
            (self.timeout == other.timeout, "timeout"),
            (self.per_address == other.per_address, "max-clients-per-address"),
        ]
        .into_iter()
        .find_map(|(same, what)| (!same).then_some(what))
    }
}

/// The servers of this process. Cameras that share one come and go on threads of their own.
static RUNNING: Mutex<Vec<Running>> = Mutex::new(Vec::new());
