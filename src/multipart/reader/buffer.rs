//! The bytes under way.

use bytes::Bytes;

/// Holds what came from the stream and is not consumed yet, with room for more. Its memory is made once and kept, so
/// that the room need not be cleared for each read; what leaves is copied out, so that a small picture in a queue does
/// not hold on to a large buffer.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Room for at least `wanted` more bytes.
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
        &mut self.bytes[self.end..]
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
        let taken = Bytes::copy_from_slice(&self.data()[..len]);
        self.consume(len);
        taken
    }
}
