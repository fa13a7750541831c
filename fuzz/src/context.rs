//! The target `context`: any conversation, in OpenAI's two forms and in Anthropic's, for any bound.

use bursar::context::{
    ContextTrimmer, JsonChat, Message, Messages, Oversize, Role, anthropic, openai, responses,
};
use serde_json::{Value, json};

/// What trimming gives is sent whole, fits, and has what is pinned. The first four bytes are the bound
/// and the options; what follows is a list of messages as JSON, or, where it is none, two bytes for
/// each message.
pub fn run(data: &[u8]) {
    let Some(([low, high, options, kind], rest)) = data.split_first_chunk() else { return };
    let max_tokens = u64::from(u16::from_le_bytes([*low, *high]));
    let trimmer = trimmer(max_tokens, *options);
    let given = serde_json::from_slice::<Vec<Value>>(rest).ok();
    if *kind == RESPONSES {
        let items = given.unwrap_or_else(|| chat(rest, item));
        check_items(&trimmer, max_tokens, &items);
    } else if kind % 2 == 0 {
        let messages = given.unwrap_or_else(|| chat(rest, openai_message));
        check(&trimmer, max_tokens, *options, &messages, openai);
    } else {
        let messages = given.unwrap_or_else(|| chat(rest, anthropic_message));
        check(&trimmer, max_tokens, *options, &messages, anthropic);
    }
}

/// The kind of a list of items; others are even for OpenAI's messages and odd for Anthropic's.
const RESPONSES: u8 = 255;

const REFUSES: u8 = 1;
const FREE_USER: u8 = 2;

fn trimmer(max_tokens: u64, options: u8) -> ContextTrimmer {
    let mut trimmer = ContextTrimmer::new(max_tokens).pin_first_user(options & FREE_USER == 0);
    if options & REFUSES != 0 {
        trimmer = trimmer.oversize(Oversize::Refuse);
    }
    trimmer
}

/// No call without its output or the other way round, no thought without what follows it, no text
/// that became empty, and it fits.
fn check_items(trimmer: &ContextTrimmer, max_tokens: u64, items: &[Value]) {
    let list = responses(items);
    let trimmed = match trimmer.trim(&list) {
        Ok(trimmed) => trimmed,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(trimmed.tokens() <= max_tokens);
    let (kept, sent) = (trimmed.kept().to_vec(), trimmed.render());
    let view = responses(&sent);
    let mut open = Vec::new();
    for (index, item) in sent.iter().enumerate() {
        let message = view.at(index).expect("it is there");
        let next = view.at(index + 1).map(|next| next.role());
        let is_thought = item["type"] == "reasoning";
        assert!(!is_thought || next == Some(Role::Assistant), "{kept:?} of {items:?}");
        open.extend(calls(&message));
        for id in results(&message) {
            let call = open.iter().rposition(|call| *call == id);
            let is_known =
                call.is_some() || items.iter().any(|item| item["type"] == "item_reference");
            assert!(is_known, "{id} is no call's: {kept:?} of {items:?}");
            call.into_iter().for_each(|call| drop(open.remove(call)));
        }
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        let before = &items[kept[index]];
        for name in ["output", "content"] {
            assert!(!is_blank(&item[name]) || is_blank(&before[name]), "{item}");
        }
    }
    assert!(open.is_empty(), "{open:?}: {kept:?} of {items:?}");
}

/// Checks with no more than what a message says of itself.
fn check(
    trimmer: &ContextTrimmer,
    max_tokens: u64,
    options: u8,
    messages: &[Value],
    form: fn(&[Value]) -> JsonChat<'_>,
) {
    let view = form(messages);
    let trimmed = match trimmer.trim(&view) {
        Ok(trimmed) => trimmed,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let kept = trimmed.kept().to_vec();
    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]), "{kept:?}");
    assert!(kept.iter().all(|index| *index < messages.len()));
    assert_eq!(kept.len() + trimmed.dropped().count(), messages.len());
    for index in pinned(&view, options) {
        assert!(kept.contains(&index), "{index} is pinned, {kept:?} are kept");
    }
    if let Some(last) = messages.len().checked_sub(1) {
        let newest = view.at(last).expect("it is there");
        let alone = calls(&newest).is_empty() && results(&newest).is_empty();
        let plain = alone && newest.role() != Role::Tool;
        assert!(!plain || kept.contains(&last), "the newest, {last}, is not among {kept:?}");
    }
    let report = trimmed.report();
    assert_eq!(report.messages_kept, kept.len());
    assert_eq!(report.tokens_kept, trimmed.tokens());
    assert!(trimmed.tokens() <= max_tokens, "{} of {max_tokens}", trimmed.tokens());
    let rendered = trimmed.render();
    assert_eq!(rendered.len(), kept.len());
    let sent = form(&rendered);
    let count = |index| trimmer.count(&sent.at(index).expect("it is there"));
    let sum = (0..rendered.len()).map(count).fold(0, u64::saturating_add);
    assert!(sum <= trimmed.tokens(), "{sum} are sent, {} were counted", trimmed.tokens());
    exchanges_are_whole(&sent).unwrap_or_else(|wrong| {
        panic!("{wrong}: {kept:?} of {}", serde_json::to_string(messages).expect("text"));
    });
    // What a provider takes stays what it takes.
    if exchanges_are_whole(&view).is_ok() && user_is_first(&view) {
        assert!(user_is_first(&sent), "{kept:?} of {messages:?}");
    }
    // What was trimmed fits as it is.
    let again = trimmer.trim(&sent).expect("it fitted before");
    assert_eq!(again.kept().len(), rendered.len(), "{rendered:?}");
    assert!(again.cuts().is_empty());
}

/// The instructions at the beginning, and the first message of the user.
fn pinned(view: &JsonChat<'_>, options: u8) -> Vec<usize> {
    let role = |index| view.at(index).map(|message| message.role());
    let mut pinned: Vec<usize> =
        (0..view.len()).take_while(|index| role(*index) == Some(Role::System)).collect();
    let is_user = |index: &usize| {
        let message = view.at(*index).expect("it is there");
        message.role() == Role::User && results(&message).is_empty()
    };
    if options & FREE_USER == 0 {
        pinned.extend((0..view.len()).find(is_user));
    }
    pinned
}

/// Only an assistant calls, only a tool or a user answers: what else looks like it is text.
fn calls(message: &impl Message) -> Vec<String> {
    let mut ids = Vec::new();
    if message.role() == Role::Assistant {
        message.each_call(&mut |id| ids.push(id.to_owned()));
    }
    ids.sort();
    ids
}

fn results(message: &impl Message) -> Vec<String> {
    let mut ids = Vec::new();
    if [Role::Tool, Role::User].contains(&message.role()) {
        message.each_result(&mut |id| ids.push(id.to_owned()));
    }
    ids
}

/// Each call has its results right behind it, one for each id, and no result is without its call.
fn exchanges_are_whole(view: &JsonChat<'_>) -> Result<(), String> {
    let mut index = 0;
    while let Some(message) = view.at(index) {
        if !results(&message).is_empty() {
            return Err(format!("a result at {index} without its call"));
        }
        let calls = calls(&message);
        index += 1;
        let mut answers = Vec::new();
        while !calls.is_empty() {
            let Some(next) = view.at(index) else { break };
            let more = results(&next);
            if more.is_empty() {
                break;
            }
            answers.extend(more);
            index += 1;
        }
        answers.sort();
        if answers != calls {
            return Err(format!("calls {calls:?} before {index} have answers {answers:?}"));
        }
    }
    Ok(())
}

/// The first message that is no instruction, if there is one, is the user's.
fn user_is_first(view: &JsonChat<'_>) -> bool {
    let messages = (0..view.len()).filter_map(|index| view.at(index));
    let first = messages.map(|message| message.role()).find(|role| *role != Role::System);
    first.is_none_or(|role| role == Role::User)
}

/// Two bytes for each message: what it is, and how long.
fn chat(bytes: &[u8], message: fn(u8, String) -> Value) -> Vec<Value> {
    let pairs = bytes.chunks_exact(2).take(200);
    pairs.map(|pair| message(pair[0], text(pair[1]))).collect()
}

/// Up to a thousand characters, not all of one byte.
fn text(length: u8) -> String {
    "naïve fish, и рыба: 42 ".chars().cycle().take(usize::from(length).pow(2) / 64).collect()
}

fn id(kind: u8) -> String {
    format!("call-{}", kind / 8 % 4)
}

fn item(kind: u8, text: String) -> Value {
    match kind % 8 {
        0 => json!({"role": "developer", "content": text}),
        1 => json!({"role": "user", "content": text}),
        2 => {
            json!({"type": "message", "role": "assistant", "id": format!("msg_{kind}"), "content": text})
        }
        3 => json!({"role": "assistant", "content": text}),
        4 => json!({"type": "reasoning", "id": format!("rs_{kind}"), "summary": []}),
        5 => json!({"type": "function_call", "id": format!("fc_{kind}"), "call_id": id(kind),
            "name": "read", "arguments": text}),
        6 => json!({"type": "web_search_call", "id": format!("ws_{kind}"), "status": "completed"}),
        _ => json!({"type": "function_call_output", "call_id": id(kind), "output": text}),
    }
}

fn openai_message(kind: u8, text: String) -> Value {
    let call = |id: String| {
        let function = json!({"name": "read", "arguments": text});
        json!({"id": id, "type": "function", "function": function})
    };
    match kind % 8 {
        0 => json!({"role": "system", "content": text}),
        1 | 2 => json!({"role": "user", "content": text}),
        3 => json!({"role": "assistant", "content": text}),
        4 => json!({"role": "assistant", "tool_calls": [call(id(kind))]}),
        5 => json!({"role": "assistant", "tool_calls": [call(id(kind)), call(id(kind ^ 8))]}),
        _ => json!({"role": "tool", "tool_call_id": id(kind), "content": text}),
    }
}

fn anthropic_message(kind: u8, text: String) -> Value {
    let call =
        |id: String| json!({"type": "tool_use", "id": id, "name": "read", "input": {"path": text}});
    let result = |id: String| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    match kind % 8 {
        0 | 1 => json!({"role": "user", "content": text}),
        2 => json!({"role": "assistant", "content": [{"type": "text", "text": text}]}),
        3 => {
            json!({"role": "assistant", "content": [{"type": "text", "text": text}, call(id(kind))]})
        }
        4 => json!({"role": "assistant", "content": [call(id(kind)), call(id(kind ^ 8))]}),
        5 => json!({"role": "user", "content": [result(id(kind)), {"type": "text", "text": text}]}),
        6 => json!({"role": "user", "content": [result(id(kind)), result(id(kind ^ 8))]}),
        _ => json!({"role": "user", "content": [result(id(kind))]}),
    }
}
