//! Between two pictures: lines that are delimiters, fields of a head, or junk, until a picture starts.

use memchr::memchr2;

use super::{Place, Reader, Skip, Start, Step};
use crate::{
    jpeg,
    multipart::{
        delimiter::Delimiter,
        head::{Head, Line, begins_head},
    },
};

#[derive(Debug, Default)]
pub(super) struct Between {
    head: Head,
    /// Bytes of the part's body so far, once its head is complete.
    body: Option<u64>,
    /// A delimiter came since the place was entered.
    delimited: bool,
    /// How far the current line was searched for its end and for the start of a picture.
    searched: usize,
    /// The current line is longer than [`MAX_LINE`]: its beginning is gone.
    overlong: bool,
}

/// What ends the search of a line.
enum Landmark {
    LineFeed(usize),
    Picture(usize),
    /// None up to here.
    None(usize),
}

impl Between {
    fn skip(&mut self, count: usize) {
        self.searched = 0;
        self.body = self.body.map(|body| body + count as u64);
    }

    fn take(&mut self, line: &[u8], delimiter: &mut Delimiter) {
        match Line::of(line) {
            Line::Blank if self.head.has_fields() && self.body.is_none() => self.body = Some(0),
            Line::Delimiter(text, glued) => {
                delimiter.learn(text);
                *self = Self { delimited: true, ..Self::default() };
                if let Some(field) = glued {
                    self.head.field(field);
                }
            }
            // A head without a delimiter, straight after a part that had no picture.
            Line::Field(field) if self.body.is_some() && begins_head(field) => {
                *self = Self { delimited: self.delimited, ..Self::default() };
                self.head.field(field);
            }
            Line::Field(field) if self.body.is_none() => self.head.field(field),
            Line::Folded(more) if self.body.is_none() => self.head.folded(more),
            Line::Blank | Line::Field(_) | Line::Folded(_) | Line::Other => {}
        }
    }
}

impl<S: Copy> Reader<S> {
    pub(super) fn step_between(&mut self, stamp: S) -> Step {
        let Place::Between(between) = &mut self.place else { return Step::Next };
        let data = self.buffer.data();
        match landmark(data, between.searched) {
            Landmark::LineFeed(at) => {
                let whole = !std::mem::take(&mut between.overlong) && at <= MAX_LINE;
                between.skip(at + 1);
                if whole {
                    between.take(&data[..at], &mut self.delimiter);
                }
                self.buffer.consume(at + 1);
                if between.body == Some(0) && between.head.is_foreign() {
                    let head = std::mem::take(&mut between.head);
                    self.place = Place::Skip(Skip::foreign(head));
                }
            }
            Landmark::Picture(at) => {
                if between.body.is_none() && !between.overlong && at <= MAX_LINE {
                    // What stands before a picture on its line may be a field whose line end is missing.
                    between.take(&data[..at], &mut self.delimiter);
                }
                let Between { head, body, delimited, .. } = std::mem::take(between);
                let body = body.map_or(0, |body| body + at as u64);
                self.buffer.consume(at);
                self.enter_picture(Start { head, body, delimited }, stamp);
            }
            Landmark::None(searched) => {
                between.searched = searched;
                if searched > MAX_LINE {
                    between.overlong = true;
                    between.skip(searched);
                    self.buffer.consume(searched);
                }
                return Step::NeedsBytes;
            }
        }
        Step::Next
    }
}

/// Finds the next line end or start of a picture. Bytes before `searched` hold neither.
fn landmark(data: &[u8], searched: usize) -> Landmark {
    let mut at = searched;
    while let Some(found) = memchr2(b'\n', jpeg::START[0], &data[at..]) {
        at += found;
        if data[at] == b'\n' {
            return Landmark::LineFeed(at);
        }
        let start = &data[at..data.len().min(at + jpeg::START.len())];
        if start == jpeg::START {
            return Landmark::Picture(at);
        }
        if start.len() < jpeg::START.len() && jpeg::START.starts_with(start) {
            return Landmark::None(at);
        }
        at += 1;
    }
    Landmark::None(data.len())
}

/// Longest line kept between two pictures, in bytes. Chosen near Apache httpd's default for one field (8190), doubled.
/// Too small loses what a chatty head says, too large is memory that each peer may hold.
const MAX_LINE: usize = 16 * 1024;
