//! Messages to the application.

use std::time::Duration;

use crate::client::ClientError;

/// A stream is answered.
pub(super) fn connected(element: &super::MjpegClientSrc, peer: &str) -> gst::Message {
    let structure = gst::Structure::builder(NAME).field("state", "connected").field("peer", peer).build();
    gst::message::Element::builder(structure).src(element).build()
}

/// A stream was lost; `delay` is in nanoseconds.
pub(super) fn reconnecting(
    element: &super::MjpegClientSrc,
    cause: &ClientError,
    attempt: u32,
    delay: Duration,
) -> gst::Message {
    let structure = gst::Structure::builder(NAME)
        .field("state", "reconnecting")
        .field("reason", cause.to_string())
        .field("attempt", attempt)
        .field("delay", gst::ClockTime::try_from(delay).unwrap_or(gst::ClockTime::MAX))
        .build();
    gst::message::Element::builder(structure).src(element).build()
}

/// The error message for what waiting cannot cure.
pub(super) fn error(cause: &ClientError) -> gst::ErrorMessage {
    use gst::{ResourceError, StreamError};
    match cause {
        ClientError::UnknownHost { .. }
        | ClientError::NoResolver { .. }
        | ClientError::Status { status: 404 | 410, .. } => gst::error_msg!(ResourceError::NotFound, ("{cause}")),
        ClientError::ProxyPassword { .. }
        | ClientError::ClientCertificate { .. }
        | ClientError::Status { status: 401 | 403 | 407, .. } => {
            gst::error_msg!(ResourceError::NotAuthorized, ("{cause}"))
        }
        ClientError::Connect { .. }
        | ClientError::NoTls { .. }
        | ClientError::Tls { .. }
        | ClientError::Certificate { .. }
        | ClientError::Tunnel { .. }
        | ClientError::CaFile { .. }
        | ClientError::Status { .. }
        | ClientError::Redirects { .. }
        | ClientError::RedirectTarget { .. } => gst::error_msg!(ResourceError::OpenRead, ("{cause}")),
        ClientError::TooLarge { .. } => gst::error_msg!(ResourceError::Settings, ("{cause}")),
        ClientError::Head(_)
        | ClientError::SpeaksTls { .. }
        | ClientError::NotPictures { .. }
        | ClientError::NoPicture { .. }
        | ClientError::UnknownCoding { .. } => gst::error_msg!(StreamError::WrongType, ("{cause}")),
        ClientError::Cancelled
        | ClientError::Panicked
        | ClientError::Broken { .. }
        | ClientError::Stalled { .. }
        | ClientError::Barren { .. }
        | ClientError::Closed
        | ClientError::NoAnswer { .. }
        | ClientError::Compressed { .. }
        | ClientError::Chunked(_) => gst::error_msg!(ResourceError::Read, ("{cause}")),
    }
}

const NAME: &str = "mjpegclientsrc-state";
