//! A client of HTTP/2 (RFC 9113) that watches by several streams and opens their windows as browsers do.

use anyhow::{Context, Result, ensure};

use super::pictures::{Arrival, Pictures};

/// The streams of one connection.
pub struct Frames {
    streams: Vec<Stream>,
    /// Bytes for which the connection's window has not been opened again.
    taken: u32,
    /// The head of the frame under way, as far as it has come.
    head: Vec<u8>,
    /// What has not come of it.
    left: usize,
    answers: Vec<u8>,
}

#[derive(Default)]
struct Stream {
    pictures: Pictures,
    taken: u32,
}

const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;

/// What Chromium and Firefox allow for each stream, near enough; they open it again when some of it was used.
const WINDOW: u32 = 6 * 1024 * 1024;
const OPEN_AFTER: u32 = 1024 * 1024;

/// GET, https, both from the static table (RFC 7541 appendix A), then authority and path as they are.
const REQUEST: &[u8] = b"\x82\x87\x01\x06camera\x04\x07/stream";

impl Frames {
    /// A connection with so many streams, and what it begins with.
    pub fn open(streams: usize) -> (Self, Vec<u8>) {
        let mut frames = Self {
            streams: (0..streams).map(|_| Stream::default()).collect(),
            taken: 0,
            head: Vec::new(),
            left: 0,
            answers: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        };
        // SETTINGS_INITIAL_WINDOW_SIZE.
        frames.answer(SETTINGS, 0, 0, &[&[0, 4], WINDOW.to_be_bytes().as_slice()].concat());
        frames.answer(WINDOW_UPDATE, 0, 0, &(WINDOW * 4).to_be_bytes());
        for index in 0..streams {
            frames.answer(HEADERS, END_STREAM_AND_HEADERS, number(index), REQUEST);
        }
        let request = frames.answers();
        (frames, request)
    }

    /// What has to be sent by now.
    pub fn answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    /// Takes what came next.
    pub fn take(&mut self, mut bytes: &[u8], arrivals: &mut Vec<Arrival>) -> Result<()> {
        while !bytes.is_empty() {
            let missing = HEAD - self.head.len();
            if missing > 0 {
                let (head, rest) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend(head);
                bytes = rest;
                if self.head.len() < HEAD {
                    return Ok(());
                }
                self.left = u32::from_be_bytes([0, self.head[0], self.head[1], self.head[2]]) as usize;
            }
            let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
            bytes = rest;
            self.left -= payload.len();
            self.payload(payload, arrivals)?;
            if self.left == 0 {
                self.head.clear();
            }
        }
        Ok(())
    }

    /// Takes some of the payload of the frame under way.
    fn payload(&mut self, payload: &[u8], arrivals: &mut Vec<Arrival>) -> Result<()> {
        let head: [u8; HEAD] = self.head.as_slice().try_into().context("a head is whole")?;
        let [_, _, _, kind, flags, stream @ ..] = head;
        let stream = u32::from_be_bytes(stream);
        ensure!(![RST_STREAM, GOAWAY].contains(&kind), "the server ends stream {stream}");
        if kind == SETTINGS && flags & ACK == 0 && self.left == 0 {
            self.answer(SETTINGS, ACK, 0, &[]);
        }
        if kind != DATA {
            return Ok(());
        }
        let known = self.streams.get_mut(stream.saturating_sub(1) as usize / 2).context("a stream that was opened")?;
        known.pictures.take(payload, arrivals)?;
        let length = u32::try_from(payload.len())?;
        known.taken += length;
        self.taken += length;
        if known.taken >= OPEN_AFTER {
            let taken = std::mem::take(&mut known.taken);
            self.answer(WINDOW_UPDATE, 0, stream, &taken.to_be_bytes());
        }
        if self.taken >= OPEN_AFTER {
            let taken = std::mem::take(&mut self.taken);
            self.answer(WINDOW_UPDATE, 0, 0, &taken.to_be_bytes());
        }
        Ok(())
    }

    fn answer(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("frames here are short").to_be_bytes();
        self.answers.extend(&length[1..]);
        self.answers.extend([kind, flags]);
        self.answers.extend(stream.to_be_bytes());
        self.answers.extend(payload);
    }
}

/// The number of a client's stream.
fn number(index: usize) -> u32 {
    u32::try_from(2 * index + 1).expect("few streams")
}
