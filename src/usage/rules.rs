//! [`resolve`]: turns the counts of one answer into disjoint buckets, by the rule of its API.
//!
//! APIs differ in which counts include which: OpenAI's `prompt_tokens` contain the cached ones,
//! Anthropic's `input_tokens` do not; xAI adds reasoning to the completion, OpenAI includes it.
//! Servers that copy a form do not always keep its rule, so a total decides where there is one: the
//! reading that adds up to it is the right one.

use super::names::Field;
use super::raw::RawUsage;
use super::{Bucket, Usage};

/// The API form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// OpenAI's, the servers that keep its rule (Azure, Mistral, Groq, DeepSeek, Cerebras, Together,
    /// Hugging Face, Z.ai, Snowflake, Voyage, vLLM), and Ollama's own API.
    OpenAi,
    /// xAI: without a total, reasoning comes on top of the completion.
    Xai,
    /// OpenRouter: reports its cost.
    OpenRouter,
    /// Perplexity: reports its cost, and takes a fee for each request.
    Perplexity,
    /// Anthropic's messages, on Bedrock and on Vertex too, and Bedrock's Converse.
    Anthropic,
    /// Gemini's `generateContent`, on Vertex too.
    Gemini,
    /// Cohere's v2 API.
    Cohere,
}

/// A sign of the API form of a usage object, given by a field name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Hint {
    OpenAi = 1,
    /// OpenAI's Responses API, or another that keeps its rule: Anthropic states no total.
    Total = 1 << 1,
    Bedrock = 1 << 2,
    /// An SDK in front of the provider, which has converted the counts to OpenAI's rule.
    Sdk = 1 << 3,
    Anthropic = 1 << 4,
    /// Anthropic's name for cache writes, in another form.
    Creation = 1 << 5,
    Cohere = 1 << 6,
    Gemini = 1 << 7,
    Ollama = 1 << 8,
    Xai = 1 << 9,
    OpenRouter = 1 << 10,
    Perplexity = 1 << 11,
}

/// Several hints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints(u16);

impl Hints {
    pub(super) fn add(&mut self, hint: Hint) {
        self.0 |= hint as u16;
    }

    pub(super) fn join(&mut self, other: Hints) {
        self.0 |= other.0;
    }

    pub(super) fn has(self, hint: Hint) -> bool {
        self.0 & hint as u16 != 0
    }

    /// The API form that the hints point to.
    pub(super) fn api(self, model: Option<&str>) -> Api {
        // The provider, where the form is OpenAI's.
        let sellers = [
            (Hint::Perplexity, Api::Perplexity),
            (Hint::Xai, Api::Xai),
            (Hint::OpenRouter, Api::OpenRouter),
        ];
        let seller = sellers.into_iter().find(|(hint, _)| self.has(*hint)).map(|(_, api)| api);
        let is_grok = model.is_some_and(|model| model.starts_with("grok"));
        let seller = seller.or(is_grok.then_some(Api::Xai));
        let is_openai = self.has(Hint::OpenAi) || (self.has(Hint::Bedrock) && self.has(Hint::Sdk));
        let is_anthropic = self.has(Hint::Bedrock) || self.has(Hint::Anthropic);
        match () {
            () if self.has(Hint::Gemini) => Api::Gemini,
            () if self.has(Hint::Ollama) => Api::OpenAi,
            () if self.has(Hint::Cohere) => Api::Cohere,
            () if is_openai => seller.unwrap_or(Api::OpenAi),
            () if is_anthropic => Api::Anthropic,
            () if self.has(Hint::Total) || self.has(Hint::Sdk) => seller.unwrap_or(Api::OpenAi),
            () => seller.unwrap_or(Api::Anthropic),
        }
    }
}

/// Which counts include which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    /// The input includes what was read from the cache and written to it.
    is_cache_inside: bool,
    /// The output includes reasoning.
    is_reasoning_inside: bool,
}

impl Rule {
    const fn of(api: Api) -> Rule {
        let (is_cache_inside, is_reasoning_inside) = match api {
            Api::OpenAi | Api::OpenRouter | Api::Cohere => (true, true),
            Api::Xai | Api::Perplexity | Api::Gemini => (true, false),
            Api::Anthropic => (false, true),
        };
        Rule { is_cache_inside, is_reasoning_inside }
    }

    /// All four rules, this one first.
    fn first(self) -> [Rule; 4] {
        [(false, false), (false, true), (true, false), (true, true)].map(|(cache, reasoning)| {
            Rule {
                is_cache_inside: self.is_cache_inside ^ cache,
                is_reasoning_inside: self.is_reasoning_inside ^ reasoning,
            }
        })
    }
}

/// What is known of one side of a call, input or output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    /// The counts are right.
    #[default]
    Known,
    /// Zero or absent: right only if the answer is empty.
    KnownIfEmpty,
    /// Zero or absent, and wrong.
    Unknown,
}

/// The buckets of one answer, and how sure they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Resolved {
    pub(super) usage: Usage,
    pub(super) input: Side,
    pub(super) output: Side,
    /// Only the total is known, and counted as input: some of it may be output.
    pub(super) is_unsplit: bool,
    pub(super) is_estimated: bool,
    /// The first contradiction, as a clause.
    pub(super) contradiction: Option<String>,
}

impl Resolved {
    fn contradict(&mut self, what: impl FnOnce() -> String) {
        self.is_estimated = true;
        self.contradiction.get_or_insert_with(what);
    }
}

/// The sums of an answer as they are stated.
#[derive(Clone, Copy)]
struct Stated {
    input: Option<u64>,
    uncached: Option<u64>,
    of_tools: u64,
    cached: u64,
    /// The least that the details of the input need.
    input_parts: u64,
    output: Option<u64>,
    reasoning: u64,
    /// Audio and images, which the output includes under every rule.
    output_parts: u64,
}

impl Stated {
    /// All input under a rule; `None` if it is not stated.
    fn input_by(&self, rule: Rule) -> Option<u64> {
        match (self.input, self.uncached) {
            // An input of zero cannot include the cached input.
            (Some(input), _) if rule.is_cache_inside && input > 0 => Some(input),
            (Some(input), _) => Some(input.saturating_add(self.cached)),
            (None, Some(uncached)) => Some(uncached.saturating_add(self.cached)),
            (None, None) => Some(self.input_parts).filter(|&parts| parts > 0),
        }
    }

    /// All output under a rule; `None` if it is not stated.
    fn output_by(&self, rule: Rule) -> Option<u64> {
        match self.output {
            Some(output) if rule.is_reasoning_inside => Some(output),
            Some(output) => Some(output.saturating_add(self.reasoning)),
            None => Some(self.reasoning.saturating_add(self.output_parts)).filter(|&it| it > 0),
        }
    }
}

/// Resolves the counts of one answer.
pub(super) fn resolve(raw: &RawUsage, api: Api, model: Option<&str>) -> Resolved {
    // The counts as they are stated.
    let of_lifetimes = raw.sum(&[
        Field::CacheWrite5m,
        Field::CacheWrite30m,
        Field::CacheWrite1h,
        Field::CacheWrite12h,
    ]);
    let written = raw.or_zero(Field::CacheWrite).max(of_lifetimes);
    // Cohere bills what it has cached like the rest.
    let read = if api == Api::Cohere { 0 } else { raw.or_zero(Field::CacheRead) };
    let cached = read.saturating_add(written);
    let stated = Stated {
        input: raw.get(Field::Input),
        uncached: raw.get(Field::InputUncached),
        of_tools: raw.or_zero(Field::InputOfTools),
        cached,
        input_parts: cached.max(raw.sum(&[Field::InputAudio, Field::InputImage])),
        output: raw.get(Field::Output),
        reasoning: raw.or_zero(Field::Reasoning),
        output_parts: raw.sum(&[Field::OutputAudio, Field::OutputImage]),
    };

    // Their sums, by the API's rule or by the total.
    let mut resolved = Resolved::default();
    if raw.has(Field::CacheWrite) && of_lifetimes > raw.or_zero(Field::CacheWrite) {
        resolved.contradict(|| {
            let all = raw.or_zero(Field::CacheWrite);
            format!("the cache writes by lifetime are {of_lifetimes}, more than the {all} of all")
        });
    }
    let (input, output) = wholes(raw, api, &stated, &mut resolved);
    let input = with_images(raw, api, input, &mut resolved);
    // Their buckets.
    fill_input(raw, api, model, input, (read, written), &mut resolved);
    fill_output(raw, output, &mut resolved);
    let usage = &mut resolved.usage;
    usage.input_uncached = usage.input_uncached.saturating_add(stated.of_tools);
    usage.audio_seconds = raw.or_zero(Field::Seconds);
    // Perplexity charges a fee for each request, and does not count it.
    usage.requests = raw.or_zero(Field::Requests).max(u64::from(api == Api::Perplexity));
    usage.web_search_requests = raw.or_zero(Field::Searches);
    usage.file_search_requests = raw.or_zero(Field::FileSearches);
    usage.code_containers = raw.or_zero(Field::Containers);
    usage.maps_requests = raw.or_zero(Field::Maps);
    resolved
}

/// Adds the images that Cohere counts separately. Cohere does not document whether its input
/// includes them: they are taken to come on top. (<https://docs.cohere.com/reference/embed>)
fn with_images(raw: &RawUsage, api: Api, input: u64, resolved: &mut Resolved) -> u64 {
    let images = raw.or_zero(Field::InputImage);
    if api != Api::Cohere || images == 0 {
        return input;
    }
    resolved.contradict(|| {
        format!(
            "Cohere does not document whether the input of {input} has {images} image tokens inside"
        )
    });
    if raw.has(Field::Input) { input.saturating_add(images) } else { input }
}

/// All input except that of tools, and all output: resolves a side that is zero or absent.
fn wholes(raw: &RawUsage, api: Api, stated: &Stated, resolved: &mut Resolved) -> (u64, u64) {
    let rule = Rule::of(api);
    let of_tools = stated.of_tools;
    let (input, output) = (stated.input_by(rule), stated.output_by(rule));
    let some_input = input.filter(|&count| count > 0);
    // An output of zero cannot include the reasoning: then the reasoning is beside it.
    let beside = stated.output_by(Rule { is_reasoning_inside: false, ..rule });
    let some_output = [output, beside].into_iter().flatten().find(|&count| count > 0);
    let total = raw.get(Field::Total).filter(|&total| {
        // A total of zero beside other counts was never filled in. One beside seconds of audio
        // counts the audio, which is billed by its length.
        let is_empty = some_input.is_none() && some_output.is_none();
        (total > 0 || is_empty) && raw.or_zero(Field::Seconds) == 0
    });
    if raw.or_zero(Field::Seconds) > 0 {
        if some_input.is_some() && some_output.is_none() {
            resolved.output = Side::KnownIfEmpty;
        }
        return (input.unwrap_or(0), output.unwrap_or(0));
    }
    match (some_input, some_output, total) {
        (Some(_), Some(_), Some(total)) => both(api, rule, stated, total, resolved),
        (Some(_), Some(_), None) => by_rule(rule, stated, resolved),
        // The output is zero, or not stated.
        (Some(input), None, total) => {
            // A total below the input leaves out what tools brought in, or has the cache inside.
            let within = stated.input_by(Rule { is_cache_inside: true, ..rule }).unwrap_or(input);
            let fitting = total.and_then(|total| {
                let readings = [(input, of_tools), (input, 0), (within, of_tools), (within, 0)];
                readings.into_iter().find_map(|(input, of_tools)| {
                    Some((input, total.checked_sub(input.saturating_add(of_tools))?))
                })
            });
            let least = input.saturating_add(of_tools);
            // As where both sides are above zero, a total decides where the cache is.
            let is_cache_inside =
                output.is_some() && total == Some(within.saturating_add(of_tools));
            if total.is_some_and(|total| total < least) && !is_cache_inside {
                resolved.contradict(|| format!("the total is less than the input of {least}"));
            }
            let (input, rest) = fitting.unwrap_or((input, 0));
            if rest > 0 && output.is_some() {
                resolved
                    .contradict(|| format!("the output is 0 where the total leaves {rest} of it"));
            } else if rest == 0 && (fitting.is_none() || output.is_some()) {
                // An absent side is zero if the total accounts for the rest.
                resolved.output = Side::KnownIfEmpty;
            }
            (input, rest)
        }
        // The input is zero, or not stated.
        (None, Some(output), total) => {
            let inside = Rule { is_reasoning_inside: true, ..rule };
            let outputs = [Some(output), stated.output_by(inside)];
            let fits = |output: &u64| total.is_some_and(|total| *output <= total);
            let fitting = outputs.into_iter().flatten().find(fits);
            let Some((fitting, total)) = fitting.zip(total) else {
                resolved.input = Side::Unknown;
                return (0, output);
            };
            let rest = total - fitting;
            if rest == 0 && input.is_some() {
                resolved.input = Side::Unknown;
                return (0, output);
            }
            if input.is_some() {
                resolved
                    .contradict(|| format!("the input is 0 where the total leaves {rest} of it"));
            }
            (rest, fitting)
        }
        (None, None, total) => {
            let total = total.unwrap_or(0);
            resolved.is_unsplit = total > 0;
            // A zero that is stated beside a total contradicts it.
            if total > 0 && input.is_some() && output.is_some() {
                resolved.contradict(|| format!("all counts are 0 beside a total of {total}"));
            }
            resolved.output = Side::KnownIfEmpty;
            if total == 0 {
                resolved.input = Side::KnownIfEmpty;
            }
            (total, 0)
        }
    }
}

/// Both sides are stated, and a total.
fn both(api: Api, rule: Rule, stated: &Stated, total: u64, resolved: &mut Resolved) -> (u64, u64) {
    let of_tools = stated.of_tools;
    let by = |rule| (stated.input_by(rule).unwrap_or(0), stated.output_by(rule).unwrap_or(0));
    let (input, output) = by(Rule { is_reasoning_inside: true, ..rule });
    // Perplexity's total leaves the reasoning of its research models out.
    if api == Api::Perplexity && input.saturating_add(output) == total {
        return (input, output.saturating_add(stated.reasoning));
    }
    for beside in [of_tools, 0] {
        for rule in rule.first() {
            let (input, output) = by(rule);
            if input.saturating_add(output).saturating_add(beside) == total {
                return (input, output);
            }
        }
    }
    let (input, default) = by(rule);
    let (_, least) = by(Rule { is_reasoning_inside: true, ..rule });
    let (_, most) = by(Rule { is_reasoning_inside: false, ..rule });
    // An input of zero that has cached tokens was never filled in: the total has it.
    let rest = total.checked_sub(default.saturating_add(of_tools));
    if let (Some(0), Some(rest)) = (stated.input, rest.filter(|&rest| rest >= stated.cached)) {
        resolved.contradict(|| format!("the input is 0 where the total leaves {rest} of it"));
        return (rest, default);
    }
    // No reading fits: the total bounds the output better than the sum of its parts does.
    resolved
        .contradict(|| format!("the input is {input}, the output {least}, and the total {total}"));
    match total.checked_sub(input.saturating_add(of_tools)) {
        Some(rest) if rest >= least => (input, rest),
        _ => (input, most),
    }
}

/// Both sides are stated, and no total: the rule of the API holds, unless the parts show that it
/// cannot.
fn by_rule(rule: Rule, stated: &Stated, resolved: &mut Resolved) -> (u64, u64) {
    let mut rule = rule;
    let input = stated.input_by(rule).unwrap_or(0);
    if rule.is_cache_inside && stated.cached > input {
        rule.is_cache_inside = false;
        resolved.contradict(|| {
            format!("the cached input is {}, more than the {input} of all input", stated.cached)
        });
    }
    let output = stated.output_by(rule).unwrap_or(0);
    if rule.is_reasoning_inside && stated.reasoning > output {
        rule.is_reasoning_inside = false;
        resolved.contradict(|| {
            format!("the reasoning is {}, more than the {output} of all output", stated.reasoning)
        });
    }
    (stated.input_by(rule).unwrap_or(0), stated.output_by(rule).unwrap_or(0))
}

/// Puts the input into its buckets. A part that is larger than the whole is cut to it.
fn fill_input(
    raw: &RawUsage,
    api: Api,
    model: Option<&str>,
    input: u64,
    (read, written): (u64, u64),
    resolved: &mut Resolved,
) {
    let mut room = input;
    // Writes first: where reads and writes overlap, writes cost more.
    let (wrote, was_read) = (take(&mut room, written), take(&mut room, read));
    if (wrote, was_read) != (written, read) {
        let cached = read.saturating_add(written);
        resolved.contradict(|| {
            format!("the cached input is {cached}, more than the {input} of all input")
        });
    }
    let audio = raw.or_zero(Field::InputAudio);
    let cached_audio = match raw.get(Field::CacheReadAudio) {
        Some(stated) => {
            let fitting = stated.min(was_read).min(audio);
            if fitting < stated {
                resolved.contradict(|| {
                    format!("the cached audio is {stated}, more than the cached input or the audio")
                });
            }
            fitting
        }
        // How much of the cached input was audio is not stated. It is at least what does not fit
        // beside the rest.
        None => {
            let overlap = audio.saturating_sub(room).min(was_read);
            resolved.is_estimated |= overlap > 0;
            overlap
        }
    };
    let audio = audio - cached_audio;
    let heard = take(&mut room, audio);
    let seen = raw.or_zero(Field::InputImage).saturating_sub(raw.or_zero(Field::CacheReadImage));
    let images = take(&mut room, seen);
    if heard < audio || images < seen {
        resolved.contradict(|| {
            format!("audio and images are {}, more than their input", audio.saturating_add(seen))
        });
    }
    let usage = &mut resolved.usage;
    usage.input_uncached = room;
    usage.input_audio = heard;
    usage.input_image = images;
    usage.cache_read = was_read - cached_audio;
    usage.cache_read_audio = cached_audio;
    lifetimes(raw, api, model, wrote, usage);
}

/// Takes `count` out of `room`, or all of `room` if that is less.
fn take(room: &mut u64, count: u64) -> u64 {
    let taken = count.min(*room);
    *room -= taken;
    taken
}

/// Puts cache writes into the buckets of their lifetimes.
fn lifetimes(raw: &RawUsage, api: Api, model: Option<&str>, written: u64, usage: &mut Usage) {
    let mut rest = written;
    // The dearest first: what is cut to its whole is cut where it costs least.
    for (field, bucket) in [
        (Field::CacheWrite12h, Bucket::CacheWrite12h),
        (Field::CacheWrite1h, Bucket::CacheWrite1h),
        (Field::CacheWrite30m, Bucket::CacheWrite30m),
        (Field::CacheWrite5m, Bucket::CacheWrite5m),
    ] {
        let count = raw.or_zero(field).min(rest);
        rest -= count;
        usage.set(bucket, count);
    }
    // Without a split, Anthropic's writes are for 5 minutes and OpenAI's for 30. In a stream the
    // split comes once, first, and the sum may grow after it: the same lifetime again, the longer
    // if there were two.
    let named = |part: &str| model.is_some_and(|model| model.contains(part));
    let is_anthropic = api == Api::Anthropic
        || raw.hints.has(Hint::Anthropic)
        || raw.hints.has(Hint::Creation)
        || named("claude")
        || (api == Api::OpenRouter && !named("openai/"));
    let bucket = match is_anthropic.then_some(usage.cache_write_1h) {
        Some(1..) => Bucket::CacheWrite1h,
        Some(0) => Bucket::CacheWrite5m,
        None => Bucket::CacheWrite30m,
    };
    usage.set(bucket, usage.get(bucket).saturating_add(rest));
}

/// Puts the output into its buckets. A part that is larger than the whole is cut to it.
fn fill_output(raw: &RawUsage, output: u64, resolved: &mut Resolved) {
    let stated =
        [Field::OutputAudio, Field::OutputImage, Field::Reasoning].map(|it| raw.or_zero(it));
    let mut room = output;
    let [audio, image, reasoning] = stated.map(|count| take(&mut room, count));
    if [audio, image, reasoning] != stated {
        let parts = stated.iter().fold(0_u64, |sum, &part| sum.saturating_add(part));
        resolved.contradict(|| {
            format!("the parts of the output are {parts}, more than the {output} of all output")
        });
    }
    let usage = &mut resolved.usage;
    usage.output = room;
    usage.reasoning = reasoning;
    usage.output_audio = audio;
    usage.output_image = image;
}
