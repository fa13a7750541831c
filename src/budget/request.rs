//! [`ReserveRequest`] builds a [`CallRequest`]: one call that asks to be admitted, with its alternatives and
//! options.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::account::{Account, Tag};
use super::core::Core;
use super::error::{AccountError, InvalidCall, ReserveError};
use super::opening::{AccountCaps, account_path, open_account};
use super::reservation::{OuterHold, Reservation};
use crate::clock::Timestamp;
use crate::ledger::{AccountId, HoldId, Ledger, Path, Tags};
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
        self.request.options.to_mut().tag(self.core.id, tag);
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

/// One call that asks to be admitted: the account it is charged to, what it may cost, and its
/// options. It borrows from its caller while it is decided at once, and owns everything where it
/// waits or is written.
#[derive(Clone, Debug)]
pub(super) struct CallRequest<'a> {
    pub(super) account: AccountRef<'a>,
    first: Cow<'a, Estimate>,
    /// What to take if the first does not fit.
    others: Cow<'a, [Estimate]>,
    pub(super) options: Cow<'a, Options>,
}

/// The account that a call is charged to.
#[derive(Clone, Debug)]
pub(super) enum AccountRef<'a> {
    /// By its handle.
    Handle(AccountId, Cow<'a, Path>),
    /// By its name; it is opened if it is not there.
    Named(Cow<'a, str>),
}

/// What a call wants beside its estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The shortest output that is of use, in tokens; `None` for the whole output cap.
    pub(super) at_least: Option<u64>,
    pub(super) tags: Tags,
    pub(super) wrap_up: bool,
    /// The hold that the call is to come out of.
    pub(super) outer: Option<HoldId>,
    /// The first option that is invalid, reported when the call is made.
    pub(super) invalid: Option<InvalidCall>,
}

impl Options {
    pub(super) const NONE: Options =
        Options { at_least: None, tags: Tags::NONE, wrap_up: false, outer: None, invalid: None };

    /// Adds a tag of the manager `owner`.
    #[inline]
    pub(super) fn tag(&mut self, owner: u64, tag: &Tag) {
        match self.tags.with(tag.id()) {
            _ if tag.owner() != owner => self.reject(InvalidCall::ForeignHandle),
            Some(tags) => self.tags = tags,
            None => self.reject(InvalidCall::Tags),
        }
    }

    #[cold]
    fn reject(&mut self, invalid: InvalidCall) {
        self.invalid.get_or_insert(invalid);
    }
}

impl<'a> CallRequest<'a> {
    #[inline]
    pub(super) fn new(account: AccountRef<'a>, first: &'a Estimate) -> CallRequest<'a> {
        let (first, others) = (Cow::Borrowed(first), Cow::Borrowed(&[][..]));
        CallRequest { account, first, others, options: Cow::Borrowed(&Options::NONE) }
    }

    /// What it asks for first.
    #[inline]
    pub(super) fn first(&self) -> &Estimate {
        &self.first
    }

    /// Its alternatives, best first.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = &Estimate> {
        std::iter::once(&*self.first).chain(&*self.others)
    }

    /// One of its alternatives: 0 is the first.
    #[inline]
    pub(super) fn alternative(&self, number: usize) -> &Estimate {
        let other = number.checked_sub(1).and_then(|at| self.others.get(at));
        other.unwrap_or(&self.first)
    }

    /// The same, independent of its caller.
    pub(super) fn into_owned(self) -> CallRequest<'static> {
        CallRequest {
            account: self.account.into_owned(),
            first: Cow::Owned(self.first.into_owned()),
            others: Cow::Owned(self.others.into_owned()),
            options: Cow::Owned(self.options.into_owned()),
        }
    }
}

impl AccountRef<'_> {
    fn into_owned(self) -> AccountRef<'static> {
        match self {
            AccountRef::Handle(id, path) => AccountRef::Handle(id, Cow::Owned(path.into_owned())),
            AccountRef::Named(name) => AccountRef::Named(Cow::Owned(name.into_owned())),
        }
    }

    /// The account, if it is there.
    #[inline]
    pub(super) fn find(&self, ledger: &Ledger) -> Option<AccountId> {
        match self {
            AccountRef::Handle(id, _) => Some(*id),
            AccountRef::Named(name) => ledger.find(name),
        }
    }

    /// The account, opened if it is not there.
    pub(super) fn open(
        &self,
        ledger: &mut Ledger,
        now: Timestamp,
        caps: &AccountCaps,
    ) -> Result<AccountId, AccountError> {
        match self.find(ledger) {
            Some(id) => Ok(id),
            None => open_account(ledger, now, &account_path(self.name())?, caps),
        }
    }

    /// The account, or the nearest one above it that is there.
    pub(super) fn nearest(&self, ledger: &Ledger) -> Result<AccountId, AccountError> {
        if let AccountRef::Handle(id, _) = self {
            return Ok(*id);
        }
        let mut next = Some(account_path(self.name())?);
        while let Some(path) = next {
            if let Some(id) = ledger.find(path.as_str()) {
                return Ok(id);
            }
            next = path.parent();
        }
        Ok(AccountId::ROOT)
    }

    fn name(&self) -> &str {
        match self {
            AccountRef::Handle(_, path) => path.as_str(),
            AccountRef::Named(name) => name,
        }
    }

    /// Its path; the root if the name is not a path.
    pub(super) fn path(&self) -> Path {
        match self {
            AccountRef::Handle(_, path) => Path::clone(path),
            AccountRef::Named(name) => Path::new(name).unwrap_or_else(|_| Path::root()),
        }
    }
}
