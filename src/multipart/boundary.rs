//! The boundary of a stream that we write.

use std::{fmt, str::FromStr};

/// A boundary that every known reader takes: RFC 2046 5.1.1 allows more, but quotes, blanks and dashes at either end
/// break Firefox, Safari, VLC and many cameras' readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary(String);

/// Why a text cannot be our boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoundaryError {
    /// RFC 2046 allows 1 to 70 characters.
    #[error("a boundary has 1 to 70 characters, this one has {len}")]
    Length {
        /// How many it has, in bytes.
        len: usize,
    },
    /// A character that would need quoting, or that RFC 2046 does not allow.
    #[error("a boundary has letters, digits and any of ' + _ - . only, not {0:?}")]
    Character(char),
    /// A dash at the beginning or the end is taken for a part of the delimiter.
    #[error("a boundary neither begins nor ends with a dash")]
    Dash,
}

/// RFC 2046 5.1.1: "no longer than 70 characters".
const MAX_LEN: usize = 70;

impl Boundary {
    /// The boundary's text, without the dashes of a delimiter.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Boundary {
    type Err = BoundaryError;

    fn from_str(text: &str) -> Result<Self, BoundaryError> {
        if text.is_empty() || text.len() > MAX_LEN {
            return Err(BoundaryError::Length { len: text.len() });
        }
        if let Some(c) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(BoundaryError::Character(c));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(BoundaryError::Dash);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is both a boundary character of RFC 2046 and a token character of RFC 2045.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '\'' | '+' | '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundaries_of_the_field_are_accepted() {
        for text in ["frame", "boundarydonotcross", "7b3cc56e5f51db80", "a-b_c.d+e'f", &"x".repeat(70)] {
            assert_eq!(text.parse::<Boundary>().map(|b| b.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_boundary_that_breaks_a_reader_is_refused() {
        assert_eq!("".parse::<Boundary>(), Err(BoundaryError::Length { len: 0 }));
        assert_eq!("x".repeat(71).parse::<Boundary>(), Err(BoundaryError::Length { len: 71 }));
        assert_eq!("two words".parse::<Boundary>(), Err(BoundaryError::Character(' ')));
        assert_eq!("a\r\nb".parse::<Boundary>(), Err(BoundaryError::Character('\r')));
        assert_eq!("--frame".parse::<Boundary>(), Err(BoundaryError::Dash));
        assert_eq!("frame--".parse::<Boundary>(), Err(BoundaryError::Dash));
    }
}
