//! The upper bound of a call: genai's request and options, in a form that bursar reads.
//!
//! genai keeps the body that it sends to itself. What stands here has all that the body has, and
//! more where its forms differ: fields that more than one provider knows, names that not all of
//! them send, a schema twice where some adapters add to it: as the user wrote it, and as genai
//! closes it.

use bursar::Model;
use bursar::usage::Request;
use genai::adapter::AdapterKind;
use genai::chat::{
    Binary, BinarySource, CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatResponseFormat,
    ChatRole, ContentPart, JsonSchemaDialect, Tool, ToolConfig, ToolName, sanitize_json_schema,
};
use genai::embed::{EmbedInput, EmbedRequest};
use serde_json::{Map, Value, json};

use crate::Error;

/// What a chat will cost at most. Its cap is that of the options, unless `extra_body` may change it.
pub(crate) fn chat(
    asked: &ChatRequest,
    options: &ChatOptions,
    kind: AdapterKind,
    model: &Model,
) -> Result<Request, Error> {
    let mut body = chat_body(asked, options, kind);
    let is_cap_known = extend(&mut body, options.extra_body.as_ref())?;
    let mut request = model.read_request(&Value::Object(body))?;
    if !is_cap_known {
        request.max_output = None;
    }
    Ok(request)
}

/// What a request of embeddings will cost at most.
pub(crate) fn embeddings(asked: &EmbedRequest, model: &Model) -> Result<Request, Error> {
    let input = match &asked.input {
        EmbedInput::Single(text) => json!(text),
        EmbedInput::Batch(texts) => json!(texts),
    };
    let body = json!({"input": input, "encoding_format": "float"});
    Ok(model.read_request(&body)?)
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
    let verbosity = options.verbosity.as_ref().and_then(|verbosity| verbosity.as_keyword());
    let format = options.response_format.as_ref().map(|format| match format {
        ChatResponseFormat::JsonMode => json!({"type": "json_object"}),
        ChatResponseFormat::JsonSpec(spec) => json!({
            "type": "json_schema", "name": spec.name, "strict": true, "schema": spec.schema,
            "closed": sanitize_json_schema(&spec.schema, JsonSchemaDialect::OpenAiStrict),
        }),
    });
    if verbosity.is_some() || format.is_some() {
        set("output_config", json!({"verbosity": verbosity, "format": format}));
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
    let parts = message.content.parts();
    let (thoughts, others): (Vec<_>, Vec<_>) = parts.iter().partition(|part| is_thought(part));
    let mut content: Vec<Value> = others.into_iter().map(part).collect();
    if !thoughts.is_empty() {
        // In one part, as genai sends a thought with its signature.
        let texts: Vec<Value> = thoughts.into_iter().map(part).collect();
        content.push(json!({"type": "thinking", "thinking": texts}));
    }
    let control = message.options.as_ref().and_then(|options| options.cache_control.as_ref());
    json!({"role": role, "content": content, "cache_control": control.map(cache_mark)})
}

fn is_thought(part: &ContentPart) -> bool {
    matches!(part, ContentPart::ThoughtSignature(_) | ContentPart::ReasoningContent(_))
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
            json!({"type": "thinking", "text": text})
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
            "strict": tool.strict == Some(true),
            // genai closes a strict schema, and names all of its fields once more.
            "closed": tool.schema.as_ref().filter(|_| tool.strict == Some(true)).map(|schema| {
                sanitize_json_schema(schema, JsonSchemaDialect::OpenAiStrictTool)
            }),
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

#[cfg(test)]
mod tests {
    use genai::chat::{JsonSpec, MessageOptions, WebSearchConfig};

    use super::*;

    fn read(asked: &ChatRequest, options: &ChatOptions) -> Request {
        chat(asked, options, AdapterKind::Anthropic, &priced("claude-haiku-4-5")).unwrap()
    }

    fn priced(name: &str) -> Model {
        bursar::PriceBook::builtin().find(name).unwrap()
    }

    fn hello() -> ChatRequest {
        ChatRequest::from_system("Be terse.").append_message(ChatMessage::user("How high is it?"))
    }

    fn with(part: ContentPart) -> ChatRequest {
        hello().append_message(ChatMessage::user(vec![part]))
    }

    #[test]
    fn all_text_of_a_talk_counts() {
        let options = ChatOptions::default().with_max_tokens(800);
        let plain = read(&hello(), &options);
        assert_eq!((plain.max_output, plain.choices, &plain.unseen[..]), (Some(800), 1, &[][..]));
        let text = "word ".repeat(1_000);
        let more = |asked: ChatRequest| read(&asked, &options).input - plain.input;
        assert!(more(hello().with_system(text.clone())) > 900);
        assert!(more(with(ContentPart::from_text(text.clone()))) > 900);
        assert!(more(with(ContentPart::ReasoningContent(text.clone()))) > 900);
        assert!(more(with(ContentPart::ThoughtSignature(text.clone()))) > 900);
        let call = genai::chat::ToolCall {
            call_id: "1".to_owned(),
            fn_name: "look".to_owned(),
            fn_arguments: json!({"at": text}),
            thought_signatures: Some(vec![text.clone()]),
        };
        let response = genai::chat::ToolResponse::from_tool_call(&call, text.clone());
        assert!(more(with(ContentPart::ToolCall(call))) > 1_800);
        assert!(more(with(ContentPart::ToolResponse(response))) > 900);
        let schema = json!({"type": "object", "description": text});
        let tool = Tool::new("look").with_schema(schema.clone());
        assert!(more(hello().with_tools(vec![tool])) > 900);
        let spec = options.clone().with_response_format(JsonSpec::new("answer", schema));
        assert!(read(&hello(), &spec).input - plain.input > 1_800);
    }

    #[test]
    fn media_count_by_what_they_are_or_are_unseen() {
        let options = ChatOptions::default();
        let image = ContentPart::from_binary_url("image/png", "https://a.b/c.png", None);
        let plain = read(&hello(), &options);
        assert!(read(&with(image), &options).input - plain.input >= 1_600);
        let sound = ContentPart::from_binary_base64("audio/wav", "A".repeat(8_000), None);
        assert!(read(&with(sound), &options).input_audio > 20);
        let note = ContentPart::from_binary_base64("text/plain", "A".repeat(400), None);
        assert!(read(&with(note), &options).input - plain.input >= 300);
        for (kind, data) in [("application/pdf", "AAAA"), ("video/mp4", "AAAA")] {
            let part = ContentPart::from_binary_base64(kind, data, None);
            assert!(!read(&with(part), &options).unseen.is_empty(), "{kind}");
        }
        let stored = ChatRequest { previous_response_id: Some("r".to_owned()), ..hello() };
        assert_eq!(read(&stored, &options).unseen, ["previous_response_id"]);
    }

    #[test]
    fn marks_for_the_cache_are_seen_wherever_they_stand() {
        let marks = |asked: &ChatRequest, options: &ChatOptions| {
            let request = read(asked, options);
            (request.cache_write_5m, request.cache_write_1h, request.cache_write_12h)
        };
        let none = ChatOptions::default();
        assert_eq!(marks(&hello(), &none), (false, false, false));
        let marked = |control: CacheControl| {
            let message = ChatMessage::user("Hi").with_options(MessageOptions::from(control));
            hello().append_message(message)
        };
        assert_eq!(marks(&marked(CacheControl::Ephemeral), &none), (true, false, false));
        assert_eq!(marks(&marked(CacheControl::Ephemeral1h), &none), (false, true, false));
        let all = none.clone().with_cache_control(CacheControl::Ephemeral24h);
        assert_eq!(marks(&hello(), &all), (false, true, true));
        let mut tool = Tool::new("look");
        tool.cache_control = Some(CacheControl::Ephemeral1h);
        assert_eq!(marks(&hello().with_tools(vec![tool]), &none), (false, true, false));
    }

    #[test]
    fn searches_are_bounded_where_the_bound_is_sent() {
        let search = |kind: AdapterKind, model: &str| {
            let config = WebSearchConfig::default().with_max_uses(3);
            let tool = Tool::new(ToolName::WebSearch).with_config(config);
            let asked = hello().with_tools(vec![tool]);
            chat(&asked, &ChatOptions::default(), kind, &priced(model)).unwrap()
        };
        assert_eq!(search(AdapterKind::Anthropic, "claude-haiku-4-5").web_searches, Some(3));
        assert_eq!(search(AdapterKind::OpenAIResp, "gpt-5").web_searches, None);
        let gemini = search(AdapterKind::Gemini, "gemini-2.5-pro");
        assert_eq!((gemini.web_searches, gemini.unseen.len()), (None, 1));
    }

    #[test]
    fn an_extra_body_counts_and_replaces_nothing() {
        let options = ChatOptions::default().with_max_tokens(800);
        let extra = |body: Value| {
            let options = options.clone().with_extra_body(body);
            chat(&hello(), &options, AdapterKind::OpenAI, &priced("gpt-5"))
        };
        assert_eq!(extra(json!({"n": 3})).unwrap().choices, 3);
        let tier = extra(json!({"service_tier": "priority"})).unwrap().service;
        assert_eq!(tier, Some(bursar::Service::Priority));
        let plain = extra(json!({})).unwrap();
        assert_eq!(plain.max_output, Some(800));
        assert!(extra(json!({"note": "word ".repeat(500)})).unwrap().input > plain.input + 400);
        // Whichever of two caps the provider obeys, or none.
        assert_eq!(extra(json!({"max_completion_tokens": null})).unwrap().max_output, None);
        for body in [json!({"messages": []}), json!({"model": "gpt-5-pro"}), json!([1])] {
            let error = extra(body).unwrap_err();
            assert!(matches!(error, Error::Replaced { .. }), "{error}");
        }
    }
}
