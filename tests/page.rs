//! The sink's page in real browsers that lose a stream, or have too few connections: pixels, and who watches.
//!
//! Debian packages: as in `common/browser.rs`.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use gst::prelude::*;

use browser::{Browser, Kind};
use common::{
    folder::Folder,
    http::Viewer,
    pipeline::{Camera, wait_until},
};

#[path = "common/browser.rs"]
mod browser;
mod common;

/// Seen: "Live" over a picture that stood still for ever, as somebody else went on watching.
#[test]
fn a_stream_that_was_sent_away_is_taken_up_again_while_others_watch() -> anyhow::Result<()> {
    each(|kind| {
        let camera = Camera::new(LIVE, "").play();
        camera.push(&jpeg(COLOURS[0]));
        let _other = Viewer::open(camera.address());
        let browser = Browser::open(kind, &camera.url("/"))?;
        shows(&browser, kind, &[&camera], COLOURS[0], ONE, START_LIMIT)?;
        // The page has to know its stream first.
        let mut pages_own = 0;
        wait_until("the page's stream", || {
            let viewers = camera.sink.property::<gst::Array>("client-stats");
            let viewer = viewers.last().and_then(|viewer| viewer.get::<gst::Structure>().ok());
            pages_own = viewer.and_then(|viewer| viewer.get::<u64>("id").ok()).unwrap_or_default();
            pages_own > 1
        });
        ensure!(camera.sink.emit_by_name::<bool>("remove", &[&pages_own]), "{kind:?} is no viewer");
        shows(&browser, kind, &[&camera], COLOURS[1], ONE, PATIENCE)
    })
}

/// Seen: a black page, though the place was free again.
#[test]
fn a_page_that_found_all_places_taken_takes_one_that_becomes_free() -> anyhow::Result<()> {
    each(|kind| {
        let camera = Camera::new(LIVE, "max-clients=1").play();
        camera.push(&jpeg(COLOURS[0]));
        let other = Viewer::open(camera.address());
        let browser = Browser::open(kind, &camera.url("/"))?;
        // The page has come when its screen is dark.
        shows(&browser, kind, &[&camera], DARK, 0.5, START_LIMIT)?;
        drop(other);
        shows(&browser, kind, &[&camera], COLOURS[1], ONE, PATIENCE)
    })
}

/// Seen: the streams of two tabs take all connections that a browser has, and neither shows anything new.
#[test]
fn a_page_in_a_tab_behind_another_lets_its_streams_go() -> anyhow::Result<()> {
    each(|kind| {
        let cameras = wall();
        let url = cameras[0].url("/");
        let browser = Browser::open(kind, &format!("{url}?first {url}?second"))?;
        let all: Vec<_> = cameras.iter().collect();
        for colour in [COLOURS[0], COLOURS[1]] {
            shows(&browser, kind, &all, colour, FOUR, START_LIMIT)?;
        }
        wait_until("one viewer each", || cameras.iter().all(|camera| camera.viewers() == 1));
        Ok(())
    })
}

/// They share the connections. In Firefox, as Chromium in kiosk mode lays one window over the other.
#[test]
fn two_windows_side_by_side_both_show_all_cameras() -> anyhow::Result<()> {
    let _turn = one_at_a_time();
    let kind = Kind::Firefox;
    let cameras = wall();
    let (folder, url) = (Folder::new(), cameras[0].url("/"));
    let page = TWO_WINDOWS.replace("WALL", &url);
    let page = format!("file://{}", folder.file("two.html", page));
    let browser = Browser::open_on(kind, &page, (1400, 700))?;
    let all: Vec<_> = cameras.iter().collect();
    for colour in COLOURS {
        shows(&browser, kind, &all, colour, EIGHT, START_LIMIT)?;
    }
    wait_until("two streams each", || cameras.iter().map(Camera::viewers).sum::<u32>() == 4);
    Ok(())
}

/// Seen: a tab that was left open guessed once a second, and slowed down everybody who knew the new token.
#[test]
fn a_page_whose_token_is_no_longer_right_stops_asking() -> anyhow::Result<()> {
    each(|kind| {
        let camera = Camera::new(LIVE, "token=old").play();
        camera.push(&jpeg(COLOURS[0]));
        let browser = Browser::open(kind, &camera.url("/?token=old"))?;
        shows(&browser, kind, &[&camera], COLOURS[0], ONE, START_LIMIT)?;
        let address = camera.address();
        camera.set_state(gst::State::Null);
        let asked = refuse_everybody(address)?;
        wait_until("the page asks", || asked.load(Ordering::SeqCst) > 0);
        // The word in its caption is all that changes: its picture stays. What was on its way is there after a second.
        browser.keeps_colour(COLOURS[0], TOLERANCE, Duration::from_secs(1))?;
        let before = asked.load(Ordering::SeqCst);
        browser.keeps_colour(COLOURS[0], TOLERANCE, Duration::from_secs(5))?;
        let after = asked.load(Ordering::SeqCst);
        ensure!(after == before, "{kind:?} asks {} times in five seconds", after - before);
        Ok(())
    })
}

/// A server that answers every request with 401, until the test ends; how many there were.
fn refuse_everybody(address: SocketAddr) -> anyhow::Result<Arc<AtomicUsize>> {
    let (listener, count) = (TcpListener::bind(address)?, Arc::<AtomicUsize>::default());
    let counted = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = (&stream).read(&mut [0; 4096]);
            let _ = (&stream).write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    Ok(count)
}

fn each(test: impl Fn(Kind) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let _turn = one_at_a_time();
    [Kind::Chromium, Kind::Firefox, Kind::WebKitGtk].into_iter().try_for_each(test)
}

/// Two browsers at once on two cores would starve each other.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Four cameras on one port.
fn wall() -> Vec<Camera> {
    let camera = |number: u16, port: u16| Camera::new(LIVE, &format!("port={port} mount=/camera-{number}")).play();
    let first = camera(0, 0);
    let port = first.port();
    std::iter::once(first).chain((1..4).map(|number| camera(number, port))).collect()
}

/// The cameras show this colour until so much of the screen has it.
fn shows(
    browser: &Browser,
    kind: Kind,
    cameras: &[&Camera],
    colour: [u8; 3],
    share: f64,
    limit: Duration,
) -> anyhow::Result<()> {
    let picture = jpeg(if colour == DARK { COLOURS[0] } else { colour });
    let end = Instant::now() + limit;
    loop {
        cameras.iter().for_each(|camera| camera.push(&picture));
        match browser.wait_for_share(colour, TOLERANCE, share, Duration::from_millis(200)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > end => bail!("{kind:?}: {error:#}, see {}", screenshot(browser, kind)?),
            Err(_) => {}
        }
    }
}

fn jpeg([red, green, blue]: [u8; 3]) -> Vec<u8> {
    let pattern = format!("pattern=solid-color foreground-color=0xff{red:02x}{green:02x}{blue:02x}");
    common::pipeline::encoded(&pattern, 320, 240)
}

fn screenshot(browser: &Browser, kind: Kind) -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{kind:?}.png"));
    browser.screenshot(&path)?;
    Ok(path.display().to_string())
}

/// Two windows beside each other.
const TWO_WINDOWS: &str = r#"<!DOCTYPE html><script>
  for (const side of [0, 1]) open("WALL?" + side, "_blank", `popup,left=${side * 700},top=0,width=690,height=600`);
</script>"#;

const LIVE: &str = "is-live=true do-timestamp=true";

/// Parts of the screen that the pictures of one camera, of four on a wall, and of two walls have at the least. One of
/// two windows is less than half of the screen.
const ONE: f64 = 0.2;
const FOUR: f64 = 0.15;
const EIGHT: f64 = 0.5;

/// For what must happen, but not fast.
const PATIENCE: Duration = Duration::from_secs(20);

/// Chosen as in `tests/browsers.rs`, and some for several streams.
const START_LIMIT: Duration = Duration::from_secs(40);

/// Per channel. Chosen: JPEG shifts these colours by 2 or so.
const TOLERANCE: u8 = 30;

const COLOURS: [[u8; 3]; 3] = [[255, 0, 0], [0, 0, 255], [0, 255, 0]];
const DARK: [u8; 3] = [0x11, 0x11, 0x11];
