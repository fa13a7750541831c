//! [`ReserveError`]: why a call was refused, with its [`Denied`]; and the small errors of the
//! other operations.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::journal::JournalError;
use crate::ledger::{Denied, Limit, LimitError, Path, PathError, Rejection};
use crate::price::PriceError;

/// Why a call is not admitted. Nothing has been held.
///
/// ```
/// use bursar::{BudgetManager, Estimate, ReserveError, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// budget.freeze("research", "an audit")?;
/// match budget.reserve("research/crawler", &Estimate::fixed(Usd::cents(1))) {
///     Ok(hold) => drop(hold.settle_cost(Usd::cents(1))),
///     Err(ReserveError::Denied(why)) => println!("{} is left", why.available),
///     Err(ReserveError::Frozen { why, .. }) => assert_eq!(&*why, "an audit"),
///     Err(other) => println!("{other}"), // each is a sentence, and has a `kind`
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// A limit has no room for it.
    #[error(transparent)]
    Denied(Box<Denied>),
    /// Others wait for room in a limit that it needs something of, and came before it.
    #[error(transparent)]
    Queued(Box<Queued>),
    /// The account, one above it or a tag is frozen.
    #[error("{} is frozen: {why}", account.called())]
    Frozen {
        /// The account that was frozen.
        account: Path,
        /// The reason that was given.
        why: Arc<str>,
    },
    /// The call has no upper bound of its cost.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The name is no account.
    #[error(transparent)]
    Account(AccountError),
    /// The journal could not write it: what does not last is not admitted.
    #[error("the call cannot be written down: {0}")]
    Journal(JournalError),
    /// The call makes no sense as it was asked for.
    #[error("the call cannot be reserved: {0}")]
    Invalid(InvalidCall),
}

impl From<JournalError> for ReserveError {
    fn from(error: JournalError) -> ReserveError {
        ReserveError::Journal(error)
    }
}

impl From<AccountError> for ReserveError {
    fn from(error: AccountError) -> ReserveError {
        match error {
            AccountError::Journal(error) => ReserveError::Journal(error),
            other => ReserveError::Account(other),
        }
    }
}

impl ReserveError {
    /// The refusal as data, if a limit is in the way.
    pub fn denied(&self) -> Option<&Denied> {
        match self {
            ReserveError::Denied(denied) => Some(denied),
            _ => None,
        }
    }

    /// Why, as a word: `denied`, `frozen`, `price`, `account`, `journal`, `invalid`, `queued`.
    pub fn kind(&self) -> &'static str {
        match self {
            ReserveError::Denied(_) => "denied",
            ReserveError::Frozen { .. } => "frozen",
            ReserveError::Price(_) => "price",
            ReserveError::Account(_) => "account",
            ReserveError::Journal(_) => "journal",
            ReserveError::Invalid(_) => "invalid",
            ReserveError::Queued(_) => "queued",
        }
    }

    /// How long after the refusal the call could pass, if nothing else is charged until then: when
    /// a new window begins, or enough of a rolling period has passed. `None` if no time is known:
    /// the call waits for calls under way, for earlier calls or for a person, or it can never pass
    /// as asked.
    ///
    /// The `Retry-After` header of a 429 answer is in whole seconds, so round it up:
    ///
    /// ```
    /// use bursar::{BudgetManager, Estimate, Limit, Period, Usd};
    /// use bursar::clock::ManualClock;
    /// use std::time::Duration;
    ///
    /// let budget = BudgetManager::builder()
    ///     .clock(ManualClock::at("2026-11-24T23:59:00.5Z".parse()?))
    ///     .limit("", Limit::spend(Usd::dollars(1)).per(Period::DAY))
    ///     .build()?;
    /// budget.reserve("crawler", &Estimate::fixed(Usd::dollars(1)))?.settle_cost(Usd::dollars(1));
    /// let refused = budget.reserve("crawler", &Estimate::fixed(Usd::cents(1))).unwrap_err();
    /// let wait = refused.retry_after().expect("tomorrow");
    /// assert_eq!(wait, Duration::from_millis(59_500));
    /// assert_eq!(wait.as_secs() + u64::from(wait.subsec_nanos() > 0), 60);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_after(&self) -> Option<Duration> {
        self.denied()?.retry_after()
    }

    /// How many calls wait before it, if any.
    pub fn queued(&self) -> Option<&Queued> {
        match self {
            ReserveError::Queued(queued) => Some(queued),
            _ => None,
        }
    }

    /// The error for a rejected call of the account `asked_by`.
    #[cold]
    pub(super) fn from_rejection(rejection: Rejection, asked_by: &Path) -> Self {
        use InvalidCall as I;
        match rejection {
            Rejection::Blocked(mut denied) => {
                denied.asked_by = asked_by.clone();
                ReserveError::Denied(denied)
            }
            Rejection::Frozen { account, why } => ReserveError::Frozen { account, why },
            Rejection::Closed => AccountError::Closed(asked_by.clone()).into(),
            Rejection::Full => AccountError::Full.into(),
            Rejection::BadTags => ReserveError::Invalid(I::Tags),
            Rejection::NoSuchTag => ReserveError::Invalid(I::TagForgotten),
            Rejection::NotInside => ReserveError::Invalid(I::NotInside),
            Rejection::NoSuchHold => ReserveError::Invalid(I::OuterEnded),
            _ => ReserveError::Invalid(I::Impossible),
        }
    }
}

/// What makes no sense in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCall {
    /// Amounts that no call can have.
    #[error(
        "its cost is negative or above a hundred billion dollars, or its tokens above a trillion"
    )]
    Impossible,
    /// Tags that do not go together.
    #[error("a call has at most four tags, each of a tag tree of its own (`user:42`, `team:blue`)")]
    Tags,
    /// A tag that has been forgotten.
    #[error("a tag of it has been forgotten; ask the budget for the tag again")]
    TagForgotten,
    /// Output for a call that has none.
    #[error("its output cannot grow: it was reserved without a model; use `grow_cost`")]
    NoModel,
    /// The inner call belongs to another account.
    #[error(
        "an inner call is charged to the account of the outer call or to one below it, and carries \
         the outer call's tags"
    )]
    NotInside,
    /// The outer call has ended.
    #[error("the outer call has ended or expired")]
    OuterEnded,
    /// There is no hold that could be handed to a stream.
    #[error(
        "it has no hold that could be handed to a stream: the agent's `Agent::billing` has to be \
         `Billing::Streamed`, and it may hand it over once, before its call has ended"
    )]
    NoHold,
    /// A handle of another manager.
    #[error("a tag or an outer call comes from another BudgetManager")]
    ForeignHandle,
    /// A limit was lifted at the same moment.
    #[error("a limit changed at this very moment; ask again")]
    LimitLifted,
}

/// Who stands before a call, as data. Its `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Queued {
    /// The account that asked.
    pub asked_by: Path,
    /// The account that the limit is on: the one that asked, one above it, or a tag.
    pub account: Path,
    /// The limit that others wait for.
    pub limit: Arc<Limit>,
    /// How many of them came before it.
    pub ahead: usize,
}

impl std::error::Error for Queued {}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Queued { limit, ahead, .. } = self;
        let (calls, wait) = if *ahead == 1 { ("call", "waits") } else { ("calls", "wait") };
        let whose = if self.account == self.asked_by {
            "its limit".to_owned()
        } else {
            format!("the limit of {}", self.account.called())
        };
        write!(f, "{} comes too early: {ahead} {calls} ", self.asked_by.called())?;
        write!(
            f,
            "{wait} for {whose} ({limit}) already; ask with `wait` to stand in line, or longer"
        )
    }
}

/// Why a name is no account to charge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The path is malformed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The account has been closed, or is closing.
    #[error("{}", closed(.0))]
    Closed(Path),
    /// There is a run of that name already.
    #[error("there is an account {} already; give each run a name of its own", .0.called())]
    Exists(Path),
    /// A tag where an account belongs, or the other way round.
    #[error("`{0}` is not {1}")]
    WrongTree(Path, &'static str),
    /// The journal could not write it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The number of accounts is at its limit.
    #[error("{}", too_many(account, below.as_ref(), *most))]
    TooMany {
        /// The account that was not opened.
        account: Path,
        /// The account above, if it has too many below it; `None` if there are too many in all.
        below: Option<Path>,
        /// The limit.
        most: usize,
    },
    /// The account cannot be forgotten while its calls, or those of accounts below it, are under
    /// way.
    #[error("{} has {calls} under way; forget it when they have ended", account.called(), calls = calls_of(*calls))]
    InUse {
        /// The account.
        account: Path,
        /// How many calls.
        calls: u64,
    },
    /// The root of a tree stays as long as the budget.
    #[error("{} is the root of its tree; forget the accounts below it", .0.called())]
    Root(Path),
    /// The ledger has no place left.
    #[error("the ledger is full: it holds four billion accounts, holds and models at most")]
    Full,
}

impl AccountError {
    pub(super) fn from_rejection(rejection: &Rejection, path: &Path) -> AccountError {
        match rejection {
            Rejection::Exists => AccountError::Exists(path.clone()),
            Rejection::Full => AccountError::Full,
            Rejection::InUse { calls } => {
                AccountError::InUse { account: path.clone(), calls: *calls }
            }
            Rejection::NotClosable => AccountError::Root(path.clone()),
            _ => AccountError::Closed(path.clone()),
        }
    }
}

fn closed(account: &Path) -> String {
    if account.is_tag() {
        format!("{} has been forgotten; ask for the tag again", account.called())
    } else {
        format!("{} is closed; open another run", account.called())
    }
}

fn too_many(account: &Path, below: Option<&Path>, most: usize) -> String {
    let most = crate::ledger::grouped(i128::try_from(most).unwrap_or(i128::MAX));
    let (there, option) = match below {
        Some(parent) => {
            (format!("{} has {most} accounts below it", parent.called()), "max_children")
        }
        None => (format!("there are {most} accounts and tags"), "max_accounts"),
    };
    format!(
        "{} is not opened: {there}, the most that `Builder::{option}` allows; raise it, close runs \
         that have ended, or forget accounts and tags that are no longer used",
        account.called()
    )
}

fn calls_of(calls: u64) -> String {
    if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") }
}

/// Why a limit is not set or lifted. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetLimitError {
    /// The account or pattern is malformed.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The limit makes no sense.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The account has been closed, or there is no place for it.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The journal could not write it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no such limit to lift.
    #[error("there is no limit on this measure, period and model for these accounts")]
    NoSuchLimit,
    /// The ledger has no place left.
    #[error("the ledger is full: it holds four billion limits at most")]
    Full,
}

impl From<Rejection> for SetLimitError {
    fn from(rejection: Rejection) -> SetLimitError {
        match rejection {
            Rejection::Limit(error) => SetLimitError::Limit(error),
            Rejection::NoSuchLimit => SetLimitError::NoSuchLimit,
            _ => SetLimitError::Full,
        }
    }
}

/// Why a call is not recorded. Nothing has been booked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The name is no account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The journal could not write it now; it waits and is booked as soon as that can be, so that
    /// it must not be recorded again.
    #[error("the call waits to be booked: {0}")]
    Journal(JournalError),
    /// A call with that key has been booked within the last day.
    #[error("a call with the key `{0}` has been booked already")]
    AlreadyBooked(String),
    /// The call makes no sense.
    #[error("the call cannot be recorded: {0}")]
    Invalid(InvalidCall),
}

impl From<JournalError> for RecordError {
    fn from(error: JournalError) -> RecordError {
        RecordError::Journal(error)
    }
}
