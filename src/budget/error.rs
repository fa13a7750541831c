//! Owns why the manager says no: [`ReserveError`] with its [`Denied`], and the small errors of the
//! other operations.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::alert::called;
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::{
    Ledger, Limit, LimitError, LimitId, Measure, Path, PathError, Quantity, Refusal, Rejection,
    Retry,
};
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
    #[error("{} is frozen: {why}", called(account))]
    Frozen {
        /// The account that was frozen.
        account: Path,
        /// The reason that was given.
        why: Arc<str>,
    },
    /// Nobody knows what the call may cost.
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

    /// The refusal of a call without an output cap.
    pub(super) fn with_assumed_output(mut self, tokens: Option<u64>) -> ReserveError {
        if let ReserveError::Denied(denied) = &mut self {
            denied.assumed_output_tokens = tokens;
        }
        self
    }

    /// Who stands before it, if somebody does.
    pub fn queued(&self) -> Option<&Queued> {
        match self {
            ReserveError::Queued(queued) => Some(queued),
            _ => None,
        }
    }

    /// Puts into words that `ahead` others stand before a call at a limit.
    pub(super) fn behind(ledger: &Ledger, limit: LimitId, ahead: usize, asked_by: &Path) -> Self {
        match ledger.about(limit) {
            Some((account, limit)) => ReserveError::Queued(Box::new(Queued {
                asked_by: asked_by.clone(),
                account: account.clone(),
                limit: Arc::clone(limit),
                ahead,
            })),
            None => ReserveError::Invalid(InvalidCall::LimitLifted),
        }
    }

    /// Puts a ledger's rejection into names. `asked_by` is the account that asked, if it is known.
    #[cold]
    pub(super) fn from_rejection(ledger: &Ledger, rejection: Rejection, asked_by: &Path) -> Self {
        use InvalidCall as I;
        match rejection {
            Rejection::Blocked(refusal) => match Denied::new(ledger, &refusal, asked_by) {
                Some(denied) => ReserveError::Denied(Box::new(denied)),
                None => ReserveError::Invalid(I::LimitLifted),
            },
            Rejection::Frozen { account } => match ledger.account(account) {
                Some(view) => ReserveError::Frozen {
                    account: view.path.clone(),
                    why: view.frozen_why.cloned().unwrap_or_default(),
                },
                None => AccountError::Closed(asked_by.clone()).into(),
            },
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
    /// The inner call belongs to somebody else.
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

/// A refusal as data. Its `Display` is a sentence that says which limit, why, and what would help.
///
/// All amounts are in the measure of the limit.
///
/// ```
/// use bursar::{BudgetManager, Quantity, ReserveError, Usd};
///
/// let budget = BudgetManager::new(Usd::cents(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_000).max_output(4_000);
/// let Err(ReserveError::Denied(why)) = budget.reserve("crawler", &call) else { unreachable!() };
/// assert_eq!(why.asked, Quantity::Money("0.02125".parse()?));
/// assert_eq!(why.available, Quantity::Money(Usd::cents(1)));
/// assert_eq!(why.max_output_tokens, Some(1_750)); // so many would fit now
/// assert_eq!(why.retry_at(), None); // time alone does not help: the limit has no period
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Denied {
    /// The account that asked.
    pub asked_by: Path,
    /// The account that the limit is on: the one that asked, one above it, or a tag.
    pub account: Path,
    /// The limit; of several that are in the way, the one that stays so longest.
    pub limit: Arc<Limit>,
    /// What was asked for, with the shortest output that is of use.
    pub asked: Quantity,
    /// Of a call inside another, what the outer hold has left of that; `None` if it is no such call,
    /// or the limit does not count the outer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_outer: Option<Quantity>,
    /// What is spent in the present window.
    pub spent: Quantity,
    /// What is held for calls under way.
    pub held: Quantity,
    /// What a call may take now, what the outer hold gives included; negative when the limit is
    /// overrun.
    pub available: Quantity,
    /// When the call could pass, if nothing else is charged.
    pub retry: Retry,
    /// The largest output cap that would pass every limit now, in tokens; `None` if none would.
    pub max_output_tokens: Option<u64>,
    /// The output cap that was asked for because the call names none: the most that its model can
    /// answer, in tokens. `None` if it names one, or makes do with a shorter output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed_output_tokens: Option<u64>,
    /// When it was refused.
    pub at: Timestamp,
}

impl Denied {
    fn new(ledger: &Ledger, refusal: &Refusal, asked_by: &Path) -> Option<Denied> {
        let (account, limit) = ledger.about(refusal.limit)?;
        let quantity = |value| limit.measure().quantity(value);
        let kept = limit.wrap_up.filter(|_| !refusal.wrap_up).map_or(0, Quantity::value);
        let taken = refusal.spent.saturating_add(refusal.held).saturating_add(kept);
        let room = limit.amount().value().saturating_sub(taken);
        let given = refusal.available.saturating_sub(room);
        Some(Denied {
            asked_by: asked_by.clone(),
            account: account.clone(),
            limit: Arc::clone(limit),
            asked: quantity(refusal.asked),
            from_outer: refusal.is_inside.then(|| quantity(given)),
            spent: quantity(refusal.spent),
            held: quantity(refusal.held),
            available: quantity(refusal.available),
            retry: refusal.retry,
            max_output_tokens: refusal.max_output,
            assumed_output_tokens: None,
            at: refusal.at,
        })
    }

    /// When the call could pass by the passing of time alone.
    ///
    /// How long after the refusal that is: [`retry_after`](Denied::retry_after).
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self.retry {
            Retry::At(at) => Some(at),
            _ => None,
        }
    }

    /// How long from the [refusal](Denied::at) to [`retry_at`](Denied::retry_at), see
    /// [`ReserveError::retry_after`].
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_at().map(|at| at.since(self.at))
    }

    /// True if a shorter output would have asked for less of the limit.
    fn depends_on_output(&self) -> bool {
        !matches!(
            self.limit.measure(),
            Measure::Requests
                | Measure::InFlight
                | Measure::InputTokens
                | Measure::UncachedInputTokens
        )
    }

    fn write_what_is_left(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { limit, spent, held, available, .. } = self;
        let whose = match self.account == self.asked_by {
            true => "its limit".to_owned(),
            false => format!("the limit of {}", called(&self.account)),
        };
        if limit.measure() == Measure::PerCall {
            return write!(f, ", but {whose} is {limit}; ");
        }
        match self.from_outer {
            None => write!(f, ", but {whose} ({limit}) has {available} left: ")?,
            Some(given) => {
                let room = available.value().saturating_sub(given.value());
                let room = limit.measure().quantity(room);
                write!(f, " inside a call whose hold has {given} of it left, and for the rest ")?;
                write!(f, "{whose} ({limit}) has {room}: ")?;
            }
        }
        write!(f, "{spent} spent, {held} held; ")
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denied { limit, asked, .. } = self;
        write!(f, "{} asks for {asked}", called(&self.asked_by))?;
        if !limit.measure().is_money() {
            write!(f, " {}", limit.measure())?;
        }
        let grouped = |tokens| crate::ledger::grouped(i128::from(tokens));
        let assumed = self.assumed_output_tokens.filter(|_| self.depends_on_output());
        if let Some(tokens) = assumed.map(grouped) {
            write!(
                f,
                " ({tokens} output tokens are assumed, because the request names no output cap)"
            )?;
        }
        self.write_what_is_left(f)?;
        match (self.retry, self.from_outer) {
            (Retry::WhenHoldsEnd, Some(_)) => {
                f.write_str(
                    "it could pass inside a call that sets more aside, or when others end",
                )?;
            }
            (Retry::WhenHoldsEnd, None) => f.write_str("it could pass when calls under way end")?,
            (Retry::At(at), _) => write!(f, "it could pass at {at}")?,
            (Retry::Never, _) => {
                let as_asked = if self.max_output_tokens.is_some() { "as asked " } else { "" };
                write!(f, "{as_asked}it can never pass unless the limit is raised")?;
            }
        }
        match self.max_output_tokens {
            Some(tokens) => {
                write!(f, "; with a cap of {} output tokens it passes now", grouped(tokens))
            }
            None => Ok(()),
        }
    }
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
        let whose = match self.account == self.asked_by {
            true => "its limit".to_owned(),
            false => format!("the limit of {}", called(&self.account)),
        };
        write!(f, "{} comes too early: {ahead} {calls} ", called(&self.asked_by))?;
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
    #[error("there is an account {} already; give each run a name of its own", called(.0))]
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
    #[error("{} has {calls} under way; forget it when they have ended", called(account), calls = calls_of(*calls))]
    InUse {
        /// The account.
        account: Path,
        /// How many calls.
        calls: u64,
    },
    /// The root of a tree stays as long as the budget.
    #[error("{} is the root of its tree; forget the accounts below it", called(.0))]
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
    match account.is_tag() {
        true => format!("{} has been forgotten; ask for the tag again", called(account)),
        false => format!("{} is closed; open another run", called(account)),
    }
}

fn too_many(account: &Path, below: Option<&Path>, most: usize) -> String {
    let most = crate::ledger::grouped(i128::try_from(most).unwrap_or(i128::MAX));
    let (there, option) = match below {
        Some(parent) => {
            (format!("{} has {most} accounts below it", called(parent)), "max_children")
        }
        None => (format!("there are {most} accounts and tags"), "max_accounts"),
    };
    format!(
        "{} is not opened: {there}, the most that `Builder::{option}` allows; raise it, close runs \
         that have ended, or forget accounts and tags that are no longer used",
        called(account)
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
