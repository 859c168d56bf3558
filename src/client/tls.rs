//! Whom a secure connection trusts.

use std::path::PathBuf;

use gio::prelude::*;

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
    pub(super) fn trusted(&self) -> Result<Option<gio::TlsDatabase>, glib::Error> {
        let database = self.ca_file.as_ref().map(gio::TlsFileDatabase::new).transpose()?;
        Ok(database.map(gio::TlsFileDatabase::upcast))
    }

    /// Sets up the TLS connection that `client` is about to make.
    pub(super) fn prepare(&self, client: &gio::SocketClient, trusted: Option<gio::TlsDatabase>) {
        let checks = if self.strict { self.validation } else { gio::TlsCertificateFlags::empty() };
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
            connection.connect_accept_certificate(move |_, _, failed| !failed.intersects(checks));
        });
    }
}
