//! [`Content`]: estimates the tokens of an answer's text, for when the provider does not count them.
//!
//! Text is counted as it comes; only the last, unfinished word is kept.

use super::json::Json;
use super::messages::{Holds, held_by};
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

impl Content {
    /// Counts with the weights of this model from now on, unless text was counted already.
    pub(super) fn count_for(&mut self, model: &str) {
        if self.is_empty() {
            let counter = Heuristic::for_model(model);
            self.output.counter = counter;
            self.reasoning.counter = counter;
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

    /// How much text has come, in bytes. It differs once more has been added.
    pub(super) fn mark(&self) -> u64 {
        self.output.bytes.saturating_add(self.reasoning.bytes)
    }

    /// Tokens of visible text, and of reasoning.
    pub(super) fn tokens(&self) -> (u64, u64) {
        (self.output.tokens(), self.reasoning.tokens())
    }

    /// Adds the text of one stream event of any provider, but not of a whole answer that an event
    /// repeats. Malformed parts are not counted.
    pub(super) fn add_event(&mut self, event: Json<'_>) -> Progress {
        // What stands at the top level.
        let mut progress = Progress::default();
        let (mut kind, mut delta, mut is_ollama) = (None, None, false);
        let (mut message, mut response) = (None, None);
        for (name, value) in event.fields().flatten() {
            match &*name {
                "type" => kind = value.string(),
                "delta" => delta = Some(value),
                "contentBlockDelta" => delta = value.field("delta"), // Bedrock
                "choices" => self.add_choices(value, &mut progress),
                "candidates" => {
                    progress.goes_on = true;
                    self.add_choices(value, &mut progress);
                }
                "serverContent" => self.add_field(value, "modelTurn"), // Gemini Live
                "done" => is_ollama = true,
                "message" => message = Some(value),
                "response" => response = Some(value),
                "stop_reason" => progress.is_refused |= is_refusal(value),
                _ => {}
            }
        }
        // Its text.
        match delta {
            Some(delta) if delta.is_object() => {
                progress.is_refused |= delta.field("stop_reason").is_some_and(is_refusal);
                self.add(delta, false, 0);
            }
            // OpenAI's responses, realtime and audio: the text is the delta, the type names it. A
            // transcription is of the user's speech, which is input.
            Some(delta) => {
                let kind = kind.as_deref().unwrap_or_default();
                if !kind.contains("input_audio_transcription") && !kind.ends_with("audio.delta") {
                    self.add(delta, kind.contains("reasoning"), 0);
                }
            }
            None if is_ollama => {
                [message, response].into_iter().flatten().for_each(|text| self.add(text, false, 0));
            }
            None => {}
        }
        progress
    }

    /// The choices of a chunk: OpenAI's chat completions and completions, Gemini's candidates.
    fn add_choices(&mut self, choices: Json<'_>, progress: &mut Progress) {
        let fields = choices.items().flatten().flat_map(Json::fields).flatten();
        for (name, value) in fields {
            match &*name {
                "delta" | "text" => {
                    progress.goes_on = true;
                    self.add(value, false, 0);
                }
                "content" => self.add(value, false, 0),
                "finish_reason" | "finishReason" if !value.is_null() => {
                    progress.has_ended = true;
                    progress.is_filtered |= value.string().as_deref() == Some("content_filter");
                }
                _ => {}
            }
        }
    }

    /// Adds the text of a whole answer: a body, or the event that repeats one.
    pub(super) fn add_whole(&mut self, body: Json<'_>) {
        for (name, value) in body.fields().flatten() {
            match &*name {
                "choices" => {
                    value.items().flatten().for_each(|choice| self.add_field(choice, "message"));
                }
                "output" if value.is_object() => self.add_field(value, "message"), // Bedrock
                // Ollama has a text, an event of the Responses API the whole answer.
                "response" if value.is_object() => self.add_whole(value),
                "message" if !value.is_object() => {} // an error's
                "content" | "message" | "output" | "output_text" | "text" | "response" => {
                    self.add(value, false, 0);
                }
                _ => {}
            }
        }
    }

    fn add_field(&mut self, object: Json<'_>, name: &str) {
        object.field(name).into_iter().for_each(|value| self.add(value, false, 0));
    }

    /// Adds a text, a part, a message, or several of them.
    fn add(&mut self, value: Json<'_>, is_reasoning: bool, depth: u8) {
        if depth > DEEPEST {
            return;
        }
        let within = depth + 1;
        if value.is_array() {
            return value.items().flatten().for_each(|item| self.add(item, is_reasoning, within));
        }
        if !value.is_object() {
            return self.side(is_reasoning).add(value);
        }
        let is_reasoning = is_reasoning || is_thought(value);
        let message = value;
        for (name, value) in message.fields().flatten() {
            match held_by(&name) {
                // Gemini counts the JSON of a call.
                Some(Holds::Call) if name == "functionCall" => {
                    self.output.add_text(&value.text());
                }
                Some(Holds::Text | Holds::Parts | Holds::Call | Holds::Result) => {
                    self.add(value, is_reasoning, within);
                }
                Some(Holds::Reasoning) if is_repeated(message, &name) => {}
                Some(Holds::Reasoning) => self.add(value, true, within),
                Some(Holds::Name) => self.output.add(value),
                Some(Holds::Arguments) => match value.string() {
                    Some(text) => self.output.add_text(&text),
                    None if value.is_object() => self.output.add_text(&value.text()),
                    None => {}
                },
                Some(Holds::Data) if value.is_array() => {
                    self.add(value, is_reasoning, within);
                }
                Some(Holds::Image | Holds::Audio | Holds::Blob | Holds::Data) => {
                    if value.is_object() {
                        self.add_field(value, "transcript");
                    }
                    if !value.is_null() {
                        self.side(is_reasoning).add_unseen();
                    }
                }
                _ => {}
            }
        }
    }

    fn side(&mut self, is_reasoning: bool) -> &mut TextCount {
        if is_reasoning { &mut self.reasoning } else { &mut self.output }
    }
}

/// Values within values: a list of messages has a list of calls, which have arguments.
const DEEPEST: u8 = 10;

/// True of a part that is reasoning by its type or by Gemini's mark, whichever comes first.
fn is_thought(part: Json<'_>) -> bool {
    for (name, value) in part.fields().flatten() {
        match &*name {
            "type" => {
                let kind = value.string().unwrap_or_default();
                return kind.contains("reasoning") || kind.contains("thinking");
            }
            "thought" => return value.boolean() == Some(true),
            _ => {}
        }
    }
    false
}

/// True if the message has the same reasoning under another name, as some servers send it.
fn is_repeated(message: Json<'_>, name: &str) -> bool {
    let others: &[&str] = match name {
        "reasoning_details" => &["reasoning", "reasoning_content"],
        "reasoning" => &["reasoning_content"],
        _ => &[],
    };
    others.iter().any(|other| message.field(other).is_some_and(|text| !text.is_null()))
}

fn is_refusal(stop_reason: Json<'_>) -> bool {
    stop_reason.string().as_deref() == Some("refusal")
}

/// Counts the tokens of a text that comes in pieces. It counts whole words, so that the result
/// depends little on where the text is cut.
#[derive(Clone, Debug, Default)]
struct TextCount {
    counter: Heuristic,
    bytes: u64,
    tokens: u64,
    /// The text since the last space, not counted yet.
    word: String,
}

impl TextCount {
    /// The longest unfinished word that is kept, in bytes.
    const LONGEST: usize = 256;

    fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn count(&self, text: &str) -> u64 {
        if text.is_empty() { 0 } else { self.counter.count(text).max(1) }
    }

    fn tokens(&self) -> u64 {
        self.tokens.saturating_add(self.count(&self.word))
    }

    fn append(&mut self, later: &TextCount) {
        self.bytes = self.bytes.saturating_add(later.bytes);
        self.tokens = self.tokens().saturating_add(later.tokens);
        self.word.clone_from(&later.word);
    }

    /// Notes content that is not text: an image, audio, encrypted reasoning.
    fn add_unseen(&mut self) {
        self.bytes = self.bytes.max(1);
        self.tokens = self.tokens.max(1);
    }

    /// Adds a string; other values are ignored.
    fn add(&mut self, text: Json<'_>) {
        if let Some(text) = text.string() {
            self.add_text(&text);
        }
    }

    fn add_text(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        // A word begins with the space before it, as tokens do.
        let Some(cut) = text.rfind(char::is_whitespace) else { return self.add_part(text) };
        let (whole, rest) = text.split_at(cut);
        self.word.push_str(whole);
        self.tokens = self.tokens.saturating_add(self.count(&self.word));
        self.word.clear();
        self.add_part(rest);
    }

    /// Adds a text without a space but the one that it may begin with.
    fn add_part(&mut self, text: &str) {
        self.word.push_str(text);
        if self.word.len() > TextCount::LONGEST {
            self.tokens = self.tokens.saturating_add(self.count(&self.word));
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
