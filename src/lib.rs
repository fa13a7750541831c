//! **bursar** keeps LLM agents inside a budget.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]
#![warn(unreachable_pub)]
#![cfg_attr(test, allow(clippy::float_arithmetic))]

pub mod budget;
pub mod cache;
pub mod calendar;
pub mod clock;
pub mod ledger;
pub mod money;
pub mod price;
mod sync;
pub mod usage;

pub use budget::{
    Account, Alert, BudgetManager, Observer, Policy, Receipt, Report, Reservation, ReserveError,
    Run, Tag,
};
pub use cache::ResultCache;
pub use ledger::{Limit, Measure, Path, Period, Quantity};
pub use money::Usd;
pub use price::{Estimate, Model, ModelPrice, PriceBook, Rate};
pub use usage::{Bill, Confidence, Service, Usage};
