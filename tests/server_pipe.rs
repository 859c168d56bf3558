//! The server on a pipe in memory: what it takes and when, known to the byte.

mod common;
#[path = "laws/mod.rs"]
mod laws;

use common::{
    jpeg,
    pipe::{self, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, WINDOW_UPDATE, frame, get},
};
use gstmjpeghttp::{
    multipart::{Event, Limits},
    server::{Handler, Secrets, Spoken},
};
use laws::reader::events;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter},
    time::{Duration, Instant},
};

/// Each picture that waits in the process beside the one under way is one that gets old. hyper alone has room for 400
/// kB of them, TLS for 64 kB, which stand in a buffer here as they would in TLS: what is written has not left before it
/// is flushed.
#[test]
fn the_next_picture_is_chosen_when_the_last_one_has_left_tls_too() {
    for (spoken, request) in [(Spoken::Http1, b"GET /stream HTTP/1.1\r\n\r\n".to_vec()), (Spoken::Http2, by_http2())] {
        let pictures: Vec<_> = (0..10).map(|index| jpeg::any(index, 2000).bytes()).collect();
        let (taken, answer) = pipe::run(watch_late(spoken, &request, &pictures));
        assert_eq!(taken, 1, "pictures taken by {spoken:?} while the visitor reads nothing");
        let read = events(&[&body(spoken, &answer)], Limits::default());
        let read: Vec<_> = read.iter().map(|event| pictures.iter().position(|jpeg| is(event, jpeg))).collect();
        assert_eq!(read, [Some(0), Some(9)], "by {spoken:?}");
    }
}

/// Found by a law: the end of a picture that the socket did not take at once was lost where the connection was to close
/// behind it, as after HTTP/1.0, which nginx speaks to those behind it.
#[test]
fn the_last_answer_comes_whole_however_small_its_way_is() {
    let picture = jpeg::any(0, 2000).bytes();
    for (request, last) in [
        ("GET /snapshot HTTP/1.0\r\n\r\n", picture.as_slice()),
        ("GET /snapshot HTTP/1.1\r\nConnection: close\r\n\r\n", &picture),
        ("GET / HTTP/1.1\r\n\r\nGET /snapshot HTTP/1.1\r\nConnection: close\r\n\r\n", &picture),
        ("no request\r\n\r\n", b"\r\n\r\n"),
    ] {
        let answer = pipe::run(ask(request.as_bytes(), &picture));
        assert!(answer.ends_with(last), "{} bytes to {request:?}", answer.len());
    }
}

/// Who talks is listened to for a while when it has been answered, so that it gets the answer.
#[test]
fn a_stop_does_not_wait_for_who_has_been_answered_and_talks() {
    let waited = pipe::run(async {
        let handler = Handler::new(Secrets::default(), None);
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let visit = async {
            ours.write_all(b"no request\r\n\r\nand more of it").await.expect("a pipe does not fail");
            let answered = ours.read_to_end(&mut Vec::new()).await.expect("a pipe does not fail");
            assert!(answered > 0);
            pipe::settle().await;
            handler.stop();
            Instant::now()
        };
        let (stopped, ()) = tokio::join!(visit, handler.serve(theirs, Spoken::Http1));
        stopped.elapsed()
    });
    assert_eq!(waited, Duration::ZERO);
}

/// Asks through a pipe of a few bytes, and what is answered until the server closes.
async fn ask(request: &[u8], picture: &[u8]) -> Vec<u8> {
    let (handler, camera) = (Handler::new(Secrets::default(), None), pipe::camera());
    assert!(handler.add("/".parse().expect("a mount"), camera.clone()));
    pipe::publish(&camera, picture);
    let (ours, theirs) = tokio::io::duplex(16);
    let (mut from_server, mut to_server) = tokio::io::split(ours);
    let mut answer = Vec::new();
    let (asked, read, ()) = tokio::join!(
        to_server.write_all(request),
        from_server.read_to_end(&mut answer),
        handler.serve(theirs, Spoken::Http1)
    );
    asked.and(read).expect("a pipe does not fail");
    answer
}

/// Asks, reads nothing while these pictures come, then all; how many had been taken until then, and what was read.
async fn watch_late(spoken: Spoken, request: &[u8], pictures: &[Vec<u8>]) -> (u64, Vec<u8>) {
    let (handler, camera) = (Handler::new(Secrets::default(), None), pipe::camera());
    assert!(handler.add("/".parse().expect("a mount"), camera.clone()));
    let (ours, theirs) = tokio::io::duplex(1024);
    let visit = async {
        let (mut from_server, mut to_server) = tokio::io::split(ours);
        to_server.write_all(request).await.expect("the request is taken");
        for picture in pictures {
            pipe::settle().await;
            pipe::publish(&camera, picture);
        }
        pipe::settle().await;
        let taken = camera.viewers.served().pictures;
        camera.fanout.end();
        let leaving = async {
            while camera.viewers.count() > 0 {
                pipe::settle().await;
            }
            to_server.shutdown().await
        };
        let mut answer = Vec::new();
        let (left, read) = tokio::join!(leaving, from_server.read_to_end(&mut answer));
        left.and(read).expect("a pipe does not fail");
        (taken, answer)
    };
    tokio::join!(visit, handler.serve(BufWriter::with_capacity(TLS_BUFFER, theirs), spoken)).0
}

/// The stream asked for, with windows for all of it.
fn by_http2() -> Vec<u8> {
    let window = 1u32 << 20;
    let settings = [&[0, 4], &window.to_be_bytes()[..]].concat();
    [
        PREFACE,
        &frame(SETTINGS, 0, 0, &settings),
        &frame(WINDOW_UPDATE, 0, 0, &window.to_be_bytes()),
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/stream")),
    ]
    .concat()
}

/// The stream of pictures in an answer.
fn body(spoken: Spoken, answer: &[u8]) -> Vec<u8> {
    match spoken {
        Spoken::Http1 => {
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
            answer[head + 4..].to_vec()
        }
        Spoken::Http2 => {
            let frames = laws::server::frames(answer).filter(|frame| frame.kind == DATA);
            frames.flat_map(|frame| frame.payload).copied().collect()
        }
    }
}

fn is(event: &Event<()>, jpeg: &[u8]) -> bool {
    matches!(event, Event::Frame(frame) if frame.jpeg == jpeg)
}

/// What rustls holds by default, in bytes.
const TLS_BUFFER: usize = 64 * 1024;
