//! [`Queue`]: the calls that wait for room, in a list for each limit, first come, first served.
//! An event of the ledger makes ready those that it may concern; `waiting` then serves them. The
//! queue itself decides nothing about money.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::call_request::CallRequest;
use super::error::ReserveError;
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::{AccountId, Changed, HoldId, Ledger, LimitId};
use crate::money::Usd;

/// What a token of the output cap was reserved at.
#[derive(Clone, Copy)]
pub(super) struct Price {
    /// Attodollars, all choices together.
    pub(super) per_output: i128,
    pub(super) choices: u64,
    /// True if it may take what is kept for wrapping up, and so may its growth.
    pub(super) wrap_up: bool,
}

/// What a new guard is made of.
pub(super) struct Admitted {
    pub(super) hold: HoldId,
    pub(super) at: Timestamp,
    pub(super) held: Usd,
    pub(super) max_output_tokens: u64,
    pub(super) output: Price,
    pub(super) alternative: usize,
}

/// The result of a wait.
pub(super) type Outcome = Result<Admitted, ReserveError>;

/// A call's number in the order of arrival.
pub(super) type Place = u64;

/// The place of a call that does not wait: behind all others.
pub(super) const LAST: Place = Place::MAX;

/// With a journal: how often those who wait look for room that another process has made.
const LOOK: Duration = Duration::from_secs(1);

/// How far the calls before one are counted for its refusal.
const MOST_COUNTED: usize = 1_000;

/// All calls that wait for room in one ledger. It lies beside it under the one lock.
///
/// A waiting call is tried when it comes, and again when it becomes ready: when it is first in a
/// list and its limit counts less or time has made room there, when its limit, account or outer hold
/// changes, and at its deadline.
#[derive(Default)]
pub(super) struct Queue {
    /// True while a call waits or a task is to be woken: all that other calls look at.
    is_busy: bool,
    waiters: BTreeMap<Place, Waiter>,
    lists: HashMap<LimitId, WaitList>,
    /// When the first calls of a list are tried again, because time has made room by then.
    room_times: BTreeSet<(Timestamp, LimitId)>,
    deadlines: BTreeSet<(Timestamp, Place)>,
    /// By each account that is charged or lies above one that is.
    by_account: HashMap<AccountId, BTreeSet<Place>>,
    by_outer_hold: HashMap<HoldId, BTreeSet<Place>>,
    /// The calls to try next.
    ready: BTreeSet<Place>,
    /// A call has left, and others may be ready because of it.
    has_moved: bool,
    /// Results that their tasks have not fetched yet.
    served: HashMap<Place, Outcome>,
    /// True with a journal: a result is delivered when it is written.
    writes_first: bool,
    /// Results of the open transaction.
    unwritten: BTreeMap<Place, Unwritten>,
    woken: Vec<Waker>,
    next: Place,
    /// The earliest moment that the clock has been asked to wake at.
    alarm: Option<Timestamp>,
    counts: Counts,
}

/// The work that was done for waiting calls, for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Lists that were looked into.
    pub(super) visits: u64,
    /// Calls that were tried.
    pub(super) attempts: u64,
}

/// A call that waits.
struct Waiter {
    request: Arc<CallRequest<'static>>,
    waker: Waker,
    deadline: Timestamp,
    /// The limits in whose lists it stands.
    limits: Vec<LimitId>,
    /// The accounts under which it is found.
    accounts: Vec<AccountId>,
    /// It has not been tried yet.
    is_new: bool,
}

/// A call whose wait is over if the open transaction succeeds.
struct Unwritten {
    waiter: Waiter,
    outcome: Outcome,
    /// Its task has given up.
    is_gone: bool,
}

/// The calls that wait for room in one limit.
#[derive(Default)]
struct WaitList {
    ordinary: BTreeSet<Place>,
    wrap_up: BTreeSet<Place>,
    /// Its entry among the room times.
    room_at: Option<Timestamp>,
}

impl WaitList {
    fn of(&mut self, wrap_up: bool) -> &mut BTreeSet<Place> {
        if wrap_up { &mut self.wrap_up } else { &mut self.ordinary }
    }

    /// The first ordinary call and the first that wraps up.
    fn heads(&self) -> impl Iterator<Item = Place> {
        self.ordinary.first().into_iter().chain(self.wrap_up.first()).copied()
    }

    fn is_empty(&self) -> bool {
        self.ordinary.is_empty() && self.wrap_up.is_empty()
    }

    /// True if another call stands before `place`. A call that `passes` stands only behind those that
    /// wrap up too.
    fn is_before(&self, place: Place, passes: bool) -> bool {
        let before = |calls: &BTreeSet<Place>| calls.first().is_some_and(|first| *first < place);
        before(&self.wrap_up) || !passes && before(&self.ordinary)
    }

    fn ahead_of(&self, place: Place, passes: bool) -> usize {
        let before = |calls: &BTreeSet<Place>| match place {
            LAST => calls.len(),
            place => calls.range(..place).take(MOST_COUNTED).count(),
        };
        let ordinary = if passes { 0 } else { before(&self.ordinary) };
        before(&self.wrap_up).saturating_add(ordinary)
    }
}

/// Reading.
impl Queue {
    /// With `writes_first`, results are kept back until they are written.
    pub(super) fn new(writes_first: bool) -> Queue {
        Queue { writes_first, ..Queue::default() }
    }

    /// False if no call waits and no task is to be woken.
    #[inline(always)]
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// How many calls wait.
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// True if another call stands before `place` at a limit, see [`WaitList::is_before`].
    pub(super) fn is_before(&self, place: Place, passes: bool, limit: LimitId) -> bool {
        self.lists.get(&limit).is_some_and(|list| list.is_before(place, passes))
    }

    /// How many calls stand before `place` at a limit; of a waiting call, counted up to a thousand of
    /// each kind.
    pub(super) fn ahead_of(&self, place: Place, passes: bool, limit: LimitId) -> usize {
        self.lists.get(&limit).map_or(0, |list| list.ahead_of(place, passes))
    }
}

/// Coming and going.
impl Queue {
    /// Gives a call the next place. It is tried once it is [ready](Queue::make_ready).
    pub(super) fn join(
        &mut self,
        ledger: &Ledger,
        request: Arc<CallRequest<'static>>,
        waker: Waker,
        deadline: Timestamp,
    ) -> Place {
        let place = self.next;
        self.next = self.next.saturating_add(1);
        let charged = request
            .account
            .find(ledger)
            .into_iter()
            .chain(request.options.tags.as_slice().iter().copied());
        let accounts = charged.flat_map(|account| ledger.line_of(account)).collect();
        let limits = Vec::new();
        self.put(place, Waiter { request, waker, deadline, limits, accounts, is_new: true });
        place
    }

    fn put(&mut self, place: Place, waiter: Waiter) {
        self.deadlines.insert((waiter.deadline, place));
        for account in &waiter.accounts {
            self.by_account.entry(*account).or_default().insert(place);
        }
        if let Some(outer) = waiter.request.options.outer {
            self.by_outer_hold.entry(outer).or_default().insert(place);
        }
        self.waiters.insert(place, waiter);
        self.is_busy = true;
    }

    /// Has a call tried, if it still waits.
    pub(super) fn make_ready(&mut self, place: Place) {
        if self.waiters.contains_key(&place) {
            self.ready.insert(place);
        }
    }

    /// Stands in the lists of these limits, and stays in those where it stands already: else two
    /// limits could keep it out by turns. At the head of a list it is tried again when there will be
    /// room, if that is known.
    pub(super) fn stand(&mut self, place: Place, limits: &[(LimitId, Option<Timestamp>)]) {
        let Some(waiter) = self.waiters.get_mut(&place) else { return };
        waiter.is_new = false;
        for (limit, room_at) in limits {
            let list = self.lists.entry(*limit).or_default();
            let calls = list.of(waiter.request.options.wrap_up);
            if calls.insert(place) {
                waiter.limits.push(*limit);
            }
            let is_first = calls.first() == Some(&place);
            let is_sooner = |at: &Timestamp| list.room_at.is_none_or(|before| *at < before);
            let Some(at) = room_at.filter(|at| is_first && is_sooner(at)) else { continue };
            if let Some(before) = list.room_at.replace(at) {
                self.room_times.remove(&(before, *limit));
            }
            self.room_times.insert((at, *limit));
        }
    }

    /// Leaves all lists, and keeps its place. Those who are first then are ready.
    pub(super) fn step_aside(&mut self, place: Place) {
        let Some(waiter) = self.waiters.get_mut(&place) else { return };
        waiter.is_new = false;
        let (limits, wrap_up) =
            (std::mem::take(&mut waiter.limits), waiter.request.options.wrap_up);
        for limit in limits {
            let Some(list) = self.lists.get_mut(&limit) else { continue };
            list.of(wrap_up).remove(&place);
            self.counts.visits = self.counts.visits.saturating_add(1);
            self.ready.extend(list.heads());
            if list.is_empty() {
                self.dissolve(limit);
            }
        }
    }

    /// Removes a list. All who stood in it are ready.
    fn dissolve(&mut self, limit: LimitId) {
        let Some(list) = self.lists.remove(&limit) else { return };
        if let Some(at) = list.room_at {
            self.room_times.remove(&(at, limit));
        }
        for place in list.ordinary.into_iter().chain(list.wrap_up) {
            if let Some(waiter) = self.waiters.get_mut(&place) {
                waiter.limits.retain(|own| *own != limit);
            }
            self.ready.insert(place);
        }
    }

    /// Leaves for good.
    fn remove(&mut self, place: Place) -> Option<Waiter> {
        self.step_aside(place);
        let waiter = self.waiters.remove(&place)?;
        self.ready.remove(&place);
        self.deadlines.remove(&(waiter.deadline, place));
        for account in &waiter.accounts {
            take_out(&mut self.by_account, account, place);
        }
        if let Some(outer) = &waiter.request.options.outer {
            take_out(&mut self.by_outer_hold, outer, place);
        }
        Some(waiter)
    }

    /// Ends a wait; its task is woken when the lock is free, and with a journal not before that is
    /// written.
    pub(super) fn finish(&mut self, place: Place, outcome: Outcome) {
        match self.remove(place) {
            Some(waiter) if self.writes_first => {
                self.unwritten.insert(place, Unwritten { waiter, outcome, is_gone: false });
            }
            Some(waiter) => self.deliver(place, waiter, outcome),
            None => {}
        }
    }

    fn deliver(&mut self, place: Place, waiter: Waiter, outcome: Outcome) {
        self.served.insert(place, outcome);
        self.woken.push(waiter.waker);
    }

    /// The result of a wait, if it is over; else the waker takes the place of the one before. A waker
    /// that is no longer needed comes back, to be dropped without the lock.
    pub(super) fn poll(&mut self, place: Place, waker: Waker) -> (Option<Outcome>, Waker) {
        if let Some(outcome) = self.served.remove(&place) {
            return (Some(outcome), waker);
        }
        let unwritten = self.unwritten.get_mut(&place).map(|unwritten| &mut unwritten.waiter);
        match self.waiters.get_mut(&place).or(unwritten) {
            Some(waiter) => (None, std::mem::replace(&mut waiter.waker, waker)),
            None => (None, waker),
        }
    }

    /// Gives up: a result that was not fetched comes back, or the waker.
    pub(super) fn leave(&mut self, place: Place) -> (Option<Outcome>, Option<Waker>) {
        if let Some(unwritten) = self.unwritten.get_mut(&place) {
            unwritten.is_gone = true;
            let waker = std::mem::replace(&mut unwritten.waiter.waker, Waker::noop().clone());
            return (None, Some(waker));
        }
        let waiter = self.remove(place);
        self.has_moved |= waiter.is_some();
        if self.writes_first {
            self.is_busy = !self.waiters.is_empty();
        }
        (self.served.remove(&place), waiter.map(|waiter| waiter.waker))
    }
}

/// With a journal: a transaction ends.
impl Queue {
    /// It is written: its results are delivered. Returns those whose tasks have given up.
    pub(super) fn written(&mut self) -> Vec<(Arc<CallRequest<'static>>, Outcome)> {
        let mut left = Vec::new();
        for (place, Unwritten { waiter, outcome, is_gone }) in std::mem::take(&mut self.unwritten) {
            if is_gone {
                left.push((waiter.request, outcome));
            } else {
                self.deliver(place, waiter, outcome);
            }
        }
        left
    }

    /// It failed, and the ledger is as it was: all have their places again and are tried once more.
    /// Those whose time is up get the error, and so do all if it lasts.
    pub(super) fn undo(&mut self, now: Timestamp, error: &JournalError) {
        for (place, Unwritten { waiter, is_gone, .. }) in std::mem::take(&mut self.unwritten) {
            if !is_gone {
                self.put(place, waiter);
            }
        }
        let is_over = |waiter: &Waiter| waiter.deadline <= now || !error.is_temporary();
        let over = self.waiters.iter().filter(|(_, waiter)| is_over(waiter));
        for place in over.map(|(place, _)| *place).collect::<Vec<_>>() {
            self.finish(place, Err(error.clone().into()));
        }
        self.written();
        self.retry_all();
    }

    /// All are tried once more, in new lists.
    pub(super) fn retry_all(&mut self) {
        self.lists.clear();
        self.room_times.clear();
        self.waiters.values_mut().for_each(|waiter| waiter.limits.clear());
        self.ready.extend(self.waiters.keys());
    }

    /// True if calls are ready because others have left: with a journal, the writer has to be woken.
    pub(super) fn needs_service(&self) -> bool {
        self.has_moved && !self.ready.is_empty()
    }
}

/// Serving.
impl Queue {
    /// Makes those ready that the events since the last time may concern, and those for whom time has
    /// made room.
    pub(super) fn wake_up(&mut self, ledger: &mut Ledger, now: Timestamp) {
        self.has_moved = false;
        self.note_changes(ledger);
        while let Some((at, limit)) = self.room_times.first().copied().filter(|(at, _)| *at <= now)
        {
            self.room_times.remove(&(at, limit));
            if let Some(list) = self.lists.get_mut(&limit) {
                list.room_at = None;
            }
            self.visit(limit);
        }
    }

    /// Makes those ready that the events since the last call may concern.
    pub(super) fn note_changes(&mut self, ledger: &mut Ledger) {
        ledger.note_changes(!self.waiters.is_empty());
        if !ledger.has_changes() {
            return;
        }
        for changed in ledger.take_changes() {
            match changed {
                Changed::Count(limit) => self.visit(limit),
                Changed::Limit(limit) => {
                    self.visit(limit);
                    self.dissolve(limit);
                }
                Changed::Account(account) => {
                    self.ready.extend(self.by_account.get(&account).into_iter().flatten());
                }
                Changed::Hold(hold) => {
                    self.ready.extend(self.by_outer_hold.get(&hold).into_iter().flatten());
                }
            }
        }
    }

    /// Makes the first calls of a limit's list ready.
    fn visit(&mut self, limit: LimitId) {
        if let Some(list) = self.lists.get(&limit) {
            self.counts.visits = self.counts.visits.saturating_add(1);
            self.ready.extend(list.heads());
        }
    }

    /// The next call to try: those that are ready in the order of their places, then those whose
    /// time is up in the order of their deadlines.
    pub(super) fn next_attempt(&mut self, now: Timestamp) -> Option<Attempt> {
        let (place, is_late) = match self.ready.pop_first() {
            Some(place) => (place, false),
            None => (self.late(now)?, true),
        };
        let waiter = self.waiters.get(&place)?;
        self.counts.attempts = self.counts.attempts.saturating_add(1);
        let (request, is_first) = (Arc::clone(&waiter.request), waiter.is_new);
        let is_last = is_late || is_first && waiter.deadline <= now;
        Some(Attempt { place, request, is_first, is_last })
    }

    /// The call whose time is up first.
    fn late(&self, now: Timestamp) -> Option<Place> {
        let first = self.deadlines.first().filter(|(deadline, _)| *deadline <= now);
        first.map(|(_, place)| *place)
    }

    /// The tasks to wake when the lock is free.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        self.is_busy = !self.waiters.is_empty();
        std::mem::take(&mut self.woken)
    }

    /// The moment to ask the clock for, if it is none that has been asked for.
    pub(super) fn alarm_to_set(&mut self, ledger: &Ledger, now: Timestamp) -> Option<Timestamp> {
        let (deadline, _) = self.deadlines.first()?;
        let room_at = self.room_times.first().map_or(Timestamp::MAX, |(at, _)| *at);
        let mut at = ledger.next_due().min(*deadline).min(room_at);
        if self.writes_first {
            // What another process has written, or what has fallen due and could not be written.
            let look = now.plus(LOOK);
            at = if at > now { at.min(look) } else { look };
        }
        if at <= now || self.alarm.is_some_and(|alarm| at >= alarm) {
            return None;
        }
        self.alarm = Some(at);
        Some(at)
    }

    /// The clock has woken us, and has forgotten that it was to.
    pub(super) fn forget_alarm(&mut self) {
        self.alarm = None;
    }
}

/// A waiting call that is tried.
pub(super) struct Attempt {
    pub(super) place: Place,
    pub(super) request: Arc<CallRequest<'static>>,
    pub(super) is_first: bool,
    /// Its time is up.
    pub(super) is_last: bool,
}

/// Takes a place out of an index.
fn take_out<K: Eq + Hash>(index: &mut HashMap<K, BTreeSet<Place>>, key: &K, place: Place) {
    let Some(places) = index.get_mut(key) else { return };
    places.remove(&place);
    if places.is_empty() {
        index.remove(key);
    }
}

#[cfg(any(test, shuttle))]
#[cfg_attr(shuttle, allow(dead_code))]
impl Queue {
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Recounts what is kept twice.
    pub(super) fn check(&self) {
        let (mut stands, mut accounts) = (0, 0);
        for (place, waiter) in &self.waiters {
            assert!(self.deadlines.contains(&(waiter.deadline, *place)));
            for limit in &waiter.limits {
                let list = &self.lists[limit];
                let wraps_up = waiter.request.options.wrap_up;
                let own = if wraps_up { &list.wrap_up } else { &list.ordinary };
                assert!(own.contains(place), "{place} is not in its list");
            }
            stands += waiter.limits.len();
            assert!(waiter.accounts.iter().all(|id| self.by_account[id].contains(place)));
            accounts += waiter.accounts.iter().collect::<BTreeSet<_>>().len();
        }
        let in_lists: usize = self.lists.values().map(|l| l.ordinary.len() + l.wrap_up.len()).sum();
        assert_eq!((in_lists, self.deadlines.len()), (stands, self.waiters.len()));
        assert_eq!(self.by_account.values().map(BTreeSet::len).sum::<usize>(), accounts);
        assert!(!self.lists.values().any(WaitList::is_empty), "an empty list");
        let timed = self.lists.iter().filter_map(|(limit, list)| Some((list.room_at?, *limit)));
        assert_eq!(timed.collect::<BTreeSet<_>>(), self.room_times);
        let inside: usize = self.by_outer_hold.values().map(BTreeSet::len).sum();
        let inner = self.waiters.values().filter(|waiter| waiter.request.options.outer.is_some());
        assert_eq!(inside, inner.count());
        assert_eq!(self.is_busy, !self.waiters.is_empty(), "busy");
        assert!(self.woken.is_empty());
        assert!(self.ready.iter().all(|place| self.waiters.contains_key(place)));
    }

    /// Nothing is kept of a call.
    pub(super) fn is_clean(&self) -> bool {
        self.check();
        let is_told = self.served.is_empty() && self.unwritten.is_empty();
        self.waiters.is_empty() && is_told && !self.is_busy
    }
}
