//! The language of the tables: a ledger, a clock and names, and the laws that are checked
//! after every line.
//!
//! ```text
//! at     2026-11-24T12:00:00Z                    sets the clock; `+90s` moves it
//! limit  acme spend 1.00 day@Europe/Berlin only=gpt* alert=50,80 slice=0.1 opening=0.2 observe
//! lift   acme spend day@Europe/Berlin only=gpt*
//! hold   a acme/x 0.60 in=100 out=20..800 per=0.001 n=2 model=p/gpt tag=user:1 inside=b wrapup lease=60
//! grow   a 0.10                                  takes the same words as `hold`
//! settle a 0.55 in=100 read=20 out=30            `least` books at least what was held
//! record acme/x 0.10 in=1 out=1 key=7 tag=user:1
//! adjust acme/x -0.10 model=p/gpt tag=user:1 about=2026-11-23T12:00:00Z
//! see    acme spend day@Europe/Berlin            spent + held; `previous`, `fired`, `peak`
//! sum    acme/x                                  spent + held of an account, and its own requests
//! release a · renew a 60 · freeze acme · thaw acme · close acme/x · open acme/x
//! ```
//!
//! Accounts, models and windows are made when they are first named. A line ends in `-> outcome`;
//! `ok` may be left out. What was noticed follows in the order it came: `!80% acme spend`,
//! `!over acme spend`, `!would acme spend`, `!expired acme`; `!over acme spend previous` is about the
//! window before the present one. `..` at the end cuts the comparison.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bursar::Usd;
use bursar::clock::Timestamp;
use bursar::ledger::{
    AccountId, Adjust, Booking, Change, Command, Due, Event, Grow, HoldId, Ledger, LimitView,
    Measure, ModelId, Notice, Path, Period, Quantity, Record, Rejection, Reserve, Retry, Scope,
    Settle, Tags, Target,
};
use bursar::usage::Confidence;

use crate::words::{Words, money, number};

/// Runs a table from its first line to its last.
#[track_caller]
pub(crate) fn table(text: &str) {
    let mut world = World::new();
    let mut failures = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" // ").next().unwrap().trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let (operation, wanted) = line.split_once("->").unwrap_or((line, "ok"));
        let wanted = wanted.trim();
        let got = world.run(operation.trim());
        let same = match wanted.strip_suffix("..") {
            Some(start) => got.starts_with(start.trim()),
            None => got == wanted,
        };
        if !same {
            failures += &format!("\nline {number}: {line}\n     got: {got}");
        }
    }
    world.replay();
    assert!(failures.is_empty(), "{failures}\n");
}

/// A ledger with a clock and names.
pub(crate) struct World {
    ledger: Ledger,
    now: Timestamp,
    holds: HashMap<String, HoldId>,
    accounts: HashMap<String, AccountId>,
    events: Vec<Event>,
    over: HashSet<String>,
    noticed: String,
    /// Leases that end give back what was held.
    lapses: bool,
}

impl World {
    fn new() -> World {
        World {
            ledger: Ledger::new(),
            now: "2026-11-24T12:00:00Z".parse().unwrap(),
            holds: HashMap::new(),
            accounts: HashMap::new(),
            events: Vec::new(),
            over: HashSet::new(),
            noticed: String::new(),
            lapses: false,
        }
    }

    /// One line: what comes of it, and what is noticed.
    fn run(&mut self, operation: &str) -> String {
        let words: Vec<&str> = operation.split_whitespace().collect();
        let (verb, words) = (words[0], Words(words[1..].to_vec()));
        let result = match verb {
            "at" => {
                self.now = words.at(0).parse().unwrap();
                self.catch_up();
                Ok("ok".to_owned())
            }
            "limit" => self.limit(&words),
            "lift" => {
                let (scope, limit) = (Scope::new(words.at(0)).unwrap(), words.limit_on());
                self.execute(&Command::LiftLimit { scope, limit }).map(|_| "ok".into())
            }
            "hold" => self.hold(&words),
            "grow" => self.grow(&words),
            "settle" => self.settle(&words),
            "record" => self.record(&words),
            "adjust" => self.adjust(&words),
            "release" => self.execute(&Command::Release { hold: self.hold_id(&words) }).map(ok),
            "expire" => {
                self.execute(&Command::ExpireCharged { hold: self.hold_id(&words) }).map(ok)
            }
            "lapse" => {
                self.execute(&Command::ExpireReleased { hold: self.hold_id(&words) }).map(ok)
            }
            "leases" => {
                self.lapses = words.has("lapse");
                Ok("ok".to_owned())
            }
            "renew" => {
                let lease_until = match words.at(1) {
                    "never" => Timestamp::MAX,
                    seconds => self.now.plus(Duration::from_secs(seconds.parse().unwrap())),
                };
                let hold = self.hold_id(&words);
                self.execute(&Command::Renew { hold, lease_until }).map(ok)
            }
            "freeze" => {
                let (account, why) = (self.account(words.at(0)), "because".into());
                self.execute(&Command::Freeze { account, why }).map(ok)
            }
            "thaw" => {
                let account = self.account(words.at(0));
                self.execute(&Command::Thaw { account }).map(ok)
            }
            "close" => {
                let account = self.account(words.at(0));
                self.execute(&Command::Close { account }).map(ok)
            }
            "open" => {
                let path = Path::new(words.at(0)).unwrap();
                self.execute(&Command::OpenAccount { path }).map(|event| {
                    let Change::Opened { account, path, .. } = event.change else { panic!() };
                    self.accounts.insert(path.to_string(), account);
                    "ok".to_owned()
                })
            }
            "see" => Ok(self.see(&words)),
            "sum" => Ok(self.sum(&words)),
            moved if moved.starts_with('+') => {
                let seconds = moved.trim_matches(['+', 's']).replace('_', "");
                self.now = self.now.plus(Duration::from_secs(number(&seconds)));
                self.catch_up();
                Ok("ok".to_owned())
            }
            other => panic!("there is no `{other}`"),
        };
        let outcome = result.unwrap_or_else(|rejection| self.told(&rejection));
        outcome + &std::mem::take(&mut self.noticed)
    }

    fn limit(&mut self, words: &Words<'_>) -> Result<String, Rejection> {
        let scope = Scope::new(words.at(0)).unwrap();
        if let Some(path) = scope.as_path() {
            self.account(path.as_str());
        }
        let limit = words.limit();
        if let Period::Calendar(unit, zone) = limit.period().clone() {
            let bounds = unit.window_around(&zone, self.now.max(self.ledger.now()));
            let _ = self.execute(&Command::OpenWindow { unit, zone, bounds });
        }
        self.execute(&Command::SetLimit { scope, limit }).map(ok)
    }

    fn hold(&mut self, words: &Words<'_>) -> Result<String, Rejection> {
        let target = self.target(words.at(1), words);
        let lease = words.value("lease").map(|seconds| Duration::from_secs(number(seconds)));
        let reserve = Reserve {
            target,
            bound: words.bound(2),
            wrap_up: words.has("wrapup"),
            outer: words.value("inside").map(|name| self.holds[name]),
            lease_until: lease.map_or(Timestamp::MAX, |lease| self.now.plus(lease)),
        };
        let event = self.execute(&Command::Reserve(reserve))?;
        let Change::Reserved(reserved) = event.change else { panic!() };
        self.holds.insert(words.at(0).to_owned(), reserved.hold);
        Ok(with_output(words, reserved.output_cap))
    }

    fn grow(&mut self, words: &Words<'_>) -> Result<String, Rejection> {
        let hold = self.hold_id(words);
        let grow = Grow { hold, bound: words.bound(1), wrap_up: words.has("wrapup") };
        let event = self.execute(&Command::Grow(grow))?;
        let Change::Grown(grown) = event.change else { panic!() };
        Ok(with_output(words, grown.output_cap))
    }

    fn settle(&mut self, words: &Words<'_>) -> Result<String, Rejection> {
        let cost = money(words.positional(1).unwrap_or("0"));
        let booking = match words.has("least") {
            true => Booking::AtLeast(cost),
            false => Booking::Exactly(cost),
        };
        let mut settle = Settle::cost(self.hold_id(words), booking);
        settle.usage = words.usage();
        if let Some(model) = words.value("model") {
            settle.model = self.model(model);
        }
        self.execute(&Command::Settle(settle)).map(ok)
    }

    fn record(&mut self, words: &Words<'_>) -> Result<String, Rejection> {
        let record = Record {
            target: self.target(words.at(0), words),
            cost: money(words.positional(1).unwrap_or("0")),
            usage: words.usage().unwrap_or_default(),
            model: ModelId::NONE,
            confidence: Confidence::Exact,
            key: words.value("key").map(|key| key.parse().unwrap()),
        };
        self.execute(&Command::Record(record)).map(ok)
    }

    fn adjust(&mut self, words: &Words<'_>) -> Result<String, Rejection> {
        let target = self.target(words.at(0), words);
        let cost = match words.at(1).strip_prefix('-') {
            Some(amount) => -money(amount),
            None => money(words.at(1)),
        };
        let about = words.value("about").map_or(self.now, |moment| moment.parse().unwrap());
        let adjust = Adjust { target, cost, about, why: "an invoice".into() };
        self.execute(&Command::Adjust(adjust)).map(ok)
    }

    fn see(&self, words: &Words<'_>) -> String {
        let wanted = words.limit_on();
        let same = |view: &LimitView<'_>| {
            view.account.as_str() == words.at(0)
                && view.limit.measure() == wanted.measure()
                && view.limit.period() == wanted.period()
                && view.limit.only_models() == wanted.only_models()
        };
        let Some(view) = self.ledger.limits_at(self.now).find(same) else {
            return "nothing".to_owned();
        };
        let show = |value| shown(view.limit.measure(), value);
        match () {
            () if words.has("previous") => show(view.previous_spent),
            () if words.has("fired") => format!("{}%", view.fired),
            () if words.has("peak") => show(view.peak),
            () if words.has("resets") => format!("{:?}", view.resets_at.map(|at| at.to_string())),
            () => format!("{} + {}", show(view.spent), show(view.held)),
        }
    }

    fn sum(&self, words: &Words<'_>) -> String {
        let view = self.accounts.get(words.at(0)).and_then(|id| self.ledger.account(*id));
        let Some(view) = view else { return "gone".to_owned() };
        let requests: u64 = view.direct.iter().map(|(_, totals)| totals.requests).sum();
        let show = |value| shown(Measure::Cost, value);
        format!("{} + {}, {requests} calls", show(view.balance.spent), show(view.balance.held))
    }

    /// Does what a caller has to do before each command.
    fn catch_up(&mut self) {
        while let Some(due) = self.ledger.due(self.now) {
            let command = match due {
                Due::LeaseEnd(hold) if self.lapses => Command::ExpireReleased { hold },
                Due::LeaseEnd(hold) => Command::ExpireCharged { hold },
                Due::Roll { window, unit, zone } => {
                    let bounds = unit.window_around(zone, self.now);
                    Command::RollWindow { window, bounds }
                }
            };
            self.carry_out(&command).unwrap();
        }
    }

    fn execute(&mut self, command: &Command) -> Result<Event, Rejection> {
        self.catch_up();
        self.carry_out(command)
    }

    /// Law 5: a refusal changes nothing. Law 1 and 4: looked after.
    fn carry_out(&mut self, command: &Command) -> Result<Event, Rejection> {
        let before = self.ledger.clone();
        let result = self.ledger.execute(self.now, command);
        match &result {
            Err(_) => assert_eq!(self.ledger, before, "a refusal has changed something"),
            Ok(event) => self.events.push(event.clone()),
        }
        self.ledger.check_invariants().unwrap_or_else(|what| panic!("{command:?}: {what}"));
        let may_overrun = matches!(
            command,
            Command::Settle(_) | Command::Record(_) | Command::Adjust(_) | Command::SetLimit { .. }
        );
        let mut over = HashSet::new();
        for view in self.ledger.limits().filter(|view| !view.limit.is_observing()) {
            let name = format!("{}: {}", view.account, view.limit.period())
                + view.limit.measure().as_str()
                + view.limit.only_models().map_or("", |pattern| pattern.as_str());
            if view.spent + view.held > value_of(view.limit.amount()) {
                let allowed = may_overrun || self.over.contains(&name);
                assert!(allowed, "law 1: {name} is over its limit after {command:?}");
                over.insert(name);
            }
        }
        self.over = over;
        self.take_notices();
        result
    }

    fn take_notices(&mut self) {
        for notice in self.ledger.take_notices() {
            self.noticed += &match notice {
                Notice::Threshold { account, rule, window, percent, .. } => {
                    format!(" !{percent}% {} {}{}", named(&account), rule.measure(), past(window))
                }
                Notice::Overrun { account, rule, window, .. } => {
                    format!(" !over {} {}{}", named(&account), rule.measure(), past(window))
                }
                Notice::WouldRefuse { account, rule, window, .. } => {
                    format!(" !would {} {}{}", named(&account), rule.measure(), past(window))
                }
                Notice::ExpiredCharged { path, cost, .. } => {
                    format!(" !expired {} {}", named(&path), shown(Measure::Cost, cost))
                }
                Notice::ExpiredReleased { path, amount, .. } => {
                    format!(" !lapsed {} {}", named(&path), shown(Measure::Cost, amount))
                }
                other => format!(" !{other:?}"),
            };
        }
    }

    /// The same events, read back from text, make the same ledger.
    fn replay(&self) {
        let mut again = Ledger::new();
        for event in &self.events {
            let text = serde_json::to_string(event).unwrap();
            let read: Event = serde_json::from_str(&text).unwrap();
            assert_eq!(read, *event, "{text}");
            again.apply(&read);
            again.take_notices();
        }
        assert_eq!(again, self.ledger, "the events do not make the same ledger again");
    }

    fn told(&self, rejection: &Rejection) -> String {
        let Rejection::Blocked(denied) = rejection else {
            return match rejection {
                Rejection::Frozen { account, .. } => format!("frozen {}", named(account)),
                Rejection::Limit(error) => error.to_string(),
                other => format!("{other:?}"),
            };
        };
        let measure = denied.limit.measure();
        let show = |quantity| shown(measure, value_of(quantity));
        let (asked, spent, held) = (show(denied.asked), show(denied.spent), show(denied.held));
        let retry = match denied.retry {
            Retry::WhenHoldsEnd => "when holds end".to_owned(),
            Retry::At(at) => format!("at {at}"),
            Retry::Never => "never".to_owned(),
        };
        let output =
            denied.max_output_tokens.map_or(String::new(), |most| format!(", out<={most}"));
        format!(
            "no: {} {} asks {asked} of {}, {spent} + {held}, {retry}{output}",
            named(&denied.account),
            measure,
            show(denied.available),
        )
    }

    fn target(&mut self, account: &str, words: &Words<'_>) -> Target {
        let mut tags = Tags::NONE;
        for tag in words.values("tag") {
            tags = tags.with(self.account(tag)).unwrap();
        }
        let model = words.value("model").map_or(ModelId::NONE, |name| self.model(name));
        Target { account: self.account(account), tags, model }
    }

    /// The account of that path, opened with all above it if it has never been. A path whose
    /// account has been closed keeps the old id: `open` opens it again.
    fn account(&mut self, path: &str) -> AccountId {
        if let Some(id) = self.accounts.get(path) {
            return *id;
        }
        let path = Path::new(if path == "/" { "" } else { path }).unwrap();
        if let Some(parent) = path.parent() {
            self.account(parent.as_str());
        }
        if self.ledger.find(path.as_str()).is_none() {
            self.execute(&Command::OpenAccount { path: path.clone() }).unwrap();
        }
        let id = self.ledger.find(path.as_str()).unwrap();
        self.accounts.insert(path.to_string(), id);
        id
    }

    fn model(&mut self, name: &str) -> ModelId {
        let name: Arc<str> = name.into();
        let _ = self.execute(&Command::NameModel { name: Arc::clone(&name) });
        self.ledger.find_model(&name).unwrap()
    }

    fn hold_id(&self, words: &Words<'_>) -> HoldId {
        self.holds[words.at(0)]
    }
}

fn with_output(words: &Words<'_>, output_cap: u64) -> String {
    match words.value("out") {
        Some(range) if range.contains("..") => format!("ok out={output_cap}"),
        _ => "ok".to_owned(),
    }
}

/// What a notice about the window before says of it.
fn past(window: Option<Timestamp>) -> &'static str {
    if window.is_some() { " previous" } else { "" }
}

pub fn value_of(quantity: Quantity) -> i128 {
    match quantity {
        Quantity::Money(usd) => usd.pico(),
        Quantity::Count(count) => count,
    }
}

fn ok(_: Event) -> String {
    "ok".to_owned()
}

fn named(path: &Path) -> &str {
    if path.as_str().is_empty() { "/" } else { path.as_str() }
}

fn shown(measure: Measure, value: i128) -> String {
    match measure {
        Measure::Cost => Usd::from_pico(value).exact().to_string(),
        _ => value.to_string(),
    }
}
