//! The ends of a hold: settling, releasing, expiring, settlements after the lease has expired, and
//! calls that are recorded without a hold.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::{Charge, State};
use super::amounts::Amounts;
use super::command::{Adjust, Booking, Record, Recorded, Rejection, Settle, Settled, Target};
use super::holds::Part;
use super::path_walk::{Conversion, Notify};
use super::{HoldId, Ledger, ModelId, Notice};
use crate::clock::Timestamp;
use crate::usage::{Confidence, Sums, Usage};

impl Ledger {
    #[inline]
    pub(crate) fn decide_settle(&self, settle: &Settle) -> Result<Settled, Rejection> {
        let hold = self.holds.get(settle.hold).ok_or(Rejection::NoSuchHold)?;
        let held = if hold.more.is_empty() { hold.first.amounts } else { hold.total() };
        let booked = booked_by(settle.booking, settle.usage.as_ref(), &held)
            .filter(|_| self.events < 2 * Ledger::MAX_EVENTS);
        let booked = booked.ok_or(Rejection::Impossible)?;
        let usage = settle.usage.unwrap_or_else(|| Usage::tokens(booked.input, booked.output));
        let (model, confidence) = (settle.model, settle.confidence);
        Ok(Settled { hold: settle.hold, held, booked, usage, model, confidence })
    }

    pub(crate) fn decide_release(&self, hold: HoldId) -> Result<HoldId, Rejection> {
        self.holds.get(hold).map(|_| hold).ok_or(Rejection::NoSuchHold)
    }

    pub(super) fn decide_expire(&self, now: Timestamp, id: HoldId) -> Result<HoldId, Rejection> {
        let hold = self.holds.open(id).ok_or(Rejection::NoSuchHold)?;
        if hold.lease_until > now { Err(Rejection::NotDue) } else { Ok(id) }
    }

    pub(crate) fn decide_record(
        &self,
        now: Timestamp,
        record: &Record,
    ) -> Result<Recorded, Rejection> {
        self.check_accounts(&record.target)?;
        let booked = amounts_of(record.cost, &record.usage, 1).ok_or(Rejection::Impossible)?;
        if self.events >= Ledger::MAX_EVENTS {
            return Err(Rejection::Full);
        }
        let remembered = record.key.and_then(|key| self.keys.get(&key));
        if remembered.is_some_and(|at| !key_is_forgotten(*at, now)) {
            return Err(Rejection::Duplicate);
        }
        Ok(Recorded {
            target: record.target,
            booked,
            usage: record.usage,
            model: record.model,
            confidence: record.confidence,
            key: record.key,
        })
    }

    pub(super) fn decide_adjust(
        &self,
        now: Timestamp,
        adjust: &Adjust,
    ) -> Result<Adjust, Rejection> {
        self.check_accounts(&adjust.target)?;
        let most = Amounts::MAX_COST;
        // An account above can have less than one below: it may have been corrected itself.
        let line = Ledger::charged(&adjust.target).flat_map(|index| self.accounts.upward(index));
        let mut left = line.map(|index| self.accounts.at(index).balance.spent + adjust.cost);
        let is_amount = (-most..=most).contains(&adjust.cost);
        let possible = is_amount && (adjust.cost >= 0 || left.all(|spent| spent >= 0));
        if !possible {
            return Err(Rejection::Impossible);
        }
        if self.events >= Ledger::MAX_EVENTS {
            return Err(Rejection::Full);
        }
        Ok(Adjust { about: adjust.about.min(now), ..adjust.clone() })
    }

    /// Law 3: the truth is booked, whatever was held. Law 6: in the window it was reserved in.
    #[inline]
    pub(crate) fn apply_settled(&mut self, at: Timestamp, settled: &Settled) {
        self.step(at);
        let charge = charge_of(&settled.booked, &settled.usage, settled.confidence);
        if self.per_call > 0 {
            // Before it ends: an account that is closing ends with its last hold.
            let target = self.holds.at(settled.hold).target;
            self.watch_billed(&target, settled.booked.cost);
        }
        self.end(settled.hold, &settled.booked, Some((settled.model, &charge)));
    }

    pub(crate) fn apply_released(&mut self, at: Timestamp, hold: HoldId) {
        self.step(at);
        self.end(hold, &Amounts::NONE, None);
    }

    /// Charges what was held, and keeps the hold for a late settlement.
    pub(super) fn apply_expired_charged(&mut self, at: Timestamp, id: HoldId) {
        self.step(at);
        let hold = self.holds.at(id);
        let (target, total) = (hold.target, hold.total());
        let path = self.accounts.at(target.account.index).path.clone();
        let parts: Vec<Part> = hold.parts().copied().collect();
        for part in &parts {
            let spent = Amounts { in_flight: 0, ..part.amounts };
            let (at, held, model) = (part.at, &part.amounts, target.model);
            self.convert(&target, Conversion { at, held, spent: &spent, model }, Notify::Full);
        }
        let usage = held_tokens(&total);
        self.charge(&target, target.model, &charge_of(&total, &usage, Confidence::Assumed));
        self.holds.expire_charged(id, self.events);
        self.accounts.at_mut(target.account.index).late += 1;
        self.one_hold_less(&target);
        let (hold, account, cost) = (id, target.account, total.cost);
        self.notices.push(Notice::ExpiredCharged { hold, account, path, cost });
    }

    /// Gives back what was held, and keeps the hold for a late settlement: the truth is booked
    /// then as if the lease had not ended.
    pub(super) fn apply_expired_released(&mut self, at: Timestamp, id: HoldId) {
        self.step(at);
        let hold = self.holds.at(id);
        let (target, amount) = (hold.target, hold.total().cost);
        let path = self.accounts.at(target.account.index).path.clone();
        self.end_in_parts(id, &target, &Amounts::NONE, target.model);
        self.holds.expire_released(id);
        self.accounts.at_mut(target.account.index).late += 1;
        self.one_hold_less(&target);
        let (hold, account) = (id, target.account);
        self.notices.push(Notice::ExpiredReleased { hold, account, path, amount });
    }

    pub(crate) fn apply_recorded(&mut self, at: Timestamp, recorded: &Recorded) {
        self.step(at);
        let (spent, model) = (&recorded.booked, recorded.target.model);
        let conversion = Conversion { at, held: &Amounts::NONE, spent, model };
        self.convert(&recorded.target, conversion, Notify::Full);
        let charge = charge_of(&recorded.booked, &recorded.usage, recorded.confidence);
        self.charge(&recorded.target, recorded.model, &charge);
        if self.per_call > 0 {
            self.watch_billed(&recorded.target, recorded.booked.cost);
        }
        while let Some((since, key)) = self.keys_by_age.front().copied() {
            if !key_is_forgotten(since, at) {
                break;
            }
            self.keys_by_age.pop_front();
            self.keys.remove(&key);
        }
        if let Some(key) = recorded.key {
            self.keys.insert(key, at);
            self.keys_by_age.push_back((at, key));
        }
    }

    pub(super) fn apply_adjusted(&mut self, at: Timestamp, adjusted: &Adjust) {
        self.step(at);
        let Adjust { target, cost, about, .. } = adjusted;
        let spent = Amounts { cost: *cost, ..Amounts::NONE };
        let conversion =
            Conversion { at: *about, held: &Amounts::NONE, spent: &spent, model: target.model };
        self.correct(target, conversion, u64::MAX, Notify::Full);
        self.charge(target, target.model, &charge_of(&spent, &Usage::NONE, Confidence::Reported));
    }

    /// Ends a hold that is open or late, and books what was used.
    #[inline]
    fn end(&mut self, id: HoldId, booked: &Amounts, charge: Option<(ModelId, &Charge<'_>)>) {
        let hold = self.holds.at(id);
        let target = hold.target;
        let (late, expired) = (hold.is_late(), hold.is_expired());
        let model = counted_by(target.model, charge.as_ref().map(|(answered, _)| *answered));
        if hold.more.is_empty() && !late {
            let (at, held) = (hold.first.at, hold.first.amounts);
            self.convert(
                &target,
                Conversion { at, held: &held, spent: booked, model },
                Notify::Full,
            );
        } else {
            self.end_in_parts(id, &target, booked, model);
        }
        if expired {
            let total = self.holds.at(id).total();
            let usage = held_tokens(&total);
            self.take_back(&target, &charge_of(&total, &usage, Confidence::Assumed));
        }
        if let Some((model, charge)) = charge {
            self.charge(&target, model, charge);
        }
        self.holds.free(id);
        if late {
            self.accounts.at_mut(target.account.index).late -= 1;
        } else {
            self.one_hold_less(&target);
        }
    }

    #[inline]
    fn charge(&mut self, target: &Target, model: ModelId, charge: &Charge<'_>) {
        for charged in Ledger::charged(target) {
            self.accounts.at_mut(charged).totals_of(model).charge(charge);
        }
    }

    /// Charges a hold that ends with it.
    #[inline(always)]
    pub(super) fn charge_last(&mut self, target: &Target, model: ModelId, charge: &Charge<'_>) {
        for charged in Ledger::charged(target) {
            let account = self.accounts.at_mut(charged);
            account.totals_of(model).charge(charge);
            account.holds = account.holds.saturating_sub(1);
        }
        self.fold_if_closing(target.account.index);
    }

    fn take_back(&mut self, target: &Target, charge: &Charge<'_>) {
        for charged in Ledger::charged(target) {
            self.accounts.at_mut(charged).totals_of(target.model).take_back(charge);
        }
    }

    #[inline(always)]
    pub(super) fn one_hold_more(&mut self, target: &Target) {
        for charged in Ledger::charged(target) {
            let account = self.accounts.at_mut(charged);
            account.holds = account.holds.saturating_add(1);
        }
    }

    #[inline]
    fn one_hold_less(&mut self, target: &Target) {
        for charged in Ledger::charged(target) {
            let account = self.accounts.at_mut(charged);
            account.holds = account.holds.saturating_sub(1);
        }
        self.fold_if_closing(target.account.index);
    }

    #[inline(always)]
    fn fold_if_closing(&mut self, account: u32) {
        if self.accounts.at(account).state == State::Closing {
            self.fold_upward(account);
        }
    }
}

/// The model by which limits for models count a charge: the one that was reserved; of a hold without
/// one, the one that answered.
#[inline]
pub(super) fn counted_by(reserved: ModelId, answered: Option<ModelId>) -> ModelId {
    match reserved {
        ModelId::NONE => answered.unwrap_or(ModelId::NONE),
        reserved => reserved,
    }
}

/// What a call books; `None` if no call can have used it.
#[inline]
fn amounts_of(cost: i128, usage: &Usage, requests: u32) -> Option<Amounts> {
    let Sums { input, cache_read, output, is_common } = usage.sums();
    let booked = Amounts { cost, input, cache_read, output, requests, in_flight: 0 };
    // The tokens are checked as amounts.
    let possible = cost >= 0 && booked.is_possible() && (is_common || usage.fees_are_possible());
    possible.then_some(booked)
}

/// What a settle books of a hold: what was used, or if that is unknown, what was held. `None` if no
/// call can have used it.
#[inline(always)]
pub(super) fn booked_by(
    booking: Booking,
    usage: Option<&Usage>,
    held: &Amounts,
) -> Option<Amounts> {
    let cost = match booking {
        Booking::Exactly(cost) => cost,
        Booking::AtLeast(cost) => cost.max(held.cost.min(Amounts::MAX_COST)),
    };
    let Some(usage) = usage else {
        let most = Amounts::MAX_TOKENS;
        let (input, output) = (held.input.min(most), held.output.min(most));
        let booked =
            Amounts { cost, input, cache_read: 0, output, requests: held.requests, in_flight: 0 };
        return (0..=Amounts::MAX_COST).contains(&cost).then_some(booked);
    };
    amounts_of(cost, usage, held.requests)
}

#[inline]
pub(super) fn charge_of<'a>(
    booked: &Amounts,
    usage: &'a Usage,
    confidence: Confidence,
) -> Charge<'a> {
    let Amounts { requests, cost, .. } = *booked;
    Charge { requests, cost, usage, is_plain: usage.is_plain(), confidence }
}

/// What an expired hold counts as used.
pub(super) fn held_tokens(held: &Amounts) -> Usage {
    Usage::tokens(held.input, held.output)
}

fn key_is_forgotten(since: Timestamp, now: Timestamp) -> bool {
    now.since(since).as_secs() >= Ledger::KEY_SECONDS
}
