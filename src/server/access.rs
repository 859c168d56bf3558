//! Who may see anything at all.

use std::{collections::HashMap, fmt, net::IpAddr, sync::Mutex, time::Duration};

use http_auth::basic::encode_credentials;
use hyper::{
    Request,
    header::{AUTHORIZATION, HeaderValue},
};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::query;
use crate::sync::lock;

/// What a viewer has to know. Without either everybody may see everything. Printing it shows neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// A user and password, asked for by Basic authentication (RFC 7617).
    pub user: Option<(String, String)>,
    /// A token, taken as `?token=` and as `Authorization: Bearer` (RFC 6750).
    pub token: Option<Token>,
}

/// A token: letters, digits and any of `- . _ ~`, which need no escaping in a URL (RFC 3986 2.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token has letters, digits and any of - . _ ~, at least one")]
pub struct TokenError;

/// Judges requests, and slows down who guesses.
pub(super) struct Access {
    secrets: Secrets,
    /// Wrong answers in a row of each address, and when the last one came. All that come through a Unix socket are one.
    failures: Mutex<HashMap<Option<IpAddr>, (u32, Instant)>>,
}

/// A request without the right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denied {
    /// The value of WWW-Authenticate.
    pub(super) challenge: HeaderValue,
    /// Time to wait before saying so.
    pub(super) pause: Duration,
}

impl Secrets {
    /// Whether everybody may see everything.
    pub fn is_open(&self) -> bool {
        self.user.is_none() && self.token.is_none()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "none" } else { "***" })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Token {
    /// The token's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if !text.is_empty() && text.bytes().all(allowed) { Ok(Self(text.to_owned())) } else { Err(TokenError) }
    }
}

impl Access {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, failures: Mutex::default() }
    }

    /// Whether a request from this address may be answered.
    pub(super) fn check<B>(&self, request: &Request<B>, from: Option<IpAddr>) -> Result<(), Denied> {
        if self.secrets.is_open() {
            return Ok(());
        }
        let authorization = request.headers().get(AUTHORIZATION).map(with_scheme);
        let authorization = authorization.as_deref();
        let token = query::value(request.uri(), "token").map(str::as_bytes);
        if self.is_right(authorization, token) {
            lock(&self.failures).remove(&from);
            return Ok(());
        }
        // A browser asks without an answer first, which is no guess.
        let guessed = authorization.is_some() || token.is_some();
        let pause = if guessed { self.failed(from, Instant::now()) } else { Duration::ZERO };
        let challenge = if self.secrets.user.is_some() { BASIC } else { BEARER };
        Err(Denied { challenge: HeaderValue::from_static(challenge), pause })
    }

    fn is_right(&self, authorization: Option<&[u8]>, token: Option<&[u8]>) -> bool {
        let user = self.secrets.user.as_ref().map(|(user, password)| encode_credentials(user, password));
        let bearer = self.secrets.token.as_ref().map(|token| format!("Bearer {}", token.0));
        let plain = self.secrets.token.as_ref().map(|token| token.0.clone());
        // All three are compared, each in a time that does not tell how much of it was right.
        same(authorization, user) | same(authorization, bearer) | same(token, plain)
    }

    /// Counts a wrong answer; how long its sender has to wait for ours.
    fn failed(&self, from: Option<IpAddr>, now: Instant) -> Duration {
        let mut failures = lock(&self.failures);
        failures.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGIVE_AFTER);
        if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&from) {
            return LONGEST_PAUSE;
        }
        let (count, last) = failures.entry(from).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
        FIRST_PAUSE.saturating_mul(1u32.checked_shl(*count - 1).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
    }
}

/// The value of Authorization, its scheme written as we compare it: case does not matter there (RFC 9110 11.1).
fn with_scheme(value: &HeaderValue) -> Vec<u8> {
    let value = value.as_bytes();
    match value.iter().position(|b| *b == b' ') {
        Some(end) if value[..end].eq_ignore_ascii_case(b"basic") => [b"Basic", &value[end..]].concat(),
        Some(end) if value[..end].eq_ignore_ascii_case(b"bearer") => [b"Bearer", &value[end..]].concat(),
        _ => value.to_vec(),
    }
}

fn same(given: Option<&[u8]>, wanted: Option<String>) -> bool {
    match (given, wanted) {
        (Some(given), Some(wanted)) => given.ct_eq(wanted.as_bytes()).into(),
        _ => false,
    }
}

const BASIC: &str = "Basic realm=\"camera\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"camera\"";

/// Wait after the first wrong answer, doubled with each, and the longest. Chosen: nobody who mistypes notices the
/// first, and a guesser needs a connection for each guess under way.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Time without a wrong answer after which those before are forgiven.
const FORGIVE_AFTER: Duration = Duration::from_secs(60);

/// Addresses remembered. Chosen: 64 kB of memory; beyond them every guess waits longest.
const MAX_ADDRESSES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn access() -> Access {
        let token = Some("t0ken".parse().expect("a token"));
        Access::new(Secrets { user: Some(("ann".into(), "p:w".into())), token })
    }

    fn request(target: &str, authorization: Option<&str>) -> Request<()> {
        let mut request = Request::builder().uri(target);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn each_right_answer_opens() {
        let access = access();
        for (target, authorization) in [
            ("/stream", Some("Basic YW5uOnA6dw==")),
            ("/stream", Some("Bearer t0ken")),
            ("/stream", Some("basic YW5uOnA6dw==")),
            ("/stream", Some("BEARER t0ken")),
            ("/stream?layout=standard&token=t0ken", None),
            ("/?token=t0ken", Some("Basic d3Jvbmc=")),
        ] {
            assert_eq!(access.check(&request(target, authorization), HERE), Ok(()), "{target} {authorization:?}");
        }
    }

    #[test]
    fn no_other_answer_does() {
        let access = access();
        for (target, authorization) in [
            ("/stream", None),
            ("/stream?token=", None),
            ("/stream?token=t0kenx", None),
            ("/stream?xtoken=t0ken", None),
            ("/stream", Some("Bearer ")),
            ("/stream", Some("Basic YW5uOg==")),
            ("/stream", Some("Basic t0ken")),
        ] {
            assert!(access.check(&request(target, authorization), HERE).is_err(), "{target} {authorization:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_gets_slower_for_the_one_who_guesses_and_asking_does_not() {
        let access = access();
        let pause =
            |target, from| access.check(&request(target, None), from).map_err(|denied| denied.pause.as_millis());
        let wrong = "/stream?token=wrong";
        let pauses: Vec<_> = (0..8).map(|_| pause(wrong, HERE)).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Err));
        assert_eq!(pause(wrong, Some(IpAddr::from([127, 0, 0, 2]))), Err(100));
        assert_eq!(pause("/stream", HERE), Err(0));
        tokio::time::advance(FORGIVE_AFTER).await;
        assert_eq!(pause(wrong, HERE), Err(100));
    }

    #[test]
    fn a_token_that_would_need_escaping_is_refused() {
        for text in ["", "a b", "a&b", "ä", "a\r\nb", "a/b"] {
            assert_eq!(text.parse::<Token>(), Err(TokenError), "{text:?}");
        }
    }

    #[test]
    fn printing_secrets_shows_none() {
        let shown = format!("{:?}", access().secrets);
        assert_eq!(shown, "***");
    }
}
