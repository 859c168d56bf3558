//! The HTTP client: connects, asks once, reads pictures for ever, and connects again when the stream is lost.
//!
//! [`run`] does all of it, blocking, on a thread of the caller's; cancelling its [`gio::Cancellable`] ends every wait
//! at once. What it finds goes to a [`Receiver`].

mod connection;
mod error;
mod location;
mod retry;
mod session;

use std::time::Duration;

use gio::prelude::*;

pub use error::{Cause, ClientError};
pub(crate) use location::URI_PREFIX;
pub use location::{Location, LocationError};
pub use retry::Backoff;

use crate::multipart::{Event, Limits};

/// What to read and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the stream is.
    pub location: Location,
    /// Time for connecting, TLS included.
    pub connect_timeout: Duration,
    /// Time without a byte after which a stream counts as lost; zero is no limit.
    pub timeout: Duration,
    /// Consecutive failures accepted after the stream was first reached; `None` is no limit.
    pub retries: Option<u32>,
    /// The waits between tries.
    pub backoff: Backoff,
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

    /// The stream is lost, or could not be had; the next try, this many in a row, comes after `delay`.
    fn lost(&self, cause: &ClientError, attempt: u32, delay: Duration);

    /// Waits that long, or until the client is cancelled.
    fn pause(&self, delay: Duration);
}

/// Reads the stream until it ends for good.
///
/// # Errors
///
/// What waiting cannot cure, or the last cause when no try is left; [`ClientError::Cancelled`] when cancelled.
pub fn run<R: Receiver>(options: &Options, cancellable: &gio::Cancellable, receiver: &R) -> Result<(), ClientError> {
    let mut failures = 0;
    let mut reached = false;
    loop {
        let mut progress = session::Progress::default();
        let Err(error) = session::run(options, cancellable, receiver, &mut progress);
        if cancellable.is_cancelled() {
            return Err(ClientError::Cancelled);
        }
        reached |= progress.answered;
        if progress.frames > 0 {
            failures = 0;
        }
        if options.end == EndOfStream::Finish && error == ClientError::Closed && progress.answered {
            return Ok(());
        }
        let hopeless = match error.cause() {
            Cause::Lasting => !reached,
            Cause::Unreachable => !reached,
            Cause::Passing => false,
        };
        if hopeless || options.retries.is_some_and(|retries| failures >= retries) {
            return Err(error);
        }
        let delay = error.retry_after().unwrap_or_else(|| options.backoff.delay(failures, glib::random_double()));
        failures += 1;
        receiver.lost(&error, failures, delay);
        receiver.pause(delay);
    }
}
