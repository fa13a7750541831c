//! The one lock: [`BudgetManager`], its handles, its guards, its alerts and its report.
//!
//! Reading order: [`Account`] asks, [`ReserveRequest`] says with what wishes, [`Waiting`] waits for room,
//! [`Quote`] is advice, [`Reservation`] is what it gets, [`Receipt`] is what is booked, [`ReserveError`] is why not,
//! [`Alert`] is what a person is notified of, [`Report`] a snapshot of it all, [`Countdown`] what is
//! left.
//!
//! The [guide](crate::guide) goes through them one by one. For an agent that is called as a whole,
//! [`agent`](crate::agent) does the asking and settling.

mod account;
mod admit;
mod adjust;
mod alert;
mod request;
mod books;
mod builder;
mod usage_record;
mod call_request;
mod core;
mod countdown;
mod error;
mod forget;
mod opening;
mod policy;
mod queue;
mod quote;
mod report;
mod reservation;
mod table;
mod trace;
mod waiting;
mod weak;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use crate::ledger::Denied;
pub use account::{Account, Run, Tag};
pub use adjust::Correction;
pub use alert::{Alert, Observer};
pub(crate) use books::Ticket;
pub use builder::{BuildError, Builder};
pub use core::LostCall;
pub use countdown::Countdown;
pub use error::{AccountError, InvalidCall, Queued, RecordError, ReserveError, SetLimitError};
pub use policy::{Policy, PolicyError};
pub use quote::Quote;
pub use report::{AccountReport, HeldElsewhere, LimitReport, ModelReport, Report};
pub use request::ReserveRequest;
pub(crate) use reservation::Growth;
pub(crate) use reservation::nested::OuterHold;
pub use reservation::{Receipt, Reservation};
pub(crate) use trace::CallSpan;
pub use usage_record::UsageRecord;
pub use waiting::Waiting;
pub use weak::WeakBudgetManager;

use self::call_request::{AccountRef, CallRequest};
use self::core::{Core, set_limit};
use self::opening::{account_path, open_account, path_for, tag_path};
use crate::journal::JournalError;
use crate::ledger::{Command, Limit, Path, Scope};
use crate::money::Usd;
use crate::price::{
    Estimate, EstimateError, InvalidPrice, Model, ModelPrice, PriceBook, UnknownModel,
};
use crate::usage::{Body, FailedCalls, Request};

/// The budget of many agents: one ledger behind one lock. Money is reserved before a call and
/// settled after it, so that parallel calls can never spend more than a limit together.
///
/// ```
/// use bursar::{BudgetManager, Limit, Period, Usage, Usd};
///
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::dollars(100)).per(Period::MONTH))
///     .limit("research/*", Limit::tokens(200_000).per(Period::DAY))
///     .build()?;
///
/// let crawler = budget.account("research/crawler")?;
/// let terra = budget.model("gpt-6.1-terra")?;
/// let hold = crawler.reserve(&terra.estimate().input(1_200).max_output(800))?;
/// // … call the model with `max_tokens` = hold.max_output_tokens() …
/// let receipt = hold.settle(Usage::tokens(1_180, 340));
/// assert_eq!(budget.spent(), receipt.cost);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones share the same budget. It has no type parameters and no runtime: it can be kept in any
/// struct, and used from threads and tasks alike.
#[derive(Clone)]
pub struct BudgetManager {
    core: Arc<Core>,
}

impl BudgetManager {
    /// A budget with one limit: so much money in all, for everybody.
    ///
    /// # Errors
    /// [`BuildError`] if the amount is negative or absurd.
    pub fn new(total: Usd) -> Result<BudgetManager, BuildError> {
        BudgetManager::builder().limit("", Limit::spend(total)).build()
    }

    /// A budget with limits, prices, a clock and observers.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The account of that path, opened if it is not there, with those above it. `""` is the root.
    ///
    /// Choose the path yourself: pass a name that comes from outside to
    /// [`account_for`](BudgetManager::account_for). With a journal, opening a new account blocks
    /// until it is written; in async code open accounts at the start, or on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`AccountError`] if the path is malformed or a tag's, the account is being closed, or there are
    /// as many accounts as there may be.
    pub fn account(&self, path: &str) -> Result<Account, AccountError> {
        self.open(account_path(path)?)
    }

    /// The account below `parent` for an id that comes from outside (a customer, a file name), opened
    /// if it is not there. Any text will do, and different texts are different accounts; `""` is the
    /// root as a parent.
    ///
    /// ```
    /// use bursar::{BudgetManager, Limit, Usd};
    ///
    /// let budget = BudgetManager::builder()
    ///     .limit("customers/*", Limit::spend(Usd::dollars(5)))
    ///     .max_children("customers", 10_000)
    ///     .build()?;
    /// let customer = budget.account_for("customers", "Müller & Co/Nord")?;
    /// assert_eq!(customer.path().as_str(), "customers/Müller%20%26%20Co%2FNord");
    /// assert_eq!(customer.remaining(), Some(Usd::dollars(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AccountError`] if `parent` is malformed or a tag's, it is being closed, or there are as many
    /// accounts as there may be ([`Builder::max_accounts`], [`Builder::max_children`]).
    pub fn account_for(&self, parent: &str, id: &str) -> Result<Account, AccountError> {
        self.open(account_path(path_for(parent, id, false)?.as_str())?)
    }

    /// The tag of that path (`user:42`), opened if it is not there.
    ///
    /// Choose the path yourself: pass an id that comes from outside to
    /// [`tag_for`](BudgetManager::tag_for).
    ///
    /// # Errors
    /// [`AccountError`] if the path is malformed, has no `:` or nothing after it, or there are as many
    /// accounts as there may be.
    pub fn tag(&self, path: &str) -> Result<Tag, AccountError> {
        self.open(tag_path(path)?).map(Tag::new)
    }

    /// The tag of a tree (`user`, or below a tag: `team:blue`) for an id that comes from outside,
    /// opened if it is not there. Any text will do, and different texts are different tags: a `/` makes
    /// no deeper tag and an empty id is not the whole tree, see [`Path::child_for`].
    ///
    /// ```
    /// use bursar::{BudgetManager, Limit, Usd};
    ///
    /// let budget = BudgetManager::builder()
    ///     .limit("user:*", Limit::spend(Usd::cents(10))) // each user
    ///     .max_children("user:", 100_000)
    ///     .build()?;
    /// for id in ["ada@acme.org", "../admin", "a:b", ""] {
    ///     assert_eq!(budget.tag_for("user", id)?.remaining(), Some(Usd::cents(10)));
    /// }
    /// assert!(budget.tag("user:").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`AccountError`] if `tree` is malformed, or there are as many tags as there may be
    /// ([`Builder::max_accounts`], [`Builder::max_children`]).
    pub fn tag_for(&self, tree: &str, id: &str) -> Result<Tag, AccountError> {
        self.open(tag_path(path_for(tree, id, true)?.as_str())?).map(Tag::new)
    }

    /// The model of that name (`gpt-6.1-terra` or `openai/gpt-6.1-terra`), with its price.
    ///
    /// # Errors
    /// [`UnknownModel`], which names the nearest known ones and the remedy: nothing unknown is free
    /// ([law 9](crate::guide::laws)).
    pub fn model(&self, name: &str) -> Result<Model, UnknownModel> {
        self.core.model(name)
    }

    /// Bounds a call by the body of its request, in the form of any provider, at the prices of the
    /// model that it names.
    ///
    /// ```
    /// use bursar::{BudgetManager, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let body = r#"{"model": "gpt-6.1-terra", "max_completion_tokens": 800, "messages": [
    ///     {"role": "user", "content": "How high is the Zugspitze?"}]}"#;
    /// let hold = budget.reserve("guide", &budget.estimate_request(body)?)?;
    /// assert_eq!(hold.max_output_tokens(), 800);
    ///
    /// let error = budget.estimate_request(r#"{"model": "gpt-6.1-terra", "max_tokens": -1}"#);
    /// assert!(error.unwrap_err().to_string().starts_with("`max_tokens` is -1, which is not a count"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EstimateError`]: the body cannot be read, names no model or an unknown one, or nothing in
    /// it bounds a part of the input or the searches. [`read_request`](BudgetManager::read_request)
    /// is for who can bound that.
    pub fn estimate_request<'b>(
        &self,
        body: impl Into<Body<'b>>,
    ) -> Result<Estimate, EstimateError> {
        let (model, request) = self.read_request(body)?;
        Ok(model.estimate_of(&request)?)
    }

    /// The model that the body of a request names, and what the body says about the cost of its
    /// call. [`Model::estimate_of`] makes an estimate of the two.
    ///
    /// # Errors
    /// [`EstimateError`]: the body cannot be read, or names no model or an unknown one.
    pub fn read_request<'b>(
        &self,
        body: impl Into<Body<'b>>,
    ) -> Result<(Model, Request), EstimateError> {
        let body = body.into();
        let name = Request::named_model(body)?.ok_or(EstimateError::NoModel)?;
        let model = self.model(&name)?;
        let request = model.read_request(body)?;
        Ok((model, request))
    }

    /// Sets money and tokens aside for a call of the account of that path. An [`Account`] handle
    /// saves the look-up.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing has been held then.
    pub fn reserve(&self, account: &str, estimate: &Estimate) -> Result<Reservation, ReserveError> {
        self.core.reserve(&CallRequest::new(AccountRef::Named(account.into()), estimate))
    }

    /// Advice, not a promise: whether a call of that account would be admitted at this very moment.
    /// By the next one another call may have taken the money; [`reserve`](BudgetManager::reserve)
    /// is what decides. An account that is not there is judged by the nearest one above it.
    pub fn can_afford(&self, account: &str, estimate: &Estimate) -> bool {
        self.core.quote(&CallRequest::new(AccountRef::Named(account.into()), estimate)).is_ok()
    }

    /// What is booked in all, over the lifetime of the budget. Tags are not added.
    ///
    /// With a journal it is what is written, as of the last [refresh](Builder::refresh_every) for other
    /// processes. After a settle, [`flush`](BudgetManager::flush) first to see it.
    pub fn spent(&self) -> Usd {
        self.root().spent()
    }

    /// What is held in all, for calls under way.
    pub fn held(&self) -> Usd {
        self.root().held()
    }

    /// The least money that any spend limit on the whole budget leaves; `None` if there is none.
    pub fn remaining(&self) -> Option<Usd> {
        self.root().remaining()
    }

    /// How many calls wait for room, see [`ReserveRequest::wait`].
    pub fn waiting(&self) -> usize {
        self.core.with_queue(|_, queue, _| queue.len())
    }

    /// The account of that path in whichever tree, opened if it is not there.
    fn open(&self, path: Path) -> Result<Account, AccountError> {
        if self.core.books().is_some() && !path.is_tag() {
            return Account::open_unblocked(&self.core, path);
        }
        let (opened, account_caps) = (path.clone(), self.core.settings.account_caps.clone());
        let open = move |ledger: &mut _, now| open_account(ledger, now, &opened, &account_caps);
        let id = self.core.change(open)??;
        Ok(Account::new(&self.core, id, path))
    }

    fn root(&self) -> Account {
        Account::new(&self.core, crate::ledger::AccountId::ROOT, Path::root())
    }

    /// Sets a limit on an account, or on each account that a pattern names (`research/*`, `user:*`),
    /// or changes the one on the same measure, period and models. What it has counted stays.
    ///
    /// # Errors
    /// [`SetLimitError`] if the path or the limit makes no sense.
    pub fn set_limit(&self, accounts: &str, limit: Limit) -> Result<(), SetLimitError> {
        let (scope, account_caps) =
            (Scope::new(accounts)?, self.core.settings.account_caps.clone());
        self.core.change(move |ledger, now| {
            if let Some(path) = scope.as_path() {
                open_account(ledger, now, &path, &account_caps)?;
            }
            set_limit(ledger, now, &scope, &limit)
        })?
    }

    /// Lifts the limit that was set for the same accounts, measure, period and models, whatever its
    /// amount.
    ///
    /// # Errors
    /// [`SetLimitError::NoSuchLimit`].
    pub fn lift_limit(&self, accounts: &str, limit: &Limit) -> Result<(), SetLimitError> {
        let command = Command::LiftLimit { scope: Scope::new(accounts)?, limit: limit.clone() };
        self.core.change(move |ledger, now| ledger.execute(now, &command))??;
        Ok(())
    }

    /// The kill switch: refuses every new call of this account and all below it until it is thawed.
    /// `""` is everybody. The refusals repeat the reason. An account that is not there is opened, so
    /// that it is frozen from the start.
    ///
    /// # Errors
    /// [`AccountError`] if the path is malformed.
    pub fn freeze(&self, account: &str, why: impl Into<Arc<str>>) -> Result<(), AccountError> {
        self.open(Path::new(account)?)?.freeze(why)
    }

    /// Ends a freeze of this account. One that is frozen above stays so.
    ///
    /// # Errors
    /// [`AccountError`] if the path is malformed.
    pub fn thaw(&self, account: &str) -> Result<(), AccountError> {
        self.open(Path::new(account)?)?.thaw()
    }

    /// Writes down a price, or replaces one. [`Model`] handles that were given out before keep the
    /// price they have; ask for the model again to get the new one.
    ///
    /// # Errors
    /// [`InvalidPrice`] if the price makes no sense.
    pub fn insert_price(&self, price: ModelPrice) -> Result<(), InvalidPrice> {
        self.core.change_prices(|book| book.insert(price)).map(|_| ())
    }

    /// The prices as they stand.
    pub fn prices(&self) -> PriceBook {
        self.core.prices()
    }

    /// What failed calls cost, by provider and status: what the providers' documents say, and what
    /// [`Builder::on_failed_call`] says. For an agent without a hold at hand; with one, use
    /// [`Reservation::judge`].
    pub fn failed_calls(&self) -> &FailedCalls {
        &self.core.settings.failed
    }

    /// Waits until all that was done before is written to the journal, what waits after an error
    /// included. Without a journal there is nothing to wait for. Dropping the last handle of a budget
    /// does the same, for five seconds at most; a budget in a `static` is never dropped, so call this
    /// before the process ends.
    ///
    /// # Errors
    /// [`JournalError`]; what has to be booked waits on.
    pub fn flush(&self) -> Result<(), JournalError> {
        self.core.change(|_, _| ())
    }

    /// The same without blocking the thread. It begins at once, awaited or not.
    ///
    /// # Errors
    /// As for [`flush`](BudgetManager::flush).
    pub fn flushed(&self) -> impl Future<Output = Result<(), JournalError>> + Send + use<> {
        self.core.flushed()
    }

    /// Everything as it stands, from one moment: accounts, models, limits, tags. Prints as a table. Of
    /// other processes it is [as of](Report::as_of) the last time that the journal was read.
    pub fn report(&self) -> Report {
        Report::of(&self.core)
    }
}

/// For the models.
#[cfg(shuttle)]
impl BudgetManager {
    /// Recounts the books, and that nothing is kept of anybody who waited.
    #[doc(hidden)]
    pub fn check(&self) -> Result<(), String> {
        self.core.with_queue(|ledger, queue, _| {
            if queue.is_clean() {
                ledger.check_invariants()
            } else {
                Err("something is kept of one who waited".to_owned())
            }
        })
    }
}

impl Drop for BudgetManager {
    fn drop(&mut self) {
        self.core.flush_last();
    }
}

impl fmt::Debug for BudgetManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetManager").field("spent", &self.spent()).finish_non_exhaustive()
    }
}
