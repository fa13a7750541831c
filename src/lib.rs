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
//! Start with the **[guide]**: a budget for a small company of agents, step by step.
//!
//! # Which way in
//!
//! | you have | take |
//! |---|---|
//! | single calls of a model | [`Account::reserve`], [`Reservation::settle`] |
//! | a tool, a search, a sandbox | [`Estimate::fixed`], [`Reservation::settle_cost`] |
//! | an agent, a function, a trait of your own | [`agent::agent_fn`] or [`Agent`], in a [`BudgetConstrained`] |
//! | a stream | [`agent::BudgetedStream`]; bytes that you pass on: [`agent::StreamHold`] |
//! | a provider's JSON | [`Model::estimate_request`] before the call, [`Bill::from_response`] after it |
//! | calls that others have made | [`Account::record`] |
//! | a log to reprice, without any budget | [`PriceBook`], [`ModelPrice::cost`] |
//!
//! # The tour, in reading order
//!
//! | module | what it is for |
//! |---|---|
//! | [`money`], [`parse`], [`clock`], [`calendar`] | [`Usd`] in whole picodollars; the error of `FromStr` for small enums; time as an argument; when days begin and end |
//! | [`usage`] | what was used: [`Usage`] in disjoint buckets, [`Bill`], the readers of providers' answers, token counting |
//! | [`price`] | what it costs: [`PriceBook`], [`Model`], and [`Estimate`], the upper bound of a call |
//! | [`ledger`] | what is left: the pure machine of accounts, limits, windows and holds |
//! | [`journal`] | what survives: the ledger in a file (feature `sqlite`) |
//! | [`budget`] | the one lock: [`BudgetManager`], [`Account`], [`Reservation`], [`Alert`], [`Report`] |
//! | [`context`] | send less: [`trim_context`] and [`ContextTrimmer`], which keep what a call needs |
//! | [`select`], [`plan`] | which model to ask, and how much to set aside: [`ModelSelector`], [`Plan`] |
//! | [`cache`] | spend less: [`ResultCache`], which runs equal calls once |
//! | [`agent`] | around agents: [`Agent`], [`Call`], [`BudgetConstrained`], budgeted streams |
//! | [`telemetry`] | tracing and metrics, behind the features of these names |
//! | [`testing`] | a kit for cost scenarios of your own: scripted agents and streams, a clock moved by hand |
//! | [`guide`] | the guide |
//!
//! # Words
//!
//! An **account** is a node of the budget tree, named by a path (`acme/research/crawler`); charging
//! it charges all accounts above it, up to the root `""`. A **tag** (`user:42`) is an account in a
//! tree of its own. A **limit** caps one measure over one period, on an account or on each that a
//! pattern names. What is **held** for calls under way and what is **spent** are two numbers; a
//! limit is checked against their sum.
//!
//! A call that does not fit is **refused**; the refusal is data ([`ReserveError`]) and prints as a
//! sentence. What was booked has a **confidence**: [`Exact`](Confidence::Exact) if the provider has
//! counted, [`Assumed`](Confidence::Assumed) if the cost is unknown and the hold was charged.
//!
//! Amounts are [`Usd`], never floats; tokens and calls are `u64`; times are UTC
//! ([`clock::Timestamp`]) and spans [`Duration`](std::time::Duration). Nothing here panics, and no
//! lock is held while code of yours runs.
//!
//! # Features
//!
//! None is on by default; each only adds names.
//!
//! | feature | adds |
//! |---|---|
//! | `sqlite` | `journal::SqliteJournal`: a ledger that survives, shared by the processes of one machine |
//! | `tiktoken` | `usage::tokens::Tiktoken`: exact token counts for OpenAI's models; needs Rust 1.88 |
//! | `tracing` | a span for each call, events for refusals, bookings and alerts, see [`telemetry`] |
//! | `metrics` | `telemetry::MetricsObserver` and `publish`: counters and gauges |
//!
//! # Integrations
//!
//! Crates of their own that add a budget to what you have: `bursar-rig`, `bursar-async-openai`,
//! `bursar-genai`, `bursar-reqwest`, `bursar-tower`; and `bursar-gateway`, a local proxy for programs
//! in any language.
//!
//! The laws that all this keeps, with their reasons, are in ARCHITECTURE.md of the repository.

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
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::float_arithmetic))]

pub mod money;
pub mod parse;
pub mod clock;
pub mod calendar;
mod sync;
pub mod usage;
pub mod price;
pub mod ledger;
pub mod table;
pub mod journal;
pub mod budget;
pub mod context;
pub mod select;
pub mod plan;
pub mod cache;
pub mod agent;
pub mod telemetry;
pub mod guide;
#[cfg(doctest)]
mod misuse;

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
