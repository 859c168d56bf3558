//! A wall of sixteen cameras in one tab of real browsers, over HTTP/2: more streams than HTTP/1 has connections for.
//!
//! Run with `cargo test --test wall -- --nocapture` to read the delays. The last screenshots are in target/tmp.

use std::{
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use gst::prelude::*;

use browser::{Browser, Kind};
use common::{
    certificate::Certificate,
    pipeline::{Camera, wait_until},
};

#[path = "common/browser.rs"]
mod browser;
mod common;

/// The page that the sink serves, on a screen with room for all of it.
#[test]
fn chromium_shows_sixteen_cameras_on_the_page() -> anyhow::Result<()> {
    shows_sixteen_cameras_at_once(Kind::Chromium, (1400, 1420), |url| Ok(url.to_owned()))
}

#[test]
fn firefox_shows_sixteen_cameras_at_once() -> anyhow::Result<()> {
    shows_sixteen_cameras_at_once(Kind::Firefox, SCREEN, small_page)
}

#[test]
fn webkitgtk_shows_sixteen_cameras_at_once() -> anyhow::Result<()> {
    shows_sixteen_cameras_at_once(Kind::WebKitGtk, SCREEN, small_page)
}

/// A page of somebody's own with all cameras on a usual screen: these two make their windows no larger than that.
fn small_page(url: &str) -> anyhow::Result<String> {
    let images: String = (0..16).map(|number| format!("<img src={url}camera-{number}/stream>")).collect();
    let style = "body{margin:0;display:grid;grid-template-columns:repeat(4,1fr)}img{width:100%;height:24vh}";
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wall.html");
    std::fs::write(&path, format!("<!DOCTYPE html><style>{style}</style>{images}"))?;
    Ok(format!("file://{}", path.display()))
}

/// All of them stream; each in its turn shows another colour than all others, at once, and goes back.
fn shows_sixteen_cameras_at_once(
    kind: Kind,
    screen: (u32, u32),
    page: impl Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    // Two browsers at once on two cores would measure each other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let cameras = wall(&certificate);
    let [calm, alert] = [CALM, ALERT].map(jpeg);
    let url = page(&format!("https://{}/", cameras[0].address()))?;
    let browser = Browser::open_trusting(kind, &url, screen, cameras[0].port(), &fingerprint(&certificate)?)?;

    // One after the other as long as the browser takes to start; then they are there to stay.
    let start = Instant::now();
    while cameras.iter().any(|camera| camera.viewers() != 1) {
        if start.elapsed() > START_LIMIT {
            let watched: Vec<_> = cameras.iter().map(Camera::viewers).collect();
            bail!("the cameras are watched by {watched:?}, see {}", screenshot(&browser, kind)?);
        }
        cameras.iter().for_each(|camera| camera.push(&calm));
        let _ = browser.wait_for_share(CALM, TOLERANCE, 1.0, Duration::from_millis(200));
    }
    assert_one_connection(&cameras);
    cameras.iter().for_each(|camera| camera.push(&calm));
    browser.wait_for_share(CALM, TOLERANCE, 16.0 * CELL, PATIENCE).or_else(|error| explain(&browser, kind, error))?;
    for (number, camera) in cameras.iter().enumerate() {
        let pushed_at = Instant::now();
        camera.push(&alert);
        let seen = browser.wait_for_share(ALERT, TOLERANCE, CELL, PATIENCE);
        let delay = seen.or_else(|error| explain(&browser, kind, error))?.duration_since(pushed_at);
        println!("{kind:?} shows camera {number} after {delay:?}");
        // One that is a picture late would wait for the next for ever.
        camera.push(&calm);
        browser
            .wait_for_share(CALM, TOLERANCE, 16.0 * CELL, PATIENCE)
            .or_else(|error| explain(&browser, kind, error))?;
    }
    screenshot(&browser, kind)?;
    Ok(())
}

/// Sixteen cameras on one port.
fn wall(certificate: &Certificate) -> Vec<Camera> {
    let tls = format!("tls-certificate-file={} tls-private-key-file={}", certificate.file(), certificate.key());
    let camera = |number: usize, port: u16| {
        let properties = format!("{tls} port={port} mount=/camera-{number} keepalive-interval=0");
        Camera::new("is-live=true do-timestamp=true", &properties).play()
    };
    let first = camera(0, 0);
    let port = first.port();
    std::iter::once(first).chain((1..16).map(|number| camera(number, port))).collect()
}

/// All streams come by one connection: its address is that of each viewer.
#[track_caller]
fn assert_one_connection(cameras: &[Camera]) {
    let address = |camera: &Camera| {
        let viewers = camera.sink.property::<gst::Array>("client-stats");
        let viewer = viewers.first()?.get::<gst::Structure>().ok()?;
        viewer.get::<String>("address").ok()
    };
    wait_until("one connection", || {
        let addresses: Vec<_> = cameras.iter().map(address).collect();
        addresses[0].is_some() && addresses.iter().all(|other| *other == addresses[0])
    });
}

/// A picture of one colour.
fn jpeg([red, green, blue]: [u8; 3]) -> Vec<u8> {
    common::pipeline::encoded(
        &format!("pattern=solid-color foreground-color=0xff{red:02x}{green:02x}{blue:02x}"),
        640,
        480,
    )
}

/// The certificate's SHA-256 fingerprint, its bytes with colons between them.
fn fingerprint(certificate: &Certificate) -> anyhow::Result<String> {
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", &certificate.file()])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.trim().split('=').nth(1).context("no fingerprint")?.to_owned())
}

fn explain<T>(browser: &Browser, kind: Kind, error: anyhow::Error) -> anyhow::Result<T> {
    Err(error.context(format!("see {}", screenshot(browser, kind)?)))
}

fn screenshot(browser: &Browser, kind: Kind) -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wall-{kind:?}.png"));
    browser.screenshot(&path)?;
    Ok(path.display().to_string())
}

const SCREEN: (u32, u32) = (1024, 768);

/// Part of the screen that a cell's picture has at least.
const CELL: f64 = 0.015;

/// For what must happen, but not fast.
const PATIENCE: Duration = Duration::from_secs(10);

/// Chosen as in `tests/browsers.rs`, and some for sixteen streams.
const START_LIMIT: Duration = Duration::from_secs(40);

/// Per channel. Chosen: JPEG shifts these colours by 2 or so.
const TOLERANCE: u8 = 30;

const CALM: [u8; 3] = [0, 0, 255];
const ALERT: [u8; 3] = [255, 0, 255];
