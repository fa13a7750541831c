//! Tests of the price list that comes with this version.

use super::*;

#[test]
fn the_builtin_list_is_whole() {
    let list = PriceBook::from_toml(include_str!("../catalogue.toml")).unwrap();
    assert_eq!(list.len(), 136);
    let dearest: Rate = "2000".parse().unwrap(); // $0.002 a token: above is another unit
    for price in list.iter() {
        let name = price.name();
        assert!(price.read_in().is_some(), "{name}");
        let bound = price.max_output_tokens().is_some();
        let rate = price.rate_of(Bucket::Output, &Service::Standard, 1, Timestamp::MAX);
        if price.fee_of(Bucket::AudioSeconds).is_some() {
            assert_eq!(rate, Ok(None), "{name} is billed by time");
            continue;
        }
        let (rate, _) = rate.unwrap().unwrap();
        assert!(rate < dearest, "{name}: {rate}");
        let embeds = price.max_output_tokens() == Some(0);
        assert_eq!(rate == Rate::ZERO, embeds, "{name}: an output is free only if there is none");
        let input = price.rate_of(Bucket::Input, &Service::Standard, 1, Timestamp::MAX);
        assert!(input.unwrap().unwrap().0 > Rate::ZERO, "{name}");
        assert!(bound || PriceBook::builtin().find(name).is_ok(), "{name}");
    }
}

/// A model that searches at each call is no alias of the plain one: its fee is due although no
/// answer counts it, and once.
#[test]
fn a_search_model_costs_a_fee_for_each_request() {
    for (name, usage, dollars) in [
        ("gpt-4o-mini-search-preview-2025-03-11", Usage::tokens(100, 200), "0.025135"),
        ("gpt-4o-mini-search-preview", Usage::tokens(100, 200), "0.025135"),
        ("gpt-4o-search-preview", Usage::tokens(100, 200), "0.02725"),
        ("gpt-5-search-api-2025-10-14", Usage::tokens(100, 200), "0.012125"),
        (
            "gpt-4o-search-preview",
            Usage { web_search_requests: 3, requests: 1, ..Usage::tokens(100, 200) },
            "0.02725",
        ),
        ("sonar", Usage::tokens(100, 200), "0.0123"),
        ("gpt-4o-mini", Usage::tokens(100, 200), "0.000135"),
    ] {
        assert_eq!(cost_of(name, usage, Service::Standard, NOON), dollars, "{name}");
    }
    let call = model("gpt-4o-mini-search-preview").estimate().input(100).max_output(200);
    assert_eq!(call.cost_at(at(NOON)).unwrap().exact().to_string(), "0.025135");
}

#[test]
fn tools_and_images_have_prices_of_their_own() {
    let tools = Usage { file_search_requests: 1, code_containers: 1, ..Usage::tokens(1_000, 100) };
    let maps = Usage { maps_requests: 1, ..Usage::tokens(1_000, 100) };
    let images = Usage { input_image: 5_500, ..Usage::tokens(20, 0) };
    let drawn = Usage { input_image: 100, output_image: 1_000, ..Usage::tokens(10, 0) };
    for (name, usage, dollars) in [
        ("gpt-5-mini", tools, "0.03295"), // 0.00025 + 0.0002 + 0.0025 + 0.03
        ("gemini-3-flash-preview", maps, "0.0148"),
        ("gemini-2.5-flash", maps, "0.02555"),
        ("embed-v4.0", images, "0.0025874"),
        ("gpt-image-1", drawn, "0.04105"),
        ("gemini-2.5-flash-image", drawn, "0.030033"), // what it reads costs what text does
        ("whisper-1", Usage { audio_seconds: 60, ..Usage::NONE }, "0.006"),
        ("whisper-1", Usage::tokens(1, 0), "`input_uncached`"),
    ] {
        let got = cost_of(name, usage, Service::Standard, NOON);
        assert!(got == dollars || got.contains(dollars), "{name}: {got}, not {dollars}");
    }
    // A hold reaches the dearest that is read or drawn.
    let call = model("gpt-image-1").estimate().input(110).max_output(1_000);
    assert!(call.cost_at(at(NOON)).unwrap() >= "0.0411".parse().unwrap());
    let call = model("gpt-5-mini").estimate().input(1_000).max_output(100);
    let call = call.count(Bucket::FileSearchRequests, 1).count(Bucket::CodeContainers, 1);
    assert_eq!(call.cost_at(at(NOON)).unwrap().exact().to_string(), "0.03295");
}

#[test]
fn the_builtin_prices_are_those_that_were_read() {
    let at: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let book = PriceBook::builtin();
    for (name, input, output, cache_read) in [
        ("openai/gpt-6.2-sol", "2", "10", "0.1"),
        ("openai/gpt-6.2-astra", "8", "40", "0.4"),
        ("openai/gpt-6.1-sol", "2", "10", "0.1"),
        ("openai/gpt-6.1-terra", "1", "5", "0.05"),
        ("openai/gpt-6-astra", "10", "50", "1"),
        ("openai/gpt-6-luna", "0.1", "0.5", "0.01"),
        ("openai/gpt-5.6-sol", "4", "20", "0.4"),
        ("openai/gpt-5.5-pro", "30", "180", "30"),
        ("openai/gpt-5.4-nano", "0.2", "1.25", "0.02"),
        ("openai/gpt-5", "1.25", "10", "0.125"),
        ("openai/gpt-4o", "2.5", "10", "1.25"),
        ("openai/gpt-4o-2024-05-13", "5", "15", "5"),
        ("openai/o1-pro", "150", "600", "150"),
        ("openai/o3", "2", "8", "0.5"),
        ("openai/gpt-3.5-turbo", "0.5", "1.5", "0.5"),
        ("anthropic/claude-fable-5-2", "8", "40", "0.2"),
        ("anthropic/claude-opus-5-5", "4", "20", "0.2"),
        ("anthropic/claude-opus-5", "5", "25", "0.5"),
        ("anthropic/claude-opus-4-6", "5", "25", "0.5"),
        ("anthropic/claude-sonnet-5-5", "2", "10", "0.1"),
        ("anthropic/claude-haiku-4-5", "1", "5", "0.1"),
        ("anthropic/claude-3-5-haiku-latest", "0.8", "4", "0.08"),
        ("google/gemini-4-argon", "2", "10", "0.1"),
        ("google/gemini-2.5-pro", "1.25", "10", "0.125"),
        ("xai/grok-4.5", "2", "6", "0.3"),
        ("deepseek/deepseek-flash", "0.15", "0.6", "0.003"),
        ("mistral/mistral-large-4", "0.7", "2.1", "0.07"),
        ("cohere/command-a-03-2025", "2.5", "10", "2.5"),
        ("groq/openai/gpt-oss-120b", "0.15", "0.6", "0.075"),
        ("bedrock/amazon.nova-micro-v1:0", "0.035", "0.14", "0.00875"),
        ("perplexity/sonar", "1", "1", "1"),
        ("openai/text-embedding-3-small", "0.02", "0", "0.02"),
        ("openai/text-embedding-3-large", "0.13", "0", "0.13"),
        ("google/gemini-embedding-001", "0.15", "0", "0.15"),
        ("mistral/mistral-embed", "0.1", "0", "0.1"),
        ("voyage/voyage-4-large", "0.12", "0", "0.12"),
    ] {
        let model = book.find(name).unwrap();
        let rate = |bucket| {
            let found = model.price().rate_of(bucket, &Service::Standard, 1_000, at);
            found.unwrap().unwrap().0.to_string()
        };
        let got = [Bucket::Input, Bucket::Output, Bucket::CacheRead].map(rate);
        assert_eq!(got, [input, output, cache_read], "{name}");
    }
    let sonar = book.find("sonar").unwrap();
    let fee = Fee::of(Usd::dollars(12), 1_000);
    assert_eq!(sonar.price().fee_of(Bucket::Requests), fee);
    assert_eq!(sonar.price().fee_of(Bucket::WebSearchRequests), Some(Fee::ZERO));
    let opus = book.find("claude-opus-4-1").unwrap();
    assert!(opus.price().is_retired(at));
    let nano = book.find("gpt-5.4-nano").unwrap();
    assert!(!nano.price().is_retired(at) && nano.price().is_retired(Timestamp::MAX));
}

/// What providers have changed since 2026-11-20, read on 2026-11-30.
#[test]
fn the_changes_of_the_last_days_are_in_the_list() {
    let book = PriceBook::builtin();
    let day = |day: &str| -> Timestamp { format!("{day}T00:00:00Z").parse().unwrap() };
    for (name, last, retires) in [
        ("google/gemini-2.5-pro", "2026-11-30", "2026-12-01"),
        ("google/gemini-2.5-flash", "2026-11-30", "2026-12-01"),
        ("google/gemini-embedding-001", "2028-05-13", "2028-05-14"),
        ("openai/gpt-4.1", "2027-01-13", "2027-01-14"),
        ("openai/gpt-4.1-mini", "2027-01-13", "2027-01-14"),
        ("openai/gpt-4o", "2027-01-13", "2027-01-14"),
        ("openai/gpt-4o-mini", "2027-01-13", "2027-01-14"),
        ("mistral/mistral-large-2512", "2027-04-29", "2027-04-30"),
    ] {
        let model = book.find(name).unwrap();
        assert!(!model.price().is_retired(day(last)), "{name}");
        assert!(model.price().is_retired(day(retires)), "{name}");
    }
    let rates = |name: &str, service: Service, input: u64, at: &str| {
        let model = book.find(name).unwrap();
        let rate = |bucket| model.price().rate_of(bucket, &service, input, day(at));
        [Bucket::Input, Bucket::Output, Bucket::CacheRead]
            .map(|bucket| rate(bucket).unwrap().unwrap().0.to_string())
    };
    for (name, service, input, at, expected) in [
        // A moving alias has the price of the model that it moved to.
        ("xai/grok-latest", Service::Standard, 1_000, "2026-12-01", ["2", "6", "0.5"]),
        ("xai/grok-4.5", Service::Standard, 1_000, "2026-12-01", ["2", "6", "0.3"]),
        (
            "google/gemini-3.5-flash-lite",
            Service::Batch,
            1,
            "2026-12-01",
            ["0.15", "1.25", "0.015"],
        ),
        ("openai/text-embedding-3-small", Service::Batch, 1, "2026-12-01", ["0.01", "0", "0.01"]),
        ("openai/text-embedding-3-large", Service::Batch, 1, "2026-12-01", ["0.065", "0", "0.065"]),
        ("google/gemini-embedding-001", Service::Batch, 1, "2026-12-01", ["0.075", "0", "0.075"]),
        ("google/gemini-3.1-pro-preview", Service::Flex, 200_001, "2026-12-01", ["2", "9", "0.4"]),
        ("google/gemini-2.5-pro", Service::Flex, 200_001, "2026-11-30", ["1.25", "7.5", "0.25"]),
        // Its requests go to gemini-3.8-flash, whose price rises: a hold is large enough for both.
        ("google/gemini-2.5-pro", Service::Standard, 1_000, "2026-12-31", ["1.25", "10", "0.125"]),
        ("google/gemini-2.5-pro", Service::Standard, 1_000, "2027-01-01", ["1.5", "10", "0.15"]),
    ] {
        assert_eq!(rates(name, service, input, at), expected, "{name} {at}");
    }
}
