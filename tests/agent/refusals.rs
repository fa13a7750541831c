//! Refusals: what the caller gets, what is tried before, and what a countdown states.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bursar::agent::{BoxAgent, CallError, OnRefusal, agent_fn};
use bursar::cache::Namespace;
use bursar::price::EstimateError;
use bursar::testing::{Failure, ManualClock, block_on};
use bursar::{
    Account, Bill, BudgetConstrained, BudgetManager, Call, Estimate, Limit, Measure, Period,
    ReserveError, ResultCache, Usage, Usd,
};

use crate::kit::*;

#[test]
fn a_refused_call_never_reaches_the_agent_and_keeps_its_reason() {
    let budget = budget([("", Limit::spend(Usd::cents(10)))]);
    let agent = constrained(&budget, scripted(&budget).reply("done", two_cents()));
    let error = block_on(agent.run(task())).unwrap_err();
    let denied = error.refused().and_then(ReserveError::denied).unwrap();
    assert_eq!(denied.limit.measure(), Measure::Cost);
    assert!(error.to_string().contains("asks for $0.20"), "{error}");
    assert!(agent.get_ref().calls().is_empty());
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO));
}

#[test]
fn a_refused_call_is_shortened_then_cheaper_then_the_last() {
    let budget = budget([("", Limit::spend(Usd::cents(50)).keep_for_wrap_up(Usd::cents(5)))]);
    let small = budget.model("small").unwrap();
    // Each answer is billed at 15 cents, and nobody counts its tokens.
    let bill = Bill::new(Usage::NONE).reported_cost(Usd::cents(15));
    let agent = constrained(&budget, scripted(&budget).reply("done", bill))
        .on_refusal(OnRefusal::WrapUp)
        .on_refusal(OnRefusal::FallTo(small))
        .on_refusal(OnRefusal::Shorten { at_least: 1_000 });
    let seen = || agent.get_ref().calls().pop().unwrap();
    let name = |call: &bursar::testing::SeenCall| call.model.as_ref().unwrap().to_string();

    // 45 cents for ordinary calls: as asked, as asked, shortened to what 15 cents buy.
    for (cap, left) in [(5_000, 30), (5_000, 15), (2_500, 0)] {
        block_on(agent.run(task())).unwrap();
        assert_eq!((name(&seen()).as_str(), seen().max_output_tokens), ("acme/big", Some(cap)));
        assert!(!seen().wrap_up);
        assert_eq!(budget.spent(), Usd::cents(45 - left));
    }
    // The part kept for wrapping up: `small` in full length takes 2 cents.
    block_on(agent.run(task())).unwrap();
    assert_eq!((name(&seen()).as_str(), seen().max_output_tokens), ("acme/small", Some(5_000)));
    assert!(seen().wrap_up);
    assert!(block_on(agent.run(task())).unwrap_err().refused().is_some());
    assert_eq!(agent.get_ref().calls().len(), 4);
}

#[test]
fn a_margin_widens_the_hold_and_not_the_cap() {
    let budget = budget([("", Limit::spend(Usd::cents(21)))]);
    let script = || scripted(&budget).reply("done", Bill::free());
    let plain = constrained(&budget, script());
    assert!(block_on(plain.run(task())).is_ok());
    assert_eq!(plain.get_ref().calls()[0].max_output_tokens, Some(5_000));

    // 10 cents of input become 11: just fits; 12.5 do not.
    let wide = constrained(&budget, script()).margin("1.1".parse().unwrap());
    assert!(block_on(wide.run(task())).is_ok());
    assert_eq!(wide.get_ref().calls()[0].max_output_tokens, Some(5_000));
    let too_wide = constrained(&budget, script()).margin("1.25".parse().unwrap());
    assert!(block_on(too_wide.run(task())).is_err());
}

#[test]
fn a_countdown_speaks_the_agents_language() {
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder()
        .clock(clock)
        .prices(prices())
        .limit("", Limit::spend(Usd::cents(95)).per(Period::DAY).keep_for_wrap_up(Usd::cents(5)))
        .limit("team/*", Limit::tokens(1_000_000))
        .limit("team/*", Limit::requests(100))
        .build()
        .unwrap();
    let agent = constrained(&budget, scripted(&budget).reply("done", two_cents()));
    let left = agent.countdown(&task()).unwrap();
    assert_eq!(
        (left.calls, left.tokens, left.money),
        (Some(4), Some(1_000_000), Some(Usd::cents(90)))
    );
    block_on(agent.run(task())).unwrap();
    let left = agent.countdown(&task()).unwrap();
    assert_eq!(left.calls, Some(44), "of two cents each");
    assert_eq!(
        left.to_string(),
        "about 44 calls of the usual size, 998,500 tokens, $0.88; more at 2026-11-25T00:00:00Z"
    );
    budget.set_limit("", Limit::spend(Usd::cents(1)).per(Period::DAY)).unwrap();
    let left = agent.countdown(&task()).unwrap();
    assert_eq!((left.calls, left.money), (Some(0), Some(Usd::ZERO)));
    let free = BudgetManager::builder().build().unwrap();
    let any = free.account("x").unwrap().countdown(&Estimate::fixed(Usd::cents(1)));
    assert_eq!(any.to_string(), "no limit");
}

#[test]
fn a_countdown_inside_a_call_counts_what_its_hold_has_left() {
    let budget = budget([("", Limit::spend(Usd::cents(20)))]);
    let agent = agent_fn(
        "researcher",
        |_: &String| Estimate::fixed(Usd::cents(15)),
        |call: Call<String>| async move {
            let sub_budget = call.sub_budget().unwrap();
            let cent = Estimate::fixed(Usd::cents(1));
            sub_budget.reserve(&cent).unwrap().settle_cost(Usd::cents(1));
            Ok::<_, Failure>(sub_budget.countdown(&cent))
        },
    )
    .metered();
    let left = block_on(constrained(&budget, agent).run(task())).unwrap().output;
    assert_eq!((left.calls, left.money), (Some(19), Some(Usd::cents(19))));
}

#[test]
fn a_frozen_account_refuses_even_the_last_call() {
    let budget = one_dollar();
    let account: Account = budget.account("team/writer").unwrap();
    let agent = constrained(&budget, scripted(&budget).reply("done", two_cents()))
        .on_refusal(OnRefusal::WrapUp);
    account.freeze("it loops").unwrap();
    let error = block_on(agent.run(task())).unwrap_err();
    assert_eq!(error.to_string(), "`team/writer` is frozen: it loops");
    assert!(agent.get_ref().calls().is_empty());
}

/// Users reached for an estimate that was wrong, because theirs could not fail.
#[test]
fn a_task_that_cannot_be_bounded_is_refused_in_its_own_words_before_anything_is_held() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let terra = budget.model("gpt-6.1-terra").unwrap();
    let count = Arc::clone(&calls);
    let agent = agent_fn(
        "client",
        move |body: &String| terra.estimate_request(body),
        move |_: Call<String>| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Failure>(()) }
        },
    )
    .bill(|()| Some(Bill::free()));
    let agent = BudgetConstrained::new(agent, budget.account("client").unwrap())
        .on_refusal(OnRefusal::WrapUp)
        .cache(ResultCache::new(10), Namespace::tenant("acme"));
    let wrong = r#"{"messages": [], "max_completion_tokens": "many"}"#.to_owned();
    let error = block_on(agent.run(wrong.clone())).unwrap_err();
    assert!(matches!(error, CallError::Estimate(EstimateError::Request(_))), "{error:?}");
    assert!(error.to_string().starts_with("`max_completion_tokens` is \"many\""), "{error}");
    assert!(agent.countdown(&wrong).is_err());
    assert_eq!((calls.load(Ordering::SeqCst), budget.spent()), (0, Usd::ZERO));

    // Around another layer, and behind a pointer, it is the same error.
    let team = BudgetConstrained::new(BoxAgent::new(agent), budget.account("").unwrap());
    let error = block_on(team.run(wrong)).unwrap_err();
    assert!(matches!(error, CallError::Estimate(EstimateError::Request(_))), "{error:?}");
    block_on(team.run(r#"{"messages": [], "max_completion_tokens": 9}"#.to_owned())).unwrap();
    assert_eq!((calls.load(Ordering::SeqCst), budget.held()), (1, Usd::ZERO));
}

#[test]
fn an_agent_says_in_its_own_words_what_it_cannot_bound() {
    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    let agent = agent_fn(
        "reader",
        |pages: &u64| match pages {
            0 => Err("the file has no pages"),
            pages => Ok(Estimate::fixed(Usd::cents(*pages as i64))),
        },
        |call: Call<u64>| async move { Ok::<_, Failure>(call.into_task()) },
    );
    let agent = BudgetConstrained::new(agent, budget.account("reader").unwrap());
    assert_eq!(block_on(agent.run(0)).unwrap_err().to_string(), "the file has no pages");
    assert_eq!(block_on(agent.run(3)).unwrap().cost, Usd::cents(3));
}
