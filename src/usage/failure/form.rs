//! [`ErrorBody`]: recognises the error bodies of the providers, and reads their status.

use serde_json::{Map, Value};

use super::super::body::Body;
use super::super::json::Json;

/// How a provider writes an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorForm {
    /// `{"error": {"message", "type", "code"}}`, also of servers with OpenAI's API; in a stream of
    /// Responses also `{"type": "error", "message", "code"}`.
    OpenAi,
    /// `{"error": {"code": 502, "message"}}`: a number, and no type.
    OpenRouter,
    /// `{"type": "error", "error": {"type", "message"}}`
    Anthropic,
    /// `{"error": {"code": 503, "message", "status": "UNAVAILABLE"}}`, also as the only item of an
    /// array.
    Google,
    /// `{"object": "error", "message", "type"}`: Mistral, and older vLLM.
    Mistral,
    /// `{"error": "…"}`: Ollama, xAI.
    Text,
    /// `{"message": "…"}`, `{"__type": "…"}`: Bedrock, Cohere, Novita.
    Message,
    /// `{"detail": …}`: fal, Mistral, Voyage.
    Detail,
}

impl ErrorForm {
    /// True if a proxy on the way would not write this form.
    pub(super) fn is_distinct(self) -> bool {
        matches!(
            self,
            ErrorForm::OpenAi | ErrorForm::OpenRouter | ErrorForm::Anthropic | ErrorForm::Google
        )
    }
}

/// A kind of error that some provider bills differently from its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The provider's filter refused the prompt.
    ContentFilter,
    /// The prompt is longer than the model's context.
    TooLong,
    /// The prompt violates the provider's guidelines.
    Guidelines,
}

/// An error in the form of some provider.
#[derive(Debug)]
pub(super) struct ErrorBody {
    pub(super) form: ErrorForm,
    /// The provider whose form it is; `""` if several have it.
    pub(super) hint: &'static str,
    /// The status that it names or that its type implies, else 500.
    pub(super) status: u16,
    pub(super) why: Option<Why>,
}

/// The longest body that is parsed, in bytes: an error is short.
const LONGEST: usize = 64 * 1024;

impl ErrorBody {
    /// Finds the error in a body: one JSON object, the only item of an array, or an event of a
    /// stream.
    pub(super) fn of(body: Body<'_>) -> Option<ErrorBody> {
        values(body).iter().find_map(|value| {
            let object = match value {
                Value::Array(items) => items.first()?.as_object()?,
                value => value.as_object()?,
            };
            ErrorBody::of_object(object)
        })
    }

    fn of_object(object: &Map<String, Value>) -> Option<ErrorBody> {
        // Responses: `{"type": "response.failed", "response": {"error": …}}`.
        if let Some(Value::Object(response)) = object.get("response") {
            return ErrorBody::of_object(response);
        }
        let says = |name: &str| object.get(name).and_then(Value::as_str);
        let is_error = says("type") == Some("error");
        let (form, hint, error) = match object.get("error") {
            Some(Value::Object(error)) => {
                let (form, hint) = form_of(error, is_error)?;
                (form, hint, error)
            }
            Some(Value::String(_)) if object.contains_key("code") => {
                (ErrorForm::Text, "xai", object)
            }
            Some(Value::String(_)) => (ErrorForm::Text, "ollama", object),
            Some(Value::Null) | None => {
                let (form, hint) = match () {
                    () if is_error && says("message").is_some() => (ErrorForm::OpenAi, "openai"),
                    () if says("object") == Some("error") => (ErrorForm::Mistral, "mistral"),
                    () if object.contains_key("detail") => (ErrorForm::Detail, ""),
                    () if object.contains_key("__type") => (ErrorForm::Message, "bedrock"),
                    () if says("message").or(says("Message")).is_some() => (ErrorForm::Message, ""),
                    () => return None,
                };
                (form, hint, object)
            }
            Some(_) => return None,
        };
        Some(ErrorBody { form, hint, status: status(error), why: why(error) })
    }
}

/// The form of the object in `error`.
fn form_of(error: &Map<String, Value>, is_error: bool) -> Option<(ErrorForm, &'static str)> {
    let says = |name: &str| error.get(name).is_some_and(Value::is_string);
    let has_number = error.get("code").is_some_and(Value::is_number);
    Some(match () {
        () if is_error && says("type") => (ErrorForm::Anthropic, "anthropic"),
        () if has_number && says("status") => (ErrorForm::Google, "google"),
        () if has_number && says("message") && !says("type") => {
            (ErrorForm::OpenRouter, "openrouter")
        }
        () if error.contains_key("innererror") => (ErrorForm::OpenAi, "azure"),
        () if says("message") || says("type") => (ErrorForm::OpenAi, "openai"),
        () => return None,
    })
}

/// The HTTP status that an error names, or that its type or code implies.
fn status(error: &Map<String, Value>) -> u16 {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let named = ["code", "status", "status_code", "statusCode"].into_iter().find_map(|name| {
        let status = u16::try_from(number(error.get(name)?)?).ok()?;
        (400..600).contains(&status).then_some(status)
    });
    let words = ["type", "code", "status", "__type"].into_iter();
    let words = || words.clone().filter_map(|name| error.get(name)?.as_str());
    named.or_else(|| words().find_map(status_of_word)).unwrap_or(500)
}

/// The status that an error type or code implies.
fn status_of_word(word: &str) -> Option<u16> {
    // Bedrock: `com.amazon.coral.service#ThrottlingException`.
    let word = word.rsplit('#').next().unwrap_or(word);
    STATUSES.iter().find(|(_, words)| words.contains(&word)).map(|(status, _)| *status)
}

/// Types and codes of errors, from the providers' pages on errors.
const STATUSES: &[(u16, &[&str])] = &[
    (400, &["invalid_request_error", "invalid_prompt", "context_length_exceeded"]),
    (400, &["content_filter", "INVALID_ARGUMENT", "FAILED_PRECONDITION", "ValidationException"]),
    (401, &["authentication_error", "invalid_api_key", "UNAUTHENTICATED"]),
    (402, &["billing_error"]),
    (403, &["permission_error", "PERMISSION_DENIED", "AccessDeniedException"]),
    (404, &["not_found_error", "model_not_found", "NOT_FOUND", "ResourceNotFoundException"]),
    (413, &["request_too_large"]),
    (429, &["rate_limit_error", "rate_limit_exceeded", "insufficient_quota", "requests", "tokens"]),
    (429, &["RESOURCE_EXHAUSTED", "ThrottlingException"]),
    (499, &["CANCELLED"]),
    (503, &["service_unavailable_error", "server_is_overloaded", "slow_down", "UNAVAILABLE"]),
    (503, &["ServiceUnavailableException"]),
    (504, &["timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException"]),
    (529, &["overloaded_error"]),
];

fn why(error: &Map<String, Value>) -> Option<Why> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let code = text(error.get("code")).unwrap_or_default();
    let inner = text(error.get("innererror").and_then(|inner| inner.get("code")));
    let message = text(error.get("message")).or_else(|| text(error.get("error")));
    let message = message.unwrap_or_default().to_ascii_lowercase();
    match code.as_str() {
        "content_filter" => Some(Why::ContentFilter),
        _ if inner.as_deref() == Some("ResponsibleAIPolicyViolation") => Some(Why::ContentFilter),
        "context_length_exceeded" | "string_above_max_length" => Some(Why::TooLong),
        _ if message.contains("usage guidelines") => Some(Why::Guidelines),
        _ => None,
    }
}

/// Whether a body, or any event in it, holds a part of an answer.
pub(super) fn has_output(body: Body<'_>) -> bool {
    values(body).iter().any(delivers)
}

/// Whether a JSON value holds text of an answer, in the fields that any provider has for it.
fn delivers(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| match (name.as_str(), value) {
            ("error" | "innererror" | "detail", _) => false,
            (
                "content" | "text" | "delta" | "thinking" | "reasoning" | "reasoning_content"
                | "refusal" | "arguments" | "partial_json" | "response" | "transcript"
                | "tool_plan" | "b64_json",
                Value::String(text),
            ) => !text.is_empty(),
            ("tool_calls", Value::Array(calls)) => !calls.is_empty(),
            ("function_call" | "functionCall" | "toolUse", Value::Object(_)) => true,
            (_, value) => delivers(value),
        }),
        Value::Array(items) => items.iter().any(delivers),
        _ => false,
    }
}

/// The JSON values of a body: the body itself, or the events of a stream.
fn values(body: Body<'_>) -> Vec<Value> {
    let text = match body.0 {
        Json::Tree(Value::String(text)) => text.as_bytes(),
        Json::Tree(tree) => return vec![tree.clone()],
        Json::Text(text) => text,
    };
    if text.len() > LONGEST {
        return Vec::new();
    }
    if let Ok(value) = serde_json::from_slice(text) {
        return vec![value];
    }
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let data = lines.map(|line| line.strip_prefix(b"data:").unwrap_or(line));
    data.filter_map(|line| serde_json::from_slice(line).ok())
        .filter(|v: &Value| !v.is_number())
        .collect()
}
