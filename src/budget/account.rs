//! The handles: [`Account`], a node of the budget tree that calls are charged to, [`Run`], one
//! that ends, and [`Tag`], an account of a tree of its own.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::call_request::{AccountRef, CallRequest};
use super::core::{Core, set_limit};
use super::error::{AccountError, ReserveError, SetLimitError};
use super::opening::{find_or_check, open_account, open_below};
use super::request::ReserveRequest;
use super::reservation::Reservation;
use crate::clock::Timestamp;
use crate::ledger::{AccountId, Command, Ledger, Limit, LimitView, Path, Scope};
use crate::money::Usd;
use crate::price::Estimate;

/// An account of the budget tree: a cheap handle that finds its place without a look-up.
///
/// What is charged to it is charged to all accounts above it, up to the root.
///
/// ```
/// use bursar::{BudgetManager, Estimate, Limit, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(100))?;
/// let research = budget.account("research")?;
/// research.set_limit(Limit::spend(Usd::dollars(1)))?;
///
/// let crawler = research.child("crawler")?;
/// crawler.reserve(&Estimate::fixed(Usd::cents(80)))?.settle_cost(Usd::cents(75));
/// assert_eq!(research.spent(), Usd::cents(75));
/// assert_eq!(crawler.remaining(), Some(Usd::cents(25)));
///
/// let refused = crawler.reserve(&Estimate::fixed(Usd::cents(30))).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "`research/crawler` asks for $0.30, but the limit of `research` ($1.00 in all) has $0.25 \
///      left: $0.75 spent, $0.00 held; it can never pass unless the limit is raised",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Account {
    pub(super) core: Arc<Core>,
    /// `NONE` with a journal, if it was not written yet that the account was opened: then it is found
    /// by its path.
    id: AccountId,
    path: Path,
}

impl Account {
    pub(super) fn new(core: &Arc<Core>, id: AccountId, path: Path) -> Account {
        Account { core: Arc::clone(core), id, path }
    }

    /// With a journal: the account of that path, opened by another thread if it is not there.
    pub(super) fn open_unblocked(core: &Arc<Core>, path: Path) -> Result<Account, AccountError> {
        let caps = core.settings.account_caps.clone();
        let known = core.peek(|ledger| find_or_check(ledger, &path, &caps))?;
        if known.is_none() {
            let opened = path.clone();
            core.change_soon(move |ledger, now| {
                let _ = open_account(ledger, now, &opened, &caps);
                None
            });
        }
        Ok(Account::new(core, known.unwrap_or(AccountId::NONE), path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The account below with that name, opened if it is not there.
    ///
    /// # Errors
    /// [`AccountError`] if `name` is no segment of a path, or this account has been closed.
    pub fn child(&self, name: &str) -> Result<Account, AccountError> {
        self.open_child(self.path.child(name)?)
    }

    /// The account below for an id that comes from outside: a user, a customer. Any text will do, and
    /// different texts are different accounts, see [`Path::child_for`]. What keeps others from opening
    /// accounts without end is [`Builder::max_children`](super::Builder::max_children).
    ///
    /// # Errors
    /// [`AccountError`] if this account has been closed, or has as many accounts below it as it may.
    pub fn child_for(&self, id: &str) -> Result<Account, AccountError> {
        self.open_child(self.path.child_for(id)?)
    }

    fn open_child(&self, path: Path) -> Result<Account, AccountError> {
        if self.core.books().is_some() && !path.is_tag() {
            let is_there = |ledger: &Ledger| ledger.account(self.id).is_some();
            return if self.id == AccountId::NONE || self.core.peek(is_there) {
                Account::open_unblocked(&self.core, path)
            } else {
                Err(AccountError::Closed(path))
            };
        }
        let (wanted, account_caps) = (path.clone(), self.core.settings.account_caps.clone());
        let id = self.core.change(move |ledger, now| match ledger.find(wanted.as_str()) {
            Some(id) => Ok(id),
            None => open_below(ledger, now, &wanted, &account_caps),
        })??;
        Ok(Account::new(&self.core, id, path))
    }

    /// Opens a run: a short-lived account below this one, with limits of its own.
    ///
    /// # Errors
    /// [`AccountError`] if `name` is no segment, or there is an account of that name.
    pub fn run(&self, name: &str) -> Result<Run, AccountError> {
        let path = self.path.child(name)?;
        let (wanted, account_caps) = (path.clone(), self.core.settings.account_caps.clone());
        let id = self.core.change(move |ledger, now| match ledger.find(wanted.as_str()) {
            Some(_) => Err(AccountError::Exists(wanted.clone())),
            None => open_below(ledger, now, &wanted, &account_caps),
        })??;
        Ok(Run { account: Account::new(&self.core, id, path), limits: Vec::new() })
    }

    /// Sets money and tokens aside for a call. Short for [`request`](Account::request) and
    /// [`ReserveRequest::reserve`].
    ///
    /// # Errors
    /// [`ReserveError`]; nothing has been held then.
    pub fn reserve(&self, estimate: &Estimate) -> Result<Reservation, ReserveError> {
        self.core.reserve(&CallRequest::new(self.to_ref(), estimate))
    }

    /// Begins a request with options: alternatives, a shorter output, tags, the part kept for
    /// wrapping up, inside another call.
    #[inline]
    pub fn request(&self, estimate: Estimate) -> ReserveRequest<'_> {
        ReserveRequest::new(self, estimate)
    }

    /// The same for estimates that stay where they are.
    #[inline]
    pub(crate) fn request_borrowed<'a>(
        &'a self,
        first: &'a Estimate,
        others: &'a [Estimate],
    ) -> ReserveRequest<'a> {
        ReserveRequest::borrowed(self, first, others)
    }

    /// What is booked on it and everything below it, over its lifetime. With a journal, what is
    /// written: see [`BudgetManager::spent`](super::BudgetManager::spent).
    pub fn spent(&self) -> Usd {
        self.balance(|balance| balance.spent)
    }

    /// What is held for calls under way, by it and everything below it.
    pub fn held(&self) -> Usd {
        self.balance(|balance| balance.held)
    }

    fn balance(&self, of: impl Fn(&crate::ledger::Balance) -> i128) -> Usd {
        let of = |ledger: &Ledger| Some(of(&ledger.account(self.find(ledger)?)?.balance));
        let pico = self.core.read(|ledger, _| of(ledger));
        Usd::from_pico(pico.unwrap_or_default())
    }

    /// The least money that any spend limit on it or above it leaves to an ordinary call of any
    /// model, negative when one is overrun; `None` if there is no such limit. Advice, like
    /// [`can_afford`](Account::can_afford).
    pub fn remaining(&self) -> Option<Usd> {
        self.core
            .read(|ledger, now| ledger.least_room(self.nearest(ledger), now).map(Usd::from_pico))
    }

    /// What `of` makes of each limit on it or above it, read at one moment.
    pub(crate) fn map_limits<T>(
        &self,
        mut of: impl FnMut(LimitView<'_>, Timestamp) -> Option<T>,
    ) -> Vec<T> {
        self.core.read(|ledger, now| {
            ledger.limits_of(self.nearest(ledger), now).filter_map(|view| of(view, now)).collect()
        })
    }

    /// The time that its budget goes by.
    pub(crate) fn now(&self) -> Timestamp {
        self.core.read(|_, now| now)
    }

    /// Sets a limit on this account, or changes the one on the same measure, period and models.
    ///
    /// # Errors
    /// [`SetLimitError`] if the limit makes no sense, or the account has been closed.
    pub fn set_limit(&self, limit: Limit) -> Result<(), SetLimitError> {
        let (id, path) = (self.id(), self.path.clone());
        self.core.change(move |ledger, now| match ledger.account(id) {
            Some(view) if view.is_open => set_limit(ledger, now, &Scope::from(&path), &limit),
            _ => Err(AccountError::Closed(path.clone()).into()),
        })?
    }

    /// Lifts the limit on this account that is on the same measure, period and models, whatever its
    /// amount.
    ///
    /// # Errors
    /// [`SetLimitError::NoSuchLimit`].
    pub fn lift_limit(&self, limit: &Limit) -> Result<(), SetLimitError> {
        let command = Command::LiftLimit { scope: Scope::from(&self.path), limit: limit.clone() };
        self.core.change(move |ledger, now| ledger.execute(now, &command))??;
        Ok(())
    }

    /// The kill switch: refuses every new call of this account and all below it, and every growth,
    /// until it is thawed. Calls under way are settled as usual. The refusals repeat the reason.
    ///
    /// # Errors
    /// [`AccountError::Closed`].
    pub fn freeze(&self, why: impl Into<Arc<str>>) -> Result<(), AccountError> {
        self.execute(Command::Freeze { account: self.id(), why: why.into() })
    }

    /// Ends a freeze of this account. One that is frozen above stays so.
    ///
    /// # Errors
    /// [`AccountError::Closed`].
    pub fn thaw(&self) -> Result<(), AccountError> {
        self.execute(Command::Thaw { account: self.id() })
    }

    /// Notes what a cache has saved this account. No balance changes; the report shows it. A
    /// negative or absurd amount is not noted.
    pub fn note_saved(&self, saved: Usd) {
        let (id, path) = (self.id, self.path.clone());
        self.core.change_soon(move |ledger, now| {
            let account = find(ledger, id, &path)?;
            let command = Command::RecordSaving { account, saved: saved.pico() };
            ledger.execute(now, &command).ok()?;
            let path = path.clone();
            Some(Box::new(move |core: &Core| {
                if core.is_watched() {
                    core.tell(|observer| observer.on_save(&path, saved));
                }
            }))
        });
    }

    /// Its number in the ledger. With a journal it waits until it is written that it was opened.
    #[inline]
    pub(super) fn id(&self) -> AccountId {
        if self.id != AccountId::NONE {
            return self.id;
        }
        let _ = self.core.change(|_, _| ()); // without it, the account counts as closed
        self.core.peek(|ledger| self.find(ledger)).unwrap_or(AccountId::NONE)
    }

    /// Its number; `NONE` if it had none yet when this handle was made.
    pub(super) fn number(&self) -> AccountId {
        self.id
    }

    /// Its number in this ledger, if it is there.
    #[inline]
    pub(super) fn find(&self, ledger: &Ledger) -> Option<AccountId> {
        find(ledger, self.id, &self.path)
    }

    /// Its number, or that of the nearest account above it that is there.
    #[inline]
    pub(super) fn nearest(&self, ledger: &Ledger) -> AccountId {
        if self.id != AccountId::NONE {
            return self.id;
        }
        self.to_ref().nearest(ledger).unwrap_or(AccountId::ROOT)
    }

    #[inline]
    pub(super) fn to_ref(&self) -> AccountRef<'_> {
        if self.id == AccountId::NONE {
            return AccountRef::Named(Cow::Borrowed(self.path.as_str()));
        }
        AccountRef::Handle(self.id, Cow::Borrowed(&self.path))
    }

    fn execute(&self, command: Command) -> Result<(), AccountError> {
        let done = self.core.change(move |ledger, now| ledger.execute(now, &command))?;
        done.map(|_| ()).map_err(|rejection| AccountError::from_rejection(&rejection, &self.path))
    }
}

/// The account of a handle that may have no number yet.
#[inline]
pub(super) fn find(ledger: &Ledger, id: AccountId, path: &Path) -> Option<AccountId> {
    if id == AccountId::NONE { ledger.find(path.as_str()) } else { Some(id) }
}

impl Drop for Account {
    #[inline]
    fn drop(&mut self) {
        self.core.flush_last();
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.path.as_str()).finish()
    }
}

/// A short-lived account: one task, one session. When it is closed or dropped it refuses new calls
/// and the growth of old ones, waits for those under way, adds its totals to the account above and
/// frees its place.
///
/// Charge a run by its handle, and give each one a name of its own: with its place it loses its
/// limits, its freeze, and what a pattern's limit (`research/*`) has counted of it, and a name that
/// is used again is a new account. The limits of the accounts above it count all runs, ended or not.
/// What wants an [`Account`] of its own, such as [`BudgetConstrained`](crate::BudgetConstrained),
/// takes `Account::clone(&run)`; when the run has ended, that refuses.
///
/// ```
/// use bursar::{BudgetManager, Estimate, Limit, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(100))?;
/// let research = budget.account("research")?;
/// let mut run = research.run("task-17")?;
/// run.set_limit(Limit::spend(Usd::cents(50)))?;
/// run.reserve(&Estimate::fixed(Usd::cents(40)))?.settle_cost(Usd::cents(30));
/// run.close();
/// assert_eq!(research.spent(), Usd::cents(30));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a run that is dropped is closed"]
pub struct Run {
    account: Account,
    limits: Vec<Limit>,
}

impl Run {
    /// Sets a limit that lives as long as the run.
    ///
    /// # Errors
    /// [`SetLimitError`] if the limit makes no sense.
    pub fn set_limit(&mut self, limit: Limit) -> Result<(), SetLimitError> {
        self.account.set_limit(limit.clone())?;
        self.limits.push(limit);
        Ok(())
    }

    /// Closes the run. Dropping it does the same.
    pub fn close(self) {}
}

impl Deref for Run {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let Run { account, limits } = self;
        let (id, scope) = (account.id, Scope::from(&account.path));
        let limits = std::mem::take(limits);
        account.core.change_soon(move |ledger, now| {
            let _ = ledger.execute(now, &Command::Close { account: id });
            // A limit that has been lifted meanwhile is as good as lifted.
            for limit in limits.iter().cloned() {
                let _ = ledger.execute(now, &Command::LiftLimit { scope: scope.clone(), limit });
            }
            None
        });
    }
}

/// An account in a tree of its own: `user:42`, `team:blue/west`. A call is charged to one account
/// of the main tree and to at most four tags; the limits of all of them count.
///
/// ```
/// use bursar::{BudgetManager, Estimate, Limit, Period, Usd};
///
/// let budget = BudgetManager::builder()
///     .limit("user:*", Limit::spend(Usd::cents(10)).per(Period::DAY)) // each user
///     .build()?;
/// let (support, ada) = (budget.account("support")?, budget.tag("user:ada")?);
///
/// let hold = support.request(Estimate::fixed(Usd::cents(4))).tag(&ada).reserve()?;
/// hold.settle_cost(Usd::cents(3));
/// assert_eq!((support.spent(), ada.spent()), (Usd::cents(3), Usd::cents(3))); // the same money
/// assert_eq!(ada.remaining(), Some(Usd::cents(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tag(Account);

impl Tag {
    pub(super) fn new(account: Account) -> Tag {
        Tag(account)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// What is booked on it and everything below it.
    pub fn spent(&self) -> Usd {
        self.0.spent()
    }

    /// What is held for calls under way, by it and everything below it.
    pub fn held(&self) -> Usd {
        self.0.held()
    }

    /// The least money that any spend limit on it or above it leaves, see [`Account::remaining`].
    pub fn remaining(&self) -> Option<Usd> {
        self.0.remaining()
    }

    /// Sets a limit on this tag.
    ///
    /// # Errors
    /// [`SetLimitError`] if the limit makes no sense.
    pub fn set_limit(&self, limit: Limit) -> Result<(), SetLimitError> {
        self.0.set_limit(limit)
    }

    /// Lifts the limit on this tag that is on the same measure, period and models.
    ///
    /// # Errors
    /// [`SetLimitError::NoSuchLimit`].
    pub fn lift_limit(&self, limit: &Limit) -> Result<(), SetLimitError> {
        self.0.lift_limit(limit)
    }

    /// Refuses every new call that carries this tag or one below it.
    ///
    /// # Errors
    /// [`AccountError::Closed`].
    pub fn freeze(&self, why: impl Into<Arc<str>>) -> Result<(), AccountError> {
        self.0.freeze(why)
    }

    /// Ends a freeze of this tag.
    ///
    /// # Errors
    /// [`AccountError::Closed`].
    pub fn thaw(&self) -> Result<(), AccountError> {
        self.0.thaw()
    }

    pub(super) fn id(&self) -> AccountId {
        self.0.id
    }

    pub(crate) fn account(&self) -> &Account {
        &self.0
    }

    pub(super) fn owner(&self) -> u64 {
        self.0.core.id
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tag").field(&self.0.path.as_str()).finish()
    }
}
