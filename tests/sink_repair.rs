//! Pictures as USB webcams send them, without Huffman tables: what is served is complete.

use std::collections::BTreeMap;

use common::{
    http::{Viewer, connect, get},
    jpeg::Jpeg,
    pictures::{decoded, segments, without_tables},
    pipeline::{Camera, large, pictures},
};

mod common;

#[test]
fn a_picture_without_tables_is_served_with_the_standard_ones() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    for whole in pictures().into_iter().chain([large()]) {
        camera.push(&without_tables(&whole));
        // The strict reader takes the length from the part's head.
        let served = viewer.picture();
        // jpegenc writes the standard tables.
        assert_eq!(tables(&served), tables(&whole));
        assert!(without_tables(&served) == without_tables(&whole), "other bytes than the tables have changed");
        assert!(decoded(&served) == decoded(&whole), "other pixels");
    }
}

#[test]
fn a_repaired_picture_is_the_same_everywhere() {
    let camera = Camera::live();
    camera.push(&without_tables(&pictures()[0]));
    camera.wait_for_pictures(1);
    let snapshot = get(camera.address(), "/snapshot");
    assert_eq!(tables(&snapshot.body), tables(&pictures()[0]));
    assert_eq!(snapshot.head.field("Content-Length"), Some(snapshot.body.len().to_string().as_str()));
    Viewer::open_as(connect(camera.address()), "/stream?layout=advance", "").expect_ahead(&snapshot.body);
}

#[test]
fn a_complete_picture_is_served_as_it_is() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    let padded = [pictures()[0].as_slice(), &[0; 100]].concat();
    for picture in [pictures()[0].clone(), padded, Jpeg::new(1).thumbnail().fill_bytes().bytes()] {
        camera.push(&picture);
        assert!(viewer.picture() == picture);
    }
}

/// The standard tables would be wrong for them.
#[test]
fn a_picture_of_another_coding_is_left_alone() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    let twelve_bits = with(&pictures()[0], 0xc0, 4, 12);
    let progressive = with(&pictures()[0], 0xc0, 1, 0xc2);
    let arithmetic = with(&pictures()[0], 0xc0, 1, 0xc9);
    let lossless = with(&pictures()[0], 0xc0, 1, 0xc3);
    for picture in [twelve_bits, progressive, arithmetic, lossless] {
        let picture = without_tables(&picture);
        camera.push(&picture);
        assert!(viewer.picture() == picture);
    }
}

#[test]
fn the_extended_coding_of_8_bits_is_repaired() {
    let camera = Camera::live();
    let extended = with(&pictures()[0], 0xc0, 1, 0xc1);
    camera.push(&without_tables(&extended));
    assert_eq!(tables(&Viewer::open(camera.address()).picture()), tables(&extended));
}

/// The Huffman tables by class and destination.
fn tables(picture: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut tables = BTreeMap::new();
    for (_, place) in segments(picture).into_iter().filter(|(code, _)| *code == 0xc4) {
        let mut rest = &picture[place][4..];
        while let [class, counts @ ..] = rest {
            let len = 16 + counts[..16].iter().map(|count| usize::from(*count)).sum::<usize>();
            tables.insert(*class, counts[..len].to_vec());
            rest = &counts[len..];
        }
    }
    tables
}

/// The picture with another byte `offset` bytes behind the beginning of its first segment of this code.
#[track_caller]
fn with(picture: &[u8], code: u8, offset: usize, byte: u8) -> Vec<u8> {
    let segments = segments(picture);
    let (_, place) = segments.iter().find(|(known, _)| *known == code).expect("a segment of this code");
    let mut changed = picture.to_vec();
    changed[place.start + offset] = byte;
    changed
}
