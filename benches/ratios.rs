//! Prints the measured table of BENCHMARKS.md: each work as a ratio to one uncontended atomic add in
//! the same run, because machines differ and are shared. `cargo bench --bench ratios`.

#[path = "common/bare.rs"]
mod bare;
mod common;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bare::BareAccount;
use bursar::{BudgetManager, Limit, Usage, Usd};
use common::{LedgerPair, PublicPair};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(30);

/// Something to measure: does it so many times, in how many threads it likes.
struct Work {
    name: String,
    aim: &'static str,
    run: Box<dyn FnMut(u64)>,
    times: u64,
    ratios: Vec<f64>,
    nanos: Vec<f64>,
}

fn work(name: impl Into<String>, aim: &'static str, run: impl FnMut(u64) + 'static) -> Work {
    let (ratios, nanos) = (Vec::new(), Vec::new());
    Work { name: name.into(), aim, run: Box::new(run), times: 1, ratios, nanos }
}

/// The same call again and again, on one thread.
fn calls(name: impl Into<String>, aim: &'static str, mut call: impl FnMut() + 'static) -> Work {
    work(name, aim, move |times| (0..times).for_each(|_| call()))
}

fn main() {
    let atomic = AtomicU64::new(0);
    let mut floor = calls("one uncontended atomic add", "", move || {
        black_box(atomic.fetch_add(1, Ordering::SeqCst));
    });
    let mut works = works();
    for work in works.iter_mut().chain([&mut floor]) {
        work.warm_up();
    }
    for round in 0..ROUNDS {
        eprint!("\rround {} of {ROUNDS}", round + 1);
        for work in &mut works {
            let unit = floor.once();
            let nanos = work.once();
            work.ratios.push(nanos / unit);
            work.nanos.push(nanos);
            floor.nanos.push(unit);
        }
    }
    eprintln!("\r");
    println!("one atomic add: {:.2} ns\n", median(&mut floor.nanos));
    println!("| work | atomic adds | aim | ns |");
    println!("|---|---:|---:|---:|");
    for work in &mut works {
        let (ratio, nanos) = (median(&mut work.ratios), median(&mut work.nanos));
        println!("| {} | {ratio:.1} | {} | {nanos:.0} |", work.name, work.aim);
    }
}

impl Work {
    /// Finds out how often it fits into a round.
    fn warm_up(&mut self) {
        loop {
            let started = Instant::now();
            (self.run)(self.times);
            let took = started.elapsed();
            if took >= ROUND {
                return;
            }
            let factor = ROUND.as_secs_f64() / took.as_secs_f64().max(1e-6);
            self.times = (self.times as f64 * factor.clamp(1.1, 100.0)).ceil() as u64;
        }
    }

    /// Nanoseconds for one.
    fn once(&mut self) -> f64 {
        let started = Instant::now();
        (self.run)(self.times);
        started.elapsed().as_secs_f64() * 1e9 / self.times as f64
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn works() -> Vec<Work> {
    let lock = parking_lot::Mutex::new(0_u64);
    let shared = Arc::new(0_u64);
    let mut works = vec![
        calls("floor: one uncontended lock and unlock", "", move || *lock.lock() += 1),
        calls("floor: one `Arc` cloned and dropped", "", move || drop(black_box(shared.clone()))),
    ];

    let bare = BareAccount::new();
    works.push(calls("floor: bare pair, the promises and nothing else", "", move || bare.call()));
    for threads in [2, 8] {
        let bare = BareAccount::new();
        let name = format!("floor: bare pair, {threads} threads");
        works.push(in_threads(name, "", threads, move || bare.call()));
    }
    for threads in [1, 2, 4, 8] {
        let pair = LedgerPair::new(common::account(&common::budget(3, 2), 3, 0));
        let aim = if threads == 1 { "14" } else { "" };
        works.push(in_threads(
            format!("ledger pair, {threads} threads"),
            aim,
            threads,
            move || {
                pair.call();
            },
        ));
    }
    for threads in [1, 2, 4, 8] {
        let pair = PublicPair::new();
        let aim = if threads == 1 { "40" } else { "" };
        works.push(in_threads(
            format!("public pair, {threads} threads"),
            aim,
            threads,
            move || {
                pair.call();
            },
        ));
    }

    let budget = common::budget(3, 2);
    let pair = LedgerPair::new(common::account(&budget, 3, 0));
    works.push(calls("ledger pair by name", "20", move || pair.call_by_name(&budget)));

    let (account, estimate) = common::spent_out();
    works.push(calls("a refusal", "", move || {
        black_box(account.reserve(&estimate).is_err());
    }));

    let model = BudgetManager::builder().build().unwrap().model("gpt-6.1-terra").unwrap();
    let usage = Usage { cache_read: 4_096, reasoning: 200, ..Usage::tokens(1_180, 340) };
    let (terms, at) = (bursar::price::Terms::default(), bursar::clock::Timestamp::from_secs(0));
    works.push(calls("`cost()` of a usage of four buckets", "40", move || {
        black_box(model.price().cost(black_box(&usage), &terms, at).unwrap_or_default());
    }));

    for (depth, windows) in [(1, 0), (1, 1), (1, 2), (3, 0), (3, 1)] {
        let pair = LedgerPair::new(common::account(&common::budget(depth, windows), depth, 0));
        let name = format!("ledger pair, depth {depth}, {windows} windows");
        works.push(calls(name, "", move || pair.call()));
    }
    for accounts in [10, 1_000, 100_000] {
        let (_, crowd) = common::crowd(accounts);
        let pairs: Vec<LedgerPair> = crowd.into_iter().map(LedgerPair::new).collect();
        let mut next = 0;
        let name = format!("ledger pair, in turn over {accounts} accounts");
        works.push(calls(name, "", move || {
            // A stride that is prime, so that no prefetcher guesses the next account.
            next = (next + 7_919) % pairs.len();
            pairs[next].call();
        }));
    }
    for accounts in [10, 1_000] {
        let (budget, _) = common::crowd(accounts);
        works.push(calls(format!("`report()` of {accounts} accounts"), "", move || {
            black_box(budget.report());
        }));
    }
    let rolling = bursar::Period::rolling(Duration::from_secs(60));
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(1_000_000)).per(rolling))
        .build()
        .unwrap();
    let pair = LedgerPair::new(budget.account("").unwrap());
    works.push(calls("ledger pair, depth 1, one rolling minute", "", move || pair.call()));
    works
}

/// The same call from several threads that share the budget: the wall time of each call.
fn in_threads(
    name: String,
    aim: &'static str,
    threads: u64,
    call: impl Fn() + Send + Sync + 'static,
) -> Work {
    if threads == 1 {
        return calls(name, aim, call);
    }
    let call = Arc::new(call);
    work(name, aim, move |times| {
        let start = Arc::new(Barrier::new(threads as usize));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (call, start) = (Arc::clone(&call), Arc::clone(&start));
                scope.spawn(move || {
                    start.wait();
                    (0..times / threads + 1).for_each(|_| call());
                });
            }
        });
    })
}
