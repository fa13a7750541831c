//! Owns the bound of a call: genai's request and options, in a form that bursar's reader takes.
//!
//! genai keeps the body that it sends to itself. What stands here has all that the body has, and
//! more where its forms differ: fields that more than one provider knows, names that not all of
//! them send, a schema twice where genai adds to it.

use bursar::usage::Request;
use bursar::usage::tokens::Heuristic;
use genai::adapter::AdapterKind;
use genai::chat::{
    Binary, BinarySource, CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatResponseFormat,
    ChatRole, ContentPart, Tool, ToolConfig, ToolName,
};
use genai::embed::{EmbedInput, EmbedRequest};
use serde_json::{Map, Value, json};

use crate::Error;

/// What a chat will cost at most. Its cap is that of the options, unless `extra_body` may change it.
pub(crate) fn chat(
    asked: &ChatRequest,
    options: &ChatOptions,
    kind: AdapterKind,
    model: &str,
) -> Result<Request, Error> {
    let mut body = chat_body(asked, options, kind);
    let is_cap_known = extend(&mut body, options.extra_body.as_ref())?;
    let counter = Heuristic::for_model(model);
    let mut request = Request::read(&Value::Object(body), model, &counter)?;
    if !is_cap_known {
        request.max_output = None;
    }
    Ok(request)
}

/// What a request of embeddings will cost at most.
pub(crate) fn embeddings(asked: &EmbedRequest, model: &str) -> Result<Request, Error> {
    let input = match &asked.input {
        EmbedInput::Single(text) => json!(text),
        EmbedInput::Batch(texts) => json!(texts),
    };
    let body = json!({"input": input, "encoding_format": "float"});
    Ok(Request::read(&body, model, &Heuristic::for_model(model))?)
}

fn chat_body(asked: &ChatRequest, options: &ChatOptions, kind: AdapterKind) -> Map<String, Value> {
    let system = asked.system.iter().map(|text| json!({"role": "system", "content": text}));
    let messages: Vec<Value> = system.chain(asked.messages.iter().map(message)).collect();
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
    set("messages", messages.into());
    if let Some(tools) = &asked.tools {
        set("tools", tools.iter().map(|asked| tool(asked, kind)).collect());
    }
    if let Some(id) = &asked.previous_response_id {
        set("previous_response_id", json!(id));
    }
    if let Some(cap) = options.max_tokens {
        set("max_tokens", json!(cap));
    }
    if let Some(control) = &options.cache_control {
        set("cache_control", cache_mark(control));
        if *control == CacheControl::Ephemeral24h {
            set("prompt_cache_retention", json!("24h")); // OpenAI's
        }
    }
    if let Some(ChatResponseFormat::JsonSpec(spec)) = &options.response_format {
        let schema = json!({"name": spec.name, "schema": spec.schema, "closed": spec.schema});
        set("output_config", json!({"format": schema}));
    }
    // `service_tier` can only be flex, which is cheaper, and not every adapter sends it: the
    // answer says what was billed.
    body
}

/// Adds what genai adds to its body. False if the output cap may be another then.
fn extend(body: &mut Map<String, Value>, extra: Option<&Value>) -> Result<bool, Error> {
    let extra = match extra {
        None | Some(Value::Null) => return Ok(true),
        Some(Value::Object(extra)) => extra,
        Some(_) => return Err(replaced("the whole body")),
    };
    let mut is_cap_known = true;
    for (name, value) in extra {
        if REPLACING.contains(&name.as_str()) {
            return Err(replaced(name));
        }
        is_cap_known &= !CAPPING.contains(&name.as_str());
        body.insert(name.clone(), value.clone());
    }
    Ok(is_cap_known)
}

/// Fields of which a body has one only: what is asked, and who.
const REPLACING: &[&str] = &["model", "models", "messages", "input", "contents", "prompt"];

/// Fields that say, or hold, the output cap.
const CAPPING: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxTokens",
    "generationConfig",
    "generation_config",
    "inferenceConfig",
    "options",
    "thinking",
];

fn replaced(field: &str) -> Error {
    Error::Replaced { field: field.to_owned() }
}

fn message(message: &ChatMessage) -> Value {
    let role = match message.role {
        ChatRole::System => "system",
        ChatRole::User => "user",
        ChatRole::Assistant => "assistant",
        ChatRole::Tool => "tool",
    };
    let content: Vec<Value> = message.content.parts().iter().map(part).collect();
    let control = message.options.as_ref().and_then(|options| options.cache_control.as_ref());
    json!({"role": role, "content": content, "cache_control": control.map(cache_mark)})
}

fn part(part: &ContentPart) -> Value {
    match part {
        ContentPart::Text(text) => json!({"type": "text", "text": text}),
        ContentPart::Binary(binary) => media(binary),
        ContentPart::ToolCall(call) => json!({
            "type": "tool_use", "id": call.call_id, "name": call.fn_name,
            "input": call.fn_arguments, "signatures": call.thought_signatures,
        }),
        ContentPart::ToolResponse(response) => json!({
            "type": "tool_result", "tool_use_id": response.call_id, "name": response.fn_name,
            "content": response.content,
        }),
        ContentPart::ThoughtSignature(text) | ContentPart::ReasoningContent(text) => {
            json!({"type": "thinking", "thinking": text})
        }
        // OpenRouter's blocks of thought.
        ContentPart::Custom(custom)
            if custom.typ().is_some_and(|t| t.starts_with("reasoning.")) =>
        {
            json!({"type": "reasoning", "data": custom.data})
        }
        ContentPart::Custom(custom) => custom.data.clone(),
    }
}

/// An image counts by the model, whatever its bytes; of other media the bytes count, if they are
/// there.
fn media(binary: &Binary) -> Value {
    if binary.is_image() {
        return json!({"type": "image"});
    }
    let data = match &binary.source {
        BinarySource::Base64(data) => Some(&**data),
        BinarySource::Url(_) => None,
    };
    let kind = &binary.content_type;
    if binary.is_audio() {
        return json!({"type": "input_audio", "input_audio": {"data": data, "format": kind}});
    }
    if binary.is_video() {
        return json!({"type": "video"});
    }
    let source = json!({"media_type": kind, "data": data});
    json!({"type": "document", "name": binary.name, "source": source})
}

fn tool(tool: &Tool, kind: AdapterKind) -> Value {
    let mut value = match provided_tool(tool, kind) {
        Some(provided) => provided,
        None => json!({
            "type": "function", "name": tool.name.as_str(), "description": tool.description,
            "parameters": tool.schema, "format": tool.custom_format, "config": tool.config,
            // genai closes a strict schema, and names all of its fields once more.
            "closed": tool.schema.as_ref().filter(|_| tool.strict == Some(true)),
        }),
    };
    if let Some(control) = &tool.cache_control {
        value["cache_control"] = cache_mark(control);
    }
    value
}

/// A tool that the provider runs, as its adapter sends it.
fn provided_tool(tool: &Tool, kind: AdapterKind) -> Option<Value> {
    let is_gemini =
        matches!(kind, AdapterKind::Gemini | AdapterKind::GeminiIx | AdapterKind::Vertex);
    let name = match &tool.name {
        ToolName::WebSearch if is_gemini => "googleSearch",
        ToolName::WebSearch => "web_search",
        ToolName::Custom(name) => name,
    };
    if is_gemini && GEMINI_RUNS.contains(&name) {
        let config = tool.config.as_ref().map(|config| json!(config));
        return Some(json!({name: config.unwrap_or_else(|| json!({}))}));
    }
    if name != "web_search" {
        return None;
    }
    let mut value = json!({"type": "web_search"});
    // Of all adapters, only Anthropic's sends the bound on searches.
    let bound = match &tool.config {
        Some(ToolConfig::WebSearch(config)) => config.max_uses.map(|uses| json!(uses)),
        Some(ToolConfig::Custom(config)) => config.get("max_uses").cloned(),
        None => None,
    };
    if let (AdapterKind::Anthropic, Some(bound)) = (kind, bound) {
        value["max_uses"] = bound;
    }
    value["config"] = json!(tool.config);
    Some(value)
}

/// Tools that Gemini runs, as genai knows them by their names.
const GEMINI_RUNS: &[&str] =
    &["googleSearch", "googleSearchRetrieval", "codeExecution", "urlContext"];

fn cache_mark(control: &CacheControl) -> Value {
    match control {
        CacheControl::Ephemeral1h | CacheControl::Ephemeral24h => json!({"ttl": "1h"}),
        _ => json!({"ttl": "5m"}),
    }
}
