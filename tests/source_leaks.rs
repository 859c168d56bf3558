//! Starting and stopping leaves nothing behind. A program of its own: it counts the threads and descriptors of it all.

mod common;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
};

use common::{
    jpeg,
    pipeline::{init, wait_until},
    script_server::{ScriptServer, head, part},
    source::Source,
};

/// What the process has: threads, descriptors.
fn held() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).expect("Linux").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

fn cycle(server: &ScriptServer) {
    let source = Source::playing(&server.url());
    assert_eq!(source.frame(), jpeg::picture(0));
    server.request();
}

/// A connection that is never made.
fn vain_cycle(address: SocketAddr) {
    let source = Source::new(&format!("https://{address}/")).set("connect-timeout", 1_000_000u64);
    let source = source.set("retries", 0).play();
    source.failure();
}

/// Does this again and again.
#[track_caller]
fn assert_nothing_is_left_by(cycle: impl Fn()) {
    // The first ones start what the process keeps: GStreamer's and GIO's pools.
    (0..10).for_each(|_| cycle());
    let before = held();
    (0..100).for_each(|_| cycle());

    // A thread that has been joined may be seen in /proc for a moment more.
    wait_until(&format!("no more threads and descriptors than {before:?}"), || {
        let (threads, descriptors) = held();
        threads <= before.0 && descriptors <= before.1
    });
}

/// One test, as the other's threads would count.
#[test]
fn hundred_cycles_leave_no_thread_and_no_descriptor() {
    init();
    let server = ScriptServer::play(std::iter::repeat_with(|| vec![head(), part(&jpeg::picture(0))]));
    assert_nothing_is_left_by(|| cycle(&server));
    drop(server);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    assert_nothing_is_left_by(|| vain_cycle(address));
}
