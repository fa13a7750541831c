//! [`Prices`], one set of prices of genai-prices: its keys, its tiers, and how a variant changes it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::usage::Bucket;

use super::super::listing::{Problem, Refusal};
use super::super::rate::{Fee, Rate};
use super::super::rates::{Block, Fees, Rates, Tier};
use super::super::raw::{self, Object, Per};

/// The prices of one moment. A key that is missing falls back as the buckets of this crate do.
#[derive(Clone, Default)]
pub(super) struct Prices {
    tokens: [Option<Price>; Bucket::COUNT],
    /// Prices of tokens that providers count among those of a bucket.
    among: Vec<(String, Bucket, Price)>,
    pub(super) fees: Fees,
}

/// A rate, and others for longer requests: each above a number of tokens.
#[derive(Clone, PartialEq, Eq)]
struct Price {
    base: Rate,
    tiers: Vec<(u64, Rate)>,
}

impl Prices {
    /// `write` is the bucket of a cache write of which the list does not say how long it is kept.
    pub(super) fn read(
        raw: &RawValue,
        write: Bucket,
        remarks: &mut Vec<Refusal>,
    ) -> Result<Prices, Refusal> {
        let fields = raw::object(raw).map_err(|reason| ("prices".to_owned(), reason))?;
        let mut prices = Prices::default();
        for (field, raw) in fields.0.iter().filter(|(_, raw)| !raw::is_null(raw)) {
            let failed = |reason| (field.to_string(), reason);
            if let Some(bucket) = bucket(field, write) {
                prices.tokens[bucket as usize] = Some(price(field, raw, remarks)?);
            } else if let Some(bucket) = counted_among(field) {
                prices.among.push((field.to_string(), bucket, price(field, raw, remarks)?));
            } else if let Some(bucket) = counted(field) {
                let (fee, is_rounded) = raw::fee(raw, true).map_err(failed)?;
                if is_rounded {
                    remarks.push(failed(Problem::Rounded));
                }
                prices.fees.set(bucket, fee);
            } else {
                remarks.push(failed(Problem::Uncounted));
            }
        }
        Ok(prices)
    }

    pub(super) fn has(&self, bucket: Bucket) -> bool {
        self.tokens[bucket as usize].is_some()
    }

    /// Writes down that a model which has no output has no price for it.
    pub(super) fn set_no_output(&mut self) {
        let free = Price { base: Rate::ZERO, tiers: Vec::new() };
        self.tokens[Bucket::Output as usize].get_or_insert(free);
    }

    pub(super) fn has_tiers(&self) -> bool {
        self.tokens.iter().flatten().any(|price| !price.tiers.is_empty())
    }

    pub(super) fn names_no_tokens(&self) -> bool {
        self.tokens.iter().all(Option::is_none)
    }

    /// True if nothing costs anything.
    pub(super) fn are_zero(&self) -> bool {
        let zero = |price: &Price| {
            price.base == Rate::ZERO && price.tiers.iter().all(|t| t.1 == Rate::ZERO)
        };
        self.tokens.iter().flatten().all(zero)
            && self.among.iter().all(|(.., price)| zero(price))
            && Bucket::fees().all(|b| self.fees.get(b).is_none_or(|fee| fee == Fee::ZERO))
    }

    /// Refuses tokens that are counted among cheaper ones: they would be charged too little.
    pub(super) fn check_among(&self, remarks: &mut Vec<Refusal>) -> Result<(), Refusal> {
        for (field, bucket, price) in &self.among {
            let charged = self.charged(*bucket);
            let lengths = price.tiers.iter().map(|(above, _)| above.saturating_add(1)).chain([0]);
            for length in lengths {
                match charged.map(|charged| charged.at(length).cmp(&price.at(length))) {
                    Some(std::cmp::Ordering::Equal) => {}
                    Some(std::cmp::Ordering::Greater) => {
                        remarks.push((field.clone(), Problem::Cheaper));
                    }
                    _ => return Err((field.clone(), Problem::Dearer)),
                }
            }
        }
        Ok(())
    }

    /// These prices where they say something, and those of `other` elsewhere.
    pub(super) fn over(&self, other: &Prices) -> Prices {
        let mut prices = self.clone();
        for (own, other) in prices.tokens.iter_mut().zip(&other.tokens) {
            *own = own.take().or_else(|| other.clone());
        }
        prices
    }

    /// The rates below every tier. What falls back to input or output does so within these prices,
    /// if `named` has a price of its own for it.
    pub(super) fn base(&self, named: &Prices) -> Rates {
        self.at(0, named)
    }

    /// All rates, with a tier for each length at which a price here or of `standard` changes: every
    /// rate is written out, so that nothing of `standard` stands in for what is not in its tiers.
    pub(super) fn block(&self, standard: &Prices) -> Block {
        let all = self.tokens.iter().chain(&standard.tokens).flatten();
        let lengths: BTreeSet<u64> =
            all.flat_map(|price| price.tiers.iter().map(|(above, _)| *above)).collect();
        let tier = |above| Tier::above(above, self.at(u64::saturating_add(above, 1), standard));
        Block { rates: self.at(0, standard), tiers: lengths.into_iter().map(tier).collect() }
    }

    fn at(&self, length: u64, named: &Prices) -> Rates {
        let mut rates = Rates::none();
        for bucket in Bucket::tokens() {
            let own = self.tokens[bucket as usize].as_ref();
            let needed = || self.charged(bucket).filter(|_| named.has(bucket));
            if let Some(price) = own.or_else(needed) {
                rates = rates.with(bucket, price.at(length));
            }
        }
        rates
    }

    fn charged(&self, bucket: Bucket) -> Option<&Price> {
        let mut buckets = std::iter::successors(Some(bucket), |bucket| bucket.fallback());
        buckets.find_map(|bucket| self.tokens[bucket as usize].as_ref())
    }
}

impl Price {
    fn at(&self, length: u64) -> Rate {
        let reached = self.tiers.iter().filter(|(above, _)| *above < length);
        reached.max_by_key(|(above, _)| *above).map_or(self.base, |(_, rate)| *rate)
    }
}

fn price(field: &str, raw: &RawValue, remarks: &mut Vec<Refusal>) -> Result<Price, Refusal> {
    let failed = |reason| (field.to_owned(), reason);
    let mut rate = |raw: &RawValue| -> Result<Rate, Refusal> {
        let (rate, is_rounded) = raw::rate(raw, Per::Million).map_err(failed)?;
        if is_rounded {
            remarks.push(failed(Problem::Rounded));
        }
        Ok(rate)
    };
    if !raw.get().starts_with('{') {
        return Ok(Price { base: rate(raw)?, tiers: Vec::new() });
    }
    let missing = || failed(Problem::Missing);
    let tiered: Object<'_> = raw::object(raw).map_err(failed)?;
    let base = rate(tiered.get("base").ok_or_else(missing)?)?;
    let mut tiers = Vec::new();
    for tier in raw::list(tiered.get("tiers").ok_or_else(missing)?).map_err(failed)? {
        let tier = raw::object(tier).map_err(failed)?;
        let start = raw::count(tier.get("start").ok_or_else(missing)?).map_err(failed)?;
        tiers.push((start, rate(tier.get("price").ok_or_else(missing)?)?));
    }
    Ok(Price { base, tiers })
}

fn bucket(field: &str, write: Bucket) -> Option<Bucket> {
    Some(match field {
        "input_mtok" | "input_text_mtok" => Bucket::Input,
        "output_mtok" | "output_text_mtok" => Bucket::Output,
        "cache_read_mtok" | "cache_text_read_mtok" => Bucket::CacheRead,
        "cache_write_mtok" | "cache_text_write_mtok" => write,
        "cache_write_5m_mtok" | "cache_text_write_5m_mtok" => Bucket::CacheWrite5m,
        "cache_write_30m_mtok" | "cache_text_write_30m_mtok" => Bucket::CacheWrite30m,
        "cache_write_1h_mtok" | "cache_text_write_1h_mtok" => Bucket::CacheWrite1h,
        "cache_write_12h_mtok" | "cache_text_write_12h_mtok" => Bucket::CacheWrite12h,
        "output_reasoning_mtok" | "output_text_reasoning_mtok" => Bucket::Reasoning,
        "input_audio_mtok" => Bucket::InputAudio,
        "input_image_mtok" => Bucket::InputImage,
        "output_image_mtok" => Bucket::OutputImage,
        "cache_audio_read_mtok" => Bucket::CacheReadAudio,
        "output_audio_mtok" => Bucket::OutputAudio,
        _ => return None,
    })
}

/// What has a fee, named for a thousand.
fn counted(field: &str) -> Option<Bucket> {
    match field {
        "requests_kcount" => Some(Bucket::Requests),
        "web_searches_kcount" => Some(Bucket::WebSearchRequests),
        "storage_searches_kcount" => Some(Bucket::FileSearchRequests),
        _ => None,
    }
}

/// Tokens that providers report among those of a bucket.
fn counted_among(field: &str) -> Option<Bucket> {
    match field {
        "input_video_mtok" => Some(Bucket::Input),
        "input_tool_mtok" | "input_text_tool_mtok" => Some(Bucket::Input),
        "cache_image_read_mtok" | "cache_video_read_mtok" => Some(Bucket::CacheRead),
        "output_video_mtok" => Some(Bucket::Output),
        _ => None,
    }
}
