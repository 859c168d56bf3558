//! HTTP/1: one viewer by each connection.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::{
    Request, Response, Version,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    rt::{Read, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;

use super::{
    connection::{HEAD_TIMEOUT, Peer},
    connections::ConnectionPlace,
    link::Link,
    reply::Endless,
    routes,
    running::Shared,
    stream::Body,
};

/// Serves one connection until its peer or the server ends it.
pub(super) async fn serve(
    stream: impl Read + Write + Unpin,
    place: ConnectionPlace,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<Option<Duration>>,
) {
    let (link, drain) = Link::new(stream, place.connection.clone());
    let peer = Peer { connection: place.connection.clone(), drain };
    let service = service_fn(move |request| answer(request, shared.clone(), peer.clone()));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_BUFFER)
        .max_headers(MAX_FIELDS)
        // Names are equal in any case, but small readers compare them as the RFCs write them.
        .title_case_headers(true)
        // A viewer that shuts its sending side still wants its pictures.
        .half_close(true)
        .serve_connection(link, service);
    let mut serving = std::pin::pin!(serving);
    // Losing a connection is a viewer's own affair: its error is of no use to anybody here.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = place.connection.leaving() => return,
        _ = stopping.changed() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>, peer: Peer) -> Result<Response<Body>, Infallible> {
    let mut response = routes::answer(request, shared, peer).await?;
    if response.extensions().get::<Endless>().is_some() {
        // As HTTP/1.0 the end of the connection ends the body: chunks are what many readers of pictures cannot take.
        *response.version_mut() = Version::HTTP_10;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Longest request head, and bytes that hyper gathers before it flushes: the least it takes.
const MAX_BUFFER: usize = 8 * 1024;

/// Most fields of a request. Chosen: browsers send about 15.
const MAX_FIELDS: usize = 100;
