//! The fast path: reserve and settle without building an event, and spend limits that cost a call
//! nothing.
//!
//! # Derived limits and headroom
//!
//! A limit on the money of every model, over a lifetime or a window of the calendar, counts exactly what
//! the balance of its account moves by. Such a limit is *derived*: it keeps the balance of the moment
//! at which its window began ([`Count::Derived`]), and what it counts is the difference. A call does not
//! touch it. What is left to do for a call is to notice the moment at which a derived limit would refuse
//! or raise an alarm. Each account caches that as two numbers, its [`Headroom`]: how far spent and held
//! together may go before one of its derived limits refuses an ordinary call, and which amount of spent
//! raises the first alarm. So a reserve compares and adds once for each account on its path, however many
//! spend limits there are, and so does a settle.
//!
//! A headroom holds for one *window epoch* of the ledger ([`Ledger::window_epoch`]), which ends when any
//! window opens or rolls; a change of a limit sets it again. Where it does not hold, or is passed, the
//! walk brings the derived limits of the account up to date ([`StepContext::move_balance`]), lets them
//! give notice, and sets it again. The other limits (tokens, requests, calls in flight, rolling periods,
//! limits for some models) count by themselves. Each of them is *fresh* in an epoch
//! ([`Counter::mark_fresh`]) while only its amount is asked of it, and then a call costs one comparison and
//! one addition too.
//!
//! # Reserve and settle without an event
//!
//! [`Ledger::try_reserve`] and [`Ledger::try_settle`] are what `decide` and `apply` do one after the
//! other, for a call that stands alone: not inside another hold, not grown, not shortened, not refused,
//! its lease not ended. They return `None` for every other call, having changed nothing; that call takes
//! the general path. The test below runs both paths side by side on random ledgers.
//!
//! # Why there are two paths
//!
//! Measured in callgrind instructions for one reserve and settle through a handle, on three levels with
//! a day and a month limit each (`just counts`, row *ledger pair*):
//!
//! | | instructions |
//! |---|---:|
//! | a ledger with the same promises and nothing else (*bare pair*) | 568 |
//! | this file | 1,331 |
//! | every limit counts by itself, the rest as here | 2,887 |
//! | every call through the general path of the budget and `decide` and `apply` | 3,773 |
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use serde::{Deserialize, Serialize};

use super::accounts::{Account, NONE, State};
use super::amounts::Amounts;
use super::command::{Booking, Target};
use super::counter::{Count, Counter, Level, Window};
use super::holds::Part;
use super::path_walk::{Conversion, Notify, StepContext};
use super::settle::{booked_by, charge_of, counted_by, held_tokens};
use super::{AccountId, CostBound, HoldId, Ledger, LimitId, ModelId};
use crate::clock::Timestamp;
use crate::usage::{Confidence, Usage};

/// How far the balance of an account may go before one of its derived limits refuses an ordinary
/// call or has to give notice.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Headroom {
    /// The window epoch in which it holds; 0 for none: then the limits have to be looked at.
    epoch: u64,
    /// Spent and held together may come to this.
    committed_max: i128,
    /// Spent alone stays below this.
    spent_below: i128,
}

impl Headroom {
    pub(super) const UNSET: Headroom = Headroom { epoch: 0, committed_max: 0, spent_below: 0 };

    /// The headroom of an account with these limits, of which the derived ones are up to date in this
    /// epoch and have given notice.
    pub(super) fn of<'a>(epoch: u64, limits: impl Iterator<Item = &'a Counter>) -> Headroom {
        let mut headroom = Headroom { epoch, committed_max: i128::MAX, spent_below: i128::MAX };
        for counter in limits {
            let Count::Derived(base) = counter.count else { continue };
            if counter.observe || counter.alarms.is_over() {
                return Headroom::UNSET;
            }
            let committed = base.committed() + counter.cap(false);
            let spent = counter.alarms.alert_from().saturating_add(base.spent);
            headroom.committed_max = headroom.committed_max.min(committed);
            headroom.spent_below = headroom.spent_below.min(spent);
        }
        headroom
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// What a step moves in the balance of an account.
#[derive(Clone, Copy)]
pub(super) struct BalanceDelta {
    /// The moment it belongs to.
    pub(super) at: Timestamp,
    pub(super) by: Level,
    /// A limit that is younger than this event does not count it.
    pub(super) corrects: Option<u64>,
}

impl BalanceDelta {
    pub(super) fn held(at: Timestamp, held: i128) -> BalanceDelta {
        BalanceDelta { at, by: Level { spent: 0, held }, corrects: None }
    }
}

impl Account {
    /// True if none of its derived limits is in the way of a call. If false, they have to be looked at.
    #[inline(always)]
    pub(super) fn fits_fast(&self, epoch: u64, cost: i128) -> bool {
        self.headroom.epoch == epoch
            && self.balance.level().committed() + cost <= self.headroom.committed_max
    }

    /// What its derived limits leave to an ordinary call, or the largest number if it has none; `None`
    /// if they have to be looked at.
    pub(super) fn room_fast(&self, epoch: u64) -> Option<i128> {
        let room = match self.headroom.committed_max {
            i128::MAX => i128::MAX,
            most => most - self.balance.level().committed(),
        };
        (self.headroom.epoch == epoch).then_some(room)
    }

    /// Adds what a call holds, if its derived limits need not be looked at. The call fits.
    #[inline(always)]
    pub(super) fn hold_fast(&mut self, epoch: u64, cost: i128) -> bool {
        if self.headroom.epoch != epoch {
            return false;
        }
        self.balance.held += cost;
        let committed = self.balance.level().committed();
        if committed > self.balance.peak {
            self.balance.peak = committed;
        }
        true
    }

    /// Converts what is held into not more that is spent, if its derived limits need not be looked
    /// at. The charge lies in every present window.
    #[inline(always)]
    pub(super) fn convert_fast(&mut self, epoch: u64, held: i128, spent: i128) -> bool {
        let all = self.balance.spent + spent;
        if self.headroom.epoch != epoch || all >= self.headroom.spent_below {
            return false;
        }
        self.balance.spent = all;
        self.balance.held -= held;
        true
    }

    /// Brings its derived limits to `now`; the peak of the balance starts again.
    pub(super) fn bring_up_to(
        &mut self,
        counters: &mut [Option<Counter>],
        windows: &[Window],
        now: Timestamp,
    ) {
        for limit in &self.all_limits {
            let Some(counter) = derived(counters, *limit) else { continue };
            counter.keep_peak(&self.balance);
            counter.advance(&self.balance, windows, now);
        }
        self.restart_peak();
    }

    /// Its derived limits are up to date and have given notice.
    fn set_headroom(&mut self, counters: &[Option<Counter>], epoch: u64) {
        let own = self.all_limits.iter().filter_map(|limit| counters[*limit as usize].as_ref());
        self.headroom = Headroom::of(epoch, own);
    }

    pub(super) fn restart_peak(&mut self) {
        self.earlier_peak = self.balance_with_peak().peak;
        self.balance.peak = self.balance.level().committed();
    }
}

impl Counter {
    /// Marks a counter that has been brought up to date in this epoch. Follows each change outside
    /// the fast path. A counter that watches, is over, or keeps a part for wrapping up is never fresh.
    #[inline]
    pub(super) fn mark_fresh(&mut self, epoch: u64) {
        let is_simple =
            !self.is_derived() && !self.observe && !self.alarms.is_over() && self.wrap_up == 0;
        self.fresh_epoch = if is_simple { epoch } else { 0 };
        self.fresh_until = self.span.fresh_until();
    }

    #[inline(always)]
    fn is_fresh(&self, epoch: u64, now: Timestamp) -> bool {
        self.fresh_epoch == epoch && now < self.fresh_until
    }

    /// True if the counter is fresh and has room for the call. If false, it has to be looked at.
    #[inline]
    pub(super) fn fits_fast(&self, epoch: u64, now: Timestamp, asked: i128) -> bool {
        let Count::Counting(level) = &self.count else { return false };
        self.is_fresh(epoch, now) && level.committed() + asked <= self.amount
    }

    /// Adds what a call holds, if the counter is fresh. The call fits.
    #[inline]
    pub(super) fn hold_fast(&mut self, epoch: u64, now: Timestamp, asked: i128) -> bool {
        let is_fresh = self.is_fresh(epoch, now);
        let Count::Counting(level) = &mut self.count else { return false };
        if is_fresh {
            level.held += asked;
            let here = *level;
            self.note_peak(here);
        }
        is_fresh
    }

    /// Converts what is held into what is spent, if the counter is fresh and has no notice to give.
    /// The charge, which was reserved at `at`, lies in the present window.
    #[inline]
    pub(super) fn convert_fast(
        &mut self,
        epoch: u64,
        now: Timestamp,
        at: Timestamp,
        held: i128,
        spent: i128,
    ) -> bool {
        let is_fresh = self.is_fresh(epoch, now);
        let Count::Counting(level) = &mut self.count else { return false };
        let all = level.spent + spent;
        if !is_fresh
            || spent > held
            || all >= self.alarms.alert_from()
            || !self.span.spend_fast(at, spent)
        {
            return false;
        }
        level.held -= held;
        level.spent = all;
        true
    }
}

impl Ledger {
    /// Reserves the whole output cap for a call that stands alone; returns the hold and what it
    /// costs, in picodollars. `None` if the call has to be shortened or is refused.
    #[inline(always)]
    pub(crate) fn try_reserve(
        &mut self,
        at: Timestamp,
        target: &Target,
        bound: &CostBound,
        wrap_up: bool,
        lease_until: Timestamp,
    ) -> Option<(HoldId, i128)> {
        let amounts = bound.amounts(bound.cap)?;
        if self.events >= Ledger::MAX_EVENTS
            || !self.takes_calls(target)
            || !self.has_room(at, target, &amounts, wrap_up)
        {
            return None;
        }
        let hold = self.holds.next_id()?;
        self.step(at);
        let part = Part { at, amounts, depth: 0 };
        self.hold_alone(hold, target, &part, lease_until, Notify::of(wrap_up));
        if self.per_call > 0 {
            self.watch_held(target, amounts.cost);
        }
        Some((hold, amounts.cost))
    }

    /// Settles a hold of one part, as [`Settle`](super::Settle) says; returns what is booked. `None`
    /// if the hold has more parts or has expired, or the bill is no possible one.
    #[inline]
    pub(crate) fn try_settle(
        &mut self,
        at: Timestamp,
        id: HoldId,
        booking: Booking,
        usage: Option<&Usage>,
        model: ModelId,
        confidence: Confidence,
    ) -> Option<Amounts> {
        let hold = self.holds.open(id).filter(|hold| hold.more.is_empty())?;
        let Part { at: reserved_at, amounts: held, .. } = hold.first;
        let target = hold.target;
        let booked = booked_by(booking, usage, &held)?;
        if self.events >= 2 * Ledger::MAX_EVENTS || self.changes.is_on() {
            return None;
        }
        self.step(at);
        if self.per_call > 0 {
            self.watch_billed(&target, booked.cost);
        }
        let counted_by = counted_by(target.model, Some(model));
        let conversion =
            Conversion { at: reserved_at, held: &held, spent: &booked, model: counted_by };
        self.convert(&target, conversion, Notify::Full);
        self.holds.free(id);
        match usage {
            Some(usage) => {
                self.charge_last(&target, model, &charge_of(&booked, usage, confidence));
            }
            None => {
                let usage = held_tokens(&booked);
                self.charge_last(&target, model, &charge_of(&booked, &usage, confidence));
            }
        }
        Some(booked)
    }

    #[inline]
    fn takes_calls(&self, target: &Target) -> bool {
        let account = self.accounts.get(target.account);
        account.is_some_and(|account| {
            account.state == State::Open
                && account.tree == AccountId::ROOT.index
                && account.frozen_by == NONE
        }) && (target.tags.as_slice().is_empty() || self.check_target(target).is_ok())
    }

    /// Sets the headroom of an account again: its limits have changed.
    pub(super) fn set_headroom(&mut self, account: u32) {
        let Ledger { accounts, counters, windows, now, window_epoch, .. } = self;
        let account = accounts.at_mut(account);
        account.bring_up_to(counters, windows, *now);
        account.set_headroom(counters, *window_epoch);
    }
}

impl StepContext<'_> {
    /// Moves the balance of an account, and has its derived limits look at it.
    #[cold]
    #[inline(never)]
    pub(super) fn move_balance(
        &mut self,
        account: &mut Account,
        counters: &mut [Option<Counter>],
        moved: &BalanceDelta,
    ) {
        let BalanceDelta { at, by, corrects } = *moved;
        if by == Level::default() {
            return;
        }
        account.bring_up_to(counters, self.windows, self.now);
        // What does not belong into a limit's present window is excluded from it.
        for limit in &account.all_limits {
            let Some(counter) = derived(counters, *limit) else { continue };
            let slot = counter.slot(self.windows, at);
            match corrects {
                None => counter.exclude(slot, by),
                Some(event) if counter.since > event => counter.exclude_entirely(by),
                Some(_) => counter.exclude_down_to_zero(&account.balance, slot, by),
            }
        }
        account.balance.spent += by.spent;
        account.balance.held += by.held;
        account.restart_peak();
        match self.notify {
            Notify::Later => account.headroom = Headroom::UNSET,
            _ => self.notify_derived(account, counters),
        }
    }

    /// Gives notice of what the derived limits of an account have seen, which have been brought up to
    /// date.
    pub(super) fn notify_derived(
        &mut self,
        account: &mut Account,
        counters: &mut [Option<Counter>],
    ) {
        let kept = self.notify == Notify::Ordinary;
        for limit in &account.all_limits {
            let Some(counter) = derived(counters, *limit) else { continue };
            let (balance, id) = (&account.balance, LimitId(*limit));
            counter.notice(balance, id, self.windows, self.now, kept, self.notices);
        }
        account.set_headroom(counters, self.epoch);
    }
}

fn derived(counters: &mut [Option<Counter>], limit: u32) -> Option<&mut Counter> {
    counters[limit as usize].as_mut().filter(|counter| counter.is_derived())
}

#[cfg(test)]
mod tests;
