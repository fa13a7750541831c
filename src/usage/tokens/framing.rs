//! Owns [`Framing`], the tokens that a provider puts around messages: roles, separators, and the
//! opening of the reply.

use super::TokenCounter;

/// The tokens that a chat has besides its texts.
///
/// ```
/// use bursar::usage::tokens::{Framing, Heuristic, Message};
///
/// let chat = [Message::new("system", "You are terse."), Message::new("user", "Hello!").name("ada")];
/// let tokens = Framing::OPENAI.count(&Heuristic::new(), chat);
/// assert!(tokens >= 2 * 3 + 1 + 3 + 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Framing {
    /// Around each message, without its role.
    pub per_message: u64,
    /// For a name, besides the tokens of the name.
    pub per_name: u64,
    /// Once: the beginning of the text, and what primes the reply.
    pub per_request: u64,
}

impl Framing {
    /// OpenAI: 3 for each message, 1 for a name, 3 for the reply ("How to count tokens with
    /// tiktoken" in OpenAI's cookbook; GPT-3.5, GPT-4, GPT-4o and their minis).
    pub const OPENAI: Framing = Framing { per_message: 3, per_name: 1, per_request: 3 };

    /// Llama 3 and 4: a header of three marks around the role, one mark at the end, one at the
    /// beginning of the text, four for the reply (Meta's model cards, "prompt formats").
    pub const LLAMA: Framing = Framing { per_message: 4, per_name: 1, per_request: 5 };

    /// `ChatML`, as Qwen and others use it: `<|im_start|>role\n…<|im_end|>\n`, and
    /// `<|im_start|>assistant\n` for the reply (the chat templates beside the weights).
    pub const CHATML: Framing = Framing { per_message: 4, per_name: 1, per_request: 3 };

    /// Anthropic publishes no numbers. Its page on counting tokens shows 14 for a system prompt of
    /// four words and "Hello, Claude" (about 8 tokens of text); this bound covers that example.
    pub const ANTHROPIC: Framing = Framing { per_message: 4, per_name: 1, per_request: 4 };

    /// Google publishes no numbers. Its page on counting tokens shows a chat of "Hi my name is Bob"
    /// and "Hi Bob!" as 10 (8 of them text); this bound covers that example.
    pub const GEMINI: Framing = Framing { per_message: 3, per_name: 1, per_request: 3 };

    /// For a model of which nothing is known: the largest of all families.
    pub const CAUTIOUS: Framing = Framing { per_message: 5, per_name: 1, per_request: 5 };

    /// The framing for a model, by its name, with or without a `provider/` before it;
    /// [`Framing::CAUTIOUS`] for a name that is not known.
    pub fn for_model(model: &str) -> Framing {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["claude"]) {
            Framing::ANTHROPIC
        } else if has(&["gemini", "gemma"]) {
            Framing::GEMINI
        } else if has(&["llama"]) {
            Framing::LLAMA
        } else if has(&["qwen", "qwq"]) {
            Framing::CHATML
        } else if ["gpt-", "chatgpt", "o1", "o3", "o4"].iter().any(|start| name.starts_with(start))
        {
            Framing::OPENAI
        } else {
            Framing::CAUTIOUS
        }
    }

    /// The tokens of a whole chat, its reply not included. Images, tools and schemas are not in it.
    pub fn count<'a>(
        &self,
        counter: &dyn TokenCounter,
        messages: impl IntoIterator<Item = Message<'a>>,
    ) -> u64 {
        self.total(counter, messages, |text| counter.count(text))
    }

    /// What the whole chat will hardly ever exceed, its reply not included.
    pub fn upper_bound<'a>(
        &self,
        counter: &dyn TokenCounter,
        messages: impl IntoIterator<Item = Message<'a>>,
    ) -> u64 {
        self.total(counter, messages, |text| counter.upper_bound(text))
    }

    /// Roles are a few well-known words and need no margin.
    fn total<'a>(
        &self,
        counter: &dyn TokenCounter,
        messages: impl IntoIterator<Item = Message<'a>>,
        count: impl Fn(&str) -> u64,
    ) -> u64 {
        messages.into_iter().fold(self.per_request, |total, message| {
            let name = message.name.map_or(0, |name| self.per_name.saturating_add(count(name)));
            total
                .saturating_add(self.per_message)
                .saturating_add(counter.count(message.role))
                .saturating_add(count(message.content))
                .saturating_add(name)
        })
    }
}

/// One message of a chat, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    role: &'a str,
    content: &'a str,
    name: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// A message of this role (`system`, `user`, `assistant`, …).
    pub const fn new(role: &'a str, content: &'a str) -> Message<'a> {
        Message { role, content, name: None }
    }

    /// Says who speaks.
    #[must_use]
    pub const fn name(mut self, name: &'a str) -> Message<'a> {
        self.name = Some(name);
        self
    }
}
