//! **bursar** keeps LLM agents inside a budget.

pub mod cache;
pub mod calendar;
pub mod clock;
pub mod ledger;
pub mod money;
mod sync;
pub mod usage;

pub use cache::ResultCache;
pub use ledger::{Limit, Measure, Path, Period, Quantity};
pub use money::Usd;
pub use usage::{Bill, Confidence, Service, Usage};
