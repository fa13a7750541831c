//! The stored format, version 1: files that were written once, and open in every later release.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bursar::clock::{Clock, ManualClock};
use bursar::journal::{Charges, Journal, JournalError, News, SqliteJournal};
use bursar::ledger::{Entry, Ledger};
use bursar::{Bill, BudgetManager, Estimate, Limit, Period, Usage, Usd};
use rusqlite::Connection;

use crate::Folder;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A manager on a copy of a fixture, at that time.
fn open(name: &str, at: &str) -> (Folder, BudgetManager) {
    let folder = Folder::new(name);
    let file = folder.file("old.db");
    fs::copy(kept(name), &file).unwrap();
    let journal = SqliteJournal::open(&file).unwrap();
    let clock = ManualClock::at(at.parse().unwrap());
    (
        folder,
        BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build().unwrap(),
    )
}

/// The file with its events, and the file that has only the snapshot after them.
#[test]
fn a_file_of_version_1_is_read() {
    for (name, tables) in [("journal-v1.db", (0, 31)), ("journal-v1-snapshot.db", (1, 0))] {
        let (folder, budget) = open(name, "2026-11-24T09:52:00Z");
        let file = Connection::open(folder.file("old.db")).unwrap();
        let count = |table| -> u32 {
            let ask = format!("SELECT count(*) FROM {table}");
            file.query_row(&ask, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((count("snapshots"), count("events")), tables, "{name}");
        is_as_written(&budget);
        SqliteJournal::verify(folder.file("old.db")).unwrap();
    }
}

fn is_as_written(budget: &BudgetManager) {
    let report = budget.report();
    let limits = report.limits.iter();
    let limits: Vec<String> = limits
        .map(|limit| {
            let of = format!("{} {}", limit.account, limit.measure);
            format!(
                "{of}: {} + {} of {}, at most {}",
                limit.spent, limit.held, limit.amount, limit.peak
            )
        })
        .collect();
    assert_eq!(limits, LIMITS);
    let accounts = report.accounts.iter();
    let accounts: Vec<String> = accounts
        .map(|account| format!("{}: {} + {}", account.account, account.spent, account.held))
        .collect();
    assert_eq!(accounts, ACCOUNTS);
    assert_eq!(report.elsewhere.unwrap().calls, 2, "those that were under way");

    // It goes on: the frozen account stays frozen, the others take calls, and all adds up.
    let call = Estimate::fixed(Usd::cents(1));
    assert!(budget.reserve("shop/old", &call).unwrap_err().to_string().contains("it is sold"));
    budget.reserve("shop/new", &call).unwrap().settle_cost(Usd::cents(1));
    budget.flush().unwrap();
}

/// A bucket that the file has no column for counts 0 in its lines, and is counted from then on.
#[test]
fn charges_lack_a_newer_bucket_and_count_it_once_it_is_known() {
    let charged = |file: &Path| -> Vec<Usage> {
        Charges::open(file).unwrap().map(|charge| charge.unwrap().usage).collect()
    };
    let folder = Folder::new("old-charges");
    let file = folder.file("old.db");
    fs::copy(kept("journal-v1.db"), &file).unwrap();
    let drop_column = "ALTER TABLE charges DROP COLUMN maps_requests";
    Connection::open(&file).unwrap().execute_batch(drop_column).unwrap();
    let before = charged(&file);
    assert_eq!(before.len(), 6, "the fixture has charges");

    let clock = ManualClock::at("2026-11-24T09:52:00Z".parse().unwrap());
    let journal = SqliteJournal::open(&file).unwrap();
    let budget =
        BudgetManager::builder().clock(clock).wait_for_disk(true).journal(journal).build().unwrap();
    assert_eq!(charged(&file), before, "opening changes no line");
    let drawn = Usage { input_image: 3, output_image: 4, maps_requests: 2, ..Usage::tokens(5, 0) };
    let bill = Bill::new(drawn).reported_cost(Usd::cents(1));
    budget.account("shop/new").unwrap().record(bill).book().unwrap();
    budget.flush().unwrap();
    let after = charged(&file);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.last(), Some(&drawn));
    SqliteJournal::verify(&file).unwrap();
}

const LIMITS: [&str; 7] = [
    " spend: $0.371 + $2.00 of $100.00, at most $2.37",
    "shop spend: $0.371 + $2.00 of $10.00, at most $2.37",
    "shop/new tokens: 0 + 24,000 of 200,000, at most 69,800",
    "shop/new spend: $0.0506 + $0.045 of $5.00, at most $0.0956",
    "shop/new calls in flight: 0 + 0 of 8, at most 1",
    "shop/old tokens: 0 + 0 of 200,000, at most 0",
    "user:42 requests: 3 + 1 of 50, at most 4",
];
const ACCOUNTS: [&str; 4] = [
    ": $0.371 + $2.00",
    "shop: $0.371 + $2.00",
    "shop/new: $0.0706 + $0.045",
    "shop/old: $0.30 + $0.00",
];

/// Keeps a snapshot at each commit, so that it has few events before it.
struct Keeping(SqliteJournal, Ledger);

impl Journal for Keeping {
    fn begin(&mut self, after: u64) -> Result<News, JournalError> {
        self.0.begin(after)
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        entries.iter().for_each(|entry| self.1.apply(&entry.event));
        self.0.append(first, entries)
    }

    fn keep(&mut self, _: &Ledger) -> Result<(), JournalError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        self.0.keep(&self.1)?;
        self.0.commit()
    }

    fn roll_back(&mut self) {
        self.0.roll_back();
    }
}

/// Writes the fixtures again:
/// `cargo test --features sqlite --test durable -- --ignored snapshot_fixture`.
#[test]
#[ignore = "writes the fixtures of the present version"]
fn snapshot_fixture() {
    let folder = Folder::new("fixture");
    let file = |name: &str| folder.file(name);
    write(SqliteJournal::open(file("events.db")).unwrap());
    write(Keeping(SqliteJournal::open(file("snapshot.db")).unwrap(), Ledger::new()));
    let all = "PRAGMA wal_checkpoint(TRUNCATE)";
    Connection::open(file("events.db")).unwrap().execute_batch(all).unwrap();
    let snapshot_alone = "DELETE FROM events; DELETE FROM charges; \
        DELETE FROM snapshots WHERE number < (SELECT max(number) FROM snapshots); \
        INSERT OR REPLACE INTO meta VALUES ('charges_from', 7); VACUUM; \
        PRAGMA wal_checkpoint(TRUNCATE)";
    Connection::open(file("snapshot.db")).unwrap().execute_batch(snapshot_alone).unwrap();
    fs::copy(file("events.db"), kept("journal-v1.db")).unwrap();
    fs::copy(file("snapshot.db"), kept("journal-v1-snapshot.db")).unwrap();
}

/// Something of everything.
fn write(journal: impl Journal + 'static) {
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let berlin = Period::day_in("Europe/Berlin").unwrap();
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(100)).per(Period::MONTH).alert_at([1, 50]))
        .limit("shop", Limit::spend(Usd::dollars(10)).per(berlin).keep_for_wrap_up(Usd::dollars(1)))
        .limit("shop/*", Limit::tokens(200_000).per(Period::rolling(Duration::from_secs(600))))
        .limit("shop/new", Limit::spend(Usd::dollars(5)).only_model("openai/*"))
        .limit("shop/new", Limit::in_flight(8))
        .limit("user:*", Limit::requests(50).per(Period::HOUR).observe())
        .clock(clock.clone())
        .wait_for_disk(true)
        .journal(journal)
        .build()
        .unwrap();
    let terra = budget.model("gpt-6.1-terra").unwrap();
    let call = terra.estimate().input(20_000).max_output(4_000);
    let (new, user) = (budget.account("shop/new").unwrap(), budget.tag("user:42").unwrap());
    for _ in 0..3 {
        let hold = new.request(call.clone()).tag(&user).reserve().unwrap();
        clock.advance(Duration::from_secs(60));
        hold.settle(Usage {
            input_uncached: 900,
            cache_read: 19_000,
            output: 3_000,
            ..Usage::NONE
        });
    }
    // One whose lease ends, one with a correction, one that is frozen, a run that is over.
    let lost = budget.reserve("shop/old", &Estimate::fixed(Usd::cents(40))).unwrap();
    lost.mark_sent();
    std::mem::forget(lost);
    clock.advance(Duration::from_secs(16 * 60));
    budget.adjust("shop/old", Usd::cents(-10), clock.now(), "the invoice of November").unwrap();
    budget.freeze("shop/old", "it is sold").unwrap();
    let run = new.run("task-1").unwrap();
    run.reserve(&Estimate::fixed(Usd::cents(3))).unwrap().settle_cost(Usd::cents(2));
    run.close();
    // Under way: a call and one inside it.
    let outer = budget.reserve("shop", &Estimate::fixed(Usd::dollars(2))).unwrap();
    outer.mark_sent();
    let inner = new.request(call).inside(&outer).tag(&user).reserve().unwrap();
    inner.mark_sent();
    std::mem::forget((outer, inner));
    budget.flush().unwrap();
}
