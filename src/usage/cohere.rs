//! Owns the usage of Cohere's v2 chat, and of its embeddings.
//!
//! `billed_units` are what is billed, `tokens` what the model saw; all are JSON decimals. Search
//! units of a rerank are requests with a fee of their own.

use super::counts::Count;
use super::error::UsageError;
use super::json::Json;
use super::{Bill, Usage};

/// The bill in a usage (or `meta`) object; `None` if it holds no counts.
pub(super) fn bill(usage: Json<'_>) -> Result<Option<Bill>, UsageError> {
    let mut billed = Units::default();
    let mut seen = Units::default();
    usage.fields(|name, value| match name {
        "billed_units" => {
            value.fields(|name, value| billed.field("usage.billed_units", name, value))
        }
        "tokens" => value.fields(|name, value| seen.field("usage.tokens", name, value)),
        _ => Ok(()),
    })?;
    Ok(billed.usage().or(seen.usage()).map(Bill::new))
}

#[derive(Clone, Copy, Default)]
struct Units {
    input: Count,
    output: Count,
    searches: Count,
}

impl Units {
    fn field(&mut self, at: &'static str, name: &str, value: Json<'_>) -> Result<(), UsageError> {
        match name {
            "input_tokens" => self.input.read(at, "input_tokens", value),
            "output_tokens" => self.output.read(at, "output_tokens", value),
            "search_units" => self.searches.read(at, "search_units", value),
            _ => Ok(()),
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.input.or(self.output).or(self.searches).said()?;
        Some(Usage {
            input_uncached: self.input.or_zero(),
            output: self.output.or_zero(),
            requests: self.searches.or_zero(),
            ..Usage::NONE
        })
    }
}
