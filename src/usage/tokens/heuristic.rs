//! Owns [`Heuristic`], the token counter that needs no vocabulary.

use super::TokenCounter;
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
/// in the worst 5 % and 1 % of samples, `over` the share of samples in which the truth lies above
/// [`upper_bound`](TokenCounter::upper_bound), `excess` how much the bound lies above the truth on
/// the whole; all in percent. The last two columns are length / 4 on the same samples.
///
/// ```text
///                 samples  bias  mean   p95   p99  over excess   len/4: mean   p99
/// arabic              738  -3.2   5.9  20.5  33.3  0.81   18.0          28.3  36.3
/// c                   789   3.1   6.1   9.0  14.5  0.25   20.3          19.8  66.4
/// chinese             981   3.5   4.9   4.0   7.7  0.00   28.3          10.5  51.8
/// chinese_tw          935  -9.7   9.0  22.9  28.0  0.11   11.5          19.9  66.0
/// english             620  -0.0   2.2   5.6   8.9  0.00   13.1          17.0  32.0
/// french             1025  -1.5   3.9  11.8  22.6  0.68   14.9          13.0  40.0
/// german              947  -3.7   5.4  15.6  24.4  0.74   14.3          12.7  38.0
/// greek              1033   0.1   4.4   9.9  18.6  0.19   15.6          23.6  23.5
/// hebrew              454   0.2   3.4   8.8  14.9  0.44   15.5          13.6  20.0
/// hindi               563   0.1   5.2  12.9  28.6  0.00   21.9          64.4  -6.0
/// japanese            895  -0.7   3.3   7.5  12.4  0.00   19.5          10.1  50.0
/// javascript          866   3.1   3.8   3.9   9.1  0.00   19.6          11.3  59.0
/// json               1048   1.7   2.5   3.8   6.7  0.00   19.4          17.2  97.2
/// korean             1080  -0.4   3.5   9.8  15.9  0.09   14.0          12.3  36.0
/// markdown            830  -0.7   3.4   7.8  17.0  0.36   14.6          12.4  67.0
/// minified_json       674   1.5   3.1   5.2  10.6  0.00   21.8          13.2 102.0
/// persian             579   2.0   4.1   7.6  14.9  0.00   20.5          25.7  37.3
/// polish              901  -7.1   8.4  24.1  33.2  2.77   13.6          18.1  58.0
/// python              722   1.8   4.0   6.2  13.3  0.42   18.6          16.7 148.2
/// random              743   0.4   1.6   3.8   9.8  0.00   17.0          58.3 182.1
/// russian             990  -0.7   4.9  13.7  20.7  0.51   15.1          65.0  24.7
/// rust                763   0.8   3.4   7.1  10.3  0.00   17.1          15.4  63.0
/// spanish            1030  -0.2   3.8  10.0  15.2  0.10   16.1          13.9  37.0
/// thai                685  -0.7   6.0  14.7  24.1  0.15   36.3          65.4 -14.0
/// turkish             894  -3.0   4.7  17.2  28.1  1.01   17.3          16.1  51.0
/// vietnamese          940   3.2   4.7   5.3  11.9  0.00   20.2          14.0  50.0
/// yaml               1301   2.2   3.3   2.7   6.3  0.00   18.5          11.3  18.0
/// all               23026  -0.4   4.4  13.2  22.6  0.33   17.9          21.8 157.2
/// ```
///
/// The command, after `python3 benches/tokens_corpus.py /tmp/corpus`:
///
/// ```text
/// BURSAR_CORPUS=/tmp/corpus cargo test --release --features tiktoken measure -- --ignored --nocapture
/// ```
///
/// The bound adds to each character a margin of its kind (8 to 48 %, `Step::margin_percent`), and 4
/// tokens to each text. Polish alone is above it more often than in 1.1 % of samples.
///
/// The corpus is up to 3 MB for each kind (`random`: base64, hex, UUIDs, tables of digits;
/// `chinese_tw`: traditional characters). The texts are handbooks, help pages and program messages,
/// and code from libraries: a poem, a chat or a list of rare names can be further off, and so can
/// text that somebody made to be expensive.
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
}

impl Heuristic {
    /// Counts as OpenAI's current models do (`o200k_base`).
    pub const fn new() -> Heuristic {
        family(100, 100, 100, false)
    }

    /// Counts for a model, by its name, with or without a `provider/` before it. A name that is not
    /// known gets [`Heuristic::cautious`].
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
    /// `BURSAR_ENCODING=llama3 BURSAR_MODEL=llama-3` and so on; with them the truth lies above the
    /// bound in 0 (Mistral) to 4.5 % (GPT-4, Kimi) of all samples, and of English, code, JSON
    /// and simplified Chinese in 0.3 % at most; worst are Hindi on GPT-4, Qwen and GLM, and Hebrew on Llama:
    /// half of the samples. Where a row is assumed, ask the provider's own endpoint for
    /// counting if the bound matters.
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
        family(165, 200, 330, true)
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
        let percent = match step.kind {
            kind if kind.is_latin() => self.latin,
            kind if kind.is_east_asian() => self.east_asian,
            _ => self.other,
        };
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
    (&["gpt-4", "gpt-3.5", "gpt-35", "text-embedding"], family(110, 160, 330, false)),
    (&["llama", "meta-llama"], family(110, 115, 180, false)),
    (&["deepseek"], family(115, 100, 170, false)),
    (&["qwen", "qwq"], family(110, 110, 290, true)),
    (&["mistral", "ministral", "mixtral", "codestral", "devstral"], family(115, 125, 130, true)),
    (&["kimi"], family(115, 120, 180, false)),
    (&["glm"], family(115, 120, 320, false)),
    (&["minimax"], family(115, 110, 240, false)),
    (&["gemini", "gemma"], family(115, 115, 115, true)),
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
        family(125, 150, 200, false),
    ),
    (&["claude"], family(165, 200, 260, false)),
];

const fn family(latin: u16, east_asian: u16, other: u16, single_digits: bool) -> Heuristic {
    Heuristic { latin, east_asian, other, single_digits }
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
