//! [`Alert`]: what a person is notified of; [`Observer`]: receives alerts and the ends of calls.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::error::ReserveError;
use super::reservation::{Receipt, Reservation};
use crate::clock::Timestamp;
use crate::ledger::{Limit, Measure, Notice, Path, Quantity};
use crate::money::Usd;
use crate::usage::Doubt;

/// Something that a person should know. Raised after the lock is free, once for each cause, by the
/// thread that brought it about.
///
/// Its `Display` is a sentence:
///
/// ```
/// use bursar::{BudgetManager, Estimate, Limit, Usd};
///
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::dollars(1)).alert_at([50]))
///     .on_alert(|alert| assert_eq!(
///         alert.to_string(),
///         "the whole budget has spent 60 % of its limit of $1.00 in all ($0.60)",
///     ))
///     .build()?;
/// budget.reserve("crawler", &Estimate::fixed(Usd::cents(70)))?.settle_cost(Usd::cents(60));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "alert")]
#[non_exhaustive]
pub enum Alert {
    /// *Spent* has reached a threshold of a limit: once for each threshold and window. A call that
    /// is settled one window late, a correction of the previous window, or a lease that ends after
    /// its window raises the alerts of that window. A charge that is two windows late counts in the
    /// totals alone and raises no alert, because the spend of that window is no longer kept.
    Threshold {
        /// When.
        at: Timestamp,
        /// The account that the limit is on.
        account: Path,
        /// The limit.
        limit: Limit,
        /// The start of the window, if it is over: a call that was reserved in it was settled
        /// later, or it was corrected. `None`: the present window, or a limit without windows.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<Timestamp>,
        /// The threshold, in percent of the amount.
        percent: u16,
        /// What is spent.
        spent: Quantity,
    },
    /// Spent and held are together above a limit, because a provider billed more than was held, a
    /// call was recorded without a hold, or the limit was lowered. Calls are refused until there
    /// is room again. Of a limit [for each call](Limit::per_call): a provider billed more for one call,
    /// or one was recorded that cost more; no call is refused for it.
    Overrun {
        /// When.
        at: Timestamp,
        /// The account that the limit is on.
        account: Path,
        /// The limit.
        limit: Limit,
        /// The start of the window, if it is over: a call that was reserved in it was settled
        /// later, or it was corrected. `None`: the present window, or a limit without windows.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<Timestamp>,
        /// Spent and held; of a limit for each call, the bill.
        committed: Quantity,
    },
    /// A limit that only watches would have refused a call: once for each window, of a limit
    /// [for each call](Limit::per_call) for each call.
    WouldRefuse {
        /// When.
        at: Timestamp,
        /// The account that the limit is on.
        account: Path,
        /// The limit.
        limit: Limit,
        /// The start of the window, if it is over: a call that was reserved in it was settled
        /// later, or it was corrected. `None`: the present window, or a limit without windows.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<Timestamp>,
        /// Spent and held, with the call; of a limit for each call, what this one holds.
        committed: Quantity,
    },
    /// A lease has ended before its call did: what was held has been charged, as assumed.
    Expired {
        /// When.
        at: Timestamp,
        /// The account that was charged.
        account: Path,
        /// What was charged.
        cost: Usd,
    },
    /// A bill could not be priced: the larger of the hold and of the part that has a price has
    /// been charged, as assumed.
    Unpriced {
        /// When.
        at: Timestamp,
        /// The account that was charged.
        account: Path,
        /// What was charged.
        cost: Usd,
        /// What is missing, and how to mend it.
        why: String,
    },
    /// A bill may differ from what the provider charges. It has been booked all the same: once for
    /// each doubt of each bill. A number that this version does not read ([`Doubt::UnknownField`])
    /// raises one alert for each field name, up to a thousand names in one manager.
    Doubtful {
        /// When.
        at: Timestamp,
        /// The account that was charged.
        account: Path,
        /// What was charged.
        cost: Usd,
        /// What is doubtful.
        doubt: Doubt,
    },
    /// The journal cannot be written, and what has to be booked waits in memory until it can: once
    /// for each time that it fails. If the process ends before, the holds of these calls are charged
    /// in full when their leases end.
    Unwritten {
        /// When.
        at: Timestamp,
        /// The root: it concerns everybody.
        account: Path,
        /// How many charges and releases wait.
        waiting: u64,
        /// What is wrong, and how to mend it.
        why: String,
    },
    /// The journal's time is ahead of this process's clock by more than a minute, because another
    /// process's clock is ahead, or this one's is behind: once, until it is not. Time never goes back, so
    /// until the clock has caught up the windows stand where the journal's time is. Leases end by each
    /// process's own clock.
    ClockAhead {
        /// When, by the journal.
        at: Timestamp,
        /// The root: it concerns everybody.
        account: Path,
        /// The time of the journal's last event.
        journal: Timestamp,
        /// What this process's clock says.
        clock: Timestamp,
    },
    /// A call that had been sent was released without a charge.
    Refunded {
        /// When.
        at: Timestamp,
        /// The account.
        account: Path,
        /// What was held.
        amount: Usd,
        /// The reason that was given.
        why: Arc<str>,
    },
}

impl Alert {
    /// When it was raised.
    pub fn at(&self) -> Timestamp {
        match self {
            Alert::Threshold { at, .. }
            | Alert::Overrun { at, .. }
            | Alert::WouldRefuse { at, .. }
            | Alert::Expired { at, .. }
            | Alert::Unpriced { at, .. }
            | Alert::Doubtful { at, .. }
            | Alert::Unwritten { at, .. }
            | Alert::ClockAhead { at, .. }
            | Alert::Refunded { at, .. } => *at,
        }
    }

    /// What it is, as a word: `threshold`, `overrun`, `would_refuse`, `expired`, `unpriced`,
    /// `doubtful`, `unwritten`, `clock_ahead`, `refunded`. The same as in its serde form.
    pub fn kind(&self) -> &'static str {
        match self {
            Alert::Threshold { .. } => "threshold",
            Alert::Overrun { .. } => "overrun",
            Alert::WouldRefuse { .. } => "would_refuse",
            Alert::Expired { .. } => "expired",
            Alert::Unpriced { .. } => "unpriced",
            Alert::Doubtful { .. } => "doubtful",
            Alert::Unwritten { .. } => "unwritten",
            Alert::ClockAhead { .. } => "clock_ahead",
            Alert::Refunded { .. } => "refunded",
        }
    }

    /// The account it is about.
    pub fn account(&self) -> &Path {
        match self {
            Alert::Threshold { account, .. }
            | Alert::Overrun { account, .. }
            | Alert::WouldRefuse { account, .. }
            | Alert::Expired { account, .. }
            | Alert::Unpriced { account, .. }
            | Alert::Doubtful { account, .. }
            | Alert::Unwritten { account, .. }
            | Alert::ClockAhead { account, .. }
            | Alert::Refunded { account, .. } => account,
        }
    }

    /// What a ledger has noticed at `at`.
    pub(super) fn from_notice(at: Timestamp, notice: Notice) -> Alert {
        match notice {
            Notice::Threshold { account, rule, window, percent, spent, .. } => {
                let spent = rule.measure().quantity(spent);
                Alert::Threshold { at, account, limit: Limit::clone(&rule), window, percent, spent }
            }
            Notice::Overrun { account, rule, window, committed, .. } => {
                let committed = rule.measure().quantity(committed);
                Alert::Overrun { at, account, limit: Limit::clone(&rule), window, committed }
            }
            Notice::WouldRefuse { account, rule, window, committed, .. } => {
                let committed = rule.measure().quantity(committed);
                Alert::WouldRefuse { at, account, limit: Limit::clone(&rule), window, committed }
            }
            Notice::ExpiredCharged { path, cost, .. } => {
                Alert::Expired { at, account: path, cost: Usd::from_pico(cost) }
            }
            Notice::ExpiredReleased { path, amount, .. } => {
                let why = "its lease has ended without a word of it".into();
                Alert::Refunded { at, account: path, amount: Usd::from_pico(amount), why }
            }
        }
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account().called();
        match self {
            Alert::Threshold { limit, window, percent, spent, .. } => {
                write!(f, "{account} has spent {percent} % of its limit of {limit} ({spent})")?;
                match window {
                    Some(start) => write!(f, " in the window that began {start}"),
                    None => Ok(()),
                }
            }
            Alert::Overrun { limit, committed, .. } if limit.measure() == Measure::PerCall => {
                write!(
                    f,
                    "a call of {account} was billed {committed}, more than its limit of {limit}"
                )
            }
            Alert::WouldRefuse { limit, committed, .. } if limit.measure() == Measure::PerCall => {
                write!(
                    f,
                    "a call of {account} holds {committed}, more than its limit of {limit}, which \
                     only watches"
                )
            }
            Alert::Overrun { limit, window: Some(start), committed, .. } => write!(
                f,
                "{account} was over its limit of {limit} in the window that began {start}: \
                 {committed} was spent or held"
            ),
            Alert::WouldRefuse { limit, window: Some(start), committed, .. } => write!(
                f,
                "{account} was over its limit of {limit}, which only watches, in the window that \
                 began {start}: {committed} was spent or held"
            ),
            Alert::Overrun { limit, committed, .. } => write!(
                f,
                "{account} is over its limit of {limit}: {committed} is spent or held; \
                 calls are refused until there is room"
            ),
            Alert::WouldRefuse { limit, committed, .. } => write!(
                f,
                "{account} would be over its limit of {limit}, which only watches: \
                 {committed} is spent or held"
            ),
            Alert::Expired { cost, .. } => write!(
                f,
                "a call of {account} never reported back; its hold of {cost} has been charged"
            ),
            Alert::Unpriced { cost, why, .. } => {
                write!(
                    f,
                    "a call of {account} could not be priced and was charged at {cost}: {why}"
                )
            }
            Alert::Doubtful { cost, doubt, .. } => {
                write!(
                    f,
                    "a call of {account} was charged {cost}, and may be billed differently: {doubt}"
                )
            }
            Alert::Unwritten { waiting, why, .. } => {
                let s = if *waiting == 1 { "" } else { "s" };
                write!(f, "{waiting} charge{s} or release{s} cannot be written and wait: {why}")
            }
            Alert::ClockAhead { journal, clock, .. } => write!(
                f,
                "the journal's last event is of {journal}, and the clock of this process says {clock}: \
                 correct the clock that is wrong, and restart its process; windows stand still until \
                 the clock has caught up"
            ),
            Alert::Refunded { amount, why, .. } => write!(
                f,
                "a call of {account} that had been sent was released, {amount} uncharged: {why}"
            ),
        }
    }
}

/// Watches a budget. Every method has an empty default.
///
/// The methods are called after the lock is free, by the thread that made the call, in no
/// particular order between threads; they may call back into the budget, but not block on one of its
/// futures: with a journal, the thread that writes for these may be the one that tells. To keep a
/// budget for that, keep a [`WeakBudgetManager`](super::WeakBudgetManager). A panic inside is caught,
/// so that it loses no charge.
///
/// With a journal, an observer hears of the end of a call once, when it is written: from the caller
/// that waited for it, or, if it had to wait in memory for the journal or no caller awaits it any
/// more, from the thread that wrote it. What other processes write is reported in those processes.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::Arc;
///
/// use bursar::{BudgetManager, Estimate, Limit, Observer, Path, ReserveError, Usd};
///
/// #[derive(Default)]
/// struct Refusals(AtomicU64);
///
/// impl Observer for Refusals {
///     fn on_refuse(&self, _account: &Path, _error: &ReserveError) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let refusals = Arc::new(Refusals::default());
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::cents(1)))
///     .shared_observer(refusals.clone())
///     .build()?;
/// assert!(budget.reserve("crawler", &Estimate::fixed(Usd::cents(2))).is_err());
/// assert_eq!(refusals.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A call was admitted.
    fn on_reserve(&self, _account: &Path, _hold: &Reservation) {}

    /// A call was refused.
    fn on_refuse(&self, _account: &Path, _error: &ReserveError) {}

    /// A call was booked: settled, recorded, or charged because its outcome is unknown.
    fn on_settle(&self, _account: &Path, _receipt: &Receipt) {}

    /// A hold was released without a charge.
    fn on_release(&self, _account: &Path, _amount: Usd) {}

    /// A cache has saved an account what a call would have cost.
    fn on_save(&self, _account: &Path, _saved: Usd) {}

    /// An alert was raised.
    fn on_alert(&self, _alert: &Alert) {}
}

/// A closure that receives alerts.
pub(super) struct OnAlert<F>(pub(super) F);

impl<F: Fn(&Alert) + Send + Sync + 'static> Observer for OnAlert<F> {
    fn on_alert(&self, alert: &Alert) {
        (self.0)(alert);
    }
}
