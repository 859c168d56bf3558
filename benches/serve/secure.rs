//! Who serves HTTPS here, and with what.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Makes a certificate for this machine, and its key.
pub fn make_certificate() -> Result<()> {
    fs::create_dir_all(folder())?;
    let config = "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n\
        [extensions]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n";
    fs::write(path("openssl.conf"), config)?;
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=bench",
    ]);
    openssl.arg("-config").arg(path("openssl.conf")).arg("-out").arg(certificate()).arg("-keyout").arg(key());
    let made = openssl.output().context("openssl is installed by scripts/setup bench")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// What `mjpegserversink` needs to serve HTTPS.
pub fn properties() -> String {
    format!("tls-certificate-file=\"{}\" tls-private-key-file=\"{}\"", certificate().display(), key().display())
}

/// nginx as docs/proxies.md has it, at `port`, with what listens at `behind`.
pub fn nginx(port: u16, behind: u16) -> Result<Command> {
    let [folder, certificate, key] = [folder(), certificate(), key()].map(|path| path.display().to_string());
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|what| format!("{what}_temp_path \"{folder}/{what}\";")).concat();
    let text = format!(
        "daemon off; master_process off; pid \"{folder}/nginx.pid\"; error_log stderr emerg;
         events {{ worker_connections 4096; }}
         http {{
             access_log off; {temporary}
             server {{
                 listen 127.0.0.1:{port} ssl http2;
                 ssl_certificate \"{certificate}\";
                 ssl_certificate_key \"{key}\";
                 location / {{ proxy_pass http://127.0.0.1:{behind}; }}
             }}
         }}"
    );
    let file = path("nginx.conf");
    fs::write(&file, text)?;
    // Debian has it where only the administrator's PATH looks.
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", "stderr", "-c"]).arg(file);
    Ok(command)
}

/// What a viewer trusts and speaks.
pub fn client(protocol: &[u8]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate()).context("reading the certificate")?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config.into())
}

fn certificate() -> PathBuf {
    path("certificate.pem")
}

fn key() -> PathBuf {
    path("key.pem")
}

fn path(name: &str) -> PathBuf {
    folder().join(name)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-tls")
}
