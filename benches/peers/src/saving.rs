//! The rows of what saves a call or shortens it: caches, their keys, trimming.

use std::hint::black_box;

use bursar::ContextTrimmer;
use bursar::cache::{Namespace, ResultCache};
use bursar::context::Rules;

use crate::cache::{Call, Kind, Moka, Quick, QuickTtl, Request, call};
use crate::context::{Quarters, chat, no_framing, seed_trim};
use crate::table::{Floor, Row, Table};

pub fn rows(table: &mut Table) {
    for (work, kind) in [
        ("cache hit", Kind::Hit),
        ("cache miss", Kind::Miss),
        ("cache insert, the key is there", Kind::Replace),
        ("cache insert into a full one", Kind::Evict),
    ] {
        caches(table, work, kind);
    }
    for (bytes, said, floor) in [
        (1_000, "1 KB", "hash of 1 KB"),
        (10_000, "10 KB", "hash of 10 KB"),
        (100_000, "100 KB", "hash of 100 KB"),
    ] {
        keys(table, bytes, said, floor);
    }
    trimming(table, "100,000 messages trimmed to 2,000 tokens", 100_000, 2_000);
    trimming(table, "10,000 messages trimmed, all fit", 10_000, u64::MAX >> 1);
}

/// Each checks at each call whether it finds what it should.
fn caches(table: &mut Table, work: &str, kind: Kind) {
    let peers: [(&str, Call, &str); 3] = [
        ("`moka`, time to live", call::<Moka>(kind), "no dollars saved are counted"),
        ("`quick_cache`, time to live by hand", call::<QuickTtl>(kind), "the same"),
        ("`quick_cache`", call::<Quick>(kind), "the same, and no time to live"),
    ];
    for (peer, theirs, note) in peers {
        let ours = call::<ResultCache<String>>(kind);
        table.add(Row { work, ours, peer, theirs, floor: Some(Floor::arc()), note });
    }
}

fn keys(table: &mut Table, bytes: usize, said: &str, floor: &'static str) {
    let space = Namespace::tenant("acme");
    let (request, same) = (Request::of(bytes), Request::of(bytes));
    let value = serde_json::to_value(&request).unwrap();
    assert_eq!(space.key(&request).unwrap(), space.key(&value).unwrap(), "whatever the order");
    let plain = |request: Request| -> Call {
        Box::new(move || {
            black_box(black_box(&request).plain());
        })
    };
    let hash = |bytes: Vec<u8>| {
        Floor::new(floor, move || {
            black_box(blake3::hash(black_box(&bytes)));
        })
    };

    let of_request = space.clone();
    table.add(Row {
        work: &format!("key of a request of {said}"),
        floor: Some(hash(request.to_vec())),
        ours: Box::new(move || {
            black_box(of_request.key(black_box(&request)).unwrap());
        }),
        peer: "`serde_json::to_vec` and `blake3`",
        theirs: plain(same),
        note: "no order of keys, no tenant: equal requests may differ, strangers share",
    });
}

fn trimming(table: &mut Table, work: &str, messages: usize, max_tokens: u64) {
    let (chat, same) = (chat(messages), chat(messages));
    // As the seed does: the newest alone, whoever speaks first.
    let rules = Rules { user_first: false, alternate: false };
    let trimmer = ContextTrimmer::new(max_tokens).counter(Quarters, no_framing());
    let trimmer = trimmer.rules(rules).pin_first_user(false);
    let theirs: Vec<&str> = seed_trim(&chat, max_tokens).iter().map(|kept| kept.text()).collect();
    let trimmed = trimmer.trim(&chat).unwrap();
    let ours: Vec<&str> = trimmed.kept().iter().map(|&at| chat[at].text()).collect();
    // Ours counts the role of each as well, which may leave the oldest no room.
    let same_end = theirs.ends_with(&ours) && ours.len() + 1 >= theirs.len();
    assert!(same_end, "{} are kept, and {}", ours.len(), theirs.len());

    table.add(Row {
        work,
        ours: Box::new(move || {
            drop(black_box(trimmer.trim(black_box(&chat)).unwrap()));
        }),
        peer: "the seed's `trim_context`",
        theirs: Box::new(move || drop(black_box(seed_trim(black_box(&same), max_tokens)))),
        floor: None,
        note: "would drop a system prompt first and tear tool calls from their results",
    });
}
