//! The certificate that browsers see, read again when its files change.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::timeout;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, InconsistentKeys, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

use super::socket::Socket;
use crate::sync::lock;

/// Where certificate and key are, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to one that viewers trust.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1, not encrypted. May be the same file.
    pub key: PathBuf,
}

/// Why files are no certificate and key to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not for us.
    #[error("cannot read {}: {source}; check tls-certificate-file and tls-private-key-file", file.display())]
    Read {
        /// Which one.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file looks like PEM and is not.
    #[error("{} is damaged: {}", file.display(), fault(source))]
    Pem {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// No certificate in the file for it.
    #[error("{} has no certificate; it must be a PEM file with -----BEGIN CERTIFICATE-----", file.display())]
    NoCertificate {
        /// Which one.
        file: PathBuf,
    },
    /// No key in the file for it.
    #[error("{} has no private key; set tls-private-key-file to the PEM file that has it", file.display())]
    NoKey {
        /// Which one.
        file: PathBuf,
    },
    /// The key needs a password, and nobody is there to type it.
    #[error("the private key in {0} is encrypted; openssl pkey -in {0} -out FILE writes one that is not", file.display())]
    Encrypted {
        /// Which one.
        file: PathBuf,
    },
    /// The key is of a kind or size that the library does not sign with.
    #[error(
        "the private key in {} is of a kind that cannot be used; make an ECDSA key on P-256 or P-384, an Ed25519 key, or \
         an RSA key of 2048 to 4096 bits",
        file.display()
    )]
    KindOfKey {
        /// Which one.
        file: PathBuf,
        /// What the library said.
        #[source]
        source: rustls::Error,
    },
    /// Certificate and key are of two pairs.
    #[error("the private key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// Where the certificate is.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
    },
    /// Nothing that we can sign or be recognised with.
    #[error("certificate and key in {} and {} cannot be used: {source}", certificate.display(), key.display())]
    Unusable {
        /// Where the certificate is.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
        /// What the library said.
        #[source]
        source: rustls::Error,
    },
}

/// Speaks TLS with the certificate of its files.
pub(super) struct Tls {
    files: TlsFiles,
    acceptor: TlsAcceptor,
    pair: Arc<Pair>,
    provider: CryptoProvider,
    seen: Mutex<Seen>,
}

/// What is spoken on a connection, after its handshake where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The certificate and key in use.
struct Pair(Mutex<Arc<CertifiedKey>>);

/// What was found of the files.
struct Seen {
    in_use: Stamp,
    /// Set from the first look at a state that cannot be used until the files change.
    refused: Option<Refused>,
}

/// A state of the files that cannot be used.
#[derive(Clone, Copy)]
struct Refused {
    stamp: Stamp,
    told: Told,
}

/// Whether somebody has been told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Once,
}

/// The state of both files; `None` for one that is not there.
type Stamp = [Option<FileStamp>; 2];

/// The state of a file, as far as it can be seen without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds and nanoseconds. Not the time of the last write: who may read a file, and a file put back with its old
    /// time, change this one only.
    changed: (i64, i64),
}

impl Tls {
    /// Reads the files.
    pub(super) fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let provider = ring::default_provider();
        let seen = Seen { in_use: files.stamp(), refused: None };
        let pair = Arc::new(Pair(Mutex::new(Arc::new(files.load(&provider)?))));
        let builder = ServerConfig::builder_with_provider(Arc::new(provider.clone()))
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS 1.2 and 1.3 need");
        let mut config = builder.with_no_client_auth().with_cert_resolver(pair.clone());
        // Best first. curl --http1.0 offers nothing but that.
        config.alpn_protocols = [HTTP2, b"http/1.1", b"http/1.0"].map(<[u8]>::to_vec).to_vec();
        Ok(Self { files, acceptor: Arc::new(config).into(), pair, provider, seen: Mutex::new(seen) })
    }

    /// Makes a peer's socket a stream that is encrypted. `None` when the peer wants none, or takes too long.
    pub(super) async fn accept(&self, socket: Socket) -> Option<(TlsStream<Socket>, Spoken)> {
        timeout(HANDSHAKE_TIMEOUT, self.shake_hands(socket)).await.ok()?
    }

    async fn shake_hands(&self, socket: Socket) -> Option<(TlsStream<Socket>, Spoken)> {
        if socket.first_byte().await.is_some_and(|byte| byte != FIRST_BYTE) {
            // As small servers and large answer that.
            let _ = socket.turn_away("400 Bad Request", "", NOT_PLAIN).await;
            return None;
        }
        let stream = self.acceptor.accept(socket).await.ok()?;
        let spoken = match stream.get_ref().1.alpn_protocol() {
            Some(HTTP2) => Spoken::Http2,
            _ => Spoken::Http1,
        };
        Some((stream, spoken))
    }

    /// Reads the files again if they have changed. A pair that cannot be used is left alone, and returned once it has
    /// been the same for two looks: who writes two files writes one after the other. Blocks as long as the disk does.
    pub(super) fn look(&self) -> Result<(), TlsError> {
        let stamp = self.files.stamp();
        let mut seen = lock(&self.seen);
        if stamp == seen.in_use {
            seen.refused = None;
            return Ok(());
        }
        let refused = seen.refused.filter(|refused| refused.stamp == stamp);
        if refused.is_some_and(|refused| refused.told == Told::Once) {
            return Ok(());
        }
        match self.files.load(&self.provider) {
            Ok(pair) => {
                *lock(&self.pair.0) = Arc::new(pair);
                *seen = Seen { in_use: stamp, refused: None };
                Ok(())
            }
            Err(error) => {
                let told = if refused.is_some() { Told::Once } else { Told::NotYet };
                seen.refused = Some(Refused { stamp, told });
                if told == Told::Once { Err(error) } else { Ok(()) }
            }
        }
    }
}

impl TlsFiles {
    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let Self { certificate, key } = self.clone();
        let chain = CertificateDer::pem_slice_iter(&read(&certificate)?).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|source| TlsError::Pem { file: certificate.clone(), source })?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { file: certificate });
        }
        let text = read(&key)?;
        if memchr::memmem::find(&text, b"ENCRYPTED").is_some() {
            return Err(TlsError::Encrypted { file: key });
        }
        let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey { file: key.clone() },
            source => TlsError::Pem { file: key.clone(), source },
        })?;
        if let Err(source) = provider.key_provider.load_private_key(private.clone_key()) {
            return Err(TlsError::KindOfKey { file: key, source });
        }
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch { certificate, key },
            source => TlsError::Unusable { certificate, key, source },
        })
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|file| {
            let about = fs::metadata(file).ok()?;
            let changed = (about.ctime(), about.ctime_nsec());
            Some(FileStamp { device: about.dev(), inode: about.ino(), length: about.len(), changed })
        })
    }
}

/// What is wrong with a PEM file, for people: the library shows texts as lists of numbers.
fn fault(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("the line -----END {}----- is missing", String::from_utf8_lossy(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => format!("{:?} begins nothing", String::from_utf8_lossy(line)),
        error => error.to_string(),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let mut text = fs::read(file).map_err(|source| TlsError::Read { file: file.to_owned(), source })?;
    // Editors on Windows put it first, and the library does not see the line behind it.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(lock(&self.0).clone())
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("certificate and key")
    }
}

/// That of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// For one who speaks plain HTTP where TLS is spoken.
const NOT_PLAIN: &str = "this port speaks HTTPS; use an address with https://...";

/// The first byte of each TLS connection: a record of the handshake (RFC 8446 5.1).
const FIRST_BYTE: u8 = 22;

const HTTP2: &[u8] = b"h2";

/// Time for a handshake. Chosen as for a request head; one over a satellite takes 2 s.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two looks at the files. Chosen: who renews a certificate by hand sees at once what comes of it, and
/// two looks at a file cost next to nothing.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(2);
