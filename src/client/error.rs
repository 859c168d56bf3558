//! Why a stream cannot be had, or was lost.

use std::{borrow::Cow, time::Duration};

use crate::http::{ChunkedError, HeadError};

/// Why a stream cannot be had, or was lost. The texts name what to do where there is something to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The reading thread met a bug.
    #[error("the reading thread failed; please report what it printed")]
    Panicked,
    /// The host's name is not known.
    #[error("host {host} is not known: {message}; check the name in {property}")]
    UnknownHost {
        /// The name.
        host: String,
        /// What the system said.
        message: String,
        /// Where the name was set.
        property: &'static str,
    },
    /// Nobody can say now whether the host's name is known.
    #[error("host {host} cannot be looked up now: {message}; check the network, and the name in {property}")]
    NoResolver {
        /// The name.
        host: String,
        /// What the system said.
        message: String,
        /// Where the name was set.
        property: &'static str,
    },
    /// No connection to the host.
    #[error("cannot connect to {address}: {message}; check host and port in {property}, and that the server runs")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        message: String,
        /// Where host and port were set.
        property: &'static str,
    },
    /// The proxy wants to know who asks.
    #[error("proxy {address} refuses: {message}; check proxy-id and proxy-pw")]
    ProxyPassword {
        /// Host and port.
        address: String,
        /// What GIO said.
        message: String,
    },
    /// The proxy makes no tunnel.
    #[error(
        "proxy {proxy} makes no connection to {address}: {message}; check host and port in location, and proxy, \
         proxy-id and proxy-pw"
    )]
    Tunnel {
        /// Host and port of the proxy.
        proxy: String,
        /// Host and port of the server.
        address: String,
        /// What GIO said.
        message: String,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of {address} {faults}; {cure}")]
    Certificate {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        faults: String,
        /// What to do about it.
        cure: &'static str,
    },
    /// The server wants a certificate of ours.
    #[error(
        "{address} demands a certificate of its viewers, and none can be set; ask through a program that has one, such as \
         stunnel"
    )]
    ClientCertificate {
        /// Host and port.
        address: String,
    },
    /// The connection broke before the server had said a word of TLS.
    #[error(
        "no secure connection to {address}: {message}; check that the server runs; for one without TLS, location begins \
         with http:"
    )]
    NoTls {
        /// Host and port.
        address: String,
        /// What the TLS library said.
        message: String,
    },
    /// TLS failed in another way.
    #[error("no secure connection to {address}: {message}; for a server without TLS, location begins with http:")]
    Tls {
        /// Host and port.
        address: String,
        /// What the TLS library said.
        message: String,
    },
    /// The connection broke.
    #[error("the connection broke: {message}")]
    Broken {
        /// What the system said.
        message: String,
    },
    /// No byte came for too long.
    #[error("no byte came for {} s", .after.as_secs_f64())]
    Stalled {
        /// The limit.
        after: Duration,
    },
    /// Bytes came, but no picture, for too long.
    #[error("bytes came, but no picture for {} s", .after.as_secs_f64())]
    Barren {
        /// The limit.
        after: Duration,
    },
    /// The stream ended.
    #[error("the server closed the stream")]
    Closed,
    /// The server closed before it answered anything.
    #[error("{address} closed the connection without an answer; check the port in location")]
    NoAnswer {
        /// Host and port.
        address: String,
    },
    /// The server answered with TLS.
    #[error("{address} speaks TLS; write location with https: instead of http:")]
    SpeaksTls {
        /// Host and port.
        address: String,
    },
    /// The answer is not HTTP.
    #[error("{0}{cure}", cure = if matches!(.0, HeadError::NotHttp(_)) { "; check the port in location" } else { "" })]
    Head(#[from] HeadError),
    /// The file of trusted certificates cannot be used.
    #[error("no trusted certificates: {message}; ssl-ca-file names a PEM file of certificates")]
    CaFile {
        /// What the TLS library said.
        message: String,
    },
    /// The body is not compressed as it says.
    #[error("the body is not compressed as it says: {message}")]
    Compressed {
        /// What the decompressor said.
        message: String,
    },
    /// The body is not chunked as it says.
    #[error("the body is damaged: {0}")]
    Chunked(#[from] ChunkedError),
    /// The server answered with an error.
    #[error("{url} answered {status}{}{reason}{cure}", if .reason.is_empty() { "" } else { " " })]
    Status {
        /// Where.
        url: String,
        /// The status code.
        status: u16,
        /// The status text.
        reason: String,
        /// What to do about it, to be put behind the rest.
        cure: Cow<'static, str>,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The answer is something else than pictures.
    #[error(
        "{url} answered with {essence}, which is not a stream of JPEG pictures; open it in a browser to see what it is"
    )]
    NotPictures {
        /// Where.
        url: String,
        /// The media type.
        essence: String,
    },
    /// The body is no stream of pictures.
    #[error("no picture in {searched} bytes of the answer; open the address in a browser to see what it is")]
    NoPicture {
        /// Bytes searched.
        searched: u64,
    },
    /// All that the body holds is longer than accepted.
    #[error(
        "no picture in {searched} bytes of the answer: they are longer than max-frame-size, which is {limit} bytes; set \
         it to more"
    )]
    TooLarge {
        /// Bytes searched.
        searched: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body is compressed in a way that we cannot read.
    #[error(
        "no picture in {searched} bytes of the answer: its Content-Encoding is {coding}, and only gzip or deflate, once, \
         can be read"
    )]
    UnknownCoding {
        /// Bytes searched.
        searched: u64,
        /// What its head says of it.
        coding: String,
    },
    /// The server sent us from one address to the next.
    #[error("{url} redirects more than {limit} times; set location to the address where a browser ends up")]
    Redirects {
        /// Where it began.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// The server sent us where we cannot go.
    #[error(
        "{url} redirects to {target:?}, which is not the address of an http or https server; set location to the stream itself"
    )]
    RedirectTarget {
        /// From where.
        url: String,
        /// To where.
        target: String,
    },
}

impl ClientError {
    /// Whether waiting may cure it, even where there was no stream yet.
    pub fn is_passing(&self) -> bool {
        match self {
            // RFC 6762 3: a name of this kind is known while the device that has it is there to answer for it.
            Self::UnknownHost { host, .. } => host.trim_end_matches('.').to_ascii_lowercase().ends_with(".local"),
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Tunnel { .. }
            | Self::Tls { .. }
            | Self::Certificate { .. }
            | Self::ClientCertificate { .. }
            | Self::ProxyPassword { .. }
            | Self::CaFile { .. }
            | Self::SpeaksTls { .. }
            | Self::NotPictures { .. }
            | Self::UnknownCoding { .. }
            | Self::Redirects { .. }
            | Self::RedirectTarget { .. } => false,
            Self::Cancelled
            | Self::Panicked
            | Self::NoResolver { .. }
            | Self::Connect { .. }
            | Self::NoTls { .. }
            | Self::Broken { .. }
            | Self::Stalled { .. }
            | Self::Barren { .. }
            | Self::Closed
            | Self::NoAnswer { .. }
            | Self::Head(_)
            | Self::Compressed { .. }
            | Self::Chunked(_)
            | Self::NoPicture { .. }
            | Self::TooLarge { .. } => true,
        }
    }

    /// Whether a stream was read to its end, or for long enough, without finding a picture.
    pub(super) fn is_fruitless(&self) -> bool {
        matches!(self, Self::NoPicture { .. } | Self::TooLarge { .. } | Self::UnknownCoding { .. })
    }

    /// Whether the server wants other credentials.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status: 401 | 403, .. })
    }

    /// When the server wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_device_answers_for_may_come_to_be_known() {
        let unknown = |host: &str| ClientError::UnknownHost {
            host: host.to_owned(),
            message: String::new(),
            property: "location",
        };
        for host in ["esp32cam.local", "ESP32CAM.LOCAL", "esp32cam.local."] {
            assert!(unknown(host).is_passing(), "{host}");
        }
        for host in ["camera", "camera.example", "local", "camera.local.example"] {
            assert!(!unknown(host).is_passing(), "{host}");
        }
    }
}
