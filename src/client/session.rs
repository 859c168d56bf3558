//! One try: ask, then read until the stream is lost.

use std::time::{Duration, Instant};

use super::{
    ClientError, Framing, Options, Receiver,
    ask::{Answer, Memory, Single, ask, begins_as_stream, text_start},
    coding::Coding,
    connection::{Connection, Read},
    patience::Patience,
};
use crate::{
    http::ResponseHead,
    jpeg::{self, Damage},
    multipart::{Event, Reader},
};

/// How a try went.
#[derive(Debug)]
pub(super) struct Ended {
    /// Why it ended.
    pub(super) why: ClientError,
    /// A stream was answered.
    pub(super) answered: bool,
    /// Pictures that came out.
    pub(super) frames: u64,
    /// What the whole answer was, if it was one picture.
    pub(super) single: Option<Single>,
}

/// The body of an answer, on its way into the reader.
struct Body<'a, R: Receiver> {
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

/// What the answer calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A stream of parts.
    Multipart,
    /// One picture, most likely.
    Image,
    Other,
}

/// What is found in a body.
struct Pictures<'a, R: Receiver> {
    reader: Reader<R::Stamp>,
    patience: Patience,
    frames: u64,
    /// Length of the last one.
    last_len: u64,
    /// What the body begins with, blanks aside.
    beginning: Vec<u8>,
    /// One was lost at least.
    damaged: bool,
    /// One was too long since the last whole one.
    too_large: bool,
    is_chunked: bool,
    framing: Framing,
    receiver: &'a R,
}

/// Reads the stream until it is lost.
pub(super) fn run<R: Receiver>(
    options: &Options,
    memory: &mut Memory,
    cancellable: &gio::Cancellable,
    receiver: &R,
) -> Ended {
    let answer = match ask(options, memory, cancellable) {
        Ok(answer) => answer,
        Err(why) => {
            memory.failed();
            return Ended { why, answered: false, frames: 0, single: None };
        }
    };
    let Answer { location, connection, head, body: first } = answer;
    if memory.polled.is_none() {
        receiver.connected(&connection.peer());
    }
    let mut body = Body::new(options, &head, memory.polled, receiver);
    body.announce(&head);
    let mut why = body.receive(&first, &connection, options);
    // What came beyond its end would be taken for the next answer.
    let exact = body.length == Some(body.bytes);
    let clean = head.keeps_connection()
        && body.has_ended()
        && (exact || body.length.is_none())
        && body.coding.as_ref().is_none_or(Coding::is_over);
    let (searched, kind) = (body.bytes, body.kind);
    let mut pictures = body.pictures;
    if why == ClientError::Cancelled {
        // Nobody waits for what is left, and looking at the rest of a large picture takes time.
        return Ended { why, answered: true, frames: pictures.frames, single: None };
    }
    pictures.reader.finish(receiver.stamp());
    pictures.hand_on();
    let is_page = kind == Kind::Other && text_start(&pictures.beginning).starts_with(b"<");
    let single = match pictures.frames {
        _ if why != ClientError::Closed || pictures.reader.delimiter().is_some() => None,
        1 if exact => Some(Single::Exact),
        1 => Some(Single::Whole),
        // The second one in a row is a loss that people should hear of.
        0 if pictures.damaged && memory.polled.is_some_and(|last| last != Single::Damaged) => Some(Single::Damaged),
        _ => None,
    };
    why = match pictures.reason(why, searched, &head, options.limits.max_frame) {
        // Servers that do without Content-Type.
        ClientError::NoPicture { .. } if is_page => {
            ClientError::NotPictures { url: location.to_string(), essence: "a page".to_owned() }
        }
        // The connection may be open still.
        ClientError::Closed if memory.polled.is_some() && exact && pictures.frames == 0 => {
            ClientError::NoPicture { searched }
        }
        why => why,
    };
    if single.is_some() && clean {
        memory.kept = Some((location, connection));
    }
    Ended { why, answered: true, frames: pictures.frames, single }
}

impl<'a, R: Receiver> Body<'a, R> {
    fn new(options: &Options, head: &ResponseHead, before: Option<Single>, receiver: &'a R) -> Self {
        let coding = Coding::new(head);
        let is_chunked = head.is_chunked();
        let max_frame = u64::try_from(options.limits.max_frame).unwrap_or(u64::MAX);
        let most_bytes = max_frame.saturating_mul(2).max(MIN_BYTES_WITHOUT_PICTURE);
        let media_type = head.media_type();
        Self {
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
            coding: Some(coding),
            bytes: 0,
            pictures: Pictures {
                reader: Reader::new(options.limits),
                patience: Patience::new(options.patience, most_bytes, Instant::now()),
                frames: 0,
                last_len: 0,
                beginning: Vec::new(),
                damaged: false,
                too_large: false,
                is_chunked,
                framing: Framing::default(),
                receiver,
            },
        }
    }

    /// Tells the reader what the answer says of the picture that the whole body calls itself. A stream's length means
    /// nothing.
    fn announce(&mut self, head: &ResponseHead) {
        if self.kind != Kind::Image {
            return;
        }
        let length = self.length.map(|length| format!("Content-Length: {length}\r\n"));
        let timestamp = head.field_value("x-timestamp").map(|value| format!("X-Timestamp: {value}\r\n"));
        let fields = [length, timestamp].map(Option::unwrap_or_default).concat();
        if !fields.is_empty() {
            let Pictures { reader, receiver, .. } = &mut self.pictures;
            reader.push(format!("{fields}\r\n").as_bytes(), receiver.stamp());
        }
    }

    /// Reads the body to its end, and says what ended it.
    fn receive(&mut self, first: &[u8], connection: &Connection, options: &Options) -> ClientError {
        if let Err(why) = self.take(first, connection) {
            return why;
        }
        loop {
            if let Err(why) = self.read(connection, options) {
                return why;
            }
        }
    }

    fn read(&mut self, connection: &Connection, options: &Options) -> Result<(), ClientError> {
        let settling = self.pictures.reader.is_settling();
        let end = self.ends_after(options);
        let wait = if settling { Some(SETTLE) } else { end.or(limit(options.timeout)) };
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
            Read::Idle if settling => {
                self.pictures.idle();
                self.check()
            }
            Read::Idle if end.is_some() => Err(ClientError::Closed),
            Read::Idle => Err(ClientError::Stalled { after: options.timeout }),
            Read::Closed => Err(ClientError::Closed),
        }
    }

    /// Takes bytes that were read elsewhere than into the reader.
    fn take(&mut self, bytes: &[u8], connection: &Connection) -> Result<(), ClientError> {
        self.count(bytes.len());
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
        if coding.as_ref().is_some_and(Coding::is_needless) && pictures.beginning.len() == BEGINNING {
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
        // Some send a line end behind a picture that its length does not count.
        let is_decided = self.trusted && !self.pictures.reader.is_settling() || self.pictures.frames == 1;
        let whole = is_decided && self.is_all() || self.coding.as_ref().is_some_and(Coding::is_whole);
        whole && self.may_be_single()
    }

    /// Silence after which the answer has most likely ended, though nothing says so for certain.
    fn ends_after(&self, options: &Options) -> Option<Duration> {
        match (self.kind, self.pictures.frames) {
            // A body of parts that is over, on a connection that stays open.
            _ if self.length == Some(self.bytes) && self.pictures.reader.is_closed() => Some(SETTLE),
            _ if !self.may_be_single() => None,
            // Its length is too great or missing, and it is not closed: the next picture wants asking for.
            (Kind::Image, 1) => limit(options.poll_interval),
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

impl<R: Receiver> Pictures<'_, R> {
    /// Why there is no picture in a body of so many bytes that ended for this, if that is so.
    fn reason(&self, why: ClientError, searched: u64, head: &ResponseHead, limit: usize) -> ClientError {
        // A camera that has no picture yet may send blanks, or what its first part begins with.
        let none = self.frames == 0 && !self.beginning.is_empty();
        let begins = begins_as_stream(&self.beginning);
        let nothing = none && !self.damaged && self.reader.delimiter().is_none() && begins == Some(false);
        match (why, Coding::unknown(head)) {
            (ClientError::NoPicture { .. }, Some(coding)) if none => ClientError::UnknownCoding { searched, coding },
            (ClientError::Closed, Some(coding)) if nothing => ClientError::UnknownCoding { searched, coding },
            (ClientError::NoPicture { searched }, _) if self.too_large => ClientError::TooLarge { searched, limit },
            (ClientError::Closed, _) if none && self.too_large => ClientError::TooLarge { searched, limit },
            (ClientError::Closed, _) if nothing => ClientError::NoPicture { searched },
            (why, _) => why,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        // Few bytes may hold very many once they are decompressed: what comes after the end is not looked at.
        if self.patience.check(Instant::now()).is_err() {
            return;
        }
        let begun = if self.beginning.is_empty() { bytes.trim_ascii_start() } else { bytes };
        self.beginning.extend(begun.iter().take(BEGINNING - self.beginning.len()));
        self.patience.count(bytes.len());
        self.reader.push(bytes, self.receiver.stamp());
        self.hand_on();
    }

    /// As many bytes have been read into the reader's space.
    fn filled(&mut self, count: usize) {
        self.patience.count(count);
        self.reader.filled(count, self.receiver.stamp());
        self.hand_on();
    }

    /// No byte came for a moment.
    fn idle(&mut self) {
        self.reader.idle(self.receiver.stamp());
        self.hand_on();
    }

    fn hand_on(&mut self) {
        while let Some(event) = self.reader.next() {
            match event {
                Event::Frame(ref frame) => {
                    self.frames += 1;
                    self.last_len = frame.jpeg.len() as u64;
                    self.too_large = false;
                    self.patience.renew(Instant::now());
                    self.learn();
                }
                Event::Damaged(damage) => {
                    self.damaged = true;
                    self.too_large |= damage == Damage::TooLarge;
                }
                Event::Foreign => {}
            }
            self.receiver.event(event);
        }
    }

    fn learn(&mut self) {
        let Self { reader, framing, is_chunked, .. } = self;
        let known = framing.delimiter.as_ref().map(String::as_bytes);
        if (known, framing.lengths, framing.chunked) != (reader.delimiter(), reader.lengths(), *is_chunked) {
            *framing = Framing {
                delimiter: reader.delimiter().map(|text| String::from_utf8_lossy(text).into_owned()),
                lengths: reader.lengths(),
                chunked: *is_chunked,
            };
            self.receiver.learnt(framing);
        }
    }
}

/// Zero is no limit.
pub(super) fn limit(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

/// Bytes of the body that are remembered, from its first that is not blank. Chosen: what shows that a stream begins is
/// shorter.
const BEGINNING: usize = 16;

/// Bytes of one read of a chunked or compressed body.
const CODED_SPACE: usize = 32 * 1024;

/// Bytes that are decompressed without a look at whether the client was cancelled. Chosen: deflate makes at most a thousand
/// times as many of them, which take less than 10 ms.
const COMPRESSED_PIECE: usize = 1024;

/// Silence after which a picture that is in whole is given out without what follows it, and a body whose length and last
/// delimiter say that it is over has ended. Chosen: the bytes of one part leave a camera together; the first picture of a
/// stream whose lengths are wrong is late by this much.
const SETTLE: Duration = Duration::from_millis(20);

/// Silence after which an answer has ended whose length is over, but not what it seems to hold. Chosen: a stream whose length says
/// nothing may take as long to begin; a picture that was cut short is asked for again that much later.
pub(super) const OVERDUE: Duration = Duration::from_secs(1);

/// Bytes without a picture that are forgiven at least; beyond it is twice the longest picture accepted, 64 MiB by
/// default. Chosen: a shorter limit would end streams whose other parts are long.
const MIN_BYTES_WITHOUT_PICTURE: u64 = 8 * 1024 * 1024;
