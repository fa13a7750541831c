//! [`Heuristic`]: counts tokens without a vocabulary.

use super::TokenCounter;
use super::bound::Bound;
use super::scan::{ONE, Scan, Step};

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
/// absolute error, `bias` that of the sum, `p95` and `p99` how much the truth lies above the count
/// in the worst 5 % and 1 % of samples; all in percent. The last two columns are length / 4 on the
/// same samples.
///
/// ```text
///                 samples  bias  mean   p95   p99    len/4: mean   p99
/// arabic              738  -3.2   5.9  20.5  33.3    28.3  36.3
/// c                   789   3.1   6.1   9.0  14.5    19.8  66.4
/// chinese             981   3.5   4.9   4.0   7.7    10.5  51.8
/// chinese_tw          935  -9.7   9.0  22.9  28.0    19.9  66.0
/// english             620  -0.0   2.2   5.6   8.9    17.0  32.0
/// french             1025  -1.5   3.9  11.8  22.6    13.0  40.0
/// german              947  -3.7   5.4  15.6  24.4    12.7  38.0
/// greek              1033   0.1   4.4   9.9  18.6    23.6  23.5
/// hebrew              454   0.2   3.4   8.8  14.9    13.6  20.0
/// hindi               563   0.1   5.2  12.9  28.6    64.4  -6.0
/// japanese            895  -0.7   3.3   7.5  12.4    10.1  50.0
/// javascript          866   3.1   3.8   3.9   9.1    11.3  59.0
/// json               1048   1.7   2.5   3.8   6.7    17.2  97.2
/// korean             1080  -0.4   3.5   9.8  15.9    12.3  36.0
/// markdown            830  -0.7   3.4   7.8  17.0    12.4  67.0
/// minified_json       674   1.5   3.1   5.2  10.6    13.2 102.0
/// persian             579   2.0   4.1   7.6  14.9    25.7  37.3
/// polish              901  -7.1   8.4  24.1  33.2    18.1  58.0
/// python              722   1.8   4.0   6.2  13.3    16.7 148.2
/// random              743   0.4   1.6   3.8   9.8    58.3 182.1
/// russian             990  -0.7   4.9  13.7  20.7    65.0  24.7
/// rust                763   0.8   3.4   7.1  10.3    15.4  63.0
/// spanish            1030  -0.2   3.8  10.0  15.2    13.9  37.0
/// thai                685  -0.7   6.0  14.7  24.1    65.4 -14.0
/// turkish             894  -3.0   4.7  17.2  28.1    16.1  51.0
/// vietnamese          940   3.2   4.7   5.3  11.9    14.0  50.0
/// yaml               1301   2.2   3.3   2.7   6.3    11.3  18.0
/// all               23026  -0.4   4.4  13.2  22.6    21.8 157.2
/// ```
///
/// The command, after `python3 benches/tokens_corpus.py /tmp/corpus`:
///
/// ```text
/// BURSAR_CORPUS=/tmp/corpus cargo bench -p bursar-benches --features tiktoken --bench calibrate -- measure
/// ```
///
/// The corpus is up to 3 MB for each kind (`random`: base64, hex, UUIDs, tables of digits;
/// `chinese_tw`: traditional characters). The texts are handbooks, help pages and program messages,
/// and code from libraries: a poem, a chat or a list of rare names can be further off.
///
/// # The upper bound
///
/// [`upper_bound`](TokenCounter::upper_bound) is a separate number, for reserving. For OpenAI's
/// models it is **never below** the count of `o200k_base` or `cl100k_base`, for any text,
/// adversarial text too. It is not a guess: it cuts the text where both vocabularies cut it, looks
/// pieces up in a list of common ASCII tokens that both have, and bounds the rest by a property of
/// byte-pair encoding (two neighbours are never a token together), or by bytes.
///
/// | text | the bound, times the truth of `o200k_base` |
/// |---|---|
/// | English prose, code, JSON of this repository | 1.1 to 1.2 (a test keeps it below 1.35) |
/// | base64, hex, random letters | 1.0 to 1.25 |
/// | French, German, Spanish, Polish | 1.4 to 1.9 |
/// | Russian, Greek, Hebrew, Arabic, Chinese, Japanese, Korean, Thai, Hindi | 3 to 8: their characters are bounded one by one, most of them by their bytes |
///
/// For exact bounds of OpenAI's models in all languages use `Tiktoken` (feature `tiktoken`).
///
/// For other families the bound is a margin, not a proof: the bound above times the family's factor
/// for Latin text and 10 % more, never more than the bytes, and bytes for all beyond ASCII. A
/// byte-level vocabulary, and one that falls back to bytes, has no more tokens than bytes, so beyond
/// ASCII the bound holds for them too.
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
    /// The same for Chinese, Japanese and Korean.
    east_asian: u16,
    /// The same for other scripts and signs.
    other: u16,
    /// Whether the vocabulary has a token for each digit, not for groups of three.
    single_digits: bool,
    /// Whether the vocabulary is one that [`Bound`] is proven for.
    is_proven: bool,
}

impl Heuristic {
    /// Counts as OpenAI's current models do (`o200k_base`).
    pub const fn new() -> Heuristic {
        openai(100, 100, 100)
    }

    /// Counts for a model, by its name, with or without a `provider/` before it. A name that is not
    /// known gets the largest factors of all families.
    ///
    /// | family | Latin, code | East Asian | others | digits | from |
    /// |---|---|---|---|---|---|
    /// | GPT-4o and later, o-series | ×1.00 | ×1.00 | ×1.00 | threes | measured, see above |
    /// | GPT-4, GPT-3.5 | ×1.10 | ×1.60 | ×3.30 | threes | measured (`cl100k_base`) |
    /// | Llama 3 and 4 | ×1.10 | ×1.15 | ×1.80 | threes | measured (3) |
    /// | DeepSeek | ×1.15 | ×1.00 | ×1.70 | threes | measured (V3) |
    /// | Qwen | ×1.10 | ×1.10 | ×2.90 | single | measured (Qwen 2) |
    /// | Mistral | ×1.15 | ×1.25 | ×1.30 | single | measured (v3) |
    /// | Kimi | ×1.15 | ×1.20 | ×1.80 | threes | measured (K2) |
    /// | GLM | ×1.15 | ×1.20 | ×3.20 | threes | measured (4) |
    /// | MiniMax | ×1.15 | ×1.10 | ×2.40 | threes | measured (M2) |
    /// | Gemini, Gemma | ×1.15 | ×1.15 | ×1.15 | single | assumed: Google says that 100 tokens are 60 to 80 English words, OpenAI says about 75 |
    /// | Claude up to 4.6 | ×1.25 | ×1.50 | ×2.00 | threes | assumed: 16 % (English) to 30 % (Python) above GPT-4o in a comparison of May 2025 (`VentureBeat`) |
    /// | Claude since Opus 4.7 and Sonnet 5 | ×1.65 | ×2.00 | ×2.60 | threes | assumed: that, and Anthropic's "approximately 30 percent more tokens than on earlier models" |
    ///
    /// The factors lean to the high side: the languages of a group differ. The measured rows were
    /// taken with the command above, `--features tiktoken,tiktoken/vocabs-all`,
    /// `BURSAR_ENCODING=llama3 BURSAR_MODEL=llama-3` and so on. Where a row is assumed, ask the
    /// provider's own endpoint for counting if the bound matters.
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
    pub(super) const fn cautious() -> Heuristic {
        family(165, 200, 330, true)
    }

    /// The count in 1/256 tokens; stops when it is above `stop`.
    fn sum(&self, text: &str, stop: u64) -> u64 {
        let mut scan = Scan::new();
        let mut sum: u64 = 0;
        for character in text.chars() {
            let step = scan.step(character);
            sum = sum.saturating_add(self.share(step));
            if sum > stop {
                break;
            }
        }
        sum
    }

    /// What one character adds, in 1/256 tokens.
    fn share(&self, step: Step) -> u64 {
        let mut share = step.feature.weight();
        if self.single_digits && step.kind.is_digit() {
            share = share.max(ONE);
        }
        let percent = match step.kind {
            kind if kind.is_latin() => self.latin,
            kind if kind.is_east_asian() => self.east_asian,
            _ => self.other,
        };
        if percent != 100 {
            share = share.saturating_mul(u64::from(percent)).div_ceil(100);
        }
        share
    }

    /// A bound for a vocabulary of another family: ASCII with its factor, all else by bytes.
    fn with_margin(&self, bound: Bound) -> u64 {
        let percent = u64::from(self.latin).saturating_add(MARGIN_PERCENT);
        let more =
            |tokens: u64, bytes: u64| tokens.saturating_mul(percent).div_ceil(100).min(bytes);
        let digits = if self.single_digits { bound.digit_bytes } else { bound.digits };
        let digits = more(digits, bound.digit_bytes);
        more(bound.ascii, bound.ascii_bytes)
            .saturating_add(digits)
            .saturating_add(bound.other_bytes)
            .saturating_add(SLACK_TOKENS)
    }
}

/// Families in the order in which they are tried; the first prefix that fits decides.
const FAMILIES: &[(&[&str], Heuristic)] = &[
    (
        &["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt", "o1", "o3", "o4"],
        Heuristic::new(),
    ),
    (&["gpt-4", "gpt-3.5", "gpt-35", "text-embedding"], openai(110, 160, 330)),
    (&["llama", "meta-llama"], family(110, 115, 180, false)),
    (&["deepseek"], family(115, 100, 170, false)),
    (&["qwen", "qwq"], family(110, 110, 290, true)),
    (&["mistral", "ministral", "mixtral", "codestral", "devstral"], family(115, 125, 130, true)),
    (&["kimi"], family(115, 120, 180, false)),
    (&["glm"], family(115, 120, 320, false)),
    (&["minimax"], family(115, 110, 240, false)),
    (&["gemini", "gemma"], family(115, 115, 115, true)),
    (CLAUDE_UP_TO_4_6, family(125, 150, 200, false)),
    (&["claude"], family(165, 200, 260, false)),
];

/// The beginnings of the names of Anthropic's models up to Claude 4.6.
pub(in crate::usage) const CLAUDE_UP_TO_4_6: &[&str] = &[
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
];

const fn family(latin: u16, east_asian: u16, other: u16, single_digits: bool) -> Heuristic {
    Heuristic { latin, east_asian, other, single_digits, is_proven: false }
}

const fn openai(latin: u16, east_asian: u16, other: u16) -> Heuristic {
    Heuristic { latin, east_asian, other, single_digits: false, is_proven: true }
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
        rounded(self.sum(text, u64::MAX)).clamp(u64::from(!text.is_empty()), bytes(text))
    }

    fn count_up_to(&self, text: &str, limit: u64) -> Option<u64> {
        if bytes(text) <= limit {
            return Some(self.count(text));
        }
        let stop = limit.saturating_mul(ONE).saturating_add(ONE - 1 - ONE / 2);
        let sum = self.sum(text, stop);
        (sum <= stop && limit > 0).then(|| rounded(sum).max(1))
    }

    /// Never less than [`count`](TokenCounter::count), never more than the bytes of the text. Unlike
    /// the count it may become less when something is appended: half a word may have more tokens than
    /// the whole.
    fn upper_bound(&self, text: &str) -> u64 {
        let bound = Bound::of(text);
        let most = if self.is_proven { bound.total() } else { self.with_margin(bound) };
        most.min(bytes(text)).max(self.count(text))
    }
}

/// What an unproven bound adds to each text, because short texts vary more.
const SLACK_TOKENS: u64 = 4;

/// What it adds to the factor of the family.
const MARGIN_PERCENT: u64 = 10;

fn rounded(sum: u64) -> u64 {
    sum.saturating_add(ONE / 2) / ONE
}

fn bytes(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
