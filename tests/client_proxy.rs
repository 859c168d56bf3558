//! Through a proxy: tinyproxy, with and without a password, plain and as a tunnel.

mod common;

use std::{fs, net::TcpListener, path::Path, process::Command};

use common::{
    certificate::Certificate,
    jpeg,
    process::{Process, await_listener, free_port},
    script_server::{Script, ScriptServer, head, part},
    source::{Source, assert_same},
    stubborn::dripping,
};
use gst::ResourceError;

/// A proxy that ends with its value.
struct Proxy {
    address: String,
    _process: Process,
}

impl Proxy {
    /// One that runs with these lines in its configuration.
    #[track_caller]
    fn new(lines: &str) -> Self {
        let port = free_port();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tinyproxy-{port}.conf"));
        let configuration =
            format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\nLogLevel Error\n{lines}\n");
        fs::write(&file, configuration).expect("the target folder can be written to");
        let process = Process::start(Command::new("tinyproxy").arg("-d").arg("-c").arg(&file));
        await_listener(port);
        let _ = fs::remove_file(file);
        Self { address: format!("127.0.0.1:{port}"), _process: process }
    }

    fn with_password() -> Self {
        Self::new("BasicAuth user secret")
    }
}

fn stream() -> Script {
    vec![head(), part(&jpeg::picture(0))]
}

/// A source of a plain server through a proxy.
fn through(proxy: &str, server: &ScriptServer) -> Source {
    Source::new(&server.url()).set("proxy", proxy)
}

#[track_caller]
fn assert_plays(source: Source) {
    assert_same(&source.play().frame(), &jpeg::picture(0), "the picture through the proxy");
}

#[test]
fn stream_comes_through_a_proxy() {
    let proxy = Proxy::new("");
    for written in [format!("http://{}", proxy.address), proxy.address.clone(), format!("http://{}/", proxy.address)] {
        let server = ScriptServer::play([stream()]);
        assert_plays(through(&written, &server));
        let request = server.request().head;
        assert!(request.starts_with("GET /stream HTTP/1."), "{request}");
        assert!(request.lines().any(|line| line.starts_with("Via:")), "it came through the proxy: {request}");
    }
}

#[test]
fn proxy_that_knows_the_user_lets_him_through() {
    let proxy = Proxy::with_password();
    let server = ScriptServer::play([stream(), stream()]);
    assert_plays(through(&proxy.address, &server).set("proxy-id", "user").set("proxy-pw", "secret"));
    assert_plays(through(&format!("http://user:secret@{}", proxy.address), &server));
    for _ in 0..2 {
        let request = server.request().head;
        assert!(!request.to_lowercase().contains("authorization"), "the server is told nothing: {request}");
    }
}

#[test]
fn proxy_that_does_not_know_the_user_is_an_error() {
    let proxy = Proxy::with_password();
    let server = ScriptServer::play([stream()]);
    for source in [through(&proxy.address, &server), through(&proxy.address, &server).set("proxy-id", "other")] {
        source.play().assert_fails(ResourceError::NotAuthorized, &["proxy-id and proxy-pw"]);
    }
    assert_eq!(server.more_requests(), 0);
}

#[test]
fn secure_stream_comes_through_a_tunnel() {
    let certificate = Certificate::new("IP:127.0.0.1", 2);
    let server = ScriptServer::play([stream(), stream()]);
    let (_front, port) = certificate.front(server.address().port());
    let source = || Source::new(&format!("https://127.0.0.1:{port}/stream")).set("ssl-ca-file", certificate.file());
    let open = Proxy::new("");
    assert_plays(source().set("proxy", &open.address));
    let closed = Proxy::with_password();
    assert_plays(source().set("proxy", &closed.address).set("proxy-id", "user").set("proxy-pw", "secret"));
    for _ in 0..2 {
        let request = server.request().head;
        assert!(!request.contains("Via:") && !request.to_lowercase().contains("authorization"), "{request}");
    }
}

#[test]
fn tunnel_that_is_refused_is_an_error() {
    let proxy = Proxy::with_password();
    let port = free_port();
    let source = || Source::new(&format!("https://127.0.0.1:{port}/")).set("proxy", &proxy.address);
    let unknown = source().play();
    unknown.assert_fails(ResourceError::NotAuthorized, &[&proxy.address, "proxy-id and proxy-pw"]);
    // tinyproxy says 401 here, which GIO takes for any other failure.
    let wrong = source().set("proxy-id", "user").set("proxy-pw", "wrong").play();
    wrong.assert_fails(ResourceError::OpenRead, &[&proxy.address, "proxy-id and proxy-pw"]);
}

#[test]
fn tunnel_to_nobody_is_an_error() {
    let proxy = Proxy::new("");
    let address = format!("127.0.0.1:{}", free_port());
    let source = Source::new(&format!("https://{address}/")).set("proxy", &proxy.address).play();
    source.assert_fails(ResourceError::OpenRead, &[&proxy.address, &address, "check host and port in location"]);
}

#[test]
fn proxy_that_is_not_there_is_named_when_no_try_is_left() {
    let address = format!("127.0.0.1:{}", free_port());
    for location in ["http://127.0.0.1:9/", "https://127.0.0.1:9/"] {
        let source = Source::new(location).set("proxy", &address).set("retries", 0).play();
        source.assert_fails(ResourceError::OpenRead, &[&address, "check host and port in proxy"]);
    }
}

#[test]
fn tunnel_without_an_answer_has_a_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound").to_string();
    let source = Source::new("https://camera.invalid/").set("proxy", &address);
    let source = source.set("connect-timeout", 1_000_000_000u64).set("retries", 0).play();
    source.assert_fails(ResourceError::OpenRead, &["proxy", "timed out"]);
}

/// GIO's limit is for each wait: it was held for ever.
#[test]
fn tunnel_whose_answer_comes_byte_by_byte_has_a_limit() {
    let address = dripping(b"HTTP/1.1 200 OK\r\nX-Proxy: ").to_string();
    let source = Source::new("https://camera.invalid/").set("proxy", &address);
    let source = source.set("connect-timeout", 500_000_000u64).set("retries", 0).play();
    source.assert_fails(ResourceError::OpenRead, &[&address, "timed out after 0.5 s", "in proxy"]);
}
