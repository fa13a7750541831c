//! [`has_no_reasoning`]: which models cannot reason, by the names of their families.

/// Families whose models write all of their output into the answer, from the vendors' model pages as
/// of 2026-11-30: OpenAI's GPT-3.5 and GPT-4 (4o, 4.1 and 4.5 too), Anthropic's Claude up to 3.5,
/// Google's Gemini up to 2.0 Flash and Gemma up to 3, Meta's Llama up to 4, Cohere's Command R and
/// Command A 03-2025, Amazon's Nova 1, Mistral's models of before 2026 that are not Magistral.
///
/// Models of other families may reason.
const WITHOUT: &[&str] = &[
    "gpt-3.5",
    "gpt-4",
    "chatgpt-4o",
    "claude-2",
    "claude-instant",
    "claude-3-haiku",
    "claude-3-sonnet",
    "claude-3-opus",
    "claude-3-5",
    "claude-3.5",
    "gemini-1.0",
    "gemini-1.5",
    "gemini-2.0-flash",
    "gemma-2",
    "gemma-3",
    "llama-2",
    "llama-3",
    "llama-4",
    "command-r",
    "command-a-03-2025",
    "nova-micro",
    "nova-lite-v1",
    "nova-pro-v1",
    "nova-premier-v1",
    "mistral-large-2407",
    "mistral-large-2411",
    "mistral-large-2512",
    "mistral-nemo",
    "codestral",
    "ministral",
    "text-embedding",
    "mistral-embed",
    "gemini-embedding",
    "voyage-",
];

/// Words in names of models that begin like a family above and can reason.
const EXCEPT: &[&str] = &["thinking", "reason", "nemotron", "deepseek-r1", "r1-distill"];

/// True if a model cannot reason, by its id: `gpt-4o-2024-08-06`, `anthropic/claude-3-5-haiku`,
/// `us.amazon.nova-pro-v1:0`.
pub(super) fn has_no_reasoning(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    let begins = |family: &str| {
        id.match_indices(family).any(|(at, _)| {
            let before = id[..at].chars().next_back();
            before.is_none_or(|letter| matches!(letter, '/' | '.' | ':'))
        })
    };
    WITHOUT.iter().any(|family| begins(family)) && !EXCEPT.iter().any(|word| id.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_known_by_the_beginning_of_its_name() {
        for (id, expected) in [
            ("gpt-4o", true),
            ("gpt-4o-2024-08-06", true),
            ("GPT-4.1-mini", true),
            ("openai/gpt-4.1", true),
            ("gpt-3.5-turbo", true),
            ("claude-3-5-haiku-latest", true),
            ("us.anthropic.claude-3-haiku-20240307-v1:0", true),
            ("us.amazon.nova-pro-v1:0", true),
            ("gemini-2.0-flash-lite", true),
            ("llama-3.3-70b-versatile", true),
            ("meta-llama/llama-3.3-70b-instruct", true),
            ("command-r-plus-08-2024", true),
            ("voyage-3.5", true),
            ("gpt-5", false),
            ("gpt-6.1-terra", false),
            ("o3", false),
            ("claude-3-7-sonnet-latest", false),
            ("claude-opus-4-8", false),
            ("gemini-2.0-flash-thinking-exp", false),
            ("gemini-2.5-flash", false),
            ("deepseek-r1-distill-llama-70b", false),
            ("nvidia/llama-3.3-nemotron-super-49b", false),
            ("nova-2-lite", false),
            ("command-a-reasoning-08-2025", false),
            ("my-gpt-4", false),
            ("magistral-medium", false),
            ("big", false),
            ("", false),
        ] {
            assert_eq!(has_no_reasoning(id), expected, "{id}");
        }
    }
}
