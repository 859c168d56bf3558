//! The delimiter that a stream turns out to use, whatever its response head says.

use memchr::{memchr, memmem};

use super::head::MAX_DELIMITER;
use crate::jpeg;

/// Learns the delimiter from the lines that precede pictures.
#[derive(Clone, Debug, Default)]
pub(super) struct Delimiter {
    text: Option<Vec<u8>>,
}

/// Whether something stands at a place, as far as the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Yes,
    No,
    /// The bytes end before that is decided.
    Unknown,
}

impl Delimiter {
    /// Remembers a delimiter line, blanks and line end taken off. Kasa ends every delimiter with the two dashes that
    /// should mark the last one only, so they do not count.
    pub(super) fn learn(&mut self, line: &[u8]) {
        let text = line.strip_suffix(b"--").unwrap_or(line);
        if text.len() > DASHES.len() && self.text.as_deref() != Some(text) {
            self.text = Some(text.to_vec());
        }
    }

    /// The delimiter last seen, as it stands in the stream.
    pub(super) fn text(&self) -> Option<&[u8]> {
        self.text.as_deref()
    }

    /// Where the delimiter last seen first stands in `bytes`.
    pub(super) fn find_in(&self, bytes: &[u8]) -> Option<usize> {
        memmem::find(bytes, self.text.as_ref()?)
    }

    /// Whether a part ends where `after` begins: line ends or none, then the delimiter last seen, or without it the
    /// next head. On a line of its own any delimiter will do, and before a head: streams that change theirs are seen.
    pub(super) fn follows(&self, after: &[u8]) -> Found {
        let blank = after.iter().take_while(|b| b.is_ascii_whitespace()).count();
        if blank > MAX_BLANKS {
            return Found::No;
        }
        let (blanks, rest) = after.split_at(blank);
        let delimiter = self.text.as_deref().filter(|_| !blanks.contains(&b'\n')).unwrap_or(DASHES);
        starts_with(rest, delimiter, |a, b| a == b).or(next_head(rest)).or(delimited_head(rest))
    }

    /// Like [`follows`](Self::follows), where also the next picture may follow at once.
    pub(super) fn or_picture_follows(&self, after: &[u8]) -> Found {
        self.follows(after).or(starts_with(after, &jpeg::START, |a, b| a == b))
    }
}

impl Found {
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::No, Self::No) => Self::No,
        }
    }
}

fn starts_with(bytes: &[u8], wanted: &[u8], same: impl Fn(&u8, &u8) -> bool) -> Found {
    if !bytes.iter().zip(wanted).all(|(a, b)| same(a, b)) {
        Found::No
    } else if bytes.len() < wanted.len() {
        Found::Unknown
    } else {
        Found::Yes
    }
}

fn next_head(bytes: &[u8]) -> Found {
    starts_with(bytes, NEXT_HEAD, |a, b| a.eq_ignore_ascii_case(b))
}

/// Whether these are the line of a delimiter, whichever it is, and a head.
fn delimited_head(bytes: &[u8]) -> Found {
    let begins = starts_with(bytes, DASHES, |a, b| a == b);
    let line = &bytes[..bytes.len().min(MAX_DELIMITER)];
    match memchr(b'\n', line) {
        _ if begins != Found::Yes => begins,
        Some(end) => next_head(&bytes[end + 1..]),
        None if line.len() < MAX_DELIMITER => Found::Unknown,
        None => Found::No,
    }
}

const DASHES: &[u8] = b"--";
const NEXT_HEAD: &[u8] = b"content-";

/// Blanks and line ends that may stand between a picture and the delimiter, in bytes. Chosen: two line ends are seen
/// (VLC, ESP32), the rest is reserve.
const MAX_BLANKS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(line: &[u8]) -> Delimiter {
        let mut delimiter = Delimiter::default();
        delimiter.learn(line);
        delimiter
    }

    #[test]
    fn delimiter_is_found_behind_line_ends_or_none() {
        let delimiter = learnt(b"--frame");
        for after in [
            "\r\n--frame\r\n",
            "--frame",
            "\n\n--frame--",
            "\r\n--other",
            "\r\nContent-Type",
            "--other\r\ncontent-length: 1\r\n",
        ] {
            assert_eq!(delimiter.follows(after.as_bytes()), Found::Yes, "{after:?}");
        }
        for after in ["--other\r\n\r\n", "\r\n-other", "x--frame", "\0\0"] {
            assert_eq!(delimiter.follows(after.as_bytes()), Found::No, "{after:?}");
        }
    }

    #[test]
    fn delimiter_cut_off_by_the_end_of_the_bytes_is_undecided() {
        let delimiter = learnt(b"--frame");
        for after in ["", "\r", "\r\n", "\r\n-", "--fram", "Cont", "--other", "--other\r\nCont"] {
            assert_eq!(delimiter.follows(after.as_bytes()), Found::Unknown, "{after:?}");
        }
    }

    #[test]
    fn closing_dashes_are_not_learnt() {
        assert_eq!(learnt(b"--data-boundary--").text(), Some(b"--data-boundary".as_slice()));
        assert_eq!(learnt(b"--").text(), None);
    }
}
