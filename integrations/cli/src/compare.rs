//! [`Comparison`]: a ledger and an invoice side by side, day by day and model by model.

mod names;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bursar::Usd;
use bursar::clock::Timestamp;
use bursar::journal::JournalError;
use bursar::ledger::{Posting, PostingKind};
use bursar::price::Date;
use serde::Serialize;

use self::names::Names;
use crate::{Figures, Invoice};

/// A ledger and an invoice side by side: made by [`Invoice::compare`]. Its `Display` is a table of 80 columns,
/// with serde it is data.
///
/// All differences are the invoice's figure less the ledger's: what the ledger has to be
/// [adjusted](bursar::BudgetManager::adjust) by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Whose export it is: `OpenAI's cost export`.
    pub source: String,
    /// The provider whose models are compared; `None` for all.
    pub provider: Option<String>,
    /// The first and the last day that are compared, in UTC; `None` if the invoice has no day.
    pub days: Option<(Date, Date)>,
    /// What was used of a model on a day, by day and model.
    pub rows: Vec<Row>,
    /// All lines together.
    pub total: Sides,
    /// Names on the invoice that are no model of the ledger in these days. Their lines are there, on the
    /// invoice's side alone.
    pub unmatched_on_invoice: Vec<Unmatched>,
    /// Models of the ledger in these days that are not on the invoice.
    pub unmatched_in_ledger: Vec<Arc<str>>,
    /// Charges of the ledger for models of other providers, and for none.
    pub other_providers: Excluded,
    /// Charges of the ledger on other days.
    pub other_days: Excluded,
}

/// What was used of one model on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// The day, in UTC: of the ledger's charges, that on which the call was made.
    pub day: Date,
    /// The model as the ledger names it, else `provider/` and what the invoice says. The provider alone, or nothing,
    /// stands for no model, and for all of them where the invoice names none.
    pub model: Arc<str>,
    /// The invoice's names for it.
    pub billed_as: BTreeSet<Arc<str>>,
    /// Where it is.
    pub presence: Presence,
    /// The figures.
    #[serde(flatten)]
    pub sides: Sides,
}

/// Where a day's use of a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// In both.
    InBoth,
    /// In the ledger alone.
    InLedger,
    /// On the invoice alone.
    OnInvoice,
}

/// The figures of a ledger and an invoice, and how they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Sides {
    /// The ledger's.
    pub ledger: Figures,
    /// The invoice's; `None` is what it has no column for.
    pub invoice: Figures,
    /// The invoice's less the ledger's, of what the invoice has.
    pub difference: Figures,
    /// The difference in cost in hundredths of a percent of the ledger's cost, rounded half to even; `None`
    /// if the ledger's is not above zero.
    pub basis_points: Option<i64>,
}

/// A name on an invoice that is no model of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unmatched {
    /// The name.
    pub name: Arc<str>,
    /// Models of the ledger that it could be: more than one, or it would be matched.
    pub could_be: Vec<Arc<str>>,
}

/// Charges that are not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Excluded {
    /// How many lines of the ledger.
    pub charges: u64,
    /// What they cost.
    pub cost: Usd,
}

impl Invoice {
    /// Holds the charges of a ledger against the invoice, by day and model.
    ///
    /// **Days** are those of UTC, from the first to the last that the invoice [covers](Invoice::covering). A charge
    /// belongs to the day on which its call was made (reserved), because that is the day on which providers
    /// count a request; a correction to the day that it is about. Around midnight a call may stand on either.
    ///
    /// **Providers.** Of the ledger only models of the one that bills are compared; see
    /// [`any_provider`](Invoice::any_provider).
    ///
    /// **Models** are matched by the rules by which a [`PriceBook`](bursar::PriceBook) finds prices, and by their words.
    /// A name on the invoice is, in this order:
    ///
    /// 1. what [`same_model`](Invoice::same_model) says;
    /// 2. the model of exactly that name, with or without its provider: `gpt-6.1-terra`,
    ///    `openai/gpt-6.1-terra`;
    /// 3. the same without a region, version or date: `gpt-6.1-terra-2026-09-01`;
    /// 4. the one model of the ledger that is a dated one of that name;
    /// 5. the one model of the ledger that has the same words, in any order, and the same numbers in theirs: `Claude
    ///    Haiku 3.5` is `anthropic/claude-3-5-haiku-latest`. Capitals, dots, dashes and blanks, `latest`, a `.0`
    ///    and the name of the company in front are ignored, and so is a date that only one of them has; two
    ///    dates have to be the same.
    ///
    /// Several names may be one model: their rows are added up. What matches nothing, or more than one model, is
    /// not guessed: it stands on its own line, and among the unmatched.
    ///
    /// The ledger counts a call that is not billed separately (a fixed estimate, a tool) as a charge without
    /// a model; such charges are compared only where no provider is named.
    ///
    /// To book what differs, adjust by each line, with its model:
    ///
    /// ```no_run
    /// use std::fs::File;
    /// use bursar::journal::{Charges, SqliteJournal};
    /// use bursar::budget::Correction;
    /// use bursar::{BudgetManager, Usd};
    /// use bursar_cli::Invoice;
    ///
    /// let invoice = Invoice::read(File::open("openai-costs-november.csv")?)?;
    /// let comparison = invoice.compare(Charges::open("budget.db")?)?;
    /// println!("{comparison}");
    ///
    /// let budget = BudgetManager::builder().journal(SqliteJournal::open("budget.db")?).build()?;
    /// for line in comparison.rows.iter().filter(|line| line.correction() != Usd::ZERO) {
    ///     let correction = Correction::new(line.correction()).model(&line.model);
    ///     budget.adjust("acme", correction, line.about(), "OpenAI's invoice of November")?;
    /// }
    /// assert!(invoice.compare(Charges::open("budget.db")?)?.correction() == Usd::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`JournalError`] if the charges cannot be read, or their sum is larger than any amount can be.
    pub fn compare(
        &self,
        charges: impl IntoIterator<Item = Result<Posting, JournalError>>,
    ) -> Result<Comparison, JournalError> {
        // Sum the charges of the invoice's provider and days.
        let by_model = self.lines.keys().any(|(_, model)| !model.is_empty());
        let mut other_providers = Excluded::default();
        let mut other_days = Excluded::default();
        let mut ledger: BTreeMap<(Date, Arc<str>), Figures> = BTreeMap::new();
        for charge in charges {
            let charge = charge?;
            let day = Date::of(charge.reserved_at);
            if !self.days.is_some_and(|(first, last)| first <= day && day <= last) {
                other_days.add(&charge)?;
            } else if !self.bills(&charge.model) {
                other_providers.add(&charge)?;
            } else {
                let model = if by_model { charge.model.clone() } else { self.no_model() };
                let sum = ledger.entry((day, model)).or_insert(NOTHING);
                *sum = sum.plus(&figures_of(&charge)).ok_or_else(too_much)?;
            }
        }
        // One row for each day and model, from the ledger first.
        let names = Names::new(self, ledger.keys().map(|(_, model)| model));
        let mut rows: BTreeMap<(Date, Arc<str>), Row> = BTreeMap::new();
        let mut total = (NOTHING, self.none);
        for ((day, model), figures) in &ledger {
            let row = rows.entry((*day, model.clone())).or_insert_with(|| self.row(*day, model));
            row.sides.ledger = *figures;
            row.presence = Presence::InLedger;
            total.0 = total.0.plus(figures).ok_or_else(too_much)?;
        }
        // Then from the invoice, under the ledger's names.
        for ((day, name), figures) in &self.lines {
            let model = names.model(name);
            let row = rows.entry((*day, model.clone())).or_insert_with(|| self.row(*day, model));
            row.sides.invoice = row.sides.invoice.plus(figures).ok_or_else(too_much)?;
            if row.presence == Presence::InLedger {
                row.presence = Presence::InBoth;
            }
            if !name.is_empty() {
                row.billed_as.insert(name.clone());
            }
            total.1 = total.1.plus(figures).ok_or_else(too_much)?;
        }
        // The differences.
        let mut rows: Vec<Row> = rows.into_values().collect();
        for row in &mut rows {
            row.sides = Sides::new(row.sides.ledger, row.sides.invoice).ok_or_else(too_much)?;
        }
        let (unmatched_on_invoice, unmatched_in_ledger) = names.unmatched();
        Ok(Comparison {
            source: self.source.clone(),
            provider: self.provider.clone(),
            days: self.days,
            rows,
            total: Sides::new(total.0, total.1).ok_or_else(too_much)?,
            unmatched_on_invoice,
            unmatched_in_ledger,
            other_providers,
            other_days,
        })
    }

    /// True of a model that is on this invoice, if it was used.
    fn bills(&self, model: &str) -> bool {
        let Some(provider) = &self.provider else { return true };
        let rest = model.strip_prefix(provider.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What stands for no model in particular: the provider, so that what is booked under it is compared.
    fn no_model(&self) -> Arc<str> {
        self.provider.as_deref().unwrap_or_default().into()
    }

    fn row(&self, day: Date, model: &Arc<str>) -> Row {
        let sides =
            Sides { ledger: NOTHING, invoice: self.none, difference: NOTHING, basis_points: None };
        let (model, billed_as) = (model.clone(), BTreeSet::new());
        Row { day, model, billed_as, presence: Presence::OnInvoice, sides }
    }
}

impl Comparison {
    /// What the ledger has to be adjusted by to agree with the invoice: zero if they agree, or if the invoice has no
    /// cost.
    pub fn correction(&self) -> Usd {
        self.total.correction()
    }

    /// The same for one day.
    pub fn correction_on(&self, day: Date) -> Usd {
        let lines = self.rows.iter().filter(|line| line.day == day);
        // A part of what has been added up without an overflow.
        Usd::checked_sum(lines.map(Row::correction)).unwrap_or(Usd::MAX)
    }

    /// True if every figure that the invoice has is the ledger's, on each day and for each model.
    pub fn agrees(&self) -> bool {
        self.rows.iter().all(|line| line.sides.agree())
    }
}

impl Row {
    /// What the ledger has to be adjusted by on this day for this model: zero if it agrees, or if the invoice has no
    /// cost.
    pub fn correction(&self) -> Usd {
        self.sides.correction()
    }

    /// A moment to adjust about: noon of the day in UTC, which is that day from 12 hours west to 11 hours
    /// east.
    pub fn about(&self) -> Timestamp {
        self.day.start().plus(std::time::Duration::from_secs(12 * 3_600))
    }
}

impl Sides {
    fn new(ledger: Figures, invoice: Figures) -> Option<Sides> {
        let difference = invoice.less(&ledger)?;
        let basis_points = match (difference.cost, ledger.cost) {
            (Some(more), Some(of)) if of > Usd::ZERO => {
                let more = more.pico().checked_mul(10_000);
                more.and_then(|more| i64::try_from(div_half_even(more, of.pico())).ok())
            }
            _ => None,
        };
        Some(Sides { ledger, invoice, difference, basis_points })
    }

    fn correction(&self) -> Usd {
        self.difference.cost.unwrap_or(Usd::ZERO)
    }

    /// True if nothing differs of what the invoice has.
    pub(super) fn agree(&self) -> bool {
        let Figures { requests, input_tokens, cached_tokens, output_tokens, cost } =
            self.difference;
        let counts = [requests, input_tokens, cached_tokens, output_tokens];
        counts.into_iter().all(|count| count.is_none_or(|count| count == 0))
            && cost.is_none_or(Usd::is_zero)
    }
}

impl Excluded {
    fn add(&mut self, charge: &Posting) -> Result<(), JournalError> {
        self.charges = self.charges.saturating_add(1);
        self.cost = self.cost.checked_add(Usd::from_pico(charge.cost)).ok_or_else(too_much)?;
        Ok(())
    }
}

/// Nothing used, of all that a ledger knows.
const NOTHING: Figures = Figures {
    requests: Some(0),
    input_tokens: Some(0),
    cached_tokens: Some(0),
    output_tokens: Some(0),
    cost: Some(Usd::ZERO),
};

fn figures_of(charge: &Posting) -> Figures {
    let count = |count| Some(charge.signed(count));
    Figures {
        requests: count(u64::from(charge.kind != PostingKind::Adjusted)),
        input_tokens: count(charge.usage.input_tokens()),
        cached_tokens: count(charge.usage.cache_read_tokens()),
        output_tokens: count(charge.usage.output_tokens()),
        cost: Some(Usd::from_pico(charge.cost)),
    }
}

impl Figures {
    /// The sum, of what both have; `None` if it does not fit.
    fn plus(&self, other: &Figures) -> Option<Figures> {
        self.each(other, i64::checked_add, Usd::checked_add)
    }

    /// What is left of this without the other, of what both have; `None` if it does not fit.
    fn less(&self, other: &Figures) -> Option<Figures> {
        self.each(other, i64::checked_sub, Usd::checked_sub)
    }

    fn each(
        &self,
        other: &Figures,
        count: fn(i64, i64) -> Option<i64>,
        money: fn(Usd, Usd) -> Option<Usd>,
    ) -> Option<Figures> {
        fn both<T>(
            one: Option<T>,
            other: Option<T>,
            work: fn(T, T) -> Option<T>,
        ) -> Option<Option<T>> {
            match (one, other) {
                (Some(one), Some(other)) => work(one, other).map(Some),
                _ => Some(None),
            }
        }
        Some(Figures {
            requests: both(self.requests, other.requests, count)?,
            input_tokens: both(self.input_tokens, other.input_tokens, count)?,
            cached_tokens: both(self.cached_tokens, other.cached_tokens, count)?,
            output_tokens: both(self.output_tokens, other.output_tokens, count)?,
            cost: both(self.cost, other.cost, money)?,
        })
    }
}

#[cold]
fn too_much() -> JournalError {
    JournalError::new("the charges add up to more than any amount can be")
}

/// `numerator / denominator`, rounded half to even. The denominator is positive.
fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let twice = numerator.rem_euclid(denominator).saturating_mul(2);
    let up = twice > denominator || (twice == denominator && floor % 2 != 0);
    if up { floor + 1 } else { floor }
}
