//! The streams of the plugin's own tests.
#![allow(dead_code, reason = "the plugin's own tests use the rest")]

#[path = "../../tests/common/jpeg.rs"]
pub mod jpeg;
#[path = "../../tests/common/pipe.rs"]
pub mod pipe;
#[path = "../../tests/common/rows.rs"]
pub mod rows;
#[path = "../../tests/common/streams.rs"]
pub mod streams;
