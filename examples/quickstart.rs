//! Three agents on threads share a budget: run it with `cargo run --example quickstart`.

use std::error::Error;
use std::thread;

use bursar::{Account, BudgetManager, Limit, Model, Period, Reservation, Usage, Usd};

fn main() -> Result<(), Box<dyn Error>> {
    // A dollar a day for everybody, thirty cents for each researcher, eight calls at once.
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(1)).per(Period::DAY).alert_at([50, 80]))
        .limit("research/*", Limit::spend(Usd::cents(30)))
        .limit("", Limit::in_flight(8))
        .on_alert(|alert| println!("alert: {alert}"))
        .build()?;

    let terra = budget.model("gpt-6.1-terra")?;
    let agents = ["crawler", "reader", "writer"]
        .map(|name| budget.account(&format!("research/{name}")))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;

    thread::scope(|scope| {
        for agent in &agents {
            scope.spawn(|| work(agent, &terra));
        }
    });

    println!("\n{}", budget.report());
    Ok(())
}

/// Works until the budget says no.
fn work(agent: &Account, terra: &Model) {
    for task in 0_u64.. {
        // An upper bound of the call: what it sends, and the most that it lets the model write.
        let estimate = terra.estimate().input(3_000 + task * 100).max_output(1_000);
        match agent.reserve(&estimate) {
            Ok(hold) => {
                hold.mark_sent();
                let usage = call_the_model(task, &hold);
                hold.settle(usage);
            }
            Err(refusal) => return println!("refused: {refusal}"),
        }
    }
}

/// Stands for a provider's client. It answers with less than the cap, as models do.
fn call_the_model(task: u64, hold: &Reservation) -> Usage {
    let output = hold.max_output_tokens().min(300 + task % 7 * 90);
    Usage::tokens(3_000 + task * 100, output)
}
