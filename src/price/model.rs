//! [`ModelPrice`], what one model costs, and [`Model`], a cheap handle to the price of a model.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::money::Usd;
use crate::usage::{Bucket, Service};

use super::book::PriceBook;
use super::cost::PriceError;
use super::date::Date;
use super::estimate::Estimate;
use super::rate::{Fee, Rate, Ratio};
use super::rates::{Fees, Rates, Tier};
use super::reasoning::has_no_reasoning;
use super::schedule::{Epoch, Origin, RateTable, Schedule};

/// What one model of one provider costs: rates by date, input length, service tier and hour.
///
/// Written by hand, it is a chain that reads in the order of time. What follows
/// [`from_date`](ModelPrice::from_date) applies to the prices from that day on:
///
/// ```
/// use bursar::price::Rates;
/// use bursar::usage::Bucket;
/// use bursar::{ModelPrice, PriceBook, Service};
///
/// let price = ModelPrice::new("acme", "owl-2", "3".parse()?, "15".parse()?)
///     .rate(Bucket::CacheRead, "0.3".parse()?)
///     .rate(Bucket::CacheWrite5m, "3.75".parse()?)
///     .tier(200_000, Rates::new("6".parse()?, "22.5".parse()?))
///     .from_date("2027-01-01".parse()?, "2".parse()?, "10".parse()?)
///     .service(Service::Batch, Rates::new("1".parse()?, "5".parse()?))
///     .max_output(64_000)
///     .source("the vendor's price page");
/// PriceBook::empty().insert(price)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelPrice {
    name: Arc<str>,
    provider: Arc<str>,
    id: Arc<str>,
    pub(super) aliases: Vec<Arc<str>>,
    context_window: Option<u64>,
    max_output: Option<u64>,
    source: Option<String>,
    pub(super) retires: Option<Date>,
    pub(super) retired: bool,
    reasons: Option<bool>,
    /// Found only with its provider's name: a public list has it of a reseller.
    pub(super) resold: bool,
    pub(super) free: bool,
    fees: Fees,
    /// A bucket that was given a fee which it cannot have.
    pub(super) wrong_fee: Option<Bucket>,
    own: bool,
    regional: Option<Ratio>,
    pub(super) fast: Option<Ratio>,
    /// As written down.
    pub(super) epochs: Vec<Epoch>,
    /// As charged, in order of time.
    pub(super) resolved: Box<[RateTable]>,
}

impl ModelPrice {
    /// A model at one price for input and output, whenever it was called.
    pub fn new(
        provider: impl Into<Arc<str>>,
        id: impl Into<Arc<str>>,
        input: Rate,
        output: Rate,
    ) -> ModelPrice {
        let oldest = Epoch::new(None, Rates::new(input, output));
        ModelPrice::of_epochs(provider.into(), id.into(), vec![oldest])
    }

    /// A model that costs nothing, in every bucket and service tier, because you say so: one that
    /// runs on your own machine.
    pub fn free(provider: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> ModelPrice {
        let mut price = ModelPrice::of_epochs(provider.into(), id.into(), Vec::new());
        price.free = true;
        price
    }

    pub(super) fn of_epochs(provider: Arc<str>, id: Arc<str>, epochs: Vec<Epoch>) -> ModelPrice {
        let mut price = ModelPrice {
            name: format!("{provider}/{id}").into(),
            provider,
            id,
            aliases: Vec::new(),
            context_window: None,
            max_output: None,
            source: None,
            retires: None,
            retired: false,
            reasons: None,
            resold: false,
            free: false,
            fees: Fees::default(),
            wrong_fee: None,
            own: false,
            regional: None,
            fast: None,
            epochs,
            resolved: Box::default(),
        };
        price.resolve();
        price
    }

    /// Starts new prices on a day (in UTC, from midnight on). The calls that follow in the chain change
    /// these.
    #[must_use]
    pub fn from_date(mut self, from: Date, input: Rate, output: Rate) -> ModelPrice {
        self.epochs.push(Epoch::new(Some(from), Rates::new(input, output)));
        self.resolve();
        self
    }

    /// Sets the rate of one bucket of tokens. Without a rate of their own, cache reads cost what
    /// input costs, cache writes what the next shorter time to live costs (or else input), reasoning
    /// what output costs and images that are read what input costs; audio and images that are drawn
    /// have no price.
    #[must_use]
    pub fn rate(self, bucket: Bucket, rate: Rate) -> ModelPrice {
        self.change(|epoch| epoch.base.rates = epoch.base.rates.clone().with(bucket, rate))
    }

    /// Adds a long-context tier: the whole request is charged at these rates once its input is
    /// **more than** `tokens`. All input counts: uncached, audio, cache reads and cache writes.
    ///
    /// ```
    /// use bursar::price::{Rates, Terms};
    /// use bursar::{ModelPrice, Usage};
    ///
    /// // $1 and $4 for a million tokens; twice that for a request of more than 200,000 in.
    /// let price = ModelPrice::new("acme", "long", "1".parse()?, "4".parse()?)
    ///     .tier(200_000, Rates::new("2".parse()?, "8".parse()?));
    /// let at = "2026-11-24T12:00:00Z".parse()?;
    /// let cost = |input| price.cost(&Usage::tokens(input, 0), &Terms::default(), at);
    /// assert_eq!(cost(200_000)?.to_string(), "$0.20");
    /// assert_eq!(cost(200_001)?.to_string(), "$0.40");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tier(self, tokens: u64, rates: Rates) -> ModelPrice {
        self.change(|epoch| epoch.base.tiers.push(Tier::above(tokens, rates)))
    }

    /// Sets what a service tier costs. Without this, a call of that tier has no price.
    #[must_use]
    pub fn service(self, service: Service, rates: Rates) -> ModelPrice {
        self.change(|epoch| {
            if service == Service::Standard {
                epoch.base = rates.into();
            } else {
                epoch.services.retain(|(other, _)| *other != service);
                epoch.services.push((service, rates.into()));
            }
        })
    }

    /// Sets the fee of one unit of a bucket that does not count tokens: a web search, a request, a
    /// second of audio, from zero to a dollar for each. Without a fee the bucket has no price, except
    /// requests, which are then free.
    ///
    /// ```
    /// use bursar::price::Terms;
    /// use bursar::usage::Bucket;
    /// use bursar::{ModelPrice, Usage, Usd};
    ///
    /// let price = ModelPrice::new("acme", "finder", "1".parse()?, "4".parse()?)
    ///     .fee(Bucket::FileSearchRequests, "0.0025".parse()?);
    /// let usage = Usage { file_search_requests: 2, ..Usage::NONE };
    /// let at = "2026-11-24T12:00:00Z".parse()?;
    /// assert_eq!(price.cost(&usage, &Terms::default(), at)?, "0.005".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fee(self, bucket: Bucket, each: Usd) -> ModelPrice {
        self.with_fee(bucket, Fee::of(each, 1))
    }

    /// The same with a fee that may be out of range: the price is then refused by a book.
    pub(super) fn with_fee(mut self, bucket: Bucket, fee: Option<Fee>) -> ModelPrice {
        if !fee.is_some_and(|fee| self.fees.set(bucket, fee)) {
            self.wrong_fee = Some(bucket);
        }
        self
    }

    /// Sets the surcharge on all tokens for data residency (processing in one region), at most 10.
    /// Without this, a regional call has no price; a factor of 1 means no surcharge.
    #[must_use]
    pub fn regional(mut self, ratio: Ratio) -> ModelPrice {
        self.regional = Some(ratio);
        self
    }

    /// Prices [`Service::Fast`] at the standard rates times `ratio`, wherever it is not named.
    pub(super) fn fast_multiplier(mut self, ratio: Ratio) -> ModelPrice {
        self.fast = Some(ratio);
        self.resolve();
        self
    }

    /// Sets how many tokens fit into a request.
    #[must_use]
    pub fn context_window(mut self, tokens: u64) -> ModelPrice {
        self.context_window = Some(tokens);
        self
    }

    /// Sets whether the model can reason ("think"), for a model whose id does not show it. If a
    /// stream is cut before its counts, a model that can reason is charged the output cap, and one
    /// that cannot is charged the text that came.
    ///
    /// ```
    /// use bursar::ModelPrice;
    ///
    /// let mine = ModelPrice::new("vllm", "support-bot", "0.1".parse()?, "0.3".parse()?);
    /// let mine = mine.reasons(false); // its name does not show it
    /// # let _ = mine;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reasons(mut self, reasons: bool) -> ModelPrice {
        self.reasons = Some(reasons);
        self
    }

    /// Sets how many tokens the model answers at most, reasoning included.
    #[must_use]
    pub fn max_output(mut self, tokens: u64) -> ModelPrice {
        self.max_output = Some(tokens);
        self
    }

    /// Adds another name by which it is found.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<Arc<str>>) -> ModelPrice {
        self.aliases.push(alias.into());
        self
    }

    /// Sets where the price was read.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> ModelPrice {
        self.source = Some(source.into());
        self
    }

    /// The same price as one that the user wrote down, or did not.
    pub(super) fn owned(mut self, own: bool) -> ModelPrice {
        self.own = own;
        self
    }

    fn change(mut self, change: impl FnOnce(&mut Epoch)) -> ModelPrice {
        if let Some(last) = self.epochs.last_mut() {
            change(last);
            self.resolve();
        }
        self
    }

    fn resolve(&mut self) {
        let mut resolved: Vec<RateTable> =
            self.epochs.iter().map(|epoch| RateTable::new(epoch, self.fast)).collect();
        resolved.sort_by_key(|epoch| epoch.from);
        self.resolved = resolved.into();
    }
}

/// What is known of it.
impl ModelPrice {
    /// `provider/id`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Who offers it: `openai`, `bedrock`, …
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The provider's name of the model.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Other names of the model.
    pub(super) fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().map(|alias| &**alias)
    }

    /// How many tokens fit into a request.
    pub(crate) fn context_window_tokens(&self) -> Option<u64> {
        self.context_window
    }

    /// How many tokens the model answers at most.
    pub fn max_output_tokens(&self) -> Option<u64> {
        self.max_output
    }

    /// True if the model can reason: as set with [`reasons`](ModelPrice::reasons), else by the
    /// family in its id. True for unknown families.
    pub(crate) fn can_reason(&self) -> bool {
        self.reasons.unwrap_or_else(|| !has_no_reasoning(&self.id))
    }

    /// Where the price was read.
    pub fn read_in(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// True if the provider has switched it off by then.
    pub(crate) fn is_retired(&self, at: Timestamp) -> bool {
        self.retired || self.retires.is_some_and(|date| date.start() <= at)
    }

    /// True for what was made by [`ModelPrice::free`].
    pub fn is_free(&self) -> bool {
        self.free
    }

    /// True for a price that you wrote down: with [`PriceBook::insert`](super::PriceBook::insert),
    /// [`BudgetManager::insert_price`](crate::BudgetManager::insert_price) or in a file of your own
    /// ([`PriceBook::from_toml`](super::PriceBook::from_toml)). False for the built-in prices and
    /// for public lists.
    ///
    /// Such a price wins over a cost that the provider states, and stays when the answer names
    /// another model: see [`PriceBook::price_bill`](super::PriceBook::price_bill).
    ///
    /// ```
    /// use bursar::{ModelPrice, PriceBook};
    ///
    /// let mut book = PriceBook::builtin();
    /// book.insert(ModelPrice::new("azure", "prod-chat", "1".parse()?, "4".parse()?))?;
    /// assert!(book.find("azure/prod-chat")?.price().is_own());
    /// assert!(!book.find("openai/gpt-4o")?.price().is_own());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// The fee of one unit of a bucket; `None` if it has no price, or if it counts tokens.
    #[inline]
    pub(super) fn fee_of(&self, bucket: Bucket) -> Option<Fee> {
        if self.free && !bucket.is_tokens() { Some(Fee::ZERO) } else { self.fees.get(bucket) }
    }

    /// The fee of a request in attodollars (1e-18 USD); zero without one.
    pub(crate) fn atto_per_request(&self) -> u128 {
        self.fee_of(Bucket::Requests).map_or(0, |fee| u128::from(fee.atto_each()))
    }

    /// The standard rate of a bucket in a request of `input_tokens`.
    ///
    /// # Errors
    /// The bucket has no price, or the model had none yet.
    pub(crate) fn standard_rate(
        &self,
        bucket: Bucket,
        input_tokens: u64,
        at: Timestamp,
    ) -> Result<Rate, PriceError> {
        let found = self.rate_of(bucket, &Service::Standard, input_tokens, at)?;
        found.map(|(rate, _)| rate).ok_or_else(|| self.no_rate(bucket))
    }

    /// The rate of a bucket, and where it comes from; `None` if the bucket has no price.
    pub(super) fn rate_of(
        &self,
        bucket: Bucket,
        service: &Service,
        input_tokens: u64,
        at: Timestamp,
    ) -> Result<Option<(Rate, Origin)>, PriceError> {
        if self.free {
            return Ok(Some((Rate::ZERO, Origin::Published)));
        }
        Ok(self.schedule(service, at)?.level(input_tokens).rate(bucket))
    }

    /// The same price with what else is known of an older one of the same model. `is_free` is
    /// true for a name that no other price has.
    pub(super) fn described_like(
        &self,
        older: &ModelPrice,
        is_free: impl Fn(&str) -> bool,
    ) -> ModelPrice {
        let mut price = self.clone();
        price.aliases.extend(older.aliases.iter().filter(|name| is_free(name)).cloned());
        price.context_window = price.context_window.or(older.context_window);
        price.max_output = price.max_output.or(older.max_output);
        price.retires = price.retires.or(older.retires);
        price.retired |= older.retired;
        price.reasons = price.reasons.or(older.reasons);
        price.resold &= older.resold; // a name that was found stays so
        price
    }

    /// The same price for a model that searches at each call: each request costs the fee of one
    /// search, and counted searches cost nothing more. `None` if no fee is known.
    pub(super) fn searching(self) -> Option<ModelPrice> {
        if self.free {
            return Some(self);
        }
        let fees = [Bucket::Requests, Bucket::WebSearchRequests].map(|b| self.fee_of(b));
        let fee = fees.into_iter().flatten().max()?;
        let price = self.with_fee(Bucket::Requests, Some(fee));
        Some(price.with_fee(Bucket::WebSearchRequests, Some(Fee::ZERO)))
    }

    /// True if every call costs the same at both prices.
    pub(super) fn costs_like(&self, other: &ModelPrice) -> bool {
        self.free == other.free
            && self.epochs == other.epochs
            && self.fees == other.fees
            && self.regional == other.regional
            && self.fast == other.fast
    }

    pub(super) fn regional_ratio(&self) -> Option<Ratio> {
        if self.free { Some(Ratio::ONE) } else { self.regional }
    }

    #[inline]
    pub(super) fn schedule(
        &self,
        service: &Service,
        at: Timestamp,
    ) -> Result<&Schedule, PriceError> {
        let found = self.resolved.iter().rev().find(|epoch| epoch.from <= at);
        match found {
            None => Err(PriceError::NotYet { model: self.name.clone() }),
            Some(epoch) => epoch.schedule(service, at).ok_or_else(|| PriceError::NoService {
                model: self.name.clone(),
                service: service.clone(),
            }),
        }
    }

    /// The standard price at that time, or the oldest known one.
    pub(super) fn nearest_standard(&self, at: Timestamp) -> Option<&Schedule> {
        let known = self.resolved.iter().rev().find(|epoch| epoch.from <= at);
        known.or(self.resolved.first())?.schedule(&Service::Standard, at)
    }
}

/// A model whose price was found, as a handle: cheap to clone, no look-up on the hot path.
///
/// Comes from [`PriceBook::find`](super::PriceBook::find).
///
/// ```
/// use bursar::PriceBook;
///
/// let luna = PriceBook::builtin().find("gpt-6-luna")?;
/// assert_eq!(luna.to_string(), "openai/gpt-6-luna");
/// assert_eq!((luna.price().provider(), luna.price().id()), ("openai", "gpt-6-luna"));
/// let call = luna.estimate().input(1_000).max_output(200); // an upper bound, to be reserved
/// # let _ = call;
/// # Ok::<(), bursar::price::UnknownModel>(())
/// ```
#[derive(Clone)]
pub struct Model(Arc<Found>);

/// What a handle points to.
#[derive(Clone)]
struct Found {
    price: Arc<ModelPrice>,
    /// Which budget has given it a number, and which number; 0 and 0: none has.
    owner: u64,
    number: u32,
    /// The book in which the model was found, to look up fallback models.
    book: Option<PriceBook>,
    /// The tier that a budget expects for calls that name none.
    auto_tier: Option<Service>,
}

impl Model {
    pub(super) fn new(price: Arc<ModelPrice>) -> Model {
        Model(Arc::new(Found { price, owner: 0, number: 0, book: None, auto_tier: None }))
    }

    /// The same model, which remembers the book that it was found in.
    pub(super) fn in_book(self, book: &PriceBook) -> Model {
        Model(Arc::new(Found { book: Some(book.clone()), ..(*self.0).clone() }))
    }

    /// Another model of the same book: of the same provider, or else of any.
    pub(super) fn find_beside(&self, name: &str) -> Option<Model> {
        self.0.book.as_ref()?.find_from(self.price().provider(), name).ok()
    }

    /// The tier for calls that name none, if that is not the standard one.
    pub(super) fn auto_tier(&self) -> Option<&Service> {
        self.0.auto_tier.as_ref()
    }

    /// `provider/id`.
    pub fn name(&self) -> &Arc<str> {
        self.price().name()
    }

    /// The provider's name of the model: what a request calls it.
    pub fn id(&self) -> &str {
        self.price().id()
    }

    /// What it costs.
    pub fn price(&self) -> &ModelPrice {
        &self.0.price
    }

    /// True if a provider's answer calls the model by that name: its id, or `provider/id`.
    #[inline]
    pub(crate) fn is_called(&self, name: &str) -> bool {
        name == self.id() || *name == **self.name()
    }

    /// Begins the estimate of a call: nothing in, as much out as the model can answer.
    pub fn estimate(&self) -> Estimate {
        Estimate::of(self.clone())
    }

    /// The same model as a budget knows it: by a number of its own.
    pub(crate) fn registered(&self, owner: u64, number: u32) -> Model {
        Model(Arc::new(Found { owner, number, ..(*self.0).clone() }))
    }

    /// The same model in a budget that expects this tier where a request names none.
    pub(crate) fn with_auto_tier(&self, tier: &Service) -> Model {
        Model(Arc::new(Found { auto_tier: Some(tier.clone()), ..(*self.0).clone() }))
    }

    /// The number that `owner` has given it, if that one has.
    pub(crate) fn number_of(&self, owner: u64) -> Option<u32> {
        (owner != 0 && self.0.owner == owner).then_some(self.0.number)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Model").field(self.name()).finish()
    }
}

/// Its name.
impl Serialize for Model {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
