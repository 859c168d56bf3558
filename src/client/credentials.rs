//! User and password, and how they answer a server's challenge.

use std::fmt;

use glib::ChecksumType;
use http_auth::{ChallengeParser, ChallengeRef, ParamValue, PasswordClient, PasswordParams, digest::Algorithm};

/// A user and password. Printing them shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// A user and password as they are, not as they are written in a URL.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// User and password as they stand in a URL before the host.
    pub(super) fn userinfo(&self) -> String {
        let escape = |text: &str| glib::Uri::escape_string(text, None, false);
        format!("{}:{}", escape(&self.user), escape(&self.password))
    }

    /// The answer to no challenge at all, as proxies take it (RFC 7617).
    pub(super) fn basic(&self) -> String {
        http_auth::basic::encode_credentials(&self.user, &self.password)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Answers the challenges of one server: Digest (RFC 7616, and RFC 2069 without qop) before Basic (RFC 7617).
#[derive(Default)]
pub struct Answers {
    client: Option<PasswordClient>,
}

impl Answers {
    /// Takes the challenges of an answer 401. Whether there is one that can be answered.
    pub fn challenge(&mut self, values: &[&str]) -> bool {
        // What comes after something unreadable in a field cannot be told apart.
        let challenges = values.iter().flat_map(|value| ChallengeParser::new(value).map_while(Result::ok));
        let builder = challenges.fold(PasswordClient::builder(), |builder, it| builder.challenge(&in_known_case(it)));
        self.client = builder.build().ok().or_else(|| asks_for_basic(values).then(basic).flatten());
        self.client.is_some()
    }

    /// The Authorization field for the next request, once there was a challenge. No challenge, no field: Hikvision
    /// answers nothing at all to one that it did not ask for.
    pub fn authorization(&mut self, credentials: &Credentials, target: &str) -> Option<String> {
        let client = self.client.as_mut()?;
        let no_body = hash_of_nothing(client);
        let mut respond = |body| {
            let Credentials { user, password } = credentials;
            client.respond(&PasswordParams { username: user, password, uri: target, method: "GET", body })
        };
        // Without a body "auth" is chosen where both are offered. Where only "auth-int" is, http-auth 0.1 puts the body
        // itself where RFC 7616 3.4.3 has its hash, so it is given the hash.
        respond(None).or_else(|_| respond(no_body.as_ref().map(|hash| hash.as_bytes()))).ok()
    }
}

/// Whether a challenge that cannot be read is one for Basic all the same: its realm, which may be missing, unquoted or
/// not in ASCII, is not part of the answer.
fn asks_for_basic(challenges: &[&str]) -> bool {
    challenges.iter().any(|challenge| challenge.split([' ', ',']).any(|word| word.eq_ignore_ascii_case("basic")))
}

fn basic() -> Option<PasswordClient> {
    PasswordClient::try_from("Basic realm=\"\"").ok()
}

/// RFC 7616 leaves the case of an algorithm's name open; http-auth knows one.
fn in_known_case(mut challenge: ChallengeRef<'_>) -> ChallengeRef<'_> {
    for (_, value) in challenge.params.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("algorithm")) {
        let said = value.to_unescaped();
        let known = ALGORITHMS.iter().find(|known| known.eq_ignore_ascii_case(&said));
        *value = known.and_then(|known| ParamValue::try_from_escaped(known).ok()).unwrap_or(*value);
    }
    challenge
}

const ALGORITHMS: [&str; 6] = ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"];

/// The hash of an empty body, by the algorithm of a Digest challenge.
fn hash_of_nothing(client: &PasswordClient) -> Option<glib::GString> {
    let PasswordClient::Digest(digest) = client else { return None };
    let kind = match digest.algorithm() {
        Algorithm::Md5 => ChecksumType::Md5,
        Algorithm::Sha256 => ChecksumType::Sha256,
        // GLib has no SHA-512/256, and no camera known asks for it with auth-int.
        _ => return None,
    };
    glib::compute_checksum_for_data(kind, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(challenges: &[&str]) -> Option<String> {
        let mut answers = Answers::default();
        answers.challenge(challenges);
        answers.authorization(&Credentials::new("Mufasa", "Circle of Life"), "/dir/index.html")
    }

    #[test]
    fn nothing_is_answered_without_a_challenge() {
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(&["Bearer realm=\"x\""]), None);
    }

    #[test]
    fn digest_is_preferred_to_basic_in_any_order() {
        let (basic, digest) = ("Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\", qop=\"auth\"");
        for challenges in [[basic, digest], [digest, basic]] {
            assert!(answer(&challenges).is_some_and(|answer| answer.starts_with("Digest ")));
        }
        assert!(
            answer(&["Basic realm=\"x\", Digest realm=\"x\", nonce=\"n\""]).is_some_and(|a| a.starts_with("Digest"))
        );
    }

    #[test]
    fn the_digest_of_rfc_2069_is_the_one_of_its_erratum() {
        let answer = answer(&["Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""]);
        let mut answers = Answers::default();
        answers.challenge(&["Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\""]);
        let known = answers.authorization(&Credentials::new("Mufasa", "CircleOfLife"), "/dir/index.html");
        assert!(known.is_some_and(|known| known.contains("1949323746fe6a43ef61f9606e7febea")));
        assert!(answer.is_some_and(|answer| answer.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"")));
    }

    #[test]
    fn every_kind_of_digest_that_cameras_send_is_answered() {
        for challenge in [
            "Digest realm=\"x\", nonce=\"n\", algorithm=MD5, qop=auth",
            "Digest realm=\"x\", nonce=\"n\", algorithm=MD5-sess, qop=\"auth\"",
            "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\"",
            "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"x\", nonce=\"n\", stale=true",
        ] {
            assert!(answer(&[challenge]).is_some(), "{challenge}");
        }
    }

    /// Seen from outside: "check user-id and user-pw" though both were right.
    #[test]
    fn challenges_for_basic_are_answered_however_they_name_their_realm() {
        for challenge in ["Basic", "basic realm=Front door", "Basic realm=\"Küche\"", "NTLM, Basic realm=\"x"] {
            assert!(answer(&[challenge]).is_some_and(|answer| answer.starts_with("Basic ")), "{challenge}");
        }
        assert_eq!(answer(&["Digest realm=\"basics\""]), None);
    }

    #[test]
    fn printing_credentials_shows_neither() {
        assert_eq!(format!("{:?}", Credentials::new("user", "secret")), "***");
    }
}
