//! What the application may want to hear of its viewers.

use super::{socket::Remote, viewers::Viewer};

/// Why a viewer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It closed its connection, or that broke.
    Closed,
    /// The series ended, and it has had the last picture.
    Ended,
    /// It took no byte for too long.
    Stalled,
    /// It had stalled when another one asked for its place.
    Evicted,
    /// The application sent it away.
    Removed,
    /// The server stopped.
    Stopped,
}

/// What the application may want to hear.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A viewer began to watch.
    Added(&'a Viewer),
    /// A viewer has left.
    Removed(&'a Viewer, Reason),
    /// Somebody did not get what was asked for.
    Refused(Refusal<'a>),
    /// The server goes on, but somebody has to see to this.
    Trouble(&'a str),
}

/// What was not given, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Who asked.
    pub peer: Remote,
    /// The path, without its query, and the status of the answer; nothing where the connection was closed at once.
    pub asked: Option<(&'a str, u16)>,
    /// Why, in the words of the answer.
    pub why: &'a str,
}

/// Told of each event, on a thread of the runtime: must not block.
pub type Observer = Box<dyn Fn(Event<'_>) + Send + Sync>;

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Ended => "ended",
            Self::Stalled => "stalled",
            Self::Evicted => "evicted",
            Self::Removed => "removed",
            Self::Stopped => "stopped",
        })
    }
}
