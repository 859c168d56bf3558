//! Digest authentication: RFC 7616, and RFC 2069 where a server offers no qop.

use glib::ChecksumType;

use super::challenge::Challenge;

/// Answers a Digest challenge, each time with the next count of its nonce.
#[derive(Debug)]
pub(super) struct Digest {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As the server spells it.
    algorithm: Option<String>,
    checksum: ChecksumType,
    /// The algorithm's name ends with `-sess`.
    session: bool,
    qop: Option<Qop>,
    userhash: bool,
    count: u32,
}

/// What the answer protects besides the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Qop {
    Auth,
    /// The body too, which our requests do not have.
    AuthInt,
}

impl Digest {
    /// For this challenge, if it is one that can be answered. GLib has no SHA-512/256; no camera is known to ask for
    /// it.
    pub(super) fn of(challenge: &Challenge) -> Option<Self> {
        let algorithm = challenge.parameter("algorithm").filter(|name| !name.is_empty()).map(str::to_owned);
        let name = algorithm.as_deref().unwrap_or_default().to_ascii_lowercase();
        let session = name.ends_with("-sess");
        let checksum = match name.trim_end_matches("-sess") {
            "" | "md5" => ChecksumType::Md5,
            "sha-256" => ChecksumType::Sha256,
            _ => return None,
        };
        let qops = challenge.parameter("qop").unwrap_or_default().to_ascii_lowercase();
        let offers = |qop: &str| qops.split([',', ' ']).any(|offered| offered == qop);
        let own = |name: &str| challenge.parameter(name).map(str::to_owned);
        Some(Self {
            // One that is missing counts as empty, as for curl.
            realm: own("realm").unwrap_or_default(),
            nonce: own("nonce")?,
            opaque: own("opaque"),
            algorithm,
            checksum,
            session,
            qop: if offers("auth") { Some(Qop::Auth) } else { offers("auth-int").then_some(Qop::AuthInt) },
            userhash: challenge.parameter("userhash").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            count: 0,
        })
        .filter(|_| challenge.is("Digest"))
    }

    /// Whether both answer challenges with the same nonce.
    pub(super) fn has_nonce_of(&self, other: &Self) -> bool {
        self.nonce == other.nonce
    }

    /// The value of Authorization for a GET request. `cnonce` is any text that no one can foresee.
    pub(super) fn answer(&mut self, user: &str, password: &str, target: &str, cnonce: &str) -> Option<String> {
        self.count = self.count.wrapping_add(1);
        let count = format!("{:08x}", self.count);
        let mut secret = self.hash(&[user, &self.realm, password])?;
        if self.session {
            secret = self.hash(&[&secret, &self.nonce, cnonce])?;
        }
        let request = match self.qop {
            Some(Qop::AuthInt) => self.hash(&["GET", target, &self.hash(&[""])?])?,
            _ => self.hash(&["GET", target])?,
        };
        let response = match self.qop {
            Some(qop) => self.hash(&[&secret, &self.nonce, &count, cnonce, qop.name(), &request])?,
            None => self.hash(&[&secret, &self.nonce, &request])?,
        };
        let user = if self.userhash { self.hash(&[user, &self.realm])? } else { user.to_owned() };
        let mut answer = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quoted(&user),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(target)
        );
        if let Some(opaque) = &self.opaque {
            answer += &format!(", opaque={}", quoted(opaque));
        }
        if let Some(algorithm) = &self.algorithm {
            answer += &format!(", algorithm={algorithm}");
        }
        if let Some(qop) = self.qop {
            answer += &format!(", qop={}, nc={count}", qop.name());
        }
        // RFC 2617 wants none without qop, but nobody can check the answer of a session without it.
        if self.qop.is_some() || self.session {
            answer += &format!(", cnonce={}", quoted(cnonce));
        }
        if self.userhash {
            answer += ", userhash=true";
        }
        Some(answer)
    }

    fn hash(&self, parts: &[&str]) -> Option<String> {
        glib::compute_checksum_for_data(self.checksum, parts.join(":").as_bytes()).map(String::from)
    }
}

impl Qop {
    fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// A text in quotes, without what would end its line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn answer(challenge: &str, password: &str, cnonce: &str) -> String {
        let challenge = Challenge::all(&[challenge]).next().expect("a challenge");
        let mut digest = Digest::of(&challenge).expect("one that can be answered");
        digest.answer("Mufasa", password, "/dir/index.html", cnonce).expect("an answer")
    }

    /// RFC 2617 3.5, the same in RFC 7616 3.9.1 with another nonce.
    #[test]
    fn the_examples_of_the_rfcs_come_out() {
        let old = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        assert!(answer(old, "Circle Of Life", "0a4f113b").contains("response=\"6629fae49393a05397450978507c4ef1\""));
        let new = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=ALGORITHM, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = answer(&new.replace("ALGORITHM", algorithm), "Circle of Life", cnonce);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains(&format!("algorithm={algorithm}, qop=auth, nc=00000001, cnonce=")), "{answer}");
        }
    }

    #[test]
    fn the_digest_of_rfc_2069_is_the_one_of_its_erratum() {
        let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
             opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let answer = answer(challenge, "CircleOfLife", "unused");
        assert!(answer.contains("response=\"1949323746fe6a43ef61f9606e7febea\""), "{answer}");
        assert!(answer.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"") && !answer.contains("nc="), "{answer}");
    }

    #[test]
    fn what_a_session_is_made_of_is_told_with_and_without_qop() {
        for (qop, told) in [(", qop=auth", "nc=00000001, cnonce=\"c\""), ("", "algorithm=MD5-sess, cnonce=\"c\"")] {
            let answer = answer(&format!("Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess{qop}"), "p", "c");
            assert!(answer.contains(told), "{answer}");
        }
    }

    /// RFC 7616 3.9.2 is for SHA-512-256; the hash itself is that of 3.4.4.
    #[test]
    fn a_user_can_be_named_by_a_hash() {
        let answer = answer("Digest realm=\"r\", nonce=\"n\", userhash=true", "p", "c");
        let hash = glib::compute_checksum_for_string(ChecksumType::Md5, "Mufasa:r").expect("MD5");
        assert!(answer.contains(&format!("username=\"{hash}\"")) && answer.ends_with("userhash=true"), "{answer}");
    }

    #[test]
    fn what_cannot_be_answered_is_none() {
        for challenge in ["Basic realm=\"x\"", "Digest realm=x", "Digest realm=x, nonce=n, algorithm=MD9"] {
            let challenge = Challenge::all(&[challenge]).next().expect("a challenge");
            assert!(Digest::of(&challenge).is_none(), "{challenge:?}");
        }
    }

    #[test]
    fn quotes_are_escaped_and_no_line_ends() {
        assert_eq!(quoted("a\"b\\c\r\nd \u{e9}"), "\"a\\\"b\\\\cd \u{e9}\"");
    }
}
