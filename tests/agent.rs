//! Owns the tests of the wrapper around agents: how each call ends and what it books, layers,
//! refusals, the cache, cancellation at every point.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bursar::agent::testing::{
    Failure, ManualClock, ScriptedAgent, ScriptedReply, block_on, drop_after,
};
use bursar::agent::{BoxAgent, CallError, LostReply, OnRefusal, agent_fn};
use bursar::budget::{InvalidCall, LostCall};
use bursar::cache::Namespace;
use bursar::{
    Account, Agent, Bill, BudgetConstrained, BudgetManager, Call, Confidence, Estimate, Limit,
    Measure, ModelPrice, Period, PriceBook, Rate, ReserveError, ResultCache, Usage, Usd,
};

/// `big` costs $10 a million tokens in and $20 out, `small` a tenth.
fn prices() -> PriceBook {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::empty();
    book.insert(ModelPrice::new("acme", "big", rate("10"), rate("20"))).unwrap();
    book.insert(ModelPrice::new("acme", "small", rate("1"), rate("2"))).unwrap();
    book
}

fn budget(limits: impl IntoIterator<Item = (&'static str, Limit)>) -> BudgetManager {
    let mut builder = BudgetManager::builder().prices(prices());
    for (accounts, limit) in limits {
        builder = builder.limit(accounts, limit);
    }
    builder.build().unwrap()
}

fn one_dollar() -> BudgetManager {
    budget([("", Limit::spend(Usd::dollars(1)))])
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// 10,000 tokens in, at most 5,000 out: held at 20 cents; 10 for the input alone.
fn twenty_cents(budget: &BudgetManager) -> Estimate {
    budget.model("big").unwrap().estimate().input(10_000).max_output(5_000)
}

/// Of that, a tenth: 2 cents.
fn two_cents() -> Usage {
    Usage::tokens(1_000, 500)
}

fn scripted(budget: &BudgetManager) -> ScriptedAgent {
    ScriptedAgent::new("writer", twenty_cents(budget))
}

fn constrained<A: Agent>(budget: &BudgetManager, agent: A) -> BudgetConstrained<A> {
    BudgetConstrained::new(agent, budget.account("team/writer").unwrap())
}

fn task() -> String {
    "a task".to_owned()
}

#[test]
fn every_end_of_a_call_books_what_the_table_says() {
    type Script = fn(ScriptedAgent) -> ScriptedAgent;
    let ends: &[(&str, Script, &str)] = &[
        ("an answer", |agent| agent.reply("done", two_cents()), "0.02"),
        ("above the hold", |agent| agent.reply("done", Usage::tokens(100_000, 0)), "1"),
        ("free", |agent| agent.reply("done", Bill::default()), "0"),
        ("by another model", |a| a.reply("done", Bill::new(two_cents()).model("small")), "0.002"),
        ("without a bill", |agent| agent.reply_without_bill("done"), "0.2"),
        ("an error with a bill", |agent| agent.fail_with_bill("cut", two_cents()), "0.02"),
        ("an error that is free", |agent| agent.fail_with_bill("429", Bill::default()), "0"),
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
        (LostReply::ChargeHold, "0.2", Confidence::Assumed),
        (LostReply::ChargeInput, "0.1", Confidence::Estimated),
        (LostReply::Release, "0", Confidence::Exact),
    ];
    for manager in [LostCall::ChargeHold, LostCall::Release] {
        for (script, (rule, spent, confidence)) in
            losses.iter().flat_map(|script| rules.iter().map(move |rule| (script, *rule)))
        {
            let budget =
                BudgetManager::builder().prices(prices()).on_lost_call(manager).build().unwrap();
            let agent = constrained(&budget, script(scripted(&budget))).lost_reply(rule);
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
fn the_agents_own_error_comes_through_whole() {
    let budget = one_dollar();
    let agent = constrained(&budget, scripted(&budget).fail_with_bill("cut", two_cents()));
    let error = block_on(agent.run(task())).unwrap_err();
    assert_eq!(error.agent().unwrap().why, "cut");
    assert_eq!(error.to_string(), "cut");
}

#[test]
fn a_refused_call_is_shortened_then_cheaper_then_the_last() {
    let budget = budget([("", Limit::spend(Usd::cents(50)).keep_for_wrap_up(Usd::cents(5)))]);
    let small = budget.model("small").unwrap();
    // Each answer is billed at 15 cents of `big`, as far as its name goes.
    let bill = Bill::new(Usage::tokens(5_000, 5_000)).reported_cost(Usd::cents(15));
    let agent = constrained(&budget, scripted(&budget).reply("done", bill))
        .on_refusal(OnRefusal::WrapUp)
        .on_refusal(OnRefusal::FallTo(small))
        .on_refusal(OnRefusal::Shorten { at_least: 1_000 });
    let seen = || agent.get_ref().calls().pop().unwrap();
    let name = |call: &bursar::agent::testing::SeenCall| call.model.as_ref().unwrap().to_string();

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
    let script = || scripted(&budget).reply("done", Bill::default());
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
fn tags_are_charged_with_the_account() {
    let budget = one_dollar();
    let (user, team) = (budget.tag("user:42").unwrap(), budget.tag("team:blue").unwrap());
    let agent = constrained(&budget, scripted(&budget).reply("done", two_cents()))
        .tag(user.clone())
        .tag(team.clone());
    block_on(agent.run(task())).unwrap();
    assert_eq!(
        (user.spent(), team.spent(), budget.spent()),
        (usd("0.02"), usd("0.02"), usd("0.02"))
    );
}

#[test]
fn equal_tasks_are_paid_once_and_the_saving_is_noted() {
    let budget = one_dollar();
    let cache = ResultCache::new(100);
    let script = scripted(&budget).reply("done", two_cents()).after(2);
    let agent = constrained(&budget, script).cache(cache, Namespace::of_tenant("acme"));
    let first = block_on(agent.run(task())).unwrap();
    let again = block_on(agent.run(task())).unwrap();
    assert_eq!((first.cost, first.saved), (Usd::cents(2), Usd::ZERO));
    assert_eq!((again.cost, again.saved), (Usd::ZERO, Usd::cents(2)));
    assert!(first.receipt.is_some() && again.receipt.is_none());
    assert_eq!((first.output.text, again.output.text), ("done".to_owned(), "done".to_owned()));
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(2), Usd::ZERO));
    let report = budget.report();
    let account = report.accounts.iter().find(|a| a.account.as_str() == "team/writer").unwrap();
    assert_eq!(account.saved, Usd::cents(2));
}

#[test]
fn a_cached_call_dropped_after_its_nth_poll_hands_its_turn_to_the_next() {
    for polls in 0..8 {
        let budget = one_dollar();
        let script = scripted(&budget).reply("done", two_cents()).after(4);
        let agent =
            constrained(&budget, script).cache(ResultCache::new(9), Namespace::of_tenant("acme"));
        let answered = drop_after(agent.run(task()), polls).is_some();
        let before = budget.spent();
        assert_eq!(budget.held(), Usd::ZERO, "{polls}");
        let next = block_on(agent.run(task())).unwrap();
        assert_eq!(next.cost, if answered { Usd::ZERO } else { Usd::cents(2) }, "{polls}");
        assert_eq!(budget.spent(), before.checked_add(next.cost).unwrap(), "{polls}");
    }
}

#[test]
fn a_shortened_answer_is_not_kept() {
    let budget = budget([("", Limit::spend(Usd::cents(15)))]);
    let script = scripted(&budget).reply("done", Bill::default());
    let agent = constrained(&budget, script)
        .cache(ResultCache::new(9), Namespace::of_tenant("acme"))
        .on_refusal(OnRefusal::Shorten { at_least: 100 });
    block_on(agent.run(task())).unwrap();
    budget.set_limit("", Limit::spend(Usd::dollars(1))).unwrap();
    block_on(agent.run(task())).unwrap();
    block_on(agent.run(task())).unwrap();
    let caps: Vec<_> = agent.get_ref().calls().iter().map(|call| call.max_output_tokens).collect();
    assert_eq!(caps, [Some(2_500), Some(5_000)]);
}

/// A team with 60 cents of its own that gives each task to three members, one after the other.
struct Team<M: Agent> {
    members: Vec<BudgetConstrained<M>>,
}

impl<M: Agent<Task = String>> Agent for Team<M> {
    type Task = String;
    type Output = usize;
    type Error = CallError<M::Error>;

    fn name(&self) -> &str {
        "team"
    }

    fn estimate(&self, _: &String) -> Estimate {
        Estimate::fixed(Usd::cents(60))
    }

    async fn execute(&self, call: Call<String>) -> Result<usize, Self::Error> {
        for (place, member) in self.members.iter().enumerate() {
            member.call(call.inner(format!("{} {place}", call.task()))).await?;
        }
        Ok(self.members.len())
    }

    fn bill(&self, _: &usize) -> Option<Bill> {
        None
    }

    fn is_metered(&self) -> bool {
        true
    }
}

type Crew = BudgetConstrained<Team<ScriptedAgent>>;

fn team(budget: &BudgetManager, script: impl Fn(ScriptedAgent) -> ScriptedAgent) -> Crew {
    let member = |name: &str| {
        let account = budget.account(&format!("team/{name}")).unwrap();
        BudgetConstrained::new(script(scripted(budget)), account)
    };
    let team = Team { members: ["a", "b", "c"].map(member).into() };
    BudgetConstrained::new(team, budget.account("team").unwrap())
}

/// The team may hold 60 cents, and so may the members: together 60, not 120.
#[test]
fn money_that_layers_share_is_held_and_booked_once() {
    let budget = budget([
        ("", Limit::spend(Usd::cents(60))),
        ("", Limit::in_flight(1)),
        ("team", Limit::requests(3)),
        ("team/*", Limit::spend(Usd::cents(20))),
    ]);
    let team = team(&budget, |agent| agent.reply("done", two_cents()).after(2));
    let reply = block_on(team.run(task())).unwrap();
    assert_eq!((reply.output, reply.cost), (3, Usd::cents(6)));
    assert!(reply.receipt.is_none(), "all was booked by the members");
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(6), Usd::ZERO));
    for member in ["team/a", "team/b", "team/c"] {
        assert_eq!(budget.account(member).unwrap().spent(), Usd::cents(2));
    }
    let error = block_on(team.run(task())).unwrap_err();
    assert!(error.to_string().contains("requests"), "three leaf calls are used: {error}");
}

#[test]
fn a_team_dropped_after_its_nth_poll_is_charged_for_the_members_that_had_begun() {
    for polls in 0..14 {
        let budget = one_dollar();
        let team = team(&budget, |agent| agent.reply("done", two_cents()).after(3));
        let answer = drop_after(team.run(task()), polls);
        // A member takes four polls, the last of which begins the next: done members cost 2
        // cents, the one under way what it held.
        let done = (polls.saturating_sub(1) / 3).min(3) as i64;
        let under_way = i64::from((1..=9).contains(&polls));
        let spent = Usd::cents(2 * done + 20 * under_way);
        assert_eq!(answer.is_some(), polls > 9, "{polls}");
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO), "{polls}");
    }
}

#[test]
fn a_panic_in_a_member_charges_the_member_alone() {
    let budget = one_dollar();
    let team = team(&budget, |agent| agent.panic("fell over"));
    let _ = catch_unwind(AssertUnwindSafe(|| drop_after(team.run(task()), 1)));
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(20), Usd::ZERO));
    assert_eq!(budget.account("team/a").unwrap().spent(), Usd::cents(20));
}

#[test]
fn two_layers_around_one_agent_hold_and_book_once() {
    let budget = budget([("", Limit::spend(Usd::cents(15)))]);
    let small = budget.model("small").unwrap();
    let bill = Bill::new(two_cents());
    let inner = BudgetConstrained::new(
        scripted(&budget).reply("done", bill).after(1),
        budget.account("team/writer").unwrap(),
    )
    .tag(budget.tag("user:42").unwrap());
    let outer = BudgetConstrained::new(inner, budget.account("team").unwrap())
        .tag(budget.tag("team:blue").unwrap())
        .on_refusal(OnRefusal::FallTo(small));
    let reply = block_on(outer.run(task())).unwrap();
    // What the outer layer chose is what the inner one asks for, and what the agent sees.
    let seen = outer.get_ref().get_ref().calls().pop().unwrap();
    assert_eq!(seen.model.unwrap().to_string(), "acme/small");
    assert_eq!(reply.cost, usd("0.002"));
    assert_eq!((budget.spent(), budget.held()), (usd("0.002"), Usd::ZERO));
    for tag in ["user:42", "team:blue"] {
        assert_eq!(budget.tag(tag).unwrap().spent(), usd("0.002"), "{tag}");
    }
    for polls in 0..4 {
        let before = budget.spent();
        let answer = drop_after(outer.run(task()), polls);
        let cost = budget.spent().checked_sub(before).unwrap();
        let expected = ["0", "0.02", "0.002", "0.002"][polls];
        assert_eq!((cost, answer.is_some()), (usd(expected), polls > 1), "{polls}");
        assert_eq!(budget.held(), Usd::ZERO);
    }
}

#[test]
fn a_member_that_belongs_to_somebody_else_is_refused() {
    let budget = one_dollar();
    let stranger = constrained(&budget, scripted(&budget).reply("done", two_cents()));
    let stranger = Team { members: vec![stranger] };
    let other = BudgetConstrained::new(stranger, budget.account("other").unwrap());
    let error = block_on(other.run(task())).unwrap_err();
    let inner = error.agent().and_then(CallError::refused).unwrap();
    assert!(matches!(inner, ReserveError::Invalid(InvalidCall::NotInside)), "{inner}");
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO));
}

/// An agent that makes calls of its own through its meter, and has a bill beside them.
#[test]
fn metered_calls_come_out_of_the_hold_and_the_own_bill_is_added() {
    let budget = budget([("", Limit::spend(Usd::cents(20)))]);
    let step = budget.model("small").unwrap().estimate().input(10_000).max_output(5_000);
    let agent = agent_fn(
        "researcher",
        |_: &String| Estimate::fixed(Usd::cents(20)),
        move |call: Call<String>| {
            let step = step.clone();
            async move {
                let meter = call.meter().unwrap();
                for _ in 0..5 {
                    meter.reserve(&step)?.settle(two_cents());
                }
                let lost = meter.reserve(&step)?;
                lost.mark_sent();
                drop(lost);
                drop(meter.reserve(&step)?); // never sent
                Ok::<_, ReserveError>(meter.clone())
            }
        },
    )
    .bill(|_| Some(Bill::default().reported_cost(Usd::cents(3))));
    let agent = constrained(&budget, agent);
    let reply = block_on(agent.run(task())).unwrap();
    // Five at 0.2 cents, a lost one at 2, and three of its own.
    assert_eq!((reply.cost, budget.spent()), (Usd::cents(6), Usd::cents(6)));
    assert_eq!(budget.held(), Usd::ZERO);

    // The meter outlives its call and reserves nothing.
    let late = reply.output.reserve(&Estimate::fixed(Usd::ZERO)).unwrap_err();
    assert!(matches!(late, ReserveError::Invalid(InvalidCall::OuterEnded)), "{late}");
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
    let left = agent.countdown(&task());
    assert_eq!(
        (left.calls, left.tokens, left.money),
        (Some(4), Some(1_000_000), Some(Usd::cents(90)))
    );
    block_on(agent.run(task())).unwrap();
    let left = agent.countdown(&task());
    assert_eq!(left.calls, Some(44), "of two cents each");
    assert_eq!(
        left.to_string(),
        "about 44 calls of the usual size, 998,500 tokens, $0.88; more at 2026-11-25T00:00:00Z"
    );
    budget.set_limit("", Limit::spend(Usd::cents(1)).per(Period::DAY)).unwrap();
    let left = agent.countdown(&task());
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
            let meter = call.meter().unwrap();
            let cent = Estimate::fixed(Usd::cents(1));
            meter.reserve(&cent).unwrap().settle_cost(Usd::cents(1));
            Ok::<_, Failure>(meter.countdown(&cent))
        },
    )
    .metered();
    let left = block_on(constrained(&budget, agent).run(task())).unwrap().output;
    assert_eq!((left.calls, left.money), (Some(19), Some(Usd::cents(19))));
}

#[test]
fn agents_behind_pointers_and_hidden_ones_are_agents() {
    fn cost<A: Agent<Task = String>>(budget: &BudgetManager, agent: A) -> Usd {
        let agent = constrained(budget, agent);
        assert_eq!(agent.name(), "writer");
        block_on(agent.run(task())).ok().unwrap().cost
    }
    let budget = one_dollar();
    let agent = || scripted(&budget).reply("done", two_cents());
    let borrowed = agent();
    assert_eq!(cost(&budget, &borrowed), Usd::cents(2));
    assert_eq!(borrowed.calls().len(), 1);
    assert_eq!(cost(&budget, Arc::new(agent())), Usd::cents(2));
    assert_eq!(cost(&budget, Box::new(agent())), Usd::cents(2));
    let hidden: BoxAgent<String, ScriptedReply, Failure> = BoxAgent::new(agent());
    assert_eq!(cost(&budget, hidden.clone()), Usd::cents(2));
    let layers = BoxAgent::new(constrained(&budget, hidden));
    assert_eq!(cost(&budget, layers), Usd::cents(2));
    assert_eq!(budget.spent(), Usd::cents(10));
}

#[test]
fn the_wrapper_has_good_manners() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    fn is_sent<T: Send>(value: T) -> T {
        value
    }
    let budget = one_dollar();
    let agent = constrained(&budget, Arc::new(scripted(&budget).reply("done", two_cents())));
    is_shared(&agent);
    let twin = agent.clone();
    block_on(is_sent(twin.run(task()))).unwrap();
    assert_eq!(agent.get_ref().calls().len(), 1);
    let shown = "BudgetConstrained { agent: \"writer\", account: Account(\"team/writer\"), .. }";
    assert_eq!(format!("{agent:?}"), shown);
    assert_eq!(agent.into_inner().name(), "writer");
}

/// litellm #34732: concurrent requests passed a budget that none of them would have passed alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_on_one_account_under_tokio() {
    let budget = budget([("", Limit::spend(Usd::dollars(1)))]);
    let script = scripted(&budget).reply("done", two_cents()).after(2).fail("500").after(1);
    let agent = Arc::new(constrained(&budget, script));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let agent = Arc::clone(&agent);
            tokio::spawn(async move {
                let mut count = Count::default();
                for turn in 0..20 {
                    count.add(agent.run(format!("{number}/{turn}")).await);
                    tokio::task::yield_now().await;
                }
                count
            })
        })
        .collect();
    let mut all = Count::default();
    for task in tasks {
        all.join(task.await.unwrap());
    }
    all.check(&budget, &agent.get_ref().calls().len());
}

#[test]
fn sixty_four_tasks_on_one_account_under_a_bare_executor() {
    let budget = budget([("", Limit::spend(Usd::dollars(1)))]);
    let script = scripted(&budget).reply("done", two_cents()).after(2).fail("500").after(1);
    let agent = Arc::new(constrained(&budget, script));
    let tasks = (0..64).map(|number| {
        let agent = Arc::clone(&agent);
        async move {
            let mut count = Count::default();
            for turn in 0..20 {
                count.add(agent.run(format!("{number}/{turn}")).await);
            }
            count
        }
    });
    let mut all = Count::default();
    run_all(tasks).into_iter().for_each(|count| all.join(count));
    all.check(&budget, &agent.get_ref().calls().len());
}

#[derive(Default)]
struct Count {
    answers: usize,
    failures: usize,
    refusals: usize,
}

impl Count {
    fn add<T, E>(&mut self, answer: Result<T, CallError<E>>) {
        match answer {
            Ok(_) => self.answers += 1,
            Err(CallError::Agent(_)) => self.failures += 1,
            Err(_) => self.refusals += 1,
        }
    }

    fn join(&mut self, other: Count) {
        self.answers += other.answers;
        self.failures += other.failures;
        self.refusals += other.refusals;
    }

    /// Two cents an answer, twenty a failure, and never more than the dollar.
    fn check(&self, budget: &BudgetManager, calls: &usize) {
        assert_eq!(self.answers + self.failures + self.refusals, 64 * 20);
        assert_eq!(self.answers + self.failures, *calls);
        assert!(self.answers > 0 && self.failures > 0 && self.refusals > 0);
        let spent = Usd::cents((2 * self.answers + 20 * self.failures) as i64);
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO));
        assert!(spent <= Usd::dollars(1), "{spent}");
    }
}

/// An executor of a screen: it polls whatever was woken, in turn, until all are done.
fn run_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    struct Flag(AtomicUsize);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(1, Ordering::SeqCst);
        }
    }
    let mut tasks: Vec<_> = futures
        .into_iter()
        .map(|future| (Some(Box::pin(future)), Arc::new(Flag(AtomicUsize::new(1)))))
        .collect();
    let mut outputs = Vec::new();
    while outputs.len() < tasks.len() {
        for (future, flag) in &mut tasks {
            if future.is_none() || flag.0.swap(0, Ordering::SeqCst) == 0 {
                continue;
            }
            let waker = Waker::from(Arc::clone(flag));
            let mut context = Context::from_waker(&waker);
            if let Some(Poll::Ready(output)) =
                future.as_mut().map(|future| future.as_mut().poll(&mut context))
            {
                *future = None;
                outputs.push(output);
            }
        }
    }
    outputs
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
