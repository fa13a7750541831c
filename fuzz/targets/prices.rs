//! The entry of the fuzz target `prices`: the work is in `src/prices.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::prices::run(data));
