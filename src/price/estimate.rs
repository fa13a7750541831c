//! [`Estimate`]: an upper bound of the cost of one call.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::money::{Usd, div_up};
use crate::usage::{Bucket, Service, Usage};

use super::bound::CostBound;
use super::cost::{ATTO_PER_PICO, PriceError, Terms};
use super::model::{Model, ModelPrice};
use super::rate::Ratio;
use super::schedule::Level;

/// An **upper bound** of one call: what it may cost at most.
///
/// Input counts at the dearest bucket that the request can reach, output at the larger of output
/// and reasoning, both at the dearest long-context tier up to the bounded input. So whatever the
/// provider reports within the bounds, the bill is not larger.
///
/// ```
/// use bursar::{Estimate, PriceBook, Usd};
///
/// let terra = PriceBook::builtin().find("gpt-6.1-terra")?;
/// let at = "2026-11-24T09:00:00Z".parse()?;
/// let call = terra.estimate().input(1_200).max_output(800);
/// assert_eq!(call.cost_at(at)?.exact().to_string(), "0.0055"); // $1.25: a cache write; $5
///
/// let search = Estimate::fixed(Usd::cents(1));
/// assert_eq!(search.cost_at(at)?, Usd::cents(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Estimate {
    model: Option<Model>,
    fixed: Usd,
    input: u64,
    input_audio: u64,
    max_output: Option<u64>,
    choices: u64,
    /// A bit for each bucket.
    cache_writes: u32,
    /// How many of each bucket that has a fee.
    counts: [u64; Bucket::FEES],
    terms: Terms,
    output_audio: bool,
    reasoning_off: bool,
    /// Other ways in which the call may be served; none for most calls.
    more: Option<Arc<More>>,
}

/// The fallback models of a call; a null pointer for most calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fallbacks(Option<Arc<More>>);

impl Fallbacks {
    pub(crate) fn models(&self) -> &[Model] {
        self.0.as_ref().map_or(&[], |more| &more.models)
    }
}

/// Other ways in which a call may be served than as it asks.
#[derive(Clone, Debug, Default)]
struct More {
    /// The dearest tier on which it may be served, if it names none.
    auto_tier: Option<Service>,
    /// The fallback models.
    attempts: Vec<Further>,
    /// The same models, for `fallback_models`.
    models: Vec<Model>,
}

/// The same call to a fallback model.
#[derive(Clone, Debug)]
pub(super) struct Further {
    pub(super) estimate: Estimate,
    /// Whether it may be billed in addition to the others, not instead of them.
    pub(super) is_added: bool,
    /// Whether it has an output cap of its own, which shortening the call does not change.
    pub(super) has_own_cap: bool,
}

impl Estimate {
    /// A fixed amount, for a call to something other than a model: a tool, a search, a sandbox. Tokens
    /// that are set on it count for limits on tokens and cost nothing more.
    pub fn fixed(cost: Usd) -> Estimate {
        Estimate { fixed: cost, ..Estimate::nothing() }
    }

    pub(super) fn of(model: Model) -> Estimate {
        Estimate { model: Some(model), ..Estimate::nothing() }
    }

    fn nothing() -> Estimate {
        Estimate {
            model: None,
            fixed: Usd::ZERO,
            input: 0,
            input_audio: 0,
            max_output: None,
            choices: 1,
            cache_writes: 0,
            counts: [0; Bucket::FEES],
            terms: Terms::default(),
            output_audio: false,
            reasoning_off: false,
            more: None,
        }
    }

    /// Bounds the input: text and images, from the prompt cache or not.
    #[must_use]
    pub fn input(mut self, tokens: u64) -> Estimate {
        self.input = tokens;
        self
    }

    /// Bounds the audio input, which is beside the text input.
    #[must_use]
    pub fn input_audio(mut self, tokens: u64) -> Estimate {
        self.input_audio = tokens;
        self
    }

    /// Bounds the output of one choice, reasoning included; give the request the same cap. Without
    /// it, the most that the model can answer.
    #[must_use]
    pub fn max_output(mut self, tokens: u64) -> Estimate {
        self.max_output = Some(tokens);
        self
    }

    /// Asks for several answers to the same input (OpenAI's `n`); none counts as one.
    #[must_use]
    pub fn choices(mut self, choices: u64) -> Estimate {
        self.choices = choices.max(1);
        self
    }

    /// Says that the request marks input to be written to the prompt cache: `bucket` is the one of
    /// its time to live. Call it again for another one. OpenAI writes its cache unasked; that is always
    /// counted.
    #[must_use]
    pub fn cache_writes(mut self, bucket: Bucket) -> Estimate {
        self.cache_writes |= 1 << bucket as u32;
        self
    }

    /// Bounds what is not counted in tokens: the searches that the provider runs, the containers
    /// that it starts, the seconds of audio for a model that is billed by time. A bucket of tokens
    /// is bounded as [`input`](Estimate::input), [`input_audio`](Estimate::input_audio) and
    /// [`max_output`](Estimate::max_output) instead, and changes nothing here.
    ///
    /// ```
    /// use bursar::usage::Bucket;
    /// use bursar::{PriceBook, Usd};
    ///
    /// let whisper = PriceBook::builtin().find("whisper-1")?;
    /// let call = whisper.estimate().count(Bucket::AudioSeconds, 60);
    /// assert_eq!(call.cost_at("2026-11-24T09:00:00Z".parse()?)?, "0.006".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn count(mut self, bucket: Bucket, count: u64) -> Estimate {
        if let Some(place) = bucket.fee_index().and_then(|index| self.counts.get_mut(index)) {
            *place = count;
        }
        self
    }

    /// Asks for a service tier.
    #[must_use]
    pub fn service(mut self, service: Service) -> Estimate {
        self.terms.service = service;
        self
    }

    /// Sets the tier on which the provider may serve a call that names none, as the project's
    /// settings there allow. The dearer of the two is then held, if the model has a price on that
    /// tier. A bill that names no tier is still priced at the [requested](Estimate::terms) one.
    ///
    /// ```
    /// use bursar::{Estimate, PriceBook, Service};
    ///
    /// let at = "2026-11-24T09:00:00Z".parse()?;
    /// let call = PriceBook::builtin().find("gpt-6.1-terra")?.estimate().input(900).max_output(90);
    /// let dearer = call.clone().auto_tier(Service::Priority);
    /// assert!(dearer.cost_at(at)? > call.cost_at(at)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn auto_tier(mut self, tier: Service) -> Estimate {
        Arc::make_mut(self.more.get_or_insert_default()).auto_tier = Some(tier);
        self
    }

    /// Adds fallback models.
    pub(super) fn with_further(mut self, attempts: Vec<Further>) -> Estimate {
        let more = Arc::make_mut(self.more.get_or_insert_default());
        more.models = attempts.iter().filter_map(|one| one.estimate.model.clone()).collect();
        more.attempts = attempts;
        self
    }

    /// Asks for processing in one region, at the surcharge for data residency.
    #[must_use]
    pub fn regional(mut self, regional: bool) -> Estimate {
        self.terms.regional = regional;
        self
    }

    /// Says that the answer may be audio.
    #[must_use]
    pub fn output_audio(mut self, audio: bool) -> Estimate {
        self.output_audio = audio;
        self
    }

    /// Marks the request as one that switches reasoning off. A stream that is cut before its counts
    /// is then charged for the text that came, and not for the output cap. [`Model::estimate_of`]
    /// reads it from the request.
    #[must_use]
    pub fn reasoning_off(mut self, is_off: bool) -> Estimate {
        self.reasoning_off = is_off;
        self
    }

    /// True if the request switches reasoning off.
    pub(crate) fn has_reasoning_off(&self) -> bool {
        self.reasoning_off
    }

    /// The model that is asked; `None` for a fixed amount.
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// The fallback models that the request names (`fallbacks`, `models`), in order; none for most
    /// calls. Their cost is held too: the sum for `fallbacks` of Anthropic and `LiteLLM`, because a
    /// declined attempt with output is billed as well; the dearest for OpenRouter's `models` and
    /// Vercel's `providerOptions.gateway.models`.
    ///
    /// A limit for some models only ([`Limit::only_model`](crate::Limit::only_model)) counts the whole
    /// hold for the model that is [asked](Estimate::model), and what is booked for the model that
    /// answered. So a limit for a model that is named as a fallback alone does not refuse the call.
    pub fn fallback_models(&self) -> &[Model] {
        self.more.as_ref().map_or(&[], |more| &more.models)
    }

    /// The fallback models, to keep with a hold.
    #[inline]
    pub(crate) fn fallbacks(&self) -> Fallbacks {
        Fallbacks(self.more.clone())
    }

    /// True if there is no output cap, so that the model's longest answer is set aside.
    pub fn cap_is_assumed(&self) -> bool {
        self.model.is_some() && self.max_output.is_none()
    }

    /// The terms that are asked for: a bill that names none was served on these.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// All input, audio included.
    pub(crate) fn input_tokens(&self) -> u64 {
        self.input.saturating_add(self.input_audio)
    }

    /// The output cap of one choice, if one was named.
    pub(crate) fn asked_output(&self) -> Option<u64> {
        self.max_output
    }

    /// The upper bound in dollars, rounded up, at the prices of the moment `at`.
    ///
    /// # Errors
    /// [`PriceError`]: a bound needs a price for all that can be reached, and an end of the output.
    pub fn cost_at(&self, at: Timestamp) -> Result<Usd, PriceError> {
        let bound = self.bound(at)?;
        // Cannot saturate: tokens are at most 1e12, a rate with its surcharge at most 1e17.
        let atto = bound.per_output.saturating_mul(i128::from(bound.cap));
        let atto = atto.saturating_add(bound.fixed);
        Ok(match u64::try_from(atto) {
            Ok(small) => Usd::from_pico(i128::from(small.div_ceil(ATTO_PER_PICO))),
            Err(_) => Usd::from_pico(div_up(atto, i128::from(ATTO_PER_PICO))),
        })
    }

    /// The upper bound as a line in the output cap.
    #[inline(always)]
    pub(crate) fn bound(&self, at: Timestamp) -> Result<CostBound, PriceError> {
        match (&self.model, &self.more) {
            (None, _) => self.bound_of_fixed(),
            (Some(model), None) => self.bound_of_model(model.price(), &self.terms.service, at),
            (Some(model), Some(more)) => self.bound_with(more, model.price(), at),
        }
    }

    /// The bound of the worst case: the dearer tier, and the fallback models.
    #[cold]
    fn bound_with(
        &self,
        more: &More,
        price: &ModelPrice,
        at: Timestamp,
    ) -> Result<CostBound, PriceError> {
        let mut bound = self.bound_of_model(price, &self.terms.service, at)?;
        if let Some(tier) = &more.auto_tier {
            // A model that has no price there is not served there.
            if let Ok(dearer) = self.bound_of_model(price, tier, at) {
                bound = bound.or(dearer);
            }
        }
        let (added, instead): (Vec<_>, Vec<_>) = more.attempts.iter().partition(|one| one.is_added);
        let cap = bound.cap;
        for one in instead {
            bound = bound.or(one.estimate.bound(at)?.at_cap(cap, one.has_own_cap));
        }
        for one in added {
            bound = bound.and(one.estimate.bound(at)?.at_cap(cap, one.has_own_cap));
        }
        Ok(bound)
    }

    // A call of its own keeps the path of a fixed amount short.
    #[inline(never)]
    fn bound_of_model(
        &self,
        price: &ModelPrice,
        service: &Service,
        at: Timestamp,
    ) -> Result<CostBound, PriceError> {
        let cap = self.max_output.or(price.max_output_tokens());
        let cap = cap.ok_or_else(|| PriceError::NoOutputCap { model: price.name().clone() })?;
        let input = self.possible_input(cap);
        let input = input.ok_or_else(|| PriceError::Impossible { model: price.name().clone() })?;
        let choices = self.choices;
        let bound = CostBound { fixed: 0, per_output: 0, input, choices, floor: 0, cap };
        if price.is_free() {
            return Ok(bound);
        }
        let ceiling = price.schedule(service, at)?.ceiling(input);
        let tokens = u128::from(self.input) * self.dearest_text(price, ceiling)?
            + u128::from(self.input_audio) * self.dearest_audio(price, ceiling)?;
        let per_output = match cap {
            0 => 0,
            _ => u128::from(self.choices) * self.dearest_output(price, ceiling)?,
        };
        let fees = self.fees(price)?;
        Ok(CostBound {
            fixed: clamped(self.with_surcharge(price, tokens)? + fees),
            per_output: clamped(self.with_surcharge(price, per_output)?),
            ..bound
        })
    }

    #[inline]
    fn bound_of_fixed(&self) -> Result<CostBound, PriceError> {
        let cap = self.max_output.unwrap_or(0);
        if !(0..=CostBound::MAX_COST).contains(&self.fixed.pico()) {
            return Err(PriceError::FixedOutOfRange { amount: self.fixed });
        }
        let input = self.possible_input(cap).ok_or_else(impossible_fixed)?;
        let fixed = self.fixed.pico() * i128::from(ATTO_PER_PICO); // at most 1e29
        Ok(CostBound { fixed, per_output: 0, input, choices: self.choices, floor: 0, cap })
    }

    /// All input, if one call can have it and so much output.
    #[inline]
    fn possible_input(&self, cap: u64) -> Option<u64> {
        let output = cap.checked_mul(self.choices)?;
        let input = self.input.checked_add(self.input_audio)?;
        let possible = |count: &u64| *count <= Usage::MAX_COUNT;
        let counts = [input.checked_add(output)?, self.choices];
        let fees = !self.has_counts() || self.counts.iter().all(possible);
        (fees && counts.iter().all(possible)).then_some(input)
    }

    /// True if anything but tokens is asked for. Few calls do, so all are looked at together.
    #[inline]
    fn has_counts(&self) -> bool {
        self.counts.iter().fold(0, |any, count| any | count) > 0
    }

    /// The fees of the buckets that do not count tokens, in attodollars.
    fn fees(&self, price: &ModelPrice) -> Result<u128, PriceError> {
        let mut fees = price.atto_per_request();
        if self.has_counts() {
            for (bucket, count) in Bucket::fees().zip(self.counts) {
                fees += price.fee_for(bucket, count)?;
            }
        }
        Ok(fees)
    }

    /// Images are input too, and count at their own rate where the model has one.
    fn dearest_text(&self, price: &ModelPrice, ceiling: &Level) -> Result<u128, PriceError> {
        if self.input == 0 {
            return Ok(0);
        }
        let mut dearest = known(price, ceiling, Bucket::Input)?;
        dearest = dearest.max(ceiling.atto(Bucket::CacheRead));
        dearest = dearest.max(ceiling.atto(Bucket::InputImage));
        if ceiling.is_published(Bucket::CacheWrite30m) {
            dearest = dearest.max(ceiling.atto(Bucket::CacheWrite30m));
        }
        if self.cache_writes == 0 {
            return Ok(dearest);
        }
        let marked = |bucket: &Bucket| self.cache_writes >> *bucket as u32 & 1 == 1;
        let writes = Bucket::tokens().filter(marked).map(|bucket| ceiling.atto(bucket));
        Ok(writes.fold(dearest, u128::max))
    }

    /// A cached part without a price of its own adds nothing: a bill of it has no price either.
    fn dearest_audio(&self, price: &ModelPrice, ceiling: &Level) -> Result<u128, PriceError> {
        if self.input_audio == 0 {
            return Ok(0);
        }
        let fresh = known(price, ceiling, Bucket::InputAudio)?;
        Ok(fresh.max(ceiling.atto(Bucket::CacheReadAudio)))
    }

    #[inline]
    fn dearest_output(&self, price: &ModelPrice, ceiling: &Level) -> Result<u128, PriceError> {
        let text = known(price, ceiling, Bucket::Output)?.max(ceiling.atto(Bucket::Reasoning));
        let text = text.max(ceiling.atto(Bucket::OutputImage)); // it may draw if it can
        if self.output_audio {
            return Ok(text.max(known(price, ceiling, Bucket::OutputAudio)?));
        }
        Ok(text)
    }

    /// Rounded up to an attodollar.
    #[inline]
    fn with_surcharge(&self, price: &ModelPrice, atto: u128) -> Result<u128, PriceError> {
        if !self.terms.regional {
            return Ok(atto);
        }
        let ratio = price.ratio()?;
        let times = atto * u128::from(ratio.numerator());
        Ok(times.div_ceil(u128::from(ratio.denominator())))
    }
}

#[cold]
fn impossible_fixed() -> PriceError {
    PriceError::Impossible { model: "a fixed estimate".into() }
}

/// What a wrapper around an agent makes of its estimates.
impl Estimate {
    /// The same call of another model. A fixed amount stays what it is.
    #[must_use]
    pub fn with_model(&self, model: &Model) -> Estimate {
        let is_same = self.model.as_ref().is_some_and(|own| own.name() == model.name());
        let model = self.model.is_some().then(|| model.clone());
        // What is off for one model need not be for another.
        let reasoning_off = self.reasoning_off && is_same;
        Estimate { model, reasoning_off, ..self.clone() }
    }

    /// The same call with more room: the input, the fees and a fixed amount times `ratio`,
    /// rounded up. The output is not touched, because its cap is given to the provider.
    ///
    /// ```
    /// use bursar::{Estimate, Usd};
    ///
    /// let sandbox = Estimate::fixed(Usd::cents(10)).with_margin("1.25".parse()?);
    /// assert_eq!(sandbox.cost_at("2026-11-24T09:00:00Z".parse()?)?, "0.125".parse()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_margin(mut self, ratio: Ratio) -> Estimate {
        let (times, parts) = (ratio.numerator(), ratio.denominator());
        let more = |count: u64| {
            let product = u128::from(count) * u128::from(times); // at most 2^96
            u64::try_from(product.div_ceil(u128::from(parts))).unwrap_or(u64::MAX)
        };
        self.input = more(self.input);
        self.input_audio = more(self.input_audio);
        self.counts = self.counts.map(more);
        // What does not fit is refused when it is priced.
        let fixed = self.fixed.checked_mul(i128::from(times)).unwrap_or(Usd::MAX);
        self.fixed = Usd::from_pico(div_up(fixed.pico(), i128::from(parts)));
        self.each_further(|one| one.estimate = one.estimate.clone().with_margin(ratio));
        self
    }

    fn each_further(&mut self, change: impl Fn(&mut Further)) {
        if let Some(more) = &mut self.more {
            Arc::make_mut(more).attempts.iter_mut().for_each(change);
        }
    }

    /// The output of one choice is at most this too.
    pub(crate) fn cap_output(&mut self, tokens: u64) {
        self.max_output = Some(self.max_output.map_or(tokens, |cap| cap.min(tokens)));
        self.each_further(|one| {
            if !one.has_own_cap {
                one.estimate.cap_output(tokens);
            }
        });
    }

    /// The output cap that was set, or the most that the model can answer.
    pub(crate) fn output_cap(&self) -> Option<u64> {
        self.max_output.or_else(|| self.model.as_ref()?.price().max_output_tokens())
    }
}

#[inline]
fn known(price: &ModelPrice, ceiling: &Level, bucket: Bucket) -> Result<u128, PriceError> {
    if ceiling.is_priced(bucket) { Ok(ceiling.atto(bucket)) } else { Err(price.no_rate(bucket)) }
}

fn clamped(atto: u128) -> i128 {
    i128::try_from(atto).unwrap_or(i128::MAX)
}
