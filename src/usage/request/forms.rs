//! [`Forms`]: which API a request body is for, and the output cap and number of choices that this API
//! obeys.
//!
//! A server ignores unknown fields, so the cap of another API bounds nothing. A body that could be
//! for several APIs is bounded only if it has a cap for each of them, by the largest.

use crate::usage::Usage;
use crate::usage::error::UsageError;
use crate::usage::json::Json;
use crate::usage::raw::count;

/// The form of one API, and of the servers that imitate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Chat completions and Anthropic's messages; Mistral's and Cohere's chat too.
    Chat,
    /// Completions of a prompt.
    Completion,
    /// OpenAI's responses.
    Responses,
    /// Gemini's `generateContent`.
    Gemini,
    /// Bedrock's Converse.
    Converse,
    /// Ollama's own chat and generation, not its copy of OpenAI's.
    Ollama,
    /// Hugging Face's text generation.
    TextGeneration,
}

use Form::*;

const FORMS: [Form; 7] = [Chat, Completion, Responses, Gemini, Converse, Ollama, TextGeneration];

/// The object of a field at the top level of the body.
pub(super) const TOP: &str = "";

/// Every output cap: its object, its name, and the APIs that obey it. Current servers of chat
/// completions know both of its names; the larger one counts.
const CAPS: &[(&str, &str, &[Form])] = &[
    (TOP, "max_tokens", &[Chat, Completion]),
    (TOP, "max_completion_tokens", &[Chat]),
    (TOP, "max_output_tokens", &[Responses]),
    (TOP, "max_tokens_to_sample", &[Completion]), // Anthropic's before its messages
    ("generationConfig", "maxOutputTokens", &[Gemini]),
    ("generation_config", "max_output_tokens", &[Gemini]),
    ("generationConfig", "max_output_tokens", &[Gemini]), // Google reads both spellings of a name
    ("generation_config", "maxOutputTokens", &[Gemini]),
    ("inferenceConfig", "maxTokens", &[Converse]),
    ("options", "num_predict", &[Ollama]),
    ("parameters", "max_new_tokens", &[TextGeneration]),
];

/// Every number of choices, likewise.
const CHOICES: &[(&str, &str, &[Form])] = &[
    (TOP, "n", &[Chat, Completion]),
    (TOP, "best_of", &[Completion]),
    ("generationConfig", "candidateCount", &[Gemini]),
    ("generation_config", "candidate_count", &[Gemini]),
    ("generationConfig", "candidate_count", &[Gemini]),
    ("generation_config", "candidateCount", &[Gemini]),
];

/// The API forms that a body may have, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Forms {
    seen: [bool; FORMS.len()],
    caps: [Option<u64>; FORMS.len()],
    choices: [Option<u64>; FORMS.len()],
    has_messages: bool,
    /// `modelId` instead of `model`: Bedrock's SDKs.
    names_model_id: bool,
    /// A field that only Ollama's own API has.
    is_ollama: bool,
}

impl Forms {
    pub(super) fn saw(&mut self, form: Form) {
        self.seen[form as usize] = true;
    }

    /// Notes the form of a message's content: Converse has parts without a type.
    pub(super) fn saw_message(&mut self, message: Json<'_>) {
        self.has_messages = true;
        self.is_ollama |= message.field("images").is_some();
        let Some(content) = message.field("content").filter(|content| content.is_array()) else {
            return self.saw(Chat);
        };
        let mut forms = (false, false);
        for part in content.items().flatten() {
            let is_untyped = part.is_object() && part.field("type").is_none();
            forms = (forms.0 || !is_untyped, forms.1 || is_untyped);
        }
        if forms.0 || !forms.1 {
            self.saw(Chat);
        }
        if forms.1 {
            self.saw(Converse);
        }
    }

    /// Notes a field at the top level that only some APIs have.
    pub(super) fn saw_field(&mut self, name: &str) {
        match name {
            "keep_alive" | "think" | "format" | "raw" | "template" => self.is_ollama = true,
            "modelId" => self.names_model_id = true,
            "messages" => self.has_messages = true,
            _ => {}
        }
    }

    /// Reads a cap or a number of choices; false if the field is neither.
    pub(super) fn limit(
        &mut self,
        object: &str,
        name: &str,
        value: Json<'_>,
    ) -> Result<bool, UsageError> {
        let cap = find(CAPS, object, name);
        let Some((_, _, forms)) = cap.or_else(|| find(CHOICES, object, name)) else {
            return Ok(false);
        };
        let is_open = value.number().is_some_and(|number| number.starts_with('-'));
        if name == "num_predict" && is_open {
            return Ok(true); // -1: without end, -2: until the context is full
        }
        let count = Some(number(object, name, value)?).filter(|&count| count > 0);
        let most = if cap.is_some() { &mut self.caps } else { &mut self.choices };
        for &form in *forms {
            most[form as usize] = most[form as usize].max(count);
        }
        Ok(true)
    }

    /// The largest cap of all APIs that the body may be for, if each has one; and the largest
    /// number of choices.
    pub(super) fn limits(mut self) -> (Option<u64>, u64) {
        let is_seen = |forms: &Forms, form: Form| forms.seen[form as usize];
        if self.has_messages && !is_seen(&self, Chat) && !is_seen(&self, Converse) {
            self.saw(if self.names_model_id { Converse } else { Chat });
        }
        let cap = |form: Form| self.caps[form as usize];
        if self.is_ollama && cap(Ollama).is_some() && cap(Chat).is_none() {
            self.seen[Chat as usize] = false;
            self.seen[Completion as usize] = false;
            self.saw(Ollama);
        }
        let seen = || FORMS.into_iter().filter(|&form| is_seen(&self, form));
        let caps = seen().map(|form| self.caps[form as usize]);
        let cap = caps.reduce(|one, other| Some(one?.max(other?))).flatten();
        (cap, seen().filter_map(|form| self.choices[form as usize]).fold(1, u64::max))
    }
}

type Row = (&'static str, &'static str, &'static [Form]);

fn find(table: &'static [Row], object: &str, name: &str) -> Option<&'static Row> {
    table.iter().find(|row| row.0 == object && row.1 == name)
}

/// A count in a field of a request; zero where it is null.
pub(super) fn number(at: &str, name: &str, value: Json<'_>) -> Result<u64, UsageError> {
    let count = count(at, name, value)?;
    Ok(count.unwrap_or(0).min(Usage::MAX_COUNT))
}
