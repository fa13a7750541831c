//! [`Measure::PerCall`]: caps on the cost of one call. They count nothing, so counter updates skip them,
//! and a ledger without one pays one comparison for each call.

use super::accounts::Ancestors;
use super::amounts::{Amounts, Measure};
use super::command::Target;
use super::counter::Counter;
use super::{Ledger, Notice};

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
        let above = self.limits_along(Ancestors::of(target)).filter(|(_, counter)| {
            counter.is_per_call()
                && counter.observe == observe
                && cost > counter.amount
                && self.filter_lets_through(counter, target.model)
        });
        let notices: Vec<Notice> =
            above.map(|(limit, counter)| counter.over_notice(limit, None, cost)).collect();
        self.notices.extend(notices);
    }
}
