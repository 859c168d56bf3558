//! What a JPEG picture is, as far as carrying one needs to know: where it ends and how large it is.
//!
//! [`Walk`] steps over the markers of a picture that arrives in pieces and finds its true end of image (EOI). The
//! naive search for the bytes `FF D9` ends a picture at the thumbnail that cameras put into its EXIF segment.
//! [`Header`] is what the frame header says: size and components. [`check`] judges a whole picture, which as [`Whole`]
//! is complete with the tables that every decoder wants.
//!
//! Nothing here decodes, copies or waits. Source: ITU-T T.81 (JPEG), annex B.

mod header;
mod huffman;
mod walk;

pub use header::Header;
pub use walk::{Damage, Step, Walk};

/// The first bytes of every picture: start of image (SOI), then the first byte of the next marker.
pub const START: [u8; 3] = [0xff, 0xd8, 0xff];

/// The bytes of a picture that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<'a> {
    picture: &'a [u8],
    header: Header,
    tables_missing_at: Option<usize>,
}

impl Whole<'_> {
    /// What its frame header says.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Whether it leaves out its Huffman tables, as the pictures of USB webcams do; [`pieces`](Self::pieces) has them.
    pub fn lacks_tables(&self) -> bool {
        self.tables_missing_at.is_some()
    }

    /// Its bytes, with the standard Huffman tables where it has none. All others stay as they are, so the pieces of a
    /// picture that has tables are that picture.
    pub fn pieces(&self) -> [&[u8]; 3] {
        match self.tables_missing_at.and_then(|at| self.picture.split_at_checked(at)) {
            Some((before, after)) => [before, &huffman::SEGMENT, after],
            None => [self.picture, &[], &[]],
        }
    }
}

/// Walks a whole picture.
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
pub fn check(picture: &[u8]) -> Result<Whole<'_>, Damage> {
    if picture.is_empty() {
        return Err(Damage::Empty);
    }
    let mut walk = Walk::new();
    match walk.step(picture, 0) {
        Step::End(_) => {
            let header = walk.header().ok_or(Damage::NoFrameHeader)?;
            Ok(Whole { picture, header, tables_missing_at: walk.tables_missing_at() })
        }
        Step::Damaged(_, damage) => Err(damage),
        Step::More => Err(Damage::Truncated),
    }
}
