//! [`CallGuard`]: the hold of a call under way, and how it is handed to a stream that outlives the
//! call.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::Billing;
use super::stream_hold::StreamHold;
use crate::budget::{CallSpan, LostCall, Receipt, Reservation, Ticket};
use crate::money::Usd;
use crate::sync::Lock;
use crate::usage::Outcome;

/// The hold of a call under way. Dropped, its reply is lost. It stays where it is until it ends:
/// moving it about would cost more than the look-ups.
pub(super) struct CallGuard {
    /// `None` while it is shared.
    hold: Option<Reservation>,
    shared: Option<Arc<SharedHold>>,
    span: CallSpan,
}

impl CallGuard {
    #[inline]
    pub(super) fn new(hold: Reservation) -> CallGuard {
        CallGuard { span: hold.span(), hold: Some(hold), shared: None }
    }

    /// The hold, for an agent that may hand it to a stream.
    #[cold]
    pub(super) fn share(&mut self) -> Option<Arc<SharedHold>> {
        let hold = Lock::new(State::Held(self.hold.take()?));
        self.shared = Some(Arc::new(SharedHold(hold)));
        self.shared.clone()
    }

    /// The hold if the call is to end it; else what inner calls had taken when it was handed over.
    #[inline]
    fn take_back(&mut self) -> Result<&mut Reservation, Usd> {
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

    /// Ends the hold, and returns what is booked, `None` if nothing; and what inner calls have cost of
    /// it. Of a metered agent, only a bill of its own is booked. An answer without a bill is
    /// charged as held, because it was not lost.
    #[inline]
    pub(super) fn end(
        &mut self,
        outcome: Outcome,
        billing: Billing,
        is_answer: bool,
    ) -> (Option<Receipt>, InnerCost) {
        let hold = match self.take_back() {
            Ok(hold) => hold,
            Err(inner) => return (None, InnerCost { known: inner, exact: None }), // a stream books it
        };
        let known = hold.taken();
        let exact = if known.is_zero() { None } else { hold.taken_when_written() };
        let inner = InnerCost { known, exact };
        if is_answer {
            hold.set_on_lost(LostCall::ChargeHold);
        }
        match (outcome, billing) {
            (Outcome::Free | Outcome::Lost, Billing::Metered) => (None, inner),
            (outcome, _) => (hold.end(outcome), inner),
        }
    }
}

/// What inner calls have taken out of a hold.
pub(super) struct InnerCost {
    /// With a journal, an upper bound: what they held and have not given back in writing.
    known: Usd,
    exact: Option<Ticket<Usd>>,
}

impl InnerCost {
    #[inline]
    pub(super) async fn get(self) -> Usd {
        match self.exact {
            Some(written) => written.await.unwrap_or(self.known),
            None => self.known,
        }
    }
}

impl Drop for CallGuard {
    #[inline]
    fn drop(&mut self) {
        // What is shared ends with the call, even if the agent has kept its `Call`.
        let _ = self.take_back();
    }
}

/// A hold that the call ends, unless its agent has handed it to a stream: one of the two, once.
pub(super) struct SharedHold(Lock<State>);

enum State {
    Held(Reservation),
    /// A stream has it. So much had been taken by inner calls.
    MovedToStream(Usd),
    /// The call has ended it.
    Ended,
}

impl SharedHold {
    /// Moves the hold to a stream, which ends it; `None` if a stream has it, or the call has ended.
    pub(super) fn hand_over(&self) -> Option<StreamHold> {
        let mut state = self.0.lock();
        let State::Held(hold) = &*state else { return None };
        let moved = State::MovedToStream(hold.taken());
        match std::mem::replace(&mut *state, moved) {
            State::Held(hold) => Some(StreamHold::new(hold)),
            _ => None,
        }
    }

    fn take_back(&self) -> Result<Reservation, Usd> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Ended) {
            State::Held(hold) => Ok(hold),
            State::MovedToStream(taken) => Err(taken),
            State::Ended => Err(Usd::ZERO),
        }
    }
}

impl fmt::Debug for SharedHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedHold").finish_non_exhaustive()
    }
}
