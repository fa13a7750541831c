//! Prints what trimming costs beside a direct translation of the document that the project grew
//! from, each pair measured in turn in the same run, because machines differ and are shared.
//! `cargo bench --bench context_ratios`.

#[path = "common/context.rs"]
mod common;
#[path = "common/in_turn.rs"]
mod in_turn;

use std::hint::black_box;

use bursar::ContextTrimmer;
use bursar::context::{ChatMessage, counted, openai};
use common::{Quarters, TEXT, chat, no_framing, seed_tokens, seed_trim};
use in_turn::{Medians, in_turn};
use serde_json::{Value, json};

const ROUNDS: usize = 301;

type Call<'a> = Box<dyn FnMut() + 'a>;

fn main() {
    println!("| work | messages | kept | µs | the seed's, µs | ratio | aim |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    for count in [10, 1_000, 100_000] {
        windows(count);
    }
    for count in [10, 1_000, 100_000] {
        everything(count);
    }
}

/// 2,000 tokens are kept.
fn windows(count: usize) {
    let (chat, values) = (chat(count), values(count));
    let aim = if count == 100_000 { "below 1,000 µs" } else { "" };
    let quarters = ContextTrimmer::new(2_000).counter(Quarters, no_framing());
    let heuristic = ContextTrimmer::new(2_000);
    let tokens: Vec<u64> = chat.iter().map(|message| heuristic.count(message)).collect();
    let list = openai(&values);
    let of_values: Vec<u64> = values.iter().map(|value| seed_tokens(text_of(value))).collect();

    row("len / 4, as the seed", count, 2_000, &chat, aim, &|| {
        quarters.trim(&chat).unwrap().kept().len()
    });
    row("counted before", count, 2_000, &chat, aim, &|| {
        heuristic.trim(&counted(&chat, &tokens)).unwrap().kept().len()
    });
    row("Heuristic", count, 2_000, &chat, aim, &|| heuristic.trim(&chat).unwrap().kept().len());
    row("JSON, counted before", count, 2_000, &chat, aim, &|| {
        quarters.trim(&counted(&list, &of_values)).unwrap().kept().len()
    });
    row("JSON, Heuristic", count, 2_000, &chat, aim, &|| {
        heuristic.trim(&list).unwrap().kept().len()
    });
}

/// All is kept: what `insert(0)` costs.
fn everything(count: usize) {
    let chat = chat(count);
    let max_tokens = 1_000_000_000;
    let quarters = ContextTrimmer::new(max_tokens).counter(Quarters, no_framing());
    row("all kept, len / 4", count, max_tokens, &chat, "", &|| {
        quarters.trim(&chat).unwrap().kept().len()
    });
}

fn row(
    name: &str,
    count: usize,
    max_tokens: u64,
    chat: &[ChatMessage],
    aim: &str,
    trim: &dyn Fn() -> usize,
) {
    let kept = trim();
    let mut ours: Call<'_> = Box::new(|| {
        black_box(trim());
    });
    let mut theirs: Call<'_> = Box::new(|| drop(black_box(seed_trim(black_box(chat), max_tokens))));
    // The seed takes seconds for the largest; a few rounds of it are enough.
    let rounds = |long: Option<f64>| if long.is_some_and(|nanos| nanos > 1e7) { 3 } else { ROUNDS };
    let Medians { ours, theirs, ratio } = in_turn(&mut ours, &mut theirs, rounds);
    let (our, their) = (ours / 1e3, theirs / 1e3);
    println!("| {name} | {count} | {kept} | {our:.2} | {their:.2} | {ratio:.2} | {aim} |");
}

fn values(count: usize) -> Vec<Value> {
    let message = |n: usize| {
        let role = if n % 2 == 0 { "user" } else { "assistant" };
        json!({"role": role, "content": TEXT.repeat(1 + n % 5)})
    };
    (0..count).map(message).collect()
}

fn text_of(value: &Value) -> &str {
    value["content"].as_str().unwrap()
}
