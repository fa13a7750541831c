//! The proof that a response body of every provider gives the bill that the provider will
//! send, and that a body that cannot be billed says why.
#![allow(clippy::unwrap_used, clippy::panic)]

use bursar::usage::{Doubt, ModelUsage, UsageError};
use bursar::{Bill, Confidence, Service, Usage, Usd};
use serde_json::{Value, json};

/// One body as it comes, and what it is billed at.
macro_rules! body {
    ($name:literal) => {
        ($name, include_str!(concat!("data/usage/bodies/", $name, ".json")))
    };
}

fn bodies() -> Vec<((&'static str, &'static str), Bill)> {
    let tokens = Usage::tokens;
    let cached = |cache_read, uncached, output, reasoning| Usage {
        cache_read,
        reasoning,
        ..Usage::tokens(uncached, output)
    };
    let cost = |text: &str| text.parse::<Usd>().unwrap();
    vec![
        (
            body!("openai_chat"),
            Bill::new(cached(1_920, 86, 108, 192))
                .model("gpt-5-2025-08-07")
                .service(Service::Priority),
        ),
        (body!("azure_openai_chat"), Bill::new(tokens(91, 18)).model("gpt-4o-2024-11-20")),
        (
            body!("openai_responses"),
            Bill::new(Usage {
                cache_write_30m: 2_048,
                web_search_requests: 1,
                ..cached(4_096, 2_976, 84, 256)
            })
            .model("gpt-6.1-sol")
            .service(Service::Flex),
        ),
        (body!("openai_embeddings"), Bill::new(tokens(8, 0)).model("text-embedding-3-small")),
        (body!("openai_transcription"), Bill::new(Usage { input_audio: 100, ..tokens(14, 45) })),
        (
            body!("openai_realtime"),
            Bill::new(Usage {
                input_audio: 500,
                cache_read_audio: 100,
                output_audio: 300,
                ..cached(300, 100, 200, 0)
            })
            .model("gpt-realtime"),
        ),
        (
            body!("anthropic"),
            Bill::new(Usage {
                cache_write_5m: 1_800,
                cache_write_1h: 4_000,
                web_search_requests: 2,
                ..cached(18_204, 421, 603, 900)
            })
            .model("claude-sonnet-4-5-20250929")
            .service(Service::Batch)
            .regional(true),
        ),
        (
            body!("anthropic_bedrock"),
            Bill::new(Usage { cache_write_5m: 1_100, ..tokens(30, 5) })
                .model("claude-haiku-4-5-20251001"),
        ),
        (
            body!("gemini"),
            Bill::new(Usage { web_search_requests: 1, ..cached(4_000, 1_320, 310, 870) })
                .model("gemini-2.5-flash"),
        ),
        (
            body!("vertex_gemini"),
            Bill::new(Usage { input_audio: 800, reasoning: 140, ..tokens(100, 1) })
                .model("gemini-3.7-flash")
                .service(Service::Priority),
        ),
        (
            body!("bedrock_converse"),
            Bill::new(Usage {
                cache_write_5m: 1_000,
                cache_write_1h: 2_000,
                ..cached(3_059, 562, 230, 0)
            })
            .model("anthropic.claude-haiku-4-5-20251001-v1:0")
            .service(Service::Flex),
        ),
        (body!("cohere"), Bill::new(tokens(412, 88))),
        (body!("cohere_rerank"), Bill::new(Usage { requests: 1, ..Usage::NONE })),
        (
            body!("mistral"),
            Bill::new(cached(1_024, 776, 260, 0))
                .model("mistral-medium-2604")
                .service(Service::Standard),
        ),
        (
            body!("groq"),
            Bill::new(cached(2_048, 952, 220, 200))
                .model("openai/gpt-oss-120b")
                .service(Service::Standard),
        ),
        (body!("deepseek"), Bill::new(cached(5_120, 880, 250, 450)).model("deepseek-flash")),
        (
            body!("xai"),
            Bill::new(Usage { web_search_requests: 3, ..cached(128, 9_992, 1_499, 2_809) })
                .model("grok-4.20")
                .reported_cost(cost("0.0232856")),
        ),
        (body!("together"), Bill::new(cached(480, 20, 2, 0)).model("moonshotai/Kimi-K2")),
        (body!("cerebras"), Bill::new(tokens(70, 40)).model("gpt-oss-120b")),
        (body!("hugging_face"), Bill::new(tokens(15, 3)).model("Qwen/Qwen3-235B-A22B")),
        (body!("zai"), Bill::new(cached(128, 72, 30, 60)).model("glm-4.7")),
        (body!("snowflake"), Bill::new(tokens(45, 9)).model("llama4-maverick")),
        (
            body!("openrouter"),
            Bill::new(Usage { cache_write_5m: 500, ..cached(2_000, 500, 200, 0) })
                .model("anthropic/claude-sonnet-4.5")
                .reported_cost(cost("0.0065235")),
        ),
        (
            body!("perplexity"),
            Bill::new(Usage { requests: 1, ..tokens(40, 600) })
                .model("sonar-pro")
                .reported_cost(cost("0.01512")),
        ),
        (body!("ollama"), Bill::new(tokens(26, 298)).model("llama3.2")),
        (body!("voyage"), Bill::new(tokens(10, 0)).model("voyage-4")),
    ]
}

#[test]
fn a_body_of_every_provider_is_billed() {
    for ((name, text), expected) in bodies() {
        let tree: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Bill::from_response(text).unwrap().as_ref(), Some(&expected), "{name}");
        assert_eq!(Bill::from_response(text.as_bytes()).unwrap().as_ref(), Some(&expected));
        assert_eq!(Bill::from_response(&tree).unwrap().as_ref(), Some(&expected), "{name}, tree");
    }
}

#[test]
fn a_body_without_usage_is_not_a_body_that_used_nothing() {
    let none = [
        r#"{"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit"}}"#,
        r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#,
        r#"{"error": {"code": 503, "status": "UNAVAILABLE"}}"#,
        r#"{"id": "1", "choices": [], "usage": null}"#,
        r#"{"id": "1", "usage": {}}"#,
        r#"{"id": "1", "usage": {"prompt_tokens": null, "completion_tokens": null}}"#,
        r#"{"usageMetadata": {}}"#,
        r#"{"model": "llama3.2", "response": "", "done": true, "done_reason": "load"}"#,
        r#"[]"#,
        r#"[{"generated_text": "Hi"}]"#,
        "",
        "  \n ",
    ];
    for body in none {
        assert_eq!(Bill::from_response(body), Ok(None), "{body}");
    }
    let zero = r#"{"model": "m", "usage": {"prompt_tokens": 0, "completion_tokens": 0}}"#;
    assert_eq!(Bill::from_response(zero), Ok(Some(Bill::new(Usage::NONE).model("m"))));
}

#[test]
fn audio_that_is_billed_by_its_length_is_counted_in_seconds() {
    for (seconds, count) in [("9", 9), ("8.47", 9), ("0.2", 1)] {
        let body = format!(
            r#"{{"text": "Whisper", "usage": {{"type": "duration", "seconds": {seconds}}}}}"#
        );
        let bill = Bill::from_response(&body).unwrap().unwrap();
        let usage = Usage { audio_seconds: count, ..Usage::NONE };
        assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact), "{seconds}");
    }
}

#[test]
fn what_is_no_count_is_refused_by_its_name() {
    let usage = |prompt: &str| format!(r#"{{"usage": {{"prompt_tokens": {prompt}}}}}"#);
    for bad in ["-1", "1e13", "1e99", "\"twelve\"", "true", "18446744073709551616", "[1]"] {
        let error = Bill::from_response(&usage(bad)).unwrap_err();
        let UsageError::NotACount { field, found } = &error else { panic!("{bad}: {error}") };
        let shown = if bad == "[1]" { "[…]" } else { bad };
        assert_eq!((field.as_str(), found.as_str()), ("usage.prompt_tokens", shown));
    }
    let error = Bill::from_response(&usage("{\"a\": 1}")).unwrap_err().to_string();
    assert!(error.starts_with("`usage.prompt_tokens` is {…}, which is not a count"), "{error}");
    for (good, count) in
        [("412.0", 412), ("4.12e2", 412), ("0.0", 0), ("1e12", Usage::MAX_COUNT), ("\"12\"", 12)]
    {
        let bill = Bill::from_response(&usage(good)).unwrap().unwrap();
        assert_eq!((bill.usage, bill.confidence), (Usage::tokens(count, 0), Confidence::Exact));
    }
    // A part of a token is one, and not believed.
    for (odd, count) in [("1.5", 2), ("1e-3", 1)] {
        let bill = Bill::from_response(&usage(odd)).unwrap().unwrap();
        assert_eq!((bill.usage, bill.confidence), (Usage::tokens(count, 0), Confidence::Estimated));
    }
    let error = Bill::from_response(
        r#"{"usage": {"input_tokens": 1000000000000, "output_tokens": 1000000000000}}"#,
    );
    assert!(error.unwrap_err().to_string().contains("`usage` is 2000000000000"));
}

#[test]
fn a_field_that_is_no_count_does_not_discard_the_others() {
    let read = |usage: &str| {
        Bill::from_response(&format!(r#"{{"model": "m", "usage": {usage}}}"#)).unwrap().unwrap()
    };
    let bill = read(r#"{"prompt_tokens": 9, "completion_tokens": -4, "total_tokens": 12}"#);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(9, 3), Confidence::Estimated));
    let [doubt] = bill.doubts.as_slice() else { panic!("{:?}", bill.doubts) };
    assert_eq!(
        doubt.to_string(),
        "`usage.completion_tokens` is -4, which is not a count or an amount, and was left out",
    );
    // vercel/ai, BerriAI/litellm #28023: fractions beside a cost.
    let bill = read(r#"{"prompt_tokens": 12, "completion_tokens": 14417.92, "cost": 0.014}"#);
    assert_eq!(bill.reported_cost, Some("0.014".parse().unwrap()));
    assert_eq!((bill.usage.output, bill.confidence), (14_418, Confidence::Estimated));
    let bill = read(r#"{"prompt_tokens": 5, "completion_tokens": 1, "cost": "soon"}"#);
    assert_eq!((bill.usage, bill.reported_cost), (Usage::tokens(5, 1), None));
    assert_eq!(bill.confidence, Confidence::Estimated);
    // Counts that no call can have, and a cost.
    let bill = read(r#"{"input_tokens": 1e12, "output_tokens": 1e12, "cost": 0.5}"#);
    assert_eq!((bill.usage, bill.reported_cost), (Usage::NONE, Some(Usd::cents(50))));
}

#[test]
fn a_part_larger_than_its_whole_is_cut_to_it_where_the_total_says_which_is_right() {
    let exactly = |usage| (usage, Confidence::Estimated);
    let cases = [
        // OpenAI's form: the total has the cached input inside the prompt.
        (
            json!({"usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6,
                "prompt_tokens_details": {"cached_tokens": 9}}}),
            exactly(Usage { cache_read: 5, ..Usage::tokens(0, 1) }),
        ),
        // Without a total it may as well stand beside it: the larger of the two.
        (
            json!({"usage": {"prompt_tokens": 5, "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 9}}}),
            exactly(Usage { cache_read: 9, ..Usage::tokens(5, 1) }),
        ),
        (
            json!({"usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6,
                "completion_tokens_details": {"reasoning_tokens": 2}}}),
            exactly(Usage { reasoning: 1, ..Usage::tokens(5, 0) }),
        ),
        (
            json!({"usage": {"prompt_tokens": 5, "completion_tokens": 1,
                "completion_tokens_details": {"reasoning_tokens": 2}}}),
            exactly(Usage { reasoning: 2, ..Usage::tokens(5, 1) }),
        ),
        // Read and write name the same tokens: the dearer of them is kept.
        (
            json!({"usage": {"prompt_tokens": 2_168, "completion_tokens": 100,
                "total_tokens": 2_268, "prompt_tokens_details":
                    {"cached_tokens": 2_161, "cache_write_tokens": 2_161}}}),
            exactly(Usage { cache_read: 7, cache_write_30m: 2_161, ..Usage::tokens(0, 100) }),
        ),
        // Anthropic's: the lifetimes come to more than the writes.
        (
            json!({"usage": {"input_tokens": 5, "cache_creation_input_tokens": 7,
                "cache_creation": {"ephemeral_1h_input_tokens": 8}, "output_tokens": 1}}),
            exactly(Usage { cache_write_1h: 8, ..Usage::tokens(5, 1) }),
        ),
        (
            json!({"usageMetadata": {"promptTokenCount": 5, "cachedContentTokenCount": 6,
                "candidatesTokenCount": 2, "totalTokenCount": 7}}),
            exactly(Usage { cache_read: 5, ..Usage::tokens(0, 2) }),
        ),
        (
            json!({"usage": {"inputTokens": 5, "outputTokens": 1, "totalTokens": 6,
                "cacheReadInputTokens": 6}}),
            exactly(Usage { cache_read: 5, ..Usage::tokens(0, 1) }),
        ),
        // Perplexity, and Cohere's units.
        (
            json!({"usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9,
                "search_context_size": "low",
                "completion_tokens_details": {"audio_tokens": 6}}}),
            exactly(Usage { output_audio: 4, requests: 1, ..Usage::tokens(5, 0) }),
        ),
    ];
    for (body, expected) in cases {
        let bill = Bill::from_response(&body).unwrap().unwrap();
        assert_eq!((bill.usage, bill.confidence), expected, "{body}");
        assert!(
            bill.doubts.iter().any(|doubt| matches!(doubt, Doubt::Contradiction { .. })),
            "{body}: {:?}",
            bill.doubts
        );
    }
}

#[test]
fn what_is_no_json_is_said_to_be_none() {
    for body in [
        "<html>502 Bad Gateway</html>",
        "{",
        "{\"usage\": {\"prompt_tokens\": 5",
        "{\"a\" 1}",
        "{\"a\": }",
    ] {
        let error = Bill::from_response(body).unwrap_err();
        assert!(matches!(error, UsageError::Malformed { .. }), "{body}: {error}");
    }
}

#[test]
fn the_total_tells_what_includes_what() {
    let chat = |completion: u64, reasoning: u64, total: Value| {
        json!({"model": "m", "usage": {"prompt_tokens": 100, "completion_tokens": completion,
            "total_tokens": total, "completion_tokens_details": {"reasoning_tokens": reasoning}}})
    };
    let read = |body: &Value| Bill::from_response(body).unwrap().unwrap();
    let of = |output, reasoning| Usage { reasoning, ..Usage::tokens(100, output) };
    // Reasoning is inside the completion, or on top of it.
    assert_eq!(read(&chat(50, 20, json!(150))).usage, of(30, 20));
    assert_eq!(read(&chat(50, 20, json!(170))).usage, of(50, 20));
    // Without a total the rule of the API holds: OpenAI's, or xAI's.
    assert_eq!(read(&chat(50, 20, json!(null))).usage, of(30, 20));
    let mut grok = chat(50, 20, json!(null));
    grok["model"] = json!("grok-4.20");
    assert_eq!(read(&grok).usage, of(50, 20));
    // Neither sum is the total: what it leaves for the output, if that can be; else the larger sum.
    for (total, usage) in [(160, of(40, 20)), (90, of(50, 20)), (180, of(60, 20))] {
        let bill = read(&chat(50, 20, json!(total)));
        assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated), "{total}");
    }
    let bedrock = json!({"usage": {"inputTokens": 5, "outputTokens": 1, "totalTokens": 30,
        "cacheReadInputTokens": 4}});
    let bill = read(&bedrock);
    let usage = Usage { cache_read: 4, ..Usage::tokens(5, 21) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated));
    // Gemini's endpoint in OpenAI's form leaves thoughts out of the completion and does not say
    // how many they were: only the total has them.
    let bill = read(&chat(50, 0, json!(400)));
    assert_eq!((bill.usage.total_tokens(), bill.confidence), (400, Confidence::Estimated));
}

#[test]
fn research_of_perplexity_reasons_beside_its_completion() {
    // 73,997 tokens of reasoning for a completion of 7,163, and a total without them.
    let body = json!({"model": "sonar-deep-research", "usage": {"prompt_tokens": 33,
        "completion_tokens": 7_163, "total_tokens": 7_196, "citation_tokens": 20_016,
        "num_search_queries": 11, "reasoning_tokens": 73_997}});
    let bill = Bill::from_response(&body).unwrap().unwrap();
    let usage = Usage { reasoning: 73_997, requests: 1, ..Usage::tokens(33, 7_163) };
    // Its citations and searches are billed too, and only the stated cost has them.
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated));
    assert!(matches!(bill.doubts.as_slice(), [Doubt::Uncounted { .. }]), "{:?}", bill.doubts);
}

#[test]
fn a_text_inside_a_tree_is_read_as_the_text_that_it_is() {
    let stream = json!("data: {\"usage\": {\"prompt_tokens\": 7}}\n\ndata: [DONE]\n\n");
    let bill = Bill::from_response(&stream).unwrap().unwrap();
    assert_eq!(bill, Bill::new(Usage::tokens(7, 0)));
}

#[test]
fn a_reported_cost_is_read_digit_by_digit() {
    let cost = |usage: &str| {
        let body = format!(r#"{{"usage": {{"prompt_tokens": 1, {usage}}}}}"#);
        Bill::from_response(&body).map(|bill| bill.unwrap().reported_cost.map(Usd::pico))
    };
    for (usage, pico) in [
        (r#""cost": 0.0058"#, 5_800_000_000),
        (r#""cost": 1.5e-7"#, 150_000),
        (r#""cost": 0"#, 0),
        // The debris of a float: to the nearest picodollar, halves to the even one.
        (r#""cost": 0.00014135999999999998"#, 141_360_000),
        (r#""cost": 0.0000000000005"#, 0),
        (r#""cost": 0.0000000000015"#, 2),
        (r#""cost": 0.00000000000050000000000000000000000000000000000000000001"#, 1),
        (r#""cost": 1e-400"#, 0),
        // More digits than a float has.
        (r#""cost": 123456789.123456789012"#, 123_456_789_123_456_789_012),
        (r#""cost_in_usd_ticks": 232856000"#, 23_285_600_000),
        (r#""cost": {"total_cost": 0.01512}"#, 15_120_000_000),
        // With a key of one's own, `cost` is only OpenRouter's fee.
        (
            r#""cost": 0.001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}"#,
            21_000_000_000,
        ),
        (
            r#""cost": 0.021, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.02}"#,
            21_000_000_000,
        ),
    ] {
        assert_eq!(cost(usage), Ok(Some(pico)), "{usage}");
    }
    assert_eq!(cost(r#""cost": null"#), Ok(None));
    // Text is as good as a number (Vercel's gateway, mastra #19461).
    assert_eq!(cost(r#""cost": "0.0042""#), Ok(Some(4_200_000_000)));
    // The counts beside it are not lost.
    for bad in [r#""cost": -0.1"#, r#""cost": "much""#, r#""cost": 1e40"#, r#""cost": true"#] {
        assert_eq!(cost(bad), Ok(None), "{bad}");
        let alone = format!(r#"{{"usage": {{{bad}}}}}"#);
        assert!(matches!(Bill::from_response(&alone), Err(UsageError::NotMoney { .. })), "{bad}");
    }
    for (usage, pico) in [
        // With a key of one's own and without the provider's cost, nothing is stated.
        (r#""cost": 0.001, "is_byok": true"#, None),
        (
            r#""is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}"#,
            Some(20_000_000_000),
        ),
        // DeepInfra's name.
        (r#""estimated_cost": 0.0002"#, Some(200_000_000)),
        // A price that nobody documents as what the call costs.
        (r#""market_cost": 0.5"#, None),
    ] {
        assert_eq!(cost(usage), Ok(pico), "{usage}");
    }
}

/// The fee for a key of one's own is a part of what the provider takes, which is then not zero.
#[test]
fn a_fee_of_nothing_is_no_cost() {
    let body = r#"{"usage": {"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.0013,
        "is_byok": true, "cost_details": {"upstream_inference_cost": 0}}}"#;
    assert_eq!(Bill::from_response(body).unwrap().unwrap().reported_cost, None);
}

#[test]
fn a_cost_without_counts_is_a_bill() {
    let bill = Bill::from_response(r#"{"usage": {"cost": 0.25}}"#).unwrap().unwrap();
    assert_eq!(bill, Bill::new(Usage::NONE).reported_cost(Usd::cents(25)));
}

#[test]
fn anthropics_names_are_recognised_whatever_stands_beside_them() {
    let [input, cached] = [r#""input_tokens": 4"#, r#""cache_read_input_tokens": 900"#];
    for more in [r#""total_tokens": 904"#, r#""cost": 0.01"#, r#""output_tokens": 0"#] {
        for usage in [[input, cached, more].join(","), [more, cached, input].join(",")] {
            let bill = Bill::from_response(&format!(r#"{{"usage": {{{usage}}}}}"#)).unwrap();
            let expected = Usage { cache_read: 900, ..Usage::tokens(4, 0) };
            assert_eq!(bill.unwrap().usage, expected, "{usage}");
        }
    }
}

#[test]
fn the_billed_tier_is_the_one_in_the_answer() {
    let openai =
        |tier: &str| format!(r#"{{"service_tier": {tier}, "usage": {{"total_tokens": 1}}}}"#);
    let anthropic = |more: &str| format!(r#"{{"usage": {{"input_tokens": 1, {more}}}}}"#);
    let gemini = |tier: &str| {
        format!(r#"{{"usageMetadata": {{"promptTokenCount": 1, "trafficType": "{tier}"}}}}"#)
    };
    for (body, service) in [
        (openai("\"default\""), Some(Service::Standard)),
        (openai("\"flex\""), Some(Service::Flex)),
        (openai("\"priority\""), Some(Service::Priority)),
        (openai("\"ultrafast\""), Some(Service::from("ultrafast"))),
        (openai("\"auto\""), None),
        (openai("null"), None),
        (anthropic(r#""service_tier": "standard""#), Some(Service::Standard)),
        (anthropic(r#""service_tier": "batch""#), Some(Service::Batch)),
        (anthropic(r#""service_tier": "standard", "speed": "fast""#), Some(Service::Fast)),
        (anthropic(r#""service_tier": "priority", "speed": "standard""#), Some(Service::Priority)),
        (
            r#"{"performanceConfig": {"latency": "optimized"}, "usage": {"inputTokens": 1}}"#
                .into(),
            Some(Service::from("latency-optimized")),
        ),
        (gemini("ON_DEMAND"), Some(Service::Standard)),
        (gemini("PROVISIONED_THROUGHPUT"), Some(Service::from("provisioned_throughput"))),
    ] {
        assert_eq!(Bill::from_response(&body).unwrap().unwrap().service, service, "{body}");
    }
}

#[test]
fn a_name_may_be_escaped_or_repeated() {
    let body = r#"{"usage": {"prompt_tokens": 1}, "us\u0061ge": {"prompt_\u0074okens": 7}}"#;
    let bill = Bill::from_response(body).unwrap().unwrap();
    assert_eq!(bill.usage, Usage::tokens(7, 0));
    let list = r#""promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}]"#;
    let body = format!(r#"{{"usageMetadata": {{"promptTokenCount": 9, {list}, {list}}}}}"#);
    assert_eq!(Bill::from_response(&body).unwrap().unwrap().usage.input_audio, 3);
}

#[test]
fn deep_nesting_costs_no_stack() {
    let deep = 200_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nest = format!("{}1{}", open.repeat(deep), close.repeat(deep));
        let body = format!(r#"{{"output": {nest}, "usage": {{"total_tokens": 3, "x": {nest}}}}}"#);
        let bill = Bill::from_response(&body).unwrap().unwrap();
        assert_eq!(bill.usage.total_tokens(), 3);
    }
}

// PAINS, "Wrong bucket".

#[test]
fn cached_tokens_are_not_billed_twice() {
    // litellm #9812: $0.0913 for $0.0544, because Anthropic's input was taken to include the
    // cached tokens, or the cached ones were added to an input that includes them (#5443, #6215).
    let anthropic = json!({"usage": {"input_tokens": 4, "cache_read_input_tokens": 10_000,
        "cache_creation_input_tokens": 100, "output_tokens": 3}});
    let bill = Bill::from_response(&anthropic).unwrap().unwrap();
    assert_eq!((bill.usage.input_uncached, bill.usage.input_tokens()), (4, 10_104));
    let openai = json!({"usage": {"prompt_tokens": 10_104, "completion_tokens": 3,
        "total_tokens": 10_107, "prompt_tokens_details": {"cached_tokens": 10_000}}});
    let bill = Bill::from_response(&openai).unwrap().unwrap();
    assert_eq!((bill.usage.input_uncached, bill.usage.input_tokens()), (104, 10_104));
}

#[test]
fn reasoning_is_not_billed_twice() {
    // llm-gemini #75, orbit PR #1274, 9router PR #2762: thoughts were added to an output that has
    // them, or left out of one that has not.
    let openai = json!({"usage": {"prompt_tokens": 10, "completion_tokens": 100,
        "total_tokens": 110, "completion_tokens_details": {"reasoning_tokens": 90}}});
    let gemini = json!({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10,
        "thoughtsTokenCount": 90, "totalTokenCount": 110}});
    for body in [openai, gemini] {
        let usage = Bill::from_response(&body).unwrap().unwrap().usage;
        assert_eq!((usage.output, usage.reasoning), (10, 90), "{body}");
    }
}

#[test]
fn cache_writes_for_an_hour_are_not_those_for_five_minutes() {
    // pi #5603, daiv #1159: 1-hour writes at the 5-minute rate, five eighths of the price.
    let body = json!({"usage": {"input_tokens": 1, "cache_creation_input_tokens": 10_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 10_000},
        "output_tokens": 1}});
    let usage = Bill::from_response(&body).unwrap().unwrap().usage;
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (0, 10_000));
}

#[test]
fn audio_that_was_cached_is_taken_off_the_audio() {
    // Nobody says how the cached tokens split: what does not fit beside the audio was audio.
    let body = json!({"usage": {"prompt_tokens": 700, "completion_tokens": 1, "total_tokens": 701,
        "prompt_tokens_details": {"cached_tokens": 640, "audio_tokens": 600}}});
    let bill = Bill::from_response(&body).unwrap().unwrap();
    let usage =
        Usage { input_audio: 60, cache_read: 100, cache_read_audio: 540, ..Usage::tokens(0, 1) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated));
}

#[test]
fn of_two_names_of_a_count_the_larger_wins() {
    // DeepSeek's own name, and OpenAI's, which its older models leave at zero.
    let hit = r#""prompt_cache_hit_tokens": 60, "prompt_cache_miss_tokens": 40"#;
    let details = r#""prompt_tokens_details": {"cached_tokens": 0}"#;
    for both in [format!("{hit}, {details}"), format!("{details}, {hit}")] {
        let body = format!(r#"{{"usage": {{"prompt_tokens": 100, {both}}}}}"#);
        let usage = Bill::from_response(&body).unwrap().unwrap().usage;
        assert_eq!((usage.cache_read, usage.input_uncached), (60, 40), "{both}");
    }
}

#[test]
fn an_anthropic_answer_behind_a_proxy_keeps_its_cache_writes() {
    // LiteLLM's proxy: OpenAI's form and rule, Anthropic's names beside it.
    let body = json!({"usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
        "prompt_tokens_details": {"cached_tokens": 60}, "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30}});
    let usage = Bill::from_response(&body).unwrap().unwrap().usage;
    assert_eq!(usage, Usage { cache_read: 60, cache_write_5m: 30, ..Usage::tokens(10, 5) });
}

#[test]
fn candidates_that_include_thoughts_are_found_out_by_the_total() {
    let body = json!({"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 100,
        "thoughtsTokenCount": 90, "totalTokenCount": 110}});
    let bill = Bill::from_response(&body).unwrap().unwrap();
    let usage = Usage { reasoning: 90, ..Usage::tokens(10, 10) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}

#[test]
fn a_server_that_counts_inclusively_is_found_out_by_its_total() {
    // bifrost #6942: ConverseStream of OpenAI's models.
    let body = json!({"usage": {"inputTokens": 4_000, "outputTokens": 10, "totalTokens": 4_010,
        "cacheReadInputTokens": 3_000}});
    let bill = Bill::from_response(&body).unwrap().unwrap();
    let usage = Usage { cache_read: 3_000, ..Usage::tokens(1_000, 10) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}

#[test]
fn what_an_advisor_used_is_not_lost() {
    // Its tokens are another model's, and not in the top level.
    let body = json!({"model": "claude-haiku-4-5", "usage": {"input_tokens": 10, "output_tokens": 5,
        "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 5},
            {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 900,
             "output_tokens": 300}]}});
    let bill = Bill::from_response(&body).unwrap().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(10, 5), Confidence::Exact));
    assert_eq!(bill.extra, [ModelUsage::new("claude-opus-4-8", Usage::tokens(900, 300))]);
    assert_eq!(bill.total_usage(), Usage::tokens(910, 305));
}
