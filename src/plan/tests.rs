//! Tests of the plan and the forecast: tables, and properties against exact integers.

use super::forecast::BurnRate;
use super::*;
use crate::price::{Model, ModelPrice, PriceBook, Rate, Rates};
use crate::usage::Bucket;
use proptest::prelude::*;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    "2026-11-24T09:00:00Z".parse().unwrap()
}

fn model(price: ModelPrice) -> Model {
    let id = price.id().to_owned();
    let mut book = PriceBook::empty();
    book.insert(price).unwrap();
    book.find(&id).unwrap()
}

fn rate(cents: i64) -> Rate {
    Rate::per_million(Usd::cents(cents)).unwrap()
}

/// $1 in, $0.10 read from the cache, $5 out.
fn owl() -> Model {
    let price =
        ModelPrice::new("test", "owl", rate(100), rate(500)).rate(Bucket::CacheRead, rate(10));
    model(price.rate(Bucket::CacheWrite5m, rate(125)))
}

fn wren() -> Model {
    model(ModelPrice::new("test", "wren", rate(10), rate(50)))
}

fn one() -> Ratio {
    "1".parse().unwrap()
}

fn per_mille(thousandths: u32) -> Ratio {
    format!("{thousandths}e-3").parse().unwrap()
}

fn agents() -> Agents {
    Agents::new("research", 2).tasks_per_day(100).tokens(10_000, 1_000)
}

fn plain(agents: Agents) -> Plan {
    let builder = Plan::builder().agents(agents).overhead(one()).margin(one());
    builder.build(now()).unwrap()
}

#[test]
fn a_day_is_computed_from_real_prices() {
    let tiered = ModelPrice::new("test", "tiered", rate(100), rate(500));
    let tiered = model(tiered.tier(9_999, Rates::new(rate(200), rate(1_000))));
    let fee = ModelPrice::new("test", "fee", rate(100), rate(500));
    let fee = model(fee.fee(Bucket::Requests, Usd::cents(1)));
    for (agents, dollars) in [
        (agents().model(&owl(), 1), "3"), // 200 × (0.01 + 0.005)
        (agents().model(&owl(), 1).prompt_hits_per_mille(500), "2.1"), // 200 × (0.0055 + 0.005)
        (agents().model(&owl(), 1).result_hits_per_mille(300), "2.1"), // 140 tasks
        (agents().model(&owl(), 1).model(&wren(), 3), "0.975"), // 50 × 0.015, 150 × 0.0015
        (agents().model(&owl(), 2).model(&wren(), 1), "2.1"), // thirds, without a rest
        (agents().model(&tiered, 1), "6"),
        (agents().model(&fee, 1), "5"),
        (agents().model(&model(ModelPrice::free("test", "free")), 1), "0"),
    ] {
        assert_eq!(plain(agents.clone()).day().base, dollars.parse().unwrap(), "{agents:?}");
    }
}

#[test]
fn a_plan_that_makes_no_sense_says_why() {
    let ready = || agents().model(&owl(), 1);
    let old = "2020-01-01T00:00:00Z".parse().unwrap();
    let sol = PriceBook::builtin().find("gpt-6.2-sol").unwrap();
    for (builder, at, words) in [
        (Plan::builder(), now(), "there are no agents"),
        (Plan::builder().agents(Agents::new("a//b", 1)), now(), "a//b"),
        (Plan::builder().agents(Agents::new("", 1)), now(), "below the root"),
        (Plan::builder().agents(Agents::new("user:42", 1)), now(), "no tag"),
        (Plan::builder().agents(Agents::new("a", 0)), now(), "nobody"),
        (Plan::builder().agents(agents()), now(), "no model"),
        (Plan::builder().agents(ready()).agents(ready()), now(), "twice"),
        (Plan::builder().agents(ready().prompt_hits_per_mille(1_001)), now(), "above 1000"),
        (Plan::builder().agents(ready().tokens(u64::MAX, 1)), now(), "a trillion"),
        (Plan::builder().agents(agents().model(&sol, 1)), old, "no price of openai/gpt-6.2-sol"),
        (
            Plan::builder().agents(
                Agents::new("a", u32::MAX)
                    .tasks_per_day(u32::MAX)
                    .tokens(999_999_999_989, 7)
                    .model(&owl(), u32::MAX),
            ),
            now(),
            "too large",
        ),
    ] {
        let error = builder.build(at).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn limits_are_what_is_set_aside_in_whole_cents() {
    let plan = Plan::builder()
        .agents(agents().model(&owl(), 1))
        .agents(Agents::new("review", 3).tasks_per_day(1).tokens(1_000, 10).model(&wren(), 1))
        .overhead("2.5".parse().unwrap())
        .margin(one())
        .build(now())
        .unwrap();
    let limits = plan.limits();
    let limits: Vec<String> = limits.iter().map(|(to, limit)| format!("{to}: {limit}")).collect();
    assert_eq!(
        limits,
        [
            ": $225.03 per month",
            "research: $225.00 per month",
            "research: $7.50 per day",
            "research/*: $3.75 per day",
            "review: $0.03 per month", // 3 × 0.000105 × 2.5 × 30 = 0.023625
            "review: $0.01 per day",
            "review/*: $0.01 per day",
        ],
    );
}

#[test]
fn the_table_fits_a_screen() {
    let plan = Plan::builder()
        .agents(agents().model(&owl(), 1))
        .agents(
            Agents::new("a-rather-long/name/of/agents", 40)
                .tasks_per_day(900)
                .tokens(9_000, 900)
                .model(&owl(), 1),
        )
        .build(now())
        .unwrap();
    let table = plan.to_string();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    for words in ["a-rather-long/name/o…", "all                       42", "Overhead 3;"] {
        assert!(table.contains(words), "{table}");
    }
}

/// A second for each letter.
fn at(second: u64) -> Timestamp {
    now().plus(Duration::from_secs(second))
}

#[test]
fn a_limit_is_used_up_at_the_faster_rate() {
    let rate = |cents, seconds| BurnRate::new(Usd::cents(cents), Duration::from_secs(seconds));
    for (short, long, spent, until, used_up, at_end) in [
        (rate(10, 10), rate(20, 100), 40, 1_000, Some(60), (240, 1_040)),
        (rate(0, 10), rate(20, 100), 40, 1_000, Some(300), (40, 240)),
        (rate(0, 10), rate(0, 100), 40, 1_000, None, (40, 40)),
        (rate(1, 100), rate(1, 100), 40, 1_000, None, (50, 50)), // lasts until the end
        (rate(6, 100), rate(6, 100), 40, 1_000, None, (100, 100)), // to the last second
        (rate(5, 0), rate(0, 0), 40, 1_000, None, (40, 40)),     // no time, no rate
        (rate(0, 1), rate(0, 1), 120, 1_000, Some(0), (120, 120)), // over it already
        (rate(-5, 1), rate(1, 100), 99, 1_000, Some(100), (99, 109)), // a refund is no burning
    ] {
        let (limit, spent) = (Usd::cents(100), Usd::cents(spent));
        let forecast = Forecast::new(at(0), [short, long], limit, spent, at(until));
        assert_eq!(forecast.used_up_at(), used_up.map(at), "{forecast}");
        let (low, high) = (Usd::cents(at_end.0), Usd::cents(at_end.1));
        assert_eq!(forecast.at_end(), low..=high, "{forecast}");
    }
}

#[test]
fn a_forecast_is_a_sentence() {
    let rate = BurnRate::new(Usd::dollars(1), Duration::from_secs(3_600));
    let slow = BurnRate::new(Usd::dollars(12), DAY);
    let end = "2026-11-25T00:00:00Z".parse().unwrap();
    let forecast = Forecast::new(now(), [rate, slow], Usd::dollars(30), Usd::dollars(18), end);
    assert_eq!(
        forecast.to_string(),
        "$24.00 a day lately, $12.00 over a longer time; $30.00 is used up at 2026-11-24T21:00:00Z; \
         $25.50 to $33.00 will be spent by 2026-11-25T00:00:00Z",
    );
}

proptest! {
    #[test]
    fn each_figure_of_a_plan_is_rounded_up_once(
        (count, tasks) in (1_u32..500, 1_u32..5_000),
        (input, output) in (0_u64..200_000, 0_u64..20_000),
        parts in (1_u32..10, 0_u32..10),
        hits in (0_u16..=1_000, 0_u16..=1_000),
        (overhead, margin) in (1_u32..5_000, 1_u32..5_000),
    ) {
        let agents = Agents::new("a", count)
            .tasks_per_day(tasks)
            .tokens(input, output)
            .model(&owl(), parts.0)
            .model(&wren(), parts.1)
            .prompt_hits_per_mille(hits.0)
            .result_hits_per_mille(hits.1);
        let plan = Plan::builder()
            .agents(agents)
            .overhead(per_mille(overhead))
            .margin(per_mille(margin))
            .build(now())
            .unwrap();

        // In units of $1e-8 a token: owl 100, 10 and 500, wren 10, 10 and 50.
        let [p0, p1, h0, h1] = [parts.0, parts.1, hits.0.into(), hits.1.into()].map(u128::from);
        let (input, output) = (u128::from(input), u128::from(output));
        let task = |fresh, cached, out| {
            input * (1_000 - h0) * fresh + input * h0 * cached + output * 1_000 * out
        };
        let mixed = p0 * task(100, 10, 500) + p1 * task(10, 10, 50);
        let base = mixed * u128::from(count) * u128::from(tasks) * (1_000 - h1) * 10_000;
        let parts = (p0 + p1) * 1_000_000;
        let (overhead, margin) = (u128::from(overhead), u128::from(margin));
        let base = base.div_ceil(parts);
        let expected = (base * overhead).div_ceil(1_000);
        let set_aside = (expected * margin).div_ceil(1_000);
        let day = plan.day();
        let pico = [day.base, day.expected, day.set_aside].map(|usd| usd.pico().unsigned_abs());
        prop_assert_eq!(pico, [base, expected, set_aside]);
        prop_assert_eq!(plan.month().base.pico(), day.base.pico() * 30);
    }

    #[test]
    fn no_forecast_panics(
        spent in any::<(i128, i128, i128, i128)>(),
        over in any::<(u64, u64)>(),
        times in any::<(i64, i64)>(),
    ) {
        let rate = |pico, micros| BurnRate::new(Usd::from_pico(pico), Duration::from_micros(micros));
        let at = Timestamp::from_micros(times.0);
        let rates = [rate(spent.0, over.0), rate(spent.1, over.1)];
        let (limit, spent) = (Usd::from_pico(spent.2), Usd::from_pico(spent.3));
        let forecast = Forecast::new(at, rates, limit, spent, Timestamp::from_micros(times.1));
        prop_assert!(forecast.used_up_at().is_none_or(|moment| moment >= at));
        prop_assert!(forecast.at_end().start() <= forecast.at_end().end());
        let _ = forecast.to_string();
    }
}
