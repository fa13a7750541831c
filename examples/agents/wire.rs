//! How the local provider says its answers: OpenAI's form and Anthropic's, whole and in events.

use serde_json::{Value, json};

/// Whose form it is.
#[derive(Clone, Copy)]
pub enum Wire {
    OpenAi,
    Anthropic,
}

/// An answer to one request.
pub struct Answer {
    pub wire: Wire,
    pub model: String,
    /// Tokens that came, were written to the cache, were read from it.
    pub input: [usize; 3],
    pub words: Vec<String>,
    /// False if the cap has cut it.
    pub is_whole: bool,
}

impl Answer {
    pub fn used(&self, sent: usize) -> [usize; 4] {
        let [input, written, read] = self.input;
        [input, written, read, sent]
    }

    pub fn body(&self) -> Value {
        let (model, text) = (&self.model, self.words.concat());
        let usage = self.wire.usage(self.used(self.words.len()));
        match self.wire {
            Wire::OpenAi => json!({"model": model, "usage": usage, "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text},
                "finish_reason": if self.is_whole { "stop" } else { "length" }}]}),
            Wire::Anthropic => json!({"model": model, "usage": usage, "role": "assistant",
                "content": [{"type": "text", "text": text}],
                "stop_reason": if self.is_whole { "end_turn" } else { "max_tokens" }}),
        }
    }

    pub fn first(&self) -> Option<String> {
        match self.wire {
            Wire::OpenAi => None,
            Wire::Anthropic => Some(event(json!({"type": "message_start", "message":
                {"model": self.model, "usage": self.wire.usage(self.used(1))}}))),
        }
    }

    pub fn piece(&self, word: &str, sent: usize) -> String {
        match self.wire {
            // The counts so far come with each word, as vLLM sends them when it is asked to.
            Wire::OpenAi => event(json!({"model": self.model,
                "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}],
                "usage": self.wire.usage(self.used(sent))})),
            Wire::Anthropic => event(json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": word}})),
        }
    }

    pub fn last(&self) -> Vec<String> {
        let usage = self.wire.usage(self.used(self.words.len()));
        match self.wire {
            Wire::OpenAi => {
                let reason = if self.is_whole { "stop" } else { "length" };
                let end = json!({"model": self.model, "usage": usage,
                    "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
                vec![event(end), "data: [DONE]\n\n".to_owned()]
            }
            Wire::Anthropic => {
                let reason = if self.is_whole { "end_turn" } else { "max_tokens" };
                let end = json!({"type": "message_delta", "usage": usage,
                    "delta": {"stop_reason": reason}});
                vec![event(end), event(json!({"type": "message_stop"}))]
            }
        }
    }
}

fn event(data: Value) -> String {
    format!("data: {data}\n\n")
}

impl Wire {
    pub fn usage(self, [input, written, read, output]: [usize; 4]) -> Value {
        match self {
            Wire::OpenAi => json!({
                "prompt_tokens": input + written + read, "completion_tokens": output,
                "total_tokens": input + written + read + output,
                "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written}}),
            Wire::Anthropic => json!({"input_tokens": input, "output_tokens": output,
                "cache_creation_input_tokens": written, "cache_read_input_tokens": read}),
        }
    }
}
