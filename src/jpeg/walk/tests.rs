use super::*;

const APP0: &[u8] = &[0xff, 0xe0, 0, 4, b'J', b'F'];
const FRAME: &[u8] = &[0xff, 0xc0, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0];
const SCAN: &[u8] = &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0];
const TABLE: &[u8] = &[0xff, 0xc4, 0, 4, 0, 0];
const DATA: &[u8] = &[1, 2, 0xff, 0, 3];
const START: &[u8] = &[0xff, 0xd8];
const END: &[u8] = &[0xff, 0xd9];

fn small() -> Vec<u8> {
    [START, APP0, FRAME, SCAN, DATA, END].concat()
}

fn segment(code: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len() + 2).expect("a segment that fits").to_be_bytes();
    [&[0xff, code], len.as_slice(), body].concat()
}

/// The walk's answer, which must be the same wherever the picture is cut in two, and byte by byte.
#[track_caller]
fn step(picture: &[u8]) -> Step {
    let whole = Walk::new().step(picture, 0);
    let mut slow = Walk::new();
    for cut in 0..=picture.len() {
        let mut walk = Walk::new();
        walk.step(&picture[..cut], 0);
        assert_eq!(walk.step(picture, 0), whole, "cut at {cut}");
        slow.step(&picture[..cut], 0);
    }
    assert_eq!(slow.step(picture, 0), whole, "byte by byte");
    whole
}

#[track_caller]
fn assert_ends(picture: &[u8]) {
    let followed = [picture, b"\r\n--frame".as_slice(), END].concat();
    assert_eq!(step(&followed), Step::End(picture.len()));
    for len in 0..picture.len() {
        assert_eq!(Walk::new().step(&picture[..len], 0), Step::More, "its first {len} bytes");
    }
}

#[test]
fn the_end_of_a_plain_picture_is_found() {
    assert_ends(&small());
}

#[test]
fn a_thumbnail_does_not_end_the_picture() {
    let exif = segment(0xe1, &[b"Exif\0\0".as_slice(), &small(), b"\0"].concat());
    assert_ends(&[START, &exif, FRAME, SCAN, DATA, END].concat());
}

#[test]
fn a_comment_may_hold_anything() {
    let comment = segment(0xfe, b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xd9\xff");
    assert_ends(&[START, &comment, FRAME, &comment, SCAN, DATA, END].concat());
}

#[test]
fn restart_markers_and_stuffed_zeros_belong_to_the_data() {
    let restarts: Vec<u8> = (0xd0..=0xd7).flat_map(|code| [0xff, code, 7, 0xff, 0]).collect();
    let interval = segment(0xdd, &[0, 1]);
    assert_ends(&[START, &interval, FRAME, SCAN, &restarts, END].concat());
}

#[test]
fn fill_bytes_may_stand_before_any_marker() {
    let fill: &[u8] = &[0xff; 3];
    assert_ends(&[START, fill, APP0, fill, FRAME, fill, SCAN, DATA, fill, END].concat());
}

#[test]
fn several_scans_with_tables_between_are_one_picture() {
    let frame = [&[0xff, 0xc2], &FRAME[2..]].concat();
    assert_ends(&[START, &frame, TABLE, SCAN, DATA, TABLE, SCAN, DATA, SCAN, DATA, END].concat());
}

#[test]
fn a_marker_without_length_is_stepped_over() {
    assert_ends(&[START, &[0xff, 0x01], FRAME, SCAN, DATA, END].concat());
}

#[test]
fn a_picture_may_start_anywhere_in_the_buffer() {
    let buffer = [b"\xff\xd8junk".as_slice(), &small()].concat();
    assert_eq!(Walk::new().step(&buffer, 6), Step::End(small().len()));
}

#[test]
fn the_frame_header_is_known_before_the_data() {
    let mut walk = Walk::new();
    walk.step(&[START, FRAME].concat(), 0);
    assert_eq!(walk.header(), Some(Header { width: 64, height: 48, components: 1 }));
}

#[test]
fn bytes_between_segments_are_searched_and_make_the_walk_unclean() {
    let picture = [START, APP0, b"\0\xff\0\xff\x02junk", FRAME, SCAN, DATA, END].concat();
    assert_ends(&picture);
    let mut walk = Walk::new();
    walk.step(&picture, 0);
    assert!(!walk.is_clean());
    let mut walk = Walk::new();
    walk.step(&small(), 0);
    assert!(walk.is_clean());
}

#[test]
fn each_damage_is_told_and_where_it_is() {
    let scan_too_long = [&[0xff, 0xda, 0, 9], &SCAN[4..], &[0]].concat();
    let no_width = [0xff, 0xc0, 0, 11, 8, 0, 48, 0, 0, 1, 1, 0x11, 0];
    let frame_too_short = [0xff, 0xc0, 0, 7, 8, 0, 48, 0, 64, 1, 1];
    for (picture, at, damage) in [
        (b"GIF89a".to_vec(), 0, Damage::NotJpeg),
        ([START, APP0, START, APP0].concat(), 8, Damage::StartInside),
        ([START, FRAME, SCAN, DATA, START, APP0].concat(), 30, Damage::StartInside),
        ([START, FRAME, SCAN, DATA, &segment(0xc4, &small())].concat(), 34, Damage::StartInside),
        ([START, &[0xff, 0xe0, 0, 1, 0]].concat(), 2, Damage::SegmentLength),
        ([START, FRAME, &scan_too_long].concat(), 15, Damage::SegmentLength),
        ([START, &frame_too_short].concat(), 2, Damage::SegmentLength),
        ([START, &no_width].concat(), 2, Damage::FrameHeader),
        ([START, FRAME, SCAN, DATA, FRAME, SCAN].concat(), 30, Damage::FrameHeader),
        ([START, APP0, SCAN, DATA, END].concat(), 8, Damage::NoFrameHeader),
        ([START, FRAME, END].concat(), 15, Damage::NoScan),
    ] {
        assert_eq!(step(&picture), Step::Damaged(at, damage), "{picture:02x?}");
    }
}

#[test]
fn damage_lies_within_the_bytes_even_where_a_length_reaches_beyond() {
    // Seen as a panic in the reader: it looked for a delimiter before the damage, which it was told lay at 65 kB.
    let picture = [START, &[0xff, 0xda, 0xff, 0xff, 1, 1, 0]].concat();
    assert_eq!(step(&picture), Step::Damaged(2, Damage::NoFrameHeader));
}

#[test]
fn a_start_of_image_without_a_marker_after_it_makes_the_walk_unclean() {
    let mut walk = Walk::new();
    let picture = [START, FRAME, SCAN, DATA, START, &[0]].concat();
    assert_eq!(walk.step(&picture, 0), Step::Damaged(30, Damage::StartInside));
    assert!(!walk.is_clean());
}

#[test]
fn missing_tables_are_told_with_the_place_of_the_first_scan() {
    let coded = |code| [&[0xff, code], &FRAME[2..]].concat();
    for (picture, missing_at) in [
        (small(), Some(21)),
        ([START, &coded(0xc1), SCAN, DATA, TABLE, SCAN, DATA, END].concat(), Some(15)),
        ([START, TABLE, FRAME, SCAN, DATA, END].concat(), None),
        ([START, FRAME, TABLE, SCAN, DATA, END].concat(), None),
        ([START, &coded(0xc2), SCAN, DATA, END].concat(), None),
        ([START, &coded(0xc9), SCAN, DATA, END].concat(), None),
        ([START, &[0xff, 0xc0, 0, 11, 12], &FRAME[5..], SCAN, DATA, END].concat(), None),
    ] {
        for cut in 0..picture.len() {
            let mut walk = Walk::new();
            walk.step(&picture[..cut], 0);
            walk.step(&picture, 0);
            assert_eq!(walk.tables_missing_at(), missing_at, "{picture:02x?} cut at {cut}");
        }
    }
}

#[test]
fn an_answer_is_final() {
    let mut walk = Walk::new();
    assert_eq!(walk.step(&small(), 0), Step::End(small().len()));
    assert_eq!(walk.step(b"", 0), Step::End(small().len()));
}
