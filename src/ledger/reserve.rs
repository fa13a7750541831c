//! Reserving: whether a call fits every limit of its path, how short its output must be, what
//! it takes out of an outer hold, and what a refusal says.

use std::sync::Arc;

use super::CostBound;
use super::accounts::{Ancestors, State};
use super::amounts::Amounts;
use super::command::{Grow, Grown, Rejection, Reserve, Reserved, Retry, Target};
use super::counter::{Counter, Span};
use super::denied::Denied;
use super::holds::{Hold, Part};
use super::limit::Limit;
use super::nesting::{excess, taken_from};
use super::path::Path;
use super::path_walk::Notify;
use super::{AccountId, HoldId, Ledger, LimitId, ModelId};
use crate::clock::Timestamp;

/// What a call asks for, before its output is sized.
pub(super) struct Demand<'a> {
    target: &'a Target,
    /// The hold that it may take from.
    pub(super) outer: Option<&'a Hold>,
    bound: &'a CostBound,
    wrap_up: bool,
    /// What the call holds already, in picodollars, if it is to grow.
    before: i128,
    /// Counts as a request; an outermost call counts as one in flight too.
    requests: u32,
    in_flight: u32,
}

impl<'a> Demand<'a> {
    #[inline]
    fn to_reserve(reserve: &'a Reserve, outer: Option<&'a Hold>) -> Demand<'a> {
        Demand {
            target: &reserve.target,
            outer,
            bound: &reserve.bound,
            wrap_up: reserve.wrap_up,
            before: 0,
            requests: 1,
            in_flight: u32::from(outer.is_none()),
        }
    }

    /// The shortest output that is of use.
    fn floor(&self) -> u64 {
        self.bound.floor.min(self.bound.cap)
    }

    /// The whole cost of the hold with these amounts; 0 if they add no cost.
    pub(super) fn whole_cost(&self, amounts: &Amounts) -> i128 {
        if amounts.cost == 0 { 0 } else { self.before.saturating_add(amounts.cost) }
    }

    /// What the call asks for with this output cap, and what of it the outer hold gives; `None`
    /// if it is more than one charge can be.
    #[inline]
    fn fit(&self, output_cap: u64) -> Option<SizedDemand> {
        let mut amounts = self.bound.amounts(output_cap)?;
        amounts.requests = self.requests;
        amounts.in_flight = self.in_flight;
        let moved = self.outer.map_or_else(Vec::new, |outer| taken_from(outer, &amounts));
        Some(SizedDemand { output_cap, amounts, moved })
    }
}

/// What a call asks for with some output cap.
pub(super) struct SizedDemand {
    output_cap: u64,
    pub(super) amounts: Amounts,
    /// The part of it that comes out of the outer hold.
    pub(super) moved: Vec<Part>,
}

impl SizedDemand {
    /// What does not come out of the outer hold.
    pub(super) fn excess(&self) -> Amounts {
        excess(self.amounts, &self.moved)
    }
}

/// A limit of which a call needs something, at the shortest output that is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need<'a> {
    pub(crate) id: LimitId,
    pub(crate) account: &'a Path,
    pub(crate) limit: &'a Arc<Limit>,
    /// True if the limit keeps a part for wrapping up.
    pub(crate) keeps_a_part: bool,
    /// True if it has no room for the call.
    pub(crate) is_in_the_way: bool,
    /// When enough time will have gone by that it has, even if no hold ends.
    pub(crate) room_at: Option<Timestamp>,
}

impl Ledger {
    /// Every limit of which a call needs something, whether it is in the way or not. None if the
    /// call is not admitted for another reason than a limit.
    pub(crate) fn needs(&self, now: Timestamp, reserve: &Reserve) -> Vec<Need<'_>> {
        let outer = match reserve.outer {
            None => None,
            Some(outer) => match self.check_inside(outer, &reserve.target) {
                Ok(outer) => Some(outer),
                Err(_) => return Vec::new(),
            },
        };
        let demand = Demand::to_reserve(reserve, outer);
        let fit = self.check_target(demand.target).ok().and_then(|()| demand.fit(demand.floor()));
        let Some(least) = fit else { return Vec::new() };
        let mut needs = Vec::new();
        self.each_needed(&demand, &least, |id, counter, needed| {
            if counter.is_per_call() {
                return; // no other call is in the way of this one
            }
            let is_in_the_way = needed > self.room(counter, now, demand.wrap_up);
            let room_at = is_in_the_way.then(|| self.room_at(now, counter, needed, demand.wrap_up));
            let room_at = room_at.flatten();
            let ((account, limit), keeps_a_part) = (counter.about(), counter.wrap_up > 0);
            needs.push(Need { id, account, limit, keeps_a_part, is_in_the_way, room_at });
        });
        needs
    }

    /// When time alone will have made room in a limit.
    fn room_at(
        &self,
        now: Timestamp,
        counter: &Counter,
        needed: i128,
        wrap_up: bool,
    ) -> Option<Timestamp> {
        if let Span::Calendar(calendar) = &counter.span {
            let end = self.windows[calendar.window as usize].end;
            return (end != Timestamp::MAX).then_some(end);
        }
        let held = self.level(counter, now).held;
        counter.rolling_room_at(needed.saturating_add(held), counter.cap(wrap_up))
    }

    /// Law 2: every limit of the line, or none.
    #[inline]
    pub(crate) fn decide_reserve(
        &self,
        now: Timestamp,
        reserve: &Reserve,
    ) -> Result<Reserved, Rejection> {
        self.check_target(&reserve.target)?;
        let outer = match reserve.outer {
            None => None,
            Some(outer) => Some(self.check_inside(outer, &reserve.target)?),
        };
        let demand = Demand::to_reserve(reserve, outer);
        let fit = self.fit(now, &demand)?;
        if self.events >= Ledger::MAX_EVENTS {
            return Err(Rejection::Full);
        }
        Ok(Reserved {
            hold: self.holds.next_id().ok_or(Rejection::Full)?,
            target: reserve.target,
            amounts: fit.amounts,
            output_cap: fit.output_cap,
            wrap_up: reserve.wrap_up,
            outer: reserve.outer,
            moved: fit.moved,
            lease_until: reserve.lease_until,
        })
    }

    pub(crate) fn decide_grow(&self, now: Timestamp, grow: &Grow) -> Result<Grown, Rejection> {
        let hold = self.holds.open(grow.hold).ok_or(Rejection::NoSuchHold)?;
        let target = hold.target;
        if self.accounts.at(target.account.index).state != State::Open {
            return Err(Rejection::Closed);
        }
        self.check_not_frozen(&target)?;
        let demand = Demand {
            target: &target,
            outer: hold.outer.and_then(|outer| self.holds.open(outer)),
            bound: &grow.bound,
            wrap_up: grow.wrap_up,
            before: hold.total().cost,
            requests: 0,
            in_flight: 0,
        };
        let fit = self.fit(now, &demand)?;
        if !(hold.total() + fit.amounts).is_possible() {
            return Err(Rejection::Impossible);
        }
        if self.events >= Ledger::MAX_EVENTS {
            return Err(Rejection::Full);
        }
        Ok(Grown {
            hold: grow.hold,
            amounts: fit.amounts,
            output_cap: fit.output_cap,
            wrap_up: grow.wrap_up,
            moved: fit.moved,
        })
    }

    /// The accounts take calls, and the tags are tags of different trees.
    #[inline]
    pub(super) fn check_target(&self, target: &Target) -> Result<(), Rejection> {
        self.check_accounts(target)?;
        let open = |id: &AccountId| self.accounts.at(id.index).state == State::Open;
        if !open(&target.account) {
            return Err(Rejection::Closed);
        }
        self.check_not_frozen(target)
    }

    /// The account is there, in the main tree, and the tags are tags of different trees.
    #[inline]
    pub(super) fn check_accounts(&self, target: &Target) -> Result<(), Rejection> {
        let account = self.accounts.get(target.account).ok_or(Rejection::Closed)?;
        if account.tree != AccountId::ROOT.index {
            return Err(Rejection::BadTags);
        }
        let tags = target.tags.as_slice();
        for (index, tag) in tags.iter().enumerate() {
            let own = self.accounts.get(*tag).ok_or(Rejection::NoSuchTag)?.tree;
            let mut others = tags[..index].iter().map(|id| self.accounts.at(id.index).tree);
            if own == AccountId::ROOT.index || others.any(|other| other == own) {
                return Err(Rejection::BadTags);
            }
        }
        Ok(())
    }

    #[inline]
    fn check_not_frozen(&self, target: &Target) -> Result<(), Rejection> {
        for index in Ledger::charged(target) {
            let frozen_by = self.accounts.at(index).frozen_by;
            if frozen_by != super::NONE {
                let frozen = self.accounts.at(frozen_by);
                let why = frozen.frozen_why.clone().unwrap_or_default();
                return Err(Rejection::Frozen { account: frozen.path.clone(), why });
            }
        }
        Ok(())
    }

    /// The call as it was asked for, or with a shorter output, if it fits.
    #[inline]
    fn fit(&self, now: Timestamp, demand: &Demand<'_>) -> Result<SizedDemand, Rejection> {
        let fit = demand.fit(demand.bound.cap).ok_or(Rejection::Impossible)?;
        if self.fits(now, demand, &fit) { Ok(fit) } else { self.shorten_or_refuse(now, demand) }
    }

    /// True if no limit of the path is in the way of a call that stands alone.
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
        let epoch = self.window_epoch;
        let mut path = Ancestors::of(target);
        while let Some(account) = path.next(&self.accounts) {
            let is_fast = account.fits_fast(epoch, amounts.cost);
            let limits = if is_fast { &account.counting } else { &account.all_limits };
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
            || counter.fits_fast(self.window_epoch, now, needed)
            || needed <= self.room(counter, now, wrap_up)
    }

    /// True if no limit of the line is in the way.
    fn fits(&self, now: Timestamp, demand: &Demand<'_>, fit: &SizedDemand) -> bool {
        if fit.moved.is_empty() && (demand.before == 0 || self.per_call == 0) {
            return self.has_room(now, demand.target, &fit.amounts, demand.wrap_up);
        }
        self.limits_along(Ancestors::of(demand.target)).all(|(_, counter)| {
            let needed = self.needed_beside_outer(demand, fit, counter);
            self.has_room_in(counter, now, demand.target.model, needed, demand.wrap_up)
        })
    }

    #[cold]
    #[inline(never)]
    fn shorten_or_refuse(
        &self,
        now: Timestamp,
        demand: &Demand<'_>,
    ) -> Result<SizedDemand, Rejection> {
        let longest = self.longest_output(now, demand);
        match longest {
            Some(fit) if fit.output_cap >= demand.floor() => Ok(fit),
            longest => {
                let longest = longest.map_or(0, |fit| fit.output_cap);
                let max_output = (longest > 0).then_some(longest);
                Err(Rejection::Blocked(self.refusal(now, demand, max_output)?))
            }
        }
    }

    /// The longest output that fits every limit, shorter than what was asked for: found by
    /// halving, because what a call needs only grows with its output.
    fn longest_output(&self, now: Timestamp, demand: &Demand<'_>) -> Option<SizedDemand> {
        if demand.bound.cap == 0 {
            return None;
        }
        let fit = |cap| demand.fit(cap).filter(|fit| self.fits(now, demand, fit));
        let mut best = fit(0)?;
        let (mut fits, mut too_long) = (0, demand.bound.cap);
        while too_long - fits > 1 {
            let middle = fits + (too_long - fits) / 2;
            match fit(middle) {
                Some(found) => (best, fits) = (found, middle),
                None => too_long = middle,
            }
        }
        Some(best)
    }

    /// Of the limits that are in the way, the one that stays so longest.
    fn refusal(
        &self,
        now: Timestamp,
        demand: &Demand<'_>,
        max_output_tokens: Option<u64>,
    ) -> Result<Box<Denied>, Rejection> {
        let least = demand.fit(demand.floor()).ok_or(Rejection::Impossible)?;
        let mut worst: Option<(Retry, &Counter, i128)> = None;
        self.each_needed(demand, &least, |_, counter, needed| {
            if needed > self.room(counter, now, demand.wrap_up) {
                let retry = self.retry(now, counter, needed, demand.wrap_up);
                if worst.is_none_or(|(worst, ..)| retry > worst) {
                    worst = Some((retry, counter, needed));
                }
            }
        });
        let (retry, counter, needed) = worst.ok_or(Rejection::Impossible)?;
        let (account, limit) = counter.about();
        let quantity = |value| limit.measure().quantity(value);
        let (level, room) = (self.level(counter, now), self.room(counter, now, demand.wrap_up));
        let asked = if counter.is_per_call() {
            demand.whole_cost(&least.amounts)
        } else {
            counter.of(&least.amounts)
        };
        let from_outer = asked.saturating_sub(needed);
        Ok(Box::new(Denied {
            asked_by: self.accounts.at(demand.target.account.index).path.clone(),
            account: account.clone(),
            limit: Arc::clone(limit),
            asked: quantity(asked),
            from_outer: self.is_short(demand, counter).then(|| quantity(from_outer)),
            spent: quantity(level.spent),
            held: quantity(level.held),
            available: quantity(room.saturating_add(from_outer)),
            retry,
            max_output_tokens,
            assumed_output_tokens: None,
            at: now,
        }))
    }

    /// Looks at the limits that can be in the way of a call, each with what it needs of it: more than
    /// nothing.
    #[inline]
    fn each_needed<'a>(
        &'a self,
        demand: &Demand<'_>,
        fit: &SizedDemand,
        mut look: impl FnMut(LimitId, &'a Counter, i128),
    ) {
        let mut path = Ancestors::of(demand.target);
        while let Some(account) = path.next(&self.accounts) {
            for limit in &account.all_limits {
                let Some(counter) = self.counter(*limit) else { continue };
                if counter.observe || !self.filter_lets_through(counter, demand.target.model) {
                    continue;
                }
                let needed = self.needed_beside_outer(demand, fit, counter);
                if needed > 0 {
                    look(LimitId(*limit), counter, needed);
                }
            }
        }
    }

    fn retry(&self, now: Timestamp, counter: &Counter, asked: i128, wrap_up: bool) -> Retry {
        let cap = counter.cap(wrap_up);
        let level = self.level(counter, now);
        if asked > cap {
            return Retry::Never;
        }
        if level.spent.saturating_add(asked) <= cap {
            return Retry::WhenHoldsEnd;
        }
        match &counter.span {
            Span::Lifetime => Retry::Never,
            Span::Calendar(own) => match self.windows[own.window as usize].end {
                Timestamp::MAX => Retry::Never,
                end => Retry::At(end),
            },
            Span::Rolling(_) => {
                counter.rolling_room_at(asked, cap).map_or(Retry::WhenHoldsEnd, Retry::At)
            }
        }
    }

    /// Puts a new hold of one part in its place, all along its path.
    #[inline(always)]
    pub(super) fn hold_alone(
        &mut self,
        hold: HoldId,
        target: &Target,
        part: &Part,
        lease_until: Timestamp,
        notify: Notify,
    ) {
        self.hold(target, part, notify);
        self.one_hold_more(target);
        self.holds.insert(hold, target, part, lease_until);
    }

    #[inline]
    pub(crate) fn apply_reserved(&mut self, at: Timestamp, reserved: &Reserved) {
        self.step(at);
        let notify = Notify::of(reserved.wrap_up);
        let first = Part { at, amounts: reserved.amounts, depth: 0 };
        let Reserved { hold, target, lease_until, .. } = reserved;
        match reserved.outer {
            None => self.hold_alone(*hold, target, &first, *lease_until, notify),
            Some(outer) => self.hold_inside(outer, reserved, at, notify),
        }
        if self.per_call > 0 {
            self.watch_held(target, reserved.amounts.cost);
        }
    }

    pub(crate) fn apply_grown(&mut self, at: Timestamp, grown: &Grown) {
        self.step(at);
        let hold = self.holds.at(grown.hold);
        let (target, notify) = (hold.target, Notify::of(grown.wrap_up));
        let amounts = excess(grown.amounts, &grown.moved);
        let own = Part { at, amounts, depth: 0 };
        match hold.outer.filter(|_| !grown.moved.is_empty()) {
            None => self.hold(&target, &own, notify),
            Some(outer) => self.transfer(outer, &target, &own, &grown.moved, notify),
        }
        for part in grown.moved.iter().chain([&own]).filter(|part| !part.amounts.is_none()) {
            self.holds.at_mut(grown.hold).add(*part);
        }
        if self.per_call > 0 && grown.amounts.cost > 0 {
            self.watch_held(&target, self.holds.at(grown.hold).total().cost);
        }
    }
}
