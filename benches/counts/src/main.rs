//! Counts the instructions of the hot paths, which are the same on a noisy machine:
//! `cargo run --release --manifest-path benches/counts/Cargo.toml`.
//!
//! Runs itself under callgrind with N and with 2 N calls of each path; the difference, divided by N,
//! is one call without what surrounds it. Fails if a path takes a tenth more than `expected.tsv`
//! says. `-- --accept` writes what was counted there.

#[path = "../../common/bare.rs"]
mod bare;
#[path = "../../common/cache.rs"]
mod cache;
#[path = "../../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Duration;

use bare::BareAccount;
use bursar::cache::ResultCache;
use bursar::clock::Timestamp;
use bursar::price::Terms;
use bursar::{BudgetManager, Limit, Period, Usage, Usd};
use common::{LedgerPair, PublicPair};

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.tsv");
const CALLS: u64 = 2_000;

/// Makes ready the call that is counted.
type Ready = fn() -> Box<dyn FnMut()>;

const PATHS: [(&str, Ready); 10] = [
    ("bare pair", bare_pair),
    ("ledger pair", ledger_pair),
    ("ledger pair by name", ledger_pair_by_name),
    ("public pair", public_pair),
    ("rolling minute", rolling_minute),
    ("report of 10 accounts", report),
    ("refusal", refusal),
    ("cost()", cost),
    ("remaining", remaining),
    ("cache hit", cache_hit),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", path, times] => run(path, times),
        [] => compare(false),
        ["--accept"] => compare(true),
        _ => {
            eprintln!("usage: bursar-counts [--accept]");
            ExitCode::FAILURE
        }
    }
}

/// What callgrind looks at.
fn run(path: &str, times: &str) -> ExitCode {
    let (Some((_, ready)), Ok(times)) =
        (PATHS.iter().find(|(name, _)| *name == path), times.parse::<u64>())
    else {
        return ExitCode::FAILURE;
    };
    let mut call = ready();
    (0..times).for_each(|_| call());
    ExitCode::SUCCESS
}

fn compare(accept: bool) -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("skipped: instructions are counted with valgrind, which is not installed");
        return ExitCode::SUCCESS;
    }
    let expected = read_expected();
    let (mut worse, mut counts) = (false, String::new());
    println!("| path | instructions | expected | change |");
    println!("|---|---:|---:|---:|");
    for (path, _) in PATHS {
        let count = match (counted(path, CALLS), counted(path, 2 * CALLS)) {
            (Ok(one), Ok(two)) => two.saturating_sub(one) / CALLS,
            (Err(why), _) | (_, Err(why)) => {
                eprintln!("{path}: {why}");
                return ExitCode::FAILURE;
            }
        };
        let _ = writeln!(counts, "{path}\t{count}");
        match expected.get(path) {
            None => println!("| {path} | {count} | | new |"),
            Some(&before) => {
                let percent = (count as f64 / before as f64 - 1.0) * 100.0;
                let is_worse = count * 10 > before * 11;
                worse |= is_worse;
                let mark = if is_worse { " **worse**" } else { "" };
                println!("| {path} | {count} | {before} | {percent:+.1} %{mark} |");
            }
        }
    }
    if accept {
        if let Err(why) = std::fs::write(EXPECTED, counts) {
            eprintln!("{EXPECTED}: {why}");
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    }
    if worse {
        eprintln!("a path takes a tenth more than expected; `-- --accept` if that is meant");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn read_expected() -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(EXPECTED).unwrap_or_default();
    let line = |line: &str| {
        let (path, count) = line.split_once('\t')?;
        Some((path.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// The instructions of a whole run with so many calls.
fn counted(path: &str, times: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["--run", path, &times.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.split("Collected : ").nth(1).and_then(|rest| rest.split_whitespace().next());
    match count.and_then(|count| count.parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("callgrind says no count:\n{said}")),
    }
}

fn bare_pair() -> Box<dyn FnMut()> {
    let bare = BareAccount::new();
    Box::new(move || bare.call())
}

fn rolling_minute() -> Box<dyn FnMut()> {
    let minute = Period::rolling(Duration::from_secs(60));
    let limit = Limit::spend(Usd::dollars(1_000_000)).per(minute);
    let budget = BudgetManager::builder().limit("", limit).build().unwrap();
    let pair = LedgerPair::new(budget.account("").unwrap());
    Box::new(move || pair.call())
}

fn report() -> Box<dyn FnMut()> {
    let (budget, _) = common::crowd(10);
    Box::new(move || {
        black_box(budget.report());
    })
}

fn ledger_pair() -> Box<dyn FnMut()> {
    let pair = LedgerPair::new(common::account(&common::budget(3, 2), 3, 0));
    Box::new(move || pair.call())
}

fn ledger_pair_by_name() -> Box<dyn FnMut()> {
    let budget = common::budget(3, 2);
    let pair = LedgerPair::new(common::account(&budget, 3, 0));
    Box::new(move || pair.call_by_name(&budget))
}

fn public_pair() -> Box<dyn FnMut()> {
    let pair = PublicPair::new();
    Box::new(move || pair.call())
}

fn refusal() -> Box<dyn FnMut()> {
    let (account, estimate) = common::spent_out();
    Box::new(move || assert!(black_box(account.reserve(&estimate)).is_err()))
}

fn cost() -> Box<dyn FnMut()> {
    let model = BudgetManager::builder().build().unwrap().model("gpt-6.1-terra").unwrap();
    let usage = Usage { cache_read: 4_096, reasoning: 200, ..Usage::tokens(1_180, 340) };
    let (terms, at) = (Terms::default(), Timestamp::from_secs(0));
    Box::new(move || {
        black_box(model.price().cost(black_box(&usage), &terms, at).unwrap());
    })
}

fn remaining() -> Box<dyn FnMut()> {
    let account = common::account(&common::budget(3, 2), 3, 0);
    Box::new(move || {
        black_box(account.remaining());
    })
}

fn cache_hit() -> Box<dyn FnMut()> {
    let mut bench = cache::Bench::<ResultCache<String>>::hits();
    Box::new(move || assert!(bench.get()))
}
