//! Tests that nothing on the hot path allocates.

use bursar::agent::OnRefusal;
use bursar::price::EstimateError;
use bursar::testing::drop_after;
use bursar::usage::Outcome;
use bursar::{
    Agent, Bill, BudgetConstrained, BudgetManager, Call, Estimate, Limit, Model, Period, Service,
    Usage, Usd,
};

fn wide() -> Limit {
    Limit::spend(Usd::dollars(1_000_000))
}

fn allocations(mut call: impl FnMut()) -> u64 {
    call(); // the first call of an account makes its totals
    allocation_counter::measure(|| (0..1_000).for_each(|_| call())).count_total
}

/// Answers at once.
struct Idle(Model);

impl Agent for Idle {
    type Task = u64;
    type Output = Usage;
    type Error = std::convert::Infallible;

    fn name(&self) -> &str {
        "idle"
    }

    fn estimate(&self, input: &u64) -> Result<Estimate, EstimateError> {
        Ok(self.0.estimate().input(*input).max_output(800))
    }

    async fn execute(&self, call: Call<u64>) -> Result<Usage, Self::Error> {
        Ok(Usage::tokens(*call.task(), 340))
    }

    fn outcome(&self, result: &Result<Usage, Self::Error>) -> Outcome {
        result.as_ref().map_or(Outcome::Lost, |usage| Outcome::Billed(Bill::new(*usage)))
    }
}

#[test]
fn the_wrapper_around_an_agent_allocates_nothing() {
    let budget = BudgetManager::builder().limit("", wide()).build().unwrap();
    let agent = Idle(budget.model("gpt-6.1-terra").unwrap());
    let agent = BudgetConstrained::new(agent, budget.account("org/agent").unwrap())
        .tag(budget.tag("user:42").unwrap())
        .on_refusal(OnRefusal::Shorten { at_least: 200 })
        .margin("1.1".parse().unwrap());
    assert_eq!(allocations(|| drop(drop_after(agent.run(1_200), 1).unwrap())), 0);
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
        let hold = account.request(estimate).tag(&tag).reserve().unwrap();
        drop(hold.settle(Usage::tokens(1_180, 340)));
    };
    assert_eq!(allocations(public_pair), 0, "the public pair");

    let batch = || {
        let estimate = model.estimate().input(1_200).max_output(800).service(Service::Batch);
        drop(account.reserve(&estimate).unwrap().settle(Usage::tokens(1_180, 340)));
    };
    assert_eq!(allocations(batch), 0, "on other terms");

    let dropped = || drop(account.reserve(&fixed).unwrap());
    assert_eq!(allocations(dropped), 0, "a hold that is dropped");
}

/// Both are moved through futures and results at every call.
#[test]
fn a_guard_and_a_handle_are_small() {
    assert_eq!(size_of::<bursar::Model>(), size_of::<usize>());
    if !cfg!(feature = "tracing") {
        assert!(size_of::<bursar::Reservation>() <= 128);
    }
    assert!(size_of::<bursar::ReserveError>() <= 64);
}
