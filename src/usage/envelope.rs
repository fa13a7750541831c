//! [`Envelope`]: finds the parts of a body or event that state usage, model, id and service tier.

use super::error::UsageError;
use super::json::Json;
use super::paid_tools::{PaidTools, hashed};
use super::raw::{RawUsage, service};
use super::rules::Hint;
use super::{Doubt, Service};

/// The parts of a body or event, found in one pass over its fields.
#[derive(Clone, Copy, Default)]
pub(super) struct Envelope<'j> {
    kind: Option<Json<'j>>,
    object: Option<Json<'j>>,
    id: Option<Json<'j>>,
    model: Option<Json<'j>>,
    service: Option<Json<'j>>,
    latency: Option<Json<'j>>,
    router: Option<Json<'j>>,
    /// The usage object, and the name of its field.
    usage: Option<(&'static str, Json<'j>)>,
    metrics: Option<Json<'j>>,
    output: Option<Json<'j>>,
    item: Option<Json<'j>>,
    /// The place of the item in the output.
    item_at: Option<Json<'j>>,
    tool_usage: Option<Json<'j>>,
    choices: Option<Json<'j>>,
    /// What Gemini Live says of its answer, which has the fields of a candidate.
    server_content: Option<Json<'j>>,
    candidates: Option<Json<'j>>,
    prompt_eval_count: Option<Json<'j>>,
    eval_count: Option<Json<'j>>,
    /// What only a whole answer has: Cohere's message, embeddings, images, a transcript.
    result: Option<Json<'j>>,
    /// The usage object stands in Bedrock's last event.
    is_metadata: bool,
}

/// The fields that wrap the parts, one level deep: OpenAI's `response`, Anthropic's `message`,
/// Bedrock's `metadata`, Cohere's `delta`, Groq's `x_groq`; in lines of batches OpenAI's `body` and
/// Anthropic's `result`.
const WRAPPERS: [&str; 7] =
    ["response", "message", "metadata", "delta", "x_groq", "body", "result"];

/// Types of events whose counts are those of the whole answer. The first is of Vercel's AI SDK.
#[rustfmt::skip]
const WHOLE: [&str; 11] = [
    "finish-step", "message", "message-end", "response.cancelled", "response.completed",
    "response.done", "response.failed", "response.incomplete", "speech.audio.done",
    "transcript.text.done", "turn.completed",
];

impl<'j> Envelope<'j> {
    /// Finds the parts.
    pub(super) fn open(doc: Json<'j>) -> Result<Envelope<'j>, UsageError> {
        let mut envelope = Envelope::default();
        let mut wrapped = [None; WRAPPERS.len()];
        let mut meta = None;
        for field in doc.fields() {
            let (name, value) = field?;
            if name == "message" && value.is_object() {
                envelope.result = Some(value);
            }
            match WRAPPERS.iter().position(|wrapper| *wrapper == name) {
                Some(at) => wrapped[at] = Some(value),
                None if name == "meta" => meta = Some(value),
                None => envelope.field(&name, value),
            }
        }
        for (name, inner) in WRAPPERS.iter().zip(wrapped) {
            let Some(inner) = inner.filter(|_| !envelope.has_usage()) else { continue };
            envelope.unwrap(inner)?;
            envelope.is_metadata = *name == "metadata" && envelope.has_usage();
        }
        if !envelope.has_usage() {
            envelope.usage = envelope.usage_in_choice();
        }
        if !envelope.has_usage() {
            // Cohere's embeddings and reranks.
            let units = meta.filter(|meta| meta.field("billed_units").is_some());
            envelope.usage = units.map(|meta| ("meta", meta));
        }
        Ok(envelope)
    }

    /// Looks for the parts inside a field.
    fn unwrap(&mut self, inner: Json<'j>) -> Result<(), UsageError> {
        let mut within = *self;
        let mut body = None;
        for field in inner.fields() {
            let (name, value) = field?;
            match &*name {
                "body" | "message" => body = Some(value),
                _ => within.field(&name, value),
            }
        }
        let body = body.filter(|_| !within.has_usage());
        for field in body.into_iter().flat_map(Json::fields) {
            let (name, value) = field?;
            within.field(&name, value);
        }
        if within.has_usage() {
            let id = self.id.or(within.id);
            *self = Envelope { kind: self.kind.or(within.kind), id, ..within };
        } else {
            self.model = within.model;
            self.service = within.service;
        }
        Ok(())
    }

    fn field(&mut self, name: &str, value: Json<'j>) {
        let part = match name {
            "type" => &mut self.kind,
            "object" => &mut self.object,
            "id" | "responseId" | "response_id" => &mut self.id,
            "model" | "modelVersion" | "model_version" => &mut self.model,
            "service_tier" | "serviceTier" => &mut self.service,
            "performanceConfig" => &mut self.latency,
            "trace" => &mut self.router,
            "output" => &mut self.output,
            "item" => &mut self.item,
            "output_index" => &mut self.item_at,
            "data" | "embeddings" | "results" | "text" => &mut self.result,
            "tool_usage" => &mut self.tool_usage,
            "choices" => &mut self.choices,
            "candidates" => &mut self.candidates,
            "serverContent" => &mut self.server_content,
            "prompt_eval_count" => &mut self.prompt_eval_count,
            "eval_count" => &mut self.eval_count,
            "amazon-bedrock-invocationMetrics" => &mut self.metrics,
            "usage" => return self.set_usage("usage", value),
            "usageMetadata" => return self.set_usage("usageMetadata", value),
            "usage_metadata" => return self.set_usage("usage_metadata", value),
            _ => return,
        };
        if !value.is_null() {
            *part = Some(value);
        }
    }

    fn set_usage(&mut self, name: &'static str, value: Json<'j>) {
        if value.is_object() {
            self.usage = Some((name, value));
        }
    }

    fn has_usage(&self) -> bool {
        self.usage.is_some() || self.prompt_eval_count.or(self.eval_count).is_some()
    }

    /// The usage object that Moonshot puts into the choice of its last chunk.
    fn usage_in_choice(&self) -> Option<(&'static str, Json<'j>)> {
        let usages = self.choices?.items().flatten().filter_map(|choice| choice.field("usage"));
        usages.filter(|usage| usage.is_object()).last().map(|usage| ("choices.usage", usage))
    }

    /// The contents of the usage object, if there is one.
    pub(super) fn raw(&self) -> Result<Option<RawUsage>, UsageError> {
        let mut raw = match self.usage {
            Some((name, usage)) => {
                let mut raw = RawUsage::read(name, usage)?;
                if name == "usageMetadata" {
                    raw.hints.add(Hint::Gemini);
                }
                raw
            }
            None => RawUsage::default(),
        };
        for (name, count) in
            [("prompt_eval_count", self.prompt_eval_count), ("eval_count", self.eval_count)]
        {
            if let Some(count) = count.filter(|_| self.usage.is_none()) {
                raw.read_field(name, count)?;
            }
        }
        Ok(Some(raw.usable()?).filter(RawUsage::is_stated))
    }

    /// Doubts about the numbers of the usage object whose names are not known.
    pub(super) fn unknown_fields(&self) -> Vec<Doubt> {
        self.usage.map(|(name, usage)| RawUsage::unknown_in(name, usage)).unwrap_or_default()
    }

    /// The counts in Bedrock's metrics, which come beside or instead of a usage object.
    pub(super) fn metrics(&self) -> Result<Option<RawUsage>, UsageError> {
        let Some(metrics) = self.metrics else { return Ok(None) };
        let raw = RawUsage::read("amazon-bedrock-invocationMetrics", metrics)?;
        Ok(Some(raw).filter(RawUsage::is_stated))
    }

    /// Adds the calls of paid tools.
    pub(super) fn add_tools(&self, tools: &mut PaidTools) -> Result<(), UsageError> {
        if let Some(output) = self.output {
            tools.add_output(output)?;
        }
        if let Some(counts) = self.tool_usage {
            tools.add_counts(counts)?;
        }
        if let Some(candidates) = self.candidates {
            tools.add_candidates(candidates)?;
        }
        if let Some(content) = self.server_content {
            tools.add_candidate(content)?;
        }
        if let Some(item) = self.item.filter(|_| self.is_kind("response.output_item.done")) {
            let place = self.item_at.and_then(Json::number).and_then(|at| at.parse::<u64>().ok());
            tools.add_item(item, place.map_or(u64::MAX, |at| at.saturating_add(1)))?;
        }
        Ok(())
    }

    /// The id of the answer, as a number.
    pub(super) fn id(&self) -> Option<u64> {
        let id = self.id.and_then(Json::string).filter(|id| !id.is_empty())?;
        Some(hashed(&id))
    }

    /// The model that answered.
    pub(super) fn model(&self) -> Option<String> {
        let named = self.model.and_then(Json::string).filter(|name| !name.is_empty());
        named.map(Into::into).or_else(|| self.routed_model())
    }

    /// The model that Bedrock's prompt router chose.
    fn routed_model(&self) -> Option<String> {
        let invoked = self.router?.field("promptRouter")?.field("invokedModelId")?;
        invoked.string().map(Into::into)
    }

    /// The service tier that was billed.
    pub(super) fn service(&self) -> Option<Service> {
        let latency = self.latency.and_then(|config| config.field("latency"));
        if latency.and_then(Json::string).as_deref() == Some("optimized") {
            return Some(Service::from("latency-optimized"));
        }
        let tier = self.service?;
        service(tier.field("type").unwrap_or(tier)) // Bedrock wraps it
    }

    pub(super) fn is_kind(&self, kind: &str) -> bool {
        self.kind.and_then(Json::string).as_deref() == Some(kind)
    }

    /// True if no text of this answer comes after this event, which can be known of an event that
    /// counts: Gemini's and Bedrock's streams have no other end.
    pub(super) fn is_last(&self, has_ended: bool) -> bool {
        let ends_turn = |content: Json<'_>| content.field("turnComplete").and_then(Json::boolean);
        (has_ended && self.candidates.is_some())
            || self.is_metadata
            || self.server_content.and_then(ends_turn) == Some(true)
    }

    /// True for the transcription of a user's speech in a realtime session.
    pub(super) fn is_transcription(&self) -> bool {
        let kind = self.kind.and_then(Json::string);
        kind.is_some_and(|kind| kind.contains("input_audio_transcription"))
    }

    /// True if the counts are those of a whole answer, and not of a chunk of one.
    pub(super) fn is_whole(&self) -> bool {
        let kind = self.kind.and_then(Json::string);
        if self.prompt_eval_count.or(self.eval_count).is_some() {
            return true;
        }
        match kind {
            Some(kind) if WHOLE.contains(&&*kind) => return true,
            // Bodies have no type; events have one.
            None if self.result.or(self.output).is_some() => return true,
            _ => {}
        }
        self.is_whole_body()
    }

    /// True for a body that is a whole answer whether it states counts or not: OpenAI's and
    /// Anthropic's.
    pub(super) fn is_whole_body(&self) -> bool {
        let object = self.object.and_then(Json::string);
        if matches!(object.as_deref(), Some("chat.completion" | "response"))
            || self.is_kind("message")
        {
            return true;
        }
        // Chunks have a delta in the place of the message.
        let mut choices = self.choices.into_iter().flat_map(Json::items).flatten();
        choices.any(|choice| choice.field("message").is_some() && choice.field("delta").is_none())
    }
}
