//! [`ClientExt`]: adds a budget to the client of async-openai.
//!
#![doc = include_str!("../README.md")]
#![deny(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![warn(unreachable_pub)]

mod error;

use async_openai::config::Config;
use async_openai::error::{ApiErrorResponse, OpenAIError, WrappedError};
use async_openai::types::chat::{
    ChatCompletionResponseStream, CreateChatCompletionRequest, CreateChatCompletionResponse,
    CreateChatCompletionStreamResponse as Chunk,
};
use async_openai::types::responses::{
    CreateResponse, Response, ResponseStream, ResponseStreamEvent,
};
use async_openai::types::stream::StreamResponse;
use async_openai::{Chat, Client, Responses};
use bursar::agent::{BudgetedStream, StreamUsage};
use bursar::price::EstimateError;
use bursar::usage::Outcome;
use bursar::{Account, BudgetManager, Reservation, Tag};
use serde::Serialize;

pub use error::Error;

/// What a budget adds to a [`Client`].
pub trait ClientExt<C: Config> {
    /// The same client, whose calls are charged to this account of the budget.
    fn budgeted(&self, budget: &BudgetManager, account: &Account) -> Budgeted<'_, C>;
}

impl<C: Config> ClientExt<C> for Client<C> {
    fn budgeted(&self, budget: &BudgetManager, account: &Account) -> Budgeted<'_, C> {
        let payer = Payer {
            budget: budget.clone(),
            account: account.clone(),
            tag: None,
            at_least: None,
            unseen_input: None,
        };
        Budgeted { client: self, payer }
    }
}

/// A client with a budget, made by [`ClientExt::budgeted`].
#[derive(Clone, Debug)]
pub struct Budgeted<'c, C: Config> {
    client: &'c Client<C>,
    payer: Payer,
}

impl<'c, C: Config> Budgeted<'c, C> {
    /// Charges the calls to this tag as well.
    #[must_use]
    pub fn tag(mut self, tag: &Tag) -> Budgeted<'c, C> {
        self.payer.tag = Some(tag.clone());
        self
    }

    /// Makes do with a shorter output where the whole cannot be afforded, if this many tokens at
    /// least can be had: the request is sent with that cap.
    #[must_use]
    pub fn at_least(mut self, output_tokens: u64) -> Budgeted<'c, C> {
        self.payer.at_least = Some(output_tokens);
        self
    }

    /// Allows this many input tokens for what a request refers to and does not contain: a stored talk, a
    /// file. Without it such a request is refused, see
    /// [`Request::with_unseen_input`](bursar::usage::Request::with_unseen_input).
    #[must_use]
    pub fn allow_unseen_input(mut self, tokens: u64) -> Budgeted<'c, C> {
        self.payer.unseen_input = Some(tokens);
        self
    }

    /// Chat completions.
    pub fn chat(&self) -> BudgetedChat<'_, C> {
        BudgetedChat { chat: self.client.chat(), payer: &self.payer }
    }

    /// Responses.
    pub fn responses(&self) -> BudgetedResponses<'_, C> {
        BudgetedResponses { responses: self.client.responses(), payer: &self.payer }
    }
}

/// [`Chat`] with a budget.
pub struct BudgetedChat<'c, C: Config> {
    chat: Chat<'c, C>,
    payer: &'c Payer,
}

impl<C: Config> BudgetedChat<'_, C> {
    /// [`Chat::create`], if there is money for it.
    ///
    /// # Errors
    /// [`Error`]: refused and not sent, or the client's own.
    pub async fn create(
        &self,
        mut request: CreateChatCompletionRequest,
    ) -> Result<CreateChatCompletionResponse, Error> {
        let hold = self.admit(&mut request)?;
        let reply = hold.sending(self.chat.create(request)).await;
        finish(hold, reply)
    }

    /// [`Chat::create_stream`], if there is money for it, with the usage asked for: the last chunk
    /// has no choices.
    ///
    /// # Errors
    /// [`Error`]: refused and not sent, or the client's own.
    pub async fn create_stream(
        &self,
        mut request: CreateChatCompletionRequest,
    ) -> Result<BudgetedStream<ChatCompletionResponseStream, Show<Chunk>>, Error> {
        request.stream_options.get_or_insert_default().include_usage = Some(true);
        let hold = self.admit(&mut request)?;
        let stream = hold.sending(self.chat.create_stream(request)).await;
        begin(hold, stream)
    }

    fn admit(&self, request: &mut CreateChatCompletionRequest) -> Result<Reservation, Error> {
        let hold = self.payer.admit(request)?;
        if let Some(cap) = self.payer.cap(&hold) {
            request.max_completion_tokens = Some(cap);
        }
        Ok(hold)
    }
}

/// [`Responses`] with a budget.
pub struct BudgetedResponses<'c, C: Config> {
    responses: Responses<'c, C>,
    payer: &'c Payer,
}

impl<C: Config> BudgetedResponses<'_, C> {
    /// [`Responses::create`], if there is money for it.
    ///
    /// # Errors
    /// [`Error`]: refused and not sent, or the client's own.
    pub async fn create(&self, mut request: CreateResponse) -> Result<Response, Error> {
        let hold = self.admit(&mut request)?;
        let reply = hold.sending(self.responses.create(request)).await;
        finish(hold, reply)
    }

    /// [`Responses::create_stream`], if there is money for it.
    ///
    /// # Errors
    /// [`Error`]: refused and not sent, or the client's own.
    pub async fn create_stream(
        &self,
        mut request: CreateResponse,
    ) -> Result<BudgetedStream<ResponseStream, Show<ResponseStreamEvent>>, Error> {
        let hold = self.admit(&mut request)?;
        let stream = hold.sending(self.responses.create_stream(request)).await;
        begin(hold, stream)
    }

    fn admit(&self, request: &mut CreateResponse) -> Result<Reservation, Error> {
        let hold = self.payer.admit(request)?;
        if let Some(cap) = self.payer.cap(&hold) {
            request.max_output_tokens = Some(cap);
        }
        Ok(hold)
    }
}

/// Who pays, and on which terms.
#[derive(Clone, Debug)]
struct Payer {
    budget: BudgetManager,
    account: Account,
    tag: Option<Tag>,
    at_least: Option<u64>,
    unseen_input: Option<u64>,
}

impl Payer {
    /// Sets aside what a request may cost.
    fn admit(&self, request: &impl Serialize) -> Result<Reservation, Error> {
        // What cannot be written is no JSON object, and is refused as that.
        let body = serde_json::to_vec(request).unwrap_or_default();
        let (model, request) = self.budget.read_request(&body)?;
        let request = request.bounded_by(self.unseen_input, None);
        let mut ask =
            self.account.request(model.estimate_of(&request).map_err(EstimateError::from)?);
        if let Some(tag) = &self.tag {
            ask = ask.tag(tag);
        }
        if let Some(tokens) = self.at_least {
            ask = ask.at_least(tokens);
        }
        Ok(ask.reserve()?)
    }

    /// The output cap that was admitted, if it may be shorter than what was asked for.
    fn cap(&self, hold: &Reservation) -> Option<u32> {
        self.at_least.map(|_| u32::try_from(hold.max_output_tokens()).unwrap_or(u32::MAX))
    }
}

/// Books a reply. There is one reader of usage, bursar's own, for whatever the types hold.
fn finish<T: Serialize>(hold: Reservation, reply: Result<T, OpenAIError>) -> Result<T, Error> {
    match reply {
        Ok(answer) => {
            settle(hold, &serde_json::to_vec(&answer).unwrap_or_default());
            Ok(answer)
        }
        Err(error) => Err(failed(hold, error)),
    }
}

/// Shows an event to the stream's usage.
type Show<T> = fn(&T, &mut StreamUsage);

/// Passes a stream on, and books it as it flows. The provider knows the cap: the hold does not grow.
fn begin<T: Serialize>(
    hold: Reservation,
    stream: Result<StreamResponse<T>, OpenAIError>,
) -> Result<BudgetedStream<StreamResponse<T>, Show<T>>, Error> {
    let show: Show<T> = |event, usage| {
        if let Ok(event) = serde_json::to_vec(event) {
            usage.event(&event);
        }
    };
    match stream {
        Ok(stream) => Ok(BudgetedStream::new(hold, stream, show)),
        Err(error) => Err(failed(hold, error)),
    }
}

/// Books an answer by its body.
fn settle(hold: Reservation, body: &[u8]) {
    let outcome = hold.judge(200, body);
    hold.finish(outcome);
}

/// Books what a failure has cost, as far as it is known.
fn failed(hold: Reservation, error: OpenAIError) -> Error {
    let outcome = match &error {
        OpenAIError::ApiError(said) => hold.judge(said.status_code.as_u16(), &body_of(said)),
        OpenAIError::Reqwest(failed) if failed.is_connect() || failed.is_builder() => {
            Outcome::Unsent
        }
        OpenAIError::InvalidArgument(_) => Outcome::Unsent,
        OpenAIError::JSONDeserialize(_, body) => hold.judge(200, body),
        _ => Outcome::Lost,
    };
    hold.finish(outcome);
    Error::OpenAI(error)
}

/// The body of an error: the client keeps that of a 5xx as it came, and of others what it has read.
fn body_of(said: &ApiErrorResponse) -> Vec<u8> {
    let ApiErrorResponse { status_code, api_error: error } = said;
    if status_code.is_server_error() && error.r#type.is_none() && error.code.is_none() {
        return error.message.clone().into_bytes();
    }
    serde_json::to_vec(&WrappedError { error: error.clone() }).unwrap_or_default()
}
