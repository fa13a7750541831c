//! What the benchmarks of trimming measure: a conversation, and the seed's way to trim it.

use bursar::context::ChatMessage;
use bursar::usage::TokenCounter;
use bursar::usage::tokens::Framing;

/// The seed's `trim_context`, line by line.
pub fn seed_trim(messages: &[ChatMessage], max_tokens: u64) -> Vec<&ChatMessage> {
    let mut total_tokens = 0;
    let mut trimmed = Vec::new();
    for message in messages.iter().rev() {
        let token_count = seed_tokens(message.text());
        if total_tokens + token_count > max_tokens {
            break;
        }
        trimmed.insert(0, message);
        total_tokens += token_count;
    }
    trimmed
}

pub fn seed_tokens(text: &str) -> u64 {
    text.len() as u64 / 4
}

/// Counts as the seed does.
pub struct Quarters;

impl TokenCounter for Quarters {
    fn count(&self, text: &str) -> u64 {
        seed_tokens(text)
    }

    fn upper_bound(&self, text: &str) -> u64 {
        seed_tokens(text)
    }
}

pub fn no_framing() -> Framing {
    let mut framing = Framing::CAUTIOUS;
    (framing.per_message, framing.per_request) = (0, 0);
    framing
}

pub const TEXT: &str = "The quick brown fox jumps over the lazy dog, and paid 3 cents. ";

/// 16 to 80 tokens a message, users and models in turn.
pub fn chat(count: usize) -> Vec<ChatMessage> {
    let message = |n: usize| match n % 2 {
        0 => ChatMessage::user(TEXT.repeat(1 + n % 5)),
        _ => ChatMessage::assistant(TEXT.repeat(1 + n % 5)),
    };
    (0..count).map(message).collect()
}
