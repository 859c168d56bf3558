//! What is answered where: heads, layouts, snapshot, status, page, and what is refused.

use std::io::Write as _;

use common::{
    http::{Head, Viewer, connect, get, read_answer, read_response, request, send_request},
    pipeline::{Camera, numbered, pictures, wait_until},
};
use serde_json::{Value, json};

mod common;

const CHROMIUM: &str =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36\r\n";
const FIREFOX: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0\r\n";

#[test]
fn the_head_of_a_stream_has_what_browsers_proxies_and_small_readers_need() {
    let camera = camera_with_a_picture();
    let head = Viewer::open(camera.address()).head;
    assert_eq!(head.status, "HTTP/1.0 200 OK");
    assert_eq!(head.field("Content-Type"), Some("multipart/x-mixed-replace; boundary=frame"));
    assert_eq!(head.field("Connection"), Some("close"));
    assert_eq!(head.field("Transfer-Encoding"), None);
    assert_eq!(head.field("Content-Length"), None);
    assert_is_of_the_moment(&head);
}

#[test]
fn names_of_fields_are_in_title_case_everywhere() {
    let camera = camera_with_a_picture();
    let mut heads: Vec<_> = ROUTES.iter().map(|route| request(camera.address(), "HEAD", route).head).collect();
    heads.push(Viewer::open(camera.address()).head);
    for name in heads.iter().flat_map(|head| head.names()) {
        assert!(name.split('-').all(|word| word.starts_with(|c: char| c.is_ascii_uppercase())), "{name}");
    }
}

#[test]
fn browsers_that_wait_for_the_next_head_get_the_advance_layout_by_their_name() {
    let camera = camera_with_a_picture();
    let mut chromium = Viewer::open_as(connect(camera.address()), "/stream", CHROMIUM);
    chromium.expect_ahead(&pictures()[0]);
    let mut firefox = Viewer::open_as(connect(camera.address()), "/stream", FIREFOX);
    assert!(firefox.picture() == pictures()[0]);
}

/// Seen: what reads as Mainsail does stayed empty in Chromium, for want of lengths.
#[test]
fn a_script_in_such_a_browser_gets_lengths() {
    let camera = camera_with_a_picture();
    let lines = format!("{CHROMIUM}Accept: */*\r\n");
    assert!(Viewer::open_as(connect(camera.address()), "/stream", &lines).picture() == pictures()[0]);
    let lines = format!("{CHROMIUM}Accept: image/avif,image/webp,image/*,*/*;q=0.8\r\n");
    Viewer::open_as(connect(camera.address()), "/stream", &lines).expect_ahead(&pictures()[0]);
}

#[test]
fn the_layout_asked_for_wins_over_the_name() {
    let camera = camera_with_a_picture();
    let mut chromium = Viewer::open_as(connect(camera.address()), "/stream?layout=standard", CHROMIUM);
    assert!(chromium.picture() == pictures()[0]);
    let mut firefox = Viewer::open_as(connect(camera.address()), "/stream?again=17&layout=advance", FIREFOX);
    firefox.expect_ahead(&pictures()[0]);
}

#[test]
fn a_layout_that_does_not_exist_is_refused_with_those_that_do() {
    let camera = camera_with_a_picture();
    for target in ["/stream?layout=ahead", "/stream?layout=", "/stream?layout=STANDARD"] {
        let response = get(camera.address(), target);
        assert_eq!(response.head.code(), 400, "{target}");
        let text = String::from_utf8(response.body).expect("text");
        assert!(text.contains("standard") && text.contains("advance"), "{text:?}");
    }
}

#[test]
fn pictures_go_out_in_the_advance_layout_before_the_next_is_there() {
    let camera = camera_with_a_picture();
    let mut viewer = Viewer::open_as(connect(camera.address()), "/stream?layout=advance", "");
    viewer.expect_ahead(&pictures()[0]);
    for picture in pictures() {
        camera.push(&picture);
        viewer.expect_ahead(&picture);
    }
}

#[test]
fn the_status_says_what_happens() {
    let camera = Camera::live();
    let empty: Value = serde_json::from_slice(&get(camera.address(), "/status").body).expect("JSON");
    let nothing = json!({"pictures": 0, "bytes": 0, "damaged": 0, "viewers": 0, "rate": 0.0, "age": null,
                         "width": null, "height": null, "clients": [],
                         "served": {"pictures": 0, "skipped": 0, "bytes": 0, "left": {}},
                         "cameras": [{"mount": "/", "pictures": 0, "bytes": 0, "damaged": 0, "viewers": 0, "rate": 0.0,
                                      "age": null, "width": null, "height": null}]});
    assert_eq!(empty, nothing);

    let _viewer = Viewer::open(camera.address());
    let picture = numbered(&pictures()[0], 1);
    camera.push(&picture);
    camera.push(b"no picture");
    camera.push(&picture);
    camera.wait_for_pictures(2);
    let response = get(camera.address(), "/status");
    assert_eq!(response.head.field("Content-Type"), Some("application/json"));
    let mut status: Value = serde_json::from_slice(&response.body).expect("JSON");
    let status = status.as_object_mut().expect("an object");
    let (rate, age) = (status.remove("rate").expect("a rate"), status.remove("age").expect("an age"));
    assert!(rate.as_f64().expect("a number") > 0.0, "{rate}");
    assert!((0.0..10.0).contains(&age.as_f64().expect("a number")), "{age}");
    let clients = status.remove("clients").expect("the viewers");
    assert_eq!(clients.as_array().map(Vec::len), Some(1), "{clients}");
    assert_eq!((&clients[0]["id"], &clients[0]["layout"]), (&json!(1), &json!("standard")));
    assert_eq!(status.remove("served").map(|served| served["left"].clone()), Some(json!({})));
    assert_eq!(status.remove("cameras").and_then(|cameras| Some(cameras.as_array()?.len())), Some(1));
    let rest =
        json!({"pictures": 2, "bytes": 2 * picture.len(), "damaged": 1, "viewers": 1, "width": 160, "height": 120});
    assert_eq!(*status, *rest.as_object().expect("an object"));
}

#[test]
fn the_page_shows_the_stream() {
    let camera = camera_with_a_picture();
    let response = get(camera.address(), "/");
    assert_eq!(response.head.code(), 200);
    assert_eq!(response.head.field("Content-Type"), Some("text/html; charset=utf-8"));
    let page = String::from_utf8(response.body).expect("text");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains(r#"src="stream""#));
    // Wherever the page is, the machine that shows it may have no other way out than to us.
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("//cdn"));
}

#[test]
fn a_browser_that_opens_the_address_of_a_stream_gets_a_page_with_it() {
    let camera = camera_with_a_picture();
    let browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
    for (target, source) in [
        ("/stream", r#"src="?""#),
        ("/?action=stream", r#"src="?action=stream""#),
        ("/stream?fps=2&x='y", r#"src="?fps=2&amp;x='y""#),
    ] {
        let stream = connect(camera.address());
        send_request(&stream, "GET", target, browser);
        let response = read_answer(&stream);
        assert_eq!(response.head.field("Content-Type"), Some("text/html; charset=utf-8"), "{target}");
        let page = String::from_utf8(response.body).expect("text");
        assert!(page.contains(source), "{page}");
    }
    assert_eq!(camera.viewers(), 0);
    let stream = connect(camera.address());
    send_request(&stream, "GET", r#"/stream?x="onerror="alert(1)"#, browser);
    assert_eq!(read_answer(&stream).head.code(), 400);
}

#[test]
fn a_reader_that_takes_html_among_others_gets_the_stream() {
    let camera = camera_with_a_picture();
    // What java.net.HttpURLConnection asks for by itself.
    let java = "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n";
    assert!(Viewer::open_as(connect(camera.address()), "/stream", java).picture() == pictures()[0]);
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let camera = camera_with_a_picture();
    for route in ROUTES {
        let response = request(camera.address(), "HEAD", route);
        assert_eq!(response.head.code(), 200, "{route}");
        assert!(response.body.is_empty(), "{route}");
        // The figures are others each time.
        if !["/stream", "/status", "/metrics"].contains(&route) {
            let length = get(camera.address(), route).body.len().to_string();
            assert_eq!(response.head.field("Content-Length"), Some(length.as_str()), "{route}");
        }
    }
    let stream = request(camera.address(), "HEAD", "/stream").head;
    assert_eq!(stream.field("Content-Type"), Some("multipart/x-mixed-replace; boundary=frame"));
    assert_eq!(stream.field("Content-Length"), None, "a stream has no length");
    wait_until("no viewer", || camera.viewers() == 0);
}

#[test]
fn other_methods_are_refused_with_those_allowed() {
    let camera = camera_with_a_picture();
    for method in ["POST", "PUT", "DELETE", "options"] {
        let response = request(camera.address(), method, "/stream");
        assert_eq!(response.head.code(), 405, "{method}");
        assert_eq!(response.head.field("Allow"), Some("GET, HEAD, OPTIONS"), "{method}");
    }
}

#[test]
fn options_are_answered_with_the_methods_allowed() {
    let camera = camera_with_a_picture();
    for target in ROUTES.iter().chain(&["*", "/?action=stream"]) {
        let response = request(camera.address(), "OPTIONS", target);
        assert_eq!(response.head.code(), 204, "{target}");
        assert_eq!(response.head.field("Allow"), Some("GET, HEAD, OPTIONS"), "{target}");
        assert!(response.body.is_empty(), "{target}");
    }
    assert_eq!(camera.viewers(), 0);
}

#[test]
fn the_addresses_of_other_servers_are_understood() {
    let camera = camera_with_a_picture();
    for target in ["/?action=stream", "/?action=stream_0", "/?n=1&action=stream&dummy", "/stream?dummy=x.mjpg"] {
        assert!(Viewer::open_as(connect(camera.address()), target, "").picture() == pictures()[0], "{target}");
    }
    for target in ["/?action=snapshot", "/?action=snapshot_0", "/?action=snapshot&n=17", "/snapshot?x=.jpg"] {
        assert!(get(camera.address(), target).body == pictures()[0], "{target}");
    }
    let mut chromium = Viewer::open_as(connect(camera.address()), "/?action=stream&layout=advance", "");
    chromium.expect_ahead(&pictures()[0]);
}

#[test]
fn a_query_that_is_not_known_changes_nothing() {
    let camera = camera_with_a_picture();
    let page = get(camera.address(), "/").body;
    for target in ["/?", "/?action=command", "/?action", "/?a=b&&=&%zz=%"] {
        assert!(get(camera.address(), target).body == page, "{target}");
    }
}

#[test]
fn the_icon_is_a_small_picture_that_browsers_may_keep() {
    let camera = Camera::live();
    let response = get(camera.address(), "/favicon.ico");
    assert_eq!(response.head.code(), 200);
    assert_eq!(response.head.field("Content-Type"), Some("image/svg+xml"));
    assert_eq!(response.head.field("Cache-Control"), Some("public, max-age=86400"));
    assert_eq!(response.head.field("Pragma"), None);
    assert!(response.body.starts_with(b"<svg ") && response.body.len() < 1000);
}

#[test]
fn health_says_whether_pictures_come() {
    let camera = Camera::live();
    let before = get(camera.address(), "/health");
    assert_eq!((before.head.code(), before.head.field("Retry-After")), (503, Some("1")));
    assert_eq!(before.body, b"no picture has come yet\n");
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    assert_eq!(get(camera.address(), "/health").head.code(), 200);
    wait_until("an old picture", || get(camera.address(), "/health?max-age=1").head.code() == 503);
    let stale = String::from_utf8(get(camera.address(), "/health?max-age=1").body).expect("text");
    assert!(stale.contains("more than 1 s"), "{stale}");
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(2);
    assert_eq!(get(camera.address(), "/health").head.code(), 200);
}

#[test]
fn other_paths_are_refused_with_those_served() {
    let camera = camera_with_a_picture();
    for path in ["/nothing", "/stream/", "/..", "/STREAM"] {
        let response = get(camera.address(), path);
        assert_eq!(response.head.code(), 404, "{path}");
        assert_eq!(response.head.field("Content-Type"), Some("text/plain; charset=utf-8"));
        let text = String::from_utf8(response.body).expect("text");
        assert!(["/stream", "/snapshot", "/status", "/health"].iter().all(|route| text.contains(route)), "{text:?}");
    }
}

#[test]
fn addresses_and_hosts_that_are_none_are_refused_and_unusual_ones_are_not() {
    let camera = camera_with_a_picture();
    for (target, lines, code) in [
        ("stream", "", 400),
        ("camera:80", "", 400),
        ("*", "", 400),
        ("/health", "Host: another\r\n", 400),
        ("http://localhost/health", "", 200),
        ("http://localhost", "", 200),
        ("https://ann:pw@[::1]:1/health?x#y", "", 200),
        ("//health", "", 404),
        ("/%68ealth", "", 200),
        ("/%2Fhealth", "", 404),
        ("/%2e%2e/health", "", 404),
        ("/door/../health", "", 404),
    ] {
        let stream = connect(camera.address());
        send_request(&stream, "GET", target, &format!("{lines}Connection: close\r\n"));
        assert_eq!(read_response(stream).head.code(), code, "{target} {lines:?}");
    }
    // HTTP/1.1 asks for a Host; a line typed by hand has none.
    let stream = connect(camera.address());
    (&stream).write_all(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").expect("the request is taken");
    assert_eq!(read_response(stream).head.code(), 200);
}

#[test]
fn every_answer_is_of_the_moment() {
    let camera = camera_with_a_picture();
    for route in ROUTES.iter().chain(&["/nothing", "/stream?layout=none"]) {
        assert_is_of_the_moment(&request(camera.address(), "HEAD", route).head);
    }
}

#[test]
fn one_connection_may_ask_several_times() {
    let camera = camera_with_a_picture();
    let stream = connect(camera.address());
    for _ in 0..3 {
        send_request(&stream, "GET", "/snapshot", "");
        assert!(read_answer(&stream).body == pictures()[0]);
    }
    send_request(&stream, "GET", "/stream", "");
    assert!(Viewer::read_opening(stream).picture() == pictures()[0]);
}

const ROUTES: [&str; 6] = ["/", "/stream", "/snapshot", "/status", "/metrics", "/health"];

fn camera_with_a_picture() -> Camera {
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    camera
}

/// Nothing between us and the viewer may keep, change or gather what we send.
#[track_caller]
fn assert_is_of_the_moment(head: &Head) {
    let cache_control = head.field("Cache-Control").expect("the field is there");
    assert_eq!(cache_control, "no-store, no-cache, must-revalidate, no-transform, max-age=0");
    assert_eq!(head.field("Pragma"), Some("no-cache"));
    assert_eq!(head.field("X-Accel-Buffering"), Some("no"));
    assert_eq!(head.field("X-Content-Type-Options"), Some("nosniff"));
}
