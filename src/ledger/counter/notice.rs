//! [`Counter::notice`]: what a counter tells after a change, of its window and of the one before.
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

/// What has been told of the window before the present one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// What was spent in it when it was last looked at: only more than that is news.
    spent: i128,
    fired: u16,
    over: bool,
    would_refuse: bool,
}

impl Counter {
    /// What has been told of the window that ends, in which so much was spent.
    pub(super) fn told(&self, spent: i128) -> Past {
        let (fired, over, would_refuse) = (self.fired, self.over, self.would_refuse);
        Past { spent, fired, over, would_refuse }
    }

    /// Tells what the last change has brought about. The counter has been advanced. `kept` is true
    /// if it was a call that sees the amount without the part that is kept for wrapping up.
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

    /// Tells what a charge of the window before this one has brought about there: a call that was
    /// reserved in it and settled now, a correction, a lease that ended after it. Law 12: each
    /// threshold once in each window, and an overrun too.
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

    /// The amount at which a threshold fires: never at nothing spent.
    pub(super) fn threshold(&self, percent: u16) -> i128 {
        let hundredfold = self.amount.saturating_mul(i128::from(percent));
        crate::money::div_up(hundredfold, 100).max(1)
    }
}
