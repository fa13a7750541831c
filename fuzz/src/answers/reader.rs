//! [`read`]: a second reader of answers, written from the rules and not from the crate's readers.
//!
//! It is slow and simple on purpose: trees of `serde_json`, tables of names, one rule after the other.
//! Where the rules allow several readings it returns [`Sure::Free`] instead of guessing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::counts::{self, Raw, Style, is_good, positive, value};

/// The buckets of a usage by their names in `bursar::Usage`; those not named are zero.
pub type Buckets = BTreeMap<&'static str, u64>;

/// Whether the rules let a bill be `Exact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    Yes,
    Free,
    No,
}

/// What the rules require of the bill of one answer or stream.
#[derive(Debug)]
pub struct Reading {
    /// A count above zero or a cost is there: no error is right.
    pub is_usable: bool,
    pub exact: Sure,
    /// The usage of the model that answered, where it is determined.
    pub usage: Option<Buckets>,
    /// What other models used.
    pub extra: Vec<(String, Buckets)>,
    /// A side that is known for certain, in tokens, even if the other is not.
    pub input: Option<u64>,
    pub output: Option<u64>,
    /// The largest count of tokens that the total allows, where counts contradict each other.
    pub at_most: Option<u64>,
    pub cost: Stated,
    pub model: Option<String>,
    /// What is billed and has no bucket among the first thirteen.
    pub uncounted: Vec<&'static str>,
    /// Numbers in usage objects under unknown names.
    pub unknown: Vec<String>,
    /// The provider does not bill the call.
    pub is_free: bool,
    /// Another model transcribed, and the session does not name it.
    pub has_transcription: bool,
}

/// The cost that the provider states, in picodollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    Nothing,
    Pico(i128),
    /// Something that the rules leave open.
    Free,
}

/// Reads a text: a body, an event stream, or lines of JSON.
pub fn read(text: &str) -> Reading {
    let whole = serde_json::from_str::<Value>(text);
    let is_body = matches!(&whole, Ok(Value::Object(_)));
    let frames = match whole {
        Ok(Value::Array(items)) => items,
        Ok(body) => vec![body],
        Err(_) => text
            .lines()
            .filter_map(|line| {
                let line = line.strip_prefix("data:").unwrap_or(line);
                serde_json::from_str(line.trim()).ok()
            })
            .collect(),
    };
    let mut session = Session { is_done: text.contains("data: [DONE]"), ..Session::default() };
    for frame in frames.iter().filter(|frame| frame.is_object()) {
        session.frame(frame, is_body);
    }
    session.finish()
}

/// One answer of a session, merged from its frames.
#[derive(Debug, Default)]
struct Answer {
    id: Option<String>,
    style: Option<Style>,
    raw: Raw,
    cost: Option<Stated>,
    model: Option<String>,
    has_content: bool,
    /// It came as a body, or as an event that repeats one.
    is_whole: bool,
    is_blocked: bool,
    is_embedding: bool,
    is_refusal: bool,
    /// Anthropic's first event came, and no later one that counts the output.
    is_placeholder: bool,
    has_stale_total: bool,
    has_ended: bool,
    /// A stream announced more, and it did not come.
    is_open: bool,
    /// A field that the rules do not use should be a number and is not.
    has_odd_count: bool,
    searches: u64,
    requests: u64,
    iterations: Option<Value>,
}

#[derive(Default)]
struct Session {
    answers: Vec<Answer>,
    model: Option<String>,
    uncounted: Vec<&'static str>,
    unknown: Vec<String>,
    has_transcription: bool,
    /// The stream announced its end.
    is_done: bool,
    /// Something was written after the last counts.
    is_cut: bool,
}

/// The fields in which events wrap their usage object.
const WRAPPERS: [&str; 5] = ["response", "message", "metadata", "delta", "x_groq"];

impl Session {
    fn frame(&mut self, frame: &Value, is_body: bool) {
        let kind = frame["type"].as_str().unwrap_or_default();
        self.is_done |= kind == "message_stop";
        if kind == "conversation.item.input_audio_transcription.completed" {
            self.has_transcription = true;
            return;
        }
        let wrapped = WRAPPERS.iter().map(|name| &frame[*name]).filter(|inner| inner.is_object());
        let objects: Vec<&Value> = std::iter::once(frame).chain(wrapped).collect();
        let text = |names: &[&str]| {
            let mut found = objects.iter().flat_map(|o| names.iter().map(|name| &o[*name]));
            found
                .find_map(|value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
        };
        let id = text(&["id", "responseId"]);
        let model = text(&["model", "modelVersion"]);
        self.model = self.model.take().or_else(|| model.clone());

        let is_whole = is_whole_answer(frame, kind);
        let begins = kind == "message_start" || is_whole;
        let same = |answer: &Answer| id.is_some() && answer.id == id;
        let at = match self.answers.iter().rposition(same) {
            Some(at) => at,
            None => {
                let is_new = match self.answers.last() {
                    None => true,
                    Some(last) => {
                        let other = id.is_some() && last.id.is_some();
                        let is_begun = last.is_whole || !last.raw.is_empty() || last.cost.is_some();
                        other || (begins && is_begun) || last.has_ended
                    }
                };
                if is_new {
                    self.answers.push(Answer::default());
                }
                self.answers.len() - 1
            }
        };
        self.is_cut |= !is_body && has_content(frame);
        let answer = &mut self.answers[at];
        answer.id = answer.id.take().or(id);
        answer.model = answer.model.take().or(model);
        answer.has_content |= has_content(frame);
        answer.is_whole |= is_whole;
        answer.is_embedding |= is_embedding(frame, is_body);
        answer.is_blocked |= frame["promptFeedback"]["blockReason"].is_string();
        let stop = objects.iter().find_map(|object| object["stop_reason"].as_str());
        answer.is_refusal |= stop == Some("refusal");
        answer.has_ended |= frame["done"] == true;
        if !is_body {
            answer.is_open = goes_on(frame).unwrap_or(answer.is_open) && !self.is_done;
        }
        for object in &objects {
            answer.fees(object, &mut self.uncounted);
        }

        let Some((style, usage)) = counts::find(frame, &objects) else { return };
        let iterations = &usage["iterations"];
        if iterations.is_array() {
            answer.iterations = Some(iterations.clone());
        }

        let raw = counts::raw(style, usage);
        self.is_cut &= raw.is_empty();
        if !raw.is_empty() {
            self.unknown.extend(counts::unknown(style, usage));
        }
        answer.has_odd_count |= counts::has_odd(usage);
        answer.merge(style, raw, kind == "message_start");
        if let Some(cost) = stated(usage) {
            answer.cost = Some(cost);
        }
        if usage["search_context_size"].is_string() {
            answer.requests = 1;
        }
        // What is billed beside tokens is counted, also where the tokens are not.
        let uncounted = counts::uncounted(usage);
        if !uncounted.is_empty() {
            answer.style = answer.style.or(Some(style));
        }
        self.uncounted.extend(uncounted);
    }

    fn finish(mut self) -> Reading {
        let mut reading = Reading {
            is_usable: false,
            exact: Sure::Yes,
            usage: Some(Buckets::new()),
            extra: Vec::new(),
            input: Some(0),
            output: Some(0),
            at_most: None,
            cost: Stated::Nothing,
            model: self.model.take(),
            uncounted: self.uncounted,
            unknown: self.unknown,
            has_transcription: self.has_transcription,
            is_free: self.answers.len() == 1 && self.answers.iter().all(Answer::is_free),
        };
        let is_counted = |answer: &Answer| answer.style.is_some() || answer.cost.is_some();
        // A text or a search whose tokens nobody counted is not free, also beside one that was.
        let is_free = |answer: &Answer| !answer.has_content && answer.searches == 0;
        if self.answers.iter().any(|it| it.is_whole && !is_counted(it) && !is_free(it)) {
            reading.exact = Sure::No;
        }
        self.answers.retain(is_counted);
        let alone = self.answers.len() == 1;
        for (number, answer) in self.answers.iter().enumerate() {
            let said = answer.cost.unwrap_or(Stated::Nothing);
            reading.cost = match (number, reading.cost, said) {
                (0, _, said) => said,
                (_, Stated::Pico(one), Stated::Pico(two)) => Stated::Pico(one + two),
                (_, Stated::Nothing, Stated::Nothing) => Stated::Nothing,
                _ => Stated::Free,
            };
            // Counts are exact, and what they cost is not, where one of several states a cost.
            if number > 0 && reading.cost == Stated::Free {
                reading.exact = reading.exact.max(Sure::Free);
            }
            reading.is_usable |= answer.raw.values().any(|count| positive(Some(*count)))
                || matches!(said, Stated::Pico(_));
            let resolved = answer.resolve(&mut reading.extra);
            reading.exact = reading.exact.max(resolved.exact);
            reading.input = add(reading.input, resolved.input);
            reading.output = add(reading.output, resolved.output);
            reading.at_most = resolved.at_most.filter(|_| alone);
            reading.usage = match (reading.usage.take(), resolved.usage) {
                (Some(mut sum), Some(more)) => {
                    more.into_iter()
                        .for_each(|(name, count)| *sum.entry(name).or_default() += count);
                    Some(sum)
                }
                _ => None,
            };
        }
        if self.answers.is_empty() {
            reading.exact = Sure::No;
        }
        if self.has_transcription {
            reading.exact = reading.exact.max(Sure::Free);
        }
        if self.is_cut {
            reading.exact = Sure::No;
            (reading.usage, reading.input, reading.output) = (None, None, None);
            reading.at_most = None;
        }
        // The cost of a part of a stream is not that of the whole.
        let is_part = self.answers.iter().any(|answer| answer.is_open || answer.is_placeholder);
        if (self.is_cut || is_part) && !self.is_done {
            reading.cost = Stated::Free;
        }
        // Whether the images are inside the input, Cohere does not say.
        if reading.uncounted.contains(&counts::INPUT_IMAGES) {
            (reading.usage, reading.input) = (None, None);
        }
        // Images are output, also where no whole states it; the rules do not say which.
        if reading.uncounted.contains(&counts::IMAGES) {
            reading.exact = reading.exact.min(Sure::Free);
            (reading.usage, reading.output) = (None, None);
        }
        if reading.uncounted.contains(&counts::AUDIO_SECONDS) {
            reading.exact = reading.exact.min(Sure::Free);
            (reading.usage, reading.input, reading.output) = (None, None, None);
            reading.at_most = None;
        }
        reading
    }
}

fn add(one: Option<u64>, two: Option<u64>) -> Option<u64> {
    Some(one? + two?)
}

impl Answer {
    /// A later frame replaces the fields that it names; a side of zeros replaces nothing.
    fn merge(&mut self, style: Style, mut new: Raw, is_start: bool) {
        if new.is_empty() {
            return;
        }
        for side in [counts::INPUT, counts::OUTPUT, &["total"]] {
            let is_zero = |raw: &Raw| side.iter().all(|name| value(raw, name) == 0);
            let is_good = side.iter().all(|name| new.get(name).is_none_or(|count| is_good(*count)));
            if is_good && is_zero(&new) && !is_zero(&self.raw) {
                new.retain(|name, _| !side.contains(name));
            }
        }
        if is_start {
            self.is_placeholder = !self.raw.contains_key("output");
        } else if new.get("output").is_some_and(|count| is_good(*count)) {
            self.is_placeholder = false;
        }
        let changes =
            |name: &&'static str| self.raw.get(name) != new.get(name) && new.contains_key(name);
        let sides = [counts::INPUT, counts::OUTPUT].concat();
        if !self.raw.is_empty() && sides.iter().any(changes) && self.raw.contains_key("total") {
            self.has_stale_total = !new.contains_key("total");
        }
        self.style = Some(style);
        self.raw.extend(new);
    }

    /// Fees beside tokens.
    fn fees(&mut self, object: &Value, uncounted: &mut Vec<&'static str>) {
        let items = object["output"].as_array();
        let of = |kind: &str| {
            items.into_iter().flatten().filter(|item| item["type"] == kind).count() as u64
        };
        self.searches = self.searches.max(of("web_search_call"));
        if of("file_search_call") > 0 {
            uncounted.push("file searches");
        }
        if of("code_interpreter_call") > 0 {
            uncounted.push("containers");
        }
        for candidate in object["candidates"].as_array().into_iter().flatten() {
            let grounding = &candidate["groundingMetadata"];
            let queries = grounding["webSearchQueries"].as_array();
            let mut unique: Vec<&str> = queries
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter(|q| !q.is_empty())
                .collect();
            unique.sort();
            unique.dedup();
            // Gemini 3 takes a fee for each query, earlier ones for each prompt that searched.
            let each = self.model.as_deref().is_some_and(|model| model.starts_with("gemini-3"));
            let count = if each { unique.len() as u64 } else { u64::from(!unique.is_empty()) };
            self.searches = self.searches.max(count);
            let chunks = grounding["groundingChunks"].as_array();
            if chunks.into_iter().flatten().any(|chunk| chunk["maps"].is_object()) {
                uncounted.push("maps");
            }
        }
    }

    /// Anthropic does not bill a refusal before any output.
    fn is_free(&self) -> bool {
        let anthropic = self.style == Some(Style::Anthropic);
        anthropic && self.is_refusal && value(&self.raw, "output") == 0 && !self.has_content
    }

    fn resolve(&self, extra: &mut Vec<(String, Buckets)>) -> counts::Resolved {
        let Some(style) = self.style else { return counts::nothing(Sure::No) };
        let is_grok = self.model.as_deref().is_some_and(|model| model.starts_with("grok"));
        let mut resolved = counts::resolve(
            style,
            &self.raw,
            counts::About {
                has_content: self.has_content,
                is_blocked: self.is_blocked,
                is_embedding: self.is_embedding,
                is_grok,
            },
        );
        if self.is_open {
            return counts::Resolved { input: resolved.input, ..counts::nothing(Sure::No) };
        }
        if self.is_placeholder {
            resolved.exact = if self.has_content { Sure::No } else { Sure::Free };
            (resolved.output, resolved.usage) = (None, None);
        }
        if self.has_odd_count {
            resolved.exact = resolved.exact.max(Sure::Free);
        }
        if self.has_stale_total || self.is_free() {
            resolved.exact = Sure::Free;
            resolved.usage = None;
            (resolved.input, resolved.output, resolved.at_most) = (None, None, None);
        }
        if let Some(iterations) = &self.iterations {
            self.attempts(iterations, &mut resolved, extra);
        }
        if let Some(usage) = &mut resolved.usage {
            *usage.entry("web_search_requests").or_default() += self.searches;
            *usage.entry("requests").or_default() += self.requests;
            usage.retain(|_, count| *count > 0);
        }
        resolved
    }

    /// Anthropic's iterations: a compaction is of the same model and not in the top level; what an
    /// advisor or a declined attempt wrote is of its own model. A declined attempt that wrote nothing
    /// is free.
    fn attempts(
        &self,
        iterations: &Value,
        resolved: &mut counts::Resolved,
        extra: &mut Vec<(String, Buckets)>,
    ) {
        let list = iterations.as_array().map(Vec::as_slice).unwrap_or_default();
        for one in list {
            let raw = counts::raw(Style::Anthropic, one);
            let usage = counts::resolve(Style::Anthropic, &raw, counts::About::default());
            let model = one["model"].as_str();
            let is_other = model.is_some_and(|model| Some(model) != self.model.as_deref());
            let kind = one["type"].as_str().unwrap_or_default();
            if kind == "compaction" && !is_other {
                resolved.input = add(resolved.input, usage.input);
                resolved.output = add(resolved.output, usage.output);
                if let (Some(sum), Some(more)) = (&mut resolved.usage, usage.usage) {
                    more.into_iter()
                        .for_each(|(name, count)| *sum.entry(name).or_default() += count);
                }
            } else if is_other && (kind == "advisor_message" || value(&raw, "output") > 0) {
                let mut usage = usage.usage.unwrap_or_default();
                usage.retain(|_, count| *count > 0);
                extra.push((model.unwrap_or_default().to_owned(), usage));
            }
        }
    }
}

/// True for a whole answer, false for a part of a stream.
fn is_whole_answer(frame: &Value, kind: &str) -> bool {
    let object = frame["object"].as_str().unwrap_or_default();
    let ends = ["response.done", "response.completed", "response.incomplete", "response.failed"];
    ends.contains(&kind) || ["chat.completion", "response"].contains(&object) || kind == "message"
}

/// Whether a chunk says that more will come; nothing if it does not say.
fn goes_on(frame: &Value) -> Option<bool> {
    if let Some(candidate) = list(&frame["candidates"]).first() {
        return Some(candidate["finishReason"].is_null());
    }
    if !list(&frame["choices"]).is_empty() {
        let choice = &frame["choices"][0];
        return choice["delta"].is_object().then(|| choice["finish_reason"].is_null());
    }
    (frame["choices"].is_array() && frame["usage"].is_object()).then_some(false)
}

/// Text, a tool call, or anything else that was written.
fn has_content(frame: &Value) -> bool {
    let filled = |value: &Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(|item| item["text"].as_str() != Some("")),
        _ => false,
    };
    let choice = |choice: &Value| {
        ["delta", "message"].iter().any(|name| {
            let said = &choice[*name];
            filled(&said["content"])
                || filled(&said["reasoning_content"])
                || filled(&said["tool_calls"])
        })
    };
    let candidate = |candidate: &Value| filled(&candidate["content"]["parts"]);
    let delta = &frame["delta"];
    let items = |value: &Value| {
        let items = value["output"].as_array();
        items.into_iter().flatten().any(|item| filled(&item["content"]))
    };
    list(&frame["choices"]).iter().any(choice)
        || list(&frame["candidates"]).iter().any(candidate)
        || filled(&frame["content"])
        || filled(&delta["text"])
        || filled(&delta["thinking"])
        || filled(delta)
        || filled(&frame["contentBlockDelta"]["delta"]["text"])
        || filled(&delta["message"]["content"]["text"])
        || filled(&frame["message"]["content"])
        || filled(&frame["output"]["message"]["content"])
        || (frame["prompt_eval_count"].is_number() && filled(&frame["response"]))
        || items(frame)
        || items(&frame["response"])
}

/// An endpoint without output.
fn is_embedding(frame: &Value, is_body: bool) -> bool {
    let list_of = list(&frame["data"]).iter().any(|item| item["embedding"].is_array());
    is_body && (list_of || frame["embeddings"].is_object())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The cost that a usage object states: dollars as a number or as text, a total inside an object, or
/// xAI's ticks of 1e-10 dollars. With a key of the user's own, the upstream's cost comes on top, and
/// without that there is none.
fn stated(usage: &Value) -> Option<Stated> {
    let field = |value: &Value, places: u32| {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        Some(pico(&text, places).map_or(Stated::Free, Stated::Pico))
    };
    let cost = match &usage["cost"] {
        // Parts without their sum: whether they are a cost, the rules do not say.
        object @ Value::Object(_) => field(&object["total_cost"], 12).or(Some(Stated::Free)),
        plain => field(plain, 12),
    };
    let upstream = field(&usage["cost_details"]["upstream_inference_cost"], 12);
    let Some(cost) = field(&usage["cost_in_usd_ticks"], 2).or(cost) else {
        // The upstream's cost without the fee: whether that is all, the rules do not say.
        return (usage["is_byok"] == true && upstream.is_some()).then_some(Stated::Free);
    };
    // A stated zero is a cost only for a model without a price, which a reader does not know.
    if cost == Stated::Pico(0) && usage["is_byok"] != true {
        return Some(Stated::Free);
    }
    if usage["is_byok"] != true {
        return Some(cost);
    }
    Some(match (cost, upstream) {
        (_, None) => Stated::Nothing,
        (Stated::Pico(fee), Some(Stated::Pico(upstream))) if fee * upstream > 0 => {
            Stated::Pico(fee + upstream)
        }
        _ => Stated::Free,
    })
}

/// Plain decimal text in units of `10^-places`; `None` for anything else.
fn pico(text: &str, places: u32) -> Option<i128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > places as usize {
        return None;
    }
    let scaled = format!("{whole}{part:0<width$}", width = places as usize);
    scaled.parse().ok()
}
