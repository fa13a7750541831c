//! Owns the hold of a call under way: what it is charged at, whichever way the call ends.

use std::future::Future;

use crate::budget::{Booked, Reservation};
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

/// The hold of a call under way. Dropped, its reply is lost. It stays where it is until it ends:
/// moving it about would cost more than the look-ups.
pub(super) struct Guard {
    hold: Reservation,
    /// Text and audio.
    input: (u64, u64),
    lost: Option<LostReply>,
    metered: bool,
    settled: bool,
}

impl Guard {
    /// A call that is about to be made. A metered agent sends nothing itself: its inner calls do.
    #[inline]
    pub(super) fn new(
        hold: Reservation,
        input: (u64, u64),
        lost: Option<LostReply>,
        metered: bool,
    ) -> Guard {
        if !metered {
            hold.mark_sent();
        }
        Guard { hold, input, lost, metered, settled: false }
    }

    /// Runs the call in the span of its hold.
    #[inline]
    pub(super) fn run<F: Future>(&self, call: F) -> impl Future<Output = F::Output> + use<F> {
        self.hold.span().run(call)
    }

    /// Books what a reply has cost, `None` if nothing; and says what its inner calls have taken out
    /// of the hold. Called once.
    #[inline]
    pub(super) fn settle(&mut self, bill: Option<Bill>) -> (Option<Booked>, Usd) {
        self.settled = true;
        let inner = self.hold.taken();
        let booked = match bill {
            None if self.metered => return (None, inner),
            None => self.hold.book_held(),
            Some(bill) if !is_empty(&bill) => self.hold.book(&bill),
            Some(_) if self.metered => return (None, inner),
            Some(bill) => self.hold.book(&bill.reported_cost(Usd::ZERO)),
        };
        (Some(booked), inner)
    }

    #[cold]
    fn lose(&mut self) {
        match self.lost {
            None => {} // as the manager says
            Some(LostReply::ChargeInput) if self.hold.model().is_some() => {
                let (text, input_audio) = self.input;
                self.hold.book_input(Usage { input_audio, ..Usage::tokens(text, 0) });
            }
            Some(LostReply::ChargeHold | LostReply::ChargeInput) => {
                self.hold.book_held();
            }
            Some(LostReply::Release) => self.hold.give_back_lost(),
        }
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        if !self.settled && !self.metered {
            self.lose();
        }
    }
}

/// True of a bill of nothing.
fn is_empty(bill: &Bill) -> bool {
    bill.usage.is_none() && bill.reported_cost.is_none_or(|cost| cost.is_zero())
}
