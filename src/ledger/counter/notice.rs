//! [`Counter::notice`]: the notices of a counter after a change, about its window and the one before.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Counter, Level, Span, Window, is_over};
use crate::clock::Timestamp;
use crate::ledger::accounts::Balance;
use crate::ledger::{LimitId, Notice};

/// Which notices of the previous window were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// What was spent in it at the last check: only an increase gives a notice.
    spent: i128,
    fired: u16,
    over: bool,
    would_refuse: bool,
}

impl Counter {
    /// The notices of the window that ends, in which `spent` was spent.
    pub(super) fn to_past(&self, spent: i128) -> Past {
        let (fired, over, would_refuse) = (self.fired, self.over, self.would_refuse);
        Past { spent, fired, over, would_refuse }
    }

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
        if !self.follows {
            self.note_peak(here);
        }
        if self.past.is_some_and(|past| past.over || past.spent != self.previous.spent) {
            self.notice_past(limit, windows, out);
        }
        if here.spent >= self.alert_from {
            self.fire(here.spent, limit, at, out);
        }
        let unseen = if self.observe && kept { self.wrap_up } else { 0 };
        if here.committed() <= self.amount - unseen {
            self.over = false;
        } else {
            self.notice_over(here.committed(), limit, at, out);
        }
    }

    /// Adds the notices about the previous window after a late charge there: a call that was
    /// reserved in it and is settled now, a correction, a lease that ended after it. Law 12: each
    /// threshold once in each window, and so an overrun.
    #[cold]
    fn notice_past(&mut self, limit: LimitId, windows: &[Window], out: &mut Vec<Notice>) {
        let (Some(mut past), Span::Calendar(window)) = (self.past, self.span) else { return };
        let window = Some(windows[window as usize].previous_start);
        let (Level { spent, .. }, committed) = (self.previous, self.previous.committed());
        let has_grown = spent > past.spent;
        past.spent = spent;
        let amount = self.amount;
        let about = || (self.path.clone(), Arc::clone(&self.limit));
        for percent in self.limit.alert_at.iter().copied() {
            if has_grown && percent > past.fired && spent >= self.threshold(percent) {
                past.fired = percent;
                out.push(self.threshold_notice(limit, window, percent, spent));
            }
        }
        if committed <= amount {
            past.over = false;
        } else if has_grown && self.observe && !past.would_refuse {
            let (account, rule) = about();
            past.would_refuse = true;
            out.push(Notice::WouldRefuse { limit, account, rule, window, committed, amount });
        } else if has_grown && !self.observe && !past.over {
            let (account, rule) = about();
            past.over = true;
            out.push(Notice::Overrun { limit, account, rule, window, committed, amount });
        }
        self.past = Some(past);
    }

    #[cold]
    fn fire(&mut self, spent: i128, limit: LimitId, at: Timestamp, out: &mut Vec<Notice>) {
        let rule = Arc::clone(&self.limit);
        for percent in rule.alert_at.iter().copied() {
            if percent > self.fired && spent >= self.threshold(percent) {
                out.push(self.threshold_notice(limit, None, percent, spent));
                self.fired = percent;
                self.fired_at = at;
            }
        }
        self.arm();
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

    #[cold]
    fn notice_over(
        &mut self,
        committed: i128,
        limit: LimitId,
        at: Timestamp,
        out: &mut Vec<Notice>,
    ) {
        let (amount, window) = (self.amount, None);
        let about = (self.path.clone(), Arc::clone(&self.limit));
        if self.observe {
            let rested = match self.span {
                Span::Rolling(span) => is_over(span, self.would_refuse_at, at),
                _ => false,
            };
            if !self.would_refuse || rested {
                (self.would_refuse, self.would_refuse_at) = (true, at);
                let (account, rule) = about;
                out.push(Notice::WouldRefuse { limit, account, rule, window, committed, amount });
            }
        } else if !self.over {
            self.over = true;
            let (account, rule) = about;
            out.push(Notice::Overrun { limit, account, rule, window, committed, amount });
        }
    }

    pub(super) fn arm(&mut self) {
        let next = self.limit.alert_at.iter().find(|percent| **percent > self.fired);
        self.alert_from = next.map_or(i128::MAX, |percent| self.threshold(*percent));
        self.fired_from = if self.fired == 0 { i128::MIN } else { self.threshold(self.fired) };
    }

    /// The amount at which a threshold fires; at least 1, so that it never fires with nothing
    /// spent.
    pub(super) fn threshold(&self, percent: u16) -> i128 {
        let hundredfold = self.amount.saturating_mul(i128::from(percent));
        crate::money::div_up(hundredfold, 100).max(1)
    }
}
