//! What the plugin is built from: known, licensed, locked, and each for a reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

/// Licences that go with ours (MPL-2.0): all of them let a program under any licence use the plugin.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Zlib",
];

/// Packages that are there twice, and why that stays so.
const TWICE: &[&str] = &[
    // ring 0.17 is from before the newest.
    "getrandom",
    // At compile time only: derive macros move to the newest at different times.
    "syn",
];

#[test]
fn every_package_has_a_licence_that_goes_with_ours() {
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        for package in packages(manifest) {
            let licence = text(&package, "license");
            assert!(allowed(licence), "{} {} has {licence:?}", text(&package, "name"), text(&package, "version"));
        }
    }
}

#[test]
fn every_package_comes_from_crates_io() {
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        for package in packages(manifest) {
            let source = package["source"].as_str().unwrap_or("here");
            let known = source == "here" || source.starts_with("registry+https://github.com/rust-lang/crates.io-index");
            assert!(known, "{} comes from {source}", text(&package, "name"));
        }
    }
}

#[test]
fn no_package_is_there_twice_but_those_that_have_to() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages("Cargo.toml") {
        // The bindings to Windows have a version for each that uses them, and none is built here.
        if !text(&package, "name").starts_with("windows") {
            versions.entry(text(&package, "name").into()).or_default().insert(text(&package, "version").into());
        }
    }
    let twice: Vec<_> =
        versions.iter().filter(|(name, found)| found.len() > 1 && !TWICE.contains(&name.as_str())).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn the_design_says_what_each_dependency_is_for() {
    let design = fs::read_to_string(root().join("docs/design.md")).expect("the design can be read");
    let (_, table) = design.split_once("## What each dependency is for").expect("the design has such a table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let told: BTreeSet<_> = rows.flat_map(|names| names.split(',')).map(str::trim).collect();
    let package = packages("Cargo.toml").into_iter().find(|package| package["name"] == env!("CARGO_PKG_NAME"));
    let package = package.expect("the plugin is among its packages");
    let dependencies = package["dependencies"].as_array().expect("a list");
    for dependency in dependencies.iter().filter(|dependency| dependency["kind"] != "build") {
        let name = text(dependency, "name");
        assert!(told.contains(name), "docs/design.md does not say what {name} is for");
    }
}

/// The compiler that the manifest asks for is the least that any package asks for.
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

/// Whether an SPDX expression can be met: by one of its licences where only OR stands in it, else by all of them.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    let mut licences = expression.split(" OR ").flat_map(|side| side.split(" AND ")).map(str::trim);
    let known = |licence: &str| LICENCES.contains(&licence);
    if expression.contains(" AND ") { licences.all(known) } else { licences.any(known) }
}

fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}
