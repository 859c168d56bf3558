//! Other people's servers, the real ones.

mod common;

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
};

use common::{
    jpeg, pictures,
    pipeline::{DEADLINE, init, wait_until},
    source::{Source, assert_same},
};
use gst::prelude::*;

/// A process that ends with its value.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    #[track_caller]
    fn start(command: &mut Command) -> Self {
        let command = command.env_remove("G_DEBUG").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/setup test"));
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Writes to the process what it waits for.
    #[track_caller]
    fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("the process reads");
    }

    /// The first line that the process says.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.child.stdout.take().expect("taken once");
        BufReader::new(stdout).read_line(&mut line).expect("the process speaks");
        line.trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, for programs that cannot choose one.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits until somebody listens on the port, without connecting to it: ffmpeg takes one connection only.
#[track_caller]
fn await_listener(port: u16) {
    // Local address 127.0.0.1 as the kernel shows it, any peer, state LISTEN.
    let line = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
    wait_until("a listener", || std::fs::read_to_string("/proc/net/tcp").expect("Linux").contains(&line));
}

/// Answers one request with a head, then with whatever the server at this port sends.
fn relay(head: &'static str, port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("the port just bound"));
    thread::spawn(move || -> io::Result<()> {
        let (mut client, _) = listener.accept()?;
        client.write_all(head.as_bytes())?;
        io::copy(&mut TcpStream::connect(("127.0.0.1", port))?, &mut client)?;
        Ok(())
    });
    url
}

#[test]
fn multipartmux_behind_tcpserversink_plays_without_delay() {
    init();
    let pipeline =
        gst::parse::launch("appsrc name=src format=time ! multipartmux ! tcpserversink name=tcp host=127.0.0.1 port=0");
    let pipeline = pipeline.expect("the usual elements").downcast::<gst::Pipeline>().expect("a pipeline");
    let src = pipeline.by_name("src").and_downcast::<gst_app::AppSrc>().expect("the source named so");
    src.set_caps(Some(&gst::Caps::new_empty_simple("image/jpeg")));
    let tcp = pipeline.by_name("tcp").expect("the sink named so");
    let (added, is_added) = mpsc::channel();
    tcp.connect("client-added", false, move |_| {
        let _ = added.send(());
        None
    });
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let port = u16::try_from(tcp.property::<i32>("current-port")).expect("a port");

    let head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=ThisRandomString\r\n\r\n";
    let source = Source::playing(&relay(head, port));
    is_added.recv_timeout(DEADLINE).expect("the relay connects");
    for index in 0..6 {
        let picture = jpeg::picture(index);
        src.push_buffer(gst::Buffer::from_slice(picture.clone())).expect("the pipeline flows");
        assert_same(&source.frame(), &picture, &format!("picture {index}"));
    }
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
}

/// ffmpeg sends a picture when the next one is in, so only its order and its last one are to be seen here.
#[test]
fn ffmpeg_as_server_plays_to_the_last_picture() {
    let pictures = pictures::encoded(10);
    let port = free_port();
    let mut ffmpeg = Server::start(
        Command::new("ffmpeg")
            .args(["-loglevel", "error", "-f", "mjpeg", "-i", "pipe:0", "-c", "copy", "-f", "mpjpeg", "-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/")),
    );
    ffmpeg.write(&pictures.concat());
    ffmpeg.stdin = None;
    await_listener(port);

    let source = Source::new(&format!("http://127.0.0.1:{port}/")).lossless().set("eos-on-close", true).play();
    for (index, picture) in pictures.iter().enumerate() {
        assert_same(&source.frame(), picture, &format!("picture {index}"));
    }
    source.assert_ends();
}

#[test]
fn flask_recipe_plays_without_delay() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/flask_app.py");
    // Debian's own: another Python in PATH has none of the installed packages.
    let mut flask = Server::start(Command::new("/usr/bin/python3").arg(script));
    let port = flask.line();
    let source = Source::new(&format!("http://127.0.0.1:{port}/stream")).set("eos-on-close", true).play();
    for index in 0..6 {
        let picture = jpeg::picture(index);
        flask.write(&(picture.len() as u64).to_be_bytes());
        flask.write(&picture);
        assert_same(&source.frame(), &picture, &format!("picture {index}"));
    }
    flask.stdin = None;
    source.assert_ends();
}
