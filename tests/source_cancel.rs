//! The source stops at once, whatever it is waiting for.

mod common;

use std::{
    net::TcpListener,
    sync::mpsc,
    time::{Duration, Instant},
};

use common::{
    jpeg,
    pipeline::{DEADLINE, wait_until},
    script_server::{Script, ScriptServer, Step, answer, head, part, send},
    source::Source,
    stubborn::black_hole,
};
use gst::prelude::*;

/// How often each phase is stopped.
const TIMES: usize = 100;

/// What is promised for 99 of 100. Asked of 90, as the machine may be busy elsewhere.
const PROMISED: Duration = Duration::from_millis(100);

/// For the slowest. Far above what it takes, for machines that are busy elsewhere; far below every time limit of the
/// source.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Stops a source again and again in the same phase, and prints how long that took.
#[track_caller]
fn assert_stops_at_once(phase: &str, mut reach: impl FnMut() -> Source) {
    let mut took: Vec<_> = (0..TIMES)
        .map(|_| {
            let source = reach();
            let start = Instant::now();
            source.set_state(gst::State::Null);
            start.elapsed()
        })
        .collect();
    took.sort();
    let (median, most, longest) = (took[TIMES / 2], took[TIMES * 99 / 100 - 1], took[TIMES - 1]);
    println!("{phase}: median {median:?}, 99 % within {most:?}, longest {longest:?} of {TIMES}");
    assert!(took[TIMES * 9 / 10] < PROMISED && longest < AT_ONCE, "{phase}: {took:?}");
}

/// A server that plays the same to every connection.
fn always(script: Script) -> ScriptServer {
    ScriptServer::play(std::iter::repeat(script))
}

#[test]
fn stops_while_connecting() {
    let (_sockets, address) = black_hole("127.0.0.1:0");
    // The peer as the kernel shows it, state SYN-SENT.
    let line = format!(" 0100007F:{:04X} 02 ", address.port());
    let connecting = || std::fs::read_to_string("/proc/net/tcp").expect("Linux").matches(&line).count();
    let fillers = connecting();
    assert_stops_at_once("connecting", || {
        let source = Source::playing(&format!("http://{address}/"));
        wait_until("a connection", || connecting() > fillers);
        source
    });
}

#[test]
fn connecting_has_a_limit() {
    let (_sockets, address) = black_hole("127.0.0.1:0");
    let source = Source::new(&format!("http://{address}/")).set("connect-timeout", 1_000_000_000u64);
    let source = source.set("retries", 0).play();
    source.assert_fails(gst::ResourceError::OpenRead, &[&address.to_string(), "timed out"]);
}

#[test]
fn stops_while_nobody_accepts() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    // The kernel has taken the connection, and the request on it, for who should accept it: state ESTABLISHED, and a
    // queue of bytes to be received. Those of sources that have stopped are in another state.
    let local = format!("0100007F:{:04X}", address.port());
    let asked = || {
        let sockets = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        sockets.lines().any(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, of, _, "01", queues, ..] => of == local && !queues.ends_with(":00000000"),
            _ => false,
        })
    };
    assert_stops_at_once("nobody accepts", || {
        let source = Source::playing(&format!("http://{address}/"));
        wait_until("a request", asked);
        source
    });
}

#[test]
fn stops_while_waiting_for_the_head() {
    let server = always(vec![]);
    assert_stops_at_once("waiting for the head", || {
        let source = Source::playing(&server.url());
        server.request();
        source
    });
}

#[test]
fn stops_in_the_middle_of_the_head() {
    let server = always(vec![send("HTTP/1.1 200 OK\r\nContent-Ty")]);
    assert_stops_at_once("in the head", || {
        let source = Source::playing(&server.url());
        server.request();
        source
    });
}

#[test]
fn stops_while_the_other_side_is_silent_about_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    assert_stops_at_once("TLS", || {
        let source = Source::playing(&format!("https://{address}/"));
        let (client, _) = listener.accept().expect("the source connects");
        // The first byte of its hello.
        client.peek(&mut [0]).expect("the source speaks first");
        std::mem::forget(client);
        source
    });
}

#[test]
fn stops_between_two_pictures() {
    let server = always(vec![head(), part(&jpeg::picture(0))]);
    assert_stops_at_once("between pictures", || {
        let source = Source::playing(&server.url());
        source.frame();
        source
    });
}

#[test]
fn stops_in_the_middle_of_a_picture() {
    let picture = jpeg::picture(1);
    let server = always(vec![head(), part(&jpeg::picture(0)), send(&picture[..200])]);
    assert_stops_at_once("in a picture", || {
        let source = Source::playing(&server.url());
        source.frame();
        source
    });
}

#[test]
fn stops_while_it_waits_before_the_next_try() {
    let server = always(vec![head(), part(&jpeg::picture(0)), Step::Close]);
    assert_stops_at_once("in back-off", || {
        let source = Source::new(&server.url())
            .set("reconnect-delay-min", 3_600_000_000_000u64)
            .set("reconnect-delay-max", 3_600_000_000_000u64)
            .play();
        source.message(gst::MessageType::Warning);
        source
    });
}

#[test]
fn stops_between_two_snapshots() {
    let picture = jpeg::picture(0);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", picture.len());
    let server = always(vec![send([head.as_bytes(), &picture].concat())]);
    assert_stops_at_once("between snapshots", || {
        let source = Source::new(&server.url()).set("poll-interval", 3_600_000_000_000u64).play();
        source.frame();
        source
    });
}

#[test]
fn stops_while_a_proxy_makes_no_tunnel() {
    let server = always(vec![]);
    assert_stops_at_once("tunnel", || {
        let source = Source::new("https://camera.invalid/").set("proxy", server.address().to_string()).play();
        server.request();
        source
    });
}

#[test]
fn stops_in_pause() {
    let server = always(vec![head(), part(&jpeg::picture(0))]);
    assert_stops_at_once("in pause", || {
        let source = Source::new(&server.url());
        source.set_state(gst::State::Paused);
        source.await_stat("frames", 1);
        source
    });
}

#[test]
fn stops_while_the_camera_has_to_wait() {
    let pictures = (0..10).map(|index| part(&jpeg::picture(index)));
    let server = always([head()].into_iter().chain(pictures).collect());
    assert_stops_at_once("queue full", || {
        let source = Source::new(&server.url()).lossless().set("max-queued-frames", 1u32);
        source.sink.set_max_buffers(1);
        let source = source.play();
        // One in the sink, one on its way, one in the queue, and this one has no place.
        source.await_stat("frames", 4);
        source
    });
}

#[test]
fn stops_after_an_error() {
    let server = always(vec![send("HTTP/1.1 404 Not Found\r\n\r\n"), Step::Close]);
    assert_stops_at_once("after an error", || {
        let source = Source::playing(&server.url());
        source.failure();
        source
    });
}

/// Seen from outside: a panic, as the reading thread waited for itself.
#[test]
fn stops_from_within_its_own_message() {
    let server = ScriptServer::play([vec![head()], vec![head(), Step::Close], vec![head(), part(&jpeg::picture(0))]]);
    let source = Source::new(&server.url()).hasty();
    for state in ["connected", "reconnecting"] {
        let (sender, stopped) = mpsc::channel();
        let pipeline = source.pipeline.downgrade();
        source.bus.set_sync_handler(move |_, message| {
            if message.structure().is_some_and(|structure| structure.get("state") == Ok(state)) {
                let pipeline = pipeline.upgrade().expect("the test holds it");
                let _ = sender.send(pipeline.set_state(gst::State::Null).is_ok());
            }
            gst::BusSyncReply::Pass
        });
        source.set_state(gst::State::Playing);
        assert_eq!(stopped.recv_timeout(DEADLINE), Ok(true), "{state}");
        source.bus.unset_sync_handler();
    }
    let source = source.play();
    assert_eq!(source.frame(), jpeg::picture(0));
}

#[test]
fn plays_again_after_a_stop() {
    let server = always(vec![head(), part(&jpeg::picture(0))]);
    let mut source = Source::new(&server.url());
    for _ in 0..5 {
        source = source.play();
        assert_eq!(source.frame(), jpeg::picture(0));
        source.set_state(gst::State::Ready);
    }
}

/// Seen from outside: a program that stops the pipeline and then asks how it went got zeros.
#[test]
fn figures_stay_until_the_next_start() {
    let picture = jpeg::picture(0);
    let server = always(vec![head(), part(&picture), part(&picture)]);
    let mut source = Source::new(&server.url());
    for _ in 0..2 {
        source = source.play();
        source.await_stat("frames", 2);
        let bytes = source.stat("bytes");
        for state in [gst::State::Ready, gst::State::Null] {
            source.set_state(state);
            assert_eq!((source.stat("frames"), source.stat("bytes")), (2, bytes), "{state:?}");
            let stats = source.element.property::<gst::Structure>("stats");
            assert_eq!(stats.get("connected-for"), Ok(None::<gst::ClockTime>), "{state:?}");
        }
    }
}

#[test]
fn plays_again_after_an_error() {
    let picture = jpeg::picture(0);
    let server = ScriptServer::play([answer("404 Not Found"), vec![head(), part(&picture)]]);
    let source = Source::playing(&server.url());
    source.failure();
    source.set_state(gst::State::Null);
    let source = source.play();
    assert_eq!(source.frame(), picture);
}

#[test]
fn flush_interrupts_a_wait_and_playing_goes_on() {
    let server = ScriptServer::play([vec![head(), Step::Wait, part(&jpeg::picture(0))]]);
    let source = Source::playing(&server.url());
    server.request();
    for _ in 0..20 {
        assert!(source.element.send_event(gst::event::FlushStart::new()));
        assert!(source.element.send_event(gst::event::FlushStop::new(false)));
    }
    server.allow();
    assert_eq!(source.frame(), jpeg::picture(0));
    assert_eq!(server.more_requests(), 0, "a flush is no reason to ask again");
}
