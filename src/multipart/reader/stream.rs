//! What the stream has shown so far of the camera that sends it. Every place reads and adds to it, so that each picture
//! is judged by those before it.

use super::{Lengths, Limits};
use crate::{jpeg::Damage, multipart::delimiter::Delimiter};

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) limits: Limits,
    pub(super) delimiter: Delimiter,
    pub(super) lengths: Lengths,
    /// A right length was greater than its picture: the camera pads them.
    pub(super) pads: bool,
    /// Length of the last picture: the next one is likely to be as long.
    pub(super) last_len: usize,
    /// The last picture stood at the beginning of its part, or nearly.
    pub(super) tidy: bool,
    /// Damaged pictures since the last whole one.
    pub(super) damaged_in_a_row: usize,
}

impl Stream {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            delimiter: Delimiter::default(),
            lengths: Lengths::default(),
            pads: false,
            last_len: 0,
            tidy: false,
            damaged_in_a_row: 0,
        }
    }

    /// Whether its parts are known to begin with a delimiter.
    pub(super) fn has_delimiter(&self) -> bool {
        self.delimiter.text().is_some()
    }

    /// A picture came out whole; `tidy` if it stood at the beginning of its part, or nearly.
    pub(super) fn came_out(&mut self, len: usize, lengths: Lengths, tidy: bool) {
        self.last_len = len;
        self.lengths = lengths;
        self.pads &= lengths == Lengths::Right;
        self.tidy = tidy;
        self.damaged_in_a_row = 0;
    }

    /// A picture was lost.
    pub(super) fn lost(&mut self, damage: Damage) {
        self.damaged_in_a_row += 1;
        self.tidy &= damage != Damage::NotJpeg;
    }
}
