//! **bursar** keeps LLM agents inside a budget.

pub mod calendar;
pub mod clock;
pub mod money;
mod sync;
pub mod usage;

pub use money::Usd;
pub use usage::{Bill, Confidence, Service, Usage};
