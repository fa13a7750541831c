//! Tests that a bill is never surer than its answer: impossible zeros, missing counts, and frames
//! that repeat or contradict others, in the form of every API.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod fees;
mod frames;
mod names;
mod sides;

use bursar::Bill;
use bursar::usage::Doubt;
use serde_json::{Map, Value, json};

const FORMS: [&str; 8] =
    ["chat", "responses", "messages", "gemini", "bedrock", "cohere", "ollama", "realtime"];

/// The usage object of a form, with the counts that are stated.
fn counts(form: &str, input: Option<u64>, output: Option<u64>) -> Value {
    let (a, b) = match form {
        "chat" => ("prompt_tokens", "completion_tokens"),
        "gemini" => ("promptTokenCount", "candidatesTokenCount"),
        "bedrock" => ("inputTokens", "outputTokens"),
        "ollama" => ("prompt_eval_count", "eval_count"),
        _ => ("input_tokens", "output_tokens"),
    };
    let stated = [(a, input), (b, output)].into_iter().filter_map(|(name, count)| {
        let count = count?;
        Some((name.to_owned(), if form == "cohere" { json!(count as f64) } else { json!(count) }))
    });
    Value::Object(stated.collect::<Map<String, Value>>())
}

/// A whole answer of a form.
fn body(form: &str, input: Option<u64>, output: Option<u64>, text: &str) -> Value {
    let usage = counts(form, input, output);
    match form {
        "chat" => json!({"object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                "finish_reason": "stop"}], "usage": usage}),
        "responses" => json!({"object": "response", "model": "m", "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
            "usage": usage}),
        "messages" => json!({"type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "usage": usage}),
        "gemini" => json!({"candidates": [{"content": {"parts": [{"text": text}]},
                "finishReason": "STOP"}], "modelVersion": "m", "usageMetadata": usage}),
        "bedrock" => json!({"output": {"message": {"content": [{"text": text}]}},
            "stopReason": "end_turn", "usage": usage}),
        "cohere" => json!({"message": {"role": "assistant",
            "content": [{"type": "text", "text": text}]}, "usage": {"billed_units": usage}}),
        "ollama" => {
            let mut body = json!({"model": "m", "done": true,
                "message": {"role": "assistant", "content": text}});
            body.as_object_mut().unwrap().extend(usage.as_object().unwrap().clone());
            body
        }
        "realtime" => json!({"type": "response.done", "response": {"model": "m",
            "output": [{"type": "message",
                "content": [{"type": "output_audio", "transcript": text}]}],
            "usage": usage}}),
        other => panic!("{other}"),
    }
}

fn missing(bill: &Bill) -> Vec<&str> {
    let side = |doubt: &'_ Doubt| match doubt {
        Doubt::Missing { side } if side == "input" => Some("input"),
        Doubt::Missing { .. } => Some("output"),
        _ => None,
    };
    bill.doubts.iter().filter_map(side).collect()
}

/// A chunk of a stream of chat completions, with its counts.
fn chunk(usage: Value) -> Value {
    json!({"id": "c", "model": "m", "choices": [], "usage": usage})
}
