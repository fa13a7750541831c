//! Prints what reading usage and requests costs beside building their trees, each pair measured in
//! turn in the same run, because machines differ and are shared. `cargo bench --bench usage_ratios`.

#[path = "common/in_turn.rs"]
mod in_turn;

use std::hint::black_box;

use bursar::usage::Request;
use bursar::usage::tokens::Heuristic;
use bursar::{Bill, UsageMeter};
use in_turn::{Medians, in_turn};
use serde_json::Value;

/// Rounds for each pair: more than a minute on the whole would not make the medians steadier.
const ROUNDS: usize = 101;
const EVENTS: usize = 1_000;

type Call<'c> = Box<dyn FnMut() + 'c>;

fn main() {
    println!("| work | bytes | ns | beside | ns | ratio | aim |");
    println!("|---|---:|---:|---|---:|---:|---|");
    for (size, title, aim) in [(2_000, "2 KB", "above 1"), (1_000_000, "1 MB", "at least 3")] {
        for (name, body) in bodies(size) {
            let floor = tree(&body);
            let ours: Call<'_> = Box::new(|| drop(black_box(Bill::from_response(&body))));
            compare(&format!("usage, {title}, {name}"), body.len(), ours, floor, 1, aim);
        }
    }
    for (name, body) in hostile() {
        let ours: Call<'_> = Box::new(|| drop(black_box(Bill::from_response(&body))));
        compare(&format!("usage, hostile: {name}"), body.len(), ours, tree(&body), 1, "");
    }
    stream();
    for (name, request) in requests(1_000_000) {
        let counter = Heuristic::for_model("gpt-6.1-terra");
        let (text, floor) = (&request, tree(&request));
        let ours: Call<'_> = Box::new(move || {
            let read = Request::read(text, "gpt-6.1-terra", &counter);
            assert!(black_box(read).is_ok());
        });
        compare(&format!("request, 1 MB, {name}"), request.len(), ours, floor, 1, "");
    }
}

/// The floor: the tree of the same bytes.
fn tree(text: &str) -> Call<'_> {
    Box::new(|| drop(black_box(serde_json::from_slice::<Value>(black_box(text.as_bytes())))))
}

/// A thousand chat events, per event: as a network brings them, against a tree of each.
fn stream() {
    let event = r#"{"id":"1","object":"chat.completion.chunk","model":"gpt-5","choices":[{"index":0,
        "delta":{"content":" word"},"finish_reason":null}],"usage":null}"#;
    let event = event.replace("\n        ", "");
    let stream = format!("data: {event}\n\n").repeat(EVENTS);
    let ours: Call<'_> = Box::new(|| {
        let mut meter = UsageMeter::new();
        for chunk in stream.as_bytes().chunks(1_400) {
            meter.push(black_box(chunk)).unwrap();
        }
        drop(black_box(meter.finish()));
    });
    let floor: Call<'_> = Box::new(|| {
        for _ in 0..EVENTS {
            drop(black_box(serde_json::from_str::<Value>(black_box(&event))));
        }
    });
    compare("stream of 1,000 events, each", event.len(), ours, floor, EVENTS, "");
}

/// Chat completions whose bulk is text, or numbers.
fn bodies(size: usize) -> Vec<(&'static str, String)> {
    let of_choice = |(name, choice): (&'static str, String)| {
        let body = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1764000000,
            "model":"gpt-5","choices":[{choice}],"usage":{{"prompt_tokens":2006,
            "completion_tokens":812,"total_tokens":2818,"prompt_tokens_details":{{
            "cached_tokens":1920,"audio_tokens":0}},"completion_tokens_details":{{
            "reasoning_tokens":576}}}},"service_tier":"default"}}"#
        );
        (name, body)
    };
    let vectors = fill("-0.006929283495992422,-0.0215,", size);
    let messages = texts(size).into_iter().map(|(name, text)| {
        let message = format!(r#"{{"role":"assistant","content":"{text}"}}"#);
        (name, format!(r#"{{"index":0,"message":{message}}}"#))
    });
    let vectors = ("vectors", format!("[{}]", vectors.trim_end_matches(',')));
    messages.chain([vectors]).map(of_choice).collect()
}

/// Requests with one long message.
fn requests(size: usize) -> Vec<(&'static str, String)> {
    let of_text = |(name, text): (&'static str, String)| {
        let body = match name {
            "base64" => format!(
                r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{text}"}}}}"#
            ),
            _ => format!(r#"{{"type":"text","text":"{text}"}}"#),
        };
        let head = r#""model":"gpt-6.1-terra","max_completion_tokens":800"#;
        (name, format!(r#"{{{head},"messages":[{{"role":"user","content":[{body}]}}]}}"#))
    };
    texts(size).into_iter().map(of_text).collect()
}

/// Text as it stands inside a JSON string.
fn texts(size: usize) -> [(&'static str, String); 3] {
    let prose = "The quick brown fox jumps over the lazy dog, and then it \\\"rests\\\" for a \
                 while under the tree.\\n";
    [
        ("prose", fill(prose, size)),
        ("code", fill(" fn f(a: u8) {\\n\\tprintln!(\\\"x\\\");\\n}\\n", size)),
        ("base64", fill("QUJDREVGR0hJSktMTU5PUFFSU1RVVldY", size)),
    ]
}

/// Bodies of a megabyte that were made to be slow.
fn hostile() -> Vec<(&'static str, String)> {
    let of_unit = |(name, unit): (&'static str, String)| {
        (name, format!("{{{}\"y\":0}}", fill(&unit, 1_000_000)))
    };
    let units = [
        ("escaped quotes", format!(r#""x":"{}","#, r#"\""#.repeat(24))),
        ("escaped escapes", format!(r#""x":"{}","#, r"\\".repeat(24))),
        ("usage again and again", r#""usage":{"prompt_tokens":1,"completion_tokens":2},"#.into()),
        ("brackets", format!(r#""x":{}{},"#, "[".repeat(24), "]".repeat(24))),
    ];
    units.into_iter().map(of_unit).collect()
}

fn fill(unit: &str, size: usize) -> String {
    unit.repeat(size / unit.len())
}

/// Prints the medians, and the median of the ratios, theirs to ours.
fn compare(
    name: &str,
    bytes: usize,
    mut ours: Call<'_>,
    mut theirs: Call<'_>,
    parts: usize,
    aim: &str,
) {
    let Medians { ours, theirs, ratio } = in_turn(&mut ours, &mut theirs, |_| ROUNDS);
    let (our, their) = (ours / parts as f64, theirs / parts as f64);
    println!("| {name} | {bytes} | {our:.0} | `Value` | {their:.0} | {ratio:.2} | {aim} |");
}
