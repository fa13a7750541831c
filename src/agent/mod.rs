//! Around agents: [`Agent`], whatever does a task for money, and [`BudgetConstrained`], which lets
//! it do so only while there is money.
//!
//! Reading order: [`Agent`] is what a user implements, [`Call`] what it is given, [`SubBudget`] how it
//! makes calls of its own within the call, [`BudgetConstrained`] the one call from estimate to
//! receipt, [`BudgetedStream`] an answer that comes in pieces, [`StreamHold`] what it is built on,
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
mod erased_cache;
mod stream_hold;
mod stream;
pub mod testing;

use std::future::Future;
use std::sync::Arc;

use crate::price::{Estimate, EstimateError};
use crate::usage::Outcome;

pub use boxed::BoxAgent;
pub use call::{Call, SubBudget};
pub use constrained::{BudgetConstrained, Reply};
pub use error::CallError;
pub use function::{AgentFn, IntoEstimate, agent_fn};
pub use setup::OnRefusal;
pub use stream::BudgetedStream;
pub use stream_hold::{StreamHold, StreamUsage};

/// Whatever does a task for money: a client of one model, a tool, a crew of other agents.
///
/// It knows three things: what a task may cost at most, how to do it, and what the result says that
/// it has cost. Limits, holds and books are not its business; [`BudgetConstrained`] adds them.
///
/// ```
/// use bursar::price::EstimateError;
/// use bursar::usage::Outcome;
/// use bursar::{Agent, BudgetManager, Call, Estimate, Model, Usage};
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
///     fn outcome(&self, result: &Result<Answer, HttpError>) -> Outcome {
///         match result {
///             Ok(answer) => Outcome::Billed(answer.usage.into()),
///             Err(error) => {
///                 let provider = self.model.price().provider();
///                 let calls = self.budget.failed_calls(); // which errors are free, and which are lost
///                 calls.judge(Some(provider), error.status, &error.body)
///             }
///         }
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
    /// [`EstimateError`]: the task cannot be read, so it has no bound: with `?` on
    /// [`Model::estimate_request`](crate::Model::estimate_request), or in words of the agent's own.
    /// Then it is not called, and nothing is held.
    fn estimate(&self, task: &Self::Task) -> Result<Estimate, EstimateError>;

    /// Does the task, with the model and within the output cap that the call names. Implement it as
    /// a plain `async fn`.
    fn execute(
        &self,
        call: Call<Self::Task>,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// How the call ended, by its answer or its error. [`BudgetConstrained`] books it:
    ///
    /// | outcome | what is booked |
    /// |---|---|
    /// | `Billed` | the bill, without the calls that were made through the [`SubBudget`] |
    /// | `Free` | a call of $0 |
    /// | `Unsent` | nothing |
    /// | `Lost` | of an answer what was held, as assumed; of an error what [`LostCall`](crate::budget::LostCall) says |
    ///
    /// [`FailedCalls::judge`](crate::usage::FailedCalls::judge) derives it from the status and the body
    /// of an answer.
    fn outcome(&self, result: &Result<Self::Output, Self::Error>) -> Outcome;

    /// Who books what its calls cost.
    fn billing(&self) -> Billing {
        Billing::ByAnswer
    }
}

/// Who books what the calls of an [`Agent`] cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Billing {
    /// [`BudgetConstrained`], by the [outcome](Agent::outcome) of the call.
    #[default]
    ByAnswer,
    /// The calls that it makes: through its [`SubBudget`], or by [`BudgetConstrained`] agents that it was
    /// given. However the call ends, nothing is charged beside them, unless its outcome is a bill.
    Metered,
    /// The stream that it has from [`Call::stream`] and returns as its answer. The outcome is asked for
    /// only if the call ends without one.
    Streamed,
}

/// The methods of an agent that passes them on to another.
macro_rules! forward {
    ($self:ident => $agent:expr) => {
        fn name(&$self) -> &str {
            $agent.name()
        }

        fn estimate(&$self, task: &Self::Task) -> Result<Estimate, EstimateError> {
            $agent.estimate(task)
        }

        fn outcome(&$self, result: &Result<Self::Output, Self::Error>) -> Outcome {
            $agent.outcome(result)
        }

        fn billing(&$self) -> Billing {
            $agent.billing()
        }
    };
}
use forward;

/// An agent behind a pointer is that agent.
macro_rules! pointer {
    ($pointer:ty) => {
        impl<A: Agent> Agent for $pointer {
            type Task = A::Task;
            type Output = A::Output;
            type Error = A::Error;

            forward!(self => (**self));

            fn execute(
                &self,
                call: Call<A::Task>,
            ) -> impl Future<Output = Result<A::Output, A::Error>> + Send {
                (**self).execute(call)
            }
        }
    };
}

pointer!(&A);
pointer!(Box<A>);
pointer!(Arc<A>);
