//! Tests that trimming never makes a list of items that OpenAI's Responses API refuses.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::words;

/// A list of items by a script: `s` instructions, `u` the user, `a` a message of the model, `t` a
/// thought, `c1` a call with an id of its item, `f1` one without, `o1` the output of call 1, `w` a
/// search that the provider ran, `i` a reference. Behind a colon stands how many words it has.
fn items(script: &str) -> Vec<Value> {
    let item = |(number, word): (usize, &str)| {
        let (word, count) = word.split_once(':').unwrap_or((word, "1"));
        let (kind, call) = word.split_at(1);
        let text = "w ".repeat(count.parse().unwrap());
        match kind {
            "s" => json!({"role": "developer", "content": text}),
            "u" => json!({"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": text}]}),
            "a" => json!({"type": "message", "role": "assistant", "id": format!("msg_{number}"),
                "content": [{"type": "output_text", "text": text, "annotations": []}]}),
            "t" => json!({"type": "reasoning", "id": format!("rs_{number}"), "summary": []}),
            "c" => json!({"type": "function_call", "id": format!("fc_{number}"), "call_id": call,
                "name": "look", "arguments": text}),
            "f" => json!({"type": "custom_tool_call", "call_id": call, "name": "look",
                "input": text}),
            "o" => json!({"type": "function_call_output", "call_id": call, "output": text}),
            "w" => json!({"type": "web_search_call", "id": format!("ws_{number}"),
                "status": "completed"}),
            "i" => json!({"type": "item_reference", "id": format!("rs_{number}")}),
            other => panic!("{other}"),
        }
    };
    script.split_whitespace().enumerate().map(item).collect()
}

fn kind(item: &Value) -> &str {
    item["type"].as_str().unwrap_or("message")
}

fn is_output(item: &Value) -> bool {
    kind(item).ends_with("_output")
}

fn is_model(item: &Value) -> bool {
    let by_type = kind(item) != "message" && !is_output(item);
    by_type || item["role"] == "assistant"
}

/// Why the API would refuse what is kept of a list, read item by item.
fn refusal(all: &[Value], kept: &[usize], continued: bool) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut thought = None;
    let mut has_reference = false;
    for (index, item) in all.iter().enumerate() {
        let is_kept = kept.contains(&index);
        let id = item["call_id"].as_str().unwrap_or_default();
        match kind(item) {
            "reasoning" => {
                thought = Some(index);
                // Between them may have been an output of no call.
                let next = (index + 1..all.len())
                    .find(|next| kept.contains(next) || !is_output(&all[*next]));
                if is_kept && !next.is_some_and(|next| is_model(&all[next]) && kept.contains(&next))
                {
                    return Some(format!("{index}: a thought without what follows it"));
                }
            }
            _ if is_output(item) => {
                if is_kept {
                    let call = open.iter().rposition(|open| *open == id);
                    match call {
                        Some(call) => drop(open.remove(call)),
                        None if continued || has_reference => {}
                        None => return Some(format!("{index}: an output without its call")),
                    }
                }
            }
            _ if is_model(item) => {
                let is_bound = item["id"].is_string() && kind(item) != "item_reference";
                let thought_is_kept = thought.is_none_or(|thought| kept.contains(&thought));
                if is_kept && is_bound && !thought_is_kept {
                    return Some(format!("{index}: without the thought before it"));
                }
                has_reference |= is_kept && kind(item) == "item_reference";
                if is_kept && !id.is_empty() {
                    open.push(id);
                }
            }
            _ => thought = None,
        }
    }
    open.first().map(|id| format!("call {id} without its output"))
}

#[test]
fn what_belongs_together_stays_or_goes_together() {
    let table: &[(&str, u64, &[usize])] = &[
        ("u t c1 o1:5 t a:3 u:1", 99, &[0, 1, 2, 3, 4, 5, 6]),
        // The thought goes with its call and the output; the answer has a thought of its own.
        ("u t c1 o1:50 t a:3 u:1", 40, &[0, 4, 5, 6]),
        // Calls side by side, and outputs in another order.
        ("u t c1 c2 o2 o1:50 u", 40, &[0, 6]),
        ("u f1 f2 o2 o1 u", 40, &[0, 1, 2, 3, 4, 5]),
        // Without a thought, exchanges are apart from each other.
        ("u c1 o1:50 c2 o2 u", 40, &[0, 3, 4, 5]),
        // With one, a later call may be of the same turn.
        ("u t c1 o1:50 c2 o2 u", 40, &[0, 5 + 1]),
        // A search, and the message about it.
        ("u t w a:50 u", 20, &[0, 4]),
        // What no provider takes falls out.
        ("u c1 u", 99, &[0, 2]),
        ("u o1 u", 99, &[0, 2]),
        ("u t u", 99, &[0, 2]),
        ("u c1 o1 o1 u", 99, &[0, 1, 2, 4]),
        ("u t c1 a u", 99, &[0, 4]),
        // An output far behind its call holds all between.
        ("u c1 u o1 u", 99, &[0, 1, 2, 3, 4]),
        // What a reference stands for may be the call.
        ("u i i o1 u", 99, &[0, 1, 2, 3, 4]),
        // An id that is used again is another call.
        ("u c1 o1:50 c1 o1 u", 40, &[0, 3, 4, 5]),
    ];
    for (script, max_tokens, kept) in table {
        let items = items(script);
        let list = responses(&items);
        let trimmed = words(*max_tokens).trim(&list).unwrap();
        assert_eq!(trimmed.kept(), *kept, "{script} in {max_tokens}");
        assert_eq!(refusal(&items, trimmed.kept(), false), None, "{script}");
    }
}

/// 38 of 118 limits gave a list that the API refuses, because the items were read as messages of
/// chat completions.
#[test]
fn no_limit_parts_a_call_from_its_output_or_a_thought_from_what_follows() {
    let items = items("s u t c1:9 o1:30 t c2 c3 o2:9 o3:9 t w a:12 u:3 c4 o4:20 a:2 u:1");
    let (mut sent, mut kinds) = (0, std::collections::BTreeSet::new());
    for max_tokens in 0..400 {
        let list = responses(&items);
        let Ok(trimmed) = words(max_tokens).trim(&list) else { continue };
        assert_eq!(refusal(&items, trimmed.kept(), false), None, "{max_tokens}");
        sent += 1;
        kinds.insert(trimmed.kept().to_vec());
    }
    assert!(sent > 300 && kinds.len() > 5, "{sent} {kinds:?}");
    // As what they are not, they are refused, with the remedy.
    let error = words(400).trim(&openai(&items)).unwrap_err();
    assert!(matches!(error, TrimError::WrongForm { index: 2, .. }), "{error:?}");
    assert!(error.to_string().ends_with("read the list with `context::responses`"), "{error}");
    let chat = [json!({"role": "tool", "tool_call_id": "1", "content": "x"})];
    let list = responses(&chat).continues_response();
    let error = words(400).trim(&list).unwrap_err().to_string();
    assert!(error.ends_with("read the list with `context::openai`"), "{error}");
}

#[test]
fn the_output_of_a_call_that_the_provider_keeps_stays() {
    let items = items("o1:5 u:5 a:5 u:5");
    let list = responses(&items).continues_response();
    assert_eq!(words(99).trim(&list).unwrap().kept(), [0, 1, 2, 3]);
    assert_eq!(words(28).trim(&list).unwrap().kept(), [0, 1, 3]);
    assert!(matches!(words(8).trim(&list), Err(TrimError::PinnedTooLarge { .. })));
    // Nothing else knows of it.
    let list = responses(&items);
    assert_eq!(words(99).trim(&list).unwrap().kept(), [1, 2, 3]);
}

#[test]
fn what_the_provider_knows_by_its_id_is_not_cut() {
    let output = items("u t c1 o1:90");
    let list = responses(&output);
    let trimmed = words(40).trim(&list).unwrap();
    let sent = trimmed.render();
    assert_eq!((trimmed.kept(), &sent[..3]), (&[0, 1, 2, 3][..], &output[..3]));
    assert!(sent[3]["output"].as_str().unwrap().contains("cut to fit"), "{sent:?}");
    let answer = items("u a:90");
    let list = responses(&answer);
    assert!(matches!(words(40).trim(&list), Err(TrimError::NewestTooLarge { .. })));
}

#[test]
fn a_compaction_stays_at_the_beginning() {
    let mut items = items("u:9 a:9 u:9 a:9 u:1");
    items.insert(0, json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "w w w"}));
    let list = responses(&items);
    let trimmed = words(35).trim(&list).unwrap();
    assert_eq!(trimmed.kept(), [0, 1, 4, 5]);
}

#[test]
fn pictures_count_as_pictures_and_not_as_text() {
    let picture = "iVBORw0KGgo ".repeat(4_000);
    let items = [
        json!({"role": "user", "content": "Draw."}),
        json!({"type": "image_generation_call", "id": "ig_1", "result": picture}),
        json!({"type": "computer_call", "id": "cu_1", "call_id": "1", "action": {"type": "wait"}}),
        json!({"type": "computer_call_output", "call_id": "1",
            "output": {"type": "computer_screenshot", "image_url": picture}}),
    ];
    let list = responses(&items).media_tokens(50);
    let trimmed = words(200).trim(&list).unwrap();
    assert_eq!(trimmed.kept(), [0, 1, 2, 3]);
    assert!(trimmed.tokens() > 100, "{}", trimmed.tokens());
}

fn item() -> impl Strategy<Value = String> {
    let kinds = prop::sample::select(vec!["u", "u", "a", "t", "t", "w", "s", "i"]);
    let calls = prop::sample::select(vec!["c", "c", "f", "o", "o", "o"]);
    prop_oneof![
        (kinds, 0..30_u8).prop_map(|(kind, words)| format!("{kind}:{words}")),
        (calls, 0..4_u8, 0..30_u8).prop_map(|(kind, id, words)| format!("{kind}{id}:{words}")),
        // A turn as it comes.
        (0..4_u8, 0..60_u8).prop_map(|(id, words)| format!("t c{id} o{id}:{words}")),
        (0..2_u8, 2..4_u8, 0..60_u8)
            .prop_map(|(one, two, words)| format!("t c{one} c{two} o{two} o{one}:{words} t a:3")),
    ]
}

proptest! {
    #[test]
    fn no_list_of_items_is_made_one_that_the_api_refuses(
        script in prop::collection::vec(item(), 0..20),
        max_tokens in 0..500_u64,
        continued in any::<bool>(),
    ) {
        let items = items(&script.join(" "));
        let mut list = responses(&items);
        if continued {
            list = list.continues_response();
        }
        let trimmed = match words(max_tokens).trim(&list) {
            Ok(trimmed) => trimmed,
            // What must stay cannot be made smaller, or is what no provider takes.
            Err(TrimError::WrongForm { .. }) => panic!("they are items"),
            Err(_) => return Ok(()),
        };
        let kept = trimmed.kept().to_vec();
        prop_assert_eq!(refusal(&items, &kept, continued), None);
        prop_assert!(kept.is_sorted_by(|a, b| a < b));
        let sent = trimmed.render();
        prop_assert!(trimmed.tokens() <= max_tokens);
        let was_blank = |text: &str| items.iter().any(|item| item.to_string().contains(text));
        for item in &sent {
            for text in [&item["output"], &item["content"], &item["content"][0]["text"]] {
                let is_blank = text.as_str().is_some_and(|text| text.trim().is_empty());
                prop_assert!(!is_blank || was_blank(&item.to_string()), "{item} of {items:?}");
            }
        }
    }
}
