//! The ledger, proved from tables: one line, one operation, and what comes of it.
//!
//! `world` reads the tables and watches over the laws after each line; every other file is a
//! chapter of tables. `oracle` holds a second, naive ledger beside the real one.

mod accounts;
mod ends;
mod limits;
mod nesting;
mod pains;
mod refusals;
mod windows;
mod world;

use world::table;
