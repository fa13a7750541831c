//! What it costs: [`Rate`], [`ModelPrice`] and its cost, [`PriceBook`], and [`Estimate`].
//!
//! A [`PriceBook`] finds the [`Model`] of a name; its [`ModelPrice`] turns the
//! [`Usage`](crate::Usage) of a call that was made into its exact cost, and its [`Estimate`] bounds
//! a call that is yet to be made. A manager has a book, and [`BudgetManager::model`] asks it; come
//! here for prices of your own, a public price list, or to reprice a log without any budget.
//!
//! [`BudgetManager::model`]: crate::BudgetManager::model
//!
//! # Which rate a token is charged
//!
//! 1. The **epoch**: the last prices that begin at or before the moment of the call.
//! 2. The **hours**: peak rates, where the epoch has them and it is peak.
//! 3. The **service tier**. A tier that the epoch does not name has no price; that of the standard
//!    tier is never assumed.
//! 4. The **long-context tier**: the whole request moves, by the sum of all its input.
//!
//! What is not written down is resolved once, when a price is made:
//!
//! - A key that a service tier or a long-context tier lacks is that of the block which it modifies:
//!   long batch to batch to standard.
//! - Where two modifiers meet and their combined price is not written down (a priority call beyond the
//!   standard long-context tier; a batch call at peak), each bucket costs the larger of the two. So
//!   does each bucket that a long-context tier of a service tier leaves out while the standard tier
//!   of that length names it.
//! - A cache write that is inherited never costs less than one that is kept for a shorter time.
//! - Then, and only then: a cache read costs what input costs, a cache write what the next shorter
//!   time to live costs or else input, reasoning what output costs, an image that is read what
//!   input costs (vendors of chat models publish one price for both, and do not count images
//!   apart).
//! - Nothing stands in for audio, for an image that is drawn, for a fee (a search, a request, a
//!   second of audio, a container), nor for the surcharge for data residency: a call that uses them
//!   without a price is an error, and never free.

mod answered;
mod bill;
mod book;
pub(crate) mod bound;
mod catalogue;
mod cost;
mod date;
mod estimate;
mod invalid;
mod genai;
mod listing;
mod litellm;
mod model;
mod names;
mod raw;
mod rate;
mod rates;
mod reasoning;
mod request;
mod schedule;
#[cfg(test)]
mod tests;

pub use bill::PricedBill;
pub(crate) use bill::fast_price;
pub use book::{PriceBook, UnknownModel};
pub use cost::{PriceError, Terms};
pub use date::Date;
pub use estimate::Estimate;
pub(crate) use estimate::Fallbacks;
pub use invalid::InvalidPrice;
pub use listing::{ListError, ListIssue, ListReport};
pub use model::{Model, ModelPrice};
pub use rate::{Rate, RateError, Ratio};
pub use rates::Rates;
pub use request::EstimateError;
