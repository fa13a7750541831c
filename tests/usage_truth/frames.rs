//! Tests of frames of one answer, and several answers of one stream.

use bursar::usage::{Doubt, ModelUsage};
use bursar::{Bill, Confidence, Usage};
use serde_json::{Value, json};

use crate::common::{read, streamed};
use crate::{FORMS, body, chunk, counts};

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
    let bill = streamed(&[
        chunk(json!({"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11})),
        chunk(json!({"completion_tokens": 500})),
    ]);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(10, 500), Confidence::Exact));
}

#[test]
fn cost_and_counts_are_independent() {
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
