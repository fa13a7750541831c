//! The response future: the hold while the service works, and how it ends.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bursar::{Reservation, ReserveError};
use pin_project_lite::pin_project;

use crate::{Books, BudgetError};

pin_project! {
    /// The response of a service behind a budget. It owns the hold: dropped, the reply is lost.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct ResponseFuture<F, K, Request, U> {
        #[pin]
        state: State<F, K, U>,
        request: PhantomData<fn(Request)>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, K, U> {
        Under { #[pin] future: F, hold: Option<Reservation>, books: Arc<K> },
        Refused { refused: Option<ReserveError> },
        Unclear { unclear: Option<U> },
    }
}

impl<F, K, Request, U> ResponseFuture<F, K, Request, U> {
    pub(crate) fn new(future: F, hold: Reservation, books: Arc<K>) -> Self {
        Self::of(State::Under { future, hold: Some(hold), books })
    }

    pub(crate) fn refused(error: ReserveError) -> Self {
        Self::of(State::Refused { refused: Some(error) })
    }

    pub(crate) fn unclear(unclear: U) -> Self {
        Self::of(State::Unclear { unclear: Some(unclear) })
    }

    fn of(state: State<F, K, U>) -> Self {
        ResponseFuture { state, request: PhantomData }
    }
}

impl<F, K, Request, Response, Error> Future for ResponseFuture<F, K, Request, K::Unclear>
where
    F: Future<Output = Result<Response, Error>>,
    K: Books<Request, Response, Error>,
{
    type Output = Result<K::Answer, BudgetError<Error, K::Unclear>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = match self.project().state.project() {
            StateProjection::Under { future, hold, books } => {
                let reply = ready!(future.poll(context));
                hold.take().map(|hold| match reply {
                    Ok(response) => Ok(books.settle(hold, response)),
                    Err(error) => {
                        let outcome = books.outcome_of_error(&hold, &error);
                        hold.finish(outcome);
                        Err(BudgetError::Service(error))
                    }
                })
            }
            StateProjection::Refused { refused } => {
                refused.take().map(|error| Err(BudgetError::Refused(error)))
            }
            StateProjection::Unclear { unclear } => {
                unclear.take().map(|error| Err(BudgetError::Unclear(error)))
            }
        };
        // Polled after its end, it is pending for good.
        ended.map_or(Poll::Pending, Poll::Ready)
    }
}
