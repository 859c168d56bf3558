//! The pictures in what one viewer receives.

use std::time::Duration;

use anyhow::{Context, Result};

use super::stamp::{self, Stamp};

/// A picture that has come whole, and its age then.
pub type Arrival = (Stamp, Duration);

/// What has come of the picture under way.
#[derive(Default)]
pub struct Pictures {
    /// The lines since the last picture.
    head: Vec<u8>,
    /// Bytes of the picture still to come.
    left: usize,
    stamp: Vec<u8>,
}

/// More than the head of any part or response here.
const LONGEST_HEAD: usize = 4096;

impl Pictures {
    /// Takes what came next.
    pub fn take(&mut self, mut bytes: &[u8], arrivals: &mut Vec<Arrival>) -> Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.head.push(*first);
                bytes = rest;
                if self.head.ends_with(b"\r\n\r\n") {
                    self.left = content_length(&self.head)?;
                    self.head.clear();
                }
                // tcpserversink lets viewers begin within a picture; the next head is found behind it.
                if self.head.len() > LONGEST_HEAD {
                    self.head.drain(..LONGEST_HEAD / 2);
                }
                continue;
            }
            let taken = self.left.min(bytes.len());
            let missing = stamp::LEN - self.stamp.len();
            self.stamp.extend(&bytes[..missing.min(taken)]);
            self.left -= taken;
            bytes = &bytes[taken..];
            if self.left == 0 {
                let stamp = Stamp::read(self.stamp.as_slice().try_into().context("pictures are long")?)?;
                arrivals.push((stamp, stamp::now().saturating_sub(stamp.time)));
                self.stamp.clear();
            }
        }
        Ok(())
    }
}

/// The length in a head; 0 in the head of the response, which has none.
fn content_length(head: &[u8]) -> Result<usize> {
    let head = String::from_utf8_lossy(head);
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let length = fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
    Ok(length.map(|(_, value)| value.parse()).transpose()?.unwrap_or_default())
}
