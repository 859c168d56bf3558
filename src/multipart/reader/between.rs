//! Between two pictures: lines that are delimiters, fields of a head, or junk, until a picture starts.

use memchr::memchr2;

use super::{Event, Lead, Picture, Place, Skip, Stream, Turn};
use crate::{
    jpeg::{self, Damage},
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
    /// Those of them that are not blank.
    junk: usize,
    /// A delimiter came since the place was entered.
    delimited: bool,
    /// It had the dashes of the last one at its end, and nothing but blanks followed.
    closed: bool,
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
    pub(super) fn step<S>(&mut self, data: &[u8], stream: &mut Stream, stamp: S) -> Option<Turn<S>> {
        match landmark(data, self.searched) {
            Landmark::LineFeed(at) => self.line(&data[..at], &mut stream.delimiter),
            Landmark::Picture(at) => {
                if self.body.is_none() && !self.overlong && at <= MAX_LINE {
                    // What stands before a picture on its line may be a field whose line end is missing.
                    self.take(&data[..at], &mut stream.delimiter);
                }
                let lead = std::mem::take(self).lead(&data[..at]);
                Some(Turn::enter(at, Place::Picture(Picture::new(lead, stream.limits, stamp))))
            }
            Landmark::None(searched) if searched > MAX_LINE => {
                self.overlong = true;
                self.pass_over(&data[..searched]);
                self.skip(searched);
                Some(Turn::stay(searched))
            }
            Landmark::None(searched) => {
                self.searched = searched;
                None
            }
        }
    }

    /// A line, or the rest of one, ends: `line` and a line feed. The answer is that of [`step`](Self::step), made here
    /// in one piece: to wrap it there would copy a place for every line.
    fn line<S>(&mut self, line: &[u8], delimiter: &mut Delimiter) -> Option<Turn<S>> {
        let consumed = line.len() + 1;
        let whole = !std::mem::take(&mut self.overlong) && line.len() <= MAX_LINE;
        self.skip(consumed);
        if !whole {
            self.pass_over(line);
        }
        let lost = whole && self.take(line, delimiter);
        let event = lost.then_some(Event::Damaged(Damage::NotJpeg));
        if self.body == Some(0) && self.head.is_foreign() {
            let skip = Skip::foreign(std::mem::take(&mut self.head));
            return Some(Turn { consumed, event, next: Some(Place::Skip(skip)) });
        }
        Some(Turn { consumed, event, next: None })
    }

    /// Leaves so many bytes behind.
    fn skip(&mut self, count: usize) {
        self.searched = 0;
        self.body = self.body.map(|body| body + count as u64);
    }

    /// Takes a line, or a piece of one, that is too long to be anything but what a part holds.
    fn pass_over(&mut self, line: &[u8]) {
        if self.body.is_some() {
            self.junk += weight(line);
        }
    }

    /// Takes a line. Returns whether it ends a part that was announced as a picture and held data, but no start of
    /// image.
    fn take(&mut self, line: &[u8], delimiter: &mut Delimiter) -> bool {
        let lost = self.junk >= MIN_PICTURE && self.head.is_picture();
        let line_is = Line::of(line);
        self.closed &= line_is == Line::Blank;
        match line_is {
            Line::Blank if self.head.has_fields() && self.body.is_none() => self.body = Some(0),
            Line::Delimiter(text, glued) => {
                delimiter.learn(text);
                *self = Self { delimited: true, closed: text.ends_with(DASHES), ..Self::default() };
                if let Some(field) = glued {
                    self.head.field(field);
                }
                return lost;
            }
            // A head without a delimiter, straight after a part that had no picture.
            Line::Field(field) if self.body.is_some() && begins_head(field) => {
                *self = Self { delimited: self.delimited, ..Self::default() };
                self.head.field(field);
                return lost;
            }
            Line::Field(field) if self.body.is_none() => self.head.field(field),
            Line::Folded(more) if self.body.is_none() => self.head.folded(more),
            _ if self.body.is_some() => {
                // Some cameras forget the line end before the delimiter.
                if let Some(at) = delimiter.find_in(line).filter(|at| *at > 0) {
                    self.junk += at;
                    return self.take(&line[at..], delimiter);
                }
                self.junk += weight(line);
            }
            Line::Blank | Line::Field(_) | Line::Folded(_) | Line::Other => {}
        }
        false
    }

    /// Whether a closing delimiter is the last that came; `rest` is what follows the last line end.
    pub(super) fn is_closed(&self, rest: &[u8], delimiter: &Delimiter) -> bool {
        match rest.trim_ascii() {
            [] => self.closed,
            rest => delimiter.text().is_some() && rest.strip_suffix(DASHES) == delimiter.text(),
        }
    }

    /// What came before the picture that begins behind these bytes of a line.
    fn lead(self, line: &[u8]) -> Lead {
        let Self { head, body, junk, delimited, overlong, .. } = self;
        // Of a line that comes in several reads, what is too long is gone by now; in one read all of it is there.
        let overlong = overlong || line.len() > MAX_LINE;
        let behind_junk = body.is_some() && (overlong || junk + weight(line) >= MIN_PICTURE);
        Lead { head, body: body.map_or(0, |body| body + line.len() as u64), behind_junk, delimited }
    }
}

/// How many bytes are not blank: as many however a line is cut.
fn weight(line: &[u8]) -> usize {
    line.iter().filter(|byte| !byte.is_ascii_whitespace()).count()
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

/// Bytes that can be what is left of a picture's start. Chosen: what stands before a thumbnail is longer; heartbeats,
/// and what some boards send before each picture, are shorter.
pub(super) const MIN_PICTURE: usize = 16;

/// RFC 2046 5.1.1: stands behind the last delimiter.
const DASHES: &[u8] = b"--";

/// Longest line kept between two pictures, in bytes. Chosen near Apache httpd's default for one field (8190), doubled.
/// Too small loses what a chatty head says, too large is memory that each peer may hold.
const MAX_LINE: usize = 16 * 1024;
