//! The documents do not rot: what docs/reliability.md and SECURITY.md name as proof is there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 2] = ["docs/reliability.md", "SECURITY.md"];

/// A file stands as `tests/x.rs` or `src/x.rs`, its tests behind it, each by its name.
#[test]
fn every_test_that_is_named_is_there() {
    let mut found = 0;
    for (place, span) in spans() {
        if let Some((file, test)) = span.split_once("::") {
            let code = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{place}: {file}: {error}"));
            assert!(is_test(&code, test), "{place}: {file} has no test {test}");
            found += 1;
        }
    }
    assert!(found > 30, "{found} tests are named");
}

#[test]
fn every_file_and_fuzz_target_that_is_named_is_there() {
    let mut found = BTreeMap::new();
    for document in DOCUMENTS {
        let text = read(document);
        for (number, line) in text.lines().enumerate() {
            for span in code(line) {
                let is_path =
                    ["tests/", "src/", "scripts/", "fuzz/", "docs/"].iter().any(|start| span.starts_with(start));
                if is_path {
                    let path = span.split(' ').next().unwrap_or_default();
                    assert!(root().join(path).exists(), "{document}:{}: there is no {path}", number + 1);
                    *found.entry("path").or_insert(0) += 1;
                }
            }
            for targets in line.split("fuzz target").skip(1) {
                let targets = targets.split(['|', ';', '.']).next().unwrap_or_default();
                for target in code(targets) {
                    let file = root().join(format!("fuzz/fuzz_targets/{target}.rs"));
                    assert!(file.exists(), "{document}:{}: there is no fuzz target {target}", number + 1);
                    *found.entry("target").or_insert(0) += 1;
                }
            }
        }
    }
    assert!(found["path"] > 50 && found["target"] > 5, "{found:?}");
}

/// What is named as a test, with where it stands: `file::test`, each test with the last file before it in its line.
fn spans() -> Vec<(String, String)> {
    let mut spans = Vec::new();
    for document in DOCUMENTS {
        for (number, line) in read(document).lines().enumerate() {
            let mut file = None;
            for span in code(line) {
                if span.ends_with(".rs") {
                    file = Some(span);
                } else if let Some(file) = file.filter(|_| is_name(span)) {
                    spans.push((format!("{document}:{}", number + 1), format!("{file}::{span}")));
                }
            }
        }
    }
    spans
}

/// Whether this is the name of a test: three words at least, in small letters.
fn is_name(span: &str) -> bool {
    span.matches('_').count() >= 2 && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Whether there is such a function, and `#[test]`, or another attribute for tests, right before it.
fn is_test(code: &str, name: &str) -> bool {
    let Some((before, _)) = code.split_once(&format!("fn {name}(")) else { return false };
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.contains("test]") || attributes.contains("test(")
}

/// What stands between backquotes in a line.
fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
