//! What comes out of a reader.

use gstmjpeghttp::multipart::{Event, Limits, Reader};

use super::streams::Stream;

/// The events of a reader, sorted by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub frames: Vec<Vec<u8>>,
    pub damaged: usize,
    pub foreign: usize,
}

impl Outcome {
    /// Reads a whole stream from its pieces.
    pub fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut reader = Reader::new(Limits::default());
        for piece in pieces {
            reader.push(piece, ());
        }
        reader.finish(());
        let mut outcome = Self::default();
        outcome.take(&mut reader);
        outcome
    }

    pub fn take(&mut self, reader: &mut Reader<()>) {
        while let Some(event) = reader.next() {
            match event {
                Event::Frame(frame) => self.frames.push(frame.jpeg.to_vec()),
                Event::Damaged(_) => self.damaged += 1,
                Event::Foreign => self.foreign += 1,
            }
        }
    }

    #[track_caller]
    pub fn assert_holds(&self, stream: &Stream, what: &str) {
        let expected: Vec<_> = (0..stream.frames.len()).map(Some).collect();
        assert_eq!(self.indices(stream), expected, "{what}: the frames that came out, None was never sent");
        assert_eq!((self.damaged, self.foreign), (stream.damaged, stream.foreign), "{what}: damaged, foreign");
    }

    /// Which of the stream's frames came out; `None` for one that was never sent. Padding may be missing: it is kept
    /// only where the lengths before it were right.
    pub fn indices(&self, stream: &Stream) -> Vec<Option<usize>> {
        let place = |frame: &Vec<u8>| {
            stream.frames.iter().position(|sent| sent.jpeg == *frame || sent.jpeg[..sent.unpadded] == *frame)
        };
        self.frames.iter().map(place).collect()
    }
}
