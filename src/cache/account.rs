//! Calls through a cache: a hit credits what it saved to the [`Account`] that asked.

use std::future::Future;

use super::{Answer, CacheKey, Computed, ResultCache};
use crate::budget::Account;

impl Account {
    /// Looks into a cache; a hit is noted as saved by this account.
    pub fn cached<V>(&self, cache: &ResultCache<V>, key: &CacheKey) -> Option<Answer<V>> {
        let answer = cache.get(key)?;
        self.note_saved(answer.saved);
        Some(answer)
    }

    /// Looks into a cache, and runs the call if it is not there; equal calls that come meanwhile
    /// wait for this one. Callers that did not run it are credited with its cost.
    ///
    /// ```
    /// use bursar::cache::{Namespace, ResultCache};
    /// use bursar::{BudgetManager, Estimate, ReserveError, Usd};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let (ann, ben) = (budget.account("ann")?, budget.account("ben")?);
    /// let cache = ResultCache::new(10_000);
    /// let key = Namespace::tenant("acme").key("What is the capital of France?")?;
    ///
    /// for agent in [&ann, &ben] {
    ///     let call = async {
    ///         let hold = agent.reserve(&Estimate::fixed(Usd::cents(3)))?;
    ///         Ok::<_, ReserveError>(("Paris", hold.settle_cost(Usd::cents(2)).cost))
    ///     };
    ///     agent.cached_or_run(&cache, key, call).await?;
    /// }
    /// assert_eq!((ann.spent(), ben.spent()), (Usd::cents(2), Usd::ZERO));
    /// assert_eq!(budget.report().account("ben").map(|ben| ben.saved), Some(Usd::cents(2)));
    /// # Ok(())
    /// # }
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(std::pin::pin!(example()).as_mut().poll(&mut context).map(|done| done.is_ok()).is_ready());
    /// ```
    ///
    /// # Errors
    /// What the call says; an error is not cached.
    pub async fn cached_or_run<V, T: Into<Computed<V>>, E>(
        &self,
        cache: &ResultCache<V>,
        key: CacheKey,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<Answer<V>, E> {
        let answer = cache.get_or_run(key, call).await?;
        self.note_saved(answer.saved);
        Ok(answer)
    }
}
