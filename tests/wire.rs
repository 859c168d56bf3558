//! Each framing that is out there, cut in every way: every picture comes out, byte for byte and in time.

mod common;

use common::{
    jpeg,
    outcome::Outcome,
    rows,
    streams::{Row, Stream},
};
use gstmjpeghttp::{
    http::Chunked,
    multipart::{Limits, Reader},
};

#[test]
fn every_row_plays_whole_and_in_pieces_of_any_size() {
    rows::each(|row| {
        let stream = row.stream(&row.pictures(0, 10, 300));
        let whole = Outcome::of([stream.bytes.as_slice()]);
        whole.assert_holds(&stream, row.name);
        let padded: Vec<_> = stream.frames.iter().map(|frame| frame.jpeg.clone()).collect();
        assert_eq!(whole.frames, padded, "{}: padding inside a right length is kept", row.name);
        for size in [1, 2, 3, 7, 100, 1460] {
            assert_eq!(Outcome::of(stream.bytes.chunks(size)), whole, "{} in pieces of {size}", row.name);
        }
    });
}

#[test]
fn every_row_plays_wherever_it_is_cut_in_two() {
    rows::each(|row| {
        let stream = row.stream(&row.pictures(row.name.len(), 2, 20));
        let whole = Outcome::of([stream.bytes.as_slice()]);
        whole.assert_holds(&stream, row.name);
        for cut in 0..=stream.bytes.len() {
            let (first, second) = stream.bytes.split_at(cut);
            assert_eq!(Outcome::of([first, second]), whole, "{} cut at {cut}", row.name);
        }
    });
}

#[test]
fn every_picture_comes_out_with_its_last_byte() {
    rows::each(|row| {
        let stream = row.stream(&row.pictures(0, 10, 300));
        let (mut reader, mut outcome, mut at) = (Reader::new(Limits::default()), Outcome::default(), 0);
        for (index, frame) in stream.frames.iter().enumerate() {
            reader.push(&stream.bytes[at..frame.due], ());
            at = frame.due;
            outcome.take(&mut reader);
            assert_eq!(outcome.frames.len() < index + 1, frame.needs_idle, "{}: picture {index} waits", row.name);
            assert_eq!(reader.is_settling(), frame.needs_idle, "{}: picture {index} settles", row.name);
            reader.idle(());
            outcome.take(&mut reader);
            assert_eq!(outcome.frames.len(), index + 1, "{}: pictures out after {index} was sent", row.name);
        }
        reader.push(&stream.bytes[at..], ());
        reader.finish(());
        outcome.take(&mut reader);
        outcome.assert_holds(&stream, row.name);
    });
}

#[test]
fn no_picture_waits_for_the_next_one_where_the_stream_never_pauses() {
    rows::each(|row| {
        // Rows that hold back their first picture by their length, and have nothing after it but the next picture.
        let undecided = row.after.is_empty() && row.idle == common::streams::Idle::First;
        let stream = row.stream(&row.pictures(0, 10, 300));
        let (mut reader, mut outcome, mut at) = (Reader::new(Limits::default()), Outcome::default(), 0);
        for (index, frame) in stream.frames.iter().enumerate() {
            let next = frame.start + usize::from(undecided) * 3;
            reader.push(&stream.bytes[at..next], ());
            at = next;
            outcome.take(&mut reader);
            assert_eq!(outcome.frames.len(), index, "{}: pictures out before {index} begins", row.name);
        }
    });
}

#[test]
fn framings_may_change_in_mid_stream() {
    let rows: Vec<&Row> = rows::all().collect();
    // Each step visits every row once, each time after another one.
    for step in [1, 2, 3, 5, 7, 11, 13, 17, 19, 23] {
        let (mut stream, mut at) = (Stream::default(), 0);
        for index in 0..rows.len() {
            let row = rows[at % rows.len()];
            stream.opening(row);
            stream.part(row, &jpeg::any(2 * index, 300).bytes());
            stream.part(row, &jpeg::any(2 * index + 1, 300).bytes());
            stream.bytes.extend(row.closing);
            at += step;
        }
        let whole = Outcome::of([stream.bytes.as_slice()]);
        whole.assert_holds(&stream, &format!("step {step}"));
        for size in [1, 7, 1460] {
            assert_eq!(Outcome::of(stream.bytes.chunks(size)), whole, "step {step} in pieces of {size}");
        }
    }
}

#[test]
fn a_stream_in_chunks_plays_wherever_it_is_cut() {
    let row = rows::all().find(|row| row.name == "ESP32").expect("the row of that name");
    let stream = row.stream(&row.pictures(0, 3, 40));
    let mut body = Vec::new();
    // Seen: ESP32 sends delimiter, head and picture as a chunk each.
    for chunk in stream.bytes.chunks(50) {
        body.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        body.extend(chunk);
        body.extend(b"\r\n");
    }
    for cut in 0..=body.len() {
        let (mut reader, mut chunked) = (Reader::new(Limits::default()), Chunked::announced());
        for piece in [&body[..cut], &body[cut..]] {
            chunked.decode(piece, |data| reader.push(data, ())).expect("a chunked body");
        }
        reader.finish(());
        let mut outcome = Outcome::default();
        outcome.take(&mut reader);
        outcome.assert_holds(&stream, &format!("cut at {cut}"));
    }
}
