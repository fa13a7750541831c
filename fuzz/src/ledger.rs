//! The target `ledger`: bytes as commands, one after another, with ids that may be stale or
//! made up and amounts that may be absurd.

use std::time::Duration;

use bursar::Usd;
use bursar::calendar::{CalendarUnit, Zone};
use bursar::clock::Timestamp;
use bursar::ledger::{
    AccountId, Adjust, Booking, Change, Command, CostBound, Due, Event, Grow, HoldId, Ledger,
    Limit, ModelId, Path, Period, Quantity, Record, Rejection, Reserve, Reserved, Scope, Settle,
    Settled, Tags, Target,
};
use bursar::usage::{Confidence, Usage};

const PATHS: [&str; 12] = [
    "a", "a/x", "a/y", "a/x/r", "b", "b/x", "user:", "user:1", "user:2", "team:", "team:1", "c/d/e",
];
const SCOPES: [&str; 12] =
    ["", "a", "a/x", "a/*", "*", "*/x", "a/*/r", "b", "user:", "user:*", "user:1", "team:1"];
const MODELS: [&str; 3] = ["p/gpt-6", "p/gpt-6-mini", "q/claude"];
const MOST_COMMANDS: usize = 60;

/// No command panics; after each the sums are those of a recount; a refused command has changed
/// nothing; and the events make the same ledger again.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::new();
    for _ in 0..MOST_COMMANDS {
        if bytes.0.is_empty() {
            break;
        }
        world.step(&mut bytes);
    }
    let mut again = Ledger::new();
    for event in &world.events {
        again.apply(event);
        again.take_notices();
    }
    assert_eq!(again, world.ledger, "the events do not make the same ledger again");
}

struct Bytes<'d>(&'d [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Mostly small, sometimes at the edge of what is possible, sometimes beyond.
    fn count(&mut self) -> u64 {
        match self.byte() {
            small @ 0..200 => u64::from(small),
            200..220 => u64::from(self.byte()) * 1_000,
            220..230 => Usage::MAX_COUNT,
            230..240 => Usage::MAX_COUNT + 1,
            _ => u64::MAX,
        }
    }

    fn money(&mut self) -> i128 {
        let sign = if self.byte() > 250 { -1 } else { 1 };
        let unit = match self.byte() {
            0..200 => 1_000_000,
            200..215 => 1,
            215..225 => 1_000_000_000_000_000,
            225..235 => 1_000_000_000_000_000_000_000,
            235..245 => 1_000_000_000_000_000_000_000_000_000_000,
            _ => return if sign < 0 { i128::MIN } else { i128::MAX },
        };
        sign * unit * i128::from(self.byte())
    }

    fn usage(&mut self) -> Usage {
        let mut usage = Usage::tokens(self.count(), self.count());
        usage.cache_read = self.count();
        usage.reasoning = self.count();
        usage.requests = self.count();
        usage
    }

    fn bound(&mut self) -> CostBound {
        let (fixed, per_output) = (self.money(), self.money());
        let (input, choices) = (self.count(), self.count());
        let (floor, cap) = (self.count(), self.count());
        let cap = if self.flag() { floor.saturating_add(cap) } else { cap };
        // Attodollars are a million to the picodollar.
        let fixed = fixed.saturating_mul(1_000_000);
        CostBound { fixed, per_output, input, choices, floor, cap }
    }

    fn period(&mut self) -> Period {
        let zoned = |unit, zone| Period::Calendar(unit, Zone::named(zone).expect("a zone"));
        match self.below(8) {
            0 | 1 => Period::Lifetime,
            2 => Period::DAY,
            3 => zoned(CalendarUnit::Day, "Europe/Berlin"),
            4 => zoned(CalendarUnit::Hour, "Asia/Kolkata"),
            5 => zoned(CalendarUnit::Week, "Pacific/Apia"),
            6 => Period::rolling(Duration::from_secs(self.count())),
            _ => Period::rolling(Duration::from_secs(60)),
        }
    }

    fn limit(&mut self) -> Limit {
        let limit = match self.below(8) {
            0 | 1 => Limit::spend(Usd::from_pico(self.money())),
            2 => Limit::tokens(self.count()),
            3 => Limit::input_tokens(self.count()),
            4 => Limit::uncached_input_tokens(self.count()),
            5 => Limit::output_tokens(self.count()),
            6 => Limit::requests(self.count()),
            _ => Limit::in_flight(u32::from(self.byte())),
        };
        let mut limit = limit.per(self.period());
        let extras = self.byte();
        if extras & 1 != 0 {
            limit = limit.only_model(self.one(&["p/gpt-6*", "q/*", "*", "p/gpt-6"]));
        }
        if extras & 2 != 0 {
            limit = limit.alert_at([50, u16::from(self.byte())]);
        }
        if extras & 4 != 0 {
            limit = limit.observe();
        }
        let is_money = limit.measure() == bursar::Measure::Cost;
        if extras & 8 != 0 {
            limit = match is_money {
                true => limit.keep_for_wrap_up(Usd::from_pico(self.money())),
                false => limit.keep_for_wrap_up(self.count()),
            };
        }
        if extras & 16 != 0 {
            limit = match is_money {
                true => limit.opening(Usd::from_pico(self.money())),
                false => limit.opening(self.count()),
            };
        }
        limit
    }
}

struct World {
    ledger: Ledger,
    now: Timestamp,
    accounts: Vec<AccountId>,
    holds: Vec<HoldId>,
    models: Vec<ModelId>,
    events: Vec<Event>,
}

impl World {
    fn new() -> World {
        // An id that no ledger has given, as a foreign journal could bring it.
        let forged = "[4000, 7]";
        World {
            ledger: Ledger::new(),
            now: Timestamp::from_secs(1_774_738_740), // an hour before a short day in Berlin
            accounts: vec![AccountId::ROOT, serde_json::from_str(forged).expect("an id")],
            holds: vec![serde_json::from_str(forged).expect("an id")],
            models: vec![ModelId::NONE, serde_json::from_str("4000").expect("an id")],
            events: Vec::new(),
        }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let command = match bytes.below(21) {
            0 => return self.pass(bytes),
            1 | 2 => Command::OpenAccount { path: Path::new(bytes.one(&PATHS)).expect("a path") },
            3 => Command::NameModel { name: bytes.one(&MODELS).into() },
            4 | 5 => return self.set_limit(bytes),
            6 => {
                let scope = Scope::new(bytes.one(&SCOPES)).expect("a scope");
                Command::LiftLimit { scope, limit: bytes.limit() }
            }
            7 => Command::Freeze { account: self.account(bytes), why: "because".into() },
            8 => Command::Thaw { account: self.account(bytes) },
            9 => Command::Close { account: self.account(bytes) },
            10..=12 => Command::Reserve(Reserve {
                target: self.target(bytes),
                bound: bytes.bound(),
                wrap_up: bytes.flag(),
                outer: if bytes.byte() > 150 { Some(self.hold(bytes)) } else { None },
                lease_until: self.lease(bytes),
            }),
            13 => Command::Grow(Grow {
                hold: self.hold(bytes),
                bound: bytes.bound(),
                wrap_up: bytes.flag(),
            }),
            14 | 15 => Command::Settle(Settle {
                hold: self.hold(bytes),
                booking: match bytes.flag() {
                    true => Booking::Exactly(bytes.money()),
                    false => Booking::AtLeast(bytes.money()),
                },
                usage: if bytes.flag() { Some(bytes.usage()) } else { None },
                model: bytes.one(&self.models),
                confidence: Confidence::Exact,
            }),
            16 => Command::Release { hold: self.hold(bytes) },
            17 => Command::Renew { hold: self.hold(bytes), lease_until: self.lease(bytes) },
            18 => Command::Record(Record {
                target: self.target(bytes),
                cost: bytes.money(),
                usage: bytes.usage(),
                model: bytes.one(&self.models),
                confidence: Confidence::Estimated,
                key: if bytes.flag() { Some(u128::from(bytes.byte() % 4)) } else { None },
            }),
            20 => Command::Adjust(Adjust {
                target: self.target(bytes),
                cost: if bytes.flag() { bytes.money() } else { bytes.money().saturating_neg() },
                about: Timestamp::from_micros(
                    self.now.as_micros().saturating_sub(3_600_000_000 * i64::from(bytes.byte())),
                ),
                why: "an invoice".into(),
            }),
            _ => Command::RecordSaving { account: self.account(bytes), saved: bytes.money() },
        };
        self.execute(&command);
    }

    fn account(&self, bytes: &mut Bytes<'_>) -> AccountId {
        bytes.one(&self.accounts)
    }

    fn hold(&self, bytes: &mut Bytes<'_>) -> HoldId {
        bytes.one(&self.holds)
    }

    fn target(&self, bytes: &mut Bytes<'_>) -> Target {
        let account = self.account(bytes);
        let tags =
            (0..bytes.byte() / 100).try_fold(Tags::NONE, |tags, _| tags.with(self.account(bytes)));
        Target { account, tags: tags.unwrap_or(Tags::NONE), model: bytes.one(&self.models) }
    }

    fn lease(&self, bytes: &mut Bytes<'_>) -> Timestamp {
        match bytes.byte() {
            seconds @ 0..100 => self.now.plus(Duration::from_secs(u64::from(seconds))),
            _ => Timestamp::MAX,
        }
    }

    fn set_limit(&mut self, bytes: &mut Bytes<'_>) {
        let (scope, limit) = (Scope::new(bytes.one(&SCOPES)).expect("a scope"), bytes.limit());
        if let Period::Calendar(unit, zone) = limit.period().clone() {
            let bounds = unit.window_around(&zone, self.now.max(self.ledger.now()));
            self.execute(&Command::OpenWindow { unit, zone, bounds });
        }
        self.execute(&Command::SetLimit { scope, limit });
    }

    fn pass(&mut self, bytes: &mut Bytes<'_>) {
        let seconds = match bytes.byte() {
            small @ 0..150 => u64::from(small),
            150..200 => 3_600 * u64::from(bytes.byte()),
            200..250 => 86_400 * u64::from(bytes.byte()),
            _ => 0,
        };
        self.now = self.now.plus(Duration::from_secs(seconds));
    }

    /// Deals with what is due, then carries a command out.
    fn execute(&mut self, command: &Command) {
        while let Some(due) = self.ledger.due(self.now) {
            let command = match due {
                Due::LeaseEnd(hold) => Command::ExpireCharged { hold },
                Due::Roll { window, unit, zone } => {
                    Command::RollWindow { window, bounds: unit.window_around(zone, self.now) }
                }
            };
            self.carry_out(&command).expect("what is due can be done");
        }
        let _ = self.carry_out(command);
    }

    fn carry_out(&mut self, command: &Command) -> Result<(), Rejection> {
        let before = self.ledger.clone();
        let result = self.ledger.execute(self.now, command);
        self.ledger.take_notices();
        if let Err(what) = self.ledger.check_invariants() {
            panic!("{what}, after {command:?}");
        }
        let event = result.inspect_err(|_| {
            assert_eq!(self.ledger, before, "a refused command has changed something");
        })?;
        match &event.change {
            Change::Opened { account, .. } => self.accounts.push(*account),
            Change::ModelNamed { model, .. } => self.models.push(*model),
            Change::Reserved(reserved) => {
                self.holds.push(reserved.hold);
                self.check_never_over(reserved);
            }
            Change::Released { hold } | Change::Settled(Settled { hold, .. }) => {
                let again = self.ledger.decide(self.now, &Command::Release { hold: *hold });
                assert_eq!(again, Err(Rejection::NoSuchHold), "{event:?} has not ended its hold");
            }
            _ => {}
        }
        self.events.push(event);
        Ok(())
    }

    /// Law 1: what has just been admitted fits every limit that it asks for.
    fn check_never_over(&self, reserved: &Reserved) {
        if reserved.outer.is_some() {
            return; // it asks for less than it holds
        }
        for view in self.ledger.limits_of(reserved.target.account, self.ledger.now()) {
            let asked = reserved.amounts.get(view.limit.measure()) > 0;
            let binds = !view.limit.is_observing() && view.limit.only_models().is_none();
            let amount = match view.limit.amount() {
                Quantity::Money(usd) => usd.pico(),
                Quantity::Count(count) => count,
            };
            let fits = view.spent + view.held <= amount;
            assert!(!asked || !binds || fits, "{view:?} after {reserved:?}");
        }
    }
}
