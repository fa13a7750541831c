//! What counts in a [`JsonMessage`] of each form. What is not known counts as text.

use serde_json::Value;

use super::{JsonMessage, text_of};
use crate::context::message::Piece;

type Visit<'v, 'a> = &'v mut dyn FnMut(Piece<'a>);

impl<'v> JsonMessage<'v> {
    pub(super) fn openai_pieces<'a>(&self, visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        for (key, value) in self.value.as_object().into_iter().flatten() {
            match (key.as_str(), value) {
                ("role" | "tool_call_id", _) => {}
                ("content", Value::String(text)) => visit(Piece::Text(text)),
                ("content", Value::Array(parts)) => {
                    parts.iter().for_each(|part| self.part(part, visit));
                }
                ("tool_calls", Value::Array(calls)) => {
                    calls.iter().for_each(|call| leaves(call, visit));
                }
                (_, other) => leaves(other, visit),
            }
        }
    }

    pub(super) fn anthropic_pieces<'a>(&self, visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        match self.value.get("content") {
            Some(Value::String(text)) => visit(Piece::Text(text)),
            _ => self.parts().iter().for_each(|part| self.part(part, visit)),
        }
    }

    pub(super) fn gemini_pieces<'a>(&self, visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        for part in self.parts() {
            if let Some(Value::String(text)) = part.get("text") {
                visit(Piece::Text(text));
            } else if let Some(response) = function_response(part) {
                visit(Piece::Fixed(text_of(response, "name")));
                let said = response.get("response");
                said.into_iter().for_each(|said| walk(said, &Piece::Text, visit));
                // What it answered beside its words: pictures, files.
                let more = response.get("parts").and_then(Value::as_array);
                for part in more.into_iter().flatten() {
                    match is_gemini_media(part) {
                        true => visit(Piece::Tokens(self.media_tokens)),
                        false => leaves(part, visit),
                    }
                }
            } else if is_gemini_media(part) {
                visit(Piece::Tokens(self.media_tokens));
            } else {
                leaves(part, visit);
            }
        }
    }

    /// A content part of OpenAI or a block of Anthropic.
    pub(super) fn part<'a>(&self, part: &'a Value, visit: Visit<'_, 'a>)
    where
        'v: 'a,
    {
        match text_of(part, "type") {
            "text" => visit(Piece::Text(text_of(part, "text"))),
            "input_text" => visit(Piece::Text(text_of(part, "text"))),
            "tool_result" => match part.get("content") {
                Some(Value::String(text)) => visit(Piece::Text(text)),
                Some(Value::Array(parts)) => parts.iter().for_each(|part| self.part(part, visit)),
                other => other.into_iter().for_each(|other| leaves(other, visit)),
            },
            _ if is_media(part) => visit(Piece::Tokens(self.media_tokens)),
            _ => leaves(part, visit),
        }
    }
}

pub(super) fn function_call(part: &Value) -> Option<&Value> {
    part.get("functionCall").or_else(|| part.get("function_call"))
}

pub(super) fn function_response(part: &Value) -> Option<&Value> {
    part.get("functionResponse").or_else(|| part.get("function_response"))
}

/// Images, recordings and files, unless their source is plain text.
/// A part of Gemini that is no text.
fn is_gemini_media(part: &Value) -> bool {
    let keys = ["inlineData", "inline_data", "fileData", "file_data"];
    keys.iter().any(|key| part.get(key).is_some())
}

fn is_media(part: &Value) -> bool {
    let source = part.get("source").map(|source| text_of(source, "type"));
    match text_of(part, "type") {
        "image_url" | "input_image" | "input_audio" | "audio" | "file" | "input_file" => true,
        "image" | "document" => matches!(source, Some("base64" | "url" | "file")),
        _ => false,
    }
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
