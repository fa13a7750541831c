//! Prints what the cache costs beside others, each pair measured in turn in the same run, because
//! machines differ and are shared. `cargo bench --bench cache_ratios`.

#[path = "common/cache.rs"]
mod common;
#[path = "common/in_turn.rs"]
mod in_turn;

use std::hint::black_box;

use bursar::ResultCache;
use bursar::cache::Namespace;
use common::{Call, Kind, Moka, Quick, QuickTtl, Request, call};
use in_turn::{Medians, in_turn};

const ROUNDS: usize = 1_001;

fn main() {
    println!("| work | ns | beside | ns | ratio | aim |");
    println!("|---|---:|---|---:|---:|---|");
    caches("hit", Kind::Hit, ["at least 5", "at least 1", "at least 0.87"]);
    caches("miss", Kind::Miss, ["", "at least 1", "at least 0.87"]);
    caches("insert over a known key", Kind::Replace, ["", "at least 0.67", ""]);
    caches("insert into a full cache", Kind::Evict, ["", "at least 0.67", ""]);
    for bytes in [1_000, 10_000, 100_000] {
        keys(bytes);
    }
}

fn caches(name: &str, kind: Kind, aims: [&str; 3]) {
    let others = [
        ("moka, TTL", call::<Moka>(kind)),
        ("quick_cache, TTL by hand", call::<QuickTtl>(kind)),
        ("quick_cache, no TTL", call::<Quick>(kind)),
    ];
    for ((other, mut theirs), aim) in others.into_iter().zip(aims) {
        compare(name, &mut call::<ResultCache<String>>(kind), other, &mut theirs, aim);
    }
}

fn keys(bytes: usize) {
    let space = Namespace::tenant("acme");
    let sized = |name: &str| format!("{name}, {} KB", bytes / 1_000);

    let plain: fn(usize) -> Call = |bytes| {
        let request = Request::of(bytes);
        Box::new(move || {
            black_box(black_box(&request).plain());
        })
    };
    let request = Request::of(bytes);
    let value = serde_json::to_value(&request).unwrap();
    let of_space = space.clone();
    let mut key: Call = Box::new(move || drop(black_box(of_space.key(black_box(&request)))));
    let mut key_of_value: Call = Box::new(move || drop(black_box(space.key(black_box(&value)))));
    let floor = "`to_vec` + blake3";
    compare(&sized("key"), &mut key, floor, &mut plain(bytes), "at least 0.63");
    compare(&sized("key of a `Value`"), &mut key_of_value, floor, &mut plain(bytes), "");
}

/// Prints the medians, and the median of the ratios, theirs to ours.
fn compare(name: &str, ours: &mut Call, other: &str, theirs: &mut Call, aim: &str) {
    let Medians { ours, theirs, ratio } = in_turn(ours, theirs, |_| ROUNDS);
    println!("| {name} | {ours:.1} | {other} | {theirs:.1} | {ratio:.2} | {aim} |");
}
