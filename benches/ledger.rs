//! Measures reserve and settle over the whole matrix, with `report()` and the refused path.
//! `cargo bench --bench ledger`; the table of ratios comes from `cargo bench --bench ratios`.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use common::{LedgerPair, PublicPair};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const THREADS: [usize; 4] = [1, 2, 4, 8];

/// The floor that the others are read against.
#[divan::bench(threads = [1])]
fn atomic_add(bencher: Bencher<'_, '_>) {
    let counter = AtomicU64::new(0);
    bencher.bench(|| counter.fetch_add(1, Ordering::SeqCst));
}

#[divan::bench(threads = THREADS, args = [(1, 0), (1, 1), (1, 2), (3, 0), (3, 1), (3, 2)])]
fn ledger_pair(bencher: Bencher<'_, '_>, (depth, windows): (usize, usize)) {
    let pair = LedgerPair::new(common::account(&common::budget(depth, windows), depth, 0));
    bencher.bench(|| pair.call());
}

#[divan::bench(threads = THREADS)]
fn ledger_pair_by_name(bencher: Bencher<'_, '_>) {
    let budget = common::budget(3, 2);
    let pair = LedgerPair::new(common::account(&budget, 3, 0));
    bencher.bench(|| pair.call_by_name(&budget));
}

#[divan::bench(threads = THREADS)]
fn public_pair(bencher: Bencher<'_, '_>) {
    let pair = PublicPair::new();
    bencher.bench(|| pair.call());
}

#[divan::bench(args = [10, 1_000, 100_000])]
fn ledger_pair_in_turn(bencher: Bencher<'_, '_>, accounts: usize) {
    let (_, crowd) = common::crowd(accounts);
    let pairs: Vec<LedgerPair> = crowd.into_iter().map(LedgerPair::new).collect();
    let next = AtomicU64::new(0);
    bencher.bench(|| {
        let turn = next.fetch_add(7_919, Ordering::Relaxed) as usize;
        pairs[turn % pairs.len()].call();
    });
}

#[divan::bench(threads = THREADS)]
fn refusal(bencher: Bencher<'_, '_>) {
    let (account, estimate) = common::spent_out();
    bencher.bench(|| account.reserve(&estimate).is_err());
}

#[divan::bench(args = [10, 1_000, 100_000])]
fn report(bencher: Bencher<'_, '_>, accounts: usize) {
    let (budget, _) = common::crowd(accounts);
    bencher.bench(|| black_box(budget.report()));
}
