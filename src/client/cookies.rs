//! The cookies that servers set while we ask them.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::{Location, location::Origin};

/// Remembers cookies (RFC 6265) for the origins that set them: a login that a redirection asks for, or a server that
/// sends us to where we are until a cookie comes back. None goes to another origin, whatever its Domain says.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

struct Cookie {
    origin: Origin,
    path: String,
    name: String,
    value: String,
    expires: Option<Instant>,
}

impl Cookies {
    /// Takes the value of a Set-Cookie field that came from `location`. `until` reads a date as the time left to it.
    pub(super) fn set(
        &mut self,
        field: &str,
        location: &Location,
        now: Instant,
        until: impl Fn(&str) -> Option<Duration>,
    ) {
        let (pair, attributes) = field.split_once(';').unwrap_or((field, ""));
        let Some((name, value)) = pair.split_once('=') else { return };
        let mut cookie = Cookie {
            origin: location.origin(),
            path: folder(location.path()).to_owned(),
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            expires: None,
        };
        let (mut max_age, mut expires) = (None, None);
        for attribute in attributes.split(';') {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match (name.trim().to_ascii_lowercase().as_str(), value.trim()) {
                ("path", path) if path.starts_with('/') => path.clone_into(&mut cookie.path),
                ("secure", _) if !location.tls => return,
                ("max-age", seconds) => max_age = lifetime(seconds),
                ("expires", date) => expires = until(date),
                _ => {}
            }
        }
        // RFC 6265 5.3: Max-Age counts before Expires.
        let left = max_age.or(expires);
        cookie.expires = left.and_then(|left| now.checked_add(left));
        self.0.retain(|known| !known.is_replaced_by(&cookie));
        if left != Some(Duration::ZERO) && !cookie.name.is_empty() && cookie.len() <= MAX_BYTES {
            self.0.push(cookie);
            self.make_room();
        }
    }

    /// The cookies for a request, each as `name=value`. Those of longer paths come first (RFC 6265 5.4): of two with
    /// one name servers take the first.
    pub(super) fn of<'a>(&'a self, location: &Location, now: Instant) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (origin, path) = (location.origin(), location.path().to_owned());
        let counts = move |cookie: &&Cookie| {
            cookie.origin == origin
                && is_below(&path, &cookie.path)
                && cookie.expires.is_none_or(|expires| now < expires)
        };
        let mut cookies: Vec<_> = self.0.iter().filter(counts).collect();
        cookies.sort_by_key(|cookie| Reverse(cookie.path.len()));
        cookies.into_iter().map(|cookie| (cookie.name.as_str(), cookie.value.as_str()))
    }

    /// Forgets all: what a server wants to be told again, it says again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn make_room(&mut self) {
        let mut bytes: usize = self.0.iter().map(Cookie::len).sum();
        while bytes > MAX_BYTES {
            bytes -= self.0.remove(0).len();
        }
    }
}

impl Cookie {
    fn is_replaced_by(&self, other: &Self) -> bool {
        (&self.origin, &self.path, &self.name) == (&other.origin, &other.path, &other.name)
    }

    /// Bytes that it takes in a request, and a little.
    fn len(&self) -> usize {
        self.name.len() + self.value.len() + self.path.len() + LITTLE
    }
}

/// Shows no values: they are as good as passwords.
impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=***", self.name)
    }
}

/// Seconds, where zero and less have gone by.
fn lifetime(seconds: &str) -> Option<Duration> {
    match seconds.strip_prefix('-') {
        Some(_) => Some(Duration::ZERO),
        None => seconds.parse().ok().map(Duration::from_secs),
    }
}

/// The path of a cookie that names none (RFC 6265 5.1.4): without what follows its last slash.
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

/// Whether a request's path is a cookie's, or below it (RFC 6265 5.1.4).
fn is_below(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || cookie.ends_with('/'))
}

/// Bytes of all cookies remembered. Chosen: most servers refuse a request with longer fields; logins of cameras have a
/// hundred. The oldest make room.
const MAX_BYTES: usize = 8 * 1024;

/// Bytes that a cookie counts besides its own, so that those without any are bounded too.
const LITTLE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Location {
        Location::parse(url).expect("a URL")
    }

    /// What goes to the second address after these fields came from the first, at once and after a minute.
    fn sent(fields: &[&str], from: &str, to: &str) -> [String; 2] {
        let (mut cookies, now) = (Cookies::default(), Instant::now());
        for field in fields {
            // A date stands for the seconds left to it.
            cookies.set(field, &at(from), now, |date| date.parse().ok().map(Duration::from_secs));
        }
        [now, now + Duration::from_secs(60)].map(|now| {
            let pairs: Vec<_> = cookies.of(&at(to), now).map(|(name, value)| format!("{name}={value}")).collect();
            pairs.join("; ")
        })
    }

    #[track_caller]
    fn assert_sent(fields: &[&str], from: &str, to: &str, cookies: &str) {
        assert_eq!(sent(fields, from, to)[0], cookies, "{fields:?} of {from} to {to}");
    }

    #[test]
    fn cookies_come_back_to_their_origin_alone() {
        let set = ["a=b; Domain=cam; HttpOnly; SameSite=Lax", " c = \"d\" ;path=/"];
        assert_sent(&set, "http://cam/login?x", "http://CAM:80/stream", "a=b; c=\"d\"");
        for other in ["https://cam/", "http://cam:81/", "http://other/", "http://sub.cam/"] {
            assert_sent(&set, "http://cam/", other, "");
        }
    }

    #[test]
    fn cookies_come_back_below_their_path() {
        for (field, from, to, cookies) in [
            ("a=b", "http://cam/cgi/login", "http://cam/cgi/stream?x=/", "a=b"),
            ("a=b", "http://cam/cgi/login", "http://cam/stream", ""),
            ("a=b; Path=/", "http://cam/cgi/login", "http://cam/stream", "a=b"),
            ("a=b; path=/cgi", "http://cam/", "http://cam/cgi", "a=b"),
            ("a=b; path=/cgi", "http://cam/", "http://cam/cgi-bin/x", ""),
            ("a=b; path=/cgi/", "http://cam/", "http://cam/cgi/x", "a=b"),
            ("a=b; path=relative", "http://cam/x", "http://cam/", "a=b"),
        ] {
            assert_sent(&[field], from, to, cookies);
        }
    }

    #[test]
    fn cookies_of_longer_paths_come_first() {
        assert_sent(
            &["a=1; Path=/", "a=2; Path=/cgi", "b=3; Path=/"],
            "http://cam/",
            "http://cam/cgi",
            "a=2; a=1; b=3",
        );
    }

    #[test]
    fn secure_cookies_are_for_secure_connections() {
        assert_sent(&["a=b; Secure"], "https://cam/", "https://cam/", "a=b");
        assert_sent(&["a=b; Secure"], "http://cam/", "http://cam/", "");
    }

    #[test]
    fn cookies_are_replaced_and_taken_away() {
        assert_sent(&["a=1", "b=2", "a=3"], "http://cam/", "http://cam/", "b=2; a=3");
        for away in ["a=; Max-Age=0", "a=; max-age=-1", "a=; Expires=0", "a=x; Max-Age=0; Expires=9"] {
            assert_sent(&["a=1", away], "http://cam/", "http://cam/", "");
        }
    }

    #[test]
    fn cookies_expire() {
        for (field, later) in [
            ("a=b; Max-Age=60", ""),
            ("a=b; Max-Age=61", "a=b"),
            ("a=b; Expires=60", ""),
            ("a=b; Max-Age=61; Expires=1", "a=b"),
            ("a=b; Expires=soon", "a=b"),
            ("a=b; Max-Age=99999999999999999999", "a=b"),
            ("a=b; Max-Age=18446744073709551615", "a=b"),
        ] {
            assert_eq!(sent(&[field], "http://cam/", "http://cam/"), ["a=b", later], "{field}");
        }
    }

    #[test]
    fn what_is_no_cookie_is_passed_over() {
        assert_sent(&["", "a", "=b", ";", "a; b=c"], "http://cam/", "http://cam/", "");
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_make_room() {
        let long = |name: &str, len: usize| format!("{name}={}; path=/", "x".repeat(len));
        let most = MAX_BYTES - LITTLE - "a/".len();
        assert_sent(&[&long("a", most)], "http://cam/", "http://cam/", &long("a", most).replace("; path=/", ""));
        assert_sent(&[&long("a", most + 1)], "http://cam/", "http://cam/", "");
        let half = long("b", MAX_BYTES / 2);
        assert_sent(&["old=1", &half, &long("c", MAX_BYTES / 2 - 60), "new=1"], "http://cam/", "http://cam/", &{
            format!(
                "{}; {}; new=1",
                half.replace("; path=/", ""),
                long("c", MAX_BYTES / 2 - 60).replace("; path=/", "")
            )
        });
        let many: Vec<_> = (0..10_000).map(|index| format!("{index}=")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let kept = sent(&many, "http://cam/", "http://cam/")[0].matches('=').count();
        assert!((100..MAX_BYTES / LITTLE).contains(&kept), "{kept}");
    }
}
