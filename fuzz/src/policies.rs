//! The target `policies`: any text as a policy file, in TOML and in JSON.

use bursar::clock::{ManualClock, Timestamp};
use bursar::{BudgetManager, Estimate, Policy, Usd};

/// No text panics; a policy that loads builds a manager, or says why not.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for policy in [Policy::from_toml(text), Policy::from_json(text)] {
        match policy {
            Ok(policy) => build(policy),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn build(policy: Policy) {
    let clock = ManualClock::at(Timestamp::from_secs(1_790_000_000));
    let limits = policy.limits().count();
    let manager = BudgetManager::builder().policy(policy).clock(clock.clone()).build();
    let budget = match manager {
        Ok(budget) => budget,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let account = budget.account("research/crawler").expect("a path");
    match account.reserve(&Estimate::fixed(Usd::cents(1))) {
        Ok(hold) => drop(hold.settle(bursar::Usage::NONE)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    clock.advance(std::time::Duration::from_secs(86_400));
    let report = budget.report();
    assert!(!report.to_string().is_empty() || limits == 0);
}
