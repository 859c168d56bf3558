//! The head of a response.

use memchr::memchr;

use super::MediaType;

/// The head of a response, read as leniently as libsoup and ffmpeg do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    status: u16,
    reason: String,
    fields: Vec<(String, String)>,
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
    /// Longest head accepted, in bytes. Chosen: four times what Apache httpd accepts for a request's field line; heads
    /// with many cookies have a few kB. Too small loses a camera, too large is memory that a hostile one may hold.
    pub const MAX: usize = 32 * 1024;

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
        let mut lines = Lines { bytes, at: 0 };
        // RFC 9112 2.2: empty lines before the first are ignored.
        let mut first = lines.next();
        while first == Some(b"") {
            first = lines.next();
        }
        let Some(first) = first else { return Self::incomplete(bytes) };
        let mut head = Self::status_line(first).ok_or_else(|| not_http(first))?;
        for line in lines.by_ref() {
            if line.is_empty() {
                return if lines.at <= Self::MAX { Ok(Some((head, lines.at))) } else { Err(too_long()) };
            }
            head.field(line);
        }
        Self::incomplete(bytes)
    }

    /// What stands for the head of a stream that has none.
    pub fn absent() -> Self {
        Self { status: 200, reason: String::new(), fields: Vec::new() }
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

    /// The media type of the body; without Content-Type the one that says nothing.
    pub fn media_type(&self) -> MediaType {
        MediaType::parse(self.field_value("content-type").unwrap_or_default())
    }

    /// Whether the body comes in chunks, whatever the HTTP version: Kasa cameras send chunks in HTTP/1.0.
    pub fn is_chunked(&self) -> bool {
        self.field_values("transfer-encoding").any(|value| value.to_ascii_lowercase().contains("chunked"))
    }

    fn incomplete(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        let first = &bytes[..bytes.len().min(LONGEST_PROTOCOL)];
        if !first.trim_ascii_start().iter().all(|b| matches!(b, b'\r' | b'\n' | b'\t' | b' '..=b'~')) {
            return Err(not_http(first));
        }
        if bytes.len() > Self::MAX { Err(too_long()) } else { Ok(None) }
    }

    /// `HTTP/1.1 200 OK`, `HTTP/1.0 200`, `ICY 200 OK`.
    fn status_line(line: &[u8]) -> Option<Self> {
        let line = printable(line);
        let mut words = line.trim().splitn(3, ' ');
        let protocol = words.next()?.to_ascii_uppercase();
        if protocol != "ICY" && !protocol.starts_with("HTTP/") {
            return None;
        }
        let status = words.next()?.parse().ok().filter(|status| (100..1000).contains(status))?;
        let reason = words.next().unwrap_or_default().trim().to_owned();
        Some(Self { status, reason, fields: Vec::new() })
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

/// Lines that end with CRLF or, as LabVIEW and others send, with LF alone; the last one only when its end is there.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = memchr(b'\n', rest)?;
        self.at += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
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

/// Bytes that are looked at before the first line end has come. `HTTP/1.1 ` has nine.
const LONGEST_PROTOCOL: usize = 9;

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
        ] {
            assert_eq!(parsed(text).status(), 200, "{text:?}");
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
        assert_eq!(ResponseHead::parse(&b"HTTP/1.1 200 OK\r\nX: ".repeat(2000)), Err(too_long()));
    }
}
