//! Owns [`BudgetConstrained`]: one call of an agent from its estimate to its receipt.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::guard::{Guard, LostReply};
use super::shelf::{Shared, Shelf};
use super::{Agent, Call, CallError, Meter};
use crate::budget::{Account, Ask, Countdown, Receipt, Reservation, ReserveError, Tag};
use crate::cache::{Namespace, ResultCache};
use crate::money::Usd;
use crate::price::{Estimate, Model, Ratio};
use crate::usage::Bill;

/// An agent that is called only while there is money: each call is estimated, looked up, reserved,
/// made and settled, in that order.
///
/// ```
/// use bursar::agent::testing::{ScriptedAgent, block_on};
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
/// | refused; or the future is dropped before its first poll, or while it waits for room | nothing; the agent was not called |
/// | found in the cache, or brought by an equal call that was under way | nothing; the saving is noted on the account |
/// | an answer with a bill | the bill |
/// | an answer without one ([`Agent::bill`] is `None`) | what was held, as assumed |
/// | an error with a bill ([`Agent::bill_of_error`]) | the bill; an empty one books nothing |
/// | an error without one; a timeout or any other drop of the future; a panic inside the agent | the reply is lost: what was held, as assumed, unless [`lost_reply`](BudgetConstrained::lost_reply) or the manager's [`LostCall`](crate::budget::LostCall) says otherwise |
/// | any of these ends, of an agent that [is metered](Agent::is_metered) | what its inner calls book, each by itself, and a bill of its own if it has one |
/// | an answer that is a stream, dropped midway | what [`BudgetedStream`](super::BudgetedStream) saw, as estimated |
///
/// What was held is what its inner calls have left of it; what is not booked goes back. There is no
/// timer inside: use your runtime's (`tokio::time::timeout`), which drops the future.
///
/// # Layers
///
/// It is an agent itself. A team whose members are constrained hands its call down with
/// [`Call::inner`]; each member reserves inside the team's hold, and shared money is held and booked
/// once. A member's account is the team's, or one below it. Directly around another layer, the
/// model and the cap that the outer one chose are what the inner one asks for first. Two layers may
/// share a cache only under different namespaces: an equal key would wait for itself.
pub struct BudgetConstrained<A: Agent> {
    agent: A,
    account: Account,
    tags: Option<Arc<[Tag]>>,
    margin: Option<Ratio>,
    shelf: Option<Arc<dyn Shelf<A>>>,
    cheaper: Vec<Model>,
    at_least: Option<u64>,
    at_most: Option<Duration>,
    wraps_up: bool,
    lost: Option<LostReply>,
}

/// What to do when a limit has no room for a call, or others wait for it. Without any of these, the
/// call is refused.
///
/// Several go together, always in this order: as estimated, shortened if need be; then each other
/// model, likewise; then it waits for the first of these that fits; and when that was in vain, all of
/// it again with the part that is kept for wrapping up, which is for a last answer and not for an
/// agent that only has to wait.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OnRefusal {
    /// Makes do with a shorter output, if so many tokens at least can be had for each choice.
    Shorten {
        /// The shortest output that is of use, in tokens.
        at_least: u64,
    },
    /// Asks for another model, with the same counts. May be said several times.
    FallTo(Model),
    /// Waits for room, so long at most; a second one replaces the first. See
    /// [`Ask::wait`](crate::budget::Ask::wait) for who is served when.
    Wait(Duration),
    /// Takes the part that is kept for wrapping up
    /// ([`Limit::keep_for_wrap_up`](crate::Limit::keep_for_wrap_up)); the agent sees
    /// [`Call::is_wrap_up`].
    WrapUp,
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
}

/// An answer that was paid for; `as_asked` unless the model, the output or the account's means
/// were not those that were asked for first.
pub(super) struct Paid<O> {
    pub(super) reply: Reply<O>,
    pub(super) as_asked: bool,
}

/// How it is set up.
impl<A: Agent> BudgetConstrained<A> {
    /// Charges the calls of an agent to an account, and refuses those that do not fit.
    pub fn new(agent: A, account: Account) -> BudgetConstrained<A> {
        BudgetConstrained {
            agent,
            account,
            tags: None,
            margin: None,
            shelf: None,
            cheaper: Vec::new(),
            at_least: None,
            at_most: None,
            wraps_up: false,
            lost: None,
        }
    }

    /// Charges each call to this tag as well. At most four, each of a tag tree of its own.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> BudgetConstrained<A> {
        let before = self.tags.as_deref().unwrap_or_default();
        self.tags = Some(before.iter().cloned().chain([tag]).collect());
        self
    }

    /// Multiplies each estimate, its output cap apart, see [`Estimate::with_margin`].
    #[must_use]
    pub fn margin(mut self, ratio: Ratio) -> BudgetConstrained<A> {
        self.margin = Some(ratio);
        self
    }

    /// Answers equal tasks from a cache; equal tasks at once are done once. Only answers as they
    /// were asked for are kept: none of another model, none that was shortened, by this layer or by
    /// one around it. What a layer inside does to an answer is not seen from here: put the cache
    /// where the money is decided.
    ///
    /// The namespace has to name all that an answer depends on beside the task.
    #[must_use]
    pub fn cache(mut self, cache: ResultCache<A::Output>, space: Namespace) -> BudgetConstrained<A>
    where
        A::Task: Serialize,
        A::Output: Clone + Sync + 'static,
        A::Error: 'static,
    {
        self.shelf = Some(Arc::new(Shared { cache, space }));
        self
    }

    /// What to do when a limit has no room for a call.
    #[must_use]
    pub fn on_refusal(mut self, step: OnRefusal) -> BudgetConstrained<A> {
        match step {
            OnRefusal::Shorten { at_least } => self.at_least = Some(at_least),
            OnRefusal::FallTo(model) => self.cheaper.push(model),
            OnRefusal::Wait(at_most) => self.at_most = Some(at_most),
            OnRefusal::WrapUp => self.wraps_up = true,
        }
        self
    }

    /// What a lost reply costs, whatever the manager's rule is.
    #[must_use]
    pub fn lost_reply(mut self, lost: LostReply) -> BudgetConstrained<A> {
        self.lost = Some(lost);
        self
    }

    /// The agent.
    pub fn get_ref(&self) -> &A {
        &self.agent
    }

    /// The agent, without the budget.
    pub fn into_inner(self) -> A {
        self.agent
    }

    /// The account that is charged.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What is left for tasks like this one, in calls of the usual size, tokens and dollars.
    pub fn countdown(&self, task: &A::Task) -> Countdown {
        self.account.countdown(&Agent::estimate(self, task))
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
    pub async fn call(&self, call: Call<A::Task>) -> Result<Reply<A::Output>, CallError<A::Error>> {
        // Estimate: an upper bound, of what an outer layer has chosen if one has.
        let estimate = self.estimate_of(&call);

        // Fall back: the models to ask instead, in the order that they were given.
        let models = &*self.cheaper;

        // Cache: an equal task is done once.
        let Some(shelf) = &self.shelf else {
            return self.pay(estimate, models, call).await.map(|paid| paid.reply);
        };
        let key = shelf.key(&call.task)?;
        let reply = shelf.get_or_run(key, Box::pin(self.pay(estimate, models, call))).await?;
        if !reply.saved.is_zero() {
            self.account.note_saved(reply.saved);
        }
        Ok(reply)
    }

    /// The second half of a call, which costs money.
    async fn pay(
        &self,
        estimate: Estimate,
        models: &[Model],
        call: Call<A::Task>,
    ) -> Result<Paid<A::Output>, CallError<A::Error>> {
        // Reserve: every limit of the line, or none.
        let (input, cap) = (estimate.inputs(), estimate.output_cap());
        let meter = call.meter.as_ref();
        let (hold, wrap_up) = self.reserve(estimate, models, meter, call.wrap_up).await?;
        let (model, max_output) = (hold.model().cloned(), hold.max_output_tokens());
        let is_whole = cap.is_none_or(|cap| cap == max_output);
        let is_own = call.model.is_none() && call.max_output_tokens.is_none();
        let as_asked = is_own && is_whole && hold.alternative() == 0 && !wrap_up;

        // Call: from here on a lost reply is charged.
        let tags = self.tags_inside(call.meter.as_ref());
        let meter = Some(Meter::new(&hold, &self.account, tags, wrap_up));
        let span = hold.span();
        let guard = Guard::new(hold, input, self.lost, self.agent.is_metered());
        let max_output_tokens = model.is_some().then_some(max_output);
        let call = Call { task: call.task, model, max_output_tokens, wrap_up, meter };
        let answered = span.run(self.agent.execute(call)).await;

        // Settle: the truth, whatever it is.
        match answered {
            Ok(output) => {
                let (receipt, cost) = guard.settle(self.agent.bill(&output));
                let reply = Reply { output, receipt, cost, saved: Usd::ZERO };
                Ok(Paid { reply, as_asked })
            }
            Err(error) => {
                match self.agent.bill_of_error(&error) {
                    Some(bill) => drop(guard.settle(Some(bill))),
                    None => drop(guard), // lost
                }
                Err(CallError::Agent(error))
            }
        }
    }

    fn estimate_of(&self, call: &Call<A::Task>) -> Estimate {
        let mut estimate = Agent::estimate(self, &call.task);
        if let Some(model) = &call.model {
            estimate = estimate.with_model(model);
        }
        if let Some(tokens) = call.max_output_tokens {
            estimate.cap_output(tokens);
        }
        estimate
    }

    /// The hold, and whether it took what is kept for wrapping up.
    async fn reserve(
        &self,
        estimate: Estimate,
        models: &[Model],
        meter: Option<&Meter>,
        wraps_up: bool,
    ) -> Result<(Reservation, bool), ReserveError> {
        let last = (self.wraps_up && !wraps_up).then(|| estimate.clone());
        let ask = self.ask(estimate, models, meter);
        let answer = match self.at_most {
            Some(at_most) => ask.wait(at_most).await,
            None => ask.reserve(),
        };
        match (answer, last) {
            (Err(ReserveError::Denied(_) | ReserveError::Queued(_)), Some(estimate)) => {
                let hold = self.ask(estimate, models, meter).wrap_up().reserve()?;
                Ok((hold, true))
            }
            (answer, _) => Ok((answer?, wraps_up)),
        }
    }

    fn ask<'a>(
        &'a self,
        estimate: Estimate,
        models: &[Model],
        meter: Option<&'a Meter>,
    ) -> Ask<'a> {
        let others: Vec<_> = models.iter().map(|model| estimate.with_model(model)).collect();
        let mut ask = match meter {
            Some(meter) => meter.ask_for(&self.account, estimate),
            None => self.account.ask(estimate),
        };
        ask = others.into_iter().fold(ask, Ask::or);
        ask = self.own_tags(meter).fold(ask, Ask::tag);
        match self.at_least {
            Some(tokens) => ask.at_least(tokens),
            None => ask,
        }
    }

    /// The tags that an outer call does not carry already.
    fn own_tags<'a>(&'a self, meter: Option<&'a Meter>) -> impl Iterator<Item = &'a Tag> {
        let outer = meter.map_or(&[][..], Meter::tags);
        let own = self.tags.as_deref().unwrap_or_default();
        own.iter().filter(|tag| !outer.iter().any(|other| other.path() == tag.path()))
    }

    /// All tags that an inner call carries.
    fn tags_inside(&self, meter: Option<&Meter>) -> Option<Arc<[Tag]>> {
        match meter.and_then(Meter::shared_tags) {
            None => self.tags.clone(),
            Some(outer) if self.own_tags(meter).next().is_none() => Some(Arc::clone(outer)),
            Some(outer) => Some(outer.iter().chain(self.own_tags(meter)).cloned().collect()),
        }
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

    fn estimate(&self, task: &A::Task) -> Estimate {
        let estimate = self.agent.estimate(task);
        match self.margin {
            Some(ratio) => estimate.with_margin(ratio),
            None => estimate,
        }
    }

    async fn execute(&self, call: Call<A::Task>) -> Result<A::Output, CallError<A::Error>> {
        Ok(self.call(call).await?.output)
    }

    fn bill(&self, _output: &A::Output) -> Option<Bill> {
        None
    }

    fn is_metered(&self) -> bool {
        true
    }
}

impl<A: Agent + Clone> Clone for BudgetConstrained<A> {
    fn clone(&self) -> BudgetConstrained<A> {
        BudgetConstrained {
            agent: self.agent.clone(),
            account: self.account.clone(),
            tags: self.tags.clone(),
            shelf: self.shelf.clone(),
            cheaper: self.cheaper.clone(),
            ..*self
        }
    }
}

impl<A: Agent> fmt::Debug for BudgetConstrained<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetConstrained")
            .field("agent", &self.agent.name())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
