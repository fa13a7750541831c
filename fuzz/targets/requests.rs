//! The entry of the fuzz target `requests`: the work is in `src/requests.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::requests::run(data));
