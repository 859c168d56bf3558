//! The body of an answer: from the connection through its coding into the reader.

use std::time::{Duration, Instant};

use super::{
    ClientError, Options, Receiver,
    beginning::text_start,
    coding::Coding,
    connection::{Connection, Read},
    patience::{OVERDUE, Patience},
    pictures::Pictures,
};
use crate::{http::ResponseHead, jpeg};

/// The body of an answer, on its way into the reader.
pub(super) struct Body<'a, R: Receiver> {
    /// None once the body has begun, and turned out to come as it is.
    coding: Option<Coding>,
    kind: Kind,
    /// Bytes that the answer says it has, and those that came.
    length: Option<u64>,
    bytes: u64,
    /// The answer before this one was a picture as long as it said.
    trusted: bool,
    pictures: Pictures<'a, R>,
}

/// What a whole answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Single {
    /// A picture, and the body was just as long as the answer said.
    Exact,
    /// A picture.
    Whole,
    /// A damaged picture, from a camera that was polled.
    Damaged,
}

/// What the answer calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A stream of parts.
    Multipart,
    /// One picture, most likely.
    Image,
    Other,
}

impl<'a, R: Receiver> Body<'a, R> {
    /// What follows this head. `before` is what was answered to the request before.
    pub(super) fn new(options: &Options, head: &ResponseHead, before: Option<Single>, receiver: &'a R) -> Self {
        let media_type = head.media_type();
        let is_chunked = head.is_chunked();
        let max_frame = u64::try_from(options.limits.max_frame).unwrap_or(u64::MAX);
        let most_bytes = max_frame.saturating_mul(2).max(MIN_BYTES_WITHOUT_PICTURE);
        let patience = Patience::new(options.patience, most_bytes, Instant::now());
        let mut body = Self {
            kind: match media_type.essence() {
                _ if media_type.is_multipart() => Kind::Multipart,
                essence if essence.starts_with("image/") => Kind::Image,
                _ => Kind::Other,
            },
            length: match head.status() {
                // RFC 9112 6.3: no body, and chunks know their own end.
                204 => Some(0),
                _ if is_chunked => None,
                _ => head.field_value("content-length").and_then(|value| value.parse().ok()),
            },
            trusted: before == Some(Single::Exact),
            coding: Some(Coding::new(head)),
            bytes: 0,
            pictures: Pictures::new(options.limits, patience, is_chunked, receiver),
        };
        // A stream's length means nothing, that of the picture which the whole body calls itself does.
        if body.kind == Kind::Image {
            if body.trusted {
                body.pictures.reader.trust_lengths();
            }
            let length = body.length.map(|length| format!("Content-Length: {length}\r\n"));
            let timestamp = head.field_value("x-timestamp").map(|value| format!("X-Timestamp: {value}\r\n"));
            body.pictures.announce(&[length, timestamp].map(Option::unwrap_or_default).concat());
        }
        body
    }

    /// Reads the body to its end, and says what ended it.
    pub(super) fn receive(&mut self, first: &[u8], connection: &Connection, options: &Options) -> ClientError {
        if let Err(why) = self.take(first, connection) {
            return why;
        }
        loop {
            if let Err(why) = self.read(connection, options) {
                return why;
            }
        }
    }

    /// Whether as many bytes came as the answer says that it has, and not one more.
    pub(super) fn is_exact(&self) -> bool {
        self.length == Some(self.bytes)
    }

    /// Whether another answer may follow on the connection: what came beyond the end of this one would be taken for it.
    pub(super) fn is_clean(&self) -> bool {
        self.has_ended()
            && (self.is_exact() || self.length.is_none())
            && self.coding.as_ref().is_none_or(Coding::is_over)
    }

    /// Whether it is a page, whatever it calls itself.
    pub(super) fn is_page(&self) -> bool {
        self.kind == Kind::Other && text_start(&self.pictures.beginning).starts_with(b"<")
    }

    /// The bytes that came, and what was found in them.
    pub(super) fn into_parts(self) -> (u64, Pictures<'a, R>) {
        (self.bytes, self.pictures)
    }

    fn read(&mut self, connection: &Connection, options: &Options) -> Result<(), ClientError> {
        let settling = self.pictures.reader.is_settling();
        let end = self.ends_after(options);
        let wait = if settling { Some(SETTLE) } else { end.or(options.timeout) };
        let Pictures { reader, receiver, .. } = &mut self.pictures;
        let read = if self.coding.is_some() {
            let mut space = [0; CODED_SPACE];
            match connection.read(&mut space, wait, || receiver.waits())? {
                Read::Bytes(count) => return self.take(&space[..count], connection),
                other => other,
            }
        } else {
            connection.read(reader.space(), wait, || receiver.waits())?
        };
        match read {
            Read::Bytes(count) => {
                self.count(count);
                self.pictures.filled(count);
                self.check()
            }
            Read::Idle(_) if settling => {
                self.pictures.idle();
                self.check()
            }
            Read::Idle(_) if end.is_some() => Err(ClientError::Closed),
            Read::Idle(after) => Err(ClientError::Stalled { after }),
            Read::Closed => Err(ClientError::Closed),
        }
    }

    /// Takes bytes that were read elsewhere than into the reader.
    fn take(&mut self, bytes: &[u8], connection: &Connection) -> Result<(), ClientError> {
        let mut rest = bytes;
        while self.coding.as_ref().is_some_and(Coding::is_compressed) && rest.len() > COMPRESSED_PIECE {
            let (piece, behind) = rest.split_at(COMPRESSED_PIECE);
            self.decode(piece)?;
            connection.check_cancelled()?;
            rest = behind;
        }
        self.decode(rest)
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.count(bytes.len());
        let Self { coding, pictures, .. } = self;
        let goes_on = match coding {
            Some(coding) => {
                pictures.patience.count_coded(bytes.len());
                coding.decode(bytes, |data| pictures.push(data))?
            }
            None => {
                pictures.push(bytes);
                true
            }
        };
        if coding.as_ref().is_some_and(Coding::is_needless) && pictures.have_begun() {
            *coding = None;
        }
        if goes_on { self.check() } else { Err(ClientError::Closed) }
    }

    fn count(&mut self, count: usize) {
        self.bytes += count as u64;
        self.pictures.receiver.received(count);
    }

    /// Whether all bytes of a single picture are in. A stream is not measured by its Content-Length: cameras send
    /// -1, 0 or 9999999 there.
    fn has_ended(&self) -> bool {
        // Where the picture before was as long as its answer said, the length ends this one too, whole or not; but what
        // is still judged by what follows gets its time.
        let by_length = self.trusted && self.bytes > 0 && !self.pictures.reader.is_settling();
        // Some send a line end behind a picture that its length does not count.
        let is_complete = self.is_all() && (by_length || self.pictures.frames == 1);
        let is_whole = is_complete || self.coding.as_ref().is_some_and(Coding::is_whole);
        is_whole && self.may_be_single()
    }

    /// Silence after which the answer has most likely ended, though nothing says so for certain.
    fn ends_after(&self, options: &Options) -> Option<Duration> {
        match (self.kind, self.pictures.frames) {
            // A body of parts that is over, on a connection that stays open.
            _ if self.length == Some(self.bytes) && self.pictures.reader.is_closed() => Some(SETTLE),
            _ if !self.may_be_single() => None,
            // Its length is too great or missing, and it is not closed: the next picture wants asking for.
            (Kind::Image, 1) => options.poll_interval,
            // Its length may be too small for its picture.
            (Kind::Image | Kind::Other, 0) if self.is_all() => Some(OVERDUE),
            _ => None,
        }
    }

    /// Whether as many bytes came as the answer says that it has. A length that the picture exceeds says nothing.
    fn is_all(&self) -> bool {
        let least = if self.coding.is_some() { 0 } else { self.pictures.last_len };
        self.length.is_some_and(|length| (least..=self.bytes).contains(&length))
    }

    /// Whether nothing has shown so far that there are more pictures than one.
    fn may_be_single(&self) -> bool {
        let Pictures { reader, frames, beginning, .. } = &self.pictures;
        // The head of its first part shows that it is one of parts, though a delimiter may be missing.
        let is_bare = !beginning.is_empty() && beginning.iter().zip(&jpeg::START).all(|(byte, start)| byte == start);
        let is_parts = self.kind == Kind::Multipart && !is_bare;
        let is_more = *frames > 1 || *frames == 1 && reader.is_in_picture();
        !is_parts && !is_more && reader.delimiter().is_none()
    }

    /// Ends a single picture, and gives up a body that holds none where any stream would have had one.
    fn check(&self) -> Result<(), ClientError> {
        if self.has_ended() { Err(ClientError::Closed) } else { self.pictures.patience.check(Instant::now()) }
    }
}

/// Bytes of one read of a chunked or compressed body.
const CODED_SPACE: usize = 32 * 1024;

/// Bytes that are decompressed without a look at whether the client was cancelled. Chosen: deflate makes at most a
/// thousand times as many of them, which take less than 10 ms.
const COMPRESSED_PIECE: usize = 1024;

/// Silence after which a picture that is in whole is given out without what follows it, and a body whose length and
/// last delimiter say that it is over has ended. Chosen: the bytes of one part leave a camera together; the first
/// picture of a stream whose lengths are wrong is late by this much.
const SETTLE: Duration = Duration::from_millis(20);

/// Bytes without a picture that are forgiven at least; beyond it is twice the longest picture accepted, 64 MiB by
/// default. Chosen: a shorter limit would end streams whose other parts are long.
const MIN_BYTES_WITHOUT_PICTURE: u64 = 8 * 1024 * 1024;
