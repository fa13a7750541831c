//! The wire format of OpenAI's responses.

use serde_json::{Value, json};

use super::{Frame, halves};
use crate::answer::{Answer, Stop};

pub(super) fn body(request: &Value, answer: &Answer) -> Value {
    let output = items(answer).collect();
    match answer.stop {
        Stop::Length => {
            let mut response = response(request, answer, "incomplete", output, usage(answer));
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
            response
        }
        _ => response(request, answer, "completed", output, usage(answer)),
    }
}

pub(super) fn stream(request: &Value, answer: &Answer) -> Vec<Frame> {
    let begun = response(request, answer, "in_progress", json!([]), Value::Null);
    let mut events = Events::default();
    events.push(json!({"type": "response.created", "response": begun}));
    events.push(json!({"type": "response.in_progress", "response": begun}));
    for (at, item) in items(answer).enumerate() {
        events.item(at, &item, answer);
    }
    let whole = body(request, answer);
    let kind = match answer.stop {
        Stop::Length => "response.incomplete",
        _ => "response.completed",
    };
    let last = events.numbered(json!({"type": kind, "response": whole}));
    events.frames.push(Frame::event(&last).end());
    events.frames
}

/// The events of one answer, numbered.
#[derive(Default)]
struct Events {
    frames: Vec<Frame>,
    next: u64,
}

impl Events {
    fn numbered(&mut self, mut event: Value) -> Value {
        event["sequence_number"] = self.next.into();
        self.next += 1;
        event
    }

    fn push(&mut self, event: Value) {
        let event = self.numbered(event);
        self.frames.push(Frame::event(&event));
    }

    fn piece(&mut self, event: Value) {
        let event = self.numbered(event);
        self.frames.push(Frame::event(&event).piece());
    }

    fn item(&mut self, at: usize, item: &Value, answer: &Answer) {
        let id = &item["id"];
        let mut begun = item.clone();
        begun["status"] = "in_progress".into();
        if item["type"] == "function_call" {
            let arguments = item["arguments"].as_str().unwrap_or_default();
            begun["arguments"] = "".into();
            self.push(json!({"type": "response.output_item.added", "output_index": at,
                "item": begun}));
            for half in halves(arguments) {
                self.piece(json!({"type": "response.function_call_arguments.delta",
                    "item_id": id, "output_index": at, "delta": half}));
            }
            self.push(json!({"type": "response.function_call_arguments.done", "item_id": id,
                "output_index": at, "name": item["name"], "arguments": arguments}));
        } else {
            begun["content"] = json!([]);
            self.push(json!({"type": "response.output_item.added", "output_index": at,
                "item": begun}));
            let place = |kind: &str| json!({"type": kind, "item_id": id, "output_index": at, "content_index": 0});
            let with = |mut event: Value, name: &str, value: Value| {
                event[name] = value;
                event
            };
            self.push(with(place("response.content_part.added"), "part", text("")));
            for piece in &answer.pieces {
                let delta = with(place("response.output_text.delta"), "delta", json!(piece));
                self.piece(with(delta, "logprobs", json!([])));
            }
            let whole = answer.whole_text();
            let done = with(place("response.output_text.done"), "text", json!(whole));
            self.push(with(done, "logprobs", json!([])));
            self.push(with(place("response.content_part.done"), "part", text(&whole)));
        }
        self.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
}

fn text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The message, if there is a text, and the calls of tools.
fn items(answer: &Answer) -> impl Iterator<Item = Value> {
    let message = (!answer.pieces.is_empty()).then(|| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [text(&answer.whole_text())]})
    });
    let calls = answer.tools.iter().enumerate().map(|(index, (name, arguments))| {
        json!({"id": format!("fc_{index}"), "type": "function_call", "status": "completed",
            "call_id": format!("call_{index}"), "name": name, "arguments": arguments.to_string()})
    });
    message.into_iter().chain(calls)
}

fn response(request: &Value, answer: &Answer, status: &str, output: Value, usage: Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_763_999_401, "status": status,
        "background": false, "error": null, "incomplete_details": null, "instructions": null,
        "max_output_tokens": request["max_output_tokens"], "max_tool_calls": null,
        "model": answer.model(), "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "reasoning": {"effort": null, "summary": null},
        "service_tier": "default", "store": true, "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto",
        "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": usage,
        "metadata": {},
    })
}

/// Cached and written tokens are part of the input, thoughts of the output.
fn usage(answer: &Answer) -> Value {
    let tokens = answer.tokens();
    let (input, output) = (tokens.all_input(), tokens.all_output());
    let mut usage = json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": input + output,
    });
    if tokens.written > 0 {
        usage["input_tokens_details"]["cache_write_tokens"] = tokens.written.into();
    }
    usage
}
