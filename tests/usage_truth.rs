//! Tests that a bill is never surer than its answer: impossible zeros, missing counts, and frames
//! that repeat or contradict others, in the form of every API.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bursar::usage::{Doubt, ModelUsage};
use bursar::{Bill, Confidence, Usage, UsageMeter, Usd};
use serde_json::{Map, Value, json};

use common::{read, streamed};

const FORMS: [&str; 8] =
    ["chat", "responses", "messages", "gemini", "bedrock", "cohere", "ollama", "realtime"];

/// The usage object of a form, with the counts that are stated.
fn counts(form: &str, input: Option<u64>, output: Option<u64>) -> Value {
    let (a, b) = match form {
        "chat" => ("prompt_tokens", "completion_tokens"),
        "gemini" => ("promptTokenCount", "candidatesTokenCount"),
        "bedrock" => ("inputTokens", "outputTokens"),
        "ollama" => ("prompt_eval_count", "eval_count"),
        _ => ("input_tokens", "output_tokens"),
    };
    let stated = [(a, input), (b, output)].into_iter().filter_map(|(name, count)| {
        let count = count?;
        Some((name.to_owned(), if form == "cohere" { json!(count as f64) } else { json!(count) }))
    });
    Value::Object(stated.collect::<Map<String, Value>>())
}

/// A whole answer of a form.
fn body(form: &str, input: Option<u64>, output: Option<u64>, text: &str) -> Value {
    let usage = counts(form, input, output);
    match form {
        "chat" => json!({"object": "chat.completion", "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                "finish_reason": "stop"}], "usage": usage}),
        "responses" => json!({"object": "response", "model": "m", "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}],
            "usage": usage}),
        "messages" => json!({"type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
            "usage": usage}),
        "gemini" => json!({"candidates": [{"content": {"parts": [{"text": text}]},
                "finishReason": "STOP"}], "modelVersion": "m", "usageMetadata": usage}),
        "bedrock" => json!({"output": {"message": {"content": [{"text": text}]}},
            "stopReason": "end_turn", "usage": usage}),
        "cohere" => json!({"message": {"role": "assistant",
            "content": [{"type": "text", "text": text}]}, "usage": {"billed_units": usage}}),
        "ollama" => {
            let mut body = json!({"model": "m", "done": true,
                "message": {"role": "assistant", "content": text}});
            body.as_object_mut().unwrap().extend(usage.as_object().unwrap().clone());
            body
        }
        "realtime" => json!({"type": "response.done", "response": {"model": "m",
            "output": [{"type": "message",
                "content": [{"type": "output_audio", "transcript": text}]}],
            "usage": usage}}),
        other => panic!("{other}"),
    }
}

fn missing(bill: &Bill) -> Vec<&str> {
    let side = |doubt: &'_ Doubt| match doubt {
        Doubt::Missing { side } if side == "input" => Some("input"),
        Doubt::Missing { .. } => Some("output"),
        _ => None,
    };
    bill.doubts.iter().filter_map(side).collect()
}

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

/// The event of a stream that has the counts.
fn last_event(form: &str, input: Option<u64>, output: Option<u64>) -> Value {
    let usage = counts(form, input, output);
    match form {
        "chat" => json!({"id": "c", "model": "m", "choices": [], "usage": usage}),
        "responses" => json!({"type": "response.completed",
            "response": {"id": "r", "model": "m", "usage": usage}}),
        "messages" => json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": usage}),
        "gemini" => json!({"responseId": "g", "candidates": [{"finishReason": "STOP"}],
            "modelVersion": "m", "usageMetadata": usage}),
        "bedrock" => json!({"metadata": {"usage": usage}}),
        "cohere" => json!({"type": "message-end", "id": "e",
            "delta": {"finish_reason": "COMPLETE", "usage": {"billed_units": usage}}}),
        "ollama" => {
            let mut event = json!({"model": "m", "id": "o", "done": true});
            event.as_object_mut().unwrap().extend(usage.as_object().unwrap().clone());
            event
        }
        "realtime" => json!({"type": "response.done",
            "response": {"id": "r", "model": "m", "usage": usage}}),
        other => panic!("{other}"),
    }
}

#[test]
fn a_later_frame_replaces_what_it_names_and_no_side_with_zeros() {
    let (i, o) = (Some(39_000), Some(26));
    for form in FORMS {
        for (later, expected) in [
            // Agent-Field/CodeAF #370: zeros, and a part.
            ((Some(0), Some(0)), Usage::tokens(39_000, 26)),
            ((None, Some(26)), Usage::tokens(39_000, 26)),
            ((Some(39_000), None), Usage::tokens(39_000, 26)),
            // envoyproxy/ai-gateway PR #1631: zero input beside the final output.
            ((Some(0), Some(420)), Usage::tokens(39_000, 420)),
            ((None, Some(420)), Usage::tokens(39_000, 420)),
            ((Some(40_000), Some(0)), Usage::tokens(40_000, 26)),
            ((Some(40_000), Some(420)), Usage::tokens(40_000, 420)),
        ] {
            let events = [last_event(form, i, o), last_event(form, later.0, later.1)];
            let bill = streamed(&events);
            let exactly = (expected, Confidence::Exact);
            assert_eq!((bill.usage, bill.confidence), exactly, "{form} {later:?}");
        }
    }
}

/// Found by the fuzz target `answers`: the parts of a frame of zeros were dropped without a doubt.
#[test]
fn a_part_does_not_make_a_whole_of_zero_true_and_is_not_dropped() {
    let chunk = |usage: Value| json!({"id": "c", "model": "m", "choices": [], "usage": usage});
    let gemini = |usage: Value| json!({"responseId": "g", "usageMetadata": usage});
    let image = |image| Usage { output_image: image, ..Usage::tokens(10, 0) };
    for (first, later, expected) in [
        // As much as fits into the whole that an earlier frame states.
        (
            chunk(json!({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11})),
            chunk(json!({"prompt_tokens": 10, "completion_tokens": 0,
                "completion_tokens_details": {"image_tokens": 2}})),
            image(1),
        ),
        (
            chunk(json!({"prompt_tokens": 10, "completion_tokens": 3})),
            chunk(
                json!({"completion_tokens": 0, "completion_tokens_details": {"image_tokens": 3}}),
            ),
            image(3),
        ),
        (
            chunk(json!({"prompt_tokens": 10, "completion_tokens": 3})),
            chunk(
                json!({"completion_tokens": 0, "completion_tokens_details": {"audio_tokens": 2}}),
            ),
            Usage { output_audio: 2, ..Usage::tokens(10, 1) },
        ),
        (
            chunk(json!({"prompt_tokens": 10, "completion_tokens": 3})),
            chunk(json!({"prompt_tokens": 0, "prompt_tokens_details": {"audio_tokens": 4}})),
            Usage { input_audio: 4, ..Usage::tokens(6, 3) },
        ),
        (
            gemini(json!({"promptTokenCount": 10, "candidatesTokenCount": 3})),
            gemini(json!({"candidatesTokenCount": 0,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 3}]})),
            image(3),
        ),
    ] {
        let bill = streamed(&[first.clone(), later.clone()]);
        assert_eq!((bill.usage, bill.confidence), (expected, Confidence::Estimated), "{later}");
        let is_contradiction = |doubt: &Doubt| matches!(doubt, Doubt::Contradiction { .. });
        assert!(bill.doubts.iter().any(is_contradiction), "{later}");
    }
}

/// Found by the fuzz target `answers`: the output side has counts where only its reasoning has.
#[test]
fn an_output_of_zero_has_its_reasoning_beside_it() {
    let expected = Usage { reasoning: 40, ..Usage::tokens(100, 0) };
    for (exact, body) in [
        (
            true,
            json!({"object": "response", "usage": {"input_tokens": 100, "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 40}, "total_tokens": 140}}),
        ),
        (
            true,
            json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 0,
            "completion_tokens_details": {"reasoning_tokens": 40}, "total_tokens": 140}}),
        ),
        (
            true,
            json!({"usage": {"inputTokens": 100, "outputTokens": 0, "totalTokens": 140,
            "outputTokenDetails": {"reasoningTokens": 40}}}),
        ),
        (
            true,
            json!({"usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 0,
            "thoughtsTokenCount": 40, "totalTokenCount": 140}}),
        ),
        // Without a total the parts contradict their whole.
        (
            false,
            json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 0,
            "completion_tokens_details": {"reasoning_tokens": 40}}}),
        ),
        (
            false,
            json!({"object": "response", "usage": {"input_tokens": 100, "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 40}}}),
        ),
    ] {
        let bill = read(&body);
        let confidence = if exact { Confidence::Exact } else { Confidence::Estimated };
        assert_eq!((bill.usage, bill.confidence), (expected, confidence), "{body}");
    }
}

/// Found by the fuzz target `answers`: an answer without any count was free, as `Exact`.
#[test]
fn a_part_of_zero_states_nothing_of_a_whole_that_is_absent() {
    for usage in [
        json!({"prompt_tokens": null, "completion_tokens": null,
            "completion_tokens_details": {"image_tokens": 0}}),
        json!({"prompt_tokens": null, "completion_tokens": null,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}}),
        json!({"input_tokens": null, "output_tokens": null, "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0}),
        json!({"input_tokens": null, "input_tokens_details": {"cached_tokens": 0}}),
        json!({"inputTokens": null, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}),
    ] {
        let body = json!({"id": "c", "model": "m", "usage": usage}).to_string();
        assert_eq!(Bill::from_response(&body), Ok(None), "{usage}");
    }
    let gemini = json!({"usageMetadata": {"cachedContentTokenCount": 0,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 0}]}});
    assert_eq!(Bill::from_response(&gemini.to_string()), Ok(None));
}

#[test]
fn a_total_is_that_of_the_counts_beside_it() {
    let chunk = |usage: Value| json!({"id": "c", "model": "m", "choices": [], "usage": usage});
    let bill = streamed(&[
        chunk(json!({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11})),
        chunk(json!({"completion_tokens": 500})),
    ]);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(10, 500), Confidence::Exact));
}

#[test]
fn cost_and_counts_are_independent() {
    let chunk = |usage: Value| json!({"id": "c", "model": "m", "choices": [], "usage": usage});
    let both = chunk(json!({"prompt_tokens": 100, "completion_tokens": 5, "cost": 0.0098}));
    let counted = chunk(json!({"prompt_tokens": 100, "completion_tokens": 5}));
    let cost = chunk(json!({"cost": 0.0098}));
    let free = chunk(json!({"prompt_tokens": 100, "completion_tokens": 5, "cost": 0}));
    for events in [
        [both.clone(), counted.clone()],
        [counted.clone(), cost.clone()],
        [cost, counted],
        [both, free],
    ] {
        let bill = streamed(&events);
        assert_eq!(bill.usage, Usage::tokens(100, 5), "{events:?}");
        assert_eq!(bill.reported_cost, Some("0.0098".parse().unwrap()), "{events:?}");
    }
}

/// Found by the fuzz target `answers`.
#[test]
fn a_cost_at_the_end_is_that_of_the_whole_though_the_output_is_not_counted() {
    let costs = json!({"prompt_tokens": 8, "input_tokens": 8, "promptTokenCount": 8,
        "total_tokens": 8, "totalTokenCount": 8, "cost": 0.0098});
    let chat = |content: &str, end: Value, usage: Value| {
        json!({"object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0,
            "delta": {"content": content}, "finish_reason": end}], "usage": usage})
    };
    let last = json!({"object": "chat.completion.chunk", "choices": [], "usage": costs});
    let gemini = |content: &str, end: Value, usage: Value| json!({"candidates": [{"content": {"parts": [{"text": content}]}, "finishReason": end}], "usageMetadata": usage});
    let delta = json!({"type": "response.output_text.delta", "delta": "one two three"});
    let completed =
        json!({"type": "response.completed", "response": {"output": [], "usage": costs}});
    let text = "one two three";
    for (events, later) in [
        (
            vec![chat(text, json!(null), json!(null)), chat("", json!("stop"), costs.clone())],
            chat(text, json!(null), json!(null)),
        ),
        (vec![chat(text, json!("stop"), json!(null)), last], chat(text, json!(null), json!(null))),
        (
            vec![gemini(text, json!(null), json!({})), gemini("", json!("STOP"), costs.clone())],
            gemini(text, json!(null), json!({})),
        ),
        (vec![delta.clone(), completed], delta),
    ] {
        let bill = streamed(&events);
        assert_eq!(bill.reported_cost, Some("0.0098".parse().unwrap()), "{events:?}");
        // What comes behind the end is not in the cost.
        let bill = streamed(&[events, vec![later]].concat());
        assert_eq!((bill.reported_cost, bill.confidence), (None, Confidence::Estimated));
    }
    // A cost at the beginning is that of a part.
    let bill = streamed(&[
        chat(text, json!(null), costs),
        chat(text, json!(null), json!(null)),
        chat("", json!("stop"), json!(null)),
    ]);
    assert_eq!((bill.reported_cost, bill.confidence), (None, Confidence::Estimated));
}

#[test]
fn answers_of_one_id_are_one_and_others_are_added() {
    let with_id = |form: &str, id: &str, input| {
        let mut event = body(form, Some(input), Some(50), "Yes");
        match form {
            "responses" => event = json!({"type": "response.completed", "response": event}),
            "gemini" => event["responseId"] = json!(id),
            _ => {}
        }
        match form {
            "responses" | "realtime" => event["response"]["id"] = json!(id),
            "gemini" => {}
            _ => event["id"] = json!(id),
        }
        event
    };
    for form in FORMS {
        let bill = streamed(&[with_id(form, "a", 900), with_id(form, "b", 800)]);
        assert_eq!(
            (bill.usage, bill.confidence),
            (Usage::tokens(1_700, 100), Confidence::Exact),
            "{form}"
        );
        let bill =
            streamed(&[with_id(form, "a", 900), with_id(form, "b", 800), with_id(form, "a", 900)]);
        assert_eq!(bill.usage, Usage::tokens(1_700, 100), "{form}: the first again");
    }
    // Whole answers without ids are added up (BerriAI/litellm PR #32307, #38674).
    for form in FORMS {
        let events = [900, 800].map(|input| body(form, Some(input), Some(50), "Yes"));
        assert_eq!(streamed(&events).usage, Usage::tokens(1_700, 100), "{form}");
    }
    // So are those without a text, and Google's in the names of its SDK for Python.
    for answer in [
        json!({"object": "list", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 900,
            "total_tokens": 900}}),
        json!({"embeddings": [[0.5]], "prompt_eval_count": 900}),
        json!({"created": 1, "data": [{"b64_json": ""}], "usage": {"input_tokens": 900,
            "output_tokens": 50, "total_tokens": 950}}),
        json!({"text": "hello", "usage": {"type": "tokens", "input_tokens": 900,
            "output_tokens": 50, "total_tokens": 950}}),
    ] {
        let one = read(&answer).usage;
        let two = streamed(&[answer.clone(), answer.clone()]).usage;
        assert_eq!(two, one.saturating_add(&one), "{answer}");
    }
    let python = |id: &str| {
        json!({"candidates": [{"content": {"parts": [{"text": "Yes"}]}, "finish_reason": "STOP"}],
            "response_id": id, "usage_metadata": {"prompt_token_count": 900,
                "candidates_token_count": 50, "total_token_count": 950}})
    };
    let bill = streamed(&[python("a"), python("b"), python("a")]);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(1_800, 100), Confidence::Exact));
    // Two streams of Bedrock's, which has no ids.
    let delta = json!({"contentBlockDelta": {"delta": {"text": "Yes"}}});
    let metadata = |input: u64| {
        json!({"metadata": {"usage": {"inputTokens": input, "outputTokens": 50,
            "totalTokens": input + 50}}})
    };
    let bill = streamed(&[delta.clone(), metadata(900), delta, metadata(800)]);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(1_700, 100), Confidence::Exact));
    // Several models: each at its own price.
    let mut other = with_id("chat", "b", 800);
    other["model"] = json!("n");
    let bill = streamed(&[with_id("chat", "a", 900), other]);
    assert_eq!(bill.usage, Usage::tokens(900, 50));
    assert_eq!(bill.extra, [ModelUsage::new("n", Usage::tokens(800, 50))]);
}

/// Found by the fuzz target `answers`: the counts of one answer were those of both, and `Exact`.
#[test]
fn an_answer_without_counts_is_not_free_beside_one_that_has_them() {
    let answer = |id: &str, usage: Value| {
        json!({"id": id, "object": "chat.completion", "model": "m", "usage": usage,
            "choices": [{"message": {"content": "Hello there"}, "finish_reason": "stop"}]})
    };
    let counted = answer("a", json!({"prompt_tokens": 9, "completion_tokens": 2}));
    for (silent, confidence) in [
        (answer("b", Value::Null), Confidence::Estimated),
        (answer("", Value::Null), Confidence::Estimated),
        // The same answer, once without its counts.
        (answer("a", Value::Null), Confidence::Exact),
        // Nothing was answered.
        (json!({"object": "chat.completion", "choices": []}), Confidence::Exact),
    ] {
        for events in [[counted.clone(), silent.clone()], [silent.clone(), counted.clone()]] {
            let bill = streamed(&events);
            assert_eq!(
                (bill.usage, bill.confidence),
                (Usage::tokens(9, 2), confidence),
                "{silent}"
            );
        }
    }
}

#[test]
fn a_session_of_any_length_is_added_up_in_a_bounded_memory() {
    let events: Vec<Value> = (0..1_000)
        .map(|id| {
            json!({"type": "response.done", "response": {"id": format!("r{id}"), "model": "m",
                "usage": {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}}})
        })
        .collect();
    assert_eq!(streamed(&events).usage, Usage::tokens(10_000, 1_000));
}

#[test]
fn a_transcription_in_a_session_is_booked_under_its_own_model() {
    let done = json!({"type": "response.done", "response": {"id": "r", "usage":
        {"total_tokens": 12_500, "input_tokens": 11_000, "output_tokens": 1_500}}});
    let heard = json!({"type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i", "transcript": "hello", "usage": {"type": "tokens", "total_tokens": 43,
            "input_tokens": 29, "output_tokens": 14}});
    let bill = streamed(&[done.clone(), heard.clone(), heard.clone()]);
    assert_eq!(
        (bill.usage, bill.confidence),
        (Usage::tokens(11_000, 1_500), Confidence::Estimated)
    );
    let [extra] = bill.extra.as_slice() else { panic!("{:?}", bill.extra) };
    assert_eq!((extra.model.as_deref(), extra.usage), (None, Usage::tokens(29, 14)));
    // The session names the model that transcribes.
    let session = json!({"type": "session.updated", "session": {"model": "gpt-realtime",
        "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}}});
    let bill = streamed(&[session, heard, done]);
    assert_eq!(bill.confidence, Confidence::Exact);
    assert_eq!(bill.extra, [ModelUsage::new("gpt-4o-mini-transcribe", Usage::tokens(29, 14))]);
    assert_eq!(bill.model.as_deref(), Some("gpt-realtime"));
}

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
    let chunk = |usage: Value| json!({"id": "c", "model": "m", "choices": [], "usage": usage});
    meter.event(&chunk(json!({"prompt_tokens": 5, "completion_tokens": 2}))).unwrap();
    meter.event(&chunk(json!({"holo_tokens": 7, "completion_tokens": "many"}))).unwrap_err();
    let bill = meter.finish().unwrap();
    assert!(bill.doubts.contains(&Doubt::UnknownField { field: "usage.holo_tokens".into() }));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(5, 2), Confidence::Estimated));
}

#[test]
fn nothing_that_is_billed_is_free_and_exact() {
    // BerriAI/litellm #31316, #10476: two calls in one container are one container.
    let bill = read(&json!({"object": "response", "model": "gpt-5-mini", "output": [
        {"type": "file_search_call", "id": "fs1"}, {"type": "file_search_call", "id": "fs2"},
        {"type": "code_interpreter_call", "id": "ci1", "container_id": "c1"},
        {"type": "code_interpreter_call", "id": "ci2", "container_id": "c1"},
        {"type": "web_search_call", "id": "ws1", "action": {"type": "search"}},
        {"type": "web_search_call", "id": "ws2", "action": {"type": "open_page"}}],
        "usage": {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}}));
    let usage = Usage {
        file_search_requests: 2,
        code_containers: 1,
        web_search_requests: 1,
        ..Usage::tokens(1_000, 100)
    };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
    // BerriAI/litellm #36377, #35906.
    let grounded = |model: &str| {
        read(&json!({"candidates": [{"finishReason": "STOP", "groundingMetadata": {
                "webSearchQueries": ["bitcoin", "ether", "bitcoin", " "],
                "groundingChunks": [{"maps": {"placeId": "places/1"}}, {"maps": {}}]}}],
            "modelVersion": model, "usageMetadata": {"promptTokenCount": 10,
                "candidatesTokenCount": 1, "totalTokenCount": 11}}))
    };
    // The same in the names of Google's SDK for Python.
    let python = read(&json!({"candidates": [{"finish_reason": "STOP", "grounding_metadata": {
            "web_search_queries": ["bitcoin", "ether"], "grounding_chunks": [{"maps": {}}]}}],
        "model_version": "gemini-3-flash-preview", "usage_metadata": {"prompt_token_count": 10,
            "candidates_token_count": 1, "total_token_count": 11}}));
    assert_eq!((python.usage.web_search_requests, python.usage.maps_requests), (2, 1));
    for (model, queries) in [("gemini-3-flash-preview", 2), ("gemini-2.5-flash", 1)] {
        let usage = grounded(model).usage;
        assert_eq!((usage.web_search_requests, usage.maps_requests), (queries, 1), "{model}");
    }
    // What has no bucket makes the bill doubtful.
    for (body, what) in [
        (
            json!({"usage": {"input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 0,
                "server_tool_use": {"code_execution_requests": 2}}}),
            "code execution by the hour",
        ),
        (
            json!({"object": "response", "output": [{"type": "image_generation_call", "id": "i"}],
                "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}}),
            "generated images",
        ),
        (
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": 5, "num_sources_used": 7}}),
            "sources of a live search",
        ),
        (
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": 5,
                "server_side_tool_usage_details": {"document_search_calls": 1}}}),
            "document searches",
        ),
    ] {
        let bill = read(&body);
        assert_eq!(bill.confidence, Confidence::Estimated, "{body}");
        assert_eq!(bill.doubts, [Doubt::Uncounted { what: what.to_owned() }], "{body}");
    }
}

#[test]
fn a_stream_that_is_cut_has_run_its_tools() {
    let call = json!({"type": "response.output_item.done", "item":
        {"type": "web_search_call", "id": "ws1", "action": {"type": "search"}}});
    let text = json!({"type": "response.output_text.delta", "delta": "Rain"});
    let bill = streamed(&[call.clone(), text.clone()]);
    assert_eq!((bill.usage.web_search_requests, bill.confidence), (1, Confidence::Estimated));
    assert!(bill.doubts.contains(&Doubt::CutShort));
    // The last event repeats the call.
    let done = json!({"type": "response.completed", "response": {"output": [
        {"type": "web_search_call", "id": "ws1", "action": {"type": "search"}}],
        "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}}});
    let bill = streamed(&[call, text, done]);
    assert_eq!((bill.usage.web_search_requests, bill.confidence), (1, Confidence::Exact));
}

/// Found by the fuzz target `answers`.
#[test]
fn tools_that_ran_after_the_last_counts_are_billed() {
    let gemini = |candidate: Value, usage: Value| json!({"candidates": [candidate], "modelVersion": "gemini-3-flash-preview", "usageMetadata": usage});
    let counts = json!({"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14});
    let grounded = json!({"groundingMetadata": {"webSearchQueries": ["a", "b"],
        "groundingChunks": [{"maps": {}}]}, "finishReason": "STOP"});
    let bill = streamed(&[gemini(json!({}), counts), gemini(grounded, json!({}))]);
    let expected = Usage { web_search_requests: 2, maps_requests: 1, ..Usage::tokens(9, 5) };
    assert_eq!((bill.usage, bill.confidence), (expected, Confidence::Exact));
    let search = json!({"type": "web_search_call", "id": "ws1", "action": {"type": "search"}});
    let counts = json!({"input_tokens": 9, "output_tokens": 5, "total_tokens": 14});
    let response = |output: Value, usage: Value| json!({"object": "response", "model": "m", "output": output, "usage": usage});
    let item = json!({"type": "response.output_item.done", "item": search});
    let expected = Usage { web_search_requests: 1, ..Usage::tokens(9, 5) };
    let counted = json!({"type": "response.completed", "response": response(json!([]), counts)});
    let bill = streamed(&[counted.clone(), item]);
    assert_eq!((bill.usage, bill.confidence), (expected, Confidence::Exact));
    // Another answer has searched, and does not state what it has read for it.
    let bill = streamed(&[counted, response(json!([search]), json!({}))]);
    assert_eq!((bill.usage, bill.confidence), (expected, Confidence::Estimated));
    assert_eq!(missing(&bill), ["output"]);
}

#[test]
fn anthropic_does_not_bill_a_refusal_before_any_output() {
    let refused = |output: u64, text: &str| {
        json!({"type": "message", "model": "claude-fable-5", "stop_reason": "refusal",
            "content": if text.is_empty() { json!([]) } else { json!([{"text": text}]) },
            "usage": {"input_tokens": 50_000, "output_tokens": output}})
    };
    let bill = read(&refused(0, ""));
    assert_eq!(bill.unbilled_since, Some("2026-06-02T00:00:00Z".parse().unwrap()));
    assert_eq!(bill.usage, Usage::tokens(50_000, 0));
    assert_eq!(read(&refused(12, "Well")).unbilled_since, None);
    assert_eq!(read(&refused(0, "Well")).unbilled_since, None);
    // The same in a stream, whose first event has a placeholder of an output.
    let start = json!({"type": "message_start", "message": {"model": "claude-opus-5",
        "usage": {"input_tokens": 40_000, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "delta": {"text": "Hello there"}});
    let end = |output: u64| {
        json!({"type": "message_delta", "delta": {"stop_reason": "refusal"},
            "usage": {"output_tokens": output}})
    };
    assert!(streamed(&[start.clone(), end(0)]).unbilled_since.is_some());
    let bill = streamed(&[start, text, end(12)]);
    assert_eq!((bill.unbilled_since, bill.usage), (None, Usage::tokens(40_000, 12)));
}

#[test]
fn a_declined_attempt_that_wrote_is_billed_at_its_own_model() {
    let attempt = |kind: &str, model: &str, input: u64, output: u64| json!({"type": kind, "model": model, "input_tokens": input, "output_tokens": output});
    let answer = |iterations: Value| {
        read(&json!({"type": "message", "model": "claude-opus-4-8",
            "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 412, "output_tokens": 264, "iterations": iterations}}))
    };
    let last = attempt("fallback_message", "claude-opus-4-8", 412, 264);
    // BerriAI/litellm PR #39294.
    let bill = answer(json!([attempt("message", "claude-fable-5", 412, 578), last]));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(412, 264), Confidence::Exact));
    assert_eq!(bill.extra, [ModelUsage::new("claude-fable-5", Usage::tokens(412, 578))]);
    assert!(bill.fell_back);
    // new-api #6068: without output it is free.
    let bill = answer(json!([attempt("message", "claude-fable-5", 412, 0), last]));
    assert_eq!((bill.extra.len(), bill.fell_back), (0, true));
    // Two fallbacks.
    let bill = answer(json!([
        attempt("message", "claude-fable-5", 412, 3),
        attempt("fallback_message", "claude-sonnet-5", 412, 4),
        last
    ]));
    let models: Vec<_> = bill.extra.iter().map(|extra| extra.model.as_deref().unwrap()).collect();
    assert_eq!(models, ["claude-fable-5", "claude-sonnet-5"]);
    // Iterations of one model are in the top level already.
    let bill = answer(json!([
        attempt("message", "claude-opus-4-8", 200, 100),
        attempt("message", "claude-opus-4-8", 212, 164)
    ]));
    assert_eq!((bill.extra.len(), bill.fell_back), (0, false));
}

#[test]
fn the_cost_of_openrouters_messages_is_read() {
    let bill = read(&json!({"id": "msg_1", "type": "message", "model": "anthropic/claude-opus-5",
        "content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": 12,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 40_000,
            "output_tokens": 3, "cost": 0.0004, "is_byok": true,
            "cost_details": {"upstream_inference_cost": 0.0239}}}));
    assert_eq!(bill.reported_cost, Some("0.0243".parse::<Usd>().unwrap()));
    assert_eq!(bill.usage, Usage { cache_read: 40_000, ..Usage::tokens(12, 3) });
}
