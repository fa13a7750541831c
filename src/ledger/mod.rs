//! [`Ledger`]: the pure state machine of accounts, limits, windows and holds.
//!
//! A decision looks at a command and either refuses it, changing nothing, or says what will happen
//! as an [`Event`]; [`Ledger::apply`] makes it so and cannot fail. Inside there is no clock, time
//! zone, lock, I/O, float or chance: the same events give the same ledger, in any process, on any
//! day. It knows no agents or caches, and of prices only the bound of a call; a model is an
//! opaque number with a name for filters.
//!
//! Most programs never meet this module: [`BudgetManager`](crate::BudgetManager) puts one ledger
//! behind one lock and deals in names, prices and guards. What a [`Journal`](crate::journal::Journal)
//! stores is documented here. Everything else of the machine (commands, changes, ids and views) is
//! left out of these pages: it is public so that it can be tested, fuzzed, simulated and replayed
//! from outside, and may change in any release.

mod accounts;
mod admin;
mod amounts;
mod changes;
mod check;
mod command;
mod compact;
mod counter;
mod denied;
mod fast_path;
mod filters;
mod holds;
mod limit;
mod nesting;
mod path;
mod path_walk;
mod per_call;
mod reserve;
mod rules;
mod settle;
mod tape;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use amounts::grouped;
pub use amounts::{Measure, Quantity};
pub(crate) use changes::Changed;
pub use command::{Event, Retry};
pub use denied::Denied;
pub use limit::{Limit, LimitError, ModelPattern, Period};
pub use path::{Path, PathError, Scope};
pub(crate) use reserve::Need;
pub use tape::{Entry, Posting, PostingKind};

#[doc(hidden)]
pub use crate::price::bound::CostBound;
#[doc(hidden)]
pub use accounts::{Balance, Totals};
#[doc(hidden)]
pub use amounts::Amounts;
#[doc(hidden)]
pub use command::{
    Adjust, Booking, Change, Command, Grow, Grown, LimitChange, Record, Recorded, Rejection,
    Reserve, Reserved, Settle, Settled, Target,
};
#[doc(hidden)]
pub use holds::Part;
#[doc(hidden)]
pub use view::{AccountView, HoldView, LimitView};

use crate::clock::Timestamp;
use accounts::{Accounts, Ancestors, NONE};
use changes::Changes;
use counter::{Counter, Level, Window};
use filters::Filters;
use holds::Holds;
use rules::Rules;
use tape::Tape;

/// An account of a ledger. An id outlives its account: after a close it names nothing.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct AccountId {
    index: u32,
    generation: u32,
}

impl AccountId {
    /// The root of the main tree.
    pub const ROOT: AccountId = AccountId { index: 0, generation: 0 };
    /// No account of any ledger.
    pub(crate) const NONE: AccountId = AccountId { index: u32::MAX, generation: u32::MAX };
}

/// A hold of a ledger. An id outlives its hold: after the end it names nothing.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
pub struct HoldId {
    index: u32,
    generation: u32,
}

/// Written as its two numbers: a journal is full of them.
macro_rules! pair {
    ($id:ident) => {
        impl From<(u32, u32)> for $id {
            fn from((index, generation): (u32, u32)) -> $id {
                $id { index, generation }
            }
        }

        impl From<$id> for (u32, u32) {
            fn from(id: $id) -> (u32, u32) {
                (id.index, id.generation)
            }
        }
    };
}

pair!(AccountId);
pair!(HoldId);

/// A model, as far as a ledger knows: a number, with a name for filters and reports.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId(pub(crate) u32);

impl ModelId {
    /// No model: a tool, a search, a sandbox.
    pub const NONE: ModelId = ModelId(0);
}

/// One limit on one account of a ledger.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LimitId(pub(crate) u32);

/// A shared window of the calendar.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowId(pub(crate) u32);

/// The tags of a call: at most four accounts, each in a tag tree of its own.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    ids: [AccountId; Tags::MOST],
    len: u8,
}

impl Tags {
    /// The most tags of one call.
    pub const MOST: usize = 4;
    /// No tags.
    pub const NONE: Tags = Tags { ids: [AccountId::ROOT; Tags::MOST], len: 0 };

    /// The tags with one more; `None` if there are four already.
    #[must_use]
    pub fn with(mut self, tag: AccountId) -> Option<Tags> {
        *self.ids.get_mut(usize::from(self.len))? = tag;
        self.len = self.len.saturating_add(1);
        Some(self)
    }

    /// Puts another account in the place of a tag.
    fn replace(&mut self, old: AccountId, new: AccountId) {
        let own = self.ids.iter_mut().take(usize::from(self.len));
        own.filter(|id| **id == old).for_each(|id| *id = new);
    }

    /// The tags.
    #[inline]
    pub fn as_slice(&self) -> &[AccountId] {
        &self.ids[..usize::from(self.len).min(Tags::MOST)]
    }
}

/// What a change has caused, for notifications. Collected while events are applied,
/// handed over by [`Ledger::take_notices`].
///
/// A notice carries the names of what it is about: a run can end, and its limits with it, by the
/// very settle that crossed a threshold.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// *Spent* has reached a threshold.
    Threshold {
        /// The limit.
        limit: LimitId,
        /// Its account.
        account: Path,
        /// What was set.
        rule: Arc<Limit>,
        /// When the window began that it is about, if that is over: the one before the present.
        window: Option<Timestamp>,
        /// The threshold.
        percent: u16,
        /// What is spent, in the limit's measure.
        spent: i128,
        /// The limit's amount.
        amount: i128,
    },
    /// Spent and held are together above the limit: a provider billed more than was held, a call
    /// was recorded without a hold, or the limit was lowered.
    Overrun {
        /// The limit.
        limit: LimitId,
        /// Its account.
        account: Path,
        /// What was set.
        rule: Arc<Limit>,
        /// When the window began that it is about, if that is over: the one before the present.
        window: Option<Timestamp>,
        /// Spent and held.
        committed: i128,
        /// The limit's amount.
        amount: i128,
    },
    /// A limit that only watches would have refused a call; once for each window.
    WouldRefuse {
        /// The limit.
        limit: LimitId,
        /// Its account.
        account: Path,
        /// What was set.
        rule: Arc<Limit>,
        /// When the window began that it is about, if that is over: the one before the present.
        window: Option<Timestamp>,
        /// Spent and held.
        committed: i128,
        /// The limit's amount.
        amount: i128,
    },
    /// A hold's lease has ended, and what it held has been charged.
    ExpiredCharged {
        /// The hold.
        hold: HoldId,
        /// The account that was charged.
        account: AccountId,
        /// Its path.
        path: Path,
        /// What was charged, in picodollars.
        cost: i128,
    },
    /// A hold's lease has ended, and what it held has been given back.
    ExpiredReleased {
        /// The hold.
        hold: HoldId,
        /// The account that would have been charged.
        account: AccountId,
        /// Its path.
        path: Path,
        /// What was given back, in picodollars.
        amount: i128,
    },
}

/// The pure machine. See the [module](self) for what it is and what it is not.
///
/// ```
/// use bursar::clock::Timestamp;
/// use bursar::ledger::{AccountId, Booking, Change, Command, Ledger, Limit, Rejection, Scope};
/// use bursar::ledger::{Reserve, Settle};
/// use bursar::Usd;
///
/// let mut ledger = Ledger::new();
/// let now = Timestamp::from_secs(0);
/// let limit = Limit::spend(Usd::dollars(1));
/// ledger.execute(now, &Command::SetLimit { scope: Scope::new("")?, limit })?;
///
/// // Sixty cents are held: a second call of sixty cents does not fit, whatever the first costs.
/// let call = Command::Reserve(Reserve::fixed(AccountId::ROOT, Usd::cents(60)));
/// let Change::Reserved(held) = ledger.execute(now, &call)?.change else { unreachable!() };
/// assert!(matches!(ledger.decide(now, &call), Err(Rejection::Blocked(_))));
///
/// // It cost ten: now there is room again.
/// let settle = Settle::cost(held.hold, Booking::Exactly(Usd::cents(10).pico()));
/// ledger.execute(now, &Command::Settle(settle))?;
/// assert!(ledger.decide(now, &call).is_ok());
/// ledger.check_invariants()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    now: Timestamp,
    events: u64,
    /// Grows when a window is opened or rolls: what a counter or an account knew of its window is
    /// stale then.
    window_epoch: u64,
    /// When the youngest of all windows began: what was reserved since lies in the present ones.
    latest_start: Timestamp,
    /// When the next window ends.
    next_roll: Timestamp,
    accounts: Accounts,
    counters: Vec<Option<Counter>>,
    free_counters: Vec<u32>,
    /// How many of the counters are caps for each call.
    per_call: u32,
    windows: Vec<Window>,
    filters: Filters,
    rules: Rules,
    models: Vec<Arc<str>>,
    model_ids: HashMap<Arc<str>, ModelId>,
    holds: Holds,
    keys: HashMap<u128, Timestamp>,
    keys_by_age: VecDeque<(Timestamp, u128)>,
    #[serde(skip)]
    notices: Vec<Notice>,
    #[serde(skip)]
    tape: Tape,
    #[serde(skip)]
    changes: Changes,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger::new()
    }
}

impl Ledger {
    /// The most events of one ledger: 2^49, a thousand calls a second for ten thousand years.
    pub const MAX_EVENTS: u64 = 1 << 49;

    /// How long the key of a recorded call is remembered, in seconds: a day, as long as Stripe
    /// keeps its idempotency keys at least.
    pub const KEY_SECONDS: u64 = 86_400;

    /// An empty ledger: the root of the main tree, and no limits.
    pub fn new() -> Ledger {
        let mut accounts = Accounts::default();
        accounts.insert(AccountId::ROOT, Path::root(), NONE);
        Ledger {
            now: Timestamp::MIN,
            events: 0,
            window_epoch: 1,
            latest_start: Timestamp::MIN,
            next_roll: Timestamp::MAX,
            accounts,
            counters: Vec::new(),
            free_counters: Vec::new(),
            per_call: 0,
            windows: Vec::new(),
            filters: Filters::default(),
            rules: Rules::default(),
            models: vec!["".into()],
            model_ids: HashMap::new(),
            holds: Holds::default(),
            keys: HashMap::new(),
            keys_by_age: VecDeque::new(),
            notices: Vec::new(),
            tape: Tape::default(),
            changes: Changes::default(),
        }
    }

    /// The time of the last event. It never goes back.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How many events have been applied.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// When something falls due by itself: a window that rolls, a lease that ends. Before any
    /// other command at or after that moment, [`due`](Ledger::due) has to be dealt with.
    #[doc(hidden)]
    #[inline]
    pub fn next_due(&self) -> Timestamp {
        let lease = self.holds.next_lease().map_or(Timestamp::MAX, |(_, until)| until);
        self.next_roll.min(lease)
    }

    /// What has fallen due by `now`. The new window of a roll is the caller's to compute, because
    /// a ledger has no calendar.
    #[doc(hidden)]
    pub fn due(&self, now: Timestamp) -> Option<Due<'_>> {
        if let Some((hold, until)) = self.holds.next_lease() {
            if until <= now && until <= self.next_roll {
                return Some(Due::LeaseEnd(hold));
            }
        }
        self.roll_due(now)
    }

    /// The window that has ended by `now`, whatever leases have ended too.
    pub(crate) fn roll_due(&self, now: Timestamp) -> Option<Due<'_>> {
        if self.next_roll > now {
            return None;
        }
        let ended = (0..).zip(&self.windows).find(|(_, window)| window.end <= now);
        ended.map(|(index, window)| Due::Roll {
            window: WindowId(index),
            unit: window.unit,
            zone: &window.zone,
        })
    }

    /// What the last events have caused, for notifications.
    #[doc(hidden)]
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// True if there are notices to take.
    #[inline]
    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// Says what a command would do at `now`, or why it is refused. Changes nothing.
    ///
    /// # Errors
    /// [`Rejection`], with the reason as data.
    #[doc(hidden)]
    pub fn decide(&self, now: Timestamp, command: &Command) -> Result<Event, Rejection> {
        let at = self.now.max(now);
        let change = match command {
            Command::Reserve(reserve) => Change::Reserved(self.decide_reserve(at, reserve)?),
            Command::Grow(grow) => Change::Grown(self.decide_grow(at, grow)?),
            Command::Settle(settle) => Change::Settled(self.decide_settle(settle)?),
            Command::Release { hold } => Change::Released { hold: self.decide_release(*hold)? },
            Command::Record(record) => Change::Recorded(self.decide_record(at, record)?),
            Command::Adjust(adjust) => Change::Adjusted(self.decide_adjust(at, adjust)?),
            other => self.decide_admin(at, other)?,
        };
        Ok(Event { at, change })
    }

    /// Makes an event so. It must come from [`decide`](Ledger::decide) of a ledger in this same
    /// state; then it cannot fail.
    pub fn apply(&mut self, event: &Event) {
        if self.tape.runs() {
            self.keep(event);
        }
        if self.changes.is_on() {
            self.note_event(event);
        }
        match &event.change {
            Change::Reserved(reserved) => self.apply_reserved(event.at, reserved),
            Change::Grown(grown) => self.apply_grown(event.at, grown),
            Change::Settled(settled) => self.apply_settled(event.at, settled),
            Change::Released { hold } => self.apply_released(event.at, *hold),
            Change::Recorded(recorded) => self.apply_recorded(event.at, recorded),
            Change::Adjusted(adjusted) => self.apply_adjusted(event.at, adjusted),
            other => self.apply_admin(event.at, other),
        }
    }

    /// Decides and applies.
    ///
    /// # Errors
    /// [`Rejection`]; nothing has changed then.
    #[doc(hidden)]
    pub fn execute(&mut self, now: Timestamp, command: &Command) -> Result<Event, Rejection> {
        let event = self.decide(now, command)?;
        self.apply(&event);
        Ok(event)
    }

    /// Begins to apply an event.
    #[inline]
    fn step(&mut self, at: Timestamp) {
        self.now = at;
        self.events = self.events.saturating_add(1);
    }

    #[inline]
    fn counter(&self, limit: u32) -> Option<&Counter> {
        self.counters[limit as usize].as_ref()
    }

    /// The places of the accounts that a charge goes to directly: one, and its tags.
    #[inline]
    fn charged(target: &Target) -> Charged<'_> {
        Charged { account: Some(target.account.index), tags: target.tags.as_slice().iter() }
    }

    /// The counters of all limits along a path.
    #[inline]
    fn limits_along<'a>(
        &'a self,
        path: Ancestors<'a>,
    ) -> impl Iterator<Item = (LimitId, &'a Counter)> {
        let limits = path.iter(&self.accounts).flat_map(|(_, account)| &account.all_limits);
        limits.filter_map(|limit| Some((LimitId(*limit), self.counter(*limit)?)))
    }

    /// What a counter has in its window at `now`.
    #[inline]
    fn level(&self, counter: &Counter, now: Timestamp) -> Level {
        counter.level(&self.accounts.at(counter.account).balance, &self.windows, now)
    }

    /// What a limit leaves to a call at `now`; negative when over.
    #[inline]
    fn room(&self, counter: &Counter, now: Timestamp, wrap_up: bool) -> i128 {
        counter.room(&self.accounts.at(counter.account).balance, &self.windows, now, wrap_up)
    }

    #[inline]
    fn filter_lets_through(&self, counter: &Counter, model: ModelId) -> bool {
        counter.filter == Counter::NO_FILTER || self.filters.lets_through(counter.filter, model)
    }
}

/// Something that has fallen due by itself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due<'a> {
    /// A window has ended: compute the one around the present moment and give a
    /// [`Command::RollWindow`].
    Roll {
        /// The window.
        window: WindowId,
        /// Its unit.
        unit: crate::calendar::CalendarUnit,
        /// Its zone.
        zone: &'a crate::calendar::Zone,
    },
    /// A lease has ended: give a [`Command::ExpireCharged`] or a [`Command::ExpireReleased`].
    LeaseEnd(HoldId),
}

/// An account, then its tags. A chain of iterators says the same and costs more.
struct Charged<'a> {
    account: Option<u32>,
    tags: std::slice::Iter<'a, AccountId>,
}

impl Iterator for Charged<'_> {
    type Item = u32;

    #[inline(always)]
    fn next(&mut self) -> Option<u32> {
        self.account.take().or_else(|| self.tags.next().map(|id| id.index))
    }
}
