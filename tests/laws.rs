//! The laws of `tests/laws/`, tried on bytes that are likely to break them.

#[path = "laws/any.rs"]
mod any;
mod common;
#[path = "laws/mod.rs"]
mod laws;

use any::{any_bytes, any_fragments, any_sizes, any_stream};
use common::{jpeg, rows, streams::Stream};
use gstmjpeghttp::multipart::{Event, Limits};
use laws::{
    http::{bodies_by_the_book_are_read_by_the_book, chunking_never_changes_the_body, heads_are_read_as_httparse_does},
    jpeg::{chunking_never_changes_the_walk, copies_are_complete_and_else_the_same},
    reader::{
        all_but_one_come_out, chunking_never_changes_the_events, damaged_anywhere, events,
        every_frame_is_a_whole_picture, in_short, pauses_let_whole_pictures_out_only, pauses_never_lose_a_picture,
        whole_pictures_come_out,
    },
};
use proptest::{prelude::*, test_runner::RngSeed};

/// The same cases on each run, so that a change is what makes a law fail. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask
/// for more and others; 20 000 of each law take ten seconds with optimisation.
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
        pauses_let_whole_pictures_out_only(&stream, &sizes);
    }

    #[test]
    fn pauses_anywhere_cost_no_picture(
        row in prop::sample::select(rows::all().collect::<Vec<_>>()), sizes in any_sizes(),
    ) {
        pauses_never_lose_a_picture(&row.stream(&row.pictures(0, 9, 300)), &sizes);
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
    fn any_damage_to_a_head_costs_at_most_its_picture(
        row in prop::sample::select(rows::all().filter(|row| !row.ends_are_guesses()).collect::<Vec<_>>()),
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), damage in any_bytes(),
    ) {
        // The start of another picture is damage to a picture: the next law.
        prop_assume!(!damage.windows(2).any(|two| two == [0xff, 0xd8]) && damage.last() != Some(&0xff));
        let mut stream = Stream::default();
        stream.opening(row);
        (0..3).for_each(|index| stream.part(row, &jpeg::any(index, 300).bytes()));
        let start = stream.bytes.len();
        stream.part(row, &jpeg::any(3, 300).bytes());
        let hit = stream.frames.pop().expect("it was added");
        let [from, to] = [from, to].map(|place| start + place.index(hit.start - start + 1));
        stream.bytes.splice(from.min(to)..from.max(to), damage);
        (4..9).for_each(|index| stream.part(row, &jpeg::any(index, 300).bytes()));
        all_but_one_come_out(&stream, &hit.jpeg);
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

proptest! {
    // Long streams, so fewer of them.
    #![proptest_config(ProptestConfig { cases: 40, ..config() })]

    #[test]
    fn any_damage_costs_no_more_than_what_a_segment_reaches(
        row in prop::sample::select(rows::all().filter(|row| !row.ends_are_guesses()).collect::<Vec<_>>()),
        at in any::<prop::sample::Index>(), len in 0..9_000_usize, damage in any_fragments(),
    ) {
        let pictures: Vec<_> = (0..20).map(|index| jpeg::any(index, 8_000).bytes()).collect();
        let mut stream = row.stream(&pictures);
        // In the third picture or its head: lengths that begin before are what a reader has of the first ones.
        let (start, end) = (stream.frames[1].due, stream.frames[2].due);
        let from = start + at.index(end - start);
        damaged_anywhere(&mut stream, from..end.min(from + len), &damage);
    }
}
