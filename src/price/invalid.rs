//! [`InvalidPrice`]: why a book refuses a price.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::usage::{Bucket, Service};

use super::model::ModelPrice;
use super::rate::Ratio;
use super::rates::Rates;
use super::schedule::{Epoch, times};

impl ModelPrice {
    /// What is wrong with it, if anything: checked when it comes into a book.
    pub(super) fn invalid(&self) -> Option<Invalid> {
        // The names.
        if self.provider().is_empty() || self.provider().contains('/') {
            return Some(Invalid::Provider);
        }
        if self.id().is_empty() || self.aliases.iter().any(|alias| alias.is_empty()) {
            return Some(Invalid::EmptyName);
        }
        // The dates.
        if self.epochs.is_empty() != self.free {
            return Some(if self.free { Invalid::FreeWithPrices } else { Invalid::NoPrices });
        }
        let mut starts: Vec<Timestamp> = self.resolved.iter().map(|epoch| epoch.from).collect();
        starts.dedup();
        if starts.len() < self.epochs.len() {
            return Some(Invalid::EpochTwice);
        }
        // Fees and surcharges.
        if let Some(bucket) = self.wrong_fee {
            let of_tokens = bucket.is_tokens();
            return Some(if of_tokens {
                Invalid::FeeOfTokens(bucket)
            } else {
                Invalid::Fee(bucket)
            });
        }
        let surcharges = [self.regional_ratio(), self.fast];
        if surcharges.into_iter().flatten().any(|ratio| ratio > Ratio::MAX_SURCHARGE) {
            return Some(Invalid::Surcharge);
        }
        self.epochs.iter().find_map(|epoch| self.invalid_epoch(epoch))
    }

    fn invalid_epoch(&self, epoch: &Epoch) -> Option<Invalid> {
        let base = &epoch.base.rates;
        // Input and output have a price.
        let is_timed = self.fee_of(Bucket::AudioSeconds).is_some() && *base == Rates::none();
        for needed in [Bucket::Input, Bucket::Output] {
            if base.get(needed).is_none() && !is_timed {
                return Some(Invalid::Missing(needed));
            }
        }
        // Every line has rates of tokens only, and lengths of its own.
        let blocks = epoch.services.iter().map(|(_, block)| block).chain([&epoch.base]);
        for block in blocks {
            let lines = block.tiers.iter().map(|tier| &tier.rates).chain([&block.rates]);
            let mut wrong =
                lines.flat_map(|rates| Bucket::fees().filter(|b| rates.get(*b).is_some()));
            if let Some(bucket) = wrong.next() {
                return Some(Invalid::RateOfOther(bucket));
            }
            let mut lengths: Vec<u64> = block.tiers.iter().map(|tier| tier.from_input).collect();
            lengths.sort_unstable();
            lengths.dedup();
            if lengths.len() < block.tiers.len() {
                return Some(Invalid::TierTwice);
            }
        }
        // The fast surcharge has a price to apply to.
        let has_fast = epoch.services.iter().any(|(service, _)| *service == Service::Fast);
        match self.fast {
            Some(ratio) if !has_fast && times(&epoch.base, ratio).is_none() => Some(Invalid::Fast),
            _ => None,
        }
    }
}

/// A price that contradicts itself or lacks what every price needs, so that a book refuses it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the price of `{model}` cannot be used: {why}")]
pub struct InvalidPrice {
    pub(super) model: Arc<str>,
    pub(super) why: Invalid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("the provider's name must not be empty nor contain `/`")]
    Provider,
    #[error("an id or an alias is empty; leave it out or name the model")]
    EmptyName,
    #[error("it has no prices; write a `price`, or `free = true` if it costs nothing")]
    NoPrices,
    #[error("it is free and has prices; keep one of the two")]
    FreeWithPrices,
    #[error("two prices begin on the same day; keep one, or give each a `from` of its own")]
    EpochTwice,
    #[error("two long-context tiers begin at the same length; keep one")]
    TierTwice,
    #[error("a price lacks its `{}` rate; write it down, \"0\" if it is free", .0.price_key())]
    Missing(Bucket),
    #[error("`{0}` counts tokens; write its price with `ModelPrice::rate`, not as a fee")]
    FeeOfTokens(Bucket),
    #[error("a fee for `{0}` is from zero to a dollar each; is it the price of a thousand?")]
    Fee(Bucket),
    #[error("`{0}` counts no tokens; write its price with `ModelPrice::fee`, not as a rate")]
    RateOfOther(Bucket),
    #[error("a surcharge is a factor of at most 10, such as \"1.1\"")]
    Surcharge,
    #[error("`fast_multiplier` makes no exact rate; write the rates of `fast` in full instead")]
    Fast,
}
