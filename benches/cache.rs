//! Measures the cache: `cargo bench --bench cache`. For ratios, which a busy machine does not
//! spoil, `cargo bench --bench cache_ratios`.

#[path = "common/cache.rs"]
mod common;

use bursar::ResultCache;
use bursar::cache::{CacheKey, Namespace};
use common::{Bench, Measured, QuickTtl, Request, Value};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

type Moka = moka::sync::Cache<CacheKey, Value>;
type Quick = quick_cache::sync::Cache<CacheKey, Value>;

#[divan::bench(types = [ResultCache<String>, Moka, QuickTtl, Quick])]
fn hit<C: Measured>(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::<C>::hits();
    bencher.bench_local(|| bench.get());
}

#[divan::bench(types = [ResultCache<String>, Moka, QuickTtl, Quick])]
fn miss<C: Measured>(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::<C>::misses();
    bencher.bench_local(|| bench.get());
}

#[divan::bench(types = [ResultCache<String>, Moka, QuickTtl, Quick])]
fn insert<C: Measured>(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::<C>::replaces();
    bencher.bench_local(|| bench.put());
}

#[divan::bench(types = [ResultCache<String>, Moka, QuickTtl, Quick])]
fn insert_and_evict<C: Measured>(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::<C>::evicts();
    bencher.bench_local(|| bench.put());
}

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

#[divan::bench(args = SIZES)]
fn key_plain(bencher: Bencher<'_, '_>, bytes: usize) {
    let request = Request::of(bytes);
    bencher.bench_local(|| black_box(&request).plain());
}

#[divan::bench(args = SIZES)]
fn key(bencher: Bencher<'_, '_>, bytes: usize) {
    let (request, space) = (Request::of(bytes), Namespace::tenant("acme"));
    bencher.bench_local(|| space.key(black_box(&request)));
}
