//! [`Call`]: the task and its budget as an agent gets them; [`SubBudget`]: pays the agent's own calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_core::Stream;

use super::guard::SharedHold;
use super::stream::BudgetedStream;
use super::stream_hold::{StreamHold, StreamUsage};
use crate::budget::{
    Account, Countdown, InvalidCall, OuterHold, Reservation, ReserveError, ReserveRequest, Tag,
};
use crate::context::TrimReport;
use crate::money::Usd;
use crate::price::{Estimate, Model};

/// A task, and what was admitted for it.
///
/// ```
/// use bursar::Call;
///
/// let call = Call::new("What is a bursar?"); // outside of any budget
/// assert_eq!((call.max_output_tokens(), call.is_wrap_up()), (None, false));
/// assert_eq!(call.into_task(), "What is a bursar?");
/// ```
#[derive(Clone, Debug)]
pub struct Call<T> {
    pub(super) task: T,
    pub(super) model: Option<Model>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) wrap_up: bool,
    pub(super) sub_budget: Option<SubBudget>,
    pub(super) trimmed: Option<Box<TrimReport>>,
    pub(super) degraded: Option<Arc<Degraded>>,
    pub(super) hold: Option<Arc<SharedHold>>,
}

impl<T> Call<T> {
    /// A call outside of any budget: no model is chosen, no cap is set.
    #[inline]
    pub fn new(task: T) -> Call<T> {
        Call {
            task,
            model: None,
            max_output_tokens: None,
            wrap_up: false,
            sub_budget: None,
            trimmed: None,
            degraded: None,
            hold: None,
        }
    }

    /// What is to be done.
    pub fn task(&self) -> &T {
        &self.task
    }

    /// What is to be done, without the rest.
    pub fn into_task(self) -> T {
        self.task
    }

    /// The model that was admitted: the estimate's own, or a cheaper one. `None` if the estimate
    /// has none, or nothing was chosen.
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// The output cap that was admitted, for each choice: what the request has to ask for as
    /// `max_tokens`. `None` as for [`model`](Call::model).
    pub fn max_output_tokens(&self) -> Option<u64> {
        self.max_output_tokens
    }

    /// True if the money comes out of what is kept for wrapping up: the agent should write its last
    /// answer.
    pub fn is_wrap_up(&self) -> bool {
        self.wrap_up
    }

    /// What was left out of the task; `None` if it is whole. An agent may want to tell its model.
    pub fn trimmed(&self) -> Option<&TrimReport> {
        self.trimmed.as_deref()
    }

    /// With which the agent makes calls of its own inside this one; `None` outside of any budget.
    pub fn sub_budget(&self) -> Option<&SubBudget> {
        self.sub_budget.as_ref()
    }

    /// Hands the call's hold to a stream, which from now on meters it, lets it grow if growth was set,
    /// and books it when it ends or is dropped, however long after the call that is. `show` is as of
    /// [`BudgetedStream::new`]. The call itself then books nothing more: its
    /// [`Reply`](super::Reply) has no receipt, the stream has.
    ///
    /// The agent's [billing](super::Agent::billing) has to be `Streamed`. Until its answer has begun it
    /// fails as any other, with an [outcome](super::Agent::outcome). If the stream is cut before the
    /// provider says how many input tokens there were, those of the estimate are booked. Outside of
    /// any budget it is a stream that books nothing.
    ///
    /// ```
    /// use bursar::agent::{CallError, StreamUsage, agent_fn};
    /// use bursar::testing::{Items, block_on, next};
    /// use bursar::{BudgetConstrained, BudgetManager, Call, Usage, Usd};
    /// # async fn connect(_: &str, _: Option<u64>) -> std::io::Result<Items<u64, std::io::Error>> {
    /// #     Ok(Items::new([Ok(200), Ok(340)]))
    /// # }
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let terra = budget.model("gpt-6.1-terra")?;
    /// let agent = agent_fn(
    ///     "reader",
    ///     move |_: &String| terra.estimate().input(1_200).max_output(800),
    ///     |call: Call<String>| async move {
    ///         let events = connect(call.task(), call.max_output_tokens()).await;
    ///         let events = events.map_err(CallError::Agent)?;
    ///         // Here each item is the output so far; bytes go to `usage.push`.
    ///         let show = |output: &u64, usage: &mut StreamUsage| usage.used(Usage::tokens(1_150, *output));
    ///         Ok::<_, CallError<_>>(call.stream(events, show)?)
    ///     },
    /// )
    /// .streamed();
    ///
    /// let reader = BudgetConstrained::new(agent, budget.account("reader")?);
    /// let mut answer = block_on(reader.run("owls".to_owned()))?.output;
    /// while let Some(chunk) = block_on(next(&mut answer)) {
    ///     println!("{}", chunk?);
    /// }
    /// assert_eq!(budget.spent(), "0.00285".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidCall::NoHold`](crate::budget::InvalidCall::NoHold): the agent does not say that it is
    /// streamed, has handed the hold over before, or the call has ended; or it is an
    /// [inner](Call::inner) call that has no hold of its own.
    pub fn stream<S, F, I, E>(
        &self,
        stream: S,
        show: F,
    ) -> Result<BudgetedStream<S, F>, ReserveError>
    where
        S: Stream<Item = Result<I, E>>,
        F: FnMut(&I, &mut StreamUsage),
    {
        let hold = match (&self.hold, &self.sub_budget) {
            (Some(hold), _) => hold.hand_over(),
            (None, Some(_)) => None,
            (None, None) => Some(StreamHold::unpaid()),
        };
        let hold = hold.ok_or(ReserveError::Invalid(InvalidCall::NoHold))?;
        Ok(BudgetedStream::on(hold, stream, show))
    }

    /// Another task inside this call, for another agent: what it costs comes out of this call's
    /// hold as far as that goes, and is booked once.
    pub fn inner<U>(&self, task: U) -> Call<U> {
        let (sub_budget, degraded) = (self.sub_budget.clone(), self.degraded.clone());
        Call { wrap_up: self.wrap_up, sub_budget, degraded, ..Call::new(task) }
    }
}

/// Reserves and settles the calls that an agent makes within one call of its own.
///
/// Each takes its money out of the outer hold as far as that goes, and gives back what it has not
/// used; only limits below the outer account are asked for that part. The outer call then settles
/// only what was not metered.
///
/// ```
/// use bursar::agent::{BudgetConstrained, agent_fn};
/// use bursar::{Bill, BudgetManager, Call, Estimate, ReserveError, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let luna = budget.model("gpt-6-luna")?;
/// let researcher = agent_fn(
///     "researcher",
///     |_: &String| Estimate::fixed(Usd::cents(50)), // for the whole run
///     move |call: Call<String>| {
///         let step = luna.estimate().input(1_000).max_output(200);
///         async move {
///             for _ in 0..3 {
///                 let Some(sub_budget) = call.sub_budget() else { break };
///                 let hold = sub_budget.reserve(&step)?;
///                 // … call the model …
///                 hold.settle(Usage::tokens(900, 150));
///             }
///             Ok::<_, ReserveError>(())
///         }
///     },
/// )
/// .metered();
///
/// let researcher = BudgetConstrained::new(researcher, budget.account("research")?);
/// let reply = bursar::testing::block_on(researcher.run("owls".to_owned()))?;
/// assert_eq!((budget.spent(), budget.held()), (reply.cost, Usd::ZERO));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Clones are handles to the same hold. Once the outer call has ended, they reserve nothing.
#[derive(Clone, Debug)]
pub struct SubBudget {
    outer: OuterHold,
    account: Account,
    tags: Option<Arc<[Tag]>>,
    wrap_up: bool,
}

impl SubBudget {
    #[inline]
    pub(super) fn new(
        hold: &Reservation,
        account: &Account,
        tags: Option<Arc<[Tag]>>,
        wrap_up: bool,
    ) -> SubBudget {
        SubBudget { outer: hold.lend(), account: account.clone(), tags, wrap_up }
    }

    /// The account of the outer call.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Sets money and tokens aside for a call inside the outer one.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing has been held then.
    pub fn reserve(&self, estimate: &Estimate) -> Result<Reservation, ReserveError> {
        self.request(estimate.clone()).reserve()
    }

    /// Begins a request for a call inside the outer one.
    pub fn request(&self, estimate: Estimate) -> ReserveRequest<'_> {
        self.request_for(&self.account, estimate)
    }

    /// Begins a request for a call inside the outer one that is charged to an account below the outer one's.
    #[inline]
    pub fn request_for<'a>(
        &'a self,
        account: &'a Account,
        estimate: Estimate,
    ) -> ReserveRequest<'a> {
        self.inside(account.request(estimate))
    }

    /// Makes a call one inside the outer one.
    pub(super) fn inside<'a>(&'a self, request: ReserveRequest<'a>) -> ReserveRequest<'a> {
        let request = self.tags().iter().fold(request.inside_hold(self.outer), ReserveRequest::tag);
        if self.wrap_up { request.wrap_up() } else { request }
    }

    /// What is left for calls of that size: what the outer hold has left, and what the account
    /// could still add to it.
    pub fn countdown(&self, usual: &Estimate) -> Countdown {
        self.account.countdown_inside(usual, self.left())
    }

    /// What its inner calls have left of the outer hold.
    pub(super) fn left(&self) -> Usd {
        self.account.left_of(self.outer)
    }

    /// The tags of the outer call, which its inner calls carry too.
    pub(super) fn tags(&self) -> &[Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    pub(super) fn shared_tags(&self) -> Option<&Arc<[Tag]>> {
        self.tags.as_ref()
    }
}

/// Whether a layer, or one inside it, had to make do with less than it asked for first.
#[derive(Debug, Default)]
pub(super) struct Degraded {
    was_degraded: AtomicBool,
    around: Option<Arc<Degraded>>,
}

impl Degraded {
    pub(super) fn inside(around: Option<Arc<Degraded>>) -> Arc<Degraded> {
        Arc::new(Degraded { was_degraded: AtomicBool::new(false), around })
    }

    /// Marks this layer and all layers around it.
    pub(super) fn mark(&self) {
        self.was_degraded.store(true, Ordering::Relaxed);
        if let Some(around) = &self.around {
            around.mark();
        }
    }

    pub(super) fn is_marked(&self) -> bool {
        self.was_degraded.load(Ordering::Relaxed)
    }
}
