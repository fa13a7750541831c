//! Tests of notifications with a journal: each change once, when it is written.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::tape::{Fault, Tape};
use crate::budget::{
    Alert, BudgetManager, LostCall, Observer, Receipt, Reservation, WeakBudgetManager,
};
use crate::clock::{ManualClock, Timestamp};
use crate::journal::JournalError;
use crate::ledger::{Limit, Path};
use crate::money::Usd;
use crate::price::Estimate;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Lock, block_on};
use crate::usage::{Bill, Outcome, Usage};

/// What an observer hears.
#[derive(Default)]
struct Diary(Lock<Vec<String>>);

impl Diary {
    fn note(&self, what: String) {
        self.0.lock().push(what);
    }

    /// What was heard, in the order of the alphabet, once it is so much.
    fn take(&self, len: usize) -> Vec<String> {
        let found = (0..10_000_000).any(|_| {
            std::thread::yield_now();
            self.0.lock().len() >= len
        });
        let mut heard = std::mem::take(&mut *self.0.lock());
        assert!(found, "only {heard:?}");
        heard.sort();
        heard
    }
}

impl Observer for Diary {
    fn on_settle(&self, account: &Path, receipt: &Receipt) {
        self.note(format!("{account} settled {}", receipt.cost));
    }

    fn on_release(&self, account: &Path, amount: Usd) {
        self.note(format!("{account} released {amount}"));
    }

    fn on_alert(&self, alert: &Alert) {
        if alert.kind() != "unwritten" {
            self.note(format!("{} {}", alert.account(), alert.kind()));
        }
    }
}

struct Scene {
    clock: ManualClock,
    tape: Tape,
    budget: BudgetManager,
    diary: Arc<Diary>,
}

impl Scene {
    fn new(lost: LostCall) -> Scene {
        let (tape, diary) = (Tape::default(), Arc::<Diary>::default());
        let clock = ManualClock::at(Timestamp::from_secs(0));
        let budget = BudgetManager::builder()
            .clock(clock.clone())
            .shared_observer(Arc::clone(&diary) as Arc<dyn Observer>)
            .on_lost_call(lost)
            .journal(tape.clone())
            .build()
            .unwrap();
        Scene { clock, tape, budget, diary }
    }

    fn hold(&self, account: &str) -> Reservation {
        self.budget.reserve(account, &Estimate::fixed(Usd::cents(5))).unwrap()
    }
}

fn bill() -> Bill {
    Bill::new(Usage::NONE).reported_cost(Usd::cents(2))
}

fn poll<F: Future + Unpin>(future: &mut F) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn observers_hear_of_each_end_once_when_it_is_written() {
    for fault in [None, Some(Fault::Begin), Some(Fault::Commit)] {
        let scene = Scene::new(LostCall::ChargeHold);
        let account = scene.budget.account("h").unwrap();
        let [a, b, c, d, e, f, g] =
            ["a", "b", "c", "d", "e", "f", "g"].map(|name| scene.hold(name));
        scene.tape.fail(fault);

        assert_eq!(a.settle_cost(Usd::cents(1)).cost, Usd::cents(1));
        drop(b.settle(bill()));
        drop(c.finish(Outcome::Billed(bill())));
        d.mark_sent();
        d.release();
        e.mark_sent();
        drop(e);
        f.release();
        drop(g);
        account.record(bill()).book().unwrap();
        let failed = scene.budget.flush();
        assert_eq!(failed.is_err(), fault.is_some());
        if fault.is_some() {
            assert_eq!(scene.diary.take(0), [""; 0], "{fault:?}: nothing is written");
        }

        scene.tape.fail(None);
        scene.budget.flush().unwrap();
        let told = [
            "a settled $0.01",
            "b settled $0.02",
            "c settled $0.02",
            "d refunded",
            "d released $0.05",
            "e settled $0.05",
            "f released $0.05",
            "g released $0.05",
            "h settled $0.02",
        ];
        assert_eq!(scene.diary.take(told.len()), told, "{fault:?}");
        scene.budget.flush().unwrap();
        assert_eq!(scene.diary.take(0), [""; 0], "{fault:?}: told twice");
        assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(12), Usd::ZERO));
    }
}

/// A commit that lasted although it reported an error: what is tried again finds itself done.
#[test]
fn observers_hear_once_of_what_was_written_in_spite_of_an_error() {
    let scene = Scene::new(LostCall::ChargeHold);
    let account = scene.budget.account("e").unwrap();
    let told = [
        "a settled $0.02",
        "b refunded",
        "b released $0.05",
        "c released $0.05",
        "d released $0.05",
    ];
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| scene.hold(name));
    b.mark_sent();
    let ends: [Box<dyn FnOnce()>; 4] = [
        Box::new(|| drop(a.settle(bill()))),
        Box::new(|| b.release()),
        Box::new(|| c.release()),
        Box::new(|| drop(account.record(bill()).book().unwrap())),
    ];
    for end in ends {
        scene.tape.fail(Some(Fault::Lie));
        end();
        assert!(scene.budget.flush().is_err());
        scene.tape.fail(None);
        scene.budget.flush().unwrap();
    }
    drop(d);
    let told: Vec<_> = told.into_iter().chain(["e settled $0.02"]).collect();
    assert_eq!(scene.diary.take(told.len()), told);
    scene.budget.flush().unwrap();
    assert_eq!(scene.diary.take(0), [""; 0], "told twice");
    assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(4), Usd::ZERO));
}

#[test]
fn a_receipt_of_what_waits_says_what_it_comes_to() {
    let scene = Scene::new(LostCall::Release);
    let (one, two) = (scene.hold("a"), scene.hold("a"));
    scene.tape.fail(Some(Fault::Commit));
    assert_eq!(one.settle(bill()).cost, Usd::cents(2));
    assert_eq!(two.settle(bill()).cost, Usd::cents(2));
    assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::ZERO, Usd::cents(10)));
    scene.tape.fail(None);
    block_on(scene.budget.flushed()).unwrap();
    assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(4), Usd::ZERO));
}

/// An observer that calls back into its budget without keeping it: with the last handle, ledger and
/// journal are gone.
#[test]
fn an_observer_with_a_weak_budget_keeps_nothing_alive() {
    #[derive(Default)]
    struct Freezes(Lock<Option<WeakBudgetManager>>);
    impl Observer for Freezes {
        fn on_settle(&self, account: &Path, _: &Receipt) {
            let budget = self.0.lock().as_ref().and_then(WeakBudgetManager::upgrade);
            if let Some(budget) = budget {
                budget.freeze(account.as_str(), "one call is enough").unwrap();
            }
        }
    }

    let (tape, freezes) = (Tape::default(), Arc::<Freezes>::default());
    let budget = BudgetManager::builder()
        .shared_observer(Arc::clone(&freezes) as Arc<dyn Observer>)
        .journal(tape.clone())
        .build()
        .unwrap();
    let weak = budget.downgrade();
    *freezes.0.lock() = Some(weak.clone());
    let call = Estimate::fixed(Usd::cents(1));
    budget.reserve("a", &call).unwrap().settle_cost(Usd::cents(1));
    budget.flush().unwrap();
    assert!(budget.reserve("a", &call).unwrap_err().to_string().contains("one call is enough"));
    assert!(weak.upgrade().is_some_and(|same| same.spent() == Usd::cents(1)));
    assert_eq!(tape.holders(), 2);
    drop(budget);
    wait_until(|| weak.upgrade().is_none());
    assert_eq!((tape.holders(), Arc::strong_count(&freezes)), (1, 1));
}

/// A caller that gives up has held for a moment: the observers hear of both, in this order.
#[test]
fn a_hold_that_nobody_fetches_is_told_as_any_other() {
    #[derive(Default)]
    struct Log(Lock<Vec<&'static str>>);
    impl Observer for Log {
        fn on_reserve(&self, _: &Path, _: &Reservation) {
            self.0.lock().push("reserved");
        }
        fn on_release(&self, _: &Path, _: Usd) {
            self.0.lock().push("released");
        }
    }

    let (tape, log) = (Tape::default(), Arc::<Log>::default());
    let shared = Arc::clone(&log) as Arc<dyn Observer>;
    let budget =
        BudgetManager::builder().shared_observer(shared).journal(tape.clone()).build().unwrap();
    let account = budget.account("a").unwrap();
    let ask = || {
        let account = account.clone();
        async move { account.request(Estimate::fixed(Usd::cents(5))).reserve_async().await.is_ok() }
    };
    for in_commit in [false, true] {
        let slot = Arc::new(Lock::new(None));
        let mut held = slot.lock();
        let inside = Arc::clone(&slot);
        tape.at_commit(move || {
            let mut asks = inside.lock(); // not before it has been polled
            if in_commit {
                drop(asks.take());
            }
        });
        let mut asks = Box::pin(ask());
        assert!(!poll(&mut asks));
        *held = Some(asks);
        drop(held);
        budget.flush().unwrap();
        drop(slot.lock().take());
        wait_until(|| log.0.lock().len() >= 2);
        assert_eq!(std::mem::take(&mut *log.0.lock()), ["reserved", "released"], "{in_commit}");
    }
    assert_eq!(budget.held(), Usd::ZERO);
}

/// Law 1: whose end waits to be written is not taken for gone when the lease ends, and what it holds
/// is given to no other call.
#[test]
fn the_lease_of_a_hold_whose_end_is_known_gives_nothing_back() {
    let scene = Scene::new(LostCall::Release);
    scene.budget.set_limit("", Limit::spend(Usd::cents(6))).unwrap();
    let hold = scene.hold("a");
    let next = scene.budget.account("b").unwrap();
    let mut waits = Box::pin(next.request(Estimate::fixed(Usd::cents(5))).wait(Duration::MAX));
    assert!(!poll(&mut waits));
    scene.tape.fail(Some(Fault::Commit));
    assert_eq!(hold.settle(bill()).cost, Usd::cents(2));
    scene.clock.advance(Duration::from_secs(86_400));
    scene.tape.fail(None);
    scene.budget.flush().unwrap();
    assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(2), Usd::ZERO));
    assert!(block_on(waits).is_err(), "with two cents spent it can never fit");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let found = (0..10_000_000).any(|_| {
        std::thread::yield_now();
        is_so()
    });
    assert!(found);
}

/// Calls a closure where a task would be woken.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Ends a hold in vain, with a task that waits for it when the commit fails.
fn end_in_vain(scene: &Scene, hold: Reservation, on_wake: impl Fn() + Send + Sync + 'static) {
    let waker = Waker::from(Arc::new(Calls(on_wake)));
    let slot = Arc::new(Lock::new(None));
    let in_commit = Arc::clone(&slot);
    scene.tape.fail(Some(Fault::Commit));
    let mut held = slot.lock();
    scene.tape.at_commit(move || {
        let mut ends: Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send>> =
            in_commit.lock().take().unwrap();
        assert!(ends.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        std::mem::forget(ends);
    });
    *held = Some(Box::pin(scene.budget.flushed()));
    hold.settle(bill());
    drop(held);
    assert!(scene.budget.flush().is_err());
}

#[test]
fn a_task_that_panics_when_it_is_woken_loses_no_charge() {
    let scene = Scene::new(LostCall::ChargeHold);
    end_in_vain(&scene, scene.hold("a"), || panic!("not now"));
    scene.tape.fail(None);
    scene.budget.flush().unwrap();
    assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(2), Usd::ZERO));
    drop(scene.hold("b").settle(bill()));
    wait_until(|| scene.budget.spent() == Usd::cents(4));
}

#[test]
fn a_journal_that_panics_has_failed_and_is_tried_again() {
    let scene = Scene::new(LostCall::ChargeHold);
    let (one, two) = (scene.hold("a"), scene.hold("a"));
    scene.tape.at_commit(|| panic!("not now"));
    drop(one.settle(bill()));
    wait_until(|| scene.budget.spent() == Usd::cents(2));
    scene.tape.at_commit(|| panic!("not now"));
    assert!(scene.budget.set_limit("b", Limit::spend(Usd::cents(1))).is_err());
    assert_eq!(two.settle(bill()).cost, Usd::cents(2));
    scene.budget.flush().unwrap();
    assert_eq!((scene.budget.spent(), scene.budget.held()), (Usd::cents(4), Usd::ZERO));
}

/// While another thread tries in vain, the one that tries again every second does not take it that
/// there is nothing to try.
#[test]
fn what_waits_is_seen_while_it_is_tried() {
    let scene = Scene::new(LostCall::ChargeHold);
    let (one, two) = (scene.hold("a"), scene.hold("a"));
    end_in_vain(&scene, one, || ());
    let (budget, owes) = (scene.budget.downgrade(), Arc::new(Lock::new(Vec::new())));
    let seen = Arc::clone(&owes);
    end_in_vain(&scene, two, move || {
        let budget = budget.upgrade().unwrap();
        seen.lock().push(budget.core.books().unwrap().owes());
    });
    assert_eq!(*owes.lock(), [true]);
    scene.tape.fail(None);
    scene.budget.flush().unwrap();
    assert!(!scene.budget.core.books().unwrap().owes());
}

/// The writing thread tells an observer, who changes the budget while another thread leads: it has to
/// wait for a writer, and is that itself.
#[test]
fn who_writes_for_others_may_wait_for_a_change_of_its_own() {
    #[derive(Default)]
    struct Freezes {
        budget: Lock<Option<WeakBudgetManager>>,
        tape: Tape,
        frozen: AtomicBool,
    }
    impl Observer for Freezes {
        fn on_settle(&self, account: &Path, _: &Receipt) {
            let budget = self.budget.lock().as_ref().and_then(WeakBudgetManager::upgrade).unwrap();
            let (commits, same) = (Arc::new(AtomicBool::new(false)), budget.downgrade());
            let is_in_commit = Arc::clone(&commits);
            self.tape.at_commit(move || {
                is_in_commit.store(true, Ordering::SeqCst);
                let budget = same.upgrade().unwrap();
                let books = budget.core.books().unwrap();
                wait_until(|| !books.commits.lock().jobs.is_empty());
            });
            let other = budget.clone();
            let leads =
                std::thread::spawn(move || other.set_limit("b", Limit::spend(Usd::cents(1))));
            wait_until(|| commits.load(Ordering::SeqCst));
            budget.freeze(account.as_str(), "one call is enough").unwrap();
            leads.join().unwrap().unwrap();
            self.frozen.store(true, Ordering::SeqCst);
        }
    }
    let freezes = Arc::<Freezes>::default();
    let budget = BudgetManager::builder()
        .shared_observer(Arc::clone(&freezes) as Arc<dyn Observer>)
        .journal(freezes.tape.clone())
        .build()
        .unwrap();
    *freezes.budget.lock() = Some(budget.downgrade());
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(1))).unwrap();
    drop(hold.settle(bill()));
    wait_until(|| freezes.frozen.load(Ordering::SeqCst));
}
