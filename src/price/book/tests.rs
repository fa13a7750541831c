//! The tests of [`PriceBook`]: which model a name means.

use super::*;
use crate::clock::Timestamp;
use crate::price::Rate;
use crate::usage::{Bucket, Service};
use proptest::prelude::*;

fn owl(provider: &str, id: &str) -> ModelPrice {
    ModelPrice::new(provider, id, Rate::ZERO, Rate::ZERO)
}

fn book(prices: impl IntoIterator<Item = ModelPrice>) -> PriceBook {
    let mut book = PriceBook::empty();
    for price in prices {
        book.insert(price).unwrap();
    }
    book
}

fn found(book: &PriceBook, name: &str) -> String {
    match book.find(name) {
        Ok(model) => model.name().to_string(),
        Err(unknown) => unknown.to_string(),
    }
}

#[test]
fn names_are_matched_exactly_or_without_version_and_date() {
    let book = PriceBook::builtin();
    for (name, expected) in [
        ("gpt-6.1-terra", "openai/gpt-6.1-terra"),
        ("openai/gpt-6.1-terra", "openai/gpt-6.1-terra"),
        ("gpt-5-2025-08-07", "openai/gpt-5"),
        ("openai/gpt-5-2099-01-31", "openai/gpt-5"),
        ("gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"), // a price of its own
        ("gpt-4o-2024-11-20", "openai/gpt-4o"),
        ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "anthropic/claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929-v1:0", "anthropic/claude-sonnet-4-5"),
        ("claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-0"),
        ("openai/gpt-oss-120b", "groq/openai/gpt-oss-120b"), // not OpenAI's own
        ("groq/openai/gpt-oss-120b", "groq/openai/gpt-oss-120b"),
        ("us.amazon.nova-pro-v1:0", "bedrock/amazon.nova-pro-v1:0"), // at the same price
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
    ] {
        assert_eq!(found(&book, name), expected, "{name}");
    }
}

/// genai-prices #471, tokscale #523: an older version's price for a newer model. litellm
/// 1.109.1 answers $0.00 for the first four, and for the real `claude-opus-4-1` and `o1-mini`.
#[test]
fn a_name_that_only_begins_like_a_known_one_is_unknown() {
    let book = PriceBook::builtin();
    for (name, near) in [
        ("gpt-9", "openai/gpt-5"),
        ("claude-opus-4-9", "anthropic/claude-opus-4-8"),
        ("gemini-9-pro", "gemini"),
        ("anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4-5"),
        ("o1-mini", "openai/o3-mini"),
        ("claude-opus-4", "anthropic/claude-opus-4-"),
        ("command-a-vision", ""),
        ("command", ""),
        ("azure/gpt-5", ""),
        ("", ""),
        ("/", ""),
    ] {
        let unknown = book.find(name).unwrap_err();
        let text = unknown.to_string();
        assert!(text.contains("insert a `ModelPrice` for it"), "{name}: {text}");
        assert!(text.contains("this one is of 2026-11-20"), "{name}: {text}");
        assert!(text.contains(near), "{name}: {text}");
        assert!(unknown.candidates().len() <= 3 && !unknown.is_ambiguous);
    }
    assert_eq!(found(&book, "claude-opus-4-1"), "anthropic/claude-opus-4-1");
}

/// Bedrock takes from nothing to 43 % more for a region, and for GovCloud 20 %: no region's price
/// is that of another.
#[test]
fn a_region_without_a_price_is_unknown() {
    let mut book = PriceBook::builtin();
    book.insert(owl("acme", "owl")).unwrap();
    for name in [
        "bedrock/eu.amazon.nova-pro-v1:0",
        "apac.amazon.nova-lite-v1:0",
        "us-gov.amazon.nova-micro-v1:0",
        "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "ca.anthropic.claude-haiku-4-5-20251001-v1:0",
        "eu.gpt-5-mini",
        "us.claude-opus-5",
        "jp.claude-opus-5-20260101",
        "global.owl",
        "acme/au.owl",
    ] {
        let unknown = book.find(name).unwrap_err();
        assert!(!unknown.is_ambiguous, "{name}");
        assert!(unknown.to_string().contains("insert a `ModelPrice`"), "{name}: {unknown}");
    }
    let near = book.find("us.claude-opus-5").unwrap_err().to_string();
    assert!(near.contains("did you mean"), "{near}");
    for (name, dollars) in [
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3"),
        ("bedrock/au.anthropic.claude-haiku-4-5-20251001-v1:0", "1.1"),
        ("eu.anthropic.claude-opus-4-8", "5.5"),
        ("global.anthropic.claude-opus-4-8", "5"),
    ] {
        let model = book.find(name).unwrap();
        let rate = model.price().rate_of(Bucket::Input, &Service::Standard, 1, Timestamp::MAX);
        assert_eq!(rate.unwrap().unwrap().0.to_string(), dollars, "{name}");
    }
}

/// `gemini-3-flash` is no model of Google's, and a reseller's price for it is not what the name
/// alone means.
#[test]
fn a_bare_name_is_not_a_resellers() {
    let entry = |provider: &str, input: &str| {
        format!(
            r#"{{"litellm_provider": "{provider}", "mode": "chat",
                "input_cost_per_token": {input}, "output_cost_per_token": 1e-06}}"#
        )
    };
    let list = format!(
        r#"{{"kyma/gemini-3-flash": {kyma}, "openrouter/openai/gpt-9": {router},
            "together_ai/acme/owl": {together}, "azure/gpt-5": {azure}, "gpt-5": {openai},
            "mistral/glm-5-2": {mistral}, "mistral/mistral-new": {mistral},
            "groq/qwen3-lark": {groq}, "nebius/qwen3-lark": {nebius},
            "kyma/mine": {kyma}}}"#,
        kyma = entry("kyma", "1e-06"),
        router = entry("openrouter", "1e-06"),
        together = entry("together_ai", "1e-06"),
        azure = entry("azure", "2e-06"),
        openai = entry("openai", "1e-06"),
        mistral = entry("mistral", "1e-06"),
        groq = entry("groq", "1e-06"),
        nebius = entry("nebius", "1e-06"),
    );
    let list = PriceBook::from_list(list).unwrap();
    let mut merged = PriceBook::builtin();
    merged.merge(&list.book);
    for book in [&list.book, &merged] {
        for (name, meant) in [
            ("kyma/gemini-3-flash", "kyma/gemini-3-flash"),
            ("openrouter/openai/gpt-9", "openrouter/openai/gpt-9"),
            ("together_ai/acme/owl", "together/acme/owl"), // the list's own key
            ("together/acme/owl", "together/acme/owl"),
            ("gpt-5", "openai/gpt-5"),
            ("azure/gpt-5", "azure/gpt-5"),
            ("mistral-new", "mistral/mistral-new"),
            ("mistral/glm-5-2", "mistral/glm-5-2"),
        ] {
            assert_eq!(found(book, name), meant, "{name}");
        }
        for (name, candidate) in [
            ("gemini-3-flash", "`kyma/gemini-3-flash`"),
            ("gemini-3-flash-20260131", "`kyma/gemini-3-flash`"),
            ("openai/gpt-9", "`openrouter/openai/gpt-9`"), // asked of OpenAI itself
            ("acme/owl", "`together/acme/owl`"),
            ("glm-5-2", "`mistral/glm-5-2`"),
            ("qwen3-lark", "`groq/qwen3-lark`, `nebius/qwen3-lark`"),
        ] {
            let refused = book.find(name).unwrap_err();
            assert!(refused.is_ambiguous, "{name}: {refused}");
            assert!(refused.to_string().contains(candidate), "{name}: {refused}");
        }
    }
    // A price that a user inserts is found by its name, and so is what was found before.
    merged.alias("mine", "kyma/mine").unwrap();
    merged.insert(owl("kyma", "gemini-3-flash")).unwrap();
    assert_eq!(found(&merged, "mine"), "kyma/mine");
    assert_eq!(found(&merged, "gemini-3-flash"), "kyma/gemini-3-flash");
    let mut again = merged.clone();
    again.merge(&list.book);
    assert_eq!(found(&again, "gemini-3-flash"), "kyma/gemini-3-flash");
}

#[test]
fn an_id_of_several_providers_needs_one() {
    let book =
        book([owl("azure", "gpt-5"), owl("openai", "gpt-5").alias("five"), owl("x", "five")]);
    let ambiguous = book.find("gpt-5").unwrap_err();
    assert!(ambiguous.is_ambiguous);
    assert_eq!(
        ambiguous.to_string(),
        "`gpt-5` is offered by several providers at prices of their own; \
         name one of them: `azure/gpt-5`, `openai/gpt-5`"
    );
    assert_eq!(found(&book, "azure/gpt-5"), "azure/gpt-5");
    assert_eq!(found(&book, "five"), "x/five", "an id before an alias");
    assert_eq!(&**book.find_from("openai", "five").unwrap().name(), "openai/gpt-5");
    assert_eq!(&**book.find_from("azure", "gpt-5-2025-08-07").unwrap().name(), "azure/gpt-5");
    assert_eq!(&**book.find_from("azure", "five").unwrap().name(), "x/five");
    assert_eq!(&**book.find_in("openai", "gpt-5").unwrap().name(), "openai/gpt-5");
    assert!(book.find_in("azure", "five").is_err());
}

#[test]
fn a_later_price_replaces_an_older_one_and_says_who_said_it() {
    let mut list = book([owl("acme", "owl").alias("hoot").source("list")]);
    let mut copy = list.clone();
    let old = list.insert(owl("acme", "owl").alias("screech").source("me")).unwrap();
    assert_eq!(old.unwrap().read_in(), Some("list"));
    assert_eq!((list.len(), list.find("owl").unwrap().price().read_in()), (1, Some("me")));
    assert!(list.find("hoot").is_err() && list.find("screech").is_ok());
    assert!(copy.find("hoot").is_ok(), "a clone keeps its own prices");

    copy.insert(owl("acme", "lark")).unwrap();
    copy.alias("bird", "acme/owl").unwrap();
    list.merge(&copy);
    let names: Vec<String> = list.iter().map(|price| price.name().to_string()).collect();
    assert_eq!(names, ["acme/owl", "acme/lark"]);
    assert_eq!(list.find("bird").unwrap().price().read_in(), Some("list"));
    assert!(list.find("hoot").is_ok() && list.find("screech").is_ok(), "names stay");
    list.insert(owl("acme", "jay").alias("hoot")).unwrap();
    assert_eq!(found(&list, "hoot"), "acme/jay", "the later of two aliases");
}

/// A program that asks for `gpt-5` still gets that of OpenAI when a list of all the world is
/// merged in, and it does not become ambiguous.
#[test]
fn a_merge_changes_prices_and_no_meaning() {
    let mut gem = owl("google", "gem");
    gem.retired = true;
    let mut book =
        book([owl("openai", "gpt-5").alias("five").max_output(9).source("built-in"), gem]);
    let mut list = PriceBook::empty();
    for (provider, id) in [("azure", "gpt-5"), ("azure", "gpt-5-2026-01-01"), ("x", "five")] {
        list.insert(owl(provider, id).source("list")).unwrap();
    }
    list.insert(owl("openai", "gpt-5").context_window(8).source("list")).unwrap();
    list.insert(owl("vertex", "gem")).unwrap();
    list.insert(owl("vertex", "new")).unwrap();
    list.insert(owl("azure", "new")).unwrap();
    list.mean("gem", "vertex", "gem");
    list.mean("new", "azure", "new");
    book.merge(&list);
    for (name, meant) in [
        ("gpt-5", "openai/gpt-5"),
        ("five", "openai/gpt-5"),
        ("x/five", "x/five"),
        ("azure/gpt-5", "azure/gpt-5"),
        ("gpt-5-2026-01-01", "openai/gpt-5"),
        ("gem", "google/gem"),
        ("new", "azure/new"), // not that which comes in first
    ] {
        assert_eq!(found(&book, name), meant, "{name}");
    }
    let model = book.find("gpt-5").unwrap();
    let price = model.price();
    assert_eq!(price.read_in(), Some("list"));
    assert_eq!((price.max_output_tokens(), price.context_window_tokens()), (Some(9), Some(8)));

    // The list gives the other name to another model of the same provider: so be it.
    let mut newer = PriceBook::empty();
    newer.insert(owl("openai", "gpt-6").alias("five")).unwrap();
    newer.insert(owl("openai", "gpt-5")).unwrap();
    newer.insert(owl("google", "gem")).unwrap();
    newer.insert(owl("openai", "gpt-5-2026-01-01")).unwrap();
    book.merge(&newer);
    let dated = found(&book, "gpt-5-2026-01-01");
    assert_eq!(dated, "openai/gpt-5-2026-01-01", "the same provider's own, once it is known");
    assert_eq!(&**book.find_in("openai", "five").unwrap().name(), "openai/gpt-6");
    assert!(book.find("google/gem").unwrap().price().is_retired(Timestamp::MIN));
}

#[test]
fn names_of_ones_own_come_last() {
    let mut book = PriceBook::builtin();
    book.alias("default", "gpt-6.1-terra").unwrap();
    book.alias("gpt-5", "gpt-6.1-terra").unwrap();
    assert_eq!(found(&book, "default"), "openai/gpt-6.1-terra");
    assert_eq!(found(&book, "gpt-5"), "openai/gpt-5");
    assert!(book.alias("mine", "gpt-9").unwrap_err().to_string().contains("`gpt-9`"));
}

#[test]
fn every_listed_name_finds_its_own_model() {
    let book = PriceBook::builtin();
    for price in book.iter() {
        for name in price.aliases().chain([price.id(), price.name()]) {
            assert_eq!(found(&book, name), **price.name(), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn no_name_panics_and_none_is_found_by_chance(name in "\\PC{0,100}") {
        let unknown = PriceBook::builtin().find(&name);
        prop_assert!(unknown.is_err() && !unknown.unwrap_err().to_string().is_empty());
    }

    #[test]
    fn no_dressed_up_name_panics(
        name in "(openai/|us\\.|/|é)?(gpt-5|claude-opus-4-8|/|é)(-|@)?(20251101|2025-11-0é)?(-v1:0)?",
    ) {
        let _ = PriceBook::builtin().find(&name);
        let _ = PriceBook::builtin().find_from(&name, &name);
    }
}
