//! [`Reservation::judge`] and [`Reservation::finish`]: end a hold by the status and body of an
//! answer.

use super::super::core::LostCall;
use super::{Priced, Receipt, Reservation};
use crate::money::Usd;
use crate::price::Model;
use crate::usage::{Bill, Body, Confidence, Head, Outcome, Usage};

impl Reservation {
    /// Judges how the call ended, by the HTTP status and the whole body of its answer and the
    /// manager's [`FailedCalls`](crate::usage::FailedCalls). Takes every answer, a success too;
    /// pass `""` if no body came. [`finish`](Reservation::finish) books the outcome.
    ///
    /// ```
    /// use bursar::{BudgetManager, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
    /// for (status, body, cost) in [
    ///     (200, r#"{"usage": {"prompt_tokens": 1150, "completion_tokens": 340}}"#, "0.00285"),
    ///     (429, r#"{"error": {"message": "Too many requests", "type": "requests"}}"#, "0"),
    ///     (504, "<html>Gateway Time-out</html>", "0.0055"), // lost: what was held
    /// ] {
    ///     let hold = budget.reserve("crawler", &call)?;
    ///     let outcome = hold.judge(status, body);
    ///     let receipt = hold.finish(outcome).expect("it was sent");
    ///     assert_eq!(receipt.cost, cost.parse()?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn judge<'b>(&self, status: u16, body: impl Into<Body<'b>>) -> Outcome {
        self.core.settings.failed.judge(self.provider(), status, body)
    }

    /// Judges a stream that has ended, by its beginning. `None` if it is not an error.
    pub(crate) fn judge_head(&self, status: u16, head: &Head) -> Option<Outcome> {
        self.core.settings.failed.judge_head(self.provider(), status, head)
    }

    /// Judges an answer whose body was not read.
    pub(crate) fn judge_unread(&self, status: u16) -> Outcome {
        self.core.settings.failed.judge_unread(self.provider(), status)
    }

    fn provider(&self) -> Option<&str> {
        self.model.as_ref().map(Model::price).map(|price| price.provider())
    }

    /// Ends the hold with the outcome of its call. Returns `None` if nothing is booked.
    ///
    /// | outcome | what is booked |
    /// |---|---|
    /// | `Billed` | the bill, as by [`settle`](Reservation::settle) |
    /// | `Free` | a call of $0 |
    /// | `Unsent` | nothing, as by [`refund`](Reservation::refund) |
    /// | `Lost` | what the manager's [`LostCall`] says: by default what was held, as assumed |
    pub fn finish(mut self, outcome: Outcome) -> Option<Receipt> {
        let receipt = self.end(outcome);
        self.core.wait_for_disk();
        receipt
    }

    /// The same where it is, without waiting for the disk.
    #[inline]
    pub(crate) fn end(&mut self, outcome: Outcome) -> Option<Receipt> {
        match outcome {
            Outcome::Billed(bill) => Some(self.book(bill)),
            Outcome::Free => Some(self.book(Bill::free())),
            Outcome::Unsent => {
                self.give_back("it was not sent".into());
                None
            }
            Outcome::Lost => {
                self.mark_sent();
                self.lose()
            }
        }
    }

    /// Ends a hold whose guard is dropped, or whose call is lost.
    #[cold]
    #[inline(never)]
    pub(super) fn lose(&mut self) -> Option<Receipt> {
        match self.lost().filter(|_| self.is_sent()) {
            Some((usage, priced)) => Some(self.charge(usage.as_ref(), priced)),
            None => {
                self.give_back("its reply was lost".into());
                None
            }
        }
    }

    /// What a lost call costs; `None` if it is given back.
    fn lost(&self) -> Option<(Option<Usage>, Priced)> {
        match self.on_lost? {
            LostCall::ChargeInput if self.model.is_some() => {
                let output = self.per_output.saturating_mul(i128::from(self.max_output_tokens));
                let output = Usd::from_pico(output.div_euclid(ATTO_PER_PICO));
                let cost = self.held.checked_sub(output).unwrap_or(Usd::ZERO);
                let usage = Usage::tokens(self.input_held(), 0);
                Some((Some(usage), Priced::exactly(cost, Confidence::Estimated)))
            }
            LostCall::ChargeHold | LostCall::ChargeInput => Some((None, Priced::lost())),
            LostCall::Release => None,
        }
    }

    /// What becomes of this hold if its call is lost, whatever the manager's rule is.
    pub(crate) fn set_on_lost(&mut self, lost: LostCall) {
        self.on_lost = self.on_lost.map(|_| lost);
    }
}

const ATTO_PER_PICO: i128 = 1_000_000;
