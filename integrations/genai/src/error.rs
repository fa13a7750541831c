//! [`Error`]: why a budgeted call brought no answer.

use bursar::ReserveError;
use bursar::price::UnknownModel;
use bursar::usage::RequestError;

/// Why a budgeted call brought no answer.
///
/// All but [`Error::Genai`] were found out before anything was sent, and cost nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The budget refuses the call. As data, and as a sentence.
    #[error(transparent)]
    Refused(#[from] ReserveError),
    /// The model has no price. Nothing unknown is free.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// Nothing in the request bounds a part of what will be billed.
    #[error(
        "{0}; for all calls of a client say it with `BudgetedClient::with_unseen_input` and \
         `BudgetedClient::with_web_searches`"
    )]
    Unbounded(RequestError),
    /// `ChatOptions::extra_body` replaces what the estimate is made of.
    #[error(
        "`extra_body` sets `{field}`, so that another call would be sent than the one that is \
         estimated; set it in the request, or in the model's name"
    )]
    Replaced {
        /// The field: `messages`.
        field: String,
    },
    /// genai's own error. What the call has cost is booked.
    #[error(transparent)]
    Genai(Box<genai::Error>),
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Error {
        Error::Unbounded(error)
    }
}

impl Error {
    /// genai's own error, for [`status`](genai::Error::status) and
    /// [`headers`](genai::Error::headers); `None` if nothing was sent.
    pub fn as_genai(&self) -> Option<&genai::Error> {
        match self {
            Error::Genai(error) => Some(error),
            _ => None,
        }
    }

    /// The budget's refusal, if it is one.
    pub fn as_refusal(&self) -> Option<&ReserveError> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl From<genai::Error> for Error {
    fn from(error: genai::Error) -> Error {
        Error::Genai(Box::new(error))
    }
}
