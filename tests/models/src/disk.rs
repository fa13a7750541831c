//! The disk in memory of the scenes with a journal: it takes its time, and fails on request.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bursar::clock::{Clock, ManualClock};
use bursar::journal::{Journal, JournalError, News};
use bursar::ledger::{Entry, Event, Ledger};
use bursar::price::PriceBook;
use bursar::{BudgetManager, Estimate, Limit, Usd};
use shuttle::sync as seen;

use crate::explore::{Sure, clock, step};

pub fn cents(cents: i64) -> Usd {
    Usd::cents(cents)
}

pub fn call(amount: i64) -> Estimate {
    Estimate::fixed(cents(amount))
}

/// Waits until all is written. Who comes while the disk fails may fail with it; it fails once.
#[track_caller]
pub fn flush(budget: &BudgetManager) {
    if budget.flush().is_err() {
        budget.flush().sure();
    }
}

/// A disk in memory, and what has happened to it.
#[derive(Clone, Default)]
pub struct Disk {
    events: Arc<Mutex<Vec<Event>>>,
    pub commits: Arc<AtomicUsize>,
    /// How many of the next commits fail.
    pub failures: Arc<AtomicUsize>,
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
    /// The budget of ten cents on it.
    pub fn open(&self) -> BudgetManager {
        self.open_at(&clock())
    }

    pub fn open_at(&self, clock: &ManualClock) -> BudgetManager {
        BudgetManager::builder()
            .wait_for_disk(true)
            .journal(Pen { disk: self.clone(), open: Vec::new() })
            .limit("", Limit::spend(cents(10)))
            .prices(PriceBook::empty())
            .clock(clock.clone())
            .build()
            .sure()
    }

    /// Waits until the manager is gone, and whatever wrote for it.
    pub fn wait_until_closed(&self) {
        let mut closed = self.closed.0.lock().unwrap();
        while !*closed {
            closed = self.closed.1.wait(closed).unwrap();
        }
    }

    /// What is spent and held by what is written.
    pub fn written(&self) -> (Usd, Usd) {
        let events = self.events.lock().unwrap().clone();
        let last = events.last().map_or_else(|| clock().now(), |event| event.at);
        let disk = Disk { events: Arc::new(Mutex::new(events)), ..Disk::default() };
        let budget = disk.open_at(&ManualClock::at(last));
        assert_eq!(budget.check(), Ok(()));
        (budget.spent(), budget.held())
    }
}
