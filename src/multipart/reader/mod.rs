//! The incremental, tolerant reader.
//!
//! It is always in one of three places: between two pictures (`between.rs`), inside a picture (`picture.rs`, and
//! `damaged.rs` where that shows damage), or over bytes that hold none (`skip.rs`). What it decides depends on the bytes
//! and their order only, never on how they were cut into reads; [`Reader::idle`] is the one exception, and only the
//! caller's clock calls it.

mod between;
mod buffer;
mod damaged;
mod picture;
mod skip;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;

use self::{between::Between, buffer::Buffer, picture::Picture, skip::Skip};
use super::{delimiter::Delimiter, head::Head};
use crate::jpeg::{Damage, Header};

/// Reads pictures out of a response body, whatever its framing.
///
/// Drive it so: read bytes into [`space`](Self::space), say how many with [`filled`](Self::filled), take the
/// [`Event`]s with [`next`](Self::next) until there are none. When [`is_settling`](Self::is_settling) and no byte came
/// for a short while, call [`idle`](Self::idle); at the end of the body call [`finish`](Self::finish).
///
/// `S` is a stamp of the caller's, such as a time: each frame carries the one that came with its first byte.
///
/// # Examples
///
/// ```
/// use gstmjpeghttp::multipart::{Limits, Reader};
///
/// let mut reader = Reader::new(Limits::default());
/// reader.push(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", ());
/// assert_eq!(reader.next(), None);
/// ```
#[derive(Debug)]
pub struct Reader<S> {
    limits: Limits,
    /// The place begins at its first byte.
    buffer: Buffer,
    place: Place<S>,
    delimiter: Delimiter,
    lengths: Lengths,
    /// A right length was greater than its picture: the camera pads them.
    pads: bool,
    /// Length of the last picture: the next one is likely to be as long.
    last_len: usize,
    /// The last picture stood at the beginning of its part, or nearly.
    tidy: bool,
    /// Damaged pictures since the last whole one.
    damaged_in_a_row: usize,
    events: VecDeque<Event<S>>,
    /// Where the pictures stand in the buffer that have come out and not been given their bytes.
    found: Vec<Range<usize>>,
    /// Foreign parts for which there was no room among the events.
    more_foreign: u64,
}

/// What a reader may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest picture accepted, in bytes. A longer one is dropped as damaged.
    pub max_frame: usize,
}

/// What came out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<S> {
    /// A whole picture.
    Frame(Frame<S>),
    /// A picture was lost. No more than `MAX_EVENTS` are kept between two calls of [`next`](Reader::next).
    Damaged(Damage),
    /// A part of another type was skipped. Those beyond `MAX_EVENTS` come behind all other events.
    Foreign,
}

/// A whole picture and what its head said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<S> {
    /// The picture, from its start of image on.
    pub jpeg: Bytes,
    /// Its size and components.
    pub header: Header,
    /// The value of the part's `X-Timestamp`, as it stands there.
    pub timestamp: Option<String>,
    /// The caller's stamp that came with the picture's first byte.
    pub stamp: S,
}

/// What the stream's Content-Length fields have proved to be worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lengths {
    /// None was put to the test yet.
    #[default]
    Unproven,
    /// The last one was right.
    Right,
    /// The last one was wrong.
    Wrong,
}

#[derive(Debug)]
enum Place<S> {
    Between(Between),
    Picture(Picture<S>),
    Skip(Skip),
}

/// Whether a step got anywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Next,
    NeedsBytes,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_frame: DEFAULT_MAX_FRAME }
    }
}

impl<S: Copy> Reader<S> {
    /// A reader at the start of a body.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Buffer::default(),
            place: Place::Between(Between::default()),
            delimiter: Delimiter::default(),
            lengths: Lengths::default(),
            pads: false,
            last_len: 0,
            tidy: false,
            damaged_in_a_row: 0,
            events: VecDeque::new(),
            found: Vec::new(),
            more_foreign: 0,
        }
    }

    /// Where the next bytes of the body go: at least some, at best the rest of the picture under way.
    pub fn space(&mut self) -> &mut [u8] {
        let expected = match &self.place {
            Place::Picture(picture) => picture.length().unwrap_or(self.last_len),
            _ => self.last_len,
        };
        let wanted = memory_for(expected).saturating_sub(self.buffer.data().len()).clamp(MIN_SPACE, MAX_SPACE);
        self.buffer.space(wanted, memory_for(self.last_len))
    }

    /// Takes the first `count` bytes of [`space`](Self::space) as the next bytes of the body.
    pub fn filled(&mut self, count: usize, stamp: S) {
        self.buffer.filled(count);
        self.go_on(stamp);
    }

    /// Takes a copy of `bytes` as the next bytes of the body.
    pub fn push(&mut self, mut bytes: &[u8], stamp: S) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.filled(count, stamp);
            bytes = &bytes[count..];
        }
    }

    /// What came out since the last call, the oldest first.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ended must not go on")]
    pub fn next(&mut self) -> Option<Event<S>> {
        self.events.pop_front().or_else(|| {
            self.more_foreign = self.more_foreign.checked_sub(1)?;
            Some(Event::Foreign)
        })
    }

    /// Whether a picture is in whole and only waits for the bytes after it to confirm its length.
    pub fn is_settling(&self) -> bool {
        matches!(&self.place, Place::Picture(picture) if picture.is_settling())
    }

    /// Whether a picture has begun and not come out yet.
    pub fn is_in_picture(&self) -> bool {
        matches!(self.place, Place::Picture(_))
    }

    /// Whether the last that came is a delimiter that closes the body. Only a hint: Kasa ends all of its so.
    pub fn is_closed(&self) -> bool {
        matches!(&self.place, Place::Between(between) if between.is_closed(self.buffer.data(), &self.delimiter))
    }

    /// Gives out the picture that [is settling](Self::is_settling): nothing came after it for a while.
    pub fn idle(&mut self, stamp: S) {
        if self.is_settling() {
            self.settle();
            self.go_on(stamp);
        }
    }

    /// Ends the body: the last picture comes out, or counts as damaged where its end is missing.
    pub fn finish(&mut self, stamp: S) {
        while let Place::Picture(_) = self.place {
            self.settle();
            self.go_on(stamp);
        }
        self.enter_between(self.buffer.data().len());
    }

    /// The delimiter that the stream uses, as far as it is known.
    pub fn delimiter(&self) -> Option<&[u8]> {
        self.delimiter.text()
    }

    /// What the stream's Content-Length fields have proved to be worth.
    pub fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Tells that a picture was lost.
    fn tell_damaged(&mut self, damage: Damage) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(Event::Damaged(damage));
        }
    }

    /// Tells that a foreign part was skipped.
    fn tell_foreign(&mut self) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(Event::Foreign);
        } else {
            self.more_foreign += 1;
        }
    }

    /// Looks at all that is there, and hands out the pictures found in it.
    fn go_on(&mut self, stamp: S) {
        while self.step(stamp) == Step::Next {}
        let (Some(first), Some(last)) = (self.found.first(), self.found.last()) else { return };
        let all = first.start..last.end;
        let memory = self.buffer.lend(all.clone(), memory_for(self.last_len));
        let frames = self.events.iter_mut().rev().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        });
        for (frame, place) in frames.zip(self.found.drain(..).rev()) {
            frame.jpeg = memory.slice(place.start - all.start..place.end - all.start);
        }
    }

    fn step(&mut self, stamp: S) -> Step {
        match self.place {
            Place::Between(_) => self.step_between(stamp),
            Place::Picture(_) => self.step_picture(stamp),
            Place::Skip(_) => self.step_skip(stamp),
        }
    }

    /// Looks for a picture behind the first `count` bytes.
    fn enter_between(&mut self, count: usize) {
        self.buffer.consume(count);
        self.place = Place::Between(Between::default());
    }

    /// The picture begins at the first byte of the buffer.
    fn enter_picture(&mut self, part: Start, stamp: S) {
        let length = part.head.length().and_then(|len| usize::try_from(len.checked_sub(part.body)?).ok());
        let length = length.filter(|len| *len <= self.limits.max_frame && *len > 0);
        self.place = Place::Picture(Picture::new(part, length, stamp));
    }
}

/// Length of memory for pictures of that length: several small ones, so that a flood of them is read by few calls, or one
/// large one and the next head, so that little has to be moved when it leaves.
fn memory_for(expected: usize) -> usize {
    if expected < LARGE { (SEVERAL * expected).max(SPACE) } else { expected.saturating_add(NEXT_HEAD) }
}

/// What came before a picture.
#[derive(Debug, Default)]
struct Start {
    head: Head,
    /// Bytes of its part before it.
    body: u64,
    /// As many of these bytes as a picture has at least are not blank.
    behind_junk: bool,
    /// A delimiter stood there.
    delimited: bool,
}

/// Longest picture accepted unless told otherwise, in bytes. Chosen: a 24-megapixel photograph at the best quality
/// has about 20 MB. Too small loses pictures, too large is memory that a hostile camera may hold.
const DEFAULT_MAX_FRAME: usize = 32 * 1024 * 1024;

/// From here on a picture is large, in bytes, and how many smaller ones there is memory for at once. Chosen: the pictures
/// of one read leave with one memory, and whoever keeps one of them keeps all.
const LARGE: usize = 128 * 1024;
const SEVERAL: usize = 3;

/// What is offered for a read before the first picture, and at least, in bytes.
const SPACE: usize = 64 * 1024;

/// Bytes offered behind a picture: the delimiter, the next head, and a little.
const NEXT_HEAD: usize = 512;

/// Least and most space offered for one read, in bytes. Chosen: the lower bound keeps pictures that grow from being
/// read in crumbs, the upper one keeps a length that lies from reserving memory that never fills.
const MIN_SPACE: usize = 4 * 1024;
const MAX_SPACE: usize = 1024 * 1024;

/// Events not taken yet beyond which no damage is told, and foreign parts are only counted. Chosen: no camera sends as
/// many in one read. Without it a megabyte of nothing but starts would make ten of events.
const MAX_EVENTS: usize = 1024;
