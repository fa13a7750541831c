//! Owns [`Error`]: why a call was not made, or how it failed.

use async_openai::error::OpenAIError;
use bursar::ReserveError;
use bursar::price::UnknownModel;
use bursar::usage::RequestError;

/// Why a call was not made, or how it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The budget says no. Nothing was sent, nothing is held.
    #[error(transparent)]
    Refused(#[from] ReserveError),
    /// Nobody knows what the model costs. Nothing was sent.
    #[error(transparent)]
    Model(#[from] UnknownModel),
    /// Nobody knows what the request may cost. Nothing was sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request names no model. Nothing was sent.
    #[error("the request names no model, so that nobody knows what it may cost; set `model`")]
    NoModel,
    /// The client's own error. What the call has cost is booked.
    #[error(transparent)]
    OpenAI(OpenAIError),
}
