//! The ledger's interface: what can be asked of it ([`Command`]), what happens
//! ([`Event`]), and why something is refused ([`Rejection`]).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::CostBound;
use super::amounts::Amounts;
use super::compact::{self, is_nothing};
use super::denied::Denied;
use super::holds::Part;
use super::limit::{Limit, LimitError};
use super::path::{Path, Scope};
use super::{AccountId, HoldId, ModelId, Tags, WindowId};
use crate::calendar::{CalendarUnit, Zone};
use crate::clock::Timestamp;
use crate::money::Usd;
use crate::usage::{Confidence, Usage};

/// Whom a call is charged to: one account of the main tree, at most four tags, one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The account.
    pub account: AccountId,
    /// The tags, each in a tree of its own.
    #[serde(
        default,
        skip_serializing_if = "is_nothing",
        serialize_with = "compact::tags",
        deserialize_with = "compact::read_tags"
    )]
    pub tags: Tags,
    /// The model that is asked.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub model: ModelId,
}

impl Target {
    /// An account without tags, and no model.
    pub const fn account(account: AccountId) -> Target {
        Target { account, tags: Tags::NONE, model: ModelId::NONE }
    }
}

/// What can be asked of a ledger.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Makes an account. The one above it must be there.
    OpenAccount {
        /// Its path.
        path: Path,
    },
    /// Gives a model a number.
    NameModel {
        /// Its name, `provider/id`.
        name: Arc<str>,
    },
    /// Makes a shared window of the calendar, before the first limit that counts over it.
    OpenWindow {
        /// The unit.
        unit: CalendarUnit,
        /// The zone.
        zone: Zone,
        /// The window around the present moment: its first moment, and the first one after it.
        bounds: (Timestamp, Timestamp),
    },
    /// Enters the next window. Due when the last has ended.
    RollWindow {
        /// The window.
        window: WindowId,
        /// The window around the present moment: its first moment, and the first one after it.
        bounds: (Timestamp, Timestamp),
    },
    /// Sets a limit, or changes the one that is for the same thing.
    SetLimit {
        /// The accounts it is for.
        scope: Scope,
        /// The limit.
        limit: Limit,
    },
    /// Lifts a limit.
    LiftLimit {
        /// The accounts it was set for.
        scope: Scope,
        /// A limit on the same measure, period and models; the amount does not matter.
        limit: Limit,
    },
    /// Refuses new calls of an account and all below it.
    Freeze {
        /// The account.
        account: AccountId,
        /// The reason, which each refusal repeats.
        why: Arc<str>,
    },
    /// Ends a freeze.
    Thaw {
        /// The account that was frozen.
        account: AccountId,
    },
    /// Refuses new calls of an account and all below it; when their last hold has ended, adds
    /// their totals to the account above and frees their places. A tag does not wait: it is refused
    /// while a hold carries it or one below it.
    Close {
        /// The account, not a root.
        account: AccountId,
    },
    /// Sets money and tokens aside for a call.
    Reserve(Reserve),
    /// Adds to a hold.
    Grow(Grow),
    /// Ends a hold and books what the call used.
    Settle(Settle),
    /// Ends a hold and books nothing.
    Release {
        /// The hold.
        hold: HoldId,
    },
    /// Ends a lease and charges what was held. Due when the lease has ended.
    ExpireCharged {
        /// The hold.
        hold: HoldId,
    },
    /// Ends a lease and gives back what was held. Due when the lease has ended; the caller's policy
    /// decides between this and [`ExpireCharged`](Command::ExpireCharged). Both keep the hold for a late
    /// settlement.
    ExpireReleased {
        /// The hold.
        hold: HoldId,
    },
    /// Makes a lease longer, or takes it away with [`Timestamp::MAX`].
    Renew {
        /// The hold.
        hold: HoldId,
        /// When the lease ends.
        lease_until: Timestamp,
    },
    /// Books a call that was made without a hold.
    Record(Record),
    /// Corrects what was booked.
    Adjust(Adjust),
    /// Notes what a cache has saved an account. No balance changes.
    RecordSaving {
        /// The account.
        account: AccountId,
        /// Picodollars.
        saved: i128,
    },
}

/// Sets money and tokens aside for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Whom to charge.
    pub target: Target,
    /// What the call may cost.
    pub bound: CostBound,
    /// True to take the part of a limit that is kept for wrapping up.
    pub wrap_up: bool,
    /// The hold of the call that makes this call. The money comes out of it as far as it goes.
    pub outer: Option<HoldId>,
    /// When the lease ends; [`Timestamp::MAX`] for none.
    pub lease_until: Timestamp,
}

impl Reserve {
    /// An amount of money for an account, and nothing else. An absurd amount is refused when it
    /// is decided.
    pub const fn fixed(account: AccountId, cost: Usd) -> Reserve {
        Reserve {
            target: Target::account(account),
            bound: CostBound::fixed(cost.pico()),
            wrap_up: false,
            outer: None,
            lease_until: Timestamp::MAX,
        }
    }
}

/// Adds to a hold: a call that outgrows what was set aside for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grow {
    /// The hold.
    pub hold: HoldId,
    /// What to add.
    pub bound: CostBound,
    /// True to take the part of a limit that is kept for wrapping up.
    pub wrap_up: bool,
}

/// Ends a hold and books what the call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The hold.
    pub hold: HoldId,
    /// What it cost.
    pub booking: Booking,
    /// What it used; `None` if that is unknown: the held tokens count as used.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: ModelId,
    /// How sure we are.
    pub confidence: Confidence,
}

impl Settle {
    /// A cost, and the tokens that were held.
    pub const fn cost(hold: HoldId, booking: Booking) -> Settle {
        let confidence = match booking {
            Booking::Exactly(_) => Confidence::Reported,
            Booking::AtLeast(_) => Confidence::Assumed,
        };
        Settle { hold, booking, usage: None, model: ModelId::NONE, confidence }
    }
}

/// What a call cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booking {
    /// Picodollars.
    Exactly(i128),
    /// What was held, or this many picodollars if that is more.
    AtLeast(i128),
}

/// Books a call that was made without a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whom to charge.
    pub target: Target,
    /// Picodollars.
    pub cost: i128,
    /// What it used.
    pub usage: Usage,
    /// The model that answered.
    pub model: ModelId,
    /// How sure we are.
    pub confidence: Confidence,
    /// A second call with the same key within a day is not booked.
    pub key: Option<u128>,
}

/// Corrects what was booked: an invoice that disagrees. No call, no tokens: money alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjust {
    /// Whom to charge, and the model that the correction is about.
    pub target: Target,
    /// Picodollars, negative where too much was booked.
    pub cost: i128,
    /// The moment that it is about: the window that it counts in. Not later than now.
    pub about: Timestamp,
    /// The reason.
    pub why: Arc<str>,
}

/// What happened, and when. A journal stores it with serde and reads it back; what it says is the
/// ledger's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The moment.
    pub at: Timestamp,
    /// The change.
    #[doc(hidden)]
    pub change: Change,
}

/// What happened. Ids instead of names, but where something gets its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// An account was made.
    Opened {
        /// Its id.
        account: AccountId,
        /// Its path.
        path: Path,
        /// The account above; `None` for the root of a tag tree.
        parent: Option<AccountId>,
    },
    /// A model got its number.
    ModelNamed {
        /// The number.
        model: ModelId,
        /// The name.
        name: Arc<str>,
    },
    /// A shared window was made.
    WindowOpened {
        /// Its id.
        window: WindowId,
        /// The unit.
        unit: CalendarUnit,
        /// The zone.
        zone: Zone,
        /// Its first moment, and the first one after it.
        bounds: (Timestamp, Timestamp),
    },
    /// A new window began.
    WindowRolled {
        /// The window.
        window: WindowId,
        /// Its first moment, and the first one after it.
        bounds: (Timestamp, Timestamp),
    },
    /// A limit was set or changed.
    LimitSet(Box<LimitChange>),
    /// A limit was lifted.
    LimitLifted {
        /// Its rule.
        rule: u32,
    },
    /// An account was frozen.
    Frozen {
        /// The account.
        account: AccountId,
        /// The reason.
        why: Arc<str>,
    },
    /// A freeze ended.
    Thawed {
        /// The account.
        account: AccountId,
    },
    /// An account refuses new calls, and ends when its last hold does.
    Closed {
        /// The account.
        account: AccountId,
    },
    /// Money and tokens were set aside.
    Reserved(Reserved),
    /// A hold grew.
    Grown(Grown),
    /// A hold ended, and what the call used was booked.
    Settled(Settled),
    /// A hold ended, and nothing was booked.
    Released {
        /// The hold.
        hold: HoldId,
    },
    /// A lease ended, and what was held was charged.
    ExpiredCharged {
        /// The hold.
        hold: HoldId,
    },
    /// A lease ended, and what was held was given back.
    ExpiredReleased {
        /// The hold.
        hold: HoldId,
    },
    /// A lease was made longer.
    Renewed {
        /// The hold.
        hold: HoldId,
        /// When it ends.
        lease_until: Timestamp,
    },
    /// A call was booked that had no hold.
    Recorded(Recorded),
    /// What was booked was corrected.
    Adjusted(Adjust),
    /// A cache saved an account money.
    SavingRecorded {
        /// The account.
        account: AccountId,
        /// Picodollars.
        saved: i128,
    },
}

/// A limit that was set or changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitChange {
    /// Its rule: a place in the ledger's list.
    pub rule: u32,
    /// The accounts it is for.
    pub scope: Scope,
    /// The limit.
    pub limit: Limit,
}

/// Money and tokens that were set aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reserved {
    /// The hold.
    pub hold: HoldId,
    /// Whom it is charged to.
    pub target: Target,
    /// How much in all.
    pub amounts: Amounts,
    /// The output cap that was admitted, for each choice.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub output_cap: u64,
    /// True if it could take the part of a limit that is kept for wrapping up.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub wrap_up: bool,
    /// The hold that some of it came out of.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub outer: Option<HoldId>,
    /// What came out of the outer hold.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub moved: Vec<Part>,
    /// When the lease ends.
    #[serde(default = "compact::never", skip_serializing_if = "compact::is_never")]
    pub lease_until: Timestamp,
}

/// What was added to a hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    /// The hold.
    pub hold: HoldId,
    /// How much in all.
    pub amounts: Amounts,
    /// The output cap that was admitted, for each choice.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub output_cap: u64,
    /// True if it could take the part of a limit that is kept for wrapping up.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub wrap_up: bool,
    /// What came out of the outer hold.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub moved: Vec<Part>,
}

/// A hold that ended, and what was booked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// The hold.
    pub hold: HoldId,
    /// What was held.
    pub held: Amounts,
    /// What was booked.
    pub booked: Amounts,
    /// What was used, by bucket.
    #[serde(serialize_with = "compact::usage")]
    pub usage: Usage,
    /// The model that answered.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub model: ModelId,
    /// How sure we are.
    pub confidence: Confidence,
}

/// A call that was booked without a hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Whom it was charged to.
    pub target: Target,
    /// What was booked.
    pub booked: Amounts,
    /// What was used, by bucket.
    #[serde(serialize_with = "compact::usage")]
    pub usage: Usage,
    /// The model that answered.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub model: ModelId,
    /// How sure we are.
    pub confidence: Confidence,
    /// The key under which it is remembered.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub key: Option<u128>,
}

/// Why a ledger refuses a command.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// A limit has no room.
    #[error("a limit has no room")]
    Blocked(Box<Denied>),
    /// The account, or one above it, is frozen.
    #[error("the account is frozen")]
    Frozen {
        /// The account that was frozen.
        account: Path,
        /// The reason that was given.
        why: Arc<str>,
    },
    /// The account is closed, or about to be.
    #[error("the account is closed")]
    Closed,
    /// The hold has ended.
    #[error("the hold has ended")]
    NoSuchHold,
    /// There is no such limit.
    #[error("there is no such limit")]
    NoSuchLimit,
    /// The window of a limit has not been opened, or has not ended.
    #[error("the window is not open, or has not ended")]
    NoSuchWindow,
    /// The account above has not been made.
    #[error("the account above is not there")]
    NoParent,
    /// There is an account of that path.
    #[error("there is such an account already")]
    Exists,
    /// A tag of the call is no tag, or two are of one tree.
    #[error("a call has at most four tags, each of a tag tree of its own")]
    BadTags,
    /// A tag of the call has been closed.
    #[error("a tag of the call is not there any more")]
    NoSuchTag,
    /// The inner call's account is neither the outer's nor below it.
    #[error("the inner account is neither the outer account nor below it")]
    NotInside,
    /// A root cannot be closed.
    #[error("the root of a tree cannot be closed")]
    NotClosable,
    /// Calls of the account, or of one below it, are under way.
    #[error("{calls} calls of the account are under way")]
    InUse {
        /// How many.
        calls: u64,
    },
    /// The amount is negative, or more than one charge can be.
    #[error("the amount is negative, or above a hundred billion dollars or a trillion tokens")]
    Impossible,
    /// A call with that key has been booked.
    #[error("a call with that key has been booked")]
    Duplicate,
    /// The lease has not ended.
    #[error("the lease has not ended")]
    NotDue,
    /// No place is left for another account, hold, model or event.
    #[error("the ledger is full")]
    Full,
    /// The limit makes no sense.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// When a refused call could pass, if nothing else is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// When calls that are under way settle for less than they hold.
    WhenHoldsEnd,
    /// At a moment: a new window, or enough of a rolling period gone by.
    At(Timestamp),
    /// Never, unless the limit is raised.
    Never,
}
