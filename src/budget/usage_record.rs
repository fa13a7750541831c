//! [`UsageRecord`]: books a call that was made without a hold.

use super::account::{Account, Tag, find};
use super::books::Books;
use super::call_request::Options;
use super::core::{Core, first_half, number_for};
use super::error::{AccountError, InvalidCall, RecordError};
use super::reservation::{Priced, Receipt};
use super::trace;
use crate::clock::Timestamp;
use crate::ledger::{
    AccountId, Booking, Command, Ledger, ModelId, Path, Record, Rejection, Tags, Target,
};
use crate::money::Usd;
use crate::price::{Model, PriceBook, Terms};
use crate::usage::{Bill, Doubt, Usage};

impl Account {
    /// Books a call that was made without a hold.
    ///
    /// # Errors
    /// [`RecordError`]; nothing has been booked then.
    pub fn record_usage(
        &self,
        model: &Model,
        bill: impl Into<Bill>,
    ) -> Result<Receipt, RecordError> {
        self.record(bill).model(model).book()
    }

    /// A call that was made without a hold, with tags or an idempotency key.
    pub fn record(&self, bill: impl Into<Bill>) -> UsageRecord<'_> {
        UsageRecord::new(self, bill.into())
    }
}

/// A call that was made without a hold, to be booked all the same: made by [`Account::record`],
/// ended by [`book`](UsageRecord::book).
///
/// ```
/// use bursar::{BudgetManager, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let crawler = budget.account("crawler")?;
/// let luna = budget.model("gpt-6-luna")?;
///
/// let usage = Usage::tokens(120_000, 800);
/// let receipt = crawler.record(usage).model(&luna).key("request-7").book()?;
/// assert_eq!(receipt.cost, "0.0124".parse()?);
/// assert!(crawler.record(usage).model(&luna).key("request-7").book().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is booked until `book` is called"]
pub struct UsageRecord<'a> {
    account: &'a Account,
    bill: Bill,
    model: Option<Model>,
    options: Options,
    key: Option<&'a str>,
}

impl<'a> UsageRecord<'a> {
    pub(super) fn new(account: &'a Account, bill: Bill) -> UsageRecord<'a> {
        UsageRecord { account, bill, model: None, options: Options::NONE, key: None }
    }

    /// The model that was asked: limits for models count the call by it. The bill may name the one
    /// that answered; without a model that was asked, they count by that one.
    pub fn model(mut self, model: &Model) -> UsageRecord<'a> {
        self.model = Some(model.clone());
        self
    }

    /// Charges the call to this tag as well. At most four, each of a tag tree of its own.
    pub fn tag(mut self, tag: &Tag) -> UsageRecord<'a> {
        self.options.tag(self.account.core.id, tag.owner(), tag.id());
        self
    }

    /// Books the call once, however often it is recorded on this account under this key within a
    /// day.
    pub fn key(mut self, key: &'a str) -> UsageRecord<'a> {
        self.key = Some(key);
        self
    }

    /// Books the call. It is booked whatever the limits say ([law 3](crate::guide::laws)); what cannot be priced is
    /// booked at the part that can, as assumed, and an [`Alert::Unpriced`](crate::Alert::Unpriced)
    /// names the remedy.
    ///
    /// With a journal, a call with a [key](UsageRecord::key) blocks until it is written, because it can be
    /// refused; another is written by another thread, as by
    /// [`Reservation::settle`](crate::Reservation::settle).
    ///
    /// # Errors
    /// [`RecordError`]; nothing has been booked then.
    pub fn book(self) -> Result<Receipt, RecordError> {
        let core = &self.account.core;
        if let Some(invalid) = self.options.invalid {
            return Err(RecordError::Invalid(invalid));
        }
        let key = self.key.map(|key| key_of(self.account.path(), key));
        // With a journal each call has a key, so that one that is tried again is booked once.
        let key = key.or_else(|| core.books().map(Books::new_key));
        let recording = Recording {
            owner: core.id,
            account: self.account.number(),
            path: self.account.path().clone(),
            tags: self.options.tags,
            usage: self.bill.total_usage(),
            bill: self.bill.clone(),
            asked: self.model.clone(),
            prices: core.prices(),
            key,
        };
        let refused = |rejection| self.refused(&rejection);
        let recorded = match core.books() {
            None => core.locked(|ledger, now| recording.apply(ledger, now)),
            // It is refused if it was booked already, by whichever process.
            Some(_) if self.key.is_some() => {
                core.change(move |ledger, now| recording.apply(ledger, now))?
            }
            Some(_) => {
                let receipt = recording.preview(core).map_err(refused)?;
                recording.write(core);
                core.wait_for_disk();
                return Ok(receipt);
            }
        };
        Ok(recorded.map_err(refused)?.tell(core))
    }

    fn refused(&self, rejection: &Rejection) -> RecordError {
        match rejection {
            Rejection::Duplicate => {
                RecordError::AlreadyBooked(self.key.unwrap_or_default().chars().take(60).collect())
            }
            Rejection::BadTags => RecordError::Invalid(InvalidCall::Tags),
            Rejection::NoSuchTag => RecordError::Invalid(InvalidCall::TagForgotten),
            Rejection::Impossible => RecordError::Invalid(InvalidCall::Impossible),
            other => AccountError::from_rejection(other, self.account.path()).into(),
        }
    }
}

/// A call that is to be booked: all that has to be known to book it, again if need be.
struct Recording {
    owner: u64,
    account: AccountId,
    path: Path,
    tags: Tags,
    bill: Bill,
    usage: Usage,
    asked: Option<Model>,
    prices: PriceBook,
    key: Option<u128>,
}

impl Recording {
    fn apply(&self, ledger: &mut Ledger, now: Timestamp) -> Result<Recorded, Rejection> {
        let number = |model: Option<&Model>| number_for(self.owner, ledger, now, model);
        let (mut record, recorded) = self.at(now, number);
        record.target.account = find(ledger, self.account, &self.path).unwrap_or(self.account);
        ledger.execute(now, &Command::Record(record)).map(|_| recorded)
    }

    /// With a journal: what it comes to, before it is written.
    fn preview(&self, core: &Core) -> Result<Receipt, Rejection> {
        core.peek(|ledger| {
            let now = core.time_for(ledger);
            let (mut record, recorded) = self.at(now, |_| ModelId::NONE);
            let Some(account) = find(ledger, self.account, &self.path) else {
                return Ok(recorded.receipt); // it is opened before
            };
            record.target.account = account;
            ledger.decide(now, &Command::Record(record)).map(|_| recorded.receipt)
        })
    }

    /// With a journal: has another thread write it.
    fn write(self, core: &Core) {
        let mut last = None;
        core.change_soon(move |ledger, now| {
            match self.apply(ledger, now) {
                Ok(recorded) => last = Some(recorded),
                // A transaction was committed although the journal reported that it failed.
                Err(Rejection::Duplicate) => {}
                Err(_) => last = None,
            }
            let recorded = last.clone()?;
            Some(Box::new(move |core: &Core| drop(recorded.tell(core))))
        });
    }

    /// The record at a moment, and what its observers are notified of.
    fn at(
        &self,
        now: Timestamp,
        mut number: impl FnMut(Option<&Model>) -> ModelId,
    ) -> (Record, Recorded) {
        let asked = self.asked.as_ref();
        let priced =
            self.prices.price_bill(&self.bill, self.asked.as_slice(), &Terms::default(), now);
        let Priced { figures, other_model, why, doubts } = Priced::of(priced, asked);
        let model = number(other_model.as_ref().or(asked));
        // Limits for models count by the model that was asked, or else by the one of the bill.
        let counted = if asked.is_some() { number(asked) } else { model };
        let (Booking::Exactly(cost) | Booking::AtLeast(cost)) = figures.booking;
        let (usage, confidence) = (self.usage, figures.confidence);
        let target = Target { account: self.account, tags: self.tags, model: counted };
        let receipt = Receipt {
            cost: Usd::from_pico(cost),
            held: Usd::ZERO,
            usage,
            confidence,
            computed: figures.computed,
            model: other_model.or_else(|| asked.cloned()),
            reserved_at: now,
            settled_at: now,
        };
        let record = Record { target, cost, usage, model, confidence, key: self.key };
        (record, Recorded { account: self.path.clone(), receipt, why, doubts })
    }
}

/// What was booked, for the observers.
#[derive(Clone)]
struct Recorded {
    account: Path,
    receipt: Receipt,
    why: Option<String>,
    doubts: Vec<Doubt>,
}

impl Recorded {
    fn tell(self, core: &Core) -> Receipt {
        trace::tell_recorded(&self.account, &self.receipt);
        if core.is_watched() || self.why.is_some() || !self.doubts.is_empty() {
            core.tell_booked(self.account, &self.receipt, self.why, self.doubts);
        }
        self.receipt
    }
}

/// A key of an account as a number: the first half of a BLAKE3 hash. No path has a zero byte.
fn key_of(account: &Path, key: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(account.as_str().as_bytes()).update(&[0]).update(key.as_bytes());
    first_half(&hasher)
}
