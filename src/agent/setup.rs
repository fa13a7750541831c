//! The options of a [`BudgetConstrained`], and [`OnRefusal`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::erased_cache::SharedCache;
use super::saving::{Choosing, Trimming};
use super::{Agent, BudgetConstrained};
use crate::budget::{Account, Countdown, LostCall, Tag};
use crate::cache::{Namespace, ResultCache};
use crate::context::{ContextTrimmer, TrimError, TrimReport};
use crate::price::{EstimateError, Model, Ratio};
use crate::select::{ModelSelector, Requirements};

/// How it is set up.
impl<A: Agent> BudgetConstrained<A> {
    /// Charges the calls of an agent to an account, and refuses those that do not fit.
    pub fn new(agent: A, account: Account) -> BudgetConstrained<A> {
        BudgetConstrained {
            agent,
            account,
            tags: None,
            margin: None,
            trimming: None,
            choosing: None,
            erased_cache: None,
            cheaper: Vec::new(),
            at_least: None,
            at_most: None,
            wraps_up: false,
            on_lost: None,
        }
    }

    /// Charges each call to this tag as well. At most four, each of a tag tree of its own.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> BudgetConstrained<A> {
        let before = self.tags.as_deref().unwrap_or_default();
        self.tags = Some(before.iter().cloned().chain([tag]).collect());
        self
    }

    /// Multiplies each estimate, its output cap apart, see [`Estimate::with_margin`](crate::Estimate::with_margin).
    #[must_use]
    pub fn margin(mut self, ratio: Ratio) -> BudgetConstrained<A> {
        self.margin = Some(ratio);
        self
    }

    /// Shortens each task before it is paid for. `shorten` says where a task has its conversation,
    /// and gives back what [`ContextTrimmer::shorten`] or
    /// [`shorten_json`](ContextTrimmer::shorten_json) says; what was left out stands in
    /// [`Reply::trimmed`](super::Reply::trimmed) and [`Call::trimmed`](super::Call::trimmed).
    ///
    /// The trimmer keeps at most the size that you have set, and at most what the context
    /// window of the estimate's model leaves beside the output cap. Instructions, tools and schemas
    /// that are beside the conversation are yours to subtract.
    ///
    /// ```
    /// use bursar::agent::agent_fn;
    /// use bursar::testing::block_on;
    /// use bursar::context::openai;
    /// use bursar::{Bill, BudgetConstrained, BudgetManager, Call, ContextTrimmer, Usage, Usd};
    /// use serde_json::{Value, json};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let terra = budget.model("gpt-6.1-terra")?;
    /// let client = agent_fn(
    ///     "client",
    ///     move |body: &Value| terra.estimate_request(body), // or the call is refused with its error
    ///     |call: Call<Value>| async move {
    ///         // … send `call.task()` …
    ///         Ok::<_, std::io::Error>(call.task()["messages"].as_array().map_or(0, Vec::len))
    ///     },
    /// )
    /// .bill(|_| Some(Bill::new(Usage::tokens(900, 150))));
    /// let client = BudgetConstrained::new(client, budget.account("client")?)
    ///     .trimmer(ContextTrimmer::new(500), |body: &mut Value, trimmer| match &mut body["messages"] {
    ///         Value::Array(messages) => trimmer.shorten_json(messages, openai),
    ///         _ => Ok(None),
    ///     });
    ///
    /// let message = |text: String| json!({"role": "user", "content": text});
    /// let messages: Vec<_> = (0..50).map(|n| message(format!("{n}: {}", "word ".repeat(40)))).collect();
    /// let body = json!({"model": "gpt-6.1-terra", "max_completion_tokens": 200, "messages": messages});
    /// let reply = block_on(client.run(body))?;
    /// let trimmed = reply.trimmed.expect("50 messages are more than 500 tokens");
    /// assert_eq!((reply.output, trimmed.messages_dropped), (trimmed.messages_kept, 50 - reply.output));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn trimmer(
        mut self,
        trimmer: ContextTrimmer,
        shorten: impl Fn(&mut A::Task, &ContextTrimmer) -> Result<Option<TrimReport>, TrimError>
        + Send
        + Sync
        + 'static,
    ) -> BudgetConstrained<A> {
        self.trimming = Some(Arc::new(Trimming { trimmer, shorten: Box::new(shorten) }));
        self
    }

    /// Asks for the models that the selector ranks, in its order, in place of the estimate's own;
    /// the first that fits is admitted, and the agent sees it in [`Call::model`](super::Call::model).
    /// The selector ranks, the ledger admits.
    ///
    /// `requirements` says of a task how hard it is and what it needs. The money that is left to the account
    /// and the tags, the outer call's hold included, is added to the requirements, and the time is the
    /// budget's. Each model is asked with the counts of the agent's estimate. A fixed estimate has no
    /// model and is not ranked; nor is a call for which an outer layer has chosen one.
    ///
    /// ```
    /// use bursar::testing::{ScriptedAgent, block_on};
    /// use bursar::select::{Candidate, Complexity, Requirements};
    /// use bursar::{BudgetConstrained, BudgetManager, ModelSelector, Usage, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let (sol, luna) = (budget.model("gpt-6.1-sol")?, budget.model("gpt-6-luna")?);
    /// let agent = ScriptedAgent::new("writer", sol.estimate().input(1_200).max_output(800))
    ///     .reply("done", Usage::tokens(1_150, 340));
    /// let models = ModelSelector::new()
    ///     .candidate(Candidate::new(&sol, 95))
    ///     .candidate(Candidate::new(&luna, 60));
    /// let writer = BudgetConstrained::new(agent, budget.account("writer")?)
    ///     .selector(models, |task: &String| Requirements::new(Complexity::guess(task)));
    ///
    /// let reply = block_on(writer.run("Say hello".to_owned()))?;
    /// let model = reply.receipt.and_then(|receipt| receipt.model);
    /// assert_eq!(model.map(|model| model.to_string()), Some(luna.to_string()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn selector(
        mut self,
        selector: ModelSelector,
        requirements: impl Fn(&A::Task) -> Requirements + Send + Sync + 'static,
    ) -> BudgetConstrained<A> {
        self.choosing = Some(Arc::new(Choosing { selector, requirements: Box::new(requirements) }));
        self
    }

    /// Answers equal tasks from a cache; equal tasks at once are done once. Only answers as they
    /// were asked for are kept: none of another model, none that was shortened, by this layer, one
    /// around it or one inside it.
    ///
    /// The key is that of the task as it is sent, after trimming; with a
    /// [`selector`](BudgetConstrained::selector) it names the model that ranks first as well, so
    /// that no caller is served by a model that would not have been asked. The namespace has to name
    /// all else that an answer depends on.
    #[must_use]
    pub fn cache(mut self, cache: ResultCache<A::Output>, space: Namespace) -> BudgetConstrained<A>
    where
        A::Task: Serialize,
        A::Output: Clone + Sync + 'static,
        A::Error: 'static,
    {
        self.erased_cache = Some(Arc::new(SharedCache { cache, space }));
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

    /// What a lost call costs, whatever the manager's rule is.
    #[must_use]
    pub fn on_lost_call(mut self, lost: LostCall) -> BudgetConstrained<A> {
        self.on_lost = Some(lost);
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
    ///
    /// # Errors
    /// [`EstimateError`]: the size of the task has no bound.
    pub fn countdown(&self, task: &A::Task) -> Result<Countdown, EstimateError> {
        Ok(self.account.countdown(&Agent::estimate(self, task)?))
    }
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
    /// Shortens the output, down to this many tokens for each choice.
    Shorten {
        /// The shortest output that is of use, in tokens.
        at_least: u64,
    },
    /// Asks for another model, with the same counts. May be called several times.
    FallTo(Model),
    /// Waits for room, so long at most; a second one replaces the first. See
    /// [`ReserveRequest::wait`](crate::budget::ReserveRequest::wait) for who is served when.
    Wait(Duration),
    /// Takes the part that is kept for wrapping up
    /// ([`Limit::keep_for_wrap_up`](crate::Limit::keep_for_wrap_up)); the agent sees
    /// [`Call::is_wrap_up`](super::Call::is_wrap_up).
    WrapUp,
}

impl<A: Agent + Clone> Clone for BudgetConstrained<A> {
    fn clone(&self) -> BudgetConstrained<A> {
        BudgetConstrained {
            agent: self.agent.clone(),
            account: self.account.clone(),
            tags: self.tags.clone(),
            trimming: self.trimming.clone(),
            choosing: self.choosing.clone(),
            erased_cache: self.erased_cache.clone(),
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
