//! The options that pay less: models that are ranked for each task, tasks that are shortened;
//! with each other, in layers, with the cache, and dropped at every poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bursar::agent::{CallError, OnRefusal, agent_fn};
use bursar::cache::Namespace;
use bursar::context::{TrimError, TrimReport, openai};
use bursar::select::{Candidate, Complexity, Exclusion, Requirements};
use bursar::testing::{Failure, ManualClock, ScriptedAgent, block_on, drop_after};
use bursar::{
    Agent, Bill, BudgetConstrained, BudgetManager, Call, ContextTrimmer, Estimate, Limit,
    ModelPrice, ModelSelector, PriceBook, ResultCache, Usd,
};
use serde_json::{Value, json};

use crate::kit::*;

fn models(budget: &BudgetManager) -> ModelSelector {
    let of = |name: &str, quality| Candidate::new(&budget.model(name).unwrap(), quality);
    ModelSelector::new().candidate(of("small", 60)).candidate(of("big", 95))
}

/// A task says how hard it is.
#[allow(clippy::ptr_arg, reason = "the selector is given the task as it is")]
fn requirements(task: &String) -> Requirements {
    Requirements::new(if task.contains("hard") { Complexity::Complex } else { Complexity::Simple })
}

fn asked(agent: &ScriptedAgent) -> Vec<String> {
    agent.calls().iter().map(|call| call.model.as_ref().unwrap().id().to_owned()).collect()
}

#[test]
fn the_task_and_the_money_left_choose_the_model() {
    let budget = one_dollar();
    let bill = Bill::new(bursar::Usage::NONE).reported_cost(Usd::cents(10));
    let agent = constrained(&budget, scripted(&budget).reply("done", bill))
        .selector(models(&budget), requirements);
    for task in ["simple", "hard", "hard", "hard", "hard", "hard", "hard", "hard"] {
        let reply = block_on(agent.run(task.to_owned())).unwrap();
        assert!(reply.receipt.unwrap().model.is_some());
    }
    // From 700 per mille used on, the price counts more than the quality.
    let expected = ["small", "big", "big", "big", "big", "big", "big", "small"];
    assert_eq!(asked(agent.get_ref()), expected);
}

/// The selector ranks, the ledger admits.
#[test]
fn the_first_ranked_model_that_fits_is_admitted_then_the_fall_back() {
    let budget = budget([("", Limit::spend(Usd::cents(15)))]);
    let only_big = ModelSelector::new().candidate(models(&budget).candidates()[1].clone());
    let agent = |selector| {
        let script = scripted(&budget).reply("done", Bill::free());
        constrained(&budget, script).selector(selector, requirements)
    };
    let both = agent(models(&budget));
    block_on(both.run("hard".to_owned())).unwrap();
    assert_eq!(asked(both.get_ref()), ["small"]);

    let refused = agent(only_big.clone());
    assert!(block_on(refused.run("hard".to_owned())).unwrap_err().refused().is_some());
    let falls = agent(only_big).on_refusal(OnRefusal::FallTo(budget.model("small").unwrap()));
    block_on(falls.run("hard".to_owned())).unwrap();
    assert_eq!(asked(falls.get_ref()), ["small"]);
}

#[test]
fn no_model_is_an_error_that_costs_nothing() {
    let budget = one_dollar();
    let agent = constrained(&budget, scripted(&budget).reply("done", two_cents()))
        .selector(models(&budget), |_| Requirements::new(Complexity::Complex).min_quality(99));
    let error = block_on(agent.run(task())).unwrap_err();
    let CallError::NoModel(none) = error else { panic!("{error}") };
    assert_eq!(none.excluded().len(), 2);
    assert!(none.excluded().iter().all(|out| matches!(out.why, Exclusion::Quality { .. })));
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO));
    assert!(agent.get_ref().calls().is_empty());
}

#[test]
fn a_fixed_estimate_is_not_ranked() {
    let budget = one_dollar();
    let script = ScriptedAgent::new("search", Estimate::fixed(Usd::cents(1)));
    let agent = constrained(&budget, script.reply("found", Bill::free()))
        .selector(models(&budget), |_| Requirements::new(Complexity::Simple).min_quality(99));
    block_on(agent.run(task())).unwrap();
    assert!(agent.get_ref().calls()[0].model.is_none());
}

#[test]
fn models_are_ranked_at_the_time_of_the_budget() {
    let rate = |text: &str| text.parse().unwrap();
    let mut prices = PriceBook::empty();
    let cheaper_later = ModelPrice::new("acme", "early", rate("10"), rate("20")).from_date(
        "2090-01-01".parse().unwrap(),
        rate("0.1"),
        rate("0.2"),
    );
    prices.insert(cheaper_later).unwrap();
    prices.insert(ModelPrice::new("acme", "steady", rate("1"), rate("2"))).unwrap();
    let clock = ManualClock::at("2089-12-31T00:00:00Z".parse().unwrap());
    let budget = BudgetManager::builder().clock(clock.clone()).prices(prices).build().unwrap();
    let (early, steady) = (budget.model("early").unwrap(), budget.model("steady").unwrap());
    let selector = ModelSelector::new()
        .candidate(Candidate::new(&early, 60))
        .candidate(Candidate::new(&steady, 60));
    let script = ScriptedAgent::new("writer", early.estimate().input(1_000).max_output(500));
    let agent =
        constrained(&budget, script.reply("done", two_cents())).selector(selector, requirements);
    block_on(agent.run(task())).unwrap();
    clock.advance(std::time::Duration::from_secs(2 * 86_400));
    block_on(agent.run(task())).unwrap();
    assert_eq!(asked(agent.get_ref()), ["steady", "early"]);
}

#[test]
fn the_model_of_an_outer_layer_wins_over_an_inner_selector() {
    let budget = one_dollar();
    let inner = constrained(&budget, scripted(&budget).reply("done", two_cents()))
        .selector(models(&budget), |_| Requirements::new(Complexity::Simple));
    let outer = BudgetConstrained::new(inner, budget.account("team").unwrap());
    block_on(outer.run("hard".to_owned())).unwrap();
    assert_eq!(asked(outer.get_ref().get_ref()), ["big"], "the estimate's own, which outer held");

    let outer = outer.selector(models(&budget), requirements);
    block_on(outer.run("simple".to_owned())).unwrap();
    block_on(outer.run("hard".to_owned())).unwrap();
    assert_eq!(asked(outer.get_ref().get_ref()), ["big", "small", "big"]);
    assert_eq!(budget.held(), Usd::ZERO);
}

/// A team that has set all the money aside has not used it up: its members may still be choosy.
#[test]
fn a_member_may_choose_by_what_its_team_has_set_aside() {
    let own = Limit::spend(Usd::dollars(10));
    for (limits, expected) in [
        (
            vec![("", Limit::spend(Usd::cents(60))), ("user:42", Limit::spend(Usd::cents(60)))],
            "big",
        ),
        // A limit below the team does not hold the team's money.
        (vec![("team", own.clone()), ("team/writer", Limit::spend(Usd::cents(20)))], "big"),
        (vec![("team/writer", Limit::spend(Usd::cents(100)))], "small"),
    ] {
        let budget = budget(limits);
        let script = scripted(&budget).reply("done", Bill::free());
        let member = Arc::new(constrained(&budget, script).selector(models(&budget), requirements));
        let used = budget.account("team/writer").unwrap();
        if expected == "small" {
            used.reserve(&Estimate::fixed(Usd::cents(75))).unwrap().settle_cost(Usd::cents(75));
        }
        let inner = Arc::clone(&member);
        let team = agent_fn(
            "team",
            |_: &String| Estimate::fixed(Usd::cents(60)),
            move |call: Call<String>| {
                let member = Arc::clone(&inner);
                async move { member.call(call.inner("hard".to_owned())).await.map(|_| ()) }
            },
        )
        .metered();
        let team = BudgetConstrained::new(team, budget.account("team").unwrap())
            .tag(budget.tag("user:42").unwrap());
        block_on(team.run(task())).unwrap();
        assert_eq!(asked(member.get_ref()), [expected]);
    }
}

type Chat = Vec<Value>;

fn chat(messages: usize) -> Chat {
    let text = "word ".repeat(20);
    (0..messages).map(|n| json!({"role": "user", "content": format!("{n} {text}")})).collect()
}

/// What an agent saw of a chat.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    messages: usize,
    left_out: Option<usize>,
    model: String,
}

/// A thousand tokens for each message. It counts its calls, and takes some polls for each.
fn chatter(
    budget: &BudgetManager,
    model: &str,
    calls: &Arc<AtomicUsize>,
    polls: usize,
) -> impl Agent<Task = Chat, Output = Seen, Error = Failure> + use<> {
    let (model, calls) = (budget.model(model).unwrap(), Arc::clone(calls));
    agent_fn(
        "chatter",
        move |chat: &Chat| model.estimate().input(1_000 * chat.len() as u64).max_output(500),
        move |call: Call<Chat>| {
            calls.fetch_add(1, Ordering::Relaxed);
            async move {
                let mut left = polls;
                std::future::poll_fn(|_| {
                    let ready = left == 0;
                    left = left.saturating_sub(1);
                    if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                })
                .await;
                Ok(Seen {
                    messages: call.task().len(),
                    left_out: call.trimmed().map(|report| report.messages_dropped),
                    model: call.model().unwrap().id().to_owned(),
                })
            }
        },
    )
    .bill(|_| Some(two_cents().into()))
}

fn shorten(chat: &mut Chat, trimmer: &ContextTrimmer) -> Result<Option<TrimReport>, TrimError> {
    trimmer.shorten_json(chat, openai)
}

#[test]
fn a_task_is_shortened_before_it_is_paid_for_and_says_so() {
    let budget = budget([("", Limit::spend(Usd::cents(15)))]);
    let calls = Arc::default();
    let plain = constrained(&budget, chatter(&budget, "big", &calls, 0));
    assert!(block_on(plain.run(chat(50))).unwrap_err().refused().is_some(), "51 cents");

    let agent = plain.trimmer(ContextTrimmer::new(300), shorten);
    let reply = block_on(agent.run(chat(50))).unwrap();
    let report = reply.trimmed.unwrap();
    assert!(report.tokens_kept <= 300 && report.messages_kept > 2, "{report:?}");
    assert_eq!(report.messages_kept + report.messages_dropped, 50);
    assert_eq!(reply.output.messages, report.messages_kept);
    assert_eq!(reply.output.left_out, Some(report.messages_dropped));
    let held = Usd::cents(1).checked_mul(report.messages_kept as i128 + 1);
    assert_eq!(reply.receipt.map(|receipt| receipt.held), held);

    let short = block_on(agent.run(chat(2))).unwrap();
    assert_eq!((short.trimmed, short.output.left_out), (None, None));
}

#[test]
fn a_task_is_shortened_to_what_the_model_takes() {
    let rate = |text: &str| text.parse().unwrap();
    let mut prices = PriceBook::empty();
    let narrow = ModelPrice::new("acme", "narrow", rate("1"), rate("2")).context_window(800);
    prices.insert(narrow).unwrap();
    let budget = BudgetManager::builder().prices(prices).build().unwrap();
    let agent = constrained(&budget, chatter(&budget, "narrow", &Arc::default(), 0))
        .trimmer(ContextTrimmer::new(100_000), shorten);
    let report = block_on(agent.run(chat(50))).unwrap().trimmed.unwrap();
    assert!((200..=300).contains(&report.tokens_kept), "800 less the output of 500: {report:?}");
}

#[test]
fn a_task_that_cannot_be_shortened_costs_nothing() {
    let budget = one_dollar();
    let calls = Arc::default();
    let agent = constrained(&budget, chatter(&budget, "big", &calls, 0))
        .trimmer(ContextTrimmer::new(10), shorten);
    let error = block_on(agent.run(chat(50))).unwrap_err();
    assert!(matches!(error, CallError::Trim(TrimError::PinnedTooLarge { .. })), "{error}");
    assert!(error.to_string().contains("raise it"), "{error}");
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

/// What is not sent is no part of the key.
#[test]
fn chats_that_differ_in_what_fell_out_are_one_task() {
    let budget = one_dollar();
    let calls = Arc::default();
    let agent = constrained(&budget, chatter(&budget, "small", &calls, 0))
        .trimmer(ContextTrimmer::new(300), shorten)
        .cache(ResultCache::new(9), Namespace::tenant("acme"));
    let mut other = chat(50);
    other[10] = json!({"role": "assistant", "content": "I beg your pardon?"});
    let first = block_on(agent.run(chat(50))).unwrap();
    let again = block_on(agent.run(other)).unwrap();
    assert_eq!((again.cost, again.saved), (Usd::ZERO, first.cost));
    assert_eq!(first.trimmed.unwrap().messages_dropped, again.trimmed.unwrap().messages_dropped);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// An answer of the cheap model is not served to whoever would have asked the good one.
#[test]
fn a_cached_answer_is_that_of_the_model_that_would_be_asked_first() {
    let budget = one_dollar();
    let agent = constrained(&budget, scripted(&budget).reply("done", two_cents()))
        .selector(models(&budget), requirements)
        .cache(ResultCache::new(9), Namespace::tenant("acme"));
    let run = || block_on(agent.run("hard".to_owned())).unwrap().saved;
    let saved = [run(), run()];
    // All but 18 cents are spent: the ranking turns to the cheaper one.
    let account = budget.account("else").unwrap();
    account.reserve(&Estimate::fixed(Usd::cents(80))).unwrap().settle_cost(Usd::cents(80));
    let poor = [run(), run()];
    budget.set_limit("", Limit::spend(Usd::dollars(10))).unwrap();
    let rich = run();
    assert_eq!(asked(agent.get_ref()), ["big", "small"]);
    assert_eq!(saved, [Usd::ZERO, Usd::cents(2)]);
    assert_eq!(poor, [Usd::ZERO, usd("0.002")]);
    assert_eq!(rich, Usd::cents(2), "the answer of the good one is still there");
}

/// Selector, trimmer and cache around a layer that has the former two itself.
#[test]
fn all_of_it_dropped_after_its_nth_poll_leaks_no_hold_and_loses_no_charge() {
    for polls in 0..7 {
        let budget = budget([("", Limit::spend(Usd::cents(20))), ("", Limit::in_flight(1))]);
        let calls = Arc::default();
        let any = |_: &Chat| Requirements::new(Complexity::Complex);
        let inner = constrained(&budget, chatter(&budget, "small", &calls, 3))
            .trimmer(ContextTrimmer::new(200), shorten)
            .selector(models(&budget), any);
        let outer = BudgetConstrained::new(inner, budget.account("team").unwrap())
            .trimmer(ContextTrimmer::new(300), shorten)
            .selector(models(&budget), any)
            .cache(ResultCache::new(9), Namespace::tenant("acme"));
        let answer = drop_after(outer.run(chat(50)), polls).map(Result::unwrap);
        let kept = answer.as_ref().map(|reply| reply.output.messages as i64);
        // What the inner layer holds: a cent a message, and one for the output.
        let spent = match (polls, kept) {
            (0, _) => Usd::ZERO,
            (_, None) => Usd::cents(7),
            (_, Some(_)) => Usd::cents(2),
        };
        assert_eq!(answer.is_some(), polls > 3, "{polls}");
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO), "{polls}");
        assert_eq!(calls.load(Ordering::Relaxed), usize::from(polls > 0));
        if let Some(reply) = answer {
            assert_eq!((reply.output.model.as_str(), kept), ("big", Some(6)));
            assert!(reply.trimmed.unwrap().messages_kept > 6, "the outer layer's own");
        }
        let left = Usd::cents(20).checked_sub(spent).unwrap();
        let again = budget.reserve("team/writer", &Estimate::fixed(left));
        assert!(again.is_ok(), "{polls}: all that is not spent can be held again");
    }
}
