//! Owns the ends of a hold: settling, releasing, expiring, the late word after an expiry, and
//! calls that are recorded without a hold.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::{NONE, State, Totals};
use super::amounts::Amounts;
use super::command::{Booking, Record, Recorded, Rejection, Settle, Settled, Target};
use super::counter::Counter;
use super::holds::{Hold, HoldState, Part};
use super::{HoldId, Ledger, LimitId, ModelId, Notice};
use crate::clock::Timestamp;
use crate::usage::{Confidence, Usage};

/// What one part of a hold turns into: `held` less held, `spent` more spent, in the window of `at`.
struct Turn {
    at: Timestamp,
    held: Amounts,
    spent: Amounts,
}

impl Ledger {
    #[inline]
    pub(crate) fn decide_settle(&self, settle: &Settle) -> Result<Settled, Rejection> {
        let hold = self.holds.get(settle.hold).ok_or(Rejection::NoSuchHold)?;
        let held = if hold.more.is_empty() { hold.first.amounts } else { hold.total() };
        let cost = match settle.booking {
            Booking::Exactly(cost) => cost,
            Booking::AtLeast(cost) => cost.max(held.cost),
        };
        let usage = settle.usage.unwrap_or_else(|| Usage::tokens(held.input, held.output));
        let booked = Amounts { requests: held.requests, ..amounts_of(cost, &usage) };
        if !booked.is_possible() || cost < 0 || self.events >= 2 * Ledger::MAX_EVENTS {
            return Err(Rejection::Impossible);
        }
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
        let booked = Amounts { requests: 1, ..amounts_of(record.cost, &record.usage) };
        if !booked.is_possible() || record.cost < 0 {
            return Err(Rejection::Impossible);
        }
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

    /// Law 3: the truth is booked, whatever was held. Law 6: in the window it was reserved in.
    #[inline]
    pub(crate) fn apply_settled(&mut self, at: Timestamp, settled: &Settled) {
        self.step(at);
        let totals = totals_of(&settled.booked, &settled.usage, settled.confidence);
        self.end(settled.hold, &settled.booked, Some((settled.model, &totals)));
    }

    pub(crate) fn apply_released(&mut self, at: Timestamp, hold: HoldId) {
        self.step(at);
        self.end(hold, &Amounts::NONE, None);
    }

    /// Charges what was held, and keeps the hold for the late word of its call.
    pub(super) fn apply_expired(&mut self, at: Timestamp, id: HoldId) {
        self.step(at);
        let hold = self.holds.at(id);
        let (target, total) = (target_of(hold), hold.total());
        let path = self.accounts.at(target.account.index).path.clone();
        let parts: Vec<Part> = hold.parts().copied().collect();
        for part in &parts {
            let spent = Amounts { in_flight: 0, ..part.amounts };
            self.turn(&target, &Turn { at: part.at, held: part.amounts, spent });
        }
        self.add_totals(&target, target.model, &assumed_totals(&total));
        self.holds.expire(id);
        self.one_hold_less(&target);
        let (hold, account, cost) = (id, target.account, total.cost);
        self.notices.push(Notice::Expired { hold, account, path, cost });
    }

    pub(crate) fn apply_recorded(&mut self, at: Timestamp, recorded: &Recorded) {
        self.step(at);
        self.turn(&recorded.target, &Turn { at, held: Amounts::NONE, spent: recorded.booked });
        let totals = totals_of(&recorded.booked, &recorded.usage, recorded.confidence);
        self.add_totals(&recorded.target, recorded.model, &totals);
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

    /// Ends a hold that is open or has expired, and books what was used.
    #[inline]
    fn end(&mut self, id: HoldId, booked: &Amounts, totals: Option<(ModelId, &Totals)>) {
        let hold = self.holds.at(id);
        let target = target_of(hold);
        let expired = hold.state == HoldState::Expired;
        if hold.more.is_empty() && !hold.first.from_outer && !expired {
            let (at, held) = (hold.first.at, hold.first.amounts);
            self.turn(&target, &Turn { at, held, spent: *booked });
        } else {
            self.end_in_parts(id, &target, booked);
        }
        if expired {
            let assumed = assumed_totals(&self.holds.at(id).total());
            self.take_totals(&target, target.model, &assumed);
        }
        if let Some((model, totals)) = totals {
            self.add_totals(&target, model, totals);
        }
        self.holds.free(id);
        if !expired {
            self.one_hold_less(&target);
        }
    }

    /// A hold of several parts, one that came out of an outer hold, or one whose charge was
    /// assumed before: then only the difference is booked.
    #[cold]
    #[inline(never)]
    fn end_in_parts(&mut self, id: HoldId, target: &Target, booked: &Amounts) {
        let hold = self.holds.at(id);
        let (outer, expired) = (hold.outer, hold.state == HoldState::Expired);
        for (part, used) in shares(hold, booked) {
            let mut turn = Turn { at: part.at, held: part.amounts, spent: used };
            if expired {
                self.book_difference(target, &turn);
                continue;
            }
            self.turn(target, &turn);
            turn.spent = turn.held.least(&used);
            let rest = turn.held.minus(&turn.spent);
            if let Some(outer) = outer.filter(|_| part.from_outer && !rest.is_none()) {
                self.give_back(outer, &Part { amounts: rest, ..part });
            }
        }
    }

    /// Takes back what was assumed and books what was used, in the window of the hold.
    fn book_difference(&mut self, target: &Target, turn: &Turn) {
        let Turn { at, held, spent } = turn;
        // The assumed charge becomes a hold for a moment, so that it can turn into the truth.
        let assumed = Amounts { in_flight: 0, ..*held };
        self.each_counter(
            target,
            |counter, place, now| {
                let amount = counter.of(&assumed);
                counter.spend(place, *at, now, -amount);
                counter.hold(place, amount);
            },
            *at,
        );
        self.shift_balances(target, assumed.cost, -assumed.cost);
        self.turn(target, &Turn { at: *at, held: assumed, spent: *spent });
    }

    /// Moves a charge from held to spent along the whole line.
    #[inline]
    fn turn(&mut self, target: &Target, turn: &Turn) {
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
                counter.notice(LimitId(*limit), *now, notices);
            }
        }
        self.shift_balances(target, -turn.held.cost, turn.spent.cost);
    }

    fn each_counter(
        &mut self,
        target: &Target,
        mut change: impl FnMut(&mut Counter, super::counter::Place, Timestamp),
        at: Timestamp,
    ) {
        let Ledger { accounts, counters, windows, filters, now, .. } = self;
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                if counter.filter == Counter::NO_FILTER
                    || filters[counter.filter as usize].lets_through(target.model)
                {
                    counter.advance(windows, *now);
                    let place = counter.place(windows, at);
                    change(counter, place, *now);
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

    #[inline]
    fn add_totals(&mut self, target: &Target, model: ModelId, totals: &Totals) {
        for charged in Ledger::charged(target) {
            self.accounts.at_mut(charged).totals_of(model).add(totals);
        }
    }

    fn take_totals(&mut self, target: &Target, model: ModelId, totals: &Totals) {
        for charged in Ledger::charged(target) {
            self.accounts.at_mut(charged).totals_of(model).take(totals);
        }
    }

    #[inline]
    fn one_hold_less(&mut self, target: &Target) {
        for charged in Ledger::charged(target) {
            let account = self.accounts.at_mut(charged);
            account.holds = account.holds.saturating_sub(1);
        }
        if self.accounts.at(target.account.index).state == State::Closing {
            self.fold_upward(target.account.index);
        }
    }
}

/// Each part of a hold with its share of what was used: what came out of an outer hold is used
/// first, then the hold's own parts in their order; the last takes all that is left.
fn shares(hold: &Hold, booked: &Amounts) -> Vec<(Part, Amounts)> {
    let from_outer = hold.parts().filter(|part| part.from_outer);
    let own = hold.parts().filter(|part| !part.from_outer);
    let parts: Vec<Part> = from_outer.chain(own).copied().collect();
    let mut left = *booked;
    let mut shares = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let used = if index + 1 == parts.len() { left } else { part.amounts.least(&left) };
        left = left.minus(&used);
        shares.push((*part, used));
    }
    shares
}

fn target_of(hold: &Hold) -> Target {
    Target { account: hold.account, tags: hold.tags, model: hold.model }
}

fn amounts_of(cost: i128, usage: &Usage) -> Amounts {
    Amounts {
        cost,
        input: usage.input_tokens(),
        cache_read: usage.cache_read_tokens(),
        output: usage.output_tokens(),
        requests: 0,
        in_flight: 0,
    }
}

fn totals_of(booked: &Amounts, usage: &Usage, confidence: Confidence) -> Totals {
    let mut totals = Totals { requests: u64::from(booked.requests), cost: [0; 4], usage: *usage };
    totals.cost[confidence as usize] = booked.cost;
    totals
}

fn assumed_totals(held: &Amounts) -> Totals {
    totals_of(held, &Usage::tokens(held.input, held.output), Confidence::Assumed)
}

fn key_is_forgotten(since: Timestamp, now: Timestamp) -> bool {
    now.since(since).as_secs() >= Ledger::KEY_SECONDS
}
