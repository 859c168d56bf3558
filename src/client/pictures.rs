//! What is found in a body, on its way to the receiver.

use std::time::Instant;

use super::{ClientError, Framing, Receiver, beginning::begins_as_stream, coding::Coding, patience::Patience};
use crate::{
    http::ResponseHead,
    jpeg::Damage,
    multipart::{Event, Limits, Reader},
};

/// What is found in a body.
pub(super) struct Pictures<'a, R: Receiver> {
    pub(super) reader: Reader<R::Stamp>,
    pub(super) patience: Patience,
    pub(super) frames: u64,
    /// Length of the last one.
    pub(super) last_len: u64,
    /// What the body begins with, blanks aside.
    pub(super) beginning: Vec<u8>,
    /// One was lost at least.
    pub(super) damaged: bool,
    /// One was too long since the last whole one.
    pub(super) too_large: bool,
    is_chunked: bool,
    framing: Framing,
    pub(super) receiver: &'a R,
}

impl<'a, R: Receiver> Pictures<'a, R> {
    pub(super) fn new(limits: Limits, patience: Patience, is_chunked: bool, receiver: &'a R) -> Self {
        Self {
            reader: Reader::new(limits),
            patience,
            frames: 0,
            last_len: 0,
            beginning: Vec::new(),
            damaged: false,
            too_large: false,
            is_chunked,
            framing: Framing::default(),
            receiver,
        }
    }

    /// Tells the reader the fields of the one picture that follows.
    pub(super) fn announce(&mut self, fields: &str) {
        if !fields.is_empty() {
            self.reader.push(format!("{fields}\r\n").as_bytes(), self.receiver.stamp());
        }
    }

    /// Why there is no picture in a body of so many bytes that ended for this, if that is so.
    pub(super) fn reason(&self, why: ClientError, searched: u64, head: &ResponseHead, limit: usize) -> ClientError {
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

    pub(super) fn push(&mut self, bytes: &[u8]) {
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
    pub(super) fn filled(&mut self, count: usize) {
        self.patience.count(count);
        self.reader.filled(count, self.receiver.stamp());
        self.hand_on();
    }

    /// No byte came for a moment.
    pub(super) fn idle(&mut self) {
        self.reader.idle(self.receiver.stamp());
        self.hand_on();
    }

    /// Nothing follows.
    pub(super) fn finish(&mut self) {
        self.reader.finish(self.receiver.stamp());
        self.hand_on();
    }

    /// Whether enough came to tell what it is.
    pub(super) fn have_begun(&self) -> bool {
        self.beginning.len() == BEGINNING
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

/// Bytes of the body that are remembered, from its first that is not blank. Chosen: what shows that a stream begins is
/// shorter.
const BEGINNING: usize = 16;
