//! Programs that speak TLS with the sink.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    thread,
};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    },
};

use super::{certificate::Certificate, http::connect};

/// A connection that is encrypted.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Trusts this certificate and no other, as those who sign themselves ask for.
#[derive(Debug)]
struct Only(CertificateDer<'static>, Arc<CryptoProvider>);

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let same = *end_entity == self.0;
        same.then(ServerCertVerified::assertion).ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.1.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.1.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// What a client trusts and offers.
#[track_caller]
pub fn config(certificate: &Certificate, protocols: &[&str]) -> Arc<ClientConfig> {
    let only = CertificateDer::from_pem_file(certificate.file()).expect("a certificate");
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Only(only, provider.clone()));
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config.into()
}

/// Connects and shakes hands; an error is the client's.
#[track_caller]
pub fn shake_hands(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream> {
    shake_hands_over(connect(address), config)
}

/// The same over a connection that there is.
#[track_caller]
pub fn shake_hands_over(mut stream: TcpStream, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream> {
    let name = ServerName::IpAddress(stream.peer_addr()?.ip().into());
    let mut connection = ClientConnection::new(config.clone(), name).expect("a name to ask for");
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// The certificate that a server shows.
#[track_caller]
pub fn shown(stream: &TlsStream) -> CertificateDer<'static> {
    stream.conn.peer_certificates().expect("a certificate")[0].clone().into_owned()
}

/// An address whose connections go on, encrypted, to this one, so that what reads plain HTTP can be used.
#[track_caller]
pub fn bridge(to: SocketAddr, config: Arc<ClientConfig>) -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    listener.set_nonblocking(true).expect("a socket option");
    // It ends with the test program.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((mut plain, _)) = listener.accept().await {
                let connector = TlsConnector::from(config.clone());
                tokio::spawn(async move {
                    let stream = tokio::net::TcpStream::connect(to).await?;
                    let name = ServerName::IpAddress(to.ip().into());
                    let mut encrypted = connector.connect(name, stream).await?;
                    tokio::io::copy_bidirectional(&mut plain, &mut encrypted).await
                });
            }
        });
    });
    address
}
