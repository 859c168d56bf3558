//! The figures as JSON.

use bytes::Bytes;
use serde_json::json;

use super::camera::Figures;

/// What `/status` answers. Times are in seconds.
pub(super) fn json(figures: &Figures) -> Bytes {
    let status = json!({
        "pictures": figures.pictures,
        "bytes": figures.bytes,
        "damaged": figures.damaged,
        "viewers": figures.viewers,
        "rate": (figures.rate * 100.0).round() / 100.0,
        "age": figures.age.map(|age| age.as_secs_f64()),
        "width": figures.header.map(|header| header.width),
        "height": figures.header.map(|header| header.height),
    });
    format!("{status}\n").into()
}
