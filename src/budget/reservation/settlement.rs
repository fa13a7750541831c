//! [`Settlement`]: how a hold is charged, as a step that can be decided again; and how a hold is
//! given back.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::alert::Alert;
use super::super::core::{Core, number_for};
use super::super::trace::CallSpan;
use super::{Priced, Receipt, Reservation, account_of};
use crate::clock::Timestamp;
use crate::ledger::{
    Booking, Change, Event, HoldId, Ledger, ModelId, Path, Rejection, Settle, Settled,
};
use crate::money::Usd;
use crate::price::Model;
use crate::usage::{Confidence, Doubt, Usage};

/// How a hold is to be charged: all that has to be known to settle it, again if need be.
struct Settlement {
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
}

/// How a hold was charged.
#[derive(Clone)]
struct Charged {
    account: Path,
    receipt: Receipt,
    why: Option<String>,
    doubts: Vec<Doubt>,
    span: CallSpan,
}

impl Charged {
    /// Notifies the observers, once it is booked.
    fn announce(self, core: &Core) -> Receipt {
        self.span.settled(&self.receipt);
        core.tell_booked(self.account, &self.receipt, self.why, self.doubts);
        self.receipt
    }
}

impl Settlement {
    /// Settles by way of an event. `None` if the hold is gone.
    fn apply(&self, ledger: &mut Ledger, now: Timestamp) -> Option<Charged> {
        let model = number_for(self.owner, ledger, now, self.model.as_ref());
        let (settled, charged) = self.decide(ledger, now, model)?;
        ledger.apply(&Event { at: now, change: Change::Settled(settled) });
        Some(charged)
    }

    /// A charge that no call can have is booked at what was held.
    fn decide(
        &self,
        ledger: &Ledger,
        now: Timestamp,
        model: ModelId,
    ) -> Option<(Settled, Charged)> {
        let account = account_of(ledger, self.hold);
        let Settlement { hold, booking, usage, mut confidence, .. } = *self;
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
        Some((settled, Charged { account, receipt, why, doubts, span }))
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

    /// With a journal: what it comes to, before it is written.
    fn preview(&self, core: &Core) -> Receipt {
        let state = core.view();
        let now = core.time_for(&state.ledger);
        match self.decide(&state.ledger, now, ModelId::NONE) {
            Some((_, charged)) => charged.receipt,
            // Only a guard ends its hold, so that the hold is there.
            None => self.receipt(0, Usage::NONE, self.confidence, now),
        }
    }
}

impl Reservation {
    /// Ends the hold: at once in memory; with a journal another thread writes it, and the receipt
    /// says what it comes to.
    #[cold]
    #[inline(never)]
    pub(super) fn charge_at_length(&mut self, usage: Option<Usage>, priced: &Priced) -> Receipt {
        let settlement = Settlement {
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
        };
        let core = &self.core;
        if core.books().is_none() {
            return match core.locked(|ledger, now| settlement.apply(ledger, now)) {
                Some(charged) => charged.announce(core),
                None => settlement.preview(core),
            };
        }
        let receipt = settlement.preview(core);
        let mut last = None;
        core.change_soon(move |ledger, now| {
            // The hold is gone if a transaction was committed although the journal reported that it failed.
            last = settlement.apply(ledger, now).or(last.take());
            let charged = last.clone()?;
            Some(Box::new(move |core: &Core| drop(charged.announce(core))))
        });
        receipt
    }

    /// Ends the hold and books nothing; with a journal another thread writes it.
    pub(super) fn give_back(&mut self, why: Cow<'static, str>) {
        self.on_lost = None;
        self.span.released();
        let (hold, sent) = (self.hold, self.is_sent());
        let watched = self.core.is_watched() || sent;
        let mut last = None;
        self.core.change_soon(move |ledger, now| {
            if let Some(view) = ledger.find_hold(hold) {
                let account = (watched || view.is_charged).then(|| account_of(ledger, hold));
                let released = Change::Released { hold: ledger.decide_release(hold).ok()? };
                ledger.apply(&Event { at: now, change: released });
                // Without what its inner calls have taken out of it.
                let amount = Usd::from_pico(view.held);
                // Law 8: a refund is never silent.
                let refunded = (sent || view.is_charged).then(|| Arc::from(&*why));
                last = account.map(|account| GivenBack { at: now, account, amount, refunded });
            }
            let given = last.clone()?;
            Some(Box::new(move |core: &Core| given.announce(core)))
        });
    }
}

/// What was released, for the observers.
#[derive(Clone)]
struct GivenBack {
    at: Timestamp,
    account: Path,
    amount: Usd,
    /// Why, if it is a refund.
    refunded: Option<Arc<str>>,
}

impl GivenBack {
    fn announce(self, core: &Core) {
        let GivenBack { at, account, amount, refunded } = self;
        core.tell(|observer| observer.on_release(&account, amount));
        if let Some(why) = refunded {
            core.raise(&Alert::Refunded { at, account, amount, why });
        }
    }
}
