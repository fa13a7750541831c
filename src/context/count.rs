//! [`Counting`]: the tokens of a message, and when to stop counting.

use std::sync::Arc;

use crate::usage::tokens::{Framing, TokenCounter};

use super::message::{Message, Messages, Piece};

/// A counter, and what a provider puts around messages. All counts are upper bounds.
#[derive(Clone)]
pub(super) struct Counting {
    counter: Arc<dyn TokenCounter>,
    framing: Framing,
    /// What the names of the roles count, in the order of [`Role`](super::Role).
    roles: [u64; 4],
}

impl Counting {
    pub(super) fn new(counter: Arc<dyn TokenCounter>, framing: Framing) -> Counting {
        let roles = ["system", "user", "assistant", "tool"].map(|role| counter.count(role));
        Counting { counter, framing, roles }
    }

    /// What a request has besides its messages.
    pub(super) fn per_request(&self) -> u64 {
        self.framing.per_request
    }

    pub(super) fn text(&self, text: &str) -> u64 {
        self.counter.upper_bound(text)
    }

    pub(super) fn message(&self, message: &impl Message) -> u64 {
        self.message_up_to(message, u64::MAX).unwrap_or(u64::MAX)
    }

    /// The tokens of the message of a list, known or counted, if they are at most `limit`.
    pub(super) fn at<C: Messages + ?Sized>(
        &self,
        messages: &C,
        index: usize,
        limit: u64,
    ) -> Option<u64> {
        if let Some(known) = messages.counted(index) {
            return (known <= limit).then_some(known);
        }
        messages.at(index).map_or(Some(0), |message| self.message_up_to(&message, limit))
    }

    /// What a message counts besides its pieces: its role, and a frame for itself, each call and
    /// each result but the first.
    pub(super) fn around(&self, message: &impl Message) -> u64 {
        let (mut calls, mut results) = (0_u64, 0_u64);
        message.each_call(&mut |_| calls = calls.saturating_add(1));
        message.each_result(&mut |_| results = results.saturating_add(1));
        let role = message.role() as usize;
        let frames = calls.saturating_add(results.saturating_sub(1)).saturating_add(1);
        self.framing.per_message.saturating_mul(frames).saturating_add(self.roles[role])
    }

    fn message_up_to(&self, message: &impl Message, limit: u64) -> Option<u64> {
        let mut left = limit.checked_sub(self.around(message));
        message.each_piece(&mut |piece| {
            left = left.and_then(|left| left.checked_sub(self.piece_up_to(piece, left)?));
        });
        left.map(|left| limit.saturating_sub(left))
    }

    /// `None` if it is above the limit. A text that looks too long is counted only up to the limit: a
    /// bound is never below a count.
    fn piece_up_to(&self, piece: Piece<'_>, limit: u64) -> Option<u64> {
        match piece {
            Piece::Tokens(tokens) => Some(tokens),
            Piece::Text(text) | Piece::Fixed(text) => {
                let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
                if bytes / BYTES_PER_TOKEN > limit {
                    self.counter.count_up_to(text, limit)?;
                }
                Some(self.counter.upper_bound(text))
            }
        }
    }
}

/// A text with more bytes for each token is likely too long.
const BYTES_PER_TOKEN: u64 = 4;
