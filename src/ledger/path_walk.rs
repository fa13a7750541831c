//! [`StepContext`] and the walks along a path: every balance and counter that a hold or a charge
//! touches, from each account that is charged up to the root of its tree.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::{Account, Ancestors, Balance};
use super::amounts::Amounts;
use super::command::Target;
use super::counter::{Counter, Level, Window, WindowSlot};
use super::fast_path::BalanceDelta;
use super::filters::Filters;
use super::holds::Part;
use super::{Ledger, LimitId, ModelId, Notice};
use crate::clock::Timestamp;

/// When the limits give notice of what a step has brought about, and of a call of which kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Notify {
    /// At once, of a call that may not use the part kept for wrapping up.
    Ordinary,
    /// At once, of a call that may use the full amount.
    Full,
    /// Not yet: the step is one of several, and [`Ledger::notify`] follows the last.
    Later,
}

impl Notify {
    pub(super) fn of(wrap_up: bool) -> Notify {
        if wrap_up { Notify::Full } else { Notify::Ordinary }
    }
}

/// The conversion of one part of a hold: `held` is no longer held, `spent` is spent instead, in the
/// window of `at`.
#[derive(Clone, Copy)]
pub(super) struct Conversion<'a> {
    pub(super) at: Timestamp,
    pub(super) held: &'a Amounts,
    pub(super) spent: &'a Amounts,
    /// The model by which limits count what is spent. What is held counts by that of the target.
    pub(super) model: ModelId,
}

/// Context shared by every counter update along one path.
pub(super) struct StepContext<'a> {
    pub(super) windows: &'a [Window],
    filters: &'a Filters,
    model: ModelId,
    pub(super) now: Timestamp,
    pub(super) epoch: u64,
    pub(super) notify: Notify,
    pub(super) notices: &'a mut Vec<Notice>,
}

// Kept apart from the walks, which are fast because they are small.
impl StepContext<'_> {
    /// Adds a part to what a counter holds, or with -1 takes it away. `fresh_in` is the epoch in which
    /// the fast path may be used, or [`Counter::NEVER`].
    #[inline(never)]
    fn shift_held(
        &mut self,
        limit: LimitId,
        counter: &mut Counter,
        part: &Part,
        sign: i128,
        fresh_in: u64,
    ) {
        let amount = counter.of(&part.amounts) * sign;
        if amount == 0 || !self.counts(counter) || counter.hold_fast(fresh_in, self.now, amount) {
            return;
        }
        let slot = self.advance(counter, part.at);
        counter.hold(slot, amount);
        self.finish(limit, counter);
    }

    /// The same of a conversion.
    #[inline(never)]
    fn convert(
        &mut self,
        limit: LimitId,
        counter: &mut Counter,
        conversion: Conversion<'_>,
        fresh_in: u64,
    ) {
        let (held, spent) = self.counted(counter, conversion);
        let at = conversion.at;
        let is_untouched = held == 0 && spent == 0;
        if is_untouched || counter.convert_fast(fresh_in, self.now, at, held, spent) {
            return;
        }
        let slot = self.advance(counter, at);
        counter.hold(slot, -held);
        counter.spend(slot, at, self.now, spent);
        self.finish(limit, counter);
    }

    /// The same of a correction, which a younger counter does not count.
    fn correct(
        &mut self,
        limit: LimitId,
        counter: &mut Counter,
        conversion: Conversion<'_>,
        charged_by: u64,
    ) {
        let (held, spent) = self.counted(counter, conversion);
        let more = spent - held;
        if more == 0 {
            return;
        }
        if counter.since > charged_by {
            counter.opening_gap -= more;
            return;
        }
        let slot = self.advance(counter, conversion.at);
        let counted = counter.correct(slot, conversion.at, self.now, more);
        counter.opening_gap += counted - more;
        self.finish(limit, counter);
    }

    /// True if the counter counts calls of this model.
    fn counts(&self, counter: &Counter) -> bool {
        counter.filter == Counter::NO_FILTER
            || self.filters.lets_through(counter.filter, self.model)
    }

    /// What a counter counts of a conversion: held, and spent.
    #[inline(always)]
    fn counted(&self, counter: &Counter, conversion: Conversion<'_>) -> (i128, i128) {
        let (held, spent) = (counter.of(conversion.held), counter.of(conversion.spent));
        if counter.filter == Counter::NO_FILTER {
            return (held, spent);
        }
        let counts = |model| self.filters.lets_through(counter.filter, model);
        let of_held = counts(self.model);
        // It is the same model but for a hold without one.
        let of_spent =
            if conversion.model == self.model { of_held } else { counts(conversion.model) };
        (if of_held { held } else { 0 }, if of_spent { spent } else { 0 })
    }

    /// Brings the counter up to date; returns where a charge reserved at `at` is counted.
    fn advance(&self, counter: &mut Counter, at: Timestamp) -> WindowSlot {
        counter.advance(&Balance::default(), self.windows, self.now);
        counter.slot(self.windows, at)
    }

    /// Gives notice of the change, unless that is for later.
    fn finish(&mut self, limit: LimitId, counter: &mut Counter) {
        if self.notify != Notify::Later {
            let kept = self.notify == Notify::Ordinary;
            let (windows, now) = (self.windows, self.now);
            counter.notice(&Balance::default(), limit, windows, now, kept, self.notices);
        }
        counter.mark_fresh(self.epoch);
    }
}

/// The counters of an account's limits that are not derived.
#[inline(always)]
fn each_counting(
    account: &Account,
    counters: &mut [Option<Counter>],
    mut visit: impl FnMut(LimitId, &mut Counter),
) {
    for limit in &account.counting {
        if let Some(counter) = &mut counters[*limit as usize] {
            visit(LimitId(*limit), counter);
        }
    }
}

impl Ledger {
    /// Adds a part to what is held along the whole path, in one step.
    #[inline(always)]
    pub(super) fn hold(&mut self, target: &Target, part: &Part, notify: Notify) {
        let (cost, epoch) = (part.amounts.cost, self.window_epoch);
        let fast = |account: &mut Account| account.hold_fast(epoch, cost);
        self.walk(target, notify, fast, |step, account, counters, is_done| {
            if !is_done {
                step.move_balance(account, counters, &BalanceDelta::held(part.at, cost));
            }
            each_counting(account, counters, |limit, counter| {
                step.shift_held(limit, counter, part, 1, epoch);
            });
        });
    }

    /// Adds a part to what is held along the whole path, or with -1 takes it away, as one step of
    /// several.
    pub(super) fn shift_held(&mut self, target: &Target, part: &Part, sign: i128) {
        let moved = BalanceDelta::held(part.at, part.amounts.cost * sign);
        self.walk_slowly(target, Notify::Later, |step, account, counters| {
            step.move_balance(account, counters, &moved);
            each_counting(account, counters, |limit, counter| {
                step.shift_held(limit, counter, part, sign, Counter::NEVER);
            });
        });
    }

    /// Moves a charge from held to spent along the whole path.
    #[inline(always)]
    pub(super) fn convert(&mut self, target: &Target, conversion: Conversion<'_>, notify: Notify) {
        let (held, spent) = (conversion.held.cost, conversion.spent.cost);
        let is_fast = notify != Notify::Later && conversion.at >= self.latest_start;
        let fresh_in = if is_fast { self.window_epoch } else { Counter::NEVER };
        let derived_in = if spent <= held { fresh_in } else { Counter::NEVER };
        let fast = |account: &mut Account| account.convert_fast(derived_in, held, spent);
        self.walk(target, notify, fast, |step, account, counters, is_done| {
            if !is_done {
                let by = Level { spent, held: -held };
                let moved = BalanceDelta { at: conversion.at, by, corrects: None };
                step.move_balance(account, counters, &moved);
            }
            each_counting(account, counters, |limit, counter| {
                step.convert(limit, counter, conversion, fresh_in);
            });
        });
    }

    /// Puts the truth in the place of a charge that event `charged_by` assumed, or that a person says
    /// was wrong. A counter that is younger than that has never counted the charge, and does not count
    /// its correction. Nor does one count less than nothing: that would be room for calls which no
    /// limit has given.
    pub(super) fn correct(
        &mut self,
        target: &Target,
        conversion: Conversion<'_>,
        charged_by: u64,
        notify: Notify,
    ) {
        let held = Amounts { in_flight: 0, ..*conversion.held };
        let conversion = Conversion { held: &held, ..conversion };
        let by = Level { spent: conversion.spent.cost - held.cost, held: 0 };
        let moved = BalanceDelta { at: conversion.at, by, corrects: Some(charged_by) };
        self.walk_slowly(target, notify, |step, account, counters| {
            step.move_balance(account, counters, &moved);
            each_counting(account, counters, |limit, counter| {
                step.correct(limit, counter, conversion, charged_by);
            });
        });
    }

    /// Gives notice of what several steps together have brought about for the limits that `amounts`
    /// touch.
    pub(super) fn notify(&mut self, target: &Target, amounts: &Amounts, notify: Notify) {
        self.walk_slowly(target, notify, |step, account, counters| {
            if amounts.cost != 0 {
                account.bring_up_to(counters, step.windows, step.now);
                step.notify_derived(account, counters);
            }
            each_counting(account, counters, |limit, counter| {
                if counter.of(amounts) != 0 && step.counts(counter) {
                    step.advance(counter, step.now);
                    step.finish(limit, counter);
                }
            });
        });
    }

    /// Walks without the fast path.
    fn walk_slowly(
        &mut self,
        target: &Target,
        notify: Notify,
        mut step: impl FnMut(&mut StepContext<'_>, &mut Account, &mut [Option<Counter>]),
    ) {
        let never = |_: &mut Account| false;
        self.walk(target, notify, never, |context, account, counters, _| {
            step(context, account, counters);
        });
    }

    /// Walks from each account that is charged up to the root of its tree. `fast` returns true if it
    /// has done all there is to do for the balance and the derived limits of an account; `step` does
    /// the rest, and a path that has no rest never needs a context.
    #[inline(always)]
    fn walk(
        &mut self,
        target: &Target,
        notify: Notify,
        mut fast: impl FnMut(&mut Account) -> bool,
        mut step: impl FnMut(&mut StepContext<'_>, &mut Account, &mut [Option<Counter>], bool),
    ) {
        let Ledger { accounts, counters, windows, filters, notices, now, window_epoch, .. } = self;
        let (model, now, epoch) = (target.model, *now, *window_epoch);
        let mut path = Ancestors::of(target);
        while let Some(account) = path.next_mut(accounts) {
            let is_done = fast(account);
            if is_done && account.counting.is_empty() {
                continue;
            }
            let mut context = StepContext { windows, filters, model, now, epoch, notify, notices };
            step(&mut context, account, counters, is_done);
        }
    }
}
