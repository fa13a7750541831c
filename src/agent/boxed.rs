//! Owns [`BoxAgent`]: an agent whose type is hidden.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Agent, Call};
use crate::price::{Estimate, EstimateError};
use crate::usage::Bill;

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
pub struct BoxAgent<T, O, E>(Arc<dyn Hidden<T, O, E>>);

impl<T, O, E> BoxAgent<T, O, E> {
    /// Hides the type of an agent.
    pub fn new(agent: impl Agent<Task = T, Output = O, Error = E> + 'static) -> BoxAgent<T, O, E> {
        BoxAgent(Arc::new(agent))
    }
}

impl<T: Send, O: Send, E: Send> Agent for BoxAgent<T, O, E> {
    type Task = T;
    type Output = O;
    type Error = E;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn estimate(&self, task: &T) -> Result<Estimate, EstimateError> {
        self.0.estimate(task)
    }

    fn execute(&self, call: Call<T>) -> impl Future<Output = Result<O, E>> + Send {
        self.0.execute(call)
    }

    fn bill(&self, output: &O) -> Option<Bill> {
        self.0.bill(output)
    }

    fn bill_of_error(&self, error: &E) -> Option<Bill> {
        self.0.bill_of_error(error)
    }

    fn is_metered(&self) -> bool {
        self.0.is_metered()
    }

    fn is_streamed(&self) -> bool {
        self.0.is_streamed()
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

/// [`Agent`] as a trait object can have it.
trait Hidden<T, O, E>: Send + Sync {
    fn name(&self) -> &str;
    fn estimate(&self, task: &T) -> Result<Estimate, EstimateError>;
    fn execute(&self, call: Call<T>) -> Pin<Box<dyn Future<Output = Result<O, E>> + Send + '_>>;
    fn bill(&self, output: &O) -> Option<Bill>;
    fn bill_of_error(&self, error: &E) -> Option<Bill>;
    fn is_metered(&self) -> bool;
    fn is_streamed(&self) -> bool;
}

impl<A: Agent> Hidden<A::Task, A::Output, A::Error> for A {
    fn name(&self) -> &str {
        Agent::name(self)
    }

    fn estimate(&self, task: &A::Task) -> Result<Estimate, EstimateError> {
        Agent::estimate(self, task)
    }

    fn execute(
        &self,
        call: Call<A::Task>,
    ) -> Pin<Box<dyn Future<Output = Result<A::Output, A::Error>> + Send + '_>> {
        Box::pin(Agent::execute(self, call))
    }

    fn bill(&self, output: &A::Output) -> Option<Bill> {
        Agent::bill(self, output)
    }

    fn bill_of_error(&self, error: &A::Error) -> Option<Bill> {
        Agent::bill_of_error(self, error)
    }

    fn is_metered(&self) -> bool {
        Agent::is_metered(self)
    }

    fn is_streamed(&self) -> bool {
        Agent::is_streamed(self)
    }
}
