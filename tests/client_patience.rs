//! Bytes alone do not make a stream: one that sends no picture any more is lost, however busy it is.

mod common;

use std::{
    cell::{Cell, RefCell},
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use common::{
    jpeg,
    script_server::{Step, head, part},
};
use gio::prelude::*;
use gstmjpeghttp::{
    client::{self, Backoff, ClientError, EndOfStream, Framing, Location, Options, Receiver, Request, Tls},
    multipart::{Event, Limits},
};

/// Counts pictures, and stops the client once the stream has been lost.
#[derive(Default)]
struct Watch {
    cancellable: gio::Cancellable,
    pictures: Cell<usize>,
    lost: RefCell<Vec<ClientError>>,
}

impl Receiver for Watch {
    type Stamp = ();

    fn stamp(&self) {}

    fn received(&self, _bytes: usize) {}

    fn event(&self, event: Event<()>) {
        self.pictures.set(self.pictures.get() + usize::from(matches!(event, Event::Frame(_))));
    }

    fn connected(&self, _peer: &str) {}

    fn learnt(&self, _framing: &Framing) {}

    fn lost(&self, cause: &ClientError, _attempt: u32, _delay: Duration) {
        self.lost.borrow_mut().push(cause.clone());
        self.cancellable.cancel();
    }

    fn waits(&self) {}

    fn pause(&self, _delay: Duration) {}
}

const PATIENCE: Duration = Duration::from_millis(300);

fn options(location: &str) -> Options {
    Options {
        location: Location::parse(location).expect("a URL"),
        credentials: None,
        request: Request::default(),
        proxy: None,
        tls: Tls::default(),
        connect_timeout: Some(Duration::from_secs(10)),
        timeout: Some(Duration::from_secs(10)),
        patience: Some(PATIENCE),
        retries: None,
        backoff: Backoff { min: Duration::ZERO, max: Duration::ZERO },
        poll_interval: Some(Duration::from_secs(1)),
        end: EndOfStream::Reconnect,
        // So much that the limit on bytes is never reached.
        limits: Limits { max_frame: 1 << 40 },
    }
}

/// Says this, and then the same again and again as long as anybody listens.
fn babbler(opening: Vec<u8>, more: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a listener accepts");
        let _ = client.read(&mut [0; 4096]);
        let _ = client.write_all(&opening);
        while client.write_all(more).is_ok() {}
    });
    format!("http://{address}/")
}

#[track_caller]
fn assert_given_up(opening: &[Step], more: &'static [u8], pictures: usize) {
    let bytes = opening.iter().flat_map(|step| match step {
        Step::Send(bytes) => bytes.clone(),
        step => panic!("{step:?} is nothing to say"),
    });
    let watch = Watch::default();
    let ended = client::run(&options(&babbler(bytes.collect(), more)), &watch.cancellable, &watch);
    assert_eq!(ended, Err(ClientError::Cancelled));
    assert_eq!(*watch.lost.borrow(), [ClientError::Barren { after: PATIENCE }]);
    assert_eq!(watch.pictures.get(), pictures);
}

#[test]
fn blank_lines_after_a_picture_are_no_stream() {
    assert_given_up(&[head(), part(&jpeg::picture(0))], b"\r\n", 1);
}

#[test]
fn parts_without_pictures_are_no_stream() {
    assert_given_up(&[head()], b"--frame\r\nContent-Type: text/plain\r\n\r\nstill here\r\n", 0);
}
