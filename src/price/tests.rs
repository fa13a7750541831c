//! Tests of what a call costs: tables of what users of other tools have suffered.

mod bounds;
mod builtin;
mod properties;

use super::invalid::Invalid;
use super::rate::Fee;
use super::rates::{Block, CACHE_WRITES, Tier};
use super::schedule::{Epoch, Origin};
use super::*;
use crate::clock::Timestamp;
use crate::money::Usd;
use crate::usage::{Bucket, Service, Usage};

const NOON: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

fn model(name: &str) -> Model {
    PriceBook::builtin().find(name).unwrap()
}

fn cost_of(name: &str, usage: Usage, terms: impl Into<Terms>, moment: &str) -> String {
    match model(name).price().cost(&usage, &terms.into(), at(moment)) {
        Ok(cost) => cost.exact().to_string(),
        Err(error) => error.to_string(),
    }
}

fn standard(name: &str, usage: Usage) -> String {
    cost_of(name, usage, Service::Standard, NOON)
}

fn regional() -> Terms {
    Terms { regional: true, ..Terms::default() }
}

fn usage() -> Usage {
    Usage::NONE
}

/// One line, one story: a model, what was used, and what that costs.
#[test]
fn every_bucket_has_its_own_rate() {
    for (story, name, usage, dollars) in [
        (
            "litellm #9812: cached tokens of Anthropic billed as input too, $0.0913 for $0.0544",
            "claude-sonnet-4-5",
            Usage { input_uncached: 3, cache_read: 12_304, output: 1_000, ..usage() },
            "0.0187002", // 3 at $3, 12,304 at $0.30, 1,000 at $15
        ),
        (
            "litellm #5443, #6215: cached tokens at the price of input",
            "gpt-4o",
            Usage { cache_read: 1_000_000, ..usage() },
            "1.25",
        ),
        (
            "opencode #17130: a missing cache price read as zero; here it is that of input",
            "gpt-5.5-pro",
            Usage { cache_read: 1_000_000, ..usage() },
            "60", // above 272,000 tokens, all cached
        ),
        (
            "pi #5603, daiv #1159: writes for 1 hour at the rate of those for 5 minutes",
            "claude-opus-4-8",
            Usage { cache_write_5m: 10_000, cache_write_1h: 10_000, ..usage() },
            "0.1625", // $6.25 and $10
        ),
        (
            "OpenAI's two times to live",
            "gpt-6.1-terra",
            Usage { cache_write_30m: 10_000, cache_write_12h: 10_000, ..usage() },
            "0.0375",
        ),
        (
            "llm-gemini #75, 9router PR #2762: reasoning neither lost nor billed twice",
            "gpt-6.1-terra",
            Usage { output: 236, reasoning: 576, ..usage() },
            "0.00406", // 812 at $5
        ),
        (
            "litellm #12913: $35 for a search instead of $0.035; here $10 for a thousand",
            "gpt-6.1-terra",
            Usage { web_search_requests: 3, ..usage() },
            "0.03",
        ),
        (
            "audio input has a price of its own",
            "gemini-2.5-flash",
            Usage { input_uncached: 1_000, input_audio: 1_000, ..usage() },
            "0.0013",
        ),
        ("nothing used costs nothing", "claude-opus-4-8", usage(), "0"),
    ] {
        assert_eq!(standard(name, usage), dollars, "{story}");
    }
}

/// litellm #16377, genai-prices #241 and #711, claude-code-hub #869.
#[test]
fn the_whole_request_moves_to_the_long_tier() {
    let read = |tokens| Usage { cache_read: tokens, ..usage() };
    for (story, name, usage, dollars) in [
        ("272,000 exactly is still short", "gpt-6.1-terra", Usage::tokens(272_000, 0), "0.272"),
        ("one more is long, all of it", "gpt-6.1-terra", Usage::tokens(272_001, 0), "0.544002"),
        ("output moves too", "gpt-6.1-terra", Usage::tokens(272_001, 1_000), "0.551502"),
        ("output does not count", "gpt-6.1-terra", Usage::tokens(1_000, 272_001), "1.361005"),
        ("200,000 of xAI is already long", "grok-4.6", Usage::tokens(200_000, 0), "0.8"),
        ("one less is short", "grok-4.6", Usage::tokens(199_999, 0), "0.399998"),
        ("cache reads count", "gpt-6.1-terra", read(272_001), "0.0272001"),
        ("cache reads alone, short", "gpt-6.1-terra", read(272_000), "0.0136"),
        (
            "cache writes count",
            "gpt-6.1-terra",
            Usage { input_uncached: 1, cache_write_30m: 272_000, ..usage() },
            "0.680002", // $2 and $2.50
        ),
    ] {
        assert_eq!(standard(name, usage), dollars, "{story}");
    }
    let spoken =
        ModelPrice::new("acme", "owl", rate("1"), rate("1")).rate(Bucket::InputAudio, rate("5"));
    let usage = Usage { input_uncached: 6, input_audio: 5, ..usage() };
    let cost = spoken
        .tier(10, Rates::new(rate("2"), rate("2")))
        .cost(&usage, &Terms::default(), at(NOON))
        .unwrap();
    assert_eq!(cost.pico(), 6 * 2_000_000 + 5 * 5_000_000, "audio counts, at its inherited rate");
}

/// ccusage #1636 ($2,472.81 for $1,923.92), opencode #31150: yesterday's price for today's call.
#[test]
fn a_call_is_priced_at_the_rates_of_its_day() {
    let million = Usage::tokens(200_000, 0);
    for (name, moment, dollars) in [
        ("gemini-4-argon", "2026-11-30T23:59:59.999999Z", "0.4"),
        ("gemini-4-argon", "2026-12-01T00:00:00Z", "0.8"),
        ("gemini-4-argon", "2026-12-01T00:30:00+01:00", "0.4"),
        ("gpt-5.6-luna", "2026-07-29T23:59:59Z", "0.2"),
        ("gpt-5.6-luna", "2026-07-30T00:00:00Z", "0.04"),
        ("gpt-5.6-luna", "1970-01-01T00:00:00Z", "0.2"),
        ("mistral-large-4", "2026-10-19T12:00:00Z", "0.136"),
        ("mistral-large-4", "2026-10-20T12:00:00Z", "0.272"),
        ("mistral-large-4", "2026-10-29T12:00:00Z", "0.14"),
    ] {
        assert_eq!(cost_of(name, million, Service::Standard, moment), dollars, "{name} {moment}");
    }
    let early = cost_of("gpt-6.2-sol", million, Service::Standard, "2026-11-16T23:59:59Z");
    assert!(early.contains("before the first one"), "{early}");
    for moment in [Timestamp::MIN, Timestamp::MAX] {
        let price = model("gemini-4-argon");
        assert!(price.price().cost(&million, &Terms::default(), moment).is_ok());
    }
}

/// genai-prices #582 and llm-gateway #2755: the hours count in Beijing, and weekends are no peak.
#[test]
fn peak_hours_are_those_of_the_vendors_clock() {
    for (moment, peak) in [
        ("2026-11-24T00:59:59Z", false), // Tuesday, 08:59:59 in Beijing
        ("2026-11-24T01:00:00Z", true),
        ("2026-11-24T03:59:59Z", true),
        ("2026-11-24T04:00:00Z", false), // noon
        ("2026-11-24T06:00:00Z", true),
        ("2026-11-24T09:59:59Z", true),
        ("2026-11-24T10:00:00Z", false),
        ("2026-11-27T02:00:00Z", true),  // Friday
        ("2026-11-28T02:00:00Z", false), // Saturday
        ("2026-11-29T02:00:00Z", false), // Sunday
        ("2026-11-30T00:30:00Z", false), // Monday, 08:30
        ("2026-10-01T02:00:00Z", true),  // a public holiday: charged as peak, see `Peak`
    ] {
        let expected = if peak { "0.9012" } else { "0.4506" };
        let usage = Usage { cache_read: 200_000, ..Usage::tokens(1_000_000, 500_000) };
        let got = cost_of("deepseek-flash", usage, Service::Standard, moment);
        assert_eq!(got, expected, "{moment}");
    }
    let before = Usage::tokens(1_000_000, 0);
    let got = cost_of("deepseek-v4-pro", before, Service::Standard, "2026-08-14T02:00:00Z");
    assert_eq!(got, "0.435", "the older price knew no peak");
}

/// genai returns the standard price for a tier that it does not know: 44 % too low for priority.
#[test]
fn a_service_tier_has_its_own_price_or_none() {
    let short = Usage::tokens(100_000, 1_000);
    let long = Usage::tokens(300_000, 1_000);
    for (story, name, service, usage, moment, expected) in [
        ("half", "gpt-6.1-terra", Service::Batch, short, NOON, "0.0525"),
        ("batch has tiers of its own", "gpt-6.1-terra", Service::Batch, long, NOON, "0.30375"),
        ("priority too", "gpt-6.1-terra", Service::Priority, long, NOON, "1.215"),
        (
            "priority without long tiers: the larger of $12.5 and $10, of $75 and $45",
            "gpt-5.5",
            Service::Priority,
            long,
            NOON,
            "3.825",
        ),
        (
            "flex without long tiers: the larger of $15 and $60, of $90 and $270",
            "gpt-5.5-pro",
            Service::Flex,
            long,
            NOON,
            "18.27",
        ),
        ("below the tier it is its own", "gpt-5.5-pro", Service::Flex, short, NOON, "1.59"),
        ("fast is twice", "claude-opus-4-8", Service::Fast, short, NOON, "1.05"),
        ("no fast", "claude-opus-4-7", Service::Fast, short, NOON, "`fast`"),
        ("no priority", "claude-opus-4-8", Service::Priority, short, NOON, "`priority`"),
        ("no flex", "claude-opus-4-1", Service::Flex, short, NOON, "`flex`"),
        (
            "the older epoch has no batch",
            "gpt-5.6-sol",
            Service::Batch,
            short,
            "2026-08-20T00:00:00Z",
            "`batch`",
        ),
        (
            "nor the later one",
            "gemini-4-argon",
            Service::Batch,
            short,
            "2026-12-01T00:00:00Z",
            "`batch`",
        ),
        ("turbo", "gpt-6.1-terra", Service::from("turbo"), short, NOON, "`turbo`"),
    ] {
        let got = cost_of(name, usage, service, moment);
        if expected.starts_with('`') {
            assert!(
                got.contains(expected) && got.contains("write its price down"),
                "{story}: {got}"
            );
        } else {
            assert_eq!(got, expected, "{story}");
        }
    }
}

/// litellm 1.109.1 bills a batched 1-hour write at 0.01875 per 10,000 tokens instead of 0.03.
#[test]
fn services_cross_with_cache_writes() {
    let usage = Usage { cache_write_1h: 10_000, ..usage() };
    assert_eq!(cost_of("claude-sonnet-4-5", usage, Service::Batch, NOON), "0.03");
    let read = Usage { cache_read: 1_000_000, ..Usage::NONE };
    assert_eq!(cost_of("gpt-5.4", read, Service::Batch, NOON), "0.25", "published, not derived");
    let read = Usage { cache_read: 100_000, ..read };
    assert_eq!(cost_of("gpt-5.4", read, Service::Batch, NOON), "0.013", "published, not derived");
}

#[test]
fn data_residency_costs_a_tenth_more_on_tokens_only() {
    let usage = Usage { web_search_requests: 1, ..Usage::tokens(100_000, 1_000) };
    assert_eq!(cost_of("gpt-6.1-terra", usage, regional(), NOON), "0.1255"); // 0.105 * 1.1 + 0.01
    assert_eq!(cost_of("claude-opus-4-8", usage, regional(), NOON), "0.5875");
    let terms = Terms { service: Service::Batch, regional: true };
    assert_eq!(cost_of("claude-opus-4-8", usage, terms, NOON), "0.29875");
    let unknown = cost_of("gpt-5", usage, regional(), NOON);
    assert!(unknown.contains("as 1 if there is none"), "{unknown}");
}

/// Law 9: unknown is not free.
#[test]
fn what_has_no_price_is_an_error_and_never_zero() {
    for (usage, hint) in [
        (Usage { input_audio: 1, ..usage() }, "`input_audio`"),
        (Usage { cache_read_audio: 1, ..usage() }, "`cache_read_audio`"),
        (Usage { output_audio: 1, ..usage() }, "`output_audio`"),
        (Usage { output_image: 1, ..usage() }, "`output_image`"),
        (Usage { requests: 1, ..usage() }, "`requests`"),
        (Usage { audio_seconds: 1, ..usage() }, "`audio_seconds`"),
        (Usage { maps_requests: 1, ..usage() }, "`maps_requests`"),
        (Usage::tokens(Usage::MAX_COUNT, 1), "a trillion"),
        (Usage::tokens(u64::MAX, u64::MAX), "a trillion"),
        (Usage { web_search_requests: u64::MAX, ..usage() }, "a trillion"),
        (Usage { code_containers: Usage::MAX_COUNT + 1, ..usage() }, "a trillion"),
    ] {
        let got = standard("gpt-6.1-terra", usage);
        assert!(got.contains(hint), "{usage:?}: {got}");
    }
    let got = standard("codestral-2508", Usage { web_search_requests: 1, ..usage() });
    assert!(got.contains("`web_search_requests`"), "{got}");
}

#[test]
fn free_is_a_price_that_somebody_wrote_down() {
    let free = ModelPrice::free("ollama", "qwen3:8b");
    let mut usage = Usage::NONE;
    Bucket::ALL.iter().for_each(|bucket| usage.set(*bucket, 9));
    for service in [Service::Standard, Service::Batch, Service::from("turbo")] {
        let terms = Terms { service, regional: true };
        assert_eq!(free.cost(&usage, &terms, at(NOON)), Ok(Usd::ZERO));
    }
    assert!(free.cost(&Usage::tokens(u64::MAX, 0), &Terms::default(), at(NOON)).is_err());
    let zero = ModelPrice::new("acme", "gift", Rate::ZERO, Rate::ZERO);
    assert_eq!(zero.cost(&Usage::tokens(9, 9), &Terms::default(), at(NOON)), Ok(Usd::ZERO));
}

#[test]
fn a_cost_is_rounded_once_half_to_even_and_a_known_part_up() {
    for (atto_per_token, tokens, cost, known) in [
        (1, 499_999, 0, 1),
        (1, 500_000, 0, 1),
        (1, 500_001, 1, 1),
        (1, 1_500_000, 2, 2),
        (1, 2_500_000, 2, 3),
        (3, 500_000, 2, 2), // each token on its own would be nothing
        (1, 2_000_000, 2, 2),
    ] {
        let owl = ModelPrice::new("acme", "owl", Rate::from_atto(atto_per_token), Rate::ZERO);
        let usage = Usage::tokens(tokens, 0);
        let terms = Terms::default();
        assert_eq!(owl.cost(&usage, &terms, at(NOON)).unwrap().pico(), cost, "{tokens}");
        assert_eq!(owl.known_cost(&usage, &terms, at(NOON)).pico(), known, "{tokens}");
    }
    let owl = ModelPrice::new("acme", "owl", Rate::from_atto(1), Rate::ZERO);
    let owl = owl.regional("1.1".parse().unwrap());
    let cost = |tokens| owl.cost(&Usage::tokens(tokens, 0), &regional(), at(NOON)).unwrap().pico();
    assert_eq!((cost(454_545), cost(454_546)), (0, 1), "the surcharge comes before the rounding");
}

#[test]
fn the_largest_possible_call_is_priced_exactly() {
    let dearest = ModelPrice::new("acme", "owl", Rate::MAX, Rate::MAX)
        .fee(Bucket::WebSearchRequests, Usd::dollars(1))
        .fee(Bucket::Requests, Usd::dollars(1))
        .regional("9.999999".parse().unwrap());
    let most = Usage {
        requests: Usage::MAX_COUNT,
        web_search_requests: Usage::MAX_COUNT,
        ..Usage::tokens(Usage::MAX_COUNT, 0)
    };
    let cost = dearest.cost(&most, &regional(), at(NOON)).unwrap();
    assert_eq!(cost.exact().to_string(), "2099999990000"); // 1e10 * 9.999999 + 2e12
    assert_eq!(dearest.known_cost(&most, &regional(), at(NOON)), cost);
}

#[test]
fn of_what_cannot_be_priced_the_known_part_is() {
    let owl = model("gpt-6.1-terra");
    let known = |usage, terms: Terms, moment: &str| {
        owl.price().known_cost(&usage, &terms, at(moment)).exact().to_string()
    };
    let spoken = Usage { output_audio: 50, requests: 1, ..Usage::tokens(1_000, 100) };
    assert_eq!(known(spoken, Terms::default(), NOON), "0.0015");
    assert_eq!(known(spoken, Service::from("turbo").into(), NOON), "0.0015");
    assert_eq!(known(spoken, regional(), NOON), "0.00165");
    assert_eq!(known(Usage::tokens(u64::MAX, 1), Terms::default(), NOON), "0");
    let unborn = model("gpt-6.2-sol");
    let usage = Usage::tokens(1_000, 0);
    let then = at("2020-01-01T00:00:00Z");
    let known = unborn.price().known_cost(&usage, &Terms::default(), then);
    assert_eq!(known.exact().to_string(), "0.002");
}

#[test]
fn every_rate_says_where_it_comes_from() {
    let terra = model("gpt-5.5");
    let of = |bucket, service: Service, input| {
        let found = terra.price().rate_of(bucket, &service, input, at(NOON)).unwrap();
        found.map(|(rate, origin)| (rate.to_string(), origin))
    };
    let is = |rate: &str, origin| Some((rate.to_owned(), origin));
    assert_eq!(of(Bucket::Input, Service::Standard, 1), is("5", Origin::Published));
    assert_eq!(of(Bucket::CacheWrite12h, Service::Standard, 1), is("5", Origin::Fallback));
    assert_eq!(of(Bucket::Reasoning, Service::Batch, 1), is("15", Origin::Fallback));
    assert_eq!(of(Bucket::CacheRead, Service::Priority, 300_000), is("1.25", Origin::Larger));
    assert_eq!(of(Bucket::Reasoning, Service::Priority, 300_000), is("75", Origin::Fallback));
    assert_eq!(of(Bucket::InputAudio, Service::Standard, 1), None);
}

/// Service and tier inheritance come first, the bucket fallbacks last.
#[test]
fn a_missing_key_is_that_of_the_block_it_modifies() {
    let book = PriceBook::from_toml(
        r#"
        [[model]]
        provider = "acme"
        id = "owl"
        [[model.price]]
        input = "10"
        output = "20"
        cache_read = "1"
        cache_write_5m = "12"
        reasoning = "30"
        tiers = [{ above = 100, input = "40" }]
        batch = { input = "5" }
        batch_tiers = [{ above = 100, output = "11" }]
        flex = { input = "6" }
        "#,
    );
    let owl = book.unwrap().find("owl").unwrap();
    for (bucket, service, input, expected, origin) in [
        (Bucket::CacheRead, Service::Standard, 101, "1", Origin::Inherited),
        (Bucket::CacheWrite1h, Service::Standard, 101, "12", Origin::Fallback),
        (Bucket::CacheRead, Service::Batch, 1, "1", Origin::Inherited),
        (Bucket::Input, Service::Batch, 100, "5", Origin::Published),
        (Bucket::Input, Service::Batch, 101, "40", Origin::Larger), // of its 5 and the long 40
        (Bucket::Output, Service::Batch, 1, "20", Origin::Inherited),
        (Bucket::Output, Service::Batch, 101, "11", Origin::Published),
        (Bucket::Reasoning, Service::Batch, 101, "30", Origin::Inherited),
        (Bucket::Input, Service::Flex, 101, "40", Origin::Larger),
        (Bucket::Input, Service::Flex, 100, "6", Origin::Published),
    ] {
        let found = owl.price().rate_of(bucket, &service, input, at(NOON)).unwrap();
        assert_eq!(found, Some((rate(expected), origin)), "{bucket} {service} {input}");
    }
}

#[test]
fn what_other_modifiers_cost_at_peak_is_the_larger_rate() {
    let book = PriceBook::from_toml(
        r#"
        [[model]]
        provider = "acme"
        id = "owl"
        [[model.price]]
        input = "2"
        output = "2"
        tiers = [{ above = 100, input = "3", output = "5" }]
        batch = { input = "1", output = "1" }
        priority = { input = "9", output = "3" }
        [model.price.peak]
        tz = "UTC"
        days = [1, 2, 3, 4, 5, 6, 7]
        hours = ["12:00-13:00"]
        input = "4"
        output = "4"
        "#,
    );
    let owl = book.unwrap().find("owl").unwrap();
    let of = |service: Service, input, output, moment| {
        let cost = owl.price().cost(&Usage::tokens(input, output), &service.into(), at(moment));
        cost.unwrap().pico() / 1_000_000
    };
    assert_eq!(of(Service::Standard, 100, 0, NOON), 400);
    assert_eq!(of(Service::Standard, 200, 0, NOON), 800, "peak $4 over long $3");
    assert_eq!(of(Service::Standard, 200, 10, NOON), 850, "long $5 over peak $4");
    assert_eq!(of(Service::Batch, 100, 0, NOON), 400);
    assert_eq!(of(Service::Priority, 100, 10, NOON), 940);
    assert_eq!(of(Service::Batch, 100, 0, "2026-11-24T13:00:00Z"), 100);
}

/// gpt-5.4-pro with flex: the long tier of flex names no cache read, the long standard tier does.
#[test]
fn a_list_of_ones_own_inherits_the_larger_rate_too() {
    let book = PriceBook::from_toml(
        r#"
        [[model]]
        provider = "acme"
        id = "owl"
        [[model.price]]
        input = "30"
        output = "180"
        cache_read = "3"
        cache_write_1h = "40"
        tiers = [{ above = 272_000, input = "60", output = "270", cache_read = "6" }]
        flex = { input = "15", output = "90" }
        flex_tiers = [{ above = 272_000, input = "30", output = "135", cache_write_5m = "50" }]
        "#,
    );
    let book = book.unwrap();
    let price = book.find("owl").unwrap();
    let flex = |usage| {
        let cost = price.price().cost(&usage, &Service::Flex.into(), at(NOON));
        cost.unwrap().exact().to_string()
    };
    assert_eq!(flex(Usage { cache_read: 300_000, ..Usage::NONE }), "1.8", "and not 0.9");
    assert_eq!(flex(Usage { cache_read: 100_000, ..Usage::NONE }), "0.3");
    let hour = Usage { cache_write_1h: 300_000, ..Usage::NONE };
    // No less than for 5 minutes, which has no standard price and so costs the long input's 60.
    assert_eq!(flex(hour), "18");
    let origin = price.price().rate_of(Bucket::CacheRead, &Service::Flex, 300_000, at(NOON));
    assert_eq!(origin, Ok(Some((rate("6"), Origin::Larger))));
}

#[test]
fn a_price_that_contradicts_itself_stays_out() {
    let owl = || ModelPrice::new("acme", "owl", rate("1"), rate("2"));
    let timed = || ModelPrice::of_epochs("acme".into(), "owl".into(), vec![Epoch::default()]);
    let day: Date = "2026-12-01".parse().unwrap();
    let cases = [
        (ModelPrice::new("", "owl", rate("1"), rate("2")), Invalid::Provider),
        (ModelPrice::new("a/b", "owl", rate("1"), rate("2")), Invalid::Provider),
        (ModelPrice::new("acme", "", rate("1"), rate("2")), Invalid::EmptyName),
        (owl().alias(""), Invalid::EmptyName),
        (timed(), Invalid::Missing(Bucket::Input)),
        (
            timed().fee(Bucket::AudioSeconds, Usd::dollars(1)).rate(Bucket::Input, rate("1")),
            Invalid::Missing(Bucket::Output),
        ),
        (
            owl().fee(Bucket::OutputImage, Usd::dollars(1)),
            Invalid::FeeOfTokens(Bucket::OutputImage),
        ),
        (
            owl().service(Service::Batch, Rates::none().with(Bucket::Requests, rate("1"))),
            Invalid::RateOfOther(Bucket::Requests),
        ),
        (
            owl().from_date(day, rate("1"), rate("1")).from_date(day, rate("2"), rate("2")),
            Invalid::EpochTwice,
        ),
        (owl().tier(9, Rates::none()).tier(9, Rates::none()), Invalid::TierTwice),
        (owl().fee(Bucket::Requests, Usd::cents(101)), Invalid::Fee(Bucket::Requests)),
        (owl().fee(Bucket::Requests, Usd::cents(-1)), Invalid::Fee(Bucket::Requests)),
        (owl().regional("10.1".parse().unwrap()), Invalid::Surcharge),
        (owl().service(Service::Standard, Rates::none()), Invalid::Missing(Bucket::Input)),
        (
            owl()
                .rate(Bucket::CacheRead, Rate::from_atto(1))
                .fast_multiplier("1.5".parse().unwrap()),
            Invalid::Fast,
        ),
    ];
    for (price, why) in cases {
        let error = PriceBook::empty().insert(price.clone()).unwrap_err();
        assert_eq!(error.why, why, "{price:?}");
        assert!(error.to_string().starts_with("the price of `"), "{error}");
    }
}

#[test]
fn handles_are_shared_between_threads() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Model>();
    check::<Estimate>();
    check::<PriceBook>();
    let terra = model("gpt-6.1-terra");
    assert_eq!(terra.number_of(7), None);
    let registered = terra.registered(7, 3);
    assert_eq!((registered.number_of(7), registered.number_of(8)), (Some(3), None));
    assert_eq!(terra.registered(0, 3).number_of(0), None);
}
