//! The naive ledger: lists of holds and charges, summed by scan for every question. Written
//! from the laws and the fine print, without a look at how the real one counts.
//!
//! There is no roll, no counter and no running sum here. A window is computed from the present
//! moment each time, and a limit is a question about the lists.

use std::collections::BTreeMap;

use bursar::calendar::{CalendarUnit, Zone};
use bursar::clock::Timestamp;
use bursar::ledger::{Measure, Period};

use crate::entries::{
    Amount, Ask, Charge, Due, FILTERS, Hold, Instance, Life, Node, Part, Rule, Told,
};

/// The whole of it.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    /// The moment of the question.
    pub(crate) now: Timestamp,
    pub(crate) nodes: Vec<Node>,
    pub(crate) holds: Vec<Hold>,
    charges: Vec<Charge>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) instances: Vec<Instance>,
    keys: Vec<(u128, Timestamp)>,
    /// The start of each window in which something was done, of each calendar period that any limit has used.
    seen_windows: Vec<(Period, Timestamp)>,
    /// How many commands have been carried out.
    pub(crate) tick: u64,
}

impl Naive {
    pub(crate) fn new(now: Timestamp) -> Naive {
        Naive {
            now,
            nodes: Vec::new(),
            holds: Vec::new(),
            charges: Vec::new(),
            rules: Vec::new(),
            instances: Vec::new(),
            keys: Vec::new(),
            seen_windows: Vec::new(),
            tick: 0,
        }
    }

    fn upward(&self, node: usize) -> Vec<usize> {
        std::iter::successors(Some(node), |node| self.nodes[*node].parent).collect()
    }

    fn on_line(&self, nodes: &[usize], instance: &Instance) -> bool {
        nodes.iter().any(|node| self.upward(*node).contains(&instance.node))
    }

    fn window(&self, unit: CalendarUnit, zone: &Zone, at: Timestamp) -> (Timestamp, Timestamp) {
        unit.window_around(zone, at)
    }

    /// True if something reserved at `at` counts in the window around `now`.
    fn counts(&self, period: &Period, at: Timestamp, now: Timestamp, held: bool) -> bool {
        match period {
            Period::Lifetime => true,
            Period::Calendar(unit, zone) => {
                let (start, end) = self.window(*unit, zone, now);
                start <= at && at < end
            }
            Period::Rolling(_) if held => true,
            Period::Rolling(span) => now < leaves(at, span.as_micros() as i64),
        }
    }

    fn counted(&self, instance: &Instance, charge: &Charge) -> bool {
        (instance.from_totals || charge.tick > instance.tick)
            && self.on_line(&charge.nodes, instance)
    }

    pub(crate) fn spent_at(&self, instance: &Instance, now: Timestamp) -> i128 {
        let rule = &instance.rule;
        let slot = |at: Timestamp| match &rule.period {
            Period::Rolling(span) => slot_of(at, span.as_micros() as i64),
            _ => 0,
        };
        let mut places: BTreeMap<i64, i128> = BTreeMap::new();
        if self.counts(&rule.period, instance.made, now, false) {
            places.insert(slot(instance.made), instance.base);
        }
        for (index, charge) in self.charges.iter().enumerate() {
            if self.counted(instance, charge) && self.counts(&rule.period, charge.at, now, false) {
                let by = charge.counted(rule.filter).of(rule.measure);
                let sum = places.entry(slot(charge.at)).or_default();
                // Nothing is taken back that is not there.
                let least = if index < instance.after { i128::MIN } else { (*sum).min(0) };
                *sum = (*sum + by).max(least);
            }
        }
        places.values().sum()
    }

    pub(crate) fn spent(&self, instance: &Instance) -> i128 {
        self.spent_at(instance, self.now)
    }

    pub(crate) fn held(&self, instance: &Instance) -> i128 {
        self.held_in(instance, &self.holds)
    }

    fn held_in(&self, instance: &Instance, holds: &[Hold]) -> i128 {
        self.held_at(instance, holds, self.now)
    }

    fn held_at(&self, instance: &Instance, holds: &[Hold], now: Timestamp) -> i128 {
        let rule = &instance.rule;
        let holds = holds.iter().filter(|hold| {
            hold.life == Life::Open
                && FILTERS[rule.filter].1[hold.model]
                && self.on_line(&hold.charged(), instance)
        });
        let parts = holds.flat_map(|hold| &hold.parts);
        let parts = parts.filter(|part| self.counts(&rule.period, part.at, now, true));
        parts.map(|part| part.held.of(rule.measure)).sum()
    }

    /// Spent in the window before, if the ledger has seen it.
    pub(crate) fn previous(&self, instance: &Instance) -> i128 {
        self.window_before(instance).map_or(0, |(_, before)| self.spent_at(instance, before))
    }

    /// The start of the window before and a moment in it, if the ledger has seen it.
    fn window_before(&self, instance: &Instance) -> Option<(Timestamp, Timestamp)> {
        let Period::Calendar(unit, zone) = &instance.rule.period else { return None };
        let start = self.window(*unit, zone, self.now).0;
        let before = Timestamp::from_micros(start.as_micros() - 1);
        let start = self.window(*unit, zone, before).0;
        let seen = self.seen_windows.contains(&(instance.rule.period.clone(), start));
        seen.then_some((start, before))
    }

    /// Comes to the present moment.
    pub(crate) fn come_to(&mut self, now: Timestamp) {
        self.now = now;
        let periods: Vec<Period> =
            self.seen_windows.iter().map(|(period, _)| period.clone()).collect();
        for period in periods {
            self.see(&period);
        }
    }

    fn see(&mut self, period: &Period) {
        if let Period::Calendar(unit, zone) = period {
            let window = (period.clone(), self.window(*unit, zone, self.now).0);
            if !self.seen_windows.contains(&window) {
                self.seen_windows.push(window);
            }
        }
    }

    pub(crate) fn account_sums(&self, node: usize) -> (i128, i128) {
        let below = |nodes: &[usize]| nodes.iter().any(|own| self.upward(*own).contains(&node));
        let charges = self.charges.iter().filter(|charge| below(&charge.nodes));
        let holds = self.holds.iter().filter(|hold| hold.life == Life::Open);
        let holds = holds.filter(|hold| below(&hold.charged()));
        (charges.map(|c| c.counted(0).cost).sum(), holds.map(|hold| hold.total().cost).sum())
    }

    pub(crate) fn frozen(&self, nodes: &[usize]) -> bool {
        nodes.iter().any(|node| self.upward(*node).iter().any(|up| self.nodes[*up].frozen))
    }

    /// Ill-formed targets: the account must be of the main tree, each tag of a tree of its own.
    pub(crate) fn well_formed(&self, node: usize, tags: &[usize]) -> bool {
        let tree = |node: usize| self.nodes[node].path.split_once(':').map(|(tree, _)| tree);
        self.nodes[node].alive
            && tags.iter().all(|tag| self.nodes[*tag].alive)
            && tree(node).is_none()
            && tags.iter().enumerate().all(|(at, tag)| {
                tree(*tag).is_some() && tags[..at].iter().all(|other| tree(*other) != tree(*tag))
            })
    }

    pub(crate) fn inside(&self, ask: &Ask) -> bool {
        ask.outer.is_none_or(|outer| {
            let outer = &self.holds[outer];
            outer.life == Life::Open
                && self.upward(ask.node).contains(&outer.node)
                && outer.tags.iter().all(|tag| ask.tags.contains(tag))
        })
    }

    /// The holds as they would be with this call admitted, or grown.
    fn with(&self, ask: &Ask, cap: u64) -> Vec<Hold> {
        let mut holds = self.holds.clone();
        let mut own = ask.amount(cap);
        let mut moved = Vec::new();
        let outer = match ask.grows {
            Some(hold) => holds[hold].outer.filter(|outer| holds[*outer].life == Life::Open),
            None => ask.outer,
        };
        if let Some(outer) = outer {
            for part in &mut holds[outer].parts {
                let taken = part.held.least(&own);
                if !taken.is_none() {
                    part.held = part.held.minus(&taken);
                    own = own.minus(&taken);
                    moved.push(Part { at: part.at, depth: part.depth + 1, held: taken });
                }
            }
        }
        let first = Part { at: self.now, depth: 0, held: own };
        match ask.grows {
            Some(hold) => {
                for part in moved.into_iter().chain([first]).filter(|part| !part.held.is_none()) {
                    holds[hold].add(part);
                }
            }
            None => holds.push(Hold {
                node: ask.node,
                tags: ask.tags.clone(),
                model: ask.model,
                outer: ask.outer,
                parts: [first].into_iter().chain(moved).collect(),
                lease: ask.lease,
                life: Life::Open,
            }),
        }
        holds
    }

    /// The limits in the way of this call with this cap, and how much it needs of each.
    pub(crate) fn in_the_way(&self, ask: &Ask, cap: u64) -> Vec<(&Instance, i128)> {
        let holds = self.with(ask, cap);
        let blocking = self.instances.iter().filter_map(|instance| {
            let held = self.held_in(instance, &holds);
            let needed = match instance.rule.measure {
                Measure::PerCall => self.whole_cost(ask, cap, instance),
                _ => held - self.held(instance),
            };
            let kept = if ask.wrap_up { 0 } else { instance.rule.slice };
            let room = instance.rule.amount - kept - self.spent(instance) - self.held(instance);
            let blocks = !instance.rule.observe && needed > 0 && needed > room;
            blocks.then_some((instance, needed))
        });
        blocking.collect()
    }

    /// What the call holds with this cap, if it holds more than before and the limit is for it.
    fn whole_cost(&self, ask: &Ask, cap: u64, instance: &Instance) -> i128 {
        let nodes: Vec<usize> = [ask.node].into_iter().chain(ask.tags.iter().copied()).collect();
        let is_for = FILTERS[instance.rule.filter].1[ask.model] && self.on_line(&nodes, instance);
        let before = ask.grows.map_or(0, |hold| self.holds[hold].total().cost);
        match ask.amount(cap).cost {
            0 => 0,
            more => i128::from(is_for) * (before + more),
        }
    }

    /// The largest cap of at least `least` that fits.
    pub(crate) fn largest_cap(&self, ask: &Ask, least: u64) -> Option<u64> {
        (least..=ask.cap).rev().find(|cap| self.in_the_way(ask, *cap).is_empty())
    }

    pub(crate) fn admit(&mut self, ask: &Ask, cap: u64) {
        self.holds = self.with(ask, cap);
    }

    /// How much of each part was used: what came out of an outer hold first, the last takes all
    /// that is left.
    fn shares(hold: &Hold, used: &Amount) -> Vec<(Part, Amount)> {
        let mut parts: Vec<Part> = hold.parts.clone();
        parts.sort_by_key(|part| part.depth == 0);
        let mut left = *used;
        let count = parts.len();
        let shares = parts.into_iter().enumerate().map(|(at, part)| {
            let mut share = part.held.least(&left);
            share.cached = left.cached.min(share.input);
            let share = if at + 1 == count { left } else { share };
            left = left.minus(&share);
            (part, share)
        });
        shares.collect()
    }

    /// Ends a hold and books what was used, by the model that answered if none was reserved:
    /// nothing, for a release.
    pub(crate) fn end(&mut self, index: usize, used: &Amount, answered: usize) {
        let hold = self.holds[index].clone();
        let nodes = hold.charged();
        let model = if hold.model == 0 { answered } else { hold.model };
        let late = match hold.life {
            Life::Late(tick) => Some(tick),
            _ => None,
        };
        self.holds[index].life = Life::Ended;
        for (part, share) in Naive::shares(&hold, used) {
            let held = Amount { flight: 0, ..part.held };
            let assumed = if late.is_some() { held } else { Amount::default() };
            let (at, assumed) = (part.at, (hold.model, assumed));
            let tick = late.unwrap_or(self.tick);
            let nodes = nodes.clone();
            self.charges.push(Charge { nodes, model, at, amount: share, assumed, tick });
            let rest = part.held.minus(&part.held.least(&Amount { cached: 0, ..share }));
            if hold.life == Life::Open && part.depth > 0 && !rest.is_none() {
                self.give_back(&hold, &part, rest);
            }
        }
        self.fold();
    }

    fn give_back(&mut self, inner: &Hold, part: &Part, rest: Amount) {
        // The nearest hold around it that is open, if the money came from there or further out.
        let around = std::iter::successors(inner.outer, |outer| self.holds[*outer].outer).zip(1..);
        let mut open = around.filter(|(outer, _)| self.holds[*outer].life == Life::Open);
        let Some((outer, levels)) = open.next().filter(|(_, levels)| part.depth >= *levels) else {
            return;
        };
        let taker = &self.holds[outer];
        let full = self.instances.iter().any(|instance| {
            let (rule, needed) = (&instance.rule, rest.of(instance.rule.measure));
            FILTERS[rule.filter].1[taker.model]
                && !FILTERS[rule.filter].1[inner.model]
                && !rule.observe
                && self.on_line(&taker.charged(), instance)
                && self.counts(&rule.period, part.at, self.now, true)
                && needed > 0
                && self.spent(instance) + self.held(instance) + needed > rule.amount
        });
        if !full {
            let mut parts = self.holds[outer].parts.iter_mut();
            let own =
                parts.find(|own| own.at == part.at && own.depth + levels == part.depth).unwrap();
            own.held = own.held.plus(&rest);
        }
    }

    pub(crate) fn expire(&mut self, index: usize) {
        let hold = self.holds[index].clone();
        self.holds[index].life = Life::Late(self.tick);
        for part in &hold.parts {
            self.charges.push(Charge {
                nodes: hold.charged(),
                model: hold.model,
                at: part.at,
                amount: Amount { flight: 0, ..part.held },
                assumed: (0, Amount::default()),
                tick: self.tick,
            });
        }
        self.fold();
    }

    /// As a release, with a late word to come.
    pub(crate) fn lapse(&mut self, index: usize) {
        self.end(index, &Amount::default(), 0);
        self.holds[index].life = Life::Lapsed;
    }

    pub(crate) fn knows_key(&self, key: u128, now: Timestamp) -> bool {
        let day = 86_400_000_000;
        self.keys.iter().any(|(k, at)| *k == key && now.as_micros() - at.as_micros() < day)
    }

    pub(crate) fn record(&mut self, nodes: Vec<usize>, model: usize, amount: Amount) {
        let (at, tick, assumed) = (self.now, self.tick, (0, Amount::default()));
        self.charges.push(Charge { nodes, model, at, amount, assumed, tick });
    }

    /// True if a correction leaves nobody on the line with less than nothing.
    pub(crate) fn can_bear(&self, nodes: &[usize], by: i128) -> bool {
        let mut line = nodes.iter().flat_map(|node| self.upward(*node));
        by >= 0 || line.all(|node| self.account_sums(node).0 + by >= 0)
    }

    pub(crate) fn adjust(&mut self, nodes: Vec<usize>, model: usize, by: i128, about: Timestamp) {
        let (at, tick) = (about.min(self.now), self.tick);
        let (amount, assumed) = (Amount { cost: by, ..Amount::default() }, (0, Amount::default()));
        self.charges.push(Charge { nodes, model, at, amount, assumed, tick });
    }

    pub(crate) fn remember(&mut self, key: u128) {
        self.keys.push((key, self.now));
    }

    pub(crate) fn open(&mut self, path: &str, parent: Option<usize>) {
        let node = self.nodes.len();
        let path = path.to_owned();
        let rules = self.rules.clone();
        let meant = rules.into_iter().filter(|rule| rule.means(&path));
        let meant: Vec<Rule> = meant.collect();
        self.nodes.push(Node { path, parent, alive: true, closing: false, frozen: false });
        for rule in meant {
            self.add(rule, node);
        }
    }

    fn add(&mut self, rule: Rule, node: usize) {
        let from_totals =
            rule.period == Period::Lifetime && rule.filter == 0 && rule.opening.is_none();
        self.instances.push(Instance {
            base: rule.opening.unwrap_or(0),
            rule,
            node,
            tick: self.tick,
            after: self.charges.len(),
            made: self.now,
            from_totals,
            told: BTreeMap::new(),
            over: false,
        });
    }

    pub(crate) fn set(&mut self, rule: &Rule) {
        self.see(&rule.period);
        if let Some(old) = self.rules.iter_mut().find(|old| old.same(rule)) {
            *old = rule.clone();
            for own in self.instances.iter_mut().filter(|own| own.rule.same(rule)) {
                own.rule = rule.clone();
            }
            return;
        }
        self.rules.push(rule.clone());
        for node in 0..self.nodes.len() {
            if self.nodes[node].alive && rule.means(&self.nodes[node].path) {
                self.add(rule.clone(), node);
            }
        }
    }

    pub(crate) fn lift(&mut self, rule: &Rule) {
        self.rules.retain(|old| !old.same(rule));
        self.instances.retain(|own| !own.rule.same(rule));
    }

    pub(crate) fn close(&mut self, node: usize) {
        for below in 0..self.nodes.len() {
            if self.nodes[below].alive && self.upward(below).contains(&node) {
                self.nodes[below].closing = true;
            }
        }
        self.fold();
    }

    /// True if no open hold carries this account or one below it.
    pub(crate) fn is_idle(&self, node: usize) -> bool {
        let mut open = self.holds.iter().filter(|hold| hold.life == Life::Open);
        !open.any(|hold| hold.charged().iter().any(|own| self.upward(*own).contains(&node)))
    }

    /// Folds every account that is closing and has neither holds nor children into its parent.
    fn fold(&mut self) {
        while let Some(done) = (0..self.nodes.len()).find(|node| self.has_ended(*node)) {
            let parent = self.nodes[done].parent.unwrap();
            self.nodes[done].alive = false;
            self.instances.retain(|instance| instance.node != done);
            for node in self.charges.iter_mut().flat_map(|charge| &mut charge.nodes) {
                *node = if *node == done { parent } else { *node };
            }
            for hold in self.holds.iter_mut().filter(|hold| hold.node == done) {
                hold.node = parent;
            }
            for tag in self.holds.iter_mut().flat_map(|hold| &mut hold.tags) {
                *tag = if *tag == done { parent } else { *tag };
            }
        }
    }

    fn has_ended(&self, node: usize) -> bool {
        let own = &self.nodes[node];
        let busy = |hold: &Hold| hold.life == Life::Open && hold.node == node;
        own.alive
            && own.closing
            && !self.holds.iter().any(busy)
            && !self.nodes.iter().any(|other| other.alive && other.parent == Some(node))
    }

    /// The alerts that are due: each threshold once in a window, in the present one and, if more is
    /// spent there than before, in the one before; an overrun of the one before. Windows without a
    /// start are left to the tables.
    pub(crate) fn take_alerts(&mut self) -> Vec<Due> {
        let mut due = Vec::new();
        for index in 0..self.instances.len() {
            let mut instance = self.instances[index].clone();
            let window = match &instance.rule.period {
                Period::Lifetime => None,
                Period::Calendar(unit, zone) => Some(self.window(*unit, zone, self.now).0),
                Period::Rolling(_) => continue,
            };
            if let Some((start, before)) = self.window_before(&instance) {
                // A limit has nothing to tell of a window that it was not there for.
                if window.is_some_and(|window| instance.made < window) {
                    self.look_back(&mut instance, start, before, &mut due);
                }
            }
            let (spent, held) = (self.spent(&instance), self.held(&instance));
            let over = spent + held > instance.rule.amount && !instance.rule.observe;
            let told = instance.told.entry(window).or_default();
            (told.spent, told.over) = (spent, over);
            fire(&instance.rule, told, &self.nodes[instance.node].path, false, &mut due);
            self.instances[index] = instance;
        }
        due
    }

    fn look_back(
        &self,
        instance: &mut Instance,
        start: Timestamp,
        before: Timestamp,
        due: &mut Vec<Due>,
    ) {
        let (rule, path) = (instance.rule.clone(), &self.nodes[instance.node].path);
        let spent = self.spent_at(instance, before);
        let over = spent + self.held_at(instance, &self.holds, before) > rule.amount;
        let told = instance.told.entry(Some(start)).or_default();
        let grown = spent > told.spent;
        told.spent = spent;
        if grown {
            fire(&rule, told, path, true, due);
        }
        if !over {
            told.over = false;
        } else if grown && !told.over && !rule.observe {
            told.over = true;
            due.push((path.clone(), rule.measure, 0, true));
        }
    }
}

/// The thresholds that have been reached and have not fired in the window.
fn fire(rule: &Rule, told: &mut Told, path: &str, past: bool, due: &mut Vec<Due>) {
    for percent in rule.alerts.iter().copied() {
        let reached = told.spent > 0 && told.spent * 100 >= rule.amount * i128::from(percent);
        if percent > told.fired && reached {
            due.push((path.to_owned(), rule.measure, percent, past));
            told.fired = percent;
        }
    }
}

/// When a charge leaves a rolling period: when its slot, a sixtieth, is wholly outside.
fn leaves(at: Timestamp, span: i64) -> Timestamp {
    Timestamp::from_micros((slot_of(at, span) + 1) * slot_length(span) + span)
}

fn slot_of(at: Timestamp, span: i64) -> i64 {
    at.as_micros().div_euclid(slot_length(span))
}

fn slot_length(span: i64) -> i64 {
    (span + 59) / 60
}
