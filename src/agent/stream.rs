//! [`BudgetedStream`]: a streamed answer, metered as it is read.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::CallError;
use super::stream_hold::{StreamHold, StreamUsage};
use crate::budget::{Receipt, Reservation, ReserveError, Ticket};
use crate::usage::Usage;

pin_project! {
    /// A stream whose hold is settled when it ends, and not before.
    ///
    /// Each item passes through untouched, in its order, when it is asked for. On the way, a closure
    /// shows it to a [`StreamUsage`], which knows what has been used so far:
    ///
    /// | what happens | what is booked |
    /// |---|---|
    /// | the stream ends | the provider's last counts, or else what was seen, as estimated |
    /// | dropped midway | what was seen, as estimated; the provider's counts if they had come |
    /// | either, before the counts of a model that can reason | with it what was not shown: the output cap of the hold, unless the request [switches reasoning off](crate::Estimate::reasoning_off) |
    /// | an error event comes before any output | what that costs by [`FailedCalls`](crate::usage::FailedCalls): often nothing |
    /// | the output outgrows the hold | nothing changes: the stream goes on, [`is_outgrown`](BudgetedStream::is_outgrown) says so, and the end books the truth, also where a limit has no room for it |
    /// | the same, of one that [may grow](BudgetedStream::growing_by) | the hold grows; if the money has ended, the stream is dropped, the next item is [`CallError::Refused`], and what was seen is booked |
    /// | it ends or is dropped, and nothing was seen | as of any lost call: what was held, as assumed |
    /// | dropped before it was first polled | nothing |
    ///
    /// With a journal nothing here blocks: the growth of the hold is awaited before the next item is
    /// asked for.
    ///
    /// ```
    /// use bursar::agent::BudgetedStream;
    /// use bursar::{BudgetManager, Usd};
    /// # fn connect() -> bursar::testing::Items<String, std::io::Error> { unimplemented!() }
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
    /// let hold = budget.reserve("crawler", &call)?;
    /// // `connect()` gives a `Stream<Item = Result<String, io::Error>>` of a provider's events.
    /// let answer = BudgetedStream::new(hold, connect(), |chunk, usage| usage.push(chunk));
    /// # Ok(()) }
    /// ```
    ///
    /// An agent inside [`BudgetConstrained`](super::BudgetConstrained) gets one of its call, with
    /// [`Call::stream`](super::Call::stream).
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct BudgetedStream<S, F> {
        #[pin]
        stream: Option<S>,
        show: F,
        hold: StreamHold,
        refused: Option<ReserveError>,
        closing: Option<Ticket<()>>,
    }
}

impl<S, F> BudgetedStream<S, F> {
    /// A stream of the call that `hold` was reserved for. `show` is given each item, and shows
    /// the [`StreamUsage`] what the item states. The hold does not grow.
    pub fn new<T, E>(hold: Reservation, stream: S, show: F) -> BudgetedStream<S, F>
    where
        S: Stream<Item = Result<T, E>>,
        F: FnMut(&T, &mut StreamUsage),
    {
        BudgetedStream::on(StreamHold::new(hold), stream, show)
    }

    /// A stream that is booked on that hold.
    pub(super) fn on(hold: StreamHold, stream: S, show: F) -> BudgetedStream<S, F> {
        BudgetedStream { stream: Some(stream), show, hold, refused: None, closing: None }
    }

    /// Lets the hold grow by this many output tokens whenever it is outgrown, and cuts the stream when
    /// there is no money for that; zero, the default, does neither. For a
    /// provider that was given no cap. One that was given the hold's cannot outgrow it, but the
    /// estimate of its text can, while the provider has sent no counts.
    pub fn growing_by(mut self, tokens: u64) -> BudgetedStream<S, F> {
        self.hold = self.hold.growing_by(tokens);
        self
    }

    /// What has been used so far.
    pub fn seen(&self) -> Usage {
        self.hold.seen()
    }

    /// Whether more output was seen than is held for.
    pub fn is_outgrown(&self) -> bool {
        self.hold.is_outgrown()
    }

    /// What was booked, once the stream has ended with anything to book.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.hold.receipt()
    }
}

impl<S, F, T, E> Stream for BudgetedStream<S, F>
where
    S: Stream<Item = Result<T, E>>,
    F: FnMut(&T, &mut StreamUsage),
{
    type Item = Result<T, CallError<E>>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, CallError<E>>>> {
        let mut this = self.project();
        if this.hold.is_growing() {
            // What has come is paid for before more of it is asked for.
            if let Err(error) = ready!(this.hold.poll_keep_up(context)) {
                *this.refused = Some(error);
                this.stream.set(None); // so that the provider stops
                *this.closing = this.hold.end();
            }
        }
        if let Some(stream) = this.stream.as_mut().as_pin_mut() {
            this.hold.mark_sent();
            match ready!(stream.poll_next(context)) {
                Some(Ok(item)) => {
                    (this.show)(&item, this.hold.usage());
                    if let Poll::Ready(Err(error)) = this.hold.poll_keep_up(context) {
                        *this.refused = Some(error);
                        this.stream.set(None);
                        *this.closing = this.hold.end();
                    }
                    return Poll::Ready(Some(Ok(item)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(CallError::Agent(error)))),
                None => {
                    this.stream.set(None);
                    *this.closing = this.hold.end();
                }
            }
        }
        // Where the manager waits for the disk, the end of the stream says that it is written.
        if let Some(written) = this.closing {
            let _ = ready!(Pin::new(written).poll(context));
            *this.closing = None;
        }
        Poll::Ready(this.refused.take().map(|error| Err(error.into())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.stream {
            // The money may end at any item, and the refusal is one more.
            Some(stream) => (0, stream.size_hint().1.and_then(|most| most.checked_add(1))),
            None => {
                let left = usize::from(self.refused.is_some());
                (left, Some(left))
            }
        }
    }
}

impl<S, F> fmt::Debug for BudgetedStream<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetedStream").field("hold", &self.hold).finish_non_exhaustive()
    }
}
