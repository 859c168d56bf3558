//! Who may see anything at all.

use std::{fmt, net::IpAddr};

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{
    Request,
    header::{AUTHORIZATION, HeaderValue},
};
use subtle::ConstantTimeEq;

use super::{
    guesses::{Guesses, Outcome},
    query,
};

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
#[error("a token has 1 to {MAX_TOKEN} letters, digits and any of - . _ ~")]
pub struct TokenError;

/// Judges requests, and slows down who guesses.
pub(super) struct Access {
    secrets: Secrets,
    guesses: Guesses,
}

/// A request that may not be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It has not the right answer.
    Stranger {
        /// The value of WWW-Authenticate.
        challenge: HeaderValue,
    },
    /// Too many from the same address wait for theirs to be looked at; whether this one was right nobody knows.
    Crowded,
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
        let is_token = (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(allowed);
        is_token.then(|| Self(text.to_owned())).ok_or(TokenError)
    }
}

impl Access {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, guesses: Guesses::default() }
    }

    /// Whether a request from this address may be answered. Waits behind wrong answers of others from there.
    pub(super) async fn check<B>(&self, request: &Request<B>, from: Option<IpAddr>) -> Result<(), Denied> {
        if self.secrets.is_open() {
            return Ok(());
        }
        let authorization = request.headers().get(AUTHORIZATION).map(with_scheme);
        let authorization = authorization.as_deref();
        let token = query::value(request.uri(), "token");
        let token = token.as_deref().map(str::as_bytes);
        // A browser asks without an answer first, which is no guess.
        if authorization.is_some() || token.is_some() {
            match self.guesses.look(from, (authorization, token), || self.is_right(authorization, token)).await {
                Outcome::Right => return Ok(()),
                Outcome::Wrong => {}
                Outcome::Crowded => return Err(Denied::Crowded),
            }
        }
        let challenge = if self.secrets.user.is_some() { BASIC } else { BEARER };
        Err(Denied::Stranger { challenge: HeaderValue::from_static(challenge) })
    }

    fn is_right(&self, authorization: Option<&[u8]>, token: Option<&[u8]>) -> bool {
        let user = self
            .secrets
            .user
            .as_ref()
            .map(|(user, password)| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
        let bearer = self.secrets.token.as_ref().map(|token| format!("Bearer {}", token.0));
        let plain = self.secrets.token.as_ref().map(|token| token.0.clone());
        // All three are compared, each in a time that does not tell how much of it was right.
        same(authorization, user) | same(authorization, bearer) | same(token, plain)
    }
}

/// The value of Authorization, its scheme written as we compare it: case does not matter there, and any number of
/// blanks may follow it (RFC 9110 11.1, 11.4).
fn with_scheme(value: &HeaderValue) -> Vec<u8> {
    let value = value.as_bytes();
    let (scheme, rest) = value.split_at(value.iter().position(|b| *b == b' ').unwrap_or(value.len()));
    let scheme: &[u8] = match scheme {
        _ if scheme.eq_ignore_ascii_case(b"basic") => b"Basic ",
        _ if scheme.eq_ignore_ascii_case(b"bearer") => b"Bearer ",
        _ => return value.to_vec(),
    };
    [scheme, rest.trim_ascii_start()].concat()
}

fn same(given: Option<&[u8]>, wanted: Option<String>) -> bool {
    match (given, wanted) {
        (Some(given), Some(wanted)) => given.ct_eq(wanted.as_bytes()).into(),
        _ => false,
    }
}

const BASIC: &str = "Basic realm=\"camera\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer realm=\"camera\"";

/// Longest token, in bytes. Chosen: far more than guessing needs, and far less than a request's head may have; longer
/// ones nobody could send.
const MAX_TOKEN: usize = 1024;

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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

    #[tokio::test(start_paused = true)]
    async fn each_right_answer_opens() {
        let access = access();
        for (target, authorization) in [
            ("/stream", Some("Basic YW5uOnA6dw==")),
            ("/stream", Some("Bearer t0ken")),
            ("/stream", Some("basic YW5uOnA6dw==")),
            ("/stream", Some("BEARER t0ken")),
            ("/stream", Some("Basic  YW5uOnA6dw==")),
            ("/stream?layout=standard&token=t0ken", None),
            ("/stream?token=%740ken", None),
            ("/?token=t0ken", Some("Basic d3Jvbmc=")),
        ] {
            let checked = access.check(&request(target, authorization), HERE).await;
            assert_eq!(checked, Ok(()), "{target} {authorization:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_other_answer_does() {
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
            let checked = access.check(&request(target, authorization), HERE).await;
            assert!(matches!(checked, Err(Denied::Stranger { .. })), "{target} {authorization:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn asking_without_an_answer_is_no_guess() {
        let access = access();
        let began = Instant::now();
        for _ in 0..10 {
            assert!(access.check(&request("/stream", None), HERE).await.is_err());
        }
        assert_eq!(access.check(&request("/stream?token=t0ken", None), HERE).await, Ok(()));
        assert!(began.elapsed().is_zero());
    }

    #[test]
    fn a_token_that_would_need_escaping_is_refused() {
        for text in ["", "a b", "a&b", "ä", "a\r\nb", "a/b", &"a".repeat(MAX_TOKEN + 1)] {
            assert_eq!(text.parse::<Token>(), Err(TokenError), "{text:?}");
        }
        assert!("a".repeat(MAX_TOKEN).parse::<Token>().is_ok());
    }

    #[test]
    fn printing_secrets_shows_none() {
        let shown = format!("{:?}", access().secrets);
        assert_eq!(shown, "***");
    }
}
