//! One try: connect, ask, read until the stream is lost.

use std::{convert::Infallible, time::Duration};

use super::{
    ClientError, Location, Options, Receiver,
    connection::{Connection, Read},
};
use crate::{
    http::{Chunked, ResponseHead},
    multipart::{Event, Reader},
};

/// How far a try came.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// A stream was answered.
    pub(super) answered: bool,
    /// Pictures that came out.
    pub(super) frames: u64,
    /// Bytes of the body.
    bytes: u64,
}

/// An answer with the bytes of its body that came with its head.
struct Answer {
    connection: Connection,
    head: ResponseHead,
    body: Vec<u8>,
}

/// The body of an answer, on its way into the reader.
struct Body<'a, R: Receiver> {
    reader: Reader<R::Stamp>,
    chunked: Option<Chunked>,
    receiver: &'a R,
    progress: &'a mut Progress,
}

/// Reads the stream until it is lost; the error says why.
pub(super) fn run<R: Receiver>(
    options: &Options,
    cancellable: &gio::Cancellable,
    receiver: &R,
    progress: &mut Progress,
) -> Result<Infallible, ClientError> {
    let Answer { connection, head, body: first } = ask(options, cancellable)?;
    receiver.connected(&connection.peer());
    progress.answered = true;
    let mut body =
        Body { reader: Reader::new(options.limits), chunked: head.is_chunked().then(Chunked::new), receiver, progress };
    let lost =
        body.take(&first).and_then(|()| body.receive(&connection, options.timeout)).map_or_else(|e| e, |n| match n {});
    body.reader.finish(receiver.stamp());
    body.hand_on();
    Err(lost)
}

/// Asks for the stream, wherever redirections lead.
fn ask(options: &Options, cancellable: &gio::Cancellable) -> Result<Answer, ClientError> {
    let mut location = options.location.clone();
    for _ in 0..=MAX_REDIRECTS {
        let connection = Connection::open(&location, options.connect_timeout, cancellable)?;
        connection.write(request(&location).as_bytes())?;
        let (head, body) = response_head(&connection, options.timeout)?;
        match (head.status(), head.field_value("location")) {
            (301 | 302 | 303 | 307 | 308, Some(target)) => {
                let redirected = location.redirected(target).map_err(|_| ClientError::RedirectTarget {
                    url: location.to_string(),
                    target: target.to_owned(),
                })?;
                location = redirected;
            }
            (200..=299, _) => {
                let media_type = head.media_type();
                if media_type.is_no_picture() {
                    let essence = media_type.essence().to_owned();
                    return Err(ClientError::NotPictures { url: location.to_string(), essence });
                }
                return Ok(Answer { connection, head, body });
            }
            (status, _) => {
                let retry_after = head.field_value("retry-after").and_then(|value| value.parse().ok());
                return Err(ClientError::Status {
                    url: location.to_string(),
                    status,
                    reason: head.reason().to_owned(),
                    retry_after: retry_after.map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER)),
                });
            }
        }
    }
    Err(ClientError::Redirects { url: options.location.to_string(), limit: MAX_REDIRECTS })
}

fn request(location: &Location) -> String {
    // D-Link answers nothing on a connection that is to be kept; and one picture stream is all that we want.
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\n\
         Accept: multipart/x-mixed-replace, image/jpeg, */*;q=0.5\r\nConnection: close\r\n\r\n",
        location.target,
        location.host_field(),
    )
}

fn response_head(connection: &Connection, timeout: Duration) -> Result<(ResponseHead, Vec<u8>), ClientError> {
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    loop {
        match connection.read(&mut space, limit(timeout))? {
            Read::Bytes(count) => bytes.extend_from_slice(&space[..count]),
            Read::Idle => return Err(ClientError::Stalled { after: timeout }),
            Read::Closed => return Err(ClientError::Closed),
        }
        if let Some((head, len)) = ResponseHead::parse(&bytes)? {
            return Ok((head, bytes.split_off(len)));
        }
    }
}

impl<R: Receiver> Body<'_, R> {
    fn receive(&mut self, connection: &Connection, timeout: Duration) -> Result<Infallible, ClientError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let settling = self.reader.is_settling();
            let wait = if settling { Some(SETTLE) } else { limit(timeout) };
            let read = match self.chunked {
                Some(_) => connection.read(&mut chunk, wait)?,
                None => connection.read(self.reader.space(), wait)?,
            };
            match read {
                Read::Bytes(count) if self.chunked.is_some() => self.take(&chunk[..count])?,
                Read::Bytes(count) => {
                    self.count(count);
                    self.reader.filled(count, self.receiver.stamp());
                    self.hand_on();
                    self.check()?;
                }
                Read::Idle if settling => {
                    self.reader.idle(self.receiver.stamp());
                    self.hand_on();
                }
                Read::Idle => return Err(ClientError::Stalled { after: timeout }),
                Read::Closed => return Err(ClientError::Closed),
            }
        }
    }

    /// Takes bytes that were read elsewhere than into the reader.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        self.count(bytes.len());
        let stamp = self.receiver.stamp();
        let goes_on = match &mut self.chunked {
            Some(chunked) => chunked.decode(bytes, |data| self.reader.push(data, stamp)),
            None => {
                self.reader.push(bytes, stamp);
                Ok(true)
            }
        };
        self.hand_on();
        if !goes_on? {
            return Err(ClientError::Closed);
        }
        self.check()
    }

    fn count(&mut self, count: usize) {
        self.progress.bytes += count as u64;
        self.receiver.received(count);
    }

    fn hand_on(&mut self) {
        while let Some(event) = self.reader.next() {
            if matches!(event, Event::Frame(_)) {
                self.progress.frames += 1;
            }
            self.receiver.event(event);
        }
    }

    /// Gives up a body that holds no picture where any stream would have had one.
    fn check(&self) -> Result<(), ClientError> {
        let Progress { frames, bytes, .. } = *self.progress;
        let searched = bytes;
        if frames == 0 && searched > MAX_WITHOUT_PICTURE { Err(ClientError::NoPicture { searched }) } else { Ok(()) }
    }
}

/// Zero is no limit.
fn limit(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}

const USER_AGENT: &str = concat!("mjpegclientsrc/", env!("CARGO_PKG_VERSION"));

/// Redirections followed for one request. Chosen as browsers and libsoup have it (20), halved: cameras have one.
const MAX_REDIRECTS: usize = 10;

/// Longest wait that a server can ask for. Chosen: a minute is long for live pictures; without a limit a hostile
/// server could silence us for good.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Bytes of one read of a chunked body.
const CHUNK: usize = 64 * 1024;

/// Silence after which a picture that is in whole is given out without what follows it. Chosen: the bytes of one part
/// leave a camera together; the first picture of a stream whose lengths are wrong is late by this much.
const SETTLE: Duration = Duration::from_millis(20);

/// Bytes without a single picture after which a body is no stream of pictures. Chosen: twice the longest picture
/// accepted by default.
const MAX_WITHOUT_PICTURE: u64 = 64 * 1024 * 1024;
