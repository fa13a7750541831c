//! The price list as a TOML file: how it is read, and the one that comes with this version.

use std::sync::{Arc, LazyLock};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::money::Usd;
use crate::usage::{Bucket, Service};

use super::book::PriceBook;
use super::date::Date;
use super::listing::ListError;
use super::model::ModelPrice;
use super::rate::Fee;
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
    /// # Ok::<(), bursar::price::ListError>(())
    /// ```
    ///
    /// # Errors
    /// [`ListError`] names the model and the key. A key that is not known is an error: it would be
    /// a part of the price that is left out.
    pub fn from_toml(text: &str) -> Result<PriceBook, ListError> {
        let (as_of, models) = file(text).map_err(|problem| ListError::of_file(&problem))?;
        let mut book = PriceBook::empty();
        for table in models {
            let name = name_of(&table);
            let failed = |problem: &str| ListError::of_model(&name, problem);
            let price = price(Keys(table)).map_err(|problem| failed(&problem))?;
            if book.insert_listed(price.owned(as_of.is_none()))?.is_some() {
                return Err(failed("it is in the list twice; keep one"));
            }
        }
        if let Some(date) = as_of {
            book.set_as_of(date);
        }
        Ok(book)
    }
}

/// Reads the whole file: the day on which it was compiled, and a table for each model.
fn file(text: &str) -> Result<(Option<Date>, Vec<Table>), String> {
    let mut keys = Keys(toml::from_str(text).map_err(|error| error.to_string())?);
    let mut meta = Keys(keys.take("meta")?.unwrap_or_default());
    let known: [(&str, Value); 3] =
        [("schema", 1.into()), ("currency", "USD".into()), ("unit", "per_million_tokens".into())];
    for (key, known) in known {
        if meta.0.remove(key).is_some_and(|value| value != known) {
            return Err(format!("`{key}` is not known; use a newer bursar"));
        }
    }
    meta.take::<Vec<String>>("sources")?;
    let as_of = meta.take("as_of")?;
    meta.finish()?;
    let models = keys.take("model")?.unwrap_or_default();
    keys.finish()?;
    Ok((as_of, models))
}

/// A name for an error about an entry that cannot be read.
fn name_of(table: &Table) -> String {
    let text = |key| table.get(key).and_then(Value::as_str).unwrap_or("?");
    format!("{}/{}", text("provider"), text("id")).chars().take(80).collect()
}

/// The keys of a table that have not been read. One that is left at the end is not known: an error,
/// because it would be a part of the price that is left out.
struct Keys(Table);

impl Keys {
    fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        let one_line = |error: toml::de::Error| error.to_string().trim().replace('\n', ", ");
        let value = self.0.remove(key).map(Value::try_into);
        value.transpose().map_err(|error| format!("`{key}`: {}", one_line(error)))
    }

    fn need<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, String> {
        self.take(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    fn rates(&mut self) -> Result<Rates, String> {
        let mut rates = Rates::none();
        for bucket in Bucket::tokens() {
            if let Some(rate) = self.take(bucket.price_key())? {
                rates = rates.with(bucket, rate);
            }
        }
        Ok(rates)
    }

    /// The long-context tiers of a block.
    fn tiers(&mut self, key: &str) -> Result<Vec<Tier>, String> {
        let tables: Vec<Table> = self.take(key)?.unwrap_or_default();
        let tier = |table| {
            let mut keys = Keys(table);
            let above: u64 = keys.need("above")?;
            let is_inclusive: bool = keys.take("inclusive")?.unwrap_or_default();
            let rates = keys.rates()?;
            keys.finish()?;
            let tier = Tier::above(above, rates);
            Ok(Tier { from_input: if is_inclusive { above } else { tier.from_input }, ..tier })
        };
        let tiers: Result<_, String> = tables.into_iter().map(tier).collect();
        tiers.map_err(|problem| format!("{key}: {problem}"))
    }

    fn finish(self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |key| Err(format!("the key `{key}` is not known")))
    }
}

fn price(mut keys: Keys) -> Result<ModelPrice, String> {
    // What it costs.
    let (provider, id): (Arc<str>, Arc<str>) = (keys.need("provider")?, keys.need("id")?);
    let mut epochs = Vec::new();
    let tables: Vec<Table> = keys.take("price")?.unwrap_or_default();
    for (number, table) in (1..).zip(tables) {
        let epoch = epoch(Keys(table)).map_err(|problem| format!("price {number}: {problem}"))?;
        if number > 1 && epoch.from.is_none() {
            return Err(format!("price {number} needs a day in `from`"));
        }
        epochs.push(epoch);
    }
    let is_free: bool = keys.take("free")?.unwrap_or_default();
    let mut price = match (is_free, epochs.is_empty()) {
        (true, true) => ModelPrice::free(provider, id),
        (true, false) => return Err("`free` and `price` contradict each other".to_owned()),
        (false, _) => ModelPrice::of_epochs(provider, id, epochs),
    };
    for bucket in Bucket::fees() {
        let key = bucket.price_key();
        if let Some(dollars) = keys.take::<Usd>(key)? {
            let fee = Fee::of(dollars, 1_000);
            let fee = fee.ok_or_else(|| format!("`{key}`: a fee is from zero to a dollar each"))?;
            price = price.with_fee(bucket, Some(fee));
        }
    }
    price = set(price, keys.take("regional_multiplier")?, ModelPrice::regional);
    price = set(price, keys.take("fast_multiplier")?, ModelPrice::fast_multiplier);
    // What else is known of it.
    price = set(price, keys.take("context_window")?, ModelPrice::context_window);
    price = set(price, keys.take("max_output")?, ModelPrice::max_output);
    price = set(price, keys.take::<String>("source")?, ModelPrice::source);
    price.retires = keys.take("retires")?;
    price.retired = keys.take("retired")?.unwrap_or_default();
    let aliases: Vec<String> = keys.take("aliases")?.unwrap_or_default();
    // For a person who reads the file.
    keys.take::<Date>("as_of")?;
    keys.take::<String>("note")?;
    keys.finish()?;
    Ok(aliases.into_iter().fold(price, ModelPrice::alias))
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

fn epoch(mut keys: Keys) -> Result<Epoch, String> {
    let mut epoch = Epoch::new(keys.take("from")?, keys.rates()?);
    epoch.base.tiers = keys.tiers("tiers")?;
    epoch.peak = keys
        .take("peak")?
        .map(|table| peak(Keys(table)))
        .transpose()
        .map_err(|problem| format!("peak: {problem}"))?;
    // The service tiers with a key of their own, and the others.
    for name in ["batch", "flex", "priority", "fast"] {
        epoch.services.extend(service(&mut keys, name)?);
    }
    let others: Table = keys.take("other")?.unwrap_or_default();
    let tiers: Table = keys.take("other_tiers")?.unwrap_or_default();
    let tiers = tiers.into_iter().map(|(name, tiers)| (format!("{name}_tiers"), tiers));
    let names: Vec<String> = others.keys().cloned().collect();
    let mut others = Keys(others.into_iter().chain(tiers).collect());
    for name in names {
        if !matches!(Service::from(&*name), Service::Other(_)) {
            return Err(format!("`other.{name}` has a key of its own, `{name}`"));
        }
        epoch.services.extend(service(&mut others, &name)?);
    }
    others.finish().map_err(|problem| format!("other_tiers: {problem}"))?;
    keys.finish()?;
    Ok(epoch)
}

fn service(keys: &mut Keys, name: &str) -> Result<Option<(Service, Block)>, String> {
    let block: Option<Table> = keys.take(name)?;
    let tiers = keys.tiers(&format!("{name}_tiers"))?;
    let Some(block) = block else {
        let is_alone = !tiers.is_empty();
        let problem = || format!("`{name}_tiers` modifies `{name}`, which is missing");
        return if is_alone { Err(problem()) } else { Ok(None) };
    };
    let mut block = Keys(block);
    let rates = block.rates().map_err(|problem| format!("{name}: {problem}"))?;
    block.finish().map_err(|problem| format!("{name}: {problem}"))?;
    Ok(Some((Service::from(name), Block { rates, tiers })))
}

fn peak(mut keys: Keys) -> Result<Peak, String> {
    let (zone, days): (_, Vec<u8>) = (keys.need("tz")?, keys.need("days")?);
    let hours: Vec<String> = keys.need("hours")?;
    // For a person: no table of holidays is built in.
    keys.take::<String>("except_public_holidays")?;
    let peak = Peak::new(zone, days, hours, keys.rates()?)?;
    keys.finish()?;
    Ok(peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<PriceBook, ListError> {
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
            ("audio_second_per_1k = \"-1\"", &["audio_second_per_1k", "from zero"]),
            (&format!("{priced}web_search_per_1k = \"1\""), &["price", "`web_search_per_1k`"]),
            ("regional_multiplier = \"x\"", &["regional_multiplier", "`x`"]),
            (&format!("regional_multiplier = \"11\"\n{priced}"), &["at most 10"]),
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
            (&format!("{priced}other_tiers = {{ turbo = [] }}"), &["other_tiers", "`turbo_tiers`"]),
            (
                &format!("{priced}peak = {{ tz = \"Mars\", days = [1], hours = [] }}"),
                &["tz", "`Mars` is not a time zone"],
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
            regional_multiplier = "1.1"
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
        assert_eq!(price.retires.unwrap().to_string(), "2027-01-01");
        assert_eq!(price.fee_of(Bucket::WebSearchRequests), Fee::of(Usd::cents(1), 1));
        assert_eq!(price.fee_of(Bucket::Requests), Fee::of(Usd::dollars(5), 1_000));
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
