//! [`Measure::PerCall`]: caps on the cost of one call. They count nothing, so counter updates skip them,
//! and a ledger without one pays one comparison for each call.

use super::amounts::{Amounts, Measure};
use super::command::Target;
use super::counter::Counter;
use super::{Ledger, LimitId, Notice};

impl Counter {
    /// True if this is a cap for each call, which counts nothing.
    #[inline]
    pub(super) fn is_per_call(&self) -> bool {
        self.measure == Measure::PerCall
    }

    /// The part of a call's amounts that this limit caps.
    #[inline]
    pub(super) fn asked_of(&self, amounts: &Amounts) -> i128 {
        if self.is_per_call() { amounts.cost } else { self.of(amounts) }
    }

    /// The notice about a call above the cap: admitted because the limit only watches, or billed
    /// more than it held.
    fn notice_of_call(&self, limit: LimitId, committed: i128) -> Notice {
        let (path, rule) = self.about();
        let (account, rule, amount) = (path.clone(), rule.clone(), self.amount);
        let window = None;
        match self.observe {
            true => Notice::WouldRefuse { limit, account, rule, window, committed, amount },
            false => Notice::Overrun { limit, account, rule, window, committed, amount },
        }
    }
}

impl Ledger {
    /// Adds notices for a hold above caps that only watch.
    #[cold]
    pub(super) fn watch_held(&mut self, target: &Target, cost: i128) {
        self.watch_call(target, cost, true);
    }

    /// Adds notices for a bill above caps.
    #[cold]
    pub(super) fn watch_billed(&mut self, target: &Target, cost: i128) {
        self.watch_call(target, cost, false);
    }

    fn watch_call(&mut self, target: &Target, cost: i128, observe: bool) {
        let line = Ledger::charged(target).flat_map(|index| self.limits_along(index));
        let above = line.filter(|(_, counter)| {
            counter.is_per_call()
                && counter.observe == observe
                && cost > counter.amount
                && self.filter_lets_through(counter, target.model)
        });
        let notices: Vec<Notice> =
            above.map(|(limit, counter)| counter.notice_of_call(limit, cost)).collect();
        self.notices.extend(notices);
    }
}
