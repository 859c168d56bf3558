//! What bytes are by their beginning: a stream of pictures, a text, or too few to tell.

use crate::{http::HeadReader, jpeg};

/// The beginning of a text, looked at as more and more of it comes.
#[derive(Default)]
pub(super) struct Beginning {
    head: HeadReader,
    /// Length of the head that it begins with, once that is whole.
    head_len: Option<usize>,
}

impl Beginning {
    /// Whether it is that of a stream of pictures, behind a head of its own or not; `None` while its bytes are too few
    /// to tell.
    pub(super) fn is_stream(&mut self, text: &[u8]) -> Option<bool> {
        let begins = begins_as_stream(text);
        // The other texts begin with other signs: pages with a tag, data with a bracket.
        if begins != Some(false) || !text_start(text).first().is_some_and(u8::is_ascii_alphanumeric) {
            return begins;
        }
        if self.head_len.is_none() {
            let Ok(head) = self.head.read(text) else { return Some(false) };
            self.head_len = head.map(|(_, len)| len);
        }
        begins_as_stream(&text[self.head_len?..])
    }
}

/// Whether bytes begin as a stream of pictures does: with a delimiter, the head of a part, or a picture; `None` while
/// they are too few to tell.
pub(super) fn begins_as_stream(bytes: &[u8]) -> Option<bool> {
    let bytes = text_start(bytes);
    let begins = |known: &&[u8]| bytes.iter().zip(*known).all(|(a, b)| a.eq_ignore_ascii_case(b));
    let known = [b"--".as_slice(), b"content-", &jpeg::START].into_iter().find(begins);
    known.map_or(Some(false), |known| (bytes.len() >= known.len()).then_some(true))
}

/// What a text begins with, behind a byte order mark and blanks.
pub(super) fn text_start(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii_start()
}
