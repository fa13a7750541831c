//! [`Books`]: reads requests and answers for the layer; [`Closures`], which are books of two closures.

use std::convert::Infallible;

use bursar::usage::Outcome;
use bursar::{Account, Bill, Estimate, Reservation};

/// What a request may cost, who pays, and what a response has cost.
pub trait Books<Request, Response, Error> {
    /// What callers are given: the response, or one whose body is metered.
    type Answer;
    /// Why a request has no estimate.
    type Unclear;

    /// An upper bound of what the request may cost.
    ///
    /// # Errors
    /// The request is not let through: unknown is not free.
    fn estimate(&self, request: &Request) -> Result<Estimate, Self::Unclear>;

    /// The account that pays for the request; `None`: that of the layer.
    fn account(&self, _request: &Request) -> Option<Account> {
        None
    }

    /// Books a response with [`Reservation::finish`] if it is all there, or gives its hold to a
    /// [`StreamHold`](bursar::agent::StreamHold) that goes with its body. [`Reservation::judge`] reads an outcome
    /// from a status and a body.
    fn settle(&self, hold: Reservation, response: Response) -> Self::Answer;

    /// How a failed call ended; by default the reply is lost.
    fn outcome_of_error(&self, _hold: &Reservation, _error: &Error) -> Outcome {
        Outcome::Lost
    }
}

/// Books of two closures, for services whose responses are all there when they come.
///
/// ```
/// use bursar::{Bill, BudgetManager, Usage, Usd};
/// use bursar_tower::{BudgetLayer, Closures};
/// # struct Answer { input: u64, output: u64 }
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let terra = budget.model("gpt-6.1-terra")?;
/// let layer = BudgetLayer::new(
///     &budget.account("crawler")?,
///     Closures(
///         move |prompt: &String| terra.estimate().input(prompt.len() as u64).max_output(800),
///         |answer: &Answer| Some(Bill::new(Usage::tokens(answer.input, answer.output))),
///     ),
/// );
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The first bounds a request, the second reads the bill of a response: an empty one if it was free,
/// `None` if it has none and counts as lost. A failure of the service counts as lost.
#[derive(Clone, Copy, Debug)]
pub struct Closures<E, B>(pub E, pub B);

impl<Request, Response, Error, E, B> Books<Request, Response, Error> for Closures<E, B>
where
    E: Fn(&Request) -> Estimate,
    B: Fn(&Response) -> Option<Bill>,
{
    type Answer = Response;
    type Unclear = Infallible;

    fn estimate(&self, request: &Request) -> Result<Estimate, Infallible> {
        Ok((self.0)(request))
    }

    fn settle(&self, hold: Reservation, response: Response) -> Response {
        hold.finish(Outcome::from((self.1)(&response)));
        response
    }
}
