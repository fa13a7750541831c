//! LiteLLM's price list: how an entry of it becomes a [`ModelPrice`].

mod hours;
mod keys;
mod lines;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use crate::usage::Bucket;

use self::lines::Lines;
use super::date::Date;
use super::listing::{ListError, ListReport, Problem, Refusal};
use super::model::ModelPrice;
use super::names;
use super::rate::{Fee, Ratio};
use super::raw::{self, Object};

/// Reads LiteLLM's `model_prices_and_context_window.json`; see [`PriceBook::from_list`](crate::PriceBook::from_list).
pub(super) fn read(list: &[u8]) -> Result<ListReport, ListError> {
    let entries: Object<'_> =
        serde_json::from_slice(list).map_err(|error| ListError::of_json("LiteLLM", &error))?;
    let mut report = ListReport::default();
    for (key, raw) in &entries.0 {
        let mut remarks = Vec::new();
        let entry = Entry::read(key, raw, &mut remarks).and_then(Entry::price);
        // A key that names no provider, or a reseller's, means this model.
        let named = entry.as_ref().ok().filter(|price| price.resold || price.id() == key);
        let named = named.map(|price| (price.provider().to_owned(), price.id().to_owned()));
        report.put(key, entry, remarks);
        if let Some((provider, id)) = named {
            report.book.mean(key, &provider, &id);
        }
    }
    Ok(report)
}

/// An entry on the way to a price.
struct Entry<'a> {
    key: &'a str,
    provider: &'a str,
    id: &'a str,
    fields: Object<'a>,
    lines: Lines,
    remarks: &'a mut Vec<Refusal>,
}

impl<'a> Entry<'a> {
    fn read(
        key: &'a str,
        raw: &'a RawValue,
        remarks: &'a mut Vec<Refusal>,
    ) -> Result<Entry<'a>, Refusal> {
        let fields = raw::object(raw).map_err(|reason| (String::new(), reason))?;
        let no_provider = || ("litellm_provider".to_owned(), Problem::NoProvider);
        let listed = fields.get("litellm_provider").ok_or_else(no_provider)?;
        // No provider's name has an escape in it; one that has is none.
        let listed: &'a str = serde_json::from_str(listed.get()).map_err(|_| no_provider())?;
        let provider = names::provider(listed);
        if provider.is_empty() || provider.contains('/') {
            return Err(no_provider());
        }
        let id = id(key, listed, provider);
        let is_openai = ["openai", "azure"].contains(&provider) || id.contains("gpt-");
        let write = if is_openai { Bucket::CacheWrite30m } else { Bucket::CacheWrite5m };
        let lines = Lines::read(&fields, write, remarks)?;
        Ok(Entry { key, provider, id, fields, lines, remarks })
    }

    fn price(mut self) -> Result<ModelPrice, Refusal> {
        self.check_rates()?;
        let fees = self.fees()?;
        if self.lines.are_zero() && fees.is_empty() {
            let price = ModelPrice::free(self.provider, self.id);
            return Ok(self.described(price));
        }
        self.lines.check_among(self.remarks)?;
        // LiteLLM compares the lengths with `>=` for xAI only.
        let mut epoch = self.lines.epoch(self.provider == "xai", self.remarks);
        if let Some(hours) = self.fields.get("off_peak_pricing") {
            lines::turn_hours(&mut epoch, hours, self.remarks)?;
        }
        let mut price = ModelPrice::of_epochs(self.provider.into(), self.id.into(), vec![epoch]);
        price =
            fees.into_iter().fold(price, |price, (bucket, fee)| price.with_fee(bucket, Some(fee)));
        if let Some(ratio) = self.regional()? {
            price = price.regional(ratio);
        }
        if let Some(ratio) = self.specific("fast")? {
            price = price.fast_multiplier(ratio);
        }
        Ok(self.described(price))
    }

    /// Refuses what has no price, or none that is meant.
    fn check_rates(&mut self) -> Result<(), Refusal> {
        let mut other = None;
        let is_timed = self.mode() == "audio_transcription";
        let is_read = |field: &str| is_timed && SECONDS.contains(&field);
        for (field, raw) in self.fields.0.iter().filter(|(f, _)| is_uncounted(f) && !is_read(f)) {
            // "0.0" of something is no price of it.
            if raw.get().bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
                other.get_or_insert_with(|| (field.to_string(), Problem::OtherUnit));
                self.remarks.push((field.to_string(), Problem::Uncounted));
            }
        }
        match self.mode() {
            "embedding" | "rerank" | "moderation" => self.lines.set_no_output(),
            // It answers with images alone, and some bills do not count them apart.
            "image_generation" | "image_edit" => self.lines.set_output_of_images(),
            _ => {}
        }
        if self.lines.are_none() && self.second_fee()?.is_some_and(|fee| fee > Fee::ZERO) {
            return Ok(()); // billed by time alone
        }
        for (bucket, field) in
            [(Bucket::Input, "input_cost_per_token"), (Bucket::Output, "output_cost_per_token")]
        {
            if self.lines.base(bucket).is_none() {
                return Err(other.unwrap_or((field.to_owned(), Problem::Missing)));
            }
        }
        if self.lines.are_zero() && !self.key.ends_with(":free") {
            return Err(other.unwrap_or((String::new(), Problem::Zero)));
        }
        Ok(())
    }

    /// The fees of the buckets that do not count tokens.
    fn fees(&mut self) -> Result<Vec<(Bucket, Fee)>, Refusal> {
        let mut fees = Vec::new();
        for (field, bucket) in FEES {
            if let Some(raw) = self.fields.get(field) {
                fees.push((bucket, self.fee(field, raw, field.contains("_per_1k_"))?));
            }
        }
        fees.extend(self.second_fee()?.map(|fee| (Bucket::AudioSeconds, fee)));
        fees.extend(self.search_fee()?.map(|fee| (Bucket::WebSearchRequests, fee)));
        Ok(fees)
    }

    /// The fee of a second of audio that is transcribed. The list names some under input, some
    /// under output and some under both; each is billed once.
    fn second_fee(&mut self) -> Result<Option<Fee>, Refusal> {
        let mut fees = Vec::new();
        let is_transcribed = self.mode() == "audio_transcription";
        for field in SECONDS.into_iter().filter(|_| is_transcribed) {
            if let Some(raw) = self.fields.get(field) {
                fees.push(self.fee(field, raw, false)?);
            }
        }
        Ok(fees.into_iter().max())
    }

    fn mode(&self) -> &'a str {
        self.fields.get("mode").map_or("", |mode| mode.get().trim_matches('"'))
    }

    /// The fee of a web search, which may depend on how much context it fetches.
    fn search_fee(&mut self) -> Result<Option<Fee>, Refusal> {
        const FIELD: &str = "search_context_cost_per_query";
        let Some(raw) = self.fields.get(FIELD) else { return Ok(None) };
        let sizes = raw::object(raw).map_err(|reason| (FIELD.to_owned(), reason))?;
        let mut fees = Vec::new();
        for (_, raw) in &sizes.0 {
            fees.push(self.fee(FIELD, raw, false)?);
        }
        if self.fields.get("search_free_requests").is_some() {
            self.remarks.push(("search_free_requests".to_owned(), Problem::Allowance));
        }
        if fees.iter().any(|fee| *fee != fees[0]) {
            self.remarks.push((FIELD.to_owned(), Problem::Largest));
        }
        Ok(fees.into_iter().max())
    }

    fn fee(&mut self, field: &str, raw: &RawValue, per_thousand: bool) -> Result<Fee, Refusal> {
        let read = raw::fee(raw, per_thousand).map_err(|reason| (field.to_owned(), reason));
        let (fee, is_rounded) = read?;
        let remark = (field.to_owned(), Problem::Rounded);
        if is_rounded && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
        Ok(fee)
    }

    /// The surcharge for processing in one region, which may depend on the region.
    fn regional(&mut self) -> Result<Option<Ratio>, Refusal> {
        const FIELDS: [&str; 3] = [
            "regional_processing_uplift_multiplier_eu",
            "regional_processing_uplift_multiplier_us",
            "regional_endpoint_uplift_multiplier",
        ];
        let mut ratios: Vec<(&str, Ratio)> = Vec::new();
        ratios.extend(self.specific("us")?.map(|ratio| ("provider_specific_entry", ratio)));
        for field in FIELDS {
            if let Some(raw) = self.fields.get(field) {
                ratios.push((field, ratio(field, raw)?));
            }
        }
        let Some((_, largest)) = ratios.iter().copied().max_by_key(|(_, ratio)| *ratio) else {
            return Ok(None);
        };
        if let Some((field, _)) = ratios.iter().find(|(_, ratio)| *ratio != largest) {
            self.remarks.push(((*field).to_owned(), Problem::Largest));
        }
        Ok(Some(largest))
    }

    /// A factor that only this provider has.
    fn specific(&self, name: &str) -> Result<Option<Ratio>, Refusal> {
        const FIELD: &str = "provider_specific_entry";
        let Some(raw) = self.fields.get(FIELD) else { return Ok(None) };
        let factors = raw::object(raw).map_err(|reason| (FIELD.to_owned(), reason))?;
        factors.get(name).map(|raw| ratio(FIELD, raw)).transpose()
    }

    /// Adds what does not change a cost; what cannot be read of it is left out.
    fn described(&self, mut price: ModelPrice) -> ModelPrice {
        price.resold = self.key != self.id && names::is_resold(self.provider, self.id);
        let positive = |field| {
            let count = self.fields.get(field).and_then(|raw| raw::count(raw).ok());
            count.filter(|count| *count > 0)
        };
        let text = |field| self.fields.get(field).and_then(|raw| raw::text(raw).ok());
        if let Some(tokens) = positive("max_input_tokens") {
            price = price.context_window(tokens);
        }
        if let Some(tokens) = positive("max_output_tokens") {
            price = price.max_output(tokens);
        }
        if let Some(date) = text("deprecation_date").and_then(|text| text.parse::<Date>().ok()) {
            price.retires = Some(date);
        }
        if self.key != self.id && self.key != &**price.name() {
            price = price.alias(self.key);
        }
        match text("source") {
            Some(page) => price.source(format!("LiteLLM's list, {page}")),
            None => price.source("LiteLLM's list"),
        }
    }
}

/// The name of the model without that of the provider before it.
fn id<'a>(key: &'a str, listed: &str, provider: &str) -> &'a str {
    let family = listed.split_once('-').map_or(listed, |(family, _)| family);
    match key.split_once('/') {
        Some((first, rest)) if !rest.is_empty() => {
            let dashed = listed.replace('_', "-");
            let is_prefix = [listed, provider, family, &dashed].contains(&first);
            if is_prefix { rest } else { key }
        }
        _ => key,
    }
}

/// The keys that name a fee of one thing.
const FEES: [(&str, Bucket); 4] = [
    ("input_cost_per_request", Bucket::Requests),
    ("google_maps_grounding_cost_per_query", Bucket::MapsRequests),
    ("code_interpreter_cost_per_session", Bucket::CodeContainers),
    ("file_search_cost_per_1k_calls", Bucket::FileSearchRequests),
];

/// The keys that name a fee of a second, which is one of audio where audio is transcribed.
const SECONDS: [&str; 2] = ["input_cost_per_second", "output_cost_per_second"];

/// True for an unknown key that names a price of something other than tokens.
fn is_uncounted(field: &str) -> bool {
    const READ: [&str; 4] = [
        "search_context_cost_per_query",
        "input_dbu_cost_per_token",
        "output_dbu_cost_per_token",
        "input_cost_per_token_cache_hit",
    ];
    field.contains("_cost")
        && keys::key(field).is_none()
        && !READ.contains(&field)
        && FEES.iter().all(|(key, _)| *key != field)
        || field.starts_with("cost_per_")
}

fn ratio(field: &str, raw: &RawValue) -> Result<Ratio, Refusal> {
    let text = raw::decimal(raw).map_err(|reason| (field.to_owned(), reason))?;
    let unreadable = || Problem::Unreadable(raw::shown(text));
    let ratio = text.parse().ok().filter(|ratio| *ratio <= Ratio::MAX_SURCHARGE);
    ratio.ok_or_else(|| (field.to_owned(), unreadable()))
}
