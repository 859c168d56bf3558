//! The incremental marker walk, ITU-T T.81 B.1 and B.2.

use memchr::{memchr, memmem};

use super::Header;

/// Walks over a picture that arrives in pieces.
///
/// The caller keeps the bytes and hands over all that it has of the picture each time, with the place in its buffer
/// where the picture starts; the walk goes on where it stopped, so each byte is looked at once. Segments are stepped
/// over unread, which is what keeps thumbnails and comments from being taken for the picture's end.
///
/// # Examples
///
/// ```
/// use gstmjpeghttp::jpeg::{Step, Walk};
///
/// let mut walk = Walk::new();
/// assert_eq!(walk.step(&[0xff, 0xd8], 0), Step::More);
/// assert_eq!(walk.step(&[0xff, 0xd8, 0xff, 0xe1, 0xff, 0xff], 0), Step::More);
/// ```
#[derive(Clone, Debug)]
pub struct Walk {
    state: State,
    /// Offset, from the picture's start, of the next byte to look at.
    at: usize,
    header: Option<Header>,
    segments: bool,
    scanned: bool,
    clean: bool,
    /// Whether the frame header is one for which the standard Huffman tables are meant.
    standard: bool,
    /// Whether Huffman tables came before the first scan.
    tables: bool,
    tables_missing_at: Option<usize>,
}

/// Where a walk has got to. Offsets count from the picture's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The picture goes on; call again with more bytes.
    More,
    /// The picture is complete and has this many bytes, the EOI marker included.
    End(usize),
    /// At this offset stands what no picture has there.
    Damaged(usize, Damage),
}

/// Why bytes are not a whole JPEG picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// It does not begin with a start of image.
    #[error("it is not a JPEG picture")]
    NotJpeg,
    /// It ends before its end of image.
    #[error("the picture is cut short")]
    Truncated,
    /// A second picture starts before the first has ended: the rest of the first is missing.
    #[error("another picture starts inside it")]
    StartInside,
    /// A segment whose length is smaller than the length field itself, or a table, frame or scan header whose length
    /// does not fit its number of components.
    #[error("a segment has an impossible length")]
    SegmentLength,
    /// A frame header without width, height or components, or after the picture's data.
    #[error("the frame header makes no sense")]
    FrameHeader,
    /// Picture data or the end of image came before any frame header.
    #[error("it has no frame header")]
    NoFrameHeader,
    /// The end of image came before any picture data.
    #[error("it has no picture data")]
    NoScan,
    /// It is longer than the reader accepts.
    #[error("it is larger than the limit")]
    TooLarge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// Between segments: the next byte begins a marker.
    Marker,
    /// Entropy-coded data after a start of scan.
    Scan,
    Ended(usize),
    Failed(usize, Damage),
}

impl Walk {
    /// A walk before its picture's first byte.
    pub fn new() -> Self {
        Self {
            state: State::Start,
            at: 0,
            header: None,
            segments: false,
            scanned: false,
            clean: true,
            standard: false,
            tables: false,
            tables_missing_at: None,
        }
    }

    /// The frame header, once the walk has passed it.
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// Whether every segment so far followed directly on the one before, as the standard wants it. A walk that had
    /// to search for a marker may have been led astray by a damaged length.
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// Whether the walk has passed any segment behind the start of image. What has none is no more than a start.
    pub fn has_segments(&self) -> bool {
        self.segments
    }

    /// Where the Huffman tables are missing, once the walk has passed the first scan header: before it. Only pictures
    /// of 8 bits coded in sequence (SOF0, SOF1) may mean the standard tables without saying so.
    pub fn tables_missing_at(&self) -> Option<usize> {
        self.tables_missing_at
    }

    /// Whether the walk stands inside the first `len` bytes, not at the end of a segment beyond them.
    pub fn is_within(&self, len: usize) -> bool {
        self.at <= len
    }

    /// Walks on over the picture that starts at `buffer[start]`, as far as the bytes go. Once it has answered
    /// [`Step::End`] or [`Step::Damaged`] it answers the same for ever.
    pub fn step(&mut self, buffer: &[u8], start: usize) -> Step {
        let picture = buffer.get(start..).unwrap_or_default();
        loop {
            let went_on = match self.state {
                State::Start => self.start(picture),
                State::Marker => self.marker(picture),
                State::Scan => self.scan(picture),
                State::Ended(len) => return Step::End(len),
                State::Failed(at, damage) => return Step::Damaged(at, damage),
            };
            if went_on.is_none() {
                return Step::More;
            }
        }
    }

    // The functions below answer `None` when they need more bytes than there are.

    fn start(&mut self, picture: &[u8]) -> Option<()> {
        match picture {
            [0xff, 0xd8, ..] => {
                self.at = 2;
                self.state = State::Marker;
            }
            [] | [0xff] => return None,
            _ => self.fail(Damage::NotJpeg),
        }
        Some(())
    }

    fn marker(&mut self, picture: &[u8]) -> Option<()> {
        let rest = picture.get(self.at..)?;
        let Some(skipped) = memchr(0xff, rest) else {
            self.clean &= rest.is_empty();
            self.at = picture.len();
            return None;
        };
        self.clean &= skipped == 0;
        self.at += skipped;
        // B.1.1.2: any number of fill bytes FF may stand before a marker. 00 makes FF data and 02 to BF are reserved:
        // only a walk that was led astray meets them here, it searches on.
        match *picture.get(self.at + 1)? {
            0xff => self.at += 1,
            0x00 | 0x02..=0xbf => {
                self.clean = false;
                self.at += 2;
            }
            0x01 | 0xd0..=0xd7 => self.at += 2,
            0xd8 => return self.start_inside(picture),
            0xd9 => self.end(),
            code => return self.segment(picture, code),
        }
        Some(())
    }

    fn segment(&mut self, picture: &[u8], code: u8) -> Option<()> {
        let len = picture.get(self.at + 2..self.at + 4)?;
        let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
        if len < 2 || len > longest(code) {
            self.fail(Damage::SegmentLength);
            return Some(());
        }
        if is_frame_header(code) {
            if self.scanned {
                self.fail(Damage::FrameHeader);
                return Some(());
            }
            let fields = picture.get(self.at + 4..self.at + 4 + Header::LEN)?;
            let fields: [u8; Header::LEN] = fields.try_into().expect("the range has that length");
            let Some(header) = Header::parse(fields) else {
                self.fail(Damage::FrameHeader);
                return Some(());
            };
            if len != 8 + 3 * usize::from(header.components) {
                self.fail(Damage::SegmentLength);
                return Some(());
            }
            self.header = Some(header);
            self.standard = matches!(code, 0xc0 | 0xc1) && fields[0] == 8;
        }
        if code == START_OF_SCAN {
            let components = usize::from(*picture.get(self.at + 4)?);
            if self.header.is_none() || len != 6 + 2 * components {
                let damage = if self.header.is_none() { Damage::NoFrameHeader } else { Damage::SegmentLength };
                self.fail(damage);
                return Some(());
            }
            if !self.scanned && self.standard && !self.tables {
                self.tables_missing_at = Some(self.at);
            }
            self.scanned = true;
            self.state = State::Scan;
        } else if self.scanned || code == HUFFMAN_TABLES {
            return self.table(picture, code, len);
        }
        self.segments = true;
        self.at += 2 + len;
        Some(())
    }

    /// Between scans stand only tables, none of which holds a start of image: finding one means that a damaged byte in
    /// the data passed for a marker, or that the picture is cut in the table, and that the step would carry us into the
    /// next picture. That holds for Huffman tables anywhere.
    fn table(&mut self, picture: &[u8], code: u8, len: usize) -> Option<()> {
        let end = self.at + 2 + len;
        // No value is FF (F.1.2.2: 14 bits at the most), so no start of image may begin in one and end behind it
        // either.
        let searched = if code == HUFFMAN_TABLES { end + super::START.len() - 1 } else { end };
        let body = picture.get(self.at + 4..searched.min(picture.len()))?;
        if let Some(inside) = memmem::find(body, &super::START) {
            self.at += 4 + inside;
            self.fail(Damage::StartInside);
            return Some(());
        }
        picture.get(..searched)?;
        self.tables |= code == HUFFMAN_TABLES;
        self.segments = true;
        self.at = end;
        Some(())
    }

    fn scan(&mut self, picture: &[u8]) -> Option<()> {
        let mut at = self.at;
        loop {
            let rest = picture.get(at..)?;
            let Some(skipped) = memchr(0xff, rest) else {
                self.at = picture.len();
                return None;
            };
            at += skipped;
            self.at = at;
            match *picture.get(at + 1)? {
                // Fill byte; the marker's own FF may be the next one.
                0xff => at += 1,
                // B.1.1.5: stuffed zero, restart markers; TEM and reserved codes (01-BF) mean nothing here.
                0x00..=0xbf | 0xd0..=0xd7 => at += 2,
                0xd8 => return self.start_inside(picture),
                0xd9 => {
                    self.end();
                    return Some(());
                }
                _ => {
                    self.state = State::Marker;
                    return Some(());
                }
            }
            self.at = at;
        }
    }

    /// A start of image that no marker follows is a damaged byte.
    fn start_inside(&mut self, picture: &[u8]) -> Option<()> {
        self.clean &= *picture.get(self.at + 2)? == 0xff;
        self.fail(Damage::StartInside);
        Some(())
    }

    fn end(&mut self) {
        if self.scanned {
            self.state = State::Ended(self.at + 2);
        } else {
            self.fail(Damage::NoScan);
        }
    }

    fn fail(&mut self, damage: Damage) {
        self.state = State::Failed(self.at, damage);
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

const START_OF_SCAN: u8 = 0xda;

/// The greatest length that a segment with this marker code may say. A damaged one would lead over the pictures that
/// follow, where no delimiter is looked for (found by fuzzing).
fn longest(code: u8) -> usize {
    match code {
        // B.2.4.4: the interval and no more.
        0xdd => 4,
        // B.2.4.1: four tables of 64 elements of 16 bits.
        0xdb => 2 + 4 * 129,
        // B.2.4.2: eight tables of 256 values.
        HUFFMAN_TABLES => 2 + 8 * (17 + 256),
        _ => usize::from(u16::MAX),
    }
}

/// Marker code of a segment with Huffman tables (DHT).
pub(super) const HUFFMAN_TABLES: u8 = 0xc4;

/// Table B.1: C0 to CF are frame headers, but for Huffman tables (C4), JPG (C8) and arithmetic conditioning (CC).
fn is_frame_header(code: u8) -> bool {
    matches!(code, 0xc0..=0xcf) && !matches!(code, HUFFMAN_TABLES | 0xc8 | 0xcc)
}

#[cfg(test)]
mod tests;
