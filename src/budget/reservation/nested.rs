//! Owns a hold in the hands of those who may take from it and cannot end it, and what a wrapper
//! around an agent asks of a guard besides.

use super::super::account::Account;
use super::super::core::Core;
use super::{Priced, Receipt, Reservation};
use crate::ledger::{Booking, HoldId, Settle};
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

    /// What its inner calls have left of it.
    pub(crate) fn left(&self) -> Usd {
        left_of(&self.core, self.hold)
    }

    /// How many answers are asked for, one at least.
    pub(crate) fn choices(&self) -> u64 {
        self.output.choices.max(1)
    }

    /// The output cap of all choices together.
    pub(crate) fn output_room(&self) -> u64 {
        self.max_output_tokens.saturating_mul(self.output.choices)
    }

    /// Charges what is held, as assumed, whatever the manager does with lost calls: for a reply
    /// that came and says nothing of its usage.
    pub(crate) fn charge_held_soon(mut self) {
        match self.core.books() {
            None => drop(self.end(None, Priced::lost())),
            Some(_) => self.end_soon(None, &Priced::lost()),
        }
    }

    /// The same, for those who can await that it is written.
    pub(crate) async fn charge_held(self) -> Receipt {
        self.end_async(None, Priced::lost()).await
    }
}

impl Account {
    /// What is left of a hold of its budget for inner calls; zero once it has ended.
    pub(crate) fn left_of(&self, outer: OuterHold) -> Usd {
        left_of(&self.core, outer.hold)
    }
}

fn left_of(core: &Core, hold: HoldId) -> Usd {
    let nothing = Settle::cost(hold, Booking::Exactly(0));
    let settled = core.read(|ledger, _| ledger.decide_settle(&nothing));
    settled.map_or(Usd::ZERO, |settled| Usd::from_pico(settled.held.cost))
}
