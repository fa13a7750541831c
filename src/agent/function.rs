//! [`agent_fn`]: an agent made from closures.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Agent, Billing, Call};
use crate::price::{Estimate, EstimateError};
use crate::usage::{Bill, Outcome};

/// Makes an agent from closures, for what is not yours to implement [`Agent`] for: a client of
/// another crate, a trait object, a function.
///
/// `estimate` gives an [`Estimate`], or a `Result` of one: see [`IntoEstimate`].
///
/// Without [`bill`](AgentFn::bill) or [`outcome`](AgentFn::outcome) the cost of a call is unknown,
/// and each charges what was held.
///
/// ```
/// use bursar::agent::agent_fn;
/// use bursar::{Bill, BudgetManager, Call, Usage, Usd};
///
/// # async fn chat(_: String, _: u64) -> Result<(String, Usage), std::io::Error> { unimplemented!() }
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let terra = budget.model("gpt-6.1-terra")?;
/// let agent = agent_fn(
///     "writer",
///     move |text: &String| terra.estimate().input(text.len() as u64).max_output(800),
///     |call: Call<String>| async move {
///         let cap = call.max_output_tokens().unwrap_or(800);
///         chat(call.into_task(), cap).await
///     },
/// )
/// .bill(|(_, usage)| Some(Bill::new(*usage)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn agent_fn<T, O, E, F, X, Bound, Run>(
    name: impl Into<Arc<str>>,
    estimate: F,
    execute: X,
) -> AgentFn<T, O, E, F, X>
where
    F: Fn(&T) -> Bound + Send + Sync,
    Bound: IntoEstimate,
    X: Fn(Call<T>) -> Run + Send + Sync,
    Run: Future<Output = Result<O, E>> + Send,
{
    AgentFn {
        name: name.into(),
        estimate,
        execute,
        outcome: Arc::new(|_| Outcome::Lost),
        billing: Billing::ByAnswer,
        types: PhantomData,
    }
}

/// What the estimate of an [`agent_fn`] may return: an [`Estimate`], or a `Result` of one whose error
/// is, or becomes, an [`EstimateError`].
pub trait IntoEstimate {
    /// The estimate, or why there is none.
    ///
    /// # Errors
    /// [`EstimateError`], as it was given.
    fn into_estimate(self) -> Result<Estimate, EstimateError>;
}

impl IntoEstimate for Estimate {
    fn into_estimate(self) -> Result<Estimate, EstimateError> {
        Ok(self)
    }
}

impl<E: Into<EstimateError>> IntoEstimate for Result<Estimate, E> {
    fn into_estimate(self) -> Result<Estimate, EstimateError> {
        self.map_err(Into::into)
    }
}

/// An agent made from closures by [`agent_fn`].
pub struct AgentFn<T, O, E, F, X> {
    name: Arc<str>,
    estimate: F,
    execute: X,
    outcome: Arc<OutcomeOf<O, E>>,
    billing: Billing,
    types: PhantomData<fn(T) -> Result<O, E>>,
}

type OutcomeOf<O, E> = dyn Fn(&Result<O, E>) -> Outcome + Send + Sync;

impl<T, O, E, F, X> AgentFn<T, O, E, F, X> {
    /// Reads the bill of an answer; `None` if it has none. A call that fails is lost.
    #[must_use]
    pub fn bill(self, bill: impl Fn(&O) -> Option<Bill> + Send + Sync + 'static) -> Self {
        self.outcome(move |result| result.as_ref().ok().and_then(&bill).into())
    }

    /// Reads how a call ended, by its answer or its error: see [`Agent::outcome`].
    #[must_use]
    pub fn outcome(
        mut self,
        outcome: impl Fn(&Result<O, E>) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        self.outcome = Arc::new(outcome);
        self
    }

    /// All that it costs is booked by the calls that it makes: [`Billing::Metered`].
    #[must_use]
    pub fn metered(self) -> Self {
        AgentFn { billing: Billing::Metered, ..self }
    }

    /// Its answer is a stream of [`Call::stream`]: [`Billing::Streamed`].
    #[must_use]
    pub fn streamed(self) -> Self {
        AgentFn { billing: Billing::Streamed, ..self }
    }
}

impl<T, O, E, F, X, Bound, Run> Agent for AgentFn<T, O, E, F, X>
where
    T: Send,
    O: Send,
    E: Send,
    F: Fn(&T) -> Bound + Send + Sync,
    Bound: IntoEstimate,
    X: Fn(Call<T>) -> Run + Send + Sync,
    Run: Future<Output = Result<O, E>> + Send,
{
    type Task = T;
    type Output = O;
    type Error = E;

    fn name(&self) -> &str {
        &self.name
    }

    fn estimate(&self, task: &T) -> Result<Estimate, EstimateError> {
        (self.estimate)(task).into_estimate()
    }

    fn execute(&self, call: Call<T>) -> impl Future<Output = Result<O, E>> + Send {
        (self.execute)(call)
    }

    fn outcome(&self, result: &Result<O, E>) -> Outcome {
        (self.outcome)(result)
    }

    fn billing(&self) -> Billing {
        self.billing
    }
}

impl<T, O, E, F: Clone, X: Clone> Clone for AgentFn<T, O, E, F, X> {
    fn clone(&self) -> Self {
        AgentFn {
            name: Arc::clone(&self.name),
            estimate: self.estimate.clone(),
            execute: self.execute.clone(),
            outcome: Arc::clone(&self.outcome),
            ..*self
        }
    }
}

impl<T, O, E, F, X> fmt::Debug for AgentFn<T, O, E, F, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentFn").field("name", &self.name).finish_non_exhaustive()
    }
}
