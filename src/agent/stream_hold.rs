//! [`StreamHold`]: a hold settled incrementally from a streamed answer, and its [`StreamUsage`].

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use crate::budget::{Growth, Receipt, Reservation, ReserveError, Ticket};
use crate::usage::{Bill, Body, Doubt, Head, Outcome, Usage, UsageMeter};

/// A hold that is settled by what comes in: for code that passes an answer on, as bytes or as events,
/// and is no [`Stream`](futures_core::Stream) of results. [`BudgetedStream`] is built on it.
///
/// It is shown the answer of a provider as it comes, whole or in pieces, as a stream of events or as
/// one JSON body, and books when it is closed or dropped:
///
/// | what was seen | what is booked |
/// |---|---|
/// | the provider's final counts | these |
/// | some of the answer | that, as estimated; with what a model that can reason has not shown, up to the hold's output cap |
/// | an error in place of an answer | what that costs, see [`FailedCalls`](crate::usage::FailedCalls) |
/// | nothing | if the hold is [marked as sent](StreamHold::mark_sent), as of any lost call: what was held, as assumed; else nothing |
///
/// ```
/// use bursar::agent::StreamHold;
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
/// let mut hold = StreamHold::new(budget.reserve("crawler", &call)?);
/// hold.mark_sent();
/// for piece in [r#"{"choices": [], "usage": {"prompt_tokens": 1150, "#, r#""completion_tokens": 340}}"#] {
///     hold.usage().push(piece);
///     // … and pass it on …
/// }
/// let receipt = hold.close().expect("counts came");
/// assert_eq!(receipt.cost, "0.00285".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`BudgetedStream`]: super::BudgetedStream
#[derive(Debug)]
#[must_use = "a hold that is dropped is closed"]
pub struct StreamHold {
    hold: Option<Reservation>,
    usage: StreamUsage,
    chunk: u64,
    /// With a journal: more output that is being written.
    growing: Option<Growth>,
    receipt: Option<Receipt>,
    is_dropped: bool,
}

impl StreamHold {
    /// A stream hold for the call that `hold` was reserved for. It does not grow.
    pub fn new(hold: Reservation) -> StreamHold {
        StreamHold::of(Some(hold))
    }

    /// A stream hold outside of any budget: it holds nothing and books nothing.
    pub(super) fn unpaid() -> StreamHold {
        StreamHold::of(None)
    }

    fn of(hold: Option<Reservation>) -> StreamHold {
        let input = hold.as_ref().map_or(0, Reservation::input_held);
        let meter = UsageMeter::new().with_expected_input(input);
        let usage = StreamUsage { meter, ..StreamUsage::default() };
        StreamHold { hold, usage, chunk: 0, growing: None, receipt: None, is_dropped: false }
    }

    /// Sets the HTTP status of the answer; 200 by default. A failure is booked as
    /// [`FailedCalls`](crate::usage::FailedCalls) decides, judged by the body that is shown. If nothing
    /// was shown before the stream hold is dropped, the status alone decides: free if that is a
    /// rejection (4xx), else lost.
    pub fn answered(mut self, status: u16) -> StreamHold {
        self.usage.status = status;
        self
    }

    /// By how many output tokens [`keep_up`](StreamHold::keep_up) makes the hold grow; zero: not at all.
    pub fn growing_by(mut self, tokens: u64) -> StreamHold {
        self.chunk = tokens;
        self
    }

    /// Says that the request has been sent: from here on, an answer of which nothing comes is lost.
    pub fn mark_sent(&self) {
        if let Some(hold) = &self.hold {
            hold.mark_sent();
        }
    }

    /// Where to say what has come.
    pub fn usage(&mut self) -> &mut StreamUsage {
        &mut self.usage
    }

    /// What has been used so far.
    pub fn seen(&self) -> Usage {
        self.usage.seen()
    }

    /// Whether more output was seen than is held for; false once it is closed, and of a call without
    /// a model.
    pub fn is_outgrown(&self) -> bool {
        self.missing() > 0
    }

    /// The output tokens that were seen beyond those that are held for.
    fn missing(&self) -> u64 {
        let hold = self.hold.as_ref().filter(|hold| hold.model().is_some());
        let room = hold.map_or(u64::MAX, Reservation::output_room);
        self.usage.seen().output_tokens().saturating_sub(room)
    }

    /// Makes the hold as large as what was seen, if it may [grow](StreamHold::growing_by).
    ///
    /// # Errors
    /// [`ReserveError`]: the money has ended. Break the answer off, so that the provider stops, and
    /// [`close`](StreamHold::close).
    pub fn keep_up(&mut self) -> Result<(), ReserveError> {
        let (Some(needed), Some(hold)) = (self.needed(), self.hold.as_mut()) else {
            return Ok(());
        };
        match hold.grow_output(needed.max(self.chunk)) {
            Err(ReserveError::Denied(_)) if needed < self.chunk => hold.grow_output(needed),
            other => other,
        }
    }

    /// The same without blocking the thread where there is a journal.
    ///
    /// # Errors
    /// As for [`keep_up`](StreamHold::keep_up).
    pub async fn keep_up_async(&mut self) -> Result<(), ReserveError> {
        poll_fn(|context| self.poll_keep_up(context)).await
    }

    /// Makes the hold as large as what was seen; while that is being written, it waits.
    pub(super) fn poll_keep_up(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ReserveError>> {
        if !self.hold.as_ref().is_some_and(Reservation::is_written) {
            return Poll::Ready(self.keep_up());
        }
        loop {
            let (needed, chunk) = (self.needed(), self.chunk);
            let Some(hold) = self.hold.as_mut() else { return Poll::Ready(Ok(())) };
            let Some(growth) = &mut self.growing else {
                let Some(needed) = needed else { return Poll::Ready(Ok(())) };
                self.growing = Some(hold.begin_growth(needed.max(chunk))?);
                continue;
            };
            let grown = ready!(hold.poll_growth(growth, context));
            let asked = growth.tokens;
            self.growing = match (grown, needed) {
                (Ok(()), _) => None,
                (Err(ReserveError::Denied(_)), Some(needed)) if needed < asked => {
                    Some(hold.begin_growth(needed)?)
                }
                (Err(error), _) => {
                    self.growing = None;
                    return Poll::Ready(Err(error));
                }
            };
        }
    }

    /// True while more is being written.
    pub(super) fn is_growing(&self) -> bool {
        self.growing.is_some()
    }

    /// By how many tokens of each choice the hold is to grow, if it is outgrown and may.
    fn needed(&self) -> Option<u64> {
        let missing = if self.chunk == 0 { 0 } else { self.missing() };
        // The cap is that of one choice; what was seen is that of all.
        let hold = self.hold.as_ref().filter(|_| missing > 0)?;
        Some(missing.div_ceil(hold.choices()))
    }

    /// Books what was seen. Dropping the stream hold does the same; the second time does nothing.
    pub fn close(&mut self) -> Option<&Receipt> {
        drop(self.end());
        self.receipt()
    }

    /// Ends the hold. Where the manager waits for the disk, what is returned waits until it is written.
    pub(super) fn end(&mut self) -> Option<Ticket<()>> {
        let mut hold = self.hold.take()?;
        let outcome = if self.is_unread() {
            hold.judge_unread(self.usage.status)
        } else {
            self.usage.outcome(&hold)
        };
        if outcome == Outcome::Lost {
            return None; // law 8: charged, if it was sent, as it is dropped
        }
        self.receipt = hold.end(outcome);
        hold.written()
    }

    /// True if the call failed and the stream hold was dropped before anything of the body was read.
    fn is_unread(&self) -> bool {
        self.is_dropped && self.usage.status >= 400 && self.usage.head.is_empty()
    }

    /// What was booked, once it is closed and anything was seen.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }
}

impl Drop for StreamHold {
    fn drop(&mut self) {
        self.is_dropped = true;
        self.close();
    }
}

/// What a stream states of its usage: the bytes or events of a provider, or counts that another
/// has read out of them. The last word counts; nothing is added up.
#[derive(Debug)]
pub struct StreamUsage {
    meter: UsageMeter,
    used: Option<Usage>,
    bill: Option<Bill>,
    /// The HTTP status of the answer.
    status: u16,
    head: Head,
}

impl Default for StreamUsage {
    fn default() -> StreamUsage {
        let (meter, head) = (UsageMeter::new(), Head::default());
        StreamUsage { meter, used: None, bill: None, status: 200, head }
    }
}

impl StreamUsage {
    /// Takes in the next bytes of a provider's stream, cut anywhere, see [`UsageMeter::push`].
    /// What cannot be read makes the bill an estimate.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) {
        self.head.push(bytes.as_ref());
        let _ = self.meter.push(bytes.as_ref());
    }

    /// Takes in one event of a provider's stream, see [`UsageMeter::event`].
    pub fn event<'b>(&mut self, event: impl Into<Body<'b>>) {
        let event = event.into();
        self.head.event(event);
        let _ = self.meter.event(event);
    }

    /// What has been used in all so far, input included. It replaces earlier counts.
    pub fn used(&mut self, usage: Usage) {
        self.used = Some(usage);
    }

    /// The provider's final bill.
    pub fn bill(&mut self, bill: impl Into<Bill>) {
        self.bill = Some(bill.into());
    }

    /// What has been used so far.
    pub fn seen(&self) -> Usage {
        let billed = self.bill.as_ref().map(Bill::total_usage);
        billed.or(self.used).unwrap_or_else(|| self.meter.seen())
    }

    /// The outcome of the call: the counts that were passed in, or those of the meter; if all that came
    /// is an error, what that costs; lost if nothing came.
    fn outcome(&mut self, hold: &Reservation) -> Outcome {
        let used = self.used.map(counted_so_far);
        if let Some(bill) = self.bill.clone().or(used) {
            return Outcome::Billed(bill);
        }
        let bill = std::mem::take(&mut self.meter).finish();
        let is_known = bill
            .as_ref()
            .is_some_and(|bill| !bill.doubts.contains(&Doubt::CutShort) && !bill.is_of_nothing());
        match (hold.judge_head(self.status, &self.head), bill) {
            (None | Some(Outcome::Lost), Some(bill)) => Outcome::Billed(bill),
            (Some(_), Some(bill)) if is_known => Outcome::Billed(bill),
            (outcome, _) => outcome.unwrap_or(Outcome::Lost),
        }
    }
}

/// The bill of counts that were passed in for a stream so far. Output without input is the output
/// alone.
fn counted_so_far(usage: Usage) -> Bill {
    let bill = Bill::new(usage).estimated();
    if usage.input_tokens() == 0 && usage.output_tokens() > 0 {
        bill.doubt(Doubt::Missing { side: "input".to_owned() })
    } else {
        bill
    }
}
