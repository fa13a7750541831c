//! [`OuterHold`]: a borrowed hold that nested calls draw on but cannot end, and what a wrapper
//! around an agent asks of a guard besides.

use super::super::account::Account;
use super::super::books::Ticket;
use super::super::queue::Queue;
use super::Reservation;
use crate::ledger::{HoldId, Ledger};
use crate::money::Usd;

/// A hold that inner calls take from. It is ended by its guard alone; from then on inner calls are
/// refused with [`InvalidCall::OuterEnded`](crate::budget::InvalidCall::OuterEnded).
#[derive(Clone, Copy, Debug)]
pub(crate) struct OuterHold {
    pub(in crate::budget) core: u64,
    pub(in crate::budget) hold: HoldId,
}

impl Reservation {
    /// The same hold, for inner calls.
    #[inline]
    pub(crate) fn lend(&self) -> OuterHold {
        OuterHold { core: self.core.id, hold: self.hold }
    }

    /// What its inner calls have taken out of it.
    #[inline]
    pub(crate) fn taken(&self) -> Usd {
        let left = self.core.peek(|ledger| ledger.cost_held(self.hold));
        let left = Usd::from_pico(left.unwrap_or_default());
        self.held.checked_sub(left).unwrap_or(Usd::ZERO)
    }

    /// How many answers are asked for, one at least.
    pub(crate) fn choices(&self) -> u64 {
        self.choices.max(1)
    }

    /// The same when the ends of its inner calls are written, where there is a journal.
    pub(crate) fn taken_when_written(&self) -> Option<Ticket<Usd>> {
        self.core.books()?;
        let (hold, held) = (self.hold, self.held);
        let left = move |ledger: &mut Ledger, _: &mut Queue, _| ledger.cost_held(hold);
        let taken = move |left: Option<i128>| {
            let left = Usd::from_pico(left.unwrap_or_default());
            held.checked_sub(left).unwrap_or(Usd::ZERO)
        };
        Some(self.core.change_later(left, taken))
    }

    /// Where the manager waits for the disk: until all that was done before is written.
    pub(crate) fn written(&self) -> Option<Ticket<()>> {
        self.core.settings.waits_for_disk.then(|| self.core.flushed())
    }

    /// The input tokens that are held, without those that its inner calls have taken.
    pub(crate) fn input_held(&self) -> u64 {
        self.core.peek(|ledger| ledger.input_held(self.hold)).unwrap_or(0)
    }

    /// The output cap of all choices together.
    pub(crate) fn output_room(&self) -> u64 {
        self.max_output_tokens.saturating_mul(self.choices)
    }
}

impl Account {
    /// Where the manager waits for the disk: until all that was done before is written.
    pub(crate) fn written(&self) -> Option<Ticket<()>> {
        self.core.settings.waits_for_disk.then(|| self.core.flushed())
    }

    /// What is left of a hold of its budget for inner calls; zero once it has ended.
    pub(crate) fn left_of(&self, outer: OuterHold) -> Usd {
        let hold = self.core.read(|ledger, _| ledger.find_hold(outer.hold));
        let open = hold.filter(|hold| !hold.has_expired);
        open.map_or(Usd::ZERO, |hold| Usd::from_pico(hold.held))
    }
}
