//! The request: whether it calls a model, which account pays, and why not.

use std::borrow::Cow;

use bursar::budget::AccountError;
use bursar::price::UnknownModel;
use bursar::usage::tokens::Heuristic;
use bursar::usage::{self, RequestError};
use bursar::{Account, Model, Reservation, ReserveError, Tag};
use http::Extensions;
use serde::Deserialize;

use crate::BudgetMiddleware;

/// Why a request was not sent. Nothing is held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The budget says no.
    #[error("the request was not sent: {0}")]
    Budget(ReserveError),
    /// The model has no price.
    #[error("the request was not sent: {0}")]
    Model(UnknownModel),
    /// The cost of the request has no bound.
    #[error("the request was not sent: {0}")]
    Request(RequestError),
    /// The request names no model.
    #[error(
        "the request was not sent: its body names no model; \
         say which it is, with `.with_extension(budget.model(…)?)`"
    )]
    NoModel,
    /// The request names an account that is none.
    #[error("the request was not sent: {0}")]
    Account(AccountError),
    /// The header that names the account is empty or not plain text.
    #[error(
        "the request was not sent: the header that names its account is empty or not plain text"
    )]
    Header,
}

impl From<ReserveError> for Refused {
    fn from(error: ReserveError) -> Refused {
        Refused::Budget(error)
    }
}

impl From<UnknownModel> for Refused {
    fn from(error: UnknownModel) -> Refused {
        Refused::Model(error)
    }
}

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Refused {
        Refused::Request(error)
    }
}

impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Refused {
        Refused::Account(error)
    }
}

impl Refused {
    /// The refusal in an error of the client, if it is one.
    pub fn of(error: &reqwest_middleware::Error) -> Option<&Refused> {
        match error {
            reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
            reqwest_middleware::Error::Reqwest(_) => None,
        }
    }
}

/// A body that may be a call.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
}

impl BudgetMiddleware {
    /// The hold of a request that calls a model; `None` if it does not.
    pub(crate) fn admit(
        &self,
        request: &mut reqwest::Request,
        extensions: &Extensions,
    ) -> Result<Option<Reservation>, Refused> {
        let account = self.account_of(request, extensions)?;
        let Some(body) = request.body().and_then(reqwest::Body::as_bytes) else { return Ok(None) };
        let Ok(Named { model: name }) = serde_json::from_slice(body) else { return Ok(None) };
        let model = match (extensions.get::<Model>(), &name) {
            (Some(model), _) => model.clone(),
            (None, Some(name)) => self.budget.model(name)?,
            (None, None) => match usage::Request::read(body, "", &Heuristic::new()) {
                Err(RequestError::Unrecognised | RequestError::Malformed { .. }) => {
                    return Ok(None);
                }
                _ => return Err(Refused::NoModel),
            },
        };
        let call = model.read_request(body)?.bounded_by(self.unseen_input, None);
        let ask = account.request(model.estimate_of(&call)?);
        let hold = match extensions.get::<Tag>() {
            Some(tag) => ask.tag(tag).reserve()?,
            None => ask.reserve()?,
        };
        Ok(Some(hold))
    }

    fn account_of(
        &self,
        request: &mut reqwest::Request,
        extensions: &Extensions,
    ) -> Result<Account, Refused> {
        let header = self.header.as_ref().and_then(|name| request.headers_mut().remove(name));
        if let Some(account) = extensions.get::<Account>() {
            return Ok(account.clone());
        }
        let Some(header) = header else { return Ok(self.account.clone()) };
        let below = header.to_str().map_err(|_| Refused::Header)?;
        if below.trim().is_empty() {
            return Err(Refused::Header); // it would be the root
        }
        let path = match self.account.path().as_str() {
            "" => below.to_owned(),
            base => format!("{base}/{below}"),
        };
        Ok(self.budget.account(&path)?)
    }
}
