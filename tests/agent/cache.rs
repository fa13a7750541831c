//! The cache around an agent: what is paid once, what is kept, and what is not.

use bursar::agent::OnRefusal;
use bursar::cache::Namespace;
use bursar::testing::{block_on, drop_after};
use bursar::{Bill, BudgetConstrained, Limit, ResultCache, Usd};

use crate::crowd::run_all;
use crate::kit::*;

#[test]
fn equal_tasks_are_paid_once_and_the_saving_is_noted() {
    let budget = one_dollar();
    let cache = ResultCache::new(100);
    let script = scripted(&budget).reply("done", two_cents()).after(2);
    let agent = constrained(&budget, script).cache(cache, Namespace::tenant("acme"));
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
            constrained(&budget, script).cache(ResultCache::new(9), Namespace::tenant("acme"));
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
    let script = scripted(&budget).reply("done", Bill::free());
    let agent = constrained(&budget, script)
        .cache(ResultCache::new(9), Namespace::tenant("acme"))
        .on_refusal(OnRefusal::Shorten { at_least: 100 });
    block_on(agent.run(task())).unwrap();
    budget.set_limit("", Limit::spend(Usd::dollars(1))).unwrap();
    block_on(agent.run(task())).unwrap();
    block_on(agent.run(task())).unwrap();
    let caps: Vec<_> = agent.get_ref().calls().iter().map(|call| call.max_output_tokens).collect();
    assert_eq!(caps, [Some(2_500), Some(5_000)]);
}

#[test]
fn equal_tasks_at_once_are_paid_once() {
    let budget = one_dollar();
    let script = scripted(&budget).reply("done", two_cents()).after(3);
    let agent = constrained(&budget, script).cache(ResultCache::new(9), Namespace::tenant("acme"));
    let replies = run_all((0..5).map(|_| agent.run(task())));
    let replies: Vec<_> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies.iter().filter(|reply| reply.receipt.is_some()).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.saved == Usd::cents(2)).count(), 4);
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(2), Usd::ZERO));
    assert_eq!(agent.get_ref().calls().len(), 1);
}

/// A cache around a layer that falls to a cheaper model: what that one had to make do with is not
/// served as the answer, neither by the one who paid nor by those who waited with him.
#[test]
fn what_an_inner_layer_made_do_with_is_not_kept_outside() {
    let budget = budget([("team/writer", Limit::spend(Usd::cents(15)))]);
    let small = budget.model("small").unwrap();
    let free = Bill::free();
    let inner = constrained(&budget, scripted(&budget).reply("done", free).after(2))
        .on_refusal(OnRefusal::FallTo(small))
        .cache(ResultCache::new(9), Namespace::tenant("inner"));
    let outer = || {
        BudgetConstrained::new(&inner, budget.account("team").unwrap())
            .cache(ResultCache::new(9), Namespace::tenant("outer"))
    };
    let (one, two) = (outer(), outer());
    run_all([one.run(task()), two.run(task())]).into_iter().for_each(|reply| drop(reply.unwrap()));
    assert_eq!(inner.get_ref().calls().len(), 1, "the second waited for the first");
    let models = || -> Vec<String> {
        let calls = inner.get_ref().calls();
        calls.iter().map(|call| call.model.as_ref().unwrap().to_string()).collect()
    };

    budget.set_limit("team/writer", Limit::spend(Usd::dollars(1))).unwrap();
    for outer in [&one, &two] {
        block_on(outer.run(task())).unwrap();
        block_on(outer.run(task())).unwrap();
    }
    assert_eq!(models(), ["acme/small", "acme/big", "acme/big"]);
}
