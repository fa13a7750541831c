//! Owns the walk along a line: every counter and balance that a hold or a charge touches, and what
//! moves between an outer hold and an inner one.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::NONE;
use super::amounts::Amounts;
use super::command::Target;
use super::counter::{Counter, Place};
use super::holds::{Hold, Part};
use super::{HoldId, Ledger, LimitId};
use crate::clock::Timestamp;

/// When the counters tell what a step has brought about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    /// At once, of a call that sees every amount without the part that is kept for wrapping up.
    Ordinary,
    /// At once, of a call that sees the whole of every amount.
    Whole,
    /// Not yet: the step is one of several, and [`Ledger::tell`] follows the last.
    Later,
}

impl Tell {
    pub(super) fn of(wrap_up: bool) -> Tell {
        if wrap_up { Tell::Whole } else { Tell::Ordinary }
    }
}

/// What one part of a hold turns into: `held` less held, `spent` more spent, in the window of `at`.
pub(super) struct Turn {
    pub(super) at: Timestamp,
    pub(super) held: Amounts,
    pub(super) spent: Amounts,
}

impl Ledger {
    /// Adds a part to what is held along the whole line, or with -1 takes it away.
    #[inline]
    pub(super) fn shift_held(&mut self, target: &Target, part: &Part, sign: i128, tell: Tell) {
        let Ledger { accounts, counters, windows, filters, notices, now, .. } = self;
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                let amount = counter.of(&part.amounts) * sign;
                let filtered = counter.filter != Counter::NO_FILTER
                    && !filters[counter.filter as usize].lets_through(target.model);
                if amount == 0 || filtered {
                    continue;
                }
                counter.advance(windows, *now);
                let place = counter.place(windows, part.at);
                counter.hold(place, amount);
                if tell != Tell::Later {
                    counter.notice(LimitId(*limit), *now, tell == Tell::Ordinary, notices);
                }
            }
        }
        self.shift_balances(target, part.amounts.cost * sign, 0);
    }

    /// Moves a charge from held to spent along the whole line.
    #[inline]
    pub(super) fn turn(&mut self, target: &Target, turn: &Turn, tell: Tell) {
        let Ledger { accounts, counters, windows, filters, notices, now, .. } = self;
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                let (held, spent) = (counter.of(&turn.held), counter.of(&turn.spent));
                let filtered = counter.filter != Counter::NO_FILTER
                    && !filters[counter.filter as usize].lets_through(target.model);
                if filtered || (held == 0 && spent == 0) {
                    continue;
                }
                counter.advance(windows, *now);
                let place = counter.place(windows, turn.at);
                counter.hold(place, -held);
                counter.spend(place, turn.at, *now, spent);
                if tell != Tell::Later {
                    counter.notice(LimitId(*limit), *now, tell == Tell::Ordinary, notices);
                }
            }
        }
        self.shift_balances(target, -turn.held.cost, turn.spent.cost);
    }

    /// Puts the truth in the place of a charge that event `charged_by` assumed. A counter that is
    /// younger than that has never counted the charge, and does not count its correction.
    pub(super) fn correct(&mut self, target: &Target, turn: &Turn, charged_by: u64) {
        let assumed = Amounts { in_flight: 0, ..turn.held };
        let Ledger { accounts, counters, windows, filters, notices, now, .. } = self;
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                let more = counter.of(&turn.spent) - counter.of(&assumed);
                let filtered = counter.filter != Counter::NO_FILTER
                    && !filters[counter.filter as usize].lets_through(target.model);
                if filtered || more == 0 {
                    continue;
                }
                if counter.since > charged_by {
                    counter.opening_gap -= more;
                    continue;
                }
                counter.advance(windows, *now);
                let place = counter.place(windows, turn.at);
                counter.spend(place, turn.at, *now, more);
                counter.notice(LimitId(*limit), *now, false, notices);
            }
        }
        self.shift_balances(target, 0, turn.spent.cost - assumed.cost);
    }

    /// Tells what several steps together have brought about for the limits that `amounts` touch.
    pub(super) fn tell(&mut self, target: &Target, amounts: &Amounts, tell: Tell) {
        let Ledger { accounts, counters, windows, filters, notices, now, .. } = self;
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                let filtered = counter.filter != Counter::NO_FILTER
                    && !filters[counter.filter as usize].lets_through(target.model);
                if !filtered && counter.of(amounts) != 0 {
                    counter.advance(windows, *now);
                    counter.notice(LimitId(*limit), *now, tell == Tell::Ordinary, notices);
                }
            }
        }
    }

    #[inline]
    fn shift_balances(&mut self, target: &Target, held: i128, spent: i128) {
        for charged in Ledger::charged(target) {
            let mut next = charged;
            while next != NONE {
                let account = self.accounts.at_mut(next);
                let balance = &mut account.balance;
                balance.held += held;
                balance.spent += spent;
                balance.peak = balance.peak.max(balance.held + balance.spent);
                next = account.parent;
            }
        }
    }

    /// Takes `moved` out of an outer hold and puts it, with `own`, into an inner call of `target`.
    #[cold]
    #[inline(never)]
    pub(super) fn transfer(
        &mut self,
        outer: HoldId,
        target: &Target,
        own: &Part,
        moved: &[Part],
        tell: Tell,
    ) {
        let giver = self.holds.at(outer).target();
        let mut touched = own.amounts;
        for part in moved {
            self.take_out(outer, part);
            self.shift_held(&giver, part, -1, Tell::Later);
            self.shift_held(target, part, 1, Tell::Later);
            touched = touched.plus(&part.amounts);
        }
        self.shift_held(target, own, 1, Tell::Later);
        self.tell(&giver, &touched, Tell::Whole);
        self.tell(target, &touched, tell);
    }

    fn take_out(&mut self, outer: HoldId, part: &Part) {
        let own = self.holds.at_mut(outer).parts_mut().find(|own| came_from(part, own));
        if let Some(own) = own {
            own.amounts = own.amounts.minus(&part.amounts);
        }
    }

    /// Gives back to a hold, if it is still open, what is left of a part that came out of it into
    /// a call of `inner`.
    pub(super) fn give_back(&mut self, outer: HoldId, part: &Part, inner: &Target) {
        let Some(hold) = self.holds.open(outer) else { return };
        let taker = hold.target();
        if !self.has_room_again(&taker, part, inner) {
            return;
        }
        let own = self.holds.at_mut(outer).parts_mut().find(|own| came_from(part, own));
        let Some(own) = own else { return };
        own.amounts = own.amounts.plus(&part.amounts);
        self.shift_held(&taker, part, 1, Tell::Later);
    }

    /// False if a limit has let the part go, because its filter does not count the inner call's
    /// model, and has no room for it now. What was let go may be another's by now: law 1.
    fn has_room_again(&self, taker: &Target, part: &Part, inner: &Target) -> bool {
        Ledger::charged(taker).all(|charged| {
            self.accounts.at(charged).line.iter().all(|limit| {
                let Some(counter) = self.counter(*limit) else { return true };
                let let_go = self.filter_lets_through(counter, taker.model)
                    && !self.filter_lets_through(counter, inner.model);
                let needed = counter.of(&part.amounts);
                !let_go
                    || counter.observe
                    || counter.place(&self.windows, part.at) != Place::Current
                    || needed <= 0
                    || needed <= counter.room(&self.windows, self.now, true)
            })
        })
    }
}

/// True if `part`, of an inner hold, came out of `own`, of its outer hold.
fn came_from(part: &Part, own: &Part) -> bool {
    own.at == part.at && own.depth.saturating_add(1) == part.depth
}

/// `amounts` without what comes out of the outer hold.
pub(super) fn excess(amounts: Amounts, moved: &[Part]) -> Amounts {
    moved.iter().fold(amounts, |left, part| left.minus(&part.amounts))
}

/// What a call of `amounts` takes out of an outer hold: as much as is there, oldest part first.
pub(super) fn taken_from(outer: &Hold, amounts: &Amounts) -> Vec<Part> {
    let mut wanted = *amounts;
    let mut moved = Vec::new();
    for part in outer.parts() {
        let taken = part.amounts.least(&wanted);
        if !taken.is_none() {
            wanted = wanted.minus(&taken);
            let depth = part.depth.saturating_add(1);
            moved.push(Part { at: part.at, amounts: taken, depth });
        }
    }
    moved
}
