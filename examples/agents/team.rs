//! The budget around the client: [`Chat`], an answer in one piece, and [`Stream`], one that
//! comes in pieces. This is all that a framework adds to its HTTP client.

use std::pin::Pin;

use bursar::agent::{Billing, CallError, StreamUsage};
use bursar::price::EstimateError;
use bursar::usage::Outcome;
use bursar::{Agent, Bill, Call, Estimate, Model};
use bytes::Bytes;
use serde_json::Value;

use super::client::{Client, HttpError};

/// A model behind HTTP, with a role. Its task is a prompt.
#[derive(Clone)]
pub struct Chat {
    pub client: Client,
    pub name: String,
    pub model: Model,
    pub max_output: u64,
    /// The system prompt.
    pub role: String,
}

// ---- The budget around the client: from here …
impl Agent for Chat {
    type Task = String;
    type Output = String; // the body, as it came
    type Error = HttpError;

    fn name(&self) -> &str {
        &self.name
    }

    /// The request bounds what it costs.
    fn estimate(&self, prompt: &String) -> Result<Estimate, EstimateError> {
        let body = self.body(&self.model, self.max_output, prompt, false);
        Ok(self.model.estimate_request(&body)?)
    }

    /// The budget names the model and the cap.
    async fn execute(&self, call: Call<String>) -> Result<String, HttpError> {
        let (model, cap) = self.admitted(&call);
        let body = self.body(model, cap, call.task(), false);
        Ok(self.client.send(model, &body).await?.text().await?)
    }

    fn outcome(&self, result: &Result<String, HttpError>) -> Outcome {
        match result {
            Ok(body) => Bill::from_response(body).unwrap_or_default().into(),
            Err(error) => error.bill.clone().into(),
        }
    }
}
// … to here.

impl Chat {
    fn body(&self, model: &Model, cap: u64, prompt: &str, stream: bool) -> Value {
        Client::body(model, cap, &self.role, prompt, stream)
    }

    /// The model and the output cap to ask for.
    fn admitted<'a>(&'a self, call: &'a Call<String>) -> (&'a Model, u64) {
        let cap = call.max_output_tokens().unwrap_or(self.max_output);
        (call.model().unwrap_or(&self.model), cap)
    }
}

/// The same model, whose answer is a stream that settles the hold of its call: read to its end,
/// dropped midway or cut.
#[derive(Clone)]
pub struct Stream(pub Chat);

/// An answer that has begun.
pub struct Opened {
    /// The bytes of an event stream, untouched. Whoever drops them hangs up.
    pub events: Events,
    /// The output tokens that were asked for.
    pub cap: u64,
    /// Whether it is paid from what was kept for the last answer.
    pub is_wrap_up: bool,
}

type Events =
    Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, CallError<reqwest::Error>>> + Send>>;

impl Agent for Stream {
    type Task = String;
    type Output = Opened;
    type Error = CallError<HttpError>;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn estimate(&self, prompt: &String) -> Result<Estimate, EstimateError> {
        self.0.estimate(prompt)
    }

    async fn execute(&self, call: Call<String>) -> Result<Opened, CallError<HttpError>> {
        let (model, cap) = self.0.admitted(&call);
        let body = self.0.body(model, cap, call.task(), true);
        let response = self.0.client.send(model, &body).await.map_err(CallError::Agent)?;
        let show = |chunk: &Bytes, usage: &mut StreamUsage| usage.push(chunk);
        let events = call.stream(response.bytes_stream(), show)?;
        Ok(Opened { events: Box::pin(events), cap, is_wrap_up: call.is_wrap_up() })
    }

    fn outcome(&self, result: &Result<Opened, CallError<HttpError>>) -> Outcome {
        let error = result.as_ref().err().and_then(CallError::agent);
        error.and_then(|error| error.bill.clone()).into() // an answer is booked by its stream
    }

    fn billing(&self) -> Billing {
        Billing::Streamed
    }
}
