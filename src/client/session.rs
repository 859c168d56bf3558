//! One try: ask, then read until the stream is lost.

use std::time::Duration;

use super::{
    ClientError, Framing, Options, Receiver,
    ask::{Answer, Memory, ask},
    coding::Coding,
    connection::{Connection, Read},
};
use crate::{
    http::ResponseHead,
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
    /// The whole answer was one picture.
    pub(super) snapshot: bool,
}

/// The body of an answer, on its way into the reader.
struct Body<'a, R: Receiver> {
    coding: Option<Coding>,
    /// Bytes that the answer says it has, and those that came.
    length: Option<u64>,
    bytes: u64,
    pictures: Pictures<'a, R>,
}

/// What is found in a body.
struct Pictures<'a, R: Receiver> {
    reader: Reader<R::Stamp>,
    /// Bytes since the last picture came out.
    barren: u64,
    /// Bytes without a picture after which there is none to be expected.
    patience: u64,
    frames: u64,
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
        Err(why) => return Ended { why, answered: false, frames: 0, snapshot: false },
    };
    let Answer { location, connection, head, body: first } = answer;
    if !memory.polling {
        receiver.connected(&connection.peer());
    }
    let mut body = Body::new(options, &head, receiver);
    let mut why = body.receive(&first, &connection, options.timeout);
    // What came beyond its end would be taken for the next answer.
    let clean = body.has_ended() && body.length.is_none_or(|length| length == body.bytes);
    let searched = body.bytes;
    let mut pictures = body.pictures;
    pictures.reader.finish(receiver.stamp());
    pictures.hand_on();
    let snapshot = why == ClientError::Closed && pictures.frames == 1 && pictures.reader.delimiter().is_none();
    if snapshot && clean {
        memory.kept = Some((location, connection));
    }
    if why == ClientError::Closed && pictures.frames == 0 && searched > 0 && pictures.reader.delimiter().is_none() {
        why = ClientError::NoPicture { searched };
    }
    Ended { why, answered: true, frames: pictures.frames, snapshot }
}

impl<'a, R: Receiver> Body<'a, R> {
    fn new(options: &Options, head: &ResponseHead, receiver: &'a R) -> Self {
        let coding = Coding::new(head);
        let is_chunked = coding.as_ref().is_some_and(Coding::is_chunked);
        let max_frame = u64::try_from(options.limits.max_frame).unwrap_or(u64::MAX);
        Self {
            length: match head.status() {
                // RFC 9112 6.3: no body, and chunks know their own end.
                204 => Some(0),
                _ if is_chunked => None,
                _ => head.field_value("content-length").and_then(|value| value.parse().ok()),
            },
            coding,
            bytes: 0,
            pictures: Pictures {
                reader: Reader::new(options.limits),
                barren: 0,
                patience: max_frame.saturating_mul(2).max(MIN_PATIENCE),
                frames: 0,
                is_chunked,
                framing: Framing::default(),
                receiver,
            },
        }
    }

    /// Reads the body to its end, and says what ended it.
    fn receive(&mut self, first: &[u8], connection: &Connection, timeout: Duration) -> ClientError {
        if let Err(why) = self.take(first) {
            return why;
        }
        loop {
            if let Err(why) = self.read(connection, timeout) {
                return why;
            }
        }
    }

    fn read(&mut self, connection: &Connection, timeout: Duration) -> Result<(), ClientError> {
        let reader = &mut self.pictures.reader;
        let settling = reader.is_settling();
        let wait = if settling { Some(SETTLE) } else { limit(timeout) };
        let mut space = [0; CODED_SPACE];
        let is_coded = self.coding.is_some();
        let read = if is_coded { connection.read(&mut space, wait) } else { connection.read(reader.space(), wait) };
        match read? {
            Read::Bytes(count) if is_coded => self.take(&space[..count]),
            Read::Bytes(count) => {
                self.count(count);
                self.pictures.filled(count);
                self.check()
            }
            Read::Idle if settling => {
                self.pictures.idle();
                Ok(())
            }
            Read::Idle => Err(ClientError::Stalled { after: timeout }),
            Read::Closed => Err(ClientError::Closed),
        }
    }

    /// Takes bytes that were read elsewhere than into the reader.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.count(bytes.len());
        let Self { coding, pictures, .. } = self;
        let goes_on = match coding {
            Some(coding) => coding.decode(bytes, |data| pictures.push(data))?,
            None => {
                pictures.push(bytes);
                true
            }
        };
        if goes_on { self.check() } else { Err(ClientError::Closed) }
    }

    fn count(&mut self, count: usize) {
        self.bytes += count as u64;
        self.pictures.receiver.received(count);
    }

    /// Whether all bytes of a single picture are in. A stream is not measured by its Content-Length: cameras send
    /// -1 or 9999999 there.
    fn has_ended(&self) -> bool {
        // Some send a line end behind a picture that its length does not count.
        let exceeded = self.pictures.frames == 1 && self.length.is_some_and(|length| length < self.bytes);
        let whole = self.length == Some(self.bytes) || exceeded || self.coding.as_ref().is_some_and(Coding::is_whole);
        whole && self.pictures.frames <= 1 && self.pictures.reader.delimiter().is_none()
    }

    /// Ends a single picture, and gives up a body that holds none where any stream would have had one.
    fn check(&self) -> Result<(), ClientError> {
        let Pictures { barren, patience, .. } = self.pictures;
        if self.has_ended() {
            return Err(ClientError::Closed);
        }
        if barren > patience { Err(ClientError::NoPicture { searched: barren }) } else { Ok(()) }
    }
}

impl<R: Receiver> Pictures<'_, R> {
    fn push(&mut self, bytes: &[u8]) {
        self.barren += bytes.len() as u64;
        self.reader.push(bytes, self.receiver.stamp());
        self.hand_on();
    }

    /// As many bytes have been read into the reader's space.
    fn filled(&mut self, count: usize) {
        self.barren += count as u64;
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
            if matches!(event, Event::Frame(_)) {
                self.frames += 1;
                self.barren = 0;
                self.learn();
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

/// Bytes of one read of a chunked or compressed body.
const CODED_SPACE: usize = 32 * 1024;

/// Silence after which a picture that is in whole is given out without what follows it. Chosen: the bytes of one part
/// leave a camera together; the first picture of a stream whose lengths are wrong is late by this much.
const SETTLE: Duration = Duration::from_millis(20);

/// Bytes without a picture that are forgiven at least; beyond it is twice the longest picture accepted, 64 MiB by
/// default. Chosen: a shorter limit would end streams whose other parts are long.
const MIN_PATIENCE: u64 = 8 * 1024 * 1024;
