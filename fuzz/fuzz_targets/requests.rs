#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mjpeghttp_fuzz::targets::requests(input));
