//! [`JsonChat`]: a conversation as JSON, in the forms of OpenAI, Anthropic and Gemini.

mod items;
mod pieces;

use std::collections::HashMap;

use serde_json::Value;

use super::message::{Bond, Grouping, Message, Messages, Piece, Render, Role, Rules};
use crate::price::Model;
use crate::usage::Request;

/// The `messages` of OpenAI's chat completions, and of all who offer the same: `tool_calls` in
/// assistant messages, results in messages of role `tool`, instructions as `system` or `developer`.
///
/// The input items of the Responses API have another form: [`responses`].
pub fn openai(messages: &[Value]) -> JsonChat<'_> {
    JsonChat::new(messages, ChatForm::OpenAi)
}

/// The `input` items of OpenAI's Responses API: messages, calls and their outputs
/// (`function_call`, `custom_tool_call`, `computer_call`, shells, approvals of MCP), `reasoning`, and
/// what the provider ran itself. Its `instructions` and `tools` are beside them, so their tokens are
/// the caller's to take off.
///
/// A call is kept or dropped with its output, and a `reasoning` item with the model's next item, as
/// the API requires. An item of the model is not cut if it has an id. If the request names a
/// `previous_response_id` or a `conversation`, say so with
/// [`continues_response`](JsonChat::continues_response).
///
/// ```
/// use bursar::context::responses;
/// use bursar::trim_context;
/// use serde_json::json;
///
/// let items = [
///     json!({"role": "user", "content": "Find the bug."}),
///     json!({"type": "reasoning", "id": "rs_1", "summary": []}),
///     json!({"type": "function_call", "id": "fc_1", "call_id": "1", "name": "read",
///         "arguments": "{}"}),
///     json!({"type": "function_call_output", "call_id": "1",
///         "output": "fn main() {}\n".repeat(200)}),
///     json!({"role": "user", "content": "And now?"}),
/// ];
/// let list = responses(&items);
/// let trimmed = trim_context(&list, 80)?;
/// assert_eq!(trimmed.kept(), [0, 4], "thought, call and output went together");
/// # Ok::<(), bursar::context::TrimError>(())
/// ```
pub fn responses(items: &[Value]) -> JsonChat<'_> {
    JsonChat::new(items, ChatForm::Responses)
}

/// The `messages` of Anthropic's Messages API: blocks `tool_use` and `tool_result`. The system
/// prompt is beside them, so its tokens are the caller's to take off.
///
/// ```
/// use bursar::context::anthropic;
/// use bursar::trim_context;
/// use serde_json::json;
///
/// let messages = [
///     json!({"role": "user", "content": "Find the bug."}),
///     json!({"role": "assistant", "content": [
///         {"type": "tool_use", "id": "1", "name": "read", "input": {"file": "main.rs"}}]}),
///     json!({"role": "user", "content": [
///         {"type": "tool_result", "tool_use_id": "1", "content": "fn main() {}\n".repeat(200)}]}),
///     json!({"role": "assistant", "content": "It is in main."}),
///     json!({"role": "user", "content": "And now?"}),
/// ];
/// let chat = anthropic(&messages);
/// let trimmed = trim_context(&chat, 60)?;
/// assert_eq!(trimmed.kept(), [0, 3, 4]); // the call went with its result
/// # Ok::<(), bursar::context::TrimError>(())
/// ```
pub fn anthropic(messages: &[Value]) -> JsonChat<'_> {
    JsonChat::new(messages, ChatForm::Anthropic)
}

/// The `contents` of Gemini's `generateContent`: parts `functionCall` and `functionResponse`, which
/// are matched by the function's name, one to one, because their ids are optional. The system
/// instruction is beside them, so its tokens are the caller's to take off.
pub fn gemini(contents: &[Value]) -> JsonChat<'_> {
    JsonChat::new(contents, ChatForm::Gemini)
}

/// A list of JSON messages of one form; made by [`openai`], [`responses`], [`anthropic`] or
/// [`gemini`].
#[derive(Clone, Copy, Debug)]
pub struct JsonChat<'a> {
    messages: &'a [Value],
    form: ChatForm,
    media_tokens: u64,
    continued: bool,
}

/// One JSON message of a known form.
#[derive(Clone, Copy, Debug)]
pub struct JsonMessage<'a> {
    value: &'a Value,
    form: ChatForm,
    media_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChatForm {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
}

impl<'a> JsonChat<'a> {
    /// What an image counts by default: as much as any model bills for one, by the table of
    /// [`Request`]. Most are far smaller; [`for_model`](JsonChat::for_model) says how large one can be
    /// at most.
    pub const MEDIA_TOKENS: u64 = 73_800;

    /// Counts each image as much as this model bills for the largest.
    #[must_use]
    pub fn for_model(self, model: &Model) -> JsonChat<'a> {
        self.media_tokens(Request::most_image_tokens(model.name()))
    }

    /// Sets the tokens of an image, a recording, a video or a PDF. The default fits images; the
    /// others are larger, so set it if you send them.
    #[must_use]
    pub fn media_tokens(self, tokens: u64) -> JsonChat<'a> {
        JsonChat { media_tokens: tokens, ..self }
    }

    /// Marks the request as one that continues a conversation kept by the provider, with a
    /// `previous_response_id` or a `conversation` of OpenAI's Responses API. An output whose call
    /// is not in the list then answers a call that is kept there, and stays. Only for
    /// [`responses`].
    #[must_use]
    pub fn continues_response(self) -> JsonChat<'a> {
        JsonChat { continued: true, ..self }
    }

    fn new(messages: &'a [Value], form: ChatForm) -> JsonChat<'a> {
        JsonChat { messages, form, media_tokens: JsonChat::MEDIA_TOKENS, continued: false }
    }
}

impl<'a> JsonMessage<'a> {
    /// The message as it is.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    fn role_name(&self) -> &'a str {
        self.value.get("role").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its parts, wherever the form has them.
    fn parts(&self) -> &'a [Value] {
        let key = if self.form == ChatForm::Gemini { "parts" } else { "content" };
        self.value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

impl<'v> Messages for JsonChat<'v> {
    type Message<'a>
        = JsonMessage<'v>
    where
        Self: 'a;

    fn len(&self) -> usize {
        self.messages.len()
    }

    fn at(&self, index: usize) -> Option<JsonMessage<'v>> {
        let JsonChat { messages, form, media_tokens, .. } = *self;
        messages.get(index).map(|value| JsonMessage { value, form, media_tokens })
    }

    fn rules(&self) -> Rules {
        match self.form {
            ChatForm::OpenAi | ChatForm::Responses => Rules::OPENAI,
            ChatForm::Anthropic => Rules::ANTHROPIC,
            ChatForm::Gemini => Rules::GEMINI,
        }
    }

    fn grouping(&self) -> Grouping {
        match self.form {
            ChatForm::Responses => Grouping::Items { continued: self.continued },
            ChatForm::OpenAi | ChatForm::Anthropic | ChatForm::Gemini => Grouping::Exchanges,
        }
    }
}

impl Message for JsonMessage<'_> {
    fn role(&self) -> Role {
        if self.form == ChatForm::Responses {
            return self.item_role();
        }
        match self.role_name() {
            "system" | "developer" => Role::System,
            "assistant" | "model" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => Role::User,
        }
    }

    fn each_piece<'a>(&'a self, visit: &mut dyn FnMut(Piece<'a>)) {
        self.pieces(visit);
    }

    fn each_call<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let parts = self.parts().iter();
        match self.form {
            ChatForm::OpenAi => {
                let calls = self.value.get("tool_calls").and_then(Value::as_array);
                calls.into_iter().flatten().for_each(|call| visit(text_of(call, "id")));
                if let Some(call) = self.value.get("function_call").filter(|call| call.is_object())
                {
                    visit(text_of(call, "name"));
                }
            }
            ChatForm::Responses => self.item_call().into_iter().for_each(visit),
            ChatForm::Anthropic => parts
                .filter(|part| text_of(part, "type") == "tool_use")
                .for_each(|call| visit(text_of(call, "id"))),
            ChatForm::Gemini => parts
                .filter_map(pieces::function_call)
                .for_each(|call| visit(text_of(call, "name"))),
        }
    }

    fn each_result<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let parts = self.parts().iter();
        match self.form {
            ChatForm::OpenAi => match self.role_name() {
                "tool" => visit(text_of(self.value, "tool_call_id")),
                "function" => visit(text_of(self.value, "name")),
                _ => {}
            },
            ChatForm::Responses => self.item_result().into_iter().for_each(visit),
            ChatForm::Anthropic => parts
                .filter(|part| text_of(part, "type") == "tool_result")
                .for_each(|result| visit(text_of(result, "tool_use_id"))),
            ChatForm::Gemini => parts
                .filter_map(pieces::function_response)
                .for_each(|result| visit(text_of(result, "name"))),
        }
    }

    fn bond(&self) -> Bond {
        match self.form {
            ChatForm::Responses => self.item_bond(),
            ChatForm::OpenAi | ChatForm::Anthropic | ChatForm::Gemini => Bond::None,
        }
    }

    fn wrong_form(&self) -> Option<&'static str> {
        match self.form {
            ChatForm::OpenAi => self.is_item().then_some(
                "an item of OpenAI's Responses API, not a message of chat completions: \
                 read the list with `context::responses`",
            ),
            ChatForm::Responses => self.is_chat_message().then_some(
                "a message of chat completions, not an item of OpenAI's Responses API: \
                 read the list with `context::openai`",
            ),
            ChatForm::Anthropic | ChatForm::Gemini => None,
        }
    }
}

impl Render for JsonChat<'_> {
    type Owned = Value;

    fn owned(
        &self,
        index: usize,
        replace: &dyn Fn(usize, &str) -> Option<String>,
    ) -> Option<Value> {
        let message = self.at(index)?;
        let (mut number, mut replaced) = (0, HashMap::new());
        message.each_piece(&mut |piece| {
            let Piece::Text(text) = piece else { return };
            replaced.extend(replace(number, text).map(|new| (text.as_ptr(), new)));
            number = number.saturating_add(1);
        });
        Some(rewritten(message.value, &replaced))
    }
}

/// A copy in which some strings are others. A string is known by where it lies in memory, so that
/// no path needs to be kept; an empty one lies nowhere and is never replaced.
fn rewritten(value: &Value, replaced: &HashMap<*const u8, String>) -> Value {
    match value {
        Value::String(text) => {
            let new = replaced.get(&text.as_ptr()).filter(|_| !text.is_empty());
            Value::String(new.unwrap_or(text).clone())
        }
        Value::Array(items) => items.iter().map(|item| rewritten(item, replaced)).collect(),
        Value::Object(fields) => {
            let field = |(key, item): (&String, &Value)| (key.clone(), rewritten(item, replaced));
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
