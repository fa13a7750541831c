//! Measures what the wrapper adds to a bare call of an agent that does nothing, and what a budgeted
//! stream adds to each item. `cargo bench --bench agent`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bursar::agent::{BoxAgent, BudgetedStream};
use bursar::price::EstimateError;
use bursar::testing::Items;
use bursar::usage::Outcome;
use bursar::{
    Agent, Bill, BudgetConstrained, BudgetManager, Call, Estimate, Limit, Model, Period, Usage, Usd,
};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use futures_core::Stream;

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
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

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("an idle agent never waits"),
    }
}

fn budget() -> BudgetManager {
    let wide = || Limit::spend(Usd::dollars(1_000_000_000));
    BudgetManager::builder()
        .limit("", wide().per(Period::MONTH))
        .limit("org/*", wide().per(Period::DAY))
        .build()
        .unwrap()
}

#[divan::bench]
fn bare(bencher: Bencher<'_, '_>) {
    let agent = Idle(budget().model("gpt-6.1-terra").unwrap());
    bencher.bench(|| ready(agent.execute(Call::new(black_box(1_200)))));
}

/// Estimate, reserve and settle by hand: what of the wrapper's time is the budget's.
#[divan::bench]
fn by_hand(bencher: Bencher<'_, '_>) {
    let budget = budget();
    let (agent, account) = (Idle(budget.model("gpt-6.1-terra").unwrap()), budget.account("org/a"));
    let account = account.unwrap();
    bencher.bench(|| {
        let hold = account.reserve(&agent.estimate(&1_200).unwrap()).unwrap();
        let usage = ready(hold.sending(agent.execute(Call::new(black_box(1_200))))).unwrap();
        hold.settle(usage)
    });
}

#[divan::bench]
fn constrained(bencher: Bencher<'_, '_>) {
    let budget = budget();
    let agent = Idle(budget.model("gpt-6.1-terra").unwrap());
    let agent = BudgetConstrained::new(agent, budget.account("org/a").unwrap());
    bencher.bench(|| ready(agent.run(black_box(1_200))));
}

#[divan::bench]
fn constrained_boxed(bencher: Bencher<'_, '_>) {
    let budget = budget();
    let agent = BoxAgent::new(Idle(budget.model("gpt-6.1-terra").unwrap()));
    let agent = BudgetConstrained::new(agent, budget.account("org/a").unwrap());
    bencher.bench(|| ready(agent.run(black_box(1_200))));
}

#[divan::bench]
fn two_layers(bencher: Bencher<'_, '_>) {
    let budget = budget();
    let agent = Idle(budget.model("gpt-6.1-terra").unwrap());
    let inner = BudgetConstrained::new(agent, budget.account("org/a/member").unwrap());
    let agent = BudgetConstrained::new(inner, budget.account("org/a").unwrap());
    bencher.bench(|| ready(agent.run(black_box(1_200))));
}

const ITEMS: usize = 1_000;
const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";

fn items() -> Items<&'static str, std::convert::Infallible> {
    Items::new((0..ITEMS).map(|_| Ok(EVENT)))
}

fn drain<S: Stream + Unpin>(mut stream: S) {
    while ready(bursar::testing::next(&mut stream)).is_some() {}
}

#[divan::bench]
fn stream_bare(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(ITEMS)).with_inputs(items).bench_values(drain);
}

#[divan::bench]
fn stream_counted(bencher: Bencher<'_, '_>) {
    stream(bencher, |_, usage| usage.used(Usage::tokens(1_200, 340)));
}

#[divan::bench]
fn stream_parsed(bencher: Bencher<'_, '_>) {
    stream(bencher, |event, usage| usage.push(event));
}

fn stream(
    bencher: Bencher<'_, '_>,
    show: impl Fn(&&'static str, &mut bursar::agent::StreamUsage) + Copy + Sync + Unpin,
) {
    let budget = budget();
    let account = budget.account("org/a").unwrap();
    let call = budget.model("gpt-6.1-terra").unwrap().estimate().input(1_200).max_output(8_000);
    bencher
        .counter(ItemsCount::new(ITEMS))
        .with_inputs(|| BudgetedStream::new(account.reserve(&call).unwrap(), items(), show))
        .bench_values(drain);
}
