//! Several sinks of one process on one port.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
};

use common::{
    http::{Viewer, connect, get, stalled},
    pipeline::{Camera, large, pictures},
};
use gst::prelude::*;
use serde_json::{Value, json};

mod common;

#[test]
fn each_camera_is_served_under_its_mount() {
    let (door, yard) = two();
    door.push(&pictures()[0]);
    yard.push(&pictures()[1]);
    assert!(Viewer::open_as(connect(door.address()), "/door/stream", "").picture() == pictures()[0]);
    assert!(Viewer::open_as(connect(door.address()), "/back/yard/stream", "").picture() == pictures()[1]);
    assert!(Viewer::open_as(connect(door.address()), "/door/?action=stream", "").picture() == pictures()[0]);
    assert!(get(yard.address(), "/door/snapshot").body == pictures()[0]);
    assert!(get(yard.address(), "/back/yard/?action=snapshot").body == pictures()[1]);
}

/// The page came, which a program that asks for a picture takes for one.
#[test]
fn the_picture_of_the_server_is_that_of_its_only_camera_or_nobodys() {
    let (door, yard) = two();
    let address = door.address();
    for (query, named) in
        [("snapshot", "/back/yard/snapshot, /door/snapshot"), ("stream", "/back/yard/stream, /door/stream")]
    {
        let answer = get(address, &format!("/?action={query}"));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.head.code() == 404 && text.contains(named), "{text}");
    }
    assert_eq!(get(address, "/?action=command").head.field("Content-Type"), Some("text/html; charset=utf-8"));
    yard.set_state(gst::State::Null);
    door.push(&pictures()[0]);
    assert!(get(address, "/?action=snapshot").body == pictures()[0]);
    assert!(Viewer::open_as(connect(address), "/?action=stream", "").picture() == pictures()[0]);
}

#[test]
fn a_camera_that_leaves_takes_its_viewers_along_and_nobody_else() {
    let (door, yard) = two();
    let address = door.address();
    let mut of_door = Viewer::open_as(connect(address), "/door/stream", "");
    let mut of_yard = Viewer::open_as(connect(address), "/back/yard/stream", "");
    door.wait_for_viewers(1);
    door.set_state(gst::State::Null);
    of_door.expect_end();
    assert_eq!(get(address, "/door/snapshot").head.code(), 404);
    yard.push(&pictures()[1]);
    assert!(of_yard.picture() == pictures()[1]);

    door.sink.set_property("port", i32::from(address.port()));
    let door = door.play();
    door.push(&pictures()[0]);
    assert!(Viewer::open_as(connect(address), "/door/stream", "").picture() == pictures()[0]);
    yard.push(&pictures()[2]);
    assert!(of_yard.picture() == pictures()[2]);
}

#[test]
fn a_viewer_that_takes_nothing_goes_with_its_camera_too() {
    let (door, yard) = two();
    let picture = large();
    door.push(&picture);
    let _stalled = stalled(door.address(), "/door/stream");
    door.wait_for_viewers(1);
    let removed = std::sync::mpsc::channel();
    door.sink.connect("client-removed", false, move |values| {
        removed.0.send(values[3].get::<String>().expect("a reason")).expect("somebody listens");
        None
    });
    for _ in 0..8 {
        door.push(&picture);
    }
    door.set_state(gst::State::Null);
    assert_eq!(removed.1.recv_timeout(common::pipeline::DEADLINE).as_deref(), Ok("stopped"));
    assert_eq!(get(yard.address(), "/status").head.code(), 200);
}

#[test]
fn the_port_is_free_when_the_last_camera_has_left() {
    let (door, yard) = two();
    let address = door.address();
    door.set_state(gst::State::Null);
    assert!(TcpListener::bind(address).is_err());
    yard.set_state(gst::State::Null);
    TcpListener::bind(address).expect("nobody has the port");
}

#[test]
fn two_cameras_at_one_place_are_an_error_that_names_the_cure() {
    let (door, _yard) = two();
    let port = door.port();
    let text = error(&format!("port={port} mount=/door/"));
    assert!(text.contains("/door") && text.contains("mount=/name") && text.contains("port=0"), "{text}");
    let root = Camera::new("is-live=true", &format!("port={port}")).play();
    let text = error(&format!("port={port}"));
    assert!(text.contains(&port.to_string()) && text.contains("mount="), "{text}");
    drop(root);
}

#[test]
fn one_port_at_two_hosts_is_an_error_that_says_who_has_it() {
    let (door, _yard) = two();
    let text = error(&format!("port={} host=0.0.0.0 mount=/new", door.port()));
    assert!(text.contains("another mjpegserversink") && text.contains("the same host"), "{text}");
    assert!(text.contains(&door.address().to_string()), "{text}");
}

#[test]
fn settings_that_a_port_cannot_have_twice_are_an_error_that_names_them() {
    let (door, _yard) = two();
    let port = door.port();
    for (settings, named) in [
        ("user-id=a user-pw=b", "user-id"),
        ("token=a", "token"),
        ("allow-origin=*", "allow-origin"),
        ("timeout=1", "timeout"),
        ("max-clients-per-address=3", "max-clients-per-address"),
    ] {
        let text = error(&format!("port={port} mount=/new {settings}"));
        assert!(text.contains(named) && text.contains(&port.to_string()), "{text}");
    }
}

#[test]
fn what_is_no_mount_is_an_error_that_says_what_is_one() {
    for (mount, says) in [("/a b", "letters"), ("/../x", "letters"), ("/a/stream", "stream"), ("/status", "status")] {
        let text = error(&format!("mount=\"{mount}\""));
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn the_page_shows_all_cameras_and_one_below_its_mount() {
    let (door, yard) = two();
    let page = text(door.address(), "/?token=T0ken.");
    for part in [r#"src="door/stream?token=T0ken.""#, r#"src="back/yard/stream?token=T0ken.""#, "2 cameras"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let page = text(yard.address(), "/back/yard/?token=a'onload=b");
    assert!(page.contains(r#"src="stream""#) && page.contains("<title>back/yard</title>"), "{page}");
    assert!(!page.contains("door") && !page.contains("onload=b"), "{page}");
}

#[test]
fn by_http_1_a_page_leaves_the_browser_connections_for_the_rest() {
    let first = Camera::new("is-live=true", "mount=/1").play();
    let port = first.port();
    let _others: Vec<_> =
        (2..=6).map(|n| Camera::new("is-live=true", &format!("port={port} mount=/{n}")).play()).collect();
    let page = text(first.address(), "/");
    let sources = (1..=6).filter(|n| page.contains(&format!(r#"src="{n}/stream""#))).count();
    let snapshots = (1..=6).filter(|n| page.contains(&format!(r#"src="{n}/snapshot""#))).count();
    assert_eq!((sources, snapshots), (4, 2));
}

#[test]
fn the_folder_of_a_camera_is_found_without_its_slash() {
    let (door, _yard) = two();
    for (target, location) in [("/door", "door/"), ("/back/yard", "yard/"), ("/door?token=a&b", "door/?token=a&b")] {
        let answer = get(door.address(), target);
        assert_eq!((answer.head.code(), answer.head.field("Location")), (307, Some(location)), "{target}");
    }
    for nothing in ["/doorbell", "/back", "/back/", "/stream", "/door/door/stream"] {
        let answer = get(door.address(), nothing);
        assert_eq!(answer.head.code(), 404, "{nothing}");
        let text = String::from_utf8(answer.body).expect("text");
        assert!(text.contains("/door/") && text.contains("/back/yard/"), "{text}");
    }
}

#[test]
fn status_and_health_are_of_one_camera_or_of_all() {
    let (door, yard) = two();
    door.push(&pictures()[0]);
    door.wait_for_pictures(1);
    let all: Value = serde_json::from_str(&text(door.address(), "/status")).expect("JSON");
    let pictures: Vec<_> =
        all["cameras"].as_array().expect("a list").iter().map(|c| (&c["mount"], &c["pictures"])).collect();
    assert_eq!(pictures, [(&json!("/back/yard"), &json!(0)), (&json!("/door"), &json!(1))]);
    let one: Value = serde_json::from_str(&text(yard.address(), "/door/status")).expect("JSON");
    assert_eq!((&one["pictures"], one["cameras"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    assert_eq!(get(door.address(), "/door/health").head.code(), 200);
    assert_eq!(get(door.address(), "/back/yard/health").head.code(), 503);
    let health = get(door.address(), "/health");
    assert_eq!(health.head.code(), 503);
    assert!(String::from_utf8_lossy(&health.body).contains("back/yard"));
}

/// A load balancer knows no password; nobody else who does not learns from it which cameras there are.
#[test]
fn who_knows_no_password_learns_whether_pictures_come_and_no_name() {
    let door = Camera::new("is-live=true do-timestamp=true", "mount=/door token=t0ken").play();
    let yard = format!("mount=/yard token=t0ken port={}", door.port());
    let yard = Camera::new("is-live=true do-timestamp=true", &yard).play();
    let health = |path| {
        let answer = get(door.address(), path);
        (answer.head.code(), String::from_utf8(answer.body).expect("text"))
    };
    for path in ["/door/health", "/nothing/health"] {
        assert_eq!(health(path).0, 401, "{path}");
    }
    for path in ["/door/favicon.ico", "/nothing/favicon.ico"] {
        assert_eq!(get(door.address(), path).head.code(), 200, "{path}");
    }
    assert_eq!(health("/health"), (503, "pictures do not come from all cameras\n".to_owned()));
    let (code, text) = health("/health?token=t0ken");
    assert!(code == 503 && text.contains("door") && text.contains("yard"), "{text}");
    for camera in [&door, &yard] {
        camera.push(&pictures()[0]);
        camera.wait_for_pictures(1);
    }
    assert_eq!(health("/health"), (200, "pictures come\n".to_owned()));
    assert_eq!(health("/door/health?token=t0ken").0, 200);
}

#[test]
fn the_application_is_told_where_each_camera_is() {
    let (door, yard) = two();
    for (camera, path) in [(&door, "door/"), (&yard, "back/yard/")] {
        let bus = camera.pipeline.bus().expect("a pipeline has a bus");
        let listening = bus.iter_filtered(&[gst::MessageType::Element]).find_map(|message| {
            let structure = message.structure().filter(|structure| structure.name() == "listening")?;
            Some(structure.get::<String>("url").expect("an address"))
        });
        assert_eq!(listening, Some(camera.url(&format!("/{path}"))));
    }
}

#[test]
fn cameras_that_come_and_go_at_once_find_each_other() {
    let keeper = Camera::new("is-live=true", "mount=/keeper").play();
    let port = keeper.port();
    drop(keeper);
    // While one leaves last, another one comes first: each time the port must be there for it.
    thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || {
                for _ in 0..20 {
                    let camera = Camera::new("is-live=true", &format!("port={port} mount=/{n}")).play();
                    assert_eq!(get(camera.address(), &format!("/{n}/status")).head.code(), 200);
                }
            });
        }
    });
}

/// Two cameras at `/door` and `/back/yard` that share a port.
fn two() -> (Camera, Camera) {
    let door = Camera::new("is-live=true do-timestamp=true", "mount=/door").play();
    let yard = format!("mount=back/yard port={}", door.port());
    let yard = Camera::new("is-live=true do-timestamp=true", &yard).play();
    (door, yard)
}

fn text(address: SocketAddr, target: &str) -> String {
    let answer = get(address, target);
    assert_eq!(answer.head.code(), 200, "{target}");
    String::from_utf8(answer.body).expect("text")
}

/// What a sink says that cannot start with these properties.
#[track_caller]
fn error(properties: &str) -> String {
    let camera = Camera::new("is-live=true", properties);
    assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "{properties} cannot start");
    let bus = camera.pipeline.bus().expect("a pipeline has a bus");
    let error = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
    let gst::MessageView::Error(error) = error.view() else { unreachable!("it was asked for") };
    error.error().to_string()
}
