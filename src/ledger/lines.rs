//! Owns the walk along a line: every counter and balance that a hold or a charge touches, and what
//! moves between an outer hold and an inner one.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::{Account, Balance, Climb};
use super::amounts::Amounts;
use super::command::Target;
use super::counter::{Counter, Level, Place, Window};
use super::filters::Filters;
use super::follow::Move;
use super::holds::{Hold, Part};
use super::{HoldId, Ledger, LimitId, ModelId, Notice};
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
pub(super) struct Turn<'a> {
    pub(super) at: Timestamp,
    pub(super) held: &'a Amounts,
    pub(super) spent: &'a Amounts,
    /// The model by which limits count what is spent. What is held counts by that of the target.
    pub(super) model: ModelId,
}

/// What a step has to know beside the accounts and their counters.
pub(super) struct Scene<'a> {
    pub(super) windows: &'a [Window],
    filters: &'a Filters,
    model: ModelId,
    pub(super) now: Timestamp,
    pub(super) age: u64,
    pub(super) tell: Tell,
    pub(super) notices: &'a mut Vec<Notice>,
}

// Kept apart from the walks, which are fast because they are small.
impl Scene<'_> {
    /// Of a limit that counts by itself. `plain_in`: the age in which counters are plain for this
    /// step; [`Counter::NEVER`] if it is no plain one.
    #[inline(never)]
    fn shift_held(
        &mut self,
        limit: LimitId,
        counter: &mut Counter,
        part: &Part,
        sign: i128,
        plain_in: u64,
    ) {
        let amount = counter.of(&part.amounts) * sign;
        if amount == 0 || !self.counts(counter) || counter.hold_plainly(plain_in, amount) {
            return;
        }
        let place = self.enter(counter, part.at);
        counter.hold(place, amount);
        self.leave(limit, counter);
    }

    /// The same of a turn.
    #[inline(never)]
    fn turn(&mut self, limit: LimitId, counter: &mut Counter, turn: Turn<'_>, plain_in: u64) {
        let (held, spent) = self.counted(counter, turn);
        let untouched = held == 0 && spent == 0;
        if untouched || counter.turn_plainly(plain_in, held, spent) {
            return;
        }
        let place = self.enter(counter, turn.at);
        counter.hold(place, -held);
        counter.spend(place, turn.at, self.now, spent);
        self.leave(limit, counter);
    }

    /// The same of a correction, of which a younger counter knows nothing.
    fn correct(&mut self, limit: LimitId, counter: &mut Counter, turn: Turn<'_>, charged_by: u64) {
        let (held, spent) = self.counted(counter, turn);
        let more = spent - held;
        if more == 0 {
            return;
        }
        if counter.since > charged_by {
            counter.opening_gap -= more;
            return;
        }
        let place = self.enter(counter, turn.at);
        let counted = counter.correct(place, turn.at, self.now, more);
        counter.opening_gap += counted - more;
        self.leave(limit, counter);
    }

    /// True if the counter counts calls of this model.
    fn counts(&self, counter: &Counter) -> bool {
        counter.filter == Counter::NO_FILTER
            || self.filters.lets_through(counter.filter, self.model)
    }

    /// What a counter counts of a turn: held, and spent.
    #[inline(always)]
    fn counted(&self, counter: &Counter, turn: Turn<'_>) -> (i128, i128) {
        let (held, spent) = (counter.of(turn.held), counter.of(turn.spent));
        if counter.filter == Counter::NO_FILTER {
            return (held, spent);
        }
        let counts = |model| self.filters.lets_through(counter.filter, model);
        let of_held = counts(self.model);
        // It is the same model but for a hold without one.
        let of_spent = if turn.model == self.model { of_held } else { counts(turn.model) };
        (if of_held { held } else { 0 }, if of_spent { spent } else { 0 })
    }

    /// Brings the counter up to date; returns where a charge reserved at `at` is counted.
    fn enter(&self, counter: &mut Counter, at: Timestamp) -> Place {
        counter.advance(&Balance::default(), self.windows, self.now);
        counter.place(self.windows, at)
    }

    /// Tells what the change has brought about, unless that is for later.
    fn leave(&mut self, limit: LimitId, counter: &mut Counter) {
        if self.tell != Tell::Later {
            let kept = self.tell == Tell::Ordinary;
            let (windows, now) = (self.windows, self.now);
            counter.notice(&Balance::default(), limit, windows, now, kept, self.notices);
        }
        counter.refresh(self.age);
    }
}

/// The counters of an account's limits that count by themselves.
#[inline(always)]
fn each_counted(
    account: &Account,
    counters: &mut [Option<Counter>],
    mut visit: impl FnMut(LimitId, &mut Counter),
) {
    for limit in &account.counted {
        if let Some(counter) = &mut counters[*limit as usize] {
            visit(LimitId(*limit), counter);
        }
    }
}

impl Ledger {
    /// Adds a part to what is held along the whole line, in one step.
    #[inline(always)]
    pub(super) fn hold(&mut self, target: &Target, part: &Part, tell: Tell) {
        let cost = part.amounts.cost;
        let age = self.age;
        let plainly = |account: &mut Account| account.hold_plainly(age, cost);
        self.walk(target, tell, plainly, |scene, account, counters, followed| {
            if !followed {
                scene.follow(account, counters, &Move::held(part.at, cost));
            }
            each_counted(account, counters, |limit, counter| {
                scene.shift_held(limit, counter, part, 1, age);
            });
        });
    }

    /// Adds a part to what is held along the whole line, or with -1 takes it away, as one step of
    /// several.
    pub(super) fn shift_held(&mut self, target: &Target, part: &Part, sign: i128) {
        let moved = Move::held(part.at, part.amounts.cost * sign);
        self.walk(
            target,
            Tell::Later,
            |_| false,
            |scene, account, counters, _| {
                scene.follow(account, counters, &moved);
                each_counted(account, counters, |limit, counter| {
                    scene.shift_held(limit, counter, part, sign, Counter::NEVER);
                });
            },
        );
    }

    /// Moves a charge from held to spent along the whole line.
    #[inline(always)]
    pub(super) fn turn(&mut self, target: &Target, turn: Turn<'_>, tell: Tell) {
        let (held, spent) = (turn.held.cost, turn.spent.cost);
        let plain = tell != Tell::Later && turn.at >= self.latest_start;
        let plain_in = if plain { self.age } else { Counter::NEVER };
        let follows_in = if spent <= held { plain_in } else { Counter::NEVER };
        let plainly = |account: &mut Account| account.turn_plainly(follows_in, held, spent);
        self.walk(target, tell, plainly, |scene, account, counters, followed| {
            if !followed {
                let by = Level { spent, held: -held };
                scene.follow(account, counters, &Move { at: turn.at, by, corrects: None });
            }
            each_counted(account, counters, |limit, counter| {
                scene.turn(limit, counter, turn, plain_in);
            });
        });
    }

    /// Puts the truth in the place of a charge that event `charged_by` assumed, or that a person says
    /// was wrong. A counter that is younger than that has never counted the charge, and does not count
    /// its correction. Nor does one count less than nothing: that would be room for calls which no
    /// limit has given.
    pub(super) fn correct(&mut self, target: &Target, turn: Turn<'_>, charged_by: u64, tell: Tell) {
        let held = Amounts { in_flight: 0, ..*turn.held };
        let turn = Turn { held: &held, ..turn };
        let by = Level { spent: turn.spent.cost - held.cost, held: 0 };
        let moved = Move { at: turn.at, by, corrects: Some(charged_by) };
        self.walk(
            target,
            tell,
            |_| false,
            |scene, account, counters, _| {
                scene.follow(account, counters, &moved);
                each_counted(account, counters, |limit, counter| {
                    scene.correct(limit, counter, turn, charged_by);
                });
            },
        );
    }

    /// Tells what several steps together have brought about for the limits that `amounts` touch.
    pub(super) fn tell(&mut self, target: &Target, amounts: &Amounts, tell: Tell) {
        self.walk(
            target,
            tell,
            |_| false,
            |scene, account, counters, _| {
                if amounts.cost != 0 {
                    account.bring_up_to(counters, scene.windows, scene.now);
                    scene.tell_followers(account, counters);
                }
                each_counted(account, counters, |limit, counter| {
                    if counter.of(amounts) != 0 && scene.counts(counter) {
                        scene.enter(counter, scene.now);
                        scene.leave(limit, counter);
                    }
                });
            },
        );
    }

    /// Walks from each account that is charged up to the root of its tree. `plainly` is true if the
    /// limits that follow an account have nothing to say to the step; what else there is to do has a
    /// scene, which a line of such accounts never needs.
    #[inline(always)]
    fn walk(
        &mut self,
        target: &Target,
        tell: Tell,
        mut plainly: impl FnMut(&mut Account) -> bool,
        mut step: impl FnMut(&mut Scene<'_>, &mut Account, &mut [Option<Counter>], bool),
    ) {
        let Ledger { accounts, counters, windows, filters, notices, now, age, .. } = self;
        let (model, now, age) = (target.model, *now, *age);
        let mut climb = Climb::from(target);
        while let Some(account) = accounts.next_of_mut(&mut climb) {
            let followed = plainly(account);
            if followed && account.counted.is_empty() {
                continue;
            }
            let mut scene = Scene { windows, filters, model, now, age, tell, notices };
            step(&mut scene, account, counters, followed);
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
        let giver = self.holds.at(outer).target;
        let mut touched = own.amounts;
        for part in moved {
            self.take_out(outer, part);
            self.shift_held(&giver, part, -1);
            self.shift_held(target, part, 1);
            touched = touched + part.amounts;
        }
        self.shift_held(target, own, 1);
        self.tell(&giver, &touched, Tell::Whole);
        self.tell(target, &touched, tell);
    }

    fn take_out(&mut self, outer: HoldId, part: &Part) {
        let own = self.holds.at_mut(outer).parts_mut().find(|own| came_from(part, own, 1));
        if let Some(own) = own {
            own.amounts = own.amounts - part.amounts;
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
        own.amounts = own.amounts + part.amounts;
        self.shift_held(&taker, part, 1);
    }

    /// False if a limit has let the part go, because its filter does not count the inner call's
    /// model, and has no room for it now. What was let go may be another's by now: law 1.
    fn has_room_again(&self, taker: &Target, part: &Part, inner: &Target) -> bool {
        Ledger::charged(taker).all(|charged| {
            self.limits_along(charged).all(|(_, counter)| {
                let let_go = self.filter_lets_through(counter, taker.model)
                    && !self.filter_lets_through(counter, inner.model);
                let needed = counter.of(&part.amounts);
                !let_go
                    || counter.observe
                    || counter.place(&self.windows, part.at) != Place::Current
                    || needed <= 0
                    || needed <= self.room(counter, self.now, true)
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
    moved.iter().fold(amounts, |left, part| left - part.amounts)
}

/// What a call of `amounts` takes out of an outer hold: as much as is there, oldest part first.
pub(super) fn taken_from(outer: &Hold, amounts: &Amounts) -> Vec<Part> {
    let mut wanted = *amounts;
    let mut moved = Vec::new();
    for part in outer.parts() {
        let taken = part.amounts.min(&wanted);
        if !taken.is_none() {
            wanted = wanted - taken;
            let depth = part.depth.saturating_add(1);
            moved.push(Part { at: part.at, amounts: taken, depth });
        }
    }
    moved
}
