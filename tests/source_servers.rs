//! Other people's servers, the real ones.

mod common;

use std::{
    io::{self, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc,
    thread,
};

use common::{
    jpeg, pictures,
    pipeline::{DEADLINE, init},
    process::{Process, await_listener, free_port},
    source::{Source, assert_same},
};
use gst::prelude::*;

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
    let mut ffmpeg = Process::start(
        Command::new("ffmpeg")
            .args(["-loglevel", "error", "-f", "mjpeg", "-i", "pipe:0", "-c", "copy", "-f", "mpjpeg", "-listen", "1"])
            .arg(format!("http://127.0.0.1:{port}/")),
    );
    ffmpeg.write(&pictures.concat());
    ffmpeg.end_input();
    await_listener(port);

    let source = Source::new(&format!("http://127.0.0.1:{port}/")).lossless().set("eos-on-close", true).play();
    for (index, picture) in pictures.iter().enumerate() {
        assert_same(&source.frame(), picture, &format!("picture {index}"));
    }
    source.assert_ends();
}

#[test]
fn flask_recipe_plays_without_delay() {
    let mut flask = Process::python("flask_app.py", &[]);
    let port = flask.line();
    let source = Source::new(&format!("http://127.0.0.1:{port}/stream")).set("eos-on-close", true).play();
    for index in 0..6 {
        let picture = jpeg::picture(index);
        flask.write(&(picture.len() as u64).to_be_bytes());
        flask.write(&picture);
        assert_same(&source.frame(), &picture, &format!("picture {index}"));
    }
    flask.end_input();
    source.assert_ends();
}
