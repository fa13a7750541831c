//! [`Quote`]: what a call would hold at this moment, without holding it.

use serde::Serialize;

use super::BudgetManager;
use super::account::Account;
use super::call_request::CallRequest;
use super::error::ReserveError;
use super::request::ReserveRequest;
use crate::money::Usd;
use crate::price::Estimate;

/// Advice, not a reservation: what a call would hold if it were reserved at this moment. Made by
/// [`Account::quote`], [`ReserveRequest::quote`] and [`BudgetManager::quote`].
///
/// ```
/// use bursar::{BudgetManager, Limit, Usd};
///
/// let budget = BudgetManager::builder().limit("", Limit::per_call(Usd::cents(5))).build()?;
/// let crawler = budget.account("crawler")?;
/// let terra = budget.model("gpt-6.1-terra")?;
/// let call = terra.estimate().input(9_000).max_output(8_000); // up to $0.05125
///
/// let quote = crawler.request(call.clone()).at_least(500).quote()?;
/// assert_eq!((quote.held, quote.max_output_tokens), (Usd::cents(5), 7_750));
/// assert!(crawler.quote(&call).is_err(), "at its whole length it does not fit");
/// assert_eq!(budget.held(), Usd::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quote {
    /// What the call would hold: the most that it may cost.
    pub held: Usd,
    /// The output cap that would be admitted, for each choice, in tokens; 0 for a call without a
    /// model.
    pub max_output_tokens: u64,
    /// Which of the alternatives would be admitted, counted from 0.
    pub alternative: usize,
    /// True if the call names no output cap, so that its model's longest answer would be set aside.
    /// A cap lowers what is held.
    pub cap_is_assumed: bool,
}

impl Account {
    /// Advice, not a reservation: what the call would hold at this very moment, and the output cap
    /// that would be admitted. Another call may take the money a moment later; only
    /// [`reserve`](Account::reserve) decides. Nothing is held or recorded, and observers are not
    /// notified.
    ///
    /// # Errors
    /// The [`ReserveError`] with which it would be refused.
    pub fn quote(&self, estimate: &Estimate) -> Result<Quote, ReserveError> {
        self.core.quote(&CallRequest::new(self.to_ref(), estimate))
    }

    /// Advice, not a promise: whether the call would be admitted at this very moment. Another call
    /// may take the money a moment later; only [`reserve`](Account::reserve) decides.
    /// [`quote`](Account::quote) says what it would hold, or why it would be refused.
    pub fn can_afford(&self, estimate: &Estimate) -> bool {
        self.quote(estimate).is_ok()
    }
}

impl ReserveRequest<'_> {
    /// Advice, not a reservation: what the first alternative that fits would hold at this very moment,
    /// see [`Account::quote`].
    ///
    /// # Errors
    /// The [`ReserveError`] with which all of them would be refused.
    pub fn quote(&self) -> Result<Quote, ReserveError> {
        self.core.quote(&self.request)
    }

    /// Advice, not a promise: whether one of the alternatives would be admitted at this very moment,
    /// see [`Account::can_afford`].
    pub fn can_afford(&self) -> bool {
        self.quote().is_ok()
    }
}

impl BudgetManager {
    /// Advice, not a reservation: what a call of the whole budget would hold at this very moment,
    /// see [`Account::quote`]. Only the limits of the whole budget are checked; [`Account::quote`]
    /// and [`ReserveRequest::quote`] check those of an account and of tags.
    ///
    /// # Errors
    /// The [`ReserveError`] with which it would be refused.
    pub fn quote(&self, estimate: &Estimate) -> Result<Quote, ReserveError> {
        self.root().quote(estimate)
    }
}
