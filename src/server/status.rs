//! The figures as JSON. Times are in seconds. They do not say who watches, only how the viewers get on.

use std::{sync::Arc, time::Instant};

use hyper::{Response, Uri};
use serde_json::{Map, Value, json};

use super::{Camera, Figures, Mount, Served, ViewerFigures, query, reply, stream::Body};

/// What `/status` answers: all about one camera, and in brief about those of the server. With `?clients=0` not about
/// each viewer: where every viewer is a page that asks once a second, that would be as much as the square of their
/// number. With `?mark=` also whether a viewer watches that has given itself this number: a browser does not tell its
/// pages when a stream in an `<img>` ends.
pub(super) fn answer(uri: &Uri, camera: Option<&Camera>, cameras: &[(Mount, Arc<Camera>)]) -> Response<Body> {
    let now = Instant::now();
    let mut status = camera.map(|camera| whole(camera, now)).unwrap_or_default();
    if let Some(camera) = camera
        && query::value(uri, "clients").as_deref() != Some("0")
    {
        status.insert("clients".into(), camera.viewers.figures().iter().map(client).collect());
    }
    let brief = cameras.iter().map(|(mount, camera)| {
        let mut brief = figures(&camera.figures(now));
        brief.insert("mount".into(), mount.to_string().into());
        if let Some(mark) = query::value(uri, "mark") {
            let is_watched = mark.parse().is_ok_and(|mark| camera.viewers.has(mark));
            brief.insert("watched".into(), is_watched.into());
        }
        Value::Object(brief)
    });
    status.insert("cameras".into(), brief.collect());
    reply::bytes("application/json", format!("{}\n", Value::Object(status)).into())
}

fn whole(camera: &Camera, now: Instant) -> Map<String, Value> {
    let all = camera.figures(now);
    let mut whole = figures(&all);
    whole.insert("served".into(), served(&all.served));
    whole
}

fn figures(figures: &Figures) -> Map<String, Value> {
    let Figures { pictures, bytes, damaged, viewers, rate, age, header, served: _ } = figures;
    let figures = json!({
        "pictures": pictures,
        "bytes": bytes,
        "damaged": damaged,
        "viewers": viewers,
        "rate": (rate * 100.0).round() / 100.0,
        "age": age.map(|age| age.as_secs_f64()),
        "width": header.map(|header| header.width),
        "height": header.map(|header| header.height),
    });
    let Value::Object(figures) = figures else { unreachable!("the macro has made an object") };
    figures
}

fn served(Served { pictures, skipped, bytes, left }: &Served) -> Value {
    let left: Map<_, _> = left.iter().map(|(reason, viewers)| (reason.to_string(), json!(viewers))).collect();
    json!({"pictures": pictures, "skipped": skipped, "bytes": bytes, "left": left})
}

fn client(viewer: &ViewerFigures) -> Value {
    json!({
        "id": viewer.id,
        "layout": viewer.layout.to_string(),
        "pictures": viewer.pictures,
        "skipped": viewer.skipped,
        "bytes": viewer.bytes,
        "connected-for": viewer.connected_for.as_secs_f64(),
        "stalled-for": viewer.stalled_for.as_secs_f64(),
        "rtt": viewer.tcp.map(|tcp| tcp.rtt.as_secs_f64()),
        "unsent": viewer.tcp.map(|tcp| tcp.unsent),
    })
}
