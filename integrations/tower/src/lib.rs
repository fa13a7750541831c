//! [`BudgetLayer`]: a hard budget as a tower layer.
//!
#![doc = include_str!("../README.md")]
#![deny(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![warn(unreachable_pub)]

mod books;
mod future;

use std::sync::Arc;
use std::task::{Context, Poll};

use bursar::{Account, ReserveError};
use tower_layer::Layer;
use tower_service::Service;

pub use books::{Books, Closures};
pub use future::ResponseFuture;

/// A [`Layer`] that lets requests through only while there is money for them.
///
/// What a request may cost, and what a response has cost, is known to its [`Books`].
#[derive(Debug)]
pub struct BudgetLayer<K> {
    account: Account,
    books: Arc<K>,
}

impl<K> BudgetLayer<K> {
    /// Charges requests to this account, unless the books name another one.
    pub fn new(account: &Account, books: K) -> BudgetLayer<K> {
        BudgetLayer { account: account.clone(), books: Arc::new(books) }
    }
}

impl<K> Clone for BudgetLayer<K> {
    fn clone(&self) -> BudgetLayer<K> {
        BudgetLayer { account: self.account.clone(), books: Arc::clone(&self.books) }
    }
}

impl<S, K> Layer<S> for BudgetLayer<K> {
    type Service = Budget<S, K>;

    fn layer(&self, inner: S) -> Budget<S, K> {
        Budget { inner, layer: self.clone() }
    }
}

/// A [`Service`] behind a budget, made by [`BudgetLayer`].
///
/// The money is set aside in `call`, where the request is known, and never in `poll_ready`: a service
/// that is ready and not called holds nothing. From `call` on, a response future that is dropped loses
/// a reply that has usually been billed.
#[derive(Debug)]
pub struct Budget<S, K> {
    inner: S,
    layer: BudgetLayer<K>,
}

impl<S, K> Budget<S, K> {
    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service without its budget.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, K> Clone for Budget<S, K> {
    fn clone(&self) -> Budget<S, K> {
        Budget { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, K, Request> Service<Request> for Budget<S, K>
where
    S: Service<Request>,
    K: Books<Request, S::Response, S::Error>,
{
    type Response = K::Answer;
    type Error = BudgetError<S::Error, K::Unclear>;
    type Future = ResponseFuture<S::Future, K, Request, K::Unclear>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(BudgetError::Service)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let BudgetLayer { account, books } = &self.layer;
        let estimate = match books.estimate(&request) {
            Ok(estimate) => estimate,
            Err(unclear) => return ResponseFuture::unclear(unclear),
        };
        let other = books.account(&request);
        match other.as_ref().unwrap_or(account).reserve(&estimate) {
            Ok(hold) => {
                hold.mark_sent(); // a service may begin before its future is polled
                ResponseFuture::new(self.inner.call(request), hold, Arc::clone(books))
            }
            Err(refused) => ResponseFuture::refused(refused),
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError<E, U> {
    /// The budget says no. The service was not called, and nothing is held.
    #[error(transparent)]
    Refused(ReserveError),
    /// The cost of the request has no bound. The service was not called.
    #[error(transparent)]
    Unclear(U),
    /// The service failed. What that has cost is booked.
    #[error(transparent)]
    Service(E),
}

impl<E, U> BudgetError<E, U> {
    /// The refusal, if the budget refused the call.
    pub fn refused(&self) -> Option<&ReserveError> {
        match self {
            BudgetError::Refused(error) => Some(error),
            _ => None,
        }
    }
}
