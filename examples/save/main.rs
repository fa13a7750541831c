//! The same 500 tasks, plainly and with each way to save: what they cost before and after.
//!
//! `cargo run --release --example save` prints a table, `… -- --json` one JSON object. The model is
//! a fake one, the prices are real.

mod tasks;

use std::error::Error;

use bursar::cache::{Namespace, ResultCache};
use bursar::clock::{ManualClock, Timestamp};
use bursar::context::openai;
use bursar::select::{Candidate, Complexity, Requirements};
use bursar::{
    Account, BudgetManager, Limit, Model, ModelSelector, Reservation, Usage, Usd, trim_context,
};
use serde_json::{Value, json};

use tasks::{Task, tasks, tokens};

fn main() -> Result<(), Box<dyn Error>> {
    let tasks = tasks(500);
    let mut rows = Vec::new();
    for (name, ways) in WAYS {
        rows.push((*name, Office::open(*ways)?.work(&tasks)?));
    }
    if std::env::args().any(|argument| argument == "--json") {
        let object: Vec<Value> = rows.iter().map(|(name, day)| day.to_json(name)).collect();
        println!("{}", Value::from(object));
    } else {
        print_table(&rows, tasks.len());
    }
    Ok(())
}

/// What is switched on.
#[derive(Clone, Copy)]
struct Ways {
    cache: bool,
    select: bool,
    trim: bool,
}

const WAYS: &[(&str, Ways)] = &[
    ("plain: the best model for all", Ways { cache: false, select: false, trim: false }),
    ("with the result cache", Ways { cache: true, select: false, trim: false }),
    ("with the model selector", Ways { cache: false, select: true, trim: false }),
    ("with both", Ways { cache: true, select: true, trim: false }),
    ("with chats trimmed to 500 tokens", Ways { cache: false, select: false, trim: true }),
    ("with all three", Ways { cache: true, select: true, trim: true }),
];

/// An agent with its budget, its cache and its models.
struct Office {
    ways: Ways,
    budget: BudgetManager,
    agent: Account,
    best: Model,
    selector: ModelSelector,
    cache: ResultCache<String>,
    namespace: Namespace,
}

impl Office {
    fn open(ways: Ways) -> Result<Office, Box<dyn Error>> {
        let clock = ManualClock::at("2026-11-24T09:00:00Z".parse::<Timestamp>()?);
        let limit = Limit::spend(Usd::dollars(50));
        let budget = BudgetManager::builder().clock(clock.clone()).limit("", limit).build()?;
        let (sol, terra, luna) = (
            budget.model("gpt-6.1-sol")?,
            budget.model("gpt-6.1-terra")?,
            budget.model("gpt-6-luna")?,
        );
        let selector = ModelSelector::new()
            .clock(clock.clone())
            .candidate(Candidate::new(&sol, 95))
            .candidate(Candidate::new(&terra, 85))
            .candidate(Candidate::new(&luna, 60));
        Ok(Office {
            ways,
            agent: budget.account("office/clerk")?,
            budget,
            best: sol,
            selector,
            cache: ResultCache::builder().clock(clock).build(),
            namespace: Namespace::tenant("the mail-order house").with("prompt", 1),
        })
    }

    fn work(&self, tasks: &[Task]) -> Result<Day, Box<dyn Error>> {
        let mut day = Day::default();
        for task in tasks {
            self.task(task, &mut day)?;
        }
        day.spent = self.budget.spent();
        day.hits = self.cache.stats().hits;
        day.saved = self.cache.stats().saved;
        Ok(day)
    }

    /// One task: look, choose, reserve, call, settle, keep.
    fn task(&self, task: &Task, day: &mut Day) -> Result<(), Box<dyn Error>> {
        let messages = self.context(task)?;
        let key = self.namespace.key(&messages)?;
        if self.ways.cache {
            if let Some(answer) = self.cache.get(&key) {
                self.agent.note_saved(answer.saved);
                return Ok(());
            }
        }
        let (count, bound) = tokens(&messages);
        let hold = self.reserve(task, bound)?;
        hold.mark_sent();
        let (answer, usage) = fake_model(task, count, &hold);
        let receipt = hold.settle(usage);
        day.calls += 1;
        if self.ways.cache {
            self.cache.insert(key, answer, receipt.cost);
        }
        Ok(())
    }

    /// What is sent of a chat: all of it, or what is pinned and what is newest.
    fn context(&self, task: &Task) -> Result<Vec<Value>, Box<dyn Error>> {
        if !self.ways.trim {
            return Ok(task.messages.clone());
        }
        let chat = openai(&task.messages);
        Ok(trim_context(&chat, 500)?.render())
    }

    fn reserve(&self, task: &Task, input: u64) -> Result<Reservation, Box<dyn Error>> {
        let call = |model: &Model| model.estimate().input(input).max_output(2_000);
        if !self.ways.select {
            return Ok(self.agent.reserve(&call(&self.best))?);
        }
        let requirements = Requirements::new(Complexity::guess(task.instruction()))
            .money_left(self.agent.money_left());
        Ok(self.agent.request_ranked(&self.selector.rank(call, &requirements)?).reserve()?)
    }
}

/// Stands for a provider's client.
fn fake_model(task: &Task, input: u64, hold: &Reservation) -> (String, Usage) {
    let answer = format!("Done: {}", task.instruction());
    (answer, Usage::tokens(input, task.output.min(hold.max_output_tokens())))
}

/// What came of a day.
#[derive(Default)]
struct Day {
    calls: u64,
    hits: u64,
    spent: Usd,
    saved: Usd,
}

impl Day {
    fn to_json(&self, name: &str) -> Value {
        json!({
            "name": name,
            "calls": self.calls,
            "hits": self.hits,
            "spent_usd": self.spent,
            "saved_by_cache_usd": self.saved,
        })
    }

    /// How much less than `plain`, in percent, rounded down.
    fn less_than(&self, plain: Usd) -> i128 {
        let less = plain.pico() - self.spent.pico();
        (less * 100).checked_div(plain.pico()).unwrap_or(0)
    }
}

fn print_table(rows: &[(&str, Day)], tasks: usize) {
    println!("{tasks} tasks, of which many come again and most are easy\n");
    println!(
        "{:<33} {:>6} {:>6} {:>10} {:>10} {:>8}",
        "", "calls", "hits", "spent", "hits saved", "less"
    );
    let plain = rows.first().map(|(_, day)| day.spent).unwrap_or_default();
    for (name, day) in rows {
        let Day { calls, hits, spent, saved } = day;
        let less = format!("{} %", day.less_than(plain));
        println!("{name:<33} {calls:>6} {hits:>6} {spent:>10.3} {saved:>10.3} {less:>8}");
    }
}
