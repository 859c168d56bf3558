//! Pages of other sites in a viewer's browser: what they can show and what they can read, also where their own name
//! leads to this machine (DNS rebinding).
//!
//! Debian packages: chromium, curl, iproute2 (ip), util-linux (unshare, nsenter).

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use common::{
    folder::Folder,
    http::{Response, connect, read_response},
    namespace::Namespace,
    pipeline::{Camera, wait_until},
    plugin,
    process::Process,
};

mod common;

const PATHS: [&str; 7] = ["/", "/stream", "/snapshot", "/status", "/metrics", "/health", "/favicon.ico"];

#[test]
fn a_name_of_another_site_opens_nothing() {
    let camera = Camera::showing("");
    for path in PATHS {
        let answer = ask(&camera, "GET", path, "Host: evil.example.com:8080\r\n");
        assert_eq!(answer.head.code(), 421, "{path}");
        let text = String::from_utf8_lossy(&answer.body);
        assert!(text.starts_with("this camera is for this machine only, and not known as evil.example.com:"), "{text}");
    }
}

#[test]
fn names_of_this_machine_open_everything() {
    let camera = Camera::showing("");
    // Small programs leave the name out; a browser never does.
    for name in [
        "Host: localhost:8080\r\n",
        "Host: 127.0.0.1\r\n",
        "Host: camera.local\r\n",
        "Host: [::1]:80\r\n",
        "Host: x\r\n",
        "",
    ] {
        for path in PATHS.into_iter().filter(|path| *path != "/stream") {
            assert_eq!(ask(&camera, "GET", path, name).head.code(), 200, "{path} by {name:?}");
        }
    }
}

#[test]
fn a_site_that_may_read_is_a_name_of_the_server() {
    let camera = Camera::showing("allow-origin=https://home.example.org:8123");
    assert_eq!(ask(&camera, "GET", "/snapshot", "Host: home.example.org\r\n").head.code(), 200);
    assert_eq!(ask(&camera, "GET", "/snapshot", "Host: evil.example.com\r\n").head.code(), 421);
}

/// It is the second one's, too, which finds the server there.
#[test]
fn each_camera_of_a_port_gives_it_a_name() {
    let (door, yard) = ("door.example.com", "yard.example.com");
    let host = Namespace::with_names(&[door, yard]);
    let branch = |name: &str, mount: &str| {
        format!("videotestsrc is-live=true ! jpegenc ! mjpegserversink host={name} mount={mount}")
    };
    let pipeline = format!("-q {} {}", branch(door, "/door"), branch(yard, "/yard"));
    let _cameras = Process::start(plugin::give(host.command("gst-launch-1.0").args(pipeline.split(' '))));
    for url in [door, yard].map(|name| format!("http://{name}:8080/yard/snapshot")) {
        wait_until(&url, || {
            let picture = host.command("curl").args(["--silent", "--fail", "--max-time", "5", &url]).output();
            picture.expect("scripts/setup test installs curl").stdout.starts_with(b"\xff\xd8")
        });
    }
}

#[test]
fn who_has_to_say_a_secret_may_use_any_name() {
    let camera = Camera::showing("token=T0ken");
    assert_eq!(ask(&camera, "GET", "/snapshot", "Host: evil.example.com\r\n").head.code(), 401);
    assert_eq!(ask(&camera, "GET", "/snapshot?token=T0ken", "Host: home.example.org\r\n").head.code(), 200);
}

#[test]
fn a_server_for_others_may_be_asked_by_any_name() {
    let camera = Camera::showing("host=0.0.0.0");
    assert_eq!(ask(&camera, "GET", "/snapshot", "Host: camera.example.com\r\n").head.code(), 200);
}

/// A token in its address is told to nobody else.
#[test]
fn the_cameras_page_asks_nobody_else() {
    let page = ask(&Camera::showing("token=T0ken"), "GET", "/?token=T0ken", "").body;
    let page = String::from_utf8(page).expect("text");
    assert!(page.contains("stream?token=T0ken"), "{page}");
    assert!(!["://", "\"//", "'//"].iter().any(|elsewhere| page.contains(elsewhere)), "{page}");
}

#[test]
fn chromium_shows_nothing_to_a_page_whose_name_leads_here() {
    let camera = Camera::showing("");
    let page = |host: &str| in_chromium(&format!("http://{host}:{}/", camera.port()));
    assert!(page("localhost").contains("<main"), "the camera's own page");
    let page = page("evil.example.com");
    assert!(page.contains("not known as evil.example.com") && !page.contains("<main"), "{page}");
}

#[test]
fn in_chromium_a_page_of_another_site_shows_the_picture_and_reads_nothing() {
    let answers = |properties: &str| {
        let camera = Camera::showing(properties);
        let folder = Folder::new();
        let page = PAGE.replace("CAMERA", &camera.url(""));
        in_chromium(&format!("file://{}", folder.file("page.html", page)))
    };
    let kept = answers("");
    for expected in ["snapshot is kept;", "status is kept;", "stream is kept;", "shown;", "pixels are kept;"] {
        assert!(kept.contains(expected), "{expected} {kept}");
    }
    let open = answers("allow-origin=*");
    for expected in ["snapshot is read;", "status is read;", "stream is read;", "shown;", "pixels are read;"] {
        assert!(open.contains(expected), "{expected} {open}");
    }
}

/// Tries all ways to get at a picture.
const PAGE: &str = r#"<!DOCTYPE html><body><script>
  const say = text => document.body.append(text + "; ");
  for (const what of ["snapshot", "status", "stream"]) {
    fetch("CAMERA/" + what).then(() => say(what + " is read"), () => say(what + " is kept"));
  }
  const draw = (image, name) => {
    image.onerror = () => say("not shown");
    image.onload = () => {
      say("shown");
      const context = document.createElement("canvas").getContext("2d");
      context.drawImage(image, 0, 0);
      try { context.getImageData(0, 0, 1, 1); say("pixels are read"); } catch { say("pixels are kept"); }
    };
    image.src = "CAMERA/snapshot?" + name;
  };
  const marked = new Image();
  marked.crossOrigin = "anonymous";
  draw(new Image(), "plain");
  draw(marked, "marked");
</script>"#;

#[track_caller]
fn ask(camera: &Camera, method: &str, path: &str, name: &str) -> Response {
    let mut stream = connect(camera.address());
    let request = format!("{method} {path} HTTP/1.0\r\n{name}\r\n");
    stream.write_all(request.as_bytes()).expect("the request is taken");
    read_response(stream)
}

/// What stands on a page once it has done all that it does. Every name leads to this machine.
#[track_caller]
fn in_chromium(url: &str) -> String {
    let home = Folder::new();
    let page = Command::new("timeout")
        .args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-quic"])
        .arg(format!("--user-data-dir={}", home.name()))
        .arg("--host-resolver-rules=MAP *.example.com 127.0.0.1")
        .args(["--virtual-time-budget=5000", "--dump-dom", url])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.name())
        .stderr(Stdio::null())
        .output()
        .expect("scripts/setup test installs chromium");
    assert!(page.status.success(), "{}", page.status);
    String::from_utf8_lossy(&page.stdout).into_owned()
}
