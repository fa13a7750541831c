//! The walk over the top level of a request: which field means what, in which API.

use crate::usage::Service;
use crate::usage::error::UsageError;
use crate::usage::json::{Json, Place};
use crate::usage::raw::service;
use crate::usage::tokens::{Framing, TokenCounter};

use super::attempts;
use super::forms::{Form, Forms, TOP, number};
use super::images::Images;
use super::reasoning::Reasoning;
use super::{Request, RequestError, is_model};

type Read = Result<(), UsageError>;

/// Reads one request, field by field; what it has read so far.
pub(super) struct Reader<'c> {
    pub(super) counter: &'c dyn TokenCounter,
    pub(super) framing: Framing,
    pub(super) images: Images,
    pub(super) is_claude: bool,
    pub(super) request: Request,
    pub(super) searches: Searches,
    pub(super) forms: Forms,
    has_input: bool,
    is_chat: bool,
    is_embedding: bool,
    prompts: u64,
    /// True if a field names fallback models, which are read after the rest.
    pub(super) names_models: bool,
    /// Output that one API counts beside its cap.
    beside_cap: u64,
    reasoning: Reasoning,
    model: String,
}

/// What the tools and options say about searches.
#[derive(Clone, Copy, Default)]
pub(super) struct Searches {
    /// The sum of what is bounded.
    pub(super) bounded: u64,
    /// Some tool has no bound of its own.
    pub(super) has_unbounded: bool,
    /// The bound of all calls of tools.
    calls: Option<u64>,
}

impl Searches {
    fn total(self) -> Option<u64> {
        match (self.has_unbounded, self.calls) {
            (false, None) => Some(self.bounded),
            (false, Some(calls)) => Some(self.bounded.min(calls)),
            (true, calls) => calls,
        }
    }
}

impl<'c> Reader<'c> {
    pub(super) fn new(model: &str, counter: &'c dyn TokenCounter) -> Reader<'c> {
        let model = model.to_ascii_lowercase();
        Reader {
            counter,
            framing: Framing::for_model(&model),
            images: Images::of(&model),
            is_claude: model.contains("claude"),
            request: Request::nothing(),
            searches: Searches::default(),
            forms: Forms::default(),
            names_models: false,
            has_input: false,
            is_chat: false,
            is_embedding: model.contains("embed"),
            prompts: 1,
            beside_cap: 0,
            reasoning: Reasoning::default(),
            model,
        }
    }

    pub(super) fn read(mut self, body: Json<'_>) -> Result<Request, RequestError> {
        self.fields(body, None)?;
        if !self.has_input && !self.is_chat {
            return Err(RequestError::Unrecognised);
        }
        let names_models = self.names_models;
        let mut request = self.finish();
        if names_models {
            request.attempts = attempts::attempts(body)?;
            if request.model.is_none() {
                request.model = attempts::first_of_models(body);
            }
        }
        Ok(request)
    }

    /// Reads the request of one attempt, whose own fields replace those of the body.
    pub(super) fn read_once(
        mut self,
        body: Json<'_>,
        instead: Option<Json<'_>>,
    ) -> Result<Request, UsageError> {
        self.fields(body, instead)?;
        if let Some(own) = instead {
            self.fields(own, None)?;
        }
        Ok(self.finish())
    }

    fn fields(&mut self, body: Json<'_>, instead: Option<Json<'_>>) -> Read {
        for field in body.fields() {
            let (name, value) = field?;
            if !value.is_null() && !attempts::is_replaced(&name, instead) {
                self.field(&name, value)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Request {
        let (cap, choices) = self.forms.limits();
        let mut request = self.request;
        request.reasoning_off = self.reasoning.is_off(&self.model);
        let once = self.framing.per_request.saturating_add(self.framing.added_prompt);
        request.input = request.input.saturating_add(once);
        request.choices = choices.saturating_mul(self.prompts);
        request.web_searches = self.searches.total();
        request.is_one_prompt &= self.prompts == 1;
        request.max_output = match cap {
            None if self.is_embedding && !self.is_chat => Some(0),
            cap => cap.map(|cap| cap.saturating_add(self.beside_cap)),
        };
        request
    }

    fn field(&mut self, name: &str, value: Json<'_>) -> Read {
        self.reasoning.note(name, value);
        let place = Place::Field(name);
        self.forms.saw_field(name);
        match name {
            "messages" => {
                self.is_chat = true;
                self.messages(value, place)
            }
            "contents" => {
                self.is_chat = true;
                self.forms.saw(Form::Gemini);
                self.messages(value, place)
            }
            "system" | "instructions" | "systemInstruction" | "system_instruction" => {
                self.add(self.framing.per_message + 1);
                self.content(value, place, 0)
            }
            "content" => {
                self.has_input = true; // Gemini's embedContent
                self.content(value, place, 0)
            }
            "input" | "texts" => {
                self.forms.saw(Form::Responses);
                self.is_embedding |= self.inputs(value, place)? || name == "texts";
                Ok(())
            }
            "prompt" if value.is_object() => {
                self.has_input = true;
                self.forms.saw(Form::Responses);
                self.json(value);
                self.unseen(place); // OpenAI's stored prompts
                Ok(())
            }
            "prompt" => {
                self.forms.saw(Form::Completion);
                self.inputs(value, place).map(|_| ())
            }
            "inputs" => {
                self.forms.saw(Form::TextGeneration);
                self.inputs(value, place).map(|_| ())
            }
            // Clients put its fields beside the others; so do servers that take it as it is.
            "extra_body" if value.is_object() => self.fields(value, None),
            _ if attempts::names_models(name) => {
                self.names_models = true;
                Ok(())
            }
            "prediction" => self.prediction(value),
            "images" => self.each_image(value, place),
            "tools" | "functions" => self.tools(value, place),
            "toolConfig" | "tool_config" => {
                for field in value.fields() {
                    match field? {
                        (name, tools) if name == "tools" => self.tools(tools, place)?,
                        (_, other) => self.json_unless_scalar(other),
                    }
                }
                Ok(())
            }
            _ => self.setting(name, value, place),
        }
    }

    /// A field that is a setting and not input.
    fn setting(&mut self, name: &str, value: Json<'_>, place: Place<'_>) -> Read {
        let request = &mut self.request;
        match name {
            _ if is_model(name) => request.model = value.string().map(Into::into),
            "stream" => request.streams = value.boolean() == Some(true),
            "service_tier" | "serviceTier" => {
                // `auto` is the project's choice, as no tier is.
                let tier = service(value.field("type").unwrap_or(value)); // Bedrock wraps it
                request.service = request.service.take().or(tier);
            }
            "speed" if says(value, "fast") => request.service = Some(Service::Fast),
            "performanceConfig" => {
                if value.field("latency").is_some_and(|latency| says(latency, "optimized")) {
                    request.service = Some(Service::from("latency-optimized"));
                }
            }
            "inference_geo" => request.regional = says(value, "us"),
            "cache_control" => self.cache_mark(value),
            "prompt_cache_options" => match value.field("ttl") {
                Some(ttl) => self.cache_ttl(ttl),
                None => request.cache_write_30m = true,
            },
            "prompt_cache_retention" if !says(value, "in_memory") => self.cache_ttl(value),
            "modalities" => return self.modalities(value),
            "response_format" | "text" | "format" | "output_config" | "outputConfig"
            | "output_format" => self.schema(name, value),
            "thinking" => {
                if let Some(budget) = value.field("token_budget") {
                    let budget = number("thinking", "token_budget", budget)?; // Cohere
                    self.beside_cap = self.beside_cap.saturating_add(budget);
                }
            }
            "generationConfig"
            | "generation_config"
            | "inferenceConfig"
            | "options"
            | "parameters"
            | "additionalModelRequestFields" => return self.generation(name, value),
            "web_search_options" => {
                self.request.fees.searches_web = true;
                self.searches.bounded += 1; // a search model searches once for each request
                self.runs_tools(place);
            }
            "search_parameters" if !value.field("mode").is_some_and(|mode| says(mode, "off")) => {
                self.request.fees.searches_web = true;
                self.searches.has_unbounded = true;
                self.runs_tools(place);
            }
            "previous_response_id" | "conversation" | "cachedContent" | "cached_content" => {
                self.unseen(place);
            }
            "context_management" => return self.context_management(value, place),
            "mcp_servers" | "connectors" | "plugins" => {
                self.json(value);
                self.runs_tools(place);
            }
            "encoding_format" | "dimensions" | "input_type" => self.is_embedding = true,
            _ if IGNORED.contains(&name) => {}
            _ => return self.limit(TOP, name, value),
        }
        Ok(())
    }

    /// Reads a number that bounds the answer; other fields are text.
    fn limit(&mut self, object: &str, name: &str, value: Json<'_>) -> Read {
        if self.forms.limit(object, name, value)? {
            return Ok(());
        }
        match name {
            "max_tool_calls" => {
                self.searches.calls = Some(number(object, "max_tool_calls", value)?)
            }
            _ => self.json_unless_scalar(value),
        }
        Ok(())
    }

    /// An object of settings: Gemini's, Bedrock's, Ollama's.
    fn generation(&mut self, object: &str, settings: Json<'_>) -> Read {
        for field in settings.fields() {
            let (name, value) = field?;
            match &*name {
                _ if value.is_null() => {}
                "responseModalities" | "response_modalities" => self.modalities(value)?,
                "thinking" | "thinkingConfig" | "thinking_config" | "stop" | "stopSequences" => {}
                _ if attempts::names_models(&name) => self.names_models = true,
                _ => self.limit(object, &name, value)?,
            }
        }
        Ok(())
    }

    /// Reads a predicted output. Its rejected tokens are billed as output, and its accepted ones
    /// are output; so all of it may be output in addition to the cap (OpenAI, "Predicted Outputs":
    /// `rejected_prediction_tokens` are completion tokens for billing). It is read as input too.
    fn prediction(&mut self, prediction: Json<'_>) -> Read {
        let before = self.request.input;
        if let Some(content) = prediction.field("content") {
            self.content(content, Place::Field("prediction"), 0)?;
        }
        let tokens = self.request.input.saturating_sub(before);
        self.beside_cap = self.beside_cap.saturating_add(tokens);
        Ok(())
    }

    /// What is cleared from the context costs nothing; to sum it up, the model is asked once more.
    fn context_management(&mut self, value: Json<'_>, place: Place<'_>) -> Read {
        let mut only_clears = true;
        for edit in value.field("edits").unwrap_or(value).items() {
            let kind = edit?.field("type").and_then(Json::string);
            only_clears &= kind.is_some_and(|kind| kind.starts_with("clear_"));
        }
        if !only_clears {
            self.runs_tools(place);
        }
        Ok(())
    }

    fn modalities(&mut self, names: Json<'_>) -> Read {
        for name in names.items() {
            let is_audio = name?.string().is_some_and(|name| name.eq_ignore_ascii_case("audio"));
            self.request.output_audio |= is_audio;
        }
        Ok(())
    }

    /// What is read as plain text or tokens: Responses' and embeddings' `input`, `prompt`, `texts`.
    /// True if it is several texts, or numbers: Responses takes neither.
    fn inputs(&mut self, value: Json<'_>, place: Place<'_>) -> Result<bool, UsageError> {
        self.has_input = true;
        if !value.is_array() {
            self.add(self.framing.per_message + 1);
            return self.content(value, place, 0).map(|()| false);
        }
        let (mut prompts, mut is_plain) = (0_u64, false);
        for (index, item) in value.items().enumerate() {
            let (item, here) = (item?, Place::Item(&place, index));
            if item.is_object() {
                self.message(item, here)?;
                continue;
            }
            is_plain = true;
            if item.number().is_some() {
                self.add(1);
                continue;
            }
            prompts += 1;
            self.add(self.framing.per_message);
            if item.is_array() {
                item.items().try_for_each(|token| token.map(|_| self.add(1)))?;
            } else {
                self.content(item, here, 0)?;
            }
        }
        self.prompts = self.prompts.max(prompts);
        Ok(is_plain)
    }
}

/// Settings that the model does not read.
#[rustfmt::skip]
const IGNORED: &[&str] = &[
    "metadata", "user", "stop", "stop_sequences", "stream_options", "safetySettings",
    "safety_settings", "safety_identifier", "labels", "logit_bias", "include", "prompt_cache_key",
    "prompt_cache_retention", "truncation", "reasoning", "reasoning_effort", "speed",
    "keep_alive", "anthropic_version", "anthropic_beta", "requestMetadata", "guardrailConfig",
    "search_parameters",
];

fn says(value: Json<'_>, word: &str) -> bool {
    value.string().as_deref() == Some(word)
}
