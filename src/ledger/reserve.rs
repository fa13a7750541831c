//! Owns reserving: whether a call fits every limit of its line, how short its output must be, what
//! it takes out of an outer hold, and what a refusal says.

use std::sync::Arc;

use super::CostBound;
use super::accounts::{Climb, State};
use super::amounts::Amounts;
use super::command::{Grow, Grown, Rejection, Reserve, Reserved, Retry, Target};
use super::counter::{Counter, Place, Span};
use super::denied::Denied;
use super::holds::{Hold, Part};
use super::limit::Limit;
use super::lines::{Tell, excess, taken_from};
use super::path::Path;
use super::{AccountId, HoldId, Ledger, LimitId};
use crate::clock::Timestamp;

/// A call that wants in.
struct Want<'a> {
    target: &'a Target,
    /// The hold that it may take from.
    outer: Option<&'a Hold>,
    bound: &'a CostBound,
    wrap_up: bool,
    /// What the call holds already, in picodollars, if it is to grow.
    before: i128,
    /// Counts as a request; an outermost call counts as one in flight too.
    requests: u32,
    in_flight: u32,
}

impl<'a> Want<'a> {
    #[inline]
    fn to_reserve(reserve: &'a Reserve, outer: Option<&'a Hold>) -> Want<'a> {
        Want {
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
    fn whole_cost(&self, amounts: &Amounts) -> i128 {
        if amounts.cost == 0 { 0 } else { self.before.saturating_add(amounts.cost) }
    }

    /// What the call asks for with this output cap, and what of it the outer hold gives; `None`
    /// if it is more than one charge can be.
    #[inline]
    fn fit(&self, output_cap: u64) -> Option<Fit> {
        let mut amounts = self.bound.amounts(output_cap)?;
        (amounts.requests, amounts.in_flight) = (self.requests, self.in_flight);
        let moved = self.outer.map_or_else(Vec::new, |outer| taken_from(outer, &amounts));
        Some(Fit { output_cap, amounts, moved })
    }
}

/// What a call asks for with some output cap.
struct Fit {
    output_cap: u64,
    amounts: Amounts,
    /// The part of it that comes out of the outer hold.
    moved: Vec<Part>,
}

impl Fit {
    /// What does not come out of the outer hold.
    fn excess(&self) -> Amounts {
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
    /// When enough of a rolling period will have gone by that it has, even if no hold ends.
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
        let want = Want::to_reserve(reserve, outer);
        let fit = self.check_target(want.target).ok().and_then(|()| want.fit(want.floor()));
        let Some(least) = fit else { return Vec::new() };
        let mut needs = Vec::new();
        self.each_needed(&want, &least, |id, counter, needed| {
            if counter.is_per_call() {
                return; // no other call is in the way of this one
            }
            let is_in_the_way = needed > self.room(counter, now, want.wrap_up);
            let room_at = match is_in_the_way {
                true => self.rolling_room_at(now, counter, needed, want.wrap_up),
                false => None,
            };
            let ((account, limit), keeps_a_part) = (counter.about(), counter.wrap_up > 0);
            needs.push(Need { id, account, limit, keeps_a_part, is_in_the_way, room_at });
        });
        needs
    }

    fn rolling_room_at(
        &self,
        now: Timestamp,
        counter: &Counter,
        needed: i128,
        wrap_up: bool,
    ) -> Option<Timestamp> {
        let Span::Rolling(span) = counter.span else { return None };
        let kept = if wrap_up { 0 } else { counter.wrap_up };
        let held = self.level(counter, now).held;
        counter.rolling_room_at(
            span,
            needed.saturating_add(held),
            counter.amount.saturating_sub(kept),
        )
    }

    /// What an open hold holds without what its inner calls have taken out of it; `None` once it is
    /// over.
    pub(crate) fn left_of(&self, hold: HoldId) -> Option<Amounts> {
        self.holds.open(hold).map(Hold::total)
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
        let want = Want::to_reserve(reserve, outer);
        let fit = self.fit(now, &want)?;
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
        let want = Want {
            target: &target,
            outer: hold.outer.and_then(|outer| self.holds.open(outer)),
            bound: &grow.bound,
            wrap_up: grow.wrap_up,
            before: hold.total().cost,
            requests: 0,
            in_flight: 0,
        };
        let fit = self.fit(now, &want)?;
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

    fn check_inside(&self, outer: HoldId, target: &Target) -> Result<&Hold, Rejection> {
        let outer = self.holds.open(outer).ok_or(Rejection::NoSuchHold)?;
        let mut line = self.accounts.upward(target.account.index);
        let inside = line.any(|index| index == outer.target.account.index);
        let tags = outer.target.tags.as_slice();
        if !inside || !tags.iter().all(|tag| target.tags.as_slice().contains(tag)) {
            return Err(Rejection::NotInside);
        }
        Ok(outer)
    }

    /// The call as it was asked for, or with a shorter output, if it fits.
    #[inline]
    fn fit(&self, now: Timestamp, want: &Want<'_>) -> Result<Fit, Rejection> {
        let fit = want.fit(want.bound.cap).ok_or(Rejection::Impossible)?;
        if self.fits(now, want, &fit) { Ok(fit) } else { self.shorten_or_refuse(now, want) }
    }

    /// True if no limit of the line is in the way.
    fn fits(&self, now: Timestamp, want: &Want<'_>, fit: &Fit) -> bool {
        if fit.moved.is_empty() && (want.before == 0 || self.per_call == 0) {
            return self.has_room(now, want.target, &fit.amounts, want.wrap_up);
        }
        Ledger::charged(want.target).all(|charged| {
            self.limits_along(charged).all(|(_, counter)| {
                let needed = self.needed_beside_outer(want, fit, counter);
                self.has_room_in(counter, now, want.target.model, needed, want.wrap_up)
            })
        })
    }

    /// What an inner call needs of a limit: what comes out of the outer hold is free where the
    /// limit counts it already, and belongs to the window that it was reserved in.
    fn needed_beside_outer(&self, want: &Want<'_>, fit: &Fit, counter: &Counter) -> i128 {
        if counter.is_per_call() {
            return want.whole_cost(&fit.amounts);
        }
        let Some(outer) = want.outer else { return counter.of(&fit.amounts) };
        let excess = counter.of(&fit.excess());
        if self.covers(outer, counter) {
            return excess;
        }
        let now = |part: &&Part| counter.place(&self.windows, part.at) == Place::Current;
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

    #[cold]
    #[inline(never)]
    fn shorten_or_refuse(&self, now: Timestamp, want: &Want<'_>) -> Result<Fit, Rejection> {
        let longest = self.longest_output(now, want);
        match longest {
            Some(fit) if fit.output_cap >= want.floor() => Ok(fit),
            longest => {
                let longest = longest.map_or(0, |fit| fit.output_cap);
                let max_output = (longest > 0).then_some(longest);
                Err(Rejection::Blocked(self.refusal(now, want, max_output)?))
            }
        }
    }

    /// The longest output that fits every limit, shorter than what was asked for: found by
    /// halving, because what a call needs only grows with its output.
    fn longest_output(&self, now: Timestamp, want: &Want<'_>) -> Option<Fit> {
        if want.bound.cap == 0 {
            return None;
        }
        let fit = |cap| want.fit(cap).filter(|fit| self.fits(now, want, fit));
        let mut best = fit(0)?;
        let (mut fits, mut too_long) = (0, want.bound.cap);
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
        want: &Want<'_>,
        max_output_tokens: Option<u64>,
    ) -> Result<Box<Denied>, Rejection> {
        let least = want.fit(want.floor()).ok_or(Rejection::Impossible)?;
        let mut worst: Option<(Retry, &Counter, i128)> = None;
        self.each_needed(want, &least, |_, counter, needed| {
            if needed > self.room(counter, now, want.wrap_up) {
                let retry = self.retry(now, counter, needed, want.wrap_up);
                if worst.is_none_or(|(worst, ..)| retry > worst) {
                    worst = Some((retry, counter, needed));
                }
            }
        });
        let (retry, counter, needed) = worst.ok_or(Rejection::Impossible)?;
        let (account, limit) = counter.about();
        let quantity = |value| limit.measure().quantity(value);
        let (level, room) = (self.level(counter, now), self.room(counter, now, want.wrap_up));
        let asked = match counter.is_per_call() {
            true => want.whole_cost(&least.amounts),
            false => counter.of(&least.amounts),
        };
        let from_outer = asked.saturating_sub(needed);
        Ok(Box::new(Denied {
            asked_by: self.accounts.at(want.target.account.index).path.clone(),
            account: account.clone(),
            limit: Arc::clone(limit),
            asked: quantity(asked),
            from_outer: self.is_short(want, counter).then(|| quantity(from_outer)),
            spent: quantity(level.spent),
            held: quantity(level.held),
            available: quantity(room.saturating_add(from_outer)),
            retry,
            max_output_tokens,
            assumed_output_tokens: None,
            at: now,
        }))
    }

    /// True if the call is inside another whose hold a limit counts: if that were larger, the limit
    /// would not be in the way.
    fn is_short(&self, want: &Want<'_>, counter: &Counter) -> bool {
        !counter.is_per_call() && want.outer.is_some_and(|outer| self.covers(outer, counter))
    }

    /// Looks at the limits that can be in the way of a call, each with what it needs of it: more than
    /// nothing.
    #[inline]
    fn each_needed<'a>(
        &'a self,
        want: &Want<'_>,
        fit: &Fit,
        mut look: impl FnMut(LimitId, &'a Counter, i128),
    ) {
        let mut climb = Climb::from(want.target);
        while let Some(account) = self.accounts.next_of(&mut climb) {
            for limit in &account.own_limits {
                let Some(counter) = self.counter(*limit) else { continue };
                if counter.observe || !self.filter_lets_through(counter, want.target.model) {
                    continue;
                }
                let needed = self.needed_beside_outer(want, fit, counter);
                if needed > 0 {
                    look(LimitId(*limit), counter, needed);
                }
            }
        }
    }

    fn retry(&self, now: Timestamp, counter: &Counter, asked: i128, wrap_up: bool) -> Retry {
        let kept = if wrap_up { 0 } else { counter.wrap_up };
        let cap = counter.amount.saturating_sub(kept);
        let level = self.level(counter, now);
        if asked > cap {
            return Retry::Never;
        }
        if level.spent.saturating_add(asked) <= cap {
            return Retry::WhenHoldsEnd;
        }
        match counter.span {
            Span::Lifetime => Retry::Never,
            Span::Calendar(window) => match self.windows[window as usize].end {
                Timestamp::MAX => Retry::Never,
                end => Retry::At(end),
            },
            Span::Rolling(span) => {
                counter.rolling_room_at(span, asked, cap).map_or(Retry::WhenHoldsEnd, Retry::At)
            }
        }
    }

    #[inline]
    pub(crate) fn apply_reserved(&mut self, at: Timestamp, reserved: &Reserved) {
        self.step(at);
        let tell = Tell::of(reserved.wrap_up);
        let mut first = Part { at, amounts: reserved.amounts, depth: 0 };
        let Reserved { hold, target, lease_until, .. } = reserved;
        let Some(outer) = reserved.outer else {
            self.hold_alone(*hold, target, &first, *lease_until, tell);
            if self.per_call > 0 {
                self.watch_held(target, reserved.amounts.cost);
            }
            return;
        };
        self.one_hold_more(target);
        first.amounts = excess(reserved.amounts, &reserved.moved);
        self.transfer(outer, target, &first, &reserved.moved, tell);
        let giver = self.holds.at(outer);
        let beyond = giver.outer.iter().chain(&giver.beyond).copied().collect();
        let hold = self.holds.insert(*hold, target, &first, *lease_until);
        (hold.outer, hold.beyond) = (Some(outer), beyond);
        hold.more.clone_from(&reserved.moved);
        if self.per_call > 0 {
            self.watch_held(target, reserved.amounts.cost);
        }
    }

    pub(crate) fn apply_grown(&mut self, at: Timestamp, grown: &Grown) {
        self.step(at);
        let hold = self.holds.at(grown.hold);
        let (target, tell) = (hold.target, Tell::of(grown.wrap_up));
        let amounts = excess(grown.amounts, &grown.moved);
        let own = Part { at, amounts, depth: 0 };
        match hold.outer.filter(|_| !grown.moved.is_empty()) {
            None => self.hold(&target, &own, tell),
            Some(outer) => self.transfer(outer, &target, &own, &grown.moved, tell),
        }
        for part in grown.moved.iter().chain([&own]).filter(|part| !part.amounts.is_none()) {
            self.holds.at_mut(grown.hold).add(*part);
        }
        if self.per_call > 0 && grown.amounts.cost > 0 {
            self.watch_held(&target, self.holds.at(grown.hold).total().cost);
        }
    }
}
