//! What a server asks for in `WWW-Authenticate`, read as leniently as browsers do.

use std::fmt;

/// A challenge: its scheme and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads the values of the fields: a list of challenges, each a scheme and a list of parameters (RFC 9110 11.6.1).
    /// Semicolons part parameters as commas do, or nothing does; blanks, quotes and characters that are not in ASCII
    /// may stand anywhere. What is no challenge is passed over.
    pub(super) fn all<'a>(values: &'a [&str]) -> impl Iterator<Item = Self> + use<'a> {
        values.iter().flat_map(|value| Self::list(value))
    }

    /// Whether it is of this scheme, in any case.
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter, in any case. Of doubled ones the last counts, as for curl.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.parameters.iter().rev().find(named).map(|(_, value)| value.as_str())
    }

    fn list(mut text: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        loop {
            text = text.trim_start_matches(|c| PARTING.contains(&c) || c == '=' || c == '"');
            if text.is_empty() {
                return challenges;
            }
            let (word, rest) = until(text, |c| PARTING.contains(&c) || c == '=' || c == '"');
            match (rest.trim_start().strip_prefix('='), challenges.last_mut()) {
                (Some(rest), Some(challenge)) => {
                    let (value, rest) = value(rest.trim_start());
                    challenge.parameters.push((word.to_owned(), value));
                    text = rest;
                }
                (Some(rest), None) => text = value(rest.trim_start()).1,
                (None, _) => {
                    challenges.push(Self { scheme: word.to_owned(), parameters: Vec::new() });
                    text = rest;
                }
            }
        }
    }
}

/// In short: the scheme, and its algorithm if it names one. Control characters cannot stand in a head.
impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        self.parameter("algorithm").map_or(Ok(()), |algorithm| write!(f, " with {algorithm}"))
    }
}

/// A parameter's value at the beginning of a text, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = until(text, |c| c == ',' || c == ';');
        return (value.trim_end().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            // RFC 9110 5.6.4: a backslash takes the next character as it is.
            '\\' => value.extend(characters.next()),
            c => value.push(c),
        }
    }
    (value, characters.as_str())
}

fn until(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// What stands between challenges and between parameters.
const PARTING: [char; 4] = [',', ';', ' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    /// Schemes, each with its parameters.
    fn read(values: &[&str]) -> String {
        let shown = |challenge: Challenge| {
            let parameters = challenge.parameters.iter().map(|(name, value)| format!(" {name}={value}|"));
            challenge.scheme + &parameters.collect::<String>()
        };
        Challenge::all(values).map(shown).collect::<Vec<_>>().join(" + ")
    }

    #[test]
    fn lists_of_challenges_are_read() {
        for (values, challenges) in [
            (
                &["Digest realm=\"a, b\", qop=\"auth,auth-int\",nonce=x"][..],
                "Digest realm=a, b| qop=auth,auth-int| nonce=x|",
            ),
            (&["Negotiate, NTLM, Basic realm=x"], "Negotiate + NTLM + Basic realm=x|"),
            (&["Basic realm=\"x\"", "Digest nonce=y"], "Basic realm=x| + Digest nonce=y|"),
            (&["Basic realm=\"x\", Digest nonce=y"], "Basic realm=x| + Digest nonce=y|"),
            (&["Basic"], "Basic"),
            (&["Digest realm=\"a \\\"b\\\" \\\\\""], "Digest realm=a \"b\" \\|"),
        ] {
            assert_eq!(read(values), challenges, "{values:?}");
        }
    }

    #[test]
    fn what_cameras_make_of_them_is_read() {
        for (value, challenges) in [
            ("Digest realm=\"x\"; nonce=\"y\";qop=\"auth\"", "Digest realm=x| nonce=y| qop=auth|"),
            ("Digest realm=\"x\" nonce=\"y\"", "Digest realm=x| nonce=y|"),
            ("Digest realm = \"x\" ,, nonce= y ,", "Digest realm=x| nonce=y|"),
            ("Digest realm=My Camera, nonce=YWJj==", "Digest realm=My Camera| nonce=YWJj==|"),
            ("digest,realm=\"Küche\",nonce=\"\"", "digest realm=Küche| nonce=|"),
            ("Basic realm=\"x", "Basic realm=x|"),
            ("Basic realm=\"x\\", "Basic realm=x|"),
            ("=, realm=y, \"", ""),
        ] {
            assert_eq!(read(&[value]), challenges, "{value}");
        }
    }

    #[test]
    fn the_last_of_doubled_parameters_counts() {
        let challenge = Challenge::all(&["Digest nonce=\"x\", NONCE=\"y\""]).next().expect("a challenge");
        assert_eq!((challenge.parameter("Nonce"), challenge.parameter("realm")), (Some("y"), None));
        assert!(challenge.is("DIGEST"));
    }
}
