//! How fast the token counters are: `cargo bench --bench tokens [--features tiktoken]`.

use bursar::usage::tokens::{Heuristic, TokenCounter};
use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
}

/// This repository's own prose, code and JSON-like text, some 100 KB.
fn text() -> String {
    let parts = [include_str!("../src/usage/mod.rs"), include_str!("../src/usage/tokens/scan.rs")];
    parts.concat().repeat(3)
}

#[divan::bench]
fn heuristic(bencher: Bencher<'_, '_>) {
    measure(bencher, &Heuristic::new());
}

#[divan::bench]
fn heuristic_upper_bound(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher.counter(BytesCount::of_str(&text)).bench(|| Heuristic::new().upper_bound(&text));
}

#[divan::bench]
fn heuristic_chinese(bencher: Bencher<'_, '_>) {
    let text = "预算必须在调用之前检查,在调用之后结算。".repeat(2_000);
    bencher.counter(BytesCount::of_str(&text)).bench(|| Heuristic::new().count(&text));
}

#[cfg(feature = "tiktoken")]
#[divan::bench]
fn tiktoken(bencher: Bencher<'_, '_>) {
    measure(bencher, &bursar::usage::tokens::Tiktoken::O200K_BASE);
}

/// Stops early: 1,000 tokens of the same text.
#[cfg(feature = "tiktoken")]
#[divan::bench]
fn tiktoken_up_to_1000(bencher: Bencher<'_, '_>) {
    let text = text();
    bencher.bench(|| bursar::usage::tokens::Tiktoken::O200K_BASE.count_up_to(&text, 1_000));
}

fn measure(bencher: Bencher<'_, '_>, counter: &dyn TokenCounter) {
    let text = text();
    bencher.counter(BytesCount::of_str(&text)).bench(|| counter.count(&text));
}
