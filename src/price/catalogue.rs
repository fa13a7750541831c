//! Owns the price list as a TOML file: how it is read, and the one that comes with this version.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::calendar::Zone;
use crate::money::Usd;
use crate::usage::{Bucket, Service};

use super::book::{InsertError, PriceBook};
use super::date::Date;
use super::model::ModelPrice;
use super::rate::{Fee, Ratio};
use super::rates::{Block, Peak, Rates, Tier};
use super::schedule::Epoch;

static BUILTIN: LazyLock<PriceBook> = LazyLock::new(|| {
    // A test reads the file; a version in which this fails is not released.
    PriceBook::from_toml(include_str!("catalogue.toml")).unwrap_or_default()
});

pub(super) fn builtin() -> PriceBook {
    BUILTIN.clone()
}

impl PriceBook {
    /// Reads a price list: TOML with a table `[[model]]` for each model, as in this crate's
    /// `src/price/catalogue.toml`, whose head explains every key. Prices are decimal text in
    /// dollars per million tokens.
    ///
    /// The prices are [your own](ModelPrice::is_own), unless the file says in `[meta]` as of which
    /// day it was compiled: then it is a public list like any other.
    ///
    /// ```
    /// let mut book = bursar::PriceBook::builtin();
    /// book.merge(&bursar::PriceBook::from_toml(r#"
    ///     [[model]]
    ///     provider = "acme"
    ///     id = "owl-2"
    ///     [[model.price]]
    ///     input = "3"
    ///     output = "15"
    ///     batch = { input = "1.5", output = "7.5" }
    /// "#)?);
    /// assert!(book.find("owl-2").is_ok());
    /// # Ok::<(), bursar::price::BookError>(())
    /// ```
    ///
    /// # Errors
    /// [`BookError`] names the model and the key. A key that is not known is an error: it would be
    /// a part of the price that is left out.
    pub fn from_toml(text: &str) -> Result<PriceBook, BookError> {
        let file: File = toml::from_str(text).map_err(|error| BookError::of_file(&error))?;
        let mut book = PriceBook::empty();
        let as_of = file.meta.and_then(|meta| meta.as_of);
        for mut table in file.model {
            let name = name_of(&table);
            let flawed = |problem: String| BookError::Model { model: name.clone(), problem };
            let fees = fees(&mut table).map_err(flawed)?;
            let entry: Entry =
                table.try_into().map_err(|e: toml::de::Error| flawed(one_line(&e)))?;
            let price = entry.price().map_err(flawed)?;
            let price = fees.into_iter().fold(price, |price, (b, fee)| price.fee(b, fee));
            let price = price.owned(as_of.is_none());
            if book.insert_listed(price)?.is_some() {
                return Err(flawed("it is in the list twice; keep one".to_owned()));
            }
        }
        if let Some(date) = as_of {
            book.set_as_of(date);
        }
        Ok(book)
    }
}

/// Takes the fees out of an entry, which are in dollars for a thousand.
fn fees(table: &mut toml::Table) -> Result<Vec<(Bucket, Fee)>, String> {
    let mut fees = Vec::new();
    for bucket in Bucket::fees() {
        let key = bucket.price_key();
        if let Some(value) = table.remove(key) {
            let dollars: Usd = value.try_into().map_err(|e| format!("{key}: {}", one_line(&e)))?;
            let fee = Fee::per_thousand(dollars).map_err(|error| format!("{key}: {error}"))?;
            fees.push((bucket, fee));
        }
    }
    Ok(fees)
}

/// A name for an error about an entry that cannot be read.
fn name_of(table: &toml::Table) -> String {
    let text = |key| table.get(key).and_then(toml::Value::as_str).unwrap_or("?");
    format!("{}/{}", text("provider"), text("id")).chars().take(80).collect()
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().trim().replace('\n', ", ")
}

/// Why a price list cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The file is no price list.
    #[error("the price list cannot be read: {problem}")]
    File {
        /// Where and what.
        problem: String,
    },
    /// An entry cannot be read.
    #[error("the price of `{model}` cannot be read: {problem}")]
    Model {
        /// `provider/id`, as far as they can be read.
        model: String,
        /// The key, and what is wrong with it.
        problem: String,
    },
    /// An entry can be read and not used.
    #[error(transparent)]
    Insert(#[from] InsertError),
}

impl BookError {
    fn of_file(error: &toml::de::Error) -> BookError {
        BookError::File { problem: error.to_string().trim().to_owned() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    meta: Option<Meta>,
    #[serde(default)]
    model: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    as_of: Option<Date>,
    #[serde(rename = "schema")]
    _schema: Option<Schema>,
    #[serde(rename = "currency")]
    _currency: Option<Currency>,
    #[serde(rename = "unit")]
    _unit: Option<Unit>,
    #[serde(rename = "sources", default)]
    _sources: Vec<String>,
}

/// What the file may say of itself and still be understood.
#[derive(Deserialize)]
#[serde(try_from = "u32")]
struct Schema;

impl TryFrom<u32> for Schema {
    type Error = String;

    fn try_from(number: u32) -> Result<Schema, String> {
        match number {
            1 => Ok(Schema),
            _ => Err(format!("schema {number} is not known, only 1; use a newer bursar")),
        }
    }
}

#[derive(Deserialize)]
enum Currency {
    #[serde(rename = "USD")]
    Usd,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    PerMillionTokens,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    context_window: Option<u64>,
    max_output: Option<u64>,
    source: Option<String>,
    as_of: Option<Date>,
    retires: Option<Date>,
    #[serde(default)]
    retired: bool,
    note: Option<String>,
    #[serde(default)]
    free: bool,
    #[serde(alias = "geo_us_multiplier")]
    regional_multiplier: Option<Ratio>,
    fast_multiplier: Option<Ratio>,
    #[serde(default)]
    price: Vec<PriceTable>,
}

impl Entry {
    fn price(self) -> Result<ModelPrice, String> {
        let mut epochs = Vec::new();
        for (index, table) in self.price.into_iter().enumerate() {
            if index > 0 && table.rest.from.is_none() {
                return Err(format!("price {} needs a day in `from`", index + 1));
            }
            epochs
                .push(table.epoch().map_err(|problem| format!("price {}: {problem}", index + 1))?);
        }
        let (provider, id): (Arc<str>, Arc<str>) = (self.provider.into(), self.id.into());
        let mut price = match (self.free, epochs.is_empty()) {
            (true, true) => ModelPrice::free(provider, id),
            (true, false) => return Err("`free` and `price` contradict each other".to_owned()),
            (false, _) => ModelPrice::of_epochs(provider, id, epochs),
        };
        price = set(price, self.regional_multiplier, ModelPrice::regional);
        price = set(price, self.fast_multiplier, ModelPrice::fast_multiplier);
        price = set(price, self.context_window, ModelPrice::context_window);
        price = set(price, self.max_output, ModelPrice::max_output);
        price = set(price, self.source, ModelPrice::source);
        price = set(price, self.as_of, ModelPrice::as_of);
        price = set(price, self.retires, ModelPrice::retires);
        price = set(price, self.note, ModelPrice::note);
        price = self.aliases.into_iter().fold(price, ModelPrice::alias);
        Ok(if self.retired { price.retired() } else { price })
    }
}

fn set<T>(
    price: ModelPrice,
    value: Option<T>,
    setter: impl FnOnce(ModelPrice, T) -> ModelPrice,
) -> ModelPrice {
    match value {
        Some(value) => setter(price, value),
        None => price,
    }
}

/// A table that has a rate for each bucket of tokens beside its other keys.
///
/// (`serde(flatten)` would let unknown keys pass.)
struct WithRates<T> {
    rates: Rates,
    rest: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for WithRates<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WithRates<T>, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let mut rates = Rates::none();
        for bucket in Bucket::tokens() {
            let key = bucket.price_key();
            if let Some(value) = table.remove(key) {
                let rate = value
                    .try_into()
                    .map_err(|error| D::Error::custom(format!("`{key}`: {}", one_line(&error))))?;
                rates = rates.with(bucket, rate);
            }
        }
        let rest = table.try_into().map_err(|error| D::Error::custom(one_line(&error)))?;
        Ok(WithRates { rates, rest })
    }
}

type BlockTable = WithRates<NoOtherKeys>;
type PriceTable = WithRates<PriceKeys>;
type TierTable = WithRates<TierKeys>;
type PeakTable = WithRates<PeakKeys>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOtherKeys {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceKeys {
    from: Option<Date>,
    #[serde(default)]
    tiers: Vec<TierTable>,
    batch: Option<BlockTable>,
    #[serde(default)]
    batch_tiers: Vec<TierTable>,
    flex: Option<BlockTable>,
    #[serde(default)]
    flex_tiers: Vec<TierTable>,
    priority: Option<BlockTable>,
    #[serde(default)]
    priority_tiers: Vec<TierTable>,
    fast: Option<BlockTable>,
    #[serde(default)]
    fast_tiers: Vec<TierTable>,
    #[serde(default)]
    other: BTreeMap<String, BlockTable>,
    #[serde(default)]
    other_tiers: BTreeMap<String, Vec<TierTable>>,
    peak: Option<PeakTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierKeys {
    above: u64,
    #[serde(default)]
    inclusive: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeakKeys {
    tz: Zone,
    days: Vec<u8>,
    hours: Vec<String>,
    /// Whose holidays are no peak: for a person, because no table of holidays is built in.
    #[serde(rename = "except_public_holidays")]
    _except_public_holidays: Option<String>,
}

impl PriceTable {
    fn epoch(self) -> Result<Epoch, String> {
        let WithRates { rates, rest: mut keys } = self;
        let mut epoch = Epoch::new(keys.from, rates);
        epoch.base.tiers = keys.tiers.into_iter().map(TierTable::tier).collect();
        epoch.peak = keys.peak.map(PeakTable::peak).transpose()?;
        let mut services = vec![
            (Service::Batch, keys.batch, keys.batch_tiers),
            (Service::Flex, keys.flex, keys.flex_tiers),
            (Service::Priority, keys.priority, keys.priority_tiers),
            (Service::Fast, keys.fast, keys.fast_tiers),
        ];
        for (name, block) in keys.other {
            let tiers = keys.other_tiers.remove(&name).unwrap_or_default();
            services.push((other(&name)?, Some(block), tiers));
        }
        if let Some(name) = keys.other_tiers.keys().next() {
            return Err(format!("`other_tiers.{name}` modifies `other.{name}`, which is missing"));
        }
        for (service, block, tiers) in services {
            let tiers: Vec<Tier> = tiers.into_iter().map(TierTable::tier).collect();
            match block {
                Some(block) => epoch.services.push((service, Block { rates: block.rates, tiers })),
                None if tiers.is_empty() => {}
                None => {
                    return Err(format!(
                        "`{service}_tiers` modifies `{service}`, which is missing"
                    ));
                }
            }
        }
        Ok(epoch)
    }
}

fn other(name: &str) -> Result<Service, String> {
    match Service::from(name) {
        service @ Service::Other(_) => Ok(service),
        service => Err(format!("`other.{name}` has a key of its own, `{service}`")),
    }
}

impl TierTable {
    fn tier(self) -> Tier {
        match self.rest.inclusive {
            true => Tier::from(self.rest.above, self.rates),
            false => Tier::above(self.rest.above, self.rates),
        }
    }
}

impl PeakTable {
    fn peak(self) -> Result<Peak, String> {
        let WithRates { rates, rest: keys } = self;
        let hours = keys.hours.iter().map(String::as_str);
        Peak::new(keys.tz, keys.days, hours, rates).map_err(|error| format!("peak: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<PriceBook, BookError> {
        PriceBook::from_toml(&format!("[[model]]\nprovider = \"acme\"\nid = \"owl\"\n{rest}"))
    }

    #[test]
    fn an_error_names_the_model_and_the_key() {
        let priced = "[[model.price]]\ninput = \"1\"\noutput = \"2\"\n";
        for (rest, hints) in [
            ("", &["it has no prices", "free = true"][..]),
            ("[[model.price]]\ninput = \"1\"", &["`output`"]),
            ("colour = 1", &["`colour`"]),
            ("max_output = -1", &["max_output"]),
            ("as_of = \"soon\"", &["as_of", "`soon`"]),
            ("web_search_per_1k = \"2000\"", &["web_search_per_1k", "a dollar each"]),
            ("code_container_per_1k = \"x\"", &["code_container_per_1k", "`x`"]),
            ("audio_second_per_1k = \"-1\"", &["audio_second_per_1k", "below zero"]),
            (&format!("{priced}web_search_per_1k = \"1\""), &["price", "`web_search_per_1k`"]),
            ("regional_multiplier = \"x\"", &["regional_multiplier", "`x`"]),
            (
                "regional_multiplier = \"1\"\ngeo_us_multiplier = \"1\"",
                &["duplicate", "multiplier"],
            ),
            (&format!("free = true\n{priced}"), &["`free` and `price`"]),
            (&format!("{priced}inptu = \"1\""), &["price", "`inptu`"]),
            (&format!("{priced}cache_read = \"-1\""), &["cache_read", "below zero"]),
            (&format!("{priced}cache_read = 20000"), &["cache_read", "per million tokens"]),
            (&format!("{priced}batch = {{ inptu = \"1\" }}"), &["batch", "`inptu`"]),
            (&format!("{priced}tiers = [{{ input = \"1\" }}]"), &["tiers", "`above`"]),
            (&format!("{priced}flex_tiers = [{{ above = 1 }}]"), &["`flex_tiers` modifies `flex`"]),
            (
                &format!("{priced}other = {{ batch = {{}} }}"),
                &["`other.batch` has a key of its own"],
            ),
            (&format!("{priced}other_tiers = {{ turbo = [] }}"), &["`other_tiers.turbo`"]),
            (
                &format!("{priced}peak = {{ tz = \"Mars\", days = [1], hours = [] }}"),
                &["tz", "no time zone `Mars`"],
            ),
            (
                &format!("{priced}peak = {{ tz = \"UTC\", days = [8], hours = [] }}"),
                &["price 1: peak", "8 is not a weekday"],
            ),
            (&format!("{priced}{priced}"), &["price 2 needs a day in `from`"]),
            (
                &format!("{priced}tiers = [{{ above = 1 }}, {{ above = 1 }}]"),
                &["two long-context tiers"],
            ),
            (
                &format!("{priced}[[model]]\nprovider = \"acme\"\nid = \"owl\"\n{priced}"),
                &["twice"],
            ),
        ] {
            let text = read(rest).unwrap_err().to_string();
            assert!(text.contains("`acme/owl`"), "{rest}: {text}");
            assert!(hints.iter().all(|hint| text.contains(hint)), "{rest}: {text}");
        }
        for text in
            ["model = 1", "modle = []", "[meta]\nschema = 2", "[meta]\ncurrency = \"EUR\"", "["]
        {
            let refused = PriceBook::from_toml(text).unwrap_err().to_string();
            assert!(refused.starts_with("the price list cannot be read"), "{text}: {refused}");
        }
        let nameless = PriceBook::from_toml("[[model]]\nid = \"owl\"").unwrap_err().to_string();
        assert!(nameless.contains("`?/owl`") && nameless.contains("`provider`"), "{nameless}");
    }

    #[test]
    fn every_key_is_read() {
        let book = read(
            r#"
            aliases = ["hoot"]
            context_window = 1_000
            max_output = 100
            source = "a page"
            as_of = "2026-11-24"
            retires = "2027-01-01"
            note = "by night"
            web_search_per_1k = "10"
            request_per_1k = 5
            geo_us_multiplier = "1.1"
            fast_multiplier = "2"
            [[model.price]]
            from = "2026-01-01"
            input = "1"
            output = 2
            reasoning = "3"
            output_audio = "4"
            other = { ultrafast = { input = "9" } }
            other_tiers = { ultrafast = [{ above = 10, inclusive = true, input = "11" }] }
            [[model.price]]
            from = "2026-02-01"
            input = "7"
            output = "8"
            fast = { input = "20" }
            "#,
        )
        .unwrap();
        let model = book.find("hoot").unwrap();
        let price = model.price();
        assert_eq!((price.provider(), price.id()), ("acme", "owl"));
        assert_eq!(price.context_window_tokens(), Some(1_000));
        assert_eq!(price.max_output_tokens(), Some(100));
        assert_eq!(price.read_in(), Some("a page"));
        assert_eq!(price.remark(), Some("by night"));
        assert_eq!(price.retires_on().unwrap().to_string(), "2027-01-01");
        assert_eq!(price.checked_on().unwrap().to_string(), "2026-11-24");
        assert_eq!(price.fee_of(Bucket::WebSearchRequests), Fee::each(Usd::cents(1)).ok());
        assert_eq!(price.fee_of(Bucket::Requests), Fee::per_thousand(Usd::dollars(5)).ok());
        let rate = |bucket, service: &str, input, at: &str| {
            let found = price.rate_of(bucket, &service.into(), input, at.parse().unwrap());
            found.unwrap().unwrap().0.to_string()
        };
        let january = "2026-01-15T00:00:00Z";
        assert_eq!(rate(Bucket::Reasoning, "standard", 1, january), "3");
        assert_eq!(rate(Bucket::Reasoning, "fast", 1, january), "6");
        assert_eq!(rate(Bucket::OutputAudio, "ultrafast", 1, january), "4");
        assert_eq!(rate(Bucket::Input, "ultrafast", 9, january), "9");
        assert_eq!(rate(Bucket::Input, "ultrafast", 10, january), "11");
        assert_eq!(rate(Bucket::Input, "fast", 1, "2026-02-01T00:00:00Z"), "20");
        assert_eq!(rate(Bucket::Output, "fast", 1, "2026-02-01T00:00:00Z"), "8");
        let free = PriceBook::from_toml("[[model]]\nprovider = \"o\"\nid = \"q\"\nfree = true");
        assert!(free.unwrap().find("q").unwrap().price().is_free());
    }
}
