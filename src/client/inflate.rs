//! Bodies that a server compressed though nobody asked for it.

use gio::{
    ZlibCompressorFormat::{self, Gzip, Raw, Zlib},
    prelude::*,
};

use super::ClientError;

/// Takes a gzip or deflate body apart as it arrives. Its first bytes tell how it is compressed, if it is at all: some
/// servers name another coding than they use, or one that they do not use, or none.
pub(super) struct Inflate {
    /// What the head says of it.
    said: Said,
    state: State,
    /// Bytes that are not decompressed yet.
    kept: Vec<u8>,
    /// Room for what is decompressed, once something is.
    space: Vec<u8>,
}

/// What a head says of how its body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    /// Of `deflate` not all kinds can be told by their first bytes.
    Deflate,
    Other,
}

enum State {
    /// Before the first bytes.
    Start,
    Compressed(gio::ZlibDecompressor),
    /// Behind a member of a gzip body, where another may follow (RFC 1952 2.2).
    Behind,
    /// Not compressed, or in a way that we do not know.
    AsItIs,
    Ended,
}

impl Inflate {
    /// For a body of these codings.
    pub(super) fn new(codings: impl Iterator<Item = String>) -> Self {
        let said = codings.fold(Said::Nothing, |said, coding| match coding.as_str() {
            "" | "identity" | "chunked" => said,
            "deflate" => Said::Deflate,
            _ if said == Said::Deflate => said,
            _ => Said::Other,
        });
        Self { said, state: State::Start, kept: Vec::new(), space: Vec::new() }
    }

    /// Whether its first bytes have shown that it is not compressed.
    pub(super) fn is_needless(&self) -> bool {
        matches!(self.state, State::AsItIs)
    }

    /// Takes the next bytes and hands what they hold to `data`. Returns whether the body goes on.
    pub(super) fn decode(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<bool, ClientError> {
        if self.is_needless() {
            data(bytes);
            return Ok(true);
        }
        self.kept.extend_from_slice(bytes);
        loop {
            match &self.state {
                State::Start | State::Behind if self.kept.len() < 2 => return Ok(true),
                State::Start => match first(&self.kept, self.said) {
                    Some(state) => self.state = state,
                    None => return Ok(true),
                },
                State::Behind if self.kept.starts_with(&GZIP) => self.state = State::compressed(Gzip),
                // Padding: RFC 1952 does not know it, gzip passes over it.
                State::Behind => self.state = State::Ended,
                State::Ended => return Ok(false),
                State::AsItIs => {
                    data(&std::mem::take(&mut self.kept));
                    return Ok(true);
                }
                State::Compressed(decompressor) => {
                    self.space.resize(SPACE, 0);
                    match decompressor.convert(&self.kept, &mut self.space[..], gio::ConverterFlags::NONE) {
                        Ok((result, read, written)) => {
                            data(&self.space[..written]);
                            self.kept.drain(..read);
                            if result == gio::ConverterResult::Finished {
                                self.state = State::Behind;
                            } else if read == 0 && written == 0 {
                                return Ok(true);
                            }
                        }
                        Err(error) if error.matches(gio::IOErrorEnum::PartialInput) => return Ok(true),
                        Err(error) => return Err(ClientError::Compressed { message: error.message().to_owned() }),
                    }
                }
            }
        }
    }
}

impl State {
    fn compressed(format: ZlibCompressorFormat) -> Self {
        Self::Compressed(gio::ZlibDecompressor::new(format))
    }
}

/// What a body is that begins with these bytes, two at least; nothing while they are too few to tell.
fn first(bytes: &[u8], said: Said) -> Option<State> {
    let zlib = bytes[0] & 0x0f == 8 && u16::from_be_bytes([bytes[0], bytes[1]]).is_multiple_of(31);
    let state = match bytes {
        [0x1f, 0x8b, ..] => State::compressed(Gzip),
        // Other bytes pass for something compressed too easily.
        _ if said == Said::Nothing => State::AsItIs,
        // RFC 1950 2.2: method 8, a check modulo 31.
        _ if zlib => State::compressed(Zlib),
        [b'-', b'-', ..] | [b'\r', b'\n', ..] | [0xff, 0xd8, ..] => State::AsItIs,
        // `deflate` should mean zlib, but some servers leave out zlib's head.
        _ if said == Said::Deflate && is_raw(bytes)? => State::compressed(Raw),
        _ => State::AsItIs,
    };
    Some(state)
}

/// Whether what begins so can be decompressed without any head; nothing while the bytes are too few to tell.
fn is_raw(bytes: &[u8]) -> Option<bool> {
    let tried = &bytes[..bytes.len().min(TRIED)];
    let decompressor = gio::ZlibDecompressor::new(Raw);
    match decompressor.convert(tried, &mut [0; SPACE][..], gio::ConverterFlags::NONE) {
        // Many a text passes for a few bytes and an end; so few hold no picture.
        Ok((gio::ConverterResult::Finished, ..)) => Some(false),
        Err(error) if !error.matches(gio::IOErrorEnum::PartialInput) => Some(false),
        _ => (tried.len() == TRIED).then_some(true),
    }
}

/// Bytes after which a body that could be decompressed so far is. Chosen: text and pictures fail within a few of them;
/// what comes compressed is held back until then.
const TRIED: usize = 128;

/// RFC 1952 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes decompressed at once.
const SPACE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(format: ZlibCompressorFormat, text: &[u8]) -> Vec<u8> {
        let compressor = gio::ZlibCompressor::new(format, -1);
        let mut space = vec![0; 2 * text.len() + 100];
        let end = gio::ConverterFlags::INPUT_AT_END;
        let (_, _, written) = compressor.convert(text, &mut space[..], end).expect("text can be compressed");
        space.truncate(written);
        space
    }

    fn named(coding: &str) -> Inflate {
        Inflate::new(std::iter::once(coding.to_owned()))
    }

    /// What comes out of a body in pieces of any size, and whether it goes on.
    #[track_caller]
    fn decoded(coding: &str, stream: &[u8]) -> (Vec<u8>, bool) {
        let decode = |size| {
            let (mut inflate, mut body, mut goes_on) = (named(coding), Vec::new(), true);
            for piece in stream.chunks(size) {
                goes_on = inflate.decode(piece, |data| body.extend_from_slice(data)).expect("the body is whole");
            }
            (body, goes_on)
        };
        assert_eq!((decode(1), decode(7)), (decode(stream.len()), decode(stream.len())), "{coding}");
        decode(stream.len())
    }

    const TEXT: &[u8] = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n";

    #[test]
    fn bodies_are_decompressed_whatever_their_coding_is_called() {
        // So much that it is long when it is compressed, too.
        let text: Vec<u8> = (0..500).flat_map(|number: u32| format!("{number}\r\n").into_bytes()).collect();
        for (coding, format) in [
            ("gzip", Gzip),
            ("x-gzip", Gzip),
            ("deflate", Zlib),
            ("deflate", Raw),
            ("deflate", Gzip),
            ("gzip", Zlib),
            ("", Gzip),
            ("identity", Gzip),
        ] {
            assert_eq!(decoded(coding, &compressed(format, &text)).0, text, "{coding}, {format:?}");
        }
    }

    #[test]
    fn a_body_of_several_members_is_read_to_its_end() {
        let member = compressed(ZlibCompressorFormat::Gzip, TEXT);
        assert_eq!(decoded("gzip", &[&member[..], &member].concat()), ([TEXT, TEXT].concat(), true));
        assert_eq!(decoded("gzip", &[&member[..], b"\0\0\0"].concat()), (TEXT.to_vec(), false));
    }

    #[test]
    fn what_is_not_compressed_comes_as_it_is() {
        for coding in ["gzip", "deflate", "br", "utf-8", ""] {
            let mut bodies = vec![TEXT.to_vec(), b"\r\n--frame\r\n".to_vec(), b"\xff\xd8\xff\xe0\0".to_vec()];
            // What could be compressed, from its first bytes alone.
            for lead in ["\n", "Content-Type: image/jpeg\r\n", "\u{1}\u{2}", "a preamble\r\n", "\0\0\0\0\0"] {
                bodies.push([lead.as_bytes(), &TEXT.repeat(10)].concat());
            }
            // Each of these is a whole stream of its own, followed by something else.
            for lead in ["Status: 200 OK\r\n\r\n", "Server: nginx\r\n", "Snapshot\r\n", "Start", "K"] {
                bodies.push([lead.as_bytes(), b"\xff\xd8\xff\xe0\0\x10JFIF", &[0; 200]].concat());
            }
            for body in bodies {
                assert_eq!(decoded(coding, &body), (body.clone(), true), "{coding}, {}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let mut stream = compressed(ZlibCompressorFormat::Gzip, &TEXT.repeat(100));
        stream[20..30].fill(0xff);
        assert!(named("gzip").decode(&stream, |_| ()).is_err());
    }

    /// What begins as zlib does, or could be raw, is most likely something else where nobody speaks of compression.
    #[test]
    fn only_gzip_is_seen_where_the_head_says_nothing() {
        for coding in ["identity", "", "chunked"] {
            for body in [b"x\x9c pixels".as_slice(), b"\x08\x1d", b"mjpeg 0000"] {
                assert_eq!(decoded(coding, body), (body.to_vec(), true), "{coding:?}");
            }
        }
    }
}
