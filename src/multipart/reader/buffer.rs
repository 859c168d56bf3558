//! The bytes under way.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex},
};

use bytes::Bytes;

use crate::sync::lock;

/// Holds what came from the stream and is not consumed yet, with room for more. A picture leaves with the memory that
/// it was read into, and that comes back when the picture is dropped: so a picture is copied nowhere, and the room need
/// not be cleared for each read.
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

/// A picture in the memory that it was read into.
struct Lent {
    bytes: Vec<u8>,
    picture: Range<usize>,
    spare: Spare,
}

impl Buffer {
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Room for `wanted` more bytes.
    pub(super) fn space(&mut self, wanted: usize) -> &mut [u8] {
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

    /// Takes the first `len` bytes out.
    pub(super) fn take(&mut self, len: usize) -> Bytes {
        let after = self.data().len() - len;
        if len < self.bytes.len() / 4 || after > len / 4 {
            // A small picture should not hold on to a large memory; and where much follows it, that would be copied.
            let taken = Bytes::copy_from_slice(&self.data()[..len]);
            self.consume(len);
            return taken;
        }
        // The next picture is likely to be as long. A memory that has grown too long would be held by each of them.
        let likely = (len + after).next_power_of_two().max(MIN_SIZE).min(self.bytes.len());
        let mut bytes = self.spare.get(likely);
        bytes[..after].copy_from_slice(&self.data()[len..]);
        std::mem::swap(&mut bytes, &mut self.bytes);
        let picture = self.start..self.start + len;
        (self.start, self.end) = (0, after);
        Bytes::from_owner(Lent { bytes, picture, spare: self.spare.clone() })
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
        &self.bytes[self.picture.clone()]
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

/// Least memory to begin with behind a picture, in bytes: the reader offers as much for one read.
const MIN_SIZE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &[u8]) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.space(text.len()).copy_from_slice(text);
        buffer.filled(text.len());
        buffer
    }

    #[test]
    fn a_picture_leaves_with_its_memory_and_gives_it_back() {
        let mut buffer = filled(b"PICTUREpicture--frame");
        let memory = buffer.data().as_ptr();
        buffer.consume(1);
        let picture = buffer.take(17);
        assert_eq!((&picture[..], buffer.data()), (&b"ICTUREpicture--fr"[..], &b"ame"[..]));
        assert_eq!(picture.as_ptr(), memory.wrapping_add(1));
        drop(picture);
        assert_eq!(lock(&buffer.spare.0).len(), 1);
    }

    #[test]
    fn a_small_picture_leaves_a_large_memory_behind() {
        let mut buffer = filled(&[b'x'; 1000]);
        let memory = buffer.data().as_ptr();
        let picture = buffer.take(100);
        assert_eq!((picture.len(), buffer.data().len()), (100, 900));
        assert_ne!(picture.as_ptr(), memory);
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
