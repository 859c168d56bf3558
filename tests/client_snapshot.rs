//! Cameras that answer one picture to each request.

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use common::{
    jpeg,
    pipeline::DEADLINE,
    script_server::{ScriptServer, Step, chunk, send},
    source::{Source, assert_same},
};

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Keep,
    Close,
}

/// A server that answers each request by its number, on as many connections as there come. It ends with the process.
struct Camera {
    address: SocketAddr,
    /// Number of the connection, and head of the request.
    requests: Receiver<(usize, String)>,
}

impl Camera {
    fn new(answer: impl Fn(usize) -> (Vec<u8>, After) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port just bound");
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            let mut count = 0;
            for (connection, stream) in listener.incoming().enumerate() {
                let stream = stream.expect("a listener accepts");
                while let Some(head) = read_head(&stream) {
                    let (bytes, after) = answer(count);
                    count += 1;
                    if sender.send((connection, head)).is_err() || (&stream).write_all(&bytes).is_err() {
                        break;
                    }
                    if after == After::Close {
                        let _ = stream.shutdown(Shutdown::Write);
                        break;
                    }
                }
            }
        });
        Self { address, requests }
    }

    /// Asks it every 20 ms.
    fn polled(&self) -> Source {
        Source::new(&format!("http://{}/snapshot", self.address)).lossless().set("poll-interval", POLL).hasty()
    }

    #[track_caller]
    fn request(&self) -> (usize, String) {
        self.requests.recv_timeout(DEADLINE).expect("a request")
    }

    /// On which connections the next requests came.
    #[track_caller]
    fn connections(&self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.request().0).collect()
    }
}

/// In nanoseconds.
const POLL: u64 = 20_000_000;

/// The head of the next request, byte by byte, so that nothing is read that belongs to the one after it.
fn read_head(mut stream: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if BufReader::with_capacity(1, &mut stream).read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// An answer with this picture and its length.
fn snapshot(index: usize, fields: &str) -> Vec<u8> {
    answer(&jpeg::picture(index), fields)
}

/// An answer with these bytes and their length.
fn answer(body: &[u8], fields: &str) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

const IMAGE: &str = "Content-Type: image/jpeg\r\n";

#[track_caller]
fn assert_plays(source: &Source, count: usize) {
    for index in 0..count {
        assert_same(&source.frame(), &jpeg::picture(index), &format!("picture {index}"));
    }
    assert_eq!((source.stat("reconnects"), source.stat("damaged")), (0, 0));
}

#[test]
fn pictures_are_polled_on_one_connection() {
    let camera = Camera::new(|index| (snapshot(index, IMAGE), After::Keep));
    let source = camera.polled().play();
    assert_plays(&source, 10);
    assert_eq!(camera.connections(10), [0; 10]);
}

/// Seen from outside, while this was made: those of 1 to 4 kB were cut off at 1 kB from the second one on.
#[test]
fn pictures_of_every_size_are_polled() {
    const SIZES: [usize; 8] = [100, 900, 1100, 2500, 3500, 5000, 40_000, 100_000];
    let picture = |index: usize| jpeg::Jpeg::new(index).data(SIZES[index % SIZES.len()]).bytes();
    let camera = Camera::new(move |index| (answer(&picture(index), IMAGE), After::Keep));
    let source = camera.polled().play();
    for index in 0..2 * SIZES.len() {
        assert_same(&source.frame(), &picture(index), &format!("picture {index}"));
    }
    assert_eq!((source.stat("reconnects"), source.stat("damaged")), (0, 0));
}

#[test]
fn polling_asks_to_keep_the_connection() {
    let camera = Camera::new(|index| (snapshot(index, IMAGE), After::Keep));
    let source = camera.polled().play();
    assert_plays(&source, 2);
    let (first, second) = (camera.request().1, camera.request().1);
    assert!(first.contains("\r\nConnection: close\r\n"), "who knows whether it is a stream: {first}");
    assert!(second.contains("\r\nConnection: keep-alive\r\n"), "{second}");
}

#[test]
fn pictures_come_no_faster_than_they_are_polled() {
    const INTERVAL: Duration = Duration::from_millis(100);
    let camera = Camera::new(|index| (snapshot(index, IMAGE), After::Keep));
    let source = camera.polled().set("poll-interval", 100_000_000u64).play();
    camera.request();
    let start = Instant::now();
    assert_plays(&source, 4);
    camera.connections(3);
    // The first request began a little before it was seen.
    let took = start.elapsed();
    assert!(took > INTERVAL * 3 - INTERVAL / 2, "three intervals in {took:?}");
    assert!(took < DEADLINE, "{took:?}");
}

#[test]
fn server_that_closes_each_time_is_polled() {
    let closed = format!("{IMAGE}Connection: close\r\n");
    let camera = Camera::new(move |index| (snapshot(index, &closed), After::Close));
    let source = camera.polled().play();
    assert_plays(&source, 5);
    assert_eq!(camera.connections(5), [0, 1, 2, 3, 4]);
}

#[test]
fn picture_without_a_length_is_polled() {
    let bare =
        |index| [b"HTTP/1.0 200 OK\r\nContent-Type: image/jpeg\r\n\r\n".as_slice(), &jpeg::picture(index)].concat();
    let camera = Camera::new(move |index| (bare(index), After::Close));
    let source = camera.polled().play();
    assert_plays(&source, 4);
}

/// Seen from outside: a new connection for each picture, as the end of the chunks was not taken for the end.
#[test]
fn picture_in_chunks_is_polled_on_one_connection() {
    let chunked = |index| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n";
        let jpeg = jpeg::picture(index);
        let (first, second) = jpeg.split_at(100);
        [head.as_slice(), &chunk(first), &chunk(second), b"0\r\n\r\n"].concat()
    };
    let camera = Camera::new(move |index| (chunked(index), After::Keep));
    let source = camera.polled().play();
    assert_plays(&source, 6);
    // The request for a stream closes its connection; those for pictures keep theirs.
    assert_eq!(camera.connections(6), [0; 6]);
}

/// Seen from outside: every other picture was damaged or not there, as the fields at the end of the chunks were taken
/// for the head of the next answer.
#[test]
fn fields_behind_the_last_chunk_are_not_the_next_answer() {
    for (end, connections) in [("0\r\nX-Sum: y\r\n\r\n", [0, 0, 0]), ("0\r\nX-Sum: y\r\n", [0, 1, 2])] {
        let camera = Camera::new(move |index| {
            let head = format!("HTTP/1.1 200 OK\r\n{IMAGE}Transfer-Encoding: chunked\r\n\r\n");
            ([head.as_bytes(), &chunk(&jpeg::picture(index)), end.as_bytes()].concat(), After::Keep)
        });
        assert_plays(&camera.polled().play(), 3);
        assert_eq!(camera.connections(3), connections, "{end:?}");
    }
}

/// Phones put a second picture or a video behind the first.
#[test]
fn what_follows_a_picture_within_its_answer_is_kept() {
    for more in [&[0; 13][..], &jpeg::picture(99), b"\0\0\0\x18ftypmp42"] {
        let whole = [&jpeg::picture(0), more].concat();
        let same = answer(&whole, IMAGE);
        let camera = Camera::new(move |_| (same.clone(), After::Keep));
        let source = camera.polled().play();
        for index in 0..3 {
            assert_same(&source.frame(), &whole, &format!("picture {index}"));
        }
        assert_eq!(camera.connections(3), [0; 3]);
    }
}

#[test]
fn line_end_behind_a_picture_is_not_kept() {
    let camera = Camera::new(move |index| ([wrong_length(index, 2), b"\r\n".to_vec()].concat(), After::Keep));
    assert_plays(&camera.polled().play(), 3);
}

/// RFC 9112 9.2. Seen from outside: each later picture was as old as the time between two requests.
#[test]
fn answer_that_nobody_asked_for_is_not_taken_for_the_next() {
    let server = ScriptServer::play([
        vec![send(snapshot(0, IMAGE)), Step::Wait, send(snapshot(9, IMAGE))],
        vec![send(snapshot(1, IMAGE))],
    ]);
    // Far longer than it takes to send what nobody asked for.
    let source = Source::new(&server.url()).set("poll-interval", 2_000_000_000u64).lossless().play();
    assert_same(&source.frame(), &jpeg::picture(0), "the first answer");
    server.allow();
    assert_same(&source.frame(), &jpeg::picture(1), "the answer to the second request");
    assert!([server.request(), server.request()].iter().all(|request| request.alone), "one connection at a time");
}

#[test]
fn single_picture_called_multipart_is_polled() {
    let camera = Camera::new(|index| {
        (snapshot(index, "Content-Type: multipart/x-mixed-replace;boundary=ipcam264\r\n"), After::Keep)
    });
    let source = camera.polled().play();
    assert_plays(&source, 5);
}

/// An answer with this picture, which says that it has so many bytes more.
fn wrong_length(index: usize, more: isize) -> Vec<u8> {
    let jpeg = jpeg::picture(index);
    let length = jpeg.len().checked_add_signed(more).expect("a length");
    [format!("HTTP/1.1 200 OK\r\n{IMAGE}Content-Length: {length}\r\n\r\n").as_bytes(), &jpeg].concat()
}

/// Seen from outside: no picture at all, as the answer was cut off where its length had it end.
#[test]
fn picture_longer_than_its_length_is_whole() {
    for cut in [1, 2, 20] {
        let answer = wrong_length(0, -20);
        let (first, rest) = answer.split_at(answer.len() - cut);
        let server = ScriptServer::play([vec![send(first), Step::Wait, send(rest), Step::Close]]);
        let source = Source::new(&server.url()).lossless().play();
        source.await_stat("bytes", (jpeg::picture(0).len() - cut) as u64);
        server.allow();
        assert_same(&source.frame(), &jpeg::picture(0), "the picture");
        assert_eq!(source.stat("damaged"), 0);
    }
}

/// Seen from outside: one picture, then nothing for the time of `timeout`, and a warning each time.
#[test]
fn picture_whose_end_nobody_tells_is_polled() {
    let bare = |index| [format!("HTTP/1.1 200 OK\r\n{IMAGE}\r\n").as_bytes(), &jpeg::picture(index)].concat();
    for answer in [Box::new(bare) as Box<dyn Fn(usize) -> Vec<u8> + Send>, Box::new(|index| wrong_length(index, 20))] {
        let camera = Camera::new(move |index| (answer(index), After::Keep));
        assert_plays(&camera.polled().play(), 4);
    }
}

/// A connection that the server is about to close is asked nothing more.
#[test]
fn server_that_says_that_it_closes_is_asked_on_another_connection() {
    for head in ["HTTP/1.1 200 OK\r\nConnection: close", "HTTP/1.0 200 OK"] {
        let camera = Camera::new(move |index| {
            let jpeg = jpeg::picture(index);
            let head = format!("{head}\r\n{IMAGE}Content-Length: {}\r\n\r\n", jpeg.len());
            ([head.as_bytes(), &jpeg].concat(), After::Keep)
        });
        assert_plays(&camera.polled().play(), 4);
        assert_eq!(camera.connections(4), [0, 1, 2, 3]);
    }
}

/// Seen from outside: an error, as if there were no picture to be had.
#[test]
fn first_picture_that_is_damaged_costs_itself_alone() {
    let camera =
        Camera::new(|index| if index == 0 { (half(0), After::Close) } else { (snapshot(index, IMAGE), After::Keep) });
    let source = camera.polled().play();
    assert_same(&source.frame(), &jpeg::picture(1), "the picture after");
    assert_eq!(source.stat("damaged"), 1);
}

#[test]
fn stream_called_a_picture_is_a_stream() {
    let head = send("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n");
    let parts = (0..5).map(|index| common::script_server::part(&jpeg::picture(index)));
    let server = ScriptServer::play([[head].into_iter().chain(parts).collect()]);
    let source = Source::new(&server.url()).lossless().set("poll-interval", POLL).play();
    assert_plays(&source, 5);
    server.request();
    assert_eq!(server.more_requests(), 0);
}

#[test]
fn pictures_one_after_the_other_called_a_picture_are_a_stream() {
    let head = send("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n");
    let pictures = (0..5).map(|index| send(jpeg::picture(index)));
    let server = ScriptServer::play([[head].into_iter().chain(pictures).collect()]);
    let source = Source::new(&server.url()).lossless().set("poll-interval", POLL).play();
    assert_plays(&source, 5);
}

#[test]
fn picture_that_is_asked_for_once_is_the_end() {
    for after in [After::Keep, After::Close] {
        let camera = Camera::new(move |index| (snapshot(index, IMAGE), after));
        let source = camera.polled().set("poll-interval", 0u64).set("eos-on-close", true).play();
        assert_same(&source.frame(), &jpeg::picture(0), "the picture");
        source.assert_ends();
        assert_eq!(camera.requests.try_iter().count(), 1);
    }
}

/// Seen from outside: thousands of requests a second, where the interval was meant in milliseconds.
#[test]
fn shortest_interval_is_no_storm() {
    let camera = Camera::new(|index| (snapshot(index, IMAGE), After::Keep));
    let start = Instant::now();
    let source = camera.polled().set("poll-interval", 1u64).play();
    assert_plays(&source, 11);
    assert!(start.elapsed() >= 10 * Duration::from_millis(10), "11 pictures in {:?}", start.elapsed());
}

#[test]
fn picture_without_polling_is_a_stream_that_ended() {
    let camera = Camera::new(|index| (snapshot(index, IMAGE), After::Keep));
    let source = camera.polled().set("poll-interval", 0u64).play();
    for index in 0..3 {
        assert_same(&source.frame(), &jpeg::picture(index), &format!("picture {index}"));
    }
    assert!(source.stat("reconnects") >= 2);
}

#[test]
fn camera_that_is_busy_now_and_then_is_polled_on() {
    let busy = || b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let camera = Camera::new(move |count| match count % 3 {
        2 => (busy(), After::Close),
        _ => (snapshot(count / 3 * 2 + count % 3, IMAGE), After::Keep),
    });
    let source = camera.polled().play();
    for index in 0..8 {
        assert_same(&source.frame(), &jpeg::picture(index), &format!("picture {index}"));
    }
    assert!(source.stat("reconnects") >= 3);
}

/// A picture that was cut off, in an answer that was not.
fn half(index: usize) -> Vec<u8> {
    answer(&jpeg::picture(index)[..200], IMAGE)
}

/// Seen from outside: a second without pictures, and "the server closed the stream".
#[test]
fn damaged_picture_costs_itself_alone() {
    for after in [After::Keep, After::Close] {
        let camera = Camera::new(move |count| match count {
            1 | 3 => (half(9), after),
            _ => (snapshot(count, IMAGE), After::Keep),
        });
        let source = camera.polled().play();
        for index in [0, 2, 4] {
            assert_same(&source.frame(), &jpeg::picture(index), &format!("picture {index}"));
        }
        assert_eq!((source.stat("damaged"), source.stat("reconnects")), (2, 0));
        let closed = usize::from(after == After::Close);
        assert_eq!(camera.connections(5), [0, 0, closed, closed, 2 * closed]);
    }
}

/// Seen from outside: the thumbnail of the damaged one came out.
#[test]
fn no_thumbnail_of_a_damaged_picture_comes_out() {
    let picture = |index| jpeg::Jpeg::new(index).data(3000).thumbnail().build();
    let damaged = move |index| {
        let jpeg = picture(index);
        // The length of its tables.
        let at = jpeg.at(0xdb) + 2;
        [&jpeg.bytes[..at], &[0, 0], &jpeg.bytes[at + 2..]].concat()
    };
    let camera = Camera::new(move |count| match count {
        1 => (answer(&damaged(count), IMAGE), After::Keep),
        _ => (answer(&picture(count).bytes, IMAGE), After::Keep),
    });
    let source = camera.polled().play();
    for index in [0, 2, 3] {
        assert_same(&source.frame(), &picture(index).bytes, &format!("picture {index}"));
    }
    assert_eq!((source.stat("damaged"), source.stat("reconnects")), (1, 0));
}

/// Not for ever: people should hear of it.
#[test]
fn two_damaged_pictures_in_a_row_are_a_loss() {
    let camera =
        Camera::new(|count| (if [1, 2].contains(&count) { half(9) } else { snapshot(count, IMAGE) }, After::Keep));
    let source = camera.polled().play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture before");
    assert_same(&source.frame(), &jpeg::picture(3), "the picture after");
    assert_eq!((source.stat("damaged"), source.stat("reconnects")), (2, 1));
    assert_eq!(source.last_reason(), NO_PICTURE.replace("BYTES", "200"));
}

const NO_PICTURE: &str = "no picture in BYTES bytes of the answer; open the address in a browser to see what it is";

#[test]
fn answer_without_a_picture_is_a_loss_and_says_so() {
    let camera = Camera::new(|count| match count {
        1 => (answer(b"", IMAGE), After::Keep),
        _ => (snapshot(count, IMAGE), After::Keep),
    });
    let source = camera.polled().play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture before");
    assert_same(&source.frame(), &jpeg::picture(2), "the picture after");
    assert_eq!(source.last_reason(), NO_PICTURE.replace("BYTES", "0"));
}

/// Its length was right until now, and what is left of it is no answer.
#[test]
fn picture_that_exceeds_its_length_all_at_once_costs_itself_alone() {
    let exceeding = wrong_length(9, -20);
    let (first, rest) = exceeding.split_at(exceeding.len() - 20);
    let (first, rest) = (first.to_vec(), rest.to_vec());
    let camera = Camera::new(move |count| match count {
        1 => (first.clone(), After::Keep),
        2 => ([rest.clone(), snapshot(2, IMAGE)].concat(), After::Keep),
        _ => (snapshot(count, IMAGE), After::Keep),
    });
    let source = camera.polled().play();
    for index in [0, 3, 4] {
        assert_same(&source.frame(), &jpeg::picture(index), &format!("picture {index}"));
    }
    assert_eq!((source.stat("damaged"), source.stat("reconnects")), (1, 0));
    assert_eq!(camera.connections(5), [0, 0, 0, 1, 1]);
}

/// The request crosses the server's farewell, or what it sent too much: it is made again on a new connection, and
/// nobody hears of it.
#[test]
fn connection_that_the_server_gave_up_is_made_anew() {
    let picture = jpeg::picture(0);
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", picture.len()).as_bytes(), &picture].concat();
    for farewell in ["", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", "\0\0\0\0\0\0\0\0\0\0"] {
        let last = if farewell.is_empty() { Step::Reset } else { Step::Close };
        let server = ScriptServer::play([vec![send(&answer), Step::Wait, send(farewell), last], vec![send(&answer)]]);
        let source = Source::new(&server.url()).lossless().set("poll-interval", POLL).play();
        assert_same(&source.frame(), &picture, "the first picture");
        server.allow();
        assert_same(&source.frame(), &picture, "the second picture");
        assert_eq!(source.stat("reconnects"), 0, "{farewell:?}");
    }
}
