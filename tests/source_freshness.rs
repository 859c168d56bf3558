//! Downstream slower than the camera: the newest picture, or all of them.

mod common;

use std::time::{Duration, Instant};

use common::{
    jpeg,
    pipeline::wait_until,
    script_server::{Script, ScriptServer, Step, head, part},
    source::{Source, assert_same},
};

/// Age from which on a picture does not come out if there is a newer one.
const STALE: Duration = Duration::from_millis(10);

/// Downstream holds one picture, and takes the next when the test has pulled it.
fn slow(server: &ScriptServer) -> Source {
    let source = Source::new(&server.url());
    source.sink.set_max_buffers(1);
    source
}

/// A picture for each permission.
fn picture_by_picture(count: usize) -> Script {
    let step = |index| [Step::Wait, part(&jpeg::picture(index))];
    [head()].into_iter().chain((0..count).flat_map(step)).collect()
}

#[test]
fn slow_downstream_gets_the_newest_picture() {
    const COUNT: usize = 20;
    let server = ScriptServer::play([picture_by_picture(COUNT)]);
    let source = slow(&server).play();
    for count in 1..=COUNT as u64 {
        server.allow();
        source.await_stat("frames", count);
    }
    let came = Instant::now();
    wait_until("pictures so old that they are stale", || came.elapsed() > STALE);

    let newest = jpeg::picture(COUNT - 1);
    let mut pulled = vec![source.frame()];
    while *pulled.last().expect("it begins with one") != newest {
        pulled.push(source.frame());
    }
    let numbers: Vec<_> = pulled.iter().map(|frame| (0..COUNT).find(|index| jpeg::picture(*index) == *frame)).collect();
    assert!(numbers.is_sorted() && !numbers.contains(&None), "{numbers:?}");
    assert!(pulled.len() <= 3, "one in the sink, one on its way, and then the newest: {numbers:?}");
    assert_eq!(source.stat("frames"), pulled.len() as u64 + source.stat("skipped"));
}

#[test]
fn skipped_pictures_leave_a_gap() {
    let server = ScriptServer::play([picture_by_picture(10)]);
    // Room for the newest alone, so that age does not matter.
    let source = slow(&server).set("max-queued-frames", 1u32).play();
    for count in 1..=10 {
        server.allow();
        source.await_stat("frames", count);
    }
    // One is in the sink, one on its way, one in the queue at most.
    wait_until("7 skipped pictures", || source.stat("skipped") >= 7);
    let newest = jpeg::picture(9);
    loop {
        let sample = source.sample();
        let buffer = sample.buffer().expect("samples have buffers");
        if *buffer.map_readable().expect("buffers can be read") == newest {
            assert!(buffer.flags().contains(gst::BufferFlags::DISCONT));
            break;
        }
    }
}

#[test]
fn leaky_type_none_loses_nothing() {
    // More than the kernel holds: the camera has to wait.
    let pictures: Vec<_> = (0..60).map(|index| jpeg::any(index, 300_000).bytes()).collect();
    let mut script = vec![head()];
    script.extend(pictures.iter().map(|jpeg| part(jpeg)));
    script.push(Step::Close);
    let server = ScriptServer::play([script]);
    let source = slow(&server).lossless().set("max-queued-frames", 2u32).set("eos-on-close", true).play();
    for (index, picture) in pictures.iter().enumerate() {
        assert_same(&source.frame(), picture, &format!("picture {index}"));
        // One in the sink, one on its way, two in the queue, one before it.
        assert!(source.stat("frames") <= index as u64 + 1 + 5, "the camera did not wait");
    }
    source.assert_ends();
    assert_eq!((source.stat("frames"), source.stat("skipped")), (60, 0));
}
