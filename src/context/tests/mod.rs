//! Tests of trimming: tables, what must be refused, what is cut, what is reported.

mod items;
mod properties;
mod stories;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::price::PriceBook;

/// Counts a token for each byte, so that sums can be done in the head.
pub(super) struct Bytes;

impl TokenCounter for Bytes {
    fn count(&self, text: &str) -> u64 {
        text.len() as u64
    }

    fn upper_bound(&self, text: &str) -> u64 {
        self.count(text)
    }
}

/// Counts a token for each word, and nothing around messages.
struct Words;

impl TokenCounter for Words {
    fn count(&self, text: &str) -> u64 {
        let words = text.split_whitespace().filter(|word| !ROLES.contains(word)).count();
        words as u64
    }

    fn upper_bound(&self, text: &str) -> u64 {
        self.count(text)
    }
}

const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

fn bare() -> Framing {
    let mut framing = Framing::CAUTIOUS;
    framing.per_message = 0;
    framing.per_request = 0;
    framing
}

/// Counts the words of texts alone.
pub(super) fn words(max_tokens: u64) -> ContextTrimmer {
    ContextTrimmer::new(max_tokens).counter(Words, bare())
}

/// `s` system, `u` user, `a` assistant, `c` a call, `r` its result, `x` the result of no call; the
/// number behind is the count of words (of a call: one for its name).
pub(super) fn chat(script: &str) -> Vec<ChatMessage> {
    let mut calls = 0;
    let message = |word: &str| {
        let (kind, count) = word.split_at(1);
        let text = "w ".repeat(count.parse().unwrap_or(1));
        match kind {
            "s" => ChatMessage::system(text),
            "u" => ChatMessage::user(text),
            "a" => ChatMessage::assistant(text),
            "c" => {
                calls += 1;
                ChatMessage::assistant("").call(format!("call_{calls}"), "tool_name", "")
            }
            "r" => ChatMessage::tool(format!("call_{calls}"), text),
            _ => ChatMessage::tool("nobody", text),
        }
    };
    script.split_whitespace().map(message).collect()
}

#[test]
fn what_is_pinned_stays_and_of_the_rest_what_is_newest() {
    let table: &[(&str, u64, &[usize])] = &[
        ("", 0, &[]),
        ("s1", 1, &[0]),
        ("u1", 1, &[0]),
        ("s1 u1 a5 u5 a5 u5", 22, &[0, 1, 2, 3, 4, 5]),
        ("s1 u1 a5 u5 a5 u5", 21, &[0, 1, 3, 4, 5]),
        ("s1 u1 a5 u5 a5 u5", 7, &[0, 1, 5]),
        // The first that does not fit ends it, though an older one would fit.
        ("u1 a1 u1 a9 u1", 5, &[0, 4]),
        // A call and its results are one thing.
        ("u1 c r5 a1 u1", 9, &[0, 1, 2, 3, 4]),
        ("u1 c r5 a1 u1", 8, &[0, 3, 4]),
        ("u1 c r5", 7, &[0, 1, 2]),
        ("u1 a1 c r5", 7, &[0, 2, 3]),
        // Instructions in the middle are messages like others.
        ("s1 s1 u1 a3 s3 u1", 8, &[0, 1, 2, 4, 5]),
        // No leading assistant message, unless the user says nothing at all.
        ("a1 u1 a1 u1", 9, &[1, 2, 3]),
        ("s1 a1 u1", 9, &[0, 2]),
        ("s1 c r1 c r1", 4, &[0, 3, 4]),
    ];
    for (script, max_tokens, kept) in table {
        let chat = chat(script);
        let trimmed = words(*max_tokens).trim(&chat).unwrap();
        assert_eq!(trimmed.kept(), *kept, "{script} in {max_tokens}");
        assert!(trimmed.tokens() <= *max_tokens);
        let all: Vec<usize> = trimmed.dropped().collect();
        assert_eq!(all.len() + kept.len(), chat.len());
        assert!(all.iter().all(|index| !kept.contains(index)));
    }
}

#[test]
fn what_no_provider_takes_falls_out_even_if_there_is_room() {
    let table: &[(&str, &[usize])] = &[
        ("x1", &[]),
        ("x1 x1 u1", &[2]),
        ("u1 x1 a1", &[0, 2]),
        ("u1 c a1", &[0, 2]),
        ("u1 c u1 r1", &[0, 2]),
        ("u1 c r1 x1 a1", &[0, 1, 2, 4]),
        ("u1 c x1 r1 a1", &[0, 1, 3, 4]),
        // The second result of one call.
        ("u1 c r1 r1 a1", &[0, 1, 2, 4]),
        // A call at the end that is not answered yet.
        ("u1 c", &[0]),
        ("u1 c x1", &[0]),
    ];
    for (script, kept) in table {
        assert_eq!(words(99).trim(&chat(script)).unwrap().kept(), *kept, "{script}");
    }
}

#[test]
fn parallel_calls_stay_or_go_with_all_their_results() {
    let parallel = |ids: &[&str], results: &[&str]| {
        let call = |message: ChatMessage, id: &&str| message.call(*id, "tool_name", "");
        let mut chat =
            vec![ChatMessage::user("w"), ids.iter().fold(ChatMessage::assistant(""), call)];
        chat.extend(results.iter().map(|id| ChatMessage::tool(*id, "w w")));
        chat.push(ChatMessage::user("w"));
        chat
    };
    let whole = parallel(&["a", "b", "c"], &["c", "a", "b"]);
    assert_eq!(words(11).trim(&whole).unwrap().kept(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(words(10).trim(&whole).unwrap().kept(), [0, 5]);
    let one_missing = parallel(&["a", "b", "c"], &["c", "a"]);
    assert_eq!(words(99).trim(&one_missing).unwrap().kept(), [0, 4]);
    let repeated_ids = parallel(&["a", "a"], &["a", "a"]);
    assert_eq!(words(99).trim(&repeated_ids).unwrap().kept(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_pin_holds_the_whole_exchange() {
    let chat = chat("u1 a1 c r3 a5 u5 a5 u1");
    let trimmer = words(7).pin(|index, _| index == 3);
    assert_eq!(trimmer.trim(&chat).unwrap().kept(), [0, 2, 3, 7]);
    let by_role = words(9).pin(|_, message| message.role() == Role::Tool);
    assert_eq!(by_role.trim(&chat).unwrap().kept(), [0, 2, 3, 7]);
    let not_the_first = words(6).pin_first_user(false);
    assert_eq!(not_the_first.trim(&chat).unwrap().kept(), [7]);
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let refusal = |trimmer: ContextTrimmer, script: &str| {
        trimmer.trim(&chat(script)).map(|trimmed| trimmed.kept().to_vec()).unwrap_err()
    };
    let pinned = refusal(words(6), "s3 u4 a1 u1");
    assert_eq!(pinned, TrimError::PinnedTooLarge { pinned_tokens: 7, max_tokens: 6 });
    assert_eq!(
        pinned.to_string(),
        "the pinned messages alone are 7 tokens and max_tokens is 6: raise it, shorten the \
         instructions, or pin less"
    );
    let newest = refusal(words(9).oversize(Oversize::Refuse), "s3 u1 a1 u9");
    assert_eq!(newest, TrimError::NewestTooLarge { index: 3, tokens: 9, room_tokens: 5 });
    // A call cannot be cut, and neither can a text to less than the mark.
    let call = refusal(words(2), "u1 c r9");
    assert_eq!(call, TrimError::NewestTooLarge { index: 2, tokens: 10, room_tokens: 1 });
    let orphan = refusal(words(99).pin(|index, _| index == 1), "u1 x1 u1");
    assert!(matches!(orphan, TrimError::Unsendable { index: 1, .. }), "{orphan}");
    let headless = refusal(words(5).pin_first_user(false), "u1 c r1 c r1 c r1");
    assert!(matches!(headless, TrimError::Unsendable { .. }), "{headless}");
    assert!(headless.to_string().contains("a message of the user must be before it"));
    let turns = refusal(words(3).rules(Rules::GEMINI), "u1 a9 u1");
    assert!(matches!(turns, TrimError::Unsendable { index: 2, .. }), "{turns}");
}

#[test]
fn turns_alternate_where_something_fell_out() {
    let gemini = |max_tokens: u64| words(max_tokens).rules(Rules::GEMINI);
    // The user's question right behind the first message goes too, the answer stays.
    assert_eq!(gemini(6).trim(&chat("u1 a9 u1 a1 u1")).unwrap().kept(), [0, 3, 4]);
    assert_eq!(words(6).trim(&chat("u1 a9 u1 a1 u1")).unwrap().kept(), [0, 2, 3, 4]);
    // What the caller has put side by side stays so.
    assert_eq!(gemini(9).trim(&chat("u1 u1 a1 a1 u1")).unwrap().kept(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_message_that_fits_nowhere_is_cut_between_characters() {
    for text in ["é€😀".repeat(20_000), "👨‍👩‍👧‍👦".repeat(5_000), "x".repeat(200_000)]
    {
        let chat = [ChatMessage::user("short"), ChatMessage::user(text.clone())];
        for max_tokens in [80, 81, 82, 83, 500, 100_000] {
            let trimmer = ContextTrimmer::new(max_tokens).counter(Bytes, Framing::OPENAI);
            let trimmed = trimmer.trim(&chat).unwrap();
            let sent = trimmed.render();
            assert_eq!((sent.len(), trimmed.cuts().len()), (2, 1));
            let (head, tail) = sent[1].text().split_once(ContextTrimmer::MARK).unwrap();
            assert!(text.starts_with(head) && text.ends_with(tail));
            let total = sent.iter().map(|message| trimmer.count(message)).sum::<u64>() + 3;
            assert_eq!(trimmed.tokens(), total);
            assert!(total <= max_tokens && total + 40 > max_tokens, "{total} of {max_tokens}");
            assert_eq!(trimmer.trim(&sent).unwrap().cuts(), []);
        }
    }
}

#[test]
fn of_parallel_results_the_longest_are_cut_to_one_length() {
    let call = ChatMessage::assistant("").call("a", "f", "").call("b", "f", "").call("c", "f", "");
    let results = [("a", 10), ("b", 4_000), ("c", 9_000)];
    let mut chat = vec![ChatMessage::user("w"), call];
    chat.extend(results.map(|(id, bytes)| ChatMessage::tool(id, "x".repeat(bytes))));
    let trimmer = ContextTrimmer::new(1_000).counter(Bytes, bare());
    let trimmed = trimmer.trim(&chat).unwrap();
    let cut: Vec<usize> = trimmed.cuts().iter().map(Cut::message).collect();
    assert_eq!((trimmed.kept(), &*cut), ([0, 1, 2, 3, 4].as_slice(), [3, 4].as_slice()));
    let lengths: Vec<usize> = trimmed.render().iter().map(|message| message.text().len()).collect();
    assert!(lengths[3].abs_diff(lengths[4]) < 4 && lengths[3] > 400, "{lengths:?}");
    assert!((950..=1_000).contains(&trimmed.tokens()));
}

#[test]
fn an_older_message_that_fits_nowhere_gets_what_room_is_left() {
    let text = "x".repeat(9_000);
    let chat = [ChatMessage::user("w"), ChatMessage::assistant(text), ChatMessage::user("why?")];
    let trimmer = ContextTrimmer::new(500).counter(Bytes, bare());
    assert_eq!(trimmer.trim(&chat).unwrap().kept(), [0, 1, 2]);
    let refusing = trimmer.oversize(Oversize::Refuse);
    assert_eq!(refusing.trim(&chat).unwrap().kept(), [0, 2]);
}

#[test]
fn a_report_counts_what_is_kept_and_what_fell_out() {
    let chat = chat("s1 u1 a1000 u500 a5 u5");
    let trimmed = words(12).trim(&chat).unwrap();
    assert_eq!((trimmed.dropped_tokens(), trimmed.dropped_messages().count()), (1_500, 2));
    let expected = json!({
        "messages_kept": 4, "messages_dropped": 2, "messages_cut": 0, "tokens_before": 1_512,
        "tokens_kept": 12, "tokens_dropped": 1_500,
    });
    assert_eq!(serde_json::to_value(trimmed.report()).unwrap(), expected);
}

#[test]
fn what_is_cut_out_is_reported_too() {
    let chat = [ChatMessage::user("go"), ChatMessage::user("x".repeat(10_000))];
    let report = ContextTrimmer::new(1_000).counter(Bytes, bare()).trim(&chat).unwrap().report();
    assert_eq!((report.messages_cut, report.messages_dropped), (1, 0));
    assert_eq!(report.tokens_before, 10_000 + 2 + 8, "two texts and twice the word `user`");
    assert_eq!(report.tokens_kept + report.tokens_dropped, report.tokens_before);
}

#[test]
fn it_does_not_look_at_what_it_does_not_keep() {
    struct Watched(Arc<AtomicUsize>);
    impl Message for Watched {
        fn role(&self) -> Role {
            Role::User
        }

        fn each_piece<'a>(&'a self, visit: &mut dyn FnMut(Piece<'a>)) {
            self.0.fetch_add(1, Ordering::Relaxed);
            visit(Piece::Text("four words in it"));
        }
    }
    let looks = Arc::new(AtomicUsize::new(0));
    let chat: Vec<Watched> = (0..100_000).map(|_| Watched(Arc::clone(&looks))).collect();
    let trimmed = words(40).trim(&chat).unwrap();
    assert_eq!(trimmed.kept().len(), 10);
    assert_eq!(looks.load(Ordering::Relaxed), 11, "what is kept, and the one that did not fit");

    looks.store(0, Ordering::Relaxed);
    let tokens = vec![4; chat.len()];
    assert_eq!(words(40).trim(&counted(&chat, &tokens)).unwrap().kept().len(), 10);
    assert_eq!(looks.load(Ordering::Relaxed), 0, "all are counted");
}

#[test]
fn nothing_is_quadratic() {
    // A hundred thousand results of no call, pins on all of one exchange, one call of 20,000 tools.
    let orphans: Vec<ChatMessage> = (0..100_000).map(|_| ChatMessage::tool("x", "w")).collect();
    assert!(words(5).trim(&orphans).unwrap().kept().is_empty());
    let ids = (0..20_000).map(|n: u32| n.to_string());
    let call = ids.clone().fold(ChatMessage::assistant(""), |call, id| call.call(id, "f", ""));
    let mut chat = vec![ChatMessage::user("w"), call];
    chat.extend(ids.rev().map(|id| ChatMessage::tool(id, "w")));
    let all = words(50_000).pin(|_, _| true);
    assert_eq!(all.trim(&chat).unwrap().kept().len(), 20_002);
}

#[test]
fn media_count_what_is_said_and_data_is_not_text() {
    let data = "A".repeat(1_000_000);
    let image = json!({"role": "user", "content": [
        {"type": "text", "text": "one two"},
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}}]});
    let block = json!({"role": "user", "content": [{"type": "image", "source":
        {"type": "base64", "media_type": "image/png", "data": data.clone()}}]});
    let part = json!({"role": "user", "parts": [{"inlineData": {"data": data}}]});
    let tokens = |list: JsonChat<'_>| words(99_999).trim(&list).unwrap().tokens();
    let image = [image];
    assert_eq!(tokens(openai(&image)), 2 + 73_800);
    assert_eq!(tokens(openai(&image).media_tokens(85)), 2 + 85);
    let (older, gemini_3) = ("claude-sonnet-4-5", "gemini-3.8-flash");
    let model = |name| PriceBook::builtin().find(name).unwrap();
    assert_eq!(tokens(anthropic(&[block]).for_model(&model(older))), 1_600);
    assert_eq!(tokens(gemini(std::slice::from_ref(&part)).for_model(&model(gemini_3))), 2_304);
    // A picture inside what a function answered is one too.
    let shot = json!({"role": "user", "parts": [
        {"functionResponse": {"name": "shot", "response": {}, "parts": [part["parts"][0]]}}]});
    let call = json!({"role": "model", "parts": [{"functionCall": {"name": "shot"}}]});
    let asked = json!({"role": "user", "parts": [{"text": "look"}]});
    assert!(tokens(gemini(&[asked, call, shot]).media_tokens(500)) >= 500);
}

#[test]
fn arguments_count_whatever_they_are_called() {
    let input = json!({"id": "w w w w w", "type": "w w w w w"});
    let call = json!({"role": "assistant", "content": [
        {"type": "tool_use", "id": "t", "name": "f", "input": input}]});
    let trimmer = words(99);
    let count = |list: JsonChat<'_>| trimmer.count(&list.at(0).unwrap());
    assert!(count(anthropic(&[call])) >= 10);
    let call = json!({"role": "model", "parts": [{"functionCall": {"name": "f", "args": input}}]});
    assert!(count(gemini(&[call])) >= 10);
    let result = json!({"role": "user", "parts": [
        {"functionResponse": {"name": "f", "response": input}}]});
    assert!(count(gemini(&[result])) >= 10);
}
