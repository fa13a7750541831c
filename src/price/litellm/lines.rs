//! [`Lines`], the rates of one entry of LiteLLM's list: read key by key, put together as an [`Epoch`].

use serde_json::value::RawValue;

use crate::usage::{Bucket, Service};

use super::super::listing::{Problem, Refusal};
use super::super::rate::Rate;
use super::super::rates::{Block, Peak, Rates, Tier};
use super::super::raw::{self, Object, Per};
use super::super::schedule::Epoch;
use super::hours;
use super::keys::{self, Key, Kind};

/// Rates by service tier and long-context tier.
pub(super) struct Lines {
    /// The bucket of a cache write of which the list does not say how long it is kept.
    short_write: Bucket,
    lines: Vec<Line>,
}

struct Line {
    service: Service,
    /// The long-context tier.
    above: Option<u64>,
    rates: Rates,
    /// Rates of tokens that providers count among those of a bucket.
    among: Vec<(String, Bucket, Rate)>,
}

impl Lines {
    pub(super) fn read(
        fields: &Object<'_>,
        short_write: Bucket,
        remarks: &mut Vec<Refusal>,
    ) -> Result<Lines, Refusal> {
        let mut lines = Lines { short_write, lines: Vec::new() };
        for (field, raw) in fields.0.iter().filter(|(_, raw)| !raw::is_null(raw)) {
            if let Some(key) = keys::key(field) {
                lines.read_rate(field, &key, raw, remarks)?;
            }
        }
        if let Some(raw) = fields.get("tiered_pricing") {
            lines.read_ranges(raw, remarks)?;
        }
        Ok(lines)
    }

    /// A rate of the standard line without a long-context tier.
    pub(super) fn base(&self, bucket: Bucket) -> Option<Rate> {
        self.find(&Service::Standard, None)?.rates.get(bucket)
    }

    /// Writes down that a model which has no output has no price for it.
    pub(super) fn set_no_output(&mut self) {
        let line = self.line(&Service::Standard, None);
        if line.rates.get(Bucket::Output).is_none() {
            line.rates = line.rates.clone().with(Bucket::Output, Rate::ZERO);
        }
    }

    /// Writes down that other output of a model which draws costs no more than its images.
    pub(super) fn set_output_of_images(&mut self) {
        for line in &mut self.lines {
            let (text, image) =
                (line.rates.get(Bucket::Output), line.rates.get(Bucket::OutputImage));
            if let (None, Some(image)) = (text, image) {
                line.rates = line.rates.clone().with(Bucket::Output, image);
            }
        }
    }

    /// True if no rate at all is named.
    pub(super) fn are_none(&self) -> bool {
        self.lines.iter().all(|line| line.rates == Rates::none() && line.among.is_empty())
    }

    /// True if no rate at all is above zero.
    pub(super) fn are_zero(&self) -> bool {
        let zero = |rate: &Rate| *rate == Rate::ZERO;
        self.lines.iter().all(|line| {
            line.rates.0.iter().flatten().all(zero) && line.among.iter().all(|(.., r)| zero(r))
        })
    }

    /// Refuses tokens that are counted among cheaper ones: they would be charged too little.
    pub(super) fn check_among(&self, remarks: &mut Vec<Refusal>) -> Result<(), Refusal> {
        for line in &self.lines {
            for (field, bucket, rate) in &line.among {
                match self.charged(line, *bucket) {
                    Some(charged) if charged == *rate => {}
                    Some(charged) if charged > *rate => {
                        remarks.push((field.clone(), Problem::Cheaper));
                    }
                    _ => return Err((field.clone(), Problem::Dearer)),
                }
            }
        }
        Ok(())
    }

    /// All rates as one epoch. With `inclusive`, a request of exactly a tier's length is in
    /// that tier.
    pub(super) fn epoch(&self, inclusive: bool, remarks: &mut Vec<Refusal>) -> Epoch {
        let mut epoch =
            Epoch { base: self.block(&Service::Standard, inclusive), ..Epoch::default() };
        let has_output = self.base(Bucket::Output) != Some(Rate::ZERO);
        let mut seen = vec![&Service::Standard];
        for line in &self.lines {
            if seen.contains(&&line.service) {
                continue;
            }
            seen.push(&line.service);
            let block = self.block(&line.service, inclusive);
            let has = |bucket| block.rates.get(bucket).is_some();
            if has(Bucket::Input) && (has(Bucket::Output) || !has_output) {
                epoch.services.push((line.service.clone(), block));
            } else {
                remarks.push((line.service.to_string(), Problem::NoService));
            }
        }
        epoch
    }

    fn block(&self, service: &Service, inclusive: bool) -> Block {
        let mut block = Block::default();
        for line in self.lines.iter().filter(|line| line.service == *service) {
            let rates = line.rates.clone();
            match line.above {
                None => block.rates = rates,
                Some(_) if rates == Rates::none() => {}
                Some(length) if inclusive => block.tiers.push(Tier { from_input: length, rates }),
                Some(length) => block.tiers.push(Tier::above(length, rates)),
            }
        }
        block
    }

    fn read_rate(
        &mut self,
        field: &str,
        key: &Key,
        raw: &RawValue,
        remarks: &mut Vec<Refusal>,
    ) -> Result<(), Refusal> {
        let (rate, is_rounded) = rate(field, raw)?;
        if is_rounded {
            remarks.push((field.to_owned(), Problem::Rounded));
        }
        let short_write = self.short_write;
        let line = self.line(&key.service, key.above);
        let bucket = match key.kind {
            Kind::Of(bucket) => bucket,
            Kind::ShortWrite => short_write,
            Kind::Among(bucket) => {
                line.among.push((field.to_owned(), bucket, rate));
                return Ok(());
            }
        };
        line.rates = line.rates.clone().with(bucket, rate);
        Ok(())
    }

    /// `tiered_pricing`: ranges of input lengths, each from after its first number up to its second.
    /// The first holds the standard rates.
    fn read_ranges(&mut self, raw: &RawValue, remarks: &mut Vec<Refusal>) -> Result<(), Refusal> {
        let failed = |reason| ("tiered_pricing".to_owned(), reason);
        let mut ranges = Vec::new();
        for range in raw::list(raw).map_err(failed)? {
            let range = raw::object(range).map_err(failed)?;
            let bounds = range.get("range").ok_or_else(|| failed(Problem::Condition))?;
            let bounds = raw::list(bounds).map_err(failed)?;
            let [start, end] = bounds[..] else { return Err(failed(Problem::Condition)) };
            let start = raw::count(start).map_err(failed)?;
            ranges.push((start, raw::count(end).map_err(failed)?, range));
        }
        ranges.sort_by_key(|(start, ..)| *start);
        let mut reached = 0;
        for (start, end, range) in ranges {
            if start != reached || end <= start {
                return Err(failed(Problem::Condition));
            }
            reached = end;
            self.read_range((start > 0).then_some(start), &range, remarks)?;
        }
        Ok(())
    }

    /// What a range does not name is that of its own input, not of another range, as LiteLLM has it.
    fn read_range(
        &mut self,
        above: Option<u64>,
        range: &Object<'_>,
        remarks: &mut Vec<Refusal>,
    ) -> Result<(), Refusal> {
        // Start from the output of the base.
        let output = self.base(Bucket::Output);
        let line = self.line(&Service::Standard, above);
        line.rates = Rates::none();
        if let Some(output) = output.filter(|_| above.is_none()) {
            line.rates = line.rates.clone().with(Bucket::Output, output);
        }
        // Read what the range names.
        for (field, raw) in range.0.iter().filter(|(field, _)| field != "range") {
            let name = format!("tiered_pricing.{field}");
            match keys::key(field) {
                Some(key) if key.service == Service::Standard && key.above.is_none() => {
                    self.read_rate(&name, &Key { above, ..key }, raw, remarks)?;
                }
                _ => remarks.push((name, Problem::Uncounted)),
            }
        }
        // Fill in what it does not name.
        for (bucket, own) in [
            (Bucket::CacheRead, Bucket::Input),
            (self.short_write, Bucket::Input),
            (Bucket::Reasoning, Bucket::Output),
        ] {
            let is_named = self.base(bucket).is_some();
            let line = self.line(&Service::Standard, above);
            if let (None, Some(own)) = (line.rates.get(bucket), line.rates.get(own)) {
                if is_named {
                    line.rates = line.rates.clone().with(bucket, own);
                }
            }
        }
        Ok(())
    }

    fn find(&self, service: &Service, above: Option<u64>) -> Option<&Line> {
        self.lines.iter().find(|line| line.service == *service && line.above == above)
    }

    fn line(&mut self, service: &Service, above: Option<u64>) -> &mut Line {
        let known = |line: &Line| line.service == *service && line.above == above;
        let place = self.lines.iter().position(known).unwrap_or(self.lines.len());
        if place == self.lines.len() {
            let (service, rates, among) = (service.clone(), Rates::none(), Vec::new());
            self.lines.push(Line { service, above, rates, among });
        }
        &mut self.lines[place]
    }

    /// The least that tokens of a bucket are charged in a line, or else in those that it modifies.
    fn charged(&self, line: &Line, bucket: Bucket) -> Option<Rate> {
        let named = |line: Option<&Line>| {
            let mut buckets = std::iter::successors(Some(bucket), |bucket| bucket.fallback());
            line.and_then(|line| buckets.find_map(|bucket| line.rates.get(bucket)))
        };
        named(Some(line))
            .or_else(|| named(self.find(&line.service, None)))
            .or_else(|| named(self.find(&Service::Standard, None)))
    }
}

/// `off_peak_pricing`: cheaper rates for some hours. Turned round, they are the usual rates, and
/// those of the entry itself the peak.
pub(super) fn turn_hours(
    epoch: &mut Epoch,
    raw: &RawValue,
    remarks: &mut Vec<Refusal>,
) -> Result<(), Refusal> {
    let failed = |reason| ("off_peak_pricing".to_owned(), reason);
    let block = raw::object(raw).map_err(failed)?;
    let (mut cheap, mut is_whole) = (epoch.base.rates.clone(), true);
    for (field, raw) in &block.0 {
        if let Some(Key { kind: Kind::Of(bucket), above: None, service: Service::Standard }) =
            keys::key(field)
        {
            // A bucket that has no price at peak has one that stands in, and not the cheap one.
            is_whole &= epoch.base.rates.get(bucket).is_some();
            cheap = cheap.with(bucket, rate(&format!("off_peak_pricing.{field}"), raw)?.0);
        }
    }
    let peak: Option<Peak> = hours::peak(&block, epoch.base.rates.clone());
    match peak.filter(|_| is_whole && epoch.base.tiers.is_empty()) {
        Some(peak) => {
            epoch.base.rates = cheap;
            epoch.peak = Some(peak);
        }
        None => remarks.push(failed(Problem::AllHours)),
    }
    Ok(())
}

fn rate(field: &str, raw: &RawValue) -> Result<(Rate, bool), Refusal> {
    raw::rate(raw, Per::Token).map_err(|reason| (field.to_owned(), reason))
}
