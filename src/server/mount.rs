//! Where a camera stands among those that share a server.

use std::{fmt, str::FromStr};

/// The path under which a camera is served: `/`, or `/door` for `/door/stream`, `/door/snapshot` and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount(String);

/// A text that is no mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// It would need escaping in a URL, or means another path than it says.
    #[error("a mount has letters, digits and any of - . _ ~ between slashes, such as /door or /house/door")]
    Characters,
    /// The path is one that each camera has.
    #[error("{0} is the name of something that each camera serves; choose another mount")]
    Taken(String),
    /// Longer than any of use.
    #[error("a mount has at most {MAX_LENGTH} characters")]
    TooLong,
}

impl Mount {
    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path with the slash that makes addresses on its page relative to it: `/`, or `/door/`.
    pub fn folder(&self) -> String {
        format!("{}/", self.0)
    }

    /// What people call the camera: the path without the first slash.
    pub fn name(&self) -> &str {
        if self.is_root() { "Camera" } else { &self.0[1..] }
    }

    /// What is left of a path below this mount: empty or beginning with a slash. `None` when the path lies elsewhere.
    pub(super) fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.0.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Mount {
    type Err = MountError;

    /// Slashes at the ends may be there or not.
    fn from_str(text: &str) -> Result<Self, MountError> {
        if text.len() > MAX_LENGTH {
            return Err(MountError::TooLong);
        }
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::default());
        }
        for segment in text.split('/') {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            // Browsers take a dot and two dots away from addresses (RFC 3986 5.2.4).
            if ["", ".", ".."].contains(&segment) || !segment.bytes().all(allowed) {
                return Err(MountError::Characters);
            }
            if SERVED.contains(&segment) {
                return Err(MountError::Taken(segment.to_owned()));
            }
        }
        Ok(Self(format!("/{text}")))
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "/" } else { &self.0 })
    }
}

/// What stands below each mount, or below the server.
const SERVED: [&str; 6] = ["stream", "snapshot", "status", "health", "metrics", "favicon.ico"];

/// Chosen: the place of a camera in a house, in words, is shorter.
const MAX_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn mount(text: &str) -> Mount {
        text.parse().expect("a mount")
    }

    #[test]
    fn slashes_at_the_ends_do_not_matter() {
        for text in ["door", "/door", "door/", "/door/"] {
            assert_eq!(mount(text).to_string(), "/door", "{text}");
        }
        assert_eq!((mount("").to_string(), mount("/").folder()), ("/".to_owned(), "/".to_owned()));
        assert_eq!((mount("a/b").folder(), mount("a/b").name()), ("/a/b/".to_owned(), "a/b"));
    }

    #[test]
    fn what_is_no_path_of_one_is_refused() {
        for text in ["a//b", "//a", "a b", "ä", "a?b", "..", "/a/../b", "a%20b", "a\r\nb"] {
            assert_eq!(text.parse::<Mount>(), Err(MountError::Characters), "{text:?}");
        }
        assert_eq!("/a/stream".parse::<Mount>(), Err(MountError::Taken("stream".to_owned())));
        assert_eq!("a".repeat(MAX_LENGTH + 1).parse::<Mount>(), Err(MountError::TooLong));
        assert!("a".repeat(MAX_LENGTH).parse::<Mount>().is_ok());
    }

    #[test]
    fn only_whole_segments_lie_below_a_mount() {
        let door = mount("/door");
        assert_eq!(door.rest("/door"), Some(""));
        assert_eq!(door.rest("/door/stream"), Some("/stream"));
        assert_eq!(door.rest("/doorbell/stream"), None);
        assert_eq!(mount("/").rest("/stream"), Some("/stream"));
    }
}
