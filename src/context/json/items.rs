//! Reads items of OpenAI's Responses API for trimming, from their [`JsonMessage`].

use serde_json::Value;

use super::{JsonMessage, text_of};
use crate::context::message::{Bond, Role};

impl<'v> JsonMessage<'v> {
    pub(super) fn kind(&self) -> &'v str {
        text_of(self.value, "type")
    }

    /// The `id` by which the provider knows an item of the model; messages that the user has
    /// written have none.
    fn has_id(&self) -> bool {
        !text_of(self.value, "id").is_empty()
    }

    /// True for an item that no chat completion has.
    pub(super) fn is_item(&self) -> bool {
        self.value.get("role").is_none() && self.value.get("type").is_some()
    }

    /// True for a message that only chat completions have.
    pub(super) fn is_chat_message(&self) -> bool {
        let calls = ["tool_calls", "function_call"].iter().any(|key| {
            self.value.get(*key).is_some_and(|calls| calls.is_array() || calls.is_object())
        });
        calls || matches!(self.role_name(), "tool" | "function")
    }

    pub(super) fn item_role(&self) -> Role {
        let kind = self.kind();
        match (kind, self.role_name()) {
            (_, "system" | "developer") => Role::System,
            (_, "assistant") => Role::Assistant,
            (_, "tool" | "function") => Role::Tool,
            // What stands for all that was before: it belongs at the beginning.
            ("compaction" | "compaction_summary", "") => Role::System,
            ("mcp_approval_response", "") => Role::Tool,
            ("message" | "", _) => Role::User,
            // Without the id of a call it is of a tool that the provider ran itself.
            (kind, "") if kind.ends_with("_output") && self.value["call_id"].is_string() => {
                Role::Tool
            }
            (_, "") => Role::Assistant,
            _ => Role::User,
        }
    }

    /// The id that a call's output names.
    pub(super) fn item_call(&self) -> Option<&'v str> {
        let key = if self.kind() == "mcp_approval_request" { "id" } else { "call_id" };
        let id = self.value.get(key).and_then(Value::as_str);
        id.filter(|_| self.item_role() == Role::Assistant)
    }

    /// The id of the call that an output answers.
    pub(super) fn item_result(&self) -> Option<&'v str> {
        let is_approval = self.kind() == "mcp_approval_response";
        let key = if is_approval { "approval_request_id" } else { "call_id" };
        (self.item_role() == Role::Tool).then(|| text_of(self.value, key))
    }

    pub(super) fn item_bond(&self) -> Bond {
        match self.kind() {
            "reasoning" => Bond::Next,
            "item_reference" => Bond::Unknown,
            _ if self.item_role() == Role::Assistant && self.has_id() => Bond::Turn,
            _ => Bond::None,
        }
    }
}
