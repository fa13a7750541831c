//! Tests of the names of counts: every known one is read, an unknown one is a doubt.

use bursar::usage::Doubt;
use bursar::{Confidence, Usage, UsageMeter};
use serde_json::json;

use crate::chunk;
use crate::common::read;

#[test]
fn every_name_of_a_count_is_read() {
    let cached =
        |cache_read, uncached, output| Usage { cache_read, ..Usage::tokens(uncached, output) };
    for (body, expected) in [
        // BerriAI/litellm #11364, #40090.
        (
            json!({"model": "claude-sonnet-4-5", "usage": {"prompt_tokens": 98_805,
                "completion_tokens": 5_120, "total_tokens": 103_925, "prompt_tokens_details":
                    {"cached_tokens": 66_360, "cache_creation_tokens": 32_435}}}),
            Usage { cache_write_5m: 32_435, ..cached(66_360, 10, 5_120) },
        ),
        (
            json!({"model": "claude-sonnet-4-5", "usage": {"prompt_tokens": 100,
                "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 10,
                    "cache_creation_tokens": 60, "cache_creation_token_details":
                        {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 40}}}}),
            Usage { cache_write_5m: 20, cache_write_1h: 40, ..cached(10, 30, 5) },
        ),
        // envoyproxy/ai-gateway PR #1719.
        (
            json!({"model": "deepseek-v4-pro", "usage": {"prompt_tokens": 1_204,
                "completion_tokens": 100, "total_tokens": 1_304, "prompt_cache_hit_tokens": 1_024,
                "prompt_cache_write_tokens": 100}}),
            Usage { cache_write_30m: 100, ..cached(1_024, 80, 100) },
        ),
        // codex exec --json.
        (
            json!({"type": "turn.completed", "usage": {"input_tokens": 24_763,
                "cached_input_tokens": 24_448, "output_tokens": 122}}),
            cached(24_448, 315, 122),
        ),
        // The AI SDK, 6 and 5.
        (
            json!({"usage": {"inputTokens": 1_413, "inputTokenDetails": {"noCacheTokens": 1_029,
                "cacheReadTokens": 384}, "outputTokens": 2, "totalTokens": 1_415}}),
            cached(384, 1_029, 2),
        ),
        (
            json!({"usage": {"inputTokens": 1_413, "cachedInputTokens": 384, "outputTokens": 9,
                "reasoningTokens": 4}}),
            Usage { reasoning: 4, ..cached(384, 1_029, 5) },
        ),
        // LangChain.
        (
            json!({"usage_metadata": {"input_tokens": 100, "output_tokens": 9, "total_tokens": 109,
                "input_token_details": {"cache_read": 40, "cache_creation": 10},
                "output_token_details": {"reasoning": 4}}}),
            Usage { cache_write_5m: 10, reasoning: 4, ..cached(40, 50, 5) },
        ),
        // Python's SDK of Gemini, and the Interactions API.
        (
            json!({"usage_metadata": {"prompt_token_count": 100, "candidates_token_count": 9,
                "thoughts_token_count": 4, "cached_content_token_count": 40,
                "total_token_count": 113,
                "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 30}]}}),
            Usage { reasoning: 4, input_audio: 30, ..cached(40, 30, 9) },
        ),
        (
            json!({"usage": {"total_input_tokens": 100, "total_output_tokens": 9,
                "total_thought_tokens": 4, "total_cached_tokens": 40, "total_tokens": 113}}),
            Usage { reasoning: 4, ..cached(40, 60, 9) },
        ),
        // Moonshot's last chunk.
        (
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage":
                {"prompt_tokens": 8_000, "completion_tokens": 900, "total_tokens": 8_900,
                    "cached_tokens": 6_000}}]}),
            cached(6_000, 2_000, 900),
        ),
        // Bedrock's metrics, alone and beside the usage object that they repeat.
        (
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
                "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3_000,
                    "outputTokenCount": 700, "cacheReadInputTokenCount": 50,
                    "invocationLatency": 900, "firstByteLatency": 100}}),
            cached(50, 3_000, 700),
        ),
        (
            json!({"type": "message_delta", "usage": {"input_tokens": 30, "output_tokens": 5},
                "amazon-bedrock-invocationMetrics": {"inputTokenCount": 30,
                    "outputTokenCount": 5}}),
            Usage::tokens(30, 5),
        ),
        // A line of a batch.
        (
            json!({"id": "batch_req_1", "custom_id": "1", "response": {"status_code": 200,
                "body": {"id": "chatcmpl-1", "model": "gpt-5-mini", "usage": {"prompt_tokens": 9,
                    "completion_tokens": 2, "total_tokens": 11}}}}),
            Usage::tokens(9, 2),
        ),
        // Mistral's tools and audio.
        (
            json!({"usage": {"prompt_tokens": 100, "completion_tokens": 5, "connector_tokens": 40,
                "total_tokens": 145, "connectors": {"web_search": 2}}}),
            Usage { web_search_requests: 2, ..Usage::tokens(140, 5) },
        ),
        (
            json!({"usage": {"prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3_264,
                "prompt_audio_seconds": 203}}),
            Usage { audio_seconds: 203, ..Usage::tokens(4, 635) },
        ),
        // Images, in and out.
        (
            json!({"usage": {"input_tokens": 60, "output_tokens": 4_160, "total_tokens": 4_220,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 50},
                "output_tokens_details": {"image_tokens": 4_160, "text_tokens": 0}}}),
            Usage { input_image: 50, output_image: 4_160, ..Usage::tokens(10, 0) },
        ),
        (
            json!({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1_290,
                "totalTokenCount": 1_300,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}]}}),
            Usage { output_image: 1_290, ..Usage::tokens(10, 0) },
        ),
    ] {
        let bill = read(&body);
        assert_eq!((bill.usage, bill.confidence), (expected, Confidence::Exact), "{body}");
        assert_eq!(bill.doubts, [], "{body}");
    }
}

#[test]
fn a_number_that_nobody_knows_is_a_doubt() {
    let bill = read(&json!({"usage": {"prompt_tokens": 5, "completion_tokens": 2,
        "holo_tokens": 7, "prompt_tokens_details": {"smell_tokens": 3, "note": "x"},
        "more": {"deep": {"taste_tokens": 1}}, "list": [{"kind": "x", "heat_tokens": 4}]}}));
    let mut fields: Vec<String> = bill
        .doubts
        .iter()
        .map(|doubt| match doubt {
            Doubt::UnknownField { field } => field.clone(),
            other => panic!("{other}"),
        })
        .collect();
    fields.sort();
    let expected = [
        "usage.holo_tokens",
        "usage.list.heat_tokens",
        "usage.more.deep.taste_tokens",
        "usage.prompt_tokens_details.smell_tokens",
    ];
    assert_eq!(fields, expected);
    // The counts that are known are exact all the same.
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(5, 2), Confidence::Exact));
}

/// Found by the fuzz target `answers`.
#[test]
fn an_unknown_number_is_a_doubt_also_in_a_frame_that_cannot_be_read() {
    let mut meter = UsageMeter::new();
    meter.event(&chunk(json!({"prompt_tokens": 5, "completion_tokens": 2}))).unwrap();
    meter.event(&chunk(json!({"holo_tokens": 7, "completion_tokens": "many"}))).unwrap_err();
    let bill = meter.finish().unwrap();
    assert!(bill.doubts.contains(&Doubt::UnknownField { field: "usage.holo_tokens".into() }));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(5, 2), Confidence::Estimated));
}
