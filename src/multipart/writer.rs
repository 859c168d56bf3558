//! Part heads and the two layouts.

use std::{fmt, str::FromStr, time::Duration};

use bytes::Bytes;

use super::Boundary;
use crate::jpeg;

/// Where the head of a part stands. No single layout is without delay for all viewers (measured, docs/design.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// The head goes with its picture and carries its length and time: without delay in GStreamer, ffmpeg, Firefox,
    /// VLC and go2rtc.
    #[default]
    Standard,
    /// The head of the next part goes out with each picture, so without length and time: Chromium and WebKit paint a
    /// picture only when the head of the next one is complete.
    Advance,
}

/// A picture with what stands around it: what is the same for all viewers, made once. It lies in one piece of memory,
/// of which each layout is a slice: sending one slice costs the kernel less than sending three (docs/design.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    head: Bytes,
    extra_head: Bytes,
    jpeg: Bytes,
    captured: Option<Duration>,
    /// Head, picture, delimiter.
    standard: Bytes,
    /// Picture, delimiter, head of the next.
    advance: Bytes,
}

/// What a part's head may tell of its picture besides length and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Which picture of the series it is, from 1 on.
    pub number: u64,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Time from its capture until it was there to be served.
    pub latency: Option<Duration>,
}

/// Writes the framing around the pictures of one stream. It only hands out shared bytes, it copies no picture.
///
/// # Examples
///
/// ```
/// use gstmjpeghttp::multipart::{Layout, Part, Writer};
///
/// let boundary = "frame".parse().unwrap();
/// let writer = Writer::new(&boundary, Layout::Standard);
/// let part = Part::new(&[b"JPEG"], None, &boundary);
/// let stream = [writer.opening(), writer.part(&part).concat().into(), writer.closing(Some(&part)).concat().into()];
/// assert_eq!(
///     stream.concat(),
///     b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\n\r\nJPEG\r\n--frame\r\n--frame--\r\n",
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Writer {
    layout: Layout,
    extra: bool,
    opening: Bytes,
    closing: Bytes,
}

impl Layout {
    /// The layout for a viewer that sent this `User-Agent` and this `Accept`. `AppleWebKit` stands in those of
    /// Chromium, Edge, Safari and WebKitGTK, and in that of no other reader known (measured, docs/design.md).
    ///
    /// A script in one of them reads the parts by itself, as everybody else does, and needs their lengths (seen:
    /// Mainsail). `fetch` accepts `*/*`; an `<img>` names kinds of images.
    pub fn for_program(user_agent: &str, accept: Option<&str>) -> Self {
        let is_script = accept.is_some_and(|accept| accept.trim() == "*/*");
        if user_agent.contains("AppleWebKit") && !is_script { Self::Advance } else { Self::Standard }
    }
}

impl FromStr for Layout {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "standard" => Ok(Self::Standard),
            "advance" => Ok(Self::Advance),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Advance => "advance",
        })
    }
}

impl Part {
    /// A part for the picture that these pieces make up; `captured` is the time of its capture since the Unix epoch.
    pub fn new(pieces: &[&[u8]], captured: Option<Duration>, boundary: &Boundary) -> Self {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Content-Type stands first: GStreamer's typefinder looks for it there.
        let mut head = format!("{CONTENT_TYPE}\r\nContent-Length: {len}\r\n");
        if let Some(captured) = captured {
            head += &format!("X-Timestamp: {}\r\n", timestamp(captured));
        }
        head += "\r\n";
        // RFC 2046 5.1.1: the first CRLF belongs to the delimiter.
        let delimiter = format!("\r\n--{boundary}\r\n");
        let picture = head.len()..head.len() + len;
        let next = picture.end + delimiter.len();
        let mut memory = Vec::with_capacity(next + HEAD_AHEAD.len());
        memory.extend(head.as_bytes());
        pieces.iter().for_each(|piece| memory.extend(*piece));
        memory.extend(delimiter.as_bytes());
        memory.extend(HEAD_AHEAD.as_bytes());
        let memory = Bytes::from(memory);
        let head = memory.slice(..picture.start);
        let (standard, advance) = (memory.slice(..next), memory.slice(picture.start..));
        Self { extra_head: head.clone(), head, jpeg: memory.slice(picture), captured, standard, advance }
    }

    /// The part with more to tell to those who ask for it.
    pub fn with_extra(self, extra: Extra) -> Self {
        let Extra { number, width, height, latency } = extra;
        let mut more = format!("X-MJPEG-Sequence: {number}\r\nX-MJPEG-Size: {width}x{height}\r\n");
        if let Some(latency) = latency {
            more += &format!("X-MJPEG-Latency: {}\r\n", timestamp(latency));
        }
        let fields = self.head.strip_suffix(b"\r\n").expect("a head ends with an empty line");
        Self { extra_head: [fields, more.as_bytes(), b"\r\n"].concat().into(), ..self }
    }

    /// The picture alone.
    pub fn jpeg(&self) -> &Bytes {
        &self.jpeg
    }

    /// When it was captured, as the value of `X-Timestamp`.
    pub fn timestamp(&self) -> Option<String> {
        self.captured.map(timestamp)
    }
}

impl Writer {
    /// A writer for one viewer.
    pub fn new(boundary: &Boundary, layout: Layout) -> Self {
        let head_ahead = match layout {
            Layout::Standard => "",
            Layout::Advance => HEAD_AHEAD,
        };
        Self {
            layout,
            extra: false,
            opening: format!("--{boundary}\r\n{head_ahead}").into(),
            closing: match layout {
                Layout::Standard => format!("--{boundary}--\r\n").into(),
                Layout::Advance => format!("\r\n--{boundary}--\r\n").into(),
            },
        }
    }

    /// The writer, which tells all that there is to tell of each picture; the advance layout has no place for it.
    pub fn with_extra(self, extra: bool) -> Self {
        Self { extra, ..self }
    }

    /// What comes first, before any picture.
    pub fn opening(&self) -> Bytes {
        self.opening.clone()
    }

    /// A picture and what follows it at once, to be sent in one write.
    pub fn part(&self, part: &Part) -> [Bytes; 2] {
        match self.layout {
            Layout::Standard if self.extra => [part.extra_head.clone(), part.standard.slice(part.head.len()..)],
            Layout::Standard => [Bytes::new(), part.standard.clone()],
            Layout::Advance => [Bytes::new(), part.advance.clone()],
        }
    }

    /// What each part begins with, whatever picture it has.
    pub fn beginning(&self) -> Bytes {
        Bytes::from_static(match self.layout {
            Layout::Standard => b"Content-Type: image/jpeg\r\n",
            Layout::Advance => &jpeg::START,
        })
    }

    /// The end of the stream after the picture `last`. A head that was sent ahead is answered with that picture once
    /// more: an empty part there loses WebKitGTK the last picture (measured, docs/design.md).
    pub fn closing(&self, last: Option<&Part>) -> [Bytes; 2] {
        let again = match (self.layout, last) {
            (Layout::Advance, Some(last)) => last.jpeg.clone(),
            _ => Bytes::new(),
        };
        [again, self.closing.clone()]
    }
}

/// Seconds and microseconds, as ustreamer and mjpg-streamer write them.
fn timestamp(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

const CONTENT_TYPE: &str = "Content-Type: image/jpeg";
const HEAD_AHEAD: &str = "Content-Type: image/jpeg\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary() -> Boundary {
        "frame".parse().expect("a valid boundary")
    }

    fn stream(layout: Layout) -> String {
        let writer = Writer::new(&boundary(), layout);
        let part = Part::new(&[b"JP", b"EG"], Some(Duration::from_micros(1_700_000_000_000_042)), &boundary());
        let bytes = [writer.opening(), writer.part(&part).concat().into(), writer.closing(Some(&part)).concat().into()]
            .concat();
        String::from_utf8(bytes).expect("this stream is text")
    }

    #[test]
    fn standard_layout_carries_length_and_time_and_ends_each_picture_with_a_delimiter() {
        assert_eq!(
            stream(Layout::Standard),
            "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 4\r\nX-Timestamp: 1700000000.000042\r\n\r\n\
             JPEG\r\n--frame\r\n--frame--\r\n"
        );
    }

    #[test]
    fn more_is_told_of_each_picture_to_those_who_ask() {
        let writer = Writer::new(&boundary(), Layout::Standard);
        let (plain, writer) = (writer.clone(), writer.with_extra(true));
        let latency = Some(Duration::from_micros(12_345));
        let part =
            Part::new(&[b"JPEG"], None, &boundary()).with_extra(Extra { number: 7, width: 64, height: 48, latency });
        assert_eq!(
            writer.part(&part)[0],
            "Content-Type: image/jpeg\r\nContent-Length: 4\r\nX-MJPEG-Sequence: 7\r\nX-MJPEG-Size: 64x48\r\n\
             X-MJPEG-Latency: 0.012345\r\n\r\n"
        );
        assert_eq!(plain.part(&part), plain.part(&Part::new(&[b"JPEG"], None, &boundary())));
        let ahead = Writer::new(&boundary(), Layout::Advance);
        assert_eq!(ahead.clone().with_extra(true).part(&part), ahead.part(&part));
    }

    #[test]
    fn advance_layout_sends_the_next_head_with_each_picture_and_the_last_picture_twice() {
        assert_eq!(
            stream(Layout::Advance),
            "--frame\r\nContent-Type: image/jpeg\r\n\r\n\
             JPEG\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\nJPEG\r\n--frame--\r\n"
        );
    }

    #[test]
    fn browsers_built_on_webkit_or_blink_but_not_their_scripts_get_the_advance_layout() {
        let chromium =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36";
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
        let image = Some("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8");
        assert_eq!(Layout::for_program(chromium, image), Layout::Advance);
        assert_eq!(Layout::for_program(chromium, None), Layout::Advance);
        assert_eq!(Layout::for_program(chromium, Some("*/*")), Layout::Standard);
        assert_eq!(Layout::for_program(firefox, image), Layout::Standard);
        assert_eq!(Layout::for_program("Lavf/59.27.100", None), Layout::Standard);
    }
}
