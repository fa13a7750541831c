//! [`Framing`]: the hidden tokens that a provider adds around messages and tools, and for its own
//! prompt.

/// The tokens that a provider adds to a request unseen, by the family of its model: around each
/// message and tool, and once for each request. All of them are bounds.
///
/// ```
/// use bursar::usage::tokens::Framing;
///
/// let framing = Framing::for_model("gpt-5");
/// assert_eq!((framing.per_message, framing.per_request), (3, 3));
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
    /// Once: a prompt of its own that the provider adds and bills. Trimming does not count it.
    pub added_prompt: u64,
    /// For each tool, besides the text of its JSON.
    pub per_tool: u64,
    /// Once, if there are tools at all.
    pub any_tools: u64,
}

impl Framing {
    /// OpenAI: 3 for each message, 1 for a name, 3 for the reply ("How to count tokens with
    /// tiktoken" in OpenAI's cookbook; GPT-3.5, GPT-4, GPT-4o and their minis). The same page counts
    /// at most 12 around a function, and less than its JSON for the rest.
    pub const OPENAI: Framing = framing(3, 3);

    /// Llama 3 and 4: a header of three marks around the role, one mark at the end, one at the
    /// beginning of the text, four for the reply (Meta's model cards, "prompt formats").
    pub(super) const LLAMA: Framing = framing(4, 5);

    /// `ChatML`, as Qwen and others use it: `<|im_start|>role\n…<|im_end|>\n`, and
    /// `<|im_start|>assistant\n` for the reply (the chat templates beside the weights).
    pub(super) const CHATML: Framing = framing(4, 3);

    /// Anthropic publishes no numbers for messages. Its page on counting tokens shows 14 for a system
    /// prompt of four words and "Hello, Claude" (about 8 tokens of text); this bound covers that
    /// example. Tools bring a hidden prompt: its page on tool use names at most 530 tokens for the
    /// models up to Claude 4; later tokenizers need about 30 % more.
    pub(super) const ANTHROPIC: Framing = Framing { any_tools: 1_000, ..framing(4, 4) };

    /// Google publishes no numbers. Its page on counting tokens shows a chat of "Hi my name is Bob"
    /// and "Hi Bob!" as 10 (8 of them text); this bound covers that example.
    pub(super) const GEMINI: Framing = framing(3, 3);

    /// xAI adds a prompt of its own to each request: 185 to 214 tokens, by model (measured on what it
    /// billed, November 2026).
    pub(super) const XAI: Framing = Framing { added_prompt: 214, ..framing(5, 5) };

    /// `DeepSeek` bills 23 to 97 tokens more than the text of a request (measured likewise).
    pub(super) const DEEPSEEK: Framing =
        Framing { added_prompt: 97, any_tools: 97, ..framing(5, 5) };

    /// Kimi bills 64 to 100 tokens more than the text of a request (measured likewise).
    pub(super) const KIMI: Framing = Framing { added_prompt: 100, any_tools: 100, ..framing(5, 5) };

    /// Mistral, Cohere's Command, GLM, `MiniMax`, and embeddings: nothing is known to be added but the
    /// marks of their templates.
    pub(super) const PLAIN: Framing = framing(5, 5);

    /// For a model of which nothing is known: the largest of all families.
    pub const CAUTIOUS: Framing = Framing { added_prompt: 214, any_tools: 1_000, ..framing(5, 5) };

    /// The framing for a model, by its name, with or without a `provider/` before it;
    /// [`Framing::CAUTIOUS`] for a name that is not known.
    pub fn for_model(model: &str) -> Framing {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let is_of = |(starts, parts, _): &&(&[&str], &[&str], Framing)| {
            starts.iter().any(|start| name.starts_with(start))
                || parts.iter().any(|part| name.contains(part))
        };
        FAMILIES.iter().find(is_of).map_or(Framing::CAUTIOUS, |(_, _, framing)| *framing)
    }
}

/// Families in the order in which they are tried, by the beginning of a name or by a part of it.
const FAMILIES: &[(&[&str], &[&str], Framing)] = &[
    (&[], &["claude"], Framing::ANTHROPIC),
    (&[], &["gemini", "gemma"], Framing::GEMINI),
    (&[], &["llama"], Framing::LLAMA),
    (&[], &["qwen", "qwq"], Framing::CHATML),
    (&["gpt-", "chatgpt", "o1", "o3", "o4"], &[], Framing::OPENAI),
    (&[], &["grok"], Framing::XAI),
    (&[], &["deepseek"], Framing::DEEPSEEK),
    (&[], &["kimi", "moonshot"], Framing::KIMI),
    (&[], &["mistral", "mixtral", "ministral", "magistral"], Framing::PLAIN),
    (&[], &["codestral", "devstral", "command", "glm", "minimax", "embed"], Framing::PLAIN),
];

/// Tokens around each message, and around all of them.
const fn framing(per_message: u64, per_request: u64) -> Framing {
    Framing { per_message, per_name: 1, per_request, added_prompt: 0, per_tool: 16, any_tools: 32 }
}
