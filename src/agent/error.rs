//! [`CallError`]: why a constrained call failed, with the agent's own error inside.

use crate::budget::ReserveError;
use crate::cache::KeyError;
use crate::context::TrimError;
use crate::price::EstimateError;
use crate::select::NoModel;

/// Why a call of a [`BudgetConstrained`](super::BudgetConstrained) agent brought no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// The budget refused the call. The agent was not called, and nothing is held.
    #[error(transparent)]
    Refused(ReserveError),
    /// The task has no upper bound of its cost. The agent was not called, and nothing is held.
    #[error(transparent)]
    Estimate(EstimateError),
    /// The agent failed. What that has cost is booked.
    #[error(transparent)]
    Agent(E),
    /// The task cannot be serialized to JSON, so the cache has no key for it. The agent was not called.
    #[error(transparent)]
    Key(KeyError),
    /// The task cannot be trimmed to what fits. The agent was not called.
    #[error(transparent)]
    Trim(TrimError),
    /// The selector has no model for the task. The agent was not called.
    #[error(transparent)]
    NoModel(NoModel),
}

impl<E> CallError<E> {
    /// The refusal, if the budget refused the call.
    pub fn refused(&self) -> Option<&ReserveError> {
        match self {
            CallError::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// The agent's own error, if that is what it was.
    pub fn agent(&self) -> Option<&E> {
        match self {
            CallError::Agent(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> CallError<CallError<E>> {
    /// The error of two layers as that of one: a caller that wants to know why
    /// there is no answer need not know which layer the budget refused.
    ///
    /// ```
    /// use bursar::agent::CallError;
    ///
    /// let inner: CallError<&str> = CallError::Agent("the line is dead");
    /// assert_eq!(CallError::Agent(inner.clone()).flatten(), inner);
    /// ```
    pub fn flatten(self) -> CallError<E> {
        match self {
            CallError::Agent(inner) => inner,
            CallError::Refused(error) => CallError::Refused(error),
            CallError::Estimate(error) => CallError::Estimate(error),
            CallError::Key(error) => CallError::Key(error),
            CallError::Trim(error) => CallError::Trim(error),
            CallError::NoModel(error) => CallError::NoModel(error),
        }
    }
}

impl<E> From<ReserveError> for CallError<E> {
    fn from(error: ReserveError) -> CallError<E> {
        CallError::Refused(error)
    }
}

impl<E> From<EstimateError> for CallError<E> {
    fn from(error: EstimateError) -> CallError<E> {
        CallError::Estimate(error)
    }
}

impl<E> From<KeyError> for CallError<E> {
    fn from(error: KeyError) -> CallError<E> {
        CallError::Key(error)
    }
}

impl<E> From<TrimError> for CallError<E> {
    fn from(error: TrimError) -> CallError<E> {
        CallError::Trim(error)
    }
}

impl<E> From<NoModel> for CallError<E> {
    fn from(error: NoModel) -> CallError<E> {
        CallError::NoModel(error)
    }
}
