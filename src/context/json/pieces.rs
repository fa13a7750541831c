//! What counts in a [`JsonMessage`] of any form. What is not known counts as text.

use serde_json::Value;

use super::{ChatForm, JsonMessage, text_of};
use crate::context::message::{Bond, Piece};
use crate::usage::messages::{Holds, held_by};

type Visit<'v, 'a> = &'v mut dyn FnMut(Piece<'a>);

impl<'v> JsonMessage<'v> {
    /// Texts may be cut, but not in an item of the model that the provider knows by its id.
    pub(super) fn pieces<'a>(&self, visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        let is_fixed = self.form == ChatForm::Responses && self.item_bond() != Bond::None;
        for (key, value) in self.value.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("role" | "type" | "id" | "call_id" | "tool_call_id" | "status", _) => {}
                ("approval_request_id", _) => {}
                ("content" | "output", Value::String(text)) if !is_fixed => {
                    visit(Piece::Text(text));
                }
                ("content" | "output" | "parts", Value::Array(parts)) if !is_fixed => {
                    parts.iter().for_each(|part| self.part(part, visit));
                }
                ("tool_calls", Value::Array(calls)) => {
                    calls.iter().for_each(|call| leaves(call, visit));
                }
                // A picture: of the screen, or drawn.
                ("output", Value::Object(_)) if self.kind() == "computer_call_output" => {
                    visit(Piece::Tokens(self.media_tokens));
                }
                ("result", Value::String(_)) if self.kind() == "image_generation_call" => {
                    visit(Piece::Tokens(self.media_tokens));
                }
                (_, other) => leaves(other, visit),
            }
        }
        // An item that is not a message is counted like one, plus its type.
        if self.form == ChatForm::Responses && self.is_item() {
            visit(Piece::Fixed(self.kind()));
        }
    }

    fn part<'a>(&self, part: &'a Value, visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        let kind = text_of(part, "type");
        match held_by(kind) {
            Some(Holds::Text) => {
                let key = if part.get("text").is_some() { "text" } else { kind };
                visit(Piece::Text(text_of(part, key)));
            }
            Some(Holds::Result) => match part.get("content") {
                Some(Value::String(text)) => visit(Piece::Text(text)),
                Some(Value::Array(parts)) => parts.iter().for_each(|part| self.part(part, visit)),
                other => other.into_iter().for_each(|other| leaves(other, visit)),
            },
            Some(Holds::Image | Holds::Audio | Holds::Video | Holds::Document)
                if !is_plain_text(part) =>
            {
                visit(Piece::Tokens(self.media_tokens));
            }
            Some(_) => leaves(part, visit),
            None => match part.as_object().filter(|_| kind.is_empty()) {
                Some(fields) => fields.iter().for_each(|field| self.field(field, visit)),
                None => leaves(part, visit),
            },
        }
    }

    /// A field of a part that has no type: Gemini's.
    fn field<'a>(&self, (name, value): (&'a String, &'a Value), visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        match (held_by(name), value) {
            (Some(Holds::Text), Value::String(text)) => visit(Piece::Text(text)),
            (Some(Holds::Blob), _) => visit(Piece::Tokens(self.media_tokens)),
            (Some(Holds::Result), response) => {
                visit(Piece::Fixed(text_of(response, "name")));
                let texts = response.get("response");
                texts.into_iter().for_each(|texts| walk(texts, &Piece::Text, visit));
                // What it answered beside text: pictures, files.
                let parts = response.get("parts").and_then(Value::as_array);
                parts.into_iter().flatten().for_each(|part| self.part(part, visit));
            }
            _ if UNREAD.contains(&name.as_str()) => {}
            _ => field(name, value, &Piece::Fixed, visit),
        }
    }
}

pub(super) fn function_call(part: &Value) -> Option<&Value> {
    part.get("functionCall").or_else(|| part.get("function_call"))
}

pub(super) fn function_response(part: &Value) -> Option<&Value> {
    part.get("functionResponse").or_else(|| part.get("function_response"))
}

/// True for a document that is plain text.
fn is_plain_text(part: &Value) -> bool {
    let source = part.get("source").map(|source| text_of(source, "type"));
    matches!(source, Some("text" | "content"))
}

/// All that a part says, fixed, but for what providers keep for themselves.
pub(super) fn leaves<'a>(value: &'a Value, visit: Visit<'_, 'a>) {
    let Value::Object(fields) = value else { return walk(value, &Piece::Fixed, visit) };
    for (key, item) in fields {
        if !UNREAD.contains(&key.as_str()) {
            field(key, item, &Piece::Fixed, visit);
        }
    }
}

/// All that a value says: strings, names, numbers, and a token for each mark between them.
fn walk<'a>(value: &'a Value, piece: &dyn Fn(&'a str) -> Piece<'a>, visit: Visit<'_, 'a>) {
    match value {
        Value::String(text) => visit(piece(text)),
        Value::Array(items) => {
            for item in items {
                visit(Piece::Tokens(1));
                walk(item, piece, visit);
            }
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, item)| field(key, item, piece, visit));
        }
        Value::Number(_) => visit(Piece::Tokens(NUMBER_TOKENS)),
        Value::Null | Value::Bool(_) => visit(Piece::Tokens(1)),
    }
}

fn field<'a>(
    key: &'a str,
    item: &'a Value,
    piece: &dyn Fn(&'a str) -> Piece<'a>,
    visit: Visit<'_, 'a>,
) {
    visit(Piece::Tokens(2));
    visit(Piece::Fixed(key));
    walk(item, piece, visit);
}

/// Ids, and the seals of what a model thought.
const UNREAD: [&str; 6] =
    ["id", "tool_use_id", "type", "signature", "thoughtSignature", "cache_control"];

/// What a number counts at most, by threes or, of usual length, one by one.
const NUMBER_TOKENS: u64 = 12;
