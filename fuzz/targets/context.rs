//! The entry of the fuzz target `context`: the work is in `src/context.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::context::run(data));
