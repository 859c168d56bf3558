//! What the plugin is built from: each for a reason, and no newer than the compiler that is asked for. Licences,
//! sources and doubled packages are looked at by `scripts/deny`; that a newer compiler is not needed in fact by
//! `scripts/msrv`.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

#[test]
fn the_design_says_what_each_dependency_is_for() {
    let design = fs::read_to_string(root().join("docs/design.md")).expect("the design can be read");
    let (_, table) = design.split_once("## What each dependency is for").expect("the design has such a table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next()).skip(1);
    let told: BTreeSet<_> = rows.flat_map(|names| names.split(',')).map(str::trim).collect();
    // Ours come from nowhere: the plugin, and the demo.
    let ours: Vec<_> = packages("Cargo.toml").into_iter().filter(|package| package["source"].is_null()).collect();
    let dependencies = ours.iter().flat_map(|package| package["dependencies"].as_array().expect("a list"));
    let there = dependencies.filter(|dependency| dependency["kind"] != "build" && !dependency["source"].is_null());
    let there: BTreeSet<_> = there.map(|dependency| text(dependency, "name")).collect();
    let (missing, gone): (Vec<_>, Vec<_>) = (there.difference(&told).collect(), told.difference(&there).collect());
    assert!(missing.is_empty() && gone.is_empty(), "docs/design.md does not tell of {missing:?}, but of {gone:?}");
}

#[test]
fn the_stated_compiler_is_new_enough_for_every_package() {
    let stated = version(env!("CARGO_PKG_RUST_VERSION"));
    for package in packages("Cargo.toml") {
        let wanted = package["rust_version"].as_str().unwrap_or("1.0");
        assert!(version(wanted) <= stated, "{} wants Rust {wanted}", text(&package, "name"));
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All packages of a manifest, as its lock file has them: one that is not current is an error.
fn packages(manifest: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(root().join(manifest))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{manifest}: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo answers in JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}
