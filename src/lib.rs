//! JPEG over HTTP.

pub mod http;
pub mod jpeg;
pub mod multipart;
