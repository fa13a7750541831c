//! Tests of whole sides: which zero is true, which side is missing, what a total accounts for.

use bursar::usage::Doubt;
use bursar::{Bill, Confidence, Usage, UsageMeter};
use serde_json::{Value, json};

use crate::common::read;
use crate::{FORMS, body, missing};

#[test]
fn no_output_comes_of_an_empty_prompt() {
    for form in FORMS {
        for input in [None, Some(0)] {
            let bill = read(&body(form, input, Some(700), "Hello there"));
            assert_eq!(bill.usage, Usage::tokens(0, 700), "{form} {input:?}");
            assert_eq!(bill.confidence, Confidence::Estimated, "{form} {input:?}");
            assert_eq!(missing(&bill), ["input"], "{form} {input:?}");
            // A meter knows what was sent.
            let mut meter = UsageMeter::new().with_expected_input(1_200);
            meter.event(&body(form, input, Some(700), "Hello there")).unwrap();
            assert_eq!(meter.finish().unwrap().usage, Usage::tokens(1_200, 700), "{form}");
        }
    }
}

#[test]
fn an_answer_with_text_has_an_output() {
    let text = "one two three four five six seven eight nine ten";
    for form in FORMS {
        for output in [None, Some(0)] {
            let bill = read(&body(form, Some(90), output, text));
            assert_eq!(bill.usage.input_tokens(), 90, "{form} {output:?}");
            let seen = bill.usage.output_tokens();
            assert!((9..=20).contains(&seen), "{form} {output:?}: {seen}");
            assert_eq!(bill.confidence, Confidence::Estimated, "{form} {output:?}");
            assert_eq!(missing(&bill), ["output"], "{form} {output:?}");
        }
        // Without a text it has none.
        let bill = read(&body(form, Some(90), Some(0), ""));
        assert_eq!(
            (bill.usage, bill.confidence),
            (Usage::tokens(90, 0), Confidence::Exact),
            "{form}"
        );
    }
}

#[test]
fn zero_counts_are_true_of_an_empty_answer_alone() {
    for form in FORMS {
        let bill = read(&body(form, Some(0), Some(0), ""));
        assert_eq!((bill.usage, bill.confidence), (Usage::NONE, Confidence::Exact), "{form}");
        let bill = read(&body(form, Some(0), Some(0), "one two three"));
        assert!(bill.usage.output_tokens() > 0, "{form}");
        assert_eq!(missing(&bill), ["input", "output"], "{form}");
    }
}

#[test]
fn what_nobody_counts_and_nobody_prices_is_not_known_to_be_nothing() {
    let body = |usage: Value| json!({"model": "m", "choices": [], "usage": usage});
    let bill = read(&body(json!({"cost": 0})));
    assert_eq!((bill.confidence, missing(&bill)), (Confidence::Estimated, vec!["input"]));
    // A fee without what it is a fee of says nothing: the call is lost.
    let fee = body(json!({"cost": 0.0004, "is_byok": true}));
    assert_eq!(Bill::from_response(&fee).unwrap(), None);
}

#[test]
fn an_answer_without_a_text_may_have_an_output() {
    let png = "data:image/png;base64,aGVsbG8=";
    for message in [
        json!({"content": "", "images": [{"image_url": {"url": png}}]}),
        json!({"content": null, "audio": {"id": "a", "data": "aGVsbG8=", "transcript": ""}}),
        json!({"content": [{"type": "redacted_thinking", "data": "EmwKAhgB"}]}),
    ] {
        let bill = read(&json!({"object": "chat.completion", "choices": [{"message": message}],
            "usage": {"prompt_tokens": 90, "completion_tokens": 0, "total_tokens": 90}}));
        assert_eq!(missing(&bill), ["output"], "{message}");
    }
}

#[test]
fn sub_counts_of_zero_are_true() {
    // maximhq/bifrost PR #6598: all of the prompt came from the cache.
    for usage in [
        json!({"input_tokens": 0, "cache_read_input_tokens": 20_000, "output_tokens": 100}),
        json!({"inputTokens": 0, "cacheReadInputTokens": 20_000, "outputTokens": 100}),
        json!({"prompt_tokens": 20_000, "completion_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 20_000}}),
    ] {
        let bill = read(&json!({"model": "m", "usage": usage}));
        let expected = Usage { cache_read: 20_000, ..Usage::tokens(0, 100) };
        assert_eq!((bill.usage, bill.confidence), (expected, Confidence::Exact), "{usage}");
    }
}

#[test]
fn a_total_accounts_for_a_side_that_is_not_stated() {
    for (usage, expected, confidence) in [
        (json!({"prompt_tokens": 8, "total_tokens": 8}), Usage::tokens(8, 0), Confidence::Exact),
        (json!({"prompt_tokens": 8, "total_tokens": 20}), Usage::tokens(8, 12), Confidence::Exact),
        (
            json!({"completion_tokens": 12, "total_tokens": 20}),
            Usage::tokens(8, 12),
            Confidence::Exact,
        ),
        // A stated zero contradicts it.
        (
            json!({"prompt_tokens": 0, "completion_tokens": 12, "total_tokens": 20}),
            Usage::tokens(8, 12),
            Confidence::Estimated,
        ),
        (
            json!({"prompt_tokens": 8, "completion_tokens": 0, "total_tokens": 20}),
            Usage::tokens(8, 12),
            Confidence::Estimated,
        ),
    ] {
        let bill = read(&json!({"model": "m", "choices": [{"message": {"content": "Yes"}}],
            "usage": usage}));
        assert_eq!((bill.usage, bill.confidence), (expected, confidence), "{usage}");
    }
    // A total alone: embeddings have no output, an answer has.
    let bill = read(&json!({"object": "list", "data": [{"embedding": [0.1]}],
        "usage": {"total_tokens": 400}}));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(400, 0), Confidence::Exact));
    let text = "word ".repeat(200);
    let bill = read(&json!({"choices": [{"message": {"content": text}}],
        "usage": {"total_tokens": 400}}));
    assert_eq!((bill.usage.total_tokens(), bill.confidence), (400, Confidence::Estimated));
    assert!(bill.usage.output > 150, "{:?}", bill.usage);
}

/// Found by the fuzz target `answers`.
#[test]
fn a_total_below_the_input_is_a_contradiction() {
    let read_120 = |uncached| Usage { cache_read: 120, ..Usage::tokens(uncached, 0) };
    for (name, usage, rest, expected) in [
        // What tools brought in is not in the total.
        (
            "usageMetadata",
            json!({"promptTokenCount": 200, "toolUsePromptTokenCount": 50, "totalTokenCount": 200}),
            "totalTokenCount",
            Usage::tokens(250, 0),
        ),
        (
            "usage",
            json!({"prompt_tokens": 200, "connector_tokens": 50, "total_tokens": 200}),
            "total_tokens",
            Usage::tokens(250, 0),
        ),
        // The cache is inside the input after all.
        (
            "usage",
            json!({"inputTokens": 200, "cacheReadInputTokens": 120, "totalTokens": 200}),
            "totalTokens",
            read_120(80),
        ),
        (
            "usage",
            json!({"input_tokens": 200, "cache_read_input_tokens": 120, "total_tokens": 200}),
            "total_tokens",
            read_120(80),
        ),
    ] {
        for output in [0, 30] {
            let mut usage = usage.clone();
            usage[rest] = json!(200 + output);
            let bill = read(&json!({name: usage}));
            let confidence = Confidence::Estimated;
            let expected = Usage { output, ..expected };
            assert_eq!((bill.usage, bill.confidence), (expected, confidence), "{usage}");
            assert!(matches!(bill.doubts[..], [Doubt::Contradiction { .. }]), "{:?}", bill.doubts);
        }
    }
}

#[test]
fn what_a_filter_withheld_is_not_estimated() {
    // litellm #37992: the provider stated that it bills no output.
    let bill = read(&json!({"choices": [{"message": {"content": "I cannot"},
        "finish_reason": "content_filter"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}}));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(9, 0), Confidence::Exact));
    let bill = read(&json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(9, 0), Confidence::Exact));
}
