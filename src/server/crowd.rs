//! Those for whom a server has no place.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{socket::Socket, tasks::Tasks};

/// Has some of them told to come back later; the others are closed at once, as all are that want TLS, where being told
/// takes a handshake.
pub(super) struct Crowd(Arc<Semaphore>);

impl Crowd {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_TOLD)))
    }

    /// Tells one that there is no place, unless too many are being told.
    pub(super) fn turn_away(&self, socket: Socket, tasks: &Tasks, mut stopping: watch::Receiver<Option<Duration>>) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return };
        tasks.spawn(async move {
            let _place = place;
            tokio::select! {
                _ = timeout(PATIENCE, socket.turn_away("503 Service Unavailable", "Retry-After: 5\r\n", NO_PLACE)) => {}
                _ = stopping.changed() => {}
            }
        });
    }
}

/// In words for people.
pub(super) const NO_PLACE: &str = "all places for connections are taken; try again later";

/// Told at once. Chosen: each costs a descriptor, and the process may have few left.
const MAX_TOLD: usize = 16;

/// Time for one to take its answer and go.
const PATIENCE: Duration = Duration::from_secs(2);
