//! Property: the buckets of a usage add up to the total that the provider says.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bursar::{Bill, Confidence, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use common::read;

/// A whole, and so many parts that fit into it beside each other.
fn parts<const N: usize>() -> impl Strategy<Value = (u64, [u64; N])> {
    let part = 0..100_000_u64;
    (part.clone(), prop::array::uniform(part))
        .prop_map(|(rest, parts): (u64, [u64; N])| (rest + parts.iter().sum::<u64>(), parts))
}

const NAMES: &[&str] = &[
    "usage",
    "usageMetadata",
    "response",
    "message",
    "metadata",
    "delta",
    "x_groq",
    "meta",
    "type",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "cached_tokens",
    "cached_tokens_details",
    "audio_tokens",
    "cache_write_tokens",
    "cache_write_tokens_details",
    "ttl_12h_tokens",
    "reasoning_tokens",
    "prompt_cache_hit_tokens",
    "prompt_cache_miss_tokens",
    "cost",
    "cost_in_usd_ticks",
    "cost_details",
    "upstream_inference_cost",
    "total_cost",
    "is_byok",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
    "output_tokens_details",
    "thinking_tokens",
    "iterations",
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
    "promptTokensDetails",
    "cacheTokensDetails",
    "candidatesTokensDetails",
    "modality",
    "tokenCount",
    "inputTokens",
    "outputTokens",
    "totalTokens",
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
    "cacheDetails",
    "ttl",
    "billed_units",
    "tokens",
    "search_units",
    "prompt_eval_count",
    "eval_count",
    "done",
    "choices",
    "candidates",
    "content",
    "text",
];

/// Bodies that are wrong in every way that keeps the names right.
fn any_body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => (0..40_u64).prop_map(Value::from),
        1 => prop::sample::select(vec![
            json!(null), json!(-1), json!(0.5), json!(true), json!(1_000_000_000_000_u64),
            json!(u64::MAX), json!("AUDIO"), json!("1h"), json!("compaction"),
            json!("message_start"), json!("response.done"),
        ]),
    ];
    leaf.prop_recursive(5, 80, 12, |inner| {
        let field = (prop::sample::select(NAMES), inner.clone());
        prop_oneof![
            5 => prop::collection::vec(field, 1..12).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_panics_and_a_tree_is_read_like_its_text(parts in prop::collection::vec(any_body(), 3)) {
        let [usage, metadata, more] = parts.as_slice() else { unreachable!() };
        let body = json!({"usage": usage, "usageMetadata": metadata, "response": more});
        for body in [body, json!({"usage": usage}), json!({"usageMetadata": usage}), more.clone()] {
            let from_text = Bill::from_response(&body.to_string());
            if body.is_object() {
                prop_assert_eq!(&from_text, &Bill::from_response(&body));
            }
            if let Ok(Some(bill)) = from_text {
                prop_assert!(bill.usage.is_possible());
            }
            let mut meter = bursar::UsageMeter::new();
            let _ = meter.event(&body);
            let _ = (meter.seen(), meter.finish());
        }
    }

    #[test]
    fn openai((prompt, [cached, written, audio]) in parts(), (completion, [reasoning, spoken]) in parts()) {
        let bill = read(&json!({"usage": {
            "prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written,
                "audio_tokens": audio},
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": spoken}}}));
        prop_assert_eq!(bill.confidence, Confidence::Exact);
        prop_assert_eq!(bill.usage.input_tokens(), prompt);
        prop_assert_eq!(bill.usage.output_tokens(), completion);
        prop_assert_eq!(bill.usage, Usage {
            cache_read: cached, cache_write_30m: written, input_audio: audio,
            reasoning, output_audio: spoken,
            ..Usage::tokens(prompt - cached - written - audio, completion - reasoning - spoken)
        });
    }

    #[test]
    fn any_total_in_openais_form(
        prompt in 0..1_000_u64,
        completion in 0..1_000_u64,
        cached in 0..1_000_u64,
        reasoning in 0..1_000_u64,
        total in 0..5_000_u64,
    ) {
        let body = json!({"usage": {"prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": total, "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning}}});
        if let Ok(Some(bill)) = Bill::from_response(&body) {
            match bill.confidence {
                // A total of zero beside counts is one that the provider did not fill in.
                Confidence::Exact if total > 0 => prop_assert_eq!(bill.usage.total_tokens(), total),
                _ => prop_assert!(bill.usage.total_tokens() >= total),
            }
        }
    }

    #[test]
    fn xai((prompt, [cached]) in parts(), completion in 0..100_000_u64, reasoning in 0..100_000_u64) {
        let total = prompt + completion + reasoning;
        let bill = read(&json!({"model": "grok-4", "usage": {"prompt_tokens": prompt,
            "completion_tokens": completion, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning}}}));
        prop_assert_eq!(bill.confidence, Confidence::Exact);
        prop_assert_eq!(bill.usage.total_tokens(), total);
    }

    #[test]
    fn anthropic(
        input in 0..100_000_u64,
        read_tokens in 0..100_000_u64,
        (written, [minutes, hour]) in parts(),
        (output, [thinking]) in parts(),
    ) {
        let bill = read(&json!({"usage": {"input_tokens": input, "output_tokens": output,
            "cache_read_input_tokens": read_tokens, "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_5m_input_tokens": minutes,
                "ephemeral_1h_input_tokens": hour},
            "output_tokens_details": {"thinking_tokens": thinking}}}));
        prop_assert_eq!(bill.usage.input_tokens(), input + read_tokens + written);
        prop_assert_eq!(bill.usage.output_tokens(), output);
    }

    #[test]
    fn gemini(
        (prompt, [cached, cached_audio, audio]) in parts(),
        candidates in 0..100_000_u64,
        thoughts in 0..100_000_u64,
        tool_use in 0..100_000_u64,
    ) {
        let total = prompt + candidates + thoughts + tool_use;
        let bill = read(&json!({"usageMetadata": {"promptTokenCount": prompt,
            "cachedContentTokenCount": cached + cached_audio, "candidatesTokenCount": candidates,
            "thoughtsTokenCount": thoughts, "toolUsePromptTokenCount": tool_use,
            "totalTokenCount": total,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": audio + cached_audio}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": cached_audio}]}}));
        prop_assert_eq!(bill.confidence, Confidence::Exact);
        prop_assert_eq!(bill.usage.total_tokens(), total);
        prop_assert_eq!((bill.usage.input_audio, bill.usage.cache_read_audio), (audio, cached_audio));
    }

    #[test]
    fn any_total_in_geminis_form(
        prompt in 0..1_000_u64,
        candidates in 0..1_000_u64,
        thoughts in 0..1_000_u64,
        tool_use in 0..3_u64,
        total in 0..5_000_u64,
    ) {
        let bill = read(&json!({"usageMetadata": {"promptTokenCount": prompt,
            "candidatesTokenCount": candidates, "thoughtsTokenCount": thoughts,
            "toolUsePromptTokenCount": tool_use, "totalTokenCount": total}}));
        prop_assert!(bill.usage.total_tokens() >= total);
    }

    #[test]
    fn bedrock(
        (input, [read_tokens, written]) in parts(),
        output in 0..100_000_u64,
        is_inclusive in any::<bool>(),
    ) {
        let beside = if is_inclusive { 0 } else { read_tokens + written };
        let total = input + output + beside;
        let bill = read(&json!({"usage": {"inputTokens": input, "outputTokens": output,
            "totalTokens": total, "cacheReadInputTokens": read_tokens,
            "cacheWriteInputTokens": written}}));
        prop_assert_eq!(bill.confidence, Confidence::Exact);
        prop_assert_eq!(bill.usage.total_tokens(), total);
        prop_assert_eq!(bill.usage.cache_read, read_tokens);
    }
}
