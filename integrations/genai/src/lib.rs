//! [`BudgetedClient`]: a hard budget around the client of [genai](https://docs.rs/genai). Money
//! is reserved before each call and settled after it.
//!
//! ```no_run
//! use bursar::{BudgetManager, Usd};
//! use bursar_genai::BudgetedClient;
//! use genai::Client;
//! use genai::chat::{ChatOptions, ChatRequest};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let budget = BudgetManager::new(Usd::dollars(5))?;
//! let client = BudgetedClient::new(Client::new()?, &budget, budget.account("research")?);
//!
//! let options = ChatOptions::default().with_max_tokens(800);
//! let question = ChatRequest::from_user("How high is the Zugspitze?");
//! let answer = client.exec_chat("gpt-6.1-terra", question, Some(&options)).await?;
//! println!("{:?}, {} so far", answer.first_text(), budget.spent());
//! # Ok(()) }
//! ```
//! The README says what it covers, where it sits, and what it cannot see.

#![deny(
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]
#![warn(unreachable_pub)]

mod asked;
mod bill;
mod error;
mod stream;

use std::fmt;

use bursar::price::UnknownModel;
use bursar::usage::Request;
use bursar::{Account, BudgetManager, Model, Reservation, Tag};
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatRequest, ChatResponse, ReasoningEffort};
use genai::embed::{EmbedOptions, EmbedRequest, EmbedResponse};
use genai::{Client, ModelIden, ModelSpec};

pub use error::Error;
pub use stream::{BudgetedChatStream, ChatStreamResponse};

/// genai's [`Client`], with an account that pays for its calls. Clones share both.
///
/// Its methods are genai's own. What they book:
///
/// | what happens | what is booked |
/// |---|---|
/// | refused by the budget | nothing, and nothing is sent |
/// | an answer | the counts of the provider's body, at the price of the model and tier that answered |
/// | an error of the provider | what that costs by [`FailedCalls`](bursar::usage::FailedCalls): mostly a call of $0 |
/// | no connection, no key | nothing |
/// | a lost connection, an answer without usage, a dropped future | what was held, as assumed |
#[derive(Clone)]
pub struct BudgetedClient {
    client: Client,
    budget: BudgetManager,
    account: Account,
    tags: Vec<Tag>,
    at_least: Option<u64>,
    unseen_input: Option<u64>,
    web_searches: Option<u64>,
}

impl BudgetedClient {
    /// A client whose calls are charged to `account`, an account of `budget`.
    ///
    /// Give options to each call, not to genai's client: genai keeps the client's defaults to
    /// itself, so that what they add is not in the estimate.
    pub fn new(client: Client, budget: &BudgetManager, account: Account) -> BudgetedClient {
        BudgetedClient {
            client,
            budget: budget.clone(),
            account,
            tags: Vec::new(),
            at_least: None,
            unseen_input: None,
            web_searches: None,
        }
    }

    /// Charges the calls to this tag as well; at most four, each of a tag tree of its own.
    #[must_use]
    pub fn with_tag(mut self, tag: &Tag) -> BudgetedClient {
        self.tags.push(tag.clone());
        self
    }

    /// Where the money does not suffice for the whole output, makes do with a shorter one of so
    /// many tokens at least, and tells the provider. Without it such a call is refused.
    #[must_use]
    pub fn at_least(mut self, output_tokens: u64) -> BudgetedClient {
        self.at_least = Some(output_tokens);
        self
    }

    /// Allows this many input tokens for what a request does not contain: a stored talk
    /// (`previous_response_id`), a PDF, a video, the results of tools that the provider runs.
    /// Without it a call that has any is an [`Error::Unbounded`].
    #[must_use]
    pub fn with_unseen_input(mut self, tokens: u64) -> BudgetedClient {
        self.unseen_input = Some(tokens);
        self
    }

    /// Bounds the searches of a call that lets the provider search and does not say how often.
    #[must_use]
    pub fn with_web_searches(mut self, searches: u64) -> BudgetedClient {
        self.web_searches = Some(searches);
        self
    }

    /// [`Client::exec_chat`], within the budget.
    ///
    /// # Errors
    /// [`Error`]: refused, or genai's own.
    pub async fn exec_chat(
        &self,
        model: impl Into<ModelSpec>,
        chat_req: ChatRequest,
        options: Option<&ChatOptions>,
    ) -> Result<ChatResponse, Error> {
        let spec = model.into();
        let mut options = options.cloned().unwrap_or_default();
        let hold = self.reserve_chat(&spec, &chat_req, &mut options).await?;
        let keeps_body = options.capture_raw_body == Some(true);
        options.capture_raw_body = Some(true);
        match hold.sending(self.client.exec_chat(spec, chat_req, Some(&options))).await {
            Ok(mut response) => {
                let outcome = bill::of_chat(&hold, &response);
                hold.finish(outcome);
                if !keeps_body {
                    response.captured_raw_body = None;
                }
                Ok(response)
            }
            Err(error) => {
                let outcome = bill::of_chat_error(&hold, &error);
                hold.finish(outcome);
                Err(error.into())
            }
        }
    }

    /// [`Client::exec_chat_stream`], within the budget: settled when the stream ends. Usage is
    /// asked for whatever the options say.
    ///
    /// # Errors
    /// [`Error`]: refused, or genai's own.
    pub async fn exec_chat_stream(
        &self,
        model: impl Into<ModelSpec>,
        chat_req: ChatRequest,
        options: Option<&ChatOptions>,
    ) -> Result<ChatStreamResponse, Error> {
        let spec = model.into();
        let mut options = options.cloned().unwrap_or_default();
        let hold = self.reserve_chat(&spec, &chat_req, &mut options).await?;
        options.capture_usage = Some(true);
        let frames = stream::tap(&mut options);
        // It sends nothing before the stream is polled, so that the hold goes back if it fails.
        let response = self.client.exec_chat_stream(spec, chat_req, Some(&options)).await?;
        let kind = response.model_iden.adapter_kind;
        let tapped = stream::Tapped::new(response.stream, kind, frames);
        let stream = BudgetedChatStream::new(hold, tapped);
        Ok(ChatStreamResponse { stream, model_iden: response.model_iden })
    }

    /// [`Client::embed`], within the budget.
    ///
    /// # Errors
    /// [`Error`]: refused, or genai's own.
    pub async fn embed(
        &self,
        model: impl Into<ModelSpec>,
        input: impl Into<String>,
        options: Option<&EmbedOptions>,
    ) -> Result<EmbedResponse, Error> {
        self.exec_embed(model, EmbedRequest::new(input), options).await
    }

    /// [`Client::embed_batch`], within the budget.
    ///
    /// # Errors
    /// [`Error`]: refused, or genai's own.
    pub async fn embed_batch(
        &self,
        model: impl Into<ModelSpec>,
        inputs: Vec<String>,
        options: Option<&EmbedOptions>,
    ) -> Result<EmbedResponse, Error> {
        self.exec_embed(model, EmbedRequest::new_batch(inputs), options).await
    }

    /// [`Client::exec_embed`], within the budget.
    ///
    /// # Errors
    /// [`Error`]: refused, or genai's own.
    pub async fn exec_embed(
        &self,
        model: impl Into<ModelSpec>,
        embed_req: EmbedRequest,
        options: Option<&EmbedOptions>,
    ) -> Result<EmbedResponse, Error> {
        let spec = model.into();
        let asked = self.client.resolve_service_target(spec.clone()).await?.model;
        let model = self.model(&asked, true)?;
        let hold = self.reserve(&model, asked::embeddings(&embed_req, &model)?)?;
        let mut options = options.cloned().unwrap_or_default();
        let keeps_body = options.capture_raw_body == Some(true);
        options.capture_raw_body = Some(true);
        match hold.sending(self.client.exec_embed(spec, embed_req, Some(&options))).await {
            Ok(mut response) => {
                let outcome = bill::of_embeddings(&hold, &response);
                hold.finish(outcome);
                if !keeps_body {
                    response.captured_raw_body = None;
                }
                Ok(response)
            }
            Err(error) => {
                let outcome = bill::of_error(&hold, &error);
                hold.finish(outcome);
                Err(error.into())
            }
        }
    }

    /// The account that is charged.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// genai's client, whose calls no budget knows of.
    pub fn get_ref(&self) -> &Client {
        &self.client
    }

    /// genai's client.
    pub fn into_inner(self) -> Client {
        self.client
    }

    /// Sets money aside for a chat, and puts the output cap that was admitted into the options, if it
    /// is shorter than what was asked for.
    ///
    /// The target is resolved here for its model alone, and once more by the call: a resolver that
    /// was given its own answer could change it again.
    async fn reserve_chat(
        &self,
        spec: &ModelSpec,
        asked: &ChatRequest,
        options: &mut ChatOptions,
    ) -> Result<Reservation, Error> {
        let target = self.client.resolve_service_target(spec.clone()).await?.model;
        let model = self.model(&target, options.reasoning_effort.is_some())?;
        let request = asked::chat(asked, options, target.adapter_kind, &model)?;
        let hold = self.reserve(&model, request)?;
        if self.at_least.is_some() {
            let cap = u32::try_from(hold.max_output_tokens()).unwrap_or(u32::MAX);
            options.max_tokens = Some(options.max_tokens.map_or(cap, |asked| asked.min(cap)));
        }
        Ok(hold)
    }

    fn reserve(&self, model: &Model, request: Request) -> Result<Reservation, Error> {
        let request = request.bounded_by(self.unseen_input, self.web_searches);
        let mut ask = self.account.request(model.estimate_of(&request)?);
        if let Some(tokens) = self.at_least {
            ask = ask.at_least(tokens);
        }
        let ask = self.tags.iter().fold(ask, bursar::budget::ReserveRequest::tag);
        Ok(ask.reserve()?)
    }

    /// The price of the model that will be asked. genai cuts an effort off a name (`gpt-5-high`),
    /// unless the options name one.
    fn model(&self, asked: &ModelIden, names_effort: bool) -> Result<Model, UnknownModel> {
        let provider = match asked.adapter_kind {
            AdapterKind::OpenAIResp => AdapterKind::OpenAI,
            AdapterKind::GeminiIx => AdapterKind::Gemini,
            kind => kind,
        };
        let find = |name: &str| {
            let full = format!("{}/{name}", provider.as_lower_str());
            self.budget.model(&full).or_else(|_| self.budget.model(name))
        };
        let (_, name) = asked.model_name.namespace_and_name();
        match ReasoningEffort::from_model_name(name) {
            (Some(_), shorter) if !names_effort => find(shorter).or_else(|_| find(name)),
            _ => find(name),
        }
    }
}

impl fmt::Debug for BudgetedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetedClient").field("account", &self.account).finish_non_exhaustive()
    }
}

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
