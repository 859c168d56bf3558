//! One try: ask, then read until the stream is lost.

use std::time::Duration;

use super::{
    ClientError, Framing, Options, Receiver,
    ask::{Answer, Memory, ask},
    connection::{Connection, Read},
    inflate::Inflate,
};
use crate::{
    http::Chunked,
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
    reader: Reader<R::Stamp>,
    chunked: Option<Chunked>,
    inflate: Option<Inflate>,
    /// Bytes that the answer says it has.
    length: Option<u64>,
    bytes: u64,
    /// Bytes since the last picture came out.
    barren: u64,
    /// Bytes without a picture after which there is none to be expected.
    patience: u64,
    frames: u64,
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
    let mut body = Body {
        reader: Reader::new(options.limits),
        chunked: head.is_chunked().then(Chunked::new),
        inflate: head.field_value("content-encoding").and_then(Inflate::new),
        length: head.field_value("content-length").and_then(|value| value.parse().ok()),
        bytes: 0,
        barren: 0,
        patience: MIN_PATIENCE.max(u64::try_from(options.limits.max_frame).unwrap_or(u64::MAX).saturating_mul(2)),
        frames: 0,
        framing: Framing::default(),
        receiver,
    };
    let why = body.receive(&first, &connection, options.timeout);
    let whole = body.has_ended();
    body.reader.finish(receiver.stamp());
    body.hand_on();
    let snapshot = why == ClientError::Closed && body.frames == 1 && body.reader.delimiter().is_none();
    if snapshot && whole {
        memory.kept = Some((location, connection));
    }
    Ended { why, answered: true, frames: body.frames, snapshot }
}

impl<R: Receiver> Body<'_, R> {
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
        let settling = self.reader.is_settling();
        let wait = if settling { Some(SETTLE) } else { limit(timeout) };
        let coded = self.chunked.is_some() || self.inflate.is_some();
        let mut space = [0; CODED_SPACE];
        let read = if coded { connection.read(&mut space, wait) } else { connection.read(self.reader.space(), wait) };
        match read? {
            Read::Bytes(count) if coded => self.take(&space[..count]),
            Read::Bytes(count) => {
                self.count(count);
                self.reader.filled(count, self.receiver.stamp());
                self.hand_on();
                self.check()
            }
            Read::Idle if settling => {
                self.reader.idle(self.receiver.stamp());
                self.hand_on();
                Ok(())
            }
            Read::Idle => Err(ClientError::Stalled { after: timeout }),
            Read::Closed => Err(ClientError::Closed),
        }
    }

    /// Takes bytes that were read elsewhere than into the reader.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.count(bytes.len());
        let Self { reader, chunked, inflate, receiver, .. } = self;
        let stamp = receiver.stamp();
        let mut inflated = Ok(true);
        let mut take = |data: &[u8]| match inflate {
            Some(inflate) if inflated == Ok(true) => inflated = inflate.decode(data, |data| reader.push(data, stamp)),
            Some(_) => {}
            None => reader.push(data, stamp),
        };
        let goes_on = match chunked {
            Some(chunked) => chunked.decode(bytes, take),
            None => {
                take(bytes);
                Ok(true)
            }
        };
        self.hand_on();
        if !goes_on? || !inflated? {
            return Err(ClientError::Closed);
        }
        self.check()
    }

    fn count(&mut self, count: usize) {
        self.bytes += count as u64;
        self.barren += count as u64;
        self.receiver.received(count);
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
        let Self { reader, framing, chunked, .. } = self;
        let known = framing.delimiter.as_ref().map(String::as_bytes);
        if (known, framing.lengths, framing.chunked) != (reader.delimiter(), reader.lengths(), chunked.is_some()) {
            *framing = Framing {
                delimiter: reader.delimiter().map(|text| String::from_utf8_lossy(text).into_owned()),
                lengths: reader.lengths(),
                chunked: chunked.is_some(),
            };
            self.receiver.learnt(framing);
        }
    }

    /// Whether all bytes of a single picture are in. A stream is not measured by its Content-Length: cameras send
    /// -1 or 9999999 there.
    fn has_ended(&self) -> bool {
        self.frames <= 1 && self.reader.delimiter().is_none() && self.length == Some(self.bytes)
    }

    /// Ends a single picture, and gives up a body that holds none where any stream would have had one.
    fn check(&self) -> Result<(), ClientError> {
        if self.has_ended() {
            return Err(ClientError::Closed);
        }
        if self.barren > self.patience { Err(ClientError::NoPicture { searched: self.barren }) } else { Ok(()) }
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

/// Bytes without a picture that are forgiven at least. Chosen: twice the longest picture accepted by default; a shorter
/// limit would end streams whose other parts are long.
const MIN_PATIENCE: u64 = 64 * 1024 * 1024;
