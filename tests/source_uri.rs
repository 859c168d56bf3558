//! The source as URI handler.

mod common;

use common::pipeline::init;
use gst::prelude::*;

fn handler() -> gst::URIHandler {
    init();
    let element = gst::ElementFactory::make("mjpegclientsrc").build().expect("the plugin is registered");
    element.dynamic_cast().expect("the source is a URI handler")
}

#[test]
fn element_is_made_from_a_uri() {
    init();
    for uri in ["mjpeg+http://camera/stream", "mjpeg+https://camera:8443/?action=stream"] {
        let element = gst::Element::make_from_uri(gst::URIType::Src, uri, None).expect("a handler of this protocol");
        assert_eq!(element.factory().map(|factory| factory.name()).as_deref(), Some("mjpegclientsrc"));
        assert_eq!(element.property::<String>("location"), uri["mjpeg+".len()..]);
    }
}

#[test]
fn http_is_left_to_others() {
    init();
    let element = gst::Element::make_from_uri(gst::URIType::Src, "http://camera/stream", None);
    assert_ne!(element.ok().and_then(|it| it.factory()).map(|it| it.name()).as_deref(), Some("mjpegclientsrc"));
}

#[test]
fn uri_comes_back_as_it_was_set() {
    let handler = handler();
    handler.set_uri("mjpeg+http://camera:81/a?b=c").expect("a good URI");
    assert_eq!(handler.uri().as_deref(), Some("mjpeg+http://camera:81/a?b=c"));
}

#[test]
fn location_is_seen_as_uri() {
    let handler = handler();
    assert_eq!(handler.uri(), None);
    // Seen from outside with the last three: a critical warning.
    for location in [
        "http://camera/",
        "mjpeg+http://camera/",
        " http://camera/ ",
        "\tmjpeg+http://camera/",
        "mjpeg+ http://camera/",
    ] {
        handler.set_property("location", location);
        assert_eq!(handler.uri().as_deref(), Some("mjpeg+http://camera/"));
    }
}

/// Seen from outside: an application that asked for the URI of such a source got a critical warning.
#[test]
fn location_that_is_no_url_is_no_uri() {
    let handler = handler();
    for location in ["", "camera", "camera/stream", "rtsp://camera/"] {
        handler.set_property("location", location);
        assert_eq!(handler.uri(), None, "{location:?}");
    }
}

#[test]
fn bad_uri_is_refused_and_changes_nothing() {
    let handler = handler();
    handler.set_uri("mjpeg+http://camera/").expect("a good URI");
    for uri in ["mjpeg+http://", "mjpeg+http://camera:99999/", "mjpeg+https:///stream"] {
        let error = handler.set_uri(uri).expect_err(uri);
        assert!(error.matches(gst::URIError::BadUri), "{uri}: {error:?}");
        assert!(error.message().contains("http://camera/stream"), "{error} shows no good one");
    }
    assert_eq!(handler.uri().as_deref(), Some("mjpeg+http://camera/"));
}
