//! What waiting cannot cure is one error, of the right kind, that names cause and cure.

mod common;

use common::{
    jpeg,
    process::free_port,
    script_server::{Script, ScriptServer, Step, answer, head, part, redirect, send},
    source::{Source, assert_same},
};
use gst::{ResourceError, StreamError, prelude::*};

/// Starts reading this location, which cannot even be tried.
#[track_caller]
fn assert_refuses(location: Option<&str>, words: &[&str]) {
    let source = Source::new("");
    source.element.set_property("location", location);
    assert!(source.pipeline.set_state(gst::State::Playing).is_err(), "{location:?} is refused at once");
    source.assert_fails(ResourceError::Settings, words);
}

/// A server that answers every request so.
#[track_caller]
fn assert_fails(script: Script, kind: impl glib::error::ErrorDomain + std::fmt::Debug, words: &[&str]) {
    let server = ScriptServer::play([script]);
    let address = server.address().to_string();
    let source = Source::playing(&server.url());
    source.assert_fails(kind, &[words, &[&*address]].concat());
    server.request();
    assert_eq!(server.more_requests(), 0, "an error is final");
}

#[test]
fn no_location_is_an_error_that_shows_one() {
    assert_refuses(None, &["no location", "location=http://"]);
}

#[test]
fn location_that_is_no_url_is_an_error_that_shows_one() {
    for location in ["", "camera/stream", "http://", "http:///stream", "http://cam:99999/"] {
        assert_refuses(Some(location), &[location, "http://camera/stream"]);
    }
}

#[test]
fn location_of_another_protocol_is_an_error_that_names_ours() {
    assert_refuses(Some("rtsp://camera/stream"), &["rtsp:", "http:", "https:"]);
}

#[test]
fn refused_port_is_named_when_no_try_is_left() {
    let address = format!("127.0.0.1:{}", free_port());
    let source = Source::new(&format!("http://{address}/stream")).set("retries", 0).play();
    source.assert_fails(ResourceError::OpenRead, &[&address, "refused", "check host and port", "the server runs"]);
}

#[test]
fn missing_user_and_password_are_not_authorized() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        assert_fails(answer(status), ResourceError::NotAuthorized, &[status, "set user-id and user-pw"]);
    }
}

#[test]
fn missing_page_is_not_found() {
    for status in ["404 Not Found", "410 Gone"] {
        assert_fails(answer(status), ResourceError::NotFound, &[status, "check the path in location"]);
    }
}

#[test]
fn other_refusals_are_errors_that_name_the_status() {
    for status in ["400 Bad Request", "406", "501 Not Implemented"] {
        let server = ScriptServer::play([answer(status)]);
        let source = Source::new(&server.url()).set("retries", 0).play();
        source.assert_fails(ResourceError::OpenRead, &[status, &server.url()]);
    }
}

#[test]
fn web_page_is_a_wrong_type() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>Log in</body></html>";
    assert_fails(vec![send(page), Step::Close], StreamError::WrongType, &["text/html", "open it in a browser"]);
    let untyped = "HTTP/1.0 200 OK\r\n\r\n\n<!DOCTYPE html><title>Log in</title>";
    assert_fails(vec![send(untyped), Step::Close], StreamError::WrongType, &["a page", "open it in a browser"]);
}

/// Texts that begin as heads do are no streams for that, and no reason to wait for more than they have.
#[test]
fn text_that_looks_like_a_head_is_a_wrong_type() {
    for text in
        ["Error: no camera", "Error: no camera\r\n\r\nSorry", "HTTP/1.1 200 OK\r\n\r\n<html>", "Sorry", "{\"a\": 1}"]
    {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", text.len());
        let words = ["text/plain", "not a stream of JPEG pictures"];
        assert_fails(vec![send([&head, text].concat())], StreamError::WrongType, &words);
    }
}

#[test]
fn films_playlists_and_other_pictures_are_wrong_types_that_are_named() {
    for (essence, body) in [
        ("video/mp4", "\0\0\0\x18ftypisom"),
        ("video/x-flv", "FLV\x01"),
        ("application/vnd.apple.mpegurl", "#EXTM3U\n"),
        ("image/png", "\u{89}PNG\r\n"),
    ] {
        let film = format!("HTTP/1.1 200 OK\r\nContent-Type: {essence}\r\n\r\n{body}");
        let words = [essence, "not a stream of JPEG pictures", "/stream"];
        assert_fails(vec![send(film), Step::Close], StreamError::WrongType, &words);
    }
}

/// nginx, Apache and Go answer 400; TLS by itself sends an alert.
#[test]
fn a_port_with_tls_is_an_error_that_says_https() {
    assert_fails(answer("400 Bad Request"), ResourceError::OpenRead, &["400 Bad Request", "https:"]);
    let alert = vec![send(b"\x15\x03\x01\0\x02\x02\x46"), Step::Close];
    assert_fails(alert, StreamError::WrongType, &["speaks TLS", "https:"]);
}

#[test]
fn a_challenge_that_cannot_be_answered_is_named() {
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nWWW-Authenticate: \
                   Digest realm=\"x\", nonce=\"n\", algorithm=SHA-512-256\r\n\r\n";
    let server = ScriptServer::play([vec![send(refusal), Step::Close]]);
    let source = Source::new(&server.url()).set("user-id", "me").set("user-pw", "secret").play();
    source.assert_fails(ResourceError::NotAuthorized, &["Digest with SHA-512-256", "does not support"]);
}

/// A camera that starts may send anything at first, so that waiting is the default.
#[test]
fn what_is_not_http_is_a_wrong_type_when_no_try_is_left() {
    for greeting in ["SSH-2.0-OpenSSH_9.2\r\n", "220 smtp ready\r\n\r\n", "\0\0\0\0\r\n\r\n", "\0"] {
        let server = ScriptServer::play([vec![send(greeting), Step::Close]]);
        let source = Source::new(&server.url()).set("retries", 0).play();
        source.assert_fails(StreamError::WrongType, &["HTTP", "check the port in location"]);
    }
}

#[test]
fn silent_close_with_no_try_left_is_a_read_error() {
    let server = ScriptServer::play([vec![Step::Close]]);
    let source = Source::new(&server.url()).set("retries", 0).play();
    source.assert_fails(ResourceError::Read, &["closed the connection without an answer", "check the port"]);
}

#[test]
fn endless_head_is_a_wrong_type_when_no_try_is_left() {
    let line = format!("X-Filler: {}\r\n", "x".repeat(1000)).repeat(1000);
    let server = ScriptServer::play([vec![send("HTTP/1.1 200 OK\r\n"), send(&line), send(line)]]);
    let source = Source::new(&server.url()).set("retries", 0).play();
    source.assert_fails(StreamError::WrongType, &["head"]);
}

#[test]
fn body_without_any_picture_is_a_wrong_type_when_no_try_is_left() {
    let noise: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8 & 0x7f).collect();
    let server = ScriptServer::play([[head()].into_iter().chain(std::iter::repeat_n(send(&noise), 65)).collect()]);
    let source = Source::new(&server.url()).set("retries", 0).play();
    source.assert_fails(StreamError::WrongType, &["no picture in"]);
}

/// Seen from outside: "no picture in 8388620 bytes of the answer", where every player shows the pictures.
#[test]
fn pictures_that_are_all_too_long_are_told_with_the_limit() {
    let long = part(&jpeg::any(0, 2000).bytes());
    // More bytes than are forgiven without a picture; or the end of the stream.
    for (count, last) in [(5000, vec![]), (1, vec![Step::Close])] {
        let parts = std::iter::repeat_n(long.clone(), count).chain(last);
        let server = ScriptServer::play([[head()].into_iter().chain(parts).collect()]);
        let source = Source::new(&server.url()).set("max-frame-size", 1024u32).set("retries", 0).play();
        source.assert_fails(ResourceError::Settings, &["longer than max-frame-size, which is 1024 bytes"]);
    }
}

#[test]
fn redirects_are_followed_wherever_they_lead() {
    let picture = jpeg::picture(0);
    let other = ScriptServer::play([redirect("stream/3?a=b&c=%20"), vec![head(), part(&picture)]]);
    let server = ScriptServer::play([redirect("/second"), redirect(&format!("http://{}/other", other.address()))]);
    let source = Source::playing(&server.url());
    assert_same(&source.frame(), &picture, "the picture at the end");

    let asked = [server.request(), server.request(), other.request(), other.request()];
    let lines: Vec<_> = asked.iter().map(|request| request.head.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        lines,
        ["GET /stream HTTP/1.1", "GET /second HTTP/1.1", "GET /other HTTP/1.1", "GET /stream/3?a=b&c=%20 HTTP/1.1"]
    );
    let host = format!("Host: {}\r\n", other.address());
    assert!(asked[2].head.contains(&host), "{}", asked[2].head);
    assert!(asked.iter().all(|request| request.alone), "one connection at a time");
}

#[test]
fn redirects_in_a_circle_are_an_error() {
    let server = ScriptServer::play(std::iter::repeat_with(|| redirect("/stream")));
    let source = Source::playing(&server.url());
    source.assert_fails(ResourceError::OpenRead, &[&server.url(), "redirects more than 10 times"]);
}

#[test]
fn redirect_to_another_protocol_is_an_error() {
    assert_fails(
        redirect("rtsp://camera/live"),
        ResourceError::OpenRead,
        &["rtsp://camera/live", "not the address of an http or https server"],
    );
}
