//! The wire format of Anthropic's messages.

use serde_json::{Value, json};

use super::{Frame, halves};
use crate::answer::{Answer, Stop};

pub(super) fn body(answer: &Answer) -> Value {
    let text =
        (!answer.pieces.is_empty()).then(|| json!({"type": "text", "text": answer.whole_text()}));
    let tools =
        answer.tools.iter().enumerate().map(|(index, (name, input))| tool(index, name, input));
    let content = text.into_iter().chain(tools).collect();
    message(answer, content, stop_reason(answer).into(), usage(answer))
}

pub(super) fn stream(answer: &Answer) -> Vec<Frame> {
    // The input counts are final in the first event, the output count is a placeholder.
    let mut placeholder = usage(answer);
    placeholder["output_tokens"] = 1.into();
    if let Some(usage) = placeholder.as_object_mut() {
        usage.remove("output_tokens_details");
    }
    let start = message(answer, json!([]), Value::Null, placeholder);
    let mut frames = vec![Frame::event(&json!({"type": "message_start", "message": start}))];
    let mut index = 0;
    if !answer.pieces.is_empty() {
        frames.push(begin(index, &json!({"type": "text", "text": ""})));
        frames.push(Frame::event(&json!({"type": "ping"})));
        for piece in &answer.pieces {
            frames.push(delta(index, &json!({"type": "text_delta", "text": piece})));
        }
        frames.push(end(index));
        index += 1;
    }
    for (number, (name, input)) in answer.tools.iter().enumerate() {
        frames.push(begin(index, &tool(number, name, &json!({}))));
        for half in halves(&input.to_string()) {
            frames.push(delta(index, &json!({"type": "input_json_delta", "partial_json": half})));
        }
        frames.push(end(index));
        index += 1;
    }
    let stop = json!({"stop_reason": stop_reason(answer), "stop_sequence": null});
    let last = json!({"type": "message_delta", "delta": stop, "usage": usage(answer)});
    frames.push(Frame::event(&last).end());
    frames.push(Frame::event(&json!({"type": "message_stop"})));
    frames
}

fn begin(index: usize, block: &Value) -> Frame {
    Frame::event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: usize, delta: &Value) -> Frame {
    Frame::event(&json!({"type": "content_block_delta", "index": index, "delta": delta})).piece()
}

fn end(index: usize) -> Frame {
    Frame::event(&json!({"type": "content_block_stop", "index": index}))
}

fn tool(index: usize, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": name, "input": input})
}

fn message(answer: &Answer, content: Value, stop: Value, usage: Value) -> Value {
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": answer.model(),
        "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage,
    })
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "end_turn",
        Stop::Tools => "tool_use",
        Stop::Length => "max_tokens",
    }
}

/// Cached and written tokens stand beside the input; thoughts are part of the output.
fn usage(answer: &Answer) -> Value {
    let tokens = answer.tokens();
    let mut usage = json!({
        "input_tokens": tokens.input, "cache_read_input_tokens": tokens.cached,
        "cache_creation_input_tokens": tokens.written,
        "cache_creation": {"ephemeral_5m_input_tokens": tokens.written,
            "ephemeral_1h_input_tokens": 0},
        "output_tokens": tokens.all_output(), "service_tier": "standard",
    });
    if tokens.reasoning > 0 {
        usage["output_tokens_details"] = json!({"thinking_tokens": tokens.reasoning});
    }
    usage
}
