//! Owns one count of a usage object: reading it, checking it, and the money beside it.

use crate::money::{Usd, parse_rounded, parse_scaled};

use super::error::UsageError;
use super::json::Json;
use super::{Service, Usage};

/// A count, and the field that it was read from. Absent and null are not zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    at: &'static str,
    name: &'static str,
    count: Option<u64>,
}

impl Count {
    /// Reads the field `name` of the object `at` (empty: of the body itself).
    ///
    /// Where a count has two names, the larger wins: servers that know only one leave the other
    /// at zero.
    pub(super) fn read(
        &mut self,
        at: &'static str,
        name: &'static str,
        value: Json<'_>,
    ) -> Result<(), UsageError> {
        let Some(count) = count(at, name, value)? else { return Ok(()) };
        let has_two_names = self.count.is_some() && (self.at, self.name) != (at, name);
        if !has_two_names || self.count < Some(count) {
            *self = Count { at, name, count: Some(count) };
        }
        Ok(())
    }

    /// Adds the field `name` of the object `at` to what was read before.
    pub(super) fn add(
        &mut self,
        at: &'static str,
        name: &'static str,
        value: Json<'_>,
    ) -> Result<(), UsageError> {
        if let Some(more) = count(at, name, value)? {
            *self = Count { at, name, count: Some(self.or_zero().saturating_add(more)) };
        }
        Ok(())
    }

    pub(super) fn said(self) -> Option<u64> {
        self.count
    }

    pub(super) fn or_zero(self) -> u64 {
        self.count.unwrap_or(0)
    }

    /// The count, if `whole` can contain it. A whole that was not said contains anything.
    pub(super) fn within(self, whole: Count) -> Result<u64, UsageError> {
        match (self.count, whole.count) {
            (Some(part), Some(of)) if part > of => Err(UsageError::PartExceedsWhole {
                part: self.path(),
                part_count: part,
                whole: whole.path(),
                whole_count: of,
            }),
            _ => Ok(self.or_zero()),
        }
    }

    /// This count and a disjoint other one, as one part of something.
    pub(super) fn and(self, other: Count) -> Count {
        match (self.count, other.count) {
            (_, None | Some(0)) => self,
            (None | Some(0), _) => other,
            (Some(one), Some(two)) => Count { count: Some(one.saturating_add(two)), ..self },
        }
    }

    /// This count, or the other one if this was not said.
    pub(super) fn or(self, other: Count) -> Count {
        if self.count.is_some() { self } else { other }
    }

    /// The same field with another count: what a whole comes to once something is known on top.
    pub(super) fn of(self, count: u64) -> Count {
        Count { count: Some(count), ..self }
    }

    fn path(self) -> String {
        path(self.at, self.name)
    }
}

fn path(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// A number of tokens, requests or searches: a whole number, written in any way (Cohere writes
/// `412.0`).
pub(super) fn count(at: &str, name: &str, value: Json<'_>) -> Result<Option<u64>, UsageError> {
    if value.is_null() {
        return Ok(None);
    }
    value
        .number()
        .and_then(|text| match text.parse() {
            Ok(plain) => Some(plain),
            Err(_) => parse_scaled(&text, 0).ok().and_then(|whole| u64::try_from(whole).ok()),
        })
        .filter(|&count| count <= Usage::MAX_COUNT)
        .map(Some)
        .ok_or_else(|| UsageError::NotACount { field: path(at, name), found: value.quoted() })
}

/// An amount of dollars in units of `10^-places`, taken from the digits as they were sent and
/// rounded half to even to whole picodollars: providers send the debris of their floats
/// (`0.00014135999999999998`). Absent and null are no amount.
pub(super) fn dollars(
    field: &'static str,
    value: Json<'_>,
    places: i64,
) -> Result<Option<Usd>, UsageError> {
    if value.is_null() {
        return Ok(None);
    }
    match value.number().and_then(|text| parse_rounded(&text, 12_i64.saturating_sub(places))) {
        Some(pico) => Ok(Some(Usd::from_pico(pico))),
        None => Err(UsageError::NotMoney { field: field.to_owned(), found: value.quoted() }),
    }
}

/// The tier that a provider says it has billed; `None` if what it says is not one (`auto`).
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
