//! Tests of estimates: what they count, and where they refuse.

use super::*;

#[test]
fn an_estimate_counts_the_dearest_input_it_can_reach() {
    let bound = |name: &str, change: fn(Estimate) -> Estimate| {
        let estimate = change(model(name).estimate().input(1_000).max_output(100));
        estimate.cost_at(at(NOON)).map_or_else(|e| e.to_string(), |usd| usd.exact().to_string())
    };
    for (story, got, expected) in [
        ("OpenAI writes its cache unasked", bound("gpt-6.1-terra", |e| e), "0.00175"),
        ("where it has such a price", bound("gpt-5", |e| e), "0.00225"),
        ("Anthropic when marked", bound("claude-opus-4-8", |e| e), "0.0075"),
        (
            "for an hour",
            bound("claude-opus-4-8", |e| e.cache_writes(Bucket::CacheWrite1h)),
            "0.0125",
        ),
        (
            "the dearer of two marks",
            bound("claude-opus-4-8", |e| {
                e.cache_writes(Bucket::CacheWrite1h).cache_writes(Bucket::CacheWrite5m)
            }),
            "0.0125",
        ),
        ("three answers", bound("gpt-5", |e| e.choices(3)), "0.00425"),
        ("none is one", bound("gpt-5", |e| e.choices(0)), "0.00225"),
        ("searches", bound("gpt-5", |e| e.count(Bucket::WebSearchRequests, 2)), "0.02225"),
        ("batch", bound("gpt-5", |e| e.service(Service::Batch)), "0.001125"),
        ("in one region", bound("claude-opus-4-8", |e| e.regional(true)), "0.00825"),
        ("long", bound("gpt-5.5", |e| e.input(300_000)), "3.0045"),
        ("spoken input", bound("gemini-2.5-flash", |e| e.input_audio(1_000)), "0.00155"),
    ] {
        assert_eq!(got, expected, "{story}");
    }
    for (story, got, hint) in [
        ("no audio price", bound("gpt-5", |e| e.input_audio(1)), "`input_audio`"),
        ("no audio answer", bound("gpt-5", |e| e.output_audio(true)), "`output_audio`"),
        ("no such tier", bound("gpt-5-pro", |e| e.service(Service::Fast)), "`fast`"),
        ("no surcharge", bound("gpt-5", |e| e.regional(true)), "one region"),
        ("absurd", bound("gpt-5", |e| e.choices(u64::MAX)), "a trillion"),
        (
            "absurd without output",
            bound("gpt-5", |e| e.max_output(0).choices(u64::MAX)),
            "trillion",
        ),
        ("absurd input", bound("gpt-5", |e| e.input(u64::MAX).input_audio(1)), "trillion"),
    ] {
        assert!(got.contains(hint), "{story}: {got}");
    }
}

/// Agenta #6341: a hold of 64,000 tokens is only right if nothing else limits the answer.
#[test]
fn the_output_of_an_estimate_has_an_end() {
    let owl = ModelPrice::new("acme", "owl", rate("1"), rate("2"));
    let mut book = PriceBook::empty();
    book.insert(owl.clone()).unwrap();
    book.insert(ModelPrice::free("local", "owlet")).unwrap();
    for name in ["owl", "owlet"] {
        let endless = book.find(name).unwrap().estimate().input(10).cost_at(at(NOON));
        assert!(endless.unwrap_err().to_string().contains("give the estimate a `max_output`"));
    }
    book.insert(owl.max_output(1_000)).unwrap();
    let bound = book.find("owl").unwrap().estimate().input(10).bound(at(NOON)).unwrap();
    assert_eq!((bound.fixed, bound.per_output), (10_000_000_000_000, 2_000_000_000_000));
    assert_eq!((bound.input, bound.choices, bound.cap), (10, 1, 1_000));
}

/// A request that turns out shorter than its bound may meet the rates of a shorter tier.
#[test]
fn a_bound_counts_the_dearest_tier_up_to_its_input() {
    let mut book = PriceBook::empty();
    let owl = ModelPrice::new("acme", "owl", rate("9"), rate("2"));
    let owl = owl.tier(100, Rates::new(rate("1"), rate("5")));
    book.insert(owl).unwrap();
    let micros = |input| {
        let call = book.find("owl").unwrap().estimate().input(input).max_output(10);
        call.cost_at(at(NOON)).unwrap().pico() / 1_000_000
    };
    assert_eq!((micros(100), micros(101)), (9 * 100 + 2 * 10, 9 * 101 + 5 * 10));
}

#[test]
fn a_surcharge_is_rounded_up_when_reserved() {
    let mut book = PriceBook::empty();
    let owl = ModelPrice::new("acme", "owl", Rate::from_atto(1), Rate::from_atto(3));
    book.insert(owl.regional("1.1".parse().unwrap())).unwrap();
    let call = book.find("owl").unwrap().estimate().input(1).max_output(1).regional(true);
    let bound = call.bound(at(NOON)).unwrap();
    assert_eq!((bound.fixed, bound.per_output), (2, 4)); // 1.1 and 3.3 attodollars
    assert_eq!(call.cost_at(at(NOON)).unwrap().pico(), 1);
}

#[test]
fn a_fixed_estimate_is_an_amount_and_perhaps_tokens() {
    let tool = Estimate::fixed(Usd::cents(3)).input(50).max_output(7);
    let bound = tool.bound(at(NOON)).unwrap();
    assert_eq!(bound.fixed, 30_000_000_000_000_000);
    assert_eq!((bound.per_output, bound.input, bound.choices, bound.cap), (0, 50, 1, 7));
    assert_eq!(Estimate::fixed(Usd::ZERO).cost_at(at(NOON)), Ok(Usd::ZERO));
    for amount in [Usd::cents(-1), Usd::MAX, Usd::MIN, Usd::dollars(100_000_000_001)] {
        assert!(Estimate::fixed(amount).cost_at(at(NOON)).is_err(), "{amount}");
    }
    assert!(Estimate::fixed(Usd::ZERO).input(u64::MAX).cost_at(at(NOON)).is_err());
}
