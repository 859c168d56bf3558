//! A server that listens nowhere: it answers on connections that are handed to it.

use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::{
    Camera, Mount,
    access::{Access, Secrets},
    cameras::Cameras,
    connection,
    connections::Connections,
    cors::AllowedOrigin,
    running::Shared,
    socket::Remote,
    tasks::Tasks,
    tls::Spoken,
};

/// Answers what a server with a port would, on any stream of bytes: on a pipe in memory, for tests without a network.
///
/// In order: [`new`](Self::new), [`add`](Self::add) for each camera, [`serve`](Self::serve) for each connection. Must
/// be used within a tokio runtime.
pub struct Handler {
    shared: Arc<Shared>,
    stop: watch::Sender<Option<Duration>>,
}

impl Handler {
    /// One without cameras. Who is asked for which secrets, and whose pages may read what is served, is as in
    /// [`Config`](super::Config).
    pub fn new(secrets: Secrets, allow_origin: Option<AllowedOrigin>) -> Self {
        let shared = Shared {
            cameras: Cameras::default(),
            connections: Connections::new(None),
            access: Access::new(secrets),
            // Whoever has the pipe is meant.
            names: None,
            allow_origin,
            tls: None,
            tasks: Tasks::new(),
            timeout: None,
        };
        Self { shared: Arc::new(shared), stop: watch::Sender::new(None) }
    }

    /// Serves a camera under `mount`. Returns whether nothing was served there before.
    pub fn add(&self, mount: Mount, camera: Arc<Camera>) -> bool {
        self.shared.cameras.add(mount, camera).is_ok()
    }

    /// Serves one connection until its peer or [`stop`](Self::stop) ends it, and all its streams have ended.
    pub async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, spoken: Spoken) {
        let Ok(place) = self.shared.connections.connect(Remote::Unix) else { return };
        connection::speak(TokioIo::new(stream), spoken, place, self.shared.clone(), self.stop.subscribe()).await;
        self.shared.tasks.all_ended().await;
    }

    /// Lets each connection finish what it is sending, and no more.
    pub fn stop(&self) {
        self.stop.send_replace(Some(Duration::ZERO));
    }
}
