//! Damage costs the damaged picture alone, and is counted once, under each framing.

mod common;

use common::{
    jpeg::{self, Built},
    outcome::Outcome,
    rows,
    streams::{Row, Stream},
};

/// A way to spoil a picture, and whether that shows in its structure.
type Damage = (&'static str, fn(&Built) -> Vec<u8>);

const CUT: &[Damage] = &[
    ("cut in its data", |jpeg| jpeg.bytes[..jpeg.data + 30].to_vec()),
    ("cut after a stuffed FF", |jpeg| [&jpeg.bytes[..jpeg.data + 30], b"\xff"].concat()),
    ("cut before its end of image", |jpeg| jpeg.bytes[..jpeg.bytes.len() - 2].to_vec()),
    ("cut in its end of image", |jpeg| jpeg.bytes[..jpeg.bytes.len() - 1].to_vec()),
    ("cut in a table", |jpeg| jpeg.bytes[..jpeg.at(0xdb) + 20].to_vec()),
    ("cut in a segment's length", |jpeg| jpeg.bytes[..jpeg.at(0xdb) + 3].to_vec()),
    ("cut in its frame header", |jpeg| jpeg.bytes[..jpeg.at(0xc0) + 7].to_vec()),
    ("cut between segments", |jpeg| jpeg.bytes[..jpeg.at(0xc0)].to_vec()),
    ("cut after its start", |jpeg| jpeg.bytes[..3].to_vec()),
];

const BROKEN: &[Damage] = &[
    ("a segment of length 0", |jpeg| with(jpeg, jpeg.at(0xdb) + 2, &[0, 0])),
    ("a segment that reaches far beyond the picture", |jpeg| with(jpeg, jpeg.at(0xdb) + 2, &[0x10])),
    ("a table that reaches into the data", |jpeg| with(jpeg, jpeg.at(0xdb) + 2, &[0, 160])),
    ("a restart interval that reaches far beyond the picture", |jpeg| {
        let (before, after) = jpeg.bytes.split_at(jpeg.at(0xc0));
        [before, b"\xff\xdd\x07\x04\0\x04", after].concat()
    }),
    ("no width", |jpeg| with(jpeg, jpeg.at(0xc0) + 7, &[0, 0])),
    // It came out with height=0 in its caps, which fails in muxers and filters.
    ("no height", |jpeg| with(jpeg, jpeg.at(0xc0) + 5, &[0, 0])),
    ("no frame header", |jpeg| with(jpeg, jpeg.at(0xc0) + 1, &[0xea])),
    ("a start of image in its data", |jpeg| with(jpeg, jpeg.data + 20, &[0xff, 0xd8])),
    ("a marker in its data that swallows the rest", |jpeg| with(jpeg, jpeg.data + 20, &[0xff, 0xc4, 0x30, 0])),
];

/// The start is missing, where the head is there.
const BEHEADED: &[Damage] = &[
    ("no start of image", |jpeg| jpeg.bytes[2..].to_vec()),
    ("a start of zeros", |jpeg| with(jpeg, 0, &[0; 20])),
    ("another first byte", |jpeg| with(jpeg, 0, &[0xfe])),
    ("no start, and cut in its data", |jpeg| jpeg.bytes[5..jpeg.data + 30].to_vec()),
];

fn with(jpeg: &Built, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut spoilt = jpeg.bytes.clone();
    spoilt[at..at + bytes.len()].copy_from_slice(bytes);
    spoilt
}

/// Three pictures, the damaged one, and more.
fn stream_around(row: &Row, spoilt: &[u8]) -> Stream {
    let mut stream = Stream::default();
    stream.opening(row);
    for index in 0..3 {
        stream.part(row, &jpeg::any(index, 300).bytes());
    }
    stream.damaged_part(row, spoilt);
    for index in 3..12 {
        stream.part(row, &jpeg::any(index, 300).bytes());
    }
    stream.bytes.extend(row.closing);
    stream
}

#[track_caller]
fn assert_costs_one(damages: &[Damage], jpeg: &jpeg::Jpeg, rows: impl Fn(&Row) -> bool) {
    let jpeg = jpeg.build();
    let mut failed = Vec::new();
    for (name, damage) in damages {
        let spoilt = damage(&jpeg);
        for row in rows::all().filter(|row| rows(row)) {
            let stream = stream_around(row, &spoilt);
            let outcome = Outcome::of([stream.bytes.as_slice()]);
            let holds = std::panic::catch_unwind(|| outcome.assert_holds(&stream, &format!("{}: {name}", row.name)));
            if holds.is_err() {
                failed.push((*name, row.name));
            }
            for size in [1, 100] {
                assert_eq!(Outcome::of(stream.bytes.chunks(size)), outcome, "{}: {name} in pieces of {size}", row.name);
            }
        }
    }
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
}

#[test]
fn a_picture_cut_short_costs_that_picture_alone() {
    assert_costs_one(CUT, &jpeg::Jpeg::new(99).data(300), |_| true);
}

#[test]
fn a_broken_picture_costs_that_picture_alone() {
    assert_costs_one(BROKEN, &jpeg::Jpeg::new(99).data(300), |_| true);
}

#[test]
fn no_thumbnail_of_a_damaged_picture_comes_out_where_a_delimiter_or_length_tells() {
    for damages in [CUT, BROKEN] {
        assert_costs_one(damages, &jpeg::Jpeg::new(99).data(300).thumbnail(), |row| !row.ends_are_guesses());
    }
}

/// Seen from outside: the thumbnail of a picture whose start was missing, and no damage counted where there was none.
#[test]
fn a_picture_without_its_start_costs_that_picture_alone() {
    let heads = |row: &Row| {
        let starts =
            [row.before, row.after].iter().any(|text| text.to_ascii_lowercase().windows(5).any(|it| it == b"/jpeg"));
        // The last of them has no head.
        starts && !row.ends_are_guesses() && row.before.ends_with(b"\n") && row.name != "empty parts"
    };
    for jpeg in [jpeg::Jpeg::new(99).data(300), jpeg::Jpeg::new(99).data(300).thumbnail()] {
        assert_costs_one(BEHEADED, &jpeg, heads);
    }
}

#[test]
fn whole_pictures_come_out_though_a_thumbnail_of_a_damaged_one_does() {
    let jpeg = jpeg::Jpeg::new(99).data(300).thumbnail().build();
    for (name, damage) in CUT.iter().chain(BROKEN) {
        for row in rows::all().filter(|row| row.ends_are_guesses()) {
            let stream = stream_around(row, &damage(&jpeg));
            let outcome = Outcome::of([stream.bytes.as_slice()]);
            let whole: Vec<_> = outcome.indices(&stream).into_iter().flatten().collect();
            assert_eq!((whole, outcome.damaged), ((0..12).collect(), 1), "{}: {name}", row.name);
        }
    }
}
