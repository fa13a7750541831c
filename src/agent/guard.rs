//! Owns the hold of a call under way: what it is charged at, whichever way the call ends, and how it
//! is handed to a stream that outlives the call.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::tab::Tab;
use crate::budget::{Booked, CallSpan, Reservation};
use crate::money::Usd;
use crate::sync::Lock;
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
    /// `None` while it is shared.
    hold: Option<Reservation>,
    shared: Option<Arc<Shared>>,
    span: CallSpan,
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
        let span = hold.span();
        Guard { hold: Some(hold), shared: None, span, input, lost, metered, settled: false }
    }

    /// The hold, for an agent that may hand it to a stream.
    #[cold]
    pub(super) fn share(&mut self) -> Option<Arc<Shared>> {
        let hold = Lock::new(State::Held(self.hold.take()?));
        let input = self.input.0.saturating_add(self.input.1);
        self.shared = Some(Arc::new(Shared { hold, input }));
        self.shared.clone()
    }

    /// The hold if the call is to end it; else what inner calls had taken when it was handed over.
    #[inline]
    fn ends(&mut self) -> Result<&mut Reservation, Usd> {
        if let Some(shared) = self.shared.take() {
            self.hold = Some(shared.take_back()?);
        }
        self.hold.as_mut().ok_or(Usd::ZERO)
    }

    /// Runs the call in the span of its hold.
    #[inline]
    pub(super) fn run<F: Future>(&self, call: F) -> impl Future<Output = F::Output> + use<F> {
        self.span.run(call)
    }

    /// Books what a reply has cost, `None` if nothing; and says what its inner calls have taken out
    /// of the hold. Called once.
    #[inline]
    pub(super) fn settle(&mut self, bill: Option<Bill>) -> (Option<Booked>, Usd) {
        self.settled = true;
        let metered = self.metered;
        let hold = match self.ends() {
            Ok(hold) => hold,
            Err(inner) => return (None, inner), // a stream books it
        };
        let inner = hold.taken();
        let booked = match bill {
            None if metered => return (None, inner),
            None => hold.book_held(),
            Some(bill) if !bill.is_of_nothing() => hold.book(bill),
            Some(_) if metered => return (None, inner),
            Some(bill) => hold.book(bill.reported_cost(Usd::ZERO)),
        };
        (Some(booked), inner)
    }

    #[cold]
    fn lose(&mut self) {
        let (lost, (text, input_audio)) = (self.lost, self.input);
        let Ok(hold) = self.ends() else { return };
        match lost {
            None => {} // as the manager says
            Some(LostReply::ChargeInput) if hold.model().is_some() => {
                hold.book_input(Usage { input_audio, ..Usage::tokens(text, 0) });
            }
            Some(LostReply::ChargeHold | LostReply::ChargeInput) => {
                hold.book_held();
            }
            Some(LostReply::Release) => hold.give_back_lost(),
        }
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        if !self.settled && !self.metered {
            self.lose();
        }
        // What is shared ends with the call, even if the agent has kept its `Call`.
        let _ = self.ends();
    }
}

/// A hold that the call ends, unless its agent has handed it to a stream: one of the two, once.
pub(super) struct Shared {
    hold: Lock<State>,
    /// Input tokens at most.
    input: u64,
}

enum State {
    Held(Reservation),
    /// A stream has it. So much had been taken by inner calls.
    Handed(Usd),
    /// The call has ended it.
    Ended,
}

impl Shared {
    /// The tab of a stream that ends the hold; `None` if a stream has it, or the call has ended.
    pub(super) fn hand_over(&self) -> Option<Tab> {
        let mut state = self.hold.lock();
        let State::Held(hold) = &*state else { return None };
        let handed = State::Handed(hold.taken());
        match std::mem::replace(&mut *state, handed) {
            State::Held(hold) => Some(Tab::new(hold).expecting_input(self.input)),
            _ => None,
        }
    }

    fn take_back(&self) -> Result<Reservation, Usd> {
        let mut state = self.hold.lock();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Held(hold) => Ok(hold),
            State::Handed(taken) => Err(taken),
            State::Ended => Err(Usd::ZERO),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("input", &self.input).finish_non_exhaustive()
    }
}
