//! Owns reading a whole response body: what form it has, and which reader it goes to.

use serde_json::Value;

use super::counts::service;
use super::error::UsageError;
use super::json::{Json, is_blank};
use super::stream::UsageMeter;
use super::{Bill, Service, anthropic, bedrock, cohere, gemini, ollama, openai};

/// The form of an answer, for when it should not be recognised by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// OpenAI's chat completions, responses, embeddings, realtime, audio and images, and the
    /// servers that keep OpenAI's rule: Azure, Mistral, Groq, DeepSeek, Cerebras, Together,
    /// Hugging Face, Z.ai, Snowflake, Voyage, vLLM.
    OpenAi,
    /// xAI: without a total, reasoning comes on top of the completion.
    Xai,
    /// OpenRouter: reports its cost.
    OpenRouter,
    /// Perplexity: reports its cost, and takes a fee for each request.
    Perplexity,
    /// Anthropic's messages, on Bedrock and on Vertex too.
    Anthropic,
    /// Gemini's `generateContent`, on Vertex too.
    Gemini,
    /// Bedrock's Converse and ConverseStream.
    Bedrock,
    /// Cohere's v2 API.
    Cohere,
    /// Ollama's own API.
    Ollama,
}

/// A response body or one event of a stream: JSON as text or bytes, or a tree that has already
/// been built.
///
/// Prefer the text or bytes as they came: a cost is then read digit for digit, where a tree has
/// usually made a binary float of it, and no tree needs to be built to be read.
///
/// ```
/// use bursar::Bill;
/// use serde_json::json;
///
/// let text = r#"{"model": "m", "usage": {"prompt_tokens": 12, "completion_tokens": 5}}"#;
/// let tree = json!({"model": "m", "usage": {"prompt_tokens": 12, "completion_tokens": 5}});
/// assert_eq!(Bill::from_response(text)?, Bill::from_response(text.as_bytes())?);
/// assert_eq!(Bill::from_response(text)?, Bill::from_response(&tree)?);
/// # Ok::<(), bursar::usage::UsageError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Body<'b>(pub(super) Json<'b>);

impl<'b> From<&'b [u8]> for Body<'b> {
    fn from(bytes: &'b [u8]) -> Body<'b> {
        Body(Json::Text(bytes))
    }
}

impl<'b, const N: usize> From<&'b [u8; N]> for Body<'b> {
    fn from(bytes: &'b [u8; N]) -> Body<'b> {
        Body(Json::Text(bytes))
    }
}

impl<'b> From<&'b Vec<u8>> for Body<'b> {
    fn from(bytes: &'b Vec<u8>) -> Body<'b> {
        Body(Json::Text(bytes))
    }
}

impl<'b> From<&'b str> for Body<'b> {
    fn from(text: &'b str) -> Body<'b> {
        Body(Json::Text(text.as_bytes()))
    }
}

impl<'b> From<&'b String> for Body<'b> {
    fn from(text: &'b String) -> Body<'b> {
        Body(Json::Text(text.as_bytes()))
    }
}

impl<'b> From<&'b Value> for Body<'b> {
    fn from(tree: &'b Value) -> Body<'b> {
        Body(Json::Tree(tree))
    }
}

impl Bill {
    /// Reads what a provider answered, and recognises whose form it has.
    ///
    /// `None`: the answer says nothing of usage (an error, a body that is billed by the second).
    /// That is not zero; an explicit zero is. The text of a whole event stream, or of JSON lines,
    /// is read as well.
    ///
    /// ```
    /// use bursar::{Bill, Usage};
    ///
    /// let body = r#"{"model": "claude-haiku-4-5", "content": [{"type": "text", "text": "Yes."}],
    ///     "usage": {"input_tokens": 12, "cache_read_input_tokens": 2048, "output_tokens": 3}}"#;
    /// let bill = Bill::from_response(body)?.expect("the body has usage");
    /// assert_eq!(bill.usage, Usage { cache_read: 2_048, ..Usage::tokens(12, 3) });
    /// assert_eq!(bill.model.as_deref(), Some("claude-haiku-4-5"));
    /// assert_eq!(Bill::from_response(r#"{"error": {"type": "overloaded_error"}}"#)?, None);
    /// # Ok::<(), bursar::usage::UsageError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is neither JSON nor an event stream, if a count is no count, or if a part is larger
    /// than its whole.
    pub fn from_response<'b>(body: impl Into<Body<'b>>) -> Result<Option<Bill>, UsageError> {
        read_whole(None, body.into().0)
    }

    /// Like [`Bill::from_response`], with the form given.
    ///
    /// # Errors
    ///
    /// As [`Bill::from_response`].
    pub fn from_response_of<'b>(
        api: Api,
        body: impl Into<Body<'b>>,
    ) -> Result<Option<Bill>, UsageError> {
        read_whole(Some(api), body.into().0)
    }
}

fn read_whole(api: Option<Api>, body: Json<'_>) -> Result<Option<Bill>, UsageError> {
    match body {
        Json::Text(text) => read_text(api, trimmed(text)),
        Json::Tree(Value::String(text)) => read_text(api, trimmed(text.as_bytes())),
        Json::Tree(Value::Object(_)) => read_object(api, body),
        Json::Tree(_) => UsageMeter::read_items(api, body),
    }
}

fn read_text(api: Option<Api>, text: &[u8]) -> Result<Option<Bill>, UsageError> {
    let as_stream = |error| UsageMeter::read_whole(api, text).unwrap_or(Err(error));
    match text.first() {
        None => Ok(None),
        Some(b'{') => match read_object(api, Json::Text(text)) {
            // It may be the first of several lines of JSON.
            Err(error @ UsageError::Malformed { .. }) => as_stream(error),
            read => read,
        },
        Some(_) => as_stream(UsageError::malformed("it begins like neither")),
    }
}

fn read_object(api: Option<Api>, body: Json<'_>) -> Result<Option<Bill>, UsageError> {
    Envelope::open(body)?.bill(api, &mut anthropic::Said::default())
}

/// An error if no call can have used so much.
pub(super) fn possible(bill: &Bill) -> Result<(), UsageError> {
    if bill.usage.is_possible() {
        return Ok(());
    }
    let found = bill.usage.total_tokens().to_string();
    Err(UsageError::NotACount { field: "usage".to_owned(), found })
}

/// The text without the white space, and the byte order mark, around it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let mut text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    while let Some((_, rest)) = text.split_first().filter(|(first, _)| is_blank(**first)) {
        text = rest;
    }
    while let Some((_, rest)) = text.split_last().filter(|(last, _)| is_blank(**last)) {
        text = rest;
    }
    text
}

/// The parts of a body or event that say what was used, and by what.
#[derive(Clone, Copy, Default)]
pub(super) struct Envelope<'j> {
    kind: Option<Json<'j>>,
    model: Option<Json<'j>>,
    service: Option<Json<'j>>,
    latency: Option<Json<'j>>,
    router: Option<Json<'j>>,
    usage: Option<Json<'j>>,
    usage_metadata: Option<Json<'j>>,
    output: Option<Json<'j>>,
    tool_usage: Option<Json<'j>>,
    candidates: Option<Json<'j>>,
    prompt_eval_count: Option<Json<'j>>,
    eval_count: Option<Json<'j>>,
}

impl<'j> Envelope<'j> {
    /// Finds the parts, in one pass. An event may wrap them once: OpenAI's `response`, Anthropic's
    /// `message`, Bedrock's `metadata`, Cohere's `delta`, Groq's `x_groq`.
    pub(super) fn open(doc: Json<'j>) -> Result<Envelope<'j>, UsageError> {
        let mut envelope = Envelope::default();
        let (mut wrapped, mut meta) = ([None; 5], None);
        doc.fields(|name, value| {
            match name {
                "response" => wrapped[0] = Some(value),
                "message" => wrapped[1] = Some(value),
                "metadata" => wrapped[2] = Some(value),
                "delta" => wrapped[3] = Some(value),
                "x_groq" => wrapped[4] = Some(value),
                "meta" => meta = Some(value),
                _ => envelope.field(name, value),
            }
            Ok(())
        })?;
        for inner in wrapped.into_iter().flatten() {
            if envelope.has_usage() {
                break;
            }
            let mut within = envelope;
            inner.fields(|name, value| {
                within.field(name, value);
                Ok(())
            })?;
            if within.has_usage() {
                envelope = Envelope { kind: envelope.kind, ..within };
            } else {
                envelope.model = within.model;
                envelope.service = within.service;
            }
        }
        if !envelope.has_usage() {
            // Cohere's embeddings and reranks.
            envelope.usage = meta.filter(|meta| meta.field("billed_units").is_some());
        }
        Ok(envelope)
    }

    fn field(&mut self, name: &str, value: Json<'j>) {
        let part = match name {
            "type" => &mut self.kind,
            "model" | "modelVersion" => &mut self.model,
            "service_tier" | "serviceTier" => &mut self.service,
            "performanceConfig" => &mut self.latency,
            "trace" => &mut self.router,
            "usage" => &mut self.usage,
            "usageMetadata" => &mut self.usage_metadata,
            "output" => &mut self.output,
            "tool_usage" => &mut self.tool_usage,
            "candidates" => &mut self.candidates,
            "prompt_eval_count" => &mut self.prompt_eval_count,
            "eval_count" => &mut self.eval_count,
            _ => return,
        };
        if !value.is_null() {
            *part = Some(value);
        }
    }

    fn has_usage(&self) -> bool {
        self.usage.or(self.usage_metadata).or(self.prompt_eval_count).or(self.eval_count).is_some()
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

    /// The bill; `None` if there is no usage. Anthropic's counts go through `anthropic`, which
    /// remembers what the events before this one have said.
    pub(super) fn bill(
        &self,
        api: Option<Api>,
        anthropic: &mut anthropic::Said,
    ) -> Result<Option<Bill>, UsageError> {
        let Some(api) = api.or(self.recognised()?) else { return Ok(None) };
        let model = self.model();
        let read = match (api, self.usage) {
            (Api::Gemini, _) => match self.usage_metadata {
                Some(usage) => gemini::bill(usage),
                None => Ok(None),
            },
            (Api::Ollama, _) => ollama::bill(self.prompt_eval_count, self.eval_count),
            (_, None) => Ok(None),
            (Api::Anthropic, Some(usage)) => anthropic.read(usage).and_then(|()| anthropic.bill()),
            (Api::Bedrock, Some(usage)) => bedrock::bill(usage),
            (Api::Cohere, Some(usage)) => cohere::bill(usage),
            (Api::OpenAi | Api::Xai | Api::OpenRouter | Api::Perplexity, Some(usage)) => {
                openai::bill(api, model.as_deref(), usage)
            }
        };
        let Some(mut bill) = read? else { return Ok(None) };
        let searches = match api {
            Api::Gemini => gemini::searches(self.candidates, model.as_deref()),
            _ => openai::searches(self.tool_usage, self.output),
        };
        bill.usage.web_search_requests = bill.usage.web_search_requests.max(searches?);
        if self.is_kind("speech.audio.done") {
            bill.usage.output_audio = std::mem::take(&mut bill.usage.output);
        }
        possible(&bill)?;
        bill.model = model;
        bill.service = bill.service.or(self.service());
        Ok(Some(bill))
    }

    pub(super) fn is_kind(&self, kind: &str) -> bool {
        self.kind.and_then(Json::string).as_deref() == Some(kind)
    }

    /// Whose form the usage has, by the names of its fields; `None` if there is none.
    fn recognised(&self) -> Result<Option<Api>, UsageError> {
        if self.usage_metadata.is_some() {
            return Ok(Some(Api::Gemini));
        }
        let Some(usage) = self.usage else {
            return Ok(self.prompt_eval_count.or(self.eval_count).map(|_| Api::Ollama));
        };
        let (mut form, mut hint, mut seller) = (None, None, None);
        usage.fields(|name, value| {
            match name {
                "prompt_tokens" | "completion_tokens" => form = Some(Api::OpenAi),
                "inputTokens" | "outputTokens" => form = Some(Api::Bedrock),
                "billed_units" => form = Some(Api::Cohere),
                "cache_read_input_tokens" | "cache_creation_input_tokens" => {
                    hint = Some(Api::Anthropic);
                }
                // Anthropic says neither a total nor details of its input.
                "total_tokens" | "input_tokens_details" | "input_token_details" => {
                    hint = hint.or(Some(Api::OpenAi));
                }
                "cost_in_usd_ticks" | "num_sources_used" => seller = Some(Api::Xai),
                "cost" if value.is_object() => seller = Some(Api::Perplexity),
                "search_context_size" | "num_search_queries" | "citation_tokens" => {
                    seller = Some(Api::Perplexity);
                }
                "cost" | "is_byok" => seller = seller.or(Some(Api::OpenRouter)),
                _ => {}
            }
            Ok(())
        })?;
        let is_grok = || {
            let model = self.model.and_then(Json::string);
            model.is_some_and(|model| model.starts_with("grok"))
        };
        Ok(Some(match form.or(hint) {
            Some(Api::OpenAi) if seller.is_none() && is_grok() => Api::Xai,
            Some(Api::OpenAi) => seller.unwrap_or(Api::OpenAi),
            Some(other) => other,
            None => seller.unwrap_or(Api::Anthropic),
        }))
    }
}
