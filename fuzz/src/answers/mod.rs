//! The target `answers`: answers of every API form, read by [`Bill::from_response`] and by a
//! [second reader](reader), which have to agree.

pub mod counts;
pub mod reader;
pub mod scene;

use std::collections::BTreeMap;

use bursar::testing::ManualClock;
use bursar::usage::Body;
use bursar::{Bill, BudgetManager, Confidence, Usage, UsageMeter};
use serde_json::Value;

use reader::{Reading, Stated, Sure};
use scene::{Scene, Shape};

/// One answer or stream made of the bytes.
pub fn run(data: &[u8]) {
    if let Err(finding) = check(data) {
        panic!("{}: {}", finding.kind, finding.story);
    }
}

/// Where the two readers differ, or one differs from itself.
#[derive(Debug)]
pub struct Finding {
    pub kind: &'static str,
    pub story: String,
}

/// Makes an answer from the bytes and compares the readers on it.
pub fn check(data: &[u8]) -> Result<(), Finding> {
    let scene = Scene::of(data);
    let text = scene.text();
    let bill = check_text(&text)?;
    check_relations(&scene, &text, bill.as_ref())
}

/// What the rules determine, and what they forbid.
pub fn check_text(text: &str) -> Result<Option<Bill>, Finding> {
    let reading = reader::read(text);
    let read = Bill::from_response(text);
    let found =
        |kind: &'static str| Finding { kind, story: format!("{text}\n{read:?}\n{reading:#?}") };
    let bill = match &read {
        Ok(Some(bill)) => bill,
        _ if reading.is_usable => return Err(found("a usable answer gives no bill")),
        _ => return Ok(None),
    };
    match wrong(bill, &reading) {
        Some(kind) => Err(found(kind)),
        None => Ok(Some(bill.clone())),
    }
}

fn wrong(bill: &Bill, reading: &Reading) -> Option<&'static str> {
    let buckets = buckets(&bill.usage);
    let is_exact = bill.confidence == Confidence::Exact;
    if reading.is_free {
        return (booked(bill) != 0).then_some("what the provider does not bill is billed");
    }
    if bill.model != reading.model {
        return Some("another model");
    }
    let stated = bill.reported_cost.map(|cost| cost.pico());
    match reading.cost {
        Stated::Pico(pico) if stated != Some(pico) => {
            return Some("a stated cost is lost or changed");
        }
        Stated::Nothing if stated.is_some() => return Some("a cost that nobody stated"),
        _ => {}
    }
    let is_doubted = |field: &String| {
        let doubts = serde_json::to_string(&bill.doubts).expect("doubts are data");
        doubts.contains("unknown_field") && doubts.contains(field.as_str())
    };
    if !reading.unknown.iter().all(is_doubted) {
        return Some("silent about a number that nobody reads");
    }
    // With a stated cost the counts are for information.
    if stated.is_none() {
        let is_new = |name: &String| !FIRST_BUCKETS.contains(&name.as_str());
        if is_exact && !reading.uncounted.is_empty() && !buckets.keys().any(is_new) {
            return Some("exact without a fee");
        }
        if is_exact && reading.has_transcription && bill.extra.is_empty() {
            return Some("exact without the transcription");
        }
        if is_exact && reading.exact == Sure::No {
            return Some("exact against the rules");
        }
        let is_known = reading.uncounted.is_empty() && reading.unknown.is_empty();
        if !is_exact && reading.exact == Sure::Yes && is_known {
            return Some("not exact, and nothing is unknown");
        }
    }
    if let Some(most) = reading.at_most {
        if bill.usage.total_tokens() > most {
            return Some("more tokens than the total supports");
        }
    }
    let has_images = reading.uncounted.contains(&counts::IMAGES);
    let is_determined = is_exact || reading.exact == Sure::Yes;
    if let Some(usage) = reading.usage.as_ref().filter(|_| is_determined && !has_images) {
        if !is_same(&buckets, usage, !reading.uncounted.is_empty()) {
            return Some("wrong counts");
        }
        let mut extra = reading.extra.iter();
        let is_extra = |other: &bursar::usage::ModelUsage| {
            extra.next().is_some_and(|(model, usage)| {
                other.model.as_ref() == Some(model)
                    && is_same(&self::buckets(&other.usage), usage, false)
            })
        };
        if !bill.extra.iter().all(is_extra)
            || (extra.next().is_some() && !reading.has_transcription)
        {
            return Some("wrong counts of another model");
        }
    }
    // A side that is known is taken as it is, even if the other is not.
    if reading.input.is_some_and(|input| input > 0 && input != bill.usage.input_tokens()) {
        return Some("a wrong sum of the input");
    }
    if reading.output.is_some_and(|output| output > 0 && output != bill.usage.output_tokens()) {
        return Some("a wrong sum of the output");
    }
    None
}

/// What a bill costs that is settled today, in picodollars.
fn booked(bill: &Bill) -> i128 {
    let clock = ManualClock::at("2026-11-24T12:00:00Z".parse().expect("an instant"));
    let budget = BudgetManager::builder().clock(clock).build().expect("there is no limit");
    let model = budget.model(bill.model.as_deref().unwrap_or("claude-opus-4-8"));
    let estimate = model.expect("it has a price").estimate().input(1).max_output(1);
    budget.reserve("a", &estimate).expect("there is no limit").settle(bill.clone()).cost.pico()
}

/// The buckets that the second reader knows. Later ones are for fees.
const FIRST_BUCKETS: [&str; 13] = [
    "input_uncached",
    "input_audio",
    "cache_read",
    "cache_read_audio",
    "cache_write_5m",
    "cache_write_30m",
    "cache_write_1h",
    "cache_write_12h",
    "output",
    "reasoning",
    "output_audio",
    "requests",
    "web_search_requests",
];

/// What is not zero, by name.
pub fn buckets(usage: &Usage) -> BTreeMap<String, u64> {
    let Ok(Value::Object(fields)) = serde_json::to_value(usage) else { unreachable!("it is data") };
    let count =
        |(name, value): (String, Value)| Some((name, value.as_u64().filter(|count| *count > 0)?));
    fields.into_iter().filter_map(count).collect()
}

fn is_same(bill: &BTreeMap<String, u64>, usage: &reader::Buckets, has_fees: bool) -> bool {
    let mut bill = bill.clone();
    if has_fees {
        bill.retain(|name, _| FIRST_BUCKETS.contains(&name.as_str()));
    }
    let wanted = usage.iter().filter(|(_, count)| **count > 0);
    let mut wanted = wanted.map(|(name, count)| ((*name).to_owned(), *count)).collect();
    if usage.get(counts::ANY_WRITE).is_some_and(|count| *count > 0) {
        add_writes(&mut bill);
        add_writes(&mut wanted);
    }
    bill == wanted
}

/// Cache writes of any lifetime as one.
fn add_writes(usage: &mut BTreeMap<String, u64>) {
    let is_write = |name: &String| name.starts_with(counts::ANY_WRITE);
    let names: Vec<String> = usage.keys().filter(|name| is_write(name)).cloned().collect();
    let writes = names.iter().filter_map(|name| usage.remove(name)).sum();
    usage.insert(counts::ANY_WRITE.to_owned(), writes);
}

/// What must not change a bill.
fn check_relations(scene: &Scene, text: &str, bill: Option<&Bill>) -> Result<(), Finding> {
    let Some(bill) = bill else { return Ok(()) };
    let same = |kind: &'static str, text: &str, other: Option<&Bill>| match other {
        Some(other) if is_like(bill, other) => Ok(()),
        other => Err(Finding { kind, story: format!("{text}\n{bill:?}\n{other:?}") }),
    };
    let read = |text: &str| Bill::from_response(text).ok().flatten();

    let tree: Value = match scene.shape {
        Shape::Body => scene.frames[0].clone(),
        _ => scene.frames.clone().into(),
    };
    let from_tree = Bill::from_response(Body::from(&tree)).ok().flatten();
    if scene.shape != Shape::Events {
        same("a tree is read otherwise", text, from_tree.as_ref())?;
    }
    for order in [0, 7, scene.order ^ 0xff] {
        let other = Scene { order, ..scene.clone() }.text();
        same("the order of names matters", &other, read(&other).as_ref())?;
    }
    if scene.shape == Shape::Body {
        return Ok(());
    }
    for size in [1, 7, 64, 100_000] {
        let mut meter = UsageMeter::new();
        for chunk in text.as_bytes().chunks(size) {
            let _ = meter.push(chunk); // the meter goes on behind what it cannot read
        }
        same("chunks are read otherwise", text, meter.finish().as_ref())?;
    }
    let is_exact = bill.confidence == Confidence::Exact;
    for at in scene.repeats.iter().filter(|_| is_exact) {
        let mut twice = scene.clone();
        twice.frames.insert(at + 1, twice.frames[*at].clone());
        let other = twice.text();
        same("the same frame again changes the bill", &other, read(&other).as_ref())?;
    }
    // Where the rules leave open what is exact, a zero may be taken for a contradiction.
    let is_sure = is_exact && reader::read(text).exact == Sure::Yes;
    if let Some(zeros) = scene.zeros.as_ref().filter(|_| is_sure) {
        let mut more = scene.clone();
        more.frames.push(zeros.clone());
        let other = more.text();
        same("a frame of zeros changes the bill", &other, read(&other).as_ref())?;
    }
    Ok(())
}

/// Equal in all that is booked; doubts may come in another order.
fn is_like(one: &Bill, other: &Bill) -> bool {
    let booked = |bill: &Bill| {
        let mut bill = bill.clone();
        bill.doubts.clear();
        bill
    };
    booked(one) == booked(other)
}
