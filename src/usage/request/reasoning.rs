//! [`Reasoning`]: whether a request switches off the reasoning of its model.

use super::super::json::Json;

/// Whether fields that control reasoning were seen, and how they were set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reasoning {
    says_off: bool,
    says_on: bool,
}

impl Reasoning {
    /// Reads one field of a request, or of its settings.
    ///
    /// | field | off |
    /// |---|---|
    /// | `reasoning_effort` | `none` (OpenAI, and those who speak its API) |
    /// | `reasoning` | `{"effort": "none"}` (OpenAI), `{"enabled": false}` (OpenRouter) |
    /// | `thinking`, `reasoningConfig` | `{"type": "disabled"}` (Anthropic, Cohere, DeepSeek, Z.ai; Amazon) |
    /// | `think`, `enable_thinking` | `false` (Ollama; Qwen) |
    /// | `thinkingConfig` | `{"thinkingBudget": 0}` (Gemini) |
    ///
    /// Any other value of these fields allows reasoning: `minimal` is not `none`.
    pub(super) fn note(&mut self, name: &str, value: Json<'_>) {
        let says = |value: Json<'_>, word: &str| value.string().as_deref() == Some(word);
        let field = |name: &str, word: &str| value.field(name).is_some_and(|at| says(at, word));
        let is_false = |value: Json<'_>| value.boolean() == Some(false);
        let off = match name {
            "reasoning_effort" | "reasoningEffort" => says(value, "none"),
            "reasoning" => field("effort", "none") || value.field("enabled").is_some_and(is_false),
            "thinking" if value.boolean().is_some() => is_false(value),
            "thinking" | "reasoningConfig" | "reasoning_config" => field("type", "disabled"),
            "think" | "enable_thinking" | "include_reasoning" => is_false(value),
            "thinkingConfig" | "thinking_config" => {
                let budget = value.field("thinkingBudget").or(value.field("thinking_budget"));
                budget.and_then(Json::number).as_deref() == Some("0")
            }
            "generationConfig"
            | "generation_config"
            | "options"
            | "parameters"
            | "additionalModelRequestFields"
            | "chat_template_kwargs"
            | "extra_body" => {
                for (name, value) in value.fields().flatten() {
                    if !value.is_null() {
                        self.note(&name, value);
                    }
                }
                return;
            }
            _ => return,
        };
        // What OpenRouter's `include_reasoning` hides is billed all the same.
        let hides = name == "include_reasoning";
        self.says_off |= off && !hides;
        self.says_on |= !off || hides;
    }

    /// True if the model does not reason on this request: the request switches it off, or does not
    /// switch on a model that only reasons on request.
    pub(super) fn is_off(self, model: &str) -> bool {
        !self.says_on && (self.says_off || reasons_on_request(model))
    }
}

/// True of Anthropic's models up to Opus 4.8, which think only if the request has a `thinking` field.
/// From Opus 5 and Sonnet 5 on they think unless it is disabled (platform.claude.com, "Migration guide
/// to Claude Opus 5", 2026-11-30).
fn reasons_on_request(model: &str) -> bool {
    let Some((_, name)) = model.split_once("claude-") else { return false };
    let old = ["3-", "3.", "4-", "opus-4", "sonnet-4", "haiku-4"];
    let is_old = old.iter().any(|version| {
        let rest = name.strip_prefix(version);
        // `opus-4`, `opus-4-8`, `opus-4.1`, and no `opus-45`.
        rest.is_some_and(|rest| {
            !rest.starts_with(|c: char| c.is_ascii_digit()) || version.ends_with(['-', '.'])
        })
    });
    is_old && !name.contains("thinking")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn is_off(model: &str, body: &Value) -> bool {
        let mut reasoning = Reasoning::default();
        for (name, value) in Json::Tree(body).fields().flatten() {
            reasoning.note(&name, value);
        }
        reasoning.is_off(model)
    }

    #[test]
    fn what_a_request_says_of_reasoning() {
        for (model, body, off) in [
            ("gpt-6.1-terra", json!({}), false),
            ("gpt-6.1-terra", json!({"reasoning_effort": "none"}), true),
            ("gpt-6.1-terra", json!({"reasoning_effort": "minimal"}), false),
            ("gpt-6.1-terra", json!({"reasoning": {"effort": "none"}}), true),
            ("gpt-6.1-terra", json!({"reasoning": {"effort": "low"}}), false),
            ("x", json!({"reasoning": {"enabled": false}}), true),
            ("x", json!({"reasoning": {"exclude": true}}), false),
            ("x", json!({"reasoning_effort": "none", "include_reasoning": false}), false),
            ("claude-opus-5", json!({}), false),
            ("claude-opus-5", json!({"thinking": {"type": "disabled"}}), true),
            ("claude-sonnet-5-5", json!({}), false),
            ("claude-fable-5", json!({}), false),
            ("claude-opus-4-8", json!({}), true),
            ("anthropic/claude-sonnet-4.5", json!({}), true),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", json!({}), true),
            ("claude-3-7-sonnet-latest", json!({}), true),
            ("anthropic/claude-3.7-sonnet:thinking", json!({}), false),
            ("claude-opus-4-8", json!({"thinking": {"type": "adaptive"}}), false),
            ("claude-opus-4-8", json!({"reasoning": {"max_tokens": 2000}}), false),
            (
                "claude-opus-4-8",
                json!({"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}),
                false,
            ),
            ("gemini-2.5-flash", json!({}), false),
            (
                "gemini-2.5-flash",
                json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
                true,
            ),
            (
                "gemini-2.5-flash",
                json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 128}}}),
                false,
            ),
            ("qwen3:8b", json!({"think": false}), true),
            ("qwen3:8b", json!({"think": true}), false),
            ("qwen3", json!({"chat_template_kwargs": {"enable_thinking": false}}), true),
            ("nova-2-lite", json!({"reasoningConfig": {"type": "disabled"}}), true),
            ("x", json!({"reasoning_effort": "none", "thinking": {"type": "enabled"}}), false),
        ] {
            assert_eq!(is_off(model, &body), off, "{model}: {body}");
        }
    }
}
