//! A stream that is lost is asked for again, and everybody can see why.

mod common;

use std::time::Instant;

use common::{
    jpeg,
    pipeline::{Camera, numbered, pictures},
    process::free_port,
    script_server::{Script, ScriptServer, Step, answer, chunk, head, part, send},
    source::{Source, assert_back, assert_same, bytes},
};
use gst::{ResourceError, prelude::*};

/// Plays a picture, loses the stream by what `end` does, and plays the next picture.
#[track_caller]
fn assert_recovers(end: Script, reason: &str) {
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let before = [vec![head(), part(&first), Step::Wait], end].concat();
    let server = ScriptServer::play([before, vec![head(), part(&second)]]);
    let source = Source::new(&server.url()).set("timeout", 1u32).hasty().play();

    let sample = source.sample();
    assert_same(&bytes(&sample), &first, "the picture before");
    assert_eq!(state(&source.change()), "connected");
    server.allow();
    let lost = source.change();
    assert_eq!(state(&lost), "reconnecting");
    let said: String = lost.get("reason").expect("a loss has a reason");
    assert!(said.contains(reason), "{said:?} does not say {reason:?}");
    assert_eq!(lost.get("attempt"), Ok(1u32));
    assert_eq!(state(&source.change()), "connected");
    assert_next(&source, &second, &sample);

    let (_, again) = (server.request(), server.request());
    assert!(again.alone, "the old connection was still there when the new one was made");
    assert!(again.head.starts_with("GET /stream HTTP/1.1\r\n"), "{}", again.head);
    assert!(!again.head.to_lowercase().contains("range:"), "{}", again.head);
    assert_eq!(source.stat("reconnects"), 1);
}

/// The next picture is this one, marked as one after a gap, and not from before.
#[track_caller]
fn assert_next(source: &Source, picture: &[u8], before: &gst::Sample) {
    let sample = source.sample();
    assert_same(&bytes(&sample), picture, "the picture after");
    let pts = |sample: &gst::Sample| sample.buffer().and_then(gst::BufferRef::pts).expect("every picture has a time");
    assert!(pts(&sample) >= pts(before), "running time goes on");
    let flags = sample.buffer().expect("samples have buffers").flags();
    assert!(flags.contains(gst::BufferFlags::DISCONT), "there is a gap before it");
}

fn state(change: &gst::Structure) -> String {
    change.get("state").expect("each change has a state")
}

#[test]
fn stream_that_is_closed_comes_back() {
    assert_recovers(vec![Step::Close], "closed");
}

#[test]
fn stream_that_breaks_off_in_a_picture_comes_back() {
    assert_recovers(vec![send(&jpeg::picture(7)[..200]), Step::Close], "closed");
}

#[test]
fn stream_that_is_reset_comes_back() {
    assert_recovers(vec![Step::Reset], "broke");
}

#[test]
fn stream_that_stalls_comes_back() {
    assert_recovers(vec![], "no byte came for 1 s");
}

#[test]
fn stream_that_stalls_in_a_picture_comes_back() {
    assert_recovers(vec![send(&jpeg::picture(7)[..200])], "no byte came for 1 s");
}

#[test]
fn damaged_chunks_are_a_loss() {
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let head = || send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let broken = vec![head(), send(chunk(&first)), send("no chunk at all\r\n")];
    let server = ScriptServer::play([broken, vec![head(), send(chunk(&second))]]);
    let source = Source::new(&server.url()).lossless().hasty().play();
    let sample = source.sample();
    assert_same(&bytes(&sample), &first, "the picture before");
    assert_next(&source, &second, &sample);
}

#[test]
fn garbage_in_the_stream_costs_no_connection() {
    let garbage: Vec<u8> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (first, second, third) = (jpeg::picture(0), jpeg::picture(1), jpeg::picture(2));
    let script = vec![head(), part(&first), send(garbage), part(&second), part(&third)];
    let server = ScriptServer::play([script]);
    let source = Source::new(&server.url()).lossless().hasty().play();
    assert_same(&source.frame(), &first, "the picture before");
    // Garbage may look as if a picture began in it, which then costs one.
    let frame = source.frame();
    assert_same(&frame, if frame == second { &second } else { &third }, "a picture after");
    assert_eq!(source.stat("reconnects"), 0);
}

#[test]
fn garbage_without_end_is_a_loss() {
    let noise = send(vec![b'x'; 1 << 20]);
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let endless = [head(), part(&first)].into_iter().chain(std::iter::repeat_n(noise, 65)).collect();
    let server = ScriptServer::play([endless, vec![head(), part(&second)]]);
    let source = Source::new(&server.url()).hasty().play();
    let sample = source.sample();
    assert_same(&bytes(&sample), &first, "the picture before");
    assert_next(&source, &second, &sample);
}

#[test]
fn what_failed_later_than_at_first_is_tried_again() {
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let lost = || vec![head(), part(&first), Step::Close];
    let page = vec![send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>rebooting</html>"), Step::Close];
    let no_http = vec![send("\0\0\0\0\0\0\r\n\r\n"), Step::Close];
    let failures = [answer("404 Not Found"), answer("401 Unauthorized"), answer("500 Oops"), page, no_http];
    let scripts = std::iter::once(lost()).chain(failures).chain([vec![head(), part(&second)]]);
    let server = ScriptServer::play(scripts.collect::<Vec<_>>());
    let source = Source::new(&server.url()).lossless().hasty().play();
    let sample = source.sample();
    assert_next(&source, &second, &sample);

    let changes: Vec<_> = (0..8).map(|_| source.change()).collect();
    let states: Vec<_> = changes.iter().map(state).collect();
    assert_eq!(states, [&["connected"][..], &["reconnecting"; 6], &["connected"]].concat());
    let attempts: Vec<u32> = changes[1..7].iter().map(|change| change.get("attempt").expect("a number")).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6]);
    let requests: Vec<_> = (0..7).map(|_| server.request()).collect();
    assert!(requests.iter().all(|request| request.alone), "one connection at a time");
}

#[test]
fn server_that_is_busy_at_first_is_asked_again() {
    let picture = jpeg::picture(0);
    let busy = answer("503 Service Unavailable\r\nRetry-After: 0");
    let server = ScriptServer::play([busy.clone(), busy, vec![head(), part(&picture)]]);
    let source = Source::new(&server.url()).hasty().play();
    let lost = source.change();
    assert_eq!(state(&lost), "reconnecting");
    let reason: String = lost.get("reason").expect("a loss has a reason");
    assert!(reason.contains("503 Service Unavailable"), "{reason}");
    assert_same(&source.frame(), &picture, "the picture");
}

#[test]
fn a_loss_is_a_warning_too() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0)), Step::Close]]);
    let source = Source::playing(&server.url());
    let message = source.message(gst::MessageType::Warning);
    let gst::MessageView::Warning(warning) = message.view() else { unreachable!("asked for a warning") };
    let text = warning.error().message().to_owned();
    for word in ["the server closed the stream", "trying again in", "attempt 1"] {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

#[test]
fn no_retries_make_the_first_loss_an_error() {
    let picture = jpeg::picture(0);
    let server = ScriptServer::play([vec![head(), part(&picture), Step::Close]]);
    let source = Source::new(&server.url()).set("retries", 0).play();
    assert_same(&source.frame(), &picture, "the picture before the loss");
    source.assert_fails(ResourceError::Read, &["closed"]);
}

#[test]
fn two_retries_make_the_third_loss_in_a_row_an_error() {
    let server = ScriptServer::play(std::iter::repeat_with(|| answer("503 Service Unavailable")));
    let source = Source::new(&server.url()).hasty().set("retries", 2).play();
    source.assert_fails(ResourceError::OpenRead, &["503"]);
    let requests = [server.request(), server.request(), server.request()];
    assert_eq!((requests.len(), server.more_requests()), (3, 0));
}

#[test]
fn a_picture_gives_all_retries_back() {
    let pictures: Vec<_> = (0..5).map(jpeg::picture).collect();
    let scripts: Vec<_> = pictures.iter().map(|jpeg| vec![head(), part(jpeg), Step::Close]).collect();
    let server = ScriptServer::play(scripts);
    let source = Source::new(&server.url()).lossless().hasty().set("retries", 1).play();
    for (index, picture) in pictures.iter().enumerate() {
        assert_same(&source.frame(), picture, &format!("picture {index}"));
    }
}

#[test]
fn eos_on_close_ends_after_the_last_picture() {
    let (first, last) = (jpeg::picture(0), jpeg::picture(1));
    // Nothing but the end says that the last picture is whole.
    let no_delimiter = send([b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".as_slice(), &last].concat());
    let server = ScriptServer::play([vec![head(), part(&first), no_delimiter, Step::Close]]);
    let source = Source::new(&server.url()).lossless().set("eos-on-close", true).play();
    assert_same(&source.frame(), &first, "the first picture");
    assert_same(&source.frame(), &last, "the last picture");
    source.assert_ends();
    source.message(gst::MessageType::Eos);
}

/// Seen from outside: the film was over, and EOS came after `timeout`.
#[test]
fn eos_on_close_ends_behind_a_closing_delimiter_where_the_length_ends_too() {
    let Step::Send(part) = part(&jpeg::picture(0)) else { unreachable!("a part is sent") };
    for end in ["--frame--", "--frame--\r\n"] {
        let body = [&part, end.as_bytes()].concat();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let server = ScriptServer::play([vec![send(head), send(body)]]);
        let source = Source::new(&server.url()).lossless().set("eos-on-close", true).play();
        assert_same(&source.frame(), &jpeg::picture(0), "the picture");
        source.assert_ends();
    }
}

#[test]
fn eos_on_close_takes_a_reset_for_a_loss() {
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let reset = vec![head(), part(&first), Step::Wait, Step::Reset];
    let server = ScriptServer::play([reset, vec![head(), part(&second), Step::Close]]);
    let source = Source::new(&server.url()).set("eos-on-close", true).hasty().play();
    assert_same(&source.frame(), &first, "the picture before");
    server.allow();
    assert_same(&source.frame(), &second, "the picture after");
    source.assert_ends();
}

/// One picture and the end, over and over: five requests a second would be all that such a server does.
#[test]
fn a_server_that_plays_a_picture_at_a_time_is_asked_less_and_less() {
    let playing = || vec![head(), part(&jpeg::picture(0)), Step::Close];
    let server = ScriptServer::play(std::iter::repeat_with(playing));
    let source = Source::new(&server.url())
        .set("reconnect-delay-min", 2_000_000u64)
        .set("reconnect-delay-max", 16_000_000u64)
        .play();
    let changes = std::iter::repeat_with(|| source.change()).filter(|change| state(change) == "reconnecting").take(5);
    for (change, most) in changes.zip([2, 4, 8, 16, 16]) {
        assert_eq!(change.get("attempt"), Ok(1u32), "each picture gives all tries back");
        let delay = change.get::<gst::ClockTime>("delay").expect("a loss says how long it waits").useconds();
        assert!((most * 500..=most * 1000).contains(&delay), "{delay} us instead of up to {most} ms");
    }
}

/// Cameras lock out who tries a wrong password again and again.
#[test]
fn a_password_that_is_refused_later_is_not_tried_again_soon() {
    let playing = vec![head(), part(&jpeg::picture(0)), Step::Close];
    // The second answer is to the password.
    let server = ScriptServer::play([playing, answer("401 Unauthorized"), answer("401 Unauthorized")]);
    let source = Source::new(&server.url()).set("user-id", "user").set("user-pw", "old").hasty().play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture before");
    let delays: Vec<gst::ClockTime> = (0..3).filter_map(|_| source.change().get("delay").ok()).collect();
    assert!(delays[0] < gst::ClockTime::SECOND, "{delays:?}");
    assert!(delays[1] >= gst::ClockTime::from_seconds(30), "{delays:?}");
}

/// It may still be booting.
#[test]
fn camera_that_is_not_there_yet_is_waited_for() {
    let port = free_port();
    let source = Source::new(&format!("http://127.0.0.1:{port}/stream")).hasty().play();
    for attempt in 1..=3u32 {
        let change = source.change();
        assert_eq!((state(&change).as_str(), change.get("attempt")), ("reconnecting", Ok(attempt)));
        let reason: String = change.get("reason").expect("a loss has a reason");
        assert!(reason.contains(&format!("127.0.0.1:{port}")) && reason.contains("check host and port"), "{reason}");
    }
    let camera = Camera::new("is-live=true do-timestamp=true", &format!("port={port}")).play();
    camera.push(&numbered(&pictures()[0], 0));
    source.frame();
}

/// Seen from outside: what a server says that has no picture yet was an error, as a text instead of pictures is.
#[test]
fn answer_that_has_hardly_begun_is_asked_for_again() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n";
    let picture = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n";
    for begun in [
        format!("{stream}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{picture}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{stream}Transfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n"),
        format!("{stream}\r\n\r\n--fra"),
        format!("{stream}\r\n \r\n"),
        format!("{stream}\r\nContent-Type: image/jpeg\r\n"),
    ] {
        let server = ScriptServer::play([vec![send(&begun), Step::Close], vec![head(), part(&jpeg::picture(0))]]);
        let source = Source::new(&server.url()).hasty().play();
        assert_same(&source.frame(), &jpeg::picture(0), &begun);
    }
}

/// Seen from outside: an error, as if it were certain that there is no camera.
#[test]
fn what_no_camera_means_to_send_is_asked_for_again_even_at_first() {
    let noise = vec![b'x'; 1 << 20];
    let endless =
        |opening: &[u8]| std::iter::once(send(opening)).chain(std::iter::repeat_n(send(&noise), 66)).collect();
    let long = part(&jpeg::any(0, 20_000).bytes());
    for (what, begun) in [
        ("a byte", vec![send("\0"), Step::Close]),
        ("no HTTP", vec![send("\0garbage\r\n\r\n"), Step::Close]),
        ("a body that is no stream", vec![head(), send("garbage"), Step::Close]),
        ("a head without end", endless(b"HTTP/1.1 200 OK\r\nX: ")),
        ("a preamble without end", endless(b"HTTP/1.1 200 OK\r\n\r\n")),
        ("a picture without end", endless(&[b"HTTP/1.1 200 OK\r\n\r\n", &jpeg::picture(0)[..300]].concat())),
        ("a picture that is too long", vec![head(), long, Step::Close]),
    ] {
        let server = ScriptServer::play([begun, vec![head(), part(&jpeg::picture(0))]]);
        let source = Source::new(&server.url()).set("max-frame-size", 10_000u32).hasty().play();
        assert_same(&source.frame(), &jpeg::picture(0), what);
    }
}

/// Not where other tests start programs: those hold what is open here for a moment, the listening socket too.
#[test]
fn pictures_come_again_each_time_a_closed_port_is_open_again() {
    const TIMES: u32 = 50;
    let port = free_port();
    let camera = Camera::new("is-live=true do-timestamp=true", "");
    camera.sink.set_property("port", i32::from(port));
    camera.set_state(gst::State::Playing);
    camera.push(&numbered(&pictures()[0], 0));
    let source = Source::new(&format!("http://127.0.0.1:{port}/stream")).hasty().play();
    source.frame();
    let mut took = Vec::new();
    for n in 1..=TIMES {
        source.lose(|| camera.set_state(gst::State::Null));
        let start = Instant::now();
        camera.set_state(gst::State::Playing);
        let picture = numbered(&pictures()[0], n);
        camera.push(&picture);
        assert!(source.frame() == picture, "round {n}");
        took.push(start.elapsed());
    }
    assert_back(took, "times a port closed, until a picture came after it was open");
}
