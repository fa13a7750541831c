//! [`WeakBudgetManager`]: refers to a budget without keeping it alive.

use std::fmt;
use std::sync::{Arc, Weak};

use super::BudgetManager;
use super::core::Core;

/// A budget that may be gone: made by [`BudgetManager::downgrade`].
///
/// A budget keeps its observers alive. One that kept its budget in turn would be a circle, and neither
/// would ever go: the last charges in memory of a budget with a journal would not be tried again when
/// it is dropped, and its file would stay open. An observer keeps this instead. Here the second call
/// without a price within a budget's life freezes its account:
///
/// ```
/// use bursar::budget::WeakBudgetManager;
/// use bursar::{Alert, BudgetManager, Estimate, Observer, Usage, Usd};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::{Arc, OnceLock};
///
/// #[derive(Default)]
/// struct Guardian {
///     budget: OnceLock<WeakBudgetManager>,
///     unpriced: AtomicU64,
/// }
///
/// impl Observer for Guardian {
///     fn on_alert(&self, alert: &Alert) {
///         let Alert::Unpriced { account, .. } = alert else { return };
///         let often = self.unpriced.fetch_add(1, Ordering::Relaxed) > 0;
///         let budget = self.budget.get().and_then(WeakBudgetManager::upgrade);
///         if let Some(budget) = budget.filter(|_| often) {
///             let _ = budget.freeze(account.as_str(), "its bills have no price");
///         }
///     }
/// }
///
/// let guardian = Arc::new(Guardian::default());
/// let shared: Arc<dyn Observer> = guardian.clone();
/// let budget = BudgetManager::builder().shared_observer(shared).build()?;
/// let _ = guardian.budget.set(budget.downgrade());
///
/// for _ in 0..2 {
///     budget.reserve("crawler", &Estimate::fixed(Usd::cents(1)))?.settle(Usage::tokens(900, 80));
/// }
/// assert!(budget.reserve("crawler", &Estimate::fixed(Usd::cents(1))).is_err());
///
/// drop(budget);
/// assert!(guardian.budget.get().is_some_and(|budget| budget.upgrade().is_none()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WeakBudgetManager {
    core: Weak<Core>,
}

impl WeakBudgetManager {
    /// The budget; `None` once all its managers, accounts and reservations are gone.
    pub fn upgrade(&self) -> Option<BudgetManager> {
        self.core.upgrade().map(|core| BudgetManager { core })
    }
}

impl BudgetManager {
    /// The same budget, without keeping it alive: for an observer that calls back into it.
    pub fn downgrade(&self) -> WeakBudgetManager {
        WeakBudgetManager { core: Arc::downgrade(&self.core) }
    }
}

impl fmt::Debug for WeakBudgetManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakBudgetManager").finish_non_exhaustive()
    }
}
