//! Owns the ends of a hold that are written by another thread, or decided again: where there is a
//! journal, nobody may block in a `Drop` or a future.

use std::future::Future;

use super::super::core::{Core, number_for};
use super::{Priced, Receipt, Reservation, account_of};
use crate::clock::Timestamp;
use crate::ledger::{
    Booking, Change, Event, HoldId, Ledger, ModelId, Path, Rejection, Settle, Settled,
};
use crate::money::Usd;
use crate::price::Model;
use crate::usage::{Confidence, Usage};

/// How a hold is to end: all that has to be known to settle it, again if need be.
#[derive(Clone)]
pub(super) struct Ending {
    pub(super) owner: u64,
    pub(super) hold: HoldId,
    /// The model that answered.
    pub(super) model: Option<Model>,
    pub(super) booking: Booking,
    pub(super) usage: Option<Usage>,
    pub(super) confidence: Confidence,
    pub(super) why: Option<String>,
}

/// How a hold has ended.
pub(super) struct Ended {
    pub(super) account: Path,
    pub(super) cost: i128,
    pub(super) usage: Usage,
    pub(super) confidence: Confidence,
    pub(super) why: Option<String>,
    pub(super) at: Timestamp,
}

impl Ending {
    /// Settles by way of an event. What no call can have used is booked at what was held.
    pub(super) fn end(&self, ledger: &mut Ledger, now: Timestamp) -> Option<Ended> {
        let model = number_for(self.owner, ledger, now, self.model.as_ref());
        let (settled, ended) = self.decide(ledger, now, model)?;
        ledger.apply(&Event { at: now, change: Change::Settled(settled) });
        Some(ended)
    }

    pub(super) fn decide(
        &self,
        ledger: &Ledger,
        now: Timestamp,
        model: ModelId,
    ) -> Option<(Settled, Ended)> {
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
        let (cost, usage) = (settled.booked.cost, settled.usage);
        Some((settled, Ended { account, cost, usage, confidence, why, at: now }))
    }
}

impl Reservation {
    /// Ends the hold, and where there is a journal lets the caller await that it is written.
    pub(super) fn end_async(
        mut self,
        usage: Option<Usage>,
        priced: Priced,
    ) -> impl Future<Output = Receipt> + Send + use<> {
        let begun = match self.core.books() {
            None => Err(self.end(usage.as_ref(), priced)),
            Some(_) => {
                self.ended = true;
                let ending = self.ending(usage, &priced);
                let again = ending.clone();
                let work = move |ledger: &mut Ledger, now| ending.end(ledger, now);
                Ok((self.core.change_later(true, work, |ended| ended), again, priced))
            }
        };
        async move {
            match begun {
                Err(receipt) => receipt,
                Ok((ticket, ending, priced)) => {
                    let ended = ticket.await.ok();
                    let receipt = self.after_end(&ending, ended, priced);
                    self.span.settled(&receipt);
                    receipt
                }
            }
        }
    }

    /// Ends the hold; where there is a journal it is written by another thread, and the receipt says
    /// what it comes to: for those who may not block.
    #[inline]
    pub(super) fn end_unblocked(&mut self, usage: Option<Usage>, priced: Priced) -> Receipt {
        match self.core.books() {
            None => self.end(usage.as_ref(), priced),
            Some(_) => self.end_by_another(usage, priced),
        }
    }

    #[cold]
    fn end_by_another(&mut self, usage: Option<Usage>, mut priced: Priced) -> Receipt {
        let ending = self.ending(usage, &priced);
        let ended = self.core.read(|ledger, now| {
            let (_, ended) = ending.decide(ledger, now, ModelId::NONE)?;
            Some((ended.cost, ended.usage, ended.confidence, now))
        });
        self.end_soon(usage, &priced);
        let nothing = (0, Usage::NONE, priced.confidence, self.at);
        let (cost, usage, confidence, now) = ended.unwrap_or(nothing);
        priced.confidence = confidence;
        self.receipt(cost, usage, priced, now)
    }

    /// Books it, when it can be written.
    #[cold]
    pub(super) fn end_soon(&mut self, usage: Option<Usage>, priced: &Priced) {
        self.ended = true;
        self.disown();
        let ending = self.ending(usage, priced);
        let (held, computed, at, span) = (self.held, priced.computed, self.at, self.span.clone());
        self.core.change_soon(move |ledger, now| {
            let ended = ending.end(ledger, now)?;
            let receipt = Receipt {
                cost: Usd::from_pico(ended.cost),
                held,
                usage: ended.usage,
                confidence: ended.confidence,
                computed,
                model: ending.model.clone(),
                reserved_at: at,
                settled_at: now,
            };
            let span = span.clone();
            Some(Box::new(move |core: &Core| {
                span.settled(&receipt);
                core.tell_booked(ended.account, &receipt, ended.why);
            }))
        });
    }
}
