//! Pictures that carry their number and time of birth in a comment, as the first segment.

use std::time::Duration;

use anyhow::{Result, ensure};

/// Number and time of birth, on the machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub number: u64,
    pub time: Duration,
}

/// Start of image, and the head of a comment of 16 bytes.
const START: [u8; 6] = [0xff, 0xd8, 0xff, 0xfe, 0, 18];

/// Bytes from the start of the picture to the end of its stamp.
pub const LEN: usize = START.len() + 16;

/// The machine's monotonic clock, the same in every process.
pub fn now() -> Duration {
    gst::get_timestamp().into()
}

/// The picture with a stamp of now.
pub fn stamped(jpeg: &[u8], number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LEN + jpeg.len());
    bytes.extend(START);
    bytes.extend(number.to_be_bytes());
    let nanoseconds = u64::try_from(now().as_nanos()).expect("the machine is younger than 500 years");
    bytes.extend(nanoseconds.to_be_bytes());
    bytes.extend(&jpeg[2..]);
    bytes
}

impl Stamp {
    /// Reads the stamp of a picture.
    pub fn read(bytes: &[u8; LEN]) -> Result<Self> {
        ensure!(bytes.starts_with(&START), "not a picture of ours: {bytes:?}");
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes are eight"));
        Ok(Self { number: number(START.len()), time: Duration::from_nanos(number(START.len() + 8)) })
    }
}
