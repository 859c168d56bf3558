//! Damaged pictures, and junk that looks like one.

use super::*;

/// A picture whose first segment has no length.
const BROKEN: &[u8] = b"\xff\xd8\xff\xe0\0\0 and what is left of it";

/// Seen from outside: a damaged picture whose length was wrong as well silenced the stream until as many bytes had
/// come.
#[test]
fn a_damaged_picture_whose_length_lies_holds_up_nothing() {
    for lie in [60, 10_000, 30_000_000] {
        let mut reader = reader();
        reader.push(&with_length(PICTURE.len()), 0);
        reader.push(b"\r\n", 0);
        reader.push(&with_length(PICTURE.len()), 0);
        reader.push(&[b"\r\n", &part(&format!("Content-Length: {lie}\r\n"), BROKEN)[..], b"\r\n"].concat(), 0);
        reader.push(&with_length(PICTURE.len()), 0);
        let [.., Event::Damaged(_), Event::Frame(_)] = events(&mut reader)[..] else { panic!("{lie}") };
    }
}

#[test]
fn a_start_that_comes_twice_or_three_times_costs_nothing() {
    for junk in [&b"\xff\xd8"[..], b"\xff\xd8\xff\xd8"] {
        for lengths in [false, true] {
            let mut reader = reader();
            for _ in 0..3 {
                let body = [junk, PICTURE].concat();
                let head = if lengths { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
                reader.push(&[&part(&head, &body)[..], b"\r\n"].concat(), 0);
            }
            reader.finish(0);
            let events = events(&mut reader);
            let whole = events.iter().filter(|event| matches!(event, Event::Frame(frame) if frame.jpeg == PICTURE));
            assert_eq!((whole.count(), events.len()), (3, 3), "{junk:?} {lengths}");
        }
    }
}

/// The rest of the table once led over the delimiter, and both pictures came out as one.
#[test]
fn a_picture_cut_in_a_huffman_table_takes_no_other_with_it() {
    let table = [&b"\xff\xc4\0\x60\0"[..], &[7; 93]].concat();
    let whole = [&PICTURE[..8], &table, &PICTURE[8..]].concat();
    for cut in 8 + 5..8 + table.len() {
        let mut reader = reader();
        for picture in [&whole, &whole[..cut], &whole, &whole] {
            reader.push(&[&part("", picture)[..], b"\r\n"].concat(), 0);
        }
        reader.finish(0);
        let events = events(&mut reader);
        let whole = events.iter().filter(|event| matches!(event, Event::Frame(frame) if frame.jpeg == whole)).count();
        assert_eq!((whole, events.len()), (3, 4), "cut at {cut}");
    }
}

/// The thumbnail, in a segment that no marker begins, is no picture either.
#[test]
fn a_start_that_no_marker_follows_lets_no_thumbnail_out() {
    let thumbnail = [&b"\xff\xd8\xff\0\0\x10 some kind of metadata "[..], PICTURE, &[7; 40]].concat();
    let mut reader = reader();
    for picture in [PICTURE, &thumbnail, PICTURE] {
        reader.push(&[&part("", picture)[..], b"\r\n"].concat(), 0);
    }
    reader.finish(0);
    let [Event::Frame(_), Event::Damaged(_), Event::Frame(_)] = events(&mut reader)[..] else { panic!() };
}

/// Seen from outside: they were lost where lengths had been right, or where others of the stream stood at the
/// beginning.
#[test]
fn a_whole_picture_comes_out_behind_the_beginning_of_another() {
    for beginning in [&PICTURE[..8], b"\xff\xd8\xff\xfe\0\x04ab", b"\xff\xd8\xff\xd0"] {
        let mut reader = reader();
        let body = [beginning, PICTURE].concat();
        let second = part(&format!("Content-Length: {}\r\n", body.len()), &body);
        let stream =
            [&with_length(PICTURE.len())[..], b"\r\n", &second, b"\r\n", &with_length(PICTURE.len()), b"\r\n--b"];
        reader.push(&stream.concat(), 0);
        let whole = |event: &Event<_>| matches!(event, Event::Frame(frame) if frame.jpeg == PICTURE);
        assert_eq!(events(&mut reader).iter().filter(|event| whole(event)).count(), 3, "{beginning:02x?}");
    }
}

/// Seen from outside: the next picture was lost too.
#[test]
fn another_delimiter_is_seen_behind_damage_though_its_line_end_is_missing() {
    let picture = |delimiter: &str, picture: &[u8]| {
        [format!("{delimiter}\r\nContent-Type: image/jpeg\r\n\r\n").as_bytes(), picture].concat()
    };
    for cut in [4, 20, PICTURE.len() - 3] {
        let stream = [
            picture("--b", PICTURE),
            picture("\r\n--b", &PICTURE[..cut]),
            picture("--other", PICTURE),
            picture("\r\n--other", PICTURE),
        ]
        .concat();
        for at in 0..stream.len() {
            let mut reader = reader();
            reader.push(&stream[..at], 0);
            reader.push(&stream[at..], 0);
            reader.finish(0);
            let events = events(&mut reader);
            let [Event::Frame(_), Event::Damaged(_), Event::Frame(_), Event::Frame(_)] = events[..] else {
                panic!("{cut} bytes of the picture, cut at {at}: {events:?}")
            };
        }
    }
}
