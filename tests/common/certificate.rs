//! Certificates made by openssl for one test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::process::Process;

/// A certificate that signs itself, with its key, in a folder that ends with it.
pub struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// For `subject` as openssl writes it ("IP:127.0.0.1", "DNS:camera"), from now on for that many days.
    #[track_caller]
    pub fn new(subject: &str, days: u32) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("certificate-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let certificate = Self { folder };
        let (file, key) = (certificate.file(), certificate.key());
        let (subject, days) = (format!("subjectAltName={subject}"), days.to_string());
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", &key];
        let made = ["req", "-x509", "-subj", "/CN=camera", "-addext", &subject, "-days", &days, "-out", &file];
        openssl(&[&made[..], &curve].concat());
        certificate
    }

    /// One that was good for a day long ago.
    #[track_caller]
    pub fn expired(subject: &str) -> Self {
        let certificate = Self::new(subject, 1);
        let (file, key, authority) = (certificate.file(), certificate.key(), certificate.path("authority.cnf"));
        let folder = certificate.folder.to_str().expect("the target folder's name is text");
        // An authority is the one way to give both ends that openssl 3.0 and 3.5 know.
        let settings = format!(
            "[ca]\ndefault_ca = own\n\
             [own]\ndatabase = {folder}/index\nnew_certs_dir = {folder}\nrand_serial = yes\ndefault_md = sha256\n\
             policy = any\nx509_extensions = names\n\
             [any]\ncommonName = supplied\n\
             [names]\nsubjectAltName = {subject}\n"
        );
        fs::write(&authority, settings)
            .and_then(|()| fs::write(certificate.path("index"), ""))
            .expect("a folder of ours");
        let made = ["ca", "-config", &authority, "-batch", "-notext", "-ss_cert", &file, "-cert", &file];
        let validity = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"];
        openssl(&[&made[..], &["-keyfile", &key, "-out", &file], &validity].concat());
        certificate
    }

    /// The certificate's PEM file.
    pub fn file(&self) -> String {
        self.path("certificate.pem")
    }

    pub fn key(&self) -> String {
        self.path("key.pem")
    }

    /// A file of this name in its folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("the target folder's name is text").to_owned()
    }

    /// A server that speaks TLS for the one at this port, and its own port.
    #[track_caller]
    pub fn front(&self, port: u16) -> (Process, u16) {
        let mut process = Process::python("tls_front.py", &[&self.file(), &self.key(), &port.to_string()]);
        let own = process.line().parse().expect("the front says its port");
        (process, own)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[track_caller]
fn openssl(arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).output();
    let made = made.unwrap_or_else(|error| panic!("openssl: {error}; run scripts/setup test"));
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}
