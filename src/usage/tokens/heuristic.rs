//! Owns [`Heuristic`], the token counter that needs no vocabulary.

use super::TokenCounter;
use super::scan::{Feature, ONE, Scan, Step};

/// Counts tokens without a vocabulary: one pass over the characters, no allocation, integers only.
///
/// For each character it adds the share of texts in which a token begins there, given what stands
/// before: the script, the place in the word, the pair of letters, the run of spaces, digits or
/// punctuation. The shares were counted once, on one half of the documents that
/// `benches/tokens_corpus.py` gathers, tokenised with `o200k_base` (GPT-4o, GPT-4.1, GPT-5, o-series).
///
/// # How far it is off
///
/// Measured on the other half, cut into samples of 200 to 6,400 bytes. `mean` is the mean of the
/// absolute error, `p95` and `p99` how much the truth lies above the count in the worst 5 % and 1 %
/// of samples, `over` the share of samples in which the truth lies above
/// [`upper_bound`](TokenCounter::upper_bound), `excess` how much the bound lies above the truth on
/// the whole; all in percent. The last two columns are length / 4 on the same samples.
///
/// ```text
/// @@TABLE@@
/// ```
///
/// The command, after `python3 benches/tokens_corpus.py /tmp/corpus`:
///
/// ```text
/// BURSAR_CORPUS=/tmp/corpus cargo test --release --features tiktoken measure -- --ignored --nocapture
/// ```
///
/// The texts are handbooks, help pages and program messages, and code from libraries: a poem, a chat or
/// a list of rare names can be further off, and so can text that somebody made to be expensive.
///
/// ```
/// use bursar::usage::tokens::{Heuristic, TokenCounter};
///
/// let counter = Heuristic::new();
/// assert_eq!(counter.count("The quick brown fox jumps over the lazy dog."), 10);
/// assert!(counter.upper_bound("The quick brown fox jumps over the lazy dog.") >= 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heuristic {
    /// Percent by which the counts for Latin text, code, digits and space are multiplied.
    latin: u16,
    /// Percent by which the counts for other scripts and signs are multiplied.
    other: u16,
    /// Whether the vocabulary has a token for each digit, not for groups of three.
    single_digits: bool,
}

impl Heuristic {
    /// Counts as OpenAI's current models do (`o200k_base`).
    pub const fn new() -> Heuristic {
        Heuristic { latin: 100, other: 100, single_digits: false }
    }

    /// Counts for a model, by its name, with or without a `provider/` before it. A name that is not
    /// known gets [`Heuristic::cautious`].
    ///
    /// | family | Latin, code | other scripts | digits | from |
    /// |---|---|---|---|---|
    /// | GPT-4o and later, o-series | ×1.00 | ×1.00 | threes | measured, see above |
    /// | GPT-4, GPT-3.5 | ×1.05 | ×2.00 | threes | measured (`cl100k_base`) |
    /// | Llama 3 and 4 | ×1.05 | ×1.30 | threes | measured |
    /// | DeepSeek | ×1.15 | ×1.20 | threes | measured (V3) |
    /// | Qwen | ×1.05 | ×1.50 | single | measured (Qwen 2) |
    /// | Mistral | ×1.15 | ×1.20 | single | measured (v3) |
    /// | Kimi, GLM, MiniMax | ×1.10 | ×1.50 | threes | measured (K2, 4, M2) |
    /// | Gemini, Gemma | ×1.15 | ×1.15 | single | no vocabulary measured: Google says 100 tokens are 60 to 80 English words, OpenAI about 75 |
    /// | Claude up to 4.6 | ×1.25 | ×1.50 | threes | no vocabulary published; 16 % (English) to 30 % (Python) above GPT-4o in a comparison of May 2025 (VentureBeat) |
    /// | Claude since Opus 4.7 and Sonnet 5 | ×1.65 | ×2.00 | threes | Anthropic: "approximately 30 percent more tokens than on earlier models" |
    ///
    /// The measured rows were taken with the command above and `--features
    /// tiktoken,tiktoken/vocabs-all`, `BURSAR_ENCODING=llama3` and so on. Where nothing could be
    /// measured, ask the provider's own endpoint for counting if the bound matters.
    pub fn for_model(model: &str) -> Heuristic {
        let name = model.rsplit('/').next().unwrap_or(model);
        // Bedrock and Vertex put a vendor, and a region before that: `eu.anthropic.claude-…`.
        let name = name.find("claude").and_then(|at| name.get(at..)).unwrap_or(name);
        FAMILIES
            .iter()
            .find(|(prefixes, _)| prefixes.iter().any(|prefix| starts_with(name, prefix)))
            .map_or(Heuristic::cautious(), |&(_, counter)| counter)
    }

    /// Counts for a model of which nothing is known: the largest factors of all families.
    pub const fn cautious() -> Heuristic {
        Heuristic { latin: 165, other: 200, single_digits: true }
    }

    /// The count in 1/256 tokens; stops when it is above `stop`.
    fn sum(&self, text: &str, stop: u64, bound: bool) -> u64 {
        let mut scan = Scan::new();
        let mut sum: u64 = 0;
        for character in text.chars() {
            let step = scan.step(character);
            sum = sum.saturating_add(self.share(step, bound));
            if sum > stop {
                break;
            }
        }
        sum
    }

    /// What one character adds, in 1/256 tokens.
    fn share(&self, step: Step, bound: bool) -> u64 {
        let mut share = step.feature.weight();
        if self.single_digits && step.kind.is_digit() {
            share = share.max(ONE);
        }
        let percent = if step.kind.is_latin() { self.latin } else { self.other };
        if percent != 100 {
            share = share.saturating_mul(u64::from(percent)).div_ceil(100);
        }
        if bound {
            share = share.saturating_mul(100 + step.margin_percent()).div_ceil(100);
        }
        share
    }
}

/// Families in the order in which they are tried; the first prefix that fits decides.
const FAMILIES: &[(&[&str], Heuristic)] = &[
    (
        &["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt", "o1", "o3", "o4"],
        Heuristic::new(),
    ),
    (&["gpt-4", "gpt-3.5", "gpt-35", "text-embedding"], family(105, 200, false)),
    (&["llama", "meta-llama"], family(105, 130, false)),
    (&["deepseek"], family(115, 120, false)),
    (&["qwen", "qwq"], family(105, 150, true)),
    (&["mistral", "ministral", "mixtral", "codestral", "devstral"], family(115, 120, true)),
    (&["kimi", "glm", "minimax"], family(110, 150, false)),
    (&["gemini", "gemma"], family(115, 115, true)),
    (
        &[
            "claude-2",
            "claude-3",
            "claude-instant",
            "claude-opus-4-0",
            "claude-opus-4-1",
            "claude-opus-4-2", // claude-opus-4-20250514
            "claude-opus-4-5",
            "claude-opus-4-6",
            "claude-sonnet-4",
            "claude-haiku-4",
        ],
        family(125, 150, false),
    ),
    (&["claude"], family(165, 200, false)),
];

const fn family(latin: u16, other: u16, single_digits: bool) -> Heuristic {
    Heuristic { latin, other, single_digits }
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

impl Default for Heuristic {
    fn default() -> Heuristic {
        Heuristic::new()
    }
}

impl TokenCounter for Heuristic {
    /// Never more than the bytes of the text, never zero for a text, and never less when something
    /// is appended.
    fn count(&self, text: &str) -> u64 {
        rounded(self.sum(text, u64::MAX, false)).clamp(u64::from(!text.is_empty()), bytes(text))
    }

    fn count_up_to(&self, text: &str, limit: u64) -> Option<u64> {
        if bytes(text) <= limit {
            return Some(self.count(text));
        }
        let stop = limit.saturating_mul(ONE).saturating_add(ONE - 1 - ONE / 2);
        let sum = self.sum(text, stop, false);
        (sum <= stop && limit > 0).then(|| rounded(sum).max(1))
    }

    fn upper_bound(&self, text: &str) -> u64 {
        let bound = self.sum(text, u64::MAX, true).div_ceil(ONE).saturating_add(SLACK_TOKENS);
        bound.min(bytes(text))
    }
}

/// What a bound adds to each text, because chance weighs more in short ones.
const SLACK_TOKENS: u64 = 4;

fn rounded(sum: u64) -> u64 {
    sum.saturating_add(ONE / 2) / ONE
}

fn bytes(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
