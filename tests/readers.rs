//! A law of what the server writes: in every layout, whatever the pictures and however the stream is cut into reads, it
//! is read back byte for byte, by our own reader, by ffmpeg's and by GStreamer's.
//!
//! Debian packages: ffmpeg, gstreamer1.0-plugins-good (multipartdemux).

use std::{fs, process::Command, time::Duration};

use common::{
    folder::Folder,
    jpeg,
    pictures::sink,
    pipeline::{DEADLINE, init},
    source::bytes,
};
use gst::prelude::*;
use gstmjpeghttp::multipart::{Boundary, Layout};
use laws::{
    pieces,
    writer::{Written, stream, what_is_written_is_read},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

mod common;
#[path = "laws/mod.rs"]
mod laws;

/// A stream, and how many bytes of it come with each read.
#[derive(Clone, Debug)]
struct Case {
    pictures: Vec<Vec<u8>>,
    boundary: Boundary,
    written: Written,
    sizes: Vec<usize>,
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn our_reader_reads_what_is_written(case in any_case(true)) {
        what_is_written_is_read(&case.pictures, &case.boundary, case.written, &case.sizes);
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn gstreamers_reader_reads_what_is_written(case in any_case(false)) {
        prop_assert!(case.expected() == by_multipartdemux(&case), "{}", case.in_short());
    }
}

proptest! {
    // Each takes a process, which reads several streams.
    #![proptest_config(config(4))]

    #[test]
    fn ffmpegs_reader_reads_what_is_written(cases in vec(any_case(false), 16)) {
        for (case, read) in cases.iter().zip(by_ffmpeg(&cases)) {
            prop_assert_eq!(case.expected().iter().map(Vec::len).collect::<Vec<_>>(), read.sizes, "{}", case.in_short());
            prop_assert!(case.expected().concat() == read.bytes, "{}", case.in_short());
        }
    }
}

/// The same cases on each run, so that a change is what makes the law fail. `PROPTEST_RNG_SEED` asks for others.
fn config(cases: u32) -> Config {
    let default = Config::default();
    let seeded = std::env::var_os("PROPTEST_RNG_SEED").is_some();
    let rng_seed = if seeded { default.rng_seed } else { RngSeed::Fixed(1) };
    Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 100, ..default }
}

/// Any stream that the server may send. Readers that know nothing of JPEG cannot tell a delimiter inside a picture from
/// the one behind it where no length says so, so in the layout `advance` such pictures are for our own reader only.
fn any_case(ours: bool) -> impl Strategy<Value = Case> {
    let layout = prop_oneof![Just(Layout::Standard), Just(Layout::Advance)];
    let captured = prop::option::of((0..2_000_000_000_000_000_u64).prop_map(Duration::from_micros));
    let boundary =
        prop_oneof![Just("frame".to_owned()), "[a-zA-Z0-9'+_.]([a-zA-Z0-9'+_.-]{0,68}[a-zA-Z0-9'+_.])?", "[a-z]{70}",];
    // Most are small, so that there may be many; some are as large as those of cameras.
    let size = prop_oneof![6 => 0..2_000_usize, 2 => 0..40_000_usize, 1 => 100_000..300_000_usize];
    let pictures = vec((0..100_usize, size), 1..10);
    let sizes = prop_oneof![Just(vec![1]), vec(1..40_usize, 1..8), vec(1..60_000_usize, 1..8)];
    (pictures, boundary, layout, any::<bool>(), captured, sizes).prop_map(
        move |(pictures, boundary, layout, extra, captured, sizes)| {
            let alone = ours || layout == Layout::Standard;
            let whole: usize = pictures.iter().map(|(_, size)| size).sum();
            let picture = |(index, size)| {
                let picture = jpeg::any(index, size).bytes();
                let misleads = !alone && has_delimiter(&picture, &boundary);
                // The next kind has none by design.
                if misleads { jpeg::any(index + 1, size.min(2_000)).bytes() } else { picture }
            };
            Case {
                pictures: pictures.into_iter().map(picture).collect(),
                boundary: boundary.parse().expect("a boundary"),
                written: Written { layout, extra, captured },
                // Single bytes of a long stream take long, and show nothing new.
                sizes: if whole > 20_000 { sizes.into_iter().map(|size| size.max(512)).collect() } else { sizes },
            }
        },
    )
}

/// Whether this is a delimiter to readers that look for nothing else: ffmpeg's for a line that begins with dashes,
/// GStreamer's for dashes and the boundary anywhere.
fn has_delimiter(picture: &[u8], boundary: &str) -> bool {
    ["\r\n--", &format!("--{boundary}")]
        .iter()
        .any(|text| picture.windows(text.len()).any(|part| part == text.as_bytes()))
}

impl Case {
    fn stream(&self) -> Vec<u8> {
        stream(&self.pictures, &self.boundary, self.written)
    }

    fn expected(&self) -> Vec<Vec<u8>> {
        self.written.expected(&self.pictures)
    }

    fn in_short(&self) -> String {
        let sizes: Vec<_> = self.pictures.iter().map(Vec::len).collect();
        format!("pictures of {sizes:?}, {:?}, {}, in pieces of {:?}", self.written, self.boundary, self.sizes)
    }
}

/// The pictures that multipartdemux finds.
fn by_multipartdemux(case: &Case) -> Vec<Vec<u8>> {
    init();
    let line = "appsrc name=src caps=multipart/x-mixed-replace ! multipartdemux single-stream=true ! appsink name=sink \
                sync=false";
    let pipeline = gst::parse::launch(line).expect("gstreamer1.0-plugins-good is installed");
    let (source, sink) = (common::pictures::src(&pipeline), sink(&pipeline));
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    for piece in pieces(&case.stream(), &case.sizes) {
        source.push_buffer(gst::Buffer::from_slice(piece.to_vec())).expect("the pipeline takes bytes");
    }
    source.end_of_stream().expect("the pipeline takes the end");
    let limit = gst::ClockTime::try_from(DEADLINE).expect("ten seconds fit");
    let pictures = std::iter::from_fn(|| sink.try_pull_sample(limit)).map(|sample| bytes(&sample)).collect();
    assert!(sink.is_eos(), "the end does not come");
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    pictures
}

/// What ffmpeg finds in a stream.
struct Read {
    /// The length of each picture.
    sizes: Vec<usize>,
    /// All of them, one after another.
    bytes: Vec<u8>,
}

/// What one ffmpeg finds in all these streams. It reads no more bytes at a time than the largest of a case's pieces.
fn by_ffmpeg(cases: &[Case]) -> Vec<Read> {
    let folder = Folder::new();
    let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
    for (n, case) in cases.iter().enumerate() {
        let block = case.sizes.iter().max().expect("there is one").to_string();
        let file = folder.file(&format!("{n}.mjpeg"), case.stream());
        inputs.extend(["-f", "mpjpeg", "-blocksize", &block, "-i", &file].map(str::to_owned));
        for (format, name) in [("image2pipe", format!("{n}.jpgs")), ("framecrc", format!("{n}.list"))] {
            let path = folder.path(&name);
            outputs.extend(["-map", &n.to_string(), "-c", "copy", "-f", format, &path].map(str::to_owned));
        }
    }
    let words = ["-nostdin", "-loglevel", "fatal"].map(str::to_owned).into_iter().chain(inputs).chain(outputs);
    let ffmpeg = Command::new("ffmpeg").args(words).status().expect("scripts/setup test installs ffmpeg");
    assert!(ffmpeg.success(), "{ffmpeg}");
    let read = |n| Read {
        sizes: sizes(&fs::read_to_string(folder.path(&format!("{n}.list"))).expect("ffmpeg has written it")),
        bytes: fs::read(folder.path(&format!("{n}.jpgs"))).expect("ffmpeg has written it"),
    };
    (0..cases.len()).map(read).collect()
}

/// The sizes in a list of ffmpeg's: stream, two times, duration, size, checksum.
fn sizes(list: &str) -> Vec<usize> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(',').nth(4).and_then(|size| size.trim().parse().ok()).expect("a size")).collect()
}
