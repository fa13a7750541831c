//! Calls inside calls: an inner call takes what it needs out of the hold around it, as far as that
//! goes, and what it does not use goes back there.
//!
//! A hold is a list of [`Part`]s, each with the moment at which it was reserved and the
//! [`depth`](Part::depth) it was borrowed from. So money that moves between holds stays in the windows
//! in which it was reserved, and finds its way back to the part it came from. A hold that has grown
//! has several parts too.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use super::accounts::Ancestors;
use super::amounts::Amounts;
use super::command::{Rejection, Reserved, Target};
use super::counter::{Counter, WindowSlot};
use super::holds::{Hold, Part};
use super::path_walk::{Conversion, Notify};
use super::reserve::{Demand, SizedDemand};
use super::{AccountId, HoldId, Ledger, ModelId};
use crate::clock::Timestamp;

impl Ledger {
    /// The outer hold of an inner call, if the call lies inside it: its account is the outer one or
    /// below it, and it has the outer tags.
    pub(super) fn check_inside(&self, outer: HoldId, target: &Target) -> Result<&Hold, Rejection> {
        let outer = self.holds.open(outer).ok_or(Rejection::NoSuchHold)?;
        let mut line = self.accounts.upward(target.account.index);
        let inside = line.any(|index| index == outer.target.account.index);
        let tags = outer.target.tags.as_slice();
        if !inside || !tags.iter().all(|tag| target.tags.as_slice().contains(tag)) {
            return Err(Rejection::NotInside);
        }
        Ok(outer)
    }

    /// What an inner call needs of a limit: what comes out of the outer hold is free where the
    /// limit counts it already, and belongs to the window that it was reserved in.
    pub(super) fn needed_beside_outer(
        &self,
        demand: &Demand<'_>,
        fit: &SizedDemand,
        counter: &Counter,
    ) -> i128 {
        if counter.is_per_call() {
            return demand.whole_cost(&fit.amounts);
        }
        let Some(outer) = demand.outer else { return counter.of(&fit.amounts) };
        let excess = counter.of(&fit.excess());
        if self.covers(outer, counter) {
            return excess;
        }
        let now = |part: &&Part| counter.slot(&self.windows, part.at) == WindowSlot::Current;
        let moved = fit.moved.iter().filter(now).map(|part| counter.of(&part.amounts));
        moved.fold(excess, i128::saturating_add)
    }

    /// True if a hold is counted by a counter.
    fn covers(&self, outer: &Hold, counter: &Counter) -> bool {
        let on_line = |id: &AccountId| self.is_above(counter.account, id.index);
        self.filter_lets_through(counter, outer.target.model)
            && std::iter::once(&outer.target.account)
                .chain(outer.target.tags.as_slice())
                .any(on_line)
    }

    /// True if the call is inside another whose hold a limit counts: if that were larger, the limit
    /// would not be in the way.
    pub(super) fn is_short(&self, demand: &Demand<'_>, counter: &Counter) -> bool {
        !counter.is_per_call() && demand.outer.is_some_and(|outer| self.covers(outer, counter))
    }

    /// Puts a new hold inside another in its place.
    #[cold]
    #[inline(never)]
    pub(super) fn hold_inside(
        &mut self,
        outer: HoldId,
        reserved: &Reserved,
        at: Timestamp,
        notify: Notify,
    ) {
        let Reserved { target, moved, .. } = reserved;
        let own = Part { at, amounts: excess(reserved.amounts, moved), depth: 0 };
        self.one_hold_more(target);
        self.transfer(outer, target, &own, moved, notify);
        let giver = self.holds.at(outer);
        let beyond = giver.outer.iter().chain(&giver.beyond).copied().collect();
        let hold = self.holds.insert(reserved.hold, target, &own, reserved.lease_until);
        hold.outer = Some(outer);
        hold.beyond = beyond;
        hold.more.clone_from(moved);
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
        notify: Notify,
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
        self.notify(&giver, &touched, Notify::Full);
        self.notify(target, &touched, notify);
    }

    fn take_out(&mut self, outer: HoldId, part: &Part) {
        let own = self.holds.at_mut(outer).parts_mut().find(|own| came_from(part, own, 1));
        if let Some(own) = own {
            own.amounts = own.amounts - part.amounts;
        }
    }

    /// Gives back to a hold, if it is still open, what is left of a part that came out of it into
    /// a call of `inner`, `levels` levels further in.
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
        self.limits_along(Ancestors::of(taker)).all(|(_, counter)| {
            let let_go = self.filter_lets_through(counter, taker.model)
                && !self.filter_lets_through(counter, inner.model);
            let needed = counter.of(&part.amounts);
            !let_go
                || counter.observe
                || counter.slot(&self.windows, part.at) != WindowSlot::Current
                || needed <= 0
                || needed <= self.room(counter, self.now, true)
        })
    }

    /// A hold of several parts, one that came out of an outer hold, or a late one. If its charge was
    /// assumed before, only the difference is booked; if it was given back, it holds nothing any more.
    #[cold]
    #[inline(never)]
    pub(super) fn end_in_parts(
        &mut self,
        id: HoldId,
        target: &Target,
        booked: &Amounts,
        model: ModelId,
    ) {
        let hold = self.holds.at(id);
        let (expired, charged_by) = (hold.is_expired(), hold.charged_by);
        let late = hold.is_late();
        let taker = self.holds.open_around(hold).filter(|_| !late);
        let mut touched = *booked + hold.total();
        for (part, used) in shares(hold, booked) {
            let conversion = Conversion { at: part.at, held: &part.amounts, spent: &used, model };
            if expired {
                self.correct(target, conversion, charged_by, Notify::Later);
                continue;
            }
            if late {
                self.convert(
                    target,
                    Conversion { held: &Amounts::NONE, ..conversion },
                    Notify::Later,
                );
                continue;
            }
            self.convert(target, conversion, Notify::Later);
            let rest = part.amounts - part.amounts.min(&used);
            let taker = taker.filter(|(_, levels)| part.depth >= *levels && !rest.is_none());
            if let Some((taker, levels)) = taker {
                self.give_back(taker, levels, &Part { amounts: rest, ..part }, target);
            }
        }
        touched.cache_read = 0; // so that no uncached input looks like none
        if let Some((taker, _)) = taker {
            let taker = self.holds.at(taker).target;
            self.notify(&taker, &touched, Notify::Full);
        }
        self.notify(&Target { model, ..*target }, &touched, Notify::Full);
    }

    /// What came out of a hold that is open finds its way back.
    pub(super) fn check_nesting(&self) -> Result<(), String> {
        for (id, hold) in self.holds.iter().filter(|(id, _)| self.holds.open(*id).is_some()) {
            let most = usize::from(hold.outer.is_some()).saturating_add(hold.beyond.len());
            if hold.parts().any(|part| part.depth as usize > most) {
                return Err(format!("hold {} has a part from further out than it is", id.index));
            }
            let Some((taker, levels)) = self.holds.open_around(hold) else { continue };
            let taker = self.holds.at(taker);
            let finds = |part: &Part| taker.parts().any(|own| came_from(part, own, levels));
            if !hold.parts().filter(|part| part.depth >= levels).all(finds) {
                return Err(format!("hold {} has a part that cannot go back", id.index));
            }
        }
        Ok(())
    }
}

/// True if `part`, of an inner hold, came out of `own`, of the hold `levels` levels around it.
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

/// Each part of a hold with its share of what was used: what came out of an outer hold is used
/// first, then the hold's own parts in their order; the last takes all that is left.
fn shares(hold: &Hold, booked: &Amounts) -> Vec<(Part, Amounts)> {
    let from_outer = hold.parts().filter(|part| part.depth > 0);
    let own = hold.parts().filter(|part| part.depth == 0);
    let parts: Vec<Part> = from_outer.chain(own).copied().collect();
    let mut left = *booked;
    let mut shares = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let mut used = left;
        if index + 1 < parts.len() {
            used = part.amounts.min(&left);
            // A hold does not know how much of its input a cache will have.
            used.cache_read = left.cache_read.min(used.input);
        }
        left = left - used;
        shares.push((*part, used));
    }
    shares
}
