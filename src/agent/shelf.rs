//! Owns the cache as a wrapper uses it: keys from tasks, and what a hit makes of a reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::constrained::Paid;
use super::{Agent, CallError, Reply};
use crate::cache::{CacheKey, Fresh, KeyError, Namespace, ResultCache};
use crate::money::Usd;

/// A cache of the answers of an agent. It hides what a cache asks of tasks and outputs, so that
/// agents without one need not have it.
pub(super) trait Shelf<A: Agent>: Send + Sync {
    fn key(&self, task: &A::Task) -> Result<CacheKey, KeyError>;

    /// The answer of that key, or else what `paying` brings.
    fn get_or_run<'a>(&'a self, key: CacheKey, paying: Paying<'a, A>) -> Getting<'a, A>;
}

type Failed<A> = CallError<<A as Agent>::Error>;
pub(super) type Paying<'a, A> =
    Pin<Box<dyn Future<Output = Result<Paid<<A as Agent>::Output>, Failed<A>>> + Send + 'a>>;
pub(super) type Getting<'a, A> =
    Pin<Box<dyn Future<Output = Result<Reply<<A as Agent>::Output>, Failed<A>>> + Send + 'a>>;

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
    fn key(&self, task: &A::Task) -> Result<CacheKey, KeyError> {
        self.space.key(task)
    }

    fn get_or_run<'a>(&'a self, key: CacheKey, paying: Paying<'a, A>) -> Getting<'a, A> {
        Box::pin(async move {
            let mut own = None;
            let run = async {
                let Paid { reply, as_asked } = paying.await?;
                own = Some((reply.receipt, reply.cost));
                let fresh = Fresh::new(reply.output, reply.cost);
                // A shortened answer serves those who wait for it, and nobody after them.
                Ok::<_, Failed<A>>(if as_asked { fresh } else { fresh.keep_for(Duration::ZERO) })
            };
            let answer = self.cache.get_or_run(key, run).await?;
            let (receipt, cost) = own.unwrap_or((None, Usd::ZERO));
            let output = Arc::unwrap_or_clone(answer.value);
            Ok(Reply { output, receipt, cost, saved: answer.saved })
        })
    }
}
