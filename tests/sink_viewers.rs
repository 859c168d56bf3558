//! Who may watch, at what rate, and who is sent away.

use std::{
    sync::mpsc::{self, Receiver},
    time::Instant,
};

use common::{
    http::{Viewer, connect, get, request, send_request, stalled},
    pipeline::{Camera, DEADLINE, large, pictures, wait_until},
};
use gst::prelude::*;

mod common;

/// What the element told of its viewers.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Added(u64),
    Removed(u64, String),
}

fn camera_with(properties: &str) -> (Camera, Receiver<Told>) {
    let camera = Camera::new("is-live=true do-timestamp=true", properties);
    let told = hear(&camera);
    (camera.play(), told)
}

/// What the element tells from now on.
fn hear(camera: &Camera) -> Receiver<Told> {
    let (tell, told) = mpsc::channel();
    let removed = tell.clone();
    camera.sink.connect("client-added", false, move |values| {
        let _ = tell.send(Told::Added(values[1].get().expect("an id")));
        None
    });
    camera.sink.connect("client-removed", false, move |values| {
        let (id, reason) = (values[1].get().expect("an id"), values[3].get().expect("a reason"));
        let _ = removed.send(Told::Removed(id, reason));
        None
    });
    told
}

#[track_caller]
fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(DEADLINE).expect("the element tells of its viewers")
}

#[test]
fn viewers_are_announced_counted_and_taken_leave_of() {
    let (camera, told) = camera_with("");
    camera.push(&pictures()[0]);
    let mut viewer = Viewer::open(camera.address());
    let picture = viewer.picture();
    assert_eq!(next(&told), Told::Added(1));
    let stats: gst::Array = camera.sink.property("client-stats");
    let client = stats[0].get::<gst::Structure>().expect("a structure for each viewer");
    assert_eq!(client.get("id"), Ok(1u64));
    assert_eq!(client.get("pictures"), Ok(1u64));
    assert!(client.get::<u64>("bytes").expect("its bytes") > picture.len() as u64);

    drop(viewer);
    // Two more writes show that nobody is there.
    wait_until("the viewer is missed", || {
        camera.push(&pictures()[1]);
        camera.viewers() == 0
    });
    assert_eq!(next(&told), Told::Removed(1, "closed".into()));
}

/// "::ffff:127.0.0.1", it was called.
#[test]
fn a_viewer_has_its_own_address_also_at_a_server_for_both_protocols() {
    let camera = Camera::new("is-live=true do-timestamp=true", "host=::");
    let (tell, told) = mpsc::channel();
    camera.sink.connect("client-added", false, move |values| {
        let _ = tell.send(values[2].get::<String>().expect("an address"));
        None
    });
    let camera = camera.play();
    let viewer = Viewer::open(camera.address());
    let own = viewer.stream().local_addr().expect("it is connected").to_string();
    assert_eq!(told.recv_timeout(DEADLINE), Ok(own));
}

#[test]
fn a_viewer_can_be_sent_away_by_its_id() {
    let (camera, told) = camera_with("");
    let mut viewer = Viewer::open(camera.address());
    assert_eq!(next(&told), Told::Added(1));
    assert!(!camera.sink.emit_by_name::<bool>("remove", &[&7u64]));
    assert!(camera.sink.emit_by_name::<bool>("remove", &[&1u64]));
    viewer.expect_end();
    assert_eq!(next(&told), Told::Removed(1, "removed".into()));
}

/// Its picture was cut in half.
#[test]
fn a_viewer_that_is_sent_away_gets_the_rest_of_its_picture_and_the_end() {
    for layout in ["standard", "advance"] {
        let (camera, told) = camera_with("");
        let mut viewer = stalled(camera.address(), &format!("/stream?layout={layout}"));
        let large = large();
        camera.push(&large);
        // The rest does not fit in what lies between.
        wait_until_it_has_begun(&camera);
        assert!(camera.sink.emit_by_name::<bool>("remove", &[&1u64]));
        // Nothing that comes later is for it.
        camera.push(&pictures()[0]);
        if layout == "standard" {
            assert!(viewer.picture() == large);
            viewer.expect_end();
        } else {
            viewer.expect_ahead(&large);
            viewer.expect_ahead(&large);
        }
        assert_eq!((next(&told), next(&told)), (Told::Added(1), Told::Removed(1, "removed".into())));
    }
}

#[test]
fn a_viewer_that_is_sent_away_and_does_not_take_the_end_is_cut_off() {
    let (camera, told) = camera_with("timeout=0");
    let _viewer = stalled(camera.address(), "/stream");
    camera.push(&large());
    wait_until_it_has_begun(&camera);
    assert!(camera.sink.emit_by_name::<bool>("remove", &[&1u64]));
    assert_eq!((next(&told), next(&told)), (Told::Added(1), Told::Removed(1, "removed".into())));
}

/// Waits until the first picture of the only viewer is under way.
#[track_caller]
fn wait_until_it_has_begun(camera: &Camera) {
    wait_until("the picture to be under way", || {
        let stats: gst::Array = camera.sink.property("client-stats");
        stats[0].get::<gst::Structure>().expect("a structure for each viewer").get("pictures") == Ok(1u64)
    });
}

/// No browser tells a page when the stream in an `<img>` has ended.
#[test]
fn a_viewer_that_marks_itself_can_ask_whether_it_still_watches() {
    let (camera, told) = camera_with("");
    let watched = |mark: &str| {
        let status = get(camera.address(), &format!("/status?clients=0&mark={mark}")).body;
        let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
        status["cameras"][0]["watched"].clone()
    };
    let mark = u64::MAX.to_string();
    let _viewer = Viewer::open_as(connect(camera.address()), &format!("/stream?mark={mark}"), "");
    let _other = Viewer::open(camera.address());
    assert_eq!([mark.as_str(), "17", "x", ""].map(watched), [true, false, false, false]);
    assert_eq!(next(&told), Told::Added(1));
    assert!(camera.sink.emit_by_name::<bool>("remove", &[&1u64]));
    assert_eq!(watched(&mark), false);
    for wrong in ["", "x", "-1", "18446744073709551616"] {
        assert_eq!(get(camera.address(), &format!("/stream?mark={wrong}")).head.code(), 400, "{wrong}");
    }
}

/// Signals once came from the thread that serves viewers: this handler would have held up all of them, and itself.
#[test]
fn a_handler_that_takes_its_time_holds_up_nobody_and_may_stop_the_element() {
    let camera = Camera::live();
    let (go_on, wait) = mpsc::channel::<()>();
    let (stopped, has_stopped) = mpsc::channel();
    let wait = std::sync::Mutex::new(wait);
    let pipeline = camera.pipeline.clone();
    camera.sink.connect("client-added", false, move |_| {
        // The second time the test has ended.
        if wait.lock().expect("nobody panics").recv().is_ok() {
            let _ = stopped.send(pipeline.set_state(gst::State::Null));
        }
        None
    });
    let mut first = Viewer::open(camera.address());
    let mut second = Viewer::open(camera.address());
    for picture in pictures() {
        camera.push(&picture);
        assert!(first.picture() == picture && second.picture() == picture);
    }
    go_on.send(()).expect("the handler waits");
    assert_eq!(has_stopped.recv_timeout(DEADLINE), Ok(Ok(gst::StateChangeSuccess::Success)));
    first.expect_end();
    drop(go_on);
}

/// Each run once had a thread and numbers of its own: what a slow handler heard late was taken for the next run's.
#[test]
fn what_is_told_of_a_run_comes_before_what_is_told_of_the_next() {
    let camera = Camera::new("is-live=true do-timestamp=true", "").play();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    camera.sink.connect("client-added", false, move |_| {
        // Until the next run has begun; after that nobody waits.
        let _ = wait.lock().expect("nobody panics").recv();
        None
    });
    let told = hear(&camera);
    let first = Viewer::open(camera.address());
    camera.wait_for_viewers(1);
    camera.set_state(gst::State::Null);
    drop(first);
    camera.set_state(gst::State::Playing);
    let _second = Viewer::open(camera.address());
    camera.wait_for_viewers(1);
    drop(go_on);
    let expected = [Told::Added(1), Told::Removed(1, "stopped".into()), Told::Added(2)];
    assert_eq!([next(&told), next(&told), next(&told)], expected);
}

#[test]
fn a_viewer_that_takes_no_byte_is_dropped_though_pictures_come() {
    let (camera, told) = camera_with("timeout=500000000");
    let _stalled = stalled(camera.address(), "/stream");
    let mut reading = Viewer::open(camera.address());
    assert_eq!((next(&told), next(&told)), (Told::Added(1), Told::Added(2)));
    let large = large();
    let until = Instant::now() + DEADLINE;
    let left = loop {
        camera.push(&large);
        assert!(reading.picture() == large);
        if let Ok(left) = told.try_recv() {
            break left;
        }
        assert!(Instant::now() < until, "nobody was dropped");
    };
    assert_eq!(left, Told::Removed(1, "stalled".into()));
    assert_eq!(camera.viewers(), 1);
}

#[test]
fn one_viewer_too_many_is_told_to_come_back_later() {
    let (camera, _told) = camera_with("max-clients=2");
    camera.push(&pictures()[0]);
    let mut viewers = [Viewer::open(camera.address()), Viewer::open(camera.address())];
    viewers.iter_mut().for_each(|viewer| drop(viewer.picture()));
    let refused = get(camera.address(), "/stream");
    assert_eq!(refused.head.code(), 503);
    assert_eq!(refused.head.field("Retry-After"), Some("5"));
    assert_eq!(request(camera.address(), "HEAD", "/stream").head.code(), 503);
    assert_eq!(get(camera.address(), "/snapshot").head.code(), 200);
}

#[test]
fn a_viewer_that_has_stalled_gives_up_its_place() {
    let (camera, told) = camera_with("max-clients=1 timeout=0");
    let _stalled = stalled(camera.address(), "/stream");
    assert_eq!(next(&told), Told::Added(1));
    wait_until("the stalled viewer is evicted", || {
        camera.push(&large());
        let stream = connect(camera.address());
        send_request(&stream, "GET", "/stream", "");
        matches!(told.try_recv(), Ok(Told::Added(2)))
    });
    let evicted = Told::Removed(1, "evicted".into());
    // The one that got its place is gone as well by now: it came only to ask.
    assert!((0..3).any(|_| next(&told) == evicted));
}

#[test]
fn an_address_has_no_more_than_its_connections() {
    let (camera, _told) = camera_with("max-clients-per-address=2");
    camera.push(&pictures()[0]);
    let mut viewers = [Viewer::open(camera.address()), Viewer::open(camera.address())];
    viewers.iter_mut().for_each(|viewer| drop(viewer.picture()));
    let refused = get(camera.address(), "/stream");
    assert_eq!((refused.head.code(), refused.head.field("Retry-After")), (503, Some("5")));
    // Each that is told keeps its place among the sixteen for two seconds unless it goes, and none does here. The
    // others are closed, or reset, as the request came before or after.
    let began = Instant::now();
    let mut crowd: Vec<_> = (0..40).map(|_| connect(camera.address())).collect();
    let answers = crowd.iter_mut().map(|one| {
        let mut answer = Vec::new();
        let _ = std::io::Read::read_to_end(one, &mut answer);
        answer
    });
    let told = answers.filter(|answer| answer.starts_with(b"HTTP/1.1 503 ")).count();
    let turns = 1 + began.elapsed().as_secs() / 2;
    assert!(told > 0 && told as u64 <= 16 * turns, "{told} were told in {turns} turns of two seconds");
}

#[test]
fn a_viewer_gets_no_more_pictures_than_it_asks_for() {
    let (camera, _told) = camera_with("");
    let stream = connect(camera.address());
    let mut slow = Viewer::open_as(stream, "/stream?fps=0.02", "");
    let mut quick = Viewer::open(camera.address());
    let pictures = pictures();
    for picture in &pictures {
        camera.push(picture);
        assert!(quick.picture() == *picture);
    }
    camera.end();
    // The first at once, the next one would be due in 50 s; the end does not wait for its turn.
    assert!(slow.picture() == pictures[0]);
    assert!(slow.picture() == pictures[7]);
    slow.expect_end();
}

/// Seen from outside: a viewer that had stalled had skipped nothing, and what it missed was in no figure when it had
/// gone.
#[test]
fn what_a_viewer_misses_counts_while_it_misses_it_and_when_it_has_gone() {
    let (camera, told) = camera_with("");
    camera.push(&pictures()[0]);
    let mut slow = Viewer::open_as(connect(camera.address()), "/stream?fps=0.02", "");
    assert!(slow.picture() == pictures()[0]);
    let figures = || {
        let status: serde_json::Value = serde_json::from_slice(&get(camera.address(), "/status").body).expect("JSON");
        (status["clients"][0]["skipped"].as_u64(), status["served"]["skipped"].as_u64())
    };
    for n in 1..=7 {
        camera.push(&pictures()[n]);
        camera.wait_for_pictures(n as u64 + 1);
    }
    // The newest may still come.
    assert_eq!(figures(), (Some(6), Some(6)));
    assert_eq!(next(&told), Told::Added(1));
    drop(slow);
    assert_eq!(next(&told), Told::Removed(1, "closed".into()));
    assert_eq!(figures(), (None, Some(7)));
}

#[test]
fn max_fps_holds_for_every_viewer_whatever_it_asks_for() {
    let (camera, _told) = camera_with("max-fps=0.02");
    let mut viewer = Viewer::open_as(connect(camera.address()), "/stream?fps=1000", "");
    let pictures = pictures();
    camera.push(&pictures[0]);
    assert!(viewer.picture() == pictures[0]);
    for picture in &pictures[1..] {
        camera.push(picture);
    }
    camera.wait_for_pictures(8);
    camera.end();
    assert!(viewer.picture() == pictures[7]);
    viewer.expect_end();
}

#[test]
fn a_rate_that_is_none_is_refused_with_what_is_allowed() {
    let (camera, _told) = camera_with("");
    for fps in ["0", "-1", "many", "inf", "NaN", ""] {
        let answer = get(camera.address(), &format!("/stream?fps={fps}"));
        assert_eq!(answer.head.code(), 400, "{fps:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains("pictures per second"), "{fps:?}");
    }
}

#[test]
fn a_silent_camera_sends_its_last_picture_again_to_keep_viewers() {
    let (camera, _told) = camera_with("keepalive-interval=300000000");
    let picture = &pictures()[0];
    camera.push(picture);
    let mut viewer = Viewer::open(camera.address());
    for _ in 0..3 {
        assert!(viewer.picture() == *picture);
    }
    assert_eq!(camera.served(), 1);
}

#[test]
fn a_browser_gets_the_last_picture_before_a_pause_twice_and_others_once() {
    let (camera, _told) = camera_with("keepalive-interval=0");
    let picture = &pictures()[0];
    let mut browser = Viewer::open_as(connect(camera.address()), "/stream?layout=advance", "");
    let mut other = Viewer::open(camera.address());
    camera.push(picture);
    browser.expect_ahead(picture);
    browser.expect_ahead(picture);
    assert!(other.picture() == *picture);
    let last = &pictures()[1];
    camera.push(last);
    assert!(other.picture() == *last, "the one before came twice");
}

/// Seen from outside: with a client that came again and again, each browser got a picture that stood still as often.
#[test]
fn who_comes_in_a_pause_makes_nobody_else_get_the_last_picture_again() {
    let (camera, _told) = camera_with("keepalive-interval=0");
    let browser = || Viewer::open_as(connect(camera.address()), "/stream?layout=advance", "");
    let (last, next) = (&pictures()[0], &pictures()[1]);
    let mut first = browser();
    camera.push(last);
    first.expect_ahead(last);
    first.expect_ahead(last);
    let mut second = browser();
    second.expect_ahead(last);
    second.expect_ahead(last);
    camera.push(next);
    first.expect_ahead(next);
    second.expect_ahead(next);
}

/// It has sent all that it will, so it is not read, and no picture comes, so it is not written to.
#[test]
fn a_viewer_whose_connection_breaks_after_it_stopped_sending_is_gone_at_once() {
    let (camera, told) = camera_with("keepalive-interval=0");
    let mut viewer = Viewer::open(camera.address());
    assert_eq!(next(&told), Told::Added(1));
    viewer.stream().shutdown(std::net::Shutdown::Write).expect("it is connected");
    // That the end was read is answered with the beginning of the next part.
    viewer.wait_for_more();
    // Closing resets the connection then, as a machine that has forgotten it does.
    socket2::SockRef::from(viewer.stream()).set_linger(Some(std::time::Duration::ZERO)).expect("a socket option");
    drop(viewer);
    assert_eq!(next(&told), Told::Removed(1, "closed".to_owned()));
}
