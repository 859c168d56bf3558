//! What is served where.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, RETRY_AFTER, USER_AGENT,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{
    Shared,
    camera::Picture,
    connection::Peer,
    page, status,
    stream::{self, Body, Stream},
};
use crate::{
    fanout::Next,
    multipart::{Layout, Writer},
};

/// Answers a request.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    peer: Peer,
) -> Result<Response<Body>, Infallible> {
    // To HEAD hyper sends what GET would get, without the body.
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    Ok(match request.uri().path() {
        "/" => bytes("text/html; charset=utf-8", Bytes::from_static(page::HTML)),
        "/stream" => stream(&request, &shared, peer),
        "/snapshot" => snapshot(&shared).await,
        "/status" => bytes("application/json", status::json(&shared.camera, Instant::now())),
        "/favicon.ico" => status_only(StatusCode::NO_CONTENT),
        path => text(StatusCode::NOT_FOUND, &format!("{path} is not served here; see /, /stream, /snapshot, /status")),
    })
}

fn stream(request: &Request<Incoming>, shared: &Shared, peer: Peer) -> Response<Body> {
    let asked = match query(request, "layout").map(str::parse::<Layout>) {
        Some(Err(())) => return text(StatusCode::BAD_REQUEST, "layout is one of: standard, advance"),
        Some(Ok(layout)) => Some(layout),
        None => None,
    };
    let fps = match query(request, "fps").map(str::parse::<f64>) {
        Some(Ok(fps)) if fps >= LEAST_FPS && fps.is_finite() => Some(fps),
        Some(_) => return text(StatusCode::BAD_REQUEST, "fps is a number of pictures per second, from 0.01 on"),
        None => None,
    };
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let layout = stream::layout(asked, user_agent);
    if request.method() == Method::HEAD {
        return stream_response(shared, Body::Bytes(Bytes::new()));
    }
    let Ok(place) = shared.camera.viewers.watch(&peer.connection, layout) else { return full() };
    let writer = Writer::new(&shared.boundary, layout);
    let fps = fps.into_iter().chain(shared.max_fps).reduce(f64::min);
    let stream = Stream::new(shared.camera.fanout.subscribe(), writer, layout, fps, peer.drain, place);
    stream_response(shared, Body::Stream(Box::new(stream)))
}

/// No place for one more.
pub(super) fn full() -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "all places are taken; try again later");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn stream_response(shared: &Shared, body: Body) -> Response<Body> {
    let mut response = answer_with(StatusCode::OK, body);
    // As HTTP/1.0 the end of the connection ends the body: chunks are what many readers of pictures cannot take.
    *response.version_mut() = Version::HTTP_10;
    let content_type = format!("multipart/x-mixed-replace; boundary={}", shared.boundary);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&content_type).expect("a boundary has only token characters"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The newest picture; before the first one, waits a little for it.
async fn snapshot(shared: &Shared) -> Response<Body> {
    let mut pictures = shared.camera.fanout.subscribe();
    let next = std::future::poll_fn(|cx| pictures.poll_next(cx));
    match tokio::time::timeout(SNAPSHOT_WAIT, next).await {
        Ok(Next::Item { item, .. }) => picture(&item),
        Ok(Next::Again { .. } | Next::Ended | Next::Closed) | Err(_) => {
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "no picture has come yet");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}

fn picture(picture: &Picture) -> Response<Body> {
    bytes("image/jpeg", picture.part().jpeg().clone())
}

/// The value of a query parameter; those we do not know are nobody's business.
fn query<'a>(request: &'a Request<Incoming>, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = bytes("text/plain; charset=utf-8", format!("{text}\n").into());
    *response.status_mut() = status;
    response
}

fn bytes(content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = answer_with(StatusCode::OK, Body::Bytes(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status_only(status: StatusCode) -> Response<Body> {
    answer_with(status, Body::Bytes(Bytes::new()))
}

/// All answers are of the moment: nothing may keep, change or gather them.
fn answer_with(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache, must-revalidate, no-transform, max-age=0"),
    );
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // nginx would gather pictures before it hands them on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Least rate of a viewer, in pictures per second. Chosen: one picture in 100 s is near no picture at all.
const LEAST_FPS: f64 = 0.01;

/// How long a snapshot waits for the first picture. Chosen: cameras start within seconds; the clients of snapshots
/// (OctoPrint: 5 s) give up about then.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(4);
