//! Owns [`Flaw`]: what keeps a price out of a book.

use crate::clock::Timestamp;
use crate::usage::{Bucket, Service};

use super::model::ModelPrice;
use super::rates::Rates;
use super::schedule::{Epoch, times};

impl ModelPrice {
    /// What is wrong with it, if anything: checked when it comes into a book.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        if self.provider().is_empty() || self.provider().contains('/') {
            return Some(Flaw::Provider);
        }
        if self.id().is_empty() || self.aliases.iter().any(|alias| alias.is_empty()) {
            return Some(Flaw::EmptyName);
        }
        if self.epochs.is_empty() != self.free {
            return Some(if self.free { Flaw::FreeWithPrices } else { Flaw::NoPrices });
        }
        let mut starts: Vec<Timestamp> = self.resolved.iter().map(|epoch| epoch.from).collect();
        starts.dedup();
        if starts.len() < self.epochs.len() {
            return Some(Flaw::EpochTwice);
        }
        if let Some(bucket) = self.wrong_fee {
            return Some(Flaw::FeeOfTokens { bucket });
        }
        self.epochs.iter().find_map(|epoch| self.flaw_of(epoch))
    }

    fn flaw_of(&self, epoch: &Epoch) -> Option<Flaw> {
        let base = &epoch.base.rates;
        let is_timed = self.fee_of(Bucket::AudioSeconds).is_some() && *base == Rates::none();
        for needed in [Bucket::Input, Bucket::Output] {
            if base.get(needed).is_none() && !is_timed {
                return Some(Flaw::Missing { bucket: needed });
            }
        }
        let blocks = epoch.services.iter().map(|(_, block)| block).chain([&epoch.base]);
        for block in blocks {
            let lines = block.tiers.iter().map(|tier| &tier.rates).chain([&block.rates]);
            let mut wrong =
                lines.flat_map(|rates| Bucket::fees().filter(|b| rates.get(*b).is_some()));
            if let Some(bucket) = wrong.next() {
                return Some(Flaw::RateOfOther { bucket });
            }
            let mut lengths: Vec<u64> = block.tiers.iter().map(|tier| tier.from_input).collect();
            lengths.sort_unstable();
            lengths.dedup();
            if lengths.len() < block.tiers.len() {
                return Some(Flaw::TierTwice);
            }
        }
        let has_fast = epoch.services.iter().any(|(service, _)| *service == Service::Fast);
        match self.fast {
            Some(ratio) if !has_fast && times(&epoch.base, ratio).is_none() => Some(Flaw::Fast),
            _ => None,
        }
    }
}

/// What keeps a price out of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// No provider, or one with a slash, which would make `provider/id` ambiguous.
    #[error("the provider's name must not be empty nor contain `/`")]
    Provider,
    /// An id or an alias without a letter.
    #[error("an id or an alias is empty; leave it out or name the model")]
    EmptyName,
    /// Nothing is said of what it costs.
    #[error("it has no prices; write a `price`, or `free = true` if it costs nothing")]
    NoPrices,
    /// It is free and costs something.
    #[error("it is free and has prices; keep one of the two")]
    FreeWithPrices,
    /// Two prices from the same day on.
    #[error("two prices begin on the same day; keep one, or give each a `from` of its own")]
    EpochTwice,
    /// Two tiers from the same length on.
    #[error("two long-context tiers begin at the same length; keep one")]
    TierTwice,
    /// A rate that every model needs, but for one that has a fee for each second and no rates.
    #[error("a price lacks its `{}` rate; write it down, \"0\" if it is free", bucket.price_key())]
    Missing {
        /// The bucket without a rate.
        bucket: Bucket,
    },
    /// A fee for tokens.
    #[error("`{bucket}` counts tokens; write its price with `ModelPrice::rate`, not as a fee")]
    FeeOfTokens {
        /// The bucket with a fee.
        bucket: Bucket,
    },
    /// A rate for a bucket that does not count tokens.
    #[error("`{bucket}` counts no tokens; write its price with `ModelPrice::fee`, not as a rate")]
    RateOfOther {
        /// The bucket with a rate.
        bucket: Bucket,
    },
    /// The factor for fast does not give whole picodollars, or more than a cent a token.
    #[error("`fast_multiplier` makes no exact rate; write the rates of `fast` in full instead")]
    Fast,
}
