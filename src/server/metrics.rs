//! The figures for Prometheus, in its text format.

use std::{sync::Arc, time::Instant};

use hyper::{Response, header::CONTENT_TYPE, header::HeaderValue};
use prometheus::{
    Encoder as _, GaugeVec, IntCounterVec, IntGaugeVec, Opts, TEXT_FORMAT, TextEncoder,
    core::{Collector, MetricVec, MetricVecBuilder},
    proto::MetricFamily,
};

use super::{Camera, Mount, ViewerFigures, reply, stream::Body};

/// What `/metrics` answers. The figures are kept by cameras and viewers; they are put into metrics for this answer
/// only.
pub(super) fn answer(cameras: &[(Mount, Arc<Camera>)]) -> Response<Body> {
    let metrics = Metrics::new();
    for (mount, camera) in cameras {
        metrics.fill(&mount.to_string(), camera);
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&metrics.collect(), &mut text).expect("a vector takes everything");
    let mut response = reply::bytes("text/plain", text.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
    response
}

struct Metrics {
    pictures: IntCounterVec,
    bytes: IntCounterVec,
    damaged: IntCounterVec,
    rate: GaugeVec,
    age: GaugeVec,
    viewers: IntGaugeVec,
    left: IntCounterVec,
    sent: IntCounterVec,
    skipped: IntCounterVec,
    sent_bytes: IntCounterVec,
    viewer: PerViewer,
}

/// Of each viewer that is there now. A viewer that comes again has another number.
struct PerViewer {
    sent: IntCounterVec,
    skipped: IntCounterVec,
    bytes: IntCounterVec,
    stalled: GaugeVec,
    rtt: GaugeVec,
    unsent: GaugeVec,
}

impl Metrics {
    fn new() -> Self {
        let camera = &["camera"][..];
        Self {
            pictures: counter("mjpeg_pictures_total", "Pictures that came from the pipeline.", camera),
            bytes: counter("mjpeg_picture_bytes_total", "Bytes of the pictures that came.", camera),
            damaged: counter(
                "mjpeg_damaged_pictures_total",
                "Pictures dropped because they were no whole JPEG.",
                camera,
            ),
            rate: gauge("mjpeg_pictures_per_second", "Pictures that came per second, over the last seconds.", camera),
            age: gauge("mjpeg_picture_age_seconds", "Time since the newest picture came.", camera),
            viewers: IntGaugeVec::new(Opts::new("mjpeg_viewers", "Viewers of the stream."), camera).expect(VALID),
            left: counter("mjpeg_viewers_left_total", "Viewers that have left, by reason.", &["camera", "reason"]),
            sent: counter("mjpeg_sent_pictures_total", "Pictures sent to all viewers.", camera),
            skipped: counter("mjpeg_skipped_pictures_total", "Pictures that viewers were too slow for.", camera),
            sent_bytes: counter("mjpeg_sent_bytes_total", "Bytes sent to all viewers.", camera),
            viewer: PerViewer::new(&["camera", "viewer"]),
        }
    }

    fn fill(&self, camera: &str, from: &Camera) {
        let figures = from.figures(Instant::now());
        self.pictures.with_label_values(&[camera]).inc_by(figures.pictures);
        self.bytes.with_label_values(&[camera]).inc_by(figures.bytes);
        self.damaged.with_label_values(&[camera]).inc_by(figures.damaged);
        self.rate.with_label_values(&[camera]).set(figures.rate);
        if let Some(age) = figures.age {
            self.age.with_label_values(&[camera]).set(age.as_secs_f64());
        }
        self.viewers.with_label_values(&[camera]).set(i64::try_from(figures.viewers).unwrap_or(i64::MAX));
        for (reason, viewers) in figures.served.left {
            self.left.with_label_values(&[camera, &reason.to_string()]).inc_by(viewers);
        }
        self.sent.with_label_values(&[camera]).inc_by(figures.served.pictures);
        self.skipped.with_label_values(&[camera]).inc_by(figures.served.skipped);
        self.sent_bytes.with_label_values(&[camera]).inc_by(figures.served.bytes);
        from.viewers.figures().iter().for_each(|viewer| self.viewer.fill(camera, viewer));
    }

    /// The metrics that have a value: the format has no place for others.
    fn collect(&self) -> Vec<MetricFamily> {
        let counters =
            [&self.pictures, &self.bytes, &self.damaged, &self.left, &self.sent, &self.skipped, &self.sent_bytes];
        let per_viewer = [&self.viewer.sent, &self.viewer.skipped, &self.viewer.bytes];
        let gauges = [&self.rate, &self.age, &self.viewer.stalled, &self.viewer.rtt, &self.viewer.unsent];
        let mut all: Vec<_> = counters.into_iter().chain(per_viewer).flat_map(families).collect();
        all.extend(gauges.into_iter().flat_map(families));
        all.extend(families(&self.viewers));
        all
    }
}

impl PerViewer {
    fn new(labels: &[&str]) -> Self {
        Self {
            sent: counter("mjpeg_viewer_sent_pictures_total", "Pictures sent to this viewer.", labels),
            skipped: counter("mjpeg_viewer_skipped_pictures_total", "Pictures it was too slow for.", labels),
            bytes: counter("mjpeg_viewer_sent_bytes_total", "Bytes sent to it.", labels),
            stalled: gauge("mjpeg_viewer_stalled_seconds", "Time for which it has taken no byte that waits.", labels),
            rtt: gauge("mjpeg_viewer_rtt_seconds", "Time for a byte to be acknowledged by it.", labels),
            unsent: gauge("mjpeg_viewer_unsent_bytes", "Bytes that the kernel has not sent to it yet.", labels),
        }
    }

    fn fill(&self, camera: &str, viewer: &ViewerFigures) {
        let id = viewer.id.to_string();
        let labels = &[camera, id.as_str()];
        self.sent.with_label_values(labels).inc_by(viewer.pictures);
        self.skipped.with_label_values(labels).inc_by(viewer.skipped);
        self.bytes.with_label_values(labels).inc_by(viewer.bytes);
        self.stalled.with_label_values(labels).set(viewer.stalled_for.as_secs_f64());
        if let Some(tcp) = viewer.tcp {
            self.rtt.with_label_values(labels).set(tcp.rtt.as_secs_f64());
            self.unsent.with_label_values(labels).set(tcp.unsent.into());
        }
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect(VALID)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    GaugeVec::new(Opts::new(name, help), labels).expect(VALID)
}

fn families<T: MetricVecBuilder>(metric: &MetricVec<T>) -> Vec<MetricFamily> {
    metric.collect().into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}

const VALID: &str = "names and labels are letters and underscores";
