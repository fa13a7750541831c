//! `Reservation::without_gaps`: fills in from the hold what a bill lacks, an input that was not
//! counted and reasoning that was not shown.

use super::Reservation;
use crate::usage::{Bill, Confidence, Doubt};

impl Reservation {
    /// Fills in the missing sides of a bill from the hold. Most bills have no doubts and pass
    /// unchanged.
    #[inline]
    pub(super) fn without_gaps(&self, mut bill: Bill) -> Bill {
        if !bill.doubts.is_empty() {
            self.fill_gaps(&mut bill);
        }
        bill
    }

    /// An input that was not counted is that of the hold. If a stream was cut and the model can
    /// reason, the output up to the cap counts as reasoning, because hidden reasoning is billed
    /// too.
    #[cold]
    #[inline(never)]
    fn fill_gaps(&self, bill: &mut Bill) {
        let is_missing = |doubt: &Doubt| match doubt {
            Doubt::Missing { side } => side == "input",
            Doubt::CutShort => true,
            _ => false,
        };
        if bill.doubts.iter().any(is_missing) && bill.usage.input_tokens() == 0 {
            bill.usage.input_uncached = self.input_held();
            bill.confidence = bill.confidence.max(Confidence::Estimated);
        }
        if bill.doubts.contains(&Doubt::CutShort) && self.may_reason() {
            let unseen = self.output_room().saturating_sub(bill.usage.output_tokens());
            bill.usage.reasoning = bill.usage.reasoning.saturating_add(unseen);
            bill.confidence = bill.confidence.max(Confidence::Estimated);
        }
    }

    /// False if the request switches reasoning off, or the model cannot reason.
    fn may_reason(&self) -> bool {
        !self.reasoning_off && self.model.as_ref().is_none_or(|model| model.price().can_reason())
    }
}
