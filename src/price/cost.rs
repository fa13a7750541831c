//! [`ModelPrice::cost`]: the cost of a call that was made, one exact sum, rounded once.

use std::borrow::Cow;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::money::{Usd, div_half_even, div_up};
use crate::usage::{Bucket, Service, Sums, Usage};

use super::model::ModelPrice;
use super::rate::Ratio;
use super::schedule::Level;

/// Attodollars (1e-18 USD) in a picodollar.
pub(super) const ATTO_PER_PICO: u64 = 1_000_000;

/// On which terms a call was served.
///
/// ```
/// use bursar::price::Terms;
/// use bursar::{PriceBook, Service, Usage};
///
/// let book = PriceBook::builtin();
/// let terra = book.find("gpt-6.1-terra")?;
/// let (usage, at) = (Usage::tokens(1_000_000, 0), "2026-11-24T12:00:00Z".parse()?);
/// let standard = terra.price().cost(&usage, &Terms::default(), at)?;
/// let batch = terra.price().cost(&usage, &Service::Batch.into(), at)?;
/// assert!(batch < standard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The service tier.
    pub service: Service,
    /// Whether it was processed in one region, at the surcharge for data residency.
    pub regional: bool,
}

impl Terms {
    /// The terms on which a call was billed: what the bill says, else what was asked for.
    #[inline]
    pub(crate) fn billed(
        &self,
        service: Option<&Service>,
        regional: Option<bool>,
    ) -> Cow<'_, Terms> {
        if service.is_none() && regional.is_none() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Terms {
            service: service.unwrap_or(&self.service).clone(),
            regional: regional.unwrap_or(self.regional),
        })
    }
}

impl From<Service> for Terms {
    fn from(service: Service) -> Terms {
        Terms { service, regional: false }
    }
}

impl ModelPrice {
    /// What a call costs: the exact sum over all buckets, at the rates of the moment `at`, rounded
    /// once, half to even, to a picodollar.
    ///
    /// The surcharge for data residency is on tokens only, as Anthropic and OpenAI publish it, not
    /// on fees. A bucket that counts zero needs no price. Where the provider takes a fee for each
    /// request, a call that used anything pays one at least, even if the answer does not count it.
    ///
    /// # Errors
    /// [`PriceError`]: what is unknown is never free.
    ///
    /// ```
    /// use bursar::price::Terms;
    /// use bursar::{PriceBook, Usage};
    ///
    /// let terra = PriceBook::builtin().find("gpt-6.1-terra")?;
    /// let at = "2026-11-24T09:00:00Z".parse()?;
    /// let usage = Usage { input_uncached: 86, cache_read: 1_920, output: 236, ..Usage::default() };
    /// let cost = terra.price().cost(&usage, &Terms::default(), at)?;
    /// assert_eq!(cost.exact().to_string(), "0.001362"); // 86 at $1, 1,920 at $0.05, 236 at $5
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cost(&self, usage: &Usage, terms: &Terms, at: Timestamp) -> Result<Usd, PriceError> {
        let Sums { input, output, is_common, .. } = usage.sums();
        let is_possible = input.saturating_add(output) <= Usage::MAX_COUNT
            && (is_common || usage.fees_are_possible());
        if !is_possible {
            return Err(PriceError::Impossible { model: self.name().clone() });
        }
        if self.is_free() {
            return Ok(Usd::ZERO);
        }
        let level = self.schedule(&terms.service, at)?.level(input);
        let tokens = if is_common && level.prices_text() {
            common_tokens(usage, level)
        } else {
            self.checked_tokens(usage, level)?
        };
        let has_no_fee = is_common && self.fee_of(Bucket::Requests).is_none();
        let fees = if has_no_fee { 0 } else { self.fees(usage)? };
        if !terms.regional {
            return Ok(half_even(tokens + fees, ATTO_PER_PICO));
        }
        let ratio = self.ratio()?;
        let parts = u128::from(ratio.denominator());
        let atto = tokens * u128::from(ratio.numerator()) + fees * parts;
        Ok(half_even(atto, ATTO_PER_PICO * u64::from(ratio.denominator())))
    }

    /// The part of a cost that is known: the buckets that have a price, rounded up. For a call that
    /// [`cost`](ModelPrice::cost) cannot price and that has been billed all the same.
    ///
    /// An unknown service tier counts at the standard rates, a time before the first known price at
    /// the oldest. Of impossible counts nothing is known: zero.
    pub fn known_cost(&self, usage: &Usage, terms: &Terms, at: Timestamp) -> Usd {
        let schedule = self.schedule(&terms.service, at).ok().or(self.nearest_standard(at));
        let Some(schedule) = schedule.filter(|_| usage.is_possible()) else { return Usd::ZERO };
        let tokens = tokens(usage, schedule.level(usage.input_tokens()));
        let fees: u128 = self.due(usage).map(|(bucket, count)| self.known_fee(bucket, count)).sum();
        let ratio = self.regional_ratio().filter(|_| terms.regional).unwrap_or(Ratio::ONE);
        let parts = u128::from(ratio.denominator());
        let atto = tokens * u128::from(ratio.numerator()) + fees * parts;
        let unit = i128::from(ATTO_PER_PICO) * i128::from(ratio.denominator());
        Usd::from_pico(div_up(i128::try_from(atto).unwrap_or(i128::MAX), unit))
    }

    /// The fees of the buckets that do not count tokens, in attodollars.
    #[inline(never)]
    fn fees(&self, usage: &Usage) -> Result<u128, PriceError> {
        self.due(usage).try_fold(0, |sum, (bucket, count)| Ok(sum + self.fee_for(bucket, count)?))
    }

    /// The buckets whose fees are due, with their counts. Few providers count requests: where there is a fee
    /// for one, a call that used anything is one at least.
    fn due(&self, usage: &Usage) -> impl Iterator<Item = (Bucket, u64)> {
        let is_request = self.fee_of(Bucket::Requests).is_some() && !usage.is_none();
        let usage = Usage { requests: usage.requests.max(u64::from(is_request)), ..*usage };
        Bucket::fees().map(move |bucket| (bucket, usage.get(bucket)))
    }

    pub(super) fn ratio(&self) -> Result<Ratio, PriceError> {
        let missing = || PriceError::NoRegional { model: self.name().clone() };
        self.regional_ratio().ok_or_else(missing)
    }

    /// What `count` things come to, in attodollars; of none, nothing needs to be known.
    #[inline]
    pub(super) fn fee_for(&self, bucket: Bucket, count: u64) -> Result<u128, PriceError> {
        if count > 0 && self.fee_of(bucket).is_none() {
            return Err(self.no_rate(bucket));
        }
        Ok(self.known_fee(bucket, count))
    }

    /// The same where what has no price counts nothing.
    fn known_fee(&self, bucket: Bucket, count: u64) -> u128 {
        self.fee_of(bucket).map_or(0, |fee| u128::from(count) * u128::from(fee.atto_each()))
    }

    /// All tokens at the rates of one level, if those that count have one. Text has, its own or one
    /// that stands in, unless the model is billed by time; audio and drawn images may have none.
    #[inline(never)]
    fn checked_tokens(&self, usage: &Usage, level: &Level) -> Result<u128, PriceError> {
        let unpriced = |bucket: &Bucket| usage.get(*bucket) > 0 && !level.is_priced(*bucket);
        if !level.prices_text() || usage.has_special_tokens() {
            if let Some(bucket) = Bucket::tokens().find(unpriced) {
                return Err(self.no_rate(bucket));
            }
        }
        Ok(tokens(usage, level))
    }

    #[cold]
    pub(super) fn no_rate(&self, bucket: Bucket) -> PriceError {
        PriceError::NoRate { model: self.name().clone(), bucket: bucket.as_str() }
    }
}

/// All tokens at the rates of one level, in attodollars; without a price, nothing.
///
/// A possible usage has at most 1e12 tokens and a rate is at most 1e16: far from the end.
fn tokens(usage: &Usage, level: &Level) -> u128 {
    usage.sum_tokens(|bucket, count| u128::from(count) * level.atto(bucket))
}

/// The same of a usage that is [common](Sums::is_common): no product for each of the other buckets.
#[inline]
fn common_tokens(usage: &Usage, level: &Level) -> u128 {
    let at = |bucket, count| u128::from(count) * level.atto(bucket);
    at(Bucket::Input, usage.input_uncached)
        + at(Bucket::CacheRead, usage.cache_read)
        + at(Bucket::Output, usage.output)
        + at(Bucket::Reasoning, usage.reasoning)
}

/// `atto / unit`, half to even. Up to eighteen dollars without a division of 128 bits, which would
/// cost more than all the rest.
#[inline]
fn half_even(atto: u128, unit: u64) -> Usd {
    let Ok(small) = u64::try_from(atto) else {
        let atto = i128::try_from(atto).unwrap_or(i128::MAX);
        return Usd::from_pico(div_half_even(atto, i128::from(unit)));
    };
    let (whole, rest) = (small / unit, small % unit);
    let up = rest > unit - rest || (rest == unit - rest && whole % 2 == 1);
    Usd::from_pico(i128::from(whole) + i128::from(up))
}

/// Why a call has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// Counts that no call can have.
    #[error(
        "the counts for {model} cannot be those of one call; tokens, and each of the other counts, \
         are at most a trillion"
    )]
    Impossible {
        /// `provider/id`.
        model: Arc<str>,
    },
    /// The service tier has no price.
    #[error(
        "no price of {model} is known for the service tier `{service}` at that time; ask for \
         another tier, or write its price down with `ModelPrice::service`"
    )]
    NoService {
        /// `provider/id`.
        model: Arc<str>,
        /// The tier that was asked for.
        service: Service,
    },
    /// The call is older than the first known price.
    #[error(
        "no price of {model} is known for that time, which is before the first one; insert an \
         older price"
    )]
    NotYet {
        /// `provider/id`.
        model: Arc<str>,
    },
    /// A bucket that was used has no price.
    #[error("no price of {model} is known for `{bucket}`; insert a `ModelPrice` that names it")]
    NoRate {
        /// `provider/id`.
        model: Arc<str>,
        /// The bucket of [`Usage`].
        bucket: &'static str,
    },
    /// No surcharge for data residency is known.
    #[error(
        "the surcharge of {model} for processing in one region is not known; write it down with \
         `ModelPrice::regional`, as 1 if there is none"
    )]
    NoRegional {
        /// `provider/id`.
        model: Arc<str>,
    },
    /// The output has no end.
    #[error(
        "nothing limits the output of {model}; give the estimate a `max_output`, and the request \
         the same cap"
    )]
    NoOutputCap {
        /// `provider/id`.
        model: Arc<str>,
    },
    /// A fixed estimate that is negative or too large.
    #[error("a fixed estimate is from zero to a hundred billion dollars, not {amount}")]
    FixedOutOfRange {
        /// What was asked for.
        amount: Usd,
    },
}
