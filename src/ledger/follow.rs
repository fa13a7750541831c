//! Owns the limits that follow their account: those on the money of every model, over a lifetime or a
//! window of the calendar. A call does not touch them. What such a limit counts is what its account's
//! balance has moved by since its window began, and the account knows how far its balance may go
//! before one of them has anything to say ([`Trip`]).
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use serde::{Deserialize, Serialize};

use super::accounts::Account;
use super::counter::{Counter, Level, Window};
use super::lines::{Scene, Tell};
use super::{Ledger, LimitId};
use crate::clock::Timestamp;

/// How far the balance of an account may go before one of the limits that follow it refuses a call
/// or has something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trip {
    /// The age of the ledger in which it holds; 0 for none: then the limits have to be looked at.
    age: u64,
    /// Spent and held together may come to this.
    committed: i128,
    /// Spent alone stays below this.
    spent: i128,
}

impl Trip {
    pub(super) const UNSET: Trip = Trip { age: 0, committed: 0, spent: 0 };

    /// The trip of an account with these limits. Those that follow it are up to date in this age of
    /// the ledger, and have told all they have to tell.
    pub(super) fn set<'a>(age: u64, limits: impl Iterator<Item = &'a Counter>) -> Trip {
        let mut trip = Trip { age, committed: i128::MAX, spent: i128::MAX };
        for counter in limits.filter(|counter| counter.follows) {
            let Some((committed, spent)) = counter.allows() else { return Trip::UNSET };
            trip.committed = trip.committed.min(committed);
            trip.spent = trip.spent.min(spent);
        }
        trip
    }

    pub(super) fn age(&self) -> u64 {
        self.age
    }
}

/// What a step moves in the balance of an account.
#[derive(Clone, Copy)]
pub(super) struct Move {
    /// The moment it belongs to.
    pub(super) at: Timestamp,
    pub(super) by: Level,
    /// A limit that is younger than this event does not count it.
    pub(super) corrects: Option<u64>,
}

impl Move {
    pub(super) fn held(at: Timestamp, held: i128) -> Move {
        Move { at, by: Level { spent: 0, held }, corrects: None }
    }
}

impl Account {
    /// True if none of the limits that follow it are in the way of a call. False says nothing: then
    /// they have to be looked at.
    #[inline(always)]
    pub(super) fn fits_plainly(&self, age: u64, cost: i128) -> bool {
        self.trip.age == age && self.balance.level().committed() + cost <= self.trip.committed
    }

    /// What the limits that follow it leave to an ordinary call, or the largest number if there is no
    /// such limit; `None` if they have to be looked at.
    pub(super) fn plain_room(&self, age: u64) -> Option<i128> {
        let Trip { committed, .. } = self.trip;
        let room = match committed {
            i128::MAX => i128::MAX,
            committed => committed - self.balance.level().committed(),
        };
        (self.trip.age == age).then_some(room)
    }

    /// Adds what a call holds, if the limits that follow it have nothing to say. The call fits.
    #[inline(always)]
    pub(super) fn hold_plainly(&mut self, age: u64, cost: i128) -> bool {
        if self.trip.age != age {
            return false;
        }
        self.balance.held += cost;
        let committed = self.balance.level().committed();
        if committed > self.balance.peak {
            self.balance.peak = committed;
        }
        true
    }

    /// Turns what is held into not more that is spent, if the limits that follow it have nothing to
    /// say. The charge lies in every present window.
    #[inline(always)]
    pub(super) fn turn_plainly(&mut self, age: u64, held: i128, spent: i128) -> bool {
        let all = self.balance.spent + spent;
        if self.trip.age != age || all >= self.trip.spent {
            return false;
        }
        self.balance.spent = all;
        self.balance.held -= held;
        true
    }

    /// Brings the limits that follow it to `now`; the peak of the balance begins anew.
    pub(super) fn bring_up_to(
        &mut self,
        counters: &mut [Option<Counter>],
        windows: &[Window],
        now: Timestamp,
    ) {
        for limit in &self.own_limits {
            let Some(counter) = follower(counters, *limit) else { continue };
            counter.keep_peak(&self.balance);
            counter.advance(&self.balance, windows, now);
        }
        self.begin_peak();
    }

    /// Its limits are up to date and have told all they have to tell.
    fn set_trip(&mut self, counters: &[Option<Counter>], age: u64) {
        let own = self.own_limits.iter().filter_map(|limit| counters[*limit as usize].as_ref());
        self.trip = Trip::set(age, own);
    }

    pub(super) fn begin_peak(&mut self) {
        self.earlier_peak = self.balance_with_peak().peak;
        self.balance.peak = self.balance.level().committed();
    }
}

impl Ledger {
    /// Says anew how far the balance of an account may go: its limits have changed.
    pub(super) fn set_trip(&mut self, account: u32) {
        let Ledger { accounts, counters, windows, now, age, .. } = self;
        let account = accounts.at_mut(account);
        account.bring_up_to(counters, windows, *now);
        account.set_trip(counters, *age);
    }
}

impl Scene<'_> {
    /// Moves the balance of an account, and has the limits that follow it look at it.
    #[cold]
    #[inline(never)]
    pub(super) fn follow(
        &mut self,
        account: &mut Account,
        counters: &mut [Option<Counter>],
        moved: &Move,
    ) {
        let Move { at, by, corrects } = *moved;
        if by == Level::default() {
            return;
        }
        account.bring_up_to(counters, self.windows, self.now);
        for limit in &account.own_limits {
            let Some(counter) = follower(counters, *limit) else { continue };
            let place = counter.place(self.windows, at);
            match corrects {
                None => counter.leave_out(place, by),
                Some(event) if counter.since > event => counter.ignore(by),
                Some(_) => counter.leave_some(&account.balance, place, by),
            }
        }
        account.balance.spent += by.spent;
        account.balance.held += by.held;
        account.begin_peak();
        match self.tell {
            Tell::Later => account.trip = Trip::UNSET,
            _ => self.tell_followers(account, counters),
        }
    }

    /// Tells what the limits that follow an account have seen. They have been brought up to date.
    pub(super) fn tell_followers(
        &mut self,
        account: &mut Account,
        counters: &mut [Option<Counter>],
    ) {
        let kept = self.tell == Tell::Ordinary;
        for limit in &account.own_limits {
            let Some(counter) = follower(counters, *limit) else { continue };
            let (balance, id) = (&account.balance, LimitId(*limit));
            counter.notice(balance, id, self.windows, self.now, kept, self.notices);
        }
        account.set_trip(counters, self.age);
    }
}

fn follower(counters: &mut [Option<Counter>], limit: u32) -> Option<&mut Counter> {
    counters[limit as usize].as_mut().filter(|counter| counter.follows)
}
