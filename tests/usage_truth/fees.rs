//! Tests of what is billed beside tokens, by other models, or not at all.

use bursar::usage::{Doubt, ModelUsage};
use bursar::{Confidence, Usage, Usd};
use serde_json::{Value, json};

use crate::common::{read, streamed};
use crate::missing;

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
