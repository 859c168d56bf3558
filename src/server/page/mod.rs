//! The page with all cameras of a server, or one of them, that with a stream alone, and the icon that browsers show
//! with them. None needs anything from elsewhere.

use std::sync::Arc;

use hyper::{
    HeaderMap, Response, Uri, Version,
    header::{ACCEPT, CACHE_CONTROL, HeaderValue, PRAGMA},
};

use super::{Camera, Mount, Token, query, reply, stream::Body};

/// The page that stands at `base` and shows these cameras, for a browser that asks by `version` of HTTP.
pub(super) fn page(uri: &Uri, version: Version, base: &Mount, cameras: &[(Mount, Arc<Camera>)]) -> Response<Body> {
    let mut mounts: Vec<_> = cameras.iter().map(|(mount, _)| mount).collect();
    mounts.sort_by_key(|mount| natural(mount.name()));
    let (token, many) = (token(uri), version >= Version::HTTP_2);
    let layout = if mounts.len() == 1 { Layout::Single } else { Layout::Wall };
    let cells = mounts.iter().enumerate().map(|(index, mount)| {
        let folder = if *mount == base { "" } else { &mount.folder()[1..] };
        let source = if many || index < STREAMS { "stream" } else { "snapshot" };
        cell(layout, mount, folder, &format!("{folder}{source}{token}"), &token)
    });
    let title = if let [mount] = mounts[..] { mount.name().to_owned() } else { format!("{} cameras", mounts.len()) };
    fill(layout, version, &title, &cells.collect::<String>())
}

/// The stream at `uri` and nothing else, for a browser that opens its address: Chromium shows streams inside a page
/// only.
pub(super) fn alone(uri: &Uri, version: Version, mount: &Mount) -> Response<Body> {
    // hyper takes no quotation mark in an address, so that nothing else of a query means anything in an attribute.
    let source = format!("?{}", uri.query().unwrap_or_default().replace('&', "&amp;"));
    fill(Layout::Bare, version, mount.name(), &cell(Layout::Bare, mount, "", &source, &token(uri)))
}

/// How a page looks.
#[derive(Clone, Copy)]
enum Layout {
    /// One camera with its figures.
    Single,
    /// Several of them.
    Wall,
    /// A stream without anything else.
    Bare,
}

fn fill(layout: Layout, version: Version, title: &str, cells: &str) -> Response<Body> {
    let (class, heading) = match layout {
        Layout::Single => ("single", String::new()),
        Layout::Wall => ("wall", format!("<h1 class=\"unseen\">{title}</h1>\n")),
        Layout::Bare => ("bare", String::new()),
    };
    let many = if version >= Version::HTTP_2 { " data-many" } else { "" };
    let values = [
        ("title", title),
        ("layout", class),
        ("many", many),
        ("heading", &heading),
        ("cells", cells),
        ("style", STYLE),
        ("script", SCRIPT),
    ];
    reply::bytes("text/html; charset=utf-8", filled(PAGE, &values).into())
}

/// The template with these values in place of their names in braces. A value is put in as it is, whatever it looks
/// like.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut pieces = template.split('{');
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').expect("a template closes its braces");
        let (_, value) = values.iter().find(|(known, _)| *known == name).expect("a template names known values");
        page += value;
        page += rest;
    }
    page
}

/// The name in pieces that order as people count: cam2 before cam10.
fn natural(name: &str) -> Vec<(usize, &[u8])> {
    let pieces = name.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let ordered = pieces.map(|piece| {
        let digits = piece.iter().skip_while(|digit| **digit == b'0').count();
        if piece[0].is_ascii_digit() { (digits, &piece[piece.len() - digits..]) } else { (0, piece) }
    });
    ordered.collect()
}

/// Whether a browser asks for a page: one of its own, or a frame in another. Readers written in Java ask for HTML too,
/// XHTML is what only browsers know.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter();
    accepted.any(|value| value.as_bytes().windows(XHTML.len()).any(|part| part.eq_ignore_ascii_case(XHTML)))
}

/// One camera on the page. None of the texts has a character that means something in HTML.
fn cell(layout: Layout, mount: &Mount, folder: &str, source: &str, token: &str) -> String {
    // What does nothing is no button.
    let (open, heading) = match layout {
        Layout::Wall => ("button", "h2"),
        Layout::Single | Layout::Bare => ("div", "h1"),
    };
    let values = [
        ("mount", &*mount.to_string()),
        ("name", mount.name()),
        ("open", open),
        ("heading", heading),
        ("folder", folder),
        ("source", source),
        ("token", token),
    ];
    filled(CELL, &values)
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

/// Cameras that a page without scripts shows as streams over HTTP/1, and one with them at the most (`STREAMS` there);
/// the others are asked for single pictures. Browsers open six connections to a server by HTTP/1, and two have to be
/// left.
const STREAMS: usize = 4;

const XHTML: &[u8] = b"application/xhtml+xml";

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const CELL: &str = include_str!("cell.html");

#[cfg(test)]
mod tests {
    use super::*;

    /// A query may have braces. Seen from outside: `/stream?{script}` held the whole script there, as often as it was
    /// written, and a request of 8 kB got a page of 10 MB.
    #[test]
    fn values_that_look_like_names_are_left_as_they_are() {
        assert_eq!(filled("<{a}|{b}|{a}>", &[("a", "{b}{a}"), ("b", "2")]), "<{b}{a}|2|{b}{a}>");
    }

    #[test]
    fn names_are_ordered_as_people_count() {
        let mut names = ["cam10", "yard", "cam2", "cam1", "door", "cam02b", "cam2/a10", "cam2/a9"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["cam1", "cam2", "cam2/a9", "cam2/a10", "cam02b", "cam10", "door", "yard"]);
    }
}
