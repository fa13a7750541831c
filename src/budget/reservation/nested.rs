//! Owns a hold in the hands of those who may take from it and cannot end it, and what a wrapper
//! around an agent asks of a guard besides.

use std::future::Future;

use super::super::account::Account;
use super::{Booked, Priced, Reservation};
use crate::journal::JournalError;
use crate::ledger::HoldId;
use crate::money::Usd;
use crate::usage::{Bill, Confidence, Usage};

const ATTO_PER_PICO: i128 = 1_000_000;

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

    /// The output cap of all choices together.
    pub(crate) fn output_room(&self) -> u64 {
        self.max_output_tokens.saturating_mul(self.choices)
    }

    /// Charges what is held but for the output, as estimated; the input counts as used.
    pub(crate) fn book_input(&mut self, input: Usage) -> Booked {
        let output = self.per_output.saturating_mul(i128::from(self.max_output_tokens));
        let output = Usd::from_pico(output.div_euclid(ATTO_PER_PICO));
        let cost = self.held.checked_sub(output).unwrap_or(Usd::ZERO);
        self.end_unblocked(Some(input), Priced::exactly(cost, Confidence::Estimated))
    }

    /// Charges what is held, as assumed, whatever the manager does with lost calls: for a reply
    /// that came and says nothing of its usage.
    pub(crate) fn book_held(&mut self) -> Booked {
        self.end_unblocked(None, Priced::lost())
    }

    /// Settles where it is; what is done with it afterwards changes nothing.
    #[inline]
    pub(crate) fn book(&mut self, bill: Bill) -> Booked {
        let bill = self.without_gaps(bill);
        let priced = self.price(&bill);
        self.end_unblocked(Some(bill.total_usage()), priced)
    }
}

impl Account {
    /// With a journal: waits until all that was done before is written.
    pub(crate) fn flush_later(
        &self,
    ) -> Option<impl Future<Output = Result<(), JournalError>> + Send + use<>> {
        self.core.books()?;
        Some(self.core.change_later(|_, _, _| (), |()| ()))
    }

    /// With a journal, where a window or a lease has ended: waits until that is written.
    pub(crate) fn catch_up_later(
        &self,
    ) -> Option<impl Future<Output = Result<(), JournalError>> + Send + use<>> {
        let books = self.core.books()?;
        let now = self.core.now();
        let is_due = self.core.peek(|ledger| books.has_due(ledger, now, now));
        if is_due { self.flush_later() } else { None }
    }

    /// What is left of a hold of its budget for inner calls; zero once it has ended.
    pub(crate) fn left_of(&self, outer: OuterHold) -> Usd {
        let hold = self.core.read(|ledger, _| ledger.find_hold(outer.hold));
        let open = hold.filter(|hold| !hold.has_expired);
        open.map_or(Usd::ZERO, |hold| Usd::from_pico(hold.held))
    }
}
