//! Between two pictures: lines that are delimiters, fields of a head, or junk, until a picture starts.

use memchr::memchr2;

use super::{Foreign, Place, Reader, Step};
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
    /// After damage in a stream that has delimiters: no picture starts before the next delimiter or head, so that a
    /// thumbnail inside the damaged picture does not pass for one. Holds for [`MAX_LOST`] bytes.
    lost: bool,
    /// Bytes taken since the place was entered or the last delimiter.
    skipped: usize,
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
    pub(super) fn new(lost: bool) -> Self {
        Self { lost, ..Self::default() }
    }

    fn skip(&mut self, count: usize) {
        self.searched = 0;
        self.skipped += count;
        self.body = self.body.map(|body| body + count as u64);
    }

    fn take(&mut self, line: &[u8], delimiter: &mut Delimiter) {
        match Line::of(line) {
            Line::Blank if self.head.has_fields() && self.body.is_none() => self.body = Some(0),
            Line::Delimiter(text, glued) => {
                delimiter.learn(text);
                *self = Self::default();
                if let Some(field) = glued {
                    self.head.field(field);
                }
            }
            // A head without a delimiter, straight after a part that had no picture.
            Line::Field(field) if (self.body.is_some() || self.lost) && begins_head(field) => {
                *self = Self::default();
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
        let data = &self.buffer[..self.filled];
        let pictures_from =
            if between.lost && self.delimiter.text().is_some() { MAX_LOST.saturating_sub(between.skipped) } else { 0 };
        match landmark(data, between.searched, pictures_from) {
            Landmark::LineFeed(at) => {
                let whole = !between.overlong && at <= MAX_LINE;
                between.overlong = false;
                between.skip(at + 1);
                let line = self.buffer.split_to(at + 1);
                self.filled -= line.len();
                if whole {
                    between.take(&line[..at], &mut self.delimiter);
                }
                if between.body == Some(0) && between.head.is_foreign() {
                    let head = std::mem::take(&mut between.head);
                    self.place = Place::Foreign(Foreign::new(head));
                }
            }
            Landmark::Picture(at) => {
                if between.body.is_none() && !between.overlong && at <= MAX_LINE {
                    // What stands before a picture on its line may be a field whose line end is missing.
                    between.take(&data[..at], &mut self.delimiter);
                }
                let body = between.body.map_or(0, |body| body + at as u64);
                let head = std::mem::take(&mut between.head);
                self.consume(at);
                self.enter_picture(head, body, stamp);
            }
            Landmark::None(searched) => {
                between.searched = searched;
                if searched > MAX_LINE {
                    between.overlong = true;
                    between.skip(searched);
                    self.consume(searched);
                }
                return Step::NeedsBytes;
            }
        }
        Step::Next
    }
}

/// Finds the next line end or start of a picture. Starts before `pictures_from` do not count, bytes before `searched`
/// hold neither.
fn landmark(data: &[u8], searched: usize, pictures_from: usize) -> Landmark {
    let mut at = searched;
    while let Some(found) = memchr2(b'\n', jpeg::START[0], &data[at..]) {
        at += found;
        if data[at] == b'\n' {
            return Landmark::LineFeed(at);
        }
        let start = &data[at..data.len().min(at + jpeg::START.len())];
        if start == jpeg::START && at >= pictures_from {
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

/// Bytes skipped after damage before any start of image counts again. Chosen: more than most pictures have. Too small
/// shows a thumbnail, too large loses pictures of a stream that stopped using delimiters.
const MAX_LOST: usize = 1024 * 1024;
