//! How a call ended, as a wrapper around a client says it: [`Reservation::judge`] and
//! [`Reservation::finish`].

use super::super::core::LostCall;
use super::{Priced, Receipt, Reservation};
use crate::price::Model;
use crate::usage::{Bill, Body, Head, Outcome};

impl Reservation {
    /// How the call ended, by the status and the whole body of its answer, as the manager's
    /// [`FailedCalls`](crate::usage::FailedCalls) have it. Takes every answer, a success too; where
    /// no body came, pass `""`. [`finish`](Reservation::finish) books it.
    ///
    /// ```
    /// use bursar::{BudgetManager, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
    /// for (status, body, cost) in [
    ///     (200, r#"{"usage": {"prompt_tokens": 1150, "completion_tokens": 340}}"#, "0.00285"),
    ///     (429, r#"{"error": {"message": "Too many requests", "type": "requests"}}"#, "0"),
    ///     (504, "<html>Gateway Time-out</html>", "0.0055"), // nobody knows: what was held
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

    /// The same for the beginning of an answer that has ended; `None` if that is no error.
    pub(crate) fn judge_head(&self, status: u16, head: &Head) -> Option<Outcome> {
        self.core.settings.failed.judge_head(self.provider(), status, head)
    }

    /// How the call ended if nobody has read the body of its answer.
    pub(crate) fn judge_unread(&self, status: u16) -> Outcome {
        self.core.settings.failed.judge_unread(self.provider(), status)
    }

    fn provider(&self) -> Option<&str> {
        self.model.as_ref().map(Model::price).map(|price| price.provider())
    }

    /// Ends the hold as the call ended: all ways in which a call can end, in one place. The receipt is
    /// `None` if nothing is booked.
    ///
    /// | outcome | what is booked |
    /// |---|---|
    /// | `Billed` | the bill, as by [`settle`](Reservation::settle) |
    /// | `Free` | a call of $0 |
    /// | `Unsent` | nothing, as by [`refund`](Reservation::refund) |
    /// | `Lost` | what was held, as assumed; nothing with [`LostCall::Release`] |
    ///
    /// With a journal it blocks until that is written, as `settle` does.
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
