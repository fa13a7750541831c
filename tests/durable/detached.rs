//! What cannot be refused does not wait for the disk: each such call returns while a commit hangs, is
//! booked afterwards, and survives the normal end of a process.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bursar::agent::BudgetedStream;
use bursar::clock::ManualClock;
use bursar::journal::{Journal, JournalError, News, SqliteJournal};
use bursar::ledger::{Entry, Ledger};
use bursar::testing::{Failure, Items, ScriptedAgent, next};
use bursar::{Bill, BudgetConstrained, BudgetManager, Estimate, Limit, Period, Usage, Usd};
use rusqlite::Connection;

use crate::Folder;

/// A disk whose commits hang while it is shut.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    is_shut: bool,
    /// Commits that have come to the shut door.
    hanging: u32,
}

impl Disk {
    fn shut(&self) {
        self.0.0.lock().unwrap().is_shut = true;
    }

    fn open(&self) {
        self.0.0.lock().unwrap().is_shut = false;
        self.0.1.notify_all();
    }

    fn wait_until_a_commit_hangs(&self) {
        let state = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(state, |state| state.hanging == 0).unwrap());
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.hanging += u32::from(state.is_shut);
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| state.is_shut).unwrap());
    }
}

struct Hanging {
    inner: SqliteJournal,
    disk: Disk,
}

impl Journal for Hanging {
    fn begin(&mut self, after: u64) -> Result<News, JournalError> {
        self.inner.begin(after)
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        self.inner.append(first, entries)
    }

    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        self.inner.keep(ledger)
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        self.disk.pass();
        self.inner.commit()
    }

    fn roll_back(&mut self) {
        self.inner.roll_back();
    }
}

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

fn cents(cents: i64) -> Estimate {
    Estimate::fixed(Usd::cents(cents))
}

/// One thread, which drives a runtime: if any of these calls blocked, the test would hang.
#[tokio::test(flavor = "current_thread")]
async fn each_of_these_returns_while_a_commit_hangs() {
    let (folder, clock, disk) = (Folder::new("hangs"), clock(), Disk::default());
    let inner = SqliteJournal::open(folder.file("budget.db")).unwrap();
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(10)).per(Period::DAY))
        .clock(clock.clone())
        .lease(Duration::from_secs(3 * 86_400))
        .journal(Hanging { inner, disk: disk.clone() })
        .build()
        .unwrap();
    let account = budget.account("a").unwrap();
    let luna = budget.model("gpt-6-luna").unwrap();
    let hold = |amount| account.reserve(&cents(amount)).unwrap();
    let [settled, released, refunded, renewed, unsent, lost] = [1, 2, 3, 4, 5, 6].map(hold);
    let streamed = account.reserve(&luna.estimate().input(1_000).max_output(100)).unwrap();
    let agent = ScriptedAgent::new("writer", cents(7))
        .reply("done", Bill::free().reported_cost(Usd::cents(7)));
    let writer = BudgetConstrained::new(agent, account.clone());
    let mut run = std::pin::pin!(writer.run("a task".to_owned()));
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(run.as_mut().poll(&mut context).is_pending(), "a reserve waits");
    budget.flushed().await.unwrap();

    disk.shut();
    account.note_saved(Usd::cents(1));
    disk.wait_until_a_commit_hangs();
    assert_eq!(settled.settle_cost(Usd::cents(1)).cost, Usd::cents(1));
    released.release();
    refunded.mark_sent();
    refunded.refund("it was free");
    assert!(renewed.renew(Duration::from_secs(86_400)));
    drop(unsent);
    lost.mark_sent();
    drop(lost);
    let items = Items::new([Ok::<_, Failure>(60)]);
    let mut stream = BudgetedStream::new(streamed, items, |output: &u64, usage| {
        usage.used(Usage::tokens(1_000, *output));
    });
    while next(&mut stream).await.is_some() {}
    let streamed = stream.receipt().unwrap().cost;
    assert!(
        run.as_mut().poll(&mut context).is_ready(),
        "its hold was written, its end is not awaited"
    );
    account.record(Usage::tokens(1_000, 60)).model(&luna).book().unwrap();
    let new = budget.account("a/new").unwrap();
    new.record(Usage::tokens(1_000, 60)).model(&luna).book().unwrap();
    assert_eq!((new.spent(), new.remaining()), (Usd::ZERO, account.remaining()));
    let terra = budget.model("gpt-6.1-terra").unwrap();
    clock.advance(Duration::from_secs(86_400));
    // The day of the limit has ended; what was booked in it is not written yet.
    assert_eq!(budget.remaining(), Some(Usd::dollars(10)));
    assert_eq!(budget.spent(), Usd::ZERO);
    assert!(budget.report().account("a").unwrap().held > Usd::ZERO);

    disk.open();
    budget.flush().unwrap();
    let spent = Usd::cents(1 + 6 + 7).checked_add(streamed).unwrap();
    let spent = spent.checked_add(streamed).unwrap().checked_add(streamed).unwrap();
    assert_eq!((budget.spent(), budget.held()), (spent, Usd::cents(4)));
    assert_eq!(new.spent(), streamed);
    drop(new.reserve(&terra.estimate().input(10).max_output(10)).unwrap());
    renewed.release();
}

/// Says to this test binary that it is the child, and which file is its.
const CHILD: &str = "BURSAR_EXIT_CHILD";

/// The child: makes calls, and returns at once.
#[test]
#[ignore = "the child of the test below"]
fn settles_and_returns() {
    let Ok(file) = std::env::var(CHILD) else { return };
    let budget = open(Path::new(&file));
    let account = budget.account("a").unwrap();
    drop(budget); // an account is a handle too, and the last one here
    for amount in 1..=4 {
        let hold = account.reserve(&cents(5)).unwrap();
        hold.settle_cost(Usd::cents(amount));
    }
}

fn open(file: &Path) -> BudgetManager {
    let journal = SqliteJournal::open(file).unwrap();
    BudgetManager::builder().clock(clock()).journal(journal).build().unwrap()
}

#[test]
fn a_process_that_returns_from_main_loses_nothing() {
    let folder = Folder::new("exit");
    let file = folder.file("budget.db");
    for round in 1..=20 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "detached::settles_and_returns", "--test-threads=1"])
            .env(CHILD, &file)
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        let budget = open(&file);
        assert_eq!((budget.spent(), budget.held()), (Usd::cents(10 * round), Usd::ZERO), "{round}");
    }
    let lines = Connection::open(&file).unwrap();
    let count: i64 = lines.query_row("SELECT count(*) FROM charges", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 80);
}
