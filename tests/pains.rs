//! The stories of users of other tools that concern the ledger: one test each, named by the
//! thread in which it was told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::{BudgetManager, Estimate, Limit, ModelPrice, Path, Period, PriceBook, Usage, Usd};

fn fixed(amount: &str) -> Estimate {
    Estimate::fixed(usd(amount))
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// `llm-budget` 0.2.2, `agentbudget` 0.4.0, `token-budget-pool` 0.1.0: cap $1.00, real charges of
/// 0.9, 0.5, 0.09, 0.5, 0.005, 0.5. They drop every charge that would cross the cap, say $0.995
/// where the bill says $2.495, and let small calls go on.
#[test]
fn money_does_not_vanish() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    for charge in ["0.9", "0.5", "0.09", "0.5", "0.005", "0.5"] {
        // Each call looks harmless when it asks, and the bill is what it is.
        match budget.reserve("agent", &fixed("0.01")) {
            Ok(hold) => drop(hold.settle_cost(usd(charge))),
            Err(_) => {
                let agent = budget.account("agent").unwrap();
                let bill = bursar::Bill::new(Usage::NONE).reported_cost(usd(charge));
                agent.record(bill).book().unwrap();
            }
        }
    }
    assert_eq!(budget.spent(), usd("2.495"));
    assert!(budget.reserve("agent", &fixed("0.000001")).is_err(), "small calls do not go on");
    assert_eq!(budget.remaining(), Some(usd("-1.495")));
}

/// TensorZero takes nothing from any bucket when one is short: the overage is lost everywhere.
#[test]
fn an_overage_is_booked_on_every_level() {
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(10)))
        .limit("a", Limit::spend(Usd::cents(5)))
        .build()
        .unwrap();
    budget.reserve("a/b", &fixed("0.05")).unwrap().settle_cost(usd("0.08"));
    for account in ["", "a", "a/b"] {
        assert_eq!(budget.account(account).unwrap().spent(), usd("0.08"), "{account}");
    }
}

/// litellm #27639, #36926: a phantom "budget exceeded", because holds of calls that are long over
/// still count.
#[test]
fn a_hold_leaves_nothing_behind() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    for _ in 0..1_000 {
        drop(budget.reserve("agent", &fixed("1")).unwrap());
        budget.reserve("agent", &fixed("1")).unwrap().release();
        budget.reserve("agent", &fixed("1")).unwrap().settle_cost(usd("0.0005"));
        budget.account("agent").unwrap().can_afford(&fixed("1"));
        budget.set_limit("", Limit::spend(Usd::dollars(2))).unwrap();
    }
    assert_eq!((budget.held(), budget.spent()), (Usd::ZERO, usd("0.5")));
}

/// litellm PR #27021: `<` against `>=` refuses the first request of a budget that it fills.
#[test]
fn a_call_that_fits_exactly_is_admitted() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    budget.reserve("agent", &fixed("1")).unwrap().settle_cost(usd("1"));
    assert!(budget.reserve("agent", &Estimate::fixed(Usd::from_pico(1))).is_err());
    assert!(budget.reserve("agent", &fixed("0")).is_ok(), "what costs nothing passes");
}

/// Agenta #6341: 64,000 tokens are held for a short answer, so that nobody else may call.
#[test]
fn a_long_cap_is_shortened_to_what_is_there() {
    let budget = BudgetManager::new(usd("0.10")).unwrap();
    let sol = budget.model("gpt-6.1-sol").unwrap();
    let agent = budget.account("agent").unwrap();
    let estimate = sol.estimate().input(1_000).max_output(64_000);
    assert!(agent.reserve(&estimate).is_err());
    let hold = agent.request(estimate).at_least(500).reserve().unwrap();
    assert!((500..64_000).contains(&hold.max_output_tokens()));
    assert!(hold.held() <= usd("0.10"));
}

/// litellm #20615: one mistyped price poisons the books. It is refused where it is written down.
#[test]
fn a_price_that_is_absurd_is_refused() {
    assert!("10000.01".parse::<bursar::Rate>().is_err(), "above $0.01 a token");
    assert!("-1".parse::<bursar::Rate>().is_err());
    assert!("10000".parse::<bursar::Rate>().is_ok());
}

/// litellm PR #24949, #41344; litellm-rs #831; 1.109.1 answers $0.00 without an error for `gpt-9`
/// and `claude-opus-4-9`.
#[test]
fn an_unknown_model_is_an_error_and_not_free() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    for name in ["gpt-9", "claude-opus-4-9", "gemini-9-pro", "", "openai/", "gpt"] {
        assert!(budget.model(name).is_err(), "{name}");
    }
    // An entry without a price is none (litellm PR #36561: an empty entry is $0).
    let empty = "[[model]]\nprovider = 'acme'\nid = 'm'\n";
    assert!(PriceBook::from_toml(empty).is_err());
}

/// litellm #3738, #3113: one alert for each request above the threshold.
#[test]
fn an_alert_comes_once_in_each_window() {
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&alerts);
    let clock = ManualClock::at("2026-10-30T12:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .limit("", Limit::spend(Usd::dollars(1)).per(Period::MONTH).alert_at([50, 80, 95]))
        .on_alert(move |alert| heard.lock().unwrap().push(alert.to_string()))
        .build()
        .unwrap();
    let spend = |cents: i64| {
        for _ in 0..cents {
            budget.reserve("a", &fixed("0.01")).unwrap().settle_cost(Usd::cents(1));
        }
        std::mem::take(&mut *alerts.lock().unwrap()).len()
    };
    assert_eq!((spend(49), spend(1), spend(29), spend(1), spend(15)), (0, 1, 0, 1, 1));
    clock.advance(Duration::from_secs(2 * 86_400));
    assert_eq!((spend(49), spend(46)), (0, 3), "November has alerts of its own");
}

/// litellm #34896: a window resets late by the zone's offset; #29576: the counter survives.
#[test]
fn a_day_ends_at_midnight_where_the_limit_says() {
    let clock = ManualClock::at("2026-11-24T14:59:59.999999Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .limit("", Limit::spend(Usd::dollars(1)).per(Period::day_in("Asia/Tokyo").unwrap()))
        .build()
        .unwrap();
    budget.reserve("a", &fixed("1")).unwrap().settle_cost(usd("1"));
    assert!(budget.reserve("a", &fixed("1")).is_err());
    clock.advance(Duration::from_micros(1)); // midnight in Tokyo
    budget.reserve("a", &fixed("1")).unwrap().settle_cost(usd("1"));
    let limit = &budget.report().limits[0];
    assert_eq!((limit.spent, limit.previous_spent), (usd("1").into(), usd("1").into()));
    assert_eq!(limit.resets_at.unwrap().to_string(), "2026-11-25T15:00:00Z");
}

/// TensorZero refunds into the next window: a call of yesterday that settles today leaves more
/// room today than there is.
#[test]
fn a_call_belongs_to_the_window_it_was_reserved_in() {
    let clock = ManualClock::at("2026-11-24T23:59:00Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .limit("", Limit::spend(Usd::dollars(1)).per(Period::DAY))
        .build()
        .unwrap();
    let late = budget.reserve("a", &fixed("0.80")).unwrap();
    clock.advance(Duration::from_secs(120));
    let today = budget.reserve("a", &fixed("1")).unwrap();
    late.settle_cost(usd("0.10"));
    let limit = &budget.report().limits[0];
    assert_eq!((limit.held, limit.spent), (usd("1").into(), Usd::ZERO.into()));
    assert_eq!(limit.previous_spent, usd("0.10").into());
    assert!(budget.reserve("a", &fixed("0.01")).is_err());
    today.release();
}

/// litellm #8867, agentops #284: a million additions of a float drift by 3e-8 dollars.
#[test]
fn a_million_small_charges_do_not_drift() {
    let budget = BudgetManager::builder().build().unwrap();
    let agent = budget.account("agent").unwrap();
    let estimate = fixed("0.000001");
    for _ in 0..1_000_000 {
        agent.reserve(&estimate).unwrap().settle_cost(usd("0.0000001"));
    }
    assert_eq!(budget.spent(), usd("0.1"));
}

/// ccusage #313, claude-code #55121, CodexBar #646: what a sub-agent spends is counted again in the
/// agent that called it.
#[test]
fn a_sub_agent_is_counted_once() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    let (lead, sub) = (budget.account("lead").unwrap(), budget.account("lead/sub").unwrap());
    let outer = lead.reserve(&fixed("0.50")).unwrap();
    let inner = sub.request(fixed("0.20")).inside(&outer).reserve().unwrap();
    inner.settle_cost(usd("0.15"));
    outer.settle_cost(usd("0.05")); // the lead's own calls, without the sub-agent's
    assert_eq!((budget.spent(), sub.spent()), (usd("0.20"), usd("0.15")));
}

/// redcell #37: a hard cap kills work midway. agent-framework #6934: room to finish.
#[test]
fn an_agent_at_its_limit_can_still_write_its_last_answer() {
    let budget = BudgetManager::builder()
        .limit("agent", Limit::spend(Usd::dollars(1)).keep_for_wrap_up(Usd::cents(10)))
        .build()
        .unwrap();
    let agent = budget.account("agent").unwrap();
    while let Ok(hold) = agent.reserve(&fixed("0.07")) {
        hold.settle_cost(usd("0.07"));
    }
    let last = agent.request(fixed("0.10")).wrap_up().reserve().unwrap();
    last.settle_cost(usd("0.09"));
    assert!(agent.spent() <= Usd::dollars(1));
}

/// A free local model passes where the money is gone (law 2).
#[test]
fn a_free_model_passes_a_spent_out_limit() {
    let budget = BudgetManager::new(Usd::ZERO).unwrap();
    budget.insert_price(ModelPrice::free("local", "llama")).unwrap();
    let llama = budget.model("local/llama").unwrap();
    let hold = budget.reserve("a", &llama.estimate().input(900).max_output(900)).unwrap();
    assert_eq!(hold.settle(Usage::tokens(900, 10)).cost, Usd::ZERO);
    assert_eq!(budget.report().account("a").unwrap().account, Path::new("a").unwrap());
}
