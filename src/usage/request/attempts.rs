//! [`Attempt`]: a further model that a request names, to answer if the first one does not.

use crate::usage::error::UsageError;
use crate::usage::json::Json;
use crate::usage::tokens::Heuristic;

use super::fields::Reader;
use super::{Request, RequestError, is_model};

/// A further model that a request names, and what the call would cost there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Where it is named: `fallbacks[0]`.
    pub(crate) field: String,
    /// The name; for what names no model, what stands there: `"default"`.
    pub(crate) model: String,
    /// Whether it may be billed beside the others, not in their stead.
    pub(crate) is_added: bool,
    /// Whether it brings an output cap of its own.
    pub(crate) has_own_cap: bool,
    /// The same request, as this model would be asked.
    pub(crate) request: Request,
}

/// Fields that list models which are asked when the one before declined or failed. Anthropic bills a
/// declined attempt that produced output, and `LiteLLM` ("Client-Side Fallbacks") asks anew after a
/// timeout, which the provider may have billed: so all of them are held.
const ADDED: &[&str] = &["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];

/// Whether a field names further models.
pub(super) fn names_models(field: &str) -> bool {
    ADDED.contains(&field)
        || matches!(field, "models" | "providerOptions" | "provider_options" | "route")
}

/// The further models of a request, in the order in which they are named.
pub(super) fn attempts(body: Json<'_>) -> Result<Vec<Attempt>, RequestError> {
    let mut found = Vec::new();
    each_list(body, |field, list, is_added| {
        if !list.is_array() {
            found.push(attempt(body, field.to_owned(), list, is_added)?);
            return Ok(());
        }
        let mut index = 0;
        list.items(|entry| {
            found.push(attempt(body, format!("{field}[{index}]"), entry, is_added)?);
            index += 1;
            Ok(())
        })
    })?;
    Ok(found)
}

/// The first model of `models`: OpenRouter asks it where `model` is left out.
pub(super) fn first_of_models(body: Json<'_>) -> Option<String> {
    let mut first = None;
    let read = body.field("models")?.items(|entry| {
        first = first.take().or_else(|| entry.string().map(Into::into));
        Ok(())
    });
    read.ok().and(first)
}

/// Every list of models in a body, whoever reads it.
fn each_list<'j>(
    body: Json<'j>,
    mut take: impl FnMut(&str, Json<'j>, bool) -> Result<(), UsageError>,
) -> Result<(), UsageError> {
    body.fields(|name, value| match name {
        _ if value.is_null() => Ok(()),
        // OpenRouter bills the model that was ultimately used ("Model Fallbacks").
        "models" => take(name, value, false),
        _ if ADDED.contains(&name) => take(name, value, true),
        "providerOptions" | "provider_options" => {
            // Vercel's gateway bills the one that answered.
            match value.field("gateway").and_then(|gateway| gateway.field("models")) {
                Some(models) => take(&format!("{name}.gateway.models"), models, false),
                None => Ok(()),
            }
        }
        "extra_body" | "additionalModelRequestFields" => value.fields(|inner, list| {
            let field = format!("{name}.{inner}");
            match inner {
                _ if list.is_null() => Ok(()),
                "models" => take(&field, list, false),
                _ if ADDED.contains(&inner) => take(&field, list, true),
                _ => Ok(()),
            }
        }),
        _ => Ok(()),
    })
}

fn attempt(
    body: Json<'_>,
    field: String,
    entry: Json<'_>,
    is_added: bool,
) -> Result<Attempt, UsageError> {
    let named = entry.string().or_else(|| entry.field("model")?.string());
    let model = named.map_or_else(|| entry.quoted(), Into::into);
    let counter = Heuristic::for_model(&model);
    let instead = Some(entry).filter(|entry| entry.is_object());
    let has_own_cap = ["max_tokens", "max_completion_tokens", "max_output_tokens"]
        .iter()
        .any(|cap| entry.field(cap).is_some());
    let request = Reader::new(&model, &counter).read_once(body, instead)?;
    Ok(Attempt { field, model, is_added, has_own_cap, request })
}

/// Whether a field of the body is left to what an attempt says instead.
pub(super) fn is_replaced(name: &str, instead: Option<Json<'_>>) -> bool {
    instead.is_some_and(|instead| is_model(name) || instead.field(name).is_some())
}
