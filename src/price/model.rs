//! Owns [`ModelPrice`], what one model costs, and [`Model`], the cheap handle of one that was found.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::clock::Timestamp;
use crate::usage::{Bucket, Service};

use super::book::PriceBook;
use super::cost::PriceError;
use super::date::Date;
use super::estimate::Estimate;
use super::rate::{Fee, Rate, Ratio};
use super::rates::{Block, CacheTtl, Fees, Peak, Rates, Tier};
use super::reasoning::has_no_reasoning;
use super::schedule::{Epoch, Origin, Resolved, Schedule};

/// What one model of one provider costs: rates by date, input length, service tier and hour.
///
/// Written by hand, it is a chain that reads in the order of time. What follows
/// [`from_date`](ModelPrice::from_date) is said of the prices from that day on:
///
/// ```
/// use bursar::price::{CacheTtl, Rates, Tier};
/// use bursar::{ModelPrice, PriceBook, Service};
///
/// let price = ModelPrice::new("acme", "owl-2", "3".parse()?, "15".parse()?)
///     .cache_read("0.3".parse()?)
///     .cache_write(CacheTtl::FiveMinutes, "3.75".parse()?)
///     .tier(Tier::above(200_000, Rates::new("6".parse()?, "22.5".parse()?)))
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
    as_of: Option<Date>,
    retires: Option<Date>,
    retired: bool,
    note: Option<String>,
    reasons: Option<bool>,
    /// Found only with its provider's name: a public list has it of a reseller.
    pub(super) resold: bool,
    pub(super) free: bool,
    fees: Fees,
    /// A bucket of tokens that was given a fee.
    pub(super) wrong_fee: Option<Bucket>,
    own: bool,
    regional: Option<Ratio>,
    pub(super) fast: Option<Ratio>,
    /// As written down.
    pub(super) epochs: Vec<Epoch>,
    /// As charged, in order of time.
    pub(super) resolved: Box<[Resolved]>,
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
            as_of: None,
            retires: None,
            retired: false,
            note: None,
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

    /// Starts new prices on a day (in UTC, from midnight on). What the chain says next is said of
    /// them.
    #[must_use]
    pub fn from_date(mut self, from: Date, input: Rate, output: Rate) -> ModelPrice {
        self.epochs.push(Epoch::new(Some(from), Rates::new(input, output)));
        self.resolve();
        self
    }

    /// Names the rate of one bucket.
    #[must_use]
    pub fn rate(self, bucket: Bucket, rate: Rate) -> ModelPrice {
        self.change(|epoch| epoch.base.rates = epoch.base.rates.clone().with(bucket, rate))
    }

    /// Names the rate of input read from the prompt cache; without one it costs what input costs.
    #[must_use]
    pub fn cache_read(self, rate: Rate) -> ModelPrice {
        self.rate(Bucket::CacheRead, rate)
    }

    /// Names the rate of input written to the prompt cache; without one it costs what the next
    /// shorter time to live costs, or input.
    #[must_use]
    pub fn cache_write(self, ttl: CacheTtl, rate: Rate) -> ModelPrice {
        self.rate(ttl.bucket(), rate)
    }

    /// Names the rate of reasoning; without one it costs what output costs.
    #[must_use]
    pub fn reasoning(self, rate: Rate) -> ModelPrice {
        self.rate(Bucket::Reasoning, rate)
    }

    /// Names the rate of audio input; without one it has no price.
    #[must_use]
    pub fn input_audio(self, rate: Rate) -> ModelPrice {
        self.rate(Bucket::InputAudio, rate)
    }

    /// Sets the rate of image input; without one, image input costs as much as input.
    #[must_use]
    pub fn input_image(self, rate: Rate) -> ModelPrice {
        self.rate(Bucket::InputImage, rate)
    }

    /// Sets the rate of image output; without one, it has no price.
    #[must_use]
    pub fn output_image(self, rate: Rate) -> ModelPrice {
        self.rate(Bucket::OutputImage, rate)
    }

    /// Names the rate of audio output; without one it has no price.
    #[must_use]
    pub fn output_audio(self, rate: Rate) -> ModelPrice {
        self.rate(Bucket::OutputAudio, rate)
    }

    /// Adds a long-context tier.
    #[must_use]
    pub fn tier(self, tier: Tier) -> ModelPrice {
        self.change(|epoch| epoch.base.tiers.push(tier))
    }

    /// Names what a service tier costs. Without this, a call of that tier has no price.
    #[must_use]
    pub fn service(self, service: Service, block: impl Into<Block>) -> ModelPrice {
        self.change(|epoch| {
            if service == Service::Standard {
                epoch.base = block.into();
            } else {
                epoch.services.retain(|(other, _)| *other != service);
                epoch.services.push((service, block.into()));
            }
        })
    }

    /// Names other rates for some hours of the day.
    #[must_use]
    pub fn peak(self, peak: Peak) -> ModelPrice {
        self.change(|epoch| epoch.peak = Some(peak))
    }

    /// Sets the fee of one unit of a bucket that does not count tokens: a web search, a request, a
    /// second of audio. Without a fee the bucket has no price, except requests, which are then
    /// free.
    ///
    /// ```
    /// use bursar::price::{Fee, Terms};
    /// use bursar::usage::Bucket;
    /// use bursar::{ModelPrice, Usage, Usd};
    ///
    /// let price = ModelPrice::new("acme", "finder", "1".parse()?, "4".parse()?)
    ///     .fee(Bucket::FileSearchRequests, Fee::per_thousand("2.5".parse()?)?);
    /// let usage = Usage { file_search_requests: 2, ..Usage::NONE };
    /// let at = "2026-11-24T12:00:00Z".parse()?;
    /// assert_eq!(price.cost(&usage, &Terms::default(), at)?, "0.005".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fee(mut self, bucket: Bucket, fee: Fee) -> ModelPrice {
        if !self.fees.set(bucket, fee) {
            self.wrong_fee = Some(bucket);
        }
        self
    }

    /// Names the surcharge on all tokens for data residency (processing in one region). Without
    /// this, a regional call has no price; [`Ratio::ONE`] says that there is no surcharge.
    #[must_use]
    pub fn regional(mut self, ratio: Ratio) -> ModelPrice {
        self.regional = Some(ratio);
        self
    }

    /// Prices [`Service::Fast`] at the standard rates times `ratio`, wherever it is not named.
    #[must_use]
    pub fn fast_multiplier(mut self, ratio: Ratio) -> ModelPrice {
        self.fast = Some(ratio);
        self.resolve();
        self
    }

    /// Names how many tokens fit into a request.
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
    /// assert!(mine.can_reason(), "its name tells nothing");
    /// assert!(!mine.reasons(false).can_reason());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reasons(mut self, reasons: bool) -> ModelPrice {
        self.reasons = Some(reasons);
        self
    }

    /// Names how many tokens the model answers at most, reasoning included.
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

    /// Says where the price was read.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> ModelPrice {
        self.source = Some(source.into());
        self
    }

    /// Says when the price was checked.
    #[must_use]
    pub fn as_of(mut self, date: Date) -> ModelPrice {
        self.as_of = Some(date);
        self
    }

    /// Says when the provider switches the model off.
    #[must_use]
    pub fn retires(mut self, date: Date) -> ModelPrice {
        self.retires = Some(date);
        self
    }

    /// Says that the model is switched off. Its price stays, for what was spent.
    #[must_use]
    pub fn retired(mut self) -> ModelPrice {
        self.retired = true;
        self
    }

    /// Adds a remark for a person.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> ModelPrice {
        self.note = Some(note.into());
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
        let mut resolved: Vec<Resolved> =
            self.epochs.iter().map(|epoch| Resolved::new(epoch, self.fast)).collect();
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
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().map(|alias| &**alias)
    }

    /// How many tokens fit into a request.
    pub fn context_window_tokens(&self) -> Option<u64> {
        self.context_window
    }

    /// How many tokens the model answers at most.
    pub fn max_output_tokens(&self) -> Option<u64> {
        self.max_output
    }

    /// True if the model can reason: as set with [`reasons`](ModelPrice::reasons), else by the
    /// family in its id. True for unknown families.
    pub fn can_reason(&self) -> bool {
        self.reasons.unwrap_or_else(|| !has_no_reasoning(&self.id))
    }

    /// Where the price was read.
    pub fn read_in(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// When the price was checked.
    pub fn checked_on(&self) -> Option<Date> {
        self.as_of
    }

    /// When the provider switches it off.
    pub fn retires_on(&self) -> Option<Date> {
        self.retires
    }

    /// True if the provider has switched it off by then.
    pub fn is_retired(&self, at: Timestamp) -> bool {
        self.retired || self.retires.is_some_and(|date| date.start() <= at)
    }

    /// A remark for a person.
    pub fn remark(&self) -> Option<&str> {
        self.note.as_deref()
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
    pub fn fee_of(&self, bucket: Bucket) -> Option<Fee> {
        match self.free && !bucket.is_tokens() {
            true => Some(Fee::ZERO),
            false => self.fees.get(bucket),
        }
    }

    /// The rate of a bucket in a request of so many input tokens, and where it comes from; `None`
    /// if the bucket has no price.
    ///
    /// # Errors
    /// The service tier has no price, or the model had none yet.
    pub fn rate_of(
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

    /// The same price with what else is known of an older one of the same model. `is_free` tells
    /// whether a name is still to be had.
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
        Some(self.fee(Bucket::Requests, fee).fee(Bucket::WebSearchRequests, Fee::ZERO))
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
