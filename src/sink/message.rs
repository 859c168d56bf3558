//! Messages to the application.

use crate::server::{StartError, UnixError};

/// Where to look.
pub(super) fn listening(element: &super::MjpegServerSink, url: &str) -> gst::Message {
    let structure = gst::Structure::builder("listening").field("url", url).build();
    gst::message::Element::builder(structure).src(element).build()
}

/// The error message for a server that did not start.
pub(super) fn start_error(cause: &StartError) -> gst::ErrorMessage {
    use gst::ResourceError;
    match cause {
        StartError::PortInUse { .. } | StartError::Unix(UnixError::InUse(_)) => {
            gst::error_msg!(ResourceError::Busy, ("{cause}"))
        }
        StartError::PortForbidden { .. } => gst::error_msg!(ResourceError::NotAuthorized, ("{cause}")),
        StartError::MountTaken { .. }
        | StartError::OtherHost { .. }
        | StartError::Differs { .. }
        | StartError::Activation(_)
        | StartError::Tls(_)
        | StartError::Unix(UnixError::NoPath | UnixError::OtherFile(_)) => {
            gst::error_msg!(ResourceError::Settings, ("{cause}"))
        }
        StartError::Host { .. } => gst::error_msg!(ResourceError::NotFound, ("{cause}")),
        StartError::Unix(UnixError::Listen { .. }) | StartError::Listen { .. } => {
            gst::error_msg!(ResourceError::OpenWrite, ("{cause}"))
        }
        StartError::Runtime(_) => gst::error_msg!(ResourceError::Failed, ("{cause}")),
    }
}
