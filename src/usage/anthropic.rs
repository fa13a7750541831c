//! Owns the usage of Anthropic's messages, direct, on Bedrock and on Vertex.
//!
//! `input_tokens` leave out what was read from the cache and what was written to it;
//! `output_tokens` include thinking.

use super::counts::{Count, service};
use super::error::UsageError;
use super::json::Json;
use super::{Bill, Service, Usage};

const USAGE: &str = "usage";
const ITERATION: &str = "usage.iterations";

/// What the usage objects of one message have said so far. A later one replaces what it repeats:
/// its counts are cumulative.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    counts: Counts,
    compacted: Usage,
    /// What another model was asked on the side.
    advised: Usage,
    service: Option<Service>,
    is_fast: bool,
    regional: Option<bool>,
}

impl Said {
    /// Takes in a usage object.
    pub(super) fn read(&mut self, usage: Json<'_>) -> Result<(), UsageError> {
        usage.fields(|name, value| match name {
            "iterations" => self.iterations(value),
            "service_tier" => {
                self.service = service(value).or(self.service.take());
                Ok(())
            }
            "speed" => {
                self.is_fast = value.string().as_deref() == Some("fast");
                Ok(())
            }
            "inference_geo" => {
                // "us" is processed there at a surcharge; "global" and "not_available" are not.
                self.regional = value.string().map(|geo| geo == "us").or(self.regional);
                Ok(())
            }
            _ => self.counts.field(USAGE, name, value),
        })
    }

    /// The bill; `None` if nothing was said.
    pub(super) fn bill(&self) -> Result<Option<Bill>, UsageError> {
        if !self.counts.is_said() {
            return Ok(None);
        }
        let own = self.counts.usage()?;
        let mut bill = Bill::new(own.saturating_add(&self.compacted).saturating_add(&self.advised));
        if !self.advised.is_none() {
            // The counts are right, but they are another model's.
            bill = bill.estimated();
        }
        bill.service = if self.is_fast { Some(Service::Fast) } else { self.service.clone() };
        bill.regional = self.regional;
        Ok(Some(bill))
    }

    /// The top level leaves out what a compaction of the context used, and what an advisor did.
    /// The other iterations are in it already.
    fn iterations(&mut self, iterations: Json<'_>) -> Result<(), UsageError> {
        (self.compacted, self.advised) = (Usage::NONE, Usage::NONE);
        iterations.items(|iteration| {
            let mut counts = Counts::default();
            let mut kind = None;
            iteration.fields(|name, value| match name {
                "type" => {
                    kind = value.string();
                    Ok(())
                }
                _ => counts.field(ITERATION, name, value),
            })?;
            let sum = match kind.as_deref() {
                Some("compaction") => &mut self.compacted,
                Some("advisor_message") => &mut self.advised,
                _ => return Ok(()),
            };
            *sum = sum.saturating_add(&counts.usage()?);
            Ok(())
        })
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    input: Count,
    output: Count,
    read: Count,
    written: Count,
    written_5m: Count,
    written_1h: Count,
    thinking: Count,
    searches: Count,
}

impl Counts {
    fn field(&mut self, at: &'static str, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "input_tokens" => self.input.read(at, "input_tokens", value),
            "output_tokens" => self.output.read(at, "output_tokens", value),
            "cache_read_input_tokens" => self.read.read(at, "cache_read_input_tokens", value),
            "cache_creation_input_tokens" => {
                self.written.read(at, "cache_creation_input_tokens", value)
            }
            "cache_creation" => value.fields(|name, value| match name {
                "ephemeral_5m_input_tokens" => {
                    self.written_5m.read(at, "cache_creation.ephemeral_5m_input_tokens", value)
                }
                "ephemeral_1h_input_tokens" => {
                    self.written_1h.read(at, "cache_creation.ephemeral_1h_input_tokens", value)
                }
                _ => Ok(()),
            }),
            "output_tokens_details" => value.fields(|name, value| match name {
                "thinking_tokens" => {
                    self.thinking.read(at, "output_tokens_details.thinking_tokens", value)
                }
                _ => Ok(()),
            }),
            "server_tool_use" => value.fields(|name, value| match name {
                "web_search_requests" => {
                    self.searches.read(at, "server_tool_use.web_search_requests", value)
                }
                _ => Ok(()),
            }),
            _ => Ok(()),
        }
    }

    fn is_said(&self) -> bool {
        [self.input, self.output, self.read, self.written].iter().any(|it| it.said().is_some())
    }

    fn usage(&self) -> Result<Usage, UsageError> {
        let thinking = self.thinking.within(self.output)?;
        let split = self.written_5m.and(self.written_1h).within(self.written)?;
        // Without a split all was written for 5 minutes. In a stream the split comes once, first,
        // and the sum may grow after it: the same lifetime again, the longer if there were two.
        let rest = self.written.or_zero().saturating_sub(split);
        let (rest_5m, rest_1h) = if self.written_1h.or_zero() > 0 { (0, rest) } else { (rest, 0) };
        Ok(Usage {
            input_uncached: self.input.or_zero(),
            cache_read: self.read.or_zero(),
            cache_write_5m: self.written_5m.or_zero() + rest_5m,
            cache_write_1h: self.written_1h.or_zero() + rest_1h,
            output: self.output.or_zero().saturating_sub(thinking),
            reasoning: thinking,
            web_search_requests: self.searches.or_zero(),
            ..Usage::NONE
        })
    }
}
