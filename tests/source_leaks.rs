//! Starting and stopping leaves nothing behind. A program of its own: it counts the threads and descriptors of it all.

mod common;

use std::fs;

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

#[test]
fn hundred_cycles_leave_no_thread_and_no_descriptor() {
    init();
    let server = ScriptServer::play(std::iter::repeat_with(|| vec![head(), part(&jpeg::picture(0))]));
    // The first ones start what the process keeps: GStreamer's and GIO's pools.
    (0..10).for_each(|_| cycle(&server));
    let before = held();
    (0..100).for_each(|_| cycle(&server));

    // A thread that has been joined may be seen in /proc for a moment more.
    wait_until(&format!("no more threads and descriptors than {before:?}"), || {
        let (threads, descriptors) = held();
        threads <= before.0 && descriptors <= before.1
    });
}
