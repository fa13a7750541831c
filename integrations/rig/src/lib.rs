//! [`Budget`]: a hard budget for the models of [rig](https://docs.rs/rig).
//!
//! One line around a model, and every call that is made of it, by an agent, in a loop over tools, by
//! an extractor or directly, whole or as a stream, is reserved before it is sent and settled by what
//! the provider answers:
//!
//! ```no_run
//! use bursar::{BudgetManager, Usd};
//! use bursar_rig::Budget;
//! use rig::agent::AgentBuilder;
//! use rig::providers::openai::OpenAI;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let budget = BudgetManager::new(Usd::dollars(5))?;
//! let crawler = budget.account("research/crawler")?;
//!
//! let model = OpenAI::from_env()?.completion("gpt-6.1-terra");
//! let model = Budget::new(&budget, &crawler).at_least(200).around(model);
//!
//! let agent = AgentBuilder::new(model).max_tokens(800).build();
//! println!("{}\n{}", agent.prompt("Will it rain?").await?.output(), budget.report());
//! # Ok(()) }
//! ```
//!
//! # What is booked
//!
//! | what happens | what is booked |
//! |---|---|
//! | the answer comes, or its stream is read to the provider's end | the provider's counts |
//! | a stream is dropped, or breaks off, midway | what had come, as estimated, and the output cap of a model that can reason |
//! | the provider answers with an error | what that costs by [`FailedCalls`](bursar::usage::FailedCalls): mostly nothing |
//! | the reply is lost, or its future is dropped | what was held, as assumed |
//! | there never was a connection | nothing |
//! | the budget refuses | nothing, and nothing is sent |
//!
//! A refusal is an error of the kind [`ErrorKind::Denied`], not retryable, and its message is the
//! sentence of bursar's [`ReserveError`](bursar::ReserveError), or says why the cost of the request
//! cannot be bounded. A [`bursar::Observer`] is given it as data.

#![deny(clippy::expect_used, clippy::float_arithmetic, clippy::panic, clippy::unwrap_used)]
#![warn(unreachable_pub)]

mod books;
mod transport;
mod wire;

use std::fmt;

use bursar::budget::ReserveRequest;
use bursar::price::UnknownModel;
use bursar::usage::Request;
use bursar::usage::tokens::Heuristic;
use bursar::{Account, BudgetManager, Model as PricedModel, Reservation, Tag};
use rig_core::Model;
use rig_core::error::{ErrorKind, ErrorReport, ProviderError};
use rig_core::operation::Completion;
use rig_core::wire::{Body, Encoded, Wire, WireFrame};

pub use transport::BudgetedTransport;
pub use wire::{BudgetedWire, Payload};

/// Whose money a model of rig's spends, and on what terms.
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use bursar::{BudgetManager, Usd};
/// use bursar_rig::Budget;
/// use rig::providers::openai::OpenAI;
///
/// let budget = BudgetManager::new(Usd::dollars(5))?;
/// let team = budget.account("team/writer")?;
/// let terra = budget.model("gpt-6.1-terra")?;
/// let user = budget.tag("user:42")?;
///
/// let ours = OpenAI::from_env()?.chat("our-deployment");
/// let ours = Budget::new(&budget, &team).tag(&user).priced_as(&terra).around(ours);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    manager: BudgetManager,
    account: Account,
    at_least: Option<u64>,
    tags: Vec<Tag>,
    priced_as: Option<PricedModel>,
    unseen_input: Option<u64>,
    web_searches: Option<u64>,
}

impl Budget {
    /// Calls that this account of this budget pays for, at the prices of this budget.
    pub fn new(manager: &BudgetManager, account: &Account) -> Budget {
        Budget {
            manager: manager.clone(),
            account: account.clone(),
            at_least: None,
            tags: Vec::new(),
            priced_as: None,
            unseen_input: None,
            web_searches: None,
        }
    }

    /// Where the money does not reach for the output cap of a request, sends it with a shorter one,
    /// if there is enough for this many output tokens. Without it such a request is refused.
    #[must_use]
    pub fn at_least(mut self, output_tokens: u64) -> Budget {
        self.at_least = Some(output_tokens);
        self
    }

    /// Charges each call to this tag as well. At most four, each of a tag tree of its own.
    #[must_use]
    pub fn tag(mut self, tag: &Tag) -> Budget {
        self.tags.push(tag.clone());
        self
    }

    /// The model whose prices hold for each call, for a name that no price book has: an Azure
    /// deployment, an alias of a gateway. Without it, the model is the one that a request names. A
    /// bill that names another model which has a price is booked at that.
    #[must_use]
    pub fn priced_as(mut self, model: &PricedModel) -> Budget {
        self.priced_as = Some(model.clone());
        self
    }

    /// Allows this many input tokens for what a request refers to and does not contain: a stored talk, a
    /// file by its id. Without it such a request is refused, see [`Request::unseen`].
    #[must_use]
    pub fn allow_unseen_input(mut self, tokens: u64) -> Budget {
        self.unseen_input = Some(tokens);
        self
    }

    /// Bounds the searches that the provider runs in one call, where the request does not.
    #[must_use]
    pub fn allow_web_searches(mut self, searches: u64) -> Budget {
        self.web_searches = Some(searches);
        self
    }

    /// The same model with this budget around it: use it wherever the other was used.
    pub fn around<W, T>(self, model: Model<W, T>) -> Model<BudgetedWire<W>, BudgetedTransport<T>>
    where
        W: Wire<Op = Completion, Payload = Encoded, Frame = WireFrame>,
    {
        let wire = BudgetedWire::new(model.wire, self.at_least.is_some());
        Model::new(wire, BudgetedTransport::new(model.transport, self))
    }

    /// Sets aside what a request may cost, and gives it the output cap that it may have.
    fn admit<W>(&self, payload: Payload<W>) -> Result<(Reservation, Encoded), ProviderError>
    where
        W: Wire<Op = Completion, Payload = Encoded>,
    {
        let (model, request) = self.read(&payload)?;
        let estimate = model.estimate_of(&request).map_err(refused)?;
        let mut ask = self.tags.iter().fold(self.account.request(estimate), ReserveRequest::tag);
        if let Some(tokens) = self.at_least {
            ask = ask.at_least(tokens);
        }
        let hold = ask.reserve().map_err(refused)?;
        let wanted = request.max_output.or(model.price().max_output_tokens());
        let encoded = match wanted {
            Some(wanted) if hold.max_output_tokens() < wanted => {
                let shorter = payload.shortened(hold.max_output_tokens())?;
                is_capped(&shorter, &hold)?;
                shorter
            }
            _ => payload.encoded,
        };
        Ok((hold, encoded))
    }

    /// The model of a request, and what the request says about its cost.
    fn read<W>(&self, payload: &Payload<W>) -> Result<(PricedModel, Request), ProviderError> {
        let body = body_of(&payload.encoded)?;
        let named = payload.model.as_deref();
        let first = self.price_of(payload.provider.as_str(), named.unwrap_or_default());
        let request = read_as(first.as_ref().ok(), body)?;
        let (model, request) = match request.model.as_deref() {
            Some(name) if self.priced_as.is_none() && named != Some(name) => {
                let model = self.price_of(&payload.provider, name).map_err(refused)?;
                let request = read_as(Some(&model), body)?;
                (model, request)
            }
            _ => (first.map_err(refused)?, request),
        };
        Ok((model, request.bounded_by(self.unseen_input, self.web_searches)))
    }

    fn price_of(&self, provider: &str, name: &str) -> Result<PricedModel, UnknownModel> {
        match &self.priced_as {
            Some(model) => Ok(model.clone()),
            None => self.manager.prices().find_from(provider, name),
        }
    }
}

fn body_of(encoded: &Encoded) -> Result<&[u8], ProviderError> {
    match encoded.request.body() {
        Body::Bytes(body) => Ok(body),
        Body::Multipart(_) => Err(refused("a form has no tokens that could be counted")),
    }
}

fn read_as(model: Option<&PricedModel>, body: &[u8]) -> Result<Request, ProviderError> {
    let request = match model {
        Some(model) => model.read_request(body),
        None => Request::read(body, "", &Heuristic::new()),
    };
    request.map_err(refused)
}

/// Whether a shortened request says so: its options may have put the old cap back.
fn is_capped(shorter: &Encoded, hold: &Reservation) -> Result<(), ProviderError> {
    let cap = read_as(hold.model(), body_of(shorter)?)?.max_output;
    match cap.is_some_and(|cap| cap <= hold.max_output_tokens()) {
        true => Ok(()),
        false => Err(refused(format_args!(
            "there is money for {} output tokens, but the request cannot be shortened: its \
             additional parameters set the output cap; set `max_tokens` instead",
            hold.max_output_tokens()
        ))),
    }
}

/// The error of a request that was not sent.
fn refused(why: impl fmt::Display) -> ProviderError {
    let report = ErrorReport::new(ErrorKind::Denied, why.to_string()).with_retryable(false);
    ProviderError::Relayed(Box::new(report))
}

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
