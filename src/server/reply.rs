//! Answers that are there at once.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, PRAGMA, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::stream::Body;

/// Marks a response whose body has no end known before: one that goes on as long as the camera does.
#[derive(Clone, Copy)]
pub(super) struct Endless;

/// A line for people.
pub(super) fn text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = bytes("text/plain; charset=utf-8", format!("{text}\n").into());
    *response.status_mut() = status;
    response
}

/// What cannot be had now but may be in a second.
pub(super) fn unavailable(reason: &str) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, reason);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Go there instead. `location` has only what a URL may have.
pub(super) fn redirect(location: &str) -> Response<Body> {
    let mut response = text(StatusCode::TEMPORARY_REDIRECT, &format!("see {location}"));
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

pub(super) fn bytes(content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = with(StatusCode::OK, Body::Bytes(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn status_only(status: StatusCode) -> Response<Body> {
    with(status, Body::Bytes(Bytes::new()))
}

/// All answers are of the moment: nothing may keep, change or gather them.
pub(super) fn with(status: StatusCode, body: Body) -> Response<Body> {
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
