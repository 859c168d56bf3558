//! Where a stream is.

use std::net::Ipv6Addr;

use glib::UriFlags;

use super::Credentials;

/// The address of a stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query as they stand in the request line.
    pub(super) target: String,
    /// The user and password that stand in it.
    pub(super) credentials: Option<Credentials>,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    tls: bool,
    host: String,
    port: u16,
}

/// Why a text is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is no URL.
    #[error("location {location:?} is not a URL ({message}); write it as http://camera/stream")]
    NoUrl {
        /// The text.
        location: String,
        /// What is wrong with it.
        message: String,
    },
    /// Not http or https.
    #[error("location begins with {scheme}:, but only http: and https: can be read")]
    Scheme {
        /// What it begins with.
        scheme: String,
    },
    /// It names no host.
    #[error("location {location:?} names no host; write it as http://camera/stream")]
    NoHost {
        /// The text.
        location: String,
    },
}

impl Location {
    /// Reads a URL: `http://`, `https://`, or either with `mjpeg+` before it. A user and password in it are kept apart
    /// and not printed.
    ///
    /// # Errors
    ///
    /// It is no such URL; the error shows how one looks.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let url = without_control(text)?;
        let (prefix, rest) = url.split_at_checked(URI_PREFIX.len()).unwrap_or(("", url));
        let url = if prefix.eq_ignore_ascii_case(URI_PREFIX) { rest } else { url };
        Self::of(glib::Uri::parse(url, FLAGS), text)
    }

    fn of(uri: Result<glib::Uri, glib::Error>, text: &str) -> Result<Self, LocationError> {
        let uri = uri.map_err(|error| LocationError::NoUrl {
            location: without_secrets(text),
            message: what_is_wrong(text, &error),
        })?;
        let scheme = uri.scheme();
        let tls = match scheme.as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(LocationError::Scheme { scheme: scheme.into() }),
        };
        // What a percent sign hides there would end the host, or a line of the request.
        let odd = |c: char| c.is_control() || c.is_whitespace() || "/?#@\\".contains(c);
        // One that is left stands before the zone of an IPv6 address only, as colons stand in such addresses only.
        let is_v6 = |host: &str| {
            let (address, zone) = host.split_once('%').unwrap_or((host, ""));
            let in_zone = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            address.parse::<Ipv6Addr>().is_ok() && zone.bytes().all(in_zone)
        };
        let odd_sign = |host: &str| host.contains(['%', ':']) && !is_v6(host);
        let host = uri.host().filter(|host| !host.is_empty() && !host.contains(odd) && !odd_sign(host));
        let host = host.ok_or_else(|| LocationError::NoHost { location: without_secrets(text) })?;
        // With SCHEME_NORMALIZE the default port of the scheme is filled in.
        let port = u16::try_from(uri.port()).unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path();
        // GLib ends a host at a semicolon.
        let path = match path.as_str() {
            "" => "/",
            path if path.starts_with('/') => path,
            _ => return Err(LocationError::NoHost { location: without_secrets(text) }),
        };
        let target = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        // Some tokens are a password of nobody.
        let (user, password) = (uri.user().unwrap_or_default(), uri.password().unwrap_or_default());
        let credentials = (!user.is_empty() || !password.is_empty()).then(|| Credentials::new(user, password));
        Ok(Self { tls, host: host.into(), port, target, credentials })
    }

    /// Where a redirection from here leads.
    ///
    /// # Errors
    ///
    /// Not to an http or https address.
    pub fn redirected(&self, target: &str) -> Result<Self, LocationError> {
        let scheme = self.scheme();
        let (path, query) = self.target.split_once('?').map_or((self.target.as_str(), None), |(p, q)| (p, Some(q)));
        let base = glib::Uri::build(FLAGS, scheme, None, Some(&self.host), self.port.into(), path, query, None);
        // Not by way of a text: GLib cannot write down all that it can read (`http:/..//x`, found by fuzzing).
        let mut to =
            Self::of(base.parse_relative(without_own_scheme(without_control(target)?, scheme), FLAGS), target)?;
        if to.host.eq_ignore_ascii_case(self.public_host()) {
            // A server that names itself does not know by which zone it was reached.
            to.host.clone_from(&self.host);
        }
        Ok(to)
    }

    /// The user and password that stand in the URL.
    pub fn credentials(&self) -> Option<Credentials> {
        self.credentials.clone()
    }

    /// Its origin (RFC 6454): what is secret to it may be told to all of that.
    pub(super) fn origin(&self) -> Origin {
        Origin { tls: self.tls, host: self.host.to_ascii_lowercase(), port: self.port }
    }

    /// Whether both are of one origin.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.origin() == other.origin()
    }

    /// Its path, without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The whole URL as others know it, without the user and password. Not to be shown: the query may hold others.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.host_field(), self.target)
    }

    /// The value of the Host field: the port only where it is not the scheme's own.
    pub(super) fn host_field(&self) -> String {
        self.with_port(self.public_host())
    }

    /// Host and port as people are told.
    pub(super) fn address(&self) -> String {
        self.with_port(&self.host)
    }

    /// The host as it may be told to others. RFC 6874 4: the zone of an IPv6 address means something on this machine
    /// only.
    pub(super) fn public_host(&self) -> &str {
        self.host.split_once('%').map_or(&self.host, |(host, _)| host)
    }

    fn with_port(&self, host: &str) -> String {
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => bracketed(host),
            (_, port) => host_port(host, port),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }
}

/// Host and port as a URL has them (RFC 3986 3.2.2).
pub(super) fn host_port(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// What everybody may see: neither the user and password nor the query, where many cameras want theirs.
impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hidden = if self.target.contains('?') { HIDDEN } else { "" };
        write!(f, "{}://{}{}{hidden}", self.scheme(), self.address(), self.path())
    }
}

/// As everybody may see it: what holds a location derives its own output from this.
impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// A text without the blanks around it. Control characters are refused: GLib's texts end at a NUL, and a line end
/// would end a line of the request.
fn without_control(text: &str) -> Result<&str, LocationError> {
    let text = text.trim();
    if text.contains(char::is_control) {
        let location = without_secrets(&text.replace(char::is_control, " "));
        return Err(LocationError::NoUrl { location, message: "it contains control characters".to_owned() });
    }
    Ok(text)
}

/// A redirection without the scheme of where it comes from, if no host follows that: `http:/path` leads within the
/// server, as RFC 3986 5.2.2 allows and browsers have it.
fn without_own_scheme<'a>(target: &'a str, scheme: &str) -> &'a str {
    let (named, rest) = target.split_once(':').unwrap_or(("", target));
    if named.eq_ignore_ascii_case(scheme) && !rest.starts_with("//") { rest } else { target }
}

/// A text that should be a URL, as it can be shown to everybody.
pub(super) fn without_secrets(text: &str) -> String {
    // Up to the last @ wherever it stands: a password may hold a slash that should have been written as %2F.
    let start = text.find("//").map_or(0, |at| at + 2);
    let host = text[start..].rfind('@').map_or(start, |at| start + at + 1);
    match text[host..].split_once('?') {
        Some((shown, _)) => format!("{}{shown}{HIDDEN}", &text[..start]),
        None => format!("{}{}", &text[..start], &text[host..]),
    }
}

/// What GLib found wrong; not where a user and password stand, of which it would quote a part.
fn what_is_wrong(text: &str, error: &glib::Error) -> String {
    if text.contains('@') {
        "in a user or password, write / as %2F, ? as %3F, # as %23 and : as %3A".to_owned()
    } else {
        error.message().to_owned()
    }
}

/// Stands where a query is.
const HIDDEN: &str = "?…";

/// Stands before the scheme in the URIs that only this plugin reads.
pub(crate) const URI_PREFIX: &str = "mjpeg+";

/// As browsers read them: a percent sign alone, or a blank, ends nothing.
const LENIENT: UriFlags = UriFlags::PARSE_RELAXED;

const FLAGS: UriFlags = LENIENT
    .union(UriFlags::HAS_PASSWORD)
    .union(UriFlags::ENCODED_PATH)
    .union(UriFlags::ENCODED_QUERY)
    .union(UriFlags::SCHEME_NORMALIZE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, shown) in [
            ("http://cam/stream", "http://cam/stream"),
            ("http://cam", "http://cam/"),
            ("HTTP://cam:80/a%20b?action=stream&x=%26", "http://cam/a%20b?action=stream&x=%26"),
            ("https://cam:8443/?action=stream", "https://cam:8443/?action=stream"),
            ("mjpeg+http://[::1]:8080/stream", "http://[::1]:8080/stream"),
            ("MJPEG+HTTP://camera/stream", "http://camera/stream"),
            ("http://user:pa%40ss@cam/", "http://cam/"),
        ] {
            assert_eq!(Location::parse(text).map(|location| location.url()), Ok(shown.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn the_zone_of_an_address_is_for_connecting_and_for_people_only() {
        for (text, shown, field) in [
            ("http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "[fe80::1]"),
            ("http://[fe80::1%eth0]:8080/?x", "http://[fe80::1%eth0]:8080/?…", "[fe80::1]:8080"),
        ] {
            let location = Location::parse(text).expect("a URL");
            assert_eq!((location.host.as_str(), location.to_string().as_str()), ("fe80::1%eth0", shown));
            assert_eq!((location.host_field().as_str(), location.url().contains("%")), (field, false));
            for target in ["/b", "http://[FE80::1]/b"] {
                assert_eq!(location.redirected(target).map(|to| to.host).as_ref(), Ok(&location.host));
            }
        }
    }

    #[test]
    fn a_query_is_not_shown_as_it_may_hold_a_password() {
        for (text, shown) in [
            ("http://cam/stream?token=s3cret", "http://cam/stream?…"),
            ("http://u:p@cam/videostream.cgi?usr=ann&pwd=s3cret", "http://cam/videostream.cgi?…"),
            ("http://cam/a?b@c?d", "http://cam/a?…"),
            ("http://cam/?", "http://cam/?…"),
        ] {
            let location = Location::parse(text).expect("a URL");
            assert_eq!((location.to_string(), format!("{location:?}")), (shown.to_owned(), format!("{shown:?}")));
        }
        let error = Location::parse("http://cam:x/?token=s3cret").expect_err("it is no URL").to_string();
        assert!(error.contains("http://cam:x/?…") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_password_is_not_shown_even_where_it_makes_the_url_a_wrong_one() {
        for text in ["http://ann:zq/ss@cam:x/", "http://ann:p#ss@cam:x/", "http://ann:p?ss@cam:x/"] {
            let error = Location::parse(text).expect_err("it is no URL").to_string();
            assert!(!error.contains("ann") && !error.contains("ss@") && !error.contains("zq"), "{error}");
        }
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        assert!(matches!(Location::parse("cam/stream"), Err(LocationError::NoUrl { .. })));
        assert!(matches!(Location::parse(""), Err(LocationError::NoUrl { .. })));
        // Found by fuzzing.
        assert!(matches!(Location::parse("http://cam/\0"), Err(LocationError::NoUrl { .. })));
        assert!(matches!(Location::parse("http://cam/\r\nX: y"), Err(LocationError::NoUrl { .. })));
        assert!(matches!(Location::parse("http://"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http:///stream"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://cam%0d%0aX/"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://cam%%44/"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://[::1%25%25a]/"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://cam%%%3a/"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://cam;x%%44a/"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://cam%2fx/"), Err(LocationError::NoHost { .. })));
        assert!(matches!(Location::parse("http://cam:99999/"), Err(LocationError::NoUrl { .. })));
        assert_eq!(Location::parse("rtsp://cam/"), Err(LocationError::Scheme { scheme: "rtsp".into() }));
    }

    #[test]
    fn errors_show_no_password() {
        for text in ["http://user:secret@cam:99999/", "http://u:p@a@cam:x?secret=no"] {
            let error = Location::parse(text).map_err(|error| error.to_string());
            assert!(error.as_ref().is_err_and(|said| said.contains("cam") && !said.contains('@')), "{error:?}");
        }
    }

    #[test]
    fn redirections_lead_on_from_where_we_are() {
        let from = Location::parse("http://cam:8080/a/b?x=1").expect("a URL");
        for (target, shown) in [
            ("/c", "http://cam:8080/c"),
            ("c?y=2", "http://cam:8080/a/c?y=2"),
            ("https://other/d", "https://other/d"),
            ("//other/e", "http://other/e"),
            ("http:/f", "http://cam:8080/f"),
            ("HTTP:g?z", "http://cam:8080/a/g?z"),
        ] {
            assert_eq!(from.redirected(target).map(|location| location.url()), Ok(shown.to_owned()));
        }
        assert!(from.redirected("ftp://other/").is_err());
        for odd in ["http:/..//x", "http:////x", "http:", "//", "", "?", "#"] {
            assert!(from.redirected(odd).is_ok_and(|to| to.host == "cam") || from.redirected(odd).is_err(), "{odd:?}");
        }
    }
}
