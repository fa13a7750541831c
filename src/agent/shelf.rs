//! Owns the cache as a wrapper uses it: keys from tasks, and what a hit makes of a reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::admit::Lesser;
use super::{Agent, BudgetConstrained, Call, CallError, Reply};
use crate::budget::Account;
use crate::cache::{CacheKey, Computed, KeyError, Namespace, ResultCache, Source};
use crate::context::TrimReport;
use crate::money::Usd;
use crate::price::Estimate;

/// A cache of the answers of an agent. It hides what a cache asks of tasks and outputs, so that
/// agents without one need not have it.
pub(super) trait Shelf<A: Agent>: Send + Sync {
    /// The key of a task, for a model if one was chosen for it.
    fn key(&self, task: &A::Task, model: Option<&str>) -> Result<CacheKey, KeyError>;

    /// The answer of that key, or else what `paying` brings, kept if it is as it was asked for. What
    /// it saves is noted on the account.
    fn get_or_run<'a>(
        &'a self,
        key: CacheKey,
        account: &'a Account,
        asked: Asked,
        paying: Replying<'a, A>,
    ) -> Replying<'a, A>;
}

type Failed<A> = CallError<<A as Agent>::Error>;
pub(super) type Replying<'a, A> =
    Pin<Box<dyn Future<Output = Result<Reply<<A as Agent>::Output>, Failed<A>>> + Send + 'a>>;

/// What was asked for first. An answer is kept if it is that.
pub(super) struct Asked {
    /// False if an outer layer has chosen the model or the cap.
    is_own: bool,
    lesser: Arc<Lesser>,
    trimmed: Option<Box<TrimReport>>,
}

impl<A: Agent> BudgetConstrained<A> {
    /// The answer of an equal task, or else one that is paid for.
    pub(super) fn look_up<'a>(
        &'a self,
        shelf: &'a dyn Shelf<A>,
        estimate: Estimate,
        others: Vec<Estimate>,
        mut call: Call<A::Task>,
    ) -> Result<Replying<'a, A>, KeyError> {
        let chosen = estimate.model().filter(|_| self.choosing.is_some());
        let key = shelf.key(&call.task, chosen.map(|model| &**model.name()))?;
        let is_own = call.model.is_none() && call.max_output_tokens.is_none();
        let lesser = Lesser::inside(call.lesser.take());
        call.lesser = Some(Arc::clone(&lesser));
        let asked = Asked { is_own, lesser, trimmed: call.trimmed.clone() };
        let paying = Box::pin(self.pay(estimate, others, call));
        Ok(shelf.get_or_run(key, &self.account, asked, paying))
    }
}

/// A cache, and whose answers it shares.
pub(super) struct Shared<O> {
    pub(super) cache: ResultCache<O>,
    pub(super) space: Namespace,
}

impl<A: Agent> Shelf<A> for Shared<A::Output>
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
        asked: Asked,
        paying: Replying<'a, A>,
    ) -> Replying<'a, A> {
        Box::pin(async move {
            let Asked { is_own, lesser, trimmed } = asked;
            let mut own = None;
            let run = async {
                let reply = paying.await?;
                own = Some((reply.receipt, reply.cost));
                let computed = Computed::new(reply.output, reply.cost);
                let as_asked = is_own && !lesser.is_marked();
                // A shortened answer serves those who wait for it, and nobody after them.
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
                lesser.mark(); // what it is worth, only the one who paid knows
            }
            let (receipt, cost) = own.unwrap_or((None, Usd::ZERO));
            let output = Arc::unwrap_or_clone(answer.value);
            Ok(Reply { output, receipt, cost, saved: answer.saved, trimmed })
        })
    }
}
