//! The proof that a stream of every provider is metered, in any chunks and cut anywhere.
#![allow(clippy::unwrap_used, clippy::panic)]

use bursar::usage::{Doubt, UsageError};
use bursar::{Bill, Confidence, Service, Usage, UsageMeter, Usd};
use proptest::prelude::*;
use serde_json::{Value, json};

/// One stream as it comes.
macro_rules! stream {
    ($file:literal) => {
        ($file, include_str!(concat!("data/usage/streams/", $file)))
    };
}

/// A stream with its name, its bill, and the tokens that are heard in its text if no counts come:
/// visible ones, and reasoning.
type Case = ((&'static str, &'static str), Bill, (u64, u64));

fn streams() -> Vec<Case> {
    let tokens = Usage::tokens;
    let cached = |cache_read, uncached, output, reasoning| Usage {
        cache_read,
        reasoning,
        ..Usage::tokens(uncached, output)
    };
    let cost = |text: &str| text.parse::<Usd>().unwrap();
    vec![
        (
            stream!("openai_chat.sse"),
            Bill::new(cached(1_920, 86, 236, 576))
                .model("gpt-5-2025-08-07")
                .service(Service::Standard),
            (8, 0),
        ),
        (stream!("azure_openai.sse"), Bill::new(tokens(91, 18)).model("gpt-4o-2024-11-20"), (7, 0)),
        (
            stream!("openai_responses.sse"),
            Bill::new(Usage {
                cache_write_30m: 2_048,
                cache_write_12h: 8_192,
                ..cached(8_192, 1_568, 260, 640)
            })
            .model("gpt-6.1-sol")
            .service(Service::Priority),
            (6, 6),
        ),
        (
            stream!("openai_speech.sse"),
            Bill::new(Usage { output_audio: 101, ..tokens(14, 0) }),
            (0, 0),
        ),
        (
            stream!("openai_realtime.jsonl"),
            // Two answers, added up.
            Bill::new(Usage {
                input_audio: 100,
                cache_read_audio: 60,
                output_audio: 30,
                ..cached(40, 100, 30, 0)
            })
            .model("gpt-realtime"),
            (4, 0),
        ),
        (
            stream!("anthropic.sse"),
            Bill::new(Usage {
                cache_write_5m: 1_800,
                cache_write_1h: 4_000,
                web_search_requests: 2,
                ..cached(18_204, 425, 603, 900)
            })
            .model("claude-sonnet-4-5-20250929")
            .service(Service::Standard)
            .regional(false),
            (18, 4),
        ),
        (
            stream!("gemini.sse"),
            Bill::new(Usage { web_search_requests: 2, ..cached(4_000, 1_320, 310, 870) })
                .model("gemini-3.7-flash"),
            (5, 3),
        ),
        (
            stream!("vertex_gemini.json"),
            Bill::new(tokens(10, 12)).model("gemini-2.5-flash").service(Service::Standard),
            (16, 0),
        ),
        (
            stream!("bedrock_converse.jsonl"),
            Bill::new(Usage {
                cache_write_5m: 1_000,
                cache_write_1h: 2_000,
                ..cached(3_059, 562, 230, 0)
            })
            .service(Service::Priority),
            (6, 1),
        ),
        (stream!("bedrock_payloads.jsonl"), Bill::new(tokens(20, 2)), (2, 0)),
        (stream!("cohere.sse"), Bill::new(tokens(412, 88)), (2, 0)),
        (
            stream!("mistral.sse"),
            Bill::new(cached(1_024, 776, 260, 0))
                .model("mistral-medium-2604")
                .service(Service::Standard),
            (2, 1),
        ),
        (
            stream!("groq.sse"),
            Bill::new(cached(2_048, 952, 220, 200)).model("openai/gpt-oss-120b"),
            (1, 2),
        ),
        (
            stream!("deepseek.sse"),
            Bill::new(cached(5_120, 880, 250, 450)).model("deepseek-flash"),
            (3, 2),
        ),
        (
            stream!("xai.sse"),
            Bill::new(cached(128, 9_992, 1_499, 2_809))
                .model("grok-4.20")
                .reported_cost(cost("0.0232856")),
            (1, 0),
        ),
        (
            stream!("openrouter.sse"),
            Bill::new(cached(2_000, 1_000, 200, 0))
                .model("anthropic/claude-sonnet-4.5")
                .reported_cost(cost("0.0058")),
            (1, 0),
        ),
        (
            stream!("perplexity.sse"),
            Bill::new(Usage { requests: 1, ..tokens(40, 600) })
                .model("sonar-pro")
                .reported_cost(cost("0.01512")),
            (4, 0),
        ),
        (stream!("ollama.jsonl"), Bill::new(tokens(26, 298)).model("llama3.2"), (2, 1)),
    ]
}

/// The bill of a stream that comes in chunks of these sizes, over and over.
fn metered(stream: &[u8], sizes: &[usize]) -> Result<Option<Bill>, UsageError> {
    let mut meter = UsageMeter::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        meter.push(chunk)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    Ok(meter.finish())
}

/// The events of a stream, parsed.
fn events(text: &str) -> Vec<Value> {
    let without = text.replace("data: ", "").replace("[DONE]", "");
    let json: String = without
        .lines()
        .filter(|line| !line.starts_with("event: ") && !line.starts_with(": "))
        .collect();
    let json = json.strip_prefix('[').map_or(json.clone(), |array| {
        array.strip_suffix(']').unwrap().replace("},{  \"cand", "}{  \"cand")
    });
    serde_json::Deserializer::from_str(&json).into_iter().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_stream_of_every_provider_is_billed() {
    for ((name, text), expected, _) in streams() {
        assert_eq!(metered(text.as_bytes(), &[1_400]).unwrap().as_ref(), Some(&expected), "{name}");
        // As a body.
        assert_eq!(Bill::from_response(text).unwrap().as_ref(), Some(&expected), "{name}");
        // As events that somebody else has parsed.
        let mut meter = UsageMeter::new();
        for event in events(text) {
            meter.event(&event).unwrap();
        }
        assert_eq!(meter.finish(), Some(expected), "{name}, parsed");
    }
}

#[test]
fn any_chunking_and_any_line_ending_gives_the_same_bill() {
    for ((name, text), expected, _) in streams() {
        for size in [1, 2, 3, 5, 7, 64] {
            let bill = metered(text.as_bytes(), &[size]).unwrap();
            assert_eq!(bill.as_ref(), Some(&expected), "{name}, {size}");
            for ending in ["\r\n", "\r"] {
                let other = text.replace('\n', ending);
                let bill = metered(other.as_bytes(), &[size]).unwrap();
                assert_eq!(bill.as_ref(), Some(&expected), "{name}, {size}, {ending:?}");
            }
        }
    }
}

#[test]
fn without_the_providers_counts_the_text_is_estimated() {
    for ((name, text), _, (output, reasoning)) in streams() {
        let mut meter = UsageMeter::new().with_expected_input(70);
        for mut event in events(text) {
            remove_usage(&mut event);
            meter.event(&event).unwrap();
            // The text of an event is estimated alike as text.
            let mut twin = UsageMeter::new();
            let mut other = UsageMeter::new();
            twin.event(&event).unwrap();
            other.event(&event.to_string()).unwrap();
            assert_eq!(twin.seen(), other.seen(), "{name}: {event}");
        }
        let bill = meter.finish();
        if (output, reasoning) == (0, 0) {
            assert_eq!(bill, None, "{name}");
            continue;
        }
        let bill = bill.unwrap();
        // Searches that ran have run.
        let web_search_requests = if name == "gemini.sse" { 2 } else { 0 };
        let usage = Usage { reasoning, web_search_requests, ..Usage::tokens(70, output) };
        assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated), "{name}");
    }
}

fn remove_usage(event: &mut Value) {
    if let Value::Object(map) = event {
        map.retain(|name, _| {
            !["usage", "usageMetadata", "prompt_eval_count", "eval_count"].contains(&name.as_str())
        });
        map.values_mut().for_each(remove_usage);
    }
}

#[test]
fn a_stream_cut_anywhere_is_never_billed_as_if_it_were_whole() {
    for ((name, text), expected, _) in streams() {
        let mut last = 0;
        for end in 0..text.len() {
            let Some(bill) = metered(&text.as_bytes()[..end], &[100_000]).unwrap_or_else(|error| {
                panic!("{name} cut at {end}: {error}");
            }) else {
                continue;
            };
            let is_whole = bill.usage == expected.usage;
            // A realtime session is whole after each answer, and a session may end there.
            if bill.confidence == Confidence::Exact && !name.contains("realtime") {
                assert!(is_whole, "{name} cut at {end}");
            }
            // What was seen does not shrink, whatever was an estimate.
            assert!(bill.usage.input_tokens() >= last, "{name} cut at {end}");
            last = bill.usage.input_tokens();
        }
    }
}

#[test]
fn a_meter_can_be_kept_in_any_task() {
    fn can_move<T: Send + Sync + 'static>() {}
    can_move::<UsageMeter>();
}

// PAINS, "Streams".

#[test]
fn a_client_that_disconnects_still_pays_for_what_it_got() {
    // litellm PR #33736 booked nothing for a client that went away before the usage came;
    // langchain #4583, #16182, #30390: OpenAI's usage comes once, last, and only if asked for.
    let chunk = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let mut meter = UsageMeter::new().with_expected_input(1_200);
    meter.event(&chunk("Half of an answer, ")).unwrap();
    meter.event(&chunk("and then the connec")).unwrap();
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(1_200, 9), Confidence::Estimated));
    assert!(bill.doubts.contains(&Doubt::CutShort));
}

#[test]
fn an_interrupted_answer_is_not_billed_at_its_placeholder() {
    // litellm PR #36008: Anthropic's first event says one output token, whatever comes after it.
    let start = json!({"type": "message_start", "message": {"model": "claude-haiku-4-5",
        "usage": {"input_tokens": 90, "cache_read_input_tokens": 1_000, "output_tokens": 1}}});
    let delta = json!({"type": "content_block_delta", "index": 0,
        "delta": {"type": "text_delta", "text": " word".repeat(1_000)}});
    let mut meter = UsageMeter::new();
    meter.event(&start).unwrap();
    assert_eq!(meter.seen(), Usage { cache_read: 1_000, ..Usage::tokens(90, 1) });
    meter.event(&delta).unwrap();
    assert_eq!(meter.seen(), Usage { cache_read: 1_000, ..Usage::tokens(90, 1_004) });
    assert_eq!(meter.finish().unwrap().confidence, Confidence::Estimated);

    // Cut before any text: the input has been read, and is billed.
    let mut meter = UsageMeter::new();
    meter.event(&start).unwrap();
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage.input_tokens(), bill.confidence), (1_090, Confidence::Estimated));
}

#[test]
fn an_explicit_zero_is_not_replaced_by_an_estimate() {
    // litellm #37992: the provider said that it bills no output, and was not believed.
    let mut meter = UsageMeter::new();
    for event in [
        json!({"choices": [{"index": 0, "delta": {"content": "I cannot help with that."}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0,
            "total_tokens": 9}}),
    ] {
        meter.event(&event).unwrap();
    }
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(9, 0), Confidence::Exact));
}

#[test]
fn an_incomplete_or_failed_response_is_billed() {
    // new-api #7241 billed zero for a response that had hit its output cap.
    for status in ["response.incomplete", "response.failed"] {
        let mut meter = UsageMeter::new();
        let event = json!({"type": status, "response": {"model": "gpt-5", "error": {"code": "x"},
            "usage": {"input_tokens": 80, "output_tokens": 64, "total_tokens": 144,
                "output_tokens_details": {"reasoning_tokens": 64}}}});
        meter.event(&event).unwrap();
        let bill = meter.finish().unwrap();
        let usage = Usage { reasoning: 64, ..Usage::tokens(80, 0) };
        assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact), "{status}");
    }
}

#[test]
fn a_stream_whose_usage_was_never_asked_for_is_not_free() {
    // pollinations #5594: everything came but the usage, because `include_usage` was not set.
    let stream = "data: {\"model\":\"gpt-5\",\"choices\":[{\"delta\":{\"content\":\"12345678\"}}]}\n\n\
                  data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                  data: [DONE]\n\n";
    let bill = metered(stream.as_bytes(), &[1_000]).unwrap().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(0, 3), Confidence::Estimated));
    assert_eq!(bill.model.as_deref(), Some("gpt-5"));
}

#[test]
fn anthropics_counts_are_cumulative() {
    // "The token counts shown in the usage field of the message_delta event are cumulative."
    let mut meter = UsageMeter::new();
    for event in [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 10,
            "cache_creation_input_tokens": 50, "cache_creation": {"ephemeral_1h_input_tokens": 50},
            "output_tokens": 3}}}),
        json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 40}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 25, "cache_creation_input_tokens": 60, "output_tokens": 90}}),
    ] {
        meter.event(&event).unwrap();
    }
    // The lifetime of a cache write is said only once, at the start.
    let usage = Usage { cache_write_1h: 60, ..Usage::tokens(25, 90) };
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Exact));
}

#[test]
fn a_compaction_in_a_stream_is_billed() {
    let mut meter = UsageMeter::new();
    for event in [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {
            "input_tokens": 23_000, "output_tokens": 1_000, "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000}]}}),
    ] {
        meter.event(&event).unwrap();
    }
    assert_eq!(meter.finish().unwrap().usage, Usage::tokens(203_000, 4_500));
}

#[test]
fn iterations_that_are_said_again_are_not_added_again() {
    let delta = json!({"type": "message_delta", "usage": {"input_tokens": 1, "output_tokens": 1,
        "iterations": [{"type": "compaction", "input_tokens": 10, "output_tokens": 2}]}});
    let mut meter = UsageMeter::new();
    meter.event(&delta).unwrap();
    meter.event(&delta).unwrap();
    assert_eq!(meter.finish().unwrap().usage, Usage::tokens(11, 3));
}

#[test]
fn a_cut_response_names_its_model() {
    let (_, text) = stream!("openai_responses.sse");
    let cut = text.find("event: response.completed").unwrap();
    let bill = metered(&text.as_bytes()[..cut], &[64]).unwrap().unwrap();
    assert_eq!(bill.model.as_deref(), Some("gpt-6.1-sol"));
    let usage = Usage { reasoning: 6, ..Usage::tokens(0, 6) };
    assert_eq!((bill.usage, bill.confidence), (usage, Confidence::Estimated));
}

#[test]
fn an_error_in_the_middle_of_a_stream_leaves_what_came_before_it() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"12345678\"}}]}\n\n\
                  event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
                  \"message\":\"Overloaded\"}}\n\n";
    let bill = metered(stream.as_bytes(), &[9]).unwrap().unwrap();
    assert_eq!((bill.usage.output, bill.confidence), (3, Confidence::Estimated));
    // An error at once: nothing was used that anybody knows of.
    let error = "data: {\"error\":{\"message\":\"Rate limited\",\"code\":429}}\n\n";
    assert_eq!(metered(error.as_bytes(), &[9]), Ok(None));
}

#[test]
fn a_count_that_is_refused_does_not_stop_the_meter() {
    let mut meter = UsageMeter::new();
    meter.push(b"data: {\"choices\":[{\"delta\":{\"content\":\"12345678\"}}]}\n\n").unwrap();
    let bad = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":-4}}\n\n";
    assert!(matches!(meter.push(bad), Err(UsageError::NotACount { .. })));
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage.output, bill.confidence), (3, Confidence::Estimated));

    // Counts that came, and then some that cannot be: the last word was not understood.
    let mut meter = UsageMeter::new();
    meter.push(b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4}}\n\n").unwrap();
    meter.push(bad).unwrap_err();
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(4, 0), Confidence::Estimated));
}

#[test]
fn the_output_is_seen_while_it_comes() {
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": " word".repeat(100)}}]});
    let mut meter = UsageMeter::new();
    for times in 1..5 {
        meter.event(&chunk).unwrap();
        let seen = meter.seen().output;
        assert!(seen.abs_diff(times * 100) <= 20, "{seen} after {times}");
    }
    // The provider's counts have the last word.
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 240}});
    meter.event(&usage).unwrap();
    assert_eq!(meter.seen().output, 240);
}

#[test]
fn running_counts_are_completed_by_what_came_after_them() {
    // vLLM's `continuous_usage_stats`: counts in every chunk.
    let chunk = |text: &str, tokens: u64| {
        json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
            "usage": {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}})
    };
    let mut meter = UsageMeter::new();
    meter.event(&chunk("one", 1)).unwrap();
    meter.event(&chunk(" two", 2)).unwrap();
    assert_eq!(meter.seen(), Usage::tokens(5, 2));
    let mut whole = UsageMeter::new();
    whole.event(&chunk("one", 1)).unwrap();
    whole.event("[DONE]").unwrap();
    assert_eq!(whole.finish(), Some(Bill::new(Usage::tokens(5, 1))));
    let late = json!({"choices": [{"index": 0, "delta": {"content": " three, four"}}]});
    meter.event(&late).unwrap();
    let bill = meter.finish().unwrap();
    assert_eq!((bill.usage, bill.confidence), (Usage::tokens(5, 5), Confidence::Estimated));
}

#[test]
fn a_session_cut_in_its_second_answer_is_not_whole() {
    let (_, text) = stream!("openai_realtime.jsonl");
    let second = text.rfind("{\"type\":\"response.done\"").unwrap();
    let bill = metered(&text.as_bytes()[..second], &[50]).unwrap().unwrap();
    let first = Usage { input_audio: 60, output_audio: 30, ..Usage::tokens(40, 20 + 2) };
    assert_eq!((bill.usage, bill.confidence), (first, Confidence::Estimated));
}

/// A stream that states running counts, and is cut, is not whole because another one was.
#[test]
fn one_of_two_streams_that_is_cut_makes_the_sum_an_estimate() {
    let chunk = |id: &str, end: &str, output: u64| {
        format!(
            "data: {{\"id\":\"{id}\",\"choices\":[{{\"delta\":{{\"content\":\"x\"}},\
             \"finish_reason\":{end}}}],\"usage\":{{\"prompt_tokens\":10,\
             \"completion_tokens\":{output}}}}}\n\n"
        )
    };
    let whole = |id| [chunk(id, "null", 1), chunk(id, "\"stop\"", 2)].concat();
    for (text, confidence) in [
        (whole("a") + "data: [DONE]\n\n" + &whole("b"), Confidence::Exact),
        (whole("a") + "data: [DONE]\n\n" + &chunk("b", "null", 2), Confidence::Estimated),
        (chunk("a", "null", 2) + &whole("b") + "data: [DONE]\n\n", Confidence::Estimated),
    ] {
        let bill = metered(text.as_bytes(), &[50]).unwrap().unwrap();
        assert_eq!((bill.usage, bill.confidence), (Usage::tokens(20, 4), confidence), "{text}");
    }
}

/// Found by the corpus of the fuzz target `bodies`: each answer of the session has a possible
/// count, their sum has not. Settled, it would have had no price.
#[test]
fn a_session_whose_sum_is_impossible_is_an_error_and_keeps_what_was_counted() {
    let answer = json!({"type": "response.done", "response": {"usage": {
        "input_tokens": Usage::MAX_COUNT, "output_tokens": 0, "total_tokens": Usage::MAX_COUNT}}});
    let mut meter = UsageMeter::new();
    meter.event(&answer).unwrap();
    assert!(matches!(meter.event(&answer), Err(UsageError::NotACount { .. })));
    let bill = meter.finish().unwrap();
    assert_eq!(bill.usage, Usage::tokens(Usage::MAX_COUNT, 0));
    assert_eq!(bill.confidence, Confidence::Estimated);
    // As a body: what could be counted is not discarded.
    let bill = Bill::from_response(&format!("{answer}\n{answer}")).unwrap().unwrap();
    assert_eq!(
        (bill.usage.total_tokens(), bill.confidence),
        (Usage::MAX_COUNT, Confidence::Estimated)
    );
}

/// Found by the corpus of the fuzz target `streams`: what a text adds to the provider's counts, or
/// to an expected input, made an impossible count of a possible one.
#[test]
fn text_that_comes_after_the_largest_count_leaves_it_possible() {
    let text = json!({"choices": [{"index": 0, "delta": {"content": "Twelve letters"}}]});
    let counts = json!({"choices": [], "usage": {"prompt_tokens": Usage::MAX_COUNT,
        "completion_tokens": 0, "total_tokens": Usage::MAX_COUNT}});
    for first in [&counts, &text] {
        let mut meter = UsageMeter::new().with_expected_input(u64::MAX);
        meter.event(first).unwrap();
        meter.event(&text).unwrap();
        let bill = meter.finish().unwrap();
        assert_eq!(bill.usage, Usage::tokens(Usage::MAX_COUNT, 0));
    }
}

#[test]
fn what_a_part_costs_is_not_taken_for_what_the_whole_costs() {
    let mut meter = UsageMeter::new();
    let chunk = json!({"choices": [{"delta": {"content": "So"}}], "usage": {"prompt_tokens": 40,
        "completion_tokens": 1, "total_tokens": 41, "cost": {"total_cost": 0.006}}});
    meter.event(&chunk).unwrap();
    let bill = meter.finish().unwrap();
    assert_eq!((bill.reported_cost, bill.confidence), (None, Confidence::Estimated));
}

#[test]
fn the_framing_of_events_is_as_wide_as_the_standard() {
    let usage = r#"{"usage":{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8}}"#;
    let (first, second) = usage.split_at(usage.find(',').unwrap() + 1);
    for stream in [
        format!("data:{usage}\n\n"),
        format!("\u{feff}: hello\n\nid: 1\nretry: 3\ndata: {usage}\n\n"),
        format!("data: {first}\ndata: {second}\n\n"),
        format!("data: {usage}"),
        format!("data: {usage}\n\ndata: keep-alive\n\ndata\n\ndatum: x\n\n"),
        format!("event: x\r\ndata: {usage}\r\n\r\ndata: [DONE]\r\n\r\n"),
        format!(" \n{usage}\n"),
        format!("{{\"done\":false}}\n{usage}\n{{\"done\": fal"),
    ] {
        for size in [1, 2, 1_000] {
            let bill = metered(stream.as_bytes(), &[size]).unwrap().unwrap();
            assert_eq!(bill, Bill::new(Usage::tokens(7, 1)), "{stream:?}");
        }
    }
}

#[test]
fn an_event_of_any_length_takes_a_bounded_memory() {
    const LIMIT: usize = 16 << 20;
    let usage = r#"{"usage":{"prompt_tokens":7,"completion_tokens":1}}"#;
    let padding = "data: not the beginning of a line ".repeat(3 * LIMIT / 4 / 34);
    let long = format!("{{\"x\":\"{padding}{padding}\"}}");
    assert!(long.len() > LIMIT);
    for stream in [format!("data: {long}\n\ndata: {usage}\n\n"), format!("{long}\n{usage}\n")] {
        for size in [1 << 16, stream.len()] {
            let mut meter = UsageMeter::new();
            let errors: Vec<UsageError> = stream
                .as_bytes()
                .chunks(size)
                .filter_map(|chunk| meter.push(chunk).err())
                .collect();
            assert_eq!(errors, [UsageError::EventTooLong { limit: LIMIT }]);
            assert_eq!(meter.finish(), Some(Bill::new(Usage::tokens(7, 1))));
        }
    }
}

proptest! {
    #[test]
    fn any_cuts_of_any_stream_give_the_same_bill(
        which in 0..18_usize,
        sizes in prop::collection::vec(1..200_usize, 1..12),
    ) {
        let ((_, text), expected, _) = streams().swap_remove(which);
        prop_assert_eq!(metered(text.as_bytes(), &sizes).unwrap(), Some(expected));
    }

    /// Whatever happens to a stream on the way, chunks change nothing, and nothing panics.
    #[test]
    fn any_cuts_of_a_damaged_stream_give_the_same_bill(
        which in 0..18_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1..200_usize, 1..12),
    ) {
        let ((_, text), _, _) = streams().swap_remove(which);
        let mut bytes = text.as_bytes().to_vec();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(end.index(bytes.len() + 1));
        let meter = |sizes: &[usize]| {
            let mut meter = UsageMeter::new();
            let mut rest = bytes.as_slice();
            for size in sizes.iter().cycle() {
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                let _ = meter.push(chunk);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            (meter.seen(), meter.finish())
        };
        prop_assert_eq!(meter(&sizes), meter(&[usize::MAX]));
        let _ = Bill::from_response(&bytes);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut meter = UsageMeter::new();
        let _ = meter.push(&bytes);
        let _ = meter.event(&bytes);
        let _ = meter.finish();
        let _ = Bill::from_response(&bytes);
    }
}
