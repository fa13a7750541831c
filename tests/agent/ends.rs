//! The ends of a call: each outcome that the documentation names, and what it books.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bursar::budget::LostCall;
use bursar::testing::{ScriptedAgent, block_on, drop_after};
use bursar::usage::Bucket;
use bursar::{
    Alert, Bill, BudgetManager, Confidence, ModelPrice, Observer, Path, PriceBook, Receipt, Usage,
    Usd,
};

use crate::kit::*;

#[test]
fn every_end_of_a_call_books_what_the_table_says() {
    type Script = fn(ScriptedAgent) -> ScriptedAgent;
    let ends: &[(&str, Script, &str)] = &[
        ("an answer", |agent| agent.reply("done", two_cents()), "0.02"),
        ("above the hold", |agent| agent.reply("done", Usage::tokens(100_000, 0)), "1"),
        ("free", |agent| agent.reply("done", Bill::free()), "0"),
        ("by another model", |a| a.reply("done", Bill::new(two_cents()).model("small")), "0.002"),
        ("without a bill", |agent| agent.reply_without_bill("done"), "0.2"),
        ("an error with a bill", |agent| agent.fail_with_bill("cut", two_cents()), "0.02"),
        ("an error that is free", |agent| agent.fail_with_bill("429", Bill::free()), "0"),
        ("an error", |agent| agent.fail("500"), "0.2"),
        ("a panic", |agent| agent.panic("fell over"), "0.2"),
        ("a hang", ScriptedAgent::hang, "0.2"),
    ];
    for (what, script, spent) in ends {
        let budget = one_dollar();
        let agent = constrained(&budget, script(scripted(&budget)));
        let call = || drop_after(agent.run(task()), 3).map(|answer| answer.map(|r| r.cost));
        let ended = catch_unwind(AssertUnwindSafe(call));
        assert_eq!((budget.spent(), budget.held()), (usd(spent), Usd::ZERO), "{what}");
        if let Ok(Some(Ok(cost))) = ended {
            assert_eq!(cost, budget.spent(), "{what}");
        }
    }
}

#[test]
fn a_lost_reply_costs_what_its_rule_says() {
    type Script = fn(ScriptedAgent) -> ScriptedAgent;
    let losses: [Script; 3] = [|a| a.fail("500"), |a| a.panic("fell over"), ScriptedAgent::hang];
    let rules = [
        (LostCall::ChargeHold, "0.2", Confidence::Assumed),
        (LostCall::ChargeInput, "0.1", Confidence::Estimated),
        (LostCall::Release, "0", Confidence::Exact),
    ];
    for manager in [LostCall::ChargeHold, LostCall::Release] {
        for (script, (rule, spent, confidence)) in
            losses.iter().flat_map(|script| rules.iter().map(move |rule| (script, *rule)))
        {
            let budget =
                BudgetManager::builder().prices(prices()).on_lost_call(manager).build().unwrap();
            let agent = constrained(&budget, script(scripted(&budget))).on_lost_call(rule);
            let _ = catch_unwind(AssertUnwindSafe(|| drop_after(agent.run(task()), 3)));
            assert_eq!((budget.spent(), budget.held()), (usd(spent), Usd::ZERO), "{rule:?}");
            let totals = serde_json::to_string(&budget.report()).unwrap();
            assert!(totals.contains(confidence.as_str()) || spent == "0", "{rule:?}: {totals}");
        }
    }
}

#[test]
fn a_manager_that_releases_lost_calls_still_charges_answers_without_a_bill() {
    let budget =
        BudgetManager::builder().prices(prices()).on_lost_call(LostCall::Release).build().unwrap();
    let script = scripted(&budget).reply_without_bill("done").fail("500");
    let agent = constrained(&budget, script);
    assert!(block_on(agent.run(task())).is_ok());
    assert_eq!(budget.spent(), Usd::cents(20));
    assert!(block_on(agent.run(task())).is_err());
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(20), Usd::ZERO));
}

/// However far it has come, a call that is dropped is charged once it has begun, and only then.
#[test]
fn a_call_dropped_after_its_nth_poll_leaks_no_hold_and_loses_no_charge() {
    for polls in 0..10 {
        let budget = one_dollar();
        let script = scripted(&budget).reply("done", two_cents()).after(6);
        let agent = constrained(&budget, script);
        let answer = drop_after(agent.run(task()), polls);
        let spent = match polls {
            0 => "0",
            1..=6 => "0.2",
            _ => "0.02",
        };
        assert_eq!(answer.is_some(), polls > 6, "{polls}");
        assert_eq!((budget.spent(), budget.held()), (usd(spent), Usd::ZERO), "{polls}");
        assert_eq!(agent.get_ref().calls().len(), usize::from(polls > 0), "{polls}");
    }
}

#[test]
fn the_agents_own_error_comes_through_whole() {
    let budget = one_dollar();
    let agent = constrained(&budget, scripted(&budget).fail_with_bill("cut", two_cents()));
    let error = block_on(agent.run(task())).unwrap_err();
    assert_eq!(error.agent().unwrap().why, "cut");
    assert_eq!(error.to_string(), "cut");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_charges_what_was_held() {
    let budget = one_dollar();
    let agent = constrained(&budget, scripted(&budget).hang());
    let answer = tokio::time::timeout(Duration::from_secs(30), agent.run(task())).await;
    assert!(answer.is_err());
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(20), Usd::ZERO));
}

#[tokio::test]
async fn an_aborted_task_charges_what_was_held() {
    let budget = one_dollar();
    let agent = constrained(&budget, scripted(&budget).hang());
    let running = tokio::spawn(async move { agent.run(task()).await.is_ok() });
    tokio::task::yield_now().await;
    assert_eq!(budget.held(), Usd::cents(20));
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(20), Usd::ZERO));
}

/// The input may have been written to the prompt cache, at more than its plain price.
#[test]
fn the_input_of_a_lost_reply_counts_at_the_dearest_rate_that_it_could_reach() {
    let rate = |text: &str| text.parse().unwrap();
    let price = ModelPrice::new("acme", "keeper", rate("10"), rate("20"))
        .rate(Bucket::CacheWrite1h, rate("16"));
    let mut prices = PriceBook::empty();
    prices.insert(price).unwrap();
    let budget = BudgetManager::builder().prices(prices).build().unwrap();
    let call = budget.model("keeper").unwrap().estimate().input(10_000).max_output(5_000);
    for (call, spent) in [(call.clone(), "0.1"), (call.cache_writes(Bucket::CacheWrite1h), "0.16")]
    {
        let before = budget.spent();
        let agent = constrained(&budget, ScriptedAgent::new("writer", call).fail("500"));
        assert!(block_on(agent.on_lost_call(LostCall::ChargeInput).run(task())).is_err());
        assert_eq!(budget.spent().checked_sub(before), Some(usd(spent)));
    }
    let totals = budget.report().account("team/writer").unwrap().clone();
    assert_eq!((totals.spent, totals.held), (usd("0.26"), Usd::ZERO));
}

/// A rule for lost replies says nothing of a reply that came.
#[test]
fn a_reply_that_came_is_told_once_and_is_not_lost() {
    #[derive(Default)]
    struct Told(AtomicUsize);
    impl Observer for Told {
        fn on_settle(&self, _: &Path, _: &Receipt) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn on_alert(&self, alert: &Alert) {
            panic!("{alert}");
        }
    }
    for rule in [LostCall::ChargeHold, LostCall::ChargeInput, LostCall::Release] {
        let told = Arc::new(Told::default());
        let budget = BudgetManager::builder()
            .prices(prices())
            .shared_observer(told.clone())
            .build()
            .unwrap();
        let script =
            scripted(&budget).reply("done", two_cents()).fail_with_bill("cut", two_cents());
        let agent = constrained(&budget, script).on_lost_call(rule);
        assert!(block_on(agent.run(task())).is_ok() && block_on(agent.run(task())).is_err());
        assert_eq!(
            (told.0.load(Ordering::Relaxed), budget.spent()),
            (2, Usd::cents(4)),
            "{rule:?}"
        );
    }
}
