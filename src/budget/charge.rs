//! Owns [`Charge`]: a call that was made without asking, to be booked all the same.

use super::account::{Account, Tag};
use super::books::Books;
use super::core::{Core, number_for};
use super::error::{AccountError, InvalidCall, RecordError};
use super::request::Options;
use super::reservation::{Priced, Receipt};
use super::trace;
use crate::ledger::{Booking, Command, Ledger, Path, Record, Rejection, Target};
use crate::money::Usd;
use crate::price::{Model, Terms};
use crate::usage::{Bill, Doubt};

/// A call that was made without a hold, to be booked all the same: made by [`Account::charge`],
/// ended by [`record`](Charge::record).
///
/// ```
/// use bursar::{BudgetManager, Usage, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let crawler = budget.account("crawler")?;
/// let luna = budget.model("gpt-6-luna")?;
///
/// let usage = Usage::tokens(120_000, 800);
/// let receipt = crawler.charge(usage).model(&luna).key("request-7").record()?;
/// assert_eq!(receipt.cost, "0.0124".parse()?);
/// assert!(crawler.charge(usage).model(&luna).key("request-7").record().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is booked until `record` is called"]
pub struct Charge<'a> {
    account: &'a Account,
    bill: Bill,
    model: Option<Model>,
    options: Options,
    key: Option<&'a str>,
}

impl<'a> Charge<'a> {
    pub(super) fn new(account: &'a Account, bill: Bill) -> Charge<'a> {
        Charge { account, bill, model: None, options: Options::NONE, key: None }
    }

    /// The model that was asked: limits for models count the call by it. The bill may name the one
    /// that answered; without a model that was asked, they count by that one.
    pub fn model(mut self, model: &Model) -> Charge<'a> {
        self.model = Some(model.clone());
        self
    }

    /// Charges the call to this tag as well. At most four, each of a tag tree of its own.
    pub fn tag(mut self, tag: &Tag) -> Charge<'a> {
        self.options.tag(self.account.core.id, tag);
        self
    }

    /// Books the call once, however often it is recorded on this account under this key within a
    /// day.
    pub fn key(mut self, key: &'a str) -> Charge<'a> {
        self.key = Some(key);
        self
    }

    /// Books the call. It is booked whatever the limits say (law 3); what cannot be priced is
    /// booked at the part that can, as assumed, and an [`Alert::Unpriced`](crate::Alert::Unpriced)
    /// names the remedy.
    ///
    /// # Errors
    /// [`RecordError`]; nothing has been booked then.
    pub fn record(self) -> Result<Receipt, RecordError> {
        let core = &self.account.core;
        if let Some(invalid) = self.options.invalid {
            return Err(RecordError::Invalid(invalid));
        }
        let key = self.key.map(|key| key_of(self.account.path(), key));
        // With a journal each call has a key, so that one that is tried again is booked once.
        let key = key.or_else(|| core.books().map(Books::new_key));
        let (owner, account, tags) = (core.id, self.account.id(), self.options.tags);
        let (bill, asked_model, prices) = (self.bill.clone(), self.model.clone(), core.prices());
        let usage = bill.total_usage();
        let path = self.account.path().clone();
        let (is_our_key, mut said) = (self.key.is_none(), None);
        let work = move |ledger: &mut Ledger, now| {
            let asked = asked_model.as_slice();
            let priced = prices.price_bill(&bill, asked, &Terms::default(), now);
            let mut priced = Priced::of(priced, asked_model.as_ref());
            let other = priced.other_model.as_ref();
            let model = number_for(owner, ledger, now, other.or(asked_model.as_ref()));
            // Limits for models count by the model that was asked, or else by the one of the bill.
            let counted = match &asked_model {
                Some(asked) => number_for(owner, ledger, now, Some(asked)),
                None => model,
            };
            let (Booking::Exactly(cost) | Booking::AtLeast(cost)) = priced.figures.booking;
            let record = Record {
                target: Target { account, tags, model: counted },
                cost,
                usage,
                model,
                confidence: priced.figures.confidence,
                key,
            };
            match ledger.execute(now, &Command::Record(record)) {
                Ok(_) => {}
                // Booked already: a transaction that failed has lasted all the same.
                Err(Rejection::Duplicate) if is_our_key => {
                    return said.clone().ok_or(Rejection::Duplicate);
                }
                Err(rejection) => return Err(rejection),
            }
            let receipt = Receipt {
                cost: Usd::from_pico(cost),
                held: Usd::ZERO,
                usage,
                confidence: priced.figures.confidence,
                computed: priced.figures.computed,
                model: priced.other_model.take().or_else(|| asked_model.clone()),
                reserved_at: now,
                settled_at: now,
            };
            let recorded =
                Recorded { account: path.clone(), receipt, why: priced.why, doubts: priced.doubts };
            said = Some(recorded.clone());
            Ok(recorded)
        };
        // What could not be written is told when it is.
        let recorded = core.book(work, |recorded: Result<Recorded, Rejection>, core| {
            if let Ok(recorded) = recorded {
                recorded.tell(core);
            }
        });
        let recorded = recorded?.map_err(|rejection| self.refused(&rejection))?;
        Ok(recorded.tell(core))
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

/// What was booked, for those who are told of it.
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

/// The first half of a hash, as a number.
pub(super) fn first_half(hasher: &blake3::Hasher) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(half)
}
