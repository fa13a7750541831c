//! Owns the walk along a line: every counter and balance that a hold or a charge touches, and what
//! moves between an outer hold and an inner one.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::Accounts;
use super::amounts::Amounts;
use super::command::Target;
use super::counter::{Counter, Place, Window};
use super::holds::{Hold, Part};
use super::{Filter, HoldId, Ledger, LimitId, ModelId, Notice};
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
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) at: Timestamp,
    pub(super) held: Amounts,
    pub(super) spent: Amounts,
}

/// What a counter has to know when its change is not a plain one.
struct Scene<'a> {
    windows: &'a [Window],
    filters: &'a [Filter],
    model: ModelId,
    now: Timestamp,
    age: u64,
    /// The age in which counters are plain for this step; [`Counter::NEVER`] if it is no plain one.
    plain_in: u64,
    tell: Tell,
    notices: &'a mut Vec<Notice>,
}

// Kept apart from the walks, which are fast because they are small. A walk makes a scene where it
// needs one, so that a line of plain counters makes none.
impl Scene<'_> {
    #[cold]
    #[inline(never)]
    fn shift_held(&mut self, limit: LimitId, counter: &mut Counter, part: &Part, sign: i128) {
        let amount = counter.of(&part.amounts) * sign;
        if amount == 0 || !self.counts(counter) {
            return;
        }
        if counter.hold_plainly(self.plain_in | Counter::FILTERED, amount) {
            return;
        }
        let place = self.enter(counter, part.at);
        counter.hold(place, amount);
        self.leave(limit, counter);
    }

    #[cold]
    #[inline(never)]
    fn turn(&mut self, limit: LimitId, counter: &mut Counter, turn: &Turn) {
        let (held, spent) = (counter.of(&turn.held), counter.of(&turn.spent));
        if (held == 0 && spent == 0) || !self.counts(counter) {
            return;
        }
        if counter.turn_plainly(self.plain_in | Counter::FILTERED, spent, held - spent) {
            return;
        }
        let place = self.enter(counter, turn.at);
        counter.hold(place, -held);
        counter.spend(place, turn.at, self.now, spent);
        self.leave(limit, counter);
    }

    /// True if the counter counts calls of this model.
    fn counts(&self, counter: &Counter) -> bool {
        counter.filter == Counter::NO_FILTER
            || self.filters[counter.filter as usize].lets_through(self.model)
    }

    /// Brings the counter up to date; returns where a charge reserved at `at` is counted.
    fn enter(&self, counter: &mut Counter, at: Timestamp) -> Place {
        counter.advance(self.windows, self.now);
        counter.place(self.windows, at)
    }

    /// Tells what the change has brought about, unless that is for later.
    fn leave(&mut self, limit: LimitId, counter: &mut Counter) {
        if self.tell != Tell::Later {
            counter.notice(limit, self.now, self.tell == Tell::Ordinary, self.notices);
        }
        counter.refresh(self.age);
    }
}

impl Ledger {
    /// Adds a part to what is held along the whole line, in one step.
    #[inline(always)]
    pub(super) fn hold(&mut self, target: &Target, part: &Part, tell: Tell) {
        let Ledger { accounts, counters, windows, filters, notices, now, age, .. } = self;
        let (model, now, age, cost) = (target.model, *now, *age, part.amounts.cost);
        let plain_in = age;
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                if !counter.hold_plainly(age, cost) {
                    let mut scene =
                        Scene { windows, filters, model, now, age, plain_in, tell, notices };
                    scene.shift_held(LimitId(*limit), counter, part, 1);
                }
            }
            accounts.hold(charged, cost);
        }
    }

    /// Adds a part to what is held along the whole line, or with -1 takes it away, as one step of
    /// several.
    pub(super) fn shift_held(&mut self, target: &Target, part: &Part, sign: i128) {
        let (accounts, counters, mut scene) = self.scene(target, Tell::Later);
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                scene.shift_held(LimitId(*limit), counter, part, sign);
            }
        }
        for charged in Ledger::charged(target) {
            self.accounts.hold(charged, part.amounts.cost * sign);
        }
    }

    /// Moves a charge from held to spent along the whole line.
    #[inline(always)]
    pub(super) fn turn(&mut self, target: &Target, turn: Turn, tell: Tell) {
        let (held, spent) = (turn.held.cost, turn.spent.cost);
        let plainly = tell != Tell::Later && spent <= held && turn.at >= self.latest_start;
        let Ledger { accounts, counters, windows, filters, notices, now, age, .. } = self;
        let (model, now, age) = (target.model, *now, *age);
        let plain_in = if plainly { age } else { Counter::NEVER };
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                if !counter.turn_plainly(plain_in, spent, held - spent) {
                    let mut scene =
                        Scene { windows, filters, model, now, age, plain_in, tell, notices };
                    scene.turn(LimitId(*limit), counter, &{ turn });
                }
            }
            accounts.turn(charged, held, spent);
        }
    }

    /// Puts the truth in the place of a charge that event `charged_by` assumed. A counter that is
    /// younger than that has never counted the charge, and does not count its correction.
    pub(super) fn correct(&mut self, target: &Target, turn: &Turn, charged_by: u64) {
        let assumed = Amounts { in_flight: 0, ..turn.held };
        let (accounts, counters, mut scene) = self.scene(target, Tell::Whole);
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                let more = counter.of(&turn.spent) - counter.of(&assumed);
                if more == 0 || !scene.counts(counter) {
                    continue;
                }
                if counter.since > charged_by {
                    counter.opening_gap -= more;
                    continue;
                }
                let place = scene.enter(counter, turn.at);
                counter.spend(place, turn.at, scene.now, more);
                scene.leave(LimitId(*limit), counter);
            }
        }
        for charged in Ledger::charged(target) {
            self.accounts.turn(charged, 0, turn.spent.cost - assumed.cost);
        }
    }

    /// Tells what several steps together have brought about for the limits that `amounts` touch.
    pub(super) fn tell(&mut self, target: &Target, amounts: &Amounts, tell: Tell) {
        let (accounts, counters, mut scene) = self.scene(target, tell);
        for charged in Ledger::charged(target) {
            for limit in &accounts.at(charged).line {
                let Some(counter) = &mut counters[*limit as usize] else { continue };
                if counter.of(amounts) != 0 && scene.counts(counter) {
                    scene.enter(counter, scene.now);
                    scene.leave(LimitId(*limit), counter);
                }
            }
        }
    }

    #[inline]
    fn scene(
        &mut self,
        target: &Target,
        tell: Tell,
    ) -> (&Accounts, &mut [Option<Counter>], Scene<'_>) {
        let Ledger { accounts, counters, windows, filters, notices, now, age, .. } = self;
        let (model, now, age) = (target.model, *now, *age);
        let plain_in = Counter::NEVER;
        (accounts, counters, Scene { windows, filters, model, now, age, plain_in, tell, notices })
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
        let giver = self.holds.at(outer).target;
        let mut touched = own.amounts;
        for part in moved {
            self.take_out(outer, part);
            self.shift_held(&giver, part, -1);
            self.shift_held(target, part, 1);
            touched = touched.plus(&part.amounts);
        }
        self.shift_held(target, own, 1);
        self.tell(&giver, &touched, Tell::Whole);
        self.tell(target, &touched, tell);
    }

    fn take_out(&mut self, outer: HoldId, part: &Part) {
        let own = self.holds.at_mut(outer).parts_mut().find(|own| came_from(part, own, 1));
        if let Some(own) = own {
            own.amounts = own.amounts.minus(&part.amounts);
        }
    }

    /// Gives back to a hold, if it is still open, what is left of a part that came out of it into
    /// a call of `inner`, so many levels further in.
    pub(super) fn give_back(&mut self, outer: HoldId, levels: u32, part: &Part, inner: &Target) {
        let Some(hold) = self.holds.open(outer) else { return };
        let taker = hold.target;
        if !self.has_room_again(&taker, part, inner) {
            return;
        }
        let own = self.holds.at_mut(outer).parts_mut().find(|own| came_from(part, own, levels));
        let Some(own) = own else { return };
        own.amounts = own.amounts.plus(&part.amounts);
        self.shift_held(&taker, part, 1);
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

/// True if `part`, of an inner hold, came out of `own`, of the hold so many levels around it.
pub(super) fn came_from(part: &Part, own: &Part, levels: u32) -> bool {
    own.at == part.at && own.depth.saturating_add(levels) == part.depth
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
