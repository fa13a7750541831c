//! The ledger, proved from tables: one line, one operation, and what comes of it.
//!
//! `world` and `words` read the tables and watch over the laws after each line; the chapters are
//! `accounts` to `windows`. `oracle` holds a second ledger, `naive`, beside the real one, and gives
//! both the random commands of `acts`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say where"
)]

mod words;
mod world;

mod accounts;
mod corrections;
mod ends;
mod late;
mod limits;
mod nesting;
mod pains;
mod refusals;
mod windows;

mod acts;
mod entries;
mod naive;
mod oracle;

use world::table;
