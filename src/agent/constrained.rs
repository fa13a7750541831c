//! [`BudgetConstrained`]: runs an agent's calls inside a budget, from the estimate to the receipt.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::erased_cache::ErasedCache;
use super::saving::{Choosing, Trimming};
use super::{Agent, Billing, Call, CallError};
use crate::budget::{Account, LostCall, Receipt, Tag};
use crate::context::TrimReport;
use crate::money::Usd;
use crate::price::{Estimate, EstimateError, Model, Ratio};
use crate::usage::Outcome;

/// An agent that is called only while there is money: each call is estimated, trimmed, ranked,
/// looked up, reserved, made and settled, in that order.
///
/// ```
/// use bursar::testing::{ScriptedAgent, block_on};
/// use bursar::agent::{BudgetConstrained, OnRefusal};
/// use bursar::{BudgetManager, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::cents(1))?;
/// let (terra, luna) = (budget.model("gpt-6.1-terra")?, budget.model("gpt-6-luna")?);
/// let agent = ScriptedAgent::new("writer", terra.estimate().input(1_200).max_output(800))
///     .reply("It was a dark and stormy night.", Usage::tokens(1_150, 340));
///
/// let writer = BudgetConstrained::new(agent, budget.account("writer")?)
///     .on_refusal(OnRefusal::Shorten { at_least: 200 })
///     .on_refusal(OnRefusal::FallTo(luna));
/// let reply = block_on(writer.run("a first line".to_owned()))?;
/// assert_eq!(reply.cost, "0.00285".parse()?);
/// assert_eq!(budget.spent(), reply.cost);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # How a call ends
///
/// Exactly one of these happens to what was held; a test goes through all of them, and drops the
/// future after each of its polls.
///
/// | what happens | what is booked |
/// |---|---|
/// | it cannot be estimated or trimmed, no model may be asked, or it is refused; or the future is dropped before its first poll, or while it waits for room | nothing; the agent was not called |
/// | found in the cache, or brought by an equal call that was under way | nothing; the saving is noted on the account |
/// | an answer or an error with a bill ([`Agent::outcome`] is `Billed`) | the bill |
/// | one that is free, or was not sent | a call of $0; nothing |
/// | an answer without a bill (`Lost`) | what was held, as assumed |
/// | an error without one; a timeout or any other drop of the future; a panic inside the agent | the call is lost: what was held, as assumed, unless [`on_lost_call`](BudgetConstrained::on_lost_call) or the manager's [`LostCall`] says otherwise |
/// | any of these ends, of an agent that is [metered](Billing::Metered) | what its inner calls book, each by itself, and a bill of its own if it has one |
/// | an answer that is a stream of [`Call::stream`] | what the stream books when it ends or is dropped, see [`BudgetedStream`](super::BudgetedStream) |
///
/// What was held is what its inner calls have left of it; what is not booked goes back. With a journal
/// the call answers when that is written; a future that is dropped in that moment loses no charge.
/// There is no timer inside: use your runtime's (`tokio::time::timeout`), which drops the future.
///
/// # Layers
///
/// It is an agent itself. A team whose members are constrained hands its call down with
/// [`Call::inner`]; each member reserves inside the team's hold, and shared money is held and booked
/// once. A member's account is the team's, or one below it.
///
/// Directly around another layer, the model and the cap that the outer one chose are what the inner
/// one asks for first, and an inner [`selector`](BudgetConstrained::selector) is not asked: put
/// selector, trimmer and cache where the money is decided, in the outermost layer. Two layers may
/// share a cache only under different namespaces: an equal key would wait for itself.
pub struct BudgetConstrained<A: Agent> {
    pub(super) agent: A,
    pub(super) account: Account,
    pub(super) tags: Option<Arc<[Tag]>>,
    pub(super) margin: Option<Ratio>,
    pub(super) trimming: Option<Arc<Trimming<A::Task>>>,
    pub(super) choosing: Option<Arc<Choosing<A::Task>>>,
    pub(super) erased_cache: Option<Arc<dyn ErasedCache<A>>>,
    pub(super) cheaper: Vec<Model>,
    pub(super) at_least: Option<u64>,
    pub(super) at_most: Option<Duration>,
    pub(super) wraps_up: bool,
    pub(super) on_lost: Option<LostCall>,
}

/// An answer, and what it has cost.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply<O> {
    /// The answer.
    pub output: O,
    /// What was booked for the call itself; `None` if nothing was: it came from a cache, or all
    /// was booked by inner calls.
    pub receipt: Option<Receipt>,
    /// What it has cost, with what inner calls have taken out of its hold. What an inner call took
    /// beyond the hold is booked on its own and not in here: the report has it.
    pub cost: Usd,
    /// What a cache has saved.
    pub saved: Usd,
    /// What was left out of the task; `None` if it was sent whole.
    pub trimmed: Option<Box<TrimReport>>,
}

impl<O> Reply<O> {
    #[inline]
    pub(super) fn new(
        output: O,
        receipt: Option<Receipt>,
        inner: Usd,
        trimmed: Option<Box<TrimReport>>,
    ) -> Reply<O> {
        let own = receipt.as_ref().map_or(Usd::ZERO, |receipt| receipt.cost);
        let cost = own.checked_add(inner).unwrap_or(Usd::MAX);
        Reply { output, receipt, cost, saved: Usd::ZERO, trimmed }
    }
}

/// How a call is made.
impl<A: Agent> BudgetConstrained<A> {
    /// Does a task.
    ///
    /// # Errors
    /// [`CallError`]: the budget's refusal, or the agent's own error.
    pub fn run(
        &self,
        task: A::Task,
    ) -> impl Future<Output = Result<Reply<A::Output>, CallError<A::Error>>> + Send {
        self.call(Call::new(task))
    }

    /// Does a task, inside another call if it comes from [`Call::inner`].
    ///
    /// # Errors
    /// [`CallError`]: the budget's refusal, or the agent's own error.
    pub async fn call(
        &self,
        mut call: Call<A::Task>,
    ) -> Result<Reply<A::Output>, CallError<A::Error>> {
        // Estimate: an upper bound, of what an outer layer has chosen if one has.
        let mut estimate = self.estimate_of(&call)?;

        // Trim: what is not sent is not paid for.
        if let Some(report) = self.trim(&mut call.task, &estimate)? {
            call.trimmed = Some(Box::new(report));
            estimate = self.estimate_of(&call)?;
        }

        // Rank: the models to ask, in order, by the money that is left.
        let others = self.rank(&mut estimate, &call)?;

        // Cache: an equal task is done once.
        if let Some(erased_cache) = &self.erased_cache {
            return self.look_up(&**erased_cache, estimate, others, call)?.await;
        }

        // Reserve, call, settle.
        self.pay(estimate, others, call).await
    }
}

/// A layer: all it costs is booked by itself.
impl<A: Agent> Agent for BudgetConstrained<A> {
    type Task = A::Task;
    type Output = A::Output;
    type Error = CallError<A::Error>;

    fn name(&self) -> &str {
        self.agent.name()
    }

    fn estimate(&self, task: &A::Task) -> Result<Estimate, EstimateError> {
        let estimate = self.agent.estimate(task)?;
        Ok(match self.margin {
            Some(ratio) => estimate.with_margin(ratio),
            None => estimate,
        })
    }

    async fn execute(&self, call: Call<A::Task>) -> Result<A::Output, CallError<A::Error>> {
        Ok(self.call(call).await?.output)
    }

    fn outcome(&self, _: &Result<A::Output, CallError<A::Error>>) -> Outcome {
        Outcome::Free
    }

    fn billing(&self) -> Billing {
        Billing::Metered
    }
}
