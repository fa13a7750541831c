//! Owns the short way: a call that stands alone, decided and applied in one step and without an
//! event. What it means is what `decide` and `apply` do one after the other; a property below holds
//! the two side by side. It declines whatever is not plain, and has changed nothing then.

use super::CostBound;
use super::accounts::{Climb, NONE, State};
use super::amounts::Amounts;
use super::command::{Booking, Target};
use super::counter::Counter;
use super::holds::Part;
use super::lines::{Tell, Turn};
use super::settle::{booked_by, charge_of, counted_by, held_tokens};
use super::{AccountId, HoldId, Ledger, ModelId};
use crate::clock::Timestamp;
use crate::usage::{Confidence, Usage};

impl Ledger {
    /// Reserves the whole output cap for a call that stands alone; returns the hold and what it costs,
    /// in picodollars. `None` if the call has to be shortened or is refused.
    #[inline(always)]
    pub(crate) fn reserve_plainly(
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
        self.hold_alone(hold, target, &part, lease_until, Tell::of(wrap_up));
        if self.per_call > 0 {
            self.watch_held(target, amounts.cost);
        }
        Some((hold, amounts.cost))
    }

    /// Settles a hold of one part, as [`Settle`](super::Settle) says; returns what is booked. `None`
    /// if the hold has more parts or has expired, or the bill is no possible one.
    #[inline]
    pub(crate) fn settle_plainly(
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
        if self.events >= 2 * Ledger::MAX_EVENTS {
            return None;
        }
        self.step(at);
        if self.per_call > 0 {
            self.watch_billed(&target, booked.cost);
        }
        let (at, counted) = (reserved_at, counted_by(target.model, Some(model)));
        let turn = Turn { at, held: &held, spent: &booked, model: counted };
        self.turn(&target, turn, Tell::Whole);
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

    /// True if no limit of the line is in the way of a call that stands alone.
    #[inline(always)]
    pub(super) fn has_room(
        &self,
        now: Timestamp,
        target: &Target,
        amounts: &Amounts,
        wrap_up: bool,
    ) -> bool {
        let has_room = |limit: &u32| {
            let Some(counter) = self.counter(*limit) else { return true };
            self.has_room_in(counter, now, target.model, counter.asked_of(amounts), wrap_up)
        };
        let mut climb = Climb::from(target);
        while let Some(account) = self.accounts.next_of(&mut climb) {
            let plain = account.fits_plainly(self.age, amounts.cost);
            let limits = if plain { &account.counted } else { &account.own_limits };
            if !limits.iter().all(has_room) {
                return false;
            }
        }
        true
    }

    /// True if this limit is not in the way of a call that needs so much of it. A limit of which
    /// the call needs nothing is not consulted.
    pub(super) fn has_room_in(
        &self,
        counter: &Counter,
        now: Timestamp,
        model: ModelId,
        needed: i128,
        wrap_up: bool,
    ) -> bool {
        needed <= 0
            || counter.observe
            || !self.filter_lets_through(counter, model)
            || counter.fits_plainly(self.age, needed)
            || needed <= self.room(counter, now, wrap_up)
    }

    /// Puts a new hold of one part in its place, all along its line.
    #[inline(always)]
    pub(super) fn hold_alone(
        &mut self,
        hold: HoldId,
        target: &Target,
        part: &Part,
        lease_until: Timestamp,
        tell: Tell,
    ) {
        self.hold(target, part, tell);
        self.one_hold_more(target);
        self.holds.insert(hold, target, part, lease_until);
    }
}

#[cfg(test)]
mod tests;
