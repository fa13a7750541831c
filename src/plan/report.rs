//! The forecast of a report's limit: [`LimitReport::forecast`].

use super::Forecast;
use super::forecast::BurnRate;
use crate::budget::LimitReport;
use crate::clock::Timestamp;
use crate::ledger::Quantity;
use crate::money::Usd;

impl LimitReport {
    /// Where a limit on money over a calendar period leads, `at` the moment of the report: at the
    /// rate of the present window, and at that of the present and the previous one together (which
    /// is slower than the truth if the limit is younger than that). `None` for any other limit.
    pub fn forecast(&self, at: Timestamp) -> Option<Forecast> {
        let money = |quantity: Quantity| match quantity {
            Quantity::Money(amount) => Some(amount),
            Quantity::Count(_) => None,
        };
        let (limit, spent) = (money(self.amount)?, money(self.spent)?);
        let (start, end) = (self.started_at?, self.resets_at?);
        let (since, window) = (at.since(start), end.since(start));
        let both = spent.checked_add(money(self.previous_spent)?).unwrap_or(Usd::MAX);
        let short = BurnRate::new(spent, since);
        let long = BurnRate::new(both, since.saturating_add(window));
        Some(Forecast::new(at, [short, long], limit, spent, end))
    }
}
