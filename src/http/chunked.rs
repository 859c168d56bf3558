//! The chunked transfer coding, RFC 9112 7.1.

/// Takes a chunked body apart as it arrives. One that does not begin with a chunk is not chunked, whatever its head
/// says, and is handed over as it is.
#[derive(Clone, Debug, Default)]
pub struct Chunked {
    state: State,
    /// The body's first line, until it has proved to be a chunk's length.
    first: Option<Vec<u8>>,
    /// Its lines end with carriage returns alone.
    returns: bool,
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    Length(Length),
    Data(u64),
    /// Before the line end after the data.
    AfterData,
    /// Inside that line end.
    AfterReturn,
    Ended,
    /// Not chunked at all.
    AsItIs,
    #[default]
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
    /// A body before its first byte.
    pub fn new() -> Self {
        Self { state: State::default(), first: Some(Vec::new()), returns: false }
    }

    /// Takes the next bytes of the body and hands each piece of data in them to `data`. Whether the body goes on;
    /// trailer fields are not read.
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
    /// let goes_on = Chunked::new().decode(b"3\r\nabc\r\n0\r\n\r\n", |data| body.extend_from_slice(data));
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
                    self.state = match (length.take(*first), &mut self.first) {
                        (Err(_), Some(kept)) => {
                            kept.push(*first);
                            data(kept);
                            State::AsItIs
                        }
                        (state, Some(kept)) => {
                            kept.push(*first);
                            state?
                        }
                        (state, None) => state?,
                    };
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
                State::Ended => break,
            }
        }
        Ok(self.state != State::Ended)
    }
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
        if self.value == 0 { State::Ended } else { State::Data(self.value) }
    }
}

/// Longest line with a chunk's length, in bytes. Chosen: Apache httpd's default for a line (8190); nobody is known to
/// send extensions.
const MAX_LINE: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> (Result<bool, ChunkedError>, Vec<u8>) {
        let (mut chunked, mut body, mut result) = (Chunked::new(), Vec::new(), Ok(true));
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
