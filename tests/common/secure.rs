//! A camera behind TLS, and its clients.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use gst::prelude::*;
use tokio_rustls::rustls::ClientConfig;

use super::{certificate::Certificate, http2::Http2, pipeline::Camera, tls::config};

/// A camera that speaks HTTPS, and who trusts it.
pub struct Secure {
    pub camera: Camera,
    pub trust: Arc<ClientConfig>,
}

impl Secure {
    #[track_caller]
    pub fn live(properties: &str) -> Self {
        let certificate = Certificate::new("IP:127.0.0.1", 1);
        let tls = format!("tls-certificate-file={} tls-private-key-file={}", certificate.file(), certificate.key());
        let camera = Camera::new("is-live=true do-timestamp=true", &format!("{tls} {properties}")).play();
        Self { camera, trust: config(&certificate, &["h2"]) }
    }

    pub fn address(&self) -> SocketAddr {
        self.camera.address()
    }

    #[track_caller]
    pub fn connect(&self) -> Http2 {
        Http2::connect(self.address(), &self.trust)
    }

    /// Whom the sink says that it sent away, and why.
    pub fn farewells(&self) -> Receiver<(u64, String)> {
        let (sender, gone) = channel();
        self.camera.sink.connect("client-removed", false, move |values| {
            let (id, reason) = (values[1].get().expect("an id"), values[3].get().expect("a reason"));
            // The test may have ended.
            let _ = sender.send((id, reason));
            None
        });
        gone
    }
}
