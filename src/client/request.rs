//! What is asked of a server.

use std::fmt;

use super::{Credentials, Location};

/// What each request carries besides its target. Printing it shows no value of a field, nor of a cookie.
#[derive(Clone, Default)]
pub struct Request {
    /// The program that asks.
    pub user_agent: String,
    /// More fields, as `(name, value)`.
    pub extra_headers: Vec<(String, String)>,
    /// Cookies, each as `name=value`.
    pub cookies: Vec<String>,
}

/// Whether a text can stand in a field: it has no control character but the tab, so that it cannot end its line.
pub fn is_field_text(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\t')
}

/// Whether a text can be the name of a field (RFC 9110 5.1).
pub fn is_field_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether the connection is wanted for more than one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// D-Link answers nothing on a connection that is to be kept, and one stream is all that we want of it.
    Close,
    /// More pictures are to be asked for.
    Alive,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.extra_headers.iter().map(|(name, _)| format!("{name}: ***")).collect();
        let cookies: Vec<_> = self.cookies.iter().map(|cookie| format!("{}=***", cookie_name(cookie))).collect();
        f.debug_struct("Request")
            .field("user_agent", &self.user_agent)
            .field("extra_headers", &fields)
            .field("cookies", &cookies)
            .finish()
    }
}

impl Request {
    /// What another server than the one that the location names may know (RFC 9110 15.4): which of the extra headers
    /// hold secrets, nobody can tell.
    pub(super) fn without_secrets(&self) -> Self {
        Self { user_agent: self.user_agent.clone(), ..Self::default() }
    }

    /// The bytes of a request for `location`, which has set these cookies.
    pub(super) fn head<'a>(
        &self,
        location: &Location,
        authorization: Option<&str>,
        cookies: impl Iterator<Item = (&'a str, &'a str)>,
        proxy: Option<&Option<Credentials>>,
        keep: Keep,
    ) -> String {
        // RFC 9112 3.2.2: a proxy is asked for the whole URL.
        let target = match proxy {
            Some(_) if !location.tls => location.url(),
            _ => location.target.clone(),
        };
        let mut head = format!("GET {target} HTTP/1.1\r\n");
        let mut field = |name: &str, value: &str| {
            // What the user sets takes the place of what we would send.
            if !self.extra_headers.iter().any(|(extra, _)| extra.eq_ignore_ascii_case(name)) {
                head += &format!("{name}: {value}\r\n");
            }
        };
        field("Host", &location.host_field());
        if !self.user_agent.is_empty() {
            field("User-Agent", &self.user_agent);
        }
        field("Accept", "multipart/x-mixed-replace, image/jpeg, */*;q=0.5");
        field("Accept-Encoding", "identity");
        field("Connection", if keep == Keep::Alive { "keep-alive" } else { "close" });
        let cookies = self.with_own(cookies);
        if !cookies.is_empty() {
            field("Cookie", &cookies.join("; "));
        }
        if let Some(authorization) = authorization {
            field("Authorization", authorization);
        }
        if let Some(Some(credentials)) = proxy
            && !location.tls
        {
            field("Proxy-Authorization", &credentials.basic());
        }
        for (name, value) in &self.extra_headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// The user's cookies, then those of the server that have other names.
    fn with_own<'a>(&self, cookies: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let is_own = |name: &str| self.cookies.iter().any(|own| cookie_name(own) == name);
        let others = cookies.filter(|(name, _)| !is_own(name)).map(|(name, value)| format!("{name}={value}"));
        self.cookies.iter().cloned().chain(others).collect()
    }
}

fn cookie_name(cookie: &str) -> &str {
    cookie.split_once('=').map_or("", |(name, _)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location() -> Location {
        Location::parse("http://cam:8080/stream?x=1").expect("a URL")
    }

    fn none() -> impl Iterator<Item = (&'static str, &'static str)> {
        [].into_iter()
    }

    #[test]
    fn a_request_asks_once_and_closes() {
        let request = Request { user_agent: "x/1".into(), ..Request::default() };
        let head = request.head(&location(), None, none(), None, Keep::Close);
        assert!(head.starts_with("GET /stream?x=1 HTTP/1.1\r\nHost: cam:8080\r\nUser-Agent: x/1\r\n"), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn what_the_user_sets_takes_the_place_of_what_we_send() {
        let request = Request {
            extra_headers: vec![("accept".into(), "image/jpeg".into()), ("X-Key".into(), "1".into())],
            cookies: vec!["a=1".into(), "b=2".into()],
            ..Request::default()
        };
        let head =
            request.head(&location(), Some("Basic x"), [("b", "server"), ("c", "3")].into_iter(), None, Keep::Alive);
        assert_eq!(head.matches("ccept: ").count(), 1, "{head}");
        for field in ["\r\nCookie: a=1; b=2; c=3\r\n", "\r\nX-Key: 1\r\n", "\r\nAuthorization: Basic x\r\n"] {
            assert!(head.contains(field), "{head}");
        }
    }

    #[test]
    fn a_proxy_is_asked_for_the_whole_url() {
        let credentials = Some(Credentials::new("u", "p"));
        let head = Request::default().head(&location(), None, none(), Some(&credentials), Keep::Close);
        assert!(head.starts_with("GET http://cam:8080/stream?x=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nProxy-Authorization: Basic dTpw\r\n"), "{head}");
    }

    #[test]
    fn nobody_is_told_the_zone_of_an_address() {
        let location = Location::parse("http://[fe80::1%25eth0]:8080/").expect("a URL");
        for proxy in [None, Some(&None)] {
            let head = Request::default().head(&location, None, none(), proxy, Keep::Close);
            assert!(head.contains("\r\nHost: [fe80::1]:8080\r\n") && !head.contains("eth0"), "{head}");
        }
    }

    #[test]
    fn printing_a_request_shows_no_secret() {
        let request = Request {
            user_agent: "x/1".into(),
            extra_headers: vec![("Authorization".into(), "Bearer s3cret".into())],
            cookies: vec!["session=s3cret".into(), "s3cret".into()],
        };
        let shown = format!("{request:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(["x/1", "Authorization", "session"].iter().all(|name| shown.contains(name)), "{shown}");
    }

    #[test]
    fn a_value_that_ends_its_line_is_no_field_text() {
        assert!(is_field_text("a b\tc") && !is_field_text("a\r\nX: y") && !is_field_text("a\0"));
        assert!(is_field_name("X-Key") && !is_field_name("X Key") && !is_field_name(""));
    }
}
