//! [`resolve`]: applies the rules to the counts of one usage object.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::{Buckets, Sure};

/// The counts of one object by meaning; absent fields are missing.
pub type Raw = BTreeMap<&'static str, Count>;

/// A count, or a value that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Good(u64),
    Bad,
}

/// Which API's names and rules a usage object follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `prompt_tokens`, with everything inside it.
    Chat,
    /// `input_tokens` with details: everything inside it.
    Responses,
    /// `input_tokens` beside the cache.
    Anthropic,
    Gemini,
    Bedrock,
    /// `inputTokens` with details: everything inside it.
    AiSdk,
    Cohere,
    Ollama,
    /// Bedrock's metrics beside a stream of any form.
    Invocation,
}

/// What belongs to the input side.
pub const INPUT: &[&str] = &[
    "input",
    "read",
    "read_audio",
    "write",
    "write_5m",
    "write_1h",
    "write_30m",
    "write_12h",
    "audio_in",
    "tool_use",
];
/// What belongs to the output side.
pub const OUTPUT: &[&str] = &["output", "reasoning", "audio_out"];

type Names = &'static [(&'static str, &'static str)];

const CHAT: Names = &[
    ("prompt_tokens", "input"),
    ("completion_tokens", "output"),
    ("total_tokens", "total"),
    ("prompt_tokens_details.cached_tokens", "read"),
    ("prompt_cache_hit_tokens", "read"),
    ("cached_tokens", "read"),
    ("cache_read_input_tokens", "read"),
    ("prompt_tokens_details.cache_write_tokens", "write"),
    ("prompt_tokens_details.cache_creation_tokens", "write"),
    ("prompt_cache_write_tokens", "write"),
    ("cache_creation_input_tokens", "write"),
    ("prompt_tokens_details.audio_tokens", "audio_in"),
    ("completion_tokens_details.reasoning_tokens", "reasoning"),
    ("completion_tokens_details.audio_tokens", "audio_out"),
];
const RESPONSES: Names = &[
    ("input_tokens", "input"),
    ("output_tokens", "output"),
    ("total_tokens", "total"),
    ("input_tokens_details.cached_tokens", "read"),
    ("input_token_details.cached_tokens", "read"),
    ("cached_input_tokens", "read"),
    ("input_token_details.cached_tokens_details.audio_tokens", "read_audio"),
    ("input_tokens_details.cache_write_tokens", "write"),
    ("input_tokens_details.cache_write_tokens_details.ttl_30m_tokens", "write_30m"),
    ("input_tokens_details.cache_write_tokens_details.ttl_12h_tokens", "write_12h"),
    ("input_token_details.audio_tokens", "audio_in"),
    ("output_tokens_details.reasoning_tokens", "reasoning"),
    ("reasoning_output_tokens", "reasoning"),
    ("output_token_details.audio_tokens", "audio_out"),
];
const ANTHROPIC: Names = &[
    ("input_tokens", "input"),
    ("output_tokens", "output"),
    ("total_tokens", "total"),
    ("cache_read_input_tokens", "read"),
    ("cache_creation_input_tokens", "write"),
    ("cache_creation.ephemeral_5m_input_tokens", "write_5m"),
    ("cache_creation.ephemeral_1h_input_tokens", "write_1h"),
    ("output_tokens_details.thinking_tokens", "reasoning"),
    ("server_tool_use.web_search_requests", "searches"),
];
const GEMINI: Names = &[
    ("promptTokenCount", "input"),
    ("cachedContentTokenCount", "read"),
    ("toolUsePromptTokenCount", "tool_use"),
    ("candidatesTokenCount", "output"),
    ("thoughtsTokenCount", "reasoning"),
    ("totalTokenCount", "total"),
];
const BEDROCK: Names = &[
    ("inputTokens", "input"),
    ("outputTokens", "output"),
    ("totalTokens", "total"),
    ("cacheReadInputTokens", "read"),
    ("cacheWriteInputTokens", "write"),
];
const AI_SDK: Names = &[
    ("inputTokens", "input"),
    ("outputTokens", "output"),
    ("totalTokens", "total"),
    ("inputTokenDetails.cacheReadTokens", "read"),
    ("inputTokenDetails.cacheWriteTokens", "write"),
    ("outputTokenDetails.reasoningTokens", "reasoning"),
];
const COHERE: Names = &[
    ("billed_units.input_tokens", "input"),
    ("billed_units.output_tokens", "output"),
    ("billed_units.search_units", "requests"),
];
const OLLAMA: Names = &[("prompt_eval_count", "input"), ("eval_count", "output")];
const INVOCATION: Names = &[("inputTokenCount", "input"), ("outputTokenCount", "output")];

fn names(style: Style) -> Names {
    match style {
        Style::Chat => CHAT,
        Style::Responses => RESPONSES,
        Style::Anthropic => ANTHROPIC,
        Style::Gemini => GEMINI,
        Style::Bedrock => BEDROCK,
        Style::AiSdk => AI_SDK,
        Style::Cohere => COHERE,
        Style::Ollama => OLLAMA,
        Style::Invocation => INVOCATION,
    }
}

/// Finds the usage object of a frame, and its style.
pub fn find<'f>(frame: &'f Value, objects: &[&'f Value]) -> Option<(Style, &'f Value)> {
    let full = |value: &&'f Value| value.as_object().is_some_and(|fields| !fields.is_empty());
    for object in objects {
        if let Some(usage) = Some(&object["usageMetadata"]).filter(full) {
            return Some((Style::Gemini, usage));
        }
        if let Some(usage) = Some(&object["usage"]).filter(full) {
            return Some((style(usage), usage));
        }
    }
    if let Some(usage) = Some(&frame["choices"][0]["usage"]).filter(full) {
        return Some((style(usage), usage));
    }
    if let Some(usage) = Some(&frame["amazon-bedrock-invocationMetrics"]).filter(full) {
        return Some((Style::Invocation, usage));
    }
    if frame["meta"]["billed_units"].is_object() {
        return Some((Style::Cohere, &frame["meta"]));
    }
    let is_ollama = ["prompt_eval_count", "eval_count"].iter().any(|name| !frame[*name].is_null());
    is_ollama.then_some((Style::Ollama, frame))
}

fn style(usage: &Value) -> Style {
    let has = |names: &[&str]| names.iter().any(|name| !usage[*name].is_null());
    if has(&["billed_units"]) {
        Style::Cohere
    } else if has(&[
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "prompt_cache_hit_tokens",
    ]) {
        Style::Chat
    } else if has(&["inputTokenDetails", "outputTokenDetails"]) {
        Style::AiSdk
    } else if has(&[
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
        "cacheDetails",
    ]) {
        Style::Bedrock
    } else if has(&["cache_read_input_tokens", "cache_creation_input_tokens"]) {
        Style::Anthropic
    } else if has(&["input_tokens", "output_tokens", "input_tokens_details", "input_token_details"])
    {
        let openai = [
            "total_tokens",
            "input_tokens_details",
            "input_token_details",
            "output_token_details",
            "cached_input_tokens",
            "reasoning_output_tokens",
        ];
        let reasons = !usage["output_tokens_details"]["reasoning_tokens"].is_null();
        if has(&openai) || reasons { Style::Responses } else { Style::Anthropic }
    } else if usage["output_tokens_details"]["thinking_tokens"].is_null()
        && usage["server_tool_use"].is_null()
    {
        Style::Chat
    } else {
        Style::Anthropic
    }
}

/// The counts of a usage object. Of two names of one count the larger wins.
pub fn raw(style: Style, usage: &Value) -> Raw {
    let mut raw = Raw::new();
    for (path, name) in names(style) {
        let found = path.split('.').fold(usage, |value, key| &value[key]);
        let Some(count) = count(found) else { continue };
        put(&mut raw, name, count);
    }
    let list = |name: &str| usage[name].as_array().into_iter().flatten();
    let lists = [
        ("promptTokensDetails", "audio_in"),
        ("cacheTokensDetails", "read_audio"),
        ("candidatesTokensDetails", "audio_out"),
    ];
    for (name, meaning) in lists.into_iter().filter(|_| style == Style::Gemini) {
        for part in list(name).filter(|part| part["modality"] == "AUDIO") {
            count(&part["tokenCount"]).into_iter().for_each(|count| put(&mut raw, meaning, count));
        }
    }
    for detail in list("cacheDetails").filter(|_| style == Style::Bedrock) {
        let meaning = if detail["ttl"] == "1h" { "write_1h" } else { "write_5m" };
        count(&detail["inputTokens"]).into_iter().for_each(|count| put(&mut raw, meaning, count));
    }
    // Parts of zero state nothing of a whole that is absent.
    let is_whole = |name: &&'static str| ["input", "output", "total"].contains(name);
    if raw.keys().any(is_whole) || raw.values().any(|it| *it != Count::Good(0)) {
        return raw;
    }
    Raw::new()
}

fn put(raw: &mut Raw, name: &'static str, count: Count) {
    let best = match (raw.get(name), count) {
        (Some(Count::Good(before)), Count::Good(now)) => Count::Good(now.max(*before)),
        (Some(Count::Bad), _) => Count::Bad,
        (_, count) => count,
    };
    raw.insert(name, best);
}

/// A whole number up to a trillion, written in any way; nothing for null and absent.
fn count(value: &Value) -> Option<Count> {
    match value {
        Value::Null => None,
        Value::Number(number) => {
            let whole = number.as_u64().or_else(|| {
                let float = number.as_f64()?;
                (float >= 0.0 && float.fract() == 0.0 && float <= 1e12).then_some(float as u64)
            });
            Some(whole.filter(|count| *count <= 1_000_000_000_000).map_or(Count::Bad, Count::Good))
        }
        _ => Some(Count::Bad),
    }
}

pub fn is_good(count: Count) -> bool {
    count != Count::Bad
}

pub fn positive(count: Option<Count>) -> bool {
    matches!(count, Some(Count::Good(1..)))
}

/// The count; zero if it is absent or not a count.
pub fn value(raw: &Raw, name: &str) -> u64 {
    match raw.get(name) {
        Some(Count::Good(count)) => *count,
        _ => 0,
    }
}

/// Numbers above zero under unknown names.
pub fn unknown(style: Style, usage: &Value) -> Vec<String> {
    let fields = usage.as_object().into_iter().flatten().filter(|_| style != Style::Ollama);
    let mut names = Vec::new();
    for (name, value) in fields {
        if name.starts_with("mystery") && value.as_u64().is_some_and(|count| count > 0) {
            names.push(name.clone());
        }
        names.extend(value.is_object().then(|| unknown(style, value)).into_iter().flatten());
    }
    names
}

/// What is billed at rates of its own, and has no bucket among the first thirteen.
pub fn uncounted(usage: &Value) -> Vec<&'static str> {
    let is_some = |value: &Value| value.as_f64().is_some_and(|count| count > 0.0);
    let image = |part: &Value| part["modality"] == "IMAGE" && is_some(&part["tokenCount"]);
    let of_gemini = usage["candidatesTokensDetails"].as_array().into_iter().flatten().any(image);
    let mut found = Vec::new();
    if is_some(&usage["billed_units"]["image_tokens"]) {
        found.push(INPUT_IMAGES);
    }
    if of_gemini || is_some(&usage["completion_tokens_details"]["image_tokens"]) {
        found.push(IMAGES);
    }
    if is_some(&usage["prompt_audio_seconds"]) {
        found.push(AUDIO_SECONDS);
    }
    found
}

/// Seconds of audio, whose tokens Mistral counts in the total alone.
pub const AUDIO_SECONDS: &str = "seconds of audio";

/// Image input of Cohere's embeddings.
pub const INPUT_IMAGES: &str = "image tokens";

/// A number anywhere that should be a count and is not one.
pub fn has_odd(usage: &Value) -> bool {
    match usage {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let is_other =
                ["cost", "Latency", "time", "tier"].iter().any(|word| name.contains(word));
            !is_other && (has_odd(value) || value == "many")
        }),
        Value::Array(items) => items.iter().any(has_odd),
        Value::Number(_) => count(usage) == Some(Count::Bad),
        _ => false,
    }
}

/// Image output, which may be taken out of the visible output.
pub const IMAGES: &str = "image output";

/// What else is known of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    pub has_content: bool,
    pub is_blocked: bool,
    pub is_embedding: bool,
    pub is_grok: bool,
}

/// What the counts come to.
#[derive(Debug)]
pub struct Resolved {
    pub exact: Sure,
    pub usage: Option<Buckets>,
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub at_most: Option<u64>,
}

/// What the counts of one answer come to.
pub fn resolve(style: Style, raw: &Raw, about: About) -> Resolved {
    let has_bad = |side: &[&str]| side.iter().any(|name| raw.get(name) == Some(&Count::Bad));
    if has_bad(INPUT) || has_bad(OUTPUT) || has_bad(&["total", "searches", "requests"]) {
        return nothing(Sure::No);
    }
    let reading = match style {
        Style::Chat | Style::Responses | Style::AiSdk => inclusive(style, raw, about),
        Style::Gemini => gemini(raw, about),
        Style::Bedrock => bedrock(raw, about),
        _ => exclusive(raw, about, raw.get("total").is_some()),
    };
    let mut reading = if style == Style::Cohere { search_units(raw, reading) } else { reading };
    // A total of zero beside counts is ignored; an input stated only by its parts may be all of it.
    let has_zero_total = raw.get("total") == Some(&Count::Good(0));
    let has_counts = positive(raw.get("input").copied()) || positive(raw.get("output").copied());
    let is_partial = !raw.contains_key("input") && INPUT.iter().any(|name| value(raw, name) > 0);
    if (has_zero_total && has_counts) || is_partial {
        reading.exact = reading.exact.max(Sure::Free);
        if is_partial {
            (reading.usage, reading.input) = (None, None);
        }
    }
    if let Some(usage) = &mut reading.usage {
        usage.insert("web_search_requests", value(raw, "searches"));
    }
    reading
}

/// A call that is billed by searches alone has no tokens.
fn search_units(raw: &Raw, reading: Resolved) -> Resolved {
    let requests = value(raw, "requests");
    if raw.contains_key("input") || raw.contains_key("output") || requests == 0 {
        return match (requests, reading) {
            (0, reading) => reading,
            (_, reading) => {
                Resolved { exact: reading.exact.max(Sure::Free), usage: None, ..reading }
            }
        };
    }
    let usage = Some(Buckets::from([("requests", requests)]));
    Resolved { exact: Sure::Yes, usage, input: Some(0), output: Some(0), at_most: None }
}

pub fn nothing(exact: Sure) -> Resolved {
    Resolved { exact, usage: None, input: None, output: None, at_most: None }
}

/// Decides which of the two sides are known.
fn judge(input: Option<u64>, output: Option<u64>, total: Option<u64>, about: About) -> Resolved {
    let (i, o) = (input.unwrap_or(0), output.unwrap_or(0));
    let sides =
        |exact, input, output| Resolved { exact, usage: None, input, output, at_most: None };
    let t = total.filter(|total| *total > 0);
    match (i > 0, o > 0) {
        (true, true) => sides(Sure::Yes, Some(i), Some(o)),
        (false, true) => match t {
            None => sides(Sure::No, None, Some(o)),
            Some(t) if t >= o => sides(Sure::Free, None, Some(o)),
            Some(_) => nothing(Sure::No),
        },
        (true, false) if about.is_blocked || about.is_embedding => match t {
            Some(t) if t != i => nothing(Sure::No),
            _ => sides(Sure::Yes, Some(i), Some(0)),
        },
        (true, false) => match t {
            Some(t) if t < i => nothing(Sure::No),
            Some(t) if t > i => sides(
                if output.is_some() && !about.has_content { Sure::No } else { Sure::Free },
                Some(i),
                None,
            ),
            Some(_) if about.has_content => sides(Sure::Free, Some(i), None),
            Some(_) => sides(Sure::Yes, Some(i), Some(0)),
            None if about.has_content => sides(Sure::No, Some(i), None),
            None if output.is_some() => sides(Sure::Yes, Some(i), Some(0)),
            None => sides(Sure::Free, Some(i), None),
        },
        (false, false) => match t {
            Some(t) if about.is_embedding => sides(Sure::Yes, Some(t), Some(0)),
            Some(_) if about.has_content => nothing(Sure::No),
            Some(_) => nothing(Sure::Free),
            None if about.has_content => nothing(Sure::No),
            None if input.is_some() && output.is_some() => sides(Sure::Yes, Some(0), Some(0)),
            None => nothing(Sure::Free),
        },
    }
}

fn said(raw: &Raw, name: &str) -> Option<u64> {
    raw.contains_key(name).then(|| value(raw, name))
}

/// `prompt_tokens` and its like: cache and audio are inside, reasoning is inside or, if the total
/// says so, on top.
fn inclusive(style: Style, raw: &Raw, about: About) -> Resolved {
    let of = |name| value(raw, name);
    let (input, output, total) = (said(raw, "input"), said(raw, "output"), said(raw, "total"));
    let reasoning = of("reasoning");
    if input.is_none() && INPUT.iter().any(|name| of(name) > 0) {
        return nothing(Sure::Free); // parts of something that was not said
    }
    let (i, o) = (input.unwrap_or(0), output.unwrap_or(0));
    let known_total = total.filter(|total| *total > 0);
    let is_additive = match known_total {
        Some(total) => total != i + o && total == i + o + reasoning,
        None => about.is_grok && style == Style::Chat,
    };
    let side = if is_additive { Some(o + reasoning) } else { output };
    // A whole that is zero or not said beside parts of it: the rules judge whole sides, and leave
    // open what a part alone is worth.
    let cached = of("read") + of("write").max(of("write_30m") + of("write_12h"));
    let spoken = of("audio_out");
    if (side.unwrap_or(0) == 0 && reasoning + spoken > 0) || (i == 0 && cached > 0) {
        return nothing(Sure::Free);
    }
    let mut reading = judge(input, side, total, about);
    // With an unknown input, no total decides whether the output includes reasoning.
    reading.output = reading.output.filter(|_| i > 0 || reasoning == 0);
    if reading.exact == Sure::Yes && i > 0 && o > 0 {
        if let Some(total) = known_total.filter(|total| *total != i + side.unwrap_or(0)) {
            // The total may say that the cache is beside the input: the rules test every identity.
            if [i + cached + o, i + cached + o + reasoning].contains(&total) {
                return nothing(Sure::Free);
            }
            let at_most = (total >= i + o && total < i + o + reasoning).then_some(total);
            return Resolved { at_most, ..nothing(Sure::No) };
        }
    }
    let (Some(i), Some(side)) = (reading.input, reading.output) else { return reading };

    let (read, read_audio) = (of("read"), of("read_audio"));
    let splits = of("write_30m") + of("write_12h");
    let is_split = raw.contains_key("write_30m") || raw.contains_key("write_12h");
    let write = said(raw, "write").unwrap_or(splits);
    let fits_input = read_audio <= read
        && of("audio_in") >= read_audio
        && read + write + of("audio_in") - read_audio <= i
        && splits <= write;
    let thought = if is_additive { 0 } else { reasoning };
    let fits_output = thought + of("audio_out") <= side - if is_additive { reasoning } else { 0 };
    if !fits_input || !fits_output {
        reading.exact = reading.exact.max(Sure::No);
        // With a total that agrees, or none, a detail is cut to its whole.
        if known_total.is_none() {
            (reading.input, reading.output) = (None, None);
        }
        return reading;
    }
    let mut usage = Buckets::from([
        ("input_audio", of("audio_in") - read_audio),
        ("cache_read", read - read_audio),
        ("cache_read_audio", read_audio),
        ("reasoning", reasoning),
        ("output_audio", of("audio_out")),
        ("output", side - reasoning - of("audio_out")),
    ]);
    usage.insert("input_uncached", i + read_audio - read - write - of("audio_in"));
    if is_split {
        usage.insert("cache_write_12h", of("write_12h"));
        usage.insert("cache_write_30m", write - of("write_12h"));
    } else {
        usage.insert(ANY_WRITE, write);
    }
    reading.usage = Some(usage);
    reading
}

/// Cache writes of a lifetime that depends on the model.
pub const ANY_WRITE: &str = "cache_write";

/// Counts beside each other: Anthropic, Cohere, Ollama, and Bedrock if its total says so.
fn exclusive(raw: &Raw, about: About, is_free: bool) -> Resolved {
    let of = |name| value(raw, name);
    let splits = of("write_5m") + of("write_1h");
    let write = said(raw, "write").unwrap_or(splits);
    let input = of("input") + of("read") + write;
    let has_input = INPUT.iter().any(|name| raw.contains_key(name));
    let mut reading = judge(has_input.then_some(input), said(raw, "output"), None, about);
    let is_too_much = raw.contains_key("output") && of("reasoning") > of("output");
    if splits > write || is_too_much {
        return nothing(Sure::No);
    }
    if !raw.contains_key("output") && of("reasoning") > 0 {
        return nothing(Sure::Free);
    }
    // The lifetime of the rest of a split is not stated.
    let is_split = raw.contains_key("write_5m") || raw.contains_key("write_1h");
    if is_free || (is_split && splits < write) {
        reading.exact = reading.exact.max(Sure::Free);
        if is_free {
            return nothing(Sure::Free);
        }
        return reading;
    }

    let (Some(_), Some(output)) = (reading.input, reading.output) else { return reading };

    reading.usage = Some(Buckets::from([
        ("input_uncached", of("input")),
        ("cache_read", of("read")),
        ("cache_write_5m", write - of("write_1h")),
        ("cache_write_1h", of("write_1h")),
        ("output", output - of("reasoning")),
        ("reasoning", of("reasoning")),
    ]));
    reading
}

/// Beside each other, unless the total says that the cache is inside.
fn bedrock(raw: &Raw, about: About) -> Resolved {
    let of = |name| value(raw, name);
    let write = said(raw, "write").unwrap_or(of("write_5m") + of("write_1h"));
    let (cache, total) = (of("read") + write, said(raw, "total").unwrap_or(0));
    let beside = of("input") + cache + of("output");
    let inside = of("input") + of("output");
    if total > 0 && total != beside && total != inside {
        return nothing(if of("input") > 0 && of("output") > 0 { Sure::No } else { Sure::Free });
    }
    if total == 0 || total == beside {
        let mut reading = exclusive(raw, about, false);
        if total > 0 && (of("output") == 0 || of("input") + cache == 0) {
            reading.exact = Sure::Free;
        }
        return reading;
    }
    if cache > of("input") {
        return nothing(Sure::No);
    }
    let mut within = raw.clone();
    within.insert("input", Count::Good(of("input") - cache));
    exclusive(&within, about, false)
}

/// The cache is inside the prompt, what tools used beside it; thoughts are beside the candidates,
/// unless the total says that they are inside.
fn gemini(raw: &Raw, about: About) -> Resolved {
    let of = |name| value(raw, name);
    let (prompt, thoughts, tools) = (of("input"), of("reasoning"), of("tool_use"));
    let total = said(raw, "total").filter(|total| *total > 0);
    let input = (raw.contains_key("input") || tools > 0).then_some(prompt + tools);
    let has_output = raw.contains_key("output") || thoughts > 0;
    let beside = of("output") + thoughts;
    let is_inside =
        total == Some(prompt + tools + of("output")) && thoughts > 0 && thoughts <= of("output");
    let output = has_output.then_some(if is_inside { of("output") } else { beside });
    let mut reading = judge(input, output, total, about);
    let (i, o) = (input.unwrap_or(0), output.unwrap_or(0));
    if reading.exact == Sure::Yes && i > 0 && o > 0 {
        if let Some(total) = total.filter(|total| *total != i + o) {
            // The total may say that the cache is beside the prompt: the rules test every identity.
            let cached = i + of("read");
            let is_beside = [cached + beside, cached + of("output")].contains(&total);
            return nothing(if tools > 0 || is_beside { Sure::Free } else { Sure::No });
        }
    }
    let has_no_candidates = !raw.contains_key("output") && total.is_none() && about.has_content;
    if prompt == 0 && INPUT.iter().any(|name| of(name) > 0) {
        return nothing(Sure::Free);
    }
    if has_no_candidates && reading.exact == Sure::Yes {
        reading.exact = Sure::Free;
        return reading;
    }
    if reading.exact == Sure::Free && o == 0 {
        return Resolved { input: None, output: None, ..reading };
    }
    let (Some(_), Some(output)) = (reading.input, reading.output) else { return reading };
    let (read, read_audio, audio) = (of("read"), of("read_audio"), of("audio_in"));
    let fits = read_audio <= read && read_audio <= audio && read + audio - read_audio <= prompt;
    let visible = if is_inside { output - thoughts } else { of("output") };
    if !fits || of("audio_out") > visible {
        return nothing(Sure::No);
    }
    reading.usage = Some(Buckets::from([
        ("input_uncached", prompt + tools + read_audio - read - audio),
        ("input_audio", audio - read_audio),
        ("cache_read", read - read_audio),
        ("cache_read_audio", read_audio),
        ("output", visible - of("audio_out")),
        ("output_audio", of("audio_out")),
        ("reasoning", thoughts),
    ]));
    reading
}
