//! Owns the middleware: [`BudgetMiddleware`].
//!
#![doc = include_str!("../README.md")]
#![deny(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![warn(unreachable_pub)]

mod answer;
mod call;

use bursar::agent::Tab;
use bursar::{Account, Bill, BudgetManager, Reservation};
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

    /// Allows so many input tokens for what a request brings and does not hold: a stored talk, a
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
        let Some((hold, input)) = admitted else { return next.run(request, extensions).await };
        // From here on, whoever drops this future loses a reply that has usually been billed.
        hold.mark_sent();
        match next.run(request, extensions).await {
            Ok(response) if response.status().is_success() => {
                Ok(metered(response, Tab::new(hold).expecting_input(input)))
            }
            // 5xx: nobody knows, and the hold is lost.
            Ok(response) => {
                if !response.status().is_server_error() {
                    rejected(hold);
                }
                Ok(response)
            }
            Err(error) => {
                if error.is_connect() || error.is_builder() {
                    rejected(hold);
                }
                Err(error)
            }
        }
    }
}

/// A call that the provider did not take: it is booked at nothing, and counts as a request.
fn rejected(hold: Reservation) {
    hold.settle(Bill::free());
}
