//! The scenes around waiting for room: no call is missed, none is woken in vain for ever, and
//! what was given to one who has left is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use bursar::agent::testing::block_on;
use bursar::budget::{InvalidCall, Waiting};
use bursar::clock::ManualClock;
use bursar::price::PriceBook;
use bursar::{BudgetManager, Estimate, Limit, Period, Reservation, ReserveError, Usd};

use crate::explore::{ALL, Bell, Sure, at_rest, clock, explore, thread};

const C: Usd = Usd::cents(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A budget of one cent, which everybody wants.
fn scarce(clock: &ManualClock) -> BudgetManager {
    BudgetManager::builder()
        .limit("", Limit::spend(C))
        .prices(PriceBook::empty())
        .clock(clock.clone())
        .build()
        .sure()
}

fn take(budget: &BudgetManager, account: &str) -> Reservation {
    budget.reserve(account, &Estimate::fixed(C)).sure()
}

fn wait(budget: &BudgetManager, account: &str) -> Waiting {
    budget.account(account).sure().request(Estimate::fixed(C)).wait(HOUR)
}

/// A call that has begun to wait, and the bell that it rings when it is to be polled again.
fn stand(budget: &BudgetManager, account: &str) -> (Arc<Bell>, Waiting) {
    let (bell, mut waiting) = (Arc::new(Bell::default()), wait(budget, account));
    assert!(bell.poll(&mut waiting).is_none());
    (bell, waiting)
}

#[test]
fn room_that_is_made_as_a_call_begins_to_wait_is_not_missed() {
    explore(ALL, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let waiting = wait(&budget, "b");
        let making = thread(move || drop(hold));
        drop(block_on(waiting).sure());
        making.join();
        at_rest(&budget);
    });
}

#[test]
fn of_two_who_wait_each_gets_the_cent_in_turn() {
    explore(2, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let waiters = ["b", "c"].map(|name| {
            let waiting = wait(&budget, name);
            thread(move || block_on(waiting).sure().release())
        });
        hold.release();
        for waiter in waiters {
            waiter.join();
        }
        at_rest(&budget);
    });
}

#[test]
fn who_came_first_is_served_first() {
    explore(2, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let bell = Arc::new(Bell::default());
        let (mut first, second) = (wait(&budget, "b"), wait(&budget, "c"));
        assert!(bell.poll(&mut first).is_none());
        let released = thread(move || hold.release());
        let passed = Arc::new(AtomicBool::new(false));
        let passes = Arc::clone(&passed);
        let behind = thread(move || {
            let hold = block_on(second).sure();
            passes.store(true, SeqCst);
            hold.release();
        });
        let hold = block_on(first).sure();
        assert!(!passed.load(SeqCst), "who came later was served first");
        assert_eq!((budget.held(), budget.spent()), (C, Usd::ZERO));
        assert!(budget.waiting() <= 1);
        hold.release();
        released.join();
        behind.join();
        at_rest(&budget);
    });
}

#[test]
fn who_leaves_as_room_is_made_leaves_it_to_the_next() {
    explore(3, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let (_first, leaves) = stand(&budget, "b");
        let (next, stays) = stand(&budget, "c");
        let making = thread(move || drop(hold));
        drop(leaves);
        let served = block_on(stays).sure();
        assert_eq!(budget.held(), C);
        drop(served);
        making.join();
        // Polled again by another waker, the bell may have been heard or not; never twice.
        assert!(next.0.load(SeqCst) <= 1);
        at_rest(&budget);
    });
}

#[test]
fn who_leaves_after_room_was_found_and_before_it_was_told_gives_it_back() {
    explore(ALL, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let (bell, leaves) = stand(&budget, "b");
        drop(hold);
        assert_eq!(budget.held(), C, "it is the waiter's, who does not know");
        let other = budget.account("c").sure();
        let asking = thread(move || other.reserve(&Estimate::fixed(C)).is_ok());
        drop(leaves);
        asking.join();
        assert_eq!(bell.0.load(SeqCst), 1);
        at_rest(&budget);
    });
}

#[test]
fn a_call_is_served_or_refused_when_room_comes_with_its_deadline() {
    explore(3, || {
        let clock = clock();
        let budget = scarce(&clock);
        let hold = take(&budget, "a");
        let waiting = wait(&budget, "b");
        let time = thread(move || clock.advance(HOUR * 2));
        let making = thread(move || drop(hold));
        match block_on(waiting) {
            Ok(hold) => assert_eq!(hold.held(), C),
            Err(ReserveError::Denied(_)) => {}
            Err(other) => panic!("{other}"),
        }
        time.join();
        making.join();
        at_rest(&budget);
    });
}

#[test]
fn a_deadline_that_passes_as_a_call_begins_to_wait_is_told() {
    explore(3, || {
        let clock = clock();
        let budget = scarce(&clock);
        let hold = take(&budget, "a");
        let bell = Arc::new(Bell::default());
        let mut waiting = wait(&budget, "b");
        // An hour counts from the first poll, which may come before, between or after these.
        let time = thread(move || {
            clock.advance(HOUR);
            clock.advance(HOUR);
        });
        assert!(bell.poll(&mut waiting).is_none());
        time.join();
        // In this order: whoever looks at the queue would tell who is late.
        let told = bell.0.load(SeqCst);
        assert_eq!(told + budget.waiting(), 1, "it is told or in line still");
        drop((waiting, hold));
        at_rest(&budget);
    });
}

#[test]
fn a_new_day_that_comes_as_a_call_begins_to_wait_lets_it_in() {
    explore(3, || {
        let clock = clock();
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(C).per(Period::DAY))
            .prices(PriceBook::empty())
            .clock(clock.clone())
            .build()
            .sure();
        drop(take(&budget, "a").settle_cost(C));
        let waiting = budget.account("b").sure().request(Estimate::fixed(C)).wait(HOUR * 1_000);
        let time = thread(move || clock.advance(HOUR * 24));
        drop(block_on(waiting).sure());
        time.join();
        at_rest(&budget);
    });
}

#[test]
fn the_waker_that_was_shown_last_is_the_one_that_is_woken() {
    explore(ALL, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let (_bell, waiting) = stand(&budget, "b");
        let making = thread(move || drop(hold));
        drop(block_on(waiting).sure());
        making.join();
        at_rest(&budget);
    });
}

#[test]
fn a_raised_limit_lets_in_who_begins_to_wait_for_it() {
    explore(ALL, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let (waiting, raises) = (wait(&budget, "b"), budget.clone());
        let raising = thread(move || raises.set_limit("", Limit::spend(Usd::cents(2))).sure());
        drop(block_on(waiting).sure());
        raising.join();
        drop(hold);
        at_rest(&budget);
    });
}

#[test]
fn who_waits_through_a_freeze_goes_on_when_it_thaws() {
    explore(2, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let (_bell, waiting) = stand(&budget, "b");
        let freezer = budget.account("b").sure();
        let freezing = thread(move || {
            freezer.freeze("a moment").sure();
            freezer.thaw().sure();
        });
        let making = thread(move || drop(hold));
        drop(block_on(waiting).sure());
        freezing.join();
        making.join();
        at_rest(&budget);
    });
}

#[test]
fn an_inner_call_that_waits_is_told_when_the_one_around_it_ends() {
    explore(2, || {
        let budget = scarce(&clock());
        let outer = take(&budget, "team");
        let bell = Arc::new(Bell::default());
        let member = budget.account("team/a").sure();
        let mut waiting = member.request(Estimate::fixed(C)).inside(&outer).wait(HOUR);
        let taken = bell.poll(&mut waiting).expect("it comes out of the outer hold").sure();
        let mut more = member.request(Estimate::fixed(C)).inside(&outer).wait(HOUR);
        assert!(bell.poll(&mut more).is_none());
        let ending = thread(move || drop(taken.settle_cost(Usd::ZERO)));
        let around = thread(move || drop(outer));
        match block_on(more) {
            Ok(hold) => assert_eq!(hold.held(), C),
            Err(ReserveError::Invalid(InvalidCall::OuterEnded)) => {}
            Err(other) => panic!("{other}"),
        }
        ending.join();
        around.join();
        at_rest(&budget);
    });
}

#[test]
fn an_inner_call_passes_who_waits_when_there_is_room_in_the_hold_around_it() {
    explore(3, || {
        let budget = scarce(&clock());
        let outer = take(&budget, "team");
        let (bell, member) = (Arc::new(Bell::default()), budget.account("team/a").sure());
        let taken = member.request(Estimate::fixed(C)).inside(&outer).reserve().sure();
        let mut first = wait(&budget, "b");
        assert!(bell.poll(&mut first).is_none());
        let more = member.request(Estimate::fixed(C)).inside(&outer).wait(HOUR);
        let ending = thread(move || drop(taken.settle_cost(Usd::ZERO)));
        drop(block_on(more).sure());
        assert_eq!(bell.0.load(SeqCst), 0, "the cent is the team's");
        ending.join();
        drop(outer);
        drop(block_on(first).sure());
        at_rest(&budget);
    });
}

#[test]
fn nobody_gets_between_room_and_who_stands_in_line_for_it() {
    explore(ALL, || {
        let budget = scarce(&clock());
        let hold = take(&budget, "a");
        let (_bell, waiting) = stand(&budget, "b");
        let other = budget.account("c").sure();
        let barging = thread(move || other.reserve(&Estimate::fixed(C)).map(Reservation::release));
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
    explore(ALL, || {
        let budget = BudgetManager::builder().limit("", Limit::spend(Usd::cents(2)));
        let budget = budget.prices(PriceBook::empty()).clock(clock()).build().sure();
        let (hold, bell) = (take(&budget, "a"), Arc::new(Bell::default()));
        let account = budget.account("b").sure();
        let mut large = account.request(Estimate::fixed(Usd::cents(2))).wait(HOUR);
        assert!(bell.poll(&mut large).is_none());
        let small = wait(&budget, "c");
        let left = Arc::new(AtomicBool::new(false));
        let leaves = Arc::clone(&left);
        let leaving = thread(move || {
            leaves.store(true, SeqCst);
            drop(large);
        });
        let served = block_on(small).sure();
        assert!(left.load(SeqCst), "it has passed the one before it");
        leaving.join();
        drop((served, hold));
        at_rest(&budget);
    });
}

#[test]
fn each_deadline_is_told_in_its_turn() {
    explore(2, || {
        let clock = clock();
        let budget = scarce(&clock);
        let hold = take(&budget, "a");
        let (bell, account) = (Arc::new(Bell::default()), budget.account("b").sure());
        let [mut soon, mut late] = [1, 2].map(|n| account.request(Estimate::fixed(C)).wait(HOUR * n));
        assert!(bell.poll(&mut soon).is_none());
        assert!(bell.poll(&mut late).is_none());
        let time = thread(move || {
            clock.advance(HOUR);
            clock.advance(HOUR);
        });
        assert!(matches!(block_on(soon), Err(ReserveError::Denied(_))));
        assert!(matches!(block_on(late), Err(ReserveError::Denied(_))));
        time.join();
        drop(hold);
        at_rest(&budget);
    });
}
