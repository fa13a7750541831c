//! [`Alarms`]: which notices a counter has given about its window and the one before, and
//! [`Counter::notice`], which gives the next ones after a change.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Count, Counter, Level, Span, Window};
use crate::clock::Timestamp;
use crate::ledger::accounts::Balance;
use crate::ledger::{Limit, LimitId, Notice};

/// Which notices were given about the present window, and about the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ledger) struct Alarms {
    /// Where spent comes up to this, the next threshold fires.
    alert_from: i128,
    /// The highest threshold that has fired in this window, in percent; 0 for none.
    fired: u16,
    /// The amount of spent that it fires at, and when it did.
    fired_from: i128,
    fired_at: Timestamp,
    /// Above the amount, for a reason that the law allows: noticed when it came about.
    over: bool,
    /// A limit that only watches would have refused a call in this window, and when.
    would_refuse: bool,
    would_refuse_at: Timestamp,
    /// `None` if the limit is younger than the window before the present one.
    previous: Option<PreviousAlarms>,
}

/// Which notices were given about the window before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct PreviousAlarms {
    /// What was spent in it at the last check: only an increase gives a notice.
    spent: i128,
    fired: u16,
    over: bool,
    would_refuse: bool,
}

impl Alarms {
    pub(super) fn new(limit: &Limit) -> Alarms {
        let mut alarms = Alarms {
            alert_from: i128::MAX,
            fired: 0,
            fired_from: i128::MIN,
            fired_at: Timestamp::MIN,
            over: false,
            would_refuse: false,
            would_refuse_at: Timestamp::MIN,
            previous: None,
        };
        alarms.arm(limit);
        alarms
    }

    /// Where spent comes up to this, the next threshold fires.
    #[inline]
    pub(in crate::ledger) fn alert_from(&self) -> i128 {
        self.alert_from
    }

    /// True if the window is above the limit, and that has been noticed.
    #[inline]
    pub(in crate::ledger) fn is_over(&self) -> bool {
        self.over
    }

    /// The highest threshold that has fired in this window, in percent; 0 for none.
    pub(super) fn fired(&self) -> u16 {
        self.fired
    }

    /// Begins a window. `spent` is what was spent in the one that has ended, if it is the one before.
    pub(super) fn enter_window(&mut self, limit: &Limit, spent: Option<i128>) {
        let Alarms { fired, over, would_refuse, .. } = *self;
        let ended = spent.map(|spent| PreviousAlarms { spent, fired, over, would_refuse });
        self.previous = Some(ended.unwrap_or_default());
        self.fired = 0;
        self.over = false;
        self.would_refuse = false;
        self.arm(limit);
    }

    /// Finds the next threshold of a limit.
    pub(super) fn arm(&mut self, limit: &Limit) {
        let next = limit.alert_at.iter().find(|percent| **percent > self.fired);
        self.alert_from = next.map_or(i128::MAX, |percent| threshold(limit, *percent));
        self.fired_from = if self.fired == 0 { i128::MIN } else { threshold(limit, self.fired) };
    }
}

impl Counter {
    /// Adds the notices that the last change gives rise to. The counter has been advanced. `kept`
    /// is true for a call that may not use the part kept for wrapping up.
    #[inline]
    pub(in crate::ledger) fn notice(
        &mut self,
        account: &Balance,
        limit: LimitId,
        windows: &[Window],
        at: Timestamp,
        kept: bool,
        out: &mut Vec<Notice>,
    ) {
        let here = self.here(account);
        if !self.is_derived() {
            self.note_peak(here);
        }
        if let (Some(previous), Span::Calendar(own)) = (self.alarms.previous, &self.span) {
            if previous.over || previous.spent != own.previous.spent {
                let began = windows[own.window as usize].previous_start;
                self.notice_previous(limit, previous, own.previous, began, out);
            }
        }
        if here.spent >= self.alarms.alert_from {
            self.fire(here.spent, limit, at, out);
        }
        let unseen = if self.observe && kept { self.wrap_up } else { 0 };
        if here.committed() <= self.amount - unseen {
            self.alarms.over = false;
        } else {
            self.notice_over(here.committed(), limit, at, out);
        }
    }

    /// Adds the notices about the previous window after a late charge there: a call that was
    /// reserved in it and is settled now, a correction, a lease that ended after it. Law 12: each
    /// threshold once in each window, and so an overrun.
    #[cold]
    fn notice_previous(
        &mut self,
        limit: LimitId,
        given: PreviousAlarms,
        level: Level,
        began: Timestamp,
        out: &mut Vec<Notice>,
    ) {
        let (mut given, window) = (given, Some(began));
        let (spent, committed) = (level.spent, level.committed());
        let has_grown = spent > given.spent;
        given.spent = spent;
        // Thresholds of that window that were not reached before.
        for percent in self.limit.alert_at.iter().copied() {
            if has_grown && percent > given.fired && spent >= threshold(&self.limit, percent) {
                given.fired = percent;
                out.push(self.threshold_notice(limit, window, percent, spent));
            }
        }
        // An overrun, or what would have been refused, once.
        let was_noticed = if self.observe { &mut given.would_refuse } else { &mut given.over };
        if committed > self.amount && has_grown && !*was_noticed {
            *was_noticed = true;
            out.push(self.over_notice(limit, window, committed));
        }
        if committed <= self.amount {
            given.over = false;
        }
        self.alarms.previous = Some(given);
    }

    #[cold]
    fn fire(&mut self, spent: i128, limit: LimitId, at: Timestamp, out: &mut Vec<Notice>) {
        let rule = Arc::clone(&self.limit);
        for percent in rule.alert_at.iter().copied() {
            if percent > self.alarms.fired && spent >= threshold(&rule, percent) {
                out.push(self.threshold_notice(limit, None, percent, spent));
                self.alarms.fired = percent;
                self.alarms.fired_at = at;
            }
        }
        self.alarms.arm(&rule);
    }

    /// Notices once in a window that it is above its limit. A rolling period that only watches has
    /// no window: it notices again after a whole period.
    #[cold]
    fn notice_over(
        &mut self,
        committed: i128,
        limit: LimitId,
        at: Timestamp,
        out: &mut Vec<Notice>,
    ) {
        let is_again = match &self.span {
            Span::Rolling(rolling) => rolling.has_passed(self.alarms.would_refuse_at, at),
            _ => false,
        };
        if self.observe && (!self.alarms.would_refuse || is_again) {
            self.alarms.would_refuse = true;
            self.alarms.would_refuse_at = at;
            out.push(self.over_notice(limit, None, committed));
        } else if !self.observe && !self.alarms.over {
            self.alarms.over = true;
            out.push(self.over_notice(limit, None, committed));
        }
    }

    /// After slots have left a rolling period, which has no start: an overrun may be over, and a
    /// threshold can fire again when a full period has passed since, and what is spent has come down.
    pub(super) fn rearm_rolling(&mut self, now: Timestamp) {
        let (Span::Rolling(rolling), Count::Counting(level)) = (&self.span, self.count) else {
            return;
        };
        let alarms = &mut self.alarms;
        if alarms.over && level.committed() <= self.amount {
            alarms.over = false;
        }
        if level.spent < alarms.fired_from && rolling.has_passed(alarms.fired_at, now) {
            let reached = |percent: &&u16| level.spent >= threshold(&self.limit, **percent);
            let highest = self.limit.alert_at.iter().filter(reached).max();
            alarms.fired = highest.copied().unwrap_or(0).min(alarms.fired);
            alarms.arm(&self.limit);
        }
    }

    fn threshold_notice(
        &self,
        limit: LimitId,
        window: Option<Timestamp>,
        percent: u16,
        spent: i128,
    ) -> Notice {
        let (account, rule, amount) = (self.path.clone(), Arc::clone(&self.limit), self.amount);
        Notice::Threshold { limit, account, rule, window, percent, spent, amount }
    }

    /// The notice of an overrun or, of a limit that only watches, of what it would have refused.
    pub(in crate::ledger) fn over_notice(
        &self,
        limit: LimitId,
        window: Option<Timestamp>,
        committed: i128,
    ) -> Notice {
        let (account, rule, amount) = (self.path.clone(), Arc::clone(&self.limit), self.amount);
        if self.observe {
            Notice::WouldRefuse { limit, account, rule, window, committed, amount }
        } else {
            Notice::Overrun { limit, account, rule, window, committed, amount }
        }
    }
}

/// The amount at which a threshold fires; at least 1, so that it never fires with nothing
/// spent.
fn threshold(limit: &Limit, percent: u16) -> i128 {
    let hundredfold = limit.amount.value().saturating_mul(i128::from(percent));
    crate::money::div_up(hundredfold, 100).max(1)
}
