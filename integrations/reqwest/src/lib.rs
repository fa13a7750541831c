//! [`BudgetMiddleware`]: a hard budget for the requests of a reqwest client.
//!
#![doc = include_str!("../README.md")]
#![deny(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![warn(unreachable_pub)]

mod answer;
mod call;

use bursar::agent::StreamHold;
use bursar::usage::Outcome;
use bursar::{Account, BudgetManager, Reservation};
use http::{Extensions, HeaderName};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

pub use answer::metered;
pub use call::Refused;

/// A middleware that lets a model call through only while there is money for it, and books what it
/// has cost.
///
/// Money is charged to the account that it was made with, unless a request names another one: by
/// an [`Account`] among its extensions, or by [a header](BudgetMiddleware::account_header). A
/// [`Tag`](bursar::Tag) among the extensions is charged beside it. A [`Model`](bursar::Model) among
/// them is the model that is asked, where the body does not name it (Gemini, Azure).
///
/// A refused request fails with [`Error::Middleware`] that holds a [`Refused`], and is not sent.
#[derive(Clone, Debug)]
pub struct BudgetMiddleware {
    budget: BudgetManager,
    account: Account,
    header: Option<HeaderName>,
    unseen_input: Option<u64>,
}

impl BudgetMiddleware {
    /// Charges calls to this account of the budget.
    pub fn new(budget: &BudgetManager, account: &Account) -> BudgetMiddleware {
        let (budget, account) = (budget.clone(), account.clone());
        BudgetMiddleware { budget, account, header: None, unseen_input: None }
    }

    /// Lets a header of a request name an account, as a path below the one that is charged
    /// otherwise. The header is taken out and not sent.
    #[must_use]
    pub fn account_header(self, name: HeaderName) -> BudgetMiddleware {
        BudgetMiddleware { header: Some(name), ..self }
    }

    /// Allows this many input tokens for what a request refers to and does not contain: a stored talk, a
    /// file. Without it such a request is refused, see
    /// [`Request::with_unseen_input`](bursar::usage::Request::with_unseen_input).
    #[must_use]
    pub fn allow_unseen_input(self, tokens: u64) -> BudgetMiddleware {
        BudgetMiddleware { unseen_input: Some(tokens), ..self }
    }
}

#[async_trait::async_trait]
impl Middleware for BudgetMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let admitted = self.admit(&mut request, extensions).map_err(Error::middleware)?;
        let Some(hold) = admitted else { return next.run(request, extensions).await };
        // From here on, dropping this future loses a reply that has usually been billed.
        hold.mark_sent();
        match next.run(request, extensions).await {
            Ok(response) if response.status().is_success() => {
                Ok(metered(response, StreamHold::new(hold)))
            }
            Ok(response) => Ok(failed(hold, response).await?),
            Err(error) => {
                let is_unsent = error.is_connect() || error.is_builder();
                hold.finish(if is_unsent { Outcome::Unsent } else { Outcome::Lost });
                Err(error)
            }
        }
    }
}

/// Books a failure by its body, which says whether it is the provider's own: it is read whole, and
/// passed on as it came. A body that breaks off is lost.
async fn failed(hold: Reservation, response: Response) -> Result<Response, reqwest::Error> {
    let status = response.status().as_u16();
    let (response, body) = answer::read(response).await?;
    let outcome = hold.judge(status, &body[..]);
    hold.finish(outcome);
    Ok(response)
}
