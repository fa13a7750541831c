//! Owns who waits for room: a line for each limit, first come, first served, and the moments at
//! which somebody has to be looked at again. It decides nothing about money: `waiting` asks the
//! ledger, in the order that is kept here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::error::ReserveError;
use super::request::CallRequest;
use super::reservation::Admitted;

use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::{Amounts, HoldId, Ledger, LimitId};

/// What came of waiting.
pub(super) type Outcome = Result<Admitted, ReserveError>;

/// A call's number in the order of arrival.
pub(super) type Place = u64;

/// The place of a call that has not queued: behind everybody.
pub(super) const LAST: Place = Place::MAX;

/// With a journal: how often those who wait look for room that another process has made.
const LOOK: Duration = Duration::from_secs(1);

/// No state of the rules: everybody is to be looked at anew.
const ANEW: u64 = u64::MAX;

/// Everybody who waits for room in one ledger. It lies beside it under the one lock.
pub(super) struct Queue {
    /// True while somebody waits or is to be woken: all that a call looks at when nobody does.
    is_busy: bool,
    waiters: BTreeMap<Place, Waiter>,
    lines: HashMap<LimitId, Line>,
    /// When each waiter is to be looked at, if nothing happens before.
    moments: BTreeSet<(Timestamp, Place)>,
    /// Inner calls that wait, by their outer hold, with what was left of it.
    inside: HashMap<HoldId, (Option<Amounts>, BTreeSet<Place>)>,
    /// What came of waiting, until the waiter fetches it.
    served: HashMap<Place, Outcome>,
    /// True with a journal: what came of waiting is told when it is written.
    writes_first: bool,
    /// What the open transaction has decided.
    unwritten: BTreeMap<Place, Unwritten>,
    woken: Vec<Waker>,
    next: Place,
    /// How many events of the ledger are known to have made no room that has not been given out.
    seen: u64,
    /// True if somebody has left a line.
    has_moved: bool,
    rules_seen: u64,
    /// The earliest moment that the clock has been asked to wake at.
    alarm: Timestamp,
    /// How often the ledger was asked on behalf of a waiter.
    attempts: u64,
}

/// A call that waits.
struct Waiter {
    request: Arc<CallRequest<'static>>,
    waker: Waker,
    deadline: Timestamp,
    /// Its entry among the moments.
    moment: Timestamp,
    /// The limits in whose lines it stands.
    limits: Vec<LimitId>,
}

/// A call whose wait is over if the open transaction succeeds.
struct Unwritten {
    waiter: Waiter,
    outcome: Outcome,
    /// Nobody waits for it any more.
    is_gone: bool,
}

/// Who waits for room in one limit.
#[derive(Default)]
struct Line {
    ordinary: BTreeSet<Place>,
    wrap_up: BTreeSet<Place>,
}

impl Line {
    fn of(&mut self, wrap_up: bool) -> &mut BTreeSet<Place> {
        if wrap_up { &mut self.wrap_up } else { &mut self.ordinary }
    }

    fn heads(&self) -> impl Iterator<Item = Place> {
        self.ordinary.first().into_iter().chain(self.wrap_up.first()).copied()
    }

    /// True if somebody stands before a call. A call that wraps up passes those that do not where
    /// a part is kept for it.
    fn is_before(&self, place: Place, passes: bool) -> bool {
        let before = |line: &BTreeSet<Place>| line.first().is_some_and(|first| *first < place);
        before(&self.wrap_up) || !passes && before(&self.ordinary)
    }

    fn ahead_of(&self, place: Place, passes: bool) -> usize {
        let before = |line: &BTreeSet<Place>| match place {
            LAST => line.len(),
            place => line.range(..place).count(),
        };
        let ordinary = if passes { 0 } else { before(&self.ordinary) };
        before(&self.wrap_up).saturating_add(ordinary)
    }
}

/// Looking.
impl Queue {
    /// With `writes_first`, what comes of waiting is kept back until it is written.
    pub(super) fn new(writes_first: bool) -> Queue {
        Queue {
            is_busy: false,
            waiters: BTreeMap::new(),
            lines: HashMap::new(),
            moments: BTreeSet::new(),
            inside: HashMap::new(),
            served: HashMap::new(),
            writes_first,
            unwritten: BTreeMap::new(),
            woken: Vec::new(),
            next: 0,
            seen: 0,
            has_moved: false,
            rules_seen: 0,
            alarm: Timestamp::MAX,
            attempts: 0,
        }
    }

    /// False if nobody waits and nobody is to be woken.
    #[inline(always)]
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// The place of a call that joins now.
    pub(super) fn next_place(&self) -> Place {
        self.next
    }

    /// How many calls wait.
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// True if somebody stands before a call at a limit. It `passes` those that do not wrap up.
    pub(super) fn is_before(&self, place: Place, passes: bool, limit: LimitId) -> bool {
        self.lines.get(&limit).is_some_and(|line| line.is_before(place, passes))
    }

    /// How many stand before a call at a limit.
    pub(super) fn ahead_of(&self, place: Place, passes: bool, limit: LimitId) -> usize {
        self.lines.get(&limit).map_or(0, |line| line.ahead_of(place, passes))
    }

    pub(super) fn request(&self, place: Place) -> Option<Arc<CallRequest<'static>>> {
        self.waiters.get(&place).map(|waiter| Arc::clone(&waiter.request))
    }
}

/// Coming and going.
impl Queue {
    /// Takes the next place.
    pub(super) fn join(
        &mut self,
        ledger: &Ledger,
        request: Arc<CallRequest<'static>>,
        waker: Waker,
        deadline: Timestamp,
    ) -> Place {
        if self.waiters.is_empty() {
            (self.seen, self.rules_seen) = (ledger.events(), ledger.rules_epoch());
        }
        let place = self.next;
        self.next = self.next.saturating_add(1);
        let (moment, limits) = (deadline, Vec::new());
        self.put(ledger, place, Waiter { request, waker, deadline, moment, limits });
        place
    }

    fn put(&mut self, ledger: &Ledger, place: Place, waiter: Waiter) {
        if let Some(outer) = waiter.request.options.outer {
            let left = ledger.left_of(outer);
            let inside = self.inside.entry(outer).or_insert_with(|| (left, BTreeSet::new()));
            inside.1.insert(place);
        }
        self.moments.insert((waiter.moment, place));
        self.waiters.insert(place, waiter);
        self.is_busy = true;
    }

    /// Stands in line at these limits, and stays in the lines where it stands already: else two
    /// limits could keep it out by turns. It is to be looked at again at `again_at` at the latest.
    pub(super) fn stand(&mut self, place: Place, limits: &[LimitId], again_at: Timestamp) {
        let Some(waiter) = self.waiters.get_mut(&place) else { return };
        for limit in limits {
            let line = self.lines.entry(*limit).or_default();
            if line.of(waiter.request.options.wrap_up).insert(place) {
                waiter.limits.push(*limit);
            }
        }
        let moment = again_at.min(waiter.deadline);
        self.moments.remove(&(waiter.moment, place));
        self.moments.insert((moment, place));
        waiter.moment = moment;
    }

    /// Steps out of all lines, and keeps its place for later. Returns who is first now.
    pub(super) fn step_aside(&mut self, place: Place) -> Vec<Place> {
        self.stand(place, &[], Timestamp::MAX);
        let Some(waiter) = self.waiters.get_mut(&place) else { return Vec::new() };
        let (limits, wrap_up) =
            (std::mem::take(&mut waiter.limits), waiter.request.options.wrap_up);
        let mut heads = Vec::new();
        for limit in limits {
            let Some(line) = self.lines.get_mut(&limit) else { continue };
            line.of(wrap_up).remove(&place);
            heads.extend(line.heads());
            if line.heads().next().is_none() {
                self.lines.remove(&limit);
            }
        }
        heads
    }

    /// Leaves for good. Returns who is first now.
    fn remove(&mut self, place: Place) -> (Vec<Place>, Option<Waiter>) {
        let heads = self.step_aside(place);
        let waiter = self.waiters.remove(&place);
        if let Some(waiter) = &waiter {
            self.moments.remove(&(waiter.moment, place));
            if let Some(outer) = waiter.request.options.outer {
                if let Some((_, inside)) = self.inside.get_mut(&outer) {
                    inside.remove(&place);
                    if inside.is_empty() {
                        self.inside.remove(&outer);
                    }
                }
            }
        }
        (heads, waiter)
    }

    /// Ends a wait; its task is woken when the lock is free, and with a journal not before that is
    /// written. Returns who is first now.
    pub(super) fn finish(&mut self, place: Place, outcome: Outcome) -> Vec<Place> {
        let (heads, waiter) = self.remove(place);
        match waiter {
            Some(waiter) if self.writes_first => {
                self.unwritten.insert(place, Unwritten { waiter, outcome, is_gone: false });
            }
            Some(waiter) => self.deliver(place, waiter, outcome),
            None => {}
        }
        heads
    }

    fn deliver(&mut self, place: Place, waiter: Waiter, outcome: Outcome) {
        self.served.insert(place, outcome);
        self.woken.push(waiter.waker);
    }

    /// What came of a wait, if it is over; else whom to wake instead is noted. A waker that is no
    /// longer needed comes back, to be dropped without the lock.
    pub(super) fn look(&mut self, place: Place, waker: Waker) -> (Option<Outcome>, Option<Waker>) {
        if let Some(outcome) = self.served.remove(&place) {
            return (Some(outcome), Some(waker));
        }
        let unwritten = self.unwritten.get_mut(&place).map(|unwritten| &mut unwritten.waiter);
        match self.waiters.get_mut(&place).or(unwritten) {
            Some(waiter) => (None, Some(std::mem::replace(&mut waiter.waker, waker))),
            None => (None, Some(waker)),
        }
    }

    /// Gives up: an outcome that nobody has fetched comes back, or the waker.
    pub(super) fn leave(&mut self, place: Place) -> (Option<Outcome>, Option<Waker>) {
        if let Some(unwritten) = self.unwritten.get_mut(&place) {
            unwritten.is_gone = true;
            let waker = std::mem::replace(&mut unwritten.waiter.waker, Waker::noop().clone());
            return (None, Some(waker));
        }
        let (_, waiter) = self.remove(place);
        self.has_moved |= waiter.is_some();
        if self.writes_first {
            self.is_busy = !self.waiters.is_empty();
        }
        (self.served.remove(&place), waiter.map(|waiter| waiter.waker))
    }
}

/// With a journal: a transaction ends, in one way or the other.
impl Queue {
    /// What was decided is written, and is told. Returns what nobody waits for any more.
    pub(super) fn written(&mut self) -> Vec<(Arc<CallRequest<'static>>, Outcome)> {
        let mut left = Vec::new();
        for (place, Unwritten { waiter, outcome, is_gone }) in std::mem::take(&mut self.unwritten) {
            match is_gone {
                true => left.push((waiter.request, outcome)),
                false => self.deliver(place, waiter, outcome),
            }
        }
        left
    }

    /// Nothing of it is written, and the ledger is as it was: everybody has the old place, and is
    /// looked at anew. Those whose time is up are told why, and so are all if the error lasts.
    pub(super) fn undo(&mut self, ledger: &Ledger, now: Timestamp, error: &JournalError) {
        let unwritten = std::mem::take(&mut self.unwritten);
        for (place, Unwritten { waiter, .. }) in unwritten.into_iter().filter(|(_, u)| !u.is_gone) {
            self.put(ledger, place, waiter);
        }
        let is_over = |waiter: &Waiter| waiter.deadline <= now || !error.is_temporary();
        let over = self.waiters.iter().filter(|(_, waiter)| is_over(waiter));
        for place in over.map(|(place, _)| *place).collect::<Vec<_>>() {
            self.finish(place, Err(error.clone().into()));
        }
        self.written();
        self.rules_seen = ANEW;
    }

    /// True if somebody who waits has to be looked at before long.
    pub(super) fn is_restless(&self) -> bool {
        self.has_moved && !self.waiters.is_empty()
    }
}

/// Serving.
impl Queue {
    /// A call has taken room and made none.
    pub(super) fn note_taken(&mut self) {
        self.seen = self.seen.saturating_add(1);
    }

    /// True if there may be room for somebody, or it is time for somebody.
    pub(super) fn is_stirred(&self, ledger: &Ledger, now: Timestamp) -> bool {
        !self.waiters.is_empty()
            && (self.seen != ledger.events()
                || self.has_moved
                || self.rules_seen == ANEW
                || self.moments.first().is_some_and(|(at, _)| *at <= now))
    }

    /// Everything that there is to give has been given.
    pub(super) fn settle_down(&mut self, ledger: &Ledger) {
        (self.seen, self.has_moved) = (ledger.events(), false);
    }

    /// Who may have got room: the first of each line, whose time has come, and inner calls whose
    /// outer hold has changed; everybody, in new lines, when a rule has.
    pub(super) fn next_to_try(&mut self, ledger: &Ledger, now: Timestamp) -> BTreeSet<Place> {
        let mut found = BTreeSet::new();
        for (outer, (left, inside)) in &mut self.inside {
            let left_now = ledger.left_of(*outer);
            if *left != left_now {
                *left = left_now;
                found.extend(inside.iter());
            }
        }
        if self.rules_seen != ledger.rules_epoch() {
            self.rules_seen = ledger.rules_epoch();
            self.lines.clear();
            self.waiters.values_mut().for_each(|waiter| waiter.limits.clear());
            return self.waiters.keys().copied().collect();
        }
        found.extend(self.lines.values().flat_map(Line::heads));
        let due = self.moments.iter().take_while(|(at, _)| *at <= now);
        found.extend(due.map(|(_, place)| *place).filter(|place| !self.is_late(*place, now)));
        found
    }

    /// Somebody whose deadline has come.
    pub(super) fn late(&self, now: Timestamp) -> Option<Place> {
        let due = self.moments.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, place)| *place).find(|place| self.is_late(*place, now))
    }

    pub(super) fn is_late(&self, place: Place, now: Timestamp) -> bool {
        self.waiters.get(&place).is_some_and(|waiter| waiter.deadline <= now)
    }

    /// The ledger is asked on behalf of a waiter.
    pub(super) fn note_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Whom to wake when the lock is free.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        self.is_busy = !self.waiters.is_empty();
        std::mem::take(&mut self.woken)
    }

    /// The moment to ask the clock for, if it is none that has been asked for.
    pub(super) fn alarm_to_set(&mut self, ledger: &Ledger, now: Timestamp) -> Option<Timestamp> {
        let (first, _) = self.moments.first()?;
        let mut at = ledger.next_due().min(*first);
        if self.writes_first {
            // What another process has written, or what has fallen due and could not be written.
            let look = now.plus(LOOK);
            at = if at > now { at.min(look) } else { look };
        }
        if at <= now || at >= self.alarm {
            return None;
        }
        self.alarm = at;
        Some(at)
    }

    /// The clock has woken us, and has forgotten that it was to.
    pub(super) fn forget_alarm(&mut self) {
        self.alarm = Timestamp::MAX;
    }
}

#[cfg(any(test, shuttle))]
#[cfg_attr(shuttle, allow(dead_code))]
impl Queue {
    pub(super) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// Recounts what is kept twice.
    pub(super) fn check(&self) {
        let mut stands = 0;
        for (place, waiter) in &self.waiters {
            assert!(self.moments.contains(&(waiter.moment, *place)));
            for limit in &waiter.limits {
                let line = &self.lines[limit];
                let own =
                    if waiter.request.options.wrap_up { &line.wrap_up } else { &line.ordinary };
                assert!(own.contains(place), "{place} is not in its line");
            }
            stands += waiter.limits.len();
        }
        let in_lines: usize = self.lines.values().map(|l| l.ordinary.len() + l.wrap_up.len()).sum();
        assert_eq!((in_lines, self.moments.len()), (stands, self.waiters.len()));
        assert!(self.lines.values().all(|line| line.heads().next().is_some()), "an empty line");
        let inside: usize = self.inside.values().map(|(_, places)| places.len()).sum();
        let request = self.waiters.values().filter(|waiter| waiter.request.options.outer.is_some());
        assert_eq!(inside, request.count());
        assert_eq!(self.is_busy, !self.waiters.is_empty(), "busy");
        assert!(self.woken.is_empty());
    }

    /// Nothing is kept of anybody.
    pub(super) fn is_clean(&self) -> bool {
        self.check();
        let is_told = self.served.is_empty() && self.unwritten.is_empty();
        self.waiters.is_empty() && is_told && !self.is_busy
    }
}
