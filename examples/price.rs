//! The price of calls, line by line: reads JSON lines, writes what each call cost.
//!
//! ```text
//! $ echo '{"id":1,"model":"gpt-6.1-terra","usage":{"input_uncached":86,"output":236}}' |
//!     cargo run --example price
//! {"id":1,"cost_usd":"0.001266"}
//! ```
//!
//! A line is `{"id", "provider", "model", "at", "service", "regional"}` and one of
//!
//! - `"usage": {bucket: count}`, answered by `{"id", "cost_usd"}`;
//! - `"response"`: what the provider answered, as JSON or as text (JSON, or a whole event stream),
//!   answered by `{"id", "model", "usage", "cost_usd", "confidence"}`. What it comes to is decided
//!   by `PriceBook::price_bill`, like that of a call of a budget: a cost that the provider reports
//!   wins as a rule, and its confidence is `reported`. What the response says of its service wins
//!   over the line. `usage` is that of the model that answered; `cost_usd` has what other models
//!   used for the answer too.
//!
//! `provider`, `at` (RFC 3339, or a day; now), `service` (`standard`) and `regional` (`false`) may
//! be left out, and `model` if the response names it. A line that cannot be priced is answered by
//! `{"id", "error"}`.
//!
//! `--usage-only` leaves prices out: it answers `{"id", "model", "usage", "confidence"}`, the
//! confidence of the counts, and needs no model to be known.
//!
//! `--prices FILE` puts a price list over the built-in one: LiteLLM's, genai-prices' or one in
//! TOML, told apart by what is in it. It may be given several times; the later goes before. What
//! of a list is refused is summed up on standard error.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::{self, BufRead, BufWriter, Write};

use bursar::clock::{Clock, SystemClock, Timestamp};
use bursar::price::{Date, Terms};
use bursar::{Bill, Confidence, Model, PriceBook, Service, Usage, Usd};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Call<'a> {
    provider: Option<String>,
    model: Option<String>,
    at: Option<String>,
    service: Option<String>,
    regional: Option<bool>,
    usage: Option<Usage>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow, rename = "id")]
    _id: Option<&'a RawValue>,
}

/// What a line may say; anything else is told of once, because it may be a slip of the pen.
const KNOWN: [&str; 8] =
    ["id", "provider", "model", "at", "service", "regional", "usage", "response"];

#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (book, usage_only) = arguments(std::env::args().skip(1))?;
    let mut input = io::stdin().lock();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    let mut unknown = BTreeSet::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            let id = serde_json::from_slice(&line).ok().and_then(|line: Id<'_>| line.id);
            let id = id.map_or("null", RawValue::get);
            for key in unknown_keys(&line) {
                if unknown.insert(key.clone()) {
                    eprintln!("price: `{key}` is not known, and not read; known are {KNOWN:?}");
                }
            }
            match answer(&book, line.trim_ascii(), usage_only) {
                Ok(fields) => writeln!(output, r#"{{"id":{id},{fields}}}"#)?,
                Err(error) => {
                    let error = Value::from(error.to_string());
                    writeln!(output, r#"{{"id":{id},"error":{error}}}"#)?;
                }
            }
        }
        line.clear();
    }
    Ok(output.flush()?)
}

fn unknown_keys(line: &[u8]) -> Vec<String> {
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_slice(line).unwrap_or_default();
    fields.into_keys().filter(|key| !KNOWN.contains(&key.as_str())).collect()
}

/// The prices, and whether they are wanted at all.
fn arguments(
    mut arguments: impl Iterator<Item = String>,
) -> Result<(PriceBook, bool), Box<dyn Error>> {
    let (mut book, mut usage_only) = (PriceBook::builtin(), false);
    while let Some(argument) = arguments.next() {
        let file = match argument.as_str() {
            "--prices" => arguments.next().ok_or("`--prices` needs a file")?,
            "--usage-only" => {
                usage_only = true;
                continue;
            }
            other => {
                let known = "`--prices FILE` and `--usage-only` are";
                return Err(format!("`{other}` is not known; {known}").into());
            }
        };
        let bytes = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        let list = PriceBook::from_list(bytes).map_err(|error| format!("{file}: {error}"))?;
        eprintln!("{file}: {list}");
        book.merge(&list.book);
    }
    Ok((book, usage_only))
}

/// The fields of the answer, behind its id.
fn answer(book: &PriceBook, line: &[u8], usage_only: bool) -> Result<String, Box<dyn Error>> {
    let call: Call<'_> = serde_json::from_slice(line)?;
    let bill = match (call.usage, call.response) {
        (Some(usage), None) => Bill::new(usage),
        (None, Some(response)) => bill_of(response)?,
        _ => return Err("a line needs either `usage` or `response`".into()),
    };
    let model = json!(bill.model.as_ref().or(call.model.as_ref()));
    let usage = serde_json::to_string(&bill.usage)?;
    if usage_only {
        let confidence = bill.confidence;
        return Ok(format!(r#""model":{model},"usage":{usage},"confidence":"{confidence}""#));
    }
    let (cost, confidence) = cost(book, &call, bill)?;
    let cost = format!(r#""cost_usd":"{}""#, cost.exact());
    Ok(match call.response {
        None => cost,
        Some(_) => {
            format!(r#""model":{model},"usage":{usage},{cost},"confidence":"{confidence}""#)
        }
    })
}

/// What a response says, be it JSON or a text of JSON or events.
fn bill_of(response: &RawValue) -> Result<Bill, Box<dyn Error>> {
    let bill = match serde_json::from_str::<String>(response.get()) {
        Ok(text) => Bill::from_response(&text)?,
        Err(_) => Bill::from_response(response.get())?,
    };
    bill.ok_or_else(|| "the response says nothing of usage".into())
}

fn cost(
    book: &PriceBook,
    call: &Call<'_>,
    bill: Bill,
) -> Result<(Usd, Confidence), Box<dyn Error>> {
    let at = match &call.at {
        Some(text) => moment(text)?,
        None => SystemClock::new().now(),
    };
    let service = call.service.as_deref().map_or(Service::Standard, Service::from);
    let terms = Terms { service, regional: call.regional.unwrap_or(false) };
    let (asked, bill) = asked(book, call, bill)?;
    let priced = book.price_bill(&bill, asked.as_slice(), &terms, at);
    match priced.unpriced {
        None => Ok((priced.cost, priced.confidence)),
        Some(why) => Err(why.into()),
    }
}

/// The model that was asked, and the bill as it is priced. The model is that of the line, as the
/// provider of the line sells it; without one it is that of the answer. A name in the answer that is
/// not known is another name of the model of the line.
fn asked(
    book: &PriceBook,
    call: &Call<'_>,
    bill: Bill,
) -> Result<(Option<Model>, Bill), Box<dyn Error>> {
    let find = |name: &str| match &call.provider {
        Some(provider) => book.find_in(provider, name),
        None => book.find(name),
    };
    let anonymous = |mut bill: Bill| {
        bill.model = None;
        bill
    };
    let has_price = bill.reported_cost.is_some() || bill.unbilled_since.is_some();
    let asked = call.model.as_deref().map(find);
    if let Some(Ok(asked)) = asked {
        let provider = asked.price().provider();
        let known = bill.model.as_deref().map(|name| book.find_from(provider, name).is_ok());
        let bill = if known == Some(false) { anonymous(bill) } else { bill };
        return Ok((Some(asked), bill));
    }
    match (bill.model.as_deref().map(find), asked) {
        (Some(Ok(answered)), _) => Ok((Some(answered), anonymous(bill))),
        _ if has_price => Ok((None, bill)),
        (Some(Err(unknown)), _) | (None, Some(Err(unknown))) => Err(unknown.into()),
        _ => Err("no `model` is named".into()),
    }
}

fn moment(text: &str) -> Result<Timestamp, Box<dyn Error>> {
    match text.parse::<Date>() {
        Ok(day) => Ok(day.start()),
        Err(_) => Ok(text.parse::<Timestamp>()?),
    }
}
