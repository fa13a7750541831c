//! [`RateTable`]: the rates of one epoch with every fallback resolved, by hour, service tier, input
//! length and bucket. Made once, when a price is made or loaded.

use crate::clock::Timestamp;
use crate::usage::{Bucket, Service};

use super::date::Date;
use super::rate::{Rate, Ratio};
use super::rates::{Block, CACHE_WRITES, Peak, Rates, Tier};

/// Prices from one date to the next, as they are written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    /// `None`: the oldest known.
    pub(super) from: Option<Date>,
    pub(super) base: Block,
    pub(super) services: Vec<(Service, Block)>,
    pub(super) peak: Option<Peak>,
}

impl Epoch {
    pub(super) fn new(from: Option<Date>, rates: Rates) -> Epoch {
        Epoch { from, base: rates.into(), ..Epoch::default() }
    }
}

/// The same with all fallbacks resolved.
#[derive(Clone, Debug)]
pub(super) struct RateTable {
    pub(super) from: Timestamp,
    off_peak: Services,
    peak: Option<Box<(Peak, Services)>>,
}

impl RateTable {
    /// `fast` is a factor on the standard prices, for an epoch that has no block for fast.
    pub(super) fn new(epoch: &Epoch, fast: Option<Ratio>) -> RateTable {
        let base = &epoch.base;
        let standard = Schedule::new(base, &base.rates);
        // Each service tier by its own block, where it lacks a rate by the standard one.
        let of_service = |(service, block): &(Service, Block)| {
            (service.clone(), Schedule::of_service(block, base))
        };
        let mut others: Vec<_> = epoch.services.iter().map(of_service).collect();
        if epoch.services.iter().all(|(service, _)| *service != Service::Fast) {
            let block = fast.and_then(|ratio| times(base, ratio));
            others.extend(block.map(|b| (Service::Fast, Schedule::new(&b, &b.rates))));
        }
        let off_peak = Services { standard, others };
        // The same services at peak.
        let peak = epoch.peak.as_ref().map(|peak| {
            let standard = Schedule::of_service(&peak.rates.clone().into(), base);
            Box::new((peak.clone(), off_peak.at_peak(standard)))
        });
        let from = epoch.from.map_or(Timestamp::MIN, Date::start);
        RateTable { from, off_peak, peak }
    }

    /// What `service` costs at a moment of this epoch.
    #[inline]
    pub(super) fn schedule(&self, service: &Service, at: Timestamp) -> Option<&Schedule> {
        match &self.peak {
            Some(peak) if peak.0.contains(at) => peak.1.get(service),
            _ => self.off_peak.get(service),
        }
    }
}

/// Every rate and tier times `ratio`; `None` if one is then no exact rate.
pub(super) fn times(block: &Block, ratio: Ratio) -> Option<Block> {
    let scale = |rates: &Rates| {
        let mut scaled = rates.clone();
        for rate in scaled.0.iter_mut().flatten() {
            *rate = rate.times(ratio)?;
        }
        Some(scaled)
    };
    let tier = |tier: &Tier| Some(Tier { from_input: tier.from_input, rates: scale(&tier.rates)? });
    let tiers = block.tiers.iter().map(tier).collect::<Option<Vec<Tier>>>()?;
    Some(Block { rates: scale(&block.rates)?, tiers })
}

/// A schedule for each service tier that has a price.
#[derive(Clone, Debug)]
struct Services {
    standard: Schedule,
    others: Vec<(Service, Schedule)>,
}

impl Services {
    #[inline]
    fn get(&self, service: &Service) -> Option<&Schedule> {
        if matches!(service, Service::Standard) {
            return Some(&self.standard);
        }
        self.others.iter().find(|(other, _)| other == service).map(|(_, schedule)| schedule)
    }

    /// The same in peak hours, when the standard price is `peak`. No provider publishes what another
    /// service costs then: the larger of its own rate and the peak's.
    fn at_peak(&self, peak: Schedule) -> Services {
        let others = self.others.iter().map(|(name, own)| (name.clone(), own.larger(&peak)));
        Services { others: others.collect(), standard: peak }
    }
}

/// What one service tier costs, by the length of the input.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    base: Level,
    /// In ascending order of input.
    tiers: Box<[Level]>,
    /// For each level, the larger of each rate at this length and below: what a request of *up to*
    /// so much input can meet.
    ceilings: Box<[Level]>,
}

impl Schedule {
    /// `block`, where a key it lacks is that of the rates it modifies.
    fn new(block: &Block, modified: &Rates) -> Schedule {
        let rates = NamedRates::of(&block.rates).or(&NamedRates::of(modified));
        let mut tiers: Vec<Level> = block
            .tiers
            .iter()
            .map(|tier| NamedRates::of(&tier.rates).or(&rates).level(tier.from_input))
            .collect();
        tiers.sort_by_key(|level| level.from_input);
        Schedule::of_levels(rates.level(0), tiers)
    }

    fn of_levels(base: Level, tiers: Vec<Level>) -> Schedule {
        let mut ceilings = vec![base.clone()];
        for tier in &tiers {
            let ceiling = ceilings.last().unwrap_or(&base).larger(tier, tier.from_input);
            ceilings.push(ceiling);
        }
        Schedule { base, tiers: tiers.into(), ceilings: ceilings.into() }
    }

    /// The rates of a modifier of `base`. Where `base` has a long-context tier for which the
    /// modifier names no rate, their combined rate is unknown, and the larger of the two counts.
    fn of_service(block: &Block, base: &Block) -> Schedule {
        let service = Schedule::new(block, &base.rates);
        let standard = Schedule::new(base, &base.rates);
        let at = |input: u64| {
            let (own, long) = (service.level(input), standard.level(input));
            match (own.from_input > 0, long.from_input > 0) {
                (true, true) => own.filled(long, input),
                (false, true) => own.larger(long, input),
                (_, false) => Level { from_input: input, ..own.clone() },
            }
        };
        let tiers = service.lengths(&standard).into_iter().map(at).collect();
        Schedule::of_levels(service.base.clone(), tiers)
    }

    /// The larger of the two rates, bucket by bucket, at every length.
    fn larger(&self, other: &Schedule) -> Schedule {
        let at = |input: u64| self.level(input).larger(other.level(input), input);
        let tiers = self.lengths(other).into_iter().map(at).collect();
        Schedule::of_levels(self.base.larger(&other.base, 0), tiers)
    }

    /// Where a tier of either begins, in ascending order.
    fn lengths(&self, other: &Schedule) -> Vec<u64> {
        let lengths = self.tiers.iter().chain(&other.tiers).map(|level| level.from_input);
        let mut lengths: Vec<u64> = lengths.collect();
        lengths.sort_unstable();
        lengths.dedup();
        lengths
    }

    /// The rates of a request of so much input: the whole request is billed at them.
    #[inline]
    pub(super) fn level(&self, input: u64) -> &Level {
        self.tiers.iter().rev().find(|tier| tier.from_input <= input).unwrap_or(&self.base)
    }

    /// The largest rates that a request of up to so much input can meet.
    #[inline]
    pub(super) fn ceiling(&self, input: u64) -> &Level {
        let ceiling = self.ceilings.iter().rev().find(|ceiling| ceiling.from_input <= input);
        ceiling.unwrap_or(&self.base)
    }
}

/// Where a rate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is written down for just this.
    Published,
    /// The block of the service tier or the long-context tier does not name it: it is that of the
    /// block which this one modifies.
    Inherited,
    /// No rate of this bucket is known: it is that of the next bucket in the chain (cache read to
    /// input, cache write to the next shorter time to live and then to input, reasoning to output).
    Fallback,
    /// Two modifiers meet, and their combined rate is not known: the larger of the two.
    Larger,
}

/// A rate for every bucket that has one.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// The least input for which it holds.
    from_input: u64,
    /// Attodollars per token; 0 where there is no price.
    atto: [u64; Bucket::COUNT],
    origin: [Option<Origin>; Bucket::COUNT],
}

impl Level {
    /// Attodollars for one token of the bucket; 0 without a price.
    #[inline]
    pub(super) fn atto(&self, bucket: Bucket) -> u128 {
        u128::from(self.atto[bucket as usize])
    }

    /// True unless the model is billed by time alone.
    #[inline]
    pub(super) fn prices_text(&self) -> bool {
        self.is_priced(Bucket::Input) && self.is_priced(Bucket::Output)
    }

    #[inline]
    pub(super) fn is_priced(&self, bucket: Bucket) -> bool {
        self.origin[bucket as usize].is_some()
    }

    /// True if the price list has a rate for just this bucket.
    pub(super) fn is_published(&self, bucket: Bucket) -> bool {
        !matches!(self.origin[bucket as usize], None | Some(Origin::Fallback))
    }

    pub(super) fn rate(&self, bucket: Bucket) -> Option<(Rate, Origin)> {
        let origin = self.origin[bucket as usize]?;
        Some((Rate::from_atto(self.atto[bucket as usize]), origin))
    }

    fn larger(&self, other: &Level, from_input: u64) -> Level {
        let mut level = Level { from_input, ..self.clone() };
        for bucket in Bucket::tokens() {
            level.raise(bucket, other);
        }
        level.ordered()
    }

    /// Completes a long-context tier of a service: a missing rate is the larger of the inherited
    /// one and of the standard rate at that length.
    fn filled(&self, standard: &Level, from_input: u64) -> Level {
        let mut level = Level { from_input, ..self.clone() };
        for bucket in Bucket::tokens() {
            let is_own = self.origin[bucket as usize] == Some(Origin::Published);
            let is_larger = standard.atto(bucket) > self.atto(bucket);
            if !is_own && is_larger && standard.is_published(bucket) {
                level.raise(bucket, standard);
            }
        }
        level.ordered()
    }

    /// The larger of the two rates of a bucket.
    fn raise(&mut self, bucket: Bucket, other: &Level) {
        let index = bucket as usize;
        self.origin[index] = match (self.origin[index], other.origin[index]) {
            (None, None) => None,
            (Some(Origin::Fallback), Some(Origin::Fallback)) => Some(Origin::Fallback),
            _ => Some(Origin::Larger),
        };
        self.atto[index] = self.atto[index].max(other.atto[index]);
    }

    /// The same rates, with each inherited cache write raised to that of the shorter lifetime: it
    /// was inherited from a cheaper line.
    fn ordered(mut self) -> Level {
        let mut shorter = 0;
        for bucket in CACHE_WRITES {
            let index = bucket as usize;
            let is_named = matches!(self.origin[index], None | Some(Origin::Published));
            if !is_named && self.atto[index] < shorter {
                self.atto[index] = shorter;
                if self.origin[index] == Some(Origin::Inherited) {
                    self.origin[index] = Some(Origin::Larger);
                }
            }
            shorter = self.atto[index].max(shorter);
        }
        self
    }
}

/// Rates on the way to a [`Level`], each with its origin.
struct NamedRates([Option<(Rate, Origin)>; Bucket::COUNT]);

impl NamedRates {
    fn of(rates: &Rates) -> NamedRates {
        NamedRates(rates.0.map(|rate| rate.map(|rate| (rate, Origin::Published))))
    }

    /// Takes over what it lacks.
    fn or(mut self, modified: &NamedRates) -> NamedRates {
        for (own, theirs) in self.0.iter_mut().zip(modified.0) {
            *own = own.or(theirs.map(|(rate, _)| (rate, Origin::Inherited)));
        }
        self
    }

    /// The bucket fallbacks come last: a price of the modified block is nearer to the truth.
    fn level(&self, from_input: u64) -> Level {
        let mut level =
            Level { from_input, atto: [0; Bucket::COUNT], origin: [None; Bucket::COUNT] };
        for bucket in Bucket::tokens() {
            let index = bucket as usize;
            if let Some((rate, origin)) = self.0[index] {
                level.atto[index] = rate.atto_per_token();
                level.origin[index] = Some(origin);
            } else if let Some(rate) = self.fallback(bucket) {
                level.atto[index] = rate.atto_per_token();
                level.origin[index] = Some(Origin::Fallback);
            }
        }
        level.ordered()
    }

    fn fallback(&self, bucket: Bucket) -> Option<Rate> {
        let next = bucket.fallback()?;
        self.0[next as usize].map(|(rate, _)| rate).or_else(|| self.fallback(next))
    }
}
