//! Owns asking: [`Ask`], a call that wants in with all its wishes, and who asks.

use std::borrow::Cow;
use std::sync::Arc;

use super::account::{Account, Tag};
use super::core::Core;
use super::error::{AccountError, InvalidCall, ReserveError};
use super::opening::{AccountCaps, open_account};
use super::reservation::{OuterHold, Reservation};
use crate::clock::Timestamp;
use crate::ledger::{AccountId, HoldId, Ledger, Path, Tags};
use crate::price::Estimate;

/// A call that wants in: made by [`Account::ask`], ended by [`reserve`](Ask::reserve) or
/// [`wait`](Ask::wait).
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
///     .ask(sol.estimate().input(9_000).max_output(4_000)) // up to $0.06
///     .or(luna.estimate().input(9_000).max_output(4_000)) // up to $0.0032
///     .at_least(1_000)
///     .tag(&user)
///     .reserve()?;
/// assert_eq!(hold.alternative(), 1);
/// # hold.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is held until `reserve` or `wait` is called"]
pub struct Ask<'a> {
    pub(super) account: &'a Account,
    pub(super) first: Cow<'a, Estimate>,
    pub(super) others: Cow<'a, [Estimate]>,
    pub(super) wishes: Wishes<'a>,
}

/// What a call wants beside its estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes<'a> {
    pub(super) at_least: Option<u64>,
    pub(super) tags: Tags,
    pub(super) wrap_up: bool,
    outer: Option<&'a Reservation>,
    /// The outer call's hold, if somebody else guards it.
    lent: Option<HoldId>,
    /// A wish that cannot be: told when it is asked for.
    pub(super) wrong: Option<InvalidCall>,
}

impl Wishes<'_> {
    pub(super) const NONE: Wishes<'static> = Wishes {
        at_least: None,
        tags: Tags::NONE,
        wrap_up: false,
        outer: None,
        lent: None,
        wrong: None,
    };

    /// The hold that the call is to come out of.
    #[inline]
    pub(super) fn outer_hold(&self) -> Option<HoldId> {
        self.outer.map(Reservation::id).or(self.lent)
    }

    /// The same wishes, with a number in the place of a borrowed guard.
    pub(super) fn owned(&self, core: &Arc<Core>) -> Wishes<'static> {
        let (outer, lent, wrong) = (None, self.outer_hold(), self.check(core).err());
        Wishes {
            outer,
            lent,
            wrong,
            at_least: self.at_least,
            tags: self.tags,
            wrap_up: self.wrap_up,
        }
    }

    /// A wish that cannot be is an error.
    pub(super) fn check(&self, core: &Arc<Core>) -> Result<(), InvalidCall> {
        let foreign = self.outer.is_some_and(|outer| !core.is_same(outer));
        match self.wrong.or(foreign.then_some(InvalidCall::ForeignHandle)) {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    }

    pub(super) fn tag(&mut self, core: &Core, tag: &Tag) {
        match self.tags.with(tag.id()) {
            _ if tag.owner() != core.id => self.wrong = Some(InvalidCall::ForeignHandle),
            Some(tags) => self.tags = tags,
            None => self.wrong = Some(InvalidCall::Tags),
        }
    }
}

impl<'a> Ask<'a> {
    #[inline]
    pub(super) fn new(account: &'a Account, first: Estimate) -> Ask<'a> {
        let (first, others) = (Cow::Owned(first), Cow::Borrowed(&[][..]));
        Ask { account, first, others, wishes: Wishes::NONE }
    }

    /// The same for estimates that stay where they are.
    #[inline]
    pub(super) fn lent(
        account: &'a Account,
        first: &'a Estimate,
        others: &'a [Estimate],
    ) -> Ask<'a> {
        let (first, others) = (Cow::Borrowed(first), Cow::Borrowed(others));
        Ask { account, first, others, wishes: Wishes::NONE }
    }

    /// What to take if nothing before fits.
    #[inline]
    pub fn or(mut self, estimate: Estimate) -> Ask<'a> {
        self.others.to_mut().push(estimate);
        self
    }

    /// Makes do with a shorter output, if this many tokens at least can be had for each choice.
    /// Without it the whole output cap is asked for, or nothing.
    #[inline]
    pub fn at_least(mut self, output_tokens: u64) -> Ask<'a> {
        self.wishes.at_least = Some(output_tokens.max(1));
        self
    }

    /// Charges the call to this tag as well. At most four, each of a tag tree of its own.
    #[inline]
    pub fn tag(mut self, tag: &Tag) -> Ask<'a> {
        self.wishes.tag(&self.account.core, tag);
        self
    }

    /// Takes the part of each limit that is kept for wrapping up, see
    /// [`Limit::keep_for_wrap_up`](crate::Limit::keep_for_wrap_up).
    #[inline]
    pub fn wrap_up(mut self) -> Ask<'a> {
        self.wishes.wrap_up = true;
        self
    }

    /// Makes the call inside another: the money comes out of the outer hold as far as it goes, what
    /// is left over goes back to it, and only limits below the outer account are asked for that
    /// part. The outer call settles only what its inner calls have not.
    pub fn inside(mut self, outer: &'a Reservation) -> Ask<'a> {
        self.wishes.outer = Some(outer);
        self
    }

    /// Makes the call inside another whose guard is elsewhere.
    #[inline]
    pub(crate) fn inside_lent(mut self, outer: OuterHold) -> Ask<'a> {
        match outer.core == self.account.core.id {
            true => self.wishes.lent = Some(outer.hold),
            false => self.wishes.wrong = Some(InvalidCall::ForeignHandle),
        }
        self
    }

    /// Sets the money and the tokens aside.
    ///
    /// # Errors
    /// [`ReserveError`]. Of several alternatives that are all refused, the refusal that could pass
    /// soonest, of equals the last. [`ReserveError::Queued`] if others [`wait`](Ask::wait) for room
    /// that it would take. Nothing has been held then.
    #[inline]
    pub fn reserve(self) -> Result<Reservation, ReserveError> {
        self.account.core.reserve(self.account.who(), &self.first, &self.others, &self.wishes)
    }

    /// The same without blocking the thread where there is a journal. A future that is dropped before
    /// it has answered holds nothing.
    ///
    /// # Errors
    /// As for [`reserve`](Ask::reserve).
    pub async fn reserve_async(self) -> Result<Reservation, ReserveError> {
        let core = &self.account.core;
        if core.books().is_none() {
            return self.reserve();
        }
        core.reserve_written(self.account, &self.first, &self.others, &self.wishes).await
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Account(AccountId, &'a Path),
    /// By name; opened if it is not there.
    Named(&'a str),
}

impl Who<'_> {
    #[inline]
    pub(super) fn find(
        self,
        ledger: &mut Ledger,
        now: Timestamp,
        account_caps: &AccountCaps,
    ) -> Result<AccountId, AccountError> {
        match self {
            Who::Account(id, _) => Ok(id),
            Who::Named(name) => match ledger.find(name) {
                Some(id) => Ok(id),
                None => open_account(ledger, now, &account_path(name)?, account_caps),
            },
        }
    }

    /// The account as it was asked for; of a name that is none, the root.
    pub(super) fn path(self) -> Path {
        match self {
            Who::Account(_, path) => path.clone(),
            Who::Named(name) => Path::new(name).unwrap_or_else(|_| Path::root()),
        }
    }

    /// Looks without opening: the account, or the nearest one above it that is there.
    pub(super) fn nearest(self, ledger: &Ledger) -> Result<AccountId, AccountError> {
        let name = match self {
            Who::Account(id, _) => return Ok(id),
            Who::Named(name) => name,
        };
        let mut path = account_path(name)?;
        loop {
            match (ledger.find(path.as_str()), path.parent()) {
                (Some(account), _) => return Ok(account),
                (None, Some(above)) => path = above,
                (None, None) => return Ok(AccountId::ROOT),
            }
        }
    }
}

/// A path of the main tree.
pub(super) fn account_path(name: &str) -> Result<Path, AccountError> {
    let path = Path::new(name)?;
    match path.is_tag() {
        true => Err(AccountError::WrongTree(path, "an account; ask for it with `tag`")),
        false => Ok(path),
    }
}

/// A path of a tag tree, below its root: a call that is charged to the root alone would pass the
/// limits of every tag (`user:*`).
pub(super) fn tag_path(name: &str) -> Result<Path, AccountError> {
    let path = Path::new(name)?;
    let what = match (path.is_tag(), path.is_root()) {
        (true, false) => return Ok(path),
        (false, _) => "a tag; a tag has a tree of its own, such as `user:42`",
        (true, true) => {
            "a tag: the id after the `:` is empty; write one, as in `user:42`, and take an id from \
             outside to `tag_for`, which accepts any text"
        }
    };
    Err(AccountError::WrongTree(path, what))
}

/// The account below `parent` for an id from outside. A parent that is a tag tree may be written
/// without its `:`.
pub(super) fn path_for(parent: &str, id: &str, is_tag: bool) -> Result<Path, AccountError> {
    let parent = match is_tag && !parent.contains(':') {
        true => Path::new(&format!("{parent}:"))?,
        false => Path::new(parent)?,
    };
    Ok(parent.child_for(id)?)
}
