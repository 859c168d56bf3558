//! Which other sites' pages may read what is served (CORS, WHATWG Fetch 3.3).
//!
//! Showing the stream in an `<img>` is open to every page; reading its bytes, from a script or onto a canvas, is not,
//! unless the server says so.

use std::{net::Ipv6Addr, str::FromStr};

use hyper::{
    HeaderMap, Method, Request,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN,
    },
};

/// The site whose pages may read, or all of them; as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(HeaderValue);

/// A text that is no origin as browsers send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "allow-origin is * or one origin as browsers send it, without a path and without a port that the scheme has anyway: \
     allow-origin=https://home.example:8123"
)]
pub struct OriginError;

impl AllowedOrigin {
    /// The host of the site, without brackets; `None` is all sites.
    pub(super) fn host(&self) -> Option<&str> {
        let (_, authority) = self.0.to_str().ok()?.split_once("://")?;
        Some(match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or(authority),
        })
    }

    /// Says in the answer to `request` who may read it. The same is said to all, so that no cache mixes answers up.
    pub(super) fn allow<B>(&self, request: &Request<B>, answer: &mut HeaderMap) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        // A page that isolates itself (COEP) shows only what says this, even in an <img>.
        answer
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        if self.0 != "*" {
            // The standard forbids it for all sites at once.
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if is_preflight(request) {
            preflight(request.headers(), answer);
        } else {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Retry-After, X-Timestamp"));
        }
    }
}

/// Whether a browser asks what it may ask.
fn is_preflight<B>(request: &Request<B>) -> bool {
    let fields = request.headers();
    request.method() == Method::OPTIONS
        && fields.contains_key(ORIGIN)
        && fields.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(asked: &HeaderMap, answer: &mut HeaderMap) {
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
    // Whatever fields a request has, it can only read.
    if let Some(fields) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, fields.clone());
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE_S));
    // Private Network Access: a page from the internet asks a machine in the house, in Chromium.
    if asked.get("access-control-request-private-network").is_some_and(|value| value == "true") {
        answer
            .insert(HeaderName::from_static("access-control-allow-private-network"), HeaderValue::from_static("true"));
    }
}

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        // Browsers write schemes and hosts in lower case (RFC 6454 6.2).
        let text = text.to_ascii_lowercase();
        if text != "*" {
            let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
            check_scheme(scheme)?;
            check_authority(scheme, authority)?;
        }
        HeaderValue::try_from(text).map(Self).map_err(|_| OriginError)
    }
}

fn check_scheme(scheme: &str) -> Result<(), OriginError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && scheme.bytes().all(fits) { Ok(()) } else { Err(OriginError) }
}

fn check_authority(scheme: &str, authority: &str) -> Result<(), OriginError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    check_host(host)?;
    match (scheme, port) {
        (_, None) => Ok(()),
        // Browsers leave these out, so they would match nobody.
        ("http", Some("80")) | ("https", Some("443")) => Err(OriginError),
        (_, Some(port)) => match port.parse::<u16>() {
            Ok(1..) if !port.starts_with(['+', '0']) => Ok(()),
            _ => Err(OriginError),
        },
    }
}

fn check_host(host: &str) -> Result<(), OriginError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(fits),
    };
    if is_host { Ok(()) } else { Err(OriginError) }
}

/// Time for which a browser may remember a preflight's answer, in seconds. Chosen: one such question per page and ten
/// minutes costs nothing, and a changed setting is soon known.
const MAX_AGE_S: &str = "600";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_write_them() {
        for text in [
            "*",
            "https://home.example",
            "http://192.168.1.7:8123",
            "http://[fd00::1]",
            "http://[fd00::1]:3000",
            "http://localhost:65535",
            "https://a_b-c.example:80",
            "capacitor://localhost",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(text.parse(), Ok(AllowedOrigin(HeaderValue::from_static(text))), "{text}");
        }
        assert_eq!("HTTPS://Home.Example".parse(), Ok(AllowedOrigin(HeaderValue::from_static("https://home.example"))));
    }

    #[test]
    fn a_site_has_a_host() {
        let host = |text: &str| text.parse::<AllowedOrigin>().expect("an origin").host().map(str::to_owned);
        assert_eq!(host("*"), None);
        assert_eq!(host("https://Home.example").as_deref(), Some("home.example"));
        assert_eq!(host("http://192.168.1.7:8123").as_deref(), Some("192.168.1.7"));
        assert_eq!(host("http://[fd00::1]:3000").as_deref(), Some("fd00::1"));
    }

    #[test]
    fn what_matches_no_page_or_more_than_was_meant_is_refused() {
        for text in [
            "",
            "null",
            "home.example",
            "https://",
            "://home.example",
            "https://home.example/",
            "https://home.example/page",
            "https://home.example?a",
            "https://ann@home.example",
            "https://*.example",
            "https://a.example https://b.example",
            "https://a.example,https://b.example",
            "https://home.example\r\nSet-Cookie: a=b",
            "https://h\u{f6}me.example",
            "http://home.example:80",
            "https://home.example:443",
            "https://home.example:",
            "https://home.example:0",
            "https://home.example:+80",
            "https://home.example:080",
            "https://home.example:65536",
            "http://[fd00::1",
            "http://[fd00::1]x:80",
            "http://fd00::1",
            "1http://home.example",
            "**",
        ] {
            assert_eq!(text.parse::<AllowedOrigin>(), Err(OriginError), "{text:?}");
        }
    }
}
