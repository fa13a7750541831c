//! [`ErasedCache`]: the wrapper's cache with its key and value types hidden.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::call::Degraded;
use super::{Agent, BudgetConstrained, Call, CallError, Reply};
use crate::budget::Account;
use crate::cache::{CacheKey, Computed, KeyError, Namespace, ResultCache, Source};
use crate::context::TrimReport;
use crate::money::Usd;
use crate::price::Estimate;

/// A cache of the answers of an agent. It hides what a cache asks of tasks and outputs, so that
/// agents without one need not have it.
pub(super) trait ErasedCache<A: Agent>: Send + Sync {
    /// The key of a task, for a model if one was chosen for it.
    fn key(&self, task: &A::Task, model: Option<&str>) -> Result<CacheKey, KeyError>;

    /// The cached answer of that key, or else the answer of `paying`, which is kept if the policy
    /// allows it. What a hit saves is recorded on the account.
    fn get_or_run<'a>(
        &'a self,
        key: CacheKey,
        account: &'a Account,
        policy: CachePolicy,
        paying: ReplyFuture<'a, A>,
    ) -> ReplyFuture<'a, A>;
}

type Failed<A> = CallError<<A as Agent>::Error>;
pub(super) type ReplyFuture<'a, A> =
    Pin<Box<dyn Future<Output = Result<Reply<<A as Agent>::Output>, Failed<A>>> + Send + 'a>>;

/// Decides whether an answer may be kept: only one that was asked for as the caller wanted it.
pub(super) struct CachePolicy {
    /// False if an outer layer has chosen the model or the cap.
    is_own: bool,
    degraded: Arc<Degraded>,
    trimmed: Option<Box<TrimReport>>,
}

impl<A: Agent> BudgetConstrained<A> {
    /// The answer of an equal task, or else one that is paid for.
    pub(super) fn look_up<'a>(
        &'a self,
        erased_cache: &'a dyn ErasedCache<A>,
        estimate: Estimate,
        others: Vec<Estimate>,
        mut call: Call<A::Task>,
    ) -> Result<ReplyFuture<'a, A>, KeyError> {
        let chosen = estimate.model().filter(|_| self.choosing.is_some());
        let key = erased_cache.key(&call.task, chosen.map(|model| &**model.name()))?;
        let is_own = call.model.is_none() && call.max_output_tokens.is_none();
        let degraded = Degraded::inside(call.degraded.take());
        call.degraded = Some(Arc::clone(&degraded));
        let policy = CachePolicy { is_own, degraded, trimmed: call.trimmed.clone() };
        let paying = Box::pin(self.pay(estimate, others, call));
        Ok(erased_cache.get_or_run(key, &self.account, policy, paying))
    }
}

/// A cache, and whose answers it shares.
pub(super) struct SharedCache<O> {
    pub(super) cache: ResultCache<O>,
    pub(super) space: Namespace,
}

impl<A: Agent> ErasedCache<A> for SharedCache<A::Output>
where
    A::Task: Serialize,
    A::Output: Clone + Sync,
    A::Error: 'static,
{
    fn key(&self, task: &A::Task, model: Option<&str>) -> Result<CacheKey, KeyError> {
        match model {
            None => self.space.key(task),
            Some(model) => self.space.key(&(model, task)),
        }
    }

    fn get_or_run<'a>(
        &'a self,
        key: CacheKey,
        account: &'a Account,
        policy: CachePolicy,
        paying: ReplyFuture<'a, A>,
    ) -> ReplyFuture<'a, A> {
        Box::pin(async move {
            let CachePolicy { is_own, degraded, trimmed } = policy;
            let mut own = None;
            let run = async {
                let reply = paying.await?;
                own = Some((reply.receipt, reply.cost));
                let computed = Computed::new(reply.output, reply.cost);
                let as_asked = is_own && !degraded.is_marked();
                // A shortened answer serves the callers that wait for it, and is not kept.
                Ok::<_, Failed<A>>(if as_asked {
                    computed
                } else {
                    computed.keep_for(Duration::ZERO)
                })
            };
            let answer = self.cache.get_or_run(key, run).await?;
            if !answer.saved.is_zero() {
                account.note_saved(answer.saved);
            }
            if answer.source == Source::Coalesced {
                degraded.mark(); // another task ran the call; only it knows whether the answer was degraded
            }
            let (receipt, cost) = own.unwrap_or((None, Usd::ZERO));
            let output = Arc::unwrap_or_clone(answer.value);
            Ok(Reply { output, receipt, cost, saved: answer.saved, trimmed })
        })
    }
}
