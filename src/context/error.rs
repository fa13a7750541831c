//! [`TrimError`]: why a conversation cannot be trimmed.

/// Why a conversation cannot be trimmed to so few tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// What is pinned is too large on its own.
    #[error(
        "the pinned messages alone are {pinned_tokens} tokens and max_tokens is {max_tokens}: \
         raise it, shorten the instructions, or pin less"
    )]
    PinnedTooLarge {
        /// What is pinned, with what is around the request.
        pinned_tokens: u64,
        /// The bound that was given.
        max_tokens: u64,
    },
    /// The newest message, or the tool exchange that it ends, is too large beside what is pinned.
    #[error(
        "the newest message (index {index}) and what belongs to it are {tokens} tokens, and beside \
         what is pinned there is room for {room_tokens}: raise max_tokens, or shorten the message \
         (Oversize::Cut does if its texts allow it)"
    )]
    NewestTooLarge {
        /// Its place in the list.
        index: usize,
        /// Its tokens; of an exchange, all of them.
        tokens: u64,
        /// The tokens that are left beside what is pinned.
        room_tokens: u64,
    },
    /// A message that must stay would be refused by the provider.
    #[error(
        "the message at index {index} must stay, being pinned or the newest, and cannot: {rule}; \
         do not pin it, raise max_tokens, or relax the Rules"
    )]
    Unsendable {
        /// Its place in the list.
        index: usize,
        /// The rule that it would break.
        rule: &'static str,
    },
    /// A message is not of the form that the list is read in.
    #[error("the message at index {index} is {found}")]
    WrongForm {
        /// Its place in the list.
        index: usize,
        /// What it is, and which view reads it.
        found: &'static str,
    },
}
