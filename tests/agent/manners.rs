//! What a user may do with the type: share it, clone it, hide it, look into it.

use std::sync::Arc;

use bursar::agent::BoxAgent;
use bursar::testing::{Failure, ScriptedReply, block_on};
use bursar::{Agent, BudgetManager, Usd};

use crate::kit::*;

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
