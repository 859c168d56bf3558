//! The HTTP client: connects, asks once, reads pictures for ever, and connects again when the stream is lost.
//!
//! [`run`] does all of it, blocking, on a thread of the caller's; cancelling its [`gio::Cancellable`] ends every wait
//! at once but [`Receiver::pause`], which the receiver ends itself. What it finds goes to a [`Receiver`].

mod ask;
mod beginning;
mod body;
mod challenge;
mod coding;
mod connection;
mod cookies;
mod credentials;
mod deadline;
mod digest;
mod error;
mod inflate;
mod location;
mod patience;
mod pictures;
mod proxy;
mod request;
mod retry;
mod session;
mod tls;

use std::{
    fmt,
    time::{Duration, Instant},
};

use gio::prelude::*;

use self::{ask::Memory, retry::Tries, session::Ended};
pub use coding::Coding;
pub use credentials::{Answers, Credentials};
pub use error::ClientError;
pub(crate) use location::URI_PREFIX;
pub use location::{Location, LocationError};
pub use proxy::{Proxy, ProxyError};
pub use request::{Request, is_field_name, is_field_text};
pub use retry::Backoff;
pub use tls::Tls;

use crate::multipart::{Event, Lengths, Limits};

/// What to read and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the stream is.
    pub location: Location,
    /// User and password for the server that the location names.
    pub credentials: Option<Credentials>,
    /// What each request carries.
    pub request: Request,
    /// A proxy on the way.
    pub proxy: Option<Proxy>,
    /// Whom a secure connection trusts.
    pub tls: Tls,
    /// Time for connecting: all addresses, the proxy and TLS together; else the system's limit.
    pub connect_timeout: Option<Duration>,
    /// Time without a byte after which a stream counts as lost, if there is a limit.
    pub timeout: Option<Duration>,
    /// Time without a picture after which a stream counts as lost though bytes come, if there is a limit.
    pub patience: Option<Duration>,
    /// How often in a row a lost or absent stream is asked for again before [`run`] gives up; `None` is for ever.
    pub retries: Option<u32>,
    /// The waits between tries.
    pub backoff: Backoff,
    /// Time from one request to the next where each is answered with a single picture, if it is to be asked again.
    pub poll_interval: Option<Duration>,
    /// Whether the end of the stream is the end; else it is asked for again.
    pub end: EndOfStream,
    /// What the reader may hold.
    pub limits: Limits,
}

/// What the end of a stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfStream {
    /// The camera went away: connect again.
    Reconnect,
    /// That was all.
    Finish,
}

/// How a stream turned out to be framed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    /// What stands between two pictures.
    pub delimiter: Option<String>,
    /// What its Content-Length fields have proved to be worth.
    pub lengths: Lengths,
    /// Whether it comes in chunks.
    pub chunked: bool,
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.delimiter {
            Some(delimiter) => write!(f, "the delimiter {delimiter:?}")?,
            None => f.write_str("no delimiter")?,
        }
        f.write_str(match self.lengths {
            Lengths::Unproven => ", no lengths to go by",
            Lengths::Right => ", right lengths",
            Lengths::Wrong => ", wrong lengths",
        })?;
        f.write_str(if self.chunked { ", chunks" } else { "" })
    }
}

/// Whom the client tells what happens. All calls come from the thread of [`run`].
pub trait Receiver {
    /// A stamp that frames carry from their first byte on, such as a time.
    type Stamp: Copy;

    /// The stamp of this moment.
    fn stamp(&self) -> Self::Stamp;

    /// Bytes of the body came in.
    fn received(&self, bytes: usize);

    /// Something came out of the stream. May block where frames must not be lost.
    fn event(&self, event: Event<Self::Stamp>);

    /// A stream is answered; frames follow.
    fn connected(&self, peer: &str);

    /// How the stream is framed, whenever that turns out to be otherwise than known so far.
    fn learnt(&self, framing: &Framing);

    /// The stream is lost, or could not be had; the next try, this many in a row, comes after `delay`.
    fn lost(&self, cause: &ClientError, attempt: u32, delay: Duration);

    /// About to wait for the peer: what came out so far is all that there is for now.
    fn waits(&self);

    /// Waits that long. Has to end at once when the client is cancelled.
    fn pause(&self, delay: Duration);
}

/// Reads the stream until it ends for good.
///
/// # Errors
///
/// What waiting cannot cure, or the last cause when no try is left; [`ClientError::Cancelled`] when cancelled.
pub fn run<R: Receiver>(options: &Options, cancellable: &gio::Cancellable, receiver: &R) -> Result<(), ClientError> {
    let mut memory = Memory::default();
    let mut tries = Tries::default();
    let mut reached = false;
    // Not only when a redirection leads to TLS one day.
    options.tls.trusted()?;
    loop {
        let began = Instant::now();
        let Ended { why, answered, frames, single } = session::run(options, &mut memory, cancellable, receiver);
        if cancellable.is_cancelled() {
            return Err(ClientError::Cancelled);
        }
        // An answer in which no picture is found is no stream.
        reached |= frames > 0 || answered && why.is_passing() && !why.is_fruitless();
        if frames > 0 {
            tries.played(began.elapsed());
        }
        let poll = single.zip(options.poll_interval);
        memory.polled = poll.map(|(single, _)| single);
        if let Some((_, interval)) = poll {
            receiver.pause(interval.saturating_sub(began.elapsed()));
            continue;
        }
        let finite = options.end == EndOfStream::Finish;
        if finite && why == ClientError::Closed && answered {
            return Ok(());
        }
        // Before the stream was ever there, what looks wrong most likely is; later the camera starts, or is busy.
        let hopeless = !reached && (!why.is_passing() || finite && why.is_fruitless());
        if hopeless || options.retries.is_some_and(|retries| tries.failures() >= retries) {
            return Err(why);
        }
        // A server may ask for a longer wait, not for a storm.
        let wrong_password = options.credentials.is_some() && why.is_refusal();
        let least = if wrong_password { LOCKED_OUT } else { why.retry_after().unwrap_or_default() };
        let delay = options.backoff.delay(tries.fail(), glib::random_double()).max(least);
        receiver.lost(&why, tries.failures(), delay);
        receiver.pause(delay);
    }
}

/// Wait after a server that played before refuses us. Chosen: cameras lock out who tries a wrong password again and
/// again.
const LOCKED_OUT: Duration = Duration::from_secs(30);
