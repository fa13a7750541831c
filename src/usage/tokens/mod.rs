//! [`TokenCounter`]: how many tokens a text has before a provider has counted them, and the
//! counters: [`Heuristic`] without a vocabulary, `Tiktoken` with one (feature `tiktoken`).
//!
//! A count is an expectation, an [`upper_bound`](TokenCounter::upper_bound) is what may be reserved:
//! two numbers. What a provider puts around each message is [`Framing`].

mod bound;
mod framing;
mod heuristic;
mod known;
mod scan;
#[cfg(feature = "tiktoken")]
mod tiktoken;
mod weights;

#[cfg(test)]
mod tests;

pub use framing::Framing;
pub(in crate::usage) use heuristic::CLAUDE_UP_TO_4_6;
pub use heuristic::Heuristic;
#[cfg(feature = "tiktoken")]
pub use tiktoken::Tiktoken;

/// Counts the tokens of a text.
///
/// Implement it for a vocabulary of your own:
///
/// ```
/// use bursar::usage::TokenCounter;
///
/// /// A model that reads bytes.
/// struct Bytes;
///
/// impl TokenCounter for Bytes {
///     fn count(&self, text: &str) -> u64 {
///         text.len() as u64
///     }
///
///     fn upper_bound(&self, text: &str) -> u64 {
///         self.count(text) // exact: nothing to add
///     }
/// }
///
/// assert_eq!(Bytes.count_up_to("five!", 5), Some(5));
/// assert_eq!(Bytes.count_up_to("sixths", 5), None);
/// ```
pub trait TokenCounter: Send + Sync {
    /// The tokens of the text: exact, or the best estimate.
    fn count(&self, text: &str) -> u64;

    /// The most tokens that the text can have: what may be reserved. An exact counter returns
    /// [`count`](TokenCounter::count). [`Heuristic`] documents what is proven and what is assumed.
    fn upper_bound(&self, text: &str) -> u64;

    /// `Some(count)` if that is at most `limit`, else `None`. Worth overriding where counting can
    /// stop as soon as the limit is passed.
    fn count_up_to(&self, text: &str, limit: u64) -> Option<u64> {
        let count = self.count(text);
        (count <= limit).then_some(count)
    }
}
