//! [`Request`]: the numbers in a request body that bound the cost of its call.

mod attempts;
mod content;
mod fields;
mod forms;
mod images;
mod media;
mod reasoning;
mod tools;

use super::body::{Body, trimmed};
use super::error::UsageError;
use super::json::Json;
use super::tokens::TokenCounter;
use super::{Service, Usage};

use fields::Reader;

pub(crate) use attempts::Attempt;

/// What a request body says about the cost of its call: bounds, not expectations.
///
/// [`Model::estimate_request`](crate::Model::estimate_request) makes an estimate of a body in one
/// step. This is the step between, for what a body cannot say:
///
/// ```
/// use bursar::usage::Request;
/// use bursar::usage::tokens::Heuristic;
/// use bursar::PriceBook;
///
/// let terra = PriceBook::builtin().find("gpt-6.1-terra")?;
/// let body = r#"{"model": "gpt-6.1-terra", "max_output_tokens": 800,
///     "previous_response_id": "resp_17", "input": "And in winter?"}"#;
/// let request = Request::read(body, "gpt-6.1-terra", &Heuristic::new())?;
/// assert_eq!(request.unseen, ["previous_response_id"]);
/// assert!(terra.estimate_of(&request).is_err(), "the length of that conversation is unknown");
///
/// let estimate = terra.estimate_of(&request.with_unseen_input(12_000))?;
/// assert!(!estimate.cap_is_assumed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # How input is bounded
///
/// | in the request | counts as |
/// |---|---|
/// | text, names, roles | [`TokenCounter::upper_bound`], and the framing of the model's family |
/// | tools, schemas, calls, results, fields that are not known | the text of their JSON |
/// | each structured part | 4 tokens |
/// | messages, names, tools, the request itself | the unseen tokens of the model's family: [`Framing`](crate::usage::tokens::Framing) |
/// | a tool or an output schema on Claude | at least 2 tokens for each byte of its JSON: nested schemas have been billed at up to 1.875 |
/// | a `prediction` | as input, and as output beside the cap |
/// | a tool that Anthropic or OpenAI define (`bash_…`, `computer_…`, `text_editor_…`, `apply_patch`) | 1,000 on top; the same page names at most 735 |
/// | an image on Claude up to 4.6 | 1,600: width × height / 750, scaled down to that (Anthropic, "Vision") |
/// | an image on a later Claude | 4,784: their higher resolution (same page) |
/// | an image on Gemini | 2,304: 258 and a pan-and-scan of 2,048, or 2,240 at ultra high (Google, "Media resolution") |
/// | an image on GPT-4o, 4.1, 4.5, 5, o1, o3 | 1,445: 85, and 170 for each of at most 8 tiles; 85 at low detail (OpenAI, "Images and vision") |
/// | an image on GPT-4o mini | 48,169: 2,833, and 5,667 for each tile (same page) |
/// | an image on the minis and nanos of GPT-4.1, GPT-5 and the o-series | 3,779: 1,536 patches × 2.46 (same page) |
/// | an image on GPT-5.1 to 5.5 | 12,000: 10,000 patches of 32 × 32 at original detail; 3,000 at high, 310 at low; all with the factor of 1.2 that users have measured |
/// | an image on a later GPT | 36,000: 30,000 patches, more are refused; 3,000 at high, 310 at low: say the detail (same page) |
/// | an image on a later mini or nano | 73,800: 30,000 × 2.46; 7,380 at high, 760 at low |
/// | an image on any other model | 16,384: the largest that any family reads (Qwen-VL) |
/// | audio | 1 token for 16 bytes, for 250 of PCM: 32 tokens a second (Gemini; OpenAI: 10) at the slowest usual bit rates |
/// | a document of plain text | its text, or 1 token for each byte of base64 |
/// | a document of any other kind, video, ids of files and of stored talks, tools that the provider runs | [`unseen`](Request::unseen): not known here |
///
/// The bounds of images do not depend on their size, so it does not matter that a URL hides it.
/// Payloads in base64 never count as text. What is unseen makes an estimate an error until
/// [`with_unseen_input`](Request::with_unseen_input) says how much it may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The model that the body names. Gemini, Bedrock and Azure name it in the URL instead.
    pub model: Option<String>,
    /// The service tier that is asked for; `None` for none, and for `auto`. Both leave it to the
    /// project's settings at the provider: the standard tier, unless it was changed there. In that
    /// case set [`Builder::auto_tier`](crate::budget::Builder::auto_tier): the budget then holds
    /// the dearer of the two.
    pub service: Option<Service>,
    /// Whether it must be processed in one region, at a surcharge (Anthropic's `inference_geo`).
    pub regional: bool,
    /// Whether the answer shall come as a stream.
    pub streams: bool,
    /// Input tokens at most, audio and what is unseen left out.
    pub input: u64,
    /// Audio input tokens at most.
    pub input_audio: u64,
    /// Output tokens of one answer at most, reasoning included; `None`: the request does not say.
    ///
    /// Only the cap of the API that the body is for counts: a server ignores unknown fields. A cap
    /// of 0 counts as none. The tokens of a `prediction` come on top, because OpenAI bills its
    /// rejected tokens as output.
    pub max_output: Option<u64>,
    /// How many answers are asked for.
    pub choices: u64,
    /// Whether it marks input to be cached for 5 minutes (Anthropic, Bedrock).
    pub cache_write_5m: bool,
    /// Whether it asks for a cache of 30 minutes (OpenAI).
    pub cache_write_30m: bool,
    /// Whether it marks input to be cached for 1 hour (Anthropic, Bedrock).
    pub cache_write_1h: bool,
    /// Whether it asks for a cache of 12 hours or longer (OpenAI).
    pub cache_write_12h: bool,
    /// Searches that the provider runs at most, in the web and in stored files; `None`: as many as it
    /// likes.
    pub web_searches: Option<u64>,
    /// Whether the answer may be audio.
    pub output_audio: bool,
    /// Whether all input is one prompt that the model reads once, so that it cannot be longer than
    /// the model's context window. It is not for a batch of embeddings, nor where the provider
    /// runs tools and asks the model again.
    pub is_one_prompt: bool,
    /// True if the model does not reason on this request: the request switches it off, or does not
    /// switch on a model that only reasons on request. False if unknown.
    pub reasoning_off: bool,
    /// The fields that bring input whose size the body does not say; the first 16 of them.
    pub unseen: Vec<String>,
    /// The fallback models that the request names.
    pub(crate) attempts: Vec<Attempt>,
    /// What the provider runs for a fee beside web searches.
    pub(crate) fees: ToolFees,
}

/// Tools that the provider runs for a fee, beside web searches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ToolFees {
    /// Searches in stored files, which are among those of [`Request::web_searches`].
    pub(crate) searches_files: bool,
    pub(crate) searches_web: bool,
    /// Containers for code: one for each tool that runs code.
    pub(crate) containers: u64,
    /// Prompts that are grounded in a map.
    pub(crate) maps: u64,
}

impl Request {
    /// The most tokens that one image can be for a model of that name, by the table above.
    pub(crate) fn most_image_tokens(model: &str) -> u64 {
        images::Images::of(&model.to_ascii_lowercase()).most()
    }

    /// Reads a request body for a model, by its name: OpenAI's chat completions, responses and
    /// embeddings, and the servers that speak them; Anthropic's messages; Gemini's
    /// `generateContent`; Bedrock's Converse; Cohere's v2 chat; Mistral; Ollama. The form is
    /// recognised by the names of its fields.
    ///
    /// # Errors
    ///
    /// If it is not a JSON object, holds no input of a known form, or a count is not a number.
    pub fn read<'b>(
        body: impl Into<Body<'b>>,
        model: &str,
        counter: &dyn TokenCounter,
    ) -> Result<Request, RequestError> {
        Reader::new(model, counter).read(object(body.into())?)
    }

    /// The model that a body names, without reading the rest of what it says.
    ///
    /// # Errors
    ///
    /// If it is not a JSON object.
    pub(crate) fn named_model(body: Body<'_>) -> Result<Option<String>, RequestError> {
        let body = object(body)?;
        let mut model = None;
        for field in body.fields() {
            let (name, value) = field?;
            if is_model(&name) {
                model = value.string().map(Into::into);
            }
        }
        Ok(model.or_else(|| attempts::first_of_models(body)))
    }

    /// Allows `tokens` of input for all that is [`unseen`](Request::unseen): what the stored
    /// conversation, the file, the tools of the provider bring. A number above the model's context window
    /// stands for all of that window, where [the input is one prompt](Request::is_one_prompt).
    #[must_use]
    pub fn with_unseen_input(self, tokens: u64) -> Request {
        self.each(|request| {
            request.input = request.input.saturating_add(tokens);
            request.unseen.clear();
        })
    }

    /// Bounds the searches that the provider runs, where the request does not.
    #[must_use]
    pub fn with_web_searches(self, searches: u64) -> Request {
        self.each(|request| request.web_searches = Some(searches))
    }

    /// The names of the fallback models, in order: Anthropic's and `LiteLLM`'s `fallbacks`,
    /// OpenRouter's `models`, `providerOptions.gateway.models` of Vercel's gateway. An
    /// [`Estimate`](crate::Estimate) holds what they may cost.
    ///
    /// ```
    /// use bursar::usage::Request;
    /// use bursar::usage::tokens::Heuristic;
    ///
    /// let body = r#"{"model": "openai/gpt-6-luna", "models": ["openai/gpt-6.1-terra"],
    ///     "messages": [{"role": "user", "content": "Hi"}]}"#;
    /// let request = Request::read(body, "openai/gpt-6-luna", &Heuristic::new())?;
    /// assert!(request.fallback_models().eq(["openai/gpt-6.1-terra"]));
    /// # Ok::<(), bursar::usage::RequestError>(())
    /// ```
    pub fn fallback_models(&self) -> impl Iterator<Item = &str> {
        self.attempts.iter().map(|attempt| &*attempt.model)
    }

    /// Changes the request and its fallback attempts.
    fn each(mut self, change: impl Fn(&mut Request)) -> Request {
        change(&mut self);
        self.attempts.iter_mut().for_each(|attempt| change(&mut attempt.request));
        self
    }

    /// Bounds what the request leaves open, and only that: input that it brings and does not hold by
    /// `unseen_input`, searches without an end by `web_searches`. `None` leaves it open.
    #[must_use]
    pub fn bounded_by(self, unseen_input: Option<u64>, web_searches: Option<u64>) -> Request {
        let request = match unseen_input {
            Some(tokens) if !self.unseen.is_empty() => self.with_unseen_input(tokens),
            _ => self,
        };
        match web_searches {
            Some(searches) if request.web_searches.is_none() => request.with_web_searches(searches),
            _ => request,
        }
    }

    fn nothing() -> Request {
        Request { choices: 1, web_searches: Some(0), is_one_prompt: true, ..Request::default() }
    }
}

/// A body, which has to be an object.
fn object(body: Body<'_>) -> Result<Json<'_>, RequestError> {
    let body = match body.0 {
        Json::Text(text) => Json::Text(trimmed(text)),
        tree => tree,
    };
    if !body.is_object() {
        return Err(RequestError::Malformed { problem: "it is not a JSON object" });
    }
    Ok(body)
}

/// True of the fields that name the model.
fn is_model(field: &str) -> bool {
    matches!(field, "model" | "modelId")
}

/// Why a request body could not be bounded.
///
/// Its `Display` says what to change in the request, for its author; each case says what a program
/// can do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The body is not a JSON object. It has to be passed whole, as it will be sent.
    #[error("the request cannot be read: {problem}; send one JSON object, whole")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The body holds no input of a known form. An estimate can be built by hand:
    /// [`Model::estimate`](crate::Model::estimate).
    #[error(
        "the request holds no input of a known form; give it one of `messages`, `contents`, \
         `input`, `prompt` and `texts`"
    )]
    Unrecognised,
    /// A field that should hold a count holds something else.
    #[error(
        "`{field}` is {found}, which is not a count; make it a whole number from 0 to {}",
        Usage::MAX_COUNT
    )]
    NotACount {
        /// The field: `max_tokens`.
        field: String,
        /// What it holds.
        found: String,
    },
    /// The request brings input whose size it does not say. A caller who knows the most
    /// that it can be passes it to [`Request::with_unseen_input`].
    #[error(
        "the request does not say how many input tokens `{field}` brings; leave it out, or put \
         what it stands for into the request as text"
    )]
    Unseen {
        /// The first such field, with its path: `messages[2].content[0]`.
        field: String,
    },
    /// The provider may search as often as it likes. A caller who knows the most
    /// that it will passes it to [`Request::with_web_searches`].
    #[error(
        "the request does not say how often the provider may search; set `max_uses` of the search \
         tool (Anthropic) or `max_tool_calls` (OpenAI), such as 5, or leave the search out"
    )]
    UnboundedSearches,
    /// The request has a fallback model without a known price: `"fallbacks": "default"`, or a name
    /// that the price list does not have.
    #[error(
        "`{field}` lets `{model}` answer, which has no price; name a model there that has one, or \
         leave the field out"
    )]
    Fallback {
        /// The field that names it: `fallbacks[0]`.
        field: String,
        /// What stands there.
        model: String,
    },
}

impl From<UsageError> for RequestError {
    fn from(error: UsageError) -> RequestError {
        match error {
            UsageError::NotACount { field, found } => RequestError::NotACount { field, found },
            UsageError::Malformed { problem } => RequestError::Malformed { problem },
            _ => RequestError::Malformed { problem: "it cannot be read" },
        }
    }
}
