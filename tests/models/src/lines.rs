//! The scenes of waiting with a journal: each transaction serves the line,
//! and no call is admitted before that is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use bursar::agent::testing::block_on;
use bursar::budget::Waiting;
use bursar::{BudgetManager, ReserveError, Usd};

use crate::disk::{Disk, call, cents, flush};
use crate::explore::{Bell, Sure, at_rest, clock, explore, thread};

const MINUTE: Duration = Duration::from_secs(60);
const NOTHING: (Usd, Usd) = (Usd::ZERO, Usd::ZERO);

fn wait(budget: &BudgetManager, account: &str, amount: i64) -> Waiting {
    budget.account(account).sure().request(call(amount)).wait(MINUTE)
}

/// One who has begun to wait: whoever writes next may be the first to look at it.
fn begin(budget: &BudgetManager, account: &str, amount: i64) -> Waiting {
    let mut waiting = wait(budget, account, amount);
    assert!(Arc::new(Bell::default()).poll(&mut waiting).is_none());
    waiting
}

/// One who stands in line.
fn stand(budget: &BudgetManager, account: &str, amount: i64) -> Waiting {
    let waiting = begin(budget, account, amount);
    budget.flush().sure();
    assert_eq!(budget.waiting(), 1);
    waiting
}

#[test]
fn room_that_is_written_as_a_call_begins_to_wait_is_not_missed() {
    explore(1, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(10)).sure();
        let waiting = budget.account("b").sure().request(call(1)).wait(MINUTE);
        let making = thread(move || hold.release());
        block_on(waiting).sure().release();
        making.join();
        assert_eq!(disk.written(), (Usd::ZERO, Usd::ZERO));
        at_rest(&budget);
    });
}

#[test]
fn who_is_served_in_a_transaction_that_fails_is_served_in_the_next() {
    explore(1, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(10)).sure();
        let waiting = begin(&budget, "b", 10);
        disk.failures.store(1, SeqCst);
        let making = thread(move || hold.release());
        let served = block_on(waiting).sure();
        assert_eq!(disk.written(), (Usd::ZERO, cents(10)), "it is told before it is written");
        making.join();
        served.release();
        assert_eq!((disk.failures.load(SeqCst), disk.written()), (0, NOTHING));
        at_rest(&budget);
    });
}

#[test]
fn who_leaves_while_the_admission_is_written_leaves_it_to_the_next() {
    for failures in [0, 1] {
        explore(1, move || {
            let disk = Disk::default();
            let budget = disk.open();
            let hold = budget.reserve("a", &call(10)).sure();
            let (leaves, stays) = (stand(&budget, "b", 10), wait(&budget, "c", 10));
            disk.failures.store(failures, SeqCst);
            let leaving = thread(move || drop(leaves));
            hold.release();
            let served = block_on(stays).sure();
            assert_eq!(disk.written(), (Usd::ZERO, cents(10)));
            leaving.join();
            served.release();
            flush(&budget);
            assert_eq!(disk.written(), NOTHING);
            at_rest(&budget);
        });
    }
}

#[test]
fn a_manager_that_ends_while_an_admission_is_written_leaves_nothing_held() {
    explore(2, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(10)).sure();
        let leaves = begin(&budget, "b", 10);
        drop(budget);
        let making = thread(move || hold.release());
        drop(leaves);
        making.join();
        disk.wait_until_closed();
        assert_eq!(disk.written(), NOTHING);
    });
}

#[test]
fn of_two_who_wait_for_one_release_the_first_is_served_first() {
    explore(1, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(10)).sure();
        let first = begin(&budget, "b", 10);
        let second = begin(&budget, "c", 10);
        let making = thread(move || hold.release());
        let served = block_on(first).sure();
        assert_eq!((budget.waiting(), disk.written()), (1, (Usd::ZERO, cents(10))));
        served.release();
        block_on(second).sure().release();
        making.join();
        assert_eq!(disk.written(), NOTHING);
        at_rest(&budget);
    });
}

#[test]
fn nobody_gets_between_room_and_who_stands_in_line_for_it() {
    explore(2, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(10)).sure();
        let waiting = stand(&budget, "b", 10);
        let other = budget.account("c").sure();
        let barging = thread(move || other.reserve(&call(10)).map(|hold| hold.release()));
        hold.release();
        let served = block_on(waiting).sure();
        let barged = barging.join();
        assert!(matches!(barged, Err(ReserveError::Queued(_) | ReserveError::Denied(_))));
        served.release();
        at_rest(&budget);
    });
}

#[test]
fn who_leaves_the_line_lets_the_next_come_forward() {
    explore(1, || {
        let disk = Disk::default();
        let budget = disk.open();
        let hold = budget.reserve("a", &call(4)).sure();
        let (large, small) = (stand(&budget, "b", 10), wait(&budget, "c", 6));
        let left = Arc::new(AtomicBool::new(false));
        let leaves = Arc::clone(&left);
        let leaving = thread(move || {
            leaves.store(true, SeqCst);
            drop(large);
        });
        let served = block_on(small).sure();
        assert!(left.load(SeqCst), "it has passed the one before it");
        served.release();
        leaving.join();
        hold.release();
        assert_eq!(disk.written(), NOTHING);
        at_rest(&budget);
    });
}

#[test]
fn a_call_is_served_or_refused_when_room_is_written_as_its_deadline_comes() {
    for failures in [0, 1] {
        explore(1, move || {
            let (disk, clock) = (Disk::default(), clock());
            let budget = disk.open_at(&clock);
            let hold = budget.reserve("a", &call(10)).sure();
            let waiting = begin(&budget, "b", 10);
            disk.failures.store(failures, SeqCst);
            let time = thread(move || clock.advance(MINUTE * 2));
            let making = thread(move || hold.release());
            let (outcome, written) = (block_on(waiting), disk.written());
            match outcome {
                Ok(served) => {
                    assert_eq!(written, (Usd::ZERO, cents(10)));
                    served.release();
                }
                Err(ReserveError::Denied(_)) => {}
                Err(ReserveError::Journal(_)) if failures > 0 => {}
                Err(other) => panic!("{other}"),
            }
            time.join();
            making.join();
            flush(&budget);
            assert_eq!(disk.written(), NOTHING);
            at_rest(&budget);
        });
    }
}
