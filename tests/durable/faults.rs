//! A journal that fails in every place, and what becomes of calls then: a reserve is refused, a
//! settle waits and is written once, nothing is doubled or lost, and one alert says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bursar::budget::LostCall;
use bursar::clock::ManualClock;
use bursar::journal::{Journal, JournalError, News, SqliteJournal};
use bursar::ledger::{Entry, Ledger};
use bursar::{Alert, BudgetManager, Estimate, ReserveError, Usage, Usd};

use crate::{Folder, open};

/// Where the journal fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Begin,
    Append,
    /// Half of what is appended arrives before the error.
    ShortAppend,
    Commit,
    /// The commit lasts, and says that it has failed.
    LyingCommit,
}

const FAULTS: [Fault; 5] =
    [Fault::Begin, Fault::Append, Fault::ShortAppend, Fault::Commit, Fault::LyingCommit];

/// A journal that fails when it is told to.
struct Failing {
    inner: SqliteJournal,
    fault: Fault,
    on: Arc<AtomicBool>,
}

impl Failing {
    fn fail(&self, here: Fault) -> Result<(), JournalError> {
        match self.fault == here && self.on.load(Ordering::SeqCst) {
            true => Err(JournalError::temporary("the disk is full; free some space")),
            false => Ok(()),
        }
    }
}

impl Journal for Failing {
    fn begin(&mut self, after: u64) -> Result<News, JournalError> {
        self.fail(Fault::Begin)?;
        self.inner.begin(after)
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        self.fail(Fault::Append)?;
        if self.fail(Fault::ShortAppend).is_err() {
            self.inner.append(first, &entries[..entries.len() / 2])?;
        }
        self.fail(Fault::ShortAppend)?;
        self.inner.append(first, entries)
    }

    fn keep(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        self.inner.keep(ledger)
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        self.fail(Fault::Commit)?;
        self.inner.commit()?;
        self.fail(Fault::LyingCommit)
    }

    fn roll_back(&mut self) {
        self.inner.roll_back();
    }
}

struct World {
    budget: BudgetManager,
    clock: ManualClock,
    broken: Arc<AtomicBool>,
    alerts: Arc<Mutex<Vec<String>>>,
}

fn world(folder: &Folder, fault: Fault) -> World {
    world_with(folder, fault, LostCall::default())
}

fn world_with(folder: &Folder, fault: Fault, lost: LostCall) -> World {
    let clock = ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap());
    let (broken, alerts) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&alerts);
    let inner = SqliteJournal::open(folder.file("budget.db")).unwrap();
    let budget = BudgetManager::builder()
        .clock(clock.clone())
        .on_lost_call(lost)
        .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
        .wait_for_disk(true)
        .journal(Failing { inner, fault, on: Arc::clone(&broken) })
        .build()
        .unwrap();
    World { budget, clock, broken, alerts }
}

#[test]
fn calls_are_refused_and_charges_wait() {
    for fault in FAULTS {
        let folder = Folder::new(&format!("fault-{fault:?}"));
        let World { budget, clock, broken, alerts } = world(&folder, fault);
        let account = budget.account("a").unwrap();
        let luna = budget.model("gpt-6-luna").unwrap();
        let (one, two, three, four) = {
            let reserve = || account.reserve(&Estimate::fixed(Usd::cents(10))).unwrap();
            (reserve(), reserve(), reserve(), reserve())
        };

        broken.store(true, Ordering::SeqCst);
        let refused = account.reserve(&Estimate::fixed(Usd::cents(10))).unwrap_err();
        assert!(matches!(refused, ReserveError::Journal(_)), "{fault:?}: {refused}");
        let sentence = "the call cannot be written down: the disk is full; free some space";
        assert_eq!(refused.to_string(), sentence);
        // The receipt says what it comes to; the rest waits, and the holds stay where they are.
        assert_eq!(one.settle_cost(Usd::cents(7)).cost, Usd::cents(7), "{fault:?}");
        two.release();
        three.mark_sent();
        drop(three);
        account.record(Usage::tokens(1_000, 0)).model(&luna).book().unwrap();
        if fault != Fault::LyingCommit {
            assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::cents(40)), "{fault:?}");
        }
        // After a commit that lied, all is written but for what comes now.
        assert_eq!(budget.flush().is_err(), fault != Fault::LyingCommit, "{fault:?}");

        broken.store(false, Ordering::SeqCst);
        budget.flush().unwrap();
        let spent = Usd::cents(17).checked_add("0.0001".parse().unwrap()).unwrap();
        // A reserve that was written although the commit said no is somebody's until its lease ends.
        let orphaned = match fault {
            Fault::LyingCommit => Usd::cents(10),
            _ => Usd::ZERO,
        };
        let held = Usd::cents(10).checked_add(orphaned).unwrap();
        assert_eq!((budget.spent(), budget.held()), (spent, held), "{fault:?}");
        four.settle_cost(Usd::cents(1));
        let spent = spent.checked_add(Usd::cents(1)).unwrap();
        assert_eq!(budget.spent(), spent);
        let told = alerts.lock().unwrap().clone();
        let unwritten = told.iter().filter(|alert| alert.contains("cannot be written and wait"));
        // Where the commit lied, what is tried again succeeds in between: each failure is a new one.
        let most = if fault == Fault::LyingCommit { 4 } else { 1 };
        assert!((1..=most).contains(&unwritten.count()), "{fault:?}: {told:?}");

        drop((account, luna, budget));
        let budget = open(&folder, &clock);
        assert_eq!((budget.spent(), budget.held()), (spent, orphaned), "{fault:?}");
    }
}

/// What nobody waits for is told when it is written, and once.
#[test]
fn a_refund_is_told_of_when_it_is_written() {
    let folder = Folder::new("refund");
    let World { budget, broken, alerts, .. } =
        world_with(&folder, Fault::Commit, LostCall::Release);
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap();
    broken.store(true, Ordering::SeqCst);
    hold.mark_sent();
    drop(hold);
    assert!(budget.flush().is_err());
    assert!(budget.flush().is_err());
    let told = |what: &str| alerts.lock().unwrap().iter().filter(|a| a.contains(what)).count();
    assert_eq!((told("cannot be written and wait"), told("was released")), (1, 0));
    broken.store(false, Ordering::SeqCst);
    budget.flush().unwrap();
    assert_eq!((told("cannot be written and wait"), told("was released")), (1, 1));
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO));
}

/// The fault is over when the process ends: it tries once more.
#[test]
fn what_waits_is_written_at_the_end() {
    let folder = Folder::new("last");
    let World { budget, clock, broken, .. } = world(&folder, Fault::Begin);
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap();
    broken.store(true, Ordering::SeqCst);
    hold.settle_cost(Usd::cents(1));
    broken.store(false, Ordering::SeqCst);
    drop(budget);
    let budget = open(&folder, &clock);
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(1), Usd::ZERO));
}

/// The process ends before it could write: the hold is charged in full when its lease ends.
#[test]
fn what_was_never_written_is_charged_as_assumed() {
    let folder = Folder::new("never");
    let World { budget, clock, broken, .. } = world(&folder, Fault::Commit);
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap();
    broken.store(true, Ordering::SeqCst);
    hold.settle_cost(Usd::cents(1));
    drop(budget);
    let budget = open(&folder, &clock);
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::cents(10)));
    clock.advance(Duration::from_secs(901));
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(10), Usd::ZERO));
    assert_eq!(budget.report().account("a").unwrap().assumed, Usd::cents(10));
}

/// Errors that come and go while eight threads work: the sum is right, and right in the file.
#[test]
fn errors_that_come_and_go_lose_and_double_nothing() {
    for fault in FAULTS {
        let folder = Folder::new(&format!("flicker-{fault:?}"));
        let World { budget, clock, broken, .. } = world(&folder, fault);
        let booked: i64 = thread::scope(|scope| {
            let workers: Vec<_> = (0..8_u32)
                .map(|worker| {
                    let (budget, broken) = (&budget, &broken);
                    scope.spawn(move || {
                        let account = loop {
                            if let Ok(account) = budget.account(&format!("w/{worker}")) {
                                break account;
                            }
                        };
                        let mut booked = 0;
                        for call in 0..60_u32 {
                            broken.store((worker + call) % 3 == 0, Ordering::SeqCst);
                            let hold = account.reserve(&Estimate::fixed(Usd::cents(2)));
                            let Ok(hold) = hold else { continue };
                            match call % 4 {
                                0 => hold.release(),
                                1 => {
                                    hold.mark_sent();
                                    drop(hold);
                                    booked += 2;
                                }
                                _ => {
                                    hold.settle_cost(Usd::cents(1));
                                    booked += 1;
                                }
                            }
                        }
                        booked
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        broken.store(false, Ordering::SeqCst);
        budget.flush().unwrap();
        assert!(booked > 0);
        assert_eq!(budget.spent(), Usd::cents(booked), "{fault:?}");
        if fault != Fault::LyingCommit {
            assert_eq!(budget.held(), Usd::ZERO, "{fault:?}");
        }
        drop(budget);
        assert_eq!(open(&folder, &clock).spent(), Usd::cents(booked), "{fault:?}");
    }
}
