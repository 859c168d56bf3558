//! Over bytes that hold no picture: a part that its head declares to be something else, or what is left of a damaged
//! picture, so that a thumbnail in it does not pass for a picture. Ends at the next delimiter.

use memchr::memchr;

use super::{Place, Reader, Start, Step};
use crate::{
    jpeg,
    multipart::{
        delimiter::Found,
        head::{Head, Line, MAX_DELIMITER, begins_head},
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
}

impl<S: Copy> Reader<S> {
    pub(super) fn step_skip(&mut self, stamp: S) -> Step {
        let Place::Skip(skip) = &mut self.place else { return Step::Next };
        if skip.head.is_some() {
            return self.first_bytes(stamp);
        }
        if skip.left == Some(0) {
            return self.declared_end();
        }
        let left = skip.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let data = self.buffer.data();
        if skip.renamed == Renamed::Body {
            let start = &data[..data.len().min(jpeg::START.len())];
            if start == jpeg::START {
                self.enter_between(0);
                return Step::Next;
            }
            if jpeg::START.starts_with(start) {
                return Step::NeedsBytes;
            }
            skip.renamed = Renamed::No;
        }
        let line = &data[..data.len().min(left).min(MAX_LINE)];
        let (line, count) = match memchr(b'\n', line) {
            Some(at) => (&line[..=at], at + 1),
            None if line.len() == left => (line, left),
            // A delimiter may begin in what is looked at and end behind it.
            None if line.len() == MAX_LINE => (line, MAX_LINE - MAX_DELIMITER),
            None => return Step::NeedsBytes,
        };
        // A delimiter stands on a line of its own, but for the data of cameras that forget the line end before it.
        if let Some(at) = self.delimiter.find_in(line) {
            self.enter_between(at);
            return Step::Next;
        }
        let whole = !skip.overlong && line.ends_with(b"\n");
        skip.overlong = !line.ends_with(b"\n");
        match Line::of(line) {
            Line::Field(field) if whole && skip.renamed == Renamed::Head && begins_head(field) => {
                self.enter_between(0);
                return Step::Next;
            }
            Line::Delimiter(..) if whole => skip.renamed = Renamed::Head,
            Line::Field(_) if whole && skip.renamed == Renamed::Head => {}
            Line::Blank if whole && skip.renamed == Renamed::Head => skip.renamed = Renamed::Body,
            _ => skip.renamed = Renamed::No,
        }
        skip.left = skip.left.map(|left| left.saturating_sub(count as u64));
        self.buffer.consume(count);
        Step::Next
    }

    /// Its length is over. Without a delimiter there, as the stream has them, that was too small: the rest of a text
    /// must not pass for a picture.
    fn declared_end(&mut self) -> Step {
        let Place::Skip(skip) = &mut self.place else { return Step::Next };
        let delimited = skip.declared && self.delimiter.text().is_some();
        match self.delimiter.follows(self.buffer.data()) {
            Found::Unknown if delimited => return Step::NeedsBytes,
            Found::No if delimited => *skip = Skip::lost(),
            _ => self.enter_between(0),
        }
        Step::Next
    }

    fn first_bytes(&mut self, stamp: S) -> Step {
        let Place::Skip(skip) = &mut self.place else { return Step::Next };
        let data = self.buffer.data();
        let start = &data[..data.len().min(jpeg::START.len())];
        if start == jpeg::START {
            // Whatever its type says, it is a picture.
            let head = skip.head.take().unwrap_or_default();
            self.enter_picture(Start { head, delimited: self.delimiter.text().is_some(), ..Start::default() }, stamp);
        } else if start.len() < jpeg::START.len() && jpeg::START.starts_with(start) {
            return Step::NeedsBytes;
        } else {
            skip.head = None;
            if skip.left.is_none() && self.delimiter.text().is_none() {
                // Nothing tells where it ends, so look for the next picture.
                self.enter_between(0);
            }
            self.tell_foreign();
        }
        Step::Next
    }
}

/// Longest line looked at whole, in bytes: no delimiter is as long.
const MAX_LINE: usize = 1024;

/// Bytes skipped after damage before any start of image counts again. Chosen: more than most pictures have. Too small
/// shows a thumbnail, too large loses pictures of a stream that stopped using delimiters.
const MAX_LOST: u64 = 1024 * 1024;
