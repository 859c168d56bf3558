//! What is served where.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};

use super::{
    Camera, Mount,
    access::Denied,
    cameras::Found,
    connection::Connection,
    events::Refusal,
    guesses::MAX_PAUSE,
    health::{self, Asker},
    metrics,
    names::Unknown,
    page, query, reply,
    running::Shared,
    snapshot, status,
    stream::{Body, Stream},
    wishes::Wishes,
};
use crate::multipart::{Layout, Writer};

/// Answers a request.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    peer: &Arc<Connection>,
) -> Result<Response<Body>, Infallible> {
    peer.asks();
    let mut response = respond(&request, &shared, peer).await;
    if response.status().is_client_error() || response.status().is_server_error() {
        let why = match response.body() {
            Body::Bytes(text) => String::from_utf8_lossy(text),
            Body::Stream(_) => Cow::default(),
        };
        let (status, path) = (response.status().as_u16(), request.uri().path());
        shared.tell_refusal(Refusal { peer: peer.peer(), asked: Some((path, status)), why: why.trim_end() });
    }
    if let Some(origin) = &shared.allow_origin {
        origin.allow(&request, response.headers_mut());
    }
    Ok(response)
}

async fn respond(request: &Request<Incoming>, shared: &Shared, peer: &Arc<Connection>) -> Response<Body> {
    // To HEAD hyper sends what GET would get, without the body.
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return other_method(request.method());
    }
    if let Some(why) = malformed(request) {
        return reply::text(StatusCode::BAD_REQUEST, why);
    }
    if let Some(Err(unknown)) = shared.names.as_ref().map(|names| names.check(request)) {
        return misdirected(&unknown);
    }
    let path = &*query::path(request.uri());
    // It shows nothing, and is the same everywhere: not even whether there is a camera.
    if path.ends_with("/favicon.ico") {
        return page::icon();
    }
    let checked = shared.access.check(request, peer.ip()).await;
    let asker = match checked {
        Ok(()) => Asker::Viewer,
        // A load balancer knows no password, and learns no more than whether pictures come.
        Err(_) if path == "/health" => Asker::Stranger,
        Err(denied) => return deny(denied),
    };
    // What stands at the root of a server is about all its cameras.
    match (shared.cameras.find(path), path) {
        (_, "/health") => health::answer(request.uri(), &shared.cameras.all(), asker),
        (found, "/status") => {
            status::answer(request.uri(), found.map(|found| found.camera).as_deref(), &shared.cameras.all())
        }
        (_, "/metrics") => metrics::answer(&shared.cameras.all()),
        (Some(found), _) => camera(request, &found, shared, peer).await,
        (None, "/") => root(request, shared, peer).await,
        (None, _) => not_found(path, shared),
    }
}

/// Answers at the root of a server where no camera stands.
async fn root(request: &Request<Incoming>, shared: &Shared, peer: &Arc<Connection>) -> Response<Body> {
    let cameras = shared.cameras.all();
    let Some(wanted) = wanted_by_action(request.uri()) else {
        return page::page(request.uri(), request.version(), &Mount::default(), &cameras);
    };
    if let [(mount, only)] = cameras.as_slice() {
        let found = Found { mount: mount.clone(), camera: only.clone(), rest: wanted };
        return camera(request, &found, shared, peer).await;
    }
    // The page would do: a program that asks for a picture would take it for one.
    let served = cameras.iter().take(MAX_NAMED).map(|(mount, _)| format!("{mount}{wanted}"));
    let text = format!("there are several cameras here; see {}", served.collect::<Vec<_>>().join(", "));
    reply::text(StatusCode::NOT_FOUND, &text)
}

/// What is asked for at the root of a camera by a query, as mjpg-streamer and ustreamer name theirs; OctoPrint,
/// Mainsail and Moonraker ask for that.
fn wanted_by_action(uri: &Uri) -> Option<&'static str> {
    match query::value(uri, "action")?.as_ref() {
        "stream" | "stream_0" => Some("/stream"),
        "snapshot" | "snapshot_0" => Some("/snapshot"),
        _ => None,
    }
}

/// Why a request has no answer, in words for people. One without a Host has: small readers leave it out.
fn malformed(request: &Request<Incoming>) -> Option<&'static str> {
    // RFC 9112 3.2: with two of them a server in front may have meant the other one.
    if request.headers().get_all(HOST).iter().count() > 1 {
        return Some("a request has one Host");
    }
    (!request.uri().path().starts_with('/')).then_some("an address begins with a slash")
}

fn misdirected(unknown: &Unknown) -> Response<Body> {
    let text = format!(
        "this camera is for this machine only, and not known as {0}: ask for localhost; behind a web server let it ask so, \
         or set allow-origin=http://{0}, a token or a password",
        unknown.name()
    );
    reply::text(StatusCode::MISDIRECTED_REQUEST, &text)
}

fn deny(denied: Denied) -> Response<Body> {
    match denied {
        Denied::Stranger { challenge } => {
            let text = "this camera wants a user and password, or a token";
            let mut response = reply::text(StatusCode::UNAUTHORIZED, text);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            response
        }
        Denied::Crowded => {
            let text = "too many wrong passwords come from this address; try again in a few seconds";
            let mut response = reply::text(StatusCode::TOO_MANY_REQUESTS, text);
            response.headers_mut().insert(RETRY_AFTER, MAX_PAUSE.as_secs().into());
            response
        }
    }
}

/// Answers what is asked of one camera.
async fn camera(
    request: &Request<Incoming>,
    found: &Found<'_>,
    shared: &Shared,
    peer: &Arc<Connection>,
) -> Response<Body> {
    let Found { mount, camera, rest } = found;
    let rest = match *rest {
        "/" => wanted_by_action(request.uri()).unwrap_or("/"),
        rest => rest,
    };
    let alone = || [(mount.clone(), camera.clone())];
    match rest {
        "/" if mount.is_root() => page::page(request.uri(), request.version(), mount, &shared.cameras.all()),
        "/" => page::page(request.uri(), request.version(), mount, &alone()),
        "" => reply::redirect(&with_slash(request.uri())),
        "/stream" => stream(request, mount, camera, peer),
        "/snapshot" => snapshot::answer(request, camera).await,
        "/status" => status::answer(request.uri(), Some(camera), &alone()),
        "/health" => health::answer(request.uri(), &alone(), Asker::Viewer),
        "/metrics" => metrics::answer(&alone()),
        _ => not_found(request.uri().path(), shared),
    }
}

/// The same address with a slash after its path, relative to itself, so that it is right behind every proxy.
fn with_slash(uri: &Uri) -> String {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    uri.query().map_or_else(|| format!("{last}/"), |query| format!("{last}/?{query}"))
}

fn not_found(path: &str, shared: &Shared) -> Response<Body> {
    let folders: Vec<_> = shared.cameras.all().iter().take(MAX_NAMED).map(|(mount, _)| mount.folder()).collect();
    let served = folders.iter().map(|folder| {
        format!("{folder}, {folder}stream, {folder}snapshot, {folder}status, {folder}health, {folder}metrics")
    });
    let text = format!("{path} is not served here; see {}", served.collect::<Vec<_>>().join(", "));
    reply::text(StatusCode::NOT_FOUND, &text)
}

/// The answer to what is neither GET nor HEAD. It shows nothing, so it is for everybody: a browser asks for leave to
/// send a password before it sends one.
fn other_method(method: &Method) -> Response<Body> {
    let mut response = if method == Method::OPTIONS {
        reply::status_only(StatusCode::NO_CONTENT)
    } else {
        reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS are answered here")
    };
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}

fn stream(request: &Request<Incoming>, mount: &Mount, camera: &Camera, peer: &Arc<Connection>) -> Response<Body> {
    let Wishes { layout, fps, extra, mark } = match Wishes::read(request.uri(), request.headers()) {
        Ok(wishes) => wishes,
        Err(why) => return reply::text(StatusCode::BAD_REQUEST, why),
    };
    if page::is_wanted(request.headers()) {
        return page::alone(request.uri(), request.version(), mount);
    }
    if request.method() == Method::HEAD {
        let is_full = camera.viewers.are_full();
        return if is_full { full() } else { stream_response(camera, Body::Bytes(Bytes::new())) };
    }
    let Ok(place) = camera.viewers.watch(peer, layout, mark) else { return full() };
    if layout == Layout::Advance {
        camera.came_in_a_pause();
    }
    let writer = Writer::new(&camera.config.boundary, layout).with_extra(extra);
    let fps = fps.into_iter().chain(camera.config.max_fps).reduce(f64::min);
    let stream = Stream::new(camera.fanout.subscribe(), writer, layout, fps, place);
    stream_response(camera, Body::Stream(Box::new(stream)))
}

/// No place for one more.
pub(super) fn full() -> Response<Body> {
    let mut response = reply::text(StatusCode::SERVICE_UNAVAILABLE, "all places are taken; try again later");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn stream_response(camera: &Camera, body: Body) -> Response<Body> {
    let mut response = reply::with(StatusCode::OK, body);
    let content_type = format!("multipart/x-mixed-replace; boundary={}", camera.config.boundary);
    let content_type = HeaderValue::from_str(&content_type).expect("a boundary has only token characters");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.extensions_mut().insert(reply::Endless);
    response
}

/// Most cameras that a line for people names. Chosen: more are read by nobody.
const MAX_NAMED: usize = 8;
