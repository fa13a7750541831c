//! Tests of the selector: tables, and properties against the rule as it is documented.

use super::*;
use crate::clock::ManualClock;
use crate::price::{ModelPrice, PriceBook, Rate, Rates};
use proptest::prelude::*;

fn rate(dollars: i64) -> Rate {
    Rate::per_million(Usd::dollars(dollars)).unwrap()
}

fn model(price: ModelPrice) -> Model {
    let id = price.id().to_owned();
    let mut book = PriceBook::empty();
    book.insert(price).unwrap();
    book.find(&id).unwrap()
}

/// A model with these prices in dollars for a million tokens, in and out.
fn priced(id: &str, dollars: i64) -> Model {
    model(ModelPrice::new("test", id, rate(dollars), rate(dollars)).max_output(50_000))
}

fn selector(candidates: impl IntoIterator<Item = Candidate>) -> ModelSelector {
    let clock = ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap());
    candidates.into_iter().fold(ModelSelector::new().clock(clock), ModelSelector::candidate)
}

fn three() -> ModelSelector {
    selector([
        Candidate::new(&priced("mid", 4), 80).can([Capability::Tools, Capability::Json]),
        Candidate::new(&priced("best", 20), 95).can([Capability::Tools, Capability::Vision]),
        Candidate::new(&priced("cheap", 1), 50).context_window(20_000),
    ])
}

/// A million tokens: a model costs in dollars what it is priced at.
fn million(model: &Model) -> Estimate {
    model.estimate().input(990_000).max_output(10_000)
}

fn small(model: &Model) -> Estimate {
    model.estimate().input(900).max_output(100)
}

fn order(ranking: &Ranking) -> String {
    let ids: Vec<&str> = ranking.iter().map(|ranked| ranked.model.id()).collect();
    ids.join(" ")
}

#[test]
fn as_in_the_seed_simple_is_the_cheapest_and_complex_the_best() {
    for (complexity, id) in [
        (Complexity::Simple, "cheap"),
        (Complexity::Complex, "best"),
        (Complexity::Unknown, "cheap"),
        (Complexity::Medium, "mid"), // 500 × (80 − 20), against 50 − 5 and 95 − 100
    ] {
        assert_eq!(three().select(complexity).unwrap().id(), id, "{complexity:?}");
    }
}

#[test]
fn a_draining_account_moves_a_complex_task_to_cheaper_models() {
    for (left, expected) in [
        (100, "best mid cheap"),
        (50, "best mid cheap"),
        (40, "mid best cheap"), // 0.75 × 80 − 0.25 × 20 = 55; 46.25; 36.25
        (30, "mid cheap best"), // 30; 22.5; −2.5
        (20, "cheap mid best"), // 8.75; 5; −51.25
        (5, "cheap mid best"),
        (-5, "cheap mid best"),
    ] {
        let money_left = MoneyLeft::new(Usd::dollars(100), Usd::dollars(left));
        let requirements = Requirements::new(Complexity::Complex).money_left([money_left]);
        let ranking = three().rank(small, &requirements).unwrap();
        assert_eq!(order(&ranking), expected, "{left}");
    }
}

#[test]
fn requirements_rule_out_and_say_why() {
    let ranking = |estimate: fn(&Model) -> Estimate, requirements: &Requirements| {
        let ranking = three().rank(estimate, requirements).unwrap();
        let why: Vec<String> = ranking.excluded().iter().map(Excluded::to_string).collect();
        (order(&ranking), why.join("; "))
    };
    let simple = || Requirements::new(Complexity::Simple);
    for (estimate, requirements, expected, why) in [
        (
            small as fn(&Model) -> Estimate,
            simple().min_quality(60),
            "mid best",
            "`test/cheap` has quality 50, below the floor of 60",
        ),
        (
            small,
            simple().needs([Capability::Vision]),
            "best",
            "`test/mid` is not said to have vision; `test/cheap` is not said to have vision",
        ),
        (
            million,
            simple().max_cost(Usd::dollars(4)),
            "mid",
            "`test/best` may cost $20.00, above the ceiling of $4.00; \
             `test/cheap` has room for 20000 tokens, and the call needs 1000000",
        ),
        (
            |model| match model.id() {
                "mid" => model.estimate().input(9).max_output(50_001),
                _ => model.estimate().input(9),
            },
            simple(),
            "cheap best",
            "`test/mid` answers at most 50000 tokens, and 50001 are asked for",
        ),
    ] {
        assert_eq!(ranking(estimate, &requirements), (expected.to_owned(), why.to_owned()));
    }
}

#[test]
fn a_refusal_names_every_candidate_and_its_reason() {
    let requirements = Requirements::new(Complexity::Complex)
        .min_quality(60)
        .needs([Capability::Json])
        .max_cost(Usd::dollars(3));
    let refused = three().rank(million, &requirements).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no model fits: `test/mid` may cost $4.00, above the ceiling of $3.00; \
         `test/best` is not said to have JSON output; \
         `test/cheap` has quality 50, below the floor of 60",
    );
    assert_eq!(
        refused.excluded()[2].why,
        Exclusion::Quality { quality: 50, floor: 60 },
        "a refusal is data"
    );
    let nobody = ModelSelector::new().select(Complexity::Simple).unwrap_err();
    assert_eq!(nobody.to_string(), "the selector has no candidates; add one with `candidate`");
    let many = selector((0..9).map(|n| Candidate::new(&priced(&format!("m{n}"), 1), 1)));
    let refused =
        many.rank(small, &Requirements::default().min_quality(2)).unwrap_err().to_string();
    assert!(refused.ends_with("; and 3 more"), "{refused}");
}

#[test]
fn a_retired_or_unpriced_model_is_not_asked() {
    let new = ModelPrice::new("test", "new", rate(1), rate(1));
    let unpriced = model(new);
    let retired = PriceBook::builtin().find("claude-3-5-haiku-latest").unwrap();
    let selector = selector([Candidate::new(&unpriced, 9), Candidate::new(&retired, 9)]);
    let refused =
        selector.rank(|model| model.estimate().input(5), &Requirements::default()).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("`test/new` cannot be priced (nothing limits the output"),
        "{refused}"
    );
    assert!(refused.contains("has been switched off by its provider"), "{refused}");
}

#[test]
fn the_price_of_this_very_call_counts_its_long_context_tier_too() {
    let tiered = ModelPrice::new("test", "tiered", rate(2), rate(2)).max_output(9_000);
    let tiered = tiered.tier(100_000, Rates::new(rate(30), rate(30)));
    let selector =
        selector([Candidate::new(&model(tiered), 70), Candidate::new(&priced("flat", 5), 70)]);
    let at = |input| {
        let bound = move |model: &Model| model.estimate().input(input).max_output(100);
        order(&selector.rank(bound, &Requirements::new(Complexity::Complex)).unwrap())
    };
    assert_eq!(at(100_000), "tiered flat");
    assert_eq!(at(100_001), "flat tiered");
}

#[test]
fn what_fits_exactly_fits() {
    let owl = priced("owl", 1);
    for (window, input, output, fits) in [
        (1_000, 900, 100, true),
        (1_000, 901, 100, false),
        (60_000, 9, 50_000, true),
        (60_000, 9, 50_001, false),
    ] {
        let selector = selector([Candidate::new(&owl, 10).context_window(window)]);
        let call = |model: &Model| model.estimate().input(input).max_output(output);
        assert_eq!(selector.rank(call, &Requirements::default()).is_ok(), fits, "{input} {output}");
    }
}

#[test]
fn at_one_price_the_better_is_first_even_when_only_the_price_counts() {
    let fair = Candidate::new(&priced("fair", 1), 40);
    let good = Candidate::new(&priced("good", 1), 70);
    let selector = selector([fair, good]);
    assert_eq!(selector.select(Complexity::Simple).unwrap().id(), "good");
}

#[test]
fn a_candidate_named_again_takes_the_place_of_the_first() {
    let owl = priced("owl", 1);
    let selector = selector([Candidate::new(&owl, 10), Candidate::new(&owl, 120)]);
    assert_eq!(selector.candidates().len(), 1);
    assert_eq!(selector.candidates()[0].quality(), 100);
}

/// A rule that always gives this number to a task of unknown complexity.
fn bias(per_mille: u16) -> CostBias {
    CostBias { unknown: per_mille, ..CostBias::default() }
}

fn candidates() -> impl Strategy<Value = Vec<(u8, i64, u8, u64)>> {
    let one = (0_u8..=100, 0_i64..30, 0_u8..8, 500_u64..3_000);
    proptest::collection::vec(one, 1..8)
}

fn capabilities(bits: u8) -> impl Iterator<Item = Capability> {
    let all = [Capability::Tools, Capability::Vision, Capability::Json];
    all.into_iter().filter(move |one| bits >> *one as u8 & 1 == 1)
}

fn built(candidates: &[(u8, i64, u8, u64)]) -> ModelSelector {
    selector(candidates.iter().enumerate().map(|(n, (quality, dollars, bits, window))| {
        Candidate::new(&priced(&format!("m{n}"), *dollars), *quality)
            .can(capabilities(*bits))
            .context_window(*window)
    }))
}

proptest! {
    #[test]
    fn a_ranking_meets_every_requirement_and_loses_no_candidate(
        candidates in candidates(),
        floor in 0_u8..100,
        bits in 0_u8..8,
        cents in 0_i64..4,
        left in -10_i64..100,
    ) {
        let selector = built(&candidates);
        let ceiling = Usd::cents(cents);
        let requirements = Requirements::new(Complexity::Complex)
            .min_quality(floor)
            .needs(capabilities(bits))
            .max_cost(ceiling)
            .money_left([MoneyLeft::new(Usd::dollars(100), Usd::dollars(left))]);
        let (fitting, excluded) = match selector.rank(small, &requirements) {
            Ok(ranking) => (ranking.iter().cloned().collect(), ranking.excluded().len()),
            Err(refused) => (Vec::new(), refused.excluded().len()),
        };
        prop_assert_eq!(fitting.len() + excluded, candidates.len());
        for ranked in &fitting {
            let place: usize = ranked.model.id()[1..].parse().unwrap();
            let (quality, _, can, window) = candidates[place];
            prop_assert!(quality >= floor && can & bits == bits && window >= 1_000);
            prop_assert!(ranked.cost <= ceiling);
        }
        let expected = candidates.iter().filter(|(quality, dollars, can, window)| {
            let cost = Usd::dollars(*dollars).pico() / 1_000;
            *quality >= floor && can & bits == bits && *window >= 1_000 && cost <= ceiling.pico()
        });
        prop_assert_eq!(fitting.len(), expected.count());
    }

    #[test]
    fn at_equal_quality_the_cheaper_is_first_however_much_money_is_left(
        candidates in candidates(),
        cost_bias in 0_u16..=1_000,
    ) {
        let ranking = built(&candidates).cost_bias(bias(cost_bias))
            .rank(|m| m.estimate().input(1).max_output(1), &Requirements::default()).unwrap();
        let ranked: Vec<&Ranked> = ranking.iter().collect();
        for (place, first) in ranked.iter().enumerate() {
            for later in &ranked[place + 1..] {
                prop_assert!(first.quality != later.quality || first.cost <= later.cost);
                prop_assert!(first.cost != later.cost || first.quality >= later.quality);
                prop_assert!(cost_bias < 1_000 || first.cost <= later.cost, "drained: by price");
                prop_assert!(cost_bias > 0 || first.quality >= later.quality, "plenty: by quality");
            }
        }
    }

    #[test]
    fn a_cheaper_model_that_is_ahead_stays_ahead_as_the_money_drains(
        candidates in candidates(),
        cost_bias in 0_u16..1_000,
        more in 0_u16..1_000,
    ) {
        let selector = built(&candidates);
        let places = |cost_bias| {
            let selector = selector.clone().cost_bias(bias(cost_bias));
            let ranking = selector
                .rank(|m| m.estimate().input(1).max_output(1), &Requirements::default())
                .unwrap();
            ranking.iter().map(|r| (r.model.name().clone(), r.cost)).collect::<Vec<_>>()
        };
        let (before, after) = (places(cost_bias), places(cost_bias + more));
        let place = |name: &Arc<str>| after.iter().position(|(other, _)| other == name).unwrap();
        for (at, (name, cost)) in before.iter().enumerate() {
            for (later, dearer) in &before[at + 1..] {
                prop_assert!(cost >= dearer || place(name) < place(later));
            }
        }
    }
}
