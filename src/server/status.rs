//! The figures as JSON.

use std::time::Instant;

use bytes::Bytes;
use serde_json::json;

use super::camera::{Camera, Figures};

/// What `/status` answers. Times are in seconds. It does not say who watches, only how they get on.
pub(super) fn json(camera: &Camera, now: Instant) -> Bytes {
    let Figures { pictures, bytes, damaged, viewers, rate, age, header } = camera.figures(now);
    let clients: Vec<_> = camera
        .viewers
        .figures()
        .into_iter()
        .map(|viewer| {
            json!({
                "id": viewer.id,
                "layout": viewer.layout.to_string(),
                "pictures": viewer.pictures,
                "skipped": viewer.skipped,
                "bytes": viewer.bytes,
                "connected-for": viewer.connected_for.as_secs_f64(),
                "stalled-for": viewer.stalled_for.as_secs_f64(),
            })
        })
        .collect();
    let status = json!({
        "pictures": pictures,
        "bytes": bytes,
        "damaged": damaged,
        "viewers": viewers,
        "rate": (rate * 100.0).round() / 100.0,
        "age": age.map(|age| age.as_secs_f64()),
        "width": header.map(|header| header.width),
        "height": header.map(|header| header.height),
        "clients": clients,
    });
    format!("{status}\n").into()
}
