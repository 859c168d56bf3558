//! Redirections: what is secret to the server of the location is told to no other.

mod common;

use common::{
    jpeg,
    script_server::{Script, ScriptServer, answer, head, part, redirect},
    source::{Source, assert_same},
};
use gst::ResourceError;

fn stream() -> Script {
    vec![head(), part(&jpeg::picture(0))]
}

fn challenge() -> Script {
    answer("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"")
}

/// A source with every kind of secret.
fn with_secrets(server: &ScriptServer) -> Source {
    let source = Source::new(&server.url());
    let fields = gst::Structure::builder("fields").field("Authorization", "Bearer token").field("X-Own", "kept");
    source.set("cookies", vec!["session=secret".to_owned()]).set("extra-headers", fields.build())
}

/// A source with user and password.
fn with_password(server: &ScriptServer) -> Source {
    Source::new(&server.url()).set("user-id", "user").set("user-pw", "secret")
}

fn has_field(request: &str, name: &str) -> bool {
    let prefix = format!("{}:", name.to_lowercase());
    request.lines().any(|line| line.to_lowercase().starts_with(&prefix))
}

/// The same server by another name is another host.
fn by_name(server: &ScriptServer) -> String {
    format!("http://localhost:{}/other", server.address().port())
}

#[test]
fn secrets_go_to_the_server_of_the_location() {
    let server = ScriptServer::play([redirect("/elsewhere"), stream()]);
    let source = with_secrets(&server).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture at the end");
    for request in [server.request().head, server.request().head] {
        assert!(request.contains("\r\nAuthorization: Bearer token\r\n"), "{request}");
        assert!(request.contains("\r\nCookie: session=secret\r\n"), "{request}");
    }
}

/// Seen from outside: a camera that sends its viewers to a relay told the relay the viewers' session.
#[test]
fn secrets_go_to_no_other_port() {
    let other = ScriptServer::play([stream()]);
    let server = ScriptServer::play([redirect(&other.url())]);
    let source = with_secrets(&server).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture at the end");
    let request = other.request().head;
    assert!(!request.contains("secret") && !has_field(&request, "authorization"), "{request}");
    // Nobody can tell which of the extra headers are secrets.
    assert!(!request.contains("X-Own"), "{request}");
}

#[test]
fn cookies_among_the_extra_headers_go_to_no_other_port() {
    let other = ScriptServer::play([stream()]);
    let server = ScriptServer::play([redirect(&other.url())]);
    let source = Source::new(&server.url());
    let fields = gst::Structure::builder("fields").field("cookie", "session=secret").build();
    let source = source.set("extra-headers", fields).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture at the end");
    assert!(has_field(&server.request().head, "cookie"));
    assert!(!has_field(&other.request().head, "cookie"));
}

#[test]
fn secrets_go_to_no_other_host() {
    let server = ScriptServer::play([stream()]);
    let first = ScriptServer::play([redirect(&by_name(&server))]);
    let source = with_secrets(&first).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture at the end");
    let request = server.request().head;
    assert!(!request.contains("secret") && !has_field(&request, "authorization"), "{request}");
}

#[test]
fn password_answers_the_challenge_of_no_other_port() {
    let other = ScriptServer::play([challenge(), stream()]);
    let server = ScriptServer::play([redirect(&other.url())]);
    let source = with_password(&server).play();
    let address = other.url();
    source.assert_fails(ResourceError::NotAuthorized, &["401", &address, "set location to this address"]);
    assert!(!has_field(&other.request().head, "authorization"));
    assert_eq!(other.more_requests(), 0);
}

#[test]
fn password_answers_the_challenge_of_no_other_host() {
    let server = ScriptServer::play([challenge(), stream()]);
    let first = ScriptServer::play([redirect(&by_name(&server))]);
    let source = with_password(&first).play();
    source.assert_fails(ResourceError::NotAuthorized, &["401", "localhost", "set location to this address"]);
    assert_eq!((has_field(&server.request().head, "authorization"), server.more_requests()), (false, 0));
}

#[test]
fn password_that_was_asked_for_before_is_told_to_no_other() {
    let other = ScriptServer::play([stream()]);
    let server = ScriptServer::play([challenge(), redirect(&other.url())]);
    let source = with_password(&server).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture at the end");
    assert!(!has_field(&other.request().head, "authorization"));
}

#[test]
fn password_in_a_redirection_is_not_used() {
    let other = ScriptServer::play([challenge(), stream()]);
    let server = ScriptServer::play([redirect(&format!("http://user:guess@{}/", other.address()))]);
    let source = Source::playing(&server.url());
    source.assert_fails(ResourceError::NotAuthorized, &["401"]);
    assert!(!has_field(&other.request().head, "authorization"));
    assert_eq!(other.more_requests(), 0);
}

#[test]
fn challenge_after_a_redirection_within_the_server_is_answered() {
    let server = ScriptServer::play([redirect("/inner"), challenge(), stream()]);
    let source = with_password(&server).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture at the end");
    let lines = [server.request().head, server.request().head, server.request().head];
    let lines =
        lines.map(|request| (request.split(' ').nth(1).map(str::to_owned), has_field(&request, "authorization")));
    assert_eq!(lines, [(Some("/stream".into()), false), (Some("/inner".into()), false), (Some("/inner".into()), true)]);
}

#[test]
fn redirection_is_found_anew_at_each_connection() {
    let lost = [stream(), vec![common::script_server::Step::Close]].concat();
    let server = ScriptServer::play([redirect("/a"), lost, redirect("/b"), stream()]);
    let source = Source::new(&server.url()).hasty().lossless().play();
    source.frame();
    source.frame();
    let asked: Vec<_> = (0..4).map(|_| server.request().head).collect();
    let targets: Vec<_> = asked.iter().filter_map(|request| request.split(' ').nth(1)).collect();
    assert_eq!(targets, ["/stream", "/a", "/stream", "/b"]);
}

#[test]
fn every_kind_of_redirection_is_followed() {
    for status in [
        "300 Multiple Choices",
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let server = ScriptServer::play([answer(&format!("{status}\r\nLocation: ?camera=2")), stream()]);
        let source = Source::playing(&server.url());
        assert_same(&source.frame(), &jpeg::picture(0), status);
        server.request();
        assert!(server.request().head.starts_with("GET /stream?camera=2 HTTP/1.1\r\n"), "{status}");
    }
}

/// Web browsers take these too.
#[test]
fn untidy_redirections_are_followed() {
    for (target, asked) in [
        ("/my camera", "/my%20camera"),
        ("/a#fragment", "/a"),
        ("  /padded  ", "/padded"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/50%", "/50%"),
        ("/a|b", "/a%7Cb"),
        ("http:/other", "/other"),
    ] {
        let server = ScriptServer::play([redirect(target), stream()]);
        let source = Source::playing(&server.url());
        assert_same(&source.frame(), &jpeg::picture(0), target);
        server.request();
        let head = server.request().head;
        let found = head.split(' ').nth(1);
        assert!(found == Some(asked) || found == Some(target), "{target:?}: {head}");
    }
}

#[test]
fn redirection_without_a_target_is_an_error() {
    let server = ScriptServer::play([answer("302 Found")]);
    let source = Source::playing(&server.url());
    source.assert_fails(ResourceError::OpenRead, &["302 Found", "does not say where to"]);
}
