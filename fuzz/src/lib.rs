//! The bodies of the fuzz targets. Each is a plain function of bytes, so that a test on a
//! stable toolchain (`tests/fuzz_corpus.rs`) runs it over the corpus without a fuzzer.

pub mod answers;
pub mod bodies;
pub mod context;
#[cfg(feature = "sqlite")]
pub mod journal;
pub mod ledger;
pub mod policies;
pub mod prices;
pub mod requests;
pub mod streams;
