//! Sockets other than those of a port of our own: Unix sockets, and those that systemd passes.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::Command,
    sync::{Arc, mpsc::channel},
    time::Duration,
};

use common::{
    folder::Folder,
    http::get,
    launch::gst_launch,
    pipeline::{Camera, DEADLINE, large, number, numbered, pictures, wait_until},
    process::{Process, await_listener, free_port},
};
use gst::prelude::*;
use gstmjpeghttp::server::{self, Activation, Config, Endpoint, Ids, Mount, Secrets, Server};
use socket2::SockRef;

mod common;

#[test]
fn a_unix_socket_is_served_and_goes_with_the_pipeline() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    let camera = serve(&path);
    assert_eq!(camera.sink.property::<i32>("current-port"), 0);
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    assert!(snapshot(&path) == pictures()[0]);
    camera.set_state(gst::State::Null);
    assert!(!fs::exists(&path).expect("the folder can be read"), "the file stays");
    camera.set_state(gst::State::Playing);
    wait_until("the socket", || UnixStream::connect(&path).is_ok());
}

#[test]
fn viewers_through_a_unix_socket_have_no_address_and_no_limit_by_address() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    let camera = Camera::new("is-live=true", &format!("host=unix:{path} max-clients-per-address=1"));
    let (sender, added) = channel();
    camera.sink.connect("client-added", false, move |values| {
        let _ = sender.send(values[2].get::<String>().expect("an address"));
        None
    });
    let camera = camera.play();
    let _viewers: Vec<_> = (0..3).map(|_| open_stream(&path)).collect();
    for _ in 0..3 {
        assert_eq!(added.recv_timeout(DEADLINE).as_deref(), Ok("unix"));
    }
    camera.wait_for_viewers(3);
}

#[test]
fn the_file_of_a_dead_server_is_replaced_and_that_of_a_live_one_is_not() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    // A socket that is closed leaves its file.
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(fs::exists(&path).expect("the folder can be read"));
    let camera = serve(&path);
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);

    camera.set_state(gst::State::Null);
    let live = UnixListener::bind(&path).expect("a socket");
    let text = start_error(&format!("host=unix:{path}"));
    assert!(text.contains("another server listens") && text.contains(&path), "{text}");
    live.set_nonblocking(true).expect("a socket option");
    assert!(live.accept().is_ok(), "it was asked, and is still there");
}

#[test]
fn what_cannot_be_a_socket_is_an_error_that_says_why() {
    let folder = Folder::new();
    let file = folder.file("notes.txt", "not to be lost");
    for (path, words) in [
        (file.as_str(), "is there and no socket"),
        ("camera.sock", "needs an absolute path"),
        ("", "needs an absolute path"),
        ("/no/such/folder/camera.sock", "cannot listen at /no/such/folder/camera.sock"),
        (&folder.path(&"x".repeat(200)), "cannot listen at"),
    ] {
        let text = start_error(&format!("host=unix:{path}"));
        assert!(text.contains(words), "{path:?}: {text}");
    }
    assert_eq!(fs::read_to_string(file).expect("the file is there"), "not to be lost");
}

/// There is no port to be another.
#[test]
fn two_cameras_at_one_place_of_a_unix_socket_are_an_error_that_names_the_cure() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    let _camera = serve(&path);
    let text = start_error(&format!("host=unix:{path}"));
    assert!(text.contains(&path) && text.contains("mount=/name") && !text.contains("port=0"), "{text}");
}

/// Unix sockets know no limit for what waits unsent, but a short queue.
#[test]
fn a_slow_viewer_through_a_unix_socket_jumps_to_the_newest_picture() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    let camera = serve(&path);
    let mut viewer = open_stream(&path);
    camera.wait_for_viewers(1);
    let large = large();
    for n in 0..30 {
        camera.push(&numbered(&large, n));
        camera.wait_for_pictures(u64::from(n) + 1);
    }
    let mut seen = Vec::new();
    let mut bytes = Vec::new();
    while seen.last() != Some(&29) {
        let mut chunk = [0; 65536];
        let count = viewer.read(&mut chunk).expect("bytes in time");
        bytes.extend(&chunk[..count]);
        if let Some(at) = bytes.windows(4).position(|four| four == [0xff, 0xd8, 0xff, 0xfe])
            && bytes.len() > at + 10
        {
            seen.push(number(&bytes[at..]));
            bytes.drain(..at + 10);
        }
    }
    assert!(seen.len() <= 3, "{seen:?}");
}

#[test]
fn nginx_passes_on_what_comes_through_a_unix_socket() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    let camera = serve(&path);
    let port = free_port();
    let configuration = format!(
        "daemon off; master_process off; pid {name}/pid; error_log stderr emerg; events {{ }}
         http {{
             access_log off;
             client_body_temp_path {name}/body; proxy_temp_path {name}/proxy;
             fastcgi_temp_path {name}/f; uwsgi_temp_path {name}/u; scgi_temp_path {name}/s;
             server {{
                 listen 127.0.0.1:{port};
                 location / {{ proxy_pass http://unix:{path}; }}
             }}
         }}",
        name = folder.name(),
    );
    let file = folder.file("nginx.conf", configuration);
    let _nginx = Process::start(Command::new("nginx").args(["-e", "stderr", "-c", &file]));
    await_listener(port);
    let mut viewer = common::http::connect((Ipv4Addr::LOCALHOST, port).into());
    common::http::send_request(&viewer, "GET", "/stream", "");
    camera.wait_for_viewers(1);
    for n in 0..3 {
        let picture = numbered(&pictures()[0], n);
        camera.push(&picture);
        // nginx may pass it on in chunks, so it is looked for, not cut out.
        let mut seen = Vec::new();
        while memchr::memmem::find(&seen, &picture).is_none() {
            let mut chunk = [0; 4096];
            let count = viewer.read(&mut chunk).expect("the picture, before the next is made");
            seen.extend(&chunk[..count]);
        }
    }
}

#[test]
fn a_socket_that_systemd_passes_is_served() {
    let folder = Folder::new();
    let path = folder.path("camera.sock");
    // It starts the program when the first viewer comes.
    let _process = Process::start(
        Command::new("systemd-socket-activate")
            .args(["--fdname=door", &format!("--listen={path}")])
            .arg("--setenv=GST_REGISTRY")
            .args(served("systemd:door"))
            .env("GST_REGISTRY", folder.path("registry.bin")),
    );
    wait_until("the socket", || UnixStream::connect(&path).is_ok());
    assert!(snapshot(&path).starts_with(b"\xff\xd8"));
}

#[test]
fn a_port_that_is_passed_is_served() {
    let folder = Folder::new();
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/pass_sockets.py"))
        .arg("door")
        .args(served("systemd"))
        .env("GST_REGISTRY", folder.path("registry.bin"));
    let mut process = Process::start(&mut command);
    let port: u16 = process.line().parse().expect("it says its port");
    let address = (Ipv4Addr::LOCALHOST, port).into();
    assert!(get(address, "/snapshot").body.starts_with(b"\xff\xd8"));
}

/// A pipeline may stop and start; the socket is systemd's and stays.
#[test]
fn a_passed_socket_can_be_served_again_after_a_stop() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    // So it is passed: it would not be there otherwise.
    SockRef::from(&listener).set_cloexec(false).expect("a socket option");
    let config = config_with(&listener);
    for _ in 0..3 {
        let server = Server::start(&config, Mount::default(), some_camera()).expect("the socket is there");
        assert_eq!(server.address().port(), address.port());
        assert_eq!(get(address, "/health").head.code(), 503, "no picture has come");
        server.stop(Duration::from_secs(1));
    }
    // sd_listen_fds(3) sets it too.
    assert!(closes_on_exec(&listener), "programs that the application starts would have it");
}

/// "address not available", it said.
#[test]
fn a_passed_socket_without_a_path_is_an_error_that_says_so() {
    let name = format!("mjpeghttp-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("a name");
    let listener = UnixListener::bind_addr(&address).expect("a name that nobody has");
    let error = Server::start(&config_with(&listener), Mount::default(), some_camera()).expect_err("no path");
    assert!(error.to_string().contains("abstract") && error.to_string().contains("ListenStream="), "{error}");
}

#[test]
fn without_a_passed_socket_the_error_says_where_one_comes_from() {
    for host in ["systemd", "systemd:door"] {
        let text = start_error(&format!("host={host}"));
        assert!(text.contains("LISTEN_FDS") && text.contains(".socket"), "{text}");
    }
}

/// A server's, to which this socket is passed as `door`.
fn config_with(listener: &impl AsRawFd) -> Config {
    // Descriptors passed begin with 3: those before ours have another name.
    let names = (3..listener.as_raw_fd()).map(|_| "other").chain(["door"]).collect::<Vec<_>>();
    let activation = Activation::read(|variable| match variable {
        "LISTEN_PID" => Some(std::process::id().to_string()),
        "LISTEN_FDS" => Some(names.len().to_string()),
        "LISTEN_FDNAMES" => Some(names.join(":")),
        _ => None,
    });
    Config {
        endpoint: Endpoint::Passed(Some("door".to_owned())),
        activation,
        tls: None,
        timeout: None,
        per_address: None,
        secrets: Secrets::default(),
        allow_origin: None,
    }
}

fn some_camera() -> Arc<server::Camera> {
    let camera = server::CameraConfig {
        boundary: "frame".parse().expect("a boundary"),
        keepalive: None,
        max_fps: None,
        max_clients: None,
    };
    Arc::new(server::Camera::new(camera, Ids::default(), Box::new(|_| ())))
}

fn closes_on_exec(listener: &TcpListener) -> bool {
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", listener.as_raw_fd())).expect("Linux");
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:")).expect("proc(5) tells of flags");
    // O_CLOEXEC.
    i32::from_str_radix(flags.trim(), 8).expect("an octal number") & 0o2_000_000 != 0
}

#[track_caller]
fn serve(path: &str) -> Camera {
    Camera::new("is-live=true do-timestamp=true", &format!("host=unix:{path}")).play()
}

/// A pipeline in a program of its own.
fn served(host: &str) -> Vec<String> {
    gst_launch(&format!("videotestsrc is-live=true ! jpegenc ! mjpegserversink host={host}"))
}

/// Asks for the stream and reads nothing of it.
#[track_caller]
fn open_stream(path: &str) -> UnixStream {
    let mut stream = UnixStream::connect(path).expect("somebody listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
    stream.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is taken");
    stream
}

#[track_caller]
fn snapshot(path: &str) -> Vec<u8> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "10", "--unix-socket", path])
        .arg("http://camera/snapshot")
        .output()
        .expect("curl is installed");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The text of the error that a sink posts which cannot start.
#[track_caller]
fn start_error(properties: &str) -> String {
    let camera = Camera::new("is-live=true", properties);
    assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "the sink cannot start");
    let bus = camera.pipeline.bus().expect("a pipeline has a bus");
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
    let gst::MessageView::Error(error) = message.view() else { unreachable!("errors were asked for") };
    error.error().to_string()
}
