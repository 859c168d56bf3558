//! The body of an answer without what it was wrapped in for the way.

use super::{ClientError, inflate::Inflate};
use crate::http::{Chunked, ResponseHead};

/// Takes chunks and compression off a body as it arrives.
pub(super) struct Coding {
    chunked: Option<Chunked>,
    inflate: Option<Inflate>,
    /// The last chunk is in.
    whole: bool,
}

impl Coding {
    /// For the body after this head; `None` for one that comes as it is.
    pub(super) fn new(head: &ResponseHead) -> Option<Self> {
        let chunked = head.is_chunked().then(Chunked::new);
        let codings = head.words("content-encoding").chain(head.words("transfer-encoding"));
        let inflate = Inflate::new(codings);
        (chunked.is_some() || inflate.is_some()).then_some(Self { chunked, inflate, whole: false })
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.chunked.is_some()
    }

    /// Whether the last chunk is in, so that the next answer on this connection can follow.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes the next bytes and hands what they hold to `data`, a piece at a time: few bytes may hold very many. Whether
    /// the body goes on.
    pub(super) fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<bool, ClientError> {
        let Self { chunked, inflate, whole } = self;
        let mut inflated = Ok(true);
        let mut take = |piece: &[u8]| match inflate {
            Some(inflate) if inflated == Ok(true) => inflated = inflate.decode(piece, &mut data),
            Some(_) => {}
            None => data(piece),
        };
        match chunked {
            Some(chunked) => *whole = !chunked.decode(bytes, take)?,
            None => take(bytes),
        }
        Ok(inflated? && !*whole)
    }
}
