//! Bodies that a server compressed though nobody asked for it.

use gio::prelude::*;

use super::ClientError;

/// Takes a gzip or deflate body apart as it arrives.
pub(super) struct Inflate {
    /// None until the first bytes of a `deflate` body have shown what it is.
    decompressor: Option<gio::ZlibDecompressor>,
    /// Bytes that the decompressor wants to see together with the next ones.
    kept: Vec<u8>,
}

impl Inflate {
    /// For this Content-Encoding; `None` for one that changes nothing or is not known.
    pub(super) fn new(content_encoding: &str) -> Option<Self> {
        let decompressor = match content_encoding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(gio::ZlibDecompressor::new(gio::ZlibCompressorFormat::Gzip)),
            "deflate" => None,
            _ => return None,
        };
        Some(Self { decompressor, kept: Vec::new() })
    }

    /// Takes the next bytes and hands what they hold to `data`. Whether the body goes on.
    pub(super) fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<bool, ClientError> {
        self.kept.extend_from_slice(bytes);
        let decompressor = match (&mut self.decompressor, self.kept.as_slice()) {
            (Some(decompressor), _) => decompressor,
            (none, [first, second, ..]) => none.insert(gio::ZlibDecompressor::new(deflate_format(*first, *second))),
            (None, _) => return Ok(true),
        };
        let mut space = vec![0; SPACE];
        loop {
            match decompressor.convert(&self.kept, &mut space[..], gio::ConverterFlags::NONE) {
                Ok((result, read, written)) => {
                    data(&space[..written]);
                    self.kept.drain(..read);
                    if result == gio::ConverterResult::Finished {
                        return Ok(false);
                    }
                    if read == 0 && written == 0 {
                        return Ok(true);
                    }
                }
                Err(error) if error.matches(gio::IOErrorEnum::PartialInput) => return Ok(true),
                Err(error) => return Err(ClientError::Compressed { message: error.message().to_owned() }),
            }
        }
    }
}

/// `deflate` should mean zlib, but some servers leave out zlib's head (RFC 1950 2.2: method 8, a check modulo 31).
fn deflate_format(first: u8, second: u8) -> gio::ZlibCompressorFormat {
    if first & 0x0f == 8 && u16::from_be_bytes([first, second]).is_multiple_of(31) {
        gio::ZlibCompressorFormat::Zlib
    } else {
        gio::ZlibCompressorFormat::Raw
    }
}

/// Bytes decompressed at once.
const SPACE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(format: gio::ZlibCompressorFormat, text: &[u8]) -> Vec<u8> {
        let compressor = gio::ZlibCompressor::new(format, -1);
        let mut space = vec![0; 2 * text.len() + 100];
        let end = gio::ConverterFlags::INPUT_AT_END;
        let (_, _, written) = compressor.convert(text, &mut space[..], end).expect("text can be compressed");
        space.truncate(written);
        space
    }

    #[test]
    fn bodies_are_decompressed_however_they_are_cut() {
        let text = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".repeat(100);
        for (encoding, format) in [
            ("gzip", gio::ZlibCompressorFormat::Gzip),
            ("deflate", gio::ZlibCompressorFormat::Zlib),
            ("Deflate", gio::ZlibCompressorFormat::Raw),
        ] {
            let stream = compressed(format, &text);
            for size in [1, 7, stream.len()] {
                let mut inflate = Inflate::new(encoding).expect("the encoding is known");
                let mut body = Vec::new();
                for piece in stream.chunks(size) {
                    inflate.decode(piece, |data| body.extend_from_slice(data)).expect("the body is whole");
                }
                assert_eq!(body, text, "{encoding} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_is_not_compressed_is_an_error() {
        let mut inflate = Inflate::new("gzip").expect("the encoding is known");
        assert!(inflate.decode(b"--frame\r\nContent-Type: image/jpeg\r\n", |_| ()).is_err());
    }

    #[test]
    fn other_encodings_are_left_alone() {
        for encoding in ["identity", "", "br"] {
            assert!(Inflate::new(encoding).is_none());
        }
    }
}
