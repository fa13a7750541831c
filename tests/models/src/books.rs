//! The scenes of writing: callers who queue behind one who writes, the thread that writes for
//! those who cannot wait, a disk that fails, and the end of a manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bursar::agent::testing::block_on;
use bursar::{Bill, ReserveError, Usd};

use crate::disk::{Disk, call, cents, flush};
use crate::explore::{Sure, at_rest, explore, thread};

const C: Usd = Usd::cents(1);

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
        flush(&budget);
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
        let other = thread(move || drop(other.settle_cost(cents(2))));
        let receipt = mine.settle_cost(cents(3));
        block_on(budget.flushed()).sure();
        assert_eq!(receipt.cost, cents(3));
        let (written, _) = disk.written();
        assert!([cents(3), cents(5)].contains(&written), "{written}");
        other.join();
        drop(budget);
        disk.wait_until_closed();
        assert_eq!(disk.written(), (cents(5), Usd::ZERO));
    });
}
