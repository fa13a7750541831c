//! Owns [`BudgetedStream`]: an answer that comes in pieces, metered as it flows.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::CallError;
use crate::budget::{Receipt, Reservation, ReserveError};
use crate::usage::{Bill, Body, Usage, UsageMeter};

pin_project! {
    /// A stream whose hold is settled when it ends, and not before.
    ///
    /// Each item passes through untouched, in its order, when it is asked for. On the way, a closure
    /// shows it to a [`Tally`], which knows what has been used so far:
    ///
    /// | what happens | what is booked |
    /// |---|---|
    /// | the stream ends | the provider's last counts, or else what was seen, as estimated |
    /// | dropped midway | what was seen, as estimated; the provider's counts if they had come |
    /// | the output outgrows the hold | the hold grows in chunks; if the money has ended, the stream is dropped, the next item is [`CallError::Refused`], and what was seen is booked |
    /// | it ends or is dropped, and nothing was seen | as of any lost call: what was held, as assumed |
    /// | dropped before it was first polled | nothing |
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
    /// let answer = BudgetedStream::new(hold, connect(), |chunk, tally| tally.push(chunk))
    ///     .expecting_input(1_200);
    /// # Ok(()) }
    /// ```
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct BudgetedStream<S, F> {
        #[pin]
        stream: Option<S>,
        show: F,
        books: Books,
    }
}

impl<S, F> BudgetedStream<S, F> {
    /// Tokens by which a hold grows, unless it is told otherwise.
    pub const CHUNK: u64 = 256;

    /// A stream of the call that `hold` was reserved for. `show` is given each item, and tells the
    /// tally what it says of usage.
    pub fn new<T, E>(hold: Reservation, stream: S, show: F) -> BudgetedStream<S, F>
    where
        S: Stream<Item = Result<T, E>>,
        F: FnMut(&T, &mut Tally),
    {
        let books = Books {
            hold: Some(hold),
            tally: Tally::default(),
            chunk: Self::CHUNK,
            refused: None,
            receipt: None,
        };
        BudgetedStream { stream: Some(stream), show, books }
    }

    /// The input tokens to book if the stream is cut before the provider says how many they were.
    pub fn expecting_input(mut self, tokens: u64) -> BudgetedStream<S, F> {
        let meter = std::mem::take(&mut self.books.tally.meter);
        self.books.tally.meter = meter.with_expected_input(tokens);
        self
    }

    /// By how many output tokens the hold grows when it is outgrown. With zero it does not grow and
    /// the stream is not cut: for a request that has given the provider the hold's cap.
    pub fn growing_by(mut self, tokens: u64) -> BudgetedStream<S, F> {
        self.books.chunk = tokens;
        self
    }

    /// What has been used so far.
    pub fn seen(&self) -> Usage {
        self.books.tally.seen()
    }

    /// What was booked, once the stream has ended with anything to book.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.books.receipt.as_ref()
    }
}

impl<S, F, T, E> Stream for BudgetedStream<S, F>
where
    S: Stream<Item = Result<T, E>>,
    F: FnMut(&T, &mut Tally),
{
    type Item = Result<T, CallError<E>>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, CallError<E>>>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else {
            return Poll::Ready(this.books.refused.take().map(|error| Err(error.into())));
        };
        this.books.mark_sent();
        match ready!(stream.poll_next(context)) {
            Some(Ok(item)) => {
                (this.show)(&item, &mut this.books.tally);
                if !this.books.keep_up() {
                    this.stream.set(None); // so that the provider stops
                    this.books.close();
                }
                Poll::Ready(Some(Ok(item)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(CallError::Agent(error)))),
            None => {
                this.stream.set(None);
                this.books.close();
                Poll::Ready(None)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.stream {
            // The money may end at any item, and the refusal is one more.
            Some(stream) => (0, stream.size_hint().1.and_then(|most| most.checked_add(1))),
            None => {
                let left = usize::from(self.books.refused.is_some());
                (left, Some(left))
            }
        }
    }
}

impl<S, F> fmt::Debug for BudgetedStream<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetedStream")
            .field("hold", &self.books.hold)
            .field("seen", &self.seen())
            .finish_non_exhaustive()
    }
}

/// What a stream says of its usage: the bytes or events of a provider, or counts that somebody else
/// has read out of them. The last word counts; nothing is added up.
#[derive(Debug, Default)]
pub struct Tally {
    meter: UsageMeter,
    used: Option<Usage>,
    bill: Option<Bill>,
}

impl Tally {
    /// Takes in the next bytes of a provider's stream, cut anywhere, see [`UsageMeter::push`].
    /// What cannot be read makes the bill an estimate.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.meter.push(bytes.as_ref());
    }

    /// Takes in one event of a provider's stream, see [`UsageMeter::event`].
    pub fn event<'b>(&mut self, event: impl Into<Body<'b>>) {
        let _ = self.meter.event(event);
    }

    /// What has been used in all so far, input included. It replaces what was said before.
    pub fn used(&mut self, usage: Usage) {
        self.used = Some(usage);
    }

    /// The provider's final bill.
    pub fn bill(&mut self, bill: impl Into<Bill>) {
        self.bill = Some(bill.into());
    }

    /// What has been used so far.
    pub fn seen(&self) -> Usage {
        let billed = self.bill.as_ref().map(|bill| bill.usage);
        billed.or(self.used).unwrap_or_else(|| self.meter.seen())
    }

    /// The bill as of now, if anything was seen.
    fn finish(&mut self) -> Option<Bill> {
        let used = self.used.map(|usage| Bill::new(usage).estimated());
        let meter = std::mem::take(&mut self.meter);
        self.bill.clone().or(used).or_else(|| meter.finish())
    }
}

/// The hold of a stream. Closed once: when the stream ends, or is dropped.
#[derive(Debug)]
struct Books {
    hold: Option<Reservation>,
    tally: Tally,
    chunk: u64,
    refused: Option<ReserveError>,
    receipt: Option<Receipt>,
}

impl Books {
    fn mark_sent(&self) {
        if let Some(hold) = &self.hold {
            hold.mark_sent();
        }
    }

    /// Makes the hold as large as what was seen; false if the money has ended.
    fn keep_up(&mut self) -> bool {
        let Some(hold) = self.hold.as_mut().filter(|hold| hold.model().is_some()) else {
            return true;
        };
        let seen = self.tally.seen().output_tokens();
        let missing = seen.saturating_sub(hold.output_room());
        if missing == 0 || self.chunk == 0 {
            return true;
        }
        // The cap is that of one choice; what was seen is that of all.
        let needed = missing.div_ceil(hold.choices());
        let grown = match hold.grow_output(needed.max(self.chunk)) {
            Err(ReserveError::Denied(_)) if needed < self.chunk => hold.grow_output(needed),
            other => other,
        };
        match grown {
            Ok(()) => true,
            Err(error) => {
                self.refused = Some(error);
                false
            }
        }
    }

    fn close(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        match self.tally.finish() {
            Some(bill) => self.receipt = Some(hold.settle(bill)),
            None => drop(hold), // law 8: lost if it was sent
        }
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        self.close();
    }
}
