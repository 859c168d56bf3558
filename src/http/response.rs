//! The head of a response.

use memchr::memchr;

use super::MediaType;
use crate::jpeg;

/// The head of a response, read as leniently as libsoup and ffmpeg do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    status: u16,
    reason: String,
    /// The protocol keeps a connection unless told otherwise.
    keeps: bool,
    fields: Vec<(String, String)>,
}

/// Reads a response head that arrives in pieces.
///
/// The caller keeps the bytes and hands over all that it has of the head each time; reading goes on where it stopped,
/// so that a peer that sends single bytes costs no more than others.
#[derive(Clone, Debug, Default)]
pub struct HeadReader {
    head: Option<ResponseHead>,
    /// Where the line begins that is not read yet, and how far it was searched for its end.
    line: usize,
    searched: usize,
}

/// Why bytes are no response head.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The first line is no status line.
    #[error("the answer is not HTTP: it begins with {0:?}")]
    NotHttp(String),
    /// The head does not end within the limit.
    #[error("the response head is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl ResponseHead {
    /// Longest head accepted, in bytes. Chosen: eight times what Apache httpd accepts for a request's field line; heads
    /// with many cookies have a few kB. Too small loses a camera, too large is memory that a hostile one may hold.
    pub const MAX: usize = 64 * 1024;

    /// Reads a head from the first bytes of a response: the head and its length, or `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// The bytes are no HTTP response, or the head is longer than [`MAX`](Self::MAX).
    ///
    /// # Examples
    ///
    /// ```
    /// use gstmjpeghttp::http::ResponseHead;
    ///
    /// let (head, len) = ResponseHead::parse(b"ICY 200 OK\nContent-Length: -1\n\nbody").unwrap().unwrap();
    /// assert_eq!((head.status(), len), (200, 31));
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        HeadReader::new().read(bytes)
    }

    /// What stands for the head of a stream that has none.
    pub fn absent() -> Self {
        Self { status: 200, reason: String::new(), keeps: false, fields: Vec::new() }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The status text; empty where there was none.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The value of the first field of this name, in any case.
    pub fn field_value(&self, name: &str) -> Option<&str> {
        self.field_values(name).next()
    }

    /// The values of all fields of this name, in any case.
    pub fn field_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The words of all fields of this name that hold a list, in lower case.
    pub fn words(&self, name: &str) -> impl Iterator<Item = String> {
        self.field_values(name).flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase())
    }

    /// The media type of the body; without Content-Type the one that says nothing.
    pub fn media_type(&self) -> MediaType {
        MediaType::parse(self.field_value("content-type").unwrap_or_default())
    }

    /// Whether the body comes in chunks, whatever the HTTP version: Kasa cameras send chunks in HTTP/1.0.
    pub fn is_chunked(&self) -> bool {
        self.words("transfer-encoding").any(|word| word == "chunked")
    }

    /// Whether the server takes another request on the connection (RFC 9112 9.3).
    pub fn keeps_connection(&self) -> bool {
        let says = |word: &str| self.words("connection").any(|said| said == word);
        !says("close") && (self.keeps || says("keep-alive"))
    }

    /// `HTTP/1.1 200 OK`, `HTTP/1.0 200`, `ICY 200 OK`, `HTTP/1.1  200OK`, `200 OK`; or, where it is missing as in the
    /// answers of some scripts, the first field. A status that cannot be read says nothing against the body.
    fn first_line(line: &[u8]) -> Option<Self> {
        let text = printable(line);
        let (protocol, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let protocol = protocol.to_ascii_uppercase();
        // 220 is how FTP and SMTP greet, and no status of HTTP.
        if let Some(status) = status(&protocol).filter(|status| *status != 220) {
            return Some(Self { status, reason: rest.trim().to_owned(), ..Self::absent() });
        }
        if !["HTTP", "ICY", "RTSP/"].iter().any(|known| protocol.starts_with(known)) || protocol.contains(':') {
            let mut head = Self::absent();
            head.field(line);
            // Without a status line this may be the first part's own head, whose length is not the body's.
            let known = !head.fields.is_empty();
            head.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
            return known.then_some(head);
        }
        let rest = rest.trim_start();
        let code = rest.split_at_checked(3).and_then(|(code, reason)| Some((status(code)?, reason)));
        let (status, reason) = code.unwrap_or((200, rest));
        let keeps = protocol.starts_with("HTTP/") && protocol != "HTTP/1.0";
        Some(Self { status, reason: reason.trim().to_owned(), keeps, fields: Vec::new() })
    }

    fn field(&mut self, line: &[u8]) {
        let text = printable(line);
        if text.starts_with([' ', '\t']) {
            // RFC 9112 5.2: a folded line continues the one before.
            if let Some((_, value)) = self.fields.last_mut() {
                value.push(' ');
                value.push_str(text.trim());
            }
            return;
        }
        // GoAhead sends a date line without a name: what has no colon, or no name that could be one, is passed over.
        let Some((name, value)) = text.split_once(':') else { return };
        let name = name.trim();
        if !name.is_empty() && !name.contains(char::is_whitespace) {
            self.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
}

impl HeadReader {
    /// A reader before the first byte of a response.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads on in `bytes`, all that came of the response so far: the head and its length once it is complete.
    ///
    /// # Errors
    ///
    /// The bytes are no HTTP response, or the head is longer than [`ResponseHead::MAX`].
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        if self.line == 0 && BYTE_ORDER_MARK.starts_with(&bytes[..bytes.len().min(BYTE_ORDER_MARK.len())]) {
            if bytes.len() < BYTE_ORDER_MARK.len() {
                return Ok(None);
            }
            (self.line, self.searched) = (BYTE_ORDER_MARK.len(), BYTE_ORDER_MARK.len());
        }
        while let Some((line, next)) = self.next_line(bytes) {
            match &mut self.head {
                // RFC 9112 2.2: empty lines before the first are ignored.
                None if line.is_empty() => {}
                None if begins_body(line) => return Err(not_http(line)),
                None => self.head = Some(ResponseHead::first_line(line).ok_or_else(|| not_http(line))?),
                Some(_) if line.is_empty() => return self.end(next),
                Some(head) => head.field(line),
            }
            (self.line, self.searched) = (next, next);
        }
        let rest = &bytes[self.line..];
        if self.head.is_some() && begins_body(rest) {
            return self.end(self.line);
        }
        self.searched = bytes.len();
        let first = &rest[..rest.len().min(MAX_PROTOCOL)];
        if self.head.is_none() && !first.iter().all(|b| matches!(b, b'\r' | b'\n' | b'\t' | b' '..=b'~')) {
            return Err(not_http(first));
        }
        if bytes.len() > ResponseHead::MAX { Err(too_long()) } else { Ok(None) }
    }

    /// The next line without its end, and where the one after it begins. Lines end with CRLF or, as LabVIEW and others
    /// send, with LF alone.
    fn next_line<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], usize)> {
        if self.head.is_some() && begins_body(&bytes[self.line..]) {
            return None;
        }
        let end = self.searched + memchr(b'\n', &bytes[self.searched..])?;
        let mut line = &bytes[self.line..end];
        while let Some(shorter) = line.strip_suffix(b"\r") {
            line = shorter;
        }
        Some((line, end + 1))
    }

    fn end(&mut self, len: usize) -> Result<Option<(ResponseHead, usize)>, HeadError> {
        let head = self.head.take().filter(|_| len <= ResponseHead::MAX).ok_or_else(too_long)?;
        Ok(Some((head, len)))
    }
}

/// Reads a status code.
fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (100..1000).contains(status))
}

/// Whether a line is no field but the beginning of the body, for want of the blank line between.
fn begins_body(line: &[u8]) -> bool {
    line.starts_with(b"--") || line.starts_with(&jpeg::START)
}

/// A line as text that can go anywhere: control characters, which could end a C string or steer a terminal, are blanks.
fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn not_http(first: &[u8]) -> HeadError {
    let shown = &first[..first.len().min(SHOWN)];
    HeadError::NotHttp(String::from_utf8_lossy(shown).into_owned())
}

fn too_long() -> HeadError {
    HeadError::TooLong { limit: ResponseHead::MAX }
}

/// What some editors put at the beginning of a file, and scripts at the beginning of what they answer.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Bytes that are looked at before the first line end has come. `HTTP/1.1 ` has nine.
const MAX_PROTOCOL: usize = 9;

/// Bytes of a wrong answer that an error shows.
const SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parsed(bytes: &str) -> ResponseHead {
        let (head, len) = ResponseHead::parse(bytes.as_bytes()).expect("a head").expect("a whole head");
        assert_eq!(len, bytes.len());
        head
    }

    #[test]
    fn an_ordinary_head_is_read() {
        let head = parsed("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: Chunked\r\n\r\n");
        assert_eq!((head.status(), head.reason()), (200, "OK"));
        assert_eq!(head.media_type().essence(), "image/jpeg");
        assert!(head.is_chunked());
    }

    #[test]
    fn heads_that_libraries_refuse_are_read() {
        for text in [
            "ICY 200 OK\r\n\r\n",
            "HTTP/1.0 200\n\n",
            "http/1.1 200 OK\r\nTue, 12 Jun 2012 08:00:00 GMT\r\nContent-Length: -1\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\nno colon here\r\n: no name\r\n\r\n",
            "HTTP/1.1  200\tOK\r\n\r\n",
            "HTTP/1.1 200OK\r\n\r\n",
            "HTTP 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\r\nA: b\r\r\n\r\r\n",
            "Content-Type: multipart/x-mixed-replace\r\n\r\n",
            "\u{feff}HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
            "200 OK\r\n\r\n",
        ] {
            assert_eq!(parsed(text).status(), 200, "{text:?}");
        }
    }

    #[test]
    fn a_head_without_blank_line_ends_where_the_stream_begins() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n";
        for body in [b"--frame\r\nContent-Length: 5\r\n\r\n".as_slice(), b"\xff\xd8\xff\xe0\0\x10JFIF\0\n\n"] {
            let bytes = [head, body].concat();
            let (parsed, len) = ResponseHead::parse(&bytes).expect("a head").expect("a whole head");
            assert_eq!((len, parsed.field_value("content-length")), (head.len(), None));
        }
    }

    #[test]
    fn a_length_before_any_status_line_is_not_the_bodys() {
        let head = parsed("Content-Length: 5\r\nContent-Type: image/jpeg\r\n\r\n");
        assert_eq!((head.field_value("content-length"), head.keeps_connection()), (None, false));
    }

    #[test]
    fn a_connection_is_kept_where_both_sides_mean_it() {
        for (text, kept) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: x, close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n\r\n", true),
            ("ICY 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(parsed(text).keeps_connection(), kept, "{text:?}");
        }
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_read_the_same() {
        for before in [b"".as_slice(), BYTE_ORDER_MARK] {
            let whole = [before, b"\r\nHTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n--frame"].concat();
            let mut reader = HeadReader::new();
            let read = (0..=whole.len()).find_map(|len| reader.read(&whole[..len]).expect("a head"));
            assert_eq!(read, ResponseHead::parse(&whole).expect("a head"));
        }
    }

    #[test]
    fn folded_and_repeated_fields_are_read() {
        let head =
            parsed("HTTP/1.1 401 No\r\nWWW-Authenticate: Digest\r\n realm=\"x\"\r\nwww-authenticate: Basic\r\n\r\n");
        let values: Vec<_> = head.field_values("WWW-Authenticate").collect();
        assert_eq!(values, ["Digest realm=\"x\"", "Basic"]);
    }

    #[test]
    fn control_characters_are_blanks() {
        let head = parsed("HTTP/1.1 503 Bu\0sy\x1b[31m\r\nLocation: /\0\r\nA:\tb\r\n\r\n");
        assert_eq!((head.status(), head.reason()), (503, "Bu sy [31m"));
        assert_eq!((head.field_value("location"), head.field_value("a")), (Some("/"), Some("b")));
    }

    #[test]
    fn a_head_cut_off_anywhere_needs_more_bytes() {
        let whole = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
        for len in 0..whole.len() {
            assert_eq!(ResponseHead::parse(&whole[..len]), Ok(None), "{len} bytes");
        }
    }

    #[test]
    fn what_is_not_http_is_named() {
        assert_eq!(ResponseHead::parse(b"404\r\n"), Ok(None));
        assert_eq!(parsed("RTSP/1.0 400 Bad Request\r\nCSeq: 1\r\n\r\n").status(), 400);
        assert_eq!(ResponseHead::parse(b"SSH-2.0-x\r\n"), Err(HeadError::NotHttp("SSH-2.0-x".into())));
        assert!(matches!(ResponseHead::parse(&[0xff, 0xd8, 0xff]), Err(HeadError::NotHttp(_))));
    }

    #[test]
    fn the_limit_is_exact() {
        let head = |len: usize| {
            let (start, end) = ("HTTP/1.1 200 OK\r\nX: ", "\r\n\r\n");
            format!("{start}{}{end}", "x".repeat(len - start.len() - end.len()))
        };
        for len in [ResponseHead::MAX - 1, ResponseHead::MAX] {
            assert!(matches!(ResponseHead::parse(head(len).as_bytes()), Ok(Some((_, n))) if n == len));
        }
        assert_eq!(ResponseHead::parse(head(ResponseHead::MAX + 1).as_bytes()), Err(too_long()));
        assert_eq!(ResponseHead::parse(&b"HTTP/1.1 200 OK\r\nX: ".repeat(4000)), Err(too_long()));
    }
}
