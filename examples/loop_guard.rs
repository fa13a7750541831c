//! An observer that stops agents which run in circles: `cargo run --example loop_guard`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use bursar::budget::{BuildError, Builder};
use bursar::{BudgetManager, Observer, Path, Receipt, Usage, Usd};

/// Freezes an account that asks for the same again and again, or whose minute costs far more than
/// those before it.
#[derive(Default)]
struct LoopGuard(OnceLock<BudgetManager>, Mutex<HashMap<Path, History>>);

#[derive(Default)]
struct History {
    same: (Usd, u32),     // the size of a call, and how often it came in a row
    minute: (i64, i128),  // the present one, and what it has cost
    before: (i128, i128), // how many minutes had a cost before it, and what they cost together
}

impl History {
    fn judge(&mut self, paid: &Receipt) -> Option<&'static str> {
        self.same = (paid.held, if paid.held == self.same.0 { self.same.1 + 1 } else { 1 });
        let now = paid.settled_at.as_micros() / 60_000_000;
        if now != self.minute.0 && self.minute.1 > 0 {
            self.before = (self.before.0 + 1, self.before.1 + self.minute.1);
            self.minute.1 = 0;
        }
        self.minute = (now, self.minute.1 + paid.cost.pico());
        let far_above = self.minute.1 * self.before.0 > 10 * self.before.1;
        let runs_away = self.before.0 >= 3 && far_above;
        let again = (self.same.1 > 8).then_some("it asked for the same nine times in a row");
        again.or(runs_away.then_some("its minute costs ten times the mean of those before"))
    }
}

impl Observer for LoopGuard {
    fn on_settle(&self, account: &Path, paid: &Receipt) {
        let why = self.1.lock().unwrap().entry(account.clone()).or_default().judge(paid);
        if let (Some(budget), Some(why)) = (self.0.get(), why) {
            let _ = budget.freeze(account.as_str(), why);
        }
    }
}

pub(crate) fn guarded(budget: Builder) -> Result<BudgetManager, BuildError> {
    let guard = Arc::new(LoopGuard::default());
    let budget = budget.shared_observer(guard.clone()).build()?;
    Ok(guard.0.get_or_init(|| budget).clone())
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let budget = guarded(BudgetManager::builder())?;
    let call = budget.model("gpt-6.1-terra")?.estimate().input(1_000).max_output(400);
    while budget.reserve("support", &call).map(|hold| hold.settle(Usage::tokens(900, 80))).is_ok() {
    }
    println!("{}\n{}", budget.reserve("support", &call).unwrap_err(), budget.report());
    Ok(())
}
