//! Tests of the loop guard, included as it is, and of what the README shows of the quickstart.

use std::process::Command;
use std::time::Duration;

use bursar::testing::ManualClock;
use bursar::{BudgetManager, Estimate, ReserveError, Usd};

#[path = "../loop_guard.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example is a program")]
mod loop_guard;

fn guarded() -> (BudgetManager, ManualClock) {
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap());
    (loop_guard::guarded(BudgetManager::builder().clock(clock.clone())).unwrap(), clock)
}

/// A call of a size of its own.
fn call(budget: &BudgetManager, account: &str, size: i64, cost: i64) -> Result<(), ReserveError> {
    let hold = budget.reserve(account, &Estimate::fixed(Usd::cents(size)))?;
    hold.settle_cost(Usd::cents(cost));
    Ok(())
}

fn why(refused: Result<(), ReserveError>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn the_loop_guard_stops_whoever_asks_for_the_same_again_and_again() {
    let (budget, _) = guarded();
    for size in [5, 5, 5, 5, 5, 5, 5, 5, 6, 5, 5, 5, 5, 5, 5, 5, 5] {
        call(&budget, "circles", size, 0).unwrap();
    }
    call(&budget, "circles", 5, 0).unwrap(); // the ninth in a row
    let frozen = "`circles` is frozen: it asked for the same nine times in a row";
    assert_eq!(why(call(&budget, "circles", 5, 0)), frozen);
    call(&budget, "other", 5, 0).unwrap();
}

#[test]
fn the_loop_guard_stops_whoever_spends_far_above_its_own_history() {
    let (budget, clock) = guarded();
    let mut size = 100;
    let mut spend = |account: &str, cost| {
        size += 1; // no two calls are alike
        call(&budget, account, size, cost)
    };
    // The first minutes may cost what they like: there is no history. Then 2 cents a minute, in
    // minutes that are far apart.
    for cost in [1, 3, 2] {
        spend("steady", cost).unwrap();
        spend("busy", 10 * cost).unwrap();
        clock.advance(Duration::from_secs(300));
    }
    // Twenty cents are ten times the mean; more is too much. Others have a mean of their own.
    for cost in [12, 8] {
        spend("steady", cost).unwrap();
    }
    spend("busy", 21).unwrap();
    spend("steady", 1).unwrap();
    let frozen = "`steady` is frozen: its minute costs ten times the mean of those before";
    assert_eq!(why(spend("steady", 1)), frozen);
    spend("busy", 1).unwrap();

    // Thawed, it starts a minute that counts as its history does.
    budget.thaw("steady").unwrap();
    clock.advance(Duration::from_secs(60));
    spend("steady", 20).unwrap();
    spend("busy", 1).unwrap();
}

#[test]
fn the_readme_shows_what_the_quickstart_prints() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", "quickstart"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();

    // The refusal, which the README breaks into lines, then lines out of the report in their order.
    let (_, shown) = include_str!("../../README.md").split_once("```text\n").unwrap();
    let (refusal, report) = shown.split_once("```").unwrap().0.split_once("\n\n").unwrap();
    let refusal = refusal.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = printed.lines();
    for shown in std::iter::once(&*refusal).chain(report.lines()) {
        assert!(lines.any(|line| line == shown), "{shown} is not printed in its place:\n{printed}");
    }
}
