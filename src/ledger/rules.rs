//! Owns the limits as they were set: for which accounts each is, and the counters it has on them.
//!
//! The rule for one account is found by its path, and an account looks only at the patterns and
//! its own rules: thousands of runs with limits of their own do not slow each other down.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::admin::index_of;
use super::amounts::Measure;
use super::command::{Change, LimitChange, Rejection};
use super::counter::{Counter, Span};
use super::holds::Part;
use super::limit::{Limit, Period};
use super::path::{Path, Scope};
use super::{Filter, Ledger, LimitId, ModelId};

/// A limit as it was set, and what it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) scope: Scope,
    pub(super) limit: Arc<Limit>,
    filter: u32,
}

/// All rules by place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rules {
    slots: Vec<Option<Rule>>,
    free: Vec<u32>,
    by_scope: HashMap<Arc<str>, Vec<u32>>,
    patterns: Vec<u32>,
}

impl Rules {
    pub(super) fn get(&self, place: u32) -> Option<&Rule> {
        self.slots.get(place as usize)?.as_ref()
    }

    /// All rules in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Rule)> {
        (0..).zip(&self.slots).filter_map(|(place, rule)| Some((place, rule.as_ref()?)))
    }

    /// Recounts the ways to find a rule.
    pub(super) fn check(&self) -> Result<(), String> {
        let found = |place: u32, rule: &Rule| {
            let listed = self.patterns.contains(&place);
            self.find(&rule.scope, &rule.limit) == Some(place)
                && listed == rule.scope.as_path().is_none()
        };
        if let Some((place, rule)) = self.iter().find(|(place, rule)| !found(*place, rule)) {
            return Err(format!("rule {place} for `{}` is not found", rule.scope));
        }
        let (rules, listed) = (self.iter().count(), self.by_scope.values().flatten().count());
        if rules != listed || rules + self.free.len() != self.slots.len() {
            return Err(format!("{rules} rules, {listed} listed, {} free", self.free.len()));
        }
        Ok(())
    }

    /// The place of the rule for the same accounts, measure, period and models.
    fn find(&self, scope: &Scope, limit: &Limit) -> Option<u32> {
        let same = |place: &u32| self.get(*place).is_some_and(|r| r.limit.same_identity(limit));
        self.by_scope.get(scope.as_str())?.iter().copied().find(same)
    }

    /// The place that the next rule will have.
    fn next_place(&self) -> Result<u32, Rejection> {
        self.free.last().map_or_else(|| index_of(self.slots.len()), |place| Ok(*place))
    }

    /// Puts a rule in its place, which is that of `find` or of `next_place`; true if it is new.
    fn put(&mut self, place: u32, rule: Rule) -> bool {
        let (scope, pattern) = (rule.scope.as_str(), rule.scope.as_path().is_none());
        let new = self.get(place).is_none();
        if new {
            self.by_scope.entry(scope.into()).or_default().push(place);
            if pattern {
                self.patterns.push(place);
            }
            if self.free.pop().is_none() {
                self.slots.push(None);
            }
        }
        self.slots[place as usize] = Some(rule);
        new
    }

    fn remove(&mut self, place: u32) {
        let Some(rule) = self.slots[place as usize].take() else { return };
        if let Some(places) = self.by_scope.get_mut(rule.scope.as_str()) {
            places.retain(|own| *own != place);
            if places.is_empty() {
                self.by_scope.remove(rule.scope.as_str());
            }
        }
        self.patterns.retain(|own| *own != place);
        self.free.push(place);
    }

    /// The rules that mean an account, its own before those of patterns.
    fn for_account(&self, path: &Path) -> Vec<u32> {
        let own = self.by_scope.get(path.as_str()).into_iter().flatten();
        let meant = |place: &&u32| self.get(**place).is_some_and(|r| r.scope.matches(path));
        own.chain(self.patterns.iter().filter(meant)).copied().collect()
    }
}

impl Ledger {
    /// True if this very limit is set, amount and all.
    pub(crate) fn has_limit(&self, scope: &Scope, limit: &Limit) -> bool {
        let place = self.rules.find(scope, limit);
        place.and_then(|place| self.rules.get(place)).is_some_and(|rule| *rule.limit == *limit)
    }

    /// The limits that were set for an account, or for accounts below it, by its name.
    pub(crate) fn limits_by_name(&self, account: &Path) -> Vec<(Scope, Limit)> {
        let named = self.rules.iter().filter(|(_, rule)| rule.scope.is_within(account));
        named.map(|(_, rule)| (rule.scope.clone(), Limit::clone(&rule.limit))).collect()
    }

    pub(super) fn decide_limit(&self, scope: &Scope, limit: &Limit) -> Result<Change, Rejection> {
        limit.check()?;
        if self.span(limit).is_none() {
            return Err(Rejection::NoSuchWindow);
        }
        let rule = match self.rules.find(scope, limit) {
            Some(rule) => rule,
            None => self.rules.next_place()?,
        };
        let (scope, limit) = (scope.clone(), limit.clone());
        Ok(Change::LimitSet(Box::new(LimitChange { rule, scope, limit })))
    }

    pub(super) fn decide_lift(&self, scope: &Scope, limit: &Limit) -> Result<Change, Rejection> {
        let rule = self.rules.find(scope, limit).ok_or(Rejection::NoSuchLimit)?;
        Ok(Change::LimitLifted { rule })
    }

    pub(super) fn apply_limit(&mut self, change: &LimitChange) {
        let filter = self.filter_for(&change.limit);
        let (scope, limit) = (change.scope.clone(), Arc::new(change.limit.clone()));
        let rule = Rule { scope, limit: Arc::clone(&limit), filter };
        if !self.rules.put(change.rule, rule) {
            return self.change_counters(change.rule, &limit);
        }
        let meant: Vec<u32> = match change.scope.as_path() {
            Some(path) => {
                self.accounts.find(path.as_str()).map(|id| id.index).into_iter().collect()
            }
            None => {
                let accounts = self.accounts.iter();
                let meant = accounts.filter(|(_, account)| change.scope.matches(&account.path));
                meant.map(|(index, _)| index).collect()
            }
        };
        let held = self.held_by(&meant);
        for account in meant {
            self.add_counter(change.rule, account, held.get(&account).map_or(&[], Vec::as_slice));
        }
    }

    /// Gives a new account the counters of all rules that mean it.
    pub(super) fn limit_new_account(&mut self, account: u32) {
        let meant = self.rules.for_account(&self.accounts.at(account).path);
        for rule in &meant {
            self.add_counter(*rule, account, &[]);
        }
        self.set_trip(account);
    }

    pub(super) fn lift(&mut self, rule: u32) {
        for place in self.counters_of(rule) {
            let Some(counter) = self.take_counter(place) else { continue };
            let account = self.accounts.at_mut(counter.account);
            account.own_limits.retain(|own| *own != place);
            account.counted.retain(|own| *own != place);
            self.set_trip(counter.account);
        }
        self.rules.remove(rule);
    }

    fn change_counters(&mut self, rule: u32, limit: &Arc<Limit>) {
        let places = self.counters_of(rule);
        for place in places {
            let Some(index) = self.counter(place).map(|own| own.account) else { continue };
            let Ledger { accounts, counters, windows, notices, now, age, .. } = self;
            let account = accounts.at_mut(index);
            account.bring_up_to(counters, windows, *now);
            let Some(counter) = &mut counters[place as usize] else { continue };
            counter.advance(&account.balance, windows, *now);
            counter.change(limit);
            counter.notice(&account.balance, LimitId(place), windows, *now, false, notices);
            counter.refresh(*age);
            self.set_trip(index);
        }
    }

    /// The counters of a rule: of one account, or of all that its pattern means.
    fn counters_of(&self, rule: u32) -> Vec<u32> {
        let of_rule = |place: &u32| self.counter(*place).is_some_and(|own| own.rule == rule);
        let path = self.rules.get(rule).and_then(|rule| rule.scope.as_path());
        match path {
            Some(path) => {
                let account = self.accounts.find(path.as_str());
                let own = account.map_or(&[][..], |id| &self.accounts.at(id.index).own_limits);
                own.iter().copied().filter(of_rule).collect()
            }
            None => (0..).take(self.counters.len()).filter(of_rule).collect(),
        }
    }

    /// Starts a counter: from the account's totals if it counts the whole lifetime and every
    /// model, else from nothing, unless the limit says with what to open. What is held counts.
    fn add_counter(&mut self, rule: u32, account: u32, held: &[(Part, ModelId)]) {
        let Some(Rule { limit, filter, .. }) = self.rules.get(rule) else { return };
        let Some(span) = self.span(limit) else { return };
        let node = self.accounts.at_mut(account);
        node.bring_up_to(&mut self.counters, &self.windows, self.now);
        let (path, balance) = (node.path.clone(), node.balance);
        let mut counter = Counter::new(limit, span, *filter, rule, account, path);
        counter.start_in(&balance, &self.windows);
        let totals = match (span, *filter) {
            (Span::Lifetime, Counter::NO_FILTER) => Some(self.total_of(account, limit.measure)),
            _ => None,
        };
        let spent = limit.opening.map_or(totals.unwrap_or(0), |opening| opening.value());
        counter.opening_gap = spent - totals.unwrap_or(0);
        let from_totals = totals.is_some() && limit.opening.is_none();
        counter.since = if from_totals { 0 } else { self.events };
        counter.open_with(spent, self.now);
        for (part, model) in held {
            if self.filter_lets_through(&counter, *model) {
                counter.hold(counter.place(&self.windows, part.at), counter.of(&part.amounts));
            }
        }
        let place = match self.free_counters.pop() {
            Some(place) => place,
            None => {
                self.counters.push(None);
                u32::try_from(self.counters.len() - 1).unwrap_or(u32::MAX)
            }
        };
        let Ledger { windows, now, notices, .. } = self;
        counter.notice(&balance, LimitId(place), windows, *now, false, notices);
        counter.refresh(self.age);
        let node = self.accounts.at_mut(account);
        node.own_limits.push(place);
        if !counter.follows {
            node.counted.push(place);
        }
        self.per_call += u32::from(counter.is_per_call());
        self.counters[place as usize] = Some(counter);
        self.set_trip(account);
    }

    /// Ends a counter and frees its place.
    pub(super) fn take_counter(&mut self, place: u32) -> Option<Counter> {
        let counter = self.counters[place as usize].take()?;
        self.free_counters.push(place);
        self.per_call = self.per_call.saturating_sub(u32::from(counter.is_per_call()));
        Some(counter)
    }

    /// What is held by calls under way, by each of these accounts that it lies on or below: one
    /// walk over the holds, however many accounts there are.
    fn held_by(&self, accounts: &[u32]) -> HashMap<u32, Vec<(Part, ModelId)>> {
        let meant: HashSet<u32> = accounts.iter().copied().collect();
        let mut held: HashMap<u32, Vec<(Part, ModelId)>> = HashMap::new();
        for (charged, part, model) in self.held_parts() {
            for account in self.accounts.upward(charged).filter(|index| meant.contains(index)) {
                held.entry(account).or_default().push((*part, model));
            }
        }
        held
    }

    fn span(&self, limit: &Limit) -> Option<Span> {
        Span::of(&limit.period, || match &limit.period {
            Period::Calendar(unit, zone) => self.window(*unit, zone).map(|window| window.0),
            _ => None,
        })
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

    /// What an account and all below it have spent in a measure.
    pub(super) fn total_of(&self, account: u32, measure: Measure) -> i128 {
        if measure == Measure::Cost {
            return self.accounts.at(account).balance.spent;
        }
        let accounts = self.accounts.downward(account);
        let totals = accounts.iter().flat_map(|index| &self.accounts.at(*index).totals);
        totals.map(|(_, totals)| totals.of(measure)).sum()
    }
}
