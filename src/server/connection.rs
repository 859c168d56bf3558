//! One connection, from accept to its end.

use std::{sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch};

use super::{
    Shared,
    link::{Drain, Link},
    routes,
    viewers::{Connection, ConnectionPlace},
};

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

/// Time for a request head to come in whole; without it hyper keeps half a request for ever. Chosen near what go2rtc
/// (5 s) and ustreamer (10 s) allow.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest request head, and bytes that hyper gathers before it flushes: the least it takes.
const MAX_BUFFER: usize = 8 * 1024;

/// Most fields of a request. Chosen: browsers send about 15.
const MAX_FIELDS: usize = 100;
