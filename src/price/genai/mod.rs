//! genai-prices' list: how a model of it becomes a [`ModelPrice`].

mod prices;
#[cfg(test)]
mod tests;

use serde_json::value::RawValue;

use crate::calendar::Zone;
use crate::usage::{Bucket, Service};

use self::prices::Prices;
use super::date::Date;
use super::listing::{ListError, ListReport, Problem, Refusal};
use super::model::ModelPrice;
use super::names;
use super::rates::Peak;
use super::raw::{self, Object};
use super::schedule::Epoch;

/// Reads the data of genai-prices (`data.json`, version 2); see [`PriceBook::from_list`](crate::PriceBook::from_list).
///
/// A tier holds for **more** input than its `start`, as that list's schema says.
pub(super) fn read(list: &[u8]) -> Result<ListReport, ListError> {
    let providers: Vec<Object<'_>> =
        serde_json::from_slice(list).map_err(|error| ListError::of_json("genai-prices", &error))?;
    let mut report = ListReport::default();
    for provider in &providers {
        let named = provider.get("id").and_then(|id| raw::text(id).ok()).unwrap_or_default();
        match provider.get("models").map_or(Ok(Vec::new()), raw::list) {
            Ok(models) => models.into_iter().for_each(|model| put(&mut report, &named, model)),
            Err(problem) => {
                report.put(&named, Err(("models".to_owned(), problem)), Vec::new());
            }
        }
    }
    Ok(report)
}

fn put(report: &mut ListReport, provider: &str, raw: &RawValue) {
    let model = raw::object(raw).map_err(|reason| (String::new(), reason));
    let id = model.as_ref().ok().and_then(|model| model.get("id")).map(raw::text);
    let id = id.and_then(Result::ok).unwrap_or_default();
    let mut remarks = Vec::new();
    let price = model.and_then(|model| price(provider, &id, &model, &mut remarks));
    report.put(&format!("{provider}/{id}"), price, remarks);
}

fn price(
    listed: &str,
    id: &str,
    model: &Object<'_>,
    remarks: &mut Vec<Refusal>,
) -> Result<ModelPrice, Refusal> {
    let provider = names::provider(listed);
    let is_openai = ["openai", "azure"].contains(&provider) || id.contains("gpt-");
    let write = if is_openai { Bucket::CacheWrite30m } else { Bucket::CacheWrite5m };
    // The rates and fees of each time.
    let missing = || ("prices".to_owned(), Problem::Missing);
    let raw = model.get("prices").ok_or_else(missing)?;
    let mut times = Times::read(raw, write, remarks)?;
    times.check(id, remarks)?;
    let mut price = ModelPrice::free(provider, id);
    if !times.are_zero() {
        if let Some(variants) = model.get("price_variants") {
            times.read_variants(variants, write, remarks)?;
        }
        price = times.price(provider, id);
        for bucket in Bucket::fees() {
            if let Some(fee) = times.largest(|prices| prices.fees.get(bucket), remarks) {
                price = price.with_fee(bucket, Some(fee));
            }
        }
    }
    // Names, and what is not a price.
    for name in exact_names(model, remarks).into_iter().filter(|name| name != id) {
        price = price.alias(name);
    }
    if let Some(tokens) = model.get("context_window").and_then(|raw| raw::count(raw).ok()) {
        price = price.context_window(tokens);
    }
    price.resold = names::is_resold(provider, id);
    Ok(price.source("genai-prices' list"))
}

/// The prices of a model, in order of time.
struct Times(Vec<Time>);

#[derive(Clone)]
struct Time {
    from: Option<Date>,
    prices: Prices,
    hours: Option<(Vec<String>, Prices)>,
    services: Vec<(Service, Prices)>,
}

impl Times {
    /// One set of prices, or several of which each goes before all that stand above it.
    fn read(raw: &RawValue, write: Bucket, remarks: &mut Vec<Refusal>) -> Result<Times, Refusal> {
        let mut times = Times(Vec::new());
        if !raw.get().starts_with('[') {
            times.push(None, Prices::read(raw, write, remarks)?);
            return Ok(times);
        }
        for item in raw::list(raw).map_err(|reason| ("prices".to_owned(), reason))? {
            let item = raw::object(item).map_err(|reason| ("prices".to_owned(), reason))?;
            let raw = item.get("prices").ok_or(("prices".to_owned(), Problem::Missing))?;
            let prices = Prices::read(raw, write, remarks)?;
            match condition(&item)? {
                None => {
                    times.0.clear();
                    times.push(None, prices);
                }
                // With no condition met, the first prices hold.
                Some(Condition::From(_)) if times.0.is_empty() => times.push(None, prices),
                Some(Condition::From(date))
                    if times.0.last().is_some_and(|time| time.from < Some(date)) =>
                {
                    times.push(Some(date), prices);
                }
                Some(Condition::Hours(hours))
                    if !times.0.is_empty()
                        && !prices.has_tiers()
                        && times.0.iter().all(|time| time.hours.is_none()) =>
                {
                    for time in &mut times.0 {
                        time.hours = Some((hours.clone(), prices.clone()));
                    }
                }
                Some(_) => return Err(("constraint".to_owned(), Problem::Condition)),
            }
        }
        Ok(times)
    }

    fn push(&mut self, from: Option<Date>, prices: Prices) {
        self.0.push(Time { from, prices, hours: None, services: Vec::new() });
    }

    /// Refuses what has no price, or none that is meant.
    fn check(&mut self, id: &str, remarks: &mut Vec<Refusal>) -> Result<(), Refusal> {
        let is_meant = id.ends_with(":free");
        if is_meant && self.are_zero() {
            return Ok(());
        }
        // The list does not say which models answer with vectors; their names do.
        let name = id.to_ascii_lowercase();
        let is_input_only = ["embed", "rerank", "bge-", "voyage-"].iter().any(|w| name.contains(w));
        let nothing = self.0.is_empty();
        for time in &mut self.0 {
            let usual = std::iter::once(&mut time.prices);
            for prices in usual.chain(time.hours.as_mut().map(|(_, prices)| prices)) {
                if is_input_only && prices.has(Bucket::Input) {
                    prices.set_no_output();
                }
                let other = remarks.iter().find(|(_, reason)| *reason == Problem::Uncounted);
                for (bucket, field) in
                    [(Bucket::Input, "input_mtok"), (Bucket::Output, "output_mtok")]
                {
                    if !prices.has(bucket) {
                        return Err(match other {
                            Some((field, _)) => (field.clone(), Problem::OtherUnit),
                            None => (field.to_owned(), Problem::Missing),
                        });
                    }
                }
                prices.check_among(remarks)?;
            }
        }
        if nothing || self.are_zero() {
            return Err(("prices".to_owned(), Problem::Zero));
        }
        Ok(())
    }

    fn are_zero(&self) -> bool {
        self.0.iter().all(|time| {
            time.prices.are_zero() && time.hours.as_ref().is_none_or(|(_, p)| p.are_zero())
        })
    }

    /// `price_variants`: prices for how a request is served, put over the usual ones key by key. Of
    /// two for the same, the first stands.
    fn read_variants(
        &mut self,
        raw: &RawValue,
        write: Bucket,
        remarks: &mut Vec<Refusal>,
    ) -> Result<(), Refusal> {
        let failed = |reason| ("price_variants".to_owned(), reason);
        for variant in raw::list(raw).map_err(failed)? {
            let variant = raw::object(variant).map_err(failed)?;
            let when = variant.get("when").ok_or_else(|| failed(Problem::Condition))?;
            let service = service(&raw::object(when).map_err(failed)?);
            let raw = variant.get("prices").ok_or_else(|| failed(Problem::Missing))?;
            let prices = Prices::read(raw, write, remarks)?;
            for time in &self.0 {
                prices.over(&time.prices).check_among(remarks)?;
            }
            match (service, condition(&variant)?) {
                (Some(Service::Standard), None) if prices.names_no_tokens() => {}
                (Some(service), None) if service != Service::Standard => {
                    self.add(None, &service, &prices);
                }
                (Some(service), Some(Condition::From(date))) if service != Service::Standard => {
                    self.add(Some(date), &service, &prices);
                }
                _ => remarks
                    .push((format!("price_variants.when {}", when.get()), Problem::NoService)),
            }
        }
        Ok(())
    }

    fn add(&mut self, from: Option<Date>, service: &Service, prices: &Prices) {
        if from.is_some() && self.0.iter().all(|time| time.from != from) {
            let place = self.0.partition_point(|time| time.from < from);
            if let Some(before) = place.checked_sub(1).and_then(|place| self.0.get(place)) {
                self.0.insert(place, Time { from, ..before.clone() });
            }
        }
        for time in self.0.iter_mut().filter(|time| time.from >= from) {
            match time.services.iter_mut().find(|(known, _)| known == service) {
                Some((_, known)) => *known = known.over(prices),
                None => time.services.push((service.clone(), prices.clone())),
            }
        }
    }

    fn price(&self, provider: &str, id: &str) -> ModelPrice {
        let epochs = self.0.iter().map(|time| {
            let block = |prices: &Prices| prices.over(&time.prices).block(&time.prices);
            let services = time.services.iter().map(|(s, prices)| (s.clone(), block(prices)));
            let peak = time.hours.as_ref().and_then(|(hours, prices)| {
                Peak::new(Zone::UTC, 1..=7, hours, prices.base(&time.prices)).ok()
            });
            Epoch {
                from: time.from,
                base: time.prices.block(&time.prices),
                services: services.collect(),
                peak,
            }
        });
        ModelPrice::of_epochs(provider.into(), id.into(), epochs.collect())
    }

    /// A fee, which is one for all times here.
    fn largest<T: Ord + Copy>(
        &self,
        fee: impl Fn(&Prices) -> Option<T>,
        remarks: &mut Vec<Refusal>,
    ) -> Option<T> {
        let mut fees = Vec::new();
        for time in &self.0 {
            fees.push(fee(&time.prices));
            let others = time.services.iter().map(|(_, prices)| prices);
            let others = others.chain(time.hours.iter().map(|(_, prices)| prices));
            fees.extend(others.map(&fee).filter(Option::is_some));
        }
        if fees.iter().any(|other| *other != fees[0]) {
            remarks.push(("kcount".to_owned(), Problem::Largest));
        }
        fees.into_iter().flatten().max()
    }
}

/// When prices hold.
enum Condition {
    From(Date),
    /// Within these hours of each day, in UTC.
    Hours(Vec<String>),
}

fn condition(item: &Object<'_>) -> Result<Option<Condition>, Refusal> {
    let Some(raw) = item.get("constraint") else { return Ok(None) };
    let failed = |reason| ("constraint".to_owned(), reason);
    let fields = raw::object(raw).map_err(failed)?;
    let text = |key| fields.get(key).and_then(|raw| raw::text(raw).ok());
    let known = match (text("start_date"), text("start_time"), text("end_time")) {
        (Some(date), None, None) => date.parse().ok().map(Condition::From),
        (None, Some(start), Some(end)) => hours(&start, &end).map(Condition::Hours),
        _ => None,
    };
    known.filter(|_| fields.0.len() <= 2).map(Some).ok_or_else(|| failed(Problem::Condition))
}

/// `00:30:00Z` to `16:30:00Z` as ranges of a day; what runs past midnight is two.
fn hours(start: &str, end: &str) -> Option<Vec<String>> {
    let minute = |text: &str| {
        let time = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")).unwrap_or(text);
        let time = time.strip_suffix(":00").filter(|time| time.len() == 5)?;
        time.is_ascii().then(|| time.to_owned())
    };
    let (start, end) = (minute(start)?, minute(end)?);
    let ranges = match (start < end, &*end) {
        (true, _) => vec![format!("{start}-{end}")],
        (false, "00:00") => vec![format!("{start}-24:00")],
        (false, _) => vec![format!("{start}-24:00"), format!("00:00-{end}")],
    };
    let is_range =
        |hours: &String| Peak::new(Zone::UTC, [], [hours], super::rates::Rates::none()).is_ok();
    (start != end && ranges.iter().all(is_range)).then_some(ranges)
}

/// The service tier that a variant is for; `None` if it is for something else.
fn service(when: &Object<'_>) -> Option<Service> {
    let [(key, raw)] = &when.0[..] else { return None };
    let name = raw::text(raw).ok()?;
    match (&**key, &*name) {
        ("processing" | "service_tier", "batch") => Some(Service::Batch),
        ("service_tier", "default" | "standard") => Some(Service::Standard),
        ("service_tier", name) => Some(Service::from(name)),
        ("speed", "fast") => Some(Service::Fast),
        _ => None,
    }
}

/// The names that a model is found by if they are equal. All other clauses are greedy, and remarked.
fn exact_names(model: &Object<'_>, remarks: &mut Vec<Refusal>) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_greedy = false;
    let mut clauses: Vec<&RawValue> = model.get("match").into_iter().collect();
    while let Some(clause) = clauses.pop() {
        let Ok(Object(parts)) = raw::object(clause) else { continue };
        for (kind, raw) in parts {
            match (&*kind, raw::text(raw), raw::list(raw)) {
                ("equals", Ok(name), _) if !name.is_empty() => names.push(name.into_owned()),
                ("or", _, Ok(parts)) => clauses.extend(parts),
                _ => is_greedy = true,
            }
        }
    }
    if is_greedy {
        remarks.push(("match".to_owned(), Problem::Greedy));
    }
    names
}
