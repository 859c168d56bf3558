//! Every framing that is out there, over a real socket: each picture byte for byte, and none held back.

mod common;

use common::{
    jpeg, rows,
    script_server::{Script, ScriptServer, Step, chunk, head, part, send},
    source::{Source, assert_same},
    streams::{Expected, Row},
};

/// How a server answers, and how it wraps what it sends.
struct Peer {
    row: &'static str,
    head: &'static str,
    wrap: fn(&[u8]) -> Vec<u8>,
}

/// Servers whose answers are known; the rows are in `rows::PRODUCERS`.
const PEERS: &[Peer] = &[
    Peer {
        row: "ustreamer",
        head: "HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\
               Cache-Control: no-store, no-cache, must-revalidate, proxy-revalidate, pre-check=0, post-check=0, \
               max-age=0\r\nPragma: no-cache\r\nExpires: Mon, 3 Jan 2000 12:34:56 GMT\r\n\
               Set-Cookie: stream_client=/4f1a; path=/; max-age=30\r\n\
               Content-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n",
        wrap: plain,
    },
    Peer {
        row: "ustreamer with heads ahead",
        head: "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n",
        wrap: plain,
    },
    Peer {
        row: "mjpg-streamer",
        head: "HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\nServer: MJPG-Streamer/0.2\r\n\
               Content-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n",
        wrap: plain,
    },
    Peer {
        row: "mjpg-streamer for WebcamXP",
        head: "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 9999999\r\n\
               Content-Type: multipart/x-mixed-replace;boundary=--myboundary\r\n\r\n",
        wrap: plain,
    },
    Peer {
        row: "go2rtc",
        head: "HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nConnection: close\r\n\
               Content-Type: multipart/x-mixed-replace; boundary=frame\r\nTransfer-Encoding: chunked\r\n\r\n",
        wrap: chunk,
    },
    Peer {
        row: "ESP32",
        head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nAccess-Control-Allow-Origin: *\r\nX-Framerate: 60\r\n\
               Content-Type: multipart/x-mixed-replace;boundary=123456789000000000000987654321\r\n\r\n",
        wrap: three_chunks,
    },
    Peer {
        row: "motion",
        head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
               Content-Type: multipart/x-mixed-replace; boundary=BoundaryString\r\n\r\n",
        wrap: chunk,
    },
    Peer {
        row: "ffmpeg",
        head: "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        wrap: chunk,
    },
    Peer { row: "early ffmpeg", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", wrap: three_chunks },
    Peer {
        row: "Flask",
        head: "HTTP/1.1 200 OK\r\nServer: Werkzeug/3.0.1 Python/3.11.2\r\n\
               Content-Type: multipart/x-mixed-replace; boundary=frame\r\nTransfer-Encoding: chunked\r\n\r\n",
        wrap: three_chunks,
    },
    Peer {
        row: "Home Assistant",
        head: "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=--frameboundary\r\n\
               Transfer-Encoding: chunked\r\n\r\n",
        wrap: chunk,
    },
    Peer {
        row: "Kasa",
        head: "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=data-boundary--\r\n\
               Content-Length: -1\r\nTransfer-Encoding: chunked\r\n\r\n",
        wrap: chunk,
    },
    Peer {
        row: "GoAhead",
        head: "HTTP/1.1 200 OK\r\nDate: x\r\nThu Jan  1 00:00:00 1970\r\n\
               Content-Type: multipart/x-mixed-replace;boundary=ipcamera\r\n\r\n",
        wrap: plain,
    },
    Peer { row: "picamera2", head: "ICY 200 OK\r\n\r\n", wrap: plain },
    Peer {
        row: "LabVIEW",
        head: "HTTP/1.1 200\nContent-Type: multipart/x-mixed-replace;boundary=myboundary\n\n",
        wrap: plain,
    },
];

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// Chunks that end in the middle of things.
fn three_chunks(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(bytes.len() / 3 + 1).flat_map(chunk).collect()
}

/// Sends each picture up to its last byte, and goes on only when the test has it.
fn in_lockstep(head: Step, row: &Row, wrap: fn(&[u8]) -> Vec<u8>) -> (Script, Vec<Expected>) {
    let stream = row.stream(&row.pictures(0, 7, 3000));
    let mut script = vec![head];
    let mut sent = 0;
    for frame in &stream.frames {
        script.extend([send(wrap(&stream.bytes[sent..frame.due])), Step::Wait]);
        sent = frame.due;
    }
    (script, stream.frames)
}

#[track_caller]
fn assert_plays(head: Step, row: &Row, wrap: fn(&[u8]) -> Vec<u8>) {
    let (script, frames) = in_lockstep(head, row, wrap);
    let server = ScriptServer::play([script]);
    let source = Source::playing(&server.url());
    for (index, frame) in frames.iter().enumerate() {
        assert_same(&source.frame(), &frame.jpeg, &format!("{}, picture {index}", row.name));
        server.allow();
    }
}

/// Runs a check on each row, and names all rows that fail it.
#[track_caller]
fn assert_all(checks: impl Iterator<Item = (&'static str, impl FnOnce() + std::panic::UnwindSafe)>) {
    let failed: Vec<_> =
        checks.filter_map(|(name, check)| std::panic::catch_unwind(check).err().map(|_| name)).collect();
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
}

#[test]
fn every_known_server_plays_without_delay() {
    assert_all(PEERS.iter().map(|peer| {
        let row = rows::PRODUCERS.iter().find(|row| row.name == peer.row).expect("a row of this name");
        (peer.row, || assert_plays(send(peer.head), row, peer.wrap))
    }));
}

#[test]
fn every_framing_plays_without_delay() {
    assert_all(rows::all().map(|row| (row.name, || assert_plays(head(), row, plain))));
}

#[test]
fn a_closing_delimiter_ends_nothing_that_the_server_goes_on_with() {
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let server = ScriptServer::play([vec![head(), part(&first), send("--frame--\r\n"), Step::Wait, part(&second)]]);
    let source = Source::playing(&server.url());
    assert_same(&source.frame(), &first, "the picture before the closing delimiter");
    server.allow();
    assert_same(&source.frame(), &second, "the picture after it");
}
