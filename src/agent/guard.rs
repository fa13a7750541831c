//! Owns the hold of a call under way: what it is charged at, whichever way the call ends.

use crate::budget::{Receipt, Reservation};
use crate::money::Usd;
use crate::usage::{Bill, Usage};

/// What a call costs whose reply is lost: an error without a bill, a timeout, a cancelled future, a
/// panic. It has usually been billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostReply {
    /// What was held, as [`Assumed`](crate::Confidence::Assumed). Never too little.
    ChargeHold,
    /// What was held but for the output, as [`Estimated`](crate::Confidence::Estimated): the input
    /// at the dearest rate that it can reach, and fees. For providers that stop and bill no output
    /// when the connection is cut. A fixed estimate has no output, and is charged whole.
    ChargeInput,
    /// Nothing; an [`Alert::Refunded`](crate::Alert::Refunded) says so.
    Release,
}

/// The hold of a call under way. Dropped, its reply is lost.
pub(super) struct Guard {
    hold: Option<Reservation>,
    /// Text and audio.
    input: (u64, u64),
    lost: Option<LostReply>,
    metered: bool,
}

impl Guard {
    /// A call that is about to be made. A metered agent sends nothing itself: its inner calls do.
    pub(super) fn new(
        hold: Reservation,
        input: (u64, u64),
        lost: Option<LostReply>,
        metered: bool,
    ) -> Guard {
        if !metered {
            hold.mark_sent();
        }
        Guard { hold: Some(hold), input, lost, metered }
    }

    /// Books what a reply has cost, and what its inner calls have taken out of the hold with it.
    pub(super) fn settle(mut self, bill: Option<Bill>) -> (Option<Receipt>, Usd) {
        let Some(hold) = self.hold.take() else { return (None, Usd::ZERO) };
        let inner = hold.taken();
        let receipt = match bill.map(|bill| (is_empty(&bill), bill)) {
            None if !self.metered => hold.charge_held(),
            None => return (None, inner),
            Some((true, _)) if self.metered => return (None, inner),
            Some((true, bill)) => hold.settle(bill.reported_cost(Usd::ZERO)),
            Some((false, bill)) => hold.settle(bill),
        };
        let cost = receipt.cost.checked_add(inner).unwrap_or(Usd::MAX);
        (Some(receipt), cost)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take().filter(|_| !self.metered) else { return };
        match self.lost {
            None => drop(hold), // as the manager says
            Some(LostReply::ChargeInput) if hold.model().is_some() => {
                let (text, input_audio) = self.input;
                hold.charge_input(Usage { input_audio, ..Usage::tokens(text, 0) });
            }
            Some(LostReply::ChargeHold | LostReply::ChargeInput) => {
                hold.charge_held();
            }
            Some(LostReply::Release) => hold.refund("its reply was lost"),
        }
    }
}

/// True of a bill of nothing.
fn is_empty(bill: &Bill) -> bool {
    bill.usage.is_none() && bill.reported_cost.is_none_or(|cost| cost.is_zero())
}
