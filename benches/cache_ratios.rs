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
    caches("hit", Kind::Hit, "moka at least 5, quick_cache at least 1");
    caches("miss", Kind::Miss, "");
    caches("insert", Kind::Replace, "");
    caches("insert, evicting", Kind::Evict, "");
    for bytes in [1_000, 10_000, 100_000] {
        keys(bytes);
    }
}

fn caches(name: &str, kind: Kind, aim: &str) {
    let others = [
        ("moka, TTL", call::<Moka>(kind)),
        ("quick_cache, TTL by hand", call::<QuickTtl>(kind)),
        ("quick_cache, no TTL", call::<Quick>(kind)),
    ];
    for (other, mut theirs) in others {
        compare(name, &mut call::<ResultCache<String>>(kind), other, &mut theirs, aim);
    }
}

fn keys(bytes: usize) {
    let space = Namespace::of_tenant("acme");
    let (chain, last) = Request::of(bytes).grown(&space);
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
    let mut grown: Call = Box::new(move || {
        let mut chain = black_box(chain);
        black_box(chain.push(black_box(&last)).map(|()| chain.key())).unwrap();
    });
    let floor = "`to_vec` + blake3";
    compare(&sized("key"), &mut key, floor, &mut plain(bytes), "at least 0.63");
    compare(&sized("key of a `Value`"), &mut key_of_value, floor, &mut plain(bytes), "");
    compare(&sized("key, grown"), &mut grown, "the whole key", &mut key, "at least 10");
}

/// Prints the medians, and the median of the ratios, theirs to ours.
fn compare(name: &str, ours: &mut Call, other: &str, theirs: &mut Call, aim: &str) {
    let Medians { ours, theirs, ratio } = in_turn(ours, theirs, |_| ROUNDS);
    println!("| {name} | {ours:.1} | {other} | {theirs:.1} | {ratio:.2} | {aim} |");
}
