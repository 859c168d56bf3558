//! What comes with the pictures: caps, segment, flags, capture time.

mod common;

use common::{
    jpeg,
    script_server::{ScriptServer, Step, head, part, send},
    source::{Source, assert_same, bytes},
};

fn caps(width: u16, height: u16) -> gst::Caps {
    gst::Caps::builder("image/jpeg")
        .field("parsed", true)
        .field("width", i32::from(width))
        .field("height", i32::from(height))
        .field("framerate", gst::Fraction::new(0, 1))
        .build()
}

fn is_discont(sample: &gst::Sample) -> bool {
    sample.buffer().expect("samples of a source have buffers").flags().contains(gst::BufferFlags::DISCONT)
}

fn capture_time(sample: &gst::Sample) -> Option<gst::ClockTime> {
    let meta = sample.buffer()?.meta::<gst::ReferenceTimestampMeta>()?;
    assert_eq!(meta.reference().to_string(), "timestamp/x-unix");
    Some(meta.timestamp())
}

#[test]
fn caps_say_the_size_of_the_first_picture() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let source = Source::playing(&server.url());
    assert_eq!(source.sample().caps(), Some(caps(jpeg::WIDTH, jpeg::HEIGHT).as_ref()));
}

#[test]
fn each_picture_comes_with_caps_of_its_own_size() {
    let sizes = [(64, 48), (64, 48), (1920, 1080), (1920, 1080), (48, 64), (65535, 1)];
    let pictures: Vec<_> = sizes.iter().enumerate().map(|(index, (w, h))| jpeg::sized(index, *w, *h)).collect();
    let server = ScriptServer::play([[head()].into_iter().chain(pictures.iter().map(|jpeg| part(jpeg))).collect()]);
    let source = Source::new(&server.url()).lossless().play();
    for (index, (width, height)) in sizes.into_iter().enumerate() {
        let sample = source.sample();
        assert_same(&bytes(&sample), &pictures[index], &format!("picture {index}"));
        assert_eq!(sample.caps(), Some(caps(width, height).as_ref()), "picture {index}");
    }
}

#[test]
fn segment_is_in_time() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let source = Source::playing(&server.url());
    let sample = source.sample();
    let segment = sample.segment().expect("a picture follows a segment");
    let segment = segment.downcast_ref::<gst::ClockTime>().expect("a segment in time");
    assert_eq!(segment.start(), Some(gst::ClockTime::ZERO));
    assert_eq!(segment.rate(), 1.0);
}

#[test]
fn first_picture_alone_is_discont() {
    let pictures: Vec<_> = (0..4).map(jpeg::picture).collect();
    let server = ScriptServer::play([[head()].into_iter().chain(pictures.iter().map(|jpeg| part(jpeg))).collect()]);
    let source = Source::new(&server.url()).lossless().play();
    let disconts: Vec<_> = pictures.iter().map(|_| is_discont(&source.sample())).collect();
    assert_eq!(disconts, [true, false, false, false]);
}

#[test]
fn picture_after_a_damaged_one_is_discont() {
    let (first, second, third) = (jpeg::picture(0), jpeg::picture(1), jpeg::picture(2));
    let half = &jpeg::picture(3)[..300];
    let server = ScriptServer::play([vec![head(), part(&first), part(half), part(&second), part(&third)]]);
    let source = Source::new(&server.url()).lossless().play();
    assert_same(&source.frame(), &first, "the picture before");
    let sample = source.sample();
    assert_same(&bytes(&sample), &second, "the picture after");
    assert!(is_discont(&sample), "the picture after a damaged one");
    assert!(!is_discont(&source.sample()), "the one after that");
    assert_eq!(source.stat("damaged"), 1);
}

#[test]
fn capture_time_in_unix_time_comes_with_the_picture() {
    let stamped = |stamp: &str, index| {
        let jpeg = jpeg::picture(index);
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nX-Timestamp: {stamp}\r\n\r\n");
        send([head.as_bytes(), &jpeg, b"\r\n"].concat())
    };
    // Unix time in seconds, in milliseconds, an uptime, none at all.
    let script = vec![
        head(),
        stamped("1700000000.000042", 0),
        stamped("1700000000123", 1),
        stamped("295528.3", 2),
        part(&jpeg::picture(3)),
    ];
    let server = ScriptServer::play([script]);
    let source = Source::new(&server.url()).lossless().play();
    let times: Vec<_> = (0..4).map(|_| capture_time(&source.sample()).map(gst::ClockTime::nseconds)).collect();
    assert_eq!(times, [Some(1_700_000_000_000_042_000), Some(1_700_000_000_123_000_000), None, None]);
}

#[test]
fn pictures_outlive_the_element() {
    let picture = jpeg::any(0, 100_000).bytes();
    let server = ScriptServer::play([vec![head(), part(&picture), Step::Close]]);
    let source = Source::playing(&server.url());
    let sample = source.sample();
    drop(source);
    assert_same(&bytes(&sample), &picture, "a picture of an element that is gone");
}
