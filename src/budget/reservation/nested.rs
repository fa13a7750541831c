//! Owns a hold in the hands of those who may take from it and cannot end it, and what a wrapper
//! around an agent asks of a guard besides.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Priced, Receipt, Reservation};
use crate::ledger::{Booking, Settle};
use crate::money::Usd;
use crate::price::Terms;

/// A hold that inner calls take from. It is ended by its guard alone; from then on inner calls are
/// refused with [`InvalidCall::OuterEnded`](crate::budget::InvalidCall::OuterEnded).
pub(crate) struct OuterHold(Reservation);

impl OuterHold {
    /// For [`Ask::inside`](crate::budget::Ask::inside).
    pub(crate) fn guard(&self) -> &Reservation {
        &self.0
    }
}

impl Clone for OuterHold {
    fn clone(&self) -> OuterHold {
        self.0.lend()
    }
}

impl fmt::Debug for OuterHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterHold").field("held", &self.0.held).finish_non_exhaustive()
    }
}

impl Reservation {
    /// The same hold, for inner calls. It counts as ended there, so that dropping it ends nothing.
    #[inline]
    pub(crate) fn lend(&self) -> OuterHold {
        OuterHold(Reservation {
            core: Arc::clone(&self.core),
            hold: self.hold,
            at: self.at,
            held: self.held,
            max_output_tokens: self.max_output_tokens,
            output: self.output,
            alternative: self.alternative,
            model: None,
            terms: Terms::default(),
            sent: AtomicBool::new(self.is_sent()),
            ended: true,
        })
    }

    /// What its inner calls have left of it; zero once it has ended.
    pub(crate) fn left(&self) -> Usd {
        let nothing = Settle::cost(self.hold, Booking::Exactly(0));
        let settled = self.core.locked(|ledger, _| ledger.decide_settle(&nothing));
        settled.map_or(Usd::ZERO, |settled| Usd::from_pico(settled.held.cost))
    }

    /// The output cap of all choices together.
    pub(crate) fn output_room(&self) -> u64 {
        self.max_output_tokens.saturating_mul(self.output.choices)
    }

    /// Charges what is held, as assumed, whatever the manager does with lost calls: for a reply
    /// that came and says nothing of its usage.
    pub(crate) fn charge_held(mut self) -> Receipt {
        self.end(None, &mut Priced::lost())
    }
}
