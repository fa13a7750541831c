//! [`Images`]: the most tokens that an image can be, by model and detail.

use crate::usage::tokens::CLAUDE_UP_TO_4_6;

/// The tokens of an image at most, at each detail. The sources are at
/// [`Request`](super::Request).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Images {
    low: u64,
    high: u64,
    /// Also where no detail is asked for: it may be chosen. The largest of the three.
    original: u64,
}

impl Images {
    /// Of a model, by its name in small letters.
    pub(super) fn of(model: &str) -> Images {
        let images = |low, high, original| Images { low, high, original };
        let all = |tokens| images(tokens, tokens, tokens);
        let name = model.rsplit('/').next().unwrap_or(model);
        let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        if let Some(claude) = name.find("claude").and_then(|at| name.get(at..)) {
            let is_older = CLAUDE_UP_TO_4_6.iter().any(|start| claude.starts_with(start));
            return all(if is_older { 1_600 } else { 4_784 });
        }
        let is_small = name.contains("mini") || name.contains("nano");
        match () {
            () if name.contains("gemini") => all(2_304),
            () if begins(&["gpt-4o-mini"]) => images(2_833, 48_169, 48_169),
            () if !begins(GPT) => all(16_384),
            () if is_small && begins(&["gpt-4", "gpt-5", "o1", "o3", "o4"]) => all(3_779),
            () if TILED.contains(&name) || begins(TILED_WITH_MORE) => images(85, 1_445, 1_445),
            () if is_small => images(760, 7_380, 73_800),
            () if begins(SCALED_DOWN) => images(310, 3_000, 12_000),
            () => images(310, 3_000, 36_000),
        }
    }

    /// The most tokens that one image can be, whatever its size and detail.
    pub(super) fn most(self) -> u64 {
        self.original
    }

    pub(super) fn at(self, detail: Option<&str>) -> u64 {
        match detail {
            Some("low") => self.low,
            Some("high") => self.high,
            _ => self.original,
        }
    }
}

const GPT: &[&str] = &["gpt-", "chatgpt", "o1", "o3", "o4", "computer-use"];

/// GPT models that see in tiles of 512 pixels.
const TILED: &[&str] = &["gpt-4", "gpt-5", "o1", "o3"];
#[rustfmt::skip]
const TILED_WITH_MORE: &[&str] = &[
    "gpt-4-", "gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5-", "o1-", "o3-", "chatgpt-4o", "computer-use",
];

/// GPT models that scale an image down at original detail too.
const SCALED_DOWN: &[&str] = &["gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"];
