//! What holds for what the server writes.

use std::time::Duration;

use gstmjpeghttp::multipart::{Boundary, Event, Extra, Layout, Limits, Part, Writer};

use super::{pieces, reader::events};

/// How a stream is written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub layout: Layout,
    pub extra: bool,
    pub captured: Option<Duration>,
}

impl Written {
    /// What is in a stream of these pictures.
    pub fn expected(self, pictures: &[Vec<u8>]) -> Vec<Vec<u8>> {
        // The head that went ahead is answered with the last picture.
        let again = pictures.last().filter(|_| self.layout == Layout::Advance);
        pictures.iter().chain(again).cloned().collect()
    }
}

/// The bytes of a stream of these pictures, to its end.
pub fn stream(pictures: &[Vec<u8>], boundary: &Boundary, written: Written) -> Vec<u8> {
    let writer = Writer::new(boundary, written.layout).with_extra(written.extra);
    let told = Extra { number: 1, width: 64, height: 48, latency: written.captured };
    let part = |jpeg: &Vec<u8>| Part::new(&[jpeg], written.captured, boundary).with_extra(told);
    let parts: Vec<_> = pictures.iter().map(part).collect();
    let mut stream = writer.opening().to_vec();
    for part in &parts {
        stream.extend(writer.part(part).concat());
    }
    stream.extend(writer.closing(parts.last()).concat());
    stream
}

/// What is written is read: the same pictures, with their times where the layout has a place for them.
pub fn what_is_written_is_read(pictures: &[Vec<u8>], boundary: &Boundary, written: Written, sizes: &[usize]) {
    let expected = written.expected(pictures);
    let told = written.captured.filter(|_| written.layout == Layout::Standard);
    let timestamp = told.map(|at| format!("{}.{:06}", at.as_secs(), at.subsec_micros()));
    let mut read = Vec::new();
    for event in events(&pieces(&stream(pictures, boundary, written), sizes), Limits::default()) {
        let Event::Frame(frame) = event else { panic!("{event:?} in {written:?}") };
        assert_eq!(frame.timestamp, timestamp);
        read.push(frame.jpeg.to_vec());
    }
    assert!(read == expected, "{} pictures of {}, {written:?}", read.len(), expected.len());
}
