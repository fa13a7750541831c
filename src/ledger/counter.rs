//! [`Counter`]: one limit on one account. It counts what is spent and held in its window, and raises
//! alarms about it.
//!
//! The windows of the calendar are shared and roll in O(1): a counter keeps the number of the window
//! that it last saw, and reads as zero in a later one. A limit on the money of every model is derived
//! from its account's balance instead of counted: see the `fast_path` module.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

mod alarms;
mod rolling;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounts::Balance;
use super::amounts::{Amounts, Measure};
use super::limit::{Limit, Period};
use super::path::Path;
use crate::calendar::{CalendarUnit, Zone};
use crate::clock::{Timestamp, micros};
use alarms::Alarms;
use rolling::Rolling;

/// A window of the calendar, shared by every counter of the same unit and zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) unit: CalendarUnit,
    pub(super) zone: Zone,
    /// One more than the number of the window before it.
    pub(super) number: u32,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Where the window before this one started; `start` if there was none, or a silence.
    pub(super) previous_start: Timestamp,
}

impl Window {
    pub(super) fn roll(&mut self, start: Timestamp, end: Timestamp) {
        // After a long silence the window just before this one has nothing in it, and its start is
        // unknown: a correction about that time counts in no window.
        let silence = start > self.end;
        self.number = self.number.wrapping_add(if silence { 2 } else { 1 });
        self.previous_start = if silence { start } else { self.start };
        self.start = start;
        self.end = end;
    }
}

/// Over which time a counter counts, and what it keeps for that beside the present level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Span {
    Lifetime,
    Calendar(Calendar),
    Rolling(Rolling),
}

/// A counter's place among the windows of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Calendar {
    /// The index of the shared window.
    pub(super) window: u32,
    /// The number of the window that the counter last saw.
    number: u32,
    /// Spent and held in the window before that one.
    previous: Level,
}

/// In which window of a counter a charge that was reserved at some moment lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WindowSlot {
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

impl std::ops::Sub for Level {
    type Output = Level;

    #[inline]
    fn sub(self, other: Level) -> Level {
        Level { spent: self.spent - other.spent, held: self.held - other.held }
    }
}

/// How a counter knows what is spent and held in its window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Count {
    /// Every call is added to it.
    Counting(Level),
    /// Derived from the account: what its balance has moved by since it was this.
    Derived(Level),
}

/// One limit on one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Counter {
    /// The window epoch in which the fast path may use it; 0 for none.
    pub(super) fresh_epoch: u64,
    /// It may do so before this moment, at which a rolling period loses a slot.
    pub(super) fresh_until: Timestamp,
    pub(super) count: Count,
    /// The largest sum of spent and held so far; of a derived one, as of the moment since which the
    /// account keeps a peak.
    peak: i128,
    pub(super) alarms: Alarms,
    pub(super) measure: Measure,
    pub(super) observe: bool,
    pub(super) amount: i128,
    pub(super) span: Span,
    /// The filter's index, or [`Counter::NO_FILTER`].
    pub(super) filter: u32,
    /// The part that only calls that wrap up may take.
    pub(super) wrap_up: i128,
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
    /// An epoch in which no counter is fresh.
    pub(super) const NEVER: u64 = u64::MAX;

    pub(super) fn new(
        limit: &Arc<Limit>,
        span: Span,
        filter: u32,
        rule: u32,
        account: u32,
        path: Path,
    ) -> Counter {
        let is_derived = limit.measure == Measure::Cost
            && filter == Counter::NO_FILTER
            && !matches!(span, Span::Rolling(_));
        let nothing = Level::default();
        Counter {
            fresh_epoch: 0,
            fresh_until: Timestamp::MAX,
            count: if is_derived { Count::Derived(nothing) } else { Count::Counting(nothing) },
            peak: 0,
            alarms: Alarms::new(limit),
            measure: limit.measure,
            observe: limit.observe,
            amount: limit.amount.value(),
            span,
            filter,
            wrap_up: limit.wrap_up.map_or(0, |slice| slice.value()),
            rule,
            account,
            limit: Arc::clone(limit),
            path,
            opening_gap: 0,
            since: 0,
        }
    }

    /// Takes over a changed limit: the counts stay, and the thresholds that fired stay fired.
    pub(super) fn change(&mut self, limit: &Arc<Limit>) {
        self.amount = limit.amount.value();
        self.wrap_up = limit.wrap_up.map_or(0, |slice| slice.value());
        self.observe = limit.observe;
        self.limit = Arc::clone(limit);
        self.alarms.arm(limit);
    }

    /// True if it is derived from its account's balance.
    #[inline]
    pub(super) fn is_derived(&self) -> bool {
        matches!(self.count, Count::Derived(_))
    }

    /// Spent and held in its window, where the account's balance is this.
    #[inline]
    pub(super) fn here(&self, account: &Balance) -> Level {
        match self.count {
            Count::Counting(level) => level,
            Count::Derived(base) => account.level() - base,
        }
    }

    /// Adds to spent and held in its window, whatever the account's balance does.
    #[inline]
    fn add(&mut self, by: Level) {
        match &mut self.count {
            Count::Counting(level) => *level = *level + by,
            Count::Derived(base) => *base = *base - by,
        }
    }

    /// Counts nothing of what there is.
    fn restart(&mut self, account: &Balance) {
        match &mut self.count {
            Count::Counting(level) => *level = Level::default(),
            Count::Derived(base) => *base = account.level(),
        }
    }

    /// The largest sum of spent and held so far, in any window, where the account's balance is this.
    pub(super) fn peak(&self, account: &Balance) -> i128 {
        match self.count {
            Count::Counting(_) => self.peak,
            Count::Derived(base) => self.peak.max(account.peak - base.committed()),
        }
    }

    /// Keeps the peak that the account has come to, before the account begins a new one.
    pub(super) fn keep_peak(&mut self, account: &Balance) {
        self.peak = self.peak(account);
    }

    #[inline]
    pub(super) fn note_peak(&mut self, here: Level) {
        if here.committed() > self.peak {
            self.peak = here.committed();
        }
    }

    /// What is spent and held at `now`, without changing anything.
    #[inline]
    pub(super) fn level(&self, account: &Balance, windows: &[Window], now: Timestamp) -> Level {
        match &self.span {
            Span::Lifetime => self.here(account),
            Span::Calendar(own) if windows[own.window as usize].number == own.number => {
                self.here(account)
            }
            Span::Calendar(_) => Level::default(),
            Span::Rolling(rolling) => {
                let here = self.here(account);
                Level { spent: here.spent - rolling.left(now), ..here }
            }
        }
    }

    /// Spent and held in the window before this one; zero where there is none.
    pub(super) fn previous_level(&self, account: &Balance, windows: &[Window]) -> Level {
        let Span::Calendar(own) = &self.span else { return Level::default() };
        match windows[own.window as usize].number.wrapping_sub(own.number) {
            0 => own.previous,
            1 => self.here(account),
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
        self.cap(wrap_up) - self.level(account, windows, now).committed()
    }

    /// What calls may come to together: the amount, or for ordinary calls what is not kept for
    /// wrapping up.
    #[inline]
    pub(super) fn cap(&self, wrap_up: bool) -> i128 {
        if wrap_up { self.amount } else { self.amount - self.wrap_up }
    }

    /// What was set, and on which account.
    pub(super) fn about(&self) -> (&Path, &Arc<Limit>) {
        (&self.path, &self.limit)
    }

    /// Where a charge that was reserved at `at` is counted.
    #[inline]
    pub(super) fn slot(&self, windows: &[Window], at: Timestamp) -> WindowSlot {
        let Span::Calendar(own) = &self.span else { return WindowSlot::Current };
        let window = &windows[own.window as usize];
        if at >= window.start {
            WindowSlot::Current
        } else if at >= window.previous_start {
            WindowSlot::Previous
        } else {
            WindowSlot::Gone
        }
    }

    /// Brings the counter to `now`: a new window starts empty, expired slots leave.
    #[inline]
    pub(super) fn advance(&mut self, account: &Balance, windows: &[Window], now: Timestamp) {
        match &mut self.span {
            Span::Lifetime => {}
            Span::Calendar(own) => {
                let window = &windows[own.window as usize];
                if window.number != own.number {
                    self.enter_window(account, window);
                }
            }
            Span::Rolling(rolling) => {
                let left = rolling.drop_left(now);
                self.add(Level { spent: -left, held: 0 });
                self.rearm_rolling(now);
            }
        }
    }

    #[cold]
    fn enter_window(&mut self, account: &Balance, window: &Window) {
        let here = self.here(account);
        let Span::Calendar(own) = &mut self.span else { return };
        let is_next = window.number.wrapping_sub(own.number) == 1;
        own.previous = if is_next { here } else { Level::default() };
        own.number = window.number;
        self.alarms.enter_window(&self.limit, is_next.then_some(here.spent));
        self.restart(account);
    }

    /// Starts in the present window, with nothing counted.
    pub(super) fn start_in(&mut self, account: &Balance, windows: &[Window]) {
        self.restart(account);
        if let Span::Calendar(own) = &mut self.span {
            own.number = windows[own.window as usize].number;
        }
    }

    /// Adds to what is held. The counter has been advanced.
    #[inline]
    pub(super) fn hold(&mut self, slot: WindowSlot, amount: i128) {
        match (slot, &mut self.span) {
            (WindowSlot::Current, _) => self.add(Level { spent: 0, held: amount }),
            (WindowSlot::Previous, Span::Calendar(own)) => own.previous.held += amount,
            _ => {}
        }
    }

    /// Adds to what is spent, by a charge reserved at `at`. The counter has been advanced to `now`.
    #[inline]
    pub(super) fn spend(&mut self, slot: WindowSlot, at: Timestamp, now: Timestamp, amount: i128) {
        let is_counted = match (slot, &mut self.span) {
            (WindowSlot::Current, Span::Rolling(rolling)) => rolling.spend(at, now, amount),
            (WindowSlot::Current, _) => true,
            (WindowSlot::Previous, Span::Calendar(own)) => {
                own.previous.spent += amount;
                false
            }
            _ => false,
        };
        if is_counted {
            self.add(Level { spent: amount, held: 0 });
        }
    }

    /// Adds to what is spent, or takes away from it as far as there is something; returns how much it was.
    pub(super) fn correct(
        &mut self,
        slot: WindowSlot,
        at: Timestamp,
        now: Timestamp,
        by: i128,
    ) -> i128 {
        let there = match (slot, &self.span) {
            (WindowSlot::Current, Span::Rolling(rolling)) => rolling.spent_at(at),
            (slot, _) => self.spent_in(&Balance::default(), slot),
        };
        let by = by.max(-there.max(0));
        if by != 0 {
            self.spend(slot, at, now, by);
        }
        by
    }

    /// What is spent in one of its windows, where the account's balance is this.
    fn spent_in(&self, account: &Balance, slot: WindowSlot) -> i128 {
        match (slot, &self.span) {
            (WindowSlot::Current, _) => self.here(account).spent,
            (WindowSlot::Previous, Span::Calendar(own)) => own.previous.spent,
            _ => 0,
        }
    }

    /// Of a derived counter: leaves out of the present window what the account's balance is about to
    /// move by, unless it belongs there. A charge of $2 that was reserved yesterday moves the balance
    /// today: a daily limit adds it to the window before, and takes it out of today's.
    pub(super) fn exclude(&mut self, slot: WindowSlot, moved: Level) {
        if slot != WindowSlot::Current {
            self.add(Level::default() - moved);
        }
        if let (WindowSlot::Previous, Span::Calendar(own)) = (slot, &mut self.span) {
            own.previous = own.previous + moved;
        }
    }

    /// The same of a correction of the account's balance, which may take away more than is spent in
    /// the window: a window never counts less than nothing. A correction of -$3 where $1 was spent
    /// in the window counts as -$1 there.
    pub(super) fn exclude_down_to_zero(
        &mut self,
        account: &Balance,
        slot: WindowSlot,
        corrected: Level,
    ) {
        let there = self.spent_in(account, slot);
        self.exclude(slot, corrected);
        let missing = (-there.max(0) - corrected.spent).max(0);
        match (slot, &mut self.span) {
            (WindowSlot::Current, _) => self.add(Level { spent: missing, held: 0 }),
            (WindowSlot::Previous, Span::Calendar(own)) => own.previous.spent += missing,
            _ => return,
        }
        self.opening_gap += missing;
    }

    /// The same of the correction of a charge that is older than the limit.
    pub(super) fn exclude_entirely(&mut self, moved: Level) {
        self.opening_gap -= moved.spent;
        self.exclude(WindowSlot::Gone, moved);
    }

    /// The first moment at which a rolling period has room for `asked`, if nothing else is charged;
    /// `None` of other periods, and if no slot makes enough room.
    pub(super) fn rolling_room_at(&self, asked: i128, cap: i128) -> Option<Timestamp> {
        match (&self.span, self.count) {
            (Span::Rolling(rolling), Count::Counting(level)) => {
                rolling.room_at(level.spent, asked, cap)
            }
            _ => None,
        }
    }

    /// Sets what is counted from outside: the totals of a new limit, or an opening amount.
    pub(super) fn open_with(&mut self, spent: i128, at: Timestamp) {
        self.spend(WindowSlot::Current, at, at, spent);
    }

    /// Recounts what can be recounted from the counter alone.
    pub(super) fn check(
        &self,
        account: &Balance,
        windows: &[Window],
        now: Timestamp,
        epoch: u64,
    ) -> Result<(), String> {
        let here = self.here(account);
        if let Span::Rolling(rolling) = &self.span {
            rolling.check(here.spent)?;
        }
        let level = self.level(account, windows, now);
        if self.peak(account) < level.committed() {
            return Err(format!("the peak was {}, there is {level:?}", self.peak(account)));
        }
        let is_fresh = self.fresh_epoch == epoch && now < self.fresh_until;
        if is_fresh && (level != here || self.alarms.is_over()) {
            return Err("it says that it is up to date and is not".to_owned());
        }
        if level.committed() > self.amount && !self.alarms.is_over() && !self.observe {
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
        self.alarms.fired()
    }
}

impl Span {
    /// When the fast path has to look at a counter again although no window rolls.
    pub(super) fn fresh_until(&self) -> Timestamp {
        match self {
            Span::Rolling(rolling) => rolling.next_leave(),
            _ => Timestamp::MAX,
        }
    }

    /// Notes a charge in the present window of a fresh counter; returns false, having changed nothing,
    /// if a rolling period has to begin another slot for it.
    #[inline(always)]
    pub(super) fn spend_fast(&mut self, at: Timestamp, spent: i128) -> bool {
        match self {
            Span::Rolling(rolling) => rolling.spend_in_last(at, spent),
            _ => true,
        }
    }

    /// The span of a period, but for the calendar's, whose window is the ledger's to find.
    pub(super) fn of(period: &Period, calendar: impl FnOnce() -> Option<u32>) -> Option<Span> {
        Some(match period {
            Period::Lifetime => Span::Lifetime,
            Period::Rolling(length) => Span::Rolling(Rolling::new(micros(*length))),
            Period::Calendar(..) => {
                let (number, previous) = (0, Level::default());
                Span::Calendar(Calendar { window: calendar()?, number, previous })
            }
        })
    }
}
