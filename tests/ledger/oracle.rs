//! The real ledger beside the naive one: the same random commands, and after each the same answer,
//! the same sums, the laws.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bursar::clock::Timestamp;
use bursar::ledger::{
    AccountId, Adjust, Booking, Change, Command, Denied, Due, Event, Grow, HoldId, Ledger, Limit,
    LimitId, LimitView, Measure, ModelId, Notice, Path, Period, Record, Rejection, Reserve, Retry,
    Settle, Tags, Target,
};
use bursar::usage::Confidence;
use proptest::prelude::*;

use crate::acts::{
    Act, Call, PATHS, STARTS, act, bound, charged, limit, periods, pick, scope, used,
};
use crate::entries::{self, Amount, Ask, FILTERS, Hold, Instance, Life, MODELS, Rule};
use crate::naive::Naive;
use crate::world::value_of;

/// The two ledgers, and what is called what in each.
struct Both {
    real: Ledger,
    naive: Naive,
    now: Timestamp,
    /// The real id of each naive node and hold.
    accounts: Vec<AccountId>,
    holds: Vec<HoldId>,
    events: Vec<Event>,
    /// The most that each limit and each account has had after any event.
    peaks: (BTreeMap<LimitId, i128>, BTreeMap<AccountId, i128>),
    /// A lease has ended in this step: what that told belongs to a window that may be over.
    expired: bool,
}

impl Both {
    fn new(start: &str) -> Both {
        let now = start.parse().unwrap();
        let mut both = Both {
            real: Ledger::new(),
            naive: Naive::new(now),
            now,
            accounts: vec![AccountId::ROOT],
            holds: Vec::new(),
            events: Vec::new(),
            peaks: Default::default(),
            expired: false,
        };
        both.naive.open("", None);
        for name in &MODELS[1..] {
            both.run(&Command::NameModel { name: (*name).into() }).unwrap();
        }
        both
    }

    fn step(&mut self, act: &Act) {
        match act {
            Act::Pass(micros) => self.now = Timestamp::from_micros(self.now.as_micros() + micros),
            Act::PassTo(period, beside) => {
                if let Period::Calendar(unit, zone) = &periods()[*period] {
                    let end = unit.window_around(zone, self.now).1.as_micros();
                    self.now = Timestamp::from_micros(end + beside);
                }
            }
            Act::Open(path) => self.open(PATHS[*path]),
            Act::Set(rule) => self.set(rule),
            Act::Lift(index) => {
                let Some(rule) = pick(&self.naive.rules, *index).cloned() else { return };
                let command = Command::LiftLimit { scope: scope(&rule), limit: limit(&rule) };
                self.run(&command).unwrap();
                self.naive.lift(&rule);
            }
            Act::Reserve { ask, inside } => self.reserve(ask, *inside),
            Act::Grow { hold, ask } => self.grow(*hold, ask),
            Act::Settle { hold, cost, usage } => self.settle(*hold, *cost, *usage),
            Act::Release(hold) => {
                let Some(index) = self.pick_hold(*hold) else { return };
                let known = self.naive.holds[index].life != Life::Ended;
                let result = self.run(&Command::Release { hold: self.holds[index] });
                assert_eq!(result.is_ok(), known, "{result:?}");
                if known {
                    self.naive.end(index, &Amount::default(), 0);
                }
            }
            Act::Renew(hold, lease) => {
                let Some(index) = self.pick_hold(*hold) else { return };
                self.catch_up();
                let lease_until = self.now.plus(Duration::from_secs(*lease));
                let open = self.naive.holds[index].life == Life::Open;
                let result = self.run(&Command::Renew { hold: self.holds[index], lease_until });
                assert_eq!(result.is_ok(), open, "{result:?}");
                if open {
                    self.naive.holds[index].lease = lease_until;
                }
            }
            Act::Record { ask, key } => self.record(ask, *key),
            Act::Adjust { ask, by, ago } => self.adjust(ask, *by, *ago),
            Act::Freeze(path) => self.frost(PATHS[*path], true),
            Act::Thaw(path) => self.frost(PATHS[*path], false),
            Act::Close(path) => {
                let Some(node) = self.node(PATHS[*path]) else { return };
                let tag = PATHS[*path].contains(':');
                self.catch_up();
                let is_root = self.naive.nodes[node].parent.is_none();
                let closes = !is_root && (!tag || self.naive.is_idle(node));
                let result = self.run(&Command::Close { account: self.accounts[node] });
                assert_eq!(result.is_ok(), closes, "{result:?}");
                if closes {
                    self.naive.close(node);
                }
            }
        }
        self.catch_up();
        self.compare();
    }

    fn open(&mut self, path: &str) {
        let parsed = Path::new(path).unwrap();
        let parent = parsed.parent().map(|above| self.node(above.as_str()));
        let free = self.node(path).is_none();
        let possible =
            parent.is_none_or(|above| above.is_some_and(|above| !self.naive.nodes[above].closing));
        let result = self.run(&Command::OpenAccount { path: parsed });
        assert_eq!(result.is_ok(), free && possible, "{path} {result:?}");
        if let Ok(Event { change: Change::Opened { account, .. }, .. }) = result {
            assert!(!self.accounts.contains(&account), "{account:?} is used again");
            self.accounts.push(account);
            self.naive.open(path, parent.flatten());
        }
    }

    fn set(&mut self, rule: &Rule) {
        if let Period::Calendar(unit, zone) = rule.period.clone() {
            self.catch_up();
            let bounds = unit.window_around(&zone, self.now.max(self.real.now()));
            let _ = self.run(&Command::OpenWindow { unit, zone, bounds });
        }
        self.run(&Command::SetLimit { scope: scope(rule), limit: limit(rule) }).unwrap();
        self.naive.set(rule);
    }

    fn reserve(&mut self, call: &Call, inside: Option<usize>) {
        self.catch_up();
        let Some(node) = self.any_node(PATHS[call.account]) else { return };
        let tags: Option<Vec<usize>> = call.tags.iter().map(|tag| self.node(PATHS[*tag])).collect();
        let Some(mut tags) = tags else { return };
        let mut ask = self.ask(call, node, &[]);
        ask.outer = inside.and_then(|hold| self.pick_hold(hold));
        if let Some(outer) = ask.outer {
            // Mostly a call that can be inside.
            if call.cost % 4 != 0 {
                tags = self.naive.holds[outer].tags.clone();
                ask.node = self.naive.holds[outer].node;
            }
        }
        ask.tags = tags;
        let reserve = Reserve {
            target: self.target(ask.node, &ask.tags, ask.model),
            bound: bound(call),
            wrap_up: ask.wrap_up,
            outer: ask.outer.map(|outer| self.holds[outer]),
            lease_until: ask.lease,
        };
        let possible = self.naive.well_formed(ask.node, &ask.tags)
            && !self.naive.nodes[ask.node].closing
            && !self.naive.frozen(&charged(&ask))
            && self.naive.inside(&ask);
        let result = self.run(&Command::Reserve(reserve));
        if self.same_answer(&ask, possible, &result) {
            let Ok(Event { change: Change::Reserved(reserved), .. }) = result else { panic!() };
            assert!(!self.holds.contains(&reserved.hold));
            self.holds.push(reserved.hold);
            self.naive.admit(&ask, reserved.output_cap);
        }
    }

    fn grow(&mut self, hold: usize, call: &Call) {
        self.catch_up();
        let Some(index) = self.pick_hold(hold) else { return };
        let hold = self.naive.holds[index].clone();
        let mut ask = self.ask(call, hold.node, &hold.tags);
        (ask.model, ask.grows) = (hold.model, Some(index));
        let grow = Grow { hold: self.holds[index], bound: bound(call), wrap_up: call.wrap_up };
        let possible = hold.life == Life::Open
            && !self.naive.nodes[ask.node].closing
            && !self.naive.frozen(&charged(&ask));
        let result = self.run(&Command::Grow(grow));
        if self.same_answer(&ask, possible, &result) {
            let Ok(Event { change: Change::Grown(grown), .. }) = result else { panic!() };
            self.naive.admit(&ask, grown.output_cap);
        }
    }

    /// Law 2: both admit, with the same output, or both refuse, for a limit or for another reason.
    fn same_answer(&self, ask: &Ask, possible: bool, result: &Result<Event, Rejection>) -> bool {
        let largest = possible.then(|| self.naive.largest_cap(ask, ask.floor)).flatten();
        match result {
            Ok(event) => {
                let cap = match &event.change {
                    Change::Reserved(reserved) => reserved.output_cap,
                    Change::Grown(grown) => grown.output_cap,
                    other => panic!("{other:?}"),
                };
                assert_eq!(Some(cap), largest, "admitted {ask:?}");
                true
            }
            Err(Rejection::Blocked(refusal)) => {
                assert!(possible && largest.is_none(), "refused {ask:?}: {refusal:?}");
                self.same_refusal(ask, refusal);
                false
            }
            Err(other) => {
                assert!(!possible, "refused {ask:?}: {other:?}");
                false
            }
        }
    }

    /// Law 11: the refusal names the limit that blocks longest, with its true numbers.
    fn same_refusal(&self, ask: &Ask, denied: &Denied) {
        let set = |view: &LimitView<'_>| {
            *view.account == denied.account && Arc::ptr_eq(view.limit, &denied.limit)
        };
        let view = self.real.limits().find(set).unwrap();
        let (spent, held) = (value_of(denied.spent), value_of(denied.held));
        let blocking = self.naive.in_the_way(ask, ask.floor);
        let named = |(instance, _): &&(&Instance, i128)| self.is(&view, instance);
        let (instance, needed) =
            blocking.iter().find(named).expect("a limit that is not in the way");
        assert_eq!(spent, self.naive.spent(instance));
        assert_eq!(held, self.naive.held(instance));
        let kept = if ask.wrap_up { 0 } else { instance.rule.slice };
        let room = instance.rule.amount - kept - spent - held;
        assert_eq!(value_of(denied.available) - room, value_of(denied.asked) - needed);
        let retry = |(instance, needed): &(&Instance, i128)| self.retry(ask, instance, *needed);
        assert_eq!(denied.retry, retry(&(instance, *needed)), "{instance:?}");
        assert_eq!(blocking.iter().map(retry).max(), Some(denied.retry), "blocks longest");
        assert_eq!(denied.max_output_tokens, self.naive.largest_cap(ask, 1), "max_output");
    }

    /// When a limit would let this much pass, found by trying every moment at which that can change.
    fn retry(&self, ask: &Ask, instance: &Instance, needed: i128) -> Retry {
        let cap = instance.rule.amount - if ask.wrap_up { 0 } else { instance.rule.slice };
        let fits = |at| self.naive.spent_at(instance, at) + needed <= cap;
        let now = self.naive.now;
        if needed > cap {
            return Retry::Never;
        }
        if fits(now) {
            return Retry::WhenHoldsEnd;
        }
        match &instance.rule.period {
            Period::Lifetime => Retry::Never,
            Period::Calendar(unit, zone) => Retry::At(unit.window_around(zone, now).1),
            Period::Rolling(span) => {
                let slot = (span.as_micros() as i64 + 59) / 60;
                let whole = (now.as_micros() - span.as_micros() as i64).div_euclid(slot) - 1;
                let moments = (whole..).map(|slots| slots * slot + span.as_micros() as i64);
                let moments = moments.map(Timestamp::from_micros).filter(|at| *at > now);
                Retry::At(moments.take(130).find(|at| fits(*at)).unwrap())
            }
        }
    }

    fn settle(&mut self, hold: usize, cost: Option<i128>, usage: Option<(u64, u64, u64)>) {
        self.catch_up();
        let Some(index) = self.pick_hold(hold) else { return };
        let held = self.naive.holds[index].total();
        let booking = cost.map_or(Booking::AtLeast(20), Booking::Exactly);
        let mut settle = Settle::cost(self.holds[index], booking);
        settle.usage = usage.map(used);
        // Any model answers, or none that is named.
        let model = hold % MODELS.len();
        settle.model = self.model_id(model);
        let booked = Amount {
            cost: cost.unwrap_or(held.cost.max(20)),
            input: usage.map_or(held.input, |usage| usage.0.into()),
            cached: usage.map_or(0, |usage| usage.1.into()),
            output: usage.map_or(held.output, |usage| usage.2.into()),
            requests: held.requests,
            flight: 0,
        };
        let known = self.naive.holds[index].life != Life::Ended;
        let result = self.run(&Command::Settle(settle));
        assert_eq!(result.is_ok(), known, "law 3: {result:?}");
        if known {
            self.naive.end(index, &booked, model);
        }
    }

    fn record(&mut self, call: &Call, key: Option<u128>) {
        self.catch_up();
        let Some(node) = self.any_node(PATHS[call.account]) else { return };
        let tags: Option<Vec<usize>> = call.tags.iter().map(|tag| self.node(PATHS[*tag])).collect();
        let Some(tags) = tags else { return };
        let (input, read, output) = (call.input, call.input / 2, call.output.1);
        let cost = call.cost / 1_000_000;
        let record = Record {
            target: self.target(node, &tags, call.model),
            cost,
            usage: used((input, read, output)),
            model: ModelId::NONE,
            confidence: Confidence::Exact,
            key,
        };
        let now = self.naive.now;
        let new = key.is_none_or(|key| !self.naive.knows_key(key, now));
        let result = self.run(&Command::Record(record));
        assert_eq!(result.is_ok(), new && self.naive.well_formed(node, &tags), "{result:?}");
        if result.is_ok() {
            let nodes = [node].into_iter().chain(tags).collect();
            let (input, cached, output) = (input.into(), read.into(), output.into());
            let amount = Amount { cost, input, cached, output, requests: 1, flight: 0 };
            self.naive.record(nodes, call.model, amount);
            if let Some(key) = key {
                self.naive.remember(key);
            }
        }
    }

    /// A correction is booked whatever the limits say, unless it would leave less than nothing.
    fn adjust(&mut self, call: &Call, by: i128, ago: i64) {
        self.catch_up();
        let Some(node) = self.any_node(PATHS[call.account]) else { return };
        let tags: Option<Vec<usize>> = call.tags.iter().map(|tag| self.node(PATHS[*tag])).collect();
        let Some(tags) = tags else { return };
        let about = Timestamp::from_micros(self.naive.now.as_micros() - ago);
        let target = self.target(node, &tags, call.model);
        let nodes: Vec<usize> = [node].into_iter().chain(tags.iter().copied()).collect();
        let possible = self.naive.well_formed(node, &tags) && self.naive.can_bear(&nodes, by);
        let adjust = Adjust { target, cost: by, about, why: "an invoice".into() };
        let result = self.run(&Command::Adjust(adjust));
        assert_eq!(result.is_ok(), possible, "{result:?}");
        if possible {
            self.naive.adjust(nodes, call.model, by, about);
        }
    }

    fn frost(&mut self, path: &str, frozen: bool) {
        let Some(node) = self.node(path) else { return };
        let account = self.accounts[node];
        let command = match frozen {
            true => Command::Freeze { account, why: "because".into() },
            false => Command::Thaw { account },
        };
        self.run(&command).unwrap();
        self.naive.nodes[node].frozen = frozen;
    }

    fn catch_up(&mut self) {
        self.naive.come_to(self.now.max(self.real.now()));
        while let Some(due) = self.real.due(self.now) {
            match due {
                Due::LeaseEnd(hold) => {
                    let index = self.holds.iter().position(|known| *known == hold).unwrap();
                    assert!(self.naive.holds[index].lease <= self.now);
                    if index % 3 == 2 {
                        self.carry_out(&Command::ExpireReleased { hold }).unwrap();
                        self.naive.lapse(index);
                    } else {
                        self.carry_out(&Command::ExpireCharged { hold }).unwrap();
                        self.naive.expire(index);
                    }
                    self.expired = true;
                }
                Due::Roll { window, unit, zone } => {
                    let bounds = unit.window_around(zone, self.now);
                    self.carry_out(&Command::RollWindow { window, bounds }).unwrap();
                }
            }
        }
        let late = |hold: &Hold| hold.life == Life::Open && hold.lease <= self.now;
        assert!(!self.naive.holds.iter().any(late), "a lease has ended and nobody said so");
    }

    fn run(&mut self, command: &Command) -> Result<Event, Rejection> {
        self.catch_up();
        self.carry_out(command)
    }

    /// Law 5: a refusal changes nothing.
    fn carry_out(&mut self, command: &Command) -> Result<Event, Rejection> {
        let before = self.real.clone();
        let result = self.real.execute(self.now, command);
        match &result {
            Ok(event) => {
                self.naive.tick += 1;
                self.events.push(event.clone());
            }
            Err(_) => assert_eq!(self.real, before, "a refusal has changed something"),
        }
        self.real.check_invariants().unwrap_or_else(|what| panic!("{command:?}: {what}"));
        self.check_peaks();
        result
    }

    fn check_peaks(&mut self) {
        let (limits, accounts) = &mut self.peaks;
        limits.retain(|id, _| self.real.limit(*id).is_some());
        for view in self.real.limits() {
            let most = limits.entry(view.id).or_default();
            *most = (*most).max(view.spent + view.held);
            assert_eq!(view.peak, *most, "the peak of {:?} on `{}`", view.limit, view.account);
        }
        accounts.retain(|id, _| self.real.account(*id).is_some());
        for view in self.real.accounts() {
            let most = accounts.entry(view.id).or_default();
            *most = (*most).max(view.balance.spent + view.balance.held);
            assert_eq!(view.balance.peak, *most, "the peak of `{}`", view.path);
        }
    }

    /// Every sum of every account and limit; laws 1 and 12.
    fn compare(&mut self) {
        let alive = self.naive.nodes.iter().filter(|node| node.alive).count();
        assert_eq!(self.real.accounts().count(), alive);
        for (node, id) in self.accounts.iter().enumerate() {
            let view = self.real.account(*id);
            assert_eq!(view.is_some(), self.naive.nodes[node].alive, "{id:?}");
            if let Some(view) = view {
                let sums = (view.balance.spent, view.balance.held);
                assert_eq!(sums, self.naive.account_sums(node), "account `{}`", view.path);
            }
        }
        assert_eq!(self.real.limits().count(), self.naive.instances.len());
        for view in self.real.limits_at(self.now) {
            let named = |instance: &&Instance| self.is(&view, instance);
            let instance = self.naive.instances.iter().find(named).expect("an unknown limit");
            let sums = (view.spent, view.held, view.previous_spent);
            let naive = &self.naive;
            let expected = (naive.spent(instance), naive.held(instance), naive.previous(instance));
            assert_eq!(sums, expected, "spent, held, spent before: {instance:?}");
        }
    }

    /// Law 1: a limit gets over its amount only by a charge above its hold, a charge without one,
    /// a correction or a change of the limit, and that is told once. Law 12: thresholds fire once.
    fn heed(&mut self, act: &Act) {
        let notices = self.real.take_notices();
        let expired = std::mem::take(&mut self.expired);
        let about = |account: &Path, rule: &Limit, percent, window: Option<Timestamp>| {
            let rolls = matches!(rule.period(), Period::Rolling(_));
            (!rolls).then(|| (account.to_string(), rule.measure(), percent, window.is_some()))
        };
        let told = notices.iter().filter_map(|notice| match notice {
            Notice::Threshold { account, rule, percent, window, .. } => {
                about(account, rule, *percent, *window)
            }
            Notice::Overrun { account, rule, window, .. } if window.is_some() => {
                about(account, rule, 0, *window)
            }
            _ => None,
        });
        let mut told: Vec<entries::Due> = told.collect();
        let mut due = self.naive.take_alerts();
        if expired {
            // A lease that ended before its window did told of it while it was the present one.
            told.iter_mut().chain(&mut due).for_each(|(.., past)| *past = false);
        }
        told.retain(|one| {
            !due.iter().position(|other| other == one).is_some_and(|at| {
                due.swap_remove(at);
                true
            })
        });
        // What a run was told at its end is not looked for: it is gone.
        let gone = |(path, ..): &entries::Due| self.node(path).is_none();
        let more_is_right = expired || told.iter().all(gone);
        assert!(due.is_empty() && more_is_right, "due {due:?}, told {told:?}");

        // An opening amount can be over the limit from the start.
        let may = matches!(
            act,
            Act::Settle { .. }
                | Act::Record { .. }
                | Act::Adjust { .. }
                | Act::Set(_)
                | Act::Open(_)
        );
        let mut overruns: Vec<&Path> = Vec::new();
        for notice in &notices {
            if let Notice::Overrun { account, rule, window: None, .. } = notice {
                if rule.measure() == Measure::PerCall {
                    assert!(may, "a bill above a cap for each call, by {act:?}");
                    continue;
                }
                if !matches!(rule.period(), Period::Rolling(_)) {
                    overruns.push(account);
                }
            }
        }
        let mut expected = 0;
        for index in 0..self.naive.instances.len() {
            let instance = &self.naive.instances[index];
            let committed = self.naive.spent(instance) + self.naive.held(instance);
            let over = committed > instance.rule.amount;
            if over && !instance.rule.observe {
                let before = instance.over;
                let rolling = matches!(instance.rule.period, Period::Rolling(_));
                // A clock that goes back brings back what has just left a rolling period.
                let may = may || rolling && matches!(act, Act::Pass(by) if *by < 0);
                assert!(before || may, "law 1: {instance:?} is over by {act:?}");
                expected += usize::from(!before && !rolling);
            }
            self.naive.instances[index].over = over && !self.naive.instances[index].rule.observe;
        }
        overruns.retain(|path| self.node(path.as_str()).is_some());
        let right = overruns.len() == expected || (expired && overruns.len() > expected);
        assert!(right, "{expected} overruns, told of {overruns:?}");
    }

    fn is(&self, view: &LimitView<'_>, instance: &Instance) -> bool {
        self.naive.nodes[instance.node].path == view.account.as_str()
            && instance.rule.scope == view.scope.as_str()
            && instance.rule.measure == view.limit.measure()
            && instance.rule.period == *view.limit.period()
            && FILTERS[instance.rule.filter].0 == view.limit.only_models().map(|only| only.as_str())
    }

    /// The events make the same ledger again, and so do the events read back from text, and a
    /// snapshot.
    fn replay(mut self) {
        self.real.take_notices();
        let mut again = Ledger::new();
        for event in &self.events {
            let text = serde_json::to_string(event).unwrap();
            let read: Event = serde_json::from_str(&text).unwrap();
            assert_eq!(read, *event);
            again.apply(&read);
        }
        again.take_notices();
        assert_eq!(again, self.real);
        let snapshot = serde_json::to_string(&self.real).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&snapshot).unwrap(), self.real);
    }

    fn ask(&self, call: &Call, node: usize, tags: &[usize]) -> Ask {
        Ask {
            node,
            tags: tags.to_vec(),
            model: call.model,
            fixed_atto: call.cost,
            per_atto: call.per,
            input: call.input.into(),
            choices: 2,
            floor: call.output.0,
            cap: call.output.1,
            wrap_up: call.wrap_up,
            outer: None,
            lease: call.lease.map_or(Timestamp::MAX, |s| self.now.plus(Duration::from_secs(s))),
            grows: None,
        }
    }

    fn target(&self, node: usize, tags: &[usize], model: usize) -> Target {
        let mut all = Tags::NONE;
        for tag in tags {
            all = all.with(self.accounts[*tag]).unwrap();
        }
        Target { account: self.accounts[node], tags: all, model: self.model_id(model) }
    }

    fn model_id(&self, model: usize) -> ModelId {
        match model {
            0 => ModelId::NONE,
            model => self.real.find_model(MODELS[model]).unwrap(),
        }
    }

    /// The living account of that path.
    fn node(&self, path: &str) -> Option<usize> {
        self.naive.nodes.iter().position(|node| node.alive && node.path == path)
    }

    /// The living account of that path, or the last that there was.
    fn any_node(&self, path: &str) -> Option<usize> {
        self.naive.nodes.iter().rposition(|node| node.path == path)
    }

    /// Mostly a hold that is open, now and then one that has ended.
    fn pick_hold(&self, index: usize) -> Option<usize> {
        let all: Vec<usize> = (0..self.naive.holds.len()).collect();
        let going = |index: &usize| self.naive.holds[*index].life != Life::Ended;
        let live: Vec<usize> = all.iter().copied().filter(going).collect();
        pick(if index % 10 == 9 || live.is_empty() { &all } else { &live }, index).copied()
    }
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_ledger_agrees_with_the_naive_one(
        start in prop::sample::select(&STARTS[..]),
        acts in prop::collection::vec(act(), 1..70),
    ) {
        let mut both = Both::new(start);
        for path in PATHS {
            both.open(path);
        }
        for act in &acts {
            both.step(act);
            both.heed(act);
        }
        both.replay();
    }
}
