//! Owns one counter of one limit on one account: what is spent and held in its window, and when
//! its thresholds fire. The windows of the calendar are shared and roll in O(1): a counter keeps
//! the number of the window it last saw, and reads as zero in a later one. A counter of money, of
//! every model, follows its account's balance: see `follow`.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

mod notice;

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounts::Balance;
use super::amounts::{Amounts, Measure};
use super::limit::{Limit, Period};
use super::path::Path;
use crate::calendar::{CalendarUnit, Zone};
use crate::clock::{Timestamp, micros};
use notice::Past;

/// Slots of a rolling period.
const SLOTS: i64 = 60;

/// A window of the calendar, shared by every counter of the same unit and zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) unit: CalendarUnit,
    pub(super) zone: Zone,
    /// Which it is: one more than the window before it.
    pub(super) number: u32,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Where the window before this one started; `start` if there was none, or a silence.
    pub(super) previous_start: Timestamp,
}

impl Window {
    pub(super) fn roll(&mut self, start: Timestamp, end: Timestamp) {
        // After a long silence the window just before this one has nothing in it, and nobody knows where it
        // started: a correction about that time counts in no window.
        let silence = start > self.end;
        self.number = self.number.wrapping_add(if silence { 2 } else { 1 });
        self.previous_start = if silence { start } else { self.start };
        (self.start, self.end) = (start, end);
    }
}

/// Over which time a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Span {
    Lifetime,
    /// The shared window of that index.
    Calendar(u32),
    /// Microseconds.
    Rolling(i64),
}

/// In which window of a counter a charge that was reserved at some moment lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Current,
    Previous,
    /// In a window that is no longer kept.
    Gone,
}

/// Spent and held in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Level {
    pub(super) spent: i128,
    pub(super) held: i128,
}

impl Level {
    #[inline]
    pub(super) fn committed(self) -> i128 {
        self.spent + self.held
    }
}

impl std::ops::Add for Level {
    type Output = Level;

    #[inline]
    fn add(self, other: Level) -> Level {
        Level { spent: self.spent + other.spent, held: self.held + other.held }
    }
}

impl std::ops::Neg for Level {
    type Output = Level;

    fn neg(self) -> Level {
        Level { spent: -self.spent, held: -self.held }
    }
}

/// What was spent in one slot of a rolling period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Slot {
    number: i64,
    spent: i128,
}

/// One limit on one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// The age of the ledger in which it is plain and up to date; 0 for none.
    plain_in: u64,
    /// Spent and held in its window; of one that follows its account, beside the account's balance.
    own: Level,
    /// The largest sum of spent and held so far; of one that follows its account, as of the moment
    /// since which the account keeps a peak.
    peak: i128,
    /// Where what is spent comes up to this, a threshold fires.
    alert_from: i128,
    pub(super) measure: Measure,
    pub(super) observe: bool,
    /// It counts what its account's balance has moved by.
    pub(super) follows: bool,
    /// Above its amount, for a reason that the law allows: raised when it came about.
    pub(super) over: bool,
    pub(super) amount: i128,
    pub(super) span: Span,
    window_number: u32,
    /// It has been told in this window that a call would have been refused, and when.
    would_refuse: bool,
    would_refuse_at: Timestamp,
    /// The filter's index, or [`Counter::NO_FILTER`].
    pub(super) filter: u32,
    /// The part that only calls that wrap up may take.
    pub(super) wrap_up: i128,
    previous: Level,
    /// `None` if the limit is younger than the window before the present one.
    #[serde(default)]
    past: Option<Past>,
    slots: VecDeque<Slot>,
    /// The highest threshold that has fired in this window, in percent; the amount of `spent` it
    /// fires at, and when it did.
    fired: u16,
    fired_from: i128,
    fired_at: Timestamp,
    pub(super) rule: u32,
    pub(super) account: u32,
    /// What was set, and the account's path: for notices, which can outlive both.
    limit: Arc<Limit>,
    path: Path,
    /// For a lifetime counter without a filter: what it counted beyond the account's own totals
    /// when it was made.
    pub(super) opening_gap: i128,
    /// The number of the event that made it: it has counted no charge before that. 0 if it
    /// started from the account's totals.
    pub(super) since: u64,
}

impl Counter {
    pub(super) const NO_FILTER: u32 = u32::MAX;
    /// An age in which no counter is plain.
    pub(super) const NEVER: u64 = u64::MAX;

    pub(super) fn new(
        limit: &Arc<Limit>,
        span: Span,
        filter: u32,
        rule: u32,
        account: u32,
        path: Path,
    ) -> Counter {
        let amount = limit.amount.value();
        let mut counter = Counter {
            plain_in: 0,
            own: Level::default(),
            peak: 0,
            alert_from: i128::MAX,
            measure: limit.measure,
            observe: limit.observe,
            follows: limit.measure == Measure::Cost
                && filter == Counter::NO_FILTER
                && !matches!(span, Span::Rolling(_)),
            over: false,
            amount,
            span,
            window_number: 0,
            would_refuse: false,
            would_refuse_at: Timestamp::MIN,
            filter,
            wrap_up: limit.wrap_up.map_or(0, |slice| slice.value()),
            previous: Level::default(),
            past: None,
            slots: VecDeque::new(),
            fired: 0,
            fired_from: i128::MIN,
            fired_at: Timestamp::MIN,
            rule,
            account,
            limit: Arc::clone(limit),
            path,
            opening_gap: 0,
            since: 0,
        };
        counter.arm();
        counter
    }

    /// Takes over a changed limit: the counts stay, and the thresholds that fired stay fired.
    pub(super) fn change(&mut self, limit: &Arc<Limit>) {
        self.amount = limit.amount.value();
        self.wrap_up = limit.wrap_up.map_or(0, |slice| slice.value());
        self.observe = limit.observe;
        self.limit = Arc::clone(limit);
        self.arm();
    }

    /// True if the counter is plain in this age of the ledger: it counts by itself, in the present
    /// window, and nothing but its amount is asked of it.
    #[inline(always)]
    fn is_plain(&self, age: u64) -> bool {
        self.plain_in == age
    }

    /// True if the counter is plain and has room for the call. False says nothing: then the counter
    /// has to be looked at as a whole.
    #[inline]
    pub(super) fn fits_plainly(&self, age: u64, asked: i128) -> bool {
        self.is_plain(age) && self.own.committed() + asked <= self.amount
    }

    /// Adds what a call holds, if the counter is plain. The call fits.
    #[inline]
    pub(super) fn hold_plainly(&mut self, age: u64, asked: i128) -> bool {
        if !self.is_plain(age) {
            return false;
        }
        self.own.held += asked;
        self.note_peak(self.own);
        true
    }

    /// Turns what is held into what is spent, if the counter is plain and nobody has to be told of
    /// it. The charge lies in the present window.
    #[inline]
    pub(super) fn turn_plainly(&mut self, age: u64, held: i128, spent: i128) -> bool {
        let all = self.own.spent + spent;
        if !self.is_plain(age) || spent > held || all >= self.alert_from {
            return false;
        }
        self.own = Level { spent: all, held: self.own.held - held };
        true
    }

    /// Says that the counter has been brought up to date in this age of the ledger. Follows each
    /// change that is not a plain one.
    #[inline]
    pub(super) fn refresh(&mut self, age: u64) {
        let plain = !self.follows
            && !self.observe
            && !self.over
            && self.wrap_up == 0
            && !matches!(self.span, Span::Rolling(_));
        self.plain_in = if plain { age } else { 0 };
    }

    /// The largest sum of spent and held so far, in any window, where the account's balance is this.
    pub(super) fn peak(&self, account: &Balance) -> i128 {
        let since = if self.follows { account.peak + self.own.committed() } else { 0 };
        self.peak.max(since)
    }

    /// Keeps the peak that the account has come to, which begins anew.
    pub(super) fn keep_peak(&mut self, account: &Balance) {
        self.peak = self.peak(account);
    }

    #[inline]
    fn note_peak(&mut self, here: Level) {
        if here.committed() > self.peak {
            self.peak = here.committed();
        }
    }

    /// Spent and held in its window, where the account's balance is this.
    #[inline]
    pub(super) fn here(&self, account: &Balance) -> Level {
        if self.follows { self.own + account.level() } else { self.own }
    }

    /// How much the balance of its account may come to before the limit has anything to say: spent
    /// and held together at most the first, spent alone less than the second. `None` if it always
    /// has to be looked at as a whole.
    pub(super) fn allows(&self) -> Option<(i128, i128)> {
        let looks = self.observe || self.over;
        let committed = self.amount - self.wrap_up - self.own.committed();
        (!looks).then(|| (committed, self.alert_from.saturating_sub(self.own.spent)))
    }

    /// What is spent and held at `now`, without changing anything.
    #[inline]
    pub(super) fn level(&self, account: &Balance, windows: &[Window], now: Timestamp) -> Level {
        match self.span {
            Span::Lifetime => self.here(account),
            Span::Calendar(window) if windows[window as usize].number == self.window_number => {
                self.here(account)
            }
            Span::Calendar(_) => Level::default(),
            Span::Rolling(span) => {
                Level { spent: self.own.spent - self.expired(span, now), held: self.own.held }
            }
        }
    }

    /// Spent and held in the window before this one; zero where there is none.
    pub(super) fn previous_level(&self, account: &Balance, windows: &[Window]) -> Level {
        match self.span {
            Span::Calendar(window) => {
                match windows[window as usize].number.wrapping_sub(self.window_number) {
                    0 => self.previous,
                    1 => self.here(account),
                    _ => Level::default(),
                }
            }
            _ => Level::default(),
        }
    }

    /// What is left for a call at `now`; negative when over.
    #[inline]
    pub(super) fn room(
        &self,
        account: &Balance,
        windows: &[Window],
        now: Timestamp,
        wrap_up: bool,
    ) -> i128 {
        let cap = if wrap_up { self.amount } else { self.amount - self.wrap_up };
        cap - self.level(account, windows, now).committed()
    }

    /// What was set, and on which account.
    pub(super) fn about(&self) -> (&Path, &Arc<Limit>) {
        (&self.path, &self.limit)
    }

    /// Where a charge that was reserved at `at` is counted.
    #[inline]
    pub(super) fn place(&self, windows: &[Window], at: Timestamp) -> Place {
        match self.span {
            Span::Calendar(window) => {
                let window = &windows[window as usize];
                if at >= window.start {
                    Place::Current
                } else if at >= window.previous_start {
                    Place::Previous
                } else {
                    Place::Gone
                }
            }
            _ => Place::Current,
        }
    }

    /// Brings the counter to `now`: a new window starts empty, expired slots leave.
    #[inline]
    pub(super) fn advance(&mut self, account: &Balance, windows: &[Window], now: Timestamp) {
        match self.span {
            Span::Lifetime => {}
            Span::Calendar(window) => {
                let window = &windows[window as usize];
                if window.number != self.window_number {
                    self.enter_window(account, window);
                }
            }
            Span::Rolling(span) => self.drop_expired(span, now),
        }
    }

    #[cold]
    fn enter_window(&mut self, account: &Balance, window: &Window) {
        let next = window.number.wrapping_sub(self.window_number) == 1;
        let previous = if next { self.here(account) } else { Level::default() };
        self.past = Some(if next { self.to_past(previous.spent) } else { Past::default() });
        self.previous = previous;
        self.start_from(account);
        self.window_number = window.number;
        (self.fired, self.would_refuse, self.over) = (0, false, false);
        self.arm();
    }

    /// Counts nothing of what there is.
    fn start_from(&mut self, account: &Balance) {
        self.own = if self.follows { -account.level() } else { Level::default() };
    }

    /// Starts in the present window, with nothing counted.
    pub(super) fn start_in(&mut self, account: &Balance, windows: &[Window]) {
        self.start_from(account);
        if let Span::Calendar(window) = self.span {
            let window = &windows[window as usize];
            self.window_number = window.number;
        }
    }

    /// Adds to what is held. The counter has been advanced.
    #[inline]
    pub(super) fn hold(&mut self, place: Place, amount: i128) {
        match place {
            Place::Current => self.own.held += amount,
            Place::Previous => self.previous.held += amount,
            Place::Gone => {}
        }
    }

    /// Leaves out of the present window what the account's balance is about to move by, unless it
    /// belongs there.
    pub(super) fn leave_out(&mut self, place: Place, moved: Level) {
        if place != Place::Current {
            self.own = self.own + -moved;
        }
        if place == Place::Previous {
            self.previous = self.previous + moved;
        }
    }

    /// Takes away no more than there is, where the account's balance is about to be corrected by more.
    pub(super) fn leave_some(&mut self, account: &Balance, place: Place, corrected: Level) {
        let there = match place {
            Place::Current => self.here(account).spent,
            Place::Previous => self.previous.spent,
            Place::Gone => 0,
        };
        self.leave_out(place, corrected);
        let missing = (-there.max(0) - corrected.spent).max(0);
        match place {
            Place::Current => self.own.spent += missing,
            Place::Previous => self.previous.spent += missing,
            Place::Gone => return,
        }
        self.opening_gap += missing;
    }

    /// Leaves out the correction of a charge that is older than the limit.
    pub(super) fn ignore(&mut self, moved: Level) {
        self.opening_gap -= moved.spent;
        self.leave_out(Place::Gone, moved);
    }

    /// Adds to what is spent, by a charge reserved at `at`. The counter has been advanced to `now`.
    #[inline]
    pub(super) fn spend(&mut self, place: Place, at: Timestamp, now: Timestamp, amount: i128) {
        match (place, self.span) {
            (Place::Current, Span::Rolling(span)) => {
                let slot = at.as_micros().div_euclid(slot_length(span));
                if slot_leaves(slot, span) > now {
                    self.spend_in_slot(slot, amount);
                }
            }
            (Place::Current, _) => self.own.spent += amount,
            (Place::Previous, _) => self.previous.spent += amount,
            (Place::Gone, _) => {}
        }
    }

    /// Adds to what is spent, or takes away from it as far as there is something; returns how much it was.
    pub(super) fn correct(
        &mut self,
        place: Place,
        at: Timestamp,
        now: Timestamp,
        by: i128,
    ) -> i128 {
        let there = match (place, self.span) {
            (Place::Current, Span::Rolling(span)) => {
                let number = at.as_micros().div_euclid(slot_length(span));
                let slot = self.slots.binary_search_by_key(&number, |slot| slot.number);
                slot.ok().and_then(|place| self.slots.get(place)).map_or(0, |slot| slot.spent)
            }
            (Place::Current, _) => self.own.spent,
            (Place::Previous, _) => self.previous.spent,
            (Place::Gone, _) => 0,
        };
        let by = by.max(-there.max(0));
        if by != 0 {
            self.spend(place, at, now, by);
        }
        by
    }

    fn spend_in_slot(&mut self, number: i64, amount: i128) {
        let place = self.slots.partition_point(|slot| slot.number < number);
        match self.slots.get_mut(place) {
            Some(slot) if slot.number == number => slot.spent += amount,
            _ => self.slots.insert(place, Slot { number, spent: amount }),
        }
        self.own.spent += amount;
    }

    /// What has left a rolling period of `span` by `now` and is still counted.
    fn expired(&self, span: i64, now: Timestamp) -> i128 {
        let gone = self.slots.iter().take_while(|slot| slot_leaves(slot.number, span) <= now);
        gone.map(|slot| slot.spent).sum()
    }

    fn drop_expired(&mut self, span: i64, now: Timestamp) {
        while let Some(slot) = self.slots.front() {
            if slot_leaves(slot.number, span) > now {
                break;
            }
            self.own.spent -= slot.spent;
            self.slots.pop_front();
        }
        if self.over && self.own.committed() <= self.amount {
            self.over = false;
        }
        // A rolling window has no start. A threshold can fire again when a full period has passed
        // since, and what is spent has come down.
        if self.own.spent < self.fired_from && is_over(span, self.fired_at, now) {
            let (spent, thresholds) = (self.own.spent, &self.limit.alert_at);
            let reached = thresholds.iter().filter(|percent| spent >= self.threshold(**percent));
            self.fired = reached.max().copied().unwrap_or(0).min(self.fired);
            self.arm();
        }
    }

    /// The first moment at which `asked` fits into a rolling period, if nothing else is charged.
    /// The caller has made sure that it fits into an empty one.
    pub(super) fn rolling_room_at(&self, span: i64, asked: i128, cap: i128) -> Option<Timestamp> {
        let mut spent = self.own.spent;
        for slot in &self.slots {
            spent -= slot.spent;
            if spent + asked <= cap {
                return Some(slot_leaves(slot.number, span));
            }
        }
        None
    }

    /// Sets what is counted from outside: the totals of a new limit, or an opening amount.
    pub(super) fn open_with(&mut self, spent: i128, at: Timestamp) {
        self.spend(Place::Current, at, at, spent);
    }

    /// Recounts what can be recounted from the counter alone.
    pub(super) fn check(
        &self,
        account: &Balance,
        windows: &[Window],
        now: Timestamp,
        age: u64,
    ) -> Result<(), String> {
        let slots: i128 = self.slots.iter().map(|slot| slot.spent).sum();
        let here = self.here(account);
        if matches!(self.span, Span::Rolling(_)) && slots != here.spent {
            return Err(format!("the slots hold {slots}, the counter says {}", here.spent));
        }
        if self.slots.len() > 2 * SLOTS as usize {
            return Err(format!("{} slots are kept", self.slots.len()));
        }
        let level = self.level(account, windows, now);
        if self.peak(account) < level.committed() {
            return Err(format!("the peak was {}, there is {level:?}", self.peak(account)));
        }
        if self.plain_in == age && (level != here || self.over) {
            return Err("it says that it is plain and is not".to_owned());
        }
        if level.committed() > self.amount && !self.over && !self.observe {
            return Err(format!("{level:?} is over {} without a reason", self.amount));
        }
        Ok(())
    }

    /// True if it is on the money of every model, and does not only watch.
    pub(super) fn binds_all_money(&self) -> bool {
        self.measure == Measure::Cost && self.filter == Counter::NO_FILTER && !self.observe
    }

    /// What is counted of a call, in its measure: nothing if it is a cap for each call.
    #[inline]
    pub(super) fn of(&self, amounts: &Amounts) -> i128 {
        amounts.get(self.measure)
    }

    /// The highest threshold that has fired in this window.
    pub(super) fn fired(&self) -> u16 {
        self.fired
    }
}

impl Span {
    /// The span of a period, but for the calendar's, whose window is the ledger's to find.
    pub(super) fn of(period: &Period, calendar: impl FnOnce() -> Option<u32>) -> Option<Span> {
        Some(match period {
            Period::Lifetime => Span::Lifetime,
            Period::Rolling(span) => Span::Rolling(micros(*span)),
            Period::Calendar(..) => Span::Calendar(calendar()?),
        })
    }
}

/// True if `span` microseconds have passed.
fn is_over(span: i64, since: Timestamp, now: Timestamp) -> bool {
    now.as_micros().saturating_sub(since.as_micros()) >= span
}

/// A slot's length in microseconds, for a period of `span` microseconds.
fn slot_length(span: i64) -> i64 {
    span / SLOTS + i64::from(span % SLOTS != 0)
}

/// The moment at which the slot is wholly outside a period of `span` microseconds.
fn slot_leaves(number: i64, span: i64) -> Timestamp {
    let end = number.saturating_add(1).saturating_mul(slot_length(span));
    Timestamp::from_micros(end.saturating_add(span))
}
