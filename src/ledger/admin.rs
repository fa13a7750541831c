//! Owns what happens between calls: accounts opened, closed and folded, limits set and lifted,
//! windows opened and rolled, freezing and thawing, leases, savings.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::sync::Arc;

use super::accounts::{NONE, State};
use super::amounts::{Amounts, Measure};
use super::command::{Change, Command, LimitChange, Rejection};
use super::counter::{Counter, Span, Window};
use super::limit::{Limit, Period};
use super::path::{Path, Scope};
use super::{AccountId, Filter, Ledger, LimitId, ModelId, Rule, WindowId};
use crate::calendar::{CalendarUnit, Zone};
use crate::clock::Timestamp;

impl Ledger {
    pub(crate) fn decide_admin(
        &self,
        now: Timestamp,
        command: &Command,
    ) -> Result<Change, Rejection> {
        match command {
            Command::OpenAccount { path } => self.decide_open(path),
            Command::NameModel { name } => self.decide_name(name),
            Command::OpenWindow { unit, zone, bounds } => {
                if self.window(*unit, zone).is_some() {
                    return Err(Rejection::Exists);
                }
                check_bounds(*bounds, now)?;
                let window = WindowId(index_of(self.windows.len())?);
                Ok(Change::WindowOpened {
                    window,
                    unit: *unit,
                    zone: zone.clone(),
                    bounds: *bounds,
                })
            }
            Command::RollWindow { window, bounds } => {
                let old = self.windows.get(window.0 as usize).ok_or(Rejection::NoSuchWindow)?;
                check_bounds(*bounds, now)?;
                if old.end > now {
                    return Err(Rejection::NoSuchWindow);
                }
                // Forward only, even if the rules of the zone have changed since.
                let bounds = (bounds.0.max(old.end), bounds.1);
                Ok(Change::WindowRolled { window: *window, bounds })
            }
            Command::SetLimit { scope, limit } => self.decide_limit(scope, limit),
            Command::LiftLimit { scope, limit } => {
                let rule = self.rule(scope, limit).ok_or(Rejection::NoSuchLimit)?;
                Ok(Change::LimitLifted { rule })
            }
            Command::Freeze { account, why } => {
                self.accounts.get(*account).ok_or(Rejection::Closed)?;
                Ok(Change::Frozen { account: *account, why: Arc::clone(why) })
            }
            Command::Thaw { account } => {
                self.accounts.get(*account).ok_or(Rejection::Closed)?;
                Ok(Change::Thawed { account: *account })
            }
            Command::Close { account } => {
                let node = self.accounts.get(*account).ok_or(Rejection::Closed)?;
                match node.parent == NONE || node.path.is_tag() {
                    true => Err(Rejection::NotClosable),
                    false => Ok(Change::Closed { account: *account }),
                }
            }
            Command::Expire { hold } => {
                Ok(Change::Expired { hold: self.decide_expire(now, *hold)? })
            }
            Command::Renew { hold, lease_until } => {
                self.holds.open(*hold).ok_or(Rejection::NoSuchHold)?;
                Ok(Change::Renewed { hold: *hold, lease_until: *lease_until })
            }
            Command::Save { account, saved } => {
                self.accounts.get(*account).ok_or(Rejection::Closed)?;
                match (0..=Amounts::MAX_COST).contains(saved) {
                    true => Ok(Change::Saved { account: *account, saved: *saved }),
                    false => Err(Rejection::Impossible),
                }
            }
            // `decide` deals with these itself.
            Command::Reserve(_)
            | Command::Grow(_)
            | Command::Settle(_)
            | Command::Release { .. }
            | Command::Record(_) => Err(Rejection::Impossible),
        }
    }

    pub(crate) fn apply_admin(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::Expired { hold } => return self.apply_expired(at, *hold),
            Change::LimitSet(change) => {
                self.step(at);
                return self.apply_limit(change);
            }
            _ => self.step(at),
        }
        match change {
            Change::Opened { account, path, parent } => {
                let parent = parent.map_or(NONE, |parent| parent.index);
                self.accounts.insert(*account, path.clone(), parent);
                self.limit_new_account(account.index);
            }
            Change::ModelNamed { model, name } => {
                self.models.push(Arc::clone(name));
                self.model_ids.insert(Arc::clone(name), *model);
                for filter in &mut self.filters {
                    filter.matches.push(filter.pattern.matches(name));
                }
            }
            Change::WindowOpened { unit, zone, bounds, .. } => {
                let (start, end) = *bounds;
                let (unit, zone, number) = (*unit, zone.clone(), 0);
                let window = Window { unit, zone, number, start, end, previous_start: start };
                self.windows.push(window);
                self.find_next_roll();
            }
            Change::WindowRolled { window, bounds } => {
                self.windows[window.0 as usize].roll(bounds.0, bounds.1);
                self.find_next_roll();
            }
            Change::LimitLifted { rule } => self.lift(*rule),
            Change::Frozen { account, why } => {
                self.accounts.at_mut(account.index).frozen_why = Some(Arc::clone(why));
                self.spread_frost(account.index);
            }
            Change::Thawed { account } => {
                self.accounts.at_mut(account.index).frozen_why = None;
                self.spread_frost(account.index);
            }
            Change::Closed { account } => self.close(account.index),
            Change::Renewed { hold, lease_until } => self.holds.renew(*hold, *lease_until),
            Change::Saved { account, saved } => {
                self.accounts.at_mut(account.index).saved += saved;
            }
            _ => {}
        }
    }

    fn decide_open(&self, path: &Path) -> Result<Change, Rejection> {
        if self.accounts.find(path.as_str()).is_some() {
            return Err(Rejection::Exists);
        }
        let parent = match path.parent() {
            None => None,
            Some(above) => {
                let parent = self.accounts.find(above.as_str()).ok_or(Rejection::NoParent)?;
                match self.accounts.at(parent.index).state {
                    State::Open => Some(parent),
                    _ => return Err(Rejection::Closed),
                }
            }
        };
        let account = self.accounts.next_id().ok_or(Rejection::Full)?;
        Ok(Change::Opened { account, path: path.clone(), parent })
    }

    fn decide_name(&self, name: &Arc<str>) -> Result<Change, Rejection> {
        if self.model_ids.contains_key(name) {
            return Err(Rejection::Exists);
        }
        let model = ModelId(index_of(self.models.len())?);
        Ok(Change::ModelNamed { model, name: Arc::clone(name) })
    }

    fn decide_limit(&self, scope: &Scope, limit: &Limit) -> Result<Change, Rejection> {
        limit.check()?;
        if self.span(limit).is_none() {
            return Err(Rejection::NoSuchWindow);
        }
        let rule = match self.rule(scope, limit) {
            Some(rule) => rule,
            None => index_of(self.rules.len())?,
        };
        let (scope, limit) = (scope.clone(), limit.clone());
        Ok(Change::LimitSet(Box::new(LimitChange { rule, scope, limit })))
    }

    /// The place of the rule for the same accounts, measure, period and models.
    pub(super) fn rule(&self, scope: &Scope, limit: &Limit) -> Option<u32> {
        let same = |rule: &Rule| rule.scope == *scope && rule.limit.same_identity(limit);
        let place = self.rules.iter().position(|rule| rule.as_ref().is_some_and(same))?;
        u32::try_from(place).ok()
    }

    /// The shared window of that unit and zone.
    pub(crate) fn window(&self, unit: CalendarUnit, zone: &Zone) -> Option<WindowId> {
        let same = |window: &Window| window.unit == unit && window.zone == *zone;
        let place = self.windows.iter().position(same)?;
        u32::try_from(place).ok().map(WindowId)
    }

    fn span(&self, limit: &Limit) -> Option<Span> {
        Span::of(&limit.period, || match &limit.period {
            Period::Calendar(unit, zone) => self.window(*unit, zone).map(|window| window.0),
            _ => None,
        })
    }

    fn find_next_roll(&mut self) {
        let ends = self.windows.iter().map(|window| window.end);
        self.next_roll = ends.min().unwrap_or(Timestamp::MAX);
    }

    fn apply_limit(&mut self, change: &LimitChange) {
        let filter = self.filter_for(&change.limit);
        let (scope, limit) = (change.scope.clone(), Arc::new(change.limit.clone()));
        let rule = Some(Rule { scope, limit: Arc::clone(&limit), filter });
        match self.rules.get_mut(change.rule as usize) {
            Some(old) => {
                *old = rule;
                self.change_counters(change.rule, &limit);
            }
            None => {
                self.rules.push(rule);
                let accounts = self.accounts.iter();
                let meant = accounts.filter(|(_, account)| change.scope.matches(&account.path));
                let meant: Vec<u32> = meant.map(|(index, _)| index).collect();
                for account in meant {
                    self.add_counter(change.rule, account);
                    self.accounts.rebuild_lines(account);
                }
            }
        }
    }

    fn change_counters(&mut self, rule: u32, limit: &Arc<Limit>) {
        let Ledger { counters, windows, notices, now, .. } = self;
        for (index, counter) in (0..).zip(counters) {
            let Some(counter) = counter.as_mut().filter(|own| own.rule == rule) else {
                continue;
            };
            counter.advance(windows, *now);
            counter.change(limit);
            counter.notice(LimitId(index), *now, false, notices);
        }
    }

    fn filter_for(&mut self, limit: &Limit) -> u32 {
        let Some(pattern) = &limit.only_model else { return Counter::NO_FILTER };
        let known = self.filters.iter().position(|filter| filter.pattern == *pattern);
        let place = known.unwrap_or_else(|| {
            // Number 0 is no model, which no pattern means.
            let named = self.models.iter().skip(1).map(|name| pattern.matches(name));
            let matches = std::iter::once(false).chain(named).collect();
            self.filters.push(Filter { pattern: pattern.clone(), matches });
            self.filters.len() - 1
        });
        u32::try_from(place).unwrap_or(Counter::NO_FILTER)
    }

    /// Gives a new account the counters of all rules that mean it.
    fn limit_new_account(&mut self, account: u32) {
        let path = &self.accounts.at(account).path;
        let rules = (0..).zip(&self.rules);
        let meant = |rule: &Option<Rule>| rule.as_ref().is_some_and(|r| r.scope.matches(path));
        let meant: Vec<u32> = rules.filter(|(_, rule)| meant(rule)).map(|(at, _)| at).collect();
        for rule in &meant {
            self.add_counter(*rule, account);
        }
        if !meant.is_empty() {
            self.accounts.rebuild_lines(account);
        }
    }

    /// Starts a counter: from the account's totals if it counts the whole lifetime and every
    /// model, else from nothing, unless the limit says with what to open; open holds count.
    fn add_counter(&mut self, rule: u32, account: u32) {
        let Some(Some(Rule { limit, filter, .. })) = self.rules.get(rule as usize) else { return };
        let Some(span) = self.span(limit) else { return };
        let path = self.accounts.at(account).path.clone();
        let mut counter = Counter::new(limit, span, *filter, rule, account, path);
        counter.start_in(&self.windows);
        let totals = match (span, *filter) {
            (Span::Lifetime, Counter::NO_FILTER) => self.total_of(account, limit.measure),
            _ => 0,
        };
        let spent = limit.opening.map_or(totals, |opening| opening.value());
        counter.opening_gap = spent - totals;
        let from_totals = span == Span::Lifetime && *filter == Counter::NO_FILTER;
        counter.since = if from_totals && limit.opening.is_none() { 0 } else { self.events };
        counter.open_with(spent, self.now);
        for (charged, part, model) in self.held_parts() {
            if self.is_above(account, charged) && self.filter_lets_through(&counter, model) {
                let place = counter.place(&self.windows, part.at);
                counter.hold(place, counter.of(&part.amounts));
            }
        }
        let place = match self.free_counters.pop() {
            Some(place) => place,
            None => {
                self.counters.push(None);
                u32::try_from(self.counters.len() - 1).unwrap_or(u32::MAX)
            }
        };
        counter.notice(LimitId(place), self.now, false, &mut self.notices);
        self.counters[place as usize] = Some(counter);
        self.accounts.at_mut(account).own_limits.push(place);
    }

    /// Everything held: each part with the account it is charged to, and the model.
    pub(super) fn held_parts(
        &self,
    ) -> impl Iterator<Item = (u32, &super::holds::Part, ModelId)> + '_ {
        let open = self.holds.iter().filter(|(id, _)| self.holds.open(*id).is_some());
        open.flat_map(|(_, hold)| {
            let charged = std::iter::once(&hold.account).chain(hold.tags.as_slice());
            charged.flat_map(|id| hold.parts().map(|part| (id.index, part, hold.model)))
        })
    }

    /// True if `above` is the account, or lies above it.
    pub(super) fn is_above(&self, above: u32, account: u32) -> bool {
        self.accounts.upward(account).any(|index| index == above)
    }

    /// What an account and all below it have spent in a measure.
    pub(super) fn total_of(&self, account: u32, measure: Measure) -> i128 {
        if measure == Measure::Cost {
            return self.accounts.at(account).balance.spent;
        }
        let accounts = self.accounts.downward(account);
        let totals = accounts.iter().flat_map(|index| &self.accounts.at(*index).totals);
        totals.map(|(_, totals)| totals.of(measure)).sum()
    }

    fn lift(&mut self, rule: u32) {
        self.rules[rule as usize] = None;
        let mut touched = Vec::new();
        for (place, slot) in (0..).zip(&mut self.counters) {
            if let Some(counter) = slot.take_if(|counter| counter.rule == rule) {
                touched.push((place, counter.account));
            }
        }
        for (place, account) in touched {
            self.free_counters.push(place);
            self.accounts.at_mut(account).own_limits.retain(|own| *own != place);
            self.accounts.rebuild_lines(account);
        }
    }

    /// Says anew, for an account and all below it, who has frozen them.
    fn spread_frost(&mut self, account: u32) {
        for index in self.accounts.downward(account) {
            let node = self.accounts.at(index);
            let above = match node.parent {
                NONE => NONE,
                parent => self.accounts.at(parent).frozen_by,
            };
            let frozen_by = match (above, &node.frozen_why) {
                (NONE, Some(_)) => index,
                (above, _) => above,
            };
            self.accounts.at_mut(index).frozen_by = frozen_by;
        }
    }

    fn close(&mut self, account: u32) {
        let mut closing = self.accounts.downward(account);
        for index in &closing {
            self.accounts.at_mut(*index).state = State::Closing;
        }
        // The deepest first: each folds into one that is still there.
        closing.reverse();
        for index in closing {
            self.fold_upward(index);
        }
    }

    /// Folds an account that is closing and has come to its end into the one above, then that.
    pub(super) fn fold_upward(&mut self, account: u32) {
        let mut next = account;
        while next != NONE {
            let node = self.accounts.at(next);
            let ended = node.state == State::Closing && node.holds == 0 && node.children.is_empty();
            if !ended {
                return;
            }
            let parent = node.parent;
            self.fold(next, parent);
            next = parent;
        }
    }

    fn fold(&mut self, index: u32, parent: u32) {
        let (old, heir) = (self.accounts.id(index), self.accounts.id(parent));
        let gone = self.accounts.remove(index);
        for place in gone.own_limits {
            self.counters[place as usize] = None;
            self.free_counters.push(place);
        }
        let above = self.accounts.at_mut(parent);
        above.saved += gone.saved;
        for (model, totals) in &gone.totals {
            above.totals_of(*model).add(totals);
        }
        above.late += gone.late;
        if gone.late > 0 {
            self.holds.inherit(old, heir);
        }
    }

    /// The id of an account, by its path.
    pub fn find(&self, path: &str) -> Option<AccountId> {
        self.accounts.find(path)
    }

    /// The number of a model, by its name.
    pub fn find_model(&self, name: &str) -> Option<ModelId> {
        self.model_ids.get(name).copied()
    }
}

fn check_bounds(bounds: (Timestamp, Timestamp), now: Timestamp) -> Result<(), Rejection> {
    if bounds.0 <= now && now < bounds.1 { Ok(()) } else { Err(Rejection::NoSuchWindow) }
}

fn index_of(len: usize) -> Result<u32, Rejection> {
    u32::try_from(len).ok().filter(|index| *index < u32::MAX).ok_or(Rejection::Full)
}
