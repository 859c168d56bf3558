//! What is served where.

use std::{convert::Infallible, sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE},
};

use super::{
    Shared,
    connection::Peer,
    health, page, query, reply, snapshot, status,
    stream::{Body, Stream},
    wishes::Wishes,
};
use crate::multipart::Writer;

/// Answers a request.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    peer: Peer,
) -> Result<Response<Body>, Infallible> {
    let mut response = respond(&request, &shared, peer).await;
    if let Some(origin) = &shared.allow_origin {
        origin.allow(&request, response.headers_mut());
    }
    Ok(response)
}

async fn respond(request: &Request<Incoming>, shared: &Shared, peer: Peer) -> Response<Body> {
    // To HEAD hyper sends what GET would get, without the body.
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return other_method(request.method());
    }
    let route = route(request.uri());
    // A load balancer knows no password, and learns no more than that pictures come.
    if route != "/health"
        && let Err(denied) = shared.access.check(request, peer.connection.ip())
    {
        tokio::time::sleep(denied.pause).await;
        let mut response = reply::text(StatusCode::UNAUTHORIZED, "this camera wants a user and password, or a token");
        response.headers_mut().insert(WWW_AUTHENTICATE, denied.challenge);
        return response;
    }
    match route {
        "/" => page::page(),
        "/stream" => stream(request, shared, peer),
        "/snapshot" => snapshot::answer(request, &shared.camera).await,
        "/status" => reply::bytes("application/json", status::json(&shared.camera, Instant::now())),
        "/health" => health::answer(request.uri(), shared.camera.figures(Instant::now()).age),
        "/favicon.ico" => page::icon(),
        path => reply::text(
            StatusCode::NOT_FOUND,
            &format!("{path} is not served here; see /, /stream, /snapshot, /status, /health"),
        ),
    }
}

/// The path meant. mjpg-streamer and ustreamer name theirs by a query; OctoPrint, Mainsail and Moonraker ask for that.
fn route(uri: &Uri) -> &str {
    match (uri.path(), query::value(uri, "action")) {
        ("/", Some("stream" | "stream_0")) => "/stream",
        ("/", Some("snapshot" | "snapshot_0")) => "/snapshot",
        (path, _) => path,
    }
}

/// The answer to what is neither GET nor HEAD. It shows nothing, so it is for everybody: a browser asks for leave to send
/// a password before it sends one.
fn other_method(method: &Method) -> Response<Body> {
    let mut response = if method == Method::OPTIONS {
        reply::status_only(StatusCode::NO_CONTENT)
    } else {
        reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS are answered here")
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}

fn stream(request: &Request<Incoming>, shared: &Shared, peer: Peer) -> Response<Body> {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let Wishes { layout, fps, extra } = match Wishes::read(request.uri(), user_agent) {
        Ok(wishes) => wishes,
        Err(why) => return reply::text(StatusCode::BAD_REQUEST, why),
    };
    if request.method() == Method::HEAD {
        return stream_response(shared, Body::Bytes(Bytes::new()));
    }
    let Ok(place) = shared.camera.viewers.watch(&peer.connection, layout) else { return full() };
    let writer = Writer::new(&shared.camera.boundary, layout).with_extra(extra);
    let fps = fps.into_iter().chain(shared.max_fps).reduce(f64::min);
    let stream = Stream::new(shared.camera.fanout.subscribe(), writer, layout, fps, peer.drain, place);
    stream_response(shared, Body::Stream(Box::new(stream)))
}

/// No place for one more.
pub(super) fn full() -> Response<Body> {
    let mut response = reply::text(StatusCode::SERVICE_UNAVAILABLE, "all places are taken; try again later");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn stream_response(shared: &Shared, body: Body) -> Response<Body> {
    let mut response = reply::with(StatusCode::OK, body);
    // As HTTP/1.0 the end of the connection ends the body: chunks are what many readers of pictures cannot take.
    *response.version_mut() = Version::HTTP_10;
    let content_type = format!("multipart/x-mixed-replace; boundary={}", shared.camera.boundary);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&content_type).expect("a boundary has only token characters"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
