//! Owns the scenes of writing: callers who queue behind one who writes, the thread that writes for
//! those who cannot wait, a disk that fails, and the end of a manager.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::agent::testing::block_on;
use bursar::journal::{Journal, JournalError, News};
use bursar::ledger::{Entry, Event, Ledger};
use bursar::price::PriceBook;
use bursar::{Bill, BudgetManager, Estimate, Limit, ReserveError, Usd};
use shuttle::sync as seen;

use crate::explore::{Sure, at_rest, clock, explore, step, thread};

const C: Usd = Usd::cents(1);

fn cents(cents: i64) -> Usd {
    Usd::cents(cents)
}

fn call(amount: i64) -> Estimate {
    Estimate::fixed(cents(amount))
}

/// A disk in memory, and what has happened to it.
#[derive(Clone, Default)]
struct Disk {
    events: Arc<Mutex<Vec<Event>>>,
    begun: Arc<AtomicUsize>,
    commits: Arc<AtomicUsize>,
    /// How many of the next commits fail.
    failures: Arc<AtomicUsize>,
    /// True when the journal on it has been closed.
    closed: Arc<(seen::Mutex<bool>, seen::Condvar)>,
}

/// One who writes to it.
struct Pen {
    disk: Disk,
    open: Vec<Event>,
}

impl Journal for Pen {
    fn begin(&mut self, after: u64) -> Result<News, JournalError> {
        self.disk.begun.fetch_add(1, SeqCst);
        let events = self.disk.events.lock().unwrap();
        let events = events[usize::try_from(after).unwrap()..].to_vec();
        Ok(News { snapshot: None, events })
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        assert_eq!(first, self.disk.events.lock().unwrap().len() as u64 + 1);
        self.open = entries.iter().map(|entry| entry.event.clone()).collect();
        Ok(())
    }

    fn keep(&mut self, _: &Ledger) -> Result<(), JournalError> {
        Ok(())
    }

    /// Takes its time: others may go on meanwhile.
    fn commit(&mut self) -> Result<(), JournalError> {
        step();
        let fails = self.disk.failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(JournalError::temporary("the disk is full; free some space"));
        }
        self.disk.events.lock().unwrap().append(&mut self.open);
        self.disk.commits.fetch_add(1, SeqCst);
        Ok(())
    }

    fn roll_back(&mut self) {
        self.open.clear();
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        *self.disk.closed.0.lock().unwrap() = true;
        self.disk.closed.1.notify_all();
    }
}

impl Disk {
    fn open(&self) -> BudgetManager {
        BudgetManager::builder()
            .journal(Pen { disk: self.clone(), open: Vec::new() })
            .limit("", Limit::spend(cents(10)))
            .prices(PriceBook::empty())
            .clock(clock())
            .build()
            .sure()
    }

    /// Waits until the manager is gone, and whatever wrote for it.
    fn wait_until_closed(&self) {
        let mut closed = self.closed.0.lock().unwrap();
        while !*closed {
            closed = self.closed.1.wait(closed).unwrap();
        }
    }

    /// What is spent and held by what is written.
    fn written(&self) -> (Usd, Usd) {
        let events = self.events.lock().unwrap().clone();
        let disk = Disk { events: Arc::new(Mutex::new(events)), ..Disk::default() };
        let budget = disk.open();
        assert_eq!(budget.check(), Ok(()));
        (budget.spent(), budget.held())
    }
}

#[test]
fn two_who_write_at_once_are_both_answered_sometimes_as_one_group() {
    let (alone, together) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (was_alone, was_together) = (Arc::clone(&alone), Arc::clone(&together));
    explore(1, move || {
        let disk = Disk::default();
        let budget = disk.open();
        let [mine, other, third] = ["a", "b", "c"].map(|name| budget.account(name).sure());
        let before = disk.commits.load(SeqCst);
        let others = [other, third].map(|account| thread(move || account.reserve(&call(5))));
        let mine = mine.reserve(&call(5));
        let [other, third] = others.map(|other| other.join());
        let commits = disk.commits.load(SeqCst) - before;
        was_together.fetch_add(usize::from(commits == 1), SeqCst);
        was_alone.fetch_add(usize::from(commits == 2), SeqCst);

        let admitted: Vec<_> = [mine, other, third].into_iter().flatten().collect();
        assert_eq!(admitted.len(), 2, "there is room for two");
        assert_eq!(disk.written(), (Usd::ZERO, cents(10)));
        admitted.into_iter().for_each(|hold| drop(hold.settle_cost(C)));
        assert_eq!(disk.written(), (cents(2), Usd::ZERO));
        at_rest(&budget);
    });
    assert!(alone.load(SeqCst) > 0 && together.load(SeqCst) > 0, "{alone:?} {together:?}");
}

#[test]
fn a_reader_sees_what_is_written_and_nothing_before() {
    explore(3, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(4)).sure();
        let ending = thread(move || drop(hold.settle_cost(cents(3))));
        let seen = budget.spent();
        let (written, _) = disk.written();
        assert!(seen <= written, "{seen} is seen and {written} is written");
        ending.join();
        assert_eq!((budget.spent(), disk.written().0), (cents(3), cents(3)));
        at_rest(&budget);
    });
}

#[test]
fn a_commit_that_fails_refuses_the_call_and_loses_no_charge() {
    explore(2, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(4)).sure();
        let other = budget.account("b").sure();
        disk.failures.store(1, SeqCst);
        let asking = thread(move || other.reserve(&call(2)).map(|hold| hold.release()));
        assert_eq!(hold.settle_cost(cents(3)).cost, cents(3));
        let asked = asking.join();
        assert!(matches!(asked, Ok(()) | Err(ReserveError::Journal(_))), "{asked:?}");
        // Who comes while the disk fails may fail with it; it fails once.
        if budget.flush().is_err() {
            budget.flush().sure();
        }
        assert_eq!(disk.written(), (cents(3), Usd::ZERO));
        assert_eq!(budget.spent(), cents(3));
        at_rest(&budget);
    });
}

#[test]
fn what_could_not_be_written_is_written_though_nobody_asks_again() {
    explore(2, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(4)).sure();
        disk.failures.store(2, SeqCst);
        drop(hold.settle_cost(cents(3)));
        drop(budget);
        disk.wait_until_closed();
        let (spent, held) = disk.written();
        // The manager may end before the disk is well: then the hold stays, and its lease ends.
        assert!([(cents(3), Usd::ZERO), (Usd::ZERO, cents(4))].contains(&(spent, held)));
    });
}

#[test]
fn guards_that_are_dropped_are_written_by_the_time_that_a_flush_returns() {
    explore(2, || {
        let disk = Disk::default();
        let budget = disk.open();
        let [sent, unsent] = [3, 2].map(|amount| budget.reserve("a", &call(amount)).sure());
        sent.mark_sent();
        let dropping = thread(move || drop(unsent));
        drop(sent);
        dropping.join();
        budget.flush().sure();
        assert_eq!(disk.written(), (cents(3), Usd::ZERO));
        at_rest(&budget);
    });
}

#[test]
fn a_manager_that_ends_leaves_nothing_unwritten_and_no_thread() {
    explore(2, || {
        let disk = Disk::default();
        let budget = disk.open();
        let [sent, unsent] = [3, 2].map(|amount| budget.reserve("a", &call(amount)).sure());
        sent.mark_sent();
        let dropping = thread(move || drop(sent));
        drop(unsent);
        drop(budget);
        dropping.join();
        disk.wait_until_closed();
        assert_eq!(disk.written(), (cents(3), Usd::ZERO));
    });
}

#[test]
fn what_is_awaited_is_written_and_what_is_not_awaited_too() {
    explore(1, || {
        let disk = Disk::default();
        let budget = disk.open();
        let [mine, other] = [3, 2].map(|amount| budget.reserve("a", &call(amount)).sure());
        let other = thread(move || drop(other.settle_async(Bill::free().reported_cost(cents(2)))));
        let receipt = block_on(mine.settle_async(Bill::free().reported_cost(cents(3))));
        assert_eq!(receipt.cost, cents(3));
        let (written, _) = disk.written();
        assert!([cents(3), cents(5)].contains(&written), "{written}");
        other.join();
        drop(budget);
        disk.wait_until_closed();
        assert_eq!(disk.written(), (cents(5), Usd::ZERO));
    });
}

#[test]
fn room_that_is_written_as_a_call_begins_to_wait_is_not_missed() {
    explore(1, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(10)).sure();
        let waiting = budget.account("b").sure().ask(call(1)).wait(Duration::from_secs(3_600));
        let before = disk.begun.load(SeqCst);
        let making = thread(move || hold.release());
        block_on(waiting).sure().release();
        making.join();
        // It asks when it comes, and again when something was written: the release, at most twice.
        let asked = disk.begun.load(SeqCst) - before;
        assert!(asked <= 6, "it has asked {asked} times");
        assert_eq!(disk.written(), (Usd::ZERO, Usd::ZERO));
        at_rest(&budget);
    });
}
