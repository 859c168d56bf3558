//! What goes wrong between a camera and who watches it: processes that are killed, frozen and started again, a link that
//! goes down or is narrow, a name that leads elsewhere. The network is the test's own: hosts are namespaces on a bridge.
//! The figures of docs/reliability.md: `cargo test --test faults -- --nocapture`.
//!
//! Debian packages: iproute2 (ip, tc), util-linux (unshare, nsenter), procps.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use common::{
    launch::gst_launch,
    namespace::Namespace,
    pipeline::{Camera, pictures, wait_until},
    process::{Process, free_port},
    program::{Program, Seen, example},
    source::Source,
};
use gst::prelude::*;

mod common;

/// What is promised after a link has come back.
const BACK: Duration = Duration::from_secs(2);

/// Age of a picture over a link that has nothing wrong, in milliseconds. Chosen: some ten in fact, but these programs
/// share the machine with other tests.
const NORMAL: f64 = 500.0;

/// How often a process is ended and started again.
const TIMES: usize = 50;

#[test]
fn pictures_come_again_each_time_a_killed_server_is_back() {
    let port = free_port();
    let server = || {
        let pipeline = format!("videotestsrc is-live=true ! jpegenc ! mjpegserversink port={port}");
        let server = Process::start(Command::new("env").args(gst_launch(&pipeline)));
        wait_until("the server", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        server
    };
    let mut running = server();
    let source = Source::new(&format!("http://127.0.0.1:{port}/stream")).hasty().play();
    source.frame();
    let mut longest = Duration::ZERO;
    for _ in 0..TIMES {
        drop(running);
        while source.change().get("state") != Ok("reconnecting") {}
        while source.sink.try_pull_sample(gst::ClockTime::ZERO).is_some() {}
        running = server();
        let start = Instant::now();
        source.frame();
        longest = longest.max(start.elapsed());
    }
    println!("{TIMES} kills: a picture at most {longest:?} after the server listened");
    assert!(longest < BACK, "{longest:?}");
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
            let clients: gst::Array = camera.sink.property("client-stats");
            let [client] = clients.as_slice() else { panic!("one viewer: {clients:?}") };
            let client: gst::Structure = client.get().expect("a structure for each viewer");
            figures = (client.get("pictures").expect("a number"), client.get("skipped").expect("a number"));
            figures.0 + figures.1 > PUSHED
        });
        assert_eq!(figures.0 + figures.1, 1 + PUSHED, "sent {} and skipped {}", figures.0, figures.1);
        skipped += figures.1;
        drop(source);
        wait_until("the viewer to be gone", || {
            // Only a write tells who has gone from who has nothing more to say.
            camera.push(&pictures[0]);
            pushed += 1;
            camera.viewers() == 0
        });
    }
    println!("{TIMES} starts and stops: of {} pictures {skipped} skipped", TIMES as u64 * (1 + PUSHED));
}

#[test]
fn pictures_are_fresh_again_two_seconds_after_a_link_is_back() {
    let wire = Wire::new();
    let _camera = wire.camera(CAMERA, "ball", 15);
    let mut viewer = wire.viewer(CAMERA);
    // An older kernel doubles the wait before it sends again, which lasts as long as the link was down then.
    let is_told = Path::new("/proc/sys/net/ipv4/tcp_rto_max_ms").exists();
    for (end, down) in [(CAMERA, 5), (VIEWER, 5), (VIEWER, 10)] {
        let down = Duration::from_secs(down);
        let most = if is_told { BACK } else { down + BACK };
        viewer.expect_fresh();
        wire.set_link(end, "down");
        let start = Instant::now();
        thread::sleep(down);
        let last = viewer.pictures_so_far().last().map_or(Duration::ZERO, |seen| seen.at - start);
        assert!(last < BACK, "a picture came {last:?} after the link went down");
        wire.set_link(end, "up");
        let back = viewer.fresh_after(Instant::now());
        println!("link of host {end} down for {down:?}: fresh pictures {back:?} after its return");
        assert!(back < most, "{back:?}");
    }
}

#[test]
fn pictures_are_fresh_again_two_seconds_after_a_frozen_server_goes_on() {
    let wire = Wire::new();
    let camera = wire.camera(CAMERA, "ball", 15);
    let mut viewer = wire.viewer(CAMERA);
    viewer.expect_fresh();
    signal(&camera, "STOP");
    thread::sleep(Duration::from_secs(5));
    signal(&camera, "CONT");
    let back = viewer.fresh_after(Instant::now());
    println!("server frozen for 5 s: fresh pictures {back:?} after it went on");
    assert!(back < BACK, "{back:?}");
}

#[test]
fn a_frozen_viewer_holds_up_nobody_and_sees_the_newest_picture_when_it_goes_on() {
    let wire = Wire::new();
    let _camera = wire.camera(CAMERA, "snow", 15);
    let (mut frozen, mut other) = (wire.viewer(CAMERA), wire.viewer(CAMERA));
    frozen.expect_fresh();
    other.expect_fresh();
    signal(&frozen, "STOP");
    let start = Instant::now();
    let gap = other.longest_gap(75);
    let lasted = start.elapsed();
    signal(&frozen, "CONT");
    let back = frozen.fresh_after(Instant::now());
    println!("viewer frozen for {lasted:?}: fresh {back:?} after it went on, the other's longest gap {gap:?}");
    assert!(back < BACK && gap < BACK, "{back:?}, {gap:?}");
}

#[test]
fn over_a_narrow_link_pictures_are_few_but_not_old() {
    let wire = Wire::new();
    let _camera = wire.camera(CAMERA, "snow", 30);
    let mut here = wire.start(CAMERA, &example("newest_picture"), &[&url(CAMERA)]);
    let mut there = wire.viewer(CAMERA);
    there.expect_fresh();
    let bytes = wire.curl(CAMERA, "/snapshot").expect("a picture").len();
    for (rate, bits, count) in [("8mbit", 8e6, 60), ("500kbit", 5e5, 10)] {
        wire.narrow(CAMERA, rate);
        // Those that were under way before.
        (0..3).for_each(|_| drop(there.picture()));
        there.pictures_so_far();
        here.pictures_so_far();
        let ages = there.ages(count);
        // The picture, the one before it, and as much again of what is lost in the full queue and sent again. With a
        // queue of pictures the age would grow by a second in three. The oldest tells of the machine's other work too.
        let bound = 3.0 * (bytes + 16 * 1024) as f64 * 8.0 / bits * 1000.0 + NORMAL;
        let gap = here.longest_gap(10);
        let rate_here = rate_of(&wire);
        println!(
            "{rate}, pictures of {bytes} bytes: median {:.0} ms, oldest {:.0} ms old (bound {bound:.0}); \
             without it the longest gap {gap:?}, {rate_here} pictures a second",
            ages[count / 2],
            ages[count - 1]
        );
        assert!(ages[count / 2] < bound, "{ages:?}");
        assert!(gap < BACK && rate_here > 10.0, "{gap:?}, {rate_here}");
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_followed() {
    let wire = Wire::new();
    let first = wire.camera(CAMERA, "ball", 15);
    let _second = wire.camera(OTHER, "snow", 15);
    wire.name_leads_to(CAMERA);
    let mut viewer = wire.start(VIEWER, &example("newest_picture"), &["http://camera:8080/stream"]);
    assert_eq!(viewer.picture().size, "640x480");
    wire.name_leads_to(OTHER);
    drop(first);
    let moved = Instant::now();
    while viewer.picture().size != "320x240" {}
    println!("name changed and the first host's server killed: pictures of the other after {:?}", moved.elapsed());
    assert!(moved.elapsed() < BACK + Duration::from_secs(1), "{:?}", moved.elapsed());
}

/// Hosts on one wire.
struct Wire {
    network: Namespace,
    hosts: Vec<(u8, Namespace)>,
}

const CAMERA: u8 = 1;
const OTHER: u8 = 2;
const VIEWER: u8 = 3;

impl Wire {
    #[track_caller]
    fn new() -> Self {
        let network = Namespace::with_names(&[]);
        network.run("ip", &["link", "add", "wire", "type", "bridge"]);
        network.run("ip", &["link", "set", "wire", "up"]);
        let hosts = [CAMERA, OTHER, VIEWER].map(|number| {
            let (host, link) = (network.host(), link(number));
            network.run("ip", &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &host.pid()]);
            network.run("ip", &["link", "set", &link, "master", "wire", "up"]);
            host.run("ip", &["address", "add", &format!("{}/24", address(number)), "dev", "eth0"]);
            host.run("ip", &["link", "set", "eth0", "up"]);
            (number, host)
        });
        Self { network, hosts: hosts.into() }
    }

    fn host(&self, number: u8) -> &Namespace {
        let (_, host) = self.hosts.iter().find(|(host, _)| *host == number).expect("there is such a host");
        host
    }

    /// The cable between a host and the others.
    #[track_caller]
    fn set_link(&self, number: u8, state: &str) {
        self.network.run("ip", &["link", "set", &link(number), state]);
    }

    /// What leaves the host from now on is no faster.
    #[track_caller]
    fn narrow(&self, number: u8, rate: &str) {
        let limit = ["rate", rate, "burst", "16kb", "latency", "100ms"];
        self.host(number).run("tc", &[&["qdisc", "replace", "dev", "eth0", "root", "tbf"], &limit[..]].concat());
    }

    /// Who `camera` is.
    #[track_caller]
    fn name_leads_to(&self, number: u8) {
        let line = format!("echo {} camera >/etc/hosts", address(number));
        self.network.run("sh", &["-c", &line]);
    }

    #[track_caller]
    fn start(&self, number: u8, program: &str, arguments: &[&str]) -> Program {
        Program::start(self.host(number).command(program).args(arguments))
    }

    /// A camera: a small ball makes small pictures, snow such of 50 kB.
    #[track_caller]
    fn camera(&self, number: u8, pattern: &str, rate: u32) -> Program {
        let size = if pattern == "snow" { "width=320,height=240" } else { "width=640,height=480" };
        let pictures = format!("pattern={pattern} ! video/x-raw,{size},framerate={rate}/1");
        let line = format!("-q videotestsrc is-live=true {pictures} ! jpegenc ! mjpegserversink host=0.0.0.0");
        let camera = self.start(number, "gst-launch-1.0", &line.split(' ').collect::<Vec<_>>());
        wait_until("the camera", || self.curl(number, "/health").is_some());
        camera
    }

    /// A program on the viewer's host that watches, and has a picture.
    #[track_caller]
    fn viewer(&self, camera: u8) -> Program {
        let mut viewer = self.start(VIEWER, &example("newest_picture"), &[&url(camera)]);
        viewer.line();
        viewer
    }

    /// What a host answers to itself, if it is a success.
    fn curl(&self, number: u8, path: &str) -> Option<Vec<u8>> {
        let url = format!("http://127.0.0.1:8080{path}");
        let mut curl = self.host(number).command("curl");
        let answer = curl.args(["--silent", "--fail", "--max-time", "2", &url]).output().expect("curl is there");
        answer.status.success().then_some(answer.stdout)
    }
}

/// What the camera says of its own pictures a second.
#[track_caller]
fn rate_of(wire: &Wire) -> f64 {
    let status = wire.curl(CAMERA, "/status").expect("an answer");
    let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
    status["rate"].as_f64().expect("a rate")
}

fn address(number: u8) -> String {
    format!("10.78.0.{number}")
}

fn url(number: u8) -> String {
    format!("http://{}:8080/stream", address(number))
}

fn link(number: u8) -> String {
    format!("to-{number}")
}

#[track_caller]
fn signal(program: &Program, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &program.id().to_string()]).status();
    assert!(status.expect("kill is there").success());
}

impl Program {
    /// Waits for pictures as fresh as on any day.
    #[track_caller]
    fn expect_fresh(&mut self) {
        self.pictures_so_far();
        let end = Instant::now() + common::pipeline::DEADLINE;
        while self.picture().age_ms > NORMAL {
            assert!(Instant::now() < end, "no picture is fresh");
        }
    }

    /// Time from `start` until a picture that came later is fresh.
    #[track_caller]
    fn fresh_after(&mut self, start: Instant) -> Duration {
        loop {
            let Seen { at, age_ms, .. } = self.picture();
            if at > start && age_ms < NORMAL {
                return at - start;
            }
        }
    }
}
