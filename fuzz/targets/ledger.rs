//! The entry of the fuzz target `ledger`: the work is in `src/ledger.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::ledger::run(data));
