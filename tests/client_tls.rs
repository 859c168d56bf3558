//! Secure connections: whom the source trusts, and what it says of others.

mod common;

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
    thread,
};

use common::{
    certificate::Certificate,
    jpeg,
    process::{Process, await_listener, free_port},
    script_server::{Script, ScriptServer, Step, answer, head, part, redirect},
    source::{Source, assert_same},
    stubborn::dripping,
};
use gst::ResourceError;

/// A server behind a certificate.
struct Secure {
    certificate: Certificate,
    server: ScriptServer,
    _front: Process,
    port: u16,
}

impl Secure {
    #[track_caller]
    fn new(certificate: Certificate, scripts: Vec<Script>) -> Self {
        let server = ScriptServer::play(scripts);
        let (front, port) = certificate.front(server.address().port());
        Self { certificate, server, _front: front, port }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/stream", self.port)
    }

    fn source(&self) -> Source {
        Source::new(&self.url()).hasty().lossless()
    }

    /// A source that trusts the certificate.
    fn trusting(&self) -> Source {
        self.source().set("ssl-ca-file", self.certificate.file())
    }

    #[track_caller]
    fn assert_refused(&self, source: Source, fault: &str) {
        self.assert_refused_with(source, &[fault, "ssl-ca-file", "ssl-strict=false"]);
    }

    #[track_caller]
    fn assert_refused_with(&self, source: Source, words: &[&str]) {
        let address = format!("127.0.0.1:{}", self.port);
        let source = source.play();
        source.assert_fails(ResourceError::OpenRead, &[words, &[&address]].concat());
        assert_eq!(self.server.more_requests(), 0, "nothing is asked of a server that is not trusted");
    }
}

/// The certificate of the server that the tests ask.
fn right() -> Certificate {
    Certificate::new("IP:127.0.0.1,DNS:localhost", 2)
}

fn expired() -> Certificate {
    Certificate::expired("IP:127.0.0.1")
}

fn stream(index: usize) -> Script {
    vec![head(), part(&jpeg::picture(index))]
}

#[track_caller]
fn assert_plays(source: Source) {
    assert_same(&source.play().frame(), &jpeg::picture(0), "the picture");
}

#[test]
fn certificate_of_nobody_known_is_an_error() {
    let secure = Secure::new(right(), vec![stream(0)]);
    secure.assert_refused(secure.source(), "is signed by nobody who is trusted");
}

#[test]
fn certificate_in_the_file_is_trusted() {
    let secure = Secure::new(right(), vec![stream(0)]);
    assert_plays(secure.trusting());
}

/// GIO's database takes a relative path for a file without certificates, and says so to nobody but stderr.
#[test]
fn the_file_may_be_named_from_the_current_folder() {
    let secure = Secure::new(right(), vec![stream(0)]);
    let here = std::env::current_dir().expect("a current folder");
    let file = "../".repeat(here.components().count() - 1) + secure.certificate.file().trim_start_matches('/');
    assert_plays(secure.source().set("ssl-ca-file", file));
}

#[test]
fn certificate_in_another_file_is_not_trusted() {
    let (secure, other) = (Secure::new(right(), vec![stream(0)]), right());
    secure.assert_refused(secure.source().set("ssl-ca-file", other.file()), "is signed by nobody who is trusted");
}

#[test]
fn who_is_not_strict_trusts_everybody() {
    for certificate in [right(), expired(), Certificate::new("DNS:other.invalid", 2)] {
        let secure = Secure::new(certificate, vec![stream(0)]);
        assert_plays(secure.source().set("ssl-strict", false));
    }
}

#[test]
fn certificate_of_another_host_is_an_error() {
    let secure = Secure::new(Certificate::new("DNS:other.invalid", 2), vec![stream(0)]);
    secure.assert_refused_with(secure.trusting(), &["is for another host", "the certificate's name", "bad-identity"]);
    let secure = Secure::new(Certificate::new("DNS:other.invalid", 2), vec![stream(0)]);
    secure.assert_refused(secure.source(), "is signed by nobody who is trusted and is for another host");
}

#[test]
fn expired_certificate_is_an_error() {
    let secure = Secure::new(expired(), vec![stream(0)]);
    secure.assert_refused(secure.trusting(), "has expired");
}

#[test]
fn checks_that_are_switched_off_do_not_count() {
    let all = gio::TlsCertificateFlags::VALIDATE_ALL;
    for (certificate, fault) in [
        (Certificate::new("DNS:other.invalid", 2), gio::TlsCertificateFlags::BAD_IDENTITY),
        (expired(), gio::TlsCertificateFlags::EXPIRED),
    ] {
        let secure = Secure::new(certificate, vec![stream(0)]);
        assert_plays(secure.trusting().set("tls-validation-flags", all.difference(fault)));
    }
}

#[test]
fn checks_that_are_left_on_count() {
    let secure = Secure::new(expired(), vec![stream(0)]);
    let source = secure.source().set("tls-validation-flags", gio::TlsCertificateFlags::EXPIRED);
    secure.assert_refused(source, "has expired");
}

#[test]
fn stream_over_tls_comes_back_when_it_ends_without_farewell() {
    let lost = [stream(0), vec![Step::Close]].concat();
    let secure = Secure::new(right(), vec![lost, stream(1)]);
    let source = secure.trusting().play();
    for index in 0..2 {
        assert_same(&source.frame(), &jpeg::picture(index), &format!("picture {index}"));
    }
    let reason = source.last_reason();
    assert!(reason.contains("closed the stream"), "{reason}");
}

#[test]
fn large_pictures_come_whole_over_tls() {
    let pictures: Vec<_> = (0..4).map(|index| jpeg::any(index, 700_000).bytes()).collect();
    let script = [head()].into_iter().chain(pictures.iter().map(|jpeg| part(jpeg))).collect();
    let secure = Secure::new(right(), vec![script]);
    let source = secure.trusting().play();
    for (index, picture) in pictures.iter().enumerate() {
        assert_same(&source.frame(), picture, &format!("picture {index}"));
    }
}

#[test]
fn redirection_to_a_secure_server_is_followed() {
    let secure = Secure::new(right(), vec![stream(0)]);
    let server = ScriptServer::play([redirect(&secure.url())]);
    assert_plays(Source::new(&server.url()).set("ssl-ca-file", secure.certificate.file()));
}

#[test]
fn redirection_to_a_secure_server_that_is_not_trusted_is_an_error() {
    let secure = Secure::new(right(), vec![stream(0)]);
    let server = ScriptServer::play([redirect(&secure.url())]);
    secure.assert_refused(Source::new(&server.url()), "is signed by nobody who is trusted");
}

#[test]
fn password_goes_to_no_other_scheme() {
    let challenge = answer("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"");
    let open = ScriptServer::play([challenge.clone(), stream(0)]);
    let secure = Secure::new(right(), vec![challenge, redirect(&open.url())]);
    let source = secure.trusting().set("user-id", "user").set("user-pw", "secret").play();
    source.assert_fails(ResourceError::NotAuthorized, &["401", &open.url()]);
    assert!(!secure.server.request().head.contains("Authorization:"));
    assert!(secure.server.request().head.contains("\r\nAuthorization: Basic "));
    assert!(!open.request().head.contains("Authorization:"));
}

/// Seen from outside: with TLS 1.3 "the connection broke", for ever, as only then it comes when the connection is made.
#[test]
fn server_that_demands_a_certificate_is_an_error() {
    let certificate = right();
    for version in ["-tls1_2", "-tls1_3"] {
        let port = free_port();
        let mut server = Command::new("openssl");
        server.args(["s_server", "-quiet", version, "-accept", &format!("127.0.0.1:{port}"), "-Verify", "1"]);
        server.args(["-verify_return_error", "-cert", &certificate.file(), "-key", &certificate.key()]);
        // It would say there that nobody has one.
        let _server = Process::start(server.stderr(Stdio::null()));
        await_listener(port);
        let source = Source::new(&format!("https://127.0.0.1:{port}/")).set("ssl-ca-file", certificate.file()).play();
        source.assert_fails(ResourceError::NotAuthorized, &[&format!("127.0.0.1:{port} demands a certificate")]);
    }
}

#[test]
fn server_without_tls_is_an_error_that_says_so() {
    // Its answer to a hello that it cannot read.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    thread::spawn(move || {
        let (mut client, _) = listener.accept()?;
        let _ = client.read(&mut [0; 4096])?;
        client.write_all(answer)
    });
    let source = Source::playing(&format!("https://{address}/"));
    source.assert_fails(ResourceError::OpenRead, &["no secure connection", "location begins with http:"]);
}

/// As a front does whose server starts. Seen from outside: an error, as from a server that has no TLS.
#[test]
fn connection_that_breaks_before_the_handshake_is_made_again() {
    for is_read in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port just bound");
        thread::spawn(move || {
            for client in listener.incoming() {
                // Closing on what was not read resets the connection.
                let _ = client?.read(&mut [0; 4096][..if is_read { 4096 } else { 1 }])?;
            }
            std::io::Result::Ok(())
        });
        let source = Source::new(&format!("https://{address}/")).hasty().play();
        for attempt in 1..=2u32 {
            let change = source.change();
            assert_eq!(change.get("attempt"), Ok(attempt));
            let reason: String = change.get("reason").expect("a loss has a reason");
            assert!(reason.contains("check that the server runs; for one without TLS"), "{reason}");
        }
    }
}

/// RFC 6066 3. Seen from outside: an alert from servers that are strict about it.
#[test]
fn server_is_told_its_name_and_not_its_address() {
    for (host, is_name) in [("127.0.0.1", false), ("localhost", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("the port just bound").port();
        let _source = Source::playing(&format!("https://{host}:{port}/"));
        let (mut client, _) = listener.accept().expect("the source connects");
        // A hello in one record: type, version and length come first.
        let mut start = [0; 5];
        client.read_exact(&mut start).expect("a record");
        let mut hello = vec![0; usize::from(u16::from_be_bytes([start[3], start[4]]))];
        client.read_exact(&mut hello).expect("a whole one");
        let holds = |text: &str| hello.windows(text.len()).any(|part| part == text.as_bytes());
        assert_eq!((holds("127.0.0.1"), holds("localhost")), (false, is_name), "{host}");
    }
}

#[test]
fn handshake_without_an_answer_has_a_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound").to_string();
    let source = Source::new(&format!("https://{address}/")).set("connect-timeout", 1_000_000_000u64);
    let source = source.set("retries", 0).play();
    source.assert_fails(ResourceError::OpenRead, &[&address, "timed out"]);
}

/// GIO's limit is for each wait: it was held for ever.
#[test]
fn handshake_that_comes_byte_by_byte_has_a_limit() {
    // The head of a record of 16 KiB.
    let address = dripping(b"\x16\x03\x03\x40\x00");
    let source = Source::new(&format!("https://{address}/")).set("connect-timeout", 500_000_000u64);
    let source = source.set("retries", 0).play();
    source.assert_fails(ResourceError::OpenRead, &[&address.to_string(), "timed out after 0.5 s"]);
}
