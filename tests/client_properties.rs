//! Each property of the source as the server sees it, and what is refused because nobody can mean it.

mod common;

use common::{
    jpeg,
    pipeline::init,
    script_server::{ScriptServer, head, part},
    source::{Source, assert_same},
};
use gst::{ResourceError, prelude::*};

/// The request of a source with these properties, as gst-launch-1.0 takes them.
#[track_caller]
fn request(properties: &[(&str, &str)]) -> String {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let source = with(&server.url(), properties).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture");
    server.request().head
}

fn with(location: &str, properties: &[(&str, &str)]) -> Source {
    let source = Source::new(location);
    for (name, value) in properties {
        source.element.set_property_from_str(name, value);
    }
    source
}

/// The values of a field of a request.
fn values<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    let fields = request.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

/// Settings that cannot be used: an error at once, and no connection.
#[track_caller]
fn assert_refused(properties: &[(&str, &str)], words: &[&str]) {
    let server = ScriptServer::play([]);
    assert_fails_at_once(&with(&server.url(), properties), words);
    assert_eq!(server.more_requests(), 0);
}

#[track_caller]
fn assert_fails_at_once(source: &Source, words: &[&str]) {
    assert!(source.pipeline.set_state(gst::State::Playing).is_err(), "it is refused at once");
    source.assert_fails(ResourceError::Settings, words);
}

#[test]
fn request_says_what_is_wanted_once() {
    let request = request(&[]);
    for (name, value) in [
        ("User-Agent", concat!("mjpegclientsrc/", env!("CARGO_PKG_VERSION"))),
        ("Accept", "multipart/x-mixed-replace, image/jpeg, */*;q=0.5"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ] {
        assert_eq!(values(&request, name), [value], "{request}");
    }
    assert_eq!(values(&request, "Host").len(), 1, "{request}");
    for name in ["Range", "Authorization", "Cookie", "Proxy-Authorization", "Icy-MetaData", "Transfer-Encoding"] {
        assert!(values(&request, name).is_empty(), "{request}");
    }
}

#[test]
fn user_agent_is_sent_as_it_is() {
    assert_eq!(
        values(&request(&[("user-agent", "Wall/1 (caf\u{e9}; \"x\")")]), "User-Agent"),
        ["Wall/1 (caf\u{e9}; \"x\")"]
    );
}

#[test]
fn empty_user_agent_is_no_field() {
    assert!(values(&request(&[("user-agent", "")]), "User-Agent").is_empty());
}

#[test]
fn extra_headers_are_sent() {
    let fields = "extra-headers, X-Text=\"a, b\", X-Number=(int)5, X-Switch=true, X-Empty=(string)\"\"";
    let request = request(&[("extra-headers", fields)]);
    for (name, value) in [("X-Text", "a, b"), ("X-Number", "5"), ("X-Switch", "TRUE"), ("X-Empty", "")] {
        assert_eq!(values(&request, name), [value], "{request}");
    }
}

#[test]
fn lists_of_extra_headers_are_repeated_fields() {
    for list in ["{ (string)a, (string)b }", "< (string)a, (string)b >"] {
        let request = request(&[("extra-headers", &format!("extra-headers, X-List={list}"))]);
        assert_eq!(values(&request, "X-List"), ["a", "b"], "{request}");
    }
}

/// Seen from outside: 400 from servers that take two Host fields for an attack.
#[test]
fn extra_headers_take_the_place_of_ours() {
    for name in ["Host", "user-agent", "ACCEPT", "Accept-Encoding", "Connection", "Cookie"] {
        let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
        let source = with(&server.url(), &[("extra-headers", &format!("extra-headers, {name}=\"mine\""))]);
        let source = source.set("cookies", vec!["a=1".to_owned()]).play();
        source.frame();
        let request = server.request().head;
        assert_eq!(values(&request, name), ["mine"], "{request}");
    }
}

#[test]
fn authorization_among_the_extra_headers_needs_no_challenge() {
    let request = request(&[("extra-headers", "extra-headers, Authorization=\"Bearer token\""), ("user-id", "u")]);
    assert_eq!(values(&request, "Authorization"), ["Bearer token"], "{request}");
}

#[test]
fn cookies_are_one_field() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let source = Source::new(&server.url()).set("cookies", vec!["a=1".to_owned(), "b=\"2\"".to_owned()]).play();
    source.frame();
    assert_eq!(values(&server.request().head, "Cookie"), ["a=1; b=\"2\""]);
}

#[test]
fn path_and_query_are_sent_as_they_are_written() {
    for target in ["/?action=stream", "/a%20b/%2F?x=%26&y=a+b", "/cgi/mjpg.cgi?.mjpg", "//double", "/a;b=c,d"] {
        let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
        let source = Source::playing(&format!("http://{}{target}#fragment", server.address()));
        source.frame();
        let request = server.request().head;
        assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
    }
}

/// A line end in the location would add a field, or a request.
#[test]
fn location_adds_no_line_to_the_request() {
    for end in ["\r\nX-Evil: 1", "\nX-Evil: 1", "?\r\nX-Evil: 1", "%0d%0aX-Evil:%201", " HTTP/1.1\r\nX-Evil: 1\r\n\r\n"]
    {
        let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
        let source = Source::new(&format!("{}{end}", server.url()));
        if source.pipeline.set_state(gst::State::Playing).is_err() {
            source.assert_fails(ResourceError::Settings, &["location"]);
            continue;
        }
        source.frame();
        let request = server.request().head;
        assert!(values(&request, "X-Evil").is_empty(), "{request}");
        assert_eq!(request.lines().next().map(|line| line.split(' ').count()), Some(3), "{request}");
    }
}

#[test]
fn control_characters_are_refused() {
    for (name, value) in [("user-agent", "a\r\nX: y"), ("user-agent", "a\u{1}"), ("user-agent", "a\u{7f}")] {
        assert_refused(&[(name, value)], &[name, "control character"]);
    }
    let cookie = Source::new("http://127.0.0.1:9/").set("cookies", vec!["a=1".to_owned(), "b=\n".to_owned()]);
    assert_fails_at_once(&cookie, &["cookies", "control character"]);
    init();
    let fields = gst::Structure::builder("fields").field("X-Own", "a\r\nX-Evil: 1").build();
    let field = Source::new("http://127.0.0.1:9/").set("extra-headers", fields);
    assert_fails_at_once(&field, &["extra-headers", "control character"]);
}

#[test]
fn names_that_are_no_field_names_are_refused() {
    init();
    for name in ["X Own", "X:Own", "X\nOwn", "(x)", "caf\u{e9}"] {
        let fields = gst::Structure::builder("fields").field(name, "1").build();
        let source = Source::new("http://127.0.0.1:9/").set("extra-headers", fields);
        assert_fails_at_once(&source, &["extra-headers", "no name of a field", "letters, digits"]);
    }
}

#[test]
fn values_that_are_no_text_are_refused() {
    init();
    let fields = gst::Structure::builder("fields").field("X-Own", gst::Caps::new_any().to_value().type_()).build();
    let source = Source::new("http://127.0.0.1:9/").set("extra-headers", fields);
    assert_fails_at_once(&source, &["extra-headers", "X-Own", "no text or number"]);
}

#[test]
fn proxies_of_another_kind_are_refused() {
    for (proxy, said) in [
        ("socks5://proxy:1080", "is not an HTTP proxy"),
        ("https://proxy:3128", "is not an HTTP proxy"),
        ("http://", "names no host"),
        ("proxy:port", "not a URL"),
        ("http://proxy:99999", "not a URL"),
    ] {
        assert_refused(&[("proxy", proxy)], &["proxy", said, "http://proxy:3128"]);
    }
}

#[test]
fn users_that_end_their_line_are_refused() {
    for name in ["user-id", "user-pw"] {
        assert_refused(&[("user-id", "u"), (name, "a\nb")], &[name, "control character"]);
    }
    for name in ["proxy-id", "proxy-pw"] {
        assert_refused(&[("proxy", "http://proxy:1"), ("proxy-id", "u"), (name, "a\nb")], &[name, "control character"]);
    }
}

/// Seen from outside: 401, and the advice to check what looked right.
#[test]
fn users_with_their_password_behind_a_colon_are_refused() {
    assert_refused(&[("user-id", "ann:secret")], &["user-id holds a colon", "user-pw is not set"]);
    assert_refused(
        &[("proxy", "http://proxy:1"), ("proxy-id", "ann:secret")],
        &["proxy-id holds a colon", "proxy-pw is not set"],
    );
}

/// Seen from outside: 401, though a password was given.
#[test]
fn passwords_of_nobody_are_refused() {
    assert_refused(&[("user-pw", "secret")], &["user-pw is set, but user-id is not"]);
    assert_refused(&[("proxy", "http://proxy:1"), ("proxy-pw", "secret")], &["proxy-pw is set, but proxy-id is not"]);
}

/// Seen from outside: nothing, and they were not used.
#[test]
fn users_of_no_proxy_are_refused() {
    for name in ["proxy-id", "proxy-pw"] {
        assert_refused(&[(name, "u")], &[name, "proxy is not", "http://proxy:3128"]);
    }
}

#[test]
fn shortest_wait_longer_than_the_longest_is_refused() {
    assert_refused(
        &[("reconnect-delay-min", "3000000000"), ("reconnect-delay-max", "1000000000")],
        &["reconnect-delay-min is 3s", "reconnect-delay-max", "1s"],
    );
}

#[test]
fn cookies_without_a_name_are_refused() {
    let cookie = Source::new("http://127.0.0.1:9/").set("cookies", vec!["a=1".to_owned(), "secret".to_owned()]);
    assert_fails_at_once(&cookie, &["cookies", "name=value"]);
}

/// gst-inspect-1.0 says so: a change in a running pipeline counts from the next start.
#[test]
fn properties_say_that_they_are_to_be_set_before_the_start() {
    init();
    let element = gst::ElementFactory::make("mjpegclientsrc").build().expect("the plugin is registered");
    for property in element.list_properties().iter().filter(|property| property.owner_type() == element.type_()) {
        let flags = property.flags();
        let writable = flags.contains(glib::ParamFlags::WRITABLE);
        assert_eq!(flags.contains(gst::PARAM_FLAG_MUTABLE_READY), writable, "{}", property.name());
    }
}

#[test]
fn file_of_certificates_that_is_none_is_refused() {
    let nothing = concat!(env!("CARGO_MANIFEST_DIR"), "/no/such/file.pem");
    let no_pem = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for file in [nothing, no_pem] {
        for location in ["https://127.0.0.1:9/", "http://127.0.0.1:9/"] {
            let source = with(location, &[("ssl-ca-file", file)]).play();
            source.assert_fails(ResourceError::OpenRead, &["ssl-ca-file", file, "PEM"]);
        }
    }
}

/// gst-launch-1.0 says the words that are allowed when it cannot set a property.
#[test]
fn words_that_no_enumeration_has_are_refused() {
    init();
    for setting in [
        "leaky-type=upstream",
        "timestamp-mode=camera",
        "tls-validation-flags=everything",
        "timeout=soon",
        "eos-on-close=perhaps",
        "connect-timeout=5s",
    ] {
        let name = setting.split('=').next().expect("it has a name");
        let error = gst::parse::launch(&format!("mjpegclientsrc {setting} ! fakesink")).expect_err(setting);
        assert!(error.matches(gst::ParseError::CouldNotSetProperty), "{error:?}");
        assert!(error.message().contains(name), "{error}");
    }
}
