//! [`Tiktoken`]: exact counts for OpenAI's models (feature `tiktoken`).
//!
//! It stands on the crate `tiktoken` 4.1 (MIT or Apache-2.0; its vocabularies are OpenAI's, MIT). The
//! other candidate was `bpe-openai` 0.3. Both give the same counts as OpenAI's own library. On 200 KB
//! of one letter, of spaces or of random letters `bpe-openai` needs 2 to 25 ms and `tiktoken` 60 to 80,
//! 1.3 s at 1.6 MB: more, but n log n, so neither can be made to hang. On real text `tiktoken` is two
//! to four times as fast, each vocabulary is a feature of its own (1.2 MB for the two here; a binary
//! grows by 33 MB with `bpe-openai`), it holds half the memory, and brings 10 crates where the other
//! brings 22. What it lacks, an early end, is here in [`Tiktoken::count_up_to`].
//!
//! The feature needs a newer compiler than bursar itself: the crate declares none; 4.1.2 uses `if let`
//! chains, which came with Rust 1.88.

use tiktoken::CoreBpe;

use super::TokenCounter;

/// Counts exactly as OpenAI's models do (feature `tiktoken`), with a vocabulary that is part of the
/// binary. It is unpacked
/// at the first count of the process (0.1 to 0.2 s) and shared from then on.
///
/// ```
/// use bursar::usage::tokens::{Tiktoken, TokenCounter};
///
/// let counter = Tiktoken::for_model("gpt-5.1-mini").expect("an OpenAI model");
/// assert_eq!(counter.count("The quick brown fox jumps over the lazy dog."), 10);
/// assert!(Tiktoken::for_model("claude-opus-5").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiktoken {
    encoding: &'static str,
}

impl Tiktoken {
    /// The vocabulary of GPT-4o, GPT-4.1, GPT-5 and the o-series.
    pub const O200K_BASE: Tiktoken = Tiktoken { encoding: "o200k_base" };

    /// The vocabulary of GPT-4, GPT-3.5 and the embeddings.
    pub const CL100K_BASE: Tiktoken = Tiktoken { encoding: "cl100k_base" };

    /// The counter for an OpenAI model, by its name, with or without `openai/` or `ft:` before it.
    /// `None` for any other: a model whose vocabulary is not known cannot be counted exactly.
    pub fn for_model(model: &str) -> Option<Tiktoken> {
        let name = model.strip_prefix("openai/").unwrap_or(model);
        match tiktoken::model_to_encoding(name)? {
            "o200k_base" | "o200k_harmony" => Some(Tiktoken::O200K_BASE),
            "cl100k_base" => Some(Tiktoken::CL100K_BASE),
            _ => None,
        }
    }

    /// `None` cannot be, as the features of the dependency name both vocabularies.
    fn vocabulary(&self) -> Option<&'static CoreBpe> {
        tiktoken::get_encoding(self.encoding)
    }
}

impl TokenCounter for Tiktoken {
    /// Special tokens (`<|endoftext|>`) in the text are counted as plain text, as OpenAI does with
    /// what users send.
    fn count(&self, text: &str) -> u64 {
        let tokens = self.vocabulary().map_or(text.len(), |vocabulary| vocabulary.count(text));
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }

    fn upper_bound(&self, text: &str) -> u64 {
        self.count(text)
    }

    /// Counts in pieces of a few kilobytes, and stops after the one that passes the limit.
    fn count_up_to(&self, text: &str, limit: u64) -> Option<u64> {
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at_checked(seam(rest)).unwrap_or((rest, ""));
            total = total.saturating_add(self.count(piece));
            if total > limit {
                return None;
            }
            rest = after;
        }
        Some(total)
    }
}

/// Where a text can be cut so that the counts of the parts add up: before a space that follows a
/// letter. No token of these vocabularies goes from a letter to a space, and what the rule for
/// splitting looks at beyond a letter is never a space. At the end, if there is no such place.
fn seam(text: &str) -> usize {
    const PIECE_BYTES: usize = 4_096;
    let bytes = text.as_bytes();
    let mut pairs = bytes.get(PIECE_BYTES..).unwrap_or_default().windows(2);
    let is_seam = |pair: &[u8]| matches!(pair, [letter, b' '] if letter.is_ascii_alphabetic());
    pairs.position(is_seam).map_or(text.len(), |at| PIECE_BYTES + at + 1)
}
