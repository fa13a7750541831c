//! [`Content`]: estimates the tokens of an answer's text, for when the provider does not count them.
//!
//! Text is counted as it comes; only the last, unfinished word is kept.

use super::json::Json;
use super::tokens::{Heuristic, TokenCounter};

/// The text of an answer, or of one event of it, in tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// Visible text, calls of tools included.
    output: TextCount,
    /// Reasoning, as far as it is shown.
    reasoning: TextCount,
}

/// What an event states beside counts and text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The answer is complete.
    pub(super) has_ended: bool,
    /// Counts in this event are those of a part: more is to come.
    pub(super) goes_on: bool,
    /// The provider's filter has withheld the answer.
    pub(super) is_filtered: bool,
    /// Anthropic's model has refused to answer.
    pub(super) is_refused: bool,
}

/// A place in a text that comes in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark([u64; 4]);

impl Content {
    /// Counts with the weights of this model from now on, unless text was counted already.
    pub(super) fn count_for(&mut self, model: &str) {
        if self.is_empty() {
            let counter = Counter(Heuristic::for_model(model));
            (self.output.counter, self.reasoning.counter) = (counter, counter);
        }
    }

    /// Appends later text.
    pub(super) fn append(&mut self, later: Content) {
        self.output.append(&later.output);
        self.reasoning.append(&later.reasoning);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.output.is_empty() && self.reasoning.is_empty()
    }

    /// How far the text has come. It differs once more has been added.
    pub(super) fn mark(&self) -> Mark {
        let (output, reasoning) = (&self.output, &self.reasoning);
        Mark([
            output.tokens,
            output.word.len() as u64,
            reasoning.tokens,
            reasoning.word.len() as u64,
        ])
    }

    /// Tokens of visible text, and of reasoning.
    pub(super) fn tokens(&self) -> (u64, u64) {
        (self.output.tokens(), self.reasoning.tokens())
    }

    /// Adds the text of one stream event of any provider. Malformed parts are not counted.
    pub(super) fn add_event(&mut self, event: Json<'_>) -> Progress {
        let mut progress = Progress::default();
        let (mut kind, mut delta, mut is_ollama) = (None, None, false);
        let (mut message, mut response) = (None, None);
        let _ = event.fields(|name, value| {
            match name {
                "type" => kind = value.string(),
                "delta" => delta = Some(value),
                "done" => is_ollama = true,
                "serverContent" => self.live(value), // Gemini Live
                "message" => message = Some(value),
                "response" => response = Some(value),
                "choices" => self.choices(value, &mut progress),
                "candidates" => self.candidates(value, &mut progress),
                "contentBlockDelta" => delta = value.field("delta"), // Bedrock
                "stop_reason" => progress.is_refused |= is_refusal(value),
                _ => {}
            }
            Ok(())
        });
        let kind = kind.as_deref().unwrap_or_default();
        match (delta, is_ollama) {
            (Some(delta), _) if delta.is_object() => self.delta(delta, &mut progress),
            (Some(delta), _) => self.named_delta(kind, delta),
            (None, true) => self.ollama(message, response),
            (None, false) => {}
        }
        progress
    }

    /// Adds the text of a whole answer: a body, or the event that repeats one.
    pub(super) fn add_whole(&mut self, body: Json<'_>) {
        let _ = body.fields(|name, value| {
            match name {
                // Anthropic; Cohere and Ollama have it in a message.
                "content" => self.blocks(value),
                "message" => self.message(value),
                "choices" => {
                    return value.items(|choice| {
                        if let Some(message) = choice.field("message") {
                            self.message(message);
                        }
                        Ok(())
                    });
                }
                // The Responses API has items, Bedrock a message.
                "output" if value.is_array() => self.items(value),
                "output" => {
                    if let Some(message) = value.field("message") {
                        self.message(message);
                    }
                }
                "output_text" | "text" => self.output.add(value),
                // Ollama has a text, an event of the Responses API the whole answer.
                "response" if value.is_object() => self.add_whole(value),
                "response" => self.output.add(value),
                _ => {}
            }
            Ok(())
        });
    }

    /// A message: its content, its calls, its reasoning.
    fn message(&mut self, message: Json<'_>) {
        self.chat_delta(message);
        self.output.add_field(message, "tool_plan"); // Cohere
        self.reasoning.add_field(message, "thinking"); // Ollama
    }

    /// OpenAI's chat completions, and the older completions.
    fn choices(&mut self, choices: Json<'_>, progress: &mut Progress) {
        let _ = choices.items(|choice| {
            choice.fields(|name, value| {
                match name {
                    "delta" => {
                        progress.goes_on = true;
                        self.chat_delta(value);
                    }
                    "text" => {
                        progress.goes_on = true;
                        self.output.add(value);
                    }
                    "finish_reason" if !value.is_null() => {
                        progress.has_ended = true;
                        progress.is_filtered |= value.string().as_deref() == Some("content_filter");
                    }
                    _ => {}
                }
                Ok(())
            })
        });
    }

    fn chat_delta(&mut self, delta: Json<'_>) {
        let (mut reasoning, mut details) = (None, None);
        let _ = delta.fields(|name, value| {
            match name {
                "content" => self.blocks(value),
                "refusal" => self.output.add(value),
                // Several names; some servers send the same text under two of them.
                "reasoning_content" | "reasoning" => {
                    reasoning = Some(value).filter(|it| !it.is_null()).or(reasoning);
                }
                "reasoning_details" => details = Some(value), // OpenRouter
                "images" if value.is_array() => self.output.add_unseen(), // OpenRouter
                "tool_calls" => {
                    return value.items(|call| {
                        self.function(call);
                        Ok(())
                    });
                }
                "function_call" => self.call(value),
                "audio" if value.is_object() => {
                    self.output.add_unseen();
                    self.output.add_field(value, "transcript");
                }
                _ => {}
            }
            Ok(())
        });
        match (reasoning, details) {
            (Some(reasoning), _) => self.reasoning.add(reasoning),
            (None, Some(details)) => {
                let _ = details.items(|detail| {
                    self.reasoning.add_field(detail, "text");
                    self.reasoning.add_field(detail, "summary");
                    Ok(())
                });
            }
            (None, None) => {}
        }
    }

    /// A content: a text, or blocks of it (Anthropic, Bedrock, Cohere, Mistral, Responses).
    fn blocks(&mut self, content: Json<'_>) {
        if !content.is_array() {
            return self.output.add(content);
        }
        let _ = content.items(|block| {
            block.fields(|name, value| {
                match name {
                    "text" | "transcript" | "refusal" => self.output.add(value),
                    "thinking" if value.is_array() => {
                        return value.items(|thought| {
                            self.reasoning.add_field(thought, "text");
                            Ok(())
                        });
                    }
                    "thinking" => self.reasoning.add(value),
                    "data" => self.reasoning.add_unseen(), // Anthropic's redacted thinking
                    "input" => self.output.add_json(value), // Anthropic's tool call
                    "toolUse" => {
                        // Bedrock's
                        if let Some(input) = value.field("input") {
                            self.output.add_json(input);
                        }
                    }
                    "reasoningContent" => {
                        // Bedrock's
                        if let Some(text) = value.field("reasoningText") {
                            self.reasoning.add_field(text, "text");
                        }
                    }
                    _ => {}
                }
                Ok(())
            })
        });
    }

    /// The items of a response: messages, calls and reasoning.
    fn items(&mut self, items: Json<'_>) {
        let _ = items.items(|item| {
            item.fields(|name, value| {
                match name {
                    "content" => self.blocks(value),
                    "name" | "arguments" | "input" => self.output.add(value),
                    "summary" => {
                        return value.items(|part| {
                            self.reasoning.add_field(part, "text");
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
        match function.field("arguments") {
            Some(arguments) if arguments.is_object() => self.output.add_json(arguments), // Ollama
            Some(arguments) => self.output.add(arguments),
            None => {}
        }
    }

    /// OpenAI's responses, realtime and audio: the text is the delta, the type names it.
    fn named_delta(&mut self, kind: &str, delta: Json<'_>) {
        if kind.contains("input_audio_transcription") {
            // The user's speech is input.
        } else if kind.contains("reasoning") {
            self.reasoning.add(delta);
        } else if !kind.ends_with("audio.delta") {
            self.output.add(delta);
        }
    }

    /// Anthropic, Bedrock and Cohere: the delta is an object.
    fn delta(&mut self, delta: Json<'_>, progress: &mut Progress) {
        let _ = delta.fields(|name, value| {
            match name {
                "text" | "partial_json" => self.output.add(value),
                "thinking" => self.reasoning.add(value), // Anthropic
                "toolUse" => self.output.add_field(value, "input"), // Bedrock
                "reasoningContent" => self.reasoning.add_field(value, "text"), // Bedrock
                "message" => self.cohere(value),
                "stop_reason" => progress.is_refused |= is_refusal(value),
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

    fn candidates(&mut self, candidates: Json<'_>, progress: &mut Progress) {
        progress.goes_on = true;
        let _ = candidates.items(|candidate| {
            candidate.fields(|name, value| {
                match name {
                    "finishReason" | "finish_reason" if !value.is_null() => {
                        progress.has_ended = true
                    }
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

    fn live(&mut self, content: Json<'_>) {
        let Some(parts) = content.field("modelTurn").and_then(|turn| turn.field("parts")) else {
            return;
        };
        let _ = parts.items(|part| {
            self.gemini_part(part);
            Ok(())
        });
    }

    fn gemini_part(&mut self, part: Json<'_>) {
        if part.field("inlineData").is_some() {
            self.output.add_unseen();
        }
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
            self.message(message);
        }
        if let Some(response) = response {
            self.output.add(response);
        }
    }
}

fn is_refusal(stop_reason: Json<'_>) -> bool {
    stop_reason.string().as_deref() == Some("refusal")
}

/// Counts the tokens of a text that comes in pieces. It counts whole words, so that the result
/// depends little on where the text is cut.
#[derive(Clone, Debug, Default)]
struct TextCount {
    counter: Counter,
    tokens: u64,
    /// The text since the last space, not counted yet.
    word: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counter(Heuristic);

impl Counter {
    fn count(self, text: &str) -> u64 {
        if text.is_empty() { 0 } else { self.0.count(text).max(1) }
    }
}

impl TextCount {
    /// The longest unfinished word that is kept, in bytes.
    const LONGEST: usize = 256;

    fn is_empty(&self) -> bool {
        self.tokens == 0 && self.word.is_empty()
    }

    fn tokens(&self) -> u64 {
        self.tokens.saturating_add(self.counter.count(&self.word))
    }

    fn append(&mut self, later: &TextCount) {
        self.tokens = self.tokens().saturating_add(later.tokens);
        self.word.clone_from(&later.word);
    }

    /// Notes content that is not text: an image, audio, encrypted reasoning.
    fn add_unseen(&mut self) {
        self.tokens = self.tokens.max(1);
    }

    /// Adds a string; other values are ignored.
    fn add(&mut self, text: Json<'_>) {
        if let Some(text) = text.string() {
            self.add_text(&text);
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
            Json::Text(text) => self.add_text(&String::from_utf8_lossy(text)),
            Json::Tree(tree) => self.add_text(&tree.to_string()),
        }
    }

    fn add_text(&mut self, text: &str) {
        // A word begins with the space before it, as tokens do.
        let Some(cut) = text.rfind(char::is_whitespace) else { return self.add_part(text) };
        let (whole, rest) = text.split_at(cut);
        self.word.push_str(whole);
        self.tokens = self.tokens.saturating_add(self.counter.count(&self.word));
        self.word.clear();
        self.add_part(rest);
    }

    /// Adds a text without a space but the one that it may begin with.
    fn add_part(&mut self, text: &str) {
        self.word.push_str(text);
        if self.word.len() > TextCount::LONGEST {
            self.tokens = self.tokens.saturating_add(self.counter.count(&self.word));
            self.word.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn counted(pieces: &[&str]) -> u64 {
        let mut text = TextCount::default();
        pieces.iter().for_each(|piece| text.add_text(piece));
        text.tokens()
    }

    #[test]
    fn a_text_has_as_many_tokens_in_pieces_as_in_one() {
        let text = "The quick brown fox jumps over the lazy dog, twice, and sleeps.";
        let whole = counted(&[text]);
        let letters: Vec<&str> = text.split_inclusive(|_: char| true).collect();
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        assert!((14..=20).contains(&whole), "{whole}");
        for pieces in [letters, words] {
            assert!(counted(&pieces).abs_diff(whole) <= 3, "{}", counted(&pieces));
        }
    }

    #[test]
    fn a_text_without_a_space_is_counted_in_a_bounded_memory() {
        let mut text = TextCount::default();
        for _ in 0..1_000 {
            text.add_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
            assert!(text.word.len() <= TextCount::LONGEST);
        }
        assert!(text.tokens() > 1_000);
    }

    proptest! {
        /// Escaped or not, a text is the same text.
        #[test]
        fn a_text_is_counted_like_its_escaped_form(text in any::<String>()) {
            let tree = Value::String(text);
            let (mut plain, mut escaped) = (TextCount::default(), TextCount::default());
            plain.add(Json::Tree(&tree));
            escaped.add(Json::Text(tree.to_string().as_bytes()));
            prop_assert_eq!(plain.tokens(), escaped.tokens());
        }
    }
}
