//! The random test of layers: trees of agents that answer, fail, panic and hang, cancelled at
//! any poll, whose books have to agree with an observer who adds up every receipt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bursar::agent::{Billing, BoxAgent, OnRefusal};
use bursar::budget::LostCall;
use bursar::price::EstimateError;
use bursar::testing::{Failure, ScriptedAgent, ScriptedReply, drop_after};
use bursar::usage::Outcome;
use bursar::{
    Account, Agent, Bill, BudgetConstrained, BudgetManager, Call, Estimate, Limit, Observer, Path,
    Receipt, Usd,
};
use proptest::prelude::*;

/// What an agent does: its members first, each inside its own call, then as its script says.
#[derive(Clone, Debug)]
struct Plan {
    end: u8,
    polls: usize,
    metered: bool,
    gives_up: bool,
    lost: Option<u8>,
    members: Vec<Plan>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let one = (0..7_u8, 0..3_usize, any::<bool>(), any::<bool>(), prop::option::of(0..3_u8));
    let plan = |((end, polls, metered, gives_up, lost), members)| Plan {
        end,
        polls,
        metered,
        gives_up,
        lost,
        members,
    };
    let leaf = one.clone().prop_map(move |one| plan((one, Vec::new())));
    leaf.prop_recursive(3, 12, 3, move |members| {
        (one.clone(), prop::collection::vec(members, 0..3)).prop_map(plan)
    })
}

struct Node {
    plan: Plan,
    own: ScriptedAgent,
    members: Vec<Member>,
}

type Member = BudgetConstrained<BoxAgent<String, ScriptedReply, Failure>>;

const OWN: i64 = 10;

impl Plan {
    fn size(&self) -> i64 {
        1 + self.members.iter().map(Plan::size).sum::<i64>()
    }

    /// Ten cents for each agent of the tree below.
    fn agent(&self, account: &Account) -> Member {
        let bill = Bill::new(bursar::Usage::NONE).reported_cost(Usd::cents(3));
        let own = ScriptedAgent::new("node", Estimate::fixed(Usd::cents(OWN * self.size())));
        let own = match self.end {
            0 => own.reply("billed", bill),
            1 => own.reply_without_bill("unknown"),
            2 => own.fail("lost"),
            3 => own.fail_with_bill("billed", bill),
            4 => own.fail_with_bill("free", Bill::free()),
            5 => own.panic("fell over"),
            _ => own.hang(),
        };
        let own = if self.end < 6 { own.after(self.polls) } else { own };
        let below =
            |(place, plan): (usize, &Plan)| plan.agent(&account.child(&place.to_string()).unwrap());
        let members = self.members.iter().enumerate().map(below).collect();
        let node = Node { plan: self.clone(), own, members };
        let member = BudgetConstrained::new(BoxAgent::new(node), account.clone())
            .on_refusal(OnRefusal::WrapUp);
        match self.lost {
            Some(0) => member.on_lost_call(LostCall::ChargeHold),
            Some(1) => member.on_lost_call(LostCall::ChargeInput),
            Some(_) => member.on_lost_call(LostCall::Release),
            None => member,
        }
    }
}

impl Agent for Node {
    type Task = String;
    type Output = ScriptedReply;
    type Error = Failure;

    fn name(&self) -> &str {
        self.own.name()
    }

    fn estimate(&self, task: &String) -> Result<Estimate, EstimateError> {
        self.own.estimate(task)
    }

    async fn execute(&self, call: Call<String>) -> Result<ScriptedReply, Failure> {
        for member in &self.members {
            let answer = member.call(call.inner(call.task().clone())).await;
            if answer.is_err() && self.plan.gives_up {
                return Err(Failure::new("a member failed"));
            }
        }
        self.own.execute(call).await
    }

    fn outcome(&self, result: &Result<ScriptedReply, Failure>) -> Outcome {
        self.own.outcome(result)
    }

    fn billing(&self) -> Billing {
        if self.plan.metered { Billing::Metered } else { Billing::ByAnswer }
    }
}

/// Adds up receipts, in cents.
struct Adder(Arc<AtomicI64>);

impl Observer for Adder {
    fn on_settle(&self, _: &Path, receipt: &Receipt) {
        let cents = i64::try_from(receipt.cost.pico() / Usd::cents(1).pico()).unwrap();
        self.0.fetch_add(cents, Ordering::SeqCst);
    }
}

proptest! {
    #[test]
    fn no_tree_of_agents_leaks_a_hold_or_loses_a_charge(
        plan in plans(),
        polls in 0..25_usize,
        limit in 20..90_i64,
    ) {
        let booked = Arc::new(AtomicI64::new(0));
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::cents(limit)).keep_for_wrap_up(Usd::cents(10)))
            .limit("", Limit::in_flight(1))
            .observer(Adder(Arc::clone(&booked)))
            .build()
            .unwrap();
        let agent = plan.agent(&budget.account("tree").unwrap());
        let run = || drop_after(agent.run("a task".to_owned()), polls).map(|answer| answer.map(|reply| reply.cost));
        let answer = catch_unwind(AssertUnwindSafe(run));

        let spent = budget.spent();
        prop_assert_eq!(budget.held(), Usd::ZERO);
        prop_assert_eq!(spent, Usd::cents(booked.load(Ordering::SeqCst)));
        prop_assert!(spent <= Usd::cents(OWN * plan.size()), "more than one hold of it all");
        if let Ok(Some(Ok(cost))) = answer {
            prop_assert_eq!(cost, spent);
        }
        // Lost as a whole: what its members have not booked of its hold, it books itself.
        let lost = polls > 0 && matches!(answer, Ok(None) | Err(_));
        let whole = Usd::cents(OWN * plan.size());
        if lost && !plan.metered && plan.lost.is_none() && whole <= Usd::cents(limit) {
            prop_assert_eq!(spent, whole);
        }
        let report = budget.report();
        let root = report.accounts.iter().find(|account| account.account.as_str().is_empty());
        prop_assert!(root.unwrap().peak <= Usd::cents(limit), "law 1");
        // Everything that is not spent can be held again.
        let rest = Usd::cents(limit).checked_sub(spent).unwrap();
        let account = budget.account("tree").unwrap();
        prop_assert!(account.request(Estimate::fixed(rest)).wrap_up().reserve().is_ok());
    }
}
