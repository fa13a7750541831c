//! A budgeting gateway: a local proxy that keeps programs in any language inside a budget.
//!
//! A program points the base URL of its OpenAI or Anthropic SDK at it. Each call is bounded, reserved,
//! passed on, and settled by what the provider answered; one that does not fit is refused before the
//! provider sees it, in the provider's own form of an error. The crate's README says how to use it.
//!
//! Reading order: `desk` takes a call from its request to its answer; `route` says what calls there
//! are, `payer` who pays, `fields` changes a request, `answer` passes on what the provider says and
//! settles, `refusal` says no, `upstream` is the client that calls the provider.

#![warn(unreachable_pub)]

mod answer;
mod desk;
mod fields;
mod options;
mod payer;
mod refusal;
mod route;
mod upstream;

pub use desk::Gateway;
pub use options::{Options, StartError};
