//! The page with all cameras of a server, or one of them, that with a stream alone, and the icon that browsers show with
//! them. None needs anything from elsewhere.

use std::sync::Arc;

use hyper::{
    HeaderMap, Response, Uri, Version,
    header::{ACCEPT, CACHE_CONTROL, HeaderValue, PRAGMA},
};

use super::{Camera, Mount, Token, query, reply, stream::Body};

/// The page that stands at `base` and shows these cameras, for a browser that asks by `version` of HTTP.
pub(super) fn page(uri: &Uri, version: Version, base: &Mount, cameras: &[(Mount, Arc<Camera>)]) -> Response<Body> {
    let token = token(uri);
    let cells = cameras.iter().enumerate().map(|(index, (mount, _))| {
        let streams = version >= Version::HTTP_2 || index < STREAMS;
        cell(mount, base, &token, if streams { "stream" } else { "snapshot" })
    });
    let title = match cameras {
        [(mount, _)] => mount.name().to_owned(),
        cameras => format!("{} cameras", cameras.len()),
    };
    let layout = if cameras.len() == 1 { "single" } else { "wall" };
    let page =
        PAGE.replace("{title}", &title).replace("{layout}", layout).replace("{cells}", &cells.collect::<String>());
    reply::bytes("text/html; charset=utf-8", page.into())
}

/// The stream at `uri` and nothing else, for a browser that opens its address: Chromium shows streams inside a page only.
pub(super) fn alone(uri: &Uri, mount: &Mount) -> Response<Body> {
    // hyper takes no quotation mark in an address, so that nothing else of a query means anything in an attribute.
    let query = uri.query().unwrap_or_default().replace('&', "&amp;");
    reply::bytes("text/html; charset=utf-8", VIEW.replace("{name}", mount.name()).replace("{query}", &query).into())
}

/// Whether a browser asks for a page: one of its own, or a frame in another. Readers written in Java ask for HTML too,
/// XHTML is what only browsers know.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter();
    accepted.any(|value| value.as_bytes().windows(XHTML.len()).any(|part| part.eq_ignore_ascii_case(XHTML)))
}

/// One camera on the page. None of the texts has a character that means something in HTML.
fn cell(mount: &Mount, base: &Mount, token: &str, source: &str) -> String {
    let folder = if mount == base { String::new() } else { mount.folder()[1..].to_owned() };
    CELL.replace("{mount}", &mount.to_string())
        .replace("{name}", mount.name())
        .replace("{folder}", &folder)
        .replace("{source}", source)
        .replace("{token}", token)
}

/// The query that opens what the page shows, where a token opened the page.
fn token(uri: &Uri) -> String {
    let token = query::value(uri, "token").and_then(|token| token.parse::<Token>().ok());
    token.map(|token| format!("?token={}", token.as_str())).unwrap_or_default()
}

/// The one answer that may be kept: browsers ask for it with each page, and it is always the same.
pub(super) fn icon() -> Response<Body> {
    let mut response = reply::bytes("image/svg+xml", include_bytes!("icon.svg").as_slice().into());
    response.headers_mut().remove(PRAGMA);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}

/// Cameras that a page shows as streams over HTTP/1; the others are asked for single pictures. Browsers open six
/// connections to a server by HTTP/1, and two have to be left for those pictures and the figures.
const STREAMS: usize = 4;

const XHTML: &[u8] = b"application/xhtml+xml";

const PAGE: &str = include_str!("page.html");
const VIEW: &str = include_str!("view.html");
const CELL: &str = include_str!("cell.html");
