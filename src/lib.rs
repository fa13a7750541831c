//! Hard budgets for LLM agents: money is reserved before a call and settled after it, exactly,
//! inside your own process.
//!
//! ```
//! use bursar::{BudgetManager, Limit, Period, Usage, Usd};
//!
//! let budget = BudgetManager::builder()
//!     .limit("", Limit::spend(Usd::dollars(100)).per(Period::MONTH))
//!     .limit("research/*", Limit::spend(Usd::dollars(5)).per(Period::day_in("Europe/Berlin")?))
//!     .on_alert(|alert| eprintln!("{alert}"))
//!     .build()?;
//!
//! let crawler = budget.account("research/crawler")?;
//! let terra = budget.model("gpt-6.1-terra")?;
//!
//! // Before the call: every limit of the line, or a refusal that says why and until when.
//! let hold = crawler.reserve(&terra.estimate().input(1_200).max_output(800))?;
//!
//! // The call. From here on a lost reply is charged, because it has usually been billed.
//! # async fn call(max_tokens: u64) -> (u64, u64) { (1_180, max_tokens) }
//! # let call = async {
//! let (input, output) = hold.sending(call(hold.max_output_tokens())).await;
//!
//! // After it: what the provider counted, whatever it is.
//! let receipt = hold.settle(Usage::tokens(input, output));
//! println!("{}\n{}", receipt.cost, budget.report());
//! # };
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The tour, in reading order
//!
//! | module | owns |
//! |---|---|
//! | [`money`], [`clock`], [`calendar`] | [`Usd`] in whole picodollars; time as an argument; when days begin and end |
//! | [`usage`] | what was used: [`Usage`] in disjoint buckets, [`Bill`] |
//! | [`price`] | what it costs: [`PriceBook`], [`Model`], and [`Estimate`], the upper bound of a call |
//! | [`ledger`] | what is left: the pure machine of accounts, limits, windows and holds |
//! | [`select`], [`plan`] | which model to ask, and how much to set aside: [`ModelSelector`], [`Plan`] |
//! | [`budget`] | the one lock: [`BudgetManager`], [`Account`], [`Reservation`], [`Alert`], [`Report`] |
//! | [`cache`] | spend less: [`ResultCache`], which runs equal calls once |
//! | [`context`] | send less: [`trim_context`] and [`ContextTrimmer`], which keep what a call needs |
//! | [`telemetry`] | eyes on the money: what the features `tracing` and `metrics` tell |
//! | [`agent`] | around agents: [`Agent`], [`Call`], [`BudgetConstrained`], budgeted streams |
//! | [`testing`] | a kit for cost scenarios of your own: scripted agents and streams, a clock moved by hand |
//!
//! An **account** is a node of the budget tree, named by a path (`acme/research/crawler`); charging
//! it charges all accounts above it, up to the root `""`. A **tag** (`user:42`) is an account in a
//! tree of its own. A **limit** caps one measure over one period, on an account or on each that a
//! pattern names. What is **held** for calls under way and what is **spent** are two numbers; a
//! limit is checked against their sum.
//!
//! The laws that it keeps, with their reasons, are in ARCHITECTURE.md of the repository.

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

pub mod money;
pub mod clock;
pub mod calendar;
mod sync;
pub mod usage;
pub mod price;
pub mod ledger;
pub mod journal;
pub mod select;
pub mod plan;
pub mod cache;
pub mod budget;
pub mod context;
pub mod agent;
pub mod telemetry;
pub mod guide;

pub use agent::{Agent, BudgetConstrained, Call, testing};
pub use budget::{
    Account, Alert, BudgetManager, Observer, Policy, Receipt, Report, Reservation, ReserveError,
    Run, Tag,
};
pub use cache::ResultCache;
pub use context::{ContextTrimmer, trim_context};
pub use ledger::{Limit, Measure, Path, Period, Quantity};
pub use money::Usd;
pub use plan::Plan;
pub use price::{Estimate, Model, ModelPrice, PriceBook, Rate};
pub use select::ModelSelector;
pub use usage::{Bill, Confidence, Service, Usage, UsageMeter};

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
