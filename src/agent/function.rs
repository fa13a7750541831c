//! Owns [`agent_fn`]: an agent made from closures.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Agent, Call};
use crate::price::{Estimate, EstimateError};
use crate::usage::Bill;

/// Makes an agent from closures, for what is not yours to implement [`Agent`] for: a client of
/// another crate, a trait object, a function.
///
/// `estimate` gives an [`Estimate`], or a `Result` of one: see [`IntoEstimate`].
///
/// Without [`bill`](AgentFn::bill) nobody knows what an answer has cost, and each charges what was
/// held.
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
        bill: None,
        bill_of_error: None,
        metered: false,
        streamed: false,
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
    bill: Option<BillOf<O>>,
    bill_of_error: Option<BillOf<E>>,
    metered: bool,
    streamed: bool,
    types: PhantomData<fn(T) -> Result<O, E>>,
}

type BillOf<T> = Arc<dyn Fn(&T) -> Option<Bill> + Send + Sync>;

impl<T, O, E, F, X> AgentFn<T, O, E, F, X> {
    /// Says how to read the bill of an answer, see [`Agent::bill`].
    #[must_use]
    pub fn bill(mut self, bill: impl Fn(&O) -> Option<Bill> + Send + Sync + 'static) -> Self {
        self.bill = Some(Arc::new(bill));
        self
    }

    /// Says how to read the bill of a failure, see [`Agent::bill_of_error`].
    #[must_use]
    pub fn bill_of_error(
        mut self,
        bill: impl Fn(&E) -> Option<Bill> + Send + Sync + 'static,
    ) -> Self {
        self.bill_of_error = Some(Arc::new(bill));
        self
    }

    /// Says that all it costs is booked by the calls that it makes, see [`Agent::is_metered`].
    #[must_use]
    pub fn metered(mut self) -> Self {
        self.metered = true;
        self
    }

    /// Says that its answer is a stream of [`Call::stream`], see [`Agent::is_streamed`].
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.streamed = true;
        self
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

    fn bill(&self, output: &O) -> Option<Bill> {
        self.bill.as_ref()?(output)
    }

    fn bill_of_error(&self, error: &E) -> Option<Bill> {
        self.bill_of_error.as_ref()?(error)
    }

    fn is_metered(&self) -> bool {
        self.metered
    }

    fn is_streamed(&self) -> bool {
        self.streamed
    }
}

impl<T, O, E, F: Clone, X: Clone> Clone for AgentFn<T, O, E, F, X> {
    fn clone(&self) -> Self {
        AgentFn {
            name: Arc::clone(&self.name),
            estimate: self.estimate.clone(),
            execute: self.execute.clone(),
            bill: self.bill.clone(),
            bill_of_error: self.bill_of_error.clone(),
            ..*self
        }
    }
}

impl<T, O, E, F, X> fmt::Debug for AgentFn<T, O, E, F, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentFn").field("name", &self.name).finish_non_exhaustive()
    }
}
