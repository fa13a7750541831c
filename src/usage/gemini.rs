//! Owns the usage of Gemini's `generateContent`, on the Gemini API and on Vertex AI.
//!
//! `promptTokenCount` includes what was cached; `candidatesTokenCount` leaves thoughts out;
//! `toolUsePromptTokenCount` is more input. Any field may be missing.

use super::counts::{Count, service};
use super::error::UsageError;
use super::json::Json;
use super::{Bill, Service, Usage};

const USAGE: &str = "usageMetadata";

/// The bill in a `usageMetadata` object; `None` if it holds no counts.
pub(super) fn bill(usage: Json<'_>) -> Result<Option<Bill>, UsageError> {
    let mut said = Said::default();
    usage.fields(|name, value| said.field(name, value))?;
    if !said.has_counts() {
        return Ok(None);
    }
    let (usage, estimated) = said.resolve()?;
    let mut bill = Bill::new(usage);
    if estimated {
        bill = bill.estimated();
    }
    bill.service = said.service;
    Ok(Some(bill))
}

/// The web searches with a fee: since Gemini 3 each query, before it each prompt that was grounded
/// in any.
pub(super) fn searches(
    candidates: Option<Json<'_>>,
    model: Option<&str>,
) -> Result<u64, UsageError> {
    let mut queries = 0;
    if let Some(candidates) = candidates {
        candidates.items(|candidate| {
            let grounding = candidate.field("groundingMetadata");
            let Some(list) = grounding.and_then(|it| it.field("webSearchQueries")) else {
                return Ok(());
            };
            list.items(|_| {
                queries += 1;
                Ok(())
            })
        })?;
    }
    let is_per_prompt = model.is_some_and(|model| {
        let model = model.rsplit('/').next().unwrap_or(model);
        ["gemini-1", "gemini-2"].iter().any(|old| model.starts_with(old))
    });
    Ok(if is_per_prompt { queries.min(1) } else { queries })
}

/// What a usage object says.
#[derive(Default)]
struct Said {
    prompt: Count,
    prompt_audio: Count,
    cached: Count,
    cached_audio: Count,
    tool_use: Count,
    candidates: Count,
    candidates_audio: Count,
    thoughts: Count,
    total: Count,
    service: Option<Service>,
}

impl Said {
    fn field(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "promptTokenCount" => self.prompt.read(USAGE, "promptTokenCount", value),
            "promptTokensDetails" => {
                audio(&mut self.prompt_audio, "usageMetadata.promptTokensDetails", value)
            }
            "cachedContentTokenCount" => self.cached.read(USAGE, "cachedContentTokenCount", value),
            "cacheTokensDetails" => {
                audio(&mut self.cached_audio, "usageMetadata.cacheTokensDetails", value)
            }
            "toolUsePromptTokenCount" => {
                self.tool_use.read(USAGE, "toolUsePromptTokenCount", value)
            }
            "candidatesTokenCount" => self.candidates.read(USAGE, "candidatesTokenCount", value),
            "candidatesTokensDetails" => {
                audio(&mut self.candidates_audio, "usageMetadata.candidatesTokensDetails", value)
            }
            // The live API's names.
            "responseTokenCount" => self.candidates.read(USAGE, "responseTokenCount", value),
            "responseTokensDetails" => {
                audio(&mut self.candidates_audio, "usageMetadata.responseTokensDetails", value)
            }
            "thoughtsTokenCount" => self.thoughts.read(USAGE, "thoughtsTokenCount", value),
            "totalTokenCount" => self.total.read(USAGE, "totalTokenCount", value),
            "trafficType" | "serviceTier" => {
                self.service = service(value).or(self.service.take());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn has_counts(&self) -> bool {
        [self.prompt, self.candidates, self.thoughts, self.total]
            .iter()
            .any(|count| count.said().is_some())
    }

    /// The disjoint usage, and whether it had to be estimated.
    fn resolve(&self) -> Result<(Usage, bool), UsageError> {
        let cached = self.cached.within(self.prompt)?;
        let prompt_audio = self.prompt_audio.within(self.prompt)?;
        let cached_audio = self.cached_audio.within(self.cached)?;
        self.cached_audio.within(self.prompt_audio)?;
        let output_audio = self.candidates_audio.within(self.candidates)?;

        let prompt = self.prompt.said().unwrap_or(cached.max(prompt_audio));
        let (output, estimated) = self.output(prompt);
        let mut usage = Usage {
            input_audio: prompt_audio.saturating_sub(cached_audio),
            cache_read: cached.saturating_sub(cached_audio),
            cache_read_audio: cached_audio,
            output: output.saturating_sub(output_audio),
            reasoning: self.thoughts.or_zero(),
            output_audio,
            ..Usage::NONE
        };
        // Cached and audio may overlap where nobody says how: then there is no plain text.
        let text = prompt.saturating_sub(usage.input_tokens());
        usage.input_uncached = text + self.tool_use.or_zero();
        Ok((usage, estimated))
    }

    /// The visible output, and whether it is an estimate: the reading whose sum is the total is
    /// right, the documented one first; if none is, at least as much as the total says.
    fn output(&self, prompt: u64) -> (u64, bool) {
        let candidates = self.candidates.or_zero();
        let (thoughts, tool_use) = (self.thoughts.or_zero(), self.tool_use.or_zero());
        let Some(total) = self.total.said() else { return (candidates, false) };
        let documented = prompt + tool_use + candidates + thoughts;
        if total == documented || total == documented - tool_use {
            (candidates, false)
        } else if total == documented - thoughts && thoughts <= candidates {
            (candidates - thoughts, false)
        } else {
            (candidates.max(total.saturating_sub(prompt + tool_use + thoughts)), true)
        }
    }
}

/// Adds up what a per-modality list says of audio.
fn audio(sum: &mut Count, at: &'static str, list: Json<'_>) -> Result<(), UsageError> {
    *sum = Count::default();
    list.items(|item| {
        let mut is_audio = false;
        let mut tokens = None;
        item.fields(|name, value| {
            match name {
                "modality" => is_audio = value.string().as_deref() == Some("AUDIO"),
                "tokenCount" => tokens = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        match tokens {
            Some(tokens) if is_audio => sum.add(at, "tokenCount", tokens),
            _ => Ok(()),
        }
    })
}
