//! A strict reader of what `mjpegserversink` answers: each byte must be where design and RFC have it.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::pipeline::{DEADLINE, wait_until};

/// A response head, or a part's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status line; empty for a part.
    pub status: String,
    pub fields: Vec<(String, String)>,
}

/// A response of which all bytes have come.
#[derive(Debug)]
pub struct Response {
    pub head: Head,
    pub body: Vec<u8>,
}

/// Somebody who watches the stream.
pub struct Viewer {
    pub head: Head,
    reader: BufReader<TcpStream>,
    delimiter: String,
    /// The head of the next part, when it has come ahead of its picture.
    ahead: Option<Head>,
}

/// A picture as it came.
#[derive(Debug)]
pub struct Part {
    pub head: Head,
    pub picture: Vec<u8>,
}

impl Head {
    #[track_caller]
    pub fn code(&self) -> u16 {
        self.status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line")
    }

    /// The value of the one field of this name, which is spelt exactly so.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }

    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// A connection that gives up after [`DEADLINE`].
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    stream.set_write_timeout(Some(DEADLINE)).expect("a limit");
    stream
}

/// A viewer that has read no more than the head, over a connection that takes few bytes by itself: 128 kB at the
/// viewer's end (Linux doubles what is asked for), at ours what the sink lets wait unsent.
#[track_caller]
pub fn stalled(address: SocketAddr, target: &str) -> Viewer {
    let stream = connect(address);
    socket2::SockRef::from(&stream).set_recv_buffer_size(64 * 1024).expect("a buffer size");
    Viewer::open_as(stream, target, "")
}

/// A request as small programs send it, with these further lines, each with its CRLF.
#[track_caller]
pub fn send_request(stream: &TcpStream, method: &str, target: &str, lines: &str) {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    { stream }.write_all(request.as_bytes()).expect("the request is taken");
}

/// Waits until the server has read all that was sent to it over IPv4.
#[track_caller]
pub fn wait_until_read(stream: &TcpStream) {
    let (SocketAddr::V4(here), SocketAddr::V4(there)) =
        (stream.local_addr().expect("connected"), stream.peer_addr().expect("connected"))
    else {
        panic!("the kernel's table of IPv4 connections has no others")
    };
    // The kernel writes an address as the number that its bytes make in the machine's order.
    let in_hex = |address: std::net::SocketAddrV4| {
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let ends = [(in_hex(here), in_hex(there)), (in_hex(there), in_hex(here))];
    wait_until("the server to read", || {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        // Columns: number, local address, remote address, state, bytes not acknowledged : bytes not read.
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        ends.iter().all(|(local, remote)| {
            rows.iter().any(|row| row[1] == *local && row[2] == *remote && row[4] == "00000000:00000000")
        })
    });
}

/// Asks and reads until the server closes.
#[track_caller]
pub fn request(address: SocketAddr, method: &str, target: &str) -> Response {
    let stream = connect(address);
    send_request(&stream, method, target, "Connection: close\r\n");
    read_response(stream)
}

/// Reads an answer up to the end of the connection.
#[track_caller]
pub fn read_response(stream: TcpStream) -> Response {
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader, true);
    let mut body = Vec::new();
    reader.read_to_end(&mut body).expect("the server closes");
    Response { head, body }
}

/// Reads an answer that has a length; the connection stays.
#[track_caller]
pub fn read_answer(stream: &TcpStream) -> Response {
    // Byte by byte, so that nothing of the next answer is taken.
    let mut reader = BufReader::with_capacity(1, stream);
    let head = read_head(&mut reader, true);
    let length = head.field("Content-Length").and_then(|length| length.parse().ok()).expect("a length");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a whole body");
    Response { head, body }
}

#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Response {
    request(address, "GET", target)
}

impl Viewer {
    /// Opens `/stream`.
    #[track_caller]
    pub fn open(address: SocketAddr) -> Self {
        Self::open_as(connect(address), "/stream", "")
    }

    /// Opens the stream with these further request lines, and reads up to the first delimiter.
    #[track_caller]
    pub fn open_as(stream: TcpStream, target: &str, lines: &str) -> Self {
        send_request(&stream, "GET", target, lines);
        Self::read_opening(stream)
    }

    /// Reads the answer to a request that has been sent.
    #[track_caller]
    pub fn read_opening(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(stream);
        let head = read_head(&mut reader, true);
        assert_eq!(head.code(), 200, "{head:?}");
        let content_type = head.field("Content-Type").expect("a type");
        let boundary = content_type.strip_prefix("multipart/x-mixed-replace; boundary=").expect("a boundary");
        let delimiter = format!("--{boundary}");
        let mut viewer = Self { reader, delimiter, head, ahead: None };
        assert_eq!(viewer.line(), viewer.delimiter);
        viewer
    }

    /// The next picture and the delimiter behind it, in the standard layout.
    #[track_caller]
    pub fn part(&mut self) -> Part {
        let head = read_head(&mut self.reader, false);
        let length = head.field("Content-Length").and_then(|length| length.parse().ok()).expect("a length");
        let mut picture = vec![0; length];
        self.reader.read_exact(&mut picture).expect("a whole picture");
        assert_eq!(self.line(), "");
        assert_eq!(self.line(), self.delimiter);
        Part { head, picture }
    }

    #[track_caller]
    pub fn picture(&mut self) -> Vec<u8> {
        self.part().picture
    }

    /// Reads a picture that must be this one, in the advance layout: with all of the next one's head behind it.
    #[track_caller]
    pub fn expect_ahead(&mut self, picture: &[u8]) {
        self.read_head_ahead();
        let mut received = vec![0; picture.len()];
        self.reader.read_exact(&mut received).expect("a whole picture");
        assert!(received == picture, "another picture than the one expected");
        assert_eq!(self.line(), "");
        let line = self.line();
        if line == self.delimiter {
            self.ahead = None;
            self.read_head_ahead();
        } else {
            assert_eq!(line, format!("{}--", self.delimiter));
            self.expect_closed();
        }
    }

    /// The closing delimiter of the standard layout and the end of the connection.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.line(), format!("{}--", self.delimiter));
        self.expect_closed();
    }

    /// Nothing follows but the end of the connection.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("the server closes");
        assert!(rest.is_empty(), "{} bytes follow the end", rest.len());
    }

    /// Returns when a byte has come that was not read.
    #[track_caller]
    pub fn wait_for_more(&mut self) {
        assert!(!self.reader.fill_buf().expect("a byte in time").is_empty(), "the server has closed");
    }

    /// All that comes until the server closes.
    #[track_caller]
    pub fn read_to_end(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("the server closes");
        rest
    }

    /// The connection ends, whatever comes before.
    #[track_caller]
    pub fn drain(mut self) {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    fn read_head_ahead(&mut self) {
        if self.ahead.is_none() {
            let head = read_head(&mut self.reader, false);
            assert_eq!(head.fields, [("Content-Type".to_owned(), "image/jpeg".to_owned())]);
            self.ahead = Some(head);
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        line(&mut self.reader)
    }
}

#[track_caller]
fn read_head(reader: &mut impl BufRead, has_status: bool) -> Head {
    let status = if has_status { line(reader) } else { String::new() };
    let mut fields = Vec::new();
    loop {
        let line = line(reader);
        if line.is_empty() {
            return Head { status, fields };
        }
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no field"));
        fields.push((name.to_owned(), value.to_owned()));
    }
}

#[track_caller]
fn line(reader: &mut impl BufRead) -> String {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).expect("a line in time");
    let line = String::from_utf8(line).expect("a line is text");
    line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} does not end in CRLF")).to_owned()
}

/// The time now, as `X-Timestamp` tells it.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970")
}

/// The value of an `X-Timestamp`.
#[track_caller]
pub fn timestamp(value: Option<&str>) -> Duration {
    let (seconds, micros) = value.and_then(|value| value.split_once('.')).expect("seconds.micros");
    assert_eq!(micros.len(), 6);
    Duration::new(seconds.parse().expect("seconds"), micros.parse::<u32>().expect("micros") * 1000)
}
