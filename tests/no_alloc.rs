//! Owns the proof that nothing on the hot path allocates.

use bursar::{BudgetManager, Estimate, Limit, Period, Usage, Usd};

fn wide() -> Limit {
    Limit::spend(Usd::dollars(1_000_000))
}

fn allocations(mut call: impl FnMut()) -> u64 {
    call(); // the first call of an account makes its totals
    allocation_counter::measure(|| (0..1_000).for_each(|_| call())).count_total
}

#[test]
fn reserve_and_settle_allocate_nothing() {
    let budget = BudgetManager::builder()
        .limit("", wide().per(Period::MONTH).alert_at([50]))
        .limit("org", wide().only_model("gpt-6*"))
        .limit("org/*", wide().per(Period::DAY))
        .limit("user:*", wide())
        .on_alert(|alert| panic!("{alert}"))
        .build()
        .unwrap();
    let account = budget.account("org/agent").unwrap();
    let (model, tag) = (budget.model("gpt-6.1-terra").unwrap(), budget.tag("user:42").unwrap());

    let fixed = Estimate::fixed(Usd::cents(3));
    let ledger_pair = || drop(account.reserve(&fixed).unwrap().settle_cost(Usd::cents(2)));
    assert_eq!(allocations(ledger_pair), 0, "the ledger pair");

    let by_name = || drop(budget.reserve("org/agent", &fixed).unwrap().settle_cost(Usd::cents(2)));
    assert_eq!(allocations(by_name), 0, "by name");

    let public_pair = || {
        let estimate = model.estimate().input(1_200).max_output(800);
        let hold = account.ask(estimate).tag(&tag).reserve().unwrap();
        drop(hold.settle(Usage::tokens(1_180, 340)));
    };
    assert_eq!(allocations(public_pair), 0, "the public pair");

    let dropped = || drop(account.reserve(&fixed).unwrap());
    assert_eq!(allocations(dropped), 0, "a hold that is dropped");
}
