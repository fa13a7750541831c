//! Layers: teams around members, a wrapper around a wrapper, calls through a `SubBudget`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bursar::agent::{Billing, CallError, OnRefusal, agent_fn};
use bursar::budget::InvalidCall;
use bursar::price::EstimateError;
use bursar::testing::{ScriptedAgent, block_on, drop_after};
use bursar::usage::Outcome;
use bursar::{
    Agent, Bill, BudgetConstrained, BudgetManager, Call, Estimate, Limit, ReserveError, Usd,
};

use crate::kit::*;

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

/// A team with 60 cents of its own that gives each task to three members, one after the other.
pub struct Team<M: Agent> {
    pub members: Vec<BudgetConstrained<M>>,
}

impl<M: Agent<Task = String>> Agent for Team<M> {
    type Task = String;
    type Output = usize;
    type Error = CallError<M::Error>;

    fn name(&self) -> &str {
        "team"
    }

    fn estimate(&self, _: &String) -> Result<Estimate, EstimateError> {
        Ok(Estimate::fixed(Usd::cents(60)))
    }

    async fn execute(&self, call: Call<String>) -> Result<usize, Self::Error> {
        for (place, member) in self.members.iter().enumerate() {
            member.call(call.inner(format!("{} {place}", call.task()))).await?;
        }
        Ok(self.members.len())
    }

    fn outcome(&self, _: &Result<usize, Self::Error>) -> Outcome {
        Outcome::Lost
    }

    fn billing(&self) -> Billing {
        Billing::Metered
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

/// An agent that makes calls of its own through its `SubBudget`, and has a bill beside them.
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
                let sub_budget = call.sub_budget().unwrap();
                for _ in 0..5 {
                    sub_budget.reserve(&step)?.settle(two_cents());
                }
                let lost = sub_budget.reserve(&step)?;
                lost.mark_sent();
                drop(lost);
                drop(sub_budget.reserve(&step)?); // never sent
                Ok::<_, ReserveError>(sub_budget.clone())
            }
        },
    )
    .bill(|_| Some(Bill::new(bursar::Usage::NONE).reported_cost(Usd::cents(3))));
    let agent = constrained(&budget, agent);
    let reply = block_on(agent.run(task())).unwrap();
    // Five at 0.2 cents, a lost one at 2, and three of its own.
    assert_eq!((reply.cost, budget.spent()), (Usd::cents(6), Usd::cents(6)));
    assert_eq!(budget.held(), Usd::ZERO);

    // The `SubBudget` outlives its call and reserves nothing.
    let late = reply.output.reserve(&Estimate::fixed(Usd::ZERO)).unwrap_err();
    assert!(matches!(late, ReserveError::Invalid(InvalidCall::OuterEnded)), "{late}");
}
