//! [`UsageError`]: why the usage of a call could not be read.

use super::Usage;

/// Why the usage in a provider's answer could not be read.
///
/// The call has been made all the same: settle it with what you know, or let the hold be charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The answer is neither JSON nor an event stream.
    #[error("the answer is neither JSON nor an event stream: {problem}; pass it whole, as it came")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An event of a stream is too long to be kept.
    #[error(
        "an event of the stream is longer than {limit} bytes and was passed over; \
         hand its usage to the meter by itself, with `UsageMeter::event`"
    )]
    EventTooLong {
        /// The longest event that is kept, in bytes.
        limit: usize,
    },
    /// A field that should hold a count holds something else.
    #[error(
        "`{field}` is {found}, which is not a count (a whole number from 0 to 1000000000000); \
         check what stands between you and the provider, and settle the call with `settle_cost`"
    )]
    NotACount {
        /// The field, with its path: `usage.prompt_tokens`.
        field: String,
        /// What it holds.
        found: String,
    },
    /// A field that should hold an amount of dollars holds something else.
    #[error(
        "`{field}` is {found}, which is not an amount in dollars; \
         check what stands between you and the provider, and settle the call with `settle_cost`"
    )]
    NotMoney {
        /// The field, with its path: `usage.cost`.
        field: String,
        /// What it holds.
        found: String,
    },
}

impl UsageError {
    /// The counts are larger than those of any call.
    pub(super) fn impossible(usage: &Usage) -> UsageError {
        let found = usage.total_tokens().to_string();
        UsageError::NotACount { field: "usage".to_owned(), found }
    }

    pub(super) const fn malformed(problem: &'static str) -> UsageError {
        UsageError::Malformed { problem }
    }
}
