//! [`Reservation::judge`] and [`Reservation::finish`]: end a hold by the status and body of an
//! answer.

use super::super::core::LostCall;
use super::{Priced, Receipt, Reservation};
use crate::price::Model;
use crate::usage::{Bill, Body, Head, Outcome};

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
    /// | `Lost` | what was held, as assumed; nothing with [`LostCall::Release`] |
    ///
    /// With a journal it blocks until the change is written, as `settle` does.
    pub fn finish(mut self, outcome: Outcome) -> Option<Receipt> {
        match outcome {
            Outcome::Billed(bill) => Some(self.settle(bill)),
            Outcome::Free => Some(self.settle(Bill::free())),
            Outcome::Unsent => {
                self.refund("it was not sent");
                None
            }
            Outcome::Lost => {
                self.mark_sent();
                match self.core.settings.on_lost {
                    LostCall::ChargeHold => Some(self.end(None, Priced::lost())),
                    LostCall::Release => None, // given back as it is dropped, with an alert
                }
            }
        }
    }
}
