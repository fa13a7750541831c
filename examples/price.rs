//! Owns the price of calls, line by line: reads JSON lines, writes what each call cost.
//!
//! ```text
//! $ echo '{"id":1,"model":"gpt-6.1-terra","usage":{"input_uncached":86,"output":236}}' |
//!     cargo run --example price
//! {"id":1,"cost_usd":"0.001266"}
//! ```
//!
//! A line is `{"id", "provider", "model", "at", "service", "regional", "usage": {bucket: count}}`.
//! `provider`, `at` (RFC 3339, or a day; now), `service` (`standard`) and `regional` (`false`) may
//! be left out. A line that cannot be priced is answered by `{"id", "error"}`.
//!
//! `--prices FILE` puts a price list over the built-in one: LiteLLM's, genai-prices' or one in
//! TOML, told apart by what is in it. It may be given several times; the later goes before. What
//! of a list is refused is summed up on standard error.

use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use bursar::clock::{Clock, SystemClock, Timestamp};
use bursar::price::{Date, Terms};
use bursar::{PriceBook, Service, Usage, Usd};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Call<'a> {
    provider: Option<String>,
    model: String,
    at: Option<String>,
    service: Option<String>,
    regional: Option<bool>,
    usage: Usage,
    #[serde(borrow, rename = "id")]
    _id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let book = book(std::env::args().skip(1))?;
    let mut input = io::stdin().lock();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            let id = serde_json::from_slice(&line).ok().and_then(|line: Id<'_>| line.id);
            let id = id.map_or("null", RawValue::get);
            match cost(&book, line.trim_ascii()) {
                Ok(cost) => writeln!(output, r#"{{"id":{id},"cost_usd":"{}"}}"#, cost.exact())?,
                Err(error) => {
                    let error = serde_json::Value::from(error.to_string());
                    writeln!(output, r#"{{"id":{id},"error":{error}}}"#)?;
                }
            }
        }
        line.clear();
    }
    Ok(output.flush()?)
}

fn book(mut arguments: impl Iterator<Item = String>) -> Result<PriceBook, Box<dyn Error>> {
    let mut book = PriceBook::builtin();
    while let Some(argument) = arguments.next() {
        let file = match argument.as_str() {
            "--prices" => arguments.next().ok_or("`--prices` needs a file")?,
            other => return Err(format!("`{other}` is not known; only `--prices FILE` is").into()),
        };
        let bytes = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        let list = PriceBook::from_list(bytes).map_err(|error| format!("{file}: {error}"))?;
        eprintln!("{file}: {list}");
        book.merge(&list.book);
    }
    Ok(book)
}

fn cost(book: &PriceBook, line: &[u8]) -> Result<Usd, Box<dyn Error>> {
    let call: Call<'_> = serde_json::from_slice(line)?;
    let model = match &call.provider {
        Some(provider) => book.find_in(provider, &call.model)?,
        None => book.find(&call.model)?,
    };
    let at = match &call.at {
        Some(text) => moment(text)?,
        None => SystemClock::new().now(),
    };
    let service = call.service.as_deref().map_or(Service::Standard, Service::from);
    let terms = Terms { service, regional: call.regional.unwrap_or(false) };
    Ok(model.price().cost(&call.usage, &terms, at)?)
}

fn moment(text: &str) -> Result<Timestamp, Box<dyn Error>> {
    match text.parse::<Date>() {
        Ok(day) => Ok(day.start()),
        Err(_) => Ok(text.parse::<Timestamp>()?),
    }
}
