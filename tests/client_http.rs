//! What is not quite HTTP, or more of it than was asked for, on real sockets.

mod common;

use common::{
    jpeg,
    script_server::{Script, ScriptServer, Step, chunk, part, send},
    source::{Source, assert_same},
};
use gio::{ConverterFlags, ZlibCompressorFormat, prelude::*};

const COUNT: usize = 6;

/// Pictures one after the other in this body, sent as `wrap` has it.
fn body(wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Step> {
    let parts = (0..COUNT).map(|index| {
        let Step::Send(bytes) = part(&jpeg::picture(index)) else { unreachable!("a part is sent") };
        send(wrap(&bytes))
    });
    parts.collect()
}

#[track_caller]
fn assert_plays(what: &str, script: Script) {
    let server = ScriptServer::play([script]);
    let source = Source::new(&server.url()).lossless().play();
    for index in 0..COUNT {
        assert_same(&source.frame(), &jpeg::picture(index), &format!("{what}, picture {index}"));
    }
    assert_eq!(source.stat("damaged"), 0, "{what}");
}

#[track_caller]
fn assert_head_plays(head: &str) {
    assert_plays(head, [vec![send(head)], body(<[u8]>::to_vec)].concat());
}

/// The body as one compressed stream, which the end of each piece flushes.
fn compressed(format: ZlibCompressorFormat, pieces: &[Step]) -> Vec<Step> {
    let compressor = gio::ZlibCompressor::new(format, -1);
    let compress = |step: &Step| {
        let Step::Send(bytes) = step else { unreachable!("a piece is sent") };
        let mut space = vec![0; bytes.len() + 1000];
        let (_, read, written) =
            compressor.convert(bytes, &mut space[..], ConverterFlags::FLUSH).expect("it compresses");
        assert_eq!(read, bytes.len(), "the space is enough");
        send(&space[..written])
    };
    pieces.iter().map(compress).collect()
}

#[test]
fn lengths_of_streams_end_nothing() {
    for length in ["-1", "9999999", "0x10", "99999999999999999999", "1", "0", ""] {
        assert_head_plays(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n"
        ));
    }
}

/// Seen from outside: a picture a second, each asked for on a connection of its own, as each was taken for all that the
/// camera had answered.
#[test]
fn lengths_that_the_first_picture_disproves_end_nothing() {
    let pictures: Vec<_> = (0..3).map(jpeg::picture).collect();
    let length = pictures[0].len();
    let with_head = |jpeg: &[u8]| [format!("Content-Length: {}\r\n\r\n", jpeg.len()).as_bytes(), jpeg].concat();
    let parts =
        [with_head(&pictures[0]), with_head(&pictures[1]), with_head(&pictures[2])].join(&b"\r\n--frame\r\n"[..]);
    for length in [0, 1, 100, length - 1, length + 10] {
        for essence in ["multipart/x-mixed-replace", "image/jpeg", "video/x-mjpeg"] {
            let fields = format!("Content-Type: {essence}\r\nContent-Length: {length}");
            assert_plays_in_pieces(&fields, &pictures.concat(), &pictures);
        }
        // The first delimiter is missing.
        let fields = format!("Content-Type: multipart/x-mixed-replace\r\nContent-Length: {length}");
        assert_plays_in_pieces(&fields, &parts, &pictures);
    }
}

/// Sends the body in small pieces, each when the one before has come.
#[track_caller]
fn assert_plays_in_pieces(fields: &str, body: &[u8], pictures: &[Vec<u8>]) {
    let pieces = body.chunks(PIECE);
    let script = pieces.clone().flat_map(|piece| [Step::Wait, send(piece)]);
    let head = send(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"));
    let server = ScriptServer::play([[head].into_iter().chain(script).collect()]);
    let source = Source::new(&server.url()).lossless().play();
    let mut sent = 0;
    for piece in pieces {
        server.allow();
        sent += piece.len() as u64;
        source.await_stat("bytes", sent);
    }
    for (index, picture) in pictures.iter().enumerate() {
        assert_same(&source.frame(), picture, &format!("{fields}, picture {index}"));
    }
}

/// In bytes. A picture of these tests has some hundreds.
const PIECE: usize = 100;

#[test]
fn heads_that_are_not_quite_http_play() {
    for head in [
        "ICY 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 200 \n\n",
        "http/1.1 200 ok\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nThu Jan  1 00:00:00 1970\r\n: no name\r\n\r\n",
        "HTTP/1.1  200  OK\r\n\r\n",
        "HTTP/1.1 200OK\r\n\r\n",
        "HTTP 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "200 OK\r\n\r\n",
        "\u{feff}HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\r\nServer: x\r\r\n\r\r\n",
        "HTTP/1.1 200 OK\r\nServer: caf\u{e9}\r\nX:\t\u{1}\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Type: multipart/x-mixed-replace\r\n\n",
        "HTTP/1.1 200 OK\r\nContent-Type:\r\n multipart/x-mixed-replace;\r\n\tboundary=frame\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\n\r\n",
        // Scripts whose web server adds nothing.
        "Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n",
        "Status: 200 OK\r\nContent-Length: 1\r\n\r\n",
        // Without a blank line the stream itself ends the head.
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n",
        "HTTP/1.1 200 OK\r\n",
    ] {
        assert_head_plays(head);
    }
}

/// What the head says of the body is a hint like any other.
#[test]
fn bodies_that_are_not_coded_as_their_head_says_play() {
    for coding in
        ["Transfer-Encoding: chunked", "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: br"]
    {
        assert_head_plays(&format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n"));
    }
}

#[test]
fn stream_without_any_head_plays() {
    assert_plays("HTTP/0.9", body(<[u8]>::to_vec));
    assert_plays("a blank line before", [vec![send("\r\n")], body(<[u8]>::to_vec)].concat());
    assert_plays("a byte order mark before", [vec![send("\u{feff}")], body(<[u8]>::to_vec)].concat());
    let bare = (0..COUNT).map(|index| send(jpeg::picture(index))).collect();
    assert_plays("pictures alone", bare);
}

/// Seen from outside: such a stream was "not HTTP" when the network delivered its first byte alone.
#[test]
fn stream_without_any_head_may_begin_with_one_byte() {
    let picture = jpeg::picture(0);
    let bytes = picture.iter().map(|byte| send([*byte])).collect();
    let server = ScriptServer::play([bytes]);
    let source = Source::playing(&server.url());
    assert_same(&source.frame(), &picture, "a picture byte by byte");
}

#[test]
fn interim_answers_are_passed_over() {
    assert_head_plays(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    );
}

#[test]
fn interim_answers_without_end_are_an_error() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
    let server = ScriptServer::play([vec![send(interim)]]);
    let source = Source::playing(&server.url());
    source.assert_fails(gst::ResourceError::OpenRead, &["102"]);
}

#[test]
fn chunks_play_however_they_are_cut() {
    let head = || send("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for size in [1, 2, 7, 100] {
        let cut = move |bytes: &[u8]| bytes.chunks(size).flat_map(chunk).collect();
        assert_plays(&format!("chunks of {size}"), [vec![head()], body(cut)].concat());
    }
    let extended =
        |bytes: &[u8]| [format!("000{:X} ; name=\"value\"\n", bytes.len()).as_bytes(), bytes, b"\n"].concat();
    assert_plays("extensions and line feeds", [vec![head()], body(extended)].concat());
    let prefixed = |bytes: &[u8]| [format!("0x{:X}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    assert_plays("the prefix of hexadecimal numbers", [vec![head()], body(prefixed)].concat());
    let glued = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes].concat();
    assert_plays("no line end after the data", [vec![head()], body(glued)].concat());
    let returns = |bytes: &[u8]| [format!("{:x}\r", bytes.len()).as_bytes(), bytes, b"\r"].concat();
    assert_plays("carriage returns alone", [vec![head()], body(returns)].concat());
}

#[test]
fn chunks_count_before_a_length() {
    let head = send("HTTP/1.1 200 OK\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_plays("both", [vec![head], body(chunk)].concat());
}

#[test]
fn compressed_bodies_play() {
    for (encoding, format) in [
        ("Content-Encoding: gzip", ZlibCompressorFormat::Gzip),
        ("Content-Encoding: x-gzip", ZlibCompressorFormat::Gzip),
        ("Content-Encoding: deflate", ZlibCompressorFormat::Zlib),
        ("Content-Encoding: DEFLATE", ZlibCompressorFormat::Raw),
        ("Content-Encoding: deflate", ZlibCompressorFormat::Gzip),
        ("Content-Encoding: gzip", ZlibCompressorFormat::Zlib),
        ("Content-Encoding: identity, gzip", ZlibCompressorFormat::Gzip),
        ("Transfer-Encoding: gzip", ZlibCompressorFormat::Gzip),
        ("Server: says nothing", ZlibCompressorFormat::Gzip),
    ] {
        let head = send(format!("HTTP/1.1 200 OK\r\n{encoding}\r\n\r\n"));
        let pieces = compressed(format, &body(<[u8]>::to_vec));
        assert_plays(&format!("{encoding}, {format:?}"), [vec![head], pieces].concat());
    }
}

#[test]
fn compressed_bodies_in_chunks_play() {
    let head = send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
    let wrap = |step: Step| match step {
        Step::Send(bytes) => send(bytes.chunks(99).flat_map(chunk).collect::<Vec<_>>()),
        step => step,
    };
    let pieces = compressed(ZlibCompressorFormat::Gzip, &body(<[u8]>::to_vec)).into_iter().map(wrap);
    assert_plays("gzip in chunks", [vec![head], pieces.collect()].concat());
}

#[test]
fn broken_compression_is_a_loss() {
    // The head of a gzip member (RFC 1952 2.3), and nothing that could follow it.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\0not compressed at all";
    let broken = vec![send([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".as_slice(), gzip].concat())];
    let server = ScriptServer::play([broken, vec![send("HTTP/1.1 200 OK\r\n\r\n"), part(&jpeg::picture(0))]]);
    let source = Source::new(&server.url()).hasty().play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture after the loss");
    let reason = source.last_reason();
    assert!(reason.contains("not compressed as it says"), "{reason}");
}

/// Seen from outside: "no picture in so many bytes", of a body that any browser shows.
#[test]
fn compression_that_cannot_be_read_is_an_error_that_names_it() {
    let twice = compressed(ZlibCompressorFormat::Gzip, &compressed(ZlibCompressorFormat::Gzip, &body(<[u8]>::to_vec)));
    // The head of a frame (RFC 8878 3.1.1), and something behind it.
    let other = vec![send(b"\x28\xb5\x2f\xfd\x04\x58 something compressed")];
    for (coding, body) in [("gzip, gzip", twice), ("zstd", other.clone()), ("br", other)] {
        let head = send(format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n"));
        let server = ScriptServer::play([[vec![head], body, vec![Step::Close]].concat()]);
        let source = Source::playing(&server.url());
        source.assert_fails(gst::StreamError::WrongType, &["no picture", coding, "only gzip or deflate"]);
    }
}

/// ESP-IDF and Flask call everything text/html that is not given another type.
#[test]
fn pictures_that_call_themselves_a_text_are_played() {
    for content_type in ["text/html; charset=utf-8", "text/plain"] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n");
        let blank = [&head, "\r\n".repeat(1000).as_str()].concat();
        // The web server had sent a head before the script sent its own.
        for twice in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n", "Status: 200 OK\r\n", "Cache-Control: no-cache\n"]
        {
            assert_head_plays(&format!("{head}{twice}Content-Type: multipart/x-mixed-replace\r\n\r\n"));
        }
        assert_head_plays(&format!("{head}HTTP/1.1 200 OK\r\n\r\n"));
        for head in [head, blank] {
            assert_head_plays(&head);
        }
        let coded = send(format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Encoding: gzip\r\n\r\n"));
        let pieces = compressed(ZlibCompressorFormat::Gzip, &body(<[u8]>::to_vec));
        assert_plays(&format!("{content_type}, gzip"), [vec![coded], pieces].concat());
    }
}

/// Seen from outside: pictures with the lengths of chunks in them.
#[test]
fn chunks_of_which_the_head_says_nothing_play() {
    for content_type in ["multipart/x-mixed-replace", "text/html"] {
        let head = send(format!("HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\n\r\n"));
        let cut = |bytes: &[u8]| bytes.chunks(100).flat_map(chunk).collect();
        assert_plays(content_type, [vec![head], body(cut)].concat());
    }
}

/// A server that starts up answers so. Without its end, such an answer would be waited for.
#[test]
fn answers_without_a_body_are_asked_again() {
    for head in ["204 No Content\r\nConnection: keep-alive", "200 OK\r\nContent-Length: 0"] {
        let empty = vec![send(format!("HTTP/1.1 {head}\r\n\r\n"))];
        let server = ScriptServer::play([empty, vec![send("HTTP/1.1 200 OK\r\n\r\n"), part(&jpeg::picture(0))]]);
        let source = Source::new(&server.url()).hasty().play();
        assert_same(&source.frame(), &jpeg::picture(0), head);
    }
}

#[test]
fn server_that_asks_for_a_longer_wait_gets_it() {
    // Its clock may be wrong by years: what counts is how far its two dates are apart.
    let date = "Sun, 06 Nov 1994 08:49:42 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT";
    for (status, said, least, most) in [
        (503, "3", 3000, 3000),
        (429, "4", 4000, 4000),
        (503, "86400", 60_000, 60_000),
        (503, "0", 100, 200),
        (503, "soon", 100, 200),
        (503, date, 5000, 5000),
        (429, date, 5000, 5000),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", 60_000, 60_000),
        (503, "Sun, 06 Nov 1994 08:49:42 GMT", 100, 200),
    ] {
        let busy = vec![send(format!("HTTP/1.1 {status} Busy\r\nRetry-After: {said}\r\n\r\n")), Step::Close];
        let server = ScriptServer::play([busy]);
        let source = Source::new(&server.url()).set("reconnect-delay-min", 200_000_000u64).play();
        let delay: gst::ClockTime = source.change().get("delay").expect("a loss says how long it waits");
        assert!((least..=most).contains(&delay.mseconds()), "{said}: {delay}");
    }
}
