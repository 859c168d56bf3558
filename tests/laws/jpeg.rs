//! What holds for the walk over a picture, and for the copy that is served.

use gstmjpeghttp::jpeg::{Step, Walk, check};
use jpeg_decoder::Decoder;

use super::pieces;

/// However a picture is cut, the walk finds the same.
pub fn chunking_never_changes_the_walk(picture: &[u8], sizes: &[usize]) {
    let whole = Walk::new().step(picture, 0);
    let (mut walk, mut at) = (Walk::new(), 0);
    let mut step = Step::More;
    for piece in pieces(picture, sizes) {
        at += piece.len();
        step = walk.step(&picture[..at], 0);
        match step {
            Step::More => {}
            Step::End(end) | Step::Damaged(end, _) => assert!(end <= at),
        }
    }
    assert_eq!(step, whole);
}

/// A copy has its tables and else the picture's bytes; what has them is copied as it is.
pub fn copies_are_complete_and_else_the_same(picture: &[u8]) {
    let Ok(whole) = check(picture) else { return };
    let copy = whole.pieces().concat();
    let again = check(&copy).expect("a copy is whole");
    assert_eq!(again.header(), whole.header());
    assert!(!again.lacks_tables());
    assert_eq!(again.pieces().concat(), copy);
    if whole.lacks_tables() {
        let at = (0..picture.len()).find(|at| copy[*at] != picture[*at]).expect("the tables are in between");
        let inserted = copy.len() - picture.len();
        assert!((0..4).any(|back| picture[at - back..] == copy[at - back + inserted..]));
    } else {
        assert_eq!(copy, picture);
    }
}

/// What a decoder shows of a picture, it shows of its copy: the decoder fills in the standard tables by itself where a
/// picture says that it is one of Motion-JPEG (AVI1).
pub fn copies_decode_to_the_same_pixels(picture: &[u8]) {
    let Ok(whole) = check(picture) else { return };
    let header = whole.header();
    if !whole.lacks_tables() || usize::from(header.width) * usize::from(header.height) > MAX_PIXELS {
        return;
    }
    if let Ok(pixels) = Decoder::new(picture).decode() {
        let copied = Decoder::new(whole.pieces().concat().as_slice()).decode();
        assert!(copied.is_ok_and(|copied| copied == pixels), "the copy shows something else");
    }
}

/// Pixels of the largest picture that is decoded. Chosen: more only makes the fuzzer slower.
const MAX_PIXELS: usize = 64 * 1024;
