//! The entry of the fuzz target `journal`: the work is in `src/journal.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::journal::run(data));
