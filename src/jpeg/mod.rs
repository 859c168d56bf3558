//! What a JPEG picture is, as far as carrying one needs to know: where it ends and how large it is.
//!
//! [`Walk`] steps over the markers of a picture that arrives in pieces and finds its true end of image (EOI). The
//! naive search for the bytes `FF D9` ends a picture at the thumbnail that cameras put into its EXIF segment.
//! [`Header`] is what the frame header says: size and components. [`check`] judges a whole picture.
//!
//! Nothing here decodes, allocates or waits. Source: ITU-T T.81 (JPEG), annex B.

mod header;
mod walk;

pub use header::Header;
pub use walk::{Damage, Step, Walk};

/// The first bytes of every picture: start of image (SOI), then the first byte of the next marker.
pub const START: [u8; 3] = [0xff, 0xd8, 0xff];

/// Walks a whole picture and gives its frame header.
///
/// Bytes after the picture's end are accepted: cameras pad their buffers.
///
/// # Errors
///
/// What is wrong with it: not a JPEG, damaged, or cut short ([`Damage::Truncated`]).
///
/// # Examples
///
/// ```
/// use gstmjpeghttp::jpeg::{self, Damage};
///
/// assert_eq!(jpeg::check(b"GIF89a"), Err(Damage::NotJpeg));
/// assert_eq!(jpeg::check(&[0xff, 0xd8, 0xff, 0xe0, 0x00]), Err(Damage::Truncated));
/// ```
pub fn check(picture: &[u8]) -> Result<Header, Damage> {
    if picture.is_empty() {
        return Err(Damage::Empty);
    }
    let mut walk = Walk::new();
    match walk.step(picture, 0) {
        Step::End(_) => walk.header().ok_or(Damage::NoFrameHeader),
        Step::Damaged(_, damage) => Err(damage),
        Step::More => Err(Damage::Truncated),
    }
}
