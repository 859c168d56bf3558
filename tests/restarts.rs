//! What ends and begins again around the elements, what viewers of every speed are told of it, and a disk that is full.
//! The figures of docs/reliability.md: `cargo test --test restarts -- --nocapture`.
//!
//! Debian packages: util-linux (unshare, nsenter, mount), curl.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::FileTypeExt as _,
    process::Command,
    time::Instant,
};

use common::{
    folder::Folder,
    http::{Viewer, stalled},
    launch::gst_launch,
    namespace::Namespace,
    pipeline::{Camera, large, numbered, pictures, wait_until},
    plugin,
    process::{Process, free_port},
    source::{Source, assert_back},
};
use gst::prelude::*;

mod common;

/// How often something is ended and started again.
const TIMES: u32 = 50;

#[test]
fn pictures_come_again_each_time_a_killed_server_is_back() {
    let port = free_port();
    // Each has a width of its own: a picture of the one before may come late.
    let server = |width: i32| {
        let size = format!("video/x-raw,width={width},height=120");
        let pipeline = format!("videotestsrc is-live=true ! {size} ! jpegenc ! mjpegserversink port={port}");
        let server = Process::start(Command::new("env").args(gst_launch(&pipeline)));
        wait_until("the server", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        server
    };
    let mut running = server(160);
    let source = Source::new(&format!("http://127.0.0.1:{port}/stream")).hasty().play();
    source.await_width(160);
    let mut took = Vec::new();
    for (_, width) in (0..TIMES).zip(161..) {
        source.lose(|| drop(running));
        running = server(width);
        let start = Instant::now();
        source.await_width(width);
        took.push(start.elapsed());
    }
    assert_back(took, "kills, until a picture came after the server listened");
}

#[test]
fn no_viewer_stays_and_counters_add_up_when_a_source_comes_and_goes() {
    const PUSHED: u64 = 20;
    let camera = Camera::new("is-live=true do-timestamp=true", "keepalive-interval=0").play();
    let pictures = pictures();
    camera.push(&pictures[0]);
    let (mut pushed, mut skipped) = (1, 0);
    for _ in 0..TIMES {
        camera.wait_for_pictures(pushed);
        let source = Source::playing(&camera.url("/stream"));
        // The newest picture shows that it watches.
        source.frame();
        (0..PUSHED).for_each(|n| camera.push(&pictures[n as usize % pictures.len()]));
        pushed += PUSHED;
        camera.wait_for_pictures(pushed);
        let mut figures = (0, 0);
        wait_until("sent and skipped to be all that was published", || {
            let [client] = figures_of(&camera)[..] else { panic!("one viewer") };
            figures = client;
            figures.0 + figures.1 > PUSHED
        });
        assert_eq!(figures.0 + figures.1, 1 + PUSHED, "sent {} and skipped {}", figures.0, figures.1);
        skipped += figures.1;
        drop(source);
        camera.wait_for_viewers(0);
    }
    println!("{TIMES} starts and stops: of {} pictures {skipped} skipped", u64::from(TIMES) * (1 + PUSHED));
}

/// One reads each picture, one now and then, one none until the end.
#[test]
fn sent_and_skipped_are_all_that_was_published_for_viewers_of_every_speed() {
    const PUSHED: u32 = 60;
    let camera = Camera::new("is-live=true do-timestamp=true", "keepalive-interval=0").play();
    let large = large();
    let newest = numbered(&large, PUSHED);
    camera.push(&numbered(&large, 0));
    let mut viewers = [1, 7, u32::MAX].map(|every| (every, stalled(camera.address(), "/stream"), 0));
    let read = |viewer: &mut Viewer, count: &mut u64| {
        *count += 1;
        viewer.picture()
    };
    for (_, viewer, count) in &mut viewers {
        read(viewer, count);
    }
    for n in 1..=PUSHED {
        camera.push(&numbered(&large, n));
        for (_, viewer, count) in viewers.iter_mut().filter(|(every, ..)| n % every == 0) {
            read(viewer, count);
        }
    }
    for (every, viewer, count) in &mut viewers {
        while (*every > 1 || *count <= u64::from(PUSHED)) && read(viewer, count) != newest {}
    }
    let all = 1 + u64::from(PUSHED);
    wait_until("sent and skipped to be all that was published", || {
        figures_of(&camera).iter().all(|(sent, skipped)| sent + skipped == all)
    });
    let figures = figures_of(&camera);
    println!("of {all} pictures (sent, skipped): {figures:?}");
    assert_eq!(figures.iter().map(|(sent, _)| *sent).collect::<Vec<_>>(), viewers.map(|(.., count)| count));
    assert_eq!(figures[0].1, 0, "who reads each picture gets each");
    assert!(figures[1..].iter().all(|(_, skipped)| *skipped > 0), "{figures:?}");
}

/// Neither element writes a file.
#[test]
fn a_full_disk_is_not_noticed() {
    let (host, full) = (Namespace::with_names(&[]), Folder::new());
    host.run("mount", &["-t", "tmpfs", "-o", "size=16k,mode=777", "full", &full.name()]);
    let fill = format!("cat /dev/zero >{0}/filled 2>/dev/null || ! echo more 2>/dev/null >>{0}/filled", full.name());
    host.run("sh", &["-c", &fill]);
    let mut camera = host.command("gst-launch-1.0");
    let pipeline = "-q videotestsrc is-live=true ! jpegenc ! mjpegserversink".split(' ');
    let _camera = Process::start(plugin::give(camera.args(pipeline)));
    // Without encoders and decoders: those of GStreamer end at once where ORC cannot write its code to a file.
    let relay = "mjpegclientsrc location=http://127.0.0.1:8080/stream ! mjpegserversink port=8081";
    let mut shell = host.command("bash");
    // Without what it inherits: ORC's file for its code, while the encoder of another test here writes that.
    let close = "for file in /proc/$$/fd/*; do file=${file##*/}; ((file <= 2)) || exec {file}>&-; done";
    shell.args(["-c", &format!("{close}; cd {} && exec gst-launch-1.0 -q {relay}", full.name())]);
    for name in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        shell.env(name, full.name());
    }
    let relay = Process::start(plugin::give(&mut shell));
    let url = "http://127.0.0.1:8081/snapshot?fresh=1";
    wait_until("the relay", || curl(&host, url).starts_with(b"\xff\xd8"));
    let written: Vec<_> = written_by(relay.id());
    assert!(written.is_empty(), "{written:?}");
    let left = host.command("ls").arg(full.name()).output().expect("nsenter is there").stdout;
    assert_eq!(String::from_utf8_lossy(&left), "filled\n");
}

/// What was sent and skipped for each viewer, in the order in which they came.
#[track_caller]
fn figures_of(camera: &Camera) -> Vec<(u64, u64)> {
    let clients: gst::Array = camera.sink.property("client-stats");
    let mut clients: Vec<gst::Structure> =
        clients.iter().map(|client| client.get().expect("a structure for each viewer")).collect();
    clients.sort_by_key(|client| client.get::<u64>("id").expect("a number"));
    let figure = |client: &gst::Structure, name: &str| client.get(name).expect("a number");
    clients.iter().map(|client| (figure(client, "pictures"), figure(client, "skipped"))).collect()
}

fn curl(host: &Namespace, url: &str) -> Vec<u8> {
    let output = host.command("curl").args(["--silent", "--fail", "--max-time", "5", url]).output();
    output.expect("curl is there").stdout
}

/// The files that a process has open for writing, but for the three that it was given.
#[track_caller]
fn written_by(process: u32) -> Vec<String> {
    let folder = format!("/proc/{process}/fd");
    let files = fs::read_dir(&folder).expect("it runs").map(|file| file.expect("it runs").file_name());
    files
        .filter_map(|number| {
            let number: u32 = number.to_str()?.parse().ok().filter(|number| *number > 2)?;
            let (path, kind) = (format!("{folder}/{number}"), fs::metadata(format!("{folder}/{number}")).ok()?);
            let info = fs::read_to_string(format!("/proc/{process}/fdinfo/{number}")).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
            // O_WRONLY or O_RDWR.
            let for_writing = u32::from_str_radix(flags, 8).ok()? & 3 != 0;
            let is_file = kind.is_file() && !kind.file_type().is_char_device();
            (for_writing && is_file).then(|| fs::read_link(path).ok()?.to_str().map(str::to_owned)).flatten()
        })
        .collect()
}
