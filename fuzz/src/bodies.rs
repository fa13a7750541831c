//! The target `bodies`: any bytes as a response body.

use bursar::usage::Body;
use bursar::{Bill, BudgetManager, Estimate, Usd};

/// No body panics; a bill that comes of one is of possible usage, and can be settled.
pub fn run(data: &[u8]) {
    check(Body::from(data));
    if let Ok(tree) = serde_json::from_slice::<serde_json::Value>(data) {
        check(Body::from(&tree));
    }
}

fn check(body: Body<'_>) {
    match Bill::from_response(body) {
        Ok(Some(bill)) => {
            assert!(bill.usage.is_possible(), "{bill:?}");
            settle(bill);
        }
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What a provider says is booked, whatever it is.
fn settle(bill: Bill) {
    let reported = bill.reported_cost;
    let budget = BudgetManager::builder().build().expect("no limit is no fault");
    let account = budget.account("a").expect("a path");
    let hold = account.reserve(&Estimate::fixed(Usd::dollars(1))).expect("there is no limit");
    let receipt = hold.settle(bill);
    assert!(reported.is_none_or(|cost| cost == receipt.cost || cost.pico() < 0), "{receipt:?}");
}
