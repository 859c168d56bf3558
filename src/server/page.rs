//! The page at `/` and the icon that browsers show with it. Neither needs anything from elsewhere.

use bytes::Bytes;
use hyper::{
    Response,
    header::{CACHE_CONTROL, HeaderValue, PRAGMA},
};

use super::{reply, stream::Body};

/// Shows the stream with its rate and age.
pub(super) fn page() -> Response<Body> {
    reply::bytes("text/html; charset=utf-8", Bytes::from_static(include_bytes!("page.html")))
}

/// The one answer that may be kept: browsers ask for it with each page, and it is always the same.
pub(super) fn icon() -> Response<Body> {
    let mut response = reply::bytes("image/svg+xml", Bytes::from_static(include_bytes!("icon.svg")));
    response.headers_mut().remove(PRAGMA);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}
