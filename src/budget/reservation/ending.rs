//! Owns the ends of a hold that somebody is told of: how it is settled, again if need be; and where
//! there is a journal, what is written by another thread, because nobody may block in a `Drop` or a
//! future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::super::books::Ticket;
use super::super::core::{Core, number_for};
use super::super::trace::CallSpan;
use super::{Priced, Receipt, Reservation, account_of};
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::{
    Booking, Change, Event, HoldId, Ledger, ModelId, Path, Rejection, Settle, Settled,
};
use crate::money::Usd;
use crate::price::Model;
use crate::sync::Lock;
use crate::usage::{Confidence, Doubt, Usage};

/// How a hold is to end: all that has to be known to settle it, again if need be.
#[derive(Clone)]
pub(super) struct Ending {
    owner: u64,
    hold: HoldId,
    /// The model that answered.
    model: Option<Model>,
    booking: Booking,
    usage: Option<Usage>,
    confidence: Confidence,
    why: Option<String>,
    doubts: Vec<Doubt>,
    held: Usd,
    computed: Option<Usd>,
    reserved_at: Timestamp,
    span: CallSpan,
    /// With a journal: how it ended when it was last decided.
    said: Option<Arc<Lock<Option<Ended>>>>,
}

/// How a hold has ended.
#[derive(Clone)]
pub(super) struct Ended {
    account: Path,
    receipt: Receipt,
    why: Option<String>,
    doubts: Vec<Doubt>,
    span: CallSpan,
}

impl Ended {
    /// Tells of it, once it is booked.
    fn tell(self, core: &Core) -> Receipt {
        self.span.settled(&self.receipt);
        core.tell_booked(self.account, &self.receipt, self.why, self.doubts);
        self.receipt
    }

    /// Tells of an end that nobody waits for.
    fn left(ended: Option<Ended>, core: &Core) {
        if let Some(ended) = ended {
            ended.tell(core);
        }
    }
}

impl Ending {
    /// Settles by way of an event. Run again because a transaction has failed that lasted all the
    /// same, it finds the hold gone, and says what it said before.
    fn work(&self) -> impl FnMut(&mut Ledger, Timestamp) -> Option<Ended> + Send + use<> {
        let ending = self.clone();
        move |ledger, now| {
            let model = number_for(ending.owner, ledger, now, ending.model.as_ref());
            let Some((settled, ended)) = ending.decide(ledger, now, model) else {
                return ending.said();
            };
            ledger.apply(&Event { at: now, change: Change::Settled(settled) });
            if let Some(said) = &ending.said {
                *said.lock() = Some(ended.clone());
            }
            Some(ended)
        }
    }

    fn said(&self) -> Option<Ended> {
        self.said.as_ref()?.lock().clone()
    }

    /// What no call can have used is booked at what was held.
    fn decide(&self, ledger: &Ledger, now: Timestamp, model: ModelId) -> Option<(Settled, Ended)> {
        let account = account_of(ledger, self.hold);
        let Ending { hold, booking, usage, mut confidence, .. } = *self;
        let mut why = self.why.clone();
        let settle = Settle { hold, booking, usage, model, confidence };
        let mut decided = ledger.decide_settle(&settle);
        if decided == Err(Rejection::Impossible) {
            confidence = Confidence::Assumed;
            why.get_or_insert_with(|| {
                "its counts or its cost are more than one call can have; settle with what was \
                 billed"
                    .to_owned()
            });
            let booking = Booking::AtLeast(0);
            decided = ledger.decide_settle(&Settle { booking, usage: None, confidence, ..settle });
        }
        let settled = decided.ok()?;
        let receipt = self.receipt(settled.booked.cost, settled.usage, confidence, now);
        let (doubts, span) = (self.doubts.clone(), self.span.clone());
        Some((settled, Ended { account, receipt, why, doubts, span }))
    }

    fn receipt(&self, cost: i128, usage: Usage, confidence: Confidence, at: Timestamp) -> Receipt {
        Receipt {
            cost: Usd::from_pico(cost),
            held: self.held,
            usage,
            confidence,
            computed: self.computed,
            model: self.model.clone(),
            reserved_at: self.reserved_at,
            settled_at: at,
        }
    }

    /// What it comes to, if it waits to be written; or came to, if it has been written since. It waits
    /// for nothing.
    fn preview(&self, core: &Core) -> Receipt {
        let state = core.view();
        let now = core.time_for(&state.ledger);
        let waits = self.decide(&state.ledger, now, ModelId::NONE).map(|(_, ended)| ended);
        drop(state);
        match waits.or_else(|| self.said()) {
            Some(ended) => ended.receipt,
            // Only a guard ends its hold, so that it is there or has ended so.
            None => self.receipt(0, Usage::NONE, self.confidence, now),
        }
    }

    /// Tells how it has ended. What could not be written is told when it is.
    fn ended(&self, core: &Core, ended: Result<Option<Ended>, JournalError>) -> Receipt {
        match ended {
            Ok(Some(ended)) => ended.tell(core),
            _ => self.preview(core),
        }
    }
}

/// The end of a hold that another thread writes. Awaited, it says what was booked, and tells the
/// observers. Dropped before, it is booked all the same, and who writes it tells them.
#[must_use = "to wait until it is written"]
pub(crate) struct Written {
    core: Arc<Core>,
    ending: Ending,
    ticket: Ticket<Option<Ended>>,
}

impl Written {
    /// What it comes to, without waiting.
    pub(crate) fn preview(&self) -> Receipt {
        self.ending.preview(&self.core)
    }
}

impl Future for Written {
    type Output = Receipt;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Receipt> {
        let ended = std::task::ready!(Pin::new(&mut self.ticket).poll(context));
        Poll::Ready(self.ending.ended(&self.core, ended))
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(ended) = self.ticket.give_up() {
            Ended::left(ended, &self.core);
        }
    }
}

/// What came of ending a hold where it is.
pub(crate) enum Booked {
    /// It is booked.
    Done(Receipt),
    /// It is when it is written: who waits for that knows it is in the journal.
    Soon(Box<Written>),
}

impl Reservation {
    fn ending(&self, usage: Option<Usage>, priced: &Priced) -> Ending {
        Ending {
            owner: self.core.id,
            hold: self.hold,
            model: priced.other_model.as_ref().or(self.model.as_ref()).cloned(),
            booking: priced.figures.booking,
            usage,
            confidence: priced.figures.confidence,
            why: priced.why.clone(),
            doubts: priced.doubts.clone(),
            held: self.held,
            computed: priced.figures.computed,
            reserved_at: self.at,
            span: self.span.clone(),
            said: self.core.books().map(|_| Arc::default()),
        }
    }

    /// Ends the hold and waits until that is written.
    #[cold]
    #[inline(never)]
    pub(super) fn end_at_length(&mut self, usage: Option<Usage>, priced: &Priced) -> Receipt {
        let ending = self.ending(usage, priced);
        let ended = self.core.book(ending.work(), Ended::left);
        ending.ended(&self.core, ended)
    }

    /// Ends the hold; where there is a journal, another thread writes it.
    #[inline]
    pub(super) fn charge_unblocked(&mut self, usage: Option<Usage>, priced: Priced) -> Booked {
        match self.core.books() {
            None => Booked::Done(self.charge(usage.as_ref(), priced)),
            Some(_) => Booked::Soon(Box::new(self.charge_later(usage, &priced))),
        }
    }

    /// Has another thread end the hold.
    #[cold]
    fn charge_later(&mut self, usage: Option<Usage>, priced: &Priced) -> Written {
        self.ended = true;
        let ending = self.ending(usage, priced);
        let ticket = self.core.book_later(ending.work(), Ended::left);
        Written { core: Arc::clone(&self.core), ending, ticket }
    }
}
