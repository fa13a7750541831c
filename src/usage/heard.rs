//! Owns what is heard of a stream beside its counts: how much text came, and whether it is over.
//!
//! The text is counted and not kept.

use super::json::Json;

/// What one event says beside counts, or what several have said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    /// Visible text, calls of tools included.
    pub(super) output: Letters,
    /// Reasoning, as far as it is shown.
    pub(super) reasoning: Letters,
    /// The answer is complete.
    pub(super) has_ended: bool,
    /// Counts in this event are those of a part: more is to come.
    pub(super) goes_on: bool,
}

impl Heard {
    /// Listens to one event, of any provider. What is broken in it is not heard.
    pub(super) fn of(event: Json<'_>) -> Heard {
        let mut heard = Heard::default();
        let (mut kind, mut delta, mut is_ollama) = (None, None, false);
        let (mut message, mut response) = (None, None);
        let _ = event.fields(|name, value| {
            match name {
                "type" => kind = value.string(),
                "delta" => delta = Some(value),
                "done" => is_ollama = true,
                "message" => message = Some(value),
                "response" => response = Some(value),
                "choices" => heard.choices(value),
                "candidates" => heard.candidates(value),
                "contentBlockDelta" => delta = value.field("delta"), // Bedrock
                _ => {}
            }
            Ok(())
        });
        let kind = kind.as_deref().unwrap_or_default();
        match (delta, is_ollama) {
            (Some(delta), _) if delta.is_object() => heard.delta(delta),
            (Some(delta), _) => heard.named_delta(kind, delta),
            (None, true) => heard.ollama(message, response),
            (None, false) => {}
        }
        heard
    }

    /// Adds the text of another event.
    pub(super) fn hear(&mut self, other: &Heard) {
        self.output.hear(other.output);
        self.reasoning.hear(other.reasoning);
    }

    pub(super) fn is_silent(&self) -> bool {
        self.output.tokens() == 0 && self.reasoning.tokens() == 0
    }

    /// OpenAI's chat completions, and the older completions.
    fn choices(&mut self, choices: Json<'_>) {
        let _ = choices.items(|choice| {
            choice.fields(|name, value| {
                match name {
                    "delta" => {
                        self.goes_on = true;
                        self.chat_delta(value);
                    }
                    "text" => {
                        self.goes_on = true;
                        self.output.add(value);
                    }
                    "finish_reason" if !value.is_null() => self.has_ended = true,
                    _ => {}
                }
                Ok(())
            })
        });
    }

    fn chat_delta(&mut self, delta: Json<'_>) {
        let mut reasoning = None;
        let _ = delta.fields(|name, value| {
            match name {
                "content" if value.is_array() => self.parts(value), // Mistral
                "content" | "refusal" => self.output.add(value),
                // Several names; some servers send the same text under two of them.
                "reasoning_content" | "reasoning" => reasoning = Some(value),
                "tool_calls" => {
                    return value.items(|call| {
                        self.function(call);
                        Ok(())
                    });
                }
                "function_call" => self.call(value),
                "audio" => self.output.add_field(value, "transcript"),
                _ => {}
            }
            Ok(())
        });
        if let Some(reasoning) = reasoning {
            self.reasoning.add(reasoning);
        }
    }

    /// Parts of a content: `{"type": "text", "text": …}`, `{"type": "thinking", "thinking": […]}`.
    fn parts(&mut self, parts: Json<'_>) {
        let _ = parts.items(|part| {
            part.fields(|name, value| {
                match name {
                    "text" => self.output.add(value),
                    "thinking" => {
                        return value.items(|thought| {
                            self.reasoning.add_field(thought, "text");
                            Ok(())
                        });
                    }
                    _ => {}
                }
                Ok(())
            })
        });
    }

    fn function(&mut self, call: Json<'_>) {
        if let Some(function) = call.field("function") {
            self.call(function);
        }
    }

    fn call(&mut self, function: Json<'_>) {
        self.output.add_field(function, "name");
        self.output.add_field(function, "arguments");
    }

    /// OpenAI's responses, realtime and audio: the text is the delta, the type says what it is.
    fn named_delta(&mut self, kind: &str, delta: Json<'_>) {
        if kind.contains("reasoning") {
            self.reasoning.add(delta);
        } else if !kind.ends_with("audio.delta") {
            self.output.add(delta);
        }
    }

    /// Anthropic, Bedrock and Cohere: the delta is an object.
    fn delta(&mut self, delta: Json<'_>) {
        let _ = delta.fields(|name, value| {
            match name {
                "text" | "partial_json" => self.output.add(value),
                "thinking" => self.reasoning.add(value), // Anthropic
                "toolUse" => self.output.add_field(value, "input"), // Bedrock
                "reasoningContent" => self.reasoning.add_field(value, "text"), // Bedrock
                "message" => self.cohere(value),
                _ => {}
            }
            Ok(())
        });
    }

    fn cohere(&mut self, message: Json<'_>) {
        let _ = message.fields(|name, value| {
            match name {
                "content" => {
                    self.output.add_field(value, "text");
                    self.reasoning.add_field(value, "thinking");
                }
                "tool_plan" => self.output.add(value),
                "tool_calls" => self.function(value),
                _ => {}
            }
            Ok(())
        });
    }

    fn candidates(&mut self, candidates: Json<'_>) {
        self.goes_on = true;
        let _ = candidates.items(|candidate| {
            candidate.fields(|name, value| {
                match name {
                    "finishReason" if !value.is_null() => self.has_ended = true,
                    "content" => {
                        let parts = value.field("parts");
                        return parts.map_or(Ok(()), |parts| {
                            parts.items(|part| {
                                self.gemini_part(part);
                                Ok(())
                            })
                        });
                    }
                    _ => {}
                }
                Ok(())
            })
        });
    }

    fn gemini_part(&mut self, part: Json<'_>) {
        if part.field("thought").and_then(Json::boolean) == Some(true) {
            self.reasoning.add_field(part, "text");
        } else {
            self.output.add_field(part, "text");
        }
        if let Some(call) = part.field("functionCall") {
            self.output.add_json(call);
        }
    }

    fn ollama(&mut self, message: Option<Json<'_>>, response: Option<Json<'_>>) {
        if let Some(message) = message {
            self.output.add_field(message, "content");
            self.reasoning.add_field(message, "thinking");
        }
        if let Some(response) = response {
            self.output.add(response);
        }
    }
}

/// How long a text is: its ASCII characters, and its others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Letters {
    ascii: u64,
    other: u64,
}

impl Letters {
    /// About how many tokens it is: one for four ASCII characters, one for any other character.
    pub(super) fn tokens(self) -> u64 {
        self.ascii.div_ceil(4).saturating_add(self.other)
    }

    fn hear(&mut self, more: Letters) {
        self.ascii = self.ascii.saturating_add(more.ascii);
        self.other = self.other.saturating_add(more.other);
    }

    /// Adds a string; anything else is no text.
    fn add(&mut self, text: Json<'_>) {
        match text {
            Json::Text([b'"', inner @ .., b'"']) => self.hear(Letters::of_escaped(inner)),
            tree => self.add_plain(tree.string().as_deref().unwrap_or_default()),
        }
    }

    /// Adds the string in a field of an object.
    fn add_field(&mut self, object: Json<'_>, name: &str) {
        if let Some(text) = object.field(name) {
            self.add(text);
        }
    }

    /// Adds a JSON value that the model wrote as JSON.
    fn add_json(&mut self, value: Json<'_>) {
        match value {
            Json::Text(text) => self.hear(Letters::of_escaped(text)),
            Json::Tree(tree) => self.add_plain(&tree.to_string()),
        }
    }

    fn add_plain(&mut self, text: &str) {
        let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
        let other = text.chars().filter(|letter| !letter.is_ascii()).count() as u64;
        self.hear(Letters { ascii, other });
    }

    /// Counts the characters that a JSON text stands for, without writing them down.
    fn of_escaped(text: &[u8]) -> Letters {
        let mut letters = Letters::default();
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let (length, is_ascii, is_letter) = match (byte, text.get(at + 1)) {
                (b'\\', Some(b'u')) => {
                    let code = text.get(at + 2..at + 6).unwrap_or_default();
                    let is_low_surrogate =
                        matches!(code, [b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', ..]);
                    (6, matches!(code, [b'0', b'0', b'0'..=b'7', _]), !is_low_surrogate)
                }
                (b'\\', _) => (2, true, true),
                (0x80..0xC0, _) => (1, false, false), // inside a character
                _ => (1, byte.is_ascii(), true),
            };
            at += length;
            letters.ascii += u64::from(is_letter && is_ascii);
            letters.other += u64::from(is_letter && !is_ascii);
        }
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn heard(text: Json<'_>) -> (u64, u64) {
        let mut letters = Letters::default();
        letters.add(text);
        (letters.ascii, letters.other)
    }

    #[test]
    fn a_token_is_four_ascii_characters_or_one_other() {
        for (text, tokens) in
            [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("世界", 2), ("Grüße", 3)]
        {
            let mut letters = Letters::default();
            letters.add_plain(text);
            assert_eq!(letters.tokens(), tokens, "{text}");
        }
    }

    proptest! {
        /// Escaped or not, a character is a character.
        #[test]
        fn a_text_is_as_long_as_its_escaped_form(text in any::<String>()) {
            let tree = Value::String(text.clone());
            let plain = heard(Json::Tree(&tree));
            prop_assert_eq!(plain, heard(Json::Text(tree.to_string().as_bytes())));
            let escaped: String =
                text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(plain, heard(Json::Text(format!("\"{escaped}\"").as_bytes())));
        }
    }
}
