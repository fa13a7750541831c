//! Owns the price list as a TOML file: how it is read, and the one that comes with this version.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::calendar::Zone;
use crate::money::Usd;
use crate::usage::Service;

use super::book::{InsertError, PriceBook};
use super::date::Date;
use super::model::ModelPrice;
use super::rate::{Fee, Rate, RateError, Ratio};
use super::rates::{Block, Bucket, Peak, Rates, Tier};
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
        for table in file.model {
            let name = name_of(&table);
            let flawed = |problem: String| BookError::Model { model: name.clone(), problem };
            let entry: Entry =
                table.try_into().map_err(|e: toml::de::Error| flawed(one_line(&e)))?;
            let price = entry.price().map_err(flawed)?;
            if book.insert(price)?.is_some() {
                return Err(flawed("it is in the list twice; keep one".to_owned()));
            }
        }
        if let Some(date) = file.meta.and_then(|meta| meta.as_of) {
            book.set_as_of(date);
        }
        Ok(book)
    }
}

/// A name for an error about an entry that cannot be read.
fn name_of(table: &toml::Table) -> String {
    let text = |key| table.get(key).and_then(toml::Value::as_str).unwrap_or("?");
    format!("{}/{}", text("provider"), text("id")).chars().take(80).collect()
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().trim().replace('\n', " ")
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
    web_search_per_1k: Option<Usd>,
    request_per_1k: Option<Usd>,
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
            if index > 0 && table.from.is_none() {
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
        let fee = |key: &str, per_thousand: Option<Usd>| {
            let named = |error: RateError| format!("{key}: {error}");
            per_thousand.map(|usd| Fee::per_thousand(usd).map_err(named)).transpose()
        };
        price =
            set(price, fee("web_search_per_1k", self.web_search_per_1k)?, ModelPrice::per_search);
        price = set(price, fee("request_per_1k", self.request_per_1k)?, ModelPrice::per_request);
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

/// A table that has a rate for each bucket beside other keys. (`serde(flatten)` would let unknown
/// keys pass.)
macro_rules! table {
    ($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            $($(#[$meta])* $field: $type,)*
            input: Option<Rate>,
            input_audio: Option<Rate>,
            cache_read: Option<Rate>,
            cache_read_audio: Option<Rate>,
            cache_write_5m: Option<Rate>,
            cache_write_30m: Option<Rate>,
            cache_write_1h: Option<Rate>,
            cache_write_12h: Option<Rate>,
            output: Option<Rate>,
            reasoning: Option<Rate>,
            output_audio: Option<Rate>,
        }

        impl $name {
            fn rates(&self) -> Rates {
                let named = [
                    (Bucket::Input, self.input),
                    (Bucket::InputAudio, self.input_audio),
                    (Bucket::CacheRead, self.cache_read),
                    (Bucket::CacheReadAudio, self.cache_read_audio),
                    (Bucket::CacheWrite5m, self.cache_write_5m),
                    (Bucket::CacheWrite30m, self.cache_write_30m),
                    (Bucket::CacheWrite1h, self.cache_write_1h),
                    (Bucket::CacheWrite12h, self.cache_write_12h),
                    (Bucket::Output, self.output),
                    (Bucket::Reasoning, self.reasoning),
                    (Bucket::OutputAudio, self.output_audio),
                ];
                named.into_iter().fold(Rates::none(), |rates, (bucket, rate)| match rate {
                    Some(rate) => rates.with(bucket, rate),
                    None => rates,
                })
            }
        }
    };
}

table!(PriceTable {
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
});

table!(BlockTable {});

table!(TierTable {
    above: u64,
    #[serde(default)]
    inclusive: bool,
});

table!(PeakTable {
    tz: Zone,
    days: Vec<u8>,
    hours: Vec<String>,
    /// Whose holidays are no peak: for a person, because no table of holidays is built in.
    #[serde(rename = "except_public_holidays")]
    _except_public_holidays: Option<String>,
});

impl PriceTable {
    fn epoch(mut self) -> Result<Epoch, String> {
        let peak = self.peak.take().map(PeakTable::peak).transpose()?;
        let mut epoch = Epoch::new(self.from, self.rates());
        epoch.base.tiers = self.tiers.into_iter().map(TierTable::tier).collect();
        epoch.peak = peak;
        let mut services = vec![
            (Service::Batch, self.batch, self.batch_tiers),
            (Service::Flex, self.flex, self.flex_tiers),
            (Service::Priority, self.priority, self.priority_tiers),
            (Service::Fast, self.fast, self.fast_tiers),
        ];
        for (name, block) in self.other {
            let tiers = self.other_tiers.remove(&name).unwrap_or_default();
            services.push((other(&name)?, Some(block), tiers));
        }
        if let Some(name) = self.other_tiers.keys().next() {
            return Err(format!("`other_tiers.{name}` modifies `other.{name}`, which is missing"));
        }
        for (service, block, tiers) in services {
            let tiers: Vec<Tier> = tiers.into_iter().map(TierTable::tier).collect();
            match block {
                Some(block) => {
                    epoch.services.push((service, Block { rates: block.rates(), tiers }))
                }
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
        match self.inclusive {
            true => Tier::from(self.above, self.rates()),
            false => Tier::above(self.above, self.rates()),
        }
    }
}

impl PeakTable {
    fn peak(self) -> Result<Peak, String> {
        let rates = self.rates();
        let hours = self.hours.iter().map(String::as_str);
        Peak::new(self.tz, self.days, hours, rates).map_err(|error| format!("peak: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn the_builtin_list_is_whole() {
        let list = PriceBook::from_toml(include_str!("catalogue.toml")).unwrap();
        assert_eq!(list.len(), 108);
        let dearest: Rate = "2000".parse().unwrap(); // $0.002 a token: above is another unit
        for price in list.iter() {
            let name = price.name();
            assert!(price.read_in().is_some() && price.checked_on().is_some(), "{name}");
            let bound = price.max_output_tokens().is_some();
            let rate = price.rate_of(Bucket::Output, &Service::Standard, 1, Timestamp::MAX);
            let (rate, _) = rate.unwrap().unwrap();
            assert!(rate > Rate::ZERO && rate < dearest, "{name}: {rate}");
            assert!(bound || PriceBook::builtin().find(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_builtin_prices_are_those_that_were_read() {
        let at: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let book = PriceBook::builtin();
        for (name, input, output, cache_read) in [
            ("openai/gpt-6.2-sol", "2", "10", "0.1"),
            ("openai/gpt-6.2-astra", "8", "40", "0.4"),
            ("openai/gpt-6.1-sol", "2", "10", "0.1"),
            ("openai/gpt-6.1-terra", "1", "5", "0.05"),
            ("openai/gpt-6-astra", "10", "50", "1"),
            ("openai/gpt-6-luna", "0.1", "0.5", "0.01"),
            ("openai/gpt-5.6-sol", "4", "20", "0.4"),
            ("openai/gpt-5.5-pro", "30", "180", "30"),
            ("openai/gpt-5.4-nano", "0.2", "1.25", "0.02"),
            ("openai/gpt-5", "1.25", "10", "0.125"),
            ("openai/gpt-4o", "2.5", "10", "1.25"),
            ("openai/gpt-4o-2024-05-13", "5", "15", "5"),
            ("openai/o1-pro", "150", "600", "150"),
            ("openai/o3", "2", "8", "0.5"),
            ("openai/gpt-3.5-turbo", "0.5", "1.5", "0.5"),
            ("anthropic/claude-fable-5-2", "8", "40", "0.2"),
            ("anthropic/claude-opus-5-5", "4", "20", "0.2"),
            ("anthropic/claude-opus-5", "5", "25", "0.5"),
            ("anthropic/claude-opus-4-6", "5", "25", "0.5"),
            ("anthropic/claude-sonnet-5-5", "2", "10", "0.1"),
            ("anthropic/claude-haiku-4-5", "1", "5", "0.1"),
            ("anthropic/claude-3-5-haiku-latest", "0.8", "4", "0.08"),
            ("google/gemini-4-argon", "2", "10", "0.1"),
            ("google/gemini-2.5-pro", "1.25", "10", "0.125"),
            ("xai/grok-4.5", "2", "6", "0.3"),
            ("deepseek/deepseek-flash", "0.15", "0.6", "0.003"),
            ("mistral/mistral-large-4", "0.7", "2.1", "0.07"),
            ("cohere/command-a-03-2025", "2.5", "10", "2.5"),
            ("groq/openai/gpt-oss-120b", "0.15", "0.6", "0.075"),
            ("bedrock/amazon.nova-micro-v1:0", "0.035", "0.14", "0.00875"),
            ("perplexity/sonar", "1", "1", "1"),
        ] {
            let model = book.find(name).unwrap();
            let rate = |bucket| {
                let found = model.price().rate_of(bucket, &Service::Standard, 1_000, at);
                found.unwrap().unwrap().0.to_string()
            };
            let got = [Bucket::Input, Bucket::Output, Bucket::CacheRead].map(rate);
            assert_eq!(got, [input, output, cache_read], "{name}");
        }
        let sonar = book.find("sonar").unwrap();
        let fee = Fee::per_thousand(Usd::dollars(8)).unwrap();
        assert_eq!(sonar.price().search_fee(), Some(fee));
        let opus = book.find("claude-opus-4-1").unwrap();
        assert!(opus.price().is_retired(at));
        let nano = book.find("gpt-5.4-nano").unwrap();
        assert!(!nano.price().is_retired(at) && nano.price().is_retired(Timestamp::MAX));
    }

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
        assert_eq!(price.search_fee(), Fee::each(Usd::cents(1)).ok());
        assert_eq!(price.request_fee(), Fee::per_thousand(Usd::dollars(5)).ok());
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
