//! What the chapters share: two models, budgets, and a scripted agent of 20 cents.

use bursar::testing::ScriptedAgent;
use bursar::{
    Agent, BudgetConstrained, BudgetManager, Estimate, Limit, ModelPrice, PriceBook, Rate, Usage,
    Usd,
};

/// `big` costs $10 a million tokens in and $20 out, `small` a tenth.
pub fn prices() -> PriceBook {
    let rate = |text: &str| text.parse::<Rate>().unwrap();
    let mut book = PriceBook::empty();
    book.insert(ModelPrice::new("acme", "big", rate("10"), rate("20"))).unwrap();
    book.insert(ModelPrice::new("acme", "small", rate("1"), rate("2"))).unwrap();
    book
}

pub fn budget(limits: impl IntoIterator<Item = (&'static str, Limit)>) -> BudgetManager {
    let mut builder = BudgetManager::builder().prices(prices());
    for (accounts, limit) in limits {
        builder = builder.limit(accounts, limit);
    }
    builder.build().unwrap()
}

pub fn one_dollar() -> BudgetManager {
    budget([("", Limit::spend(Usd::dollars(1)))])
}

pub fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// 10,000 tokens in, at most 5,000 out: held at 20 cents; 10 for the input alone.
pub fn twenty_cents(budget: &BudgetManager) -> Estimate {
    budget.model("big").unwrap().estimate().input(10_000).max_output(5_000)
}

/// Of that, a tenth: 2 cents.
pub fn two_cents() -> Usage {
    Usage::tokens(1_000, 500)
}

pub fn scripted(budget: &BudgetManager) -> ScriptedAgent {
    ScriptedAgent::new("writer", twenty_cents(budget))
}

pub fn constrained<A: Agent>(budget: &BudgetManager, agent: A) -> BudgetConstrained<A> {
    BudgetConstrained::new(agent, budget.account("team/writer").unwrap())
}

pub fn task() -> String {
    "a task".to_owned()
}
