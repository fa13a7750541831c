//! The wire formats: how a request is read, and how an answer is written.

mod chat;
mod messages;
mod responses;

use serde_json::{Value, json};

use crate::answer::Answer;

/// Whose form a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
}

/// A part of a body.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) text: String,
    /// It brings a piece of the answer.
    pub(crate) is_piece: bool,
    /// It says how the answer ended, so that all of it has been generated.
    pub(crate) is_end: bool,
}

impl Frame {
    pub(crate) fn rest(text: String) -> Frame {
        Frame { text, ..Frame::default() }
    }

    /// An event with a name.
    fn event(event: &Value) -> Frame {
        let kind = event["type"].as_str().unwrap_or_default();
        Frame::rest(format!("event: {kind}\ndata: {event}\n\n"))
    }

    fn data(data: &Value) -> Frame {
        Frame::rest(format!("data: {data}\n\n"))
    }

    fn piece(self) -> Frame {
        Frame { is_piece: true, ..self }
    }

    fn end(self) -> Frame {
        Frame { is_end: true, ..self }
    }
}

impl Api {
    pub(crate) fn of(path: &str) -> Option<Api> {
        let ends = |ending| path.ends_with(ending);
        match () {
            () if ends("/chat/completions") => Some(Api::Chat),
            () if ends("/responses") => Some(Api::Responses),
            () if ends("/messages") => Some(Api::Messages),
            () => None,
        }
    }

    /// What the provider would not take in a request.
    pub(crate) fn flaw(self, request: &Value) -> Option<&'static str> {
        let has = |field: &str| !request[field].is_null();
        match self {
            Api::Messages if !has("max_tokens") => Some("max_tokens: Field required"),
            Api::Chat | Api::Messages if !has("messages") => Some("messages: Field required"),
            Api::Responses if !has("input") => Some("input: Field required"),
            _ => None,
        }
    }

    /// The output cap of a request.
    pub(crate) fn output_cap(self, request: &Value) -> Option<u64> {
        match self {
            Api::Chat => request["max_completion_tokens"].as_u64(),
            Api::Responses => request["max_output_tokens"].as_u64(),
            Api::Messages => None,
        }
        .or(request["max_tokens"].as_u64())
    }

    /// An answer in one piece.
    pub(crate) fn body(self, request: &Value, answer: &Answer) -> Value {
        match self {
            Api::Chat => chat::body(answer),
            Api::Responses => responses::body(request, answer),
            Api::Messages => messages::body(answer),
        }
    }

    /// An answer as a stream of events.
    pub(crate) fn stream(self, request: &Value, answer: &Answer) -> Vec<Frame> {
        match self {
            Api::Chat => chat::stream(request, answer),
            Api::Responses => responses::stream(request, answer),
            Api::Messages => messages::stream(answer),
        }
    }

    /// An error body.
    pub(crate) fn error(self, status: u16, why: &str) -> Value {
        if self == Api::Messages {
            let kind = match status {
                400 => "invalid_request_error",
                401 => "authentication_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                529 => "overloaded_error",
                _ => "api_error",
            };
            let error = json!({"type": kind, "message": why});
            return json!({"type": "error", "error": error, "request_id": "req_1"});
        }
        let (kind, code) = match status {
            404 => ("invalid_request_error", Some("model_not_found")),
            429 => ("requests", Some("rate_limit_exceeded")),
            400..500 => ("invalid_request_error", None),
            _ => ("server_error", None),
        };
        json!({"error": {"message": why, "type": kind, "param": null, "code": code}})
    }
}

/// A text in two pieces.
pub(crate) fn halves(text: &str) -> [&str; 2] {
    let middle = (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at));
    let (first, second) = text.split_at(middle.unwrap_or_default());
    [first, second]
}
