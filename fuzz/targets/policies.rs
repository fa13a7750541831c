//! The entry of the fuzz target `policies`: the work is in `src/policies.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::policies::run(data));
