//! Owns the usage of Bedrock's Converse and ConverseStream. (Bodies of Anthropic's models on
//! Bedrock have Anthropic's own form.)
//!
//! `inputTokens` leave out both cache counts; the total tells where a server thinks otherwise, as
//! ConverseStream did for OpenAI's models (bifrost #6942).

use super::counts::Count;
use super::error::UsageError;
use super::json::Json;
use super::{Bill, Usage};

const USAGE: &str = "usage";

/// The bill in a usage object; `None` if it holds no counts.
pub(super) fn bill(usage: Json<'_>) -> Result<Option<Bill>, UsageError> {
    let mut said = Said::default();
    usage.fields(|name, value| said.field(name, value))?;
    if said.input.or(said.output).or(said.total).said().is_none() {
        return Ok(None);
    }
    let (usage, estimated) = said.resolve()?;
    let bill = Bill::new(usage);
    Ok(Some(if estimated { bill.estimated() } else { bill }))
}

/// What a usage object says.
#[derive(Default)]
struct Said {
    input: Count,
    output: Count,
    total: Count,
    read: Count,
    written: Count,
    written_1h: Count,
}

impl Said {
    fn field(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "inputTokens" => self.input.read(USAGE, "inputTokens", value),
            "outputTokens" => self.output.read(USAGE, "outputTokens", value),
            "totalTokens" => self.total.read(USAGE, "totalTokens", value),
            "cacheReadInputTokens" => self.read.read(USAGE, "cacheReadInputTokens", value),
            "cacheReadInputTokenCount" => self.read.read(USAGE, "cacheReadInputTokenCount", value),
            "cacheWriteInputTokens" => self.written.read(USAGE, "cacheWriteInputTokens", value),
            "cacheWriteInputTokenCount" => {
                self.written.read(USAGE, "cacheWriteInputTokenCount", value)
            }
            "cacheDetails" => self.lifetimes(value),
            _ => Ok(()),
        }
    }

    /// What was written for an hour; the rest of the writes is for 5 minutes.
    fn lifetimes(&mut self, list: Json<'_>) -> Result<(), UsageError> {
        self.written_1h = Count::default();
        list.items(|item| {
            let mut is_hour = false;
            let mut tokens = None;
            item.fields(|name, value| {
                match name {
                    "ttl" => is_hour = value.string().as_deref() == Some("1h"),
                    "inputTokens" => tokens = Some(value),
                    _ => {}
                }
                Ok(())
            })?;
            match tokens {
                Some(tokens) if is_hour => {
                    self.written_1h.add("usage.cacheDetails", "inputTokens", tokens)
                }
                _ => Ok(()),
            }
        })
    }

    /// The disjoint usage, and whether it had to be estimated.
    fn resolve(&self) -> Result<(Usage, bool), UsageError> {
        let written_1h = self.written_1h.within(self.written)?;
        let (input, output) = (self.input.or_zero(), self.output.or_zero());
        let (read, written) = (self.read.or_zero(), self.written.or_zero().max(written_1h));
        let mut usage = Usage {
            input_uncached: input,
            cache_read: read,
            cache_write_5m: written - written_1h,
            cache_write_1h: written_1h,
            output,
            ..Usage::NONE
        };
        let Some(total) = self.total.said() else { return Ok((usage, false)) };
        if total == usage.total_tokens() {
            return Ok((usage, false));
        }
        if total == input + output {
            self.read.and(self.written).within(self.input)?;
            usage.input_uncached = input.saturating_sub(read + written);
            return Ok((usage, false));
        }
        usage.output += total.saturating_sub(usage.total_tokens());
        Ok((usage, true))
    }
}
