//! The entry of the fuzz target `streams`: the work is in `src/streams.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::streams::run(data));
