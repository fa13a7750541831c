//! [`BoxAgent`]: an agent whose type is hidden.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Agent, Billing, Call, forward};
use crate::price::{Estimate, EstimateError};
use crate::usage::Outcome;

/// An agent whose type is hidden, so that different ones fit into one collection. Its clones share
/// the agent; each call boxes one future.
///
/// ```
/// use bursar::testing::{Failure, ScriptedAgent, ScriptedReply};
/// use bursar::agent::{Agent, BoxAgent};
/// use bursar::{Estimate, Usd};
///
/// let search = ScriptedAgent::new("search", Estimate::fixed(Usd::cents(1)));
/// let crew: Vec<BoxAgent<String, ScriptedReply, Failure>> = vec![BoxAgent::new(search)];
/// assert_eq!(crew[0].name(), "search");
/// ```
pub struct BoxAgent<T, O, E>(Arc<dyn DynAgent<Task = T, Output = O, Error = E>>);

impl<T, O, E> BoxAgent<T, O, E> {
    /// Hides the type of an agent.
    pub fn new(agent: impl Agent<Task = T, Output = O, Error = E> + 'static) -> BoxAgent<T, O, E> {
        BoxAgent(Arc::new(Hidden(agent)))
    }
}

impl<T: Send, O: Send, E: Send> Agent for BoxAgent<T, O, E> {
    type Task = T;
    type Output = O;
    type Error = E;

    forward!(self => self.0);

    fn execute(&self, call: Call<T>) -> impl Future<Output = Result<O, E>> + Send {
        self.0.execute(call)
    }
}

impl<T, O, E> Clone for BoxAgent<T, O, E> {
    fn clone(&self) -> BoxAgent<T, O, E> {
        BoxAgent(Arc::clone(&self.0))
    }
}

impl<T, O, E> fmt::Debug for BoxAgent<T, O, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoxAgent").field(&self.0.name()).finish()
    }
}

/// [`Agent`] as a trait object can have it: the same, but for a future in a box.
trait DynAgent: Send + Sync {
    type Task;
    type Output;
    type Error;

    fn name(&self) -> &str;
    fn estimate(&self, task: &Self::Task) -> Result<Estimate, EstimateError>;
    fn outcome(&self, result: &Result<Self::Output, Self::Error>) -> Outcome;
    fn billing(&self) -> Billing;
    fn execute(&self, call: Call<Self::Task>) -> Running<'_, Self::Output, Self::Error>;
}

type Running<'a, O, E> = Pin<Box<dyn Future<Output = Result<O, E>> + Send + 'a>>;

struct Hidden<A>(A);

impl<A: Agent> DynAgent for Hidden<A> {
    type Task = A::Task;
    type Output = A::Output;
    type Error = A::Error;

    forward!(self => self.0);

    fn execute(&self, call: Call<A::Task>) -> Running<'_, A::Output, A::Error> {
        Box::pin(self.0.execute(call))
    }
}
