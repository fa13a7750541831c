//! [`ReserveRequest`] builds a [`CallRequest`] for one account, and reserves or waits for it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::account::{Account, Tag};
use super::call_request::{CallRequest, Options};
use super::core::Core;
use super::error::{InvalidCall, ReserveError};
use super::reservation::Reservation;
use super::reservation::nested::OuterHold;
use crate::price::Estimate;

/// A request to reserve money for one call: made by [`Account::request`], ended by
/// [`reserve`](ReserveRequest::reserve) or [`wait`](ReserveRequest::wait).
///
/// The first alternative that fits is admitted, all limits or none, under one lock:
///
/// ```
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::cents(2))?;
/// let crawler = budget.account("crawler")?;
/// let user = budget.tag("user:42")?;
/// let (sol, luna) = (budget.model("gpt-6.1-sol")?, budget.model("gpt-6-luna")?);
///
/// let hold = crawler
///     .request(sol.estimate().input(9_000).max_output(4_000)) // up to $0.06
///     .or(luna.estimate().input(9_000).max_output(4_000)) // up to $0.0032
///     .at_least(1_000)
///     .tag(&user)
///     .reserve()?;
/// assert_eq!(hold.alternative(), 1);
/// # hold.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing is held until `reserve` or `wait` is called"]
pub struct ReserveRequest<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) request: CallRequest<'a>,
}

impl<'a> ReserveRequest<'a> {
    #[inline]
    pub(super) fn new(account: &'a Account, first: Estimate) -> ReserveRequest<'a> {
        let (first, others) = (Cow::Owned(first), Cow::Borrowed(&[][..]));
        let (account, core) = (account.to_ref(), &account.core);
        ReserveRequest {
            core,
            request: CallRequest { account, first, others, options: Cow::Borrowed(&Options::NONE) },
        }
    }

    /// The same for estimates that stay where they are.
    #[inline]
    pub(super) fn borrowed(
        account: &'a Account,
        first: &'a Estimate,
        others: &'a [Estimate],
    ) -> ReserveRequest<'a> {
        let mut request = CallRequest::new(account.to_ref(), first);
        request.others = Cow::Borrowed(others);
        ReserveRequest { core: &account.core, request }
    }

    /// What to take if nothing before fits.
    #[inline]
    pub fn or(mut self, estimate: Estimate) -> ReserveRequest<'a> {
        self.request.others.to_mut().push(estimate);
        self
    }

    /// Makes do with a shorter output, if this many tokens at least can be had for each choice.
    /// Without it the whole output cap is asked for, or nothing.
    #[inline]
    pub fn at_least(mut self, output_tokens: u64) -> ReserveRequest<'a> {
        self.request.options.to_mut().at_least = Some(output_tokens.max(1));
        self
    }

    /// Charges the call to this tag as well. At most four, each of a tag tree of its own.
    #[inline]
    pub fn tag(mut self, tag: &Tag) -> ReserveRequest<'a> {
        self.request.options.to_mut().tag(self.core.id, tag.owner(), tag.id());
        self
    }

    /// Takes the part of each limit that is kept for wrapping up, see
    /// [`Limit::keep_for_wrap_up`](crate::Limit::keep_for_wrap_up).
    #[inline]
    pub fn wrap_up(mut self) -> ReserveRequest<'a> {
        self.request.options.to_mut().wrap_up = true;
        self
    }

    /// Makes the call inside another: the money comes out of the outer hold as far as it goes, what
    /// is left over goes back to it, and only limits below the outer account are asked for that
    /// part. The outer call settles only what its inner calls have not.
    #[inline]
    pub fn inside(self, outer: &'a Reservation) -> ReserveRequest<'a> {
        self.inside_hold(outer.lend())
    }

    /// Makes the call inside another whose guard is elsewhere.
    #[inline]
    pub(crate) fn inside_hold(mut self, outer: OuterHold) -> ReserveRequest<'a> {
        let options = self.request.options.to_mut();
        if outer.core == self.core.id {
            options.outer = Some(outer.hold);
        } else {
            options.reject(InvalidCall::ForeignHandle);
        }
        self
    }

    /// Sets the money and the tokens aside.
    ///
    /// # Errors
    /// [`ReserveError`]. Of several alternatives that are all refused, the refusal that could pass
    /// soonest, of equals the last. [`ReserveError::Queued`] if others [`wait`](ReserveRequest::wait) for room
    /// that it would take. Nothing has been held then.
    #[inline]
    pub fn reserve(self) -> Result<Reservation, ReserveError> {
        self.core.reserve(&self.request)
    }

    /// The same without blocking the thread where there is a journal. A future that is dropped before
    /// it has answered holds nothing.
    ///
    /// # Errors
    /// As for [`reserve`](ReserveRequest::reserve).
    pub async fn reserve_async(self) -> Result<Reservation, ReserveError> {
        match self.core.books() {
            None => self.reserve(),
            Some(_) => self.core.reserve_written(self.request.into_owned()).await,
        }
    }
}

impl fmt::Debug for ReserveRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReserveRequest").field(&self.request).finish()
    }
}
