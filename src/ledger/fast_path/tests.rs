//! The property that the fast path is the general path: random ledgers, and at each reserve and settle a
//! copy that goes by events, with no headroom and no fresh counter.

use std::time::Duration;

use proptest::prelude::*;

use crate::calendar::window_around;
use crate::clock::Timestamp;
use crate::ledger::fast_path::Headroom;
use crate::ledger::{
    AccountId, Adjust, Booking, Change, Command, CostBound, Due, Grow, HoldId, Ledger, Limit,
    ModelId, Path, Period, Record, Rejection, Reserve, Scope, Settle, Tags, Target,
};
use crate::money::Usd;
use crate::usage::{Confidence, Usage};

const PATHS: [&str; 7] = ["org", "org/a", "org/a/b", "user:", "user:1", "team:", "team:x"];

/// In picodollars.
const CENT: i128 = 10_000_000_000;

/// One step of a random ledger: what it does, and with what.
type Step = [u16; 5];

struct World {
    ledger: Ledger,
    now: Timestamp,
    accounts: Vec<AccountId>,
    holds: Vec<HoldId>,
}

impl World {
    fn new() -> World {
        let now = "2026-11-30T22:00:00Z".parse().unwrap();
        let mut world = World {
            ledger: Ledger::new(),
            now,
            accounts: vec![AccountId::ROOT],
            holds: Vec::new(),
        };
        for name in ["p/gpt", "p/owl"] {
            world.run(&Command::NameModel { name: name.into() });
        }
        for path in PATHS {
            let open = Command::OpenAccount { path: Path::new(path).unwrap() };
            let Change::Opened { account, .. } = world.run(&open).unwrap() else { unreachable!() };
            world.accounts.push(account);
        }
        world
    }

    fn run(&mut self, command: &Command) -> Option<Change> {
        self.ledger.execute(self.now, command).ok().map(|event| event.change)
    }

    fn step(&mut self, [act, one, two, three, four]: Step) {
        match act % 32 {
            0..=1 => self.pass(u64::from(one) * u64::from(two % 8)),
            2..=5 => self.set_limit(one, two, three),
            6 => {
                let account = self.account(one);
                self.run(&match two % 3 {
                    0 => Command::Freeze { account, why: "because".into() },
                    _ => Command::Thaw { account },
                });
            }
            7 => self.grow(one, two),
            8 => {
                if let Some(hold) = self.hold(one) {
                    self.run(&Command::Release { hold });
                }
            }
            9..=17 => self.settle(one, two, three, four),
            18 => self.record(one, two, three),
            19 => self.lift(one, two),
            _ => self.reserve(one, two, three, four),
        }
        self.ledger.check_invariants().unwrap();
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(Duration::from_secs(seconds));
        while let Some(due) = self.ledger.due(self.now) {
            let command = match due {
                Due::LeaseEnd(hold) => Command::ExpireCharged { hold },
                Due::Roll { window, unit, zone } => {
                    Command::RollWindow { window, bounds: window_around(unit, zone, self.now) }
                }
            };
            self.run(&command).unwrap();
        }
    }

    fn set_limit(&mut self, place: u16, kind: u16, size: u16) {
        let (scope, limit) = (scope(place), limit(kind, size));
        let command = Command::SetLimit { scope, limit: limit.clone() };
        if let Err(Rejection::NoSuchWindow) = self.ledger.decide(self.now, &command) {
            let Period::Calendar(unit, zone) = limit.period().clone() else { unreachable!() };
            let bounds = window_around(unit, &zone, self.now);
            self.run(&Command::OpenWindow { unit, zone, bounds });
        }
        self.run(&command);
    }

    fn lift(&mut self, place: u16, kind: u16) {
        self.run(&Command::LiftLimit { scope: scope(place), limit: limit(kind, 1) });
    }

    /// A call without a hold, or a correction of an earlier one.
    fn record(&mut self, who: u16, size: u16, ago: u16) {
        let target = Target::account(self.accounts[usize::from(who) % 4]);
        let cost = i128::from(size % 64) * CENT;
        let command = match who >> 8 & 1 {
            0 => {
                let (usage, confidence) = (Usage::tokens(u64::from(size), 0), Confidence::Exact);
                let (model, key) = (ModelId::NONE, None);
                Command::Record(Record { target, cost, usage, model, confidence, key })
            }
            _ => {
                let earlier = self.now.as_micros() - i64::from(ago) * 1_000_000;
                let about = Timestamp::from_micros(earlier);
                let cost = if size >> 8 & 1 == 0 { cost } else { -cost };
                Command::Adjust(Adjust { target, cost, about, why: "because".into() })
            }
        };
        self.run(&command);
    }

    fn grow(&mut self, hold: u16, cents: u16) {
        if let Some(hold) = self.hold(hold) {
            let bound = CostBound::fixed(i128::from(cents % 64) * CENT);
            self.run(&Command::Grow(Grow { hold, bound, wrap_up: false }));
        }
    }

    fn reserve(&mut self, who: u16, tags: u16, size: u16, more: u16) {
        let mut ids = Tags::NONE;
        for tag in [tags % 8, tags / 8 % 8].into_iter().filter(|tag| *tag > 3) {
            ids = ids.with(self.accounts[usize::from(tag)]).unwrap();
        }
        let account = self.accounts[usize::from(who) % 4];
        let model = ModelId(u32::from(more % 3));
        let cap = u64::from(size >> 8);
        let (floor, per_output) = (cap / u64::from(more % 4 + 1), i128::from(more % 64) << 44);
        let fixed = i128::from(size % 128) * CENT * 1_000_000 + i128::from(more % 97 == 0);
        let bound = CostBound { fixed, per_output, input: u64::from(more), choices: 1, floor, cap };
        let reserve = Reserve {
            target: Target { account, tags: ids, model },
            bound,
            wrap_up: tags >> 8 & 7 == 0,
            outer: self.hold(tags).filter(|_| tags >> 11 & 7 == 0),
            lease_until: match tags >> 14 {
                0 => self.now.plus(Duration::from_secs(4_000)),
                _ => Timestamp::MAX,
            },
        };
        let mut other = self.ledger.clone().without_fast_path();
        let long = other.execute(self.now, &Command::Reserve(reserve)).map(|event| event.change);
        let Reserve { target, bound, wrap_up, lease_until, .. } = reserve;
        let plain = match reserve.outer {
            None => self.ledger.try_reserve(self.now, &target, &bound, wrap_up, lease_until),
            Some(_) => None,
        };
        match (plain, long) {
            (Some((hold, cost)), Ok(Change::Reserved(reserved))) => {
                let told = (reserved.hold, reserved.amounts.cost, reserved.output_cap);
                assert_eq!((hold, cost, cap), told);
                self.holds.push(hold);
                self.compare(other);
            }
            (Some(plain), long) => panic!("{plain:?} {long:?}"),
            (None, long) => {
                let whole =
                    matches!(&long, Ok(Change::Reserved(reserved)) if reserved.output_cap == cap);
                assert!(!whole || reserve.outer.is_some(), "declined: {long:?}");
                if let Some(Change::Reserved(held)) = self.run(&Command::Reserve(reserve)) {
                    self.holds.push(held.hold);
                }
                self.compare(other);
            }
        }
    }

    fn settle(&mut self, hold: u16, cost: u16, usage: u16, more: u16) {
        let Some(hold) = self.hold(hold) else { return };
        let cost = i128::from(cost % 32) * CENT + i128::from(cost % 97 == 0);
        let usage = (usage > 1_000).then(|| Usage {
            cache_read: u64::from(usage % 7),
            ..Usage::tokens(u64::from(usage % 600), u64::from(more % 300))
        });
        let booking = match more % 5 {
            0 => Booking::AtLeast(cost),
            1 => Booking::Exactly(-cost),
            _ => Booking::Exactly(cost),
        };
        let (model, confidence) = (ModelId(u32::from(more >> 4) % 3), Confidence::Exact);
        let settle = Settle { hold, booking, usage, model, confidence };
        let mut other = self.ledger.clone().without_fast_path();
        let long = other.execute(self.now, &Command::Settle(settle)).map(|event| event.change);
        let plain =
            self.ledger.try_settle(self.now, hold, booking, usage.as_ref(), model, confidence);
        match (plain, long) {
            (Some(plain), Ok(Change::Settled(settled))) => {
                let used = settle.usage.unwrap_or(Usage::tokens(plain.input, plain.output));
                assert_eq!((plain, used), (settled.booked, settled.usage));
                self.compare(other);
            }
            (Some(plain), long) => panic!("{plain:?} {long:?}"),
            (None, long) => {
                self.run(&Command::Settle(settle));
                self.compare(other);
                let known = self.ledger.holds.open(hold).is_none_or(|hold| !hold.more.is_empty());
                assert!(long.is_err() || known, "declined: {long:?}");
            }
        }
    }

    /// The copy that went the long way has come to the same place.
    fn compare(&self, other: Ledger) {
        assert_eq!(self.ledger.clone().without_fast_path(), other.without_fast_path());
    }

    fn account(&self, number: u16) -> AccountId {
        self.accounts[usize::from(number) % self.accounts.len()]
    }

    fn hold(&self, number: u16) -> Option<HoldId> {
        let open: Vec<HoldId> = self.ledger.holds.iter().map(|(id, _)| id).collect();
        let known = if number % 16 == 0 { &self.holds } else { &open };
        (!known.is_empty()).then(|| known[usize::from(number) % known.len()])
    }
}

impl Ledger {
    /// The same ledger, with each counter to be looked at as a whole.
    fn without_fast_path(mut self) -> Ledger {
        self.counters.iter_mut().flatten().for_each(|counter| counter.mark_fresh(0));
        let Ledger { accounts, counters, .. } = &mut self;
        for counter in counters.iter_mut().flatten() {
            let balance = accounts.at(counter.account).balance;
            counter.keep_peak(&balance);
        }
        for index in 0..u32::try_from(accounts.len()).unwrap() {
            let account = accounts.at_mut(index);
            account.restart_peak();
            account.headroom = Headroom::UNSET;
        }
        self
    }
}

fn scope(place: u16) -> Scope {
    Scope::new(["", "org", "org/*", "*", "user:*", "team:x"][usize::from(place) % 6]).unwrap()
}

fn limit(kind: u16, size: u16) -> Limit {
    let amount = Usd::cents(i64::from(size) % 400);
    let limit = match kind % 16 {
        0 => Limit::tokens(u64::from(size)),
        1 => Limit::requests(u64::from(size)),
        2 => Limit::in_flight(u32::from(size % 12)),
        3 => Limit::spend(amount).only_model("p/gpt"),
        4 => Limit::spend(amount).observe(),
        5 => Limit::spend(amount).keep_for_wrap_up(Usd::cents(9)),
        6 => Limit::spend(amount).per(Period::rolling(Duration::from_secs(3_600))),
        7 => Limit::uncached_input_tokens(u64::from(size)),
        8 => return Limit::per_call(amount),
        9 => return Limit::per_call(amount).observe().only_model("p/*"),
        _ => Limit::spend(amount),
    };
    let limit = match (kind >> 4) % 4 {
        0 => limit,
        _ if kind % 16 == 2 || kind % 16 == 6 => limit,
        1 => limit.per(Period::HOUR),
        _ => limit.per(Period::DAY),
    };
    if kind >> 6 & 1 == 1 { limit.alert_at([20, 50, 90]) } else { limit }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_fast_path_is_the_general_path(steps in prop::collection::vec(any::<Step>(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
    }
}
