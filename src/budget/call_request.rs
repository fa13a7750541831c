//! [`CallRequest`]: one call that asks to be admitted, as data that the queue can keep: its account,
//! alternatives and options.

use std::borrow::Cow;

use super::error::{AccountError, InvalidCall};
use super::opening::{AccountCaps, account_path, open_account};
use crate::clock::Timestamp;
use crate::ledger::{AccountId, HoldId, Ledger, Path, Tags};
use crate::price::Estimate;

/// One call that asks to be admitted: the account it is charged to, what it may cost, and its
/// options. It borrows from its caller while it is decided at once, and owns everything where it
/// waits or is written.
#[derive(Clone, Debug)]
pub(super) struct CallRequest<'a> {
    pub(super) account: AccountRef<'a>,
    pub(super) first: Cow<'a, Estimate>,
    /// What to take if the first does not fit.
    pub(super) others: Cow<'a, [Estimate]>,
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

    /// Adds a tag of the manager `of` to a call of the manager `owner`.
    #[inline]
    pub(super) fn tag(&mut self, owner: u64, of: u64, tag: AccountId) {
        match self.tags.with(tag) {
            _ if of != owner => self.reject(InvalidCall::ForeignHandle),
            Some(tags) => self.tags = tags,
            None => self.reject(InvalidCall::Tags),
        }
    }

    #[cold]
    pub(super) fn reject(&mut self, invalid: InvalidCall) {
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
