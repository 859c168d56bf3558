//! The documents lead somewhere: each link to a file or a heading of ours.

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut found = 0;
    for document in documents() {
        let text = read(&document);
        for target in links(&text).filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let path = match file {
                "" => document.clone(),
                file => document.parent().expect("a file lies in a folder").join(file),
            };
            assert!(path.exists(), "{}: there is no {target}", document.display());
            if let Some(anchor) = anchor {
                let anchors: Vec<_> = headings(&read(&path)).map(|heading| anchor_of(&heading)).collect();
                assert!(anchors.iter().any(|known| known == anchor), "{}: no heading {target}", document.display());
            }
            found += 1;
        }
    }
    assert!(found > 60, "{found} links");
}

#[test]
fn every_document_is_led_to_from_the_readme() {
    let readme = read(&root().join("README.md"));
    for document in documents() {
        let name = document.strip_prefix(root()).expect("it is ours").to_str().expect("its name is text").to_owned();
        assert!(name == "README.md" || links(&readme).any(|target| target == name), "README.md has no link to {name}");
    }
}

/// Where the links of a text lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The headings of a text, without those that stand in code.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let mut in_code = false;
    text.lines().filter_map(move |line| {
        in_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        (!in_code && heading.len() < line.len()).then(|| heading.trim().to_owned())
    })
}

/// How GitHub, and most others, call a heading: small letters, blanks as dashes, and no other signs.
fn anchor_of(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs is there").map(|entry| entry.expect("readable").path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    ["README.md", "SECURITY.md", "CHANGELOG.md"].iter().map(|name| root().join(name)).chain(docs).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
