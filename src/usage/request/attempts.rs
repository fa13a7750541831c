//! [`Attempt`]: a fallback model that a request names.

use crate::usage::error::UsageError;
use crate::usage::json::Json;
use crate::usage::tokens::Heuristic;

use super::fields::Reader;
use super::{Request, RequestError, is_model};

/// A fallback model, and the request as it would be sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Where it is named: `fallbacks[0]`.
    pub(crate) field: String,
    /// The model's name; for an entry without one, its JSON: `"default"`.
    pub(crate) model: String,
    /// Whether it may be billed in addition to the others, not instead of them.
    pub(crate) is_added: bool,
    /// Whether it has an output cap of its own.
    pub(crate) has_own_cap: bool,
    /// The same request, as this model would be asked.
    pub(crate) request: Request,
}

/// Fields that list models to try when the one before declined or failed. Anthropic bills a
/// declined attempt that produced output, and `LiteLLM` ("Client-Side Fallbacks") retries after a
/// timeout, which the provider may have billed: so all of them are held.
const ADDED: &[&str] = &["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];

/// True if a field names fallback models.
pub(super) fn names_models(field: &str) -> bool {
    ADDED.contains(&field)
        || matches!(field, "models" | "providerOptions" | "provider_options" | "route")
}

/// The fallback models of a request, in the order of the body.
pub(super) fn attempts(body: Json<'_>) -> Result<Vec<Attempt>, RequestError> {
    let mut found = Vec::new();
    each_list(body, |field, list, is_added| {
        if !list.is_array() {
            found.push(attempt(body, field.to_owned(), list, is_added)?);
            return Ok(());
        }
        for (index, entry) in list.items().enumerate() {
            found.push(attempt(body, format!("{field}[{index}]"), entry?, is_added)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// The first model of `models`, which OpenRouter uses if `model` is left out.
pub(super) fn first_of_models(body: Json<'_>) -> Option<String> {
    body.field("models")?.items().flatten().find_map(Json::string).map(Into::into)
}

/// Calls `take` with every list of models in a body, of any API or relay.
fn each_list<'j>(
    body: Json<'j>,
    mut take: impl FnMut(&str, Json<'j>, bool) -> Result<(), UsageError>,
) -> Result<(), UsageError> {
    for field in body.fields() {
        let (name, value) = field?;
        match &*name {
            _ if value.is_null() => {}
            // OpenRouter bills the model that was ultimately used ("Model Fallbacks").
            "models" => take(&name, value, false)?,
            _ if ADDED.contains(&&*name) => take(&name, value, true)?,
            // Anthropic bills what an advisor used at the advisor's own price.
            "tools" => {
                for (index, tool) in value.items().enumerate() {
                    let tool = tool?;
                    let kind = tool.field("type").and_then(Json::string);
                    let is_advisor = kind.is_some_and(|kind| kind.starts_with("advisor"));
                    if let Some(model) = tool.field("model").filter(|_| is_advisor) {
                        take(&format!("tools[{index}]"), model, true)?;
                    }
                }
            }
            // Vercel's gateway bills the one that answered.
            "providerOptions" | "provider_options" => {
                let models = value.field("gateway").and_then(|gateway| gateway.field("models"));
                if let Some(models) = models {
                    take(&format!("{name}.gateway.models"), models, false)?;
                }
            }
            "extra_body" | "additionalModelRequestFields" => {
                for field in value.fields() {
                    let (inner, list) = field?;
                    let is_added = ADDED.contains(&&*inner);
                    if !list.is_null() && (inner == "models" || is_added) {
                        take(&format!("{name}.{inner}"), list, is_added)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
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

/// True if an attempt replaces this field of the body.
pub(super) fn is_replaced(name: &str, instead: Option<Json<'_>>) -> bool {
    instead.is_some_and(|instead| is_model(name) || instead.field(name).is_some())
}
