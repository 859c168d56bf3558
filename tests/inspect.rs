//! The properties of both elements: what gst-inspect-1.0 says of them is true and complete.

mod common;

use std::panic;

use common::properties::{element, is_readable, is_writable, own_properties, range, text};
use glib::{ParamSpec, Type, Value};
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
        if is_readable(property) && (is_writable(property) || range(property).is_some()) {
            assert_eq!(text(&element.property_value(property.name())), text(property.default_value()));
        }
    });
}

#[test]
fn every_value_comes_back_as_it_was_set() {
    each_property(|element, property| {
        if is_readable(property) && is_writable(property) {
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

/// What can be read stands in the graphs of GST_DEBUG_DUMP_DOT_DIR and in what gst-launch-1.0 -v prints.
#[test]
fn nobody_reads_a_secret_again() {
    each_property(|element, property| {
        let is_secret = property.name().ends_with("-pw") || property.name() == "token";
        assert_eq!(is_readable(property), !is_secret);
        if is_secret {
            element.set_property(property.name(), "hush");
        }
    });
}
