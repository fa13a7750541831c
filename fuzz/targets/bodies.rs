//! The entry of the fuzz target `bodies`: the work is in `src/bodies.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::bodies::run(data));
