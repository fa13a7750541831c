//! A naive model of the lines: no index, no events, only what the documentation says.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Limit, Period};
use crate::money::Usd;

pub(super) const ACCOUNTS: [&str; 3] = ["a", "b", "c"];
pub(super) const DAY: i64 = 86_400;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Lifetime,
    Day,
    InFlight,
}

#[derive(Clone)]
pub(super) struct Cap {
    pub(super) kind: Kind,
    pub(super) on: &'static str,
    pub(super) amount: i64,
    pub(super) kept: i64,
    pub(super) spent: i64,
    pub(super) held: i64,
}

impl Cap {
    pub(super) fn limit(&self) -> Limit {
        let limit = match self.kind {
            Kind::Lifetime => Limit::spend(Usd::cents(self.amount)),
            Kind::Day => Limit::spend(Usd::cents(self.amount)).per(Period::DAY),
            Kind::InFlight => Limit::in_flight(u32::try_from(self.amount).unwrap()),
        };
        if self.kept > 0 { limit.keep_for_wrap_up(Usd::cents(self.kept)) } else { limit }
    }

    pub(super) fn cap(&self, wrap_up: bool) -> i64 {
        if wrap_up { self.amount } else { self.amount - self.kept }
    }
}

#[derive(Clone)]
pub(super) struct Call {
    pub(super) account: usize,
    pub(super) costs: Vec<i64>,
    pub(super) wrap_up: bool,
}

pub(super) struct Stander {
    pub(super) call: Call,
    pub(super) deadline: i64,
    pub(super) stands: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Said {
    Admitted(usize),
    Denied,
    Queued,
    Frozen,
}

pub(super) struct Held {
    pub(super) account: usize,
    pub(super) cost: i64,
    pub(super) day: i64,
}

pub(super) struct Model {
    pub(super) now: i64,
    pub(super) caps: Vec<Cap>,
    pub(super) frozen: [bool; 3],
    /// By the order of arrival.
    pub(super) waiting: BTreeMap<usize, Stander>,
    pub(super) holds: BTreeMap<usize, Held>,
    pub(super) said: Vec<(usize, Said)>,
    /// The first call at the day's limit was last seen stopped by it: it is tried at midnight.
    day_is_timed: bool,
}

/// The answer to a call, and the limits that it would have to wait for.
pub(super) struct Answer {
    pub(super) said: Said,
    pub(super) hope: BTreeSet<usize>,
    /// Of those, the ones that have no room.
    full: BTreeSet<usize>,
}

impl Model {
    pub(super) fn new() -> Model {
        let cap = |kind, on, amount, kept| Cap { kind, on, amount, kept, spent: 0, held: 0 };
        let caps = vec![
            cap(Kind::Lifetime, "", 300, 20),
            cap(Kind::Lifetime, "a", 150, 0),
            cap(Kind::Day, "b", 40, 10),
            cap(Kind::InFlight, "", 4, 0),
        ];
        let (waiting, holds) = (BTreeMap::new(), BTreeMap::new());
        let (frozen, said) = ([false; 3], Vec::new());
        Model { now: 0, caps, frozen, waiting, holds, said, day_is_timed: false }
    }

    pub(super) fn needs(&self, account: usize, cost: i64) -> Vec<(usize, i64)> {
        let on = |cap: &Cap| cap.on.is_empty() || cap.on == ACCOUNTS[account];
        let all = self.caps.iter().enumerate().filter(|(_, cap)| on(cap));
        let need = |cap: &Cap| if cap.kind == Kind::InFlight { 1 } else { cost };
        all.map(|(at, cap)| (at, need(cap))).filter(|(_, need)| *need > 0).collect()
    }

    pub(super) fn is_before(&self, call: &Call, place: usize, limit: usize) -> bool {
        self.waiting.range(..place).any(|(_, other)| {
            other.stands.contains(&limit)
                && (other.call.wrap_up || !call.wrap_up || self.caps[limit].kept == 0)
        })
    }

    /// The outcome for a call at that place, and in which lists it would have to stand.
    pub(super) fn look(&self, call: &Call, place: usize) -> Answer {
        if self.frozen[call.account] {
            return Answer { said: Said::Frozen, hope: BTreeSet::new(), full: BTreeSet::new() };
        }
        let (mut said, mut hope, mut all_full) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for (alternative, cost) in call.costs.iter().enumerate() {
            let needs = self.needs(call.account, *cost);
            let lines: BTreeSet<usize> =
                needs.iter().map(|n| n.0).filter(|l| self.is_before(call, place, *l)).collect();
            let full = needs.iter().filter(|(limit, need)| {
                let cap = &self.caps[*limit];
                *need > cap.cap(call.wrap_up) - cap.spent - cap.held
            });
            let full: Vec<_> = full.collect();
            let never = full.iter().any(|(limit, need)| {
                let cap = &self.caps[*limit];
                let ever = if cap.kind == Kind::Lifetime { cap.spent } else { 0 };
                need + ever > cap.cap(call.wrap_up)
            });
            if never {
                said.push(Said::Denied);
                continue;
            }
            if full.is_empty() && lines.is_empty() {
                let said = Said::Admitted(alternative);
                return Answer { said, hope: BTreeSet::new(), full: BTreeSet::new() };
            }
            said.push(if lines.is_empty() { Said::Denied } else { Said::Queued });
            hope.extend(lines.into_iter().chain(full.iter().map(|(limit, _)| *limit)));
            all_full.extend(full.iter().map(|(limit, _)| *limit));
        }
        Answer { said: said[0], hope, full: all_full }
    }

    pub(super) fn admit(&mut self, call: &Call, place: usize, alternative: usize) {
        let cost = call.costs[alternative];
        for (limit, need) in self.needs(call.account, cost) {
            self.caps[limit].held += need;
        }
        let (account, day) = (call.account, self.now / DAY);
        self.holds.insert(place, Held { account, cost, day });
    }

    pub(super) fn end(&mut self, place: usize, spent: i64) {
        let hold = self.holds.remove(&place).unwrap();
        let today = hold.day == self.now / DAY;
        for (limit, need) in self.needs(hold.account, hold.cost) {
            let cap = &mut self.caps[limit];
            if cap.kind != Kind::Day || today {
                cap.held -= need;
                cap.spent += if cap.kind == Kind::InFlight { 0 } else { spent };
            }
        }
        if hold.cost == 0 {
            assert_eq!(spent, 0);
        }
        let changed = self.needs(hold.account, hold.cost);
        self.serve(self.heads(changed.into_iter().map(|(limit, _)| limit)));
    }

    /// Stands in the lists of these limits too.
    pub(super) fn stand(&mut self, place: usize, answer: &Answer) {
        self.waiting.get_mut(&place).unwrap().stands.extend(&answer.hope);
        let is_day = |limit: &&usize| self.caps[**limit].kind == Kind::Day;
        if let Some(day) = answer.full.iter().find(is_day) {
            self.day_is_timed |= self.heads([*day]).contains(&place);
        }
    }

    /// A call gives up.
    pub(super) fn leave(&mut self, place: usize) {
        let stood = self.waiting.remove(&place).unwrap().stands;
        self.forget_empty(&stood);
        self.serve(self.heads(stood));
    }

    /// A limit has changed: all calls that it counts are tried, and its list is a new one.
    pub(super) fn change(&mut self, limit: usize) {
        if self.caps[limit].kind == Kind::Day {
            self.day_is_timed = false;
        }
        for waiter in self.waiting.values_mut() {
            waiter.stands.remove(&limit);
        }
        let on = self.caps[limit].on;
        let counts = |waiter: &Stander| on.is_empty() || on == ACCOUNTS[waiter.call.account];
        let counted = self.waiting.iter().filter(|(_, waiter)| counts(waiter));
        let next = counted.map(|(place, _)| *place).collect();
        self.serve(next);
    }

    /// An account is frozen or thawed: all its calls are tried.
    pub(super) fn freeze(&mut self, account: usize, frozen: bool) {
        self.frozen[account] = frozen;
        let own = self.waiting.iter().filter(|(_, waiter)| waiter.call.account == account);
        let next = own.map(|(place, _)| *place).collect();
        self.serve(next);
    }

    /// All are tried, in new lists.
    pub(super) fn retry_all(&mut self) {
        self.day_is_timed = false;
        self.waiting.values_mut().for_each(|waiter| waiter.stands.clear());
        self.serve(self.waiting.keys().copied().collect());
    }

    /// Time goes by.
    pub(super) fn advance(&mut self, seconds: i64) {
        let day = self.now / DAY;
        self.now += seconds;
        let mut next = BTreeSet::new();
        if self.now / DAY != day {
            let day = self.caps.iter().position(|cap| cap.kind == Kind::Day).unwrap();
            (self.caps[day].spent, self.caps[day].held) = (0, 0);
            if std::mem::take(&mut self.day_is_timed) {
                next = self.heads([day]);
            }
        }
        self.serve(next);
    }

    /// The first ordinary call and the first that wraps up, in each of these lines.
    pub(super) fn heads(&self, limits: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let first = |limit: usize, wrap_up: bool| {
            let stands = |(_, other): &(&usize, &Stander)| {
                other.stands.contains(&limit) && other.call.wrap_up == wrap_up
            };
            self.waiting.iter().find(stands).map(|(place, _)| *place)
        };
        let heads = |limit| [first(limit, false), first(limit, true)];
        limits.into_iter().flat_map(heads).flatten().collect()
    }

    pub(super) fn serve(&mut self, mut next: BTreeSet<usize>) {
        loop {
            while let Some(place) = next.pop_first() {
                self.serve_one(place, false, &mut next);
            }
            let late = self.waiting.iter().filter(|(_, waiter)| waiter.deadline <= self.now);
            let Some(place) = late.min_by_key(|(place, waiter)| (waiter.deadline, **place)) else {
                return;
            };
            self.serve_one(*place.0, true, &mut next);
        }
    }

    pub(super) fn serve_one(&mut self, place: usize, is_last: bool, next: &mut BTreeSet<usize>) {
        let (call, stood) =
            (self.waiting[&place].call.clone(), self.waiting[&place].stands.clone());
        let answer = self.look(&call, place);
        let said = answer.said;
        match said {
            Said::Admitted(alternative) => {
                self.admit(&call, place, alternative);
                self.waiting.remove(&place);
                self.said.push((place, said));
            }
            Said::Frozen if !is_last => {
                self.waiting.get_mut(&place).unwrap().stands.clear();
            }
            _ if is_last || answer.hope.is_empty() => {
                self.waiting.remove(&place);
                self.said.push((place, said));
            }
            _ => return self.stand(place, &answer),
        }
        self.forget_empty(&stood);
        next.extend(self.heads(stood));
    }

    /// A list that is empty has no time at which its first call is tried.
    fn forget_empty(&mut self, stood: &BTreeSet<usize>) {
        let is_day = |limit: &usize| self.caps[*limit].kind == Kind::Day;
        if stood.iter().any(is_day) && self.heads(stood.iter().copied().filter(is_day)).is_empty() {
            self.day_is_timed = false;
        }
    }
}
