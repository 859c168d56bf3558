//! Laws that hold for any bytes whatever. Each is one function over bytes and cuts: property tests (`tests/laws.rs`),
//! fuzz targets (`fuzz/`) and the tests of the fuzzers' finds (`tests/fuzz_corpora.rs`) call the same ones.
#![allow(dead_code, reason = "each program uses a part of it")]

pub mod client;
pub mod http;
pub mod jpeg;
pub mod reader;
pub mod server;
pub mod writer;

/// Cuts `bytes` into pieces of these sizes, over and over.
pub fn pieces<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if bytes.is_empty() || sizes.iter().all(|size| *size == 0) {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*size));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}
