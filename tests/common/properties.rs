//! The properties of an element, as tests and the pages of docs/ write them.

use glib::{ParamFlags, ParamSpec, Value};
use gst::prelude::*;

use super::pipeline::init;

/// A new element.
pub fn element(name: &str) -> gst::Element {
    init();
    gst::ElementFactory::make(name).build().expect("the plugin is registered")
}

/// The properties that the element adds to those of its parents.
pub fn own_properties(element: &gst::Element) -> Vec<ParamSpec> {
    element.list_properties().iter().filter(|property| property.owner_type() == element.type_()).cloned().collect()
}

/// Whether it can be set.
pub fn is_writable(property: &ParamSpec) -> bool {
    property.flags().contains(ParamFlags::WRITABLE)
}

/// Whether its value can be asked for.
pub fn is_readable(property: &ParamSpec) -> bool {
    property.flags().contains(ParamFlags::READABLE)
}

/// The range of a property that holds a whole number.
pub fn range(property: &ParamSpec) -> Option<(i128, i128)> {
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

/// A value as the pages write it; nothing for none.
pub fn text(value: &Value) -> String {
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
