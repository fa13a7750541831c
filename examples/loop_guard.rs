//! An observer that stops agents which run in circles: `cargo run --example loop_guard`.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock};

use bursar::clock::Timestamp;
use bursar::{BudgetManager, Observer, Path, Receipt, Reservation, Usage, Usd};

/// Freezes an account that asks for the same size again and again, or whose last minute cost far
/// more than its minutes so far.
#[derive(Default)]
struct LoopGuard {
    budget: OnceLock<BudgetManager>,
    seen: Mutex<HashMap<Path, History>>,
}

#[derive(Default)]
struct History {
    last_size: Usd,
    repeats: u32,
    minute: i64,
    this_minute: Usd,
    /// The cost of earlier minutes, and how many there were.
    before: (Usd, i128),
}

const MOST_REPEATS: u32 = 8;
const MOST_TIMES_THE_MEAN: i128 = 10;

impl History {
    /// Why an account whose call of that size comes now should stop.
    fn repeats(&mut self, size: Usd) -> Option<String> {
        self.repeats = if size == self.last_size { self.repeats + 1 } else { 1 };
        self.last_size = size;
        let again = self.repeats > MOST_REPEATS;
        again.then(|| format!("it asked for {size} {} times in a row", self.repeats))
    }

    /// Why an account that has just spent so much should stop.
    fn runs_away(&mut self, cost: Usd, at: Timestamp) -> Option<String> {
        let minute = at.as_micros() / 60_000_000;
        if minute != self.minute && self.minute != 0 {
            self.before = (self.before.0.checked_add(self.this_minute)?, self.before.1 + 1);
            self.this_minute = Usd::ZERO;
        }
        (self.minute, self.this_minute) = (minute, self.this_minute.checked_add(cost)?);
        let (spent, minutes) = self.before;
        let most = spent.pico() * MOST_TIMES_THE_MEAN / minutes.max(1);
        let too_much = minutes >= 3 && self.this_minute.pico() > most;
        too_much.then(|| format!("it spent {} in a minute, far above its mean", self.this_minute))
    }
}

impl LoopGuard {
    fn look(&self, account: &Path, why: impl FnOnce(&mut History) -> Option<String>) {
        let why = why(self.seen.lock().unwrap().entry(account.clone()).or_default());
        if let (Some(why), Some(budget)) = (why, self.budget.get()) {
            let _ = budget.freeze(account.as_str(), why);
        }
    }
}

impl Observer for LoopGuard {
    fn on_reserve(&self, account: &Path, hold: &Reservation) {
        self.look(account, |history| history.repeats(hold.held()));
    }

    fn on_settle(&self, account: &Path, receipt: &Receipt) {
        self.look(account, |history| history.runs_away(receipt.cost, receipt.settled_at));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let guard = Arc::new(LoopGuard::default());
    let budget = BudgetManager::builder().shared_observer(guard.clone()).build()?;
    let _ = guard.budget.set(budget.clone());

    let terra = budget.model("gpt-6.1-terra")?;
    for turn in 0.. {
        // A healthy conversation grows; from the fifth turn on this one repeats itself.
        let call = terra.estimate().input(1_000 + 200 * turn.min(5)).max_output(400);
        match budget.reserve("support/agent-7", &call) {
            Ok(hold) => drop(hold.settle(Usage::tokens(1_000, 80))),
            Err(refusal) => {
                println!("stopped at turn {turn}: {refusal}");
                break;
            }
        }
    }
    println!("{}", budget.report());
    Ok(())
}
