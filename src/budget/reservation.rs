//! [`Reservation`]: the guard of one hold, how it ends, and the [`Receipt`] of what was booked.

mod gaps;
mod growth;
pub(super) mod nested;
mod outcome;
mod settlement;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::alert::Alert;
use super::call_request::CallRequest;
use super::core::{Core, LostCall};
use super::error::ReserveError;
use super::queue::Admitted;
use super::trace::CallSpan;
use crate::clock::Timestamp;
use crate::ledger::{Amounts, Booking, Command, CostBound, HoldId, Ledger, Path};
use crate::money::Usd;
use crate::price::{Fallbacks, Model, PricedBill, Terms, fast_price};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::usage::{Bill, Confidence, Doubt, Usage};
pub(crate) use growth::Growth;

/// Money and tokens that are set aside for one call.
///
/// A hold ends in one of these ways, and in no other:
///
/// | what happens | what is booked |
/// |---|---|
/// | [`settle`](Reservation::settle), [`settle_cost`](Reservation::settle_cost) | the bill; an input that was not counted is that of the hold, and for a stream that was cut, a model that can reason is charged the output cap |
/// | [`finish`](Reservation::finish) | the [`Outcome`](crate::usage::Outcome), which [`judge`](Reservation::judge) derives from a status and a body |
/// | [`release`](Reservation::release), [`refund`](Reservation::refund) | nothing: the call was not sent, or is known to be free |
/// | dropped before it was sent | nothing |
/// | dropped after it was sent: an error with no bill (5xx), a timeout, a cancelled future, a panic | what was held, as [`Assumed`](Confidence::Assumed), because such a call has usually been billed; [`LostCall`] changes that |
/// | its lease ends first | what was held, as assumed; or, if another process ends it whose [`LostCall`] says so, nothing. A later settle books the truth in its place, once |
///
/// ```
/// use bursar::{Bill, BudgetManager, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let terra = budget.model("gpt-6.1-terra")?;
/// let hold = budget.reserve("crawler", &terra.estimate().input(1_200).max_output(800))?;
/// assert_eq!(hold.max_output_tokens(), 800);
///
/// let receipt = hold.settle(Bill::new(Usage::tokens(1_150, 340)));
/// assert_eq!(receipt.cost, "0.00285".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a reservation that is dropped gives back what it holds"]
pub struct Reservation {
    core: Arc<Core>,
    hold: HoldId,
    at: Timestamp,
    held: Usd,
    max_output_tokens: u64,
    per_output: i128,
    choices: u64,
    wrap_up: bool,
    // Four bytes, which fit beside the flags: a larger guard is moved by a call of `memcpy`.
    alternative: u32,
    model: Option<Model>,
    fallbacks: Fallbacks,
    terms: Terms,
    reasoning_off: bool,
    /// What is charged if the call is lost; `None` once the hold has ended.
    on_lost: Option<LostCall>,
    sent: AtomicBool,
    span: CallSpan,
}

impl Reservation {
    #[inline(always)]
    pub(super) fn new(
        core: &Arc<Core>,
        request: &CallRequest<'_>,
        admitted: &Admitted,
    ) -> Reservation {
        let estimate = request.alternative(admitted.alternative);
        let (cap, held) = (admitted.max_output_tokens, admitted.held);
        Reservation {
            span: CallSpan::open(|| request.account.path(), estimate.model(), cap, held),
            core: Arc::clone(core),
            hold: admitted.hold,
            at: admitted.at,
            held: admitted.held,
            max_output_tokens: admitted.max_output_tokens,
            per_output: admitted.output.per_output,
            choices: admitted.output.choices,
            wrap_up: admitted.output.wrap_up,
            alternative: u32::try_from(admitted.alternative).unwrap_or(u32::MAX),
            model: estimate.model().cloned(),
            fallbacks: estimate.fallbacks(),
            terms: estimate.terms().clone(),
            reasoning_off: estimate.has_reasoning_off(),
            on_lost: Some(core.settings.on_lost),
            sent: AtomicBool::new(false),
        }
    }

    /// The output cap that was admitted, for each choice, in tokens: what the request has to ask
    /// for as `max_tokens`. 0 for a call without a model.
    pub fn max_output_tokens(&self) -> u64 {
        self.max_output_tokens
    }

    /// What was set aside, with what it has grown by. Inner calls take their money out of it.
    pub fn held(&self) -> Usd {
        self.held
    }

    /// The account that is charged.
    pub fn account(&self) -> Path {
        self.core.read(|ledger, _| account_of(ledger, self.hold))
    }

    /// Makes the lease end this long from now, where the budget gives leases. False if it has ended
    /// already.
    pub fn renew(&self, lease: Duration) -> bool {
        let hold = self.hold;
        let is_open = self.core.read(|ledger, _| {
            ledger.find_hold(hold).is_some_and(|view| !view.has_expired && !view.is_charged)
        });
        let has_leases = self.core.lease_until(self.at) != Timestamp::MAX;
        if is_open && has_leases {
            self.core.change_soon(move |ledger, now| {
                let renew = Command::Renew { hold, lease_until: now.plus(lease) };
                let _ = ledger.execute(now, &renew);
                None
            });
        }
        is_open && has_leases
    }

    /// When it was reserved. The call belongs to the windows of this moment and has its prices.
    pub fn reserved_at(&self) -> Timestamp {
        self.at
    }

    /// The model it was reserved for; `None` for a tool.
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// Which of the alternatives was admitted: 0 for the first.
    pub fn alternative(&self) -> usize {
        self.alternative as usize
    }

    /// Marks the call as sent: from here on, dropping the guard charges what it holds.
    /// [`sending`](Reservation::sending) does so by itself.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// True if the call has been sent.
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Runs the call, and marks it as sent when the future is first polled. A future that is
    /// dropped before that costs nothing.
    ///
    /// ```
    /// # async fn call() -> Result<u64, std::io::Error> { Ok(340) }
    /// # async fn run(hold: bursar::Reservation) -> Result<(), std::io::Error> {
    /// let output = hold.sending(call()).await?; // an error here charges what is held
    /// hold.settle(bursar::Usage::tokens(1_150, output));
    /// # Ok(()) }
    /// ```
    pub async fn sending<F: Future>(&self, call: F) -> F::Output {
        self.mark_sent();
        self.span.run(call).await
    }

    /// The span of the call, which a wrapper enters around its agent.
    pub(crate) fn span(&self) -> CallSpan {
        self.span.clone()
    }

    /// Adds output tokens to a call that outgrows its cap, reserved in today's windows at the
    /// prices of the call. Counts neither a request nor a call in flight, and stands in no line:
    /// those who [`wait`](super::ReserveRequest::wait) may be waiting for this very call to end. With a journal
    /// it blocks until that is written; [`grow_output_async`](Reservation::grow_output_async) does
    /// not.
    ///
    /// # Errors
    /// [`ReserveError`]; the hold stays as it was.
    pub fn grow_output(&mut self, tokens: u64) -> Result<(), ReserveError> {
        self.grow(self.bound_for_output(tokens)?)?;
        self.max_output_tokens = self.max_output_tokens.saturating_add(tokens);
        Ok(())
    }

    /// Adds money to what is held, in today's windows. Stands in no line, like
    /// [`grow_output`](Reservation::grow_output).
    ///
    /// # Errors
    /// [`ReserveError`]; the hold stays as it was.
    pub fn grow_cost(&mut self, more: Usd) -> Result<(), ReserveError> {
        self.grow(CostBound::fixed(more.pico()))
    }

    /// Books what the provider answered: a [`Bill`], or a plain [`Usage`] of the model that was
    /// reserved. [`PriceBook::price_bill`](crate::PriceBook::price_bill) decides its cost, at the
    /// prices of the reserve.
    ///
    /// It cannot fail ([law 3](crate::guide::laws)): not for being over the hold or the limit, late, or unpriced. What
    /// cannot be priced is booked at the larger of the hold and of what has a price, as
    /// [`Assumed`](Confidence::Assumed), and an [`Alert::Unpriced`] names the remedy.
    ///
    /// With a journal it does not wait for the disk, unless the manager
    /// [does](super::Builder::wait_for_disk): another thread writes it, again and again after an error.
    /// [`BudgetManager::flush`](crate::BudgetManager::flush) waits until it is written.
    pub fn settle(mut self, bill: impl Into<Bill>) -> Receipt {
        let bill = bill.into();
        let receipt = if bill.is_bare() {
            // Out of the bill, of which the compiler then makes no more than this.
            let (usage, confidence) = (bill.usage, bill.confidence);
            self.settle_usage(&usage, confidence)
        } else {
            self.book(bill)
        };
        self.core.wait_for_disk();
        receipt
    }

    /// Books what was used of the model that was reserved, on the terms that were asked for.
    #[inline(always)]
    fn settle_usage(&mut self, usage: &Usage, confidence: Confidence) -> Receipt {
        let model = self.model.as_ref();
        let cost = model.and_then(|model| model.price().cost(usage, &self.terms, self.at).ok());
        let Some(cost) = cost else { return self.settle_unpriced(usage, confidence) };
        self.charge_plainly(
            Some(usage),
            Figures { computed: Some(cost), ..Figures::exactly(cost, confidence) },
        )
    }

    #[cold]
    #[inline(never)]
    fn settle_unpriced(&mut self, usage: &Usage, confidence: Confidence) -> Receipt {
        let bill = Bill { confidence, ..Bill::new(*usage) };
        let priced = self.price_at_length(&bill);
        self.charge(Some(usage), priced)
    }

    /// Books a plain amount: a tool's or a provider's own cost. The tokens that were held count as
    /// used.
    pub fn settle_cost(mut self, cost: Usd) -> Receipt {
        let receipt = if cost.is_negative() {
            self.charge(None, Priced::negative(cost))
        } else {
            self.charge_plainly(None, Figures::exactly(cost, Confidence::Reported))
        };
        self.core.wait_for_disk();
        receipt
    }

    /// Gives back what is held. For a call that was never sent, or is known to be free; if the
    /// provider answered with an error, [`judge`](Reservation::judge) decides. A call that had been
    /// sent, or whose lease has ended, raises an [`Alert::Refunded`](crate::Alert::Refunded).
    pub fn release(self) {
        self.refund("released after it was sent, or after its lease had ended");
    }

    /// Gives back what is held, with a reason.
    pub fn refund(mut self, why: impl Into<Cow<'static, str>>) {
        self.give_back(why.into());
        self.core.wait_for_disk();
    }

    /// What a bill comes to, at the prices of the moment of the reserve.
    #[inline]
    fn price(&self, bill: &Bill) -> Priced {
        let terms = self.terms.billed(bill.service.as_ref(), bill.regional);
        match fast_price(bill, self.model.as_ref(), &terms, self.at) {
            Some(cost) => {
                let figures = Figures::exactly(cost, bill.confidence);
                Priced::from(Figures { computed: Some(cost), ..figures })
            }
            None => self.price_at_length(bill),
        }
    }

    #[cold]
    #[inline(never)]
    fn price_at_length(&self, bill: &Bill) -> Priced {
        // The request names the fallbacks, so each of them may answer at its own price.
        let asked: Vec<Model> = self.model.iter().chain(self.fallbacks.models()).cloned().collect();
        let priced = self.core.prices().price_bill(bill, &asked, &self.terms, self.at);
        Priced::of(priced, asked.first())
    }

    /// Ends the hold with a bill.
    fn book(&mut self, bill: Bill) -> Receipt {
        let bill = self.without_gaps(bill);
        let priced = self.price(&bill);
        if bill.extra.is_empty() {
            self.charge(Some(&bill.usage), priced)
        } else {
            self.charge(Some(&bill.total_usage()), priced)
        }
    }

    /// Ends the hold and books what it cost.
    fn charge(&mut self, usage: Option<&Usage>, priced: Priced) -> Receipt {
        self.on_lost = None;
        let is_told = priced.why.is_some() || !priced.doubts.is_empty();
        if is_told || priced.other_model.is_some() {
            self.charge_at_length(usage.copied(), &priced)
        } else {
            self.charge_plainly(usage, priced.figures)
        }
    }

    /// The same for a call that no observer hears of.
    #[inline(always)]
    fn charge_plainly(&mut self, usage: Option<&Usage>, figures: Figures) -> Receipt {
        self.on_lost = None;
        let Some((booked, now)) = self.end_plainly(usage, figures) else {
            return self.charge_at_length(usage.copied(), &Priced::from(figures));
        };
        let receipt = Receipt {
            cost: Usd::from_pico(booked.cost),
            held: self.held,
            usage: match usage {
                Some(usage) => *usage,
                None => Usage::tokens(booked.input, booked.output),
            },
            confidence: figures.confidence,
            computed: figures.computed,
            model: self.model.take(),
            reserved_at: self.at,
            settled_at: now,
        };
        self.span.settled(&receipt);
        receipt
    }

    /// Ends the hold if no observer has to be notified; else returns `None` and changes nothing.
    #[inline(always)]
    fn end_plainly(&self, usage: Option<&Usage>, figures: Figures) -> Option<(Amounts, Timestamp)> {
        if !self.core.is_plain() {
            return None;
        }
        let Figures { booking, confidence, .. } = figures;
        self.core.locked(|ledger, now| {
            let model = self.core.model_number(ledger, now, self.model.as_ref());
            let booked = ledger.try_settle(now, self.hold, booking, usage, model, confidence)?;
            Some((booked, now))
        })
    }
}

/// Law 8: what was never sent is given back; what was sent is charged.
impl Drop for Reservation {
    #[inline]
    fn drop(&mut self) {
        if self.on_lost.is_some() {
            self.lose();
        }
        self.core.flush_last();
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("held", &self.held)
            .field("max_output_tokens", &self.max_output_tokens)
            .field("model", &self.model.as_ref().map(Model::name))
            .field("sent", &self.is_sent())
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Notifies the observers of a booked call, and raises the alerts about its bill.
    #[cold]
    pub(super) fn tell_booked(
        &self,
        account: Path,
        receipt: &Receipt,
        why: Option<String>,
        doubts: Vec<Doubt>,
    ) {
        self.tell(|observer| observer.on_settle(&account, receipt));
        let (at, cost) = (receipt.settled_at, receipt.cost);
        for doubt in doubts.into_iter().filter(|doubt| self.is_new(doubt)) {
            self.raise(&Alert::Doubtful { at, account: account.clone(), cost, doubt });
        }
        if let Some(why) = why {
            self.raise(&Alert::Unpriced { at, account, cost, why });
        }
    }
}

/// What a call is to be booked at.
#[derive(Clone, Copy)]
pub(super) struct Figures {
    pub(super) booking: Booking,
    pub(super) confidence: Confidence,
    /// What the usage comes to by the price book.
    pub(super) computed: Option<Usd>,
}

impl Figures {
    #[inline(always)]
    fn exactly(cost: Usd, confidence: Confidence) -> Figures {
        Figures { booking: Booking::Exactly(cost.pico()), confidence, computed: None }
    }
}

/// The same, with what observers are notified of. Most calls are booked without.
pub(super) struct Priced {
    pub(super) figures: Figures,
    /// The model that answered, if it is another than the one that was asked.
    pub(super) other_model: Option<Model>,
    /// Why it has no price.
    pub(super) why: Option<String>,
    /// What is doubtful about it.
    pub(super) doubts: Vec<Doubt>,
}

impl Priced {
    /// Of a call to the model `asked`.
    pub(super) fn of(priced: PricedBill, asked: Option<&Model>) -> Priced {
        let PricedBill { cost, confidence, computed, model, unpriced: why, doubts } = priced;
        let booking = match why {
            None => Booking::Exactly(cost.pico()),
            Some(_) => Booking::AtLeast(cost.pico()),
        };
        let is_other = |model: &Model| asked.is_none_or(|asked| asked.name() != model.name());
        let figures = Figures { booking, confidence, computed };
        Priced { figures, other_model: model.filter(is_other), why, doubts }
    }

    fn exactly(cost: Usd, confidence: Confidence) -> Priced {
        Priced::from(Figures::exactly(cost, confidence))
    }

    /// The call's outcome is unknown.
    fn lost() -> Priced {
        let (booking, confidence) = (Booking::AtLeast(0), Confidence::Assumed);
        Priced::from(Figures { booking, confidence, computed: None })
    }

    #[cold]
    fn negative(cost: Usd) -> Priced {
        let cost = cost.exact();
        let why = format!("the cost of {cost} is negative; settle with what was billed");
        Priced { why: Some(why), ..Priced::lost() }
    }
}

impl From<Figures> for Priced {
    fn from(figures: Figures) -> Priced {
        Priced { figures, other_model: None, why: None, doubts: Vec::new() }
    }
}

/// The account that a hold is charged to.
pub(super) fn account_of(ledger: &Ledger, hold: HoldId) -> Path {
    let account = ledger.find_hold(hold).and_then(|view| ledger.account(view.account));
    account.map_or_else(Path::root, |view| view.path.clone())
}

/// What was booked.
///
/// ```
/// use bursar::{BudgetManager, Confidence, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let call = budget.model("gpt-6.1-terra")?.estimate().input(1_200).max_output(800);
/// let receipt = budget.reserve("crawler", &call)?.settle(Usage::tokens(1_150, 340));
/// assert_eq!((receipt.cost.to_string(), receipt.held.to_string()), ("$0.00285".into(), "$0.0055".into()));
/// assert_eq!(receipt.confidence, Confidence::Exact);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// What was charged.
    pub cost: Usd,
    /// What had been held.
    pub held: Usd,
    /// What was used. Of an assumed charge, what was held.
    pub usage: Usage,
    /// How sure we are.
    pub confidence: Confidence,
    /// What the usage comes to by the price book, if it has a price; differs from `cost` where the
    /// provider reported its own.
    pub computed: Option<Usd>,
    /// The model that answered, or whose price was taken in its place: see
    /// [`PriceBook::price_bill`](crate::PriceBook::price_bill).
    pub model: Option<Model>,
    /// The moment whose windows and prices count.
    pub reserved_at: Timestamp,
    /// When it was booked.
    pub settled_at: Timestamp,
}
