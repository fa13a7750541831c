//! The entry of the fuzz target `answers`: the work is in `src/answers/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::answers::run(data));
