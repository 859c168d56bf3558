//! Those for whom a server has no place.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{socket::Socket, tasks::Tasks};

/// Has some of them told to come back later; the others are closed at once, as all are that want TLS, where being told
/// takes a handshake.
pub(super) struct Crowd(Arc<Semaphore>);

impl Crowd {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }

    /// Tells one that there is no place, unless too many are being told.
    pub(super) fn turn_away(&self, socket: Socket, tasks: &Tasks, mut stopping: watch::Receiver<Option<Duration>>) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return };
        tasks.spawn(async move {
            let _place = place;
            tokio::select! {
                _ = timeout(PATIENCE, tell(socket)) => {}
                _ = stopping.changed() => {}
            }
        });
    }
}

async fn tell(mut socket: Socket) -> io::Result<u64> {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Retry-After: 5\r\n\
         Cache-Control: no-store\r\n\
         Connection: close\r\n\r\n\
         {NO_PLACE}\n",
        NO_PLACE.len() + 1
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    // Closing on a request that was not read would take the answer back.
    tokio::io::copy(&mut socket.take(MAX_READ), &mut tokio::io::sink()).await
}

/// In words for people.
pub(super) const NO_PLACE: &str = "all places for connections are taken; try again later";

/// Told at once. Chosen: each costs a descriptor, and the process may have few left.
const MOST: usize = 16;

/// Time for one to take its answer and go.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are read of a request for the sake of its answer.
const MAX_READ: u64 = 64 * 1024;
