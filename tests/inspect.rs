//! The properties of both elements: what gst-inspect-1.0 says of them is true, complete, and what README.md says.

mod common;

use std::{collections::BTreeMap, panic};

use common::pipeline::init;
use glib::{ParamFlags, ParamSpec, Type, Value};
use gst::prelude::*;

/// Runs a check on each property of both elements; `check` gets a new element.
#[track_caller]
fn each_property(check: impl Fn(&gst::Element, &ParamSpec) + panic::RefUnwindSafe) {
    let mut failed = Vec::new();
    for name in ["mjpegserversink", "mjpegclientsrc"] {
        let element = element(name);
        for property in own_properties(&element) {
            let fresh = panic::AssertUnwindSafe(self::element(name));
            let spec = panic::AssertUnwindSafe(&property);
            if panic::catch_unwind(|| check(&fresh, &spec)).is_err() {
                failed.push(format!("{name} {}", property.name()));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?} fail");
}

fn element(name: &str) -> gst::Element {
    init();
    gst::ElementFactory::make(name).build().expect("the plugin is registered")
}

fn own_properties(element: &gst::Element) -> Vec<ParamSpec> {
    element.list_properties().iter().filter(|property| property.owner_type() == element.type_()).cloned().collect()
}

fn is_writable(property: &ParamSpec) -> bool {
    property.flags().contains(ParamFlags::WRITABLE)
}

/// The range of a property that holds a whole number.
fn range(property: &ParamSpec) -> Option<(i128, i128)> {
    macro_rules! range_of {
        ($($spec:ty),*) => {
            $(if let Some(spec) = property.downcast_ref::<$spec>() {
                return Some((spec.minimum().into(), spec.maximum().into()));
            })*
        };
    }
    range_of!(glib::ParamSpecInt, glib::ParamSpecUInt, glib::ParamSpecInt64, glib::ParamSpecUInt64);
    None
}

/// A number as a value of the property's type; none if the type itself cannot hold it.
fn number(property: &ParamSpec, number: i128) -> Option<Value> {
    match property.value_type() {
        Type::I32 => i32::try_from(number).ok().map(Value::from),
        Type::U32 => u32::try_from(number).ok().map(Value::from),
        Type::I64 => i64::try_from(number).ok().map(Value::from),
        Type::U64 => u64::try_from(number).ok().map(Value::from),
        other => panic!("{other} is no type of whole numbers"),
    }
}

/// Values that the property takes.
fn values(property: &ParamSpec) -> Vec<Value> {
    if let Some((minimum, maximum)) = range(property) {
        return [minimum, maximum].into_iter().filter_map(|value| number(property, value)).collect();
    }
    let value_type = property.value_type();
    if let Some(class) = glib::EnumClass::with_type(value_type) {
        return class.values().iter().filter_map(|value| class.to_value(value.value())).collect();
    }
    if let Some(class) = glib::FlagsClass::with_type(value_type) {
        return class.values().iter().filter_map(|value| class.to_value(value.value())).collect();
    }
    if let Some(numbers) = property.downcast_ref::<glib::ParamSpecDouble>() {
        return vec![numbers.minimum().into(), 12.5.into(), numbers.maximum().into()];
    }
    if value_type == Type::BOOL {
        return vec![true.into(), false.into()];
    }
    if value_type == Type::STRING {
        return vec!["a-b.c".into()];
    }
    if value_type == gst::Structure::static_type() {
        return vec![gst::Structure::builder("fields").field("a", "b").build().to_value()];
    }
    if value_type == Vec::<String>::static_type() {
        return vec![vec!["a=b".to_owned(), "c=d".to_owned()].to_value()];
    }
    panic!("{value_type}: tell this test which values it takes");
}

/// A value as README.md writes it; nothing for none.
fn text(value: &Value) -> String {
    if let Ok(switch) = value.get::<bool>() {
        return switch.to_string();
    }
    if value.is::<gst::Array>() {
        return String::new();
    }
    if let Ok(number) = value.get::<f64>() {
        return number.to_string();
    }
    if let Ok(text) = value.get::<Option<String>>() {
        return text.unwrap_or_default();
    }
    if let Ok(list) = value.get::<Vec<String>>() {
        return list.join(" ");
    }
    if let Ok(structure) = value.get::<Option<gst::Structure>>() {
        return structure.map_or_else(String::new, |structure| structure.to_string());
    }
    if let Some((_, value)) = glib::EnumValue::from_value(value) {
        return value.nick().to_owned();
    }
    if let Some(class) = glib::FlagsClass::with_type(value.type_()) {
        let bits = value.transform::<u32>().expect("flags are numbers").get::<u32>().expect("just made one");
        let whole = class.values().iter().find(|flag| flag.value() == bits);
        return whole.map_or_else(|| class.to_nick_string(bits), |flag| flag.nick().to_owned());
    }
    value.transform::<String>().ok().and_then(|text| text.get::<String>().ok()).expect("numbers have a text")
}

#[test]
fn every_property_has_a_nick_and_one_sentence() {
    each_property(|_, property| {
        let blurb = property.blurb().expect("a blurb");
        assert!(!property.nick().is_empty() && property.nick() != property.name(), "nick of {}", property.name());
        assert!(blurb.starts_with(|c: char| c.is_uppercase()), "{blurb:?} begins as no sentence does");
        assert!(!blurb.ends_with('.'), "{blurb:?} ends with a full stop");
        let ends = blurb.match_indices(". ").filter(|(at, _)| blurb[..*at].ends_with(char::is_alphanumeric));
        assert_eq!(ends.count(), 0, "{blurb:?} is more than one sentence");
    });
}

#[test]
fn every_number_names_its_unit() {
    const UNITS: &[&str] =
        &["nanoseconds", "seconds", "bytes", "pictures", "port", "viewers", "connections", "how often"];
    each_property(|_, property| {
        if range(property).is_some() {
            let blurb = property.blurb().expect("a blurb").to_lowercase();
            assert!(UNITS.iter().any(|unit| blurb.contains(unit)), "{blurb:?} names none of {UNITS:?}");
        }
    });
}

#[test]
fn every_property_begins_with_its_default() {
    each_property(|element, property| {
        // Figures have none: they are there from the start.
        if is_writable(property) || range(property).is_some() {
            assert_eq!(text(&element.property_value(property.name())), text(property.default_value()));
        }
    });
}

#[test]
fn every_value_comes_back_as_it_was_set() {
    each_property(|element, property| {
        if is_writable(property) {
            for value in values(property) {
                element.set_property_from_value(property.name(), &value);
                assert_eq!(text(&element.property_value(property.name())), text(&value));
            }
        }
    });
}

#[test]
fn numbers_out_of_range_are_refused() {
    each_property(|element, property| {
        let Some((minimum, maximum)) = range(property).filter(|_| is_writable(property)) else { return };
        let beyond = [minimum - 1, maximum + 1].into_iter().filter_map(|value| number(property, value));
        for value in beyond {
            let element = panic::AssertUnwindSafe(element);
            let set = panic::catch_unwind(|| element.set_property_from_value(property.name(), &value));
            assert!(set.is_err(), "{value:?} is taken for {}", property.name());
            assert_eq!(text(&element.property_value(property.name())), text(property.default_value()));
        }
    });
}

/// The rows of an element's table in README.md: default and meaning by name.
fn readme(element: &str) -> BTreeMap<String, (String, String)> {
    let readme = include_str!("../README.md");
    let heading = format!("\n### {element}\n");
    let (_, section) = readme.split_once(&heading).unwrap_or_else(|| panic!("README.md has no heading{heading}"));
    let section = section.split_once("\n#").map_or(section, |(section, _)| section);
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().replace('`', "")).collect() };
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| match &cells[..] {
        [_, name, _, default, meaning, _] => (name.clone(), (default.clone(), meaning.clone())),
        other => panic!("a row of {element} in README.md is not name, type, default, meaning: {other:?}"),
    })
    .collect()
}

#[track_caller]
fn assert_readme_lists(name: &str) {
    let (element, rows) = (element(name), readme(name));
    let properties = own_properties(&element);
    let of_element: Vec<_> = properties.iter().map(ParamSpec::name).collect();
    let missing: Vec<_> = of_element.iter().filter(|property| !rows.contains_key(**property)).collect();
    assert!(missing.is_empty(), "README.md, table of {name}: rows are missing for {missing:?}");
    let gone: Vec<_> = rows.keys().filter(|row| !of_element.contains(&row.as_str())).collect();
    assert!(gone.is_empty(), "README.md, table of {name}: there are no properties {gone:?}");
    for property in &properties {
        let (default, meaning) = &rows[property.name()];
        let what = format!("README.md, {} of {name}", property.name());
        assert_eq!(*default, text(property.default_value()), "{what}: default");
        assert_eq!(Some(meaning.as_str()), property.blurb(), "{what}: meaning, against the blurb");
    }
}

#[test]
fn readme_lists_the_properties_of_the_sink() {
    assert_readme_lists("mjpegserversink");
}

#[test]
fn readme_lists_the_properties_of_the_source() {
    assert_readme_lists("mjpegclientsrc");
}
