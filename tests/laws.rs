//! The laws of `tests/laws/`, tried on bytes that are likely to break them.

mod common;
#[path = "laws/mod.rs"]
mod laws;

use std::time::Duration;

use common::{jpeg, rows, streams::Stream};
use gstmjpeghttp::multipart::{Event, Layout, Limits};
use laws::{
    http::{bodies_by_the_book_are_read_by_the_book, chunking_never_changes_the_body, heads_are_read_as_httparse_does},
    jpeg::{chunking_never_changes_the_walk, copies_are_complete_and_else_the_same},
    reader::{
        chunking_never_changes_the_events, events, every_frame_is_a_whole_picture, in_short,
        pauses_never_lose_a_picture, whole_pictures_come_out,
    },
    writer::{Written, what_is_written_is_read},
};
use proptest::{prelude::*, test_runner::RngSeed};

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
        whole_pictures_come_out(&stream);
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
        bodies_by_the_book_are_read_by_the_book(body.as_bytes());
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
    fn any_pictures_written_are_read(
        advance in any::<bool>(), first in 0..50_usize, count in 1..6_usize, stamped in any::<bool>(),
        extra in any::<bool>(), captured in 0..2_000_000_000_000_000_u64, sizes in any_sizes(),
    ) {
        let layout = if advance { Layout::Advance } else { Layout::Standard };
        let captured = stamped.then(|| Duration::from_micros(captured));
        let pictures: Vec<_> = (first..first + count).map(jpeg::picture).collect();
        what_is_written_is_read(&pictures, Written { layout, extra, captured }, &sizes);
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
