//! The bytes under way.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use crate::sync::lock;

/// Holds what came from the stream and is not consumed yet, with room for more. Pictures leave with the memory that
/// they were read into, and that comes back when the last of them is dropped: so a picture is copied nowhere, and the
/// room need not be cleared for each read.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    spare: Spare,
}

/// Memory that came back, to be used again.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

/// Pictures in the memory that they were read into.
struct Lent {
    bytes: Vec<u8>,
    pictures: Range<usize>,
    spare: Spare,
}

impl Buffer {
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Room for `wanted` more bytes; `likely` is the length of memory that mostly does.
    pub(super) fn space(&mut self, wanted: usize, likely: usize) -> &mut [u8] {
        let needed = likely.max(self.end - self.start + wanted);
        if self.bytes.len() / KEPT > needed {
            // A picture that was much longer has left it.
            let mut bytes = self.spare.get(needed);
            self.end -= self.start;
            bytes[..self.end].copy_from_slice(&self.bytes[self.start..][..self.end]);
            (self.bytes, self.start) = (bytes, 0);
        }
        if self.bytes.len() - self.end < wanted {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.is_empty() {
            // The system hands out cleared memory.
            self.bytes = vec![0; wanted];
        }
        if self.bytes.len() - self.end < wanted {
            // By a quarter, lest a long picture without length be moved at each read.
            let more = wanted.max(self.bytes.len() / 4);
            self.bytes.reserve_exact(more);
            self.bytes.resize(self.bytes.len() + more, 0);
        }
        &mut self.bytes[self.end..][..wanted]
    }

    /// Takes the first `count` bytes of the space as data.
    pub(super) fn filled(&mut self, count: usize) {
        self.end = self.bytes.len().min(self.end + count);
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Consumes a picture of that length; where it stands, until space is asked for.
    pub(super) fn mark(&mut self, len: usize) -> Range<usize> {
        let picture = self.start..self.start + len;
        self.consume(len);
        picture
    }

    /// Takes out what stands there, pictures that are consumed; `likely` is the length of memory that mostly does for
    /// what follows.
    pub(super) fn lend(&mut self, pictures: Range<usize>, likely: usize) -> Bytes {
        let rest = self.data().len();
        if pictures.len() < self.bytes.len() / KEPT || rest > pictures.len() {
            // A small picture should not hold on to a large memory; and where much follows it, that would be copied.
            return Bytes::copy_from_slice(&self.bytes[pictures]);
        }
        let mut bytes = self.spare.get(likely.max(rest));
        bytes[..rest].copy_from_slice(self.data());
        std::mem::swap(&mut bytes, &mut self.bytes);
        (self.start, self.end) = (0, rest);
        Bytes::from_owner(Lent { bytes, pictures, spare: self.spare.clone() })
    }
}

impl Spare {
    /// Memory of that length.
    fn get(&self, len: usize) -> Vec<u8> {
        match lock(&self.0).pop() {
            Some(mut bytes) if bytes.capacity() >= len => {
                bytes.resize(len, 0);
                bytes
            }
            _ => vec![0; len],
        }
    }

    fn put(&self, bytes: Vec<u8>) {
        let mut spare = lock(&self.0);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if kept + bytes.capacity() <= MAX_SPARE {
            spare.push(bytes);
        }
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} spare", lock(&self.0).len())
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.pictures.clone()]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.spare.put(std::mem::take(&mut self.bytes));
    }
}

/// Memory kept for use again, in bytes. Chosen: downstream holds two or three pictures at a time, of two megabytes at
/// most, and of small ones as many as wait in a queue.
const MAX_SPARE: usize = 6 * 1024 * 1024;

/// How many times as long as what is in it memory may be that is kept. Chosen: of what is given out three quarters may
/// be of no use to whoever holds it.
const KEPT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &[u8]) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.space(text.len(), 0).copy_from_slice(text);
        buffer.filled(text.len());
        buffer
    }

    #[test]
    fn pictures_leave_with_their_memory_and_give_it_back() {
        let mut buffer = filled(b"--PICTURE--PICTURE--frame");
        let memory = buffer.data().as_ptr();
        buffer.consume(2);
        let first = buffer.mark(7);
        buffer.consume(2);
        let second = buffer.mark(7);
        let pictures = buffer.lend(first.start..second.end, 10);
        assert_eq!((&pictures[..], buffer.data()), (&b"PICTURE--PICTURE"[..], &b"--frame"[..]));
        assert_eq!(pictures.as_ptr(), memory.wrapping_add(2));
        let second = pictures.slice(9..);
        drop(pictures);
        assert_eq!((&second[..], lock(&buffer.spare.0).len()), (&b"PICTURE"[..], 0));
        drop(second);
        assert_eq!(lock(&buffer.spare.0).len(), 1);
    }

    #[test]
    fn a_small_picture_leaves_a_large_memory_behind() {
        let mut buffer = filled(&[b'x'; 1000]);
        let memory = buffer.data().as_ptr();
        let picture = buffer.mark(100);
        let picture = buffer.lend(picture, 1000);
        assert_eq!((picture.len(), buffer.data().len()), (100, 900));
        assert_ne!(picture.as_ptr(), memory);
    }

    /// One picture that was too large once left its memory behind for good, and every later one was copied out of it.
    #[test]
    fn what_a_long_picture_needed_is_not_kept_for_short_ones() {
        let mut buffer = filled(&[b'x'; 10_000]);
        buffer.consume(9_990);
        assert_eq!(buffer.space(90, 100).len(), 90);
        assert_eq!((buffer.data(), buffer.bytes.len()), (&[b'x'; 10][..], 100));
    }

    #[test]
    fn spare_memory_is_bounded() {
        let spare = Spare::default();
        for len in [MAX_SPARE - 10, 9, 2, 1] {
            spare.put(vec![0; len]);
        }
        let kept: Vec<_> = lock(&spare.0).iter().map(Vec::len).collect();
        assert_eq!(kept, [MAX_SPARE - 10, 9, 1]);
    }
}
