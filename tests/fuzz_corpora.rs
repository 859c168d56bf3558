//! The fuzz targets, on what the fuzzers began with and on what they found, as ordinary tests.

mod common;
#[path = "laws/mod.rs"]
mod laws;
#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::{fs, panic, path::Path};

#[test]
fn every_seed_keeps_the_laws() {
    for (target, run) in targets::ALL {
        let inputs = seeds::all().into_iter().filter(|seed| seed.target == *target).map(|seed| seed.bytes);
        assert!(assert_kept(target, *run, inputs) > 0, "{target} has no seeds");
    }
}

#[test]
fn every_input_in_the_corpora_keeps_the_laws() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (target, run) in targets::ALL {
        let files = fs::read_dir(corpora.join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
        let inputs = files.map(|file| fs::read(file.expect("a file").path()).expect("a file that can be read"));
        assert!(assert_kept(target, *run, inputs) > 0, "{target} has no corpus");
    }
}

/// Runs all inputs, and how many there are.
#[track_caller]
fn assert_kept(target: &str, run: targets::Run, inputs: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut count = 0;
    for input in inputs {
        count += 1;
        let kept = panic::catch_unwind(|| run(&input)).is_ok();
        assert!(kept, "{target} breaks a law with {:?}", input.escape_ascii().to_string());
    }
    count
}
