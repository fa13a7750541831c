//! The rows of the document that the project grew from, its `BudgetManager` translated line by
//! line: one lock, a map of agents, floats, and a sum over all agents at each call.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;

use bursar::{BudgetManager, Limit, Model, ModelPrice, Rate, Usage, Usd};

use crate::table::{Floor, Row, Table};

pub fn rows(table: &mut Table) {
    for (agents, said) in [(10, "10"), (1_000, "1,000"), (100_000, "100,000")] {
        let (mut ours, mut theirs) = (Ours::new(agents), Seed::new(agents));
        for _ in 0..100 {
            ours.call();
            theirs.call();
        }
        let (our, their) = (ours.budget.spent().pico() as f64 / 1e12, theirs.spent());
        assert!(our > 0.2 && (our - their).abs() < 1e-6, "{our} and {their}");

        table.add(Row {
            work: &format!("a call of one of {said} agents, by name"),
            ours: Box::new(move || ours.call()),
            peer: "the seed's `can_afford`, `record_usage`",
            theirs: Box::new(move || theirs.call()),
            floor: Some(Floor::lock()),
            note: "two steps, so parallel calls overspend; no limit but the total; floats",
        });
    }
}

const INPUT: u64 = 1_000;
const OUTPUT: u64 = INPUT / 2;

fn names(agents: usize) -> Vec<String> {
    (0..agents).map(|n| format!("agent-{n}")).collect()
}

/// The next agent: a stride that is prime, so that no prefetcher guesses it.
fn step(next: &mut usize, agents: usize) -> usize {
    *next = (*next + 7_919) % agents;
    *next
}

/// What the seed does with a call, here: one total, every agent tracked, the seed's two prices.
struct Ours {
    budget: BudgetManager,
    model: Model,
    names: Vec<String>,
    next: usize,
}

impl Ours {
    fn new(agents: usize) -> Ours {
        let rate = |micro: i128| Rate::per_million(Usd::from_pico(micro * 1_000_000)).unwrap();
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(Usd::dollars(1_000_000_000)))
            .build()
            .unwrap();
        // $0.0015 and $0.002 for 1,000 tokens.
        budget
            .insert_price(ModelPrice::new("seed", "seed", rate(1_500_000), rate(2_000_000)))
            .unwrap();
        let (model, names) = (budget.model("seed").unwrap(), names(agents));
        // Each has been charged before, as each of the seed's has its entry.
        names.iter().for_each(|name| {
            budget.account(name).unwrap().record_usage(&model, Usage::tokens(0, 0)).unwrap();
        });
        Ours { budget, model, names, next: 0 }
    }

    fn call(&mut self) {
        let name = &self.names[step(&mut self.next, self.names.len())];
        let estimate = self.model.estimate().input(INPUT).max_output(OUTPUT);
        let hold = self.budget.reserve(name, &estimate).unwrap();
        black_box(hold.settle(Usage::tokens(INPUT, OUTPUT)));
    }
}

#[derive(Default)]
struct AgentBudget {
    input_tokens: u64,
    output_tokens: u64,
    total_cost: f64,
    request_count: u64,
}

/// The seed's `BudgetManager`.
struct Seed {
    total_budget: f64,
    input_cost: f64,
    output_cost: f64,
    budgets: Mutex<HashMap<String, AgentBudget>>,
    names: Vec<String>,
    next: usize,
}

impl Seed {
    fn new(agents: usize) -> Seed {
        let names = names(agents);
        let budgets = names.iter().map(|name| (name.clone(), AgentBudget::default())).collect();
        Seed {
            total_budget: 1e9,
            input_cost: 0.0015,
            output_cost: 0.002,
            budgets: Mutex::new(budgets),
            names,
            next: 0,
        }
    }

    fn call(&mut self) {
        let name = &self.names[step(&mut self.next, self.names.len())];
        assert!(self.can_afford(INPUT));
        self.record_usage(name, INPUT, OUTPUT);
    }

    fn can_afford(&self, estimated_tokens: u64) -> bool {
        let budgets = self.budgets.lock().unwrap();
        let spent: f64 = budgets.values().map(|budget| budget.total_cost).sum();
        let estimated_cost = estimated_tokens as f64 / 1_000.0 * self.input_cost;
        spent + estimated_cost <= self.total_budget
    }

    fn record_usage(&self, agent: &str, input_tokens: u64, output_tokens: u64) {
        let mut budgets = self.budgets.lock().unwrap();
        if !budgets.contains_key(agent) {
            budgets.insert(agent.to_owned(), AgentBudget::default());
        }
        let budget = budgets.get_mut(agent).unwrap();
        budget.input_tokens += input_tokens;
        budget.output_tokens += output_tokens;
        budget.request_count += 1;
        budget.total_cost += input_tokens as f64 / 1_000.0 * self.input_cost
            + output_tokens as f64 / 1_000.0 * self.output_cost;
    }

    fn spent(&self) -> f64 {
        self.budgets.lock().unwrap().values().map(|budget| budget.total_cost).sum()
    }
}
