//! Whom a secure connection trusts.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use gio::prelude::*;

use super::ClientError;
use crate::sync::lock;

/// How certificates are judged.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whether a certificate that fails the checks is refused; else it is accepted.
    pub strict: bool,
    /// Which checks count.
    pub validation: gio::TlsCertificateFlags,
    /// A file of certificates that are trusted, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { strict: true, validation: gio::TlsCertificateFlags::VALIDATE_ALL, ca_file: None }
    }
}

impl Tls {
    /// The database to trust instead of the system's.
    pub(super) fn trusted(&self) -> Result<Option<gio::TlsDatabase>, ClientError> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        // GIO finds no certificates by a relative path.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        match gio::TlsFileDatabase::new(file) {
            Ok(trusted) => Ok(Some(trusted.upcast())),
            Err(error) => Err(ClientError::CaFile { message: error.message().to_owned() }),
        }
    }

    /// Sets up the TLS connection that `client` is about to make. Gives what will have been found out of the server.
    pub(super) fn prepare(&self, client: &gio::SocketClient, trusted: Option<gio::TlsDatabase>) -> Findings {
        let checks = if self.strict { self.validation } else { gio::TlsCertificateFlags::empty() };
        let findings = Findings::default();
        let found = findings.clone();
        client.connect_event(move |_, event, _, stream| {
            if event != gio::SocketClientEvent::TlsHandshaking {
                return;
            }
            let Some(connection) = stream.and_then(|stream| stream.downcast_ref::<gio::TlsConnection>()) else {
                return;
            };
            if let Some(trusted) = &trusted {
                connection.set_database(Some(trusted));
            }
            let asked = found.clone();
            // GIO says whose certificates the server would take when it asks for one.
            connection.connect_notify(Some("accepted-cas"), move |_, _| lock(&asked.0).asks = true);
            let found = found.clone();
            connection.connect_accept_certificate(move |_, _, failed| {
                lock(&found.0).faults = failed.intersection(checks);
                !failed.intersects(checks)
            });
        });
        findings
    }
}

/// What is found out of a server while TLS is set up.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings(Arc<Mutex<Found>>);

#[derive(Debug)]
struct Found {
    /// What is wrong with its certificate.
    faults: gio::TlsCertificateFlags,
    /// It asks for a certificate of ours.
    asks: bool,
}

impl Default for Found {
    fn default() -> Self {
        Self { faults: gio::TlsCertificateFlags::empty(), asks: false }
    }
}

impl Findings {
    /// What is wrong with its certificate in words, to be put behind "the certificate"; `None` when nothing is wrong.
    pub(super) fn faults(&self) -> Option<String> {
        let found = lock(&self.0).faults;
        let texts = FAULTS.iter().filter(|(fault, _)| found.intersects(*fault)).map(|(_, text)| *text);
        let texts: Vec<_> = texts.collect();
        (!found.is_empty()).then(|| match texts.split_last() {
            None => "is not acceptable".to_owned(),
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        })
    }

    /// What to do about it, to be put behind all of that.
    pub(super) fn cure(&self) -> &'static str {
        if lock(&self.0).faults == gio::TlsCertificateFlags::BAD_IDENTITY {
            "use the certificate's name in location, or tls-validation-flags without bad-identity"
        } else {
            "name a PEM file of whom to trust in ssl-ca-file, or set ssl-strict=false to trust anybody"
        }
    }

    /// Whether it asks for a certificate of ours, be it that it takes none for an answer.
    pub(super) fn asks_for_certificate(&self) -> bool {
        lock(&self.0).asks
    }
}

const FAULTS: [(gio::TlsCertificateFlags, &str); 6] = [
    (gio::TlsCertificateFlags::UNKNOWN_CA, "is signed by nobody who is trusted"),
    (gio::TlsCertificateFlags::BAD_IDENTITY, "is for another host"),
    (gio::TlsCertificateFlags::NOT_ACTIVATED, "is not valid yet"),
    (gio::TlsCertificateFlags::EXPIRED, "has expired"),
    (gio::TlsCertificateFlags::REVOKED, "was revoked"),
    (gio::TlsCertificateFlags::INSECURE, "is not secure"),
];
