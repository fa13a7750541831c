//! Owns the usage of OpenAI and of all who copied its form: chat completions, responses,
//! embeddings, realtime, audio, images; Azure, Mistral, Groq, DeepSeek, xAI, Cerebras, Together,
//! Hugging Face, Z.ai, Snowflake, OpenRouter, Perplexity, Voyage.
//!
//! The rule of the form: `prompt_tokens` (or `input_tokens`) include what was cached and what was
//! audio, `completion_tokens` (or `output_tokens`) include reasoning and audio. Not all who copied
//! it keep the rule; the total tells.

use crate::money::Usd;

use super::body::Api;
use super::counts::{Count, dollars, service};
use super::error::UsageError;
use super::json::Json;
use super::{Bill, Service, Usage};

/// The bill in a usage object; `None` if it holds neither counts nor a cost.
pub(super) fn bill(
    api: Api,
    model: Option<&str>,
    usage: Json<'_>,
) -> Result<Option<Bill>, UsageError> {
    let mut said = Said::default();
    usage.fields(|name, value| said.field(name, value))?;
    if !said.has_counts() && said.cost.is_none() {
        return Ok(None);
    }
    let (usage, estimated) = said.resolve(api, model)?;
    let mut bill = Bill::new(usage);
    if estimated {
        bill = bill.estimated();
    }
    bill.reported_cost = said.reported_cost();
    bill.service = said.service;
    Ok(Some(bill))
}

/// The web searches that the Responses API ran. They stand beside the usage, or have to be counted
/// in the output: opening a page, or finding something in it, is part of a search.
pub(super) fn searches(
    tool_usage: Option<Json<'_>>,
    output: Option<Json<'_>>,
) -> Result<u64, UsageError> {
    let mut requests = Count::default();
    if let Some(said) =
        tool_usage.and_then(|tools| tools.field("web_search")?.field("num_requests"))
    {
        requests.read("tool_usage.web_search", "num_requests", said)?;
        return Ok(requests.or_zero());
    }
    let mut calls = 0;
    if let Some(output) = output {
        output.items(|item| {
            let (mut is_call, mut is_search) = (false, true);
            item.fields(|name, value| {
                match name {
                    "type" => is_call = value.string().as_deref() == Some("web_search_call"),
                    "action" => {
                        let kind = value.field("type").and_then(Json::string);
                        is_search = kind.is_none_or(|kind| kind == "search");
                    }
                    _ => {}
                }
                Ok(())
            })?;
            calls += u64::from(is_call && is_search);
            Ok(())
        })?;
    }
    Ok(calls)
}

const USAGE: &str = "usage";
const INPUT: &str = "usage.prompt_tokens_details";
const OUTPUT: &str = "usage.completion_tokens_details";

/// What a usage object says.
#[derive(Default)]
struct Said {
    prompt: Count,
    completion: Count,
    total: Count,
    cached: Count,
    cached_audio: Count,
    uncached: Count,
    written: Count,
    written_5m: Count,
    written_12h: Count,
    input_audio: Count,
    reasoning: Count,
    /// Perplexity: beside the completion, not inside it.
    reasoning_on_top: Count,
    output_audio: Count,
    searches: Count,
    cost: Option<Usd>,
    upstream_cost: Option<Usd>,
    is_byok: Option<bool>,
    service: Option<Service>,
}

impl Said {
    fn field(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "prompt_tokens" => self.prompt.read(USAGE, "prompt_tokens", value),
            "input_tokens" => self.prompt.read(USAGE, "input_tokens", value),
            "completion_tokens" => self.completion.read(USAGE, "completion_tokens", value),
            "output_tokens" => self.completion.read(USAGE, "output_tokens", value),
            "total_tokens" => self.total.read(USAGE, "total_tokens", value),
            "prompt_tokens_details" | "input_tokens_details" | "input_token_details" => {
                value.fields(|name, value| self.input_detail(name, value))
            }
            "completion_tokens_details" | "output_tokens_details" | "output_token_details" => {
                value.fields(|name, value| self.output_detail(name, value))
            }
            // Together, Moonshot.
            "cached_tokens" => self.cached.read(USAGE, "cached_tokens", value),
            // DeepSeek.
            "prompt_cache_hit_tokens" => self.cached.read(USAGE, "prompt_cache_hit_tokens", value),
            "prompt_cache_miss_tokens" => {
                self.uncached.read(USAGE, "prompt_cache_miss_tokens", value)
            }
            // Anthropic's names in OpenAI's form, as proxies send them.
            "cache_read_input_tokens" => self.cached.read(USAGE, "cache_read_input_tokens", value),
            "cache_creation_input_tokens" => {
                self.written_5m.read(USAGE, "cache_creation_input_tokens", value)
            }
            // xAI.
            "cost_in_usd_ticks" => {
                self.cost = dollars("usage.cost_in_usd_ticks", value, 10)?;
                Ok(())
            }
            "server_side_tool_usage_details" => {
                value.fields(|name, value| self.server_side_tool(name, value))
            }
            "reasoning_tokens" => self.reasoning_on_top.read(USAGE, "reasoning_tokens", value),
            // OpenRouter sends a number, Perplexity an object.
            "cost" if value.is_object() => value.fields(|name, value| self.cost_part(name, value)),
            "cost" => {
                self.cost = dollars("usage.cost", value, 0)?;
                Ok(())
            }
            "cost_details" => value.fields(|name, value| self.cost_part(name, value)),
            "is_byok" => {
                self.is_byok = value.boolean();
                Ok(())
            }
            // Mistral.
            "service_tier" => {
                self.service = service(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn input_detail(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        const WRITTEN: &str = "usage.prompt_tokens_details.cache_write_tokens_details";
        const CACHED: &str = "usage.input_token_details.cached_tokens_details";
        match name {
            "cached_tokens" => self.cached.read(INPUT, "cached_tokens", value),
            "cached_tokens_details" => value.fields(|name, value| match name {
                "audio_tokens" => self.cached_audio.read(CACHED, "audio_tokens", value),
                _ => Ok(()),
            }),
            "audio_tokens" => self.input_audio.read(INPUT, "audio_tokens", value),
            "cache_write_tokens" => self.written.read(INPUT, "cache_write_tokens", value),
            "cache_write_tokens_details" => value.fields(|name, value| match name {
                "ttl_12h_tokens" => self.written_12h.read(WRITTEN, "ttl_12h_tokens", value),
                _ => Ok(()),
            }),
            _ => Ok(()),
        }
    }

    fn output_detail(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "reasoning_tokens" => self.reasoning.read(OUTPUT, "reasoning_tokens", value),
            "audio_tokens" => self.output_audio.read(OUTPUT, "audio_tokens", value),
            _ => Ok(()),
        }
    }

    fn server_side_tool(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        const TOOLS: &str = "usage.server_side_tool_usage_details";
        match name {
            "web_search_calls" => self.searches.add(TOOLS, "web_search_calls", value),
            "x_search_calls" => self.searches.add(TOOLS, "x_search_calls", value),
            _ => Ok(()),
        }
    }

    fn cost_part(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "total_cost" => self.cost = dollars("usage.cost.total_cost", value, 0)?,
            "upstream_inference_cost" => {
                let field = "usage.cost_details.upstream_inference_cost";
                self.upstream_cost = dollars(field, value, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn has_counts(&self) -> bool {
        [self.prompt, self.completion, self.total, self.cached, self.uncached]
            .iter()
            .any(|count| count.said().is_some())
    }

    /// What the provider says that the call costs. With a key of one's own ("BYOK"), OpenRouter's
    /// cost is only its fee.
    fn reported_cost(&self) -> Option<Usd> {
        match (self.cost, self.upstream_cost) {
            (Some(fee), Some(upstream)) if self.is_byok != Some(false) => fee.checked_add(upstream),
            (cost, _) => cost,
        }
    }

    /// The disjoint usage, and whether it had to be estimated.
    fn resolve(&self, api: Api, model: Option<&str>) -> Result<(Usage, bool), UsageError> {
        let written = self.written.or(self.written_5m);
        let reasoning = self.reasoning.or(self.reasoning_on_top);
        let sums = Sums {
            input: self.input_said(),
            output: self.completion.said().unwrap_or(reasoning.and(self.output_audio).or_zero()),
            cached: self.cached.or_zero().saturating_add(written.or_zero()),
            reasoning: reasoning.or_zero(),
            total: self.total.said(),
        };
        let (input, output, mut estimated) = match api {
            // Perplexity's total leaves the reasoning of its research models out.
            Api::Perplexity if sums.total == Some(sums.input.saturating_add(sums.output)) => {
                let on_top = self.reasoning_on_top.or_zero();
                (sums.input, sums.output.saturating_add(on_top), false)
            }
            _ => sums.resolve(matches!(api, Api::Xai | Api::Perplexity)),
        };

        let whole_input = self.prompt.or(self.total).of(input);
        let whole_output = self.completion.or(self.total).of(output);
        let cached = self.cached.within(whole_input)?;
        let input_audio = self.input_audio.within(whole_input)?;
        let written_all = written.within(whole_input)?;
        self.cached.and(written).within(whole_input)?;
        reasoning.and(self.output_audio).within(whole_output)?;
        let cached_audio = match self.cached_audio.said() {
            Some(_) => self.cached_audio.within(self.cached)?,
            // Nobody says how much of the cached input was audio. It is at least what does not fit
            // beside the rest.
            None => {
                let overlap = (cached + written_all + input_audio).saturating_sub(input);
                estimated |= overlap > 0;
                overlap
            }
        };
        self.cached_audio.within(self.input_audio)?;

        let mut usage = Usage {
            input_audio: input_audio.saturating_sub(cached_audio),
            cache_read: cached.saturating_sub(cached_audio),
            cache_read_audio: cached_audio,
            output: output.saturating_sub(reasoning.or_zero() + self.output_audio.or_zero()),
            reasoning: reasoning.or_zero(),
            output_audio: self.output_audio.or_zero(),
            requests: u64::from(matches!(api, Api::Perplexity)),
            web_search_requests: self.searches.or_zero(),
            ..Usage::NONE
        };
        usage.cache_write_12h = self.written_12h.within(written)?;
        let rest = written_all.saturating_sub(usage.cache_write_12h);
        if self.is_written_for_minutes(api, model) {
            usage.cache_write_5m = rest;
        } else {
            usage.cache_write_30m = rest;
        }
        usage.input_uncached = input.saturating_sub(usage.input_tokens());
        Ok((usage, estimated))
    }

    /// The input, from its own count, or from what else is said.
    fn input_said(&self) -> u64 {
        match (self.prompt.said(), self.uncached.said(), self.total.said()) {
            (Some(prompt), _, _) => prompt,
            (None, Some(uncached), _) => uncached.saturating_add(self.cached.or_zero()),
            // Voyage says nothing but the total.
            (None, None, Some(total)) => total.saturating_sub(self.completion.or_zero()),
            (None, None, None) => self.cached.or_zero(),
        }
    }

    /// True if what was written to the cache lives for 5 minutes, as Anthropic's does behind a
    /// proxy or router, and not for OpenAI's 30.
    fn is_written_for_minutes(&self, api: Api, model: Option<&str>) -> bool {
        self.written_5m.said().is_some()
            || (matches!(api, Api::OpenRouter)
                && !model.is_some_and(|model| model.starts_with("openai/")))
    }
}

/// The sums of a usage object, before it is known what includes what.
struct Sums {
    input: u64,
    output: u64,
    /// Read from the cache or written to it.
    cached: u64,
    reasoning: u64,
    total: Option<u64>,
}

impl Sums {
    /// All input, all output, and whether that is an estimate.
    ///
    /// The reading whose sum is the total is the right one. If none is, the larger output is
    /// taken, and at least as much as the total says. Without a total the API's rule holds.
    fn resolve(&self, is_reasoning_on_top: bool) -> (u64, u64, bool) {
        let all_input = self.input.saturating_add(self.cached);
        let all_output = self.output.saturating_add(self.reasoning);
        let Some(total) = self.total else {
            let output = if is_reasoning_on_top { all_output } else { self.output };
            return (self.input, output, false);
        };
        for (input, output) in [
            (self.input, self.output),
            (self.input, all_output),
            (all_input, self.output),
            (all_input, all_output),
        ] {
            if input.saturating_add(output) == total {
                return (input, output, false);
            }
        }
        (self.input, all_output.max(total.saturating_sub(self.input)), true)
    }
}
