//! Inside a part that its head declares to be something else: skipped up to the next delimiter.

use memchr::memchr;

use super::{Event, Place, Reader, Step};
use crate::{
    jpeg,
    multipart::head::{Head, Line, begins_head},
};

#[derive(Debug)]
pub(super) struct Foreign {
    /// Its head, until its first bytes have shown that it is no picture after all.
    head: Option<Head>,
    /// Bytes left of its declared length.
    left: Option<u64>,
    /// The current line's beginning is gone.
    overlong: bool,
    /// The line before looked like a delimiter, but not like the one that the stream used so far.
    renamed: bool,
}

impl Foreign {
    pub(super) fn new(head: Head) -> Self {
        Self { left: head.length(), head: Some(head), overlong: false, renamed: false }
    }
}

impl<S: Copy> Reader<S> {
    pub(super) fn step_foreign(&mut self, stamp: S) -> Step {
        let Place::Foreign(foreign) = &mut self.place else { return Step::Next };
        if foreign.head.is_some() {
            return self.first_bytes(stamp);
        }
        let data = &self.buffer[..self.filled];
        let left = foreign.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let line_end = memchr(b'\n', data).map(|at| at + 1);
        match line_end {
            _ if left == 0 => {
                self.enter_between(false);
                return Step::Next;
            }
            Some(end) if end <= left => {
                let line = Line::of(&data[..end]);
                let whole = !std::mem::take(&mut foreign.overlong);
                let ends = match line {
                    Line::Delimiter(text, _) => whole && self.delimiter.is(text),
                    Line::Field(field) => foreign.renamed && begins_head(field),
                    _ => false,
                };
                foreign.renamed = whole && matches!(line, Line::Delimiter(..));
                if ends {
                    self.enter_between(false);
                } else {
                    self.skip(end);
                }
            }
            _ if data.len() >= left => self.skip(left),
            _ if data.len() > MAX_LINE => {
                foreign.overlong = true;
                self.skip(data.len());
                return Step::NeedsBytes;
            }
            _ => return Step::NeedsBytes,
        }
        Step::Next
    }

    fn first_bytes(&mut self, stamp: S) -> Step {
        let Place::Foreign(foreign) = &mut self.place else { return Step::Next };
        let start = &self.buffer[..self.filled.min(jpeg::START.len())];
        if start == jpeg::START {
            // Whatever its type says, it is a picture.
            let head = foreign.head.take().unwrap_or_default();
            self.enter_picture(head, 0, stamp);
        } else if start.len() < jpeg::START.len() && jpeg::START.starts_with(start) {
            return Step::NeedsBytes;
        } else {
            foreign.head = None;
            if foreign.left.is_none() && self.delimiter.text().is_none() {
                // Nothing tells where it ends, so look for the next picture.
                self.enter_between(false);
            }
            self.events.push_back(Event::Foreign);
        }
        Step::Next
    }

    fn skip(&mut self, count: usize) {
        self.consume(count);
        if let Place::Foreign(foreign) = &mut self.place {
            foreign.left = foreign.left.map(|left| left.saturating_sub(count as u64));
        }
    }
}

/// Longest line looked at whole, in bytes: no delimiter is as long.
const MAX_LINE: usize = 1024;
