//! The incremental, tolerant reader.
//!
//! It is always in one of three places: between two pictures (`between.rs`), inside a picture (`picture.rs`, and
//! `damaged.rs` where that shows damage), or over bytes that hold none (`skip.rs`). A place sees the bytes at hand and
//! what the stream has shown so far (`stream.rs`), and answers with a [`Turn`], which the reader carries out.
//!
//! What it decides depends on the bytes and their order only, never on how they were cut into reads; [`Reader::idle`]
//! is the one exception, and only the caller's clock calls it.

mod between;
mod buffer;
mod damaged;
mod picture;
mod skip;
mod stream;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;

use self::{between::Between, buffer::Buffer, picture::Picture, skip::Skip, stream::Stream};
use super::head::Head;
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
    /// The place begins at its first byte.
    buffer: Buffer,
    place: Place<S>,
    stream: Stream,
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

/// What a place has made of the bytes at hand, and where the reader goes on.
struct Turn<S> {
    /// Bytes that are done with. Where the event is a frame they are its picture.
    consumed: usize,
    event: Option<Event<S>>,
    /// The place behind those bytes, unless it is the same.
    next: Option<Place<S>>,
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
            buffer: Buffer::default(),
            place: Place::Between(Between::default()),
            stream: Stream::new(limits),
            events: VecDeque::new(),
            found: Vec::new(),
            more_foreign: 0,
        }
    }

    /// Takes its lengths for right until one proves wrong, as those of bodies before this one were.
    pub fn trust_lengths(&mut self) {
        self.stream.lengths = Lengths::Right;
    }

    /// Where the next bytes of the body go: at least some, at best the rest of the picture under way.
    pub fn space(&mut self) -> &mut [u8] {
        let expected = match &self.place {
            Place::Picture(picture) => picture.length.unwrap_or(self.stream.last_len),
            _ => self.stream.last_len,
        };
        let wanted = memory_for(expected).saturating_sub(self.buffer.data().len()).clamp(MIN_SPACE, MAX_SPACE);
        self.buffer.space(wanted, memory_for(self.stream.last_len))
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
        matches!(&self.place, Place::Between(between) if between.is_closed(self.buffer.data(), &self.stream.delimiter))
    }

    /// Gives out the picture that [is settling](Self::is_settling): nothing came after it for a while.
    pub fn idle(&mut self, stamp: S) {
        if let Place::Picture(picture) = &mut self.place
            && picture.is_settling()
        {
            let turn = picture.settle(self.buffer.data(), &mut self.stream);
            self.carry_out(turn);
            self.go_on(stamp);
        }
    }

    /// Ends the body: the last picture comes out, or counts as damaged where its end is missing.
    pub fn finish(&mut self, stamp: S) {
        while let Place::Picture(picture) = &mut self.place {
            let turn = picture.settle(self.buffer.data(), &mut self.stream);
            self.carry_out(turn);
            self.go_on(stamp);
        }
        self.carry_out(Turn::between(self.buffer.data().len()));
    }

    /// The delimiter that the stream uses, as far as it is known.
    pub fn delimiter(&self) -> Option<&[u8]> {
        self.stream.delimiter.text()
    }

    /// What the stream's Content-Length fields have proved to be worth.
    pub fn lengths(&self) -> Lengths {
        self.stream.lengths
    }

    /// Looks at all that is there, and hands out the pictures found in it.
    fn go_on(&mut self, stamp: S) {
        while let Some(turn) = self.step(stamp) {
            self.carry_out(turn);
        }
        let (Some(first), Some(last)) = (self.found.first(), self.found.last()) else { return };
        let all = first.start..last.end;
        let memory = self.buffer.lend(all.clone(), memory_for(self.stream.last_len));
        let frames = self.events.iter_mut().rev().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        });
        for (frame, place) in frames.zip(self.found.drain(..).rev()) {
            frame.jpeg = memory.slice(place.start - all.start..place.end - all.start);
        }
    }

    /// What the place makes of the bytes at hand; nothing where it needs more of them.
    fn step(&mut self, stamp: S) -> Option<Turn<S>> {
        let (data, stream) = (self.buffer.data(), &mut self.stream);
        match &mut self.place {
            Place::Between(between) => between.step(data, stream, stamp),
            Place::Picture(picture) => picture.step(data, stream, stamp),
            Place::Skip(skip) => skip.step(data, stream, stamp),
        }
    }

    fn carry_out(&mut self, turn: Turn<S>) {
        let Turn { consumed, event, next } = turn;
        match event {
            // It gets its bytes when all that came with it has been looked at.
            Some(Event::Frame(_)) => self.found.push(self.buffer.mark(consumed)),
            _ => self.buffer.consume(consumed),
        }
        if let Some(event) = event {
            self.tell(event);
        }
        if let Some(place) = next {
            self.place = place;
        }
    }

    fn tell(&mut self, event: Event<S>) {
        match event {
            Event::Damaged(_) if self.events.len() >= MAX_EVENTS => {}
            Event::Foreign if self.events.len() >= MAX_EVENTS => self.more_foreign += 1,
            event => self.events.push_back(event),
        }
    }
}

impl<S> Turn<S> {
    /// Goes on in the same place.
    fn stay(consumed: usize) -> Self {
        Self { consumed, event: None, next: None }
    }

    /// Goes on in another place.
    fn enter(consumed: usize, place: Place<S>) -> Self {
        Self { consumed, event: None, next: Some(place) }
    }

    /// Goes on looking for a picture.
    fn between(consumed: usize) -> Self {
        Self::enter(consumed, Place::Between(Between::default()))
    }

    fn telling(self, event: Event<S>) -> Self {
        Self { event: Some(event), ..self }
    }
}

/// Length of memory for pictures of that length: several small ones, so that a flood of them is read by few calls, or
/// one large one and the next head, so that little has to be moved when it leaves.
fn memory_for(expected: usize) -> usize {
    if expected < LARGE { (SEVERAL * expected).max(SPACE) } else { expected.saturating_add(NEXT_HEAD) }
}

/// What came before a picture.
#[derive(Debug, Default)]
struct Lead {
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

/// From here on a picture is large, in bytes, and how many smaller ones there is memory for at once. Chosen: the
/// pictures of one read leave with one memory, and whoever keeps one of them keeps all.
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
