//! The chunked transfer coding, RFC 9112 7.1.

/// Takes a chunked body apart as it arrives. One that does not begin with a chunk is not chunked, whatever its head
/// says, and is handed over as it is; one that does is chunked, even if its head says nothing.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    /// The body's first line, until it has proved to be a chunk's length; `None` from then on.
    first: Option<Vec<u8>>,
    /// Its lines end with carriage returns alone.
    returns: bool,
    /// The head says that it is chunked.
    announced: bool,
}

/// Why a body is not chunked as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkedError {
    /// A chunk does not begin with its length in hexadecimal digits.
    #[error("a chunk has no length")]
    NoLength,
    /// The line with a chunk's length does not end within the limit.
    #[error("the line with a chunk's length is longer than {MAX_LINE} bytes")]
    LineTooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(Length),
    Data(u64),
    /// Before the line end after the data.
    AfterData,
    /// Inside that line end.
    AfterReturn,
    /// Behind the last chunk, in the trailer: whether its current line is empty so far.
    Ended {
        empty: bool,
    },
    /// Behind the blank line at the end of the trailer.
    Over,
    /// More came behind that: the next answer would begin in the wrong place.
    Beyond,
    /// Not chunked at all.
    AsItIs,
    /// Before the first line.
    Start,
}

/// The line with a chunk's length, as far as it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Length {
    value: u64,
    /// A digit was seen.
    any: bool,
    /// The digits are over.
    over: bool,
    /// The last byte was the carriage return behind them.
    returned: bool,
    /// Bytes of the line.
    line: usize,
}

impl Chunked {
    /// A body before its first byte, whose head says that it is chunked.
    pub fn announced() -> Self {
        Self { state: State::Start, first: Some(Vec::new()), returns: false, announced: true }
    }

    /// A body before its first byte, of which nobody says that it is chunked: its first line has to be a length and
    /// nothing else.
    pub fn unannounced() -> Self {
        Self { announced: false, ..Self::announced() }
    }

    /// Whether the body has turned out not to be chunked.
    pub fn is_needless(&self) -> bool {
        self.state == State::AsItIs
    }

    /// Whether the last byte taken was the body's last, so that the next answer on the connection can follow.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Takes the next bytes of the body and hands each piece of data in them to `data`. Returns whether the body goes
    /// on; trailer fields are not read.
    ///
    /// # Errors
    ///
    /// It is chunked no longer. The data before that was handed over.
    ///
    /// # Examples
    ///
    /// ```
    /// use gstmjpeghttp::http::Chunked;
    ///
    /// let mut body = Vec::new();
    /// let goes_on = Chunked::announced().decode(b"3\r\nabc\r\n0\r\n\r\n", |data| body.extend_from_slice(data));
    /// assert_eq!((goes_on, body.as_slice()), (Ok(false), b"abc".as_slice()));
    /// ```
    pub fn decode(&mut self, mut bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<bool, ChunkedError> {
        while let Some((first, rest)) = bytes.split_first() {
            match self.state {
                State::Start => self.state = State::Length(Length::default()),
                State::Length(length) if length.returned && (self.returns || !matches!(first, b'\r' | b'\n')) => {
                    self.returns = true;
                    self.state = length.end();
                }
                State::Length(length) => {
                    bytes = rest;
                    self.state = self.length(length, *first, &mut data)?;
                }
                State::AsItIs => {
                    data(bytes);
                    break;
                }
                State::Data(left) => {
                    self.first = None;
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    data(&bytes[..len]);
                    bytes = &bytes[len..];
                    self.state = match left - len as u64 {
                        0 => State::AfterData,
                        left => State::Data(left),
                    };
                }
                // The line end, CRLF or LF alone; where it is missing, the next length begins.
                State::AfterData if *first == b'\r' => {
                    bytes = rest;
                    self.state = State::AfterReturn;
                }
                State::AfterData | State::AfterReturn => {
                    bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
                    self.state = State::Start;
                }
                State::Ended { empty } => {
                    bytes = rest;
                    self.state = match first {
                        b'\n' if empty => State::Over,
                        b'\r' => State::Ended { empty },
                        _ => State::Ended { empty: *first == b'\n' },
                    };
                }
                State::Over | State::Beyond => {
                    self.state = State::Beyond;
                    break;
                }
            }
        }
        Ok(!matches!(self.state, State::Ended { .. } | State::Over | State::Beyond))
    }

    /// Takes the next byte of a line with a chunk's length. What turns out to be no length is data.
    fn length(&mut self, length: Length, byte: u8, data: &mut impl FnMut(&[u8])) -> Result<State, ChunkedError> {
        let state = length.take(byte);
        let Some(first) = &mut self.first else {
            // One line of a preamble may look like a length; what is lost with it is a picture.
            if state.is_err() && !self.announced {
                data(&[byte]);
                return Ok(State::AsItIs);
            }
            return state;
        };
        first.push(byte);
        match state {
            Ok(state) if self.announced || is_strict(byte, state) => Ok(state),
            _ => {
                data(first);
                Ok(State::AsItIs)
            }
        }
    }
}

/// Whether a byte of the first line, which led to this state, leaves no doubt that the line is the length of a chunk.
fn is_strict(byte: u8, state: State) -> bool {
    let in_length = matches!(state, State::Length(Length { any: true, .. }) | State::Data(_));
    in_length && !matches!(byte, b' ' | b'\t')
}

impl Length {
    /// Takes the next byte of the line.
    fn take(self, byte: u8) -> Result<State, ChunkedError> {
        if self.line >= MAX_LINE {
            return Err(ChunkedError::LineTooLong);
        }
        let taken = Self { line: self.line + 1, returned: false, ..self };
        let digit = char::from(byte).to_digit(16).filter(|_| !self.over);
        Ok(match (byte, digit) {
            (_, Some(digit)) => {
                let value = self.value.checked_mul(16).and_then(|value| value.checked_add(digit.into()));
                State::Length(Self { any: true, value: value.ok_or(ChunkedError::NoLength)?, ..taken })
            }
            // `0x1000`
            (b'x' | b'X', _) if self.any && self.value == 0 && !self.over => State::Length(taken),
            (b'\n', _) if self.any => self.end(),
            // Blanks before the digits, and after them blanks, the carriage return and extensions.
            (b' ' | b'\t' | b'\r' | b'\n', _) if !self.any => State::Length(taken),
            (b' ' | b'\t' | b'\r' | b';', _) => State::Length(Self { over: true, returned: byte == b'\r', ..taken }),
            _ if self.over => State::Length(taken),
            _ => return Err(ChunkedError::NoLength),
        })
    }

    /// The line is over.
    fn end(self) -> State {
        if self.value == 0 { State::Ended { empty: true } } else { State::Data(self.value) }
    }
}

/// Longest line with a chunk's length, in bytes. Chosen: Apache httpd's default for a line (8190); nobody is known to
/// send extensions.
const MAX_LINE: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> (Result<bool, ChunkedError>, Vec<u8>) {
        let (mut chunked, mut body, mut result) = (Chunked::announced(), Vec::new(), Ok(true));
        for piece in pieces {
            result = chunked.decode(piece, |data| body.extend_from_slice(data));
        }
        (result, body)
    }

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let stream = b"4\r\nWiki\r\n5;name=value\r\npedia\r\n00A\r\n in chunks\r\n0\r\n\r\n";
        for cut in 0..stream.len() {
            let (result, body) = decode(&[&stream[..cut], &stream[cut..]]);
            assert_eq!((result, body.as_slice()), (Ok(false), b"Wikipedia in chunks".as_slice()), "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(decode(&bytes).1, b"Wikipedia in chunks");
    }

    #[test]
    fn line_feeds_alone_blanks_and_missing_line_ends_are_read() {
        assert_eq!(decode(&[b" 3 \nabc\n2\nde1\nf\n0\n"]), (Ok(false), b"abcdef".to_vec()));
    }

    #[test]
    fn carriage_returns_alone_end_lines() {
        // The data of the second chunk begins as a line end does.
        let stream = b"5;x=y\r--fra\r4\r\nme\r\r0\r\r";
        for pieces in [vec![&stream[..]], stream.chunks(1).collect()] {
            assert_eq!(decode(&pieces), (Ok(false), b"--fra\nme\r".to_vec()));
        }
        assert_eq!(decode(&[b"3 \r\r\nabc\r\n0\r\r\n"]), (Ok(false), b"abc".to_vec()));
    }

    /// Seen from outside: no picture, and "the body is damaged" again and again.
    #[test]
    fn a_body_that_begins_with_no_length_comes_as_it_is() {
        for body in [b"--frame\r\nContent-Type: x".as_slice(), b"\xff\xd8\xff\xe0", b"Content-Type: x\r\n"] {
            for pieces in [vec![body], body.chunks(1).collect()] {
                assert_eq!(decode(&pieces), (Ok(true), body.to_vec()));
            }
        }
    }

    #[test]
    fn a_body_that_begins_with_a_length_is_chunked_though_nobody_says_so() {
        for stream in ["a\r\n--frame\r\nC\r\n0\r\n\r\n", "A;x\n--frame\r\nC\n0\n\n"] {
            let (mut chunked, mut body) = (Chunked::unannounced(), Vec::new());
            let results =
                stream.as_bytes().chunks(1).map(|piece| chunked.decode(piece, |data| body.extend_from_slice(data)));
            assert_eq!((results.last(), body.as_slice()), (Some(Ok(false)), &b"--frame\r\nC"[..]), "{stream:?}");
        }
        for stream in ["\r\n--frame\r\n", "Content-Type: x\r\n", "0\r\n\r\n", "bad camera\r\n", "5 \r\n", "ab", "--"] {
            let (mut chunked, mut body) = (Chunked::unannounced(), Vec::new());
            let goes_on = chunked.decode(stream.as_bytes(), |data| body.extend_from_slice(data));
            let kept = chunked.first.as_deref().filter(|_| !chunked.is_needless()).unwrap_or_default();
            assert_eq!((goes_on, [&body, kept].concat()), (Ok(true), stream.as_bytes().to_vec()));
        }
    }

    #[test]
    fn a_first_line_that_only_looks_like_a_length_costs_little() {
        let stream = [b"bad\r\n".to_vec(), b"--frame\r\n".repeat(500)].concat();
        let (mut chunked, mut body) = (Chunked::unannounced(), Vec::new());
        let goes_on = chunked.decode(&stream, |data| body.extend_from_slice(data));
        assert_eq!((goes_on, chunked.is_needless()), (Ok(true), true));
        assert!(body.len() + 10 > stream.len(), "{} of {} bytes", body.len(), stream.len());
    }

    #[test]
    fn the_end_of_the_trailer_is_known() {
        for (stream, is_over) in [
            ("1\r\na\r\n0\r\n", false),
            ("1\r\na\r\n0\r\n\r\n", true),
            ("1\r\na\r\n0\r\n\r\nHTTP", false),
            ("1\r\na\r\n0\r\nX: y\r\n", false),
            ("1\r\na\r\n0\r\nX: y\r\n\r\n", true),
            ("1\na\n0\n\n", true),
        ] {
            let mut chunked = Chunked::announced();
            assert_eq!(chunked.decode(stream.as_bytes(), |_| ()), Ok(false), "{stream:?}");
            assert_eq!(chunked.is_over(), is_over, "{stream:?}");
        }
    }

    #[test]
    fn a_length_with_the_prefix_of_hexadecimal_numbers_is_read() {
        assert_eq!(decode(&[b"0x3\r\nabc\r\n0X0\r\n"]), (Ok(false), b"abc".to_vec()));
    }

    #[test]
    fn a_length_that_is_none_is_an_error() {
        assert_eq!(decode(&[b"3\r\nabc\r\n--frame\r\n"]), (Err(ChunkedError::NoLength), b"abc".to_vec()));
        assert_eq!(decode(&[b"1\r\na\r\n11111111111111111\r\n"]).0, Err(ChunkedError::NoLength));
    }

    #[test]
    fn an_endless_line_is_an_error() {
        let line = [b"1\r\na\r\n1;".to_vec(), vec![b'x'; MAX_LINE]].concat();
        assert_eq!(decode(&[&line]).0, Err(ChunkedError::LineTooLong));
        // Found by fuzzing: returns that came one by one after a chunk were all passed over.
        let returns = [b"1\r\na".to_vec(), vec![b'\r'; MAX_LINE + 2]].concat();
        assert_eq!(decode(&[&returns]).0, Err(ChunkedError::LineTooLong));
        let one_by_one = returns.chunks(1).collect::<Vec<_>>();
        assert_eq!(decode(&one_by_one).0, Err(ChunkedError::LineTooLong));
    }
}
