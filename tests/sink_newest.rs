//! The newest picture, now, and nobody slows anybody.

use std::{net::Shutdown, time::Duration};

use common::{
    http::{Viewer, connect, send_request, stalled, timestamp, unix_time},
    pipeline::{Camera, large, number, numbered, pictures, wait_until},
};

mod common;

#[test]
fn a_viewer_gets_the_newest_picture_when_it_connects() {
    let camera = Camera::live();
    let pictures = pictures();
    for picture in &pictures {
        camera.push(picture);
    }
    camera.wait_for_pictures(8);
    // No picture follows, so this one does not wait for the next.
    assert!(Viewer::open(camera.address()).picture() == pictures[7]);
}

#[test]
fn a_viewer_that_comes_before_the_first_picture_gets_the_head_at_once_and_then_the_picture() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    let picture = &pictures()[0];
    camera.push(picture);
    assert!(viewer.picture() == *picture);
}

#[test]
fn every_picture_comes_whole_with_its_length_and_before_the_next_is_there() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    for picture in pictures().iter().chain([&large()]) {
        camera.push(picture);
        let part = viewer.part();
        assert!(part.picture == *picture);
        assert_eq!(part.head.names(), ["Content-Type", "Content-Length", "X-Timestamp"]);
        assert_eq!(part.head.field("Content-Type"), Some("image/jpeg"));
    }
}

/// 300 pictures are more than 100 MB: no kernel takes them for a viewer that does not read.
#[test]
fn a_viewer_that_does_not_read_holds_up_neither_the_pipeline_nor_another_viewer() {
    let camera = Camera::live();
    let large = large();
    let mut stalled = stalled(camera.address(), "/stream");
    let mut reading = Viewer::open(camera.address());
    for n in 0..300 {
        let picture = numbered(&large, n);
        camera.push(&picture);
        assert!(reading.picture() == picture, "picture {n}");
    }
    assert_eq!(camera.served(), 300);

    // The one that was under way, and the newest. More would mean that pictures queue up somewhere on the way: without
    // the limit on unsent bytes, thirteen old ones in the kernel.
    assert_eq!(read_up_to(&mut stalled, &large, 299), [0, 299]);
}

#[test]
fn a_viewer_that_reads_again_follows_from_then_on() {
    let camera = Camera::live();
    let large = large();
    let mut stalled = stalled(camera.address(), "/stream");
    for n in 0..100 {
        camera.push(&numbered(&large, n));
        camera.wait_for_pictures(u64::from(n) + 1);
    }
    read_up_to(&mut stalled, &large, 99);
    for n in 100..110 {
        let picture = numbered(&large, n);
        camera.push(&picture);
        assert!(stalled.picture() == picture);
    }
}

#[test]
fn a_viewer_that_shuts_its_sending_side_still_gets_pictures() {
    let camera = Camera::live();
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/stream", "");
    stream.shutdown(Shutdown::Write).expect("the socket is open");
    let mut viewer = Viewer::read_opening(stream);
    for picture in pictures() {
        camera.push(&picture);
        assert!(viewer.picture() == picture);
    }
}

/// TCP says the same of a viewer that has gone and of one that only shut its sending side: the next pictures tell.
#[test]
fn a_viewer_that_leaves_is_counted_no_longer_than_until_the_next_pictures() {
    let camera = Camera::live();
    let picture = &pictures()[0];
    camera.push(picture);
    let (mut staying, leaving) = (Viewer::open(camera.address()), Viewer::open(camera.address()));
    camera.wait_for_viewers(2);
    drop(leaving);
    wait_until("one viewer to be left", || {
        camera.push(picture);
        staying.picture();
        camera.viewers() == 1
    });
}

#[test]
fn the_time_of_capture_is_now_for_a_picture_just_captured() {
    let camera = Camera::live();
    let before = unix_time();
    camera.push(&pictures()[0]);
    let part = Viewer::open(camera.address()).part();
    let captured = timestamp(part.head.field("X-Timestamp"));
    // The wall clock may be set a little while we look.
    let slack = Duration::from_secs(1);
    assert!(
        before.saturating_sub(slack) <= captured && captured <= unix_time() + slack,
        "{captured:?} after {before:?}"
    );
}

#[test]
fn the_time_of_capture_that_a_buffer_carries_wins() {
    let camera = Camera::live();
    let mut buffer = gst::Buffer::from_slice(pictures()[0].clone());
    let time = gst::ClockTime::from_useconds(1_700_000_000_000_042);
    let unix = gst::Caps::new_empty_simple("timestamp/x-unix");
    let writable = buffer.get_mut().expect("nobody else has the buffer");
    gst::ReferenceTimestampMeta::add(writable, &unix, time, gst::ClockTime::NONE);
    camera.push_buffer(buffer);
    let part = Viewer::open(camera.address()).part();
    assert_eq!(part.head.field("X-Timestamp"), Some("1700000000.000042"));
}

/// Reads until this picture comes; the numbers of all that came, each of them whole.
#[track_caller]
fn read_up_to(viewer: &mut Viewer, large: &[u8], last: u32) -> Vec<u32> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        let picture = viewer.picture();
        let n = number(&picture);
        assert!(picture == numbered(large, n), "picture {n} is torn");
        seen.push(n);
    }
    seen
}
