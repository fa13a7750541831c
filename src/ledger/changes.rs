//! [`Changes`]: which limits, accounts and holds the last events have changed, for calls that wait.
//! Nothing is noted while no call waits.

use super::accounts::Ancestors;
use super::amounts::Amounts;
use super::command::{Change, Event, Target};
use super::{AccountId, HoldId, Ledger, LimitId, ModelId};

/// Something that may admit a waiting call, or refuse it for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// What a limit counts.
    Count(LimitId),
    /// The limit itself: it was changed or lifted.
    Limit(LimitId),
    /// An account: it was frozen, thawed or closed, or has a new or changed limit.
    Account(AccountId),
    /// A hold: it has ended, or what inner calls may take of it has changed.
    Hold(HoldId),
}

/// What was noted since it was last taken, if it is noted at all.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    is_on: bool,
    noted: Vec<Changed>,
}

/// Two ledgers are equal whether callers wait for them or not.
impl PartialEq for Changes {
    fn eq(&self, _: &Changes) -> bool {
        true
    }
}

impl Changes {
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn note(&mut self, changed: Changed) {
        if self.is_on {
            self.noted.push(changed);
        }
    }
}

impl Ledger {
    /// Whether changes are noted from now on, until they are taken.
    pub(crate) fn note_changes(&mut self, note: bool) {
        self.changes.is_on = note;
        if !note {
            self.changes.noted.clear();
        }
    }

    /// True if there are changes to take.
    #[inline]
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.noted.is_empty()
    }

    /// What has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Changed> {
        std::mem::take(&mut self.changes.noted)
    }

    /// An account and those above it, in which calls of it are counted; none if it has been closed.
    pub(crate) fn line_of(&self, account: AccountId) -> impl Iterator<Item = AccountId> + '_ {
        let own = self.accounts.get(account).map(|_| account.index).into_iter();
        own.flat_map(|index| self.accounts.upward(index)).map(|index| self.accounts.id(index))
    }

    /// Notes what an event is about to change. What it does to limits is noted where it is done.
    #[cold]
    pub(super) fn note_event(&mut self, event: &Event) {
        match &event.change {
            Change::Settled(settled) => self.note_end(settled.hold, settled.booked, settled.model),
            Change::Released { hold }
            | Change::ExpiredCharged { hold }
            | Change::ExpiredReleased { hold } => {
                self.note_end(*hold, Amounts::NONE, ModelId::NONE);
            }
            Change::Recorded(recorded) => {
                self.note_counts(&recorded.target, recorded.target.model, &[recorded.booked]);
            }
            Change::Adjusted(adjusted) => {
                let amounts = Amounts { cost: adjusted.cost, ..Amounts::NONE };
                self.note_counts(&adjusted.target, adjusted.target.model, &[amounts]);
            }
            // A hold only takes room, but what comes out of another one leaves that.
            Change::Reserved(reserved) => {
                if let Some(outer) = reserved.outer {
                    self.note_end(outer, Amounts::NONE, ModelId::NONE);
                }
            }
            Change::Grown(grown) => {
                let outer = self.holds.get(grown.hold).and_then(|hold| hold.outer);
                self.changes.note(Changed::Hold(grown.hold));
                if let Some(outer) = outer {
                    self.note_end(outer, Amounts::NONE, ModelId::NONE);
                }
            }
            Change::Frozen { account, .. }
            | Change::Thawed { account }
            | Change::Closed { account } => self.changes.note(Changed::Account(*account)),
            _ => {}
        }
    }

    /// Notes what a hold is counted in, and those that its money came from.
    fn note_end(&mut self, id: HoldId, booked: Amounts, answered: ModelId) {
        let Some(hold) = self.holds.get(id) else { return };
        let (target, held) = (hold.target, hold.total());
        let around: Vec<HoldId> = hold.outer.iter().chain(&hold.beyond).copied().collect();
        self.changes.note(Changed::Hold(id));
        for outer in around {
            self.changes.note(Changed::Hold(outer));
        }
        self.note_counts(&target, answered, &[held, booked]);
    }

    /// Notes the limits along a target that count any of these amounts, for its model or for the one
    /// that answered.
    fn note_counts(&mut self, target: &Target, answered: ModelId, amounts: &[Amounts]) {
        let mut noted = std::mem::take(&mut self.changes.noted);
        for (limit, counter) in self.limits_along(Ancestors::of(target)) {
            let is_for = |model| self.filter_lets_through(counter, model);
            let counts = |amounts: &Amounts| counter.of(amounts) != 0;
            if amounts.iter().any(counts) && (is_for(target.model) || is_for(answered)) {
                noted.push(Changed::Count(limit));
            }
        }
        self.changes.noted = noted;
    }
}
