//! A client of HTTP/2 that does as it is told: it opens windows, reads and resets when a test says so.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::SocketAddr,
    sync::Arc,
};

use tokio_rustls::rustls::ClientConfig;

use super::{
    pipe::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE},
    tls::{TlsStream, shake_hands},
};

/// The flag of SETTINGS and PING.
const ACK: u8 = 1;

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection with any number of streams.
pub struct Http2 {
    pub stream: TlsStream,
    last: u32,
    received: HashMap<u32, Received>,
    /// Whether what comes is let come for ever.
    opens: bool,
}

/// What has come for a stream.
#[derive(Debug, Default)]
pub struct Received {
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    pub ended: bool,
    pub reset: bool,
}

impl Http2 {
    /// Connects; each stream's window is that of a browser, open for ever.
    #[track_caller]
    pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Self::with_window(address, config, BROWSERS_WINDOW);
        client.send(WINDOW_UPDATE, 0, 0, &BROWSERS_WINDOW.to_be_bytes());
        client.opens = true;
        client
    }

    /// Connects; each stream may be sent this many bytes, and no more until the test says so.
    #[track_caller]
    pub fn with_window(address: SocketAddr, config: &Arc<ClientConfig>, window: u32) -> Self {
        let stream = shake_hands(address, config).expect("a handshake");
        assert_eq!(stream.conn.alpn_protocol(), Some(b"h2".as_slice()));
        let mut client = Self { stream, last: 0, received: HashMap::new(), opens: false };
        client.stream.write_all(pipe::PREFACE).expect("the preface is taken");
        // SETTINGS_INITIAL_WINDOW_SIZE.
        let settings = [&[0, 4], window.to_be_bytes().as_slice()].concat();
        client.send(SETTINGS, 0, 0, &settings);
        client
    }

    #[track_caller]
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).expect("a frame is taken");
    }

    /// Sends unless the server has closed.
    pub fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(&pipe::frame(kind, flags, stream, payload))
    }

    /// Asks; the number of the stream that answers.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> u32 {
        self.ask("GET", path, &[])
    }

    #[track_caller]
    pub fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> u32 {
        let stream = self.next();
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &request(method, path, fields));
        stream
    }

    /// The number that the next stream has to have.
    pub fn next(&mut self) -> u32 {
        self.last = if self.last == 0 { 1 } else { self.last + 2 };
        self.received.insert(self.last, Received::default());
        self.last
    }

    /// Lets the server send so many bytes more for a stream; 0 is all of them together.
    #[track_caller]
    pub fn open_window(&mut self, stream: u32, bytes: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
    }

    #[track_caller]
    pub fn reset(&mut self, stream: u32) {
        self.send(RST_STREAM, 0, stream, &8u32.to_be_bytes());
    }

    /// The next frame; answers what has to be answered.
    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        self.try_frame().expect("a frame in time")
    }

    pub fn try_frame(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload)?;
        let frame = Frame { kind, flags, stream: u32::from_be_bytes(stream), payload };
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.try_send(SETTINGS, ACK, 0, &[])?,
            PING if frame.flags & ACK == 0 => self.try_send(PING, ACK, 0, &frame.payload)?,
            DATA if self.opens && !frame.payload.is_empty() => {
                let length = u32::try_from(frame.payload.len()).expect("a short frame").to_be_bytes();
                self.try_send(WINDOW_UPDATE, 0, 0, &length)?;
                if frame.flags & END_STREAM == 0 {
                    self.try_send(WINDOW_UPDATE, 0, frame.stream, &length)?;
                }
            }
            _ => {}
        }
        Ok(frame)
    }

    /// Reads a frame and puts it where it belongs.
    #[track_caller]
    pub fn read(&mut self) {
        let frame = self.frame();
        assert_ne!(frame.kind, GOAWAY, "{frame:?}");
        let Some(received) = self.received.get_mut(&frame.stream) else { return };
        match frame.kind {
            HEADERS => received.head.extend(&frame.payload),
            DATA => received.body.extend(&frame.payload),
            RST_STREAM => received.reset = true,
            _ => {}
        }
        received.ended |= [DATA, HEADERS].contains(&frame.kind) && frame.flags & END_STREAM != 0;
    }

    /// What has come for a stream, once it is such as the test wants.
    #[track_caller]
    pub fn until(&mut self, stream: u32, is_so: impl Fn(&Received) -> bool) -> &mut Received {
        while !is_so(&self.received[&stream]) {
            self.read();
        }
        self.received.get_mut(&stream).expect("a stream that was asked for")
    }

    /// The next picture of a stream in the standard layout.
    #[track_caller]
    pub fn picture(&mut self, stream: u32) -> Vec<u8> {
        let received =
            self.until(stream, |received| take_picture(&mut received.body.clone()).is_some() || received.ended);
        take_picture(&mut received.body).expect("a picture before the end")
    }
}

/// Takes a whole part off the front: head, picture, delimiter.
fn take_picture(body: &mut Vec<u8>) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    let start = head.len() + 4;
    let end = start + length.parse::<usize>().expect("a length");
    // The line ends after the delimiter.
    let rest = body.get(end..)?.windows(2).skip(2).position(|two| two == b"\r\n")? + 4;
    let picture = body[start..end].to_vec();
    body.drain(..end + rest);
    Some(picture)
}

/// A request's fields, each as a literal that nobody remembers (RFC 7541 6.2.2).
pub fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "https"), (":authority", "camera"), (":path", path)];
    own.iter().chain(fields).flat_map(|(name, value)| [&[0], &text(name)[..], &text(value)].concat()).collect()
}

/// A text with its length (RFC 7541 5.2).
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text");
    [&[length], text.as_bytes()].concat()
}

impl Received {
    /// The status, where it is one of those that have a number of their own (RFC 7541 appendix A).
    #[track_caller]
    pub fn status(&self) -> u16 {
        [200, 204, 206, 304, 400, 404, 500][usize::from(self.head[0] - 0x88)]
    }
}

/// What Chromium and Firefox allow for each stream, near enough.
const BROWSERS_WINDOW: u32 = 6 * 1024 * 1024;
