use super::*;

mod damaged;

const PICTURE: &[u8] = b"\xff\xd8\xff\xe0\0\x04JF\xff\xc0\0\x0b\x08\0\x30\0\x40\x01\x01\x11\0\
    \xff\xda\0\x08\x01\x01\0\0\x3f\0data\xff\0data\xff\xd9";

fn reader() -> Reader<u32> {
    Reader::new(Limits::default())
}

fn events(reader: &mut Reader<u32>) -> Vec<Event<u32>> {
    std::iter::from_fn(|| reader.next()).collect()
}

#[track_caller]
fn frame(reader: &mut Reader<u32>) -> Frame<u32> {
    match events(reader).as_slice() {
        [Event::Frame(frame)] => frame.clone(),
        events => panic!("not one frame: {events:?}"),
    }
}

/// A part without anything after its picture.
fn part(head: &str, picture: &[u8]) -> Vec<u8> {
    [b"--b\r\n", head.as_bytes(), b"\r\n", picture].concat()
}

fn with_length(len: usize) -> Vec<u8> {
    part(&format!("Content-Length: {len}\r\n"), PICTURE)
}

#[test]
fn a_body_is_closed_behind_a_delimiter_with_dashes_at_its_end() {
    for (end, closed) in
        [("--b--", true), ("--b--\r\n", true), ("--b--\r\n\r\n", true), ("--b", false), ("--b--\r\nmore\r\n", false)]
    {
        let mut reader = reader();
        reader.push(&with_length(PICTURE.len()), 0);
        assert!(!reader.is_closed(), "not yet");
        reader.push(format!("\r\n{end}").as_bytes(), 0);
        assert_eq!(reader.is_closed(), closed, "{end:?}");
    }
}

#[test]
fn a_frame_carries_its_picture_size_time_and_the_stamp_of_its_first_bytes() {
    let mut reader = reader();
    let stream = part("Content-Type: image/jpeg\r\nX-Timestamp: 12.5\r\n", PICTURE);
    let start = stream.len() - PICTURE.len();
    reader.push(&stream[..start], 1);
    reader.push(&stream[start..start + 3], 2);
    reader.push(&stream[start + 3..], 3);
    let frame = frame(&mut reader);
    assert_eq!(frame.jpeg, PICTURE);
    assert_eq!(frame.header, Header { width: 64, height: 48, components: 1 });
    assert_eq!((frame.timestamp.as_deref(), frame.stamp), (Some("12.5"), 2));
}

/// Seen from outside: it was taken for a thumbnail, and so was the picture behind it.
#[test]
fn a_picture_behind_junk_and_before_another_delimiter_is_whole() {
    let picture = |delimiter: &str, junk: &[u8], end: &str| {
        let head = format!("{delimiter}\r\nContent-Type: image/jpeg\r\n\r\n");
        [head.as_bytes(), junk, PICTURE, end.as_bytes()].concat()
    };
    for end in ["", "\r\n", "\0\0\0\r\n"] {
        let stream = [
            picture("--b", b"", "\r\n"),
            picture("--b", &[b'z'; 40], end),
            picture("--other", b"", "\r\n"),
            picture("--other", b"", "\r\n"),
        ]
        .concat();
        for cut in 0..stream.len() {
            let mut reader = reader();
            reader.push(&stream[..cut], 0);
            reader.push(&stream[cut..], 0);
            let whole = |event: &Event<_>| matches!(event, Event::Frame(frame) if frame.jpeg == PICTURE);
            let events = events(&mut reader);
            assert!(events.len() == 4 && events.iter().all(whole), "{end:?}, cut at {cut}");
        }
    }
}

#[test]
fn a_time_belongs_to_one_picture_only() {
    let mut reader = reader();
    reader.push(&part("X-Timestamp: 1\r\n", PICTURE), 0);
    assert_eq!(frame(&mut reader).timestamp.as_deref(), Some("1"));
    reader.push(&part("", PICTURE), 0);
    assert_eq!(frame(&mut reader).timestamp, None);
}

#[test]
fn lengths_are_judged_by_what_they_prove() {
    let mut reader = reader();
    assert_eq!(reader.lengths(), Lengths::Unproven);
    reader.push(&with_length(PICTURE.len()), 0);
    assert_eq!(reader.lengths(), Lengths::Right);
    reader.push(&with_length(PICTURE.len() - 4), 0);
    assert_eq!(reader.lengths(), Lengths::Wrong);
    reader.push(&with_length(PICTURE.len()), 0);
    assert_eq!((reader.lengths(), events(&mut reader).len()), (Lengths::Right, 3));
}

#[test]
fn a_length_that_announces_more_makes_the_picture_settle_until_a_pause() {
    let mut reader = reader();
    reader.push(&with_length(PICTURE.len() + 9), 0);
    assert!(reader.is_settling());
    assert_eq!(reader.next(), None);
    reader.idle(0);
    assert_eq!(frame(&mut reader).jpeg, PICTURE);
    assert!(!reader.is_settling());
    reader.idle(0);
    assert_eq!(reader.next(), None);
}

/// Seen from outside: a picture with the next part's head behind it, or the next picture missing.
#[test]
fn a_length_that_becomes_too_great_takes_nothing_from_the_next_part() {
    let mut reader = reader();
    let too_great = [&with_length(PICTURE.len() + 30)[..], b"\0\0\r\n--other\r\n", PICTURE].concat();
    reader.push(&[with_length(PICTURE.len()), too_great].concat(), 0);
    let frames: Vec<_> = events(&mut reader);
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|event| matches!(event, Event::Frame(frame) if frame.jpeg == PICTURE)), "{frames:?}");
}

#[test]
fn a_camera_that_pads_its_pictures_is_believed_from_the_second_on() {
    let padded = [PICTURE, &[0; 5]].concat();
    let part = part(&format!("Content-Length: {}\r\n", padded.len()), &padded);
    for pause in [true, false] {
        let mut reader = reader();
        reader.push(&part, 0);
        assert!(reader.is_settling());
        if pause {
            reader.idle(0);
        }
        reader.push(&part, 0);
        assert!(!reader.is_settling(), "the second comes out at once");
        let frames = events(&mut reader);
        assert!(frames.iter().all(|event| matches!(event, Event::Frame(frame) if frame.jpeg == padded)), "{frames:?}");
        assert_eq!(frames.len(), 2);
    }
}

#[test]
fn a_length_that_was_wrong_once_makes_no_picture_settle_again() {
    let mut reader = reader();
    for _ in 0..2 {
        reader.push(&with_length(PICTURE.len() + 9), 0);
        reader.idle(0);
        assert_eq!(frame(&mut reader).jpeg, PICTURE);
    }
    reader.push(&with_length(PICTURE.len() + 9), 0);
    assert_eq!(frame(&mut reader).jpeg, PICTURE);
}

#[test]
fn padding_comes_out_at_its_last_byte_where_pictures_were_padded_before() {
    let mut reader = reader();
    reader.push(&[&with_length(PICTURE.len() + 1)[..], b"\0", &with_length(PICTURE.len())].concat(), 0);
    assert_eq!(events(&mut reader).len(), 2);
    reader.push(&with_length(PICTURE.len() + 3), 0);
    reader.push(b"\0\0", 0);
    assert_eq!(reader.next(), None);
    reader.push(b"\0", 0);
    assert_eq!(frame(&mut reader).jpeg, [PICTURE, b"\0\0\0"].concat());
}

#[test]
fn a_length_too_large_by_megabytes_holds_a_picture_back_to_the_next_delimiter_at_most() {
    // Seen in a review: with junk after the picture, all that followed waited until the length was reached.
    let mut reader = reader();
    reader.push(&with_length(PICTURE.len() + 20_000_000), 0);
    reader.push(b"\0junk\r\n--", 0);
    assert_eq!(reader.next(), None);
    reader.push(b"b\r\n", 0);
    assert_eq!(frame(&mut reader).jpeg, PICTURE);
}

#[test]
fn the_delimiter_is_learnt_and_followed_when_it_changes() {
    let mut reader = reader();
    assert_eq!(reader.delimiter(), None);
    reader.push(&part("", PICTURE), 0);
    assert_eq!(reader.delimiter(), Some(b"--b".as_slice()));
    reader.push(b"\r\n--other--\r\n", 0);
    assert_eq!(reader.delimiter(), Some(b"--other".as_slice()));
}

#[test]
fn the_closing_delimiter_ends_nothing() {
    let mut reader = reader();
    reader.push(&[PICTURE, b"\r\n--b--\r\n", PICTURE].concat(), 0);
    assert_eq!(events(&mut reader).len(), 2);
}

#[test]
fn the_end_in_mid_picture_is_one_damage_and_between_pictures_none() {
    let mut reader = reader();
    reader.push(&part("", &PICTURE[..PICTURE.len() - 1]), 0);
    reader.finish(0);
    assert_eq!(events(&mut reader), [Event::Damaged(Damage::Truncated)]);
    reader.push(&part("", PICTURE), 0);
    reader.push(b"\r\n--b\r\nContent-Type: ima", 0);
    reader.finish(0);
    assert_eq!(frame(&mut reader).jpeg, PICTURE);
}

#[test]
fn a_picture_at_the_limit_is_accepted_and_one_byte_more_is_not() {
    for (max_frame, accepted) in [(PICTURE.len() - 1, false), (PICTURE.len(), true), (PICTURE.len() + 1, true)] {
        for length in [None, Some(PICTURE.len())] {
            let mut reader = Reader::new(Limits { max_frame });
            let stream = length.map_or_else(|| part("", PICTURE), with_length);
            reader.push(&stream, 0);
            match events(&mut reader).as_slice() {
                [Event::Frame(_)] => assert!(accepted, "{max_frame}"),
                [Event::Damaged(Damage::TooLarge)] => assert!(!accepted, "{max_frame}"),
                events => panic!("{max_frame}: {events:?}"),
            }
        }
    }
}

#[test]
fn padding_counts_towards_the_limit() {
    for (max_frame, kept) in [(PICTURE.len() + 2, 0), (PICTURE.len() + 3, 3), (PICTURE.len() + 4, 3)] {
        let mut reader = Reader::new(Limits { max_frame });
        reader.push(&with_length(PICTURE.len() + 3), 0);
        reader.push(b"\0\0\0\r\n--b\r\n", 0);
        assert_eq!(frame(&mut reader).jpeg.len(), PICTURE.len() + kept, "{max_frame}");
    }
}

#[test]
fn the_picture_after_one_that_is_too_large_is_read() {
    let mut reader = Reader::new(Limits { max_frame: PICTURE.len() });
    let large = [&PICTURE[..PICTURE.len() - 2], &[0; 5000], &PICTURE[PICTURE.len() - 2..]].concat();
    reader.push(&[part("", &large), part("", PICTURE)].concat(), 0);
    assert!(matches!(events(&mut reader).as_slice(), [Event::Damaged(Damage::TooLarge), Event::Frame(_)]));
}

#[test]
fn a_limit_without_bound_and_a_length_without_bound_do_not_overflow() {
    let mut reader = Reader::new(Limits { max_frame: usize::MAX });
    reader.push(&with_length(usize::MAX), 0);
    reader.space();
    reader.idle(0);
    assert_eq!(frame(&mut reader).jpeg, PICTURE);
}

#[test]
fn the_space_follows_the_declared_length_within_bounds() {
    let mut reader = reader();
    assert!(reader.space().len() >= MIN_SPACE);
    reader.push(b"--b\r\nContent-Length: 500000\r\n\r\n\xff\xd8\xff", 0);
    assert!(reader.space().len() >= 500_000);
    reader.push(b"\xff\xd8\xff--b\r\nContent-Length: 30000000\r\n\r\n\xff\xd8\xff", 0);
    assert!(reader.space().len() <= 2 * MAX_SPACE);
}

#[test]
fn filling_more_than_the_space_counts_as_filling_it() {
    let mut reader = reader();
    reader.space().fill(b'\n');
    reader.filled(usize::MAX, 0);
    assert_eq!(reader.next(), None);
}

/// A stream that puts a record before each picture and another behind it is one; in a stream whose pictures stood at
/// the beginning so far, the first such one is taken for the thumbnail of a picture whose start is missing.
#[test]
fn what_stands_before_pictures_is_judged_by_what_stood_there_so_far() {
    let record = b" record of the camera ".repeat(20);
    let with_records = part("Content-Type: image/jpeg\r\n", &[&record, PICTURE, &record, b"\r\n"].concat());
    let mut reader = reader();
    for (stream, expected) in [
        (&with_records, None),
        (&with_records, None),
        (&part("Content-Type: image/jpeg\r\n", PICTURE), None),
        (&with_records, Some(Damage::NotJpeg)),
        (&with_records, None),
    ] {
        reader.push(stream, 0);
        let events = events(&mut reader);
        let damage = events.iter().find_map(|event| if let Event::Damaged(it) = event { Some(*it) } else { None });
        assert_eq!((events.len(), damage), (1, expected));
    }
}

#[test]
fn a_picture_behind_a_record_comes_out_where_a_delimiter_follows_or_nothing_does() {
    let mut reader = reader();
    let behind_record = part("Content-Type: image/jpeg\r\n", &[b"record of the camera ", PICTURE].concat());
    reader.push(&part("Content-Type: image/jpeg\r\n", PICTURE), 0);
    frame(&mut reader);
    reader.push(&behind_record, 0);
    assert!(reader.is_settling() && events(&mut reader).is_empty());
    reader.idle(0);
    frame(&mut reader);
    reader.push(&part("Content-Type: image/jpeg\r\n", PICTURE), 0);
    frame(&mut reader);
    reader.push(&[&behind_record, b"\r\n--b\r\n".as_slice()].concat(), 0);
    frame(&mut reader);
}

#[test]
fn parts_that_hold_no_picture_are_damaged_where_they_call_themselves_one() {
    for (content_type, body, damaged) in [
        ("image/jpeg", "no signal from the sensor\r\n", true),
        ("image/jpeg", "\r\n\r\n", false),
        ("image/jpeg", "0\r\n", false),
        ("application/octet-stream", "no signal from the sensor\r\n", false),
    ] {
        let mut reader = reader();
        reader.push(&part(&format!("Content-Type: {content_type}\r\n"), body.as_bytes()), 0);
        reader.push(b"--b\r\n", 0);
        let expected: Vec<_> = damaged.then_some(Event::Damaged(Damage::NotJpeg)).into_iter().collect();
        assert_eq!(events(&mut reader), expected, "{content_type}, {body:?}");
    }
}

/// A megabyte of them in one read made several of events.
#[test]
fn foreign_parts_without_number_are_counted_in_bounded_memory() {
    const COUNT: usize = 3 * MAX_EVENTS;
    let mut reader = reader();
    let text = part("Content-Type: text/plain\r\n", b"text\r\n");
    reader.push(&[text.repeat(COUNT), part("", PICTURE)].concat(), 0);
    assert!(reader.events.len() <= MAX_EVENTS + 1, "{}", reader.events.len());
    let (foreign, frames): (Vec<_>, Vec<_>) = events(&mut reader).into_iter().partition(|e| *e == Event::Foreign);
    assert_eq!((foreign.len(), frames.len()), (COUNT, 1));
}

/// The longest line that is kept, and longer ones: a camera that sends nothing but zeros.
#[test]
fn a_part_without_a_picture_is_counted_however_long_it_is() {
    for count in [16, 1000, 16 * 1024, 16 * 1024 + 1, 17_000, 100_000] {
        for size in [7, 1460, usize::MAX] {
            let mut reader = reader();
            let stream = [
                &with_length(PICTURE.len())[..],
                b"\r\n",
                &part("Content-Type: image/jpeg\r\n", &vec![0; count])[..],
                b"\r\n--b\r\n",
            ];
            stream.concat().chunks(size).for_each(|piece| reader.push(piece, 0));
            let [Event::Frame(_), Event::Damaged(Damage::NotJpeg)] = events(&mut reader)[..] else {
                panic!("{count} in pieces of {size}")
            };
        }
    }
}

/// Seen from outside: of a body that calls itself one picture of ten megabytes, and never pauses, nothing came for
/// seconds.
#[test]
fn a_length_of_very_many_pictures_holds_none_of_them_back() {
    let mut reader = reader();
    reader.push(b"Content-Length: 9999999\r\n\r\n", 0);
    for _ in 0..3 {
        reader.push(PICTURE, 0);
    }
    assert_eq!(events(&mut reader).len(), 3);
}

/// As some cameras add a second view, or a map of brightness.
#[test]
fn a_second_picture_within_the_length_belongs_to_the_first() {
    let mut reader = reader();
    let both = [PICTURE, PICTURE].concat();
    reader.push(&part(&format!("Content-Length: {}\r\n", both.len()), &both), 0);
    reader.push(b"\r\n--b", 0);
    let [Event::Frame(frame)] = &events(&mut reader)[..] else { panic!() };
    assert_eq!(frame.jpeg, both);
}
