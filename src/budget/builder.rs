//! [`Builder`]: sets up a [`BudgetManager`].

use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use super::alert::{Alert, Observer, OnAlert};
use super::books::Books;
use super::core::{LostCall, Settings, Watch};
use super::error::{AccountError, SetLimitError};
use super::opening::AccountCaps;
use super::policy::{Policy, first_double};
use super::{BudgetManager, Core};
use crate::clock::{Clock, SystemClock};
use crate::journal::{Journal, JournalError};
use crate::ledger::{Limit, Path, Scope};
use crate::price::PriceBook;
use crate::usage::{FailedCall, FailedCalls, Service};

/// Makes a [`BudgetManager`].
///
/// ```
/// use bursar::{BudgetManager, Limit, Period, Usd};
///
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::dollars(100)).per(Period::MONTH))
///     .limit(
///         "research",
///         Limit::spend(Usd::dollars(20)).per(Period::day_in("Europe/Berlin")?).alert_at([50, 95]),
///     )
///     .on_alert(|alert| eprintln!("{alert}"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder makes nothing until `build` is called"]
pub struct Builder {
    limits: Vec<(String, Limit)>,
    clock: Option<Arc<dyn Clock>>,
    prices: Option<PriceBook>,
    observers: Vec<Arc<dyn Observer>>,
    watched: bool,
    lease: Option<Duration>,
    on_lost: LostCall,
    auto_tier: Service,
    failed: FailedCalls,
    journal: Option<Box<dyn Journal>>,
    waits_for_disk: bool,
    refresh: Duration,
    max_accounts: usize,
    max_children: Vec<(String, usize)>,
}

/// The default of [`Builder::refresh_every`].
const REFRESH: Duration = Duration::from_secs(1);
/// The default length of a lease with a journal.
const LEASE: Duration = Duration::from_secs(15 * 60);

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            limits: Vec::new(),
            clock: None,
            prices: None,
            observers: Vec::new(),
            watched: false,
            lease: None,
            on_lost: LostCall::default(),
            auto_tier: Service::Standard,
            failed: FailedCalls::documented(),
            journal: None,
            waits_for_disk: false,
            refresh: REFRESH,
            max_accounts: AccountCaps::TOTAL,
            max_children: Vec::new(),
        }
    }

    /// Keeps the ledger in a journal: it goes on where it stopped, and several processes may share
    /// it. Each change waits until it is written.
    ///
    /// With a journal every hold has a [lease](Builder::lease), of 15 minutes by default:
    /// what a process that died has held is charged when its lease ends, or given back if
    /// [`on_lost_call`](Builder::on_lost_call) says so. Limits that were set once stay until they are
    /// lifted, whether the next process sets them or not.
    ///
    /// A lease ends by the clock of the process that ends it. A hold of another process, while any
    /// other has the journal open, is first watched for as long as its lease had left when it was
    /// first seen here, so that a process whose clock is ahead ends no call of others; they raise
    /// an [`Alert::ClockAhead`].
    pub fn journal(mut self, journal: impl Journal) -> Builder {
        self.journal = Some(Box::new(journal));
        self
    }

    /// With a journal: whether the end of a call waits until it is written. By default it does not.
    ///
    /// A reserve always waits, because it can be refused. With `true`, so do `settle`, `finish`,
    /// `release` and `refund` of a [`Reservation`](super::Reservation), which block, and a call of
    /// [`BudgetConstrained`](crate::BudgetConstrained) and the end of a stream, which are awaited. A
    /// guard that is dropped waits for nothing.
    pub fn wait_for_disk(mut self, waits: bool) -> Builder {
        self.waits_for_disk = waits;
        self
    }

    /// With a journal: how old the numbers of other processes may be in `spent`, `held`, `report`
    /// and `can_afford`. The default is one second of the budget's clock; with [`Duration::ZERO`]
    /// they are always current. If they are older, a read first fetches the events of the other
    /// processes, which takes some microseconds and does not wait for a writer. Calls are always
    /// admitted by the current state of the journal. [`Report::as_of`](super::Report::as_of) says
    /// when the journal was last read.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use bursar::BudgetManager;
    ///
    /// // A dashboard beside the processes that spend.
    /// let budget = BudgetManager::builder().refresh_every(Duration::from_secs(10)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_every(mut self, age: Duration) -> Builder {
        self.refresh = age;
        self
    }

    /// Sets a limit on an account (`""` is the root: everybody together), on a tag, or on each
    /// account that a pattern names: `research/*` is each child of `research` separately.
    ///
    /// Each may be given once: two for the same accounts, measure, period and models, also if one is
    /// a [policy](Builder::policy)'s, are a mistake that [`build`](Builder::build) names.
    /// [`BudgetManager::set_limit`] changes one later.
    pub fn limit(mut self, accounts: impl Into<String>, limit: Limit) -> Builder {
        self.limits.push((accounts.into(), limit));
        self
    }

    /// Sets all limits of a policy.
    pub fn policy(mut self, policy: Policy) -> Builder {
        self.limits.extend(policy.into_limits());
        self
    }

    /// Takes prices from this book instead of the built-in one.
    pub fn prices(mut self, prices: PriceBook) -> Builder {
        self.prices = Some(prices);
        self
    }

    /// Takes the time from this clock instead of the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Builder {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Calls this closure for every alert, after the lock is free.
    pub fn on_alert(mut self, tell: impl Fn(&Alert) + Send + Sync + 'static) -> Builder {
        self.observers.push(Arc::new(OnAlert(tell)));
        self
    }

    /// Adds an observer.
    pub fn observer(self, observer: impl Observer) -> Builder {
        self.shared_observer(Arc::new(observer))
    }

    /// Adds an observer that is shared with other code.
    pub fn shared_observer(mut self, observer: Arc<dyn Observer>) -> Builder {
        self.observers.push(observer);
        self.watched = true;
        self
    }

    /// Gives every hold a lease: when it ends before the call has ended, what was held is charged
    /// as assumed. Leases are checked at the next operation on the budget. A long call makes
    /// it longer with [`Reservation::renew`](super::Reservation::renew). Without leases, holds of a
    /// budget in memory last until their guard is gone.
    pub fn lease(mut self, lease: Duration) -> Builder {
        self.lease = Some(lease);
        self
    }

    /// What becomes of a hold whose guard is dropped after its call was sent; by
    /// default, it is charged.
    pub fn on_lost_call(mut self, lost: LostCall) -> Builder {
        self.on_lost = lost;
        self
    }

    /// The most accounts and tags that may be open at once, the roots included; two million unless
    /// set. One takes some 500 bytes of memory, and 500 more for each limit on it.
    ///
    /// It keeps names from outside from filling the memory. A call, a tag or a run for which
    /// another account would have to be opened is refused with [`AccountError::TooMany`], and
    /// nothing changes. What is open stays open, also where a journal has more. A
    /// [`Run`](super::Run) gives its place back when it is closed, and
    /// [`Account::forget`](super::Account::forget) and [`Tag::forget`](super::Tag::forget) free
    /// those that are no longer used.
    pub fn max_accounts(mut self, most: usize) -> Builder {
        self.max_accounts = most;
        self
    }

    /// The most accounts that may be open at once directly below one account (`customers`) or in a
    /// tag tree (`user:`); by default only [`max_accounts`](Builder::max_accounts) limits them. Set
    /// it for each account below which [`account_for`](BudgetManager::account_for) or
    /// [`tag_for`](BudgetManager::tag_for) open names from outside, so that these cannot use up the
    /// whole number. A tag tree is written with its `:`. Of two numbers for the same account the
    /// later one counts. [`build`](Builder::build) fails if `account` is malformed.
    ///
    /// ```
    /// use bursar::BudgetManager;
    ///
    /// let budget = BudgetManager::builder().max_children("user:", 2).build()?;
    /// budget.tag_for("user", "ada")?;
    /// budget.tag_for("user", "bob")?;
    /// let refused = budget.tag_for("user", "eve").unwrap_err();
    /// assert!(refused.to_string().starts_with(
    ///     "`user:eve` is not opened: `user:` has 2 accounts below it, the most that \
    ///      `Builder::max_children` allows; raise it",
    /// ));
    /// assert!(budget.tag_for("user", "ada").is_ok()); // it is open
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_children(mut self, account: impl Into<String>, most: usize) -> Builder {
        self.max_children.push((account.into(), most));
        self
    }

    fn account_caps(&self) -> Result<AccountCaps, BuildError> {
        // The last number for an account comes first.
        let below = self.max_children.iter().rev().map(|(account, most)| {
            let path = Path::new(account).map_err(AccountError::from)?;
            Ok((path, *most))
        });
        let below = below.collect::<Result<_, AccountError>>().map_err(BuildError::MaxChildren)?;
        Ok(AccountCaps { total: self.max_accounts, below })
    }

    /// The dearest service tier on which the provider may serve a request that names none, or
    /// `auto`; [`Service::Standard`] by default. Both leave the tier to the project's settings at
    /// the provider (OpenAI: "Default service tier"; Anthropic: `auto` takes priority capacity if
    /// the organisation has some). With `Service::Priority`, such a request is held at the dearer
    /// of the standard and the priority price, if its model has one; the bill is that of the tier
    /// that served it.
    ///
    /// It applies to requests that are read ([`BudgetManager::estimate_request`] and models that
    /// [`BudgetManager::model`] gave). An estimate by hand has
    /// [`Estimate::auto_tier`](crate::Estimate::auto_tier).
    ///
    /// ```
    /// use bursar::{BudgetManager, Service};
    ///
    /// let body = r#"{"model": "gpt-6.1-terra", "max_completion_tokens": 800, "service_tier": "auto",
    ///     "messages": [{"role": "user", "content": "How high is the Zugspitze?"}]}"#;
    /// let held = |budget: BudgetManager| -> Result<_, Box<dyn std::error::Error>> {
    ///     Ok(budget.reserve("guide", &budget.estimate_request(body)?)?.held())
    /// };
    /// let standard = held(BudgetManager::builder().build()?)?;
    /// let priority = held(BudgetManager::builder().auto_tier(Service::Priority).build()?)?;
    /// assert!(priority > standard);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn auto_tier(mut self, tier: Service) -> Builder {
        self.auto_tier = tier;
        self
    }

    /// Sets what calls to a provider cost if they fail with one of these HTTP statuses, instead of
    /// what the provider documents. See [`FailedCalls`] for the documented costs, and for how an
    /// answer is judged.
    ///
    /// ```
    /// use bursar::usage::FailedCall;
    /// use bursar::{BudgetManager, Limit, Usd};
    ///
    /// let budget = BudgetManager::builder()
    ///     .limit("", Limit::spend(Usd::dollars(1)))
    ///     .on_failed_call("openai", 500..=502, FailedCall::Free) // by contract
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_failed_call(
        mut self,
        provider: impl AsRef<str>,
        statuses: impl RangeBounds<u16>,
        what: FailedCall,
    ) -> Builder {
        self.failed = self.failed.on(provider, statuses, what);
        self
    }

    /// Makes the manager.
    ///
    /// # Errors
    /// [`BuildError`], which names the limit that makes no sense, or the two that are for the same.
    pub fn build(self) -> Result<BudgetManager, BuildError> {
        if self.lease.is_some_and(|lease| lease.is_zero()) {
            return Err(BuildError::Lease);
        }
        if let Some(twice) = given_twice(&self.limits) {
            return Err(twice);
        }
        let account_caps = self.account_caps()?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let prices = self.prices.unwrap_or_else(PriceBook::builtin);
        let watch = Watch { observers: self.observers.into(), each_call: self.watched };
        let books = match self.journal {
            None => None,
            Some(journal) => Some(Books::open(journal, clock.now(), self.refresh)?),
        };
        let lease = self.lease.or_else(|| books.as_ref().map(|_| LEASE));
        // What the manager's handles share beside the ledger.
        let settings = Settings {
            lease,
            on_lost: self.on_lost,
            failed: self.failed,
            auto_tier: self.auto_tier,
            account_caps,
            waits_for_disk: self.waits_for_disk && books.is_some(),
        };
        let core = Core::new(clock, prices, watch, settings, books);
        let budget = BudgetManager { core };
        for (place, (accounts, limit)) in self.limits.into_iter().enumerate() {
            let number = place.saturating_add(1);
            // What another process, or this one before, has set already is not written again.
            let known = budget.core.books().is_some()
                && Scope::new(&accounts).is_ok_and(|scope| {
                    budget.core.read(|ledger, _| ledger.has_limit(&scope, &limit))
                });
            if known {
                continue;
            }
            budget.set_limit(&accounts, limit).map_err(|why| BuildError::Limit {
                number,
                accounts: shown(&accounts),
                why,
            })?;
        }
        Ok(budget)
    }
}

/// The first limit that would undo an earlier one.
fn given_twice(limits: &[(String, Limit)]) -> Option<BuildError> {
    let (first, second) = first_double(limits)?;
    let at = |number: usize| limits.get(number.saturating_sub(1));
    let ((accounts, earlier), (_, later)) = (at(first)?, at(second)?);
    Some(BuildError::Twice {
        accounts: shown(accounts),
        first,
        earlier: Box::new(earlier.clone()),
        second,
        later: Box::new(later.clone()),
    })
}

/// The accounts of a limit in a sentence.
fn named(accounts: &str) -> String {
    if accounts.is_empty() { "the whole budget".to_owned() } else { format!("`{accounts}`") }
}

/// A path for a message, cut after 60 letters.
fn shown(accounts: &str) -> String {
    accounts.chars().take(60).collect()
}

/// Why a manager is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A limit, counted from 1, makes no sense.
    #[error("limit {number}, for {}: {why}", named(accounts))]
    Limit {
        /// Its number in the order they were given, from 1.
        number: usize,
        /// The account or pattern.
        accounts: String,
        /// What is wrong with it.
        why: SetLimitError,
    },
    /// Two limits, counted from 1, are for the same accounts, measure, period and models.
    #[error(
        "limits {first} ({earlier}) and {second} ({later}), both for {}, are for the same measure, \
         period and models; keep one",
        named(accounts)
    )]
    Twice {
        /// The account or pattern.
        accounts: String,
        /// The number of the earlier one in the order they were given, from 1.
        first: usize,
        /// The earlier one.
        earlier: Box<Limit>,
        /// The number of the later one.
        second: usize,
        /// The later one.
        later: Box<Limit>,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A number of [`max_children`](Builder::max_children) is for what is not an account.
    #[error("max_children: {0}")]
    MaxChildren(AccountError),
    /// A lease of no length.
    #[error("the lease is zero; leave it out for holds without one")]
    Lease,
}
