//! Properties of trimming, on generated conversations in the forms of three providers,
//! each held against a naive reading of what the provider refuses.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::Bytes;

/// What a generated conversation is made of.
#[derive(Clone, Debug)]
enum Turn {
    System(String),
    User(String),
    Assistant(String),
    /// Calls of tools, and their results: the number of each call in the order of the answers;
    /// some may be missing, doubled, or those of no call.
    Exchange {
        calls: usize,
        answers: Vec<usize>,
        text: String,
        in_one: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OpenAi,
    Anthropic,
    Gemini,
}

const FORMS: [Form; 3] = [Form::OpenAi, Form::Anthropic, Form::Gemini];

impl Form {
    fn list(self, messages: &[Value]) -> JsonChat<'_> {
        match self {
            Form::OpenAi => openai(messages),
            Form::Anthropic => anthropic(messages),
            Form::Gemini => gemini(messages),
        }
    }

    fn said(self, role: &str, text: &str) -> Value {
        match self {
            Form::Gemini => {
                let role = if role == "assistant" { "model" } else { role };
                json!({"role": role, "parts": [{"text": text}]})
            }
            Form::Anthropic => json!({"role": role, "content": [{"type": "text", "text": text}]}),
            Form::OpenAi => json!({"role": role, "content": text}),
        }
    }

    fn call(self, ids: &[String]) -> Value {
        let one = |id: &String| match self {
            Form::OpenAi => json!({"id": id, "type": "function",
                "function": {"name": "look", "arguments": "{\"at\":\"it\"}"}}),
            Form::Anthropic => {
                json!({"type": "tool_use", "id": id, "name": "look", "input": {"at": "it"}})
            }
            Form::Gemini => json!({"functionCall": {"name": id, "args": {"at": "it"}}}),
        };
        let calls: Vec<Value> = ids.iter().map(one).collect();
        match self {
            Form::OpenAi => json!({"role": "assistant", "content": null, "tool_calls": calls}),
            Form::Anthropic => json!({"role": "assistant", "content": calls}),
            Form::Gemini => json!({"role": "model", "parts": calls}),
        }
    }

    fn results(self, ids: &[String], text: &str, in_one: bool) -> Vec<Value> {
        let one = |id: &String| match self {
            Form::OpenAi => json!({"role": "tool", "tool_call_id": id, "content": text}),
            Form::Anthropic => json!({"type": "tool_result", "tool_use_id": id, "content": text}),
            Form::Gemini => json!({"functionResponse": {"name": id, "response": {"out": text}}}),
        };
        let results: Vec<Value> = ids.iter().map(one).collect();
        let wrapped = |results: &[Value]| match self {
            Form::Gemini => json!({"role": "user", "parts": results}),
            _ => json!({"role": "user", "content": results}),
        };
        match self {
            Form::OpenAi => results,
            _ if in_one && !results.is_empty() => vec![wrapped(&results)],
            _ => results.iter().map(|result| wrapped(std::slice::from_ref(result))).collect(),
        }
    }

    /// The turns as messages, and which of them the provider would take as they stand.
    fn write(self, turns: &[Turn]) -> Vec<Value> {
        let mut messages = Vec::new();
        for (number, turn) in turns.iter().enumerate() {
            match turn {
                Turn::System(text) if self == Form::OpenAi => {
                    messages.push(self.said("system", text));
                }
                Turn::System(text) | Turn::User(text) => messages.push(self.said("user", text)),
                Turn::Assistant(text) => messages.push(self.said("assistant", text)),
                Turn::Exchange { calls, answers, text, in_one } => {
                    let id = |call: &usize| format!("call_{number}_{call}");
                    let ids: Vec<String> = (0..*calls).map(|call| id(&call)).collect();
                    if !ids.is_empty() {
                        messages.push(self.call(&ids));
                    }
                    let answers: Vec<String> = answers.iter().map(id).collect();
                    messages.extend(self.results(&answers, text, *in_one));
                }
            }
        }
        messages
    }
}

/// The ids that a message calls and answers, read without the code that is tested.
fn ids(message: &Value) -> (Vec<&str>, Vec<&str>) {
    let parts = |key| message[key].as_array().into_iter().flatten();
    let calls = parts("tool_calls").map(|call| &call["id"]);
    let calls = calls.chain(parts("content").filter(|p| p["type"] == "tool_use").map(|p| &p["id"]));
    let calls = calls.chain(parts("parts").map(|part| &part["functionCall"]["name"]));
    let results = std::iter::once(&message["tool_call_id"]);
    let results = results.chain(parts("content").map(|part| &part["tool_use_id"]));
    let results = results.chain(parts("parts").map(|part| &part["functionResponse"]["name"]));
    (calls.filter_map(Value::as_str).collect(), results.filter_map(Value::as_str).collect())
}

/// Why a provider would refuse the list, read message by message.
fn refusal(messages: &[Value]) -> Option<String> {
    let mut open: HashMap<&str, u32> = HashMap::new();
    for (index, message) in messages.iter().enumerate() {
        let (calls, results) = ids(message);
        if results.is_empty() && !open.is_empty() {
            return Some(format!("{index}: {open:?} unanswered"));
        }
        for id in results {
            match open.get_mut(id) {
                Some(1) => drop(open.remove(id)),
                Some(count) => *count -= 1,
                None => return Some(format!("{index}: {id} answers nothing")),
            }
        }
        if !calls.is_empty() && !open.is_empty() {
            return Some(format!("{index}: {open:?} unanswered"));
        }
        calls.into_iter().for_each(|id| *open.entry(id).or_default() += 1);
    }
    (!open.is_empty()).then(|| format!("at the end: {open:?} unanswered"))
}

fn is_model(message: &Value) -> bool {
    message["role"] == "assistant" || message["role"] == "model"
}

fn is_plain_user(message: &Value) -> bool {
    message["role"] == "user" && ids(message).1.is_empty()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z ]{0,40}",
        1 => "[a-zé世😀 ]{0,20}",
        1 => (0..900_usize).prop_map(|n| "ab é ".repeat(n)),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    let tidy = (1..4_usize, text(), any::<bool>()).prop_map(|(calls, text, in_one)| {
        Turn::Exchange { calls, answers: (0..calls).rev().collect(), text, in_one }
    });
    let torn = (0..4_usize, prop::collection::vec(0..5_usize, 0..5), text(), any::<bool>())
        .prop_map(|(calls, answers, text, in_one)| Turn::Exchange { calls, answers, text, in_one });
    prop_oneof![
        1 => text().prop_map(Turn::System),
        6 => text().prop_map(Turn::User),
        6 => text().prop_map(Turn::Assistant),
        4 => tidy,
        2 => torn,
    ]
}

fn trimmer() -> impl Strategy<Value = ContextTrimmer> {
    (0..2_000_u64, any::<bool>(), any::<bool>()).prop_map(|(max_tokens, bytes, refuse)| {
        let mut trimmer = ContextTrimmer::new(max_tokens);
        if bytes {
            trimmer = trimmer.counter(Bytes, Framing::OPENAI);
        }
        if refuse { trimmer.oversize(Oversize::Refuse) } else { trimmer }
    })
}

fn total(trimmer: &ContextTrimmer, list: JsonChat<'_>) -> u64 {
    let counts = (0..list.len()).map(|index| trimmer.count(&list.at(index).unwrap()));
    counts.sum::<u64>() + trimmer.counting.per_request()
}

/// All laws at once, for one list.
fn check(form: Form, messages: &[Value], trimmer: &ContextTrimmer) -> Result<(), TestCaseError> {
    let list = form.list(messages);
    let trimmed = match trimmer.trim(&list) {
        Ok(trimmed) => trimmed,
        Err(error) => return check_error(form, list, trimmer, &error),
    };
    let (kept, sent) = (trimmed.kept().to_vec(), trimmed.render());

    // Never over, by the same counter, on what is really sent.
    prop_assert_eq!(total(trimmer, form.list(&sent)), trimmed.tokens());
    prop_assert!(trimmed.tokens() <= trimmer.max_tokens);
    // Never an orphan.
    prop_assert_eq!(refusal(&sent), None);
    // Order is kept, and nothing comes twice.
    prop_assert!(kept.is_sorted_by(|a, b| a < b));
    // Pinned is kept.
    let leading = messages.iter().take_while(|message| message["role"] == "system").count();
    let first_user = messages.iter().position(is_plain_user);
    prop_assert!((0..leading).chain(first_user).all(|index| kept.contains(&index)));
    // What is kept is what it was, but for cuts, whose ends are those of the original.
    for (&index, message) in kept.iter().zip(&sent) {
        let is_cut = trimmed.cuts().iter().any(|cut| cut.message() == index);
        prop_assert_eq!(&messages[index] != message, is_cut);
    }
    // The user begins, and where something fell out, turns alternate if they must.
    if first_user.is_some() {
        let first = sent.iter().find(|message| message["role"] != "system");
        prop_assert!(first.is_some_and(is_plain_user), "{form:?} {kept:?} of {messages:?}");
    }
    for pair in kept.windows(2).filter(|pair| form == Form::Gemini && pair[1] > pair[0] + 1) {
        // A result that answers nothing may fall out of the run behind a call.
        let brings = |index: usize| !ids(&messages[index]).1.is_empty();
        let within = (pair[0] + 1..pair[1]).all(brings)
            && (brings(pair[0]) || !ids(&messages[pair[0]]).0.is_empty());
        prop_assert!(within || is_model(&messages[pair[0]]) != is_model(&messages[pair[1]]));
    }
    // Once trimmed, nothing more falls out.
    let again = form.list(&sent);
    let again = trimmer.trim(&again).unwrap();
    prop_assert_eq!(again.kept().len(), sent.len());
    prop_assert!(again.cuts().is_empty());
    // The numbers are those of the lists.
    let report = trimmed.report();
    prop_assert_eq!(report.tokens_before, total(trimmer, list));
    prop_assert_eq!(report.messages_kept + report.messages_dropped, messages.len());
    Ok(())
}

/// A refusal is true: what must stay is too large, or has no neighbour that may be beside it.
fn check_error(
    form: Form,
    list: JsonChat<'_>,
    trimmer: &ContextTrimmer,
    error: &TrimError,
) -> Result<(), TestCaseError> {
    match *error {
        TrimError::PinnedTooLarge { pinned_tokens, max_tokens } => {
            prop_assert!(pinned_tokens > max_tokens);
            prop_assert!(total(trimmer, list) >= pinned_tokens);
        }
        TrimError::NewestTooLarge { tokens, room_tokens, .. } => {
            prop_assert!(tokens > room_tokens);
        }
        TrimError::Unsendable { .. } => prop_assert_eq!(form, Form::Gemini),
        TrimError::WrongForm { .. } => prop_assert!(false, "{error}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn all_laws_hold_in_all_forms(
        turns in prop::collection::vec(turn(), 0..24),
        trimmer in trimmer(),
    ) {
        for form in FORMS {
            check(form, &form.write(&turns), &trimmer)?;
        }
    }

    #[test]
    fn messages_in_any_order_break_no_law(
        turns in prop::collection::vec(turn(), 0..12),
        trimmer in trimmer(),
        seed in any::<prop::sample::Index>(),
        shuffled in any::<bool>(),
    ) {
        for form in FORMS {
            let mut messages = form.write(&turns);
            if !messages.is_empty() {
                let at = seed.index(messages.len());
                messages.rotate_left(at);
                if shuffled { messages.reverse() } else { messages.extend_from_within(..at) }
            }
            check(form, &messages, &trimmer)?;
        }
    }

    #[test]
    fn what_was_counted_before_changes_nothing(
        turns in prop::collection::vec(turn(), 0..16),
        trimmer in trimmer(),
    ) {
        for form in FORMS {
            let messages = form.write(&turns);
            let list = form.list(&messages);
            let tokens: Vec<u64> =
                (0..list.len()).map(|index| trimmer.count(&list.at(index).unwrap())).collect();
            let with_counts = counted(&list, &tokens);
            let kept = |trimmed: Result<&[usize], TrimError>| trimmed.map(<[usize]>::to_vec);
            let one = trimmer.trim(&list);
            let other = trimmer.trim(&with_counts);
            prop_assert_eq!(
                kept(one.as_ref().map(Trimmed::kept).map_err(Clone::clone)),
                kept(other.as_ref().map(Trimmed::kept).map_err(Clone::clone))
            );
        }
    }

    #[test]
    fn what_is_pinned_stays_or_the_error_says_which_cannot(
        turns in prop::collection::vec(turn(), 0..16),
        trimmer in trimmer(),
        every in 1..6_usize,
    ) {
        let trimmer = trimmer.pin(move |index, _| index % every == 0);
        for form in FORMS {
            let messages = form.write(&turns);
            let list = form.list(&messages);
            match trimmer.trim(&list) {
                Ok(trimmed) => {
                    let kept = trimmed.kept();
                    prop_assert!((0..messages.len()).step_by(every).all(|i| kept.contains(&i)));
                    let sent = trimmed.render();
                    prop_assert_eq!(refusal(&sent), None);
                    prop_assert_eq!(total(&trimmer, form.list(&sent)), trimmed.tokens());
                    prop_assert!(trimmed.tokens() <= trimmer.max_tokens);
                }
                Err(TrimError::Unsendable { index, .. }) => prop_assert!(index < messages.len()),
                Err(error) => check_error(form, list, &trimmer, &error)?,
            }
        }
    }
}
