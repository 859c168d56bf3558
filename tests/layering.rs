//! The layers go one way (docs/design.md): each part uses only those below it, and the cores know no I/O and no clock.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each part of `src`, the parts it may use, and the crates it may not.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("jpeg", &[], NO_OUTSIDE),
    ("multipart", &["jpeg", "sync"], NO_OUTSIDE),
    ("http", &["jpeg"], NO_OUTSIDE),
    ("sync", &[], NO_OUTSIDE),
    ("fanout", &["sync"], &["gst", "gst_base", "glib", "gio", "tokio", "hyper", "hyper_util"]),
    ("runtime", &[], &["gst", "gst_base", "glib", "gio", "hyper"]),
    ("unix_time", &[], &["gio", "tokio", "hyper"]),
    ("server", &["fanout", "jpeg", "multipart", "http", "runtime", "sync"], &["gst", "gst_base", "glib", "gio"]),
    ("client", &["jpeg", "multipart", "http", "sync"], &["gst", "gst_base", "tokio", "hyper", "hyper_util"]),
    ("sink", &["server", "fanout", "jpeg", "multipart", "sync", "unix_time"], &["tokio", "hyper", "gio"]),
    ("source", &["client", "jpeg", "multipart", "http", "sync", "unix_time"], &["tokio", "hyper"]),
];

const NO_OUTSIDE: &[&str] = &["gst", "gst_base", "glib", "gio", "tokio", "hyper", "hyper_util", "socket2"];

/// What the cores may not use of the standard library: they neither wait nor ask what time it is.
const NO_IO: &[&str] = &["net", "fs", "thread", "process", "env", "io", "os"];
const NO_CLOCK: &[&str] = &["SystemTime", "Instant"];

#[test]
fn each_part_uses_only_the_parts_below_it() {
    let parts: BTreeSet<&str> = LAYERS.iter().map(|(part, ..)| *part).collect();
    for (part, below, _) in LAYERS {
        for (file, code) in sources(part) {
            for used in parts.iter().filter(|used| *used != part && !below.contains(used)) {
                assert!(!uses(&code, &format!("crate::{used}")), "{} uses crate::{used}", file.display());
                // `use crate::{a, b}` names parts without the prefix.
                let grouped = code.split("use crate::{").skip(1).filter_map(|rest| rest.split("};").next());
                for group in grouped {
                    assert!(!uses(group, used), "{} uses {used} from the crate", file.display());
                }
            }
        }
    }
}

#[test]
fn each_part_keeps_to_its_crates() {
    for (part, _, forbidden) in LAYERS {
        for (file, code) in sources(part) {
            for name in *forbidden {
                assert!(!uses(&code, &format!("{name}::")), "{} uses {name}", file.display());
            }
        }
    }
}

#[test]
fn the_cores_know_no_io_and_no_clock() {
    for part in ["jpeg", "multipart", "http"] {
        for (file, code) in sources(part) {
            // `use std::{a, b}` names parts without the prefix.
            let grouped: Vec<_> = code.split("use std::{").skip(1).filter_map(|rest| rest.split("};").next()).collect();
            for name in NO_IO {
                assert!(!uses(&code, &format!("std::{name}")), "{} uses std::{name}", file.display());
                assert!(!grouped.iter().any(|group| uses(group, name)), "{} uses {name}", file.display());
            }
            for name in NO_CLOCK {
                assert!(!uses(&code, name), "{} uses {name}", file.display());
            }
        }
    }
}

#[test]
fn every_part_has_its_place_in_the_layers() {
    let lib = fs::read_to_string(src().join("lib.rs")).expect("src/lib.rs is there");
    for line in lib.lines() {
        let Some(part) = line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
        else {
            continue;
        };
        assert!(LAYERS.iter().any(|(known, ..)| *known == part), "{part} is missing in LAYERS");
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The files of a part with their code, comments taken off.
fn sources(part: &str) -> Vec<(PathBuf, String)> {
    let mut files = vec![src().join(format!("{part}.rs"))];
    let mut folders = vec![src().join(part)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    let sources: Vec<_> = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|file| Some((file.clone(), fs::read_to_string(file).ok()?)))
        .map(|(file, code)| (file, without_comments(&code)))
        .collect();
    assert!(!sources.is_empty(), "there is no src/{part}");
    sources
}

fn without_comments(code: &str) -> String {
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Whether `name` stands in the code as a word of its own.
fn uses(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(word) && (name.ends_with("::") || !after.is_some_and(|c| c.is_alphanumeric() || c == '_'))
    })
}
