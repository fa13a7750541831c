//! [`Correction`]: adjusts what was booked wrongly, with a reason.

use std::sync::Arc;

use super::BudgetManager;
use super::core::number_of;
use super::error::{AccountError, InvalidCall, RecordError};
use crate::clock::Timestamp;
use crate::ledger::{Adjust, Command, ModelId, Rejection, Tags, Target};
use crate::money::Usd;

/// What the books are to be corrected by: an amount, perhaps of a model, perhaps on tags too. A bare [`Usd`]
/// will do where neither matters.
///
/// ```
/// use bursar::budget::Correction;
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let yesterday = "2026-11-24T12:00:00Z".parse()?;
/// budget.adjust("acme", Usd::cents(3), yesterday, "a search that was not booked")?;
/// let more = Correction::new(Usd::cents(2)).model("openai/gpt-6-luna").tag("user:42");
/// budget.adjust("acme", more, yesterday, "OpenAI's invoice of November")?;
/// assert_eq!(budget.spent(), Usd::cents(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is booked until `adjust` is called with it"]
pub struct Correction {
    by: Usd,
    model: Option<Arc<str>>,
    tags: Vec<String>,
}

impl Correction {
    /// An amount, negative where too much was booked.
    pub fn new(by: Usd) -> Correction {
        Correction { by, model: None, tags: Vec::new() }
    }

    /// The model that it is about, as the ledger or the price book names it (`openai/gpt-6-luna`,
    /// or `gpt-6-luna` alone): its report and limits on that model are corrected too, and an
    /// invoice is [compared](crate::journal) with it. A name that neither knows is used as it is;
    /// an empty name is no model.
    pub fn model(mut self, name: &str) -> Correction {
        self.model = Some(name).filter(|name| !name.is_empty()).map(Arc::from);
        self
    }

    /// Corrects this tag (`user:42`) as well. At most four, each of a tag tree of its own.
    pub fn tag(mut self, path: &str) -> Correction {
        self.tags.push(path.to_owned());
        self
    }
}

impl From<Usd> for Correction {
    fn from(by: Usd) -> Correction {
        Correction::new(by)
    }
}

impl BudgetManager {
    /// Corrects what was booked on an account: an invoice that disagrees. The correction counts in the windows of the
    /// moment `about`, if they are still kept, and in the totals in any case; a moment to come is taken
    /// for now. Tokens and calls stay. With a journal, the file keeps it with its reason.
    ///
    /// It is booked whatever the limits say ([law 3](crate::guide::laws)). What it takes over a limit raises an
    /// [`Overrun`](crate::Alert::Overrun), and calls that ask for money are refused until there is room again.
    ///
    /// # Errors
    /// [`RecordError`] if a name is no account or tag, or if the amount would leave the account, one above it or a
    /// tag with less than nothing; nothing has been booked then.
    pub fn adjust(
        &self,
        account: &str,
        by: impl Into<Correction>,
        about: Timestamp,
        why: impl Into<Arc<str>>,
    ) -> Result<(), RecordError> {
        let (Correction { by, model, tags }, why) = (by.into(), why.into());
        let account = self.account(account)?;
        let mut all = Tags::NONE;
        for tag in tags {
            let tag = self.tag(&tag)?;
            all = all.with(tag.id()).ok_or(RecordError::Invalid(InvalidCall::Tags))?;
        }
        let (cost, charged) = (by.pico(), account.id());
        // A name that the ledger has is one of its models; another may be an alias of one.
        let listed = model.as_deref().and_then(|name| self.prices().find(name).ok());
        let listed = listed.map(|model| Arc::clone(model.name()));
        let done = self.core.change(move |ledger, now| {
            let model = match &model {
                None => ModelId::NONE,
                Some(name) => match ledger.find_model(name) {
                    Some(known) => known,
                    None => number_of(ledger, now, listed.as_ref().unwrap_or(name)),
                },
            };
            let target = Target { account: charged, tags: all, model };
            let adjust = Adjust { target, cost, about, why: Arc::clone(&why) };
            ledger.execute(now, &Command::Adjust(adjust))
        })?;
        match done {
            Ok(_) => Ok(()),
            Err(Rejection::Impossible) => Err(RecordError::Invalid(InvalidCall::Impossible)),
            Err(Rejection::BadTags) => Err(RecordError::Invalid(InvalidCall::Tags)),
            Err(Rejection::NoSuchTag) => Err(RecordError::Invalid(InvalidCall::TagForgotten)),
            Err(other) => Err(AccountError::from_rejection(&other, account.path()).into()),
        }
    }
}
