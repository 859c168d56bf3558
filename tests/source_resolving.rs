//! Names that nobody knows, or not yet: the system's resolver is replaced, so this needs a program of its own.

mod common;

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::{Condvar, Mutex},
    time::{Duration, Instant},
};

use common::source::Source;

/// How many calls of the resolver have begun. They never end.
static ASKED: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

const EAI_NONAME: c_int = -2;

/// Stands in for the C library's: what asks it for the slow name waits for ever, all else is not found.
///
/// # Safety
///
/// As the C library's own: `node` is null or a text that ends with 0.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    _service: *const c_char,
    _hints: *const c_void,
    _result: *mut *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let is_slow = !node.is_null() && unsafe { CStr::from_ptr(node) } == c"slow.invalid";
    if !is_slow {
        return EAI_NONAME;
    }
    *ASKED.0.lock().expect("nobody panics with it") += 1;
    ASKED.1.notify_all();
    loop {
        std::thread::park();
    }
}

#[test]
fn stops_while_resolving() {
    // Each leaves a thread of GIO's behind, as the C library has no way to be interrupted; GIO has ten.
    const TIMES: usize = 8;
    let mut took = Vec::new();
    for times in 1..=TIMES {
        let source = Source::playing("http://slow.invalid/stream");
        let asked = ASKED.0.lock().expect("nobody panics with it");
        let limit = Duration::from_secs(10);
        let (asked, _) = ASKED.1.wait_timeout_while(asked, limit, |asked| *asked < times).expect("nobody panics");
        assert_eq!(*asked, times, "the source resolves the name");
        drop(asked);
        let start = Instant::now();
        source.set_state(gst::State::Null);
        took.push(start.elapsed());
    }
    took.sort();
    println!("resolving: median {:?}, longest {:?} of {TIMES}", took[TIMES / 2], took[TIMES - 1]);
    assert!(took[TIMES - 1] < Duration::from_secs(1), "{took:?}");
}

#[test]
fn unknown_host_is_not_found() {
    let source = Source::playing("http://camera.invalid/stream");
    source.assert_fails(gst::ResourceError::NotFound, &["camera.invalid", "check the name in location"]);
}
