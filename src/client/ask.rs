//! Asking for the stream: request, challenge, redirection, until there is an answer.

use std::{
    borrow::Cow,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    ClientError, Coding, Location, Options,
    beginning::{Beginning, begins_as_stream},
    body::Single,
    connection::{Connection, Read},
    cookies::Cookies,
    credentials::{Answers, can_answer, is_stale, wanted},
    location::without_secrets,
    patience::{OVERDUE, Patience},
    request::Keep,
};
use crate::http::{HeadError, HeadReader, ResponseHead, parse_date};

/// What stays from one try to the next.
#[derive(Default)]
pub(super) struct Memory {
    answers: Answers,
    cookies: Cookies,
    /// A connection whose last body has been read to its end, and where it leads.
    pub(super) kept: Option<(Location, Connection)>,
    /// The last answer was a single picture, so more are to be asked for, and what that was.
    pub(super) polled: Option<Single>,
}

impl Memory {
    /// A try failed: forget the cookies. A server that needs them sets them again, and an old session may be what it
    /// refuses.
    pub(super) fn failed(&mut self) {
        self.cookies.clear();
    }
}

/// An answer with the bytes of its body that came with its head.
pub(super) struct Answer {
    pub(super) location: Location,
    pub(super) connection: Connection,
    pub(super) head: ResponseHead,
    pub(super) body: Vec<u8>,
}

/// Asks for the stream, wherever redirections lead. One request, no probe; a second one only where the first was
/// answered with a challenge or a redirection, and the connection of one is closed before the next is made.
pub(super) fn ask(
    options: &Options,
    memory: &mut Memory,
    cancellable: &gio::Cancellable,
) -> Result<Answer, ClientError> {
    let mut location = options.location.clone();
    let mut redirects = 0;
    let mut challenges = 0;
    loop {
        let mut answer = send(&location, options, memory, cancellable)?;
        for field in answer.head.field_values("set-cookie") {
            let until = |date: &str| time_until(date, &answer.head, SystemTime::now());
            memory.cookies.set(field, &location, Instant::now(), until);
        }
        let may_answer = options.credentials.is_some() && location.same_origin(&options.location);
        match (answer.head.status(), answer.head.field_value("location")) {
            (300..=303 | 307 | 308, Some(target)) => {
                redirects += 1;
                if redirects > MAX_REDIRECTS {
                    return Err(ClientError::Redirects { url: options.location.to_string(), limit: MAX_REDIRECTS });
                }
                let redirected = location.redirected(target).map_err(|_| ClientError::RedirectTarget {
                    url: location.to_string(),
                    target: without_secrets(target),
                })?;
                location = redirected;
            }
            (401, _)
                if may_answer
                    && (challenges == 0 || challenges < MAX_CHALLENGES && is_stale(&challenged(&answer.head)))
                    && memory.answers.challenge(&challenged(&answer.head)) =>
            {
                challenges += 1;
            }
            (200..=299, _) => {
                let media_type = answer.head.media_type();
                if media_type.is_no_picture() && !begins_as_pictures(&mut answer, options)? {
                    let essence = media_type.essence().to_owned();
                    return Err(ClientError::NotPictures { url: location.to_string(), essence });
                }
                return Ok(answer);
            }
            _ => return Err(refused(&location, &answer.head, options)),
        }
    }
}

fn send(
    location: &Location,
    options: &Options,
    memory: &mut Memory,
    cancellable: &gio::Cancellable,
) -> Result<Answer, ClientError> {
    // RFC 9110 15.4: secrets are for the server that they were given for, not for those it sends us to.
    let trusted = location.same_origin(&options.location);
    let credentials = options.credentials.as_ref().filter(|_| trusted);
    let authorization = credentials.and_then(|known| memory.answers.authorization(known, &location.target));
    let request = if trusted { Cow::Borrowed(&options.request) } else { Cow::Owned(options.request.without_secrets()) };
    let proxy = options.proxy.as_ref().map(|proxy| &proxy.credentials);
    let keep = if memory.polled.is_some() { Keep::Alive } else { Keep::Close };
    let cookies = memory.cookies.of(location, Instant::now());
    let request = request.head(location, authorization.as_deref(), cookies, proxy, keep);
    let exchange = |connection: Connection| {
        connection.write(request.as_bytes(), options.timeout)?;
        let (head, body) = response_head(&connection, location, options)?;
        Ok(Answer { location: location.clone(), connection, head, body })
    };
    // RFC 9112 9.2: what came without being asked for is no answer, and would put each later one in the wrong place.
    let is_fit = |(kept, connection): &(Location, Connection)| kept.same_origin(location) && connection.is_quiet();
    if let Some((_, connection)) = memory.kept.take().filter(is_fit) {
        // The server may have closed it by now, or say that it is about to, which is no fault of anybody's; nor is what
        // it may have sent behind the last answer.
        match exchange(connection) {
            Ok(answer) if answer.head.status() == 408 => {}
            Err(
                ClientError::Broken { .. } | ClientError::Closed | ClientError::NoAnswer { .. } | ClientError::Head(_),
            ) => {}
            answer => return answer,
        }
    }
    exchange(Connection::open(location, options, cancellable)?)
}

fn response_head(
    connection: &Connection,
    location: &Location,
    options: &Options,
) -> Result<(ResponseHead, Vec<u8>), ClientError> {
    let patience = patience(options);
    let (mut bytes, mut reader) = (Vec::new(), HeadReader::new());
    let mut space = [0; 4096];
    let mut interim = 0;
    loop {
        match reader.read(&bytes) {
            // RFC 9110 15.2: the answer itself follows.
            Ok(Some((head, len))) if head.status() < 200 && interim < MAX_INTERIM => {
                interim += 1;
                bytes.drain(..len);
                reader = HeadReader::new();
                continue;
            }
            Ok(Some((head, len))) => return Ok((head, bytes.split_off(len))),
            Ok(None) => {}
            Err(error @ HeadError::TooLong { .. }) => return Err(error.into()),
            Err(HeadError::NotHttp(_)) if bytes.starts_with(&TLS_ALERT) => {
                return Err(ClientError::SpeaksTls { address: location.address() });
            }
            Err(error @ HeadError::NotHttp(_)) => match begins_as_stream(&bytes) {
                // Without any head, as `multipartmux ! tcpserversink` sends.
                Some(true) => return Ok((ResponseHead::absent(), bytes)),
                None if bytes.len() <= ResponseHead::MAX => {}
                None | Some(false) => return Err(error.into()),
            },
        }
        match more(connection, &mut space, options, &patience)? {
            Some(more) => bytes.extend_from_slice(more),
            None if bytes.is_empty() && interim == 0 => {
                return Err(ClientError::NoAnswer { address: location.address() });
            }
            None => return Err(ClientError::Closed),
        }
    }
}

/// For the head of an answer; its bytes have a limit of their own.
fn patience(options: &Options) -> Patience {
    Patience::new(options.patience, u64::MAX, Instant::now())
}

/// The next bytes; none at the end.
fn more<'a>(
    connection: &Connection,
    space: &'a mut [u8],
    options: &Options,
    patience: &Patience,
) -> Result<Option<&'a [u8]>, ClientError> {
    patience.check(Instant::now())?;
    match connection.read(space, options.timeout, || {})? {
        Read::Bytes(count) => Ok(Some(&space[..count])),
        Read::Idle(after) => Err(ClientError::Stalled { after }),
        Read::Closed => Ok(None),
    }
}

/// Whether a body that calls itself a text begins as pictures do. Some servers leave the type at its default, which is
/// text/html in ESP-IDF and Flask, or put a head of their own before that of a script, be that a part's, a CGI script's
/// or a whole answer's.
fn begins_as_pictures(answer: &mut Answer, options: &Options) -> Result<bool, ClientError> {
    let patience = patience(options);
    let mut space = [0; 1024];
    let (mut data, mut coding, mut decoded) = (Vec::new(), Coding::new(&answer.head), 0);
    let mut beginning = Beginning::default();
    let length = answer.head.field_value("content-length").and_then(|value| value.parse().ok());
    loop {
        let look = |piece: &[u8]| {
            if data.len() < LOOKED_AT {
                data.extend_from_slice(piece);
            }
        };
        let Ok(goes_on) = coding.decode(&answer.body[decoded..], look) else { return Ok(false) };
        decoded = answer.body.len();
        match beginning.is_stream(&data) {
            None if goes_on && data.len() < LOOKED_AT && decoded <= LOOKED_AT => {}
            begins => return Ok(begins == Some(true)),
        }
        let is_over = length == Some(decoded) && !data.trim_ascii().is_empty();
        let wait = if is_over { Some(OVERDUE) } else { options.timeout };
        patience.check(Instant::now())?;
        match answer.connection.read(&mut space, wait, || {})? {
            Read::Bytes(count) => answer.body.extend_from_slice(&space[..count]),
            Read::Idle(after) if !is_over => return Err(ClientError::Stalled { after }),
            Read::Idle(_) | Read::Closed => return Ok(false),
        }
    }
}

/// The challenges of an answer 401, as they stand there.
fn challenged(head: &ResponseHead) -> Vec<&str> {
    head.field_values("www-authenticate").collect()
}

fn refused(location: &Location, head: &ResponseHead, options: &Options) -> ClientError {
    let cure = match head.status() {
        407 => "; check proxy-id and proxy-pw",
        // tinyproxy says 401 too where it does not know who asks.
        401 if options.proxy.is_some() => "; check user-id and user-pw, and proxy-id and proxy-pw",
        401 | 403 if options.credentials.is_none() => "; set user-id and user-pw",
        401 if !can_answer(&challenged(head)) => return unanswerable(location, head),
        401 | 403 if location.same_origin(&options.location) => "; check user-id and user-pw",
        401 | 403 => "; a redirect led here, and no password is sent to another host: set location to this address",
        404 | 410 => "; check the path in location",
        300..=303 | 307 | 308 => "; it redirects, but does not say where to",
        // nginx, Apache and Go's servers say so to who speaks HTTP to their port for HTTPS.
        400 if !location.tls => "; a server with TLS wants a location that begins with https:",
        _ => "",
    };
    status(location, head, cure.into())
}

/// A refusal by a server that wants to be answered in a way that we cannot.
fn unanswerable(location: &Location, head: &ResponseHead) -> ClientError {
    let wanted = wanted(&challenged(head));
    status(location, head, format!("; it asks for {wanted}, which mjpegclientsrc does not support").into())
}

fn status(location: &Location, head: &ResponseHead, cure: Cow<'static, str>) -> ClientError {
    ClientError::Status {
        url: location.to_string(),
        status: head.status(),
        reason: head.reason().to_owned(),
        cure,
        retry_after: retry_after(head, SystemTime::now()).map(|delay| delay.min(MAX_RETRY_AFTER)),
    }
}

/// How long a server wants to be left alone: `Retry-After` is a number of seconds, or a date (RFC 9110 10.2.3).
fn retry_after(head: &ResponseHead, now: SystemTime) -> Option<Duration> {
    let value = head.field_value("retry-after")?;
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = is_number.then(|| value.parse().unwrap_or(u64::MAX));
    seconds.map(Duration::from_secs).or_else(|| time_until(value, head, now))
}

/// How far a date in an answer is away. Cameras that have lost the time are not rare: what counts is the server's own
/// idea of now, if it tells that.
fn time_until(date: &str, head: &ResponseHead, now: SystemTime) -> Option<Duration> {
    let its_now = head.field_value("date").and_then(parse_date);
    let now = its_now.or_else(|| Some(now.duration_since(UNIX_EPOCH).ok()?.as_secs()))?;
    Some(Duration::from_secs(parse_date(date)?.saturating_sub(now)))
}

/// How a record of TLS begins that says what is wrong (RFC 8446 5.1), as servers send it to who speaks HTTP to them.
const TLS_ALERT: [u8; 2] = [0x15, 3];

/// Redirections followed for one try. Chosen: half of what browsers and libsoup follow; cameras have one.
const MAX_REDIRECTS: usize = 10;

/// Interim answers passed over for one request. Chosen: servers send one, or none.
const MAX_INTERIM: usize = 10;

/// Bytes of a text that are looked at for the beginning of a stream. Chosen: servers put a few blank lines before it.
const LOOKED_AT: usize = 64 * 1024;

/// Challenges answered for one try: the first, and one more if that answer had become stale. A wrong password is not
/// tried twice: cameras lock out who does.
const MAX_CHALLENGES: u32 = 2;

/// Longest wait that a server can ask for. Chosen: a minute is long for live pictures; without a limit a hostile
/// server could silence us for good.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
