//! Around agents: [`Agent`], whatever does a task for money, and [`BudgetConstrained`], which lets
//! it do so only while there is money.
//!
//! Reading order: [`Agent`] is what a user implements, [`Call`] what it is given, [`Meter`] how it
//! makes calls of its own within the call, [`BudgetConstrained`] the one call from estimate to
//! receipt, [`BudgetedStream`] an answer that comes in pieces, [`Tab`] what it is built on,
//! [`testing`] a kit for cost scenarios without a network.
//!
//! Where there is no agent but single calls, [`Account::reserve`](crate::Account::reserve) and
//! [`Reservation`](crate::Reservation) are shorter.

mod admit;
mod boxed;
mod call;
mod constrained;
mod error;
mod function;
mod guard;
mod saving;
mod setup;
mod shelf;
mod tab;
mod stream;
pub mod testing;

use std::future::Future;
use std::sync::Arc;

use crate::price::{Estimate, EstimateError};
use crate::usage::Bill;

pub use boxed::BoxAgent;
pub use call::{Call, Meter};
pub use constrained::{BudgetConstrained, Reply};
pub use error::CallError;
pub use function::{AgentFn, IntoEstimate, agent_fn};
pub use guard::LostReply;
pub use setup::OnRefusal;
pub use stream::BudgetedStream;
pub use tab::{Tab, Tally};

/// Whatever does a task for money: a client of one model, a tool, a crew of other agents.
///
/// It knows three things: what a task may cost at most, how to do it, and what the answer says that
/// it has cost. Limits, holds and books are not its business; [`BudgetConstrained`] adds them.
///
/// ```
/// use bursar::price::EstimateError;
/// use bursar::{Agent, Bill, BudgetManager, Call, Estimate, Model, Usage};
/// # struct Client;
/// # struct Answer { text: String, usage: Usage }
/// # #[derive(Debug)] struct HttpError { status: u16, body: String }
/// # impl Client {
/// #     async fn ask(&self, _: String, _: u64) -> Result<Answer, HttpError> { unimplemented!() }
/// # }
///
/// struct Summariser { client: Client, model: Model, budget: BudgetManager }
///
/// impl Agent for Summariser {
///     type Task = String;
///     type Output = Answer;
///     type Error = HttpError;
///
///     fn name(&self) -> &str { "summariser" }
///
///     fn estimate(&self, text: &String) -> Result<Estimate, EstimateError> {
///         Ok(self.model.estimate().input(text.len() as u64).max_output(500))
///     }
///
///     async fn execute(&self, call: Call<String>) -> Result<Answer, HttpError> {
///         let max_tokens = call.max_output_tokens().unwrap_or(500);
///         self.client.ask(call.into_task(), max_tokens).await
///     }
///
///     fn bill(&self, answer: &Answer) -> Option<Bill> { Some(answer.usage.into()) }
///
///     fn bill_of_error(&self, error: &HttpError) -> Option<Bill> {
///         let provider = self.model.price().provider();
///         let calls = self.budget.failed_calls(); // which errors are free, and which are lost
///         calls.judge(Some(provider), error.status, &error.body).into_bill()
///     }
/// }
/// ```
///
/// Users cannot implement it for a type of another crate; [`agent_fn`] makes an agent from closures.
/// [`BoxAgent`] hides the type.
pub trait Agent: Send + Sync {
    /// What it is given.
    type Task: Send;
    /// What it answers.
    type Output: Send;
    /// How it fails.
    type Error: Send;

    /// What people call it.
    fn name(&self) -> &str;

    /// An upper bound of what the task may cost.
    ///
    /// Whether the bound has a price, and an end, is found out when money is set aside, and is not
    /// for the agent to check.
    ///
    /// # Errors
    /// [`EstimateError`]: the task cannot be read, so that nobody can bound it: with `?` on
    /// [`Model::estimate_request`](crate::Model::estimate_request), or in words of the agent's own.
    /// Then it is not called, and nothing is held.
    fn estimate(&self, task: &Self::Task) -> Result<Estimate, EstimateError>;

    /// Does the task, with the model and within the output cap that the call names. Implement it as
    /// a plain `async fn`.
    fn execute(
        &self,
        call: Call<Self::Task>,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// What the answer says that it has cost, without the calls that were made through the
    /// [`Meter`]; `None` if it does not say, and then what was held is charged.
    fn bill(&self, output: &Self::Output) -> Option<Bill>;

    /// What a failure has cost. `Some` of an empty bill: it is known to be free (the connection was
    /// refused, the provider has rejected the request). `None`: unknown, and the reply counts as
    /// lost. [`FailedCalls::judge`](crate::usage::FailedCalls::judge) decides by the status and
    /// body of an answer.
    fn bill_of_error(&self, _error: &Self::Error) -> Option<Bill> {
        None
    }

    /// True if all that it costs is booked by the calls that it makes: through its [`Meter`], or
    /// by [`BudgetConstrained`] agents that it was given. Then nothing is charged beside them,
    /// however it ends, unless it has a bill of its own.
    fn is_metered(&self) -> bool {
        false
    }

    /// True if its answer is a stream that it has from [`Call::stream`]. What that books is not to be
    /// in its [`bill`](Agent::bill), which is not looked at once the hold was handed over.
    fn is_streamed(&self) -> bool {
        false
    }
}

/// An agent behind a pointer is that agent.
macro_rules! forward {
    ($pointer:ty) => {
        impl<A: Agent> Agent for $pointer {
            type Task = A::Task;
            type Output = A::Output;
            type Error = A::Error;

            fn name(&self) -> &str {
                (**self).name()
            }

            fn estimate(&self, task: &A::Task) -> Result<Estimate, EstimateError> {
                (**self).estimate(task)
            }

            fn execute(
                &self,
                call: Call<A::Task>,
            ) -> impl Future<Output = Result<A::Output, A::Error>> + Send {
                (**self).execute(call)
            }

            fn bill(&self, output: &A::Output) -> Option<Bill> {
                (**self).bill(output)
            }

            fn bill_of_error(&self, error: &A::Error) -> Option<Bill> {
                (**self).bill_of_error(error)
            }

            fn is_metered(&self) -> bool {
                (**self).is_metered()
            }

            fn is_streamed(&self) -> bool {
                (**self).is_streamed()
            }
        }
    };
}

forward!(&A);
forward!(Box<A>);
forward!(Arc<A>);
