//! User and password, and how they answer a server's challenge.

use std::fmt;

use super::{challenge::Challenge, digest::Digest};

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
        format!("Basic {}", glib::base64_encode(format!("{}:{}", self.user, self.password).as_bytes()))
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
    scheme: Option<Scheme>,
}

enum Scheme {
    Digest(Digest),
    Basic,
}

impl Answers {
    /// Takes the challenges of an answer 401. Returns whether another answer is worth sending: there is a challenge
    /// that can be answered, or none at all, where Basic may be meant; and the answer that was refused was to another
    /// one.
    pub fn challenge(&mut self, values: &[&str]) -> bool {
        let refused = self.scheme.take();
        let digest = Challenge::all(values).find_map(|challenge| Digest::of(&challenge));
        // Its realm, which may be missing or anything else, is not part of the answer.
        let is_basic = Challenge::all(values).any(|challenge| challenge.is("Basic"));
        let is_open = Challenge::all(values).next().is_none();
        self.scheme = digest.map(Scheme::Digest).or_else(|| (is_basic || is_open).then_some(Scheme::Basic));
        match (&refused, &self.scheme) {
            (Some(Scheme::Basic), Some(Scheme::Basic)) | (_, None) => false,
            (Some(Scheme::Digest(refused)), Some(Scheme::Digest(new))) => {
                is_stale(values) || !new.has_nonce_of(refused)
            }
            (_, Some(_)) => true,
        }
    }

    /// The Authorization field for the next request, once there was a challenge. No challenge, no field: Hikvision
    /// answers nothing at all to one that it did not ask for.
    pub fn authorization(&mut self, credentials: &Credentials, target: &str) -> Option<String> {
        let Credentials { user, password } = credentials;
        match self.scheme.as_mut()? {
            Scheme::Digest(digest) => digest.answer(user, password, target, &glib::uuid_string_random()),
            Scheme::Basic => Some(credentials.basic()),
        }
    }
}

/// Whether there is a challenge among these that can be answered, or none at all.
pub(super) fn can_answer(values: &[&str]) -> bool {
    Challenge::all(values).next().is_none() || Answers::default().challenge(values)
}

/// What these challenges ask for, for people.
pub(super) fn wanted(values: &[&str]) -> String {
    let schemes: Vec<_> = Challenge::all(values).map(|challenge| challenge.to_string()).collect();
    schemes.join(" or ")
}

/// Whether an answer was refused only because its challenge was too old (RFC 7616 3.3).
pub(super) fn is_stale(values: &[&str]) -> bool {
    let stale = |challenge: Challenge| challenge.parameter("stale").is_some_and(|it| it.eq_ignore_ascii_case("true"));
    Challenge::all(values).any(stale)
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
    fn nothing_is_answered_before_a_401_or_to_challenges_of_another_kind() {
        let credentials = Credentials::new("Mufasa", "Circle of Life");
        assert_eq!(Answers::default().authorization(&credentials, "/dir/index.html"), None);
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
    fn every_kind_of_digest_that_cameras_send_is_answered() {
        for challenge in [
            "Digest realm=\"x\", nonce=\"n\", algorithm=MD5, qop=auth",
            "Digest realm=\"x\", nonce=\"n\", algorithm=MD5-sess, qop=\"auth\"",
            "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\"",
            "Digest realm=\"x\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"x\", nonce=\"n\", stale=true",
            "Digest realm=\"x\"; nonce=\"n\"; qop=\"auth\"",
            "Digest realm=\"x\", nonce=\"n\", nonce=\"n\"",
            "Digest realm=\"Küche\", nonce=\"n\"",
            "Digest nonce=\"n\", qop=\"auth\"",
        ] {
            assert!(answer(&[challenge]).is_some(), "{challenge}");
        }
    }

    /// Seen from outside: "check user-id and user-pw" though both were right.
    #[test]
    fn challenges_for_basic_are_answered_however_they_name_their_realm() {
        for challenge in ["Basic", "basic realm=Front door", "Basic realm=\"Küche\"", "NTLM, Basic realm=\"x", ""] {
            assert!(answer(&[challenge]).is_some_and(|answer| answer.starts_with("Basic ")), "{challenge}");
        }
        assert_eq!(answer(&["Digest realm=\"basics\""]), None);
    }

    #[test]
    fn what_cannot_be_answered_is_named() {
        for (challenges, named) in [
            (["Digest realm=\"x\", nonce=\"n\", algorithm=SHA-512-256"].as_slice(), "Digest with SHA-512-256"),
            (&["Negotiate", "NTLM"], "Negotiate or NTLM"),
        ] {
            assert!(!can_answer(challenges), "{challenges:?}");
            assert_eq!(wanted(challenges), named);
        }
        assert!(can_answer(&[]) && can_answer(&["NTLM, Basic realm=\"x\""]));
    }

    #[test]
    fn printing_credentials_shows_neither() {
        assert_eq!(format!("{:?}", Credentials::new("user", "secret")), "***");
    }
}
