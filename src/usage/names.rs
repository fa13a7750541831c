//! [`USAGE`]: the table of field names in usage objects, of providers and relays, with their sources.
//!
//! `rules` decides what a count includes, which differs from API to API. A number under an unknown
//! name becomes a doubt of the bill.

use super::rules::Hint;

/// One count of a call, before it is known what includes what: those of the input, then those of
/// the output, the total, and what is counted beside tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The input, with or without what was cached: by the rule of the form.
    Input,
    /// The input that came from no cache.
    InputUncached,
    /// Input beside the prompt: what tools brought in.
    InputOfTools,
    InputAudio,
    InputImage,
    CacheRead,
    CacheReadAudio,
    CacheReadImage,
    /// All cache writes.
    CacheWrite,
    CacheWrite5m,
    CacheWrite30m,
    CacheWrite1h,
    CacheWrite12h,
    /// The output, with or without reasoning: by the rule of the form.
    Output,
    /// Reasoning, inside the output or beside it: by the rule of the form.
    Reasoning,
    OutputAudio,
    OutputImage,
    Total,
    /// Seconds of audio.
    Seconds,
    /// Calls that the provider bills by number.
    Requests,
    Searches,
    FileSearches,
    Containers,
    Maps,
}

impl Field {
    pub(super) const COUNT: usize = Field::Maps as usize + 1;
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    /// A count.
    Count(Field),
    /// A count that is added to others of its kind: searches of several tools.
    Add(Field),
    /// A count that makes the bill doubtful if it is not zero, because it is billed and has no
    /// bucket: the noun phrase of the doubt.
    Unpriced(&'static str),
    /// An object with names of its own.
    Object(&'static [Name]),
    /// An object that counts where no other object has counted.
    Fallback(&'static [Name]),
    /// A list of `{"modality", "tokenCount"}` or `{"ttl", "inputTokens"}`: the fields of the
    /// labels; an empty label is any other.
    Labelled(Labels),
    /// Anthropic's list of what was asked in turn.
    Iterations,
    /// An amount of dollars, in units of `10^-places`.
    Cost {
        places: i64,
    },
    /// What the provider behind a router takes, which is the cost with a key of one's own.
    UpstreamCost,
    /// Whether the user's own provider key was used.
    IsByok,
    Service,
    Speed,
    Geo,
    /// Known and not billed on its own: a part of a count that is read, a time, a setting.
    Known,
}

type Labels = &'static [(&'static str, Field)];

/// A name in a usage object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) meaning: Meaning,
    /// Which API form the name points to.
    pub(super) hint: Option<Hint>,
    /// Who writes it.
    #[allow(dead_code, reason = "for readers of the table")]
    source: &'static str,
}

const fn row(name: &'static str, meaning: Meaning, source: &'static str) -> Name {
    Name { name, meaning, hint: None, source }
}

const fn of(hint: Hint, name: &'static str, meaning: Meaning, source: &'static str) -> Name {
    Name { name, meaning, hint: Some(hint), source }
}

use Field as F;
use Meaning::{Add, Cost, Count, Fallback, Known, Labelled, Object, Unpriced};

/// The names in a usage object.
pub(super) const USAGE: &[Name] = &[
    // Whole sides.
    of(Hint::OpenAi, "prompt_tokens", Count(F::Input), "OpenAI chat completions"),
    of(Hint::OpenAi, "completion_tokens", Count(F::Output), "OpenAI chat completions"),
    row("input_tokens", Count(F::Input), "OpenAI Responses, Anthropic Messages"),
    row("output_tokens", Count(F::Output), "OpenAI Responses, Anthropic Messages"),
    of(Hint::Total, "total_tokens", Count(F::Total), "OpenAI"),
    of(Hint::Bedrock, "inputTokens", Count(F::Input), "Bedrock Converse, Vercel AI SDK"),
    of(Hint::Bedrock, "outputTokens", Count(F::Output), "Bedrock Converse, Vercel AI SDK"),
    row("totalTokens", Count(F::Total), "Bedrock Converse, Vercel AI SDK"),
    of(Hint::OpenAi, "promptTokens", Count(F::Input), "Vercel AI SDK 4"),
    of(Hint::OpenAi, "completionTokens", Count(F::Output), "Vercel AI SDK 4"),
    of(Hint::Bedrock, "inputTokenCount", Count(F::Input), "Bedrock invocation metrics"),
    of(Hint::Bedrock, "outputTokenCount", Count(F::Output), "Bedrock invocation metrics"),
    // The cache.
    row("cached_tokens", Count(F::CacheRead), "Moonshot, Together"),
    of(Hint::Sdk, "cached_input_tokens", Count(F::CacheRead), "codex exec --json"),
    of(Hint::Sdk, "cachedInputTokens", Count(F::CacheRead), "Vercel AI SDK 5"),
    of(Hint::Sdk, "reasoning_output_tokens", Count(F::Reasoning), "codex session files"),
    row("num_cached_tokens", Count(F::CacheRead), "vLLM, Mistral"),
    row("prompt_cache_hit_tokens", Count(F::CacheRead), "DeepSeek"),
    row("prompt_cache_miss_tokens", Count(F::InputUncached), "DeepSeek"),
    row("prompt_cache_write_tokens", Count(F::CacheWrite), "envoyproxy/ai-gateway PR #1719"),
    row("cache_write_tokens", Count(F::CacheWrite), "OpenRouter"),
    of(Hint::Anthropic, "cache_read_input_tokens", Count(F::CacheRead), "Anthropic Messages"),
    of(Hint::Anthropic, "cache_creation_input_tokens", Count(F::CacheWrite), "Anthropic Messages"),
    of(Hint::Anthropic, "cache_creation", Object(CREATION), "Anthropic Messages"),
    row("cacheReadInputTokens", Count(F::CacheRead), "Bedrock Converse"),
    row("cacheReadInputTokenCount", Count(F::CacheRead), "Bedrock Converse and metrics"),
    row("cacheWriteInputTokens", Count(F::CacheWrite), "Bedrock Converse"),
    row("cacheWriteInputTokenCount", Count(F::CacheWrite), "Bedrock Converse and metrics"),
    row("cacheDetails", Labelled(BY_LIFETIME), "Bedrock Converse"),
    // new-api, dto/openai_response.go.
    row("claude_cache_creation_5_m_tokens", Count(F::CacheWrite5m), "new-api"),
    row("claude_cache_creation_1_h_tokens", Count(F::CacheWrite1h), "new-api"),
    // Details.
    row("prompt_tokens_details", Object(INPUT), "OpenAI chat completions"),
    of(Hint::Total, "input_tokens_details", Object(INPUT), "OpenAI Responses, images"),
    of(Hint::Total, "input_token_details", Object(INPUT), "OpenAI realtime, LangChain"),
    of(Hint::Sdk, "inputTokenDetails", Object(INPUT), "Vercel AI SDK 6"),
    of(Hint::Sdk, "inputTokensDetails", Object(INPUT), "Vercel AI SDK"),
    row("completion_tokens_details", Object(OUTPUT), "OpenAI chat completions"),
    row("output_tokens_details", Object(OUTPUT), "OpenAI Responses, Anthropic Messages"),
    row("output_token_details", Object(OUTPUT), "OpenAI realtime, LangChain"),
    of(Hint::Sdk, "outputTokenDetails", Object(OUTPUT), "Vercel AI SDK 6"),
    of(Hint::Sdk, "outputTokensDetails", Object(OUTPUT), "Vercel AI SDK"),
    row("reasoning_tokens", Count(F::Reasoning), "Perplexity: beside the completion"),
    of(Hint::Sdk, "reasoningTokens", Count(F::Reasoning), "Vercel AI SDK 5"),
    // Mistral: https://docs.mistral.ai/api (UsageInfo, ConversationUsageInfo).
    row("prompt_audio_seconds", Count(F::Seconds), "Mistral"),
    row("connector_tokens", Count(F::InputOfTools), "Mistral"),
    row("connectors", Object(CONNECTORS), "Mistral"),
    // Transcriptions that are billed by their length.
    row("seconds", Count(F::Seconds), "OpenAI whisper-1"),
    // Anthropic.
    row("server_tool_use", Object(SERVER_TOOLS), "Anthropic Messages, OpenRouter"),
    row("server_tool_use_details", Object(SERVER_TOOLS), "OpenRouter"),
    row("iterations", Meaning::Iterations, "Anthropic Messages"),
    row("service_tier", Meaning::Service, "Anthropic Messages, Mistral"),
    row("speed", Meaning::Speed, "Anthropic Messages"),
    row("inference_geo", Meaning::Geo, "Anthropic Messages"),
    // Cohere.
    of(Hint::Cohere, "billed_units", Object(BILLED_UNITS), "Cohere v2"),
    of(Hint::Cohere, "tokens", Fallback(BILLED_UNITS), "Cohere v2: what the model saw"),
    // Costs. A name is read as a cost only if it is documented as one.
    // xAI: https://github.com/xai-org/xai-sdk-python (cost.py). OpenRouter:
    // https://openrouter.ai/docs/use-cases/usage-accounting. Vercel's gateway sends `cost` as text.
    // Perplexity sends an object: https://docs.perplexity.ai/guides/pricing.
    of(Hint::Xai, "cost_in_usd_ticks", Cost { places: 10 }, "xAI: 1e-10 dollars"),
    of(Hint::OpenRouter, "cost", Cost { places: 0 }, "OpenRouter, Vercel AI Gateway, Perplexity"),
    row("cost_details", Object(COST), "OpenRouter"),
    row("is_byok", Meaning::IsByok, "OpenRouter"),
    // https://deepinfra.com/docs/openai_api: the cost of the request in dollars.
    row("estimated_cost", Cost { places: 0 }, "DeepInfra"),
    // xAI.
    // https://docs.x.ai/docs/guides/live-search: in the ticks, if it states them.
    of(Hint::Xai, "num_sources_used", Unpriced("sources of a live search"), "xAI"),
    row("num_server_side_tools_used", Known, "xAI: the sum of the details"),
    row("server_side_tool_usage_details", Object(SERVER_SIDE_TOOLS), "xAI"),
    row("server_side_tool_usage", Object(SERVER_SIDE_TOOLS), "xAI"),
    // Perplexity.
    of(Hint::Perplexity, "search_context_size", Known, "Perplexity: in the request fee"),
    of(Hint::Perplexity, "num_search_queries", Known, "Perplexity: in the request fee"),
    of(Hint::Perplexity, "citation_tokens", Known, "Perplexity: billed by deep research only"),
    // Gemini.
    row("promptTokenCount", Count(F::Input), "Gemini"),
    row("candidatesTokenCount", Count(F::Output), "Gemini"),
    row("responseTokenCount", Count(F::Output), "Gemini Live"),
    row("thoughtsTokenCount", Count(F::Reasoning), "Gemini"),
    row("toolUsePromptTokenCount", Count(F::InputOfTools), "Gemini"),
    row("cachedContentTokenCount", Count(F::CacheRead), "Gemini"),
    row("totalTokenCount", Count(F::Total), "Gemini"),
    row("promptTokensDetails", Labelled(IN_BY_MODALITY), "Gemini"),
    row("cacheTokensDetails", Labelled(CACHED_BY_MODALITY), "Gemini"),
    row("candidatesTokensDetails", Labelled(OUT_BY_MODALITY), "Gemini"),
    row("responseTokensDetails", Labelled(OUT_BY_MODALITY), "Gemini Live"),
    row("toolUsePromptTokensDetails", Known, "Gemini: text"),
    row("trafficType", Meaning::Service, "Vertex AI"),
    row("serviceTier", Meaning::Service, "Gemini"),
    of(Hint::Gemini, "prompt_token_count", Count(F::Input), "google-genai for Python"),
    of(Hint::Gemini, "candidates_token_count", Count(F::Output), "google-genai for Python"),
    of(Hint::Gemini, "thoughts_token_count", Count(F::Reasoning), "google-genai for Python"),
    of(Hint::Gemini, "tool_use_prompt_token_count", Count(F::InputOfTools), "google-genai"),
    row("cached_content_token_count", Count(F::CacheRead), "google-genai for Python"),
    row("total_token_count", Count(F::Total), "google-genai for Python"),
    row("cache_tokens_details", Labelled(CACHED_BY_MODALITY), "google-genai for Python"),
    row("candidates_tokens_details", Labelled(OUT_BY_MODALITY), "google-genai for Python"),
    row("tool_use_prompt_tokens_details", Known, "google-genai for Python"),
    row("traffic_type", Meaning::Service, "google-genai for Python"),
    of(Hint::Gemini, "total_input_tokens", Count(F::Input), "Gemini Interactions"),
    of(Hint::Gemini, "total_output_tokens", Count(F::Output), "Gemini Interactions"),
    of(Hint::Gemini, "total_thought_tokens", Count(F::Reasoning), "Gemini Interactions"),
    of(Hint::Gemini, "total_reasoning_tokens", Count(F::Reasoning), "Gemini Interactions"),
    of(Hint::Gemini, "total_tool_use_tokens", Count(F::InputOfTools), "Gemini Interactions"),
    row("total_cached_tokens", Count(F::CacheRead), "Gemini Interactions"),
    row("input_tokens_by_modality", Labelled(IN_BY_MODALITY), "Gemini Interactions"),
    row("cached_tokens_by_modality", Labelled(CACHED_BY_MODALITY), "Gemini Interactions"),
    row("output_tokens_by_modality", Labelled(OUT_BY_MODALITY), "Gemini Interactions"),
    row("tool_use_tokens_by_modality", Known, "Gemini Interactions"),
    // Ollama, in the body itself.
    of(Hint::Ollama, "prompt_eval_count", Count(F::Input), "Ollama"),
    of(Hint::Ollama, "eval_count", Count(F::Output), "Ollama"),
    // Times and settings.
    row("type", Known, "OpenAI transcriptions: `tokens` or `duration`"),
    row("queue_time", Known, "Groq"),
    row("prompt_time", Known, "Groq"),
    row("completion_time", Known, "Groq"),
    row("total_time", Known, "Groq"),
    row("invocationLatency", Known, "Bedrock invocation metrics"),
    row("firstByteLatency", Known, "Bedrock invocation metrics"),
    row("raw", Known, "Vercel AI SDK: the provider's own object again"),
    row("cache_deleted_input_tokens", Known, "Anthropic: context editing, not billed"),
];

pub(super) const IN_BY_MODALITY: Labels = &[("AUDIO", F::InputAudio)];
const CACHED_BY_MODALITY: Labels = &[("AUDIO", F::CacheReadAudio)];
pub(super) const OUT_BY_MODALITY: Labels = &[("AUDIO", F::OutputAudio), ("IMAGE", F::OutputImage)];
const BY_LIFETIME: Labels = &[("1h", F::CacheWrite1h), ("", F::CacheWrite5m)];

/// Details of the input.
const INPUT: &[Name] = &[
    row("cached_tokens", Count(F::CacheRead), "OpenAI"),
    row("cached_tokens_details", Object(CACHED), "OpenAI realtime"),
    row("cacheReadTokens", Count(F::CacheRead), "Vercel AI SDK 6"),
    row("cache_read", Count(F::CacheRead), "LangChain usage_metadata"),
    row("cache_read_tokens", Count(F::CacheRead), "maximhq/bifrost"),
    row("cached_read_tokens", Count(F::CacheRead), "maximhq/bifrost"),
    row("cache_read_input_tokens", Count(F::CacheRead), "LiteLLM"),
    row("noCacheTokens", Count(F::InputUncached), "Vercel AI SDK 6"),
    row("cache_write_tokens", Count(F::CacheWrite), "OpenAI, OpenRouter"),
    row("cached_write_tokens", Count(F::CacheWrite), "maximhq/bifrost"),
    row("cacheWriteTokens", Count(F::CacheWrite), "Vercel AI SDK 6"),
    row("cache_write_tokens_details", Object(WRITTEN), "OpenAI"),
    of(Hint::Creation, "cache_creation_tokens", Count(F::CacheWrite), "LiteLLM #11364, #40090"),
    of(Hint::Creation, "cached_creation_tokens", Count(F::CacheWrite), "new-api"),
    of(Hint::Creation, "cache_creation", Count(F::CacheWrite), "LangChain usage_metadata"),
    of(Hint::Creation, "cache_creation_input_tokens", Count(F::CacheWrite), "Alibaba, LiteLLM"),
    row("cache_creation_token_details", Object(CREATION), "LiteLLM"),
    row("ephemeral_5m_input_tokens", Count(F::CacheWrite5m), "LangChain usage_metadata"),
    row("ephemeral_1h_input_tokens", Count(F::CacheWrite1h), "LangChain usage_metadata"),
    row("cache_type", Known, "Alibaba"),
    row("audio_tokens", Count(F::InputAudio), "OpenAI"),
    row("audio", Count(F::InputAudio), "LangChain usage_metadata"),
    row("image_tokens", Count(F::InputImage), "OpenAI images"),
    row("text_tokens", Known, "OpenAI: the rest of the input"),
    row("video_tokens", Known, "OpenRouter, Alibaba: at the price of text"),
    row("file_tokens", Known, "OpenRouter: at the price of text"),
];

/// A whole side with its details in the place of its count, as the Vercel AI SDK's models of the
/// specification `v3` state it.
pub(super) const WHOLE_INPUT: &[Name] = &[
    of(Hint::Sdk, "total", Count(F::Input), "Vercel AI SDK 6"),
    row("noCache", Count(F::InputUncached), "Vercel AI SDK 6"),
    row("cacheRead", Count(F::CacheRead), "Vercel AI SDK 6"),
    row("cacheWrite", Count(F::CacheWrite), "Vercel AI SDK 6"),
];

/// The same of the output.
pub(super) const WHOLE_OUTPUT: &[Name] = &[
    of(Hint::Sdk, "total", Count(F::Output), "Vercel AI SDK 6"),
    row("text", Known, "Vercel AI SDK 6: the rest of the output"),
    row("reasoning", Count(F::Reasoning), "Vercel AI SDK 6"),
];

/// What was read from the cache, by modality.
const CACHED: &[Name] = &[
    row("audio_tokens", Count(F::CacheReadAudio), "OpenAI realtime"),
    row("image_tokens", Count(F::CacheReadImage), "OpenAI realtime"),
    row("text_tokens", Known, "OpenAI realtime: the rest"),
];

/// What was written to the cache, by lifetime.
const WRITTEN: &[Name] = &[
    row("ttl_30m_tokens", Count(F::CacheWrite30m), "OpenAI"),
    row("ttl_12h_tokens", Count(F::CacheWrite12h), "OpenAI"),
];

/// The same in Anthropic's names.
const CREATION: &[Name] = &[
    row("ephemeral_5m_input_tokens", Count(F::CacheWrite5m), "Anthropic Messages"),
    row("ephemeral_1h_input_tokens", Count(F::CacheWrite1h), "Anthropic Messages"),
];

/// Details of the output.
const OUTPUT: &[Name] = &[
    row("reasoning_tokens", Count(F::Reasoning), "OpenAI"),
    row("reasoningTokens", Count(F::Reasoning), "Vercel AI SDK 6"),
    row("reasoning", Count(F::Reasoning), "LangChain usage_metadata"),
    row("thinking_tokens", Count(F::Reasoning), "Anthropic Messages"),
    row("audio_tokens", Count(F::OutputAudio), "OpenAI"),
    row("audio", Count(F::OutputAudio), "LangChain usage_metadata"),
    row("image_tokens", Count(F::OutputImage), "OpenAI images, OpenRouter"),
    row("text_tokens", Known, "OpenAI: the rest of the output"),
    row("textTokens", Known, "Vercel AI SDK 6: the rest of the output"),
    row("accepted_prediction_tokens", Known, "OpenAI: inside the completion"),
    row("rejected_prediction_tokens", Known, "OpenAI: inside the completion"),
    row("video_tokens", Unpriced("video output"), "OpenRouter"),
];

/// Tools that Anthropic, or OpenRouter, runs for the model.
const SERVER_TOOLS: &[Name] = &[
    row("web_search_requests", Count(F::Searches), "Anthropic Messages, OpenRouter"),
    row("web_fetch_requests", Known, "Anthropic: at the price of its tokens"),
    row("tool_search_requests", Known, "Anthropic: at the price of its tokens"),
    // $0.05 an hour beyond 1,550 free hours: https://docs.claude.com/en/docs/about-claude/pricing.
    row("code_execution_requests", Unpriced("code execution by the hour"), "Anthropic"),
];

/// Tools that xAI runs: https://docs.x.ai/docs/models (tool invocations).
const SERVER_SIDE_TOOLS: &[Name] = &[
    row("web_search_calls", Add(F::Searches), "xAI"),
    row("x_search_calls", Add(F::Searches), "xAI"),
    row("code_interpreter_calls", Count(F::Containers), "xAI"),
    row("file_search_calls", Count(F::FileSearches), "xAI"),
    row("document_search_calls", Unpriced("document searches"), "xAI"),
    row("mcp_calls", Known, "xAI: at the price of its tokens"),
    row("view_image_calls", Known, "xAI: at the price of its tokens"),
    row("view_x_video_calls", Known, "xAI: at the price of its tokens"),
];

/// Tools that Mistral runs: https://mistral.ai/pricing (connectors).
const CONNECTORS: &[Name] = &[
    row("web_search", Add(F::Searches), "Mistral"),
    row("web_search_premium", Unpriced("premium web searches"), "Mistral"),
    row("code_interpreter", Count(F::Containers), "Mistral"),
    row("image_generation", Unpriced("generated images"), "Mistral"),
    row("document_library", Unpriced("document searches"), "Mistral"),
];

/// Cohere's units.
const BILLED_UNITS: &[Name] = &[
    row("input_tokens", Count(F::Input), "Cohere v2"),
    row("output_tokens", Count(F::Output), "Cohere v2"),
    row("image_tokens", Count(F::InputImage), "Cohere v2 embeddings"),
    row("images", Known, "Cohere v2: billed by their tokens"),
    row("search_units", Count(F::Requests), "Cohere v2 rerank"),
    row("classifications", Unpriced("classifications"), "Cohere v2"),
];

/// Parts of a cost.
pub(super) const COST: &[Name] = &[
    of(Hint::Perplexity, "total_cost", Cost { places: 0 }, "Perplexity"),
    row("upstream_inference_cost", Meaning::UpstreamCost, "OpenRouter"),
    row("upstream_inference_prompt_cost", Known, "OpenRouter: a part"),
    row("upstream_inference_input_cost", Known, "OpenRouter: a part"),
    row("upstream_inference_completions_cost", Known, "OpenRouter: a part"),
    row("upstream_inference_output_cost", Known, "OpenRouter: a part"),
    row("input_tokens_cost", Known, "Perplexity: a part"),
    row("output_tokens_cost", Known, "Perplexity: a part"),
    row("reasoning_tokens_cost", Known, "Perplexity: a part"),
    row("citation_tokens_cost", Known, "Perplexity: a part"),
    row("search_queries_cost", Known, "Perplexity: a part"),
    row("request_cost", Known, "Perplexity: a part"),
];

/// The row of a name.
pub(super) fn find(table: &'static [Name], name: &str) -> Option<&'static Name> {
    table.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_in_its_table() {
        for table in [
            USAGE,
            INPUT,
            WHOLE_INPUT,
            WHOLE_OUTPUT,
            CACHED,
            WRITTEN,
            CREATION,
            OUTPUT,
            SERVER_TOOLS,
            SERVER_SIDE_TOOLS,
            CONNECTORS,
            BILLED_UNITS,
            COST,
        ] {
            for (at, row) in table.iter().enumerate() {
                assert!(!row.source.is_empty(), "{}", row.name);
                let again = table.iter().skip(at + 1).find(|other| other.name == row.name);
                assert!(again.is_none(), "{} stands twice", row.name);
            }
        }
    }
}
