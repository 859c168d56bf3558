//! What the fuzz targets run: the laws of the plugin's own tests, on bytes that a fuzzer makes.

pub mod common;
#[path = "../../tests/laws/mod.rs"]
pub mod laws;
pub mod seeds;
pub mod targets;
