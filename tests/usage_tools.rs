//! The proof that what a provider runs, makes or asks beside one plain answer is billed: tools,
//! images, attempts, turns of a session, in whatever form it is stated.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bursar::usage::Doubt;
use bursar::{Bill, Confidence, Usage};
use serde_json::{Value, json};

use common::{read, streamed};

fn uncounted(bill: &Bill) -> Vec<&str> {
    let mut found = Vec::new();
    for doubt in &bill.doubts {
        if let Doubt::Uncounted { what } = doubt {
            found.push(what.as_str());
        }
    }
    found
}

#[test]
fn a_tool_that_nobody_knows_is_not_free() {
    let ran = |item: Value| {
        read(&json!({"object": "response", "output": [item], "usage": {"input_tokens": 9,
            "output_tokens": 5, "total_tokens": 14}}))
    };
    for (item, doubt) in [
        (json!({"type": "video_generation_call"}), Some("a tool that this version does not know")),
        (
            json!({"type": "shell_call", "environment": {"type": "container_auto"}}),
            Some("containers of a shell"),
        ),
        (json!({"type": "shell_call", "environment": {"type": "local"}}), None),
        (json!({"type": "function_call", "name": "f", "arguments": "{}"}), None),
        (json!({"type": "mcp_call"}), None),
        (json!({"type": "x_search_call"}), None),
        (json!({"type": "web_search_call", "action": {"type": "search"}}), None),
        (json!({"type": "message"}), None),
    ] {
        let bill = ran(item.clone());
        assert_eq!(uncounted(&bill), Vec::from_iter(doubt), "{item}");
        assert_eq!(bill.confidence == Confidence::Exact, doubt.is_none(), "{item}");
    }
}

#[test]
fn searches_of_gemini_that_are_not_listed_make_the_bill_an_estimate() {
    let grounded = |grounding: Value, urls: Value| {
        read(&json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP",
                "groundingMetadata": grounding, "urlContextMetadata": urls}],
            "modelVersion": "gemini-3-flash-preview", "usageMetadata": {"promptTokenCount": 10,
                "candidatesTokenCount": 1, "totalTokenCount": 11}}))
    };
    let page = json!({"web": {"uri": "https://a.example"}});
    for grounding in
        [json!({"groundingChunks": [page]}), json!({"searchEntryPoint": {"renderedContent": "x"}})]
    {
        let bill = grounded(grounding.clone(), Value::Null);
        assert_eq!(uncounted(&bill), ["searches that are not listed"], "{grounding}");
        assert_eq!(bill.confidence, Confidence::Estimated, "{grounding}");
    }
    // Pages that the prompt names are no search, and listed queries are counted.
    let bill = grounded(json!({"groundingChunks": [page]}), json!({"urlMetadata": []}));
    assert_eq!((bill.usage.web_search_requests, bill.confidence), (0, Confidence::Exact));
    let queries = json!({"groundingChunks": [page], "webSearchQueries": ["a"],
        "imageSearchQueries": ["a"]});
    let bill = grounded(queries, Value::Null);
    assert_eq!((bill.usage.web_search_requests, bill.confidence), (2, Confidence::Exact));
}

#[test]
fn an_image_whose_tokens_nobody_counts_is_not_priced_as_text() {
    let shown = |details: Value| {
        read(&json!({"candidates": [{"content": {"parts": [{"text": "Here:"},
                {"inlineData": {"mimeType": "image/png", "data": "aGVsbG8="}}]}}],
            "modelVersion": "gemini-2.5-flash-image", "usageMetadata": {"promptTokenCount": 10,
                "candidatesTokenCount": 1_300, "totalTokenCount": 1_310,
                "candidatesTokensDetails": details}}))
    };
    let bill = shown(Value::Null);
    let usage = Usage { output_image: 1_300, ..Usage::tokens(10, 0) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated));
    let bill = shown(json!([{"modality": "IMAGE", "tokenCount": 1_290}]));
    let usage = Usage { output_image: 1_290, ..Usage::tokens(10, 10) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}

#[test]
fn turns_of_gemini_live_are_added_up() {
    let said = json!({"serverContent": {"modelTurn": {"parts": [{"text": "hello"}]}}});
    let counted = |input: u64, content: Value| {
        json!({"serverContent": content, "usageMetadata": {"promptTokenCount": input,
            "responseTokenCount": 50, "totalTokenCount": input + 50}})
    };
    let end = json!({"turnComplete": true, "groundingMetadata": {"webSearchQueries": ["a"]}});
    let bill = streamed(&[
        said.clone(),
        counted(100, json!({"generationComplete": true})),
        json!({"serverContent": end}),
        said,
        counted(300, end.clone()),
    ]);
    let usage = Usage { web_search_requests: 1, ..Usage::tokens(400, 100) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}

#[test]
fn attempts_that_the_top_level_leaves_out_are_billed() {
    let attempted = |usage: Value| {
        read(&json!({"type": "message", "model": "m", "content": [{"type": "text", "text": "x"}],
            "usage": usage}))
    };
    let answer = json!({"type": "message", "input_tokens": 1_000, "output_tokens": 100});
    // Without counts of its own, or with zeros, the top level is what the last attempt used.
    for usage in [
        json!({"iterations": [answer]}),
        json!({"input_tokens": 0, "output_tokens": 0, "iterations": [answer]}),
    ] {
        let bill = attempted(usage.clone());
        assert_eq!(bill.usage, Usage::tokens(1_000, 100), "{usage}");
        assert_eq!(bill.confidence, Confidence::Estimated, "{usage}");
    }
    // What an attempt of an unknown kind used may stand beside.
    let bill = attempted(json!({"input_tokens": 1_000, "output_tokens": 100, "iterations": [
        {"type": "verifier", "input_tokens": 5_000, "output_tokens": 500}, answer]}));
    assert_eq!(uncounted(&bill), ["what `verifier` in `usage.iterations` used"]);
    assert_eq!(bill.confidence, Confidence::Estimated);
}

#[test]
fn a_refusal_behind_a_relay_is_free_unless_the_relay_states_a_cost() {
    for (usage, is_free) in [
        (json!({"input_tokens": 50, "output_tokens": 0, "total_tokens": 50}), true),
        (json!({"input_tokens": 50, "output_tokens": 0, "cost": 0}), true),
        (json!({"input_tokens": 50, "output_tokens": 0, "cost": "0.0003"}), false),
        (json!({"input_tokens": 50, "output_tokens": 1, "total_tokens": 51}), false),
    ] {
        let bill = read(&json!({"type": "message", "model": "claude-opus-4-8", "content": [],
            "stop_reason": "refusal", "usage": usage}));
        assert_eq!(bill.unbilled_since.is_some(), is_free, "{usage}");
    }
}

#[test]
fn answers_of_which_one_states_a_cost_have_none_together() {
    let answer = |id: &str, cost: Value| {
        json!({"object": "chat.completion", "id": id, "choices": [], "usage":
            {"prompt_tokens": 9, "completion_tokens": 1, "cost": cost}})
    };
    let both = streamed(&[answer("a", json!(0.5)), answer("b", json!(0.25))]);
    assert_eq!(both.reported_cost, Some("0.75".parse().unwrap()));
    let one = streamed(&[answer("a", json!(0.5)), answer("b", Value::Null)]);
    assert_eq!((one.reported_cost, one.confidence), (None, Confidence::Estimated));
    assert_eq!(one.usage, Usage::tokens(18, 2));
}

#[test]
fn a_line_of_a_batch_is_a_bill() {
    let bill = read(&json!({"custom_id": "a", "result": {"type": "succeeded", "message": {
        "type": "message", "id": "m", "model": "claude-opus-4-8", "content": [],
        "usage": {"input_tokens": 50, "output_tokens": 7, "service_tier": "batch"}}}}));
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(50, 7), Confidence::Exact));
    assert_eq!(bill.model.as_deref(), Some("claude-opus-4-8"));
    assert_eq!(bill.service, Some(bursar::Service::Batch));
}

#[test]
fn a_doubtful_transcription_makes_the_bill_doubtful() {
    let session = json!({"type": "session.created", "session": {"model": "gpt-realtime",
        "input_audio_transcription": {"model": "gpt-4o-transcribe"}}});
    let heard = json!({"type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i", "usage": {"type": "tokens", "input_tokens": 0, "output_tokens": 30,
            "total_tokens": 30, "smell_tokens": 3}});
    let done = json!({"type": "response.done", "response": {"id": "r", "usage":
        {"total_tokens": 15, "input_tokens": 10, "output_tokens": 5}}});
    let bill = streamed(&[session, heard, done]);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(10, 5), Confidence::Estimated));
    assert!(bill.doubts.contains(&Doubt::Missing { side: "input".to_owned() }));
    assert!(bill.doubts.iter().any(|doubt| matches!(doubt, Doubt::UnknownField { .. })));
}

#[test]
fn steps_of_a_software_kit_are_added_up() {
    let step = |input: u64| {
        json!({"type": "finish-step", "usage": {"inputTokens": {"total": input, "noCache": 100,
            "cacheRead": input - 100}, "outputTokens": {"total": 50, "text": 40, "reasoning": 10}}})
    };
    let total = json!({"type": "finish", "totalUsage": {"inputTokens": 900, "outputTokens": 100}});
    let bill = streamed(&[step(300), step(600), total]);
    let usage = Usage { cache_read: 700, reasoning: 20, ..Usage::tokens(200, 80) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}

#[test]
fn bedrocks_metrics_stand_for_the_counts_that_never_came() {
    let start = json!({"type": "message_start", "message": {"id": "m", "model": "claude-sonnet-4-5",
        "usage": {"input_tokens": 10, "output_tokens": 1}}});
    let text = json!({"type": "content_block_delta", "delta": {"text": "hello"}});
    let stop = json!({"type": "message_stop", "amazon-bedrock-invocationMetrics":
        {"inputTokenCount": 10, "outputTokenCount": 900}});
    let bill = streamed(&[start, text, stop]);
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(10, 900), Confidence::Exact));
}

#[test]
fn events_may_come_as_a_list() {
    let text = "data: [{\"id\": \"a\", \"choices\": [], \"usage\": {\"prompt_tokens\": 9, \
        \"completion_tokens\": 5}}]\n\ndata: [DONE]\n\n";
    let bill = Bill::from_response(text).unwrap().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(9, 5), Confidence::Exact));
}

#[test]
fn writes_for_an_hour_keep_their_lifetime_behind_a_relay() {
    let bill = read(&json!({"model": "claude-sonnet-4-5", "usage": {"prompt_tokens": 1_000,
        "completion_tokens": 100, "total_tokens": 1_100, "prompt_tokens_details":
            {"cached_tokens": 100, "cached_creation_tokens": 200},
        "claude_cache_creation_5_m_tokens": 50, "claude_cache_creation_1_h_tokens": 150}}));
    let usage = Usage {
        cache_read: 100,
        cache_write_5m: 50,
        cache_write_1h: 150,
        ..Usage::tokens(700, 100)
    };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}
