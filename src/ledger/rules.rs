//! The limits as they were set: for which accounts each is, and the counters it has on them.
//!
//! The rule for one account is found by its path, and an account looks only at the patterns and
//! its own rules: thousands of runs with limits of their own do not slow each other down.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::admin::index_of;
use super::amounts::Measure;
use super::changes::Changed;
use super::command::{Change, LimitChange, Rejection};
use super::counter::{Counter, Span};
use super::holds::Part;
use super::limit::{Limit, ModelPattern, Period};
use super::path::{Path, Scope};
use super::{Ledger, LimitId, ModelId};

/// A limit as it was set, and what it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) scope: Scope,
    pub(super) limit: Arc<Limit>,
    filter: u32,
}

/// What a rule is for: its scope and its [`Limit::identity`].
type Key = (Arc<str>, Measure, Period, Option<ModelPattern>);

/// All rules by place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub(super) struct Rules {
    slots: Vec<Option<Rule>>,
    free: Vec<u32>,
    /// The rules of a scope in the order of their places.
    #[serde(skip_serializing)]
    by_scope: HashMap<Arc<str>, BTreeSet<u32>>,
    #[serde(skip_serializing)]
    by_key: HashMap<Key, u32>,
    #[serde(skip_serializing)]
    patterns: BTreeSet<u32>,
}

/// What is written of them.
#[derive(Deserialize)]
struct Stored {
    slots: Vec<Option<Rule>>,
    free: Vec<u32>,
}

impl From<Stored> for Rules {
    fn from(stored: Stored) -> Rules {
        let Stored { slots, free } = stored;
        let mut rules = Rules { free, ..Rules::default() };
        for (place, rule) in (0..).zip(&slots) {
            rule.iter().for_each(|rule| rules.list(place, rule));
        }
        rules.slots = slots;
        rules
    }
}

/// The most segments of a path for which all patterns that mean it are looked up by name.
const FEW_SEGMENTS: usize = 5;

impl Rules {
    pub(super) fn get(&self, place: u32) -> Option<&Rule> {
        self.slots.get(place as usize)?.as_ref()
    }

    /// All rules in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Rule)> {
        (0..).zip(&self.slots).filter_map(|(place, rule)| Some((place, rule.as_ref()?)))
    }

    /// How many rules have each filter.
    pub(super) fn filters(&self) -> HashMap<u32, u32> {
        let mut used = HashMap::new();
        for (_, rule) in self.iter().filter(|(_, rule)| rule.filter != Counter::NO_FILTER) {
            *used.entry(rule.filter).or_default() += 1;
        }
        used
    }

    /// Recounts the ways to find a rule.
    pub(super) fn check(&self) -> Result<(), String> {
        let found = |place: u32, rule: &Rule| {
            let listed = self.patterns.contains(&place)
                && self.by_scope.get(rule.scope.as_str()).is_some_and(|own| own.contains(&place));
            self.find(&rule.scope, &rule.limit) == Some(place)
                && (listed || rule.scope.as_path().is_some())
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
        self.by_key.get(&key(scope, limit)).copied()
    }

    /// Adds a rule to the index.
    fn list(&mut self, place: u32, rule: &Rule) {
        self.by_scope.entry(rule.scope.as_str().into()).or_default().insert(place);
        self.by_key.insert(key(&rule.scope, &rule.limit), place);
        if rule.scope.as_path().is_none() {
            self.patterns.insert(place);
        }
    }

    /// The place that the next rule will have.
    fn next_place(&self) -> Result<u32, Rejection> {
        self.free.last().map_or_else(|| index_of(self.slots.len()), |place| Ok(*place))
    }

    /// Puts a rule in its place, which is that of `find` or of `next_place`; true if it is new.
    fn put(&mut self, place: u32, rule: Rule) -> bool {
        let new = self.get(place).is_none();
        if new {
            self.list(place, &rule);
            if self.free.pop().is_none() {
                self.slots.push(None);
            }
        }
        self.slots[place as usize] = Some(rule);
        new
    }

    /// Removes a rule and returns it.
    fn remove(&mut self, place: u32) -> Option<Rule> {
        let rule = self.slots[place as usize].take()?;
        self.by_key.remove(&key(&rule.scope, &rule.limit));
        if let Some(places) = self.by_scope.get_mut(rule.scope.as_str()) {
            places.remove(&place);
            if places.is_empty() {
                self.by_scope.remove(rule.scope.as_str());
            }
        }
        self.patterns.remove(&place);
        self.free.push(place);
        Some(rule)
    }

    /// The rules that mean an account, its own before those of patterns.
    fn for_account(&self, path: &Path) -> Vec<u32> {
        let own = self.by_scope.get(path.as_str()).into_iter().flatten();
        let meant = match path.patterns(FEW_SEGMENTS) {
            Some(patterns) if patterns.len() < self.patterns.len() => {
                let found = patterns.iter().filter_map(|scope| self.by_scope.get(scope.as_str()));
                let mut found: Vec<u32> = found.flatten().copied().inspect(|_| visit()).collect();
                found.sort_unstable();
                found
            }
            _ => {
                let meant = |place: &u32| {
                    visit();
                    self.get(*place).is_some_and(|rule| rule.scope.matches(path))
                };
                self.patterns.iter().copied().filter(meant).collect()
            }
        };
        own.copied().chain(meant).collect()
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
        let filter = match self.rules.get(change.rule) {
            Some(rule) => rule.filter,
            None => self.filter_for(&change.limit),
        };
        let (scope, limit) = (change.scope.clone(), Arc::new(change.limit.clone()));
        let rule = Rule { scope, limit: Arc::clone(&limit), filter };
        if !self.rules.put(change.rule, rule) {
            return self.change_counters(change.rule, &limit);
        }
        let meant: Vec<u32> = match change.scope.as_path() {
            Some(path) => {
                self.accounts.find(path.as_str()).map(|id| id.index).into_iter().collect()
            }
            None => self.accounts_meant_by(&change.scope),
        };
        let held = self.held_by(&meant);
        for account in meant {
            self.add_counter(change.rule, account, held.get(&account).map_or(&[], Vec::as_slice));
        }
    }

    /// The accounts that a pattern means, in the order of their places: found from the root of
    /// their tree down, without a look at other accounts.
    fn accounts_meant_by(&self, pattern: &Scope) -> Vec<u32> {
        let (tree, segments) = pattern.parts();
        let root = self.accounts.find(tree).map(|id| id.index);
        let mut found: Vec<u32> = root.into_iter().collect();
        for segment in segments {
            let mut below = Vec::new();
            for index in found {
                visit();
                let account = self.accounts.at(index);
                if segment == "*" {
                    below.extend(&account.children);
                } else if let Ok(path) = account.path.child(segment) {
                    below.extend(self.accounts.find(path.as_str()).map(|id| id.index));
                }
            }
            found = below;
        }
        found.sort_unstable();
        found
    }

    /// Gives a new account the counters of all rules that mean it.
    pub(super) fn limit_new_account(&mut self, account: u32) {
        let meant = self.rules.for_account(&self.accounts.at(account).path);
        for rule in &meant {
            self.add_counter(*rule, account, &[]);
        }
        self.set_headroom(account);
    }

    pub(super) fn lift(&mut self, rule: u32) {
        for place in self.counters_of(rule) {
            let Some(counter) = self.take_counter(place) else { continue };
            let account = self.accounts.at_mut(counter.account);
            account.all_limits.retain(|own| *own != place);
            account.counting.retain(|own| *own != place);
            self.set_headroom(counter.account);
        }
        if let Some(rule) = self.rules.remove(rule) {
            self.filters.give_back(rule.filter);
        }
    }

    fn change_counters(&mut self, rule: u32, limit: &Arc<Limit>) {
        let places = self.counters_of(rule);
        for place in places {
            let Some(index) = self.counter(place).map(|own| own.account) else { continue };
            let Ledger { accounts, counters, windows, notices, now, window_epoch, .. } = self;
            let account = accounts.at_mut(index);
            account.bring_up_to(counters, windows, *now);
            let Some(counter) = &mut counters[place as usize] else { continue };
            counter.advance(&account.balance, windows, *now);
            counter.change(limit);
            counter.notice(&account.balance, LimitId(place), windows, *now, false, notices);
            counter.mark_fresh(*window_epoch);
            self.changes.note(Changed::Limit(LimitId(place)));
            self.changes.note(Changed::Account(self.accounts.id(index)));
            self.set_headroom(index);
        }
    }

    /// The counters of a rule: of one account, or of all that its pattern means.
    fn counters_of(&self, rule: u32) -> Vec<u32> {
        let of_rule = |place: &u32| self.counter(*place).is_some_and(|own| own.rule == rule);
        let path = self.rules.get(rule).and_then(|rule| rule.scope.as_path());
        match path {
            Some(path) => {
                let account = self.accounts.find(path.as_str());
                let own = account.map_or(&[][..], |id| &self.accounts.at(id.index).all_limits);
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
        let path = node.path.clone();
        let mut counter = Counter::new(limit, span, *filter, rule, account, path);
        // A limit that counts by itself does not concern the derived limits of the account.
        if counter.is_derived() {
            node.bring_up_to(&mut self.counters, &self.windows, self.now);
        }
        let balance = node.balance;
        counter.start_in(&balance, &self.windows);
        let totals = match (&counter.span, *filter) {
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
                counter.hold(counter.slot(&self.windows, part.at), counter.of(&part.amounts));
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
        counter.mark_fresh(self.window_epoch);
        let node = self.accounts.at_mut(account);
        node.all_limits.push(place);
        if !counter.is_derived() {
            node.counting.push(place);
        }
        self.per_call += u32::from(counter.is_per_call());
        let is_derived = counter.is_derived();
        self.counters[place as usize] = Some(counter);
        self.changes.note(Changed::Account(self.accounts.id(account)));
        if is_derived {
            self.set_headroom(account);
        }
    }

    /// Removes a counter and frees its slot.
    pub(super) fn take_counter(&mut self, place: u32) -> Option<Counter> {
        let counter = self.counters[place as usize].take()?;
        self.free_counters.push(place);
        self.changes.note(Changed::Limit(LimitId(place)));
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
        self.filters.take(pattern, &self.models).unwrap_or(Counter::NO_FILTER)
    }

    /// What an account and all below it have spent in a measure.
    pub(super) fn total_of(&self, account: u32, measure: Measure) -> i128 {
        if measure == Measure::Cost {
            return self.accounts.at(account).balance.spent;
        }
        let accounts = self.accounts.downward(account);
        let totals = accounts.iter().flat_map(|index| &self.accounts.at(*index).totals);
        totals.map(|(_, totals)| totals.get(measure)).sum()
    }
}

fn key(scope: &Scope, limit: &Limit) -> Key {
    let (measure, period, only_model) = limit.identity();
    (scope.as_str().into(), measure, period.clone(), only_model.cloned())
}

#[cfg(not(test))]
fn visit() {}

/// Counts the rules that are looked at, for the tests below.
#[cfg(test)]
fn visit() {
    tests::VISITS.with(|visits| visits.set(visits.get() + 1));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::clock::Timestamp;
    use crate::ledger::Command;
    use crate::money::Usd;

    thread_local! {
        pub(super) static VISITS: Cell<usize> = const { Cell::new(0) };
    }

    fn set(ledger: &mut Ledger, scope: &str, limit: Limit) {
        let command = Command::SetLimit { scope: Scope::new(scope).unwrap(), limit };
        ledger.execute(Timestamp::from_secs(0), &command).unwrap();
    }

    fn lift(ledger: &mut Ledger, scope: &str, limit: Limit) {
        let command = Command::LiftLimit { scope: Scope::new(scope).unwrap(), limit };
        ledger.execute(Timestamp::from_secs(0), &command).unwrap();
    }

    fn open(ledger: &mut Ledger, path: &str) -> u32 {
        let command = Command::OpenAccount { path: Path::new(path).unwrap() };
        ledger.execute(Timestamp::from_secs(0), &command).unwrap();
        ledger.find(path).unwrap().index
    }

    /// Each new account was held against every pattern: 20,000 of each were 400 million comparisons.
    #[test]
    fn a_new_account_looks_at_the_patterns_that_mean_it() {
        let mut ledger = Ledger::new();
        for number in 0..500 {
            set(&mut ledger, &format!("team-{number}/*"), Limit::requests(1));
        }
        set(&mut ledger, "*", Limit::tokens(1));
        set(&mut ledger, "*/x", Limit::tokens(2));
        set(&mut ledger, "*/*", Limit::tokens(3));
        VISITS.set(0);
        for number in 0..500 {
            let team = open(&mut ledger, &format!("team-{number}"));
            assert_eq!(ledger.accounts.at(team).all_limits.len(), 1);
            let child = open(&mut ledger, &format!("team-{number}/x"));
            assert_eq!(ledger.accounts.at(child).all_limits.len(), 3);
        }
        assert_eq!(VISITS.get(), 500 * 4, "as many as they have limits");
        // And a new pattern at the accounts that it may mean, from the root down.
        VISITS.set(0);
        for number in 0..500 {
            set(&mut ledger, &format!("team-{number}/*"), Limit::in_flight(1));
        }
        assert_eq!(VISITS.get(), 500 * 2);
        let team = ledger.find("team-7/x").unwrap().index;
        assert_eq!(ledger.accounts.at(team).all_limits.len(), 4);
        set(&mut ledger, "user:*", Limit::requests(1));
        ledger.check_invariants().unwrap();
    }

    /// Patterns of models were kept for ever, and looked through from the front for each limit.
    #[test]
    fn a_filter_ends_with_its_last_limit() {
        let mut ledger = Ledger::new();
        let limit = |pattern: &str| Limit::spend(Usd::dollars(1)).only_model(pattern);
        for round in 0..1_000 {
            let pattern = format!("gpt-{round}*");
            set(&mut ledger, "", limit(&pattern));
            set(&mut ledger, "a/*", limit(&pattern));
            set(&mut ledger, "", limit(&pattern).alert_at([50])); // the same limit, changed
            lift(&mut ledger, "", limit(&pattern));
            assert_eq!(ledger.filters.count(), 1, "the other limit has it still");
            lift(&mut ledger, "a/*", limit(&pattern));
            assert_eq!(ledger.filters.count(), 0);
        }
        ledger.check_invariants().unwrap();
        let text = serde_json::to_string(&ledger).unwrap();
        assert!(text.len() < 2_000, "{} bytes are kept", text.len());
        set(&mut ledger, "", limit("a*"));
        set(&mut ledger, "", limit("b*"));
        lift(&mut ledger, "", limit("a*"));
        let text = serde_json::to_string(&ledger).unwrap();
        let mut read: Ledger = serde_json::from_str(&text).unwrap();
        assert_eq!(read, ledger);
        set(&mut read, "", limit("c*"));
        set(&mut ledger, "", limit("c*"));
        assert_eq!(read, ledger, "it takes the same place");
        read.check_invariants().unwrap();
    }
}
