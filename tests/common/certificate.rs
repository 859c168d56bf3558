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
    pub fn new(subject: &str, days: i32) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("certificate-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let certificate = Self { folder };
        let (file, key) = (certificate.file(), certificate.key());
        let subject = format!("subjectAltName={subject}");
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", &key];
        openssl(&[&["req", "-x509", "-subj", "/CN=camera", "-addext", &subject, "-out", &file][..], &curve].concat());
        // Only this one makes certificates that have expired.
        openssl(&["x509", "-in", &file, "-signkey", &key, "-days", &days.to_string(), "-out", &file]);
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
