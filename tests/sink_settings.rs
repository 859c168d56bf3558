//! Properties, and what happens when they cannot be.

use std::{
    net::{TcpListener, TcpStream, ToSocketAddrs as _},
    sync::mpsc::channel,
};

use common::{
    http::{Viewer, get},
    pipeline::{Camera, init, pictures},
};
use gst::{glib, prelude::*};

mod common;

#[test]
fn a_new_element_has_the_defaults_that_gst_inspect_shows() {
    let sink = sink();
    let all = sink.list_properties();
    let own: Vec<_> = all.iter().filter(|property| property.owner_type() == sink.type_()).collect();
    // Statistics are made when they are asked for: they have no default to show. Secrets are told to nobody.
    for property in own.iter().filter(|property| property.flags().contains(glib::ParamFlags::READWRITE)) {
        let (value, default) = (sink.property_value(property.name()), property.default_value());
        assert_eq!(format!("{value:?}"), format!("{default:?}"), "{}", property.name());
        assert!(property.blurb().is_some_and(|blurb| blurb.len() > 20), "{}", property.name());
    }
}

#[test]
fn what_is_set_is_what_is_read() {
    let sink = sink();
    for (name, text) in [
        ("host", "::1"),
        ("host", "camera.example"),
        ("port", "0"),
        ("port", "65535"),
        ("boundary", "b-o_u.n+d'ary"),
        ("live-sync", "true"),
        ("live-sync", "false"),
    ] {
        sink.set_property_from_str(name, text);
        let value = sink.property_value(name);
        let read = value.transform::<String>().expect("a value has a text").get::<String>().expect("a text");
        assert_eq!(read.to_lowercase(), text, "{name}");
    }
}

#[test]
fn an_empty_host_is_the_default_one() {
    let sink = sink();
    sink.set_property("host", "::1");
    sink.set_property("host", None::<String>);
    assert_eq!(sink.property::<String>("host"), "127.0.0.1");
    sink.set_property("host", "");
    assert_eq!(sink.property::<String>("host"), "127.0.0.1");
}

#[test]
fn current_port_follows_the_state_and_is_notified() {
    let camera = Camera::new("is-live=true do-timestamp=true", "");
    let (sender, notified) = channel();
    camera.sink.connect_notify(Some("current-port"), move |sink, _| {
        let _ = sender.send(sink.property::<i32>("current-port"));
    });
    camera.set_state(gst::State::Paused);
    assert_eq!(notified.try_recv(), Ok(i32::from(camera.port())));
    assert_ne!(camera.port(), 0);
    camera.set_state(gst::State::Null);
    assert_eq!(notified.try_recv(), Ok(0));
    assert_eq!(camera.port(), 0);
}

#[test]
fn a_boundary_is_the_same_in_head_and_body() {
    let camera = Camera::new("is-live=true do-timestamp=true", "boundary=b-o_u.n+d'ary").play();
    // The reader takes the delimiters' boundary from the head.
    let mut viewer = Viewer::open(camera.address());
    camera.push(&pictures()[0]);
    assert!(viewer.picture() == pictures()[0]);
    assert_eq!(viewer.head.field("Content-Type"), Some("multipart/x-mixed-replace; boundary=b-o_u.n+d'ary"));
}

#[test]
fn a_boundary_that_breaks_readers_keeps_the_server_from_starting() {
    let too_long = "x".repeat(71);
    for bad in ["two words", "a\r\nSet-Cookie: b", "--frame", "frame-", "a\"b", "ä", &too_long] {
        let camera = Camera::new("is-live=true", "");
        camera.sink.set_property("boundary", bad);
        assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "{bad:?}");
        let message = camera.message(gst::MessageType::Error);
        let gst::MessageView::Error(error) = message.view() else { unreachable!("it was asked for") };
        assert!(error.error().message().starts_with("boundary: a boundary "), "{}", error.error());
    }
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = other.local_addr().expect("an address").port();
    let text = start_error(&format!("port={port}"), gst::ResourceError::Busy);
    assert!(text.contains(&port.to_string()) && text.contains("port=0"), "{text}");
}

#[test]
fn a_port_that_another_sink_has_is_an_error_and_the_other_goes_on() {
    let camera = Camera::live();
    let text = start_error(&format!("port={}", camera.port()), gst::ResourceError::Settings);
    assert!(text.contains("in use"), "{text}");
    camera.push(&pictures()[0]);
    assert!(Viewer::open(camera.address()).picture() == pictures()[0]);
}

#[test]
fn a_host_that_is_not_ours_is_an_error_that_names_it() {
    // RFC 5737: an address for documentation, nobody's. RFC 2606: a name nobody has.
    for host in ["192.0.2.1", "nobody.invalid"] {
        let text = start_error(&format!("host={host}"), gst::ResourceError::NotFound);
        assert!(text.contains(host) && text.contains("host=0.0.0.0"), "{text}");
    }
}

#[test]
fn after_an_error_the_element_starts_with_better_settings() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = other.local_addr().expect("an address").port();
    let camera = Camera::new("is-live=true do-timestamp=true", &format!("port={port}"));
    assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "the port is in use");
    camera.set_state(gst::State::Null);
    camera.sink.set_property("port", 0);
    let camera = camera.play();
    camera.push(&pictures()[0]);
    assert!(Viewer::open(camera.address()).picture() == pictures()[0]);
}

#[test]
fn names_and_addresses_of_this_machine_are_listened_on() {
    for (host, client) in [
        ("localhost", "localhost"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::", "::1"),
        // Both kinds of address, as browsers expect of a server on all interfaces.
        ("::", "127.0.0.1"),
    ] {
        let camera = Camera::new("is-live=true do-timestamp=true", &format!("host={host}")).play();
        camera.push(&pictures()[0]);
        camera.wait_for_pictures(1);
        // A name may have addresses of both kinds; as all clients do, take the one that answers.
        let mut addresses = (client, camera.port()).to_socket_addrs().expect("a known name");
        let address = addresses.find(|address| TcpStream::connect(address).is_ok()).expect("somebody listens");
        assert!(get(address, "/snapshot").body == pictures()[0], "{host}");
    }
}

fn sink() -> gst::Element {
    init();
    gst::ElementFactory::make("mjpegserversink").build().expect("a sink")
}

/// The text of the message of this domain that a sink posts which cannot start.
#[track_caller]
fn start_error(sink: &str, domain: gst::ResourceError) -> String {
    let camera = Camera::new("is-live=true", sink);
    assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "the sink cannot start");
    let errors: Vec<_> =
        camera.pipeline.bus().expect("a pipeline has a bus").iter_filtered(&[gst::MessageType::Error]).collect();
    // The second one is BaseSink's "Failed to start", which a subclass cannot prevent.
    assert_eq!(errors.len(), 2, "{errors:?}");
    let gst::MessageView::Error(error) = errors[0].view() else { unreachable!("it was asked for") };
    assert!(error.error().matches(domain), "{error:?}");
    error.error().to_string()
}
