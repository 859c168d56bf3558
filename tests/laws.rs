//! Laws that hold for any bytes whatever. Each is one function over bytes and cuts, so that a fuzz target can call it.

mod common;

use std::time::Duration;

use common::{jpeg, rows, streams::Stream};
use gstmjpeghttp::{
    http::{Chunked, ChunkedError, ResponseHead},
    jpeg::{START, Step, Walk, check},
    multipart::{Event, Extra, Layout, Limits, Part, Reader, Writer},
};
use proptest::{prelude::*, test_runner::RngSeed};

/// Cuts `bytes` into pieces of these sizes, over and over.
fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() || sizes.iter().all(|size| *size == 0) {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*size));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn events(pieces: &[&[u8]], limits: Limits) -> Vec<Event<()>> {
    let mut reader = Reader::new(limits);
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece, ());
        events.extend(std::iter::from_fn(|| reader.next()));
    }
    reader.finish(());
    events.extend(std::iter::from_fn(|| reader.next()));
    events
}

/// Events without the bytes of their pictures, to be read by people.
fn in_short(events: &[Event<()>]) -> Vec<String> {
    let in_short = |event: &Event<()>| match event {
        Event::Frame(frame) => format!("frame of {}", frame.jpeg.len()),
        event => format!("{event:?}"),
    };
    events.iter().map(in_short).collect()
}

/// However a stream is cut into reads, the same comes out of it.
fn chunking_never_changes_the_events(stream: &[u8], sizes: &[usize], limits: Limits) {
    let (in_pieces, whole) = (events(&pieces(stream, sizes), limits), events(&[stream], limits));
    assert!(in_pieces == whole, "in pieces {:?}, whole {:?}", in_short(&in_pieces), in_short(&whole));
}

/// What comes out is a whole picture within the limit, with the size that its header says.
fn every_frame_is_a_whole_picture(stream: &[u8], limits: Limits) {
    for event in events(&[stream], limits) {
        if let Event::Frame(frame) = event {
            assert!(frame.jpeg.len() <= limits.max_frame);
            assert_eq!(check(&frame.jpeg).map(|whole| whole.header()), Ok(frame.header));
        }
    }
}

/// A pause may end a picture early, but never changes which pictures there are.
fn pauses_never_lose_a_picture(stream: &[u8], sizes: &[usize]) {
    let mut reader = Reader::new(Limits::default());
    let mut damaged = 0;
    for piece in pieces(stream, sizes) {
        reader.push(piece, ());
        reader.idle(());
        assert!(!reader.is_settling());
        damaged += std::iter::from_fn(|| reader.next()).filter(|event| matches!(event, Event::Damaged(_))).count();
    }
    reader.finish(());
    assert!(damaged <= stream.len() / 2, "each damaged picture has two bytes at least");
}

/// However a picture is cut, the walk finds the same.
fn chunking_never_changes_the_walk(picture: &[u8], cuts: &[usize]) {
    let whole = Walk::new().step(picture, 0);
    let (mut walk, mut at) = (Walk::new(), 0);
    let mut step = Step::More;
    for piece in pieces(picture, cuts) {
        at += piece.len();
        step = walk.step(&picture[..at], 0);
        match step {
            Step::More => {}
            Step::End(end) | Step::Damaged(end, _) => assert!(end <= at),
        }
    }
    assert_eq!(step, whole);
}

/// A copy has its tables and else the picture's bytes; what has them is copied as it is.
fn copies_are_complete_and_else_the_same(picture: &[u8]) {
    let Ok(whole) = check(picture) else { return };
    let copy = whole.pieces().concat();
    let again = check(&copy).expect("a copy is whole");
    assert_eq!(again.header(), whole.header());
    assert!(!again.lacks_tables());
    assert_eq!(again.pieces().concat(), copy);
    if whole.lacks_tables() {
        let at = (0..picture.len()).find(|at| copy[*at] != picture[*at]).expect("the tables are in between");
        let inserted = copy.len() - picture.len();
        assert!((0..4).any(|back| picture[at - back..] == copy[at - back + inserted..]));
    } else {
        assert_eq!(copy, picture);
    }
}

/// However a chunked body is cut, the same comes out of it.
fn chunking_never_changes_the_body(body: &[u8], sizes: &[usize]) {
    let decode = |pieces: &[&[u8]]| -> (Result<bool, ChunkedError>, Vec<u8>) {
        let (mut chunked, mut out) = (Chunked::new(), Vec::new());
        for piece in pieces {
            match chunked.decode(piece, |data| out.extend_from_slice(data)) {
                Ok(true) => {}
                ended => return (ended, out),
            }
        }
        (Ok(true), out)
    };
    assert_eq!(decode(&pieces(body, sizes)), decode(&[body]));
}

/// A response head that `httparse` reads is read the same, and no head needs more bytes than it has.
fn heads_are_read_as_httparse_does(bytes: &[u8]) {
    let ours = ResponseHead::parse(bytes);
    if let Ok(Some((_, len))) = &ours {
        assert!(*len <= bytes.len());
        // Where the blank line is missing, the first bytes of the body end it.
        let end = bytes.len().min(len + START.len());
        assert_eq!(ResponseHead::parse(&bytes[..end]), ours, "what follows a head does not change it");
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(len)) = theirs.parse(bytes) else { return };
    if !(100..1000).contains(&theirs.code.unwrap_or_default()) {
        return;
    }
    let (head, ours) = ours.expect("a head").expect("a whole head");
    assert_eq!((Some(head.status()), ours), (theirs.code, len));
    for name in theirs.headers.iter().map(|field| field.name) {
        let values = theirs.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let values: Vec<_> = values.map(|field| String::from_utf8_lossy(field.value).trim().to_owned()).collect();
        assert_eq!(head.field_values(name).collect::<Vec<_>>(), values);
    }
}

/// The same cases on each run, so that a change is what makes a law fail. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for
/// more and others; 20 000 of each law take ten seconds with optimisation.
fn config() -> ProptestConfig {
    let seeded = std::env::var_os("PROPTEST_RNG_SEED").is_some();
    let counted = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    ProptestConfig {
        cases: if counted { default.cases } else { 400 },
        rng_seed: if seeded { default.rng_seed } else { RngSeed::Fixed(1) },
        ..default
    }
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    // Bytes that mean something are more likely than those that do not.
    let byte =
        prop_oneof![Just(0xff), Just(0xd8), Just(0xd9), Just(0xda), Just(0xc0), Just(0), Just(b'\n'), Just(b'-')];
    prop::collection::vec(prop_oneof![byte, any::<u8>()], 0..80)
}

/// A stretch of a stream: pictures in the framing of a row, or bytes.
fn any_stretch() -> impl Strategy<Value = Vec<u8>> {
    let rows = rows::all().count();
    let part = (0..rows, 0..100_usize, 0..3_usize, 0..120_usize).prop_map(|(row, index, count, data)| {
        let row = rows::all().nth(row).expect("there are as many");
        let mut stream = Stream::default();
        stream.opening(row);
        for index in index..index + count {
            stream.part(row, &jpeg::any(index, data).bytes());
        }
        stream.bytes.extend(row.closing);
        stream.bytes
    });
    let long = prop_oneof![Just(b'x'), Just(b'\n'), Just(0xff)].prop_map(|byte| vec![byte; 20_000]);
    prop_oneof![12 => part, 3 => any_bytes(), 1 => long]
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let mutations = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any_bytes()), 0..6);
    (prop::collection::vec(any_stretch(), 0..6), mutations).prop_map(|(stretches, mutations)| {
        let mut stream = stretches.concat();
        for (at, how, bytes) in mutations {
            let at = at.index(stream.len() + 1);
            let end = match how {
                0 => at,
                1 => stream.len().min(at + bytes.len()),
                _ => stream.len().min(at + 300),
            };
            stream.splice(at..end, bytes);
        }
        stream
    })
}

fn any_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1..40_usize, 1..8), prop::collection::vec(1..3000_usize, 1..8)]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    prop_oneof![Just(Limits::default()), (1..900_usize).prop_map(|max_frame| Limits { max_frame })]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_stream_reads_the_same_however_it_is_cut(
        stream in any_stream(), sizes in any_sizes(), limits in any_limits(),
    ) {
        chunking_never_changes_the_events(&stream, &sizes, limits);
    }

    #[test]
    fn any_stream_gives_whole_pictures_only(stream in any_stream(), limits in any_limits()) {
        every_frame_is_a_whole_picture(&stream, limits);
    }

    #[test]
    fn any_stream_survives_pauses(stream in any_stream(), sizes in any_sizes()) {
        pauses_never_lose_a_picture(&stream, &sizes);
    }

    #[test]
    fn random_bytes_cost_at_most_the_picture_they_hit(
        row in prop::sample::select(rows::all().filter(|row| !row.ends_are_guesses()).collect::<Vec<_>>()),
        at in any::<prop::sample::Index>(), bytes in any_bytes(),
    ) {
        let mut spoilt = jpeg::any(3, 300).bytes();
        // A length that lies further on is not damage to one picture, so the first bytes stay.
        let at = 3 + at.index(spoilt.len() - 3);
        let end = spoilt.len().min(at + bytes.len());
        spoilt.splice(at..end, bytes);
        let mut stream = Stream::default();
        stream.opening(row);
        for index in 0..3 {
            stream.part(row, &jpeg::any(index, 300).bytes());
        }
        stream.damaged_part(row, &spoilt);
        for index in 4..9 {
            stream.part(row, &jpeg::any(index, 300).bytes());
        }
        let outcome = common::outcome::Outcome::of([stream.bytes.as_slice()]);
        let whole: Vec<_> = outcome.indices(&stream).into_iter().flatten().collect();
        prop_assert_eq!(whole, (0..8).collect::<Vec<_>>(), "{}", row.name);
    }

    #[test]
    fn any_picture_walks_the_same_however_it_is_cut(
        index in 0..12_usize, at in any::<prop::sample::Index>(), bytes in any_bytes(), sizes in any_sizes(),
    ) {
        let mut picture = jpeg::any(index, 200).bytes();
        let at = at.index(picture.len());
        picture.splice(at.., bytes);
        chunking_never_changes_the_walk(&picture, &sizes);
    }

    #[test]
    fn any_copy_is_complete(
        index in 0..12_usize, at in any::<prop::sample::Index>(), bytes in any_bytes(), tables in any::<bool>(),
    ) {
        let mut picture = jpeg::any(index, 200).build();
        if !tables {
            // As a comment the tables are none.
            for (_, at) in picture.segments.iter().filter(|(code, _)| *code == 0xc4) {
                picture.bytes[at + 1] = 0xfe;
            }
        }
        copies_are_complete_and_else_the_same(&picture.bytes);
        let at = at.index(picture.bytes.len());
        let end = picture.bytes.len().min(at + bytes.len());
        picture.bytes.splice(at..end, bytes);
        copies_are_complete_and_else_the_same(&picture.bytes);
    }

    #[test]
    fn any_chunked_body_reads_the_same_however_it_is_cut(
        body in prop_oneof![
            "([0-9a-fA-F]{0,3}(;[a-z]{0,3})?\r?\n[a-z\r\n]{0,20}\r?\n?){0,6}",
            "(3\r\nabc\r\n|2 \nxy\n|0\r\n\r\n){0,6}",
        ],
        sizes in any_sizes(),
    ) {
        chunking_never_changes_the_body(body.as_bytes(), &sizes);
    }

    #[test]
    fn any_head_reads_as_httparse_reads_it(
        head in "(\r\n)?HTTP/1.[01] [0-9]{2,4}( [ -~]{0,9})?\r?\n([A-Za-z-]{1,5}:[ \t]{0,2}[ -~\u{e9}]{0,9}\r?\n){0,5}\r?\n[a-z]{0,3}",
    ) {
        heads_are_read_as_httparse_does(head.as_bytes());
    }

    #[test]
    fn any_bytes_are_no_head_that_panics(head in prop::collection::vec(any::<u8>(), 0..100)) {
        heads_are_read_as_httparse_does(&head);
        heads_are_read_as_httparse_does(&[b"HTTP/1.1 200 OK\r\n", head.as_slice(), b"\r\n\r\n"].concat());
    }

    #[test]
    fn what_is_written_is_read(
        advance in any::<bool>(), first in 0..50_usize, count in 1..6_usize, stamped in any::<bool>(),
        extra in any::<bool>(), captured in 0..2_000_000_000_000_000_u64, sizes in any_sizes(),
    ) {
        let layout = if advance { Layout::Advance } else { Layout::Standard };
        let boundary = "frame".parse().expect("a boundary");
        let writer = Writer::new(&boundary, layout).with_extra(extra);
        let captured = stamped.then(|| Duration::from_micros(captured));
        let pictures: Vec<_> = (first..first + count).map(jpeg::picture).collect();
        let told = Extra { number: 1, width: 64, height: 48, latency: captured };
        let part = |jpeg: &Vec<u8>| Part::new(&[jpeg], captured, &boundary).with_extra(told);
        let parts: Vec<_> = pictures.iter().map(part).collect();
        let mut stream = writer.opening().to_vec();
        for part in &parts {
            stream.extend(writer.part(part).concat());
        }
        stream.extend(writer.closing(parts.last()).concat());
        let mut expected = pictures;
        if advance {
            expected.push(expected[expected.len() - 1].clone());
        }
        let stamp = captured.filter(|_| !advance).map(|at| format!("{}.{:06}", at.as_secs(), at.subsec_micros()));
        let mut read = Vec::new();
        for event in events(&pieces(&stream, &sizes), Limits::default()) {
            let Event::Frame(frame) = event else { panic!("{event:?}") };
            prop_assert_eq!(&frame.timestamp, &stamp);
            read.push(frame.jpeg.to_vec());
        }
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn an_end_inside_a_picture_is_damage(index in 0..12_usize, len in any::<prop::sample::Index>(), row in prop::sample::select(vec![0_usize, 2, 4, 5, 6])) {
        let row = rows::all().nth(row).expect("there are as many");
        // No comment with a part in it: cut there, nothing tells it from the next part.
        let picture = jpeg::Jpeg::new(index).data(200).restarts().thumbnail().bytes();
        let mut stream = Stream::default();
        stream.opening(row);
        stream.damaged_part(row, &picture);
        let start = stream.bytes.windows(picture.len()).position(|window| window == picture).expect("it is there");
        stream.bytes.truncate(start + 3 + len.index(picture.len() - 3));
        let events = events(&[&stream.bytes], Limits::default());
        prop_assert!(matches!(events.as_slice(), [Event::Damaged(_)]), "{}: {:?}", row.name, in_short(&events));
    }
}
