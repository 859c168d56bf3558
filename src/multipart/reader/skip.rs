//! Over bytes that hold no picture: a part that its head declares to be something else, or what is left of a damaged
//! picture, so that a thumbnail in it does not pass for a picture. Ends at the next delimiter.

use memchr::memchr;

use super::{Event, Lead, Picture, Place, Stream, Turn};
use crate::{
    jpeg,
    multipart::{
        delimiter::Found,
        head::{Head, Line, MAX_DELIMITER, begins_head, ends_with_delimiter},
    },
};

#[derive(Debug)]
pub(super) struct Skip {
    /// The head of a foreign part, until its first bytes have shown that it is no picture after all.
    head: Option<Head>,
    /// Bytes after which it ends without a delimiter.
    left: Option<u64>,
    /// `left` is the length that its head declares, to be confirmed by a delimiter.
    declared: bool,
    /// The current line's beginning is gone.
    overlong: bool,
    renamed: Renamed,
}

/// Whether a line looked like a delimiter, but not like the one that the stream used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renamed {
    No,
    /// It did, and what follows may be its head.
    Head,
    /// So it did, and its head is over: a picture would begin here.
    Body,
}

impl Skip {
    pub(super) fn foreign(head: Head) -> Self {
        Self { left: head.length(), declared: true, head: Some(head), overlong: false, renamed: Renamed::No }
    }

    pub(super) fn lost() -> Self {
        Self { left: Some(MAX_LOST), declared: false, head: None, overlong: false, renamed: Renamed::No }
    }

    pub(super) fn step<S>(&mut self, data: &[u8], stream: &Stream, stamp: S) -> Option<Turn<S>> {
        if self.head.is_some() {
            return self.first_bytes(data, stream, stamp);
        }
        if self.left == Some(0) {
            return self.declared_end(data, stream);
        }
        if self.renamed == Renamed::Body {
            match picture_begins(data) {
                Found::Yes => return Some(Turn::between(0)),
                Found::Unknown => return None,
                Found::No => self.renamed = Renamed::No,
            }
        }
        let left = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let line = &data[..data.len().min(left).min(MAX_LINE)];
        let (line, count) = match memchr(b'\n', line) {
            Some(at) => (&line[..=at], at + 1),
            None if line.len() == left => (line, left),
            // A delimiter may begin in what is looked at and end behind it.
            None if line.len() == MAX_LINE => (line, MAX_LINE - MAX_DELIMITER),
            None => return None,
        };
        // A delimiter stands on a line of its own, but for the data of cameras that forget the line end before it.
        if let Some(at) = stream.delimiter.find_in(line) {
            return Some(Turn::between(at));
        }
        let whole = !self.overlong && line.ends_with(b"\n");
        self.overlong = !line.ends_with(b"\n");
        match Line::of(line) {
            Line::Field(field) if whole && self.renamed == Renamed::Head && begins_head(field) => {
                return Some(Turn::between(0));
            }
            Line::Delimiter(..) if whole => self.renamed = Renamed::Head,
            Line::Field(_) if whole && self.renamed == Renamed::Head => {}
            Line::Blank if whole && self.renamed == Renamed::Head => self.renamed = Renamed::Body,
            _ if line.ends_with(b"\n") && ends_with_delimiter(line) => self.renamed = Renamed::Head,
            _ => self.renamed = Renamed::No,
        }
        self.left = self.left.map(|left| left.saturating_sub(count as u64));
        Some(Turn::stay(count))
    }

    /// Its first bytes show whether it is a picture, whatever its type says.
    fn first_bytes<S>(&mut self, data: &[u8], stream: &Stream, stamp: S) -> Option<Turn<S>> {
        match picture_begins(data) {
            Found::Unknown => None,
            Found::Yes => {
                let head = self.head.take().unwrap_or_default();
                let lead = Lead { head, delimited: stream.has_delimiter(), ..Lead::default() };
                Some(Turn::enter(0, Place::Picture(Picture::new(lead, stream.limits, stamp))))
            }
            Found::No => {
                self.head = None;
                let has_end = self.left.is_some() || stream.has_delimiter();
                // Where nothing tells its end, look for the next picture.
                let turn = if has_end { Turn::stay(0) } else { Turn::between(0) };
                Some(turn.telling(Event::Foreign))
            }
        }
    }

    /// Its length is over. Without a delimiter there, as the stream has them, that was too small: the rest of a text
    /// must not pass for a picture.
    fn declared_end<S>(&self, data: &[u8], stream: &Stream) -> Option<Turn<S>> {
        let delimited = self.declared && stream.has_delimiter();
        match stream.delimiter.follows(data) {
            Found::Unknown if delimited => None,
            Found::No if delimited => Some(Turn::enter(0, Place::Skip(Self::lost()))),
            _ => Some(Turn::between(0)),
        }
    }
}

fn picture_begins(data: &[u8]) -> Found {
    let start = &data[..data.len().min(jpeg::START.len())];
    if start == jpeg::START {
        Found::Yes
    } else if jpeg::START.starts_with(start) {
        Found::Unknown
    } else {
        Found::No
    }
}

/// Longest line looked at whole, in bytes: no delimiter is as long.
const MAX_LINE: usize = 1024;

/// Bytes skipped after damage before any start of image counts again. Chosen: more than most pictures have. Too small
/// shows a thumbnail, too large loses pictures of a stream that stopped using delimiters.
const MAX_LOST: u64 = 1024 * 1024;
