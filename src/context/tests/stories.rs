//! Faults that users of other tools have reported about trimming: one test each, named by the
//! thread.

use serde_json::{Value, json};

use super::super::{ContextTrimmer, anthropic, gemini, openai};
use super::words;

/// langchain #29637: `trim_messages` leaves an `AIMessage` with tool calls whose result is no
/// longer behind it, because only messages of people and models were kept. Anthropic answers 400
/// "`tool_use` ids were found without `tool_result` blocks immediately after", on the second turn.
#[test]
fn langchain_29637_a_call_whose_result_was_filtered_away_falls_out() {
    let messages = [
        json!({"role": "user", "content": "Plan the discovery."}),
        json!({"role": "assistant", "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": "plan"}}]}),
        json!({"role": "assistant", "content": "Here is the plan."}),
        json!({"role": "user", "content": "Go on."}),
    ];
    let trimmed = words(1_000).trim(&anthropic(&messages)).unwrap().kept().to_vec();
    assert_eq!(trimmed, [0, 2, 3]);
}

/// langchain PR #35313: with strategy "last" the budget cuts off the `AIMessage` and keeps its
/// `ToolMessage`. OpenAI answers 400 "messages with role 'tool' must be a response to a preceding
/// message with 'tool_calls'".
#[test]
fn langchain_35313_a_result_does_not_stay_without_its_call() {
    let messages = [
        json!({"role": "user", "content": "What is the weather in Florida?"}),
        json!({"role": "assistant", "content": "Let me check the weather in Florida for you",
            "tool_calls": [{"id": "abc123", "type": "function",
                "function": {"name": "get_weather", "arguments": "{\"location\":\"Florida\"}"}}]}),
        json!({"role": "tool", "tool_call_id": "abc123", "content": "It is sunny."}),
        json!({"role": "assistant", "content": "It is sunny in Florida."}),
        json!({"role": "user", "content": "Thanks!"}),
    ];
    let list = openai(&messages);
    let of = |max_tokens: u64| words(max_tokens).trim(&list).unwrap().kept().to_vec();
    let with_all = words(1_000).trim(&list).unwrap().tokens();
    assert_eq!(of(with_all), [0, 1, 2, 3, 4]);
    assert_eq!(of(with_all - 1), [0, 3, 4], "there would be room for the result alone");
}

/// secator PR #1244: litellm's `trim_messages` drops the oldest messages, so that the window of a
/// long session begins with a `tool` message; a blind `keep_last=N` does the same. Every further
/// turn of the session then fails.
#[test]
fn secator_1244_no_window_of_a_long_session_begins_with_a_result() {
    let mut messages = vec![
        json!({"role": "system", "content": "You scan hosts."}),
        json!({"role": "user", "content": "Scan the net."}),
    ];
    for n in 0..40 {
        let id = format!("call_{n}");
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [{"id": id,
            "type": "function", "function": {"name": "nmap", "arguments": "{}"}}]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "open ".repeat(n)}));
    }
    let list = openai(&messages);
    for max_tokens in 100..900 {
        let trimmed = words(max_tokens).trim(&list).unwrap();
        let behind_pins: Vec<&Value> =
            trimmed.messages().map(|view| view.value()).skip(2).collect();
        assert!(behind_pins.len() >= 2 && behind_pins.len() % 2 == 0, "{max_tokens}");
        assert_eq!(behind_pins[0]["role"], "assistant", "{max_tokens}");
    }
}

/// openhuman PR #3266, and #2717 and #2840 before it: a cycle of calls is cut in two, sometimes in
/// its first half, sometimes in its second, sometimes between parallel results: 589 refusals in two
/// weeks, "insufficient tool messages following `tool_calls` message".
#[test]
fn openhuman_3266_a_cycle_of_parallel_calls_is_never_cut_in_two() {
    let call = |id: &str| {
        json!({"id": id, "type": "function",
        "function": {"name": "read", "arguments": "{}"}})
    };
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "text of it"});
    let messages = [
        json!({"role": "user", "content": "Compare the files."}),
        json!({"role": "assistant", "tool_calls": [call("a"), call("b"), call("c")]}),
        result("a"),
        result("b"),
        result("c"),
        json!({"role": "assistant", "content": "They differ."}),
        json!({"role": "assistant", "tool_calls": [call("d"), call("e")]}),
        result("d"), // the run was stopped here, and taken up again
        json!({"role": "user", "content": "Go on."}),
    ];
    let list = openai(&messages);
    for max_tokens in 10..200 {
        let trimmed = words(max_tokens).trim(&list).unwrap();
        let kept = trimmed.kept();
        let of_cycle = kept.iter().filter(|index| (1..=4).contains(*index)).count();
        assert!(of_cycle == 0 || of_cycle == 4, "{max_tokens}: {kept:?}");
        assert!(!kept.contains(&6) && !kept.contains(&7), "{max_tokens}: {kept:?}");
        assert!(kept.contains(&8));
    }
}

/// The same in Gemini's form, whose calls have no ids: "the number of function response parts" must
/// be "equal to the number of function call parts".
#[test]
fn a_gemini_cycle_is_matched_by_name_and_number() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let result =
        |name: &str| json!({"functionResponse": {"name": name, "response": {"ok": "yes"}}});
    let with = |results: Vec<Value>| {
        [
            json!({"role": "user", "parts": [{"text": "Look."}]}),
            json!({"role": "model", "parts": [call("read"), call("read"), call("list")]}),
            json!({"role": "user", "parts": results}),
            json!({"role": "model", "parts": [{"text": "Done."}]}),
        ]
    };
    let whole = with(vec![result("read"), result("list"), result("read")]);
    let short = with(vec![result("read"), result("list")]);
    let kept = |contents: &[Value]| {
        let list = gemini(contents);
        ContextTrimmer::new(1_000).trim(&list).unwrap().kept().to_vec()
    };
    assert_eq!(kept(&whole), [0, 1, 2, 3]);
    assert_eq!(kept(&short), [0, 3]);
}
