//! [`PaidTools`]: counts the tool calls that a provider runs and bills beside the tokens, where they
//! appear in the answer and not in its usage object.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Usage;
use super::error::UsageError;
use super::json::Json;
use super::raw::count;

/// The paid tool calls of one answer, each counted once, however often events repeat it.
#[derive(Clone, Debug, Default)]
pub(super) struct PaidTools {
    searches: BTreeSet<u64>,
    /// The number of searches, where the answer states it; it wins over the items.
    counted_searches: Option<u64>,
    file_searches: BTreeSet<u64>,
    containers: BTreeSet<u64>,
    /// Unique queries (Gemini).
    queries: BTreeSet<u64>,
    used_maps: bool,
    /// Billed, but without a bucket: noun phrases.
    unpriced: Vec<&'static str>,
}

impl PaidTools {
    /// Adds the items of a Responses API output.
    ///
    /// Opening a page, or finding something in it, is part of a search. A container of the code
    /// interpreter is billed once, however often it is called.
    /// (<https://platform.openai.com/docs/pricing>, "Built-in tools")
    pub(super) fn add_output(&mut self, output: Json<'_>) -> Result<(), UsageError> {
        let mut at = 0_u64;
        output.items(|item| {
            at += 1;
            self.add_item(item, at)
        })
    }

    /// Adds one item of an output. An item without an id is identified by its place.
    pub(super) fn add_item(&mut self, item: Json<'_>, place: u64) -> Result<(), UsageError> {
        let (mut kind, mut id, mut container, mut is_search) = (None, None, None, true);
        item.fields(|name, value| {
            match name {
                "type" => kind = value.string(),
                "id" => id = value.string(),
                "container_id" => container = value.string(),
                "action" => {
                    let kind = value.field("type").and_then(Json::string);
                    is_search = kind.is_none_or(|kind| kind == "search");
                }
                _ => {}
            }
            Ok(())
        })?;
        let id = id.filter(|id| !id.is_empty()).map_or_else(|| hashed(&place), |id| hashed(&id));
        match kind.as_deref() {
            Some("web_search_call") if is_search => drop(self.searches.insert(id)),
            Some("file_search_call") => drop(self.file_searches.insert(id)),
            Some("code_interpreter_call") => {
                let container = container.map_or(id, |container| hashed(&container));
                self.containers.insert(container);
            }
            Some("image_generation_call") => self.add_unpriced("generated images"),
            _ => {}
        }
        Ok(())
    }

    /// Adds the counts in `tool_usage`, beside the output.
    pub(super) fn add_counts(&mut self, tool_usage: Json<'_>) -> Result<(), UsageError> {
        let search = tool_usage.field("web_search");
        if let Some(requests) = search.and_then(|search| search.field("num_requests")) {
            self.counted_searches = count("tool_usage.web_search", "num_requests", requests)?;
        }
        Ok(())
    }

    /// Adds the grounding of Gemini's candidates.
    ///
    /// Since Gemini 3 each unique query of a web search has a fee; grounding in Google Maps has one
    /// for each prompt. (<https://ai.google.dev/gemini-api/docs/pricing>)
    pub(super) fn add_candidates(&mut self, candidates: Json<'_>) -> Result<(), UsageError> {
        candidates.items(|candidate| {
            // Google's SDK for Python writes the names in its own way.
            let grounding =
                candidate.field("groundingMetadata").or(candidate.field("grounding_metadata"));
            let Some(grounding) = grounding else { return Ok(()) };
            grounding.fields(|name, value| match name {
                "webSearchQueries" | "web_search_queries" => value.items(|query| {
                    let text = query.string().filter(|text| !text.trim().is_empty());
                    if let Some(text) = text {
                        self.queries.insert(hashed(&text));
                    }
                    Ok(())
                }),
                "groundingChunks" | "grounding_chunks" => value.items(|chunk| {
                    self.used_maps |= chunk.field("maps").is_some();
                    Ok(())
                }),
                "googleMapsWidgetContextToken" | "google_maps_widget_context_token" => {
                    self.used_maps |= !value.is_null();
                    Ok(())
                }
                _ => Ok(()),
            })
        })
    }

    /// Adds the calls in other events of the same answer.
    pub(super) fn join(&mut self, other: PaidTools) {
        self.searches.extend(other.searches);
        self.counted_searches = self.counted_searches.or(other.counted_searches);
        self.file_searches.extend(other.file_searches);
        self.containers.extend(other.containers);
        self.queries.extend(other.queries);
        self.used_maps |= other.used_maps;
        other.unpriced.into_iter().for_each(|what| self.add_unpriced(what));
    }

    fn add_unpriced(&mut self, what: &'static str) {
        if !self.unpriced.contains(&what) {
            self.unpriced.push(what);
        }
    }

    pub(super) fn unpriced(&self) -> &[&'static str] {
        &self.unpriced
    }

    /// Raises the counts of a usage to these, where they are larger.
    pub(super) fn fill(&self, usage: &mut Usage, model: Option<&str>) {
        let number = |set: &BTreeSet<u64>| set.len() as u64;
        // Before Gemini 3 a prompt that was grounded in any query has one fee.
        let is_per_prompt = model.is_some_and(|model| {
            let model = model.rsplit('/').next().unwrap_or(model);
            ["gemini-1", "gemini-2"].iter().any(|old| model.starts_with(old))
        });
        let queries = number(&self.queries);
        let queries = if is_per_prompt { queries.min(1) } else { queries };
        let searches = self.counted_searches.unwrap_or_else(|| number(&self.searches));
        let most = |bucket: &mut u64, count: u64| *bucket = (*bucket).max(count);
        most(&mut usage.web_search_requests, searches.max(queries));
        most(&mut usage.file_search_requests, number(&self.file_searches));
        most(&mut usage.code_containers, number(&self.containers));
        most(&mut usage.maps_requests, u64::from(self.used_maps));
    }
}

/// Hashes an id. The hash is stable within one process only.
pub(super) fn hashed(id: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
