//! docs/mjpegserversink.md and docs/mjpegclientsrc.md say what the code says, and README.md and the documentation in
//! the source say the same.
//!
//! What stands in a page between `<!-- made by scripts/pages -->` and `<!-- end -->` is written by this program, when
//! MJPEGHTTP_WRITE_PAGES is set; otherwise it is compared.

mod common;

use std::{collections::BTreeMap, env, fs, path::Path, time::Duration};

use common::{
    http::Viewer,
    jpeg,
    pipeline::{Camera, pictures},
    properties::{element, is_readable, is_writable, own_properties, range, text},
    script_server::{ScriptServer, Step, head, part},
    source::Source,
};
use glib::{
    ParamSpec, Type,
    subclass::{SignalId, SignalQuery},
    translate::{FromGlib as _, IntoGlib as _},
};
use gst::prelude::*;

const ELEMENTS: [&str; 2] = ["mjpegserversink", "mjpegclientsrc"];

/// Defaults and meanings; which of the properties README.md names is its own choice.
#[test]
fn the_readme_says_the_same_of_properties() {
    for name in ELEMENTS {
        let (readme, page) = (section(README, &format!("### {name}")), section(page(name), "## Properties"));
        assert!(readme.len() > 5, "README.md has the properties of {name} that are needed most");
        for (property, row) in readme {
            let [_, _, default, _, _, meaning] = &page[&property][..] else { panic!("{property} has other columns") };
            assert_eq!(row[1..], [default.clone(), meaning.clone()], "README.md, {property} of {name}");
        }
    }
}

#[test]
fn the_page_says_which_signals_there_are() {
    let signals = signals(element("mjpegserversink").type_());
    let said = section(page("mjpegserversink"), "## Signals");
    let mut names = Vec::new();
    for signal in signals {
        let action = if signal.flags().contains(glib::SignalFlags::ACTION) { " (action)" } else { "" };
        let name = signal.signal_name();
        let row = said.iter().find(|(_, cells)| cells[0] == format!("`{name}`{action}"));
        let (_, cells) = row.unwrap_or_else(|| panic!("no row for {name}{action}"));
        let types: Vec<_> = signal.param_types().iter().map(|of| kind(of.type_())).collect();
        let said: Vec<_> = cells[1].split(", ").filter_map(|value| value.split(' ').next()).collect();
        assert_eq!(said, types, "the values of {name}");
        names.push(name);
    }
    assert_eq!(said.len(), names.len(), "{said:?} on the page, {names:?} in the element");
}

#[test]
fn the_page_says_what_the_servers_figures_are() {
    let camera = Camera::live();
    let listening = camera.message(gst::MessageType::Element);
    assert_fields(page("mjpegserversink"), "### listening", listening.structure().expect("it has one"));
    camera.push(&pictures()[0]);
    let mut viewer = Viewer::open(camera.address());
    viewer.picture();
    let stats = camera.sink.property::<gst::Structure>("server-stats");
    assert_fields(page("mjpegserversink"), "### server-stats", &stats);
    let clients = camera.sink.property::<gst::Array>("client-stats");
    let client = clients[0].get::<gst::Structure>().expect("a structure for each viewer");
    assert_fields(page("mjpegserversink"), "### client-stats", &client);
}

#[test]
fn the_page_says_what_the_readers_figures_are() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0)), Step::Close], vec![head()]]);
    let source = Source::new(&server.url()).hasty().play();
    let (connected, lost) = (source.change(), source.change());
    assert_fields(page("mjpegclientsrc"), "### mjpegclientsrc-state, connected", &connected);
    assert_fields(page("mjpegclientsrc"), "### mjpegclientsrc-state, reconnecting", &lost);
    let stats = source.element.property::<gst::Structure>("stats");
    assert_fields(page("mjpegclientsrc"), "### stats", &stats);
}

/// The signals that a type adds to those of its parents.
fn signals(owner: Type) -> Vec<SignalQuery> {
    let mut count = 0;
    // SAFETY: the type is there; what comes back is an array of that many ids, which is ours to free.
    unsafe {
        let ids = glib::gobject_ffi::g_signal_list_ids(owner.into_glib(), &raw mut count);
        let signals = (0..count as usize).map(|at| SignalId::from_glib(*ids.add(at)).query()).collect();
        glib::ffi::g_free(ids.cast());
        signals
    }
}

/// The rows below a heading are the fields of the structure, with their types.
#[track_caller]
fn assert_fields(page: &str, heading: &str, structure: &gst::StructureRef) {
    let said = section(page, heading);
    let said: BTreeMap<_, _> = said.iter().map(|(name, cells)| (name.as_str(), cells[1].as_str())).collect();
    let fields = structure.iter().map(|(name, value)| (name.as_str(), kind(value.type_()))).collect();
    assert_eq!(said, fields, "{heading}, and {}", structure.name());
}

/// The documentation in the source: its lines are those of the page, and it names no property that there is not.
#[test]
fn the_source_documents_the_same() {
    for (name, source) in [
        ("mjpegserversink", include_str!("../src/sink/mod.rs")),
        ("mjpegclientsrc", include_str!("../src/source/mod.rs")),
    ] {
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ").replace(" \\ ", " ");
        let documented = source.split("|[").skip(1).map(|rest| {
            let block = rest.split("]|").next().unwrap_or_default();
            plain(&block.lines().map(|line| line.trim_start_matches(" *")).collect::<Vec<_>>().join(" "))
        });
        let printed: Vec<_> = page(name).split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(documented.collect::<Vec<_>>(), printed.into_iter().map(plain).collect::<Vec<_>>(), "of {name}");
        let element = element(name);
        for rest in source.split(&format!("#{name}:")).skip(1) {
            let property = rest.split(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap_or_default();
            assert!(element.find_property(property).is_some(), "{name} has no property {property}");
        }
    }
}

#[test]
fn the_pages_are_what_the_elements_say() {
    for name in ELEMENTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{name}.md"));
        let page = fs::read_to_string(&path).expect("the page is there");
        let wanted = with_made_parts(&page, &[about(name), properties(name)]);
        if env::var_os("MJPEGHTTP_WRITE_PAGES").is_some() {
            fs::write(&path, wanted).expect("the page can be written");
        } else {
            assert!(page == wanted, "docs/{name}.md is not what the element says: run scripts/pages\n{wanted}");
        }
    }
}

/// The page with these texts in the place of those that stand between the marks.
#[track_caller]
fn with_made_parts(page: &str, parts: &[String]) -> String {
    const BEGIN: &str = "<!-- made by scripts/pages -->\n";
    const END: &str = "<!-- end -->\n";
    let mut pieces = page.split(BEGIN);
    let mut made = pieces.next().expect("a text has a beginning").to_owned();
    for part in parts {
        let (_, rest) = pieces.next().and_then(|piece| piece.split_once(END)).expect("a page has a mark for each part");
        made += &[BEGIN, part, END, rest].concat();
    }
    assert_eq!(pieces.next(), None, "a page has no more marks than parts");
    made
}

/// What the element is.
fn about(name: &str) -> String {
    let element = element(name);
    let factory = element.factory().expect("it was made by one");
    let meta = |key| factory.metadata(key).expect("every element has it").to_owned();
    let parent = element.type_().parent().expect("every element has one");
    let mut rows = vec![
        ("class", format!("`{}`", meta("klass"))),
        ("rank", if factory.rank() == gst::Rank::NONE { "none".into() } else { factory.rank().to_string() }),
        ("type", format!("`{}`, a `{parent}`", element.type_())),
    ];
    for template in factory.static_pad_templates() {
        assert_eq!(template.presence(), gst::PadPresence::Always);
        rows.push(("pad", format!("`{}`, always there: `{}`", template.name_template(), template.caps())));
    }
    if factory.uri_type() == gst::URIType::Src {
        let schemes: Vec<_> = factory.uri_protocols().iter().map(|scheme| format!("`{scheme}://`")).collect();
        rows.push(("plays", schemes.join(", ")));
    }
    let rows: String = rows.iter().map(|(key, value)| format!("| {key} | {value} |\n")).collect();
    format!("{}.\n\n| | |\n|---|---|\n{rows}", meta("description"))
}

/// The table of the properties, and the values of those that take words.
fn properties(name: &str) -> String {
    let properties = own_properties(&element(name));
    let rows: String = properties.iter().map(row).collect();
    let words: String = properties.iter().filter_map(words).collect();
    let head = "| property | type | default | range | set | meaning |\n|---|---|---|---|---|---|\n";
    let gap = if words.is_empty() { "" } else { "\n" };
    format!("{head}{rows}{gap}{words}")
}

fn row(property: &ParamSpec) -> String {
    let (name, meaning) = (property.name(), property.blurb().expect("a blurb"));
    let (kind, default, range, set) = (kind(property.value_type()), default(property), limits(property), set(property));
    format!("| `{name}` | {kind} | {default} | {range} | {set} | {meaning} |\n")
}

/// The type in a word.
fn kind(kind: Type) -> &'static str {
    match kind {
        Type::STRING => "string",
        Type::BOOL => "boolean",
        Type::I32 => "int",
        Type::U32 => "uint",
        Type::U64 => "uint64",
        Type::F64 => "double",
        kind if kind.is_a(Type::ENUM) => "enum",
        kind if kind.is_a(Type::FLAGS) => "flags",
        kind if kind == gst::Structure::static_type() => "structure",
        kind if kind == gst::Array::static_type() => "array",
        kind if kind == Vec::<String>::static_type() => "strings",
        kind => panic!("{kind}: tell this test its name"),
    }
}

fn default(property: &ParamSpec) -> String {
    if !is_writable(property) {
        return String::new();
    }
    let default = text(property.default_value());
    match default.parse() {
        _ if default.is_empty() => default,
        Ok(time) if is_time(property) => format!("`{default}`{}", in_words(time)),
        _ => format!("`{default}`"),
    }
}

fn limits(property: &ParamSpec) -> String {
    if let Some(numbers) = property.downcast_ref::<glib::ParamSpecDouble>() {
        return format!("{} to {}", numbers.minimum(), numbers.maximum());
    }
    match range(property).filter(|_| is_writable(property)) {
        Some((minimum, maximum)) if is_time(property) => {
            let words = u64::try_from(maximum).map(in_words).expect("times are not negative");
            format!("{minimum} to {maximum}{words}")
        }
        Some((minimum, maximum)) => format!("{minimum} to {maximum}"),
        None => String::new(),
    }
}

fn is_time(property: &ParamSpec) -> bool {
    property.blurb().expect("a blurb").contains("in nanoseconds")
}

/// Nanoseconds as people say it, in brackets; nothing for none.
fn in_words(nanoseconds: u64) -> String {
    match Duration::from_nanos(nanoseconds) {
        Duration::ZERO => String::new(),
        time if time.as_secs() >= 3600 && time.as_secs().is_multiple_of(3600) => {
            format!(" ({} h)", time.as_secs() / 3600)
        }
        time => format!(" ({} s)", time.as_secs_f64()),
    }
}

/// When a change counts. What is not marked as mutable can be changed by nobody while the element has it in use.
fn set(property: &ParamSpec) -> &'static str {
    // GST_PARAM_MUTABLE_PLAYING, which the bindings keep to themselves.
    let playing = property.flags().bits().cast_signed() & PLAYING != 0;
    match (is_writable(property), is_readable(property)) {
        (false, _) => "read only",
        (true, _) if playing => "at any time",
        (true, true) => "before the start",
        (true, false) => "before the start; not readable",
    }
}

const PLAYING: i32 = gst::ffi::GST_PARAM_MUTABLE_PLAYING;

/// The words that a property takes.
fn words(property: &ParamSpec) -> Option<String> {
    let name = property.name();
    let words: Vec<_> = if let Some(class) = glib::EnumClass::with_type(property.value_type()) {
        let meaning = |value: &glib::EnumValue| value.name().split_once(": ").map(|(_, text)| text.to_owned());
        class.values().iter().map(|value| format!("`{}` ({})", value.nick(), meaning(value).expect("a text"))).collect()
    } else {
        let class = glib::FlagsClass::with_type(property.value_type())?;
        class.values().iter().map(|value| format!("`{}`", value.nick())).collect()
    };
    Some(format!("* `{name}`: {}\n", words.join(", ")))
}

/// The cells of each row of a text whose first cell is code, by that.
fn rows(text: &str) -> BTreeMap<String, Vec<String>> {
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| (cells[0].split('`').nth(1).unwrap_or_default().to_owned(), cells)).collect()
}

/// The rows below a heading of a text.
#[track_caller]
fn section(text: &str, heading: &str) -> BTreeMap<String, Vec<String>> {
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rows(section.split_once("\n#").map_or(section, |(section, _)| section))
}

const README: &str = include_str!("../README.md");

fn page(name: &str) -> &'static str {
    match name {
        "mjpegserversink" => include_str!("../docs/mjpegserversink.md"),
        _ => include_str!("../docs/mjpegclientsrc.md"),
    }
}
