//! A server on pipes in memory: no socket, and a clock that jumps ahead while everybody waits, so that each run is the
//! same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gstmjpeghttp::{
    jpeg::Header,
    multipart::Part,
    server::{Camera, CameraConfig, Ids},
};

use super::jpeg;

/// Runs it to its end. Nothing else runs on this thread meanwhile.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

/// Returns when all others have done what they can.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A camera without pictures.
pub fn camera() -> Arc<Camera> {
    let boundary = "frame".parse().expect("a boundary");
    let config = CameraConfig { boundary, keepalive: None, max_fps: None, max_clients: None };
    Arc::new(Camera::new(config, Ids::default(), Box::new(|_| ())))
}

/// Publishes a picture of [`jpeg`].
pub fn publish(camera: &Camera, picture: &[u8]) {
    let header = Header { width: jpeg::WIDTH, height: jpeg::HEIGHT, components: 3 };
    let part = Part::new(&[picture], Some(Duration::from_secs(1)), &camera.config.boundary);
    camera.publish(part, header, None, Instant::now());
}

/// How a connection of HTTP/2 begins (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113 4.1).
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The fields of a request: what the tables of HPACK have, and the path as it is (RFC 7541 6).
pub fn get(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).ok().filter(|length| *length < 127).expect("a short path");
    [&[0x82, 0x86, 0x04, length], path.as_bytes(), b"\x01\x01c"].concat()
}
