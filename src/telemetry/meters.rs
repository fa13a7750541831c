//! Feature `metrics`: [`MetricsObserver`], which counts calls and cost, and the gauges of [`publish`].

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::budget::{Alert, Observer, Receipt, Report, ReserveError};
use crate::ledger::Path;
use crate::money::Usd;

/// Counts what happens in a budget, in the recorder that is installed for the `metrics` facade.
/// Feature `metrics`.
///
/// ```
/// use bursar::telemetry::{MetricsObserver, publish};
/// use bursar::{BudgetManager, Estimate, Limit, Usd};
///
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::dollars(100)))
///     .observer(MetricsObserver::new())
///     .build()?;
/// budget.reserve("crawler", &Estimate::fixed(Usd::cents(2)))?.settle_cost(Usd::cents(1));
/// publish(&budget.report()); // before each scrape, or every few seconds
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | counter | labels | counts |
/// |---|---|---|
/// | `bursar_calls_total` | account, model, confidence | calls that were booked |
/// | `bursar_spent_picodollars_total` | account, model, confidence | what they cost |
/// | `bursar_tokens_total` | account, model, kind | tokens by bucket, named as the fields of [`Usage`](crate::Usage) |
/// | `bursar_reserved_total` | account | calls that were admitted |
/// | `bursar_released_total` | account | holds that were given back |
/// | `bursar_refused_total` | account, reason | `denied`, `frozen`, `price`, … |
/// | `bursar_saved_picodollars_total` | account | what a cache has saved |
/// | `bursar_alerts_total` | account, kind | alerts |
///
/// Counters of money are whole picodollars, so that they stay exact; divide by 1e12 when you draw
/// them. They start at zero with the process; the gauges of [`publish`] are the ledger's own.
#[derive(Clone, Debug)]
pub struct MetricsObserver {
    depth: usize,
}

impl MetricsObserver {
    /// Labels accounts with the first two parts of their path, see [`depth`](MetricsObserver::depth).
    pub fn new() -> MetricsObserver {
        describe();
        MetricsObserver { depth: 2 }
    }

    /// Labels accounts with the first `parts` parts of their path. Each label value is a time series of
    /// its own, so leave out runs and sessions. With 0 all accounts share one label.
    #[must_use]
    pub fn depth(mut self, parts: usize) -> MetricsObserver {
        self.depth = parts;
        self
    }

    fn label(&self, account: &Path) -> String {
        let path = account.as_str();
        let cut = path.match_indices('/').nth(self.depth.saturating_sub(1)).map(|(at, _)| at);
        match (self.depth, cut) {
            (0, _) => String::new(),
            (_, cut) => path.get(..cut.unwrap_or(path.len())).unwrap_or(path).to_owned(),
        }
    }
}

impl Default for MetricsObserver {
    fn default() -> MetricsObserver {
        MetricsObserver::new()
    }
}

impl Observer for MetricsObserver {
    fn on_reserve(&self, account: &Path, _hold: &crate::budget::Reservation) {
        counter!("bursar_reserved_total", "account" => self.label(account)).increment(1);
    }

    fn on_refuse(&self, account: &Path, error: &ReserveError) {
        let labels = [("account", self.label(account)), ("reason", error.kind().to_owned())];
        counter!("bursar_refused_total", &labels).increment(1);
    }

    fn on_settle(&self, account: &Path, receipt: &Receipt) {
        let account = self.label(account);
        let model = receipt.model.as_ref().map_or("", |model| model.name()).to_owned();
        let confidence = receipt.confidence.as_str().to_owned();
        let labels =
            [("account", account.clone()), ("model", model.clone()), ("confidence", confidence)];
        counter!("bursar_calls_total", &labels).increment(1);
        counter!("bursar_spent_picodollars_total", &labels).increment(pico(receipt.cost));
        for (bucket, tokens) in receipt.usage.iter().filter(|(bucket, _)| bucket.is_tokens()) {
            let kind = bucket.as_str().to_owned();
            let labels = [("account", account.clone()), ("model", model.clone()), ("kind", kind)];
            counter!("bursar_tokens_total", &labels).increment(tokens);
        }
    }

    fn on_release(&self, account: &Path, _amount: Usd) {
        counter!("bursar_released_total", "account" => self.label(account)).increment(1);
    }

    fn on_save(&self, account: &Path, saved: Usd) {
        let account = self.label(account);
        counter!("bursar_saved_picodollars_total", "account" => account).increment(pico(saved));
    }

    fn on_alert(&self, alert: &Alert) {
        let labels = [("account", self.label(alert.account())), ("kind", alert.kind().to_owned())];
        counter!("bursar_alerts_total", &labels).increment(1);
    }
}

/// Sets the gauges from a report: what no sum of events can say exactly, because limits change,
/// windows begin, and a restart forgets. Feature `metrics`.
///
/// | gauge | labels | value |
/// |---|---|---|
/// | `bursar_spent_usd`, `bursar_held_usd`, `bursar_saved_usd` | account | dollars |
/// | `bursar_limit_used_percent` | account, limit | spent and held of the cap |
/// | `bursar_limit_available` | account, limit | dollars, tokens or calls that an ordinary call may still take |
///
/// A gauge is a float: it is for drawing, and nothing here ever reads it back. Every account of the
/// report gets one; leave out what you do not want to draw before you pass it on.
pub fn publish(report: &Report) {
    for account in report.accounts.iter().chain(&report.tags) {
        let path = account.account.as_str().to_owned();
        gauge!("bursar_spent_usd", "account" => path.clone()).set(dollars(account.spent));
        gauge!("bursar_held_usd", "account" => path.clone()).set(dollars(account.held));
        gauge!("bursar_saved_usd", "account" => path).set(dollars(account.saved));
    }
    for limit in &report.limits {
        let labels =
            [("account", limit.account.as_str().to_owned()), ("limit", limit.limit.clone())];
        let percent = u32::try_from(limit.used_percent).unwrap_or(u32::MAX);
        gauge!("bursar_limit_used_percent", &labels).set(f64::from(percent));
        let available = match limit.available {
            crate::ledger::Quantity::Money(money) => dollars(money),
            crate::ledger::Quantity::Count(count) => number(&count.to_string()),
        };
        gauge!("bursar_limit_available", &labels).set(available);
    }
}

fn describe() {
    let count = |name: &'static str, what: &'static str| describe_counter!(name, Unit::Count, what);
    count("bursar_calls_total", "Calls that were booked.");
    count("bursar_spent_picodollars_total", "What calls have cost, in picodollars (1e-12 USD).");
    count("bursar_tokens_total", "Tokens that calls have used, by bucket.");
    count("bursar_reserved_total", "Calls that were admitted.");
    count("bursar_released_total", "Holds that were given back without a charge.");
    count("bursar_refused_total", "Calls that were refused before they were sent.");
    count("bursar_saved_picodollars_total", "What a cache has saved, in picodollars (1e-12 USD).");
    count("bursar_alerts_total", "Alerts that were raised.");
    describe_gauge!("bursar_spent_usd", "What is booked, in dollars.");
    describe_gauge!("bursar_held_usd", "What is held for calls under way, in dollars.");
    describe_gauge!("bursar_saved_usd", "What a cache has saved, in dollars.");
    describe_gauge!("bursar_limit_used_percent", Unit::Percent, "Spent and held, of the cap.");
    describe_gauge!("bursar_limit_available", "What an ordinary call may still take.");
}

/// Whole picodollars; what is negative counts as nothing, since a counter only grows.
fn pico(money: Usd) -> u64 {
    u64::try_from(money.pico().max(0)).unwrap_or(u64::MAX)
}

/// For drawing only.
fn dollars(money: Usd) -> f64 {
    number(&money.exact().to_string())
}

/// The float nearest to a decimal number: read from its text, so that no float is calculated with.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}
