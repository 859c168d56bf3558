//! What holds for the multipart reader.

use std::ops::Range;

use gstmjpeghttp::{
    jpeg::check,
    multipart::{Event, Limits, Reader},
};

use super::pieces;
use crate::common::streams::{Expected, Stream};

/// What comes out of a stream that comes in these pieces.
pub fn events(pieces: &[&[u8]], limits: Limits) -> Vec<Event<()>> {
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
pub fn in_short(events: &[Event<()>]) -> Vec<String> {
    let in_short = |event: &Event<()>| match event {
        Event::Frame(frame) => format!("frame of {}", frame.jpeg.len()),
        event => format!("{event:?}"),
    };
    events.iter().map(in_short).collect()
}

/// However a stream is cut into reads, the same comes out of it.
pub fn chunking_never_changes_the_events(stream: &[u8], sizes: &[usize], limits: Limits) {
    let (in_pieces, whole) = (events(&pieces(stream, sizes), limits), events(&[stream], limits));
    assert!(in_pieces == whole, "in pieces {:?}, whole {:?}", in_short(&in_pieces), in_short(&whole));
}

/// What comes out is a whole picture within the limit, with the size that its header says.
pub fn every_frame_is_a_whole_picture(stream: &[u8], limits: Limits) {
    for event in events(&[stream], limits) {
        if let Event::Frame(frame) = event {
            assert!(frame.jpeg.len() <= limits.max_frame);
            assert_eq!(check(&frame.jpeg).map(|whole| whole.header()), Ok(frame.header));
        }
    }
}

/// What comes out of a stream that pauses after each of these pieces.
fn events_with_pauses(pieces: &[&[u8]]) -> Vec<Event<()>> {
    let mut reader = Reader::new(Limits::default());
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece, ());
        reader.idle(());
        assert!(!reader.is_settling(), "nothing waits beyond a pause");
        events.extend(std::iter::from_fn(|| reader.next()));
    }
    reader.finish(());
    events.extend(std::iter::from_fn(|| reader.next()));
    events
}

/// Whatever comes out in pauses is a whole picture too, and each damaged one has two bytes at least.
pub fn pauses_let_whole_pictures_out_only(stream: &[u8], sizes: &[usize]) {
    let events = events_with_pauses(&pieces(stream, sizes));
    let damaged = events.iter().filter(|event| matches!(event, Event::Damaged(_))).count();
    assert!(damaged <= stream.len() / 2, "{damaged} damaged in {} bytes", stream.len());
    for event in events {
        if let Event::Frame(frame) = event {
            assert_eq!(check(&frame.jpeg).map(|whole| whole.header()), Ok(frame.header));
        }
    }
}

/// Pauses wherever they fall cost no picture.
pub fn pauses_never_lose_a_picture(stream: &Stream, sizes: &[usize]) {
    let events = events_with_pauses(&pieces(&stream.bytes, sizes));
    let places: Vec<_> = events.iter().filter_map(|event| stream.place(event)).collect();
    assert_eq!(places, (0..stream.frames.len()).collect::<Vec<_>>(), "of {:?}", in_short(&events));
}

/// Damage costs at most the pictures that it hit: all others come out, in order.
pub fn whole_pictures_come_out(stream: &Stream) {
    assert_eq!(places(stream), (0..stream.frames.len()).collect::<Vec<_>>());
}

/// The same where the picture that was hit may have come out nevertheless.
pub fn all_but_one_come_out(stream: &Stream, hit: &[u8]) {
    let whole = |event: &Event<()>| !matches!(event, Event::Frame(frame) if *frame.jpeg == *hit);
    let frames = events(&[&stream.bytes], Limits::default()).into_iter().filter(whole);
    let places: Vec<_> = frames.filter_map(|event| stream.place(&event)).collect();
    assert_eq!(places, (0..stream.frames.len()).collect::<Vec<_>>());
}

/// Whatever stands in place of these bytes, what begins behind the reach of a segment and of the picture in which that
/// ends comes out, and all that came before.
pub fn damaged_anywhere(stream: &mut Stream, hit: Range<usize>, damage: &[u8]) {
    let longest = stream.frames.iter().map(|frame| frame.due - frame.start).max().unwrap_or_default();
    let far = hit.end + usize::from(u16::MAX) + longest;
    let unhurt = stream.frames.iter().enumerate().filter(|(_, frame)| frame.due <= hit.start || frame.start > far);
    let unhurt: Vec<_> = unhurt.map(|(place, _)| place).collect();
    stream.bytes.splice(hit, damage.iter().copied());
    let places = places(stream);
    let lost: Vec<_> = unhurt.iter().filter(|place| !places.contains(place)).collect();
    assert!(lost.is_empty() && places.is_sorted(), "{lost:?} of {unhurt:?} are lost, {places:?} came");
}

/// Which of its pictures come out of a stream.
fn places(stream: &Stream) -> Vec<usize> {
    events(&[&stream.bytes], Limits::default()).iter().filter_map(|event| stream.place(event)).collect()
}

impl Stream {
    /// Which of its pictures this is.
    fn place(&self, event: &Event<()>) -> Option<usize> {
        let Event::Frame(frame) = event else { return None };
        let same = |sent: &Expected| sent.jpeg == frame.jpeg || sent.jpeg[..sent.unpadded] == *frame.jpeg;
        self.frames.iter().position(same)
    }
}
