//! Tests of the public price lists as they are published, where they are at hand: set
//! `BURSAR_PRICE_LISTS` to a folder with LiteLLM's `litellm_model_prices_and_context_window.json` and
//! genai-prices' `genai_prices_v2_data.json`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bursar::clock::Timestamp;
use bursar::price::{ListReport, Terms};
use bursar::{PriceBook, Usage};

fn loaded(file: &str) -> Option<ListReport> {
    let Some(folder) = std::env::var_os("BURSAR_PRICE_LISTS") else {
        println!("skipped: BURSAR_PRICE_LISTS names no folder with the published lists");
        return None;
    };
    let bytes = std::fs::read(PathBuf::from(folder).join(file)).unwrap();
    let begun = Instant::now();
    let loaded = PriceBook::from_list(&bytes).unwrap();
    let took = begun.elapsed();
    println!("{file}: {took:?}; {loaded}");
    if !cfg!(debug_assertions) {
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
    if std::env::var_os("BURSAR_PRICE_LISTS_IN_FULL").is_some() {
        for finding in loaded.refused.iter().chain(&loaded.remarks) {
            println!("  {finding}");
        }
    }
    Some(loaded)
}

/// The standard costs on which the built-in list and this one differ.
fn differences(list: &PriceBook) -> (usize, Vec<String>) {
    let at: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let (mut both, mut found) = (0, Vec::new());
    for ours in PriceBook::builtin().iter() {
        let Ok(theirs) = list.find_in(ours.provider(), ours.id()) else { continue };
        both += 1;
        for usage in [
            Usage::tokens(1, 0),
            Usage::tokens(1, 1),
            Usage::tokens(300_000, 0),
            Usage::tokens(300_000, 1),
        ] {
            let cost = |price: &bursar::ModelPrice| {
                let cost = price.cost(&usage, &Terms::default(), at);
                cost.map_or("none".to_owned(), |cost| cost.exact().to_string())
            };
            let (our, their) = (cost(ours), cost(theirs.price()));
            if our != their {
                let (input, output) = (usage.input_tokens(), usage.output_tokens());
                found.push(format!("{} {input} in, {output} out: {our}, {their}", ours.name()));
            }
        }
    }
    (both, found)
}

#[test]
fn the_published_lists_are_read_whole() {
    for (file, models) in [
        ("litellm_model_prices_and_context_window.json", 3_000),
        ("genai_prices_v2_data.json", 1_200),
    ] {
        let Some(list) = loaded(file) else { return };
        assert!(list.book.len() > models, "{}", list.book.len());
        let (both, differences) = differences(&list.book);
        println!("{both} models in both lists, {} costs differ:", differences.len());
        println!("  {}", differences.join("\n  "));
        let mut book = PriceBook::builtin();
        book.merge(&list.book);
        for ours in PriceBook::builtin().iter() {
            let found = book.find(ours.id()).unwrap();
            if **found.name() == *ours.id() {
                continue; // a provider and its model, named in full
            }
            let name = ours.name();
            assert_eq!(found.price().provider(), ours.provider(), "{name} keeps its meaning");
        }
    }
}
