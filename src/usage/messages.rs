//! [`held_by`]: what stands under each name in a message, in the API forms of all providers.
//!
//! Three readers share this table: [`content`](super::content) reads answers,
//! [`request`](super::request) bounds what is sent, and [`context`](crate::context) trims it. A new
//! form of a message needs a name here, and nothing in the readers.

/// What stands under a name: a field of a message or of a part, or the `type` of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    /// What the model thought, as far as it is shown.
    Reasoning,
    /// A message, or parts of one.
    Parts,
    /// A call of a tool, with its name and arguments.
    Call,
    /// The name of a tool or person.
    Name,
    /// What a call passes: JSON, or the text of it.
    Arguments,
    /// The result of a call, which holds parts.
    Result,
    Image,
    Audio,
    Video,
    Document,
    /// Gemini's data of any kind, by its MIME type.
    Blob,
    /// Data of an answer, such as an image or encrypted reasoning.
    Data,
    /// A mark for the prompt cache.
    CacheMark,
    /// Anything else that brings no more than its own text.
    Plain,
}

/// What stands under a name; `None` if the name is not known.
#[rustfmt::skip]
pub(crate) fn held_by(name: &str) -> Option<Holds> {
    Some(match name {
        // All.
        "text" | "refusal" => Holds::Text,
        "content" => Holds::Parts,
        "name" => Holds::Name,
        "role" => Holds::Plain,
        "image" => Holds::Image,
        "audio" => Holds::Audio,
        "video" => Holds::Video,
        "document" => Holds::Document,
        // OpenAI's chat completions, and those who speak them; OpenRouter has `images`.
        "tool_calls" | "function" | "function_call" => Holds::Call,
        "arguments" => Holds::Arguments,
        "reasoning_content" | "reasoning" | "reasoning_details" => Holds::Reasoning,
        "transcript" => Holds::Text,
        "image_url" | "images" => Holds::Image,
        "input_audio" => Holds::Audio,
        "video_url" | "input_video" => Holds::Video,
        "file" => Holds::Document,
        "b64_json" => Holds::Data,
        "json_schema" | "json" => Holds::Plain,
        // OpenAI's responses.
        "input_text" | "output_text" | "summary_text" | "reasoning_text" => Holds::Text,
        "summary" => Holds::Reasoning,
        "message" | "function_call_output" | "custom_tool_call_output" => Holds::Result,
        "computer_call_output" => Holds::Result,
        "custom_tool_call" | "computer_call" | "web_search_call" => Holds::Call,
        "local_shell_call" | "shell_call" | "apply_patch_call" => Holds::Call,
        "local_shell_call_output" | "shell_call_output" | "apply_patch_call_output" => Holds::Plain,
        "input_image" | "computer_screenshot" | "image_generation_call" => Holds::Image,
        "input_file" => Holds::Document,
        // Anthropic.
        "thinking" | "redacted_thinking" => Holds::Reasoning,
        "data" => Holds::Data,
        "partial_json" => Holds::Text,
        "tool_use" | "server_tool_use" | "mcp_tool_use" => Holds::Call,
        "input" => Holds::Arguments,
        "tool_result" | "mcp_tool_result" | "search_result" => Holds::Result,
        "web_search_tool_result" => Holds::Plain,
        "cache_control" => Holds::CacheMark,
        // Gemini.
        "parts" => Holds::Parts,
        "thought" => Holds::Reasoning,
        "functionCall" => Holds::Call,
        "args" => Holds::Arguments,
        "functionResponse" | "function_response" => Holds::Result,
        "inlineData" | "inline_data" | "fileData" | "file_data" => Holds::Blob,
        "thoughtSignature" | "thought_signature" | "mediaResolution" => Holds::Plain,
        "media_resolution" | "executableCode" | "codeExecutionResult" => Holds::Plain,
        // Bedrock.
        "toolUse" => Holds::Call,
        "toolResult" => Holds::Result,
        "reasoningContent" | "reasoningText" => Holds::Reasoning,
        "cachePoint" | "cache_point" => Holds::CacheMark,
        "guardContent" | "searchResult" | "citationsContent" => Holds::Plain,
        // Cohere.
        "tool_plan" => Holds::Text,
        "tool_call" => Holds::Call,
        _ => return None,
    })
}
