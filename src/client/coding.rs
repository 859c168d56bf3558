//! The body of an answer without what it was wrapped in for the way.

use super::{ClientError, inflate::Inflate};
use crate::http::{Chunked, ResponseHead};

/// Takes chunks and compression off a body as it arrives. What its head says of that is a hint: its first bytes tell.
pub struct Coding {
    chunked: Chunked,
    inflate: Inflate,
    /// The last chunk is in.
    whole: bool,
}

impl Coding {
    /// For the body after this head.
    pub fn new(head: &ResponseHead) -> Self {
        let chunked = if head.is_chunked() { Chunked::announced() } else { Chunked::unannounced() };
        let codings = head.words("content-encoding").chain(head.words("transfer-encoding"));
        Self { chunked, inflate: Inflate::new(codings), whole: false }
    }

    /// What a head names that is not taken off, or not all of it; for people.
    pub(super) fn unknown(head: &ResponseHead) -> Option<String> {
        let named = head.words("content-encoding").chain(head.words("transfer-encoding"));
        let named: Vec<_> = named.filter(|word| !["", "identity", "chunked"].contains(&word.as_str())).collect();
        let is_known = matches!(named.as_slice(), [] | [_]) && named.iter().all(|word| KNOWN.contains(&word.as_str()));
        (!is_known).then(|| named.join(", ").chars().take(SHOWN).collect())
    }

    /// Whether the body has turned out to come as it is.
    pub(super) fn is_needless(&self) -> bool {
        self.chunked.is_needless() && self.inflate.is_needless()
    }

    /// Whether what comes may hold very many times as many bytes.
    pub(super) fn is_compressed(&self) -> bool {
        !self.inflate.is_needless()
    }

    /// Whether the last chunk is in.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether the next answer on this connection can follow, as far as chunks tell.
    pub(super) fn is_over(&self) -> bool {
        self.chunked.is_needless() || self.chunked.is_over()
    }

    /// Takes the next bytes and hands what they hold to `data`, a piece at a time: few bytes may hold very many.
    /// Returns whether the body goes on.
    ///
    /// # Errors
    ///
    /// The body is not coded as its head says.
    pub fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<bool, ClientError> {
        let Self { chunked, inflate, whole } = self;
        let mut inflated = Ok(true);
        let take = |piece: &[u8]| {
            if inflated == Ok(true) {
                inflated = inflate.decode(piece, &mut data);
            }
        };
        let chunks = chunked.decode(bytes, take);
        // What ended first counts, or it would depend on how the body was cut (found by fuzzing).
        if inflated != Ok(true) {
            return inflated;
        }
        *whole = !chunks?;
        Ok(!*whole)
    }
}

/// The compressions that are taken off.
const KNOWN: [&str; 3] = ["gzip", "x-gzip", "deflate"];

/// Characters of a coding's name that an error shows. Those that are registered have 16 at most.
const SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_end_of_the_compression_does_not_count_however_it_is_cut() {
        let head = b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Encoding: deflate\n\n";
        let (head, _) = ResponseHead::parse(head).expect("a head").expect("a whole head");
        // Nothing at all, as zlib writes it, padding, and then no chunk.
        let body = b"a\r\n\x78\x9c\x03\0\0\0\0\x01\0\0\r\nno length\r\n";
        for size in [1, 6, body.len()] {
            let mut coding = Coding::new(&head);
            let end = body.chunks(size).map(|piece| coding.decode(piece, |_| ())).find(|goes_on| *goes_on != Ok(true));
            assert_eq!(end, Some(Ok(false)), "in pieces of {size}");
        }
    }
}
