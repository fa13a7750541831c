//! [`RawUsage`]: the contents of an answer's usage objects, field by field, before `rules` decides
//! which counts include which.

use std::ops::Range;

use crate::money::{Usd, parse_rounded, parse_scaled};

use super::doubt::Doubt;
use super::error::UsageError;
use super::json::{Json, Place};
use super::names::{self, Field, Meaning, Name};
use super::rules::{Hint, Hints};
use super::{Service, Usage};

/// How deep an unknown object is searched for numbers.
const MAX_DEPTH: usize = 4;
/// The most doubts that single fields raise of one answer.
const MAX_DOUBTS: usize = 8;

/// The counts, costs and settings of one answer. Absent and null are not zero.
#[derive(Clone, Debug, Default)]
pub(super) struct RawUsage {
    counts: [Option<u64>; Field::COUNT],
    pub(super) hints: Hints,
    cost: Option<Usd>,
    upstream_cost: Option<Usd>,
    is_byok: Option<bool>,
    pub(super) service: Option<Service>,
    pub(super) is_fast: bool,
    pub(super) regional: Option<bool>,
    /// Anthropic's list of the requests behind one answer.
    pub(super) iterations: Vec<Iteration>,
    /// Numbers with unknown names, and what is billed but has no bucket. Each once.
    pub(super) doubts: Vec<Doubt>,
    /// The first field that should be a count or an amount and is neither.
    pub(super) unreadable: Option<UsageError>,
    /// A count was not a whole number.
    pub(super) is_rounded: bool,
}

/// One of the requests behind an answer.
#[derive(Clone, Debug)]
pub(super) struct Iteration {
    pub(super) kind: String,
    pub(super) model: Option<String>,
    pub(super) usage: RawUsage,
}

impl RawUsage {
    /// Reads a usage object that stands in the field `at` of the body.
    ///
    /// # Errors
    /// If the text is not JSON, or if a field is not a count and nothing else can be used.
    pub(super) fn read(at: &str, usage: Json<'_>) -> Result<RawUsage, UsageError> {
        let mut raw = RawUsage::default();
        raw.object(names::USAGE, &Place::Field(at), usage)?;
        raw.usable()
    }

    /// The names in a usage object that are not in the table: they are reported also where nothing
    /// else of the object can be used.
    pub(super) fn unknown_in(at: &str, usage: Json<'_>) -> Vec<Doubt> {
        let mut raw = RawUsage::default();
        let _ = raw.object(names::USAGE, &Place::Field(at), usage);
        raw.doubts.retain(|doubt| matches!(doubt, Doubt::UnknownField { .. }));
        raw.doubts
    }

    /// Reads a count at the top level of the body.
    pub(super) fn read_field(&mut self, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        self.field(names::USAGE, &Place::Body, name, value)
    }

    /// Fails if a field was unreadable and there is no count or cost beside it.
    pub(super) fn usable(mut self) -> Result<RawUsage, UsageError> {
        match self.unreadable.take() {
            Some(error) if !self.has_counts() && self.cost.is_none() => Err(error),
            unreadable => Ok(RawUsage { unreadable, ..self }),
        }
    }

    fn object(
        &mut self,
        table: &'static [Name],
        at: &Place<'_>,
        value: Json<'_>,
    ) -> Result<(), UsageError> {
        let mut fallback = None;
        for field in value.fields() {
            let (name, value) = field?;
            if let Some(Meaning::Fallback(table)) = names::find(table, &name).map(|row| row.meaning)
            {
                fallback = Some((table, value));
            }
            self.field(table, at, &name, value)?;
        }
        match fallback {
            Some((table, value)) if !self.has(Field::Input) && !self.has(Field::Output) => {
                self.object(table, at, value)
            }
            _ => Ok(()),
        }
    }

    fn field(
        &mut self,
        table: &'static [Name],
        at: &Place<'_>,
        name: &str,
        value: Json<'_>,
    ) -> Result<(), UsageError> {
        if value.is_null() {
            return Ok(());
        }
        let at = Place::Within(at, name);
        let Some(row) = names::find(table, name) else {
            return self.unknown(&at, value, MAX_DEPTH);
        };
        if let Some(hint) = row.hint {
            self.hints.add(hint);
        }
        match row.meaning {
            Meaning::Count(_) if name == "inputTokens" && value.is_object() => {
                self.object(names::WHOLE_INPUT, &at, value)?;
            }
            Meaning::Count(_) if name == "outputTokens" && value.is_object() => {
                self.object(names::WHOLE_OUTPUT, &at, value)?;
            }
            Meaning::Count(field) | Meaning::Add(field) => {
                if let Some(count) = self.number(&at, value) {
                    // Where a count has two names in one object, the larger wins: servers that know
                    // only one leave the other at zero.
                    let before = self.or_zero(field);
                    let is_added = matches!(row.meaning, Meaning::Add(_));
                    let sum =
                        if is_added { before.saturating_add(count) } else { before.max(count) };
                    self.set(field, sum);
                }
            }
            Meaning::Unpriced(what) => {
                if self.number(&at, value).is_some_and(|count| count > 0) {
                    self.doubt(Doubt::Uncounted { what: what.to_owned() });
                }
            }
            // Python's SDK of Gemini gives its lists the names of OpenAI's objects.
            Meaning::Object(_) if value.is_array() => {
                let is_input = name.starts_with("prompt") || name.starts_with("input");
                self.hints.add(Hint::Gemini);
                let labels = if is_input { names::IN_BY_MODALITY } else { names::OUT_BY_MODALITY };
                self.labelled(labels, &at, value)?;
            }
            Meaning::Object(table) => self.object(table, &at, value)?,
            Meaning::Labelled(labels) => self.labelled(labels, &at, value)?,
            Meaning::Iterations => self.read_iterations(&at, value)?,
            Meaning::Cost { .. } if value.is_object() => {
                self.hints.add(Hint::Perplexity);
                self.object(names::COST, &at, value)?;
            }
            Meaning::Cost { places } => {
                let cost = self.dollars(&at, value, places);
                self.cost = cost.or(self.cost);
            }
            Meaning::UpstreamCost => {
                let cost = self.dollars(&at, value, 0);
                self.upstream_cost = cost.or(self.upstream_cost);
            }
            Meaning::IsByok => self.is_byok = value.boolean().or(self.is_byok),
            Meaning::Service => self.service = service(value).or(self.service.take()),
            Meaning::Speed => self.is_fast = value.string().as_deref() == Some("fast"),
            Meaning::Geo => {
                // "us" is processed there at a surcharge; "global" and "not_available" are not.
                self.regional = value.string().map(|geo| geo == "us").or(self.regional);
            }
            Meaning::Fallback(_) | Meaning::Known => {}
        }
        Ok(())
    }

    /// Remembers the numbers in an unknown field.
    fn unknown(&mut self, at: &Place<'_>, value: Json<'_>, depth: usize) -> Result<(), UsageError> {
        if depth == 0 {
            return Ok(());
        }
        if value.number().is_some() {
            self.doubt(Doubt::UnknownField { field: at.to_string() });
            return Ok(());
        }
        value.items().try_for_each(|item| self.unknown(at, item?, depth - 1))?;
        value.fields().try_for_each(|field| {
            let (name, value) = field?;
            self.unknown(&Place::Within(at, &name), value, depth - 1)
        })
    }

    fn doubt(&mut self, doubt: Doubt) {
        if self.doubts.len() < MAX_DOUBTS && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    /// A number of tokens, requests or seconds. A part of one counts as a whole one.
    fn number(&mut self, at: &Place<'_>, value: Json<'_>) -> Option<u64> {
        let text = value.number().or_else(|| value.string());
        let read = text.as_deref().and_then(rounded_up);
        match read.filter(|&(count, _)| count <= Usage::MAX_COUNT) {
            Some((count, is_whole)) => {
                self.is_rounded |= !is_whole && !at.to_string().ends_with("econds");
                Some(count)
            }
            None => {
                let (field, found) = (at.to_string(), value.quoted());
                self.unreadable.get_or_insert(UsageError::NotACount { field, found });
                None
            }
        }
    }

    /// An amount of dollars in units of `10^-places`, taken from the digits as they were sent and
    /// rounded half to even to whole picodollars: providers send the debris of their floats
    /// (`0.00014135999999999998`).
    fn dollars(&mut self, at: &Place<'_>, value: Json<'_>, places: i64) -> Option<Usd> {
        let text = value.number().or_else(|| value.string());
        let pico = text.and_then(|text| parse_rounded(&text, 12_i64.saturating_sub(places)));
        let Some(pico) = pico else {
            let (field, found) = (at.to_string(), value.quoted());
            self.unreadable.get_or_insert(UsageError::NotMoney { field, found });
            return None;
        };
        Some(Usd::from_pico(pico))
    }

    /// Reads a list of labelled counts: Gemini's by modality, Bedrock's by lifetime. A label that
    /// has no field is a part of the whole.
    fn labelled(
        &mut self,
        labels: &[(&str, Field)],
        at: &Place<'_>,
        list: Json<'_>,
    ) -> Result<(), UsageError> {
        labels.iter().for_each(|(_, field)| self.set(*field, 0));
        for item in list.items() {
            let (mut label, mut count) = (None, 0);
            for field in item?.fields() {
                let (name, value) = field?;
                match &*name {
                    "modality" | "ttl" => label = value.string(),
                    "tokenCount" | "token_count" | "tokens" | "inputTokens" if !value.is_null() => {
                        let at = Place::Within(at, &name);
                        count = self.number(&at, value).unwrap_or(0);
                    }
                    _ => {}
                }
            }
            let label = label.unwrap_or_default();
            let is_of = |known: &str| known.is_empty() || label.eq_ignore_ascii_case(known);
            if let Some((_, field)) = labels.iter().find(|(known, _)| is_of(known)) {
                self.set(*field, self.or_zero(*field).saturating_add(count));
            }
        }
        Ok(())
    }

    fn read_iterations(&mut self, at: &Place<'_>, list: Json<'_>) -> Result<(), UsageError> {
        self.iterations.clear();
        for item in list.items() {
            let (mut kind, mut model) = (None, None);
            let mut usage = RawUsage::default();
            for field in item?.fields() {
                let (name, value) = field?;
                match &*name {
                    "type" => kind = value.string(),
                    "model" => model = value.string(),
                    // A list inside the list is ignored.
                    "iterations" => {}
                    _ => usage.field(names::USAGE, at, &name, value)?,
                }
            }
            self.unreadable = self.unreadable.take().or_else(|| usage.unreadable.take());
            usage.doubts.drain(..).for_each(|doubt| self.doubt(doubt));
            self.iterations.push(Iteration {
                kind: kind.map(Into::into).unwrap_or_default(),
                model: model.filter(|model| !model.is_empty()).map(Into::into),
                usage,
            });
        }
        Ok(())
    }

    pub(super) fn get(&self, field: Field) -> Option<u64> {
        self.counts[field as usize]
    }

    /// The count, or zero if it is absent.
    pub(super) fn or_zero(&self, field: Field) -> u64 {
        self.get(field).unwrap_or(0)
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.get(field).is_some()
    }

    fn set(&mut self, field: Field, count: u64) {
        self.counts[field as usize] = Some(count);
    }

    /// The sum of some counts, absent ones as zero.
    pub(super) fn sum(&self, fields: &[Field]) -> u64 {
        fields.iter().fold(0, |sum: u64, field| sum.saturating_add(self.or_zero(*field)))
    }

    /// True if there is any count. A part of zero counts nothing where its whole is not stated:
    /// some servers send zeros beside a whole of `null`.
    pub(super) fn has_counts(&self) -> bool {
        WHOLES.iter().any(|whole| self.has(*whole))
            || self.counts.iter().flatten().any(|&it| it > 0)
    }

    /// True if a bill can be made of it.
    pub(super) fn is_stated(&self) -> bool {
        self.has_counts() || self.cost.is_some() || !self.iterations.is_empty()
    }

    /// True if a count of tokens is above zero.
    pub(super) fn has_tokens(&self) -> bool {
        !self.is_zero(INPUT_SIDE) || !self.is_zero(OUTPUT_SIDE)
    }

    pub(super) fn has_output(&self) -> bool {
        self.counts[OUTPUT_SIDE].iter().flatten().any(|count| *count > 0)
    }

    /// True if all counts of this side are zero or absent. Audio and images are inside the whole: of
    /// a whole that is stated as zero they are no more than a contradiction.
    fn is_zero(&self, side: Range<usize>) -> bool {
        let is_whole_stated = self.counts[side.start].is_some();
        let is_inside = |at: &usize| INSIDE.iter().any(|inside| *inside as usize == *at);
        let mut counted = side.filter(|at| !(is_whole_stated && is_inside(at)));
        counted.all(|at| self.counts[at].unwrap_or(0) == 0)
    }

    /// Merges a later frame of the same answer: its fields replace the earlier ones.
    ///
    /// An all-zero side does not replace a side with counts, because servers send frames of zeros
    /// after the true ones. Audio and images that such a frame counts are kept and raise a doubt,
    /// because providers bill them at rates of their own.
    pub(super) fn merge(&mut self, frame: RawUsage) {
        let mut is_changed = false;
        // The counts of each side.
        for side in [INPUT_SIDE, OUTPUT_SIDE] {
            if frame.is_zero(side.clone()) && !self.is_zero(side.clone()) {
                self.keep_parts(&frame, side);
                continue;
            }
            for at in side.filter(|at| frame.counts[*at].is_some()) {
                is_changed |= self.counts[at] != frame.counts[at];
                self.counts[at] = frame.counts[at];
            }
        }
        // Counts beside tokens only grow.
        for at in EVENTS {
            let count = frame.counts[at].filter(|count| *count > self.counts[at].unwrap_or(0));
            self.counts[at] = count.or(self.counts[at]);
        }
        // A total belongs to the counts beside it: new counts without one drop the old.
        match frame.get(Field::Total) {
            Some(total) if total > 0 || !self.has(Field::Total) => self.set(Field::Total, total),
            None if is_changed => self.counts[Field::Total as usize] = None,
            _ => {}
        }
        // Costs and settings.
        let is_cost = |cost: &Usd| !cost.is_zero();
        self.cost = frame.cost.filter(is_cost).or(self.cost).or(frame.cost);
        self.upstream_cost = frame.upstream_cost.or(self.upstream_cost);
        self.is_byok = frame.is_byok.or(self.is_byok);
        self.service = frame.service.or(self.service.take());
        self.is_fast |= frame.is_fast;
        self.regional = frame.regional.or(self.regional);
        self.hints.join(frame.hints);
        if !frame.iterations.is_empty() {
            self.iterations = frame.iterations;
        }
        // What raises doubts.
        frame.doubts.into_iter().for_each(|doubt| self.doubt(doubt));
        self.unreadable = self.unreadable.take().or(frame.unreadable);
        self.is_rounded |= frame.is_rounded;
    }

    /// Keeps the audio and images that a frame counts inside a whole of zero.
    fn keep_parts(&mut self, frame: &RawUsage, side: Range<usize>) {
        for at in side {
            let Some(part @ 1..) = frame.counts[at] else { continue };
            self.counts[at] = self.counts[at].max(Some(part));
            let what = format!("a frame counts {part} tokens of audio or images, and 0 in all");
            self.doubt(Doubt::Contradiction { what });
        }
    }

    /// Drops the output count, which was a placeholder.
    pub(super) fn drop_output(&mut self) {
        self.counts[OUTPUT_SIDE].fill(None);
        self.counts[Field::Total as usize] = None;
    }

    /// The cost that the provider states.
    ///
    /// With the user's own key at the provider behind OpenRouter, `cost` is only the router's fee:
    /// the provider's cost is added to it, and without that there is no stated cost.
    /// (<https://openrouter.ai/docs/use-cases/byok>)
    pub(super) fn stated_cost(&self) -> Option<Usd> {
        let cost = self.cost.filter(|cost| !cost.is_negative());
        let upstream = self.upstream_cost.filter(|cost| !cost.is_negative());
        match (self.is_byok, cost, upstream) {
            // A fee is a part of what the provider takes, which is then not zero.
            (Some(true), Some(fee), Some(Usd::ZERO)) if !fee.is_zero() => None,
            (Some(true), cost, Some(upstream)) => cost.unwrap_or(Usd::ZERO).checked_add(upstream),
            (Some(true), _, None) => None,
            // Whose key it was is not stated. A fee is smaller than the cost it is charged on.
            (None, Some(fee), Some(upstream)) if fee < upstream => fee.checked_add(upstream),
            (_, cost, _) => cost,
        }
    }

    /// The doubts about single fields.
    pub(super) fn doubts(&self) -> impl Iterator<Item = Doubt> + '_ {
        // A cost that is stated has everything in it.
        let is_stated = self.stated_cost().is_some();
        let stays = move |doubt: &&Doubt| !is_stated || !matches!(doubt, Doubt::Uncounted { .. });
        let unreadable = self.unreadable.iter().map(Doubt::from);
        self.doubts.iter().filter(stays).cloned().chain(unreadable)
    }
}

/// The fields of the input, of the output, and the counts beside tokens. The first of a side is the
/// whole.
const INPUT_SIDE: Range<usize> = Field::Input as usize..Field::Output as usize;
const OUTPUT_SIDE: Range<usize> = Field::Output as usize..Field::Total as usize;
const EVENTS: Range<usize> = Field::Seconds as usize..Field::COUNT;

/// The fields that state a whole: of a side, or of the call.
const WHOLES: [Field; 4] = [Field::Input, Field::InputUncached, Field::Output, Field::Total];

/// The fields that are always inside the whole of their side.
const INSIDE: [Field; 6] = [
    Field::InputAudio,
    Field::InputImage,
    Field::CacheReadAudio,
    Field::CacheReadImage,
    Field::OutputAudio,
    Field::OutputImage,
];

/// A non-negative number, rounded up, and whether it was whole: Cohere writes `412.0`.
pub(super) fn rounded_up(text: &str) -> Option<(u64, bool)> {
    if let Ok(plain) = text.parse() {
        return text.bytes().all(|byte| byte.is_ascii_digit()).then_some((plain, true));
    }
    if let Ok(whole) = parse_scaled(text, 0) {
        return u64::try_from(whole).ok().map(|whole| (whole, true));
    }
    // Thousandths, rounded to even; up to the next whole one.
    let thousandths = u64::try_from(parse_rounded(text, 3)?).ok()?;
    Some((thousandths.div_ceil(1_000).max(1), false))
}

/// A whole number of tokens, requests or searches, as a request states it.
pub(super) fn count(at: &str, name: &str, value: Json<'_>) -> Result<Option<u64>, UsageError> {
    if value.is_null() {
        return Ok(None);
    }
    let read = value.number().and_then(|text| rounded_up(&text));
    match read.filter(|&(count, is_whole)| is_whole && count <= Usage::MAX_COUNT) {
        Some((count, _)) => Ok(Some(count)),
        None => {
            let field = Place::Within(&Place::Field(at), name).to_string();
            Err(UsageError::NotACount { field, found: value.quoted() })
        }
    }
}

/// The tier that the provider billed; `None` if the value is not a tier (`auto`).
pub(super) fn service(value: Json<'_>) -> Option<Service> {
    let name = value.string()?.to_ascii_lowercase();
    match name.as_str() {
        "" | "auto" | "traffic_type_unspecified" | "service_tier_unspecified" => None,
        "default" | "standard" | "on_demand" => Some(Service::Standard), // OpenAI, Anthropic, Groq
        "on_demand_flex" => Some(Service::Flex),                         // Vertex
        "on_demand_priority" => Some(Service::Priority),                 // Vertex
        other => Some(Service::from(other)),
    }
}
