//! The wire format of OpenAI's chat completions.

use serde_json::{Value, json};

use super::{Frame, halves};
use crate::answer::{Answer, Stop};

pub(super) fn body(answer: &Answer) -> Value {
    let content = (!answer.pieces.is_empty()).then(|| answer.whole_text());
    let mut message = json!({"role": "assistant", "content": content, "refusal": null,
        "annotations": []});
    if !answer.tools.is_empty() {
        message["tool_calls"] = answer.tools.iter().enumerate().map(tool_call).collect();
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null,
        "finish_reason": finish_reason(answer)});
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_763_999_401,
        "model": answer.model(), "choices": [choice], "usage": usage(answer),
        "service_tier": "default", "system_fingerprint": null,
    })
}

pub(super) fn stream(request: &Value, answer: &Answer) -> Vec<Frame> {
    let with_usage = request["stream_options"]["include_usage"] == true;
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_763_999_401,
            "model": answer.model(), "service_tier": "default", "system_fingerprint": null,
            "choices": choices, "obfuscation": "x1",
        });
        if with_usage {
            chunk["usage"] = usage;
        }
        Frame::data(&chunk)
    };
    let delta = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk(json!([choice]), Value::Null)
    };
    let first = json!({"role": "assistant", "content": "", "refusal": null});
    let mut frames = vec![delta(first, Value::Null)];
    for piece in &answer.pieces {
        frames.push(delta(json!({"content": piece}), Value::Null).piece());
    }
    for (index, tool) in answer.tools.iter().enumerate() {
        let mut call = tool_call((index, tool));
        call["index"] = index.into();
        call["function"]["arguments"] = "".into();
        frames.push(delta(json!({"tool_calls": [call]}), Value::Null));
        for half in halves(&tool.1.to_string()) {
            let call = json!({"index": index, "function": {"arguments": half}});
            frames.push(delta(json!({"tool_calls": [call]}), Value::Null).piece());
        }
    }
    frames.push(delta(json!({}), finish_reason(answer).into()).end());
    if with_usage {
        frames.push(chunk(json!([]), usage(answer)));
    }
    frames.push(Frame::rest("data: [DONE]\n\n".to_owned()));
    frames
}

fn tool_call((index, (name, arguments)): (usize, &(String, Value))) -> Value {
    let function = json!({"name": name, "arguments": arguments.to_string()});
    json!({"id": format!("call_{index}"), "type": "function", "function": function})
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.stop {
        Stop::End => "stop",
        Stop::Tools => "tool_calls",
        Stop::Length => "length",
    }
}

/// Cached and written tokens are part of the prompt, thoughts of the completion.
fn usage(answer: &Answer) -> Value {
    let tokens = answer.tokens();
    let (prompt, completion) = (tokens.all_input(), tokens.all_output());
    let mut usage = json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    });
    if tokens.written > 0 {
        usage["prompt_tokens_details"]["cache_write_tokens"] = tokens.written.into();
    }
    usage
}
