//! [`Error`]: why a call was not made, or how it failed.

use async_openai::error::OpenAIError;
use bursar::ReserveError;
use bursar::price::EstimateError;

/// Why a call was not made, or how it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The budget says no. Nothing was sent, nothing is held.
    #[error(transparent)]
    Refused(#[from] ReserveError),
    /// The cost of the request has no bound: it names no model, or none that has a price, or
    /// does not bound what will be billed. Nothing was sent.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// The client's own error. What the call has cost is booked.
    #[error(transparent)]
    OpenAI(OpenAIError),
}
