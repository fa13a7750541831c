//! [`PaidTools`]: counts the tool calls that a provider runs and bills beside the tokens, where they
//! appear in the answer and not in its usage object.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::error::UsageError;
use super::json::Json;
use super::raw::count;
use super::{Bucket, Usage};

/// The paid tool calls of one answer, each counted once, however often events repeat it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PaidTools {
    /// By their ids: searches in the web and in files, containers.
    calls: BTreeSet<(usize, u64)>,
    /// The number of searches, where the answer states it; it wins over the items.
    counted_searches: Option<u64>,
    /// Unique queries (Gemini).
    queries: BTreeSet<u64>,
    used_maps: bool,
    shows_image: bool,
    /// Billed, but without a bucket: noun phrases.
    unpriced: Vec<&'static str>,
}

/// Calls that cost their tokens alone, because the caller runs them, or because the tool is the
/// caller's. (<https://platform.openai.com/docs/pricing>, "Built-in tools")
/// xAI counts its `x_search_call` in the usage object.
#[rustfmt::skip]
const FREE_CALLS: [&str; 9] = [
    "apply_patch_call", "computer_call", "custom_tool_call", "function_call", "local_shell_call",
    "mcp_call", "shell_call", "tool_search_call", "x_search_call",
];

impl PaidTools {
    /// Adds the items of a Responses API output.
    ///
    /// Opening a page, or finding something in it, is part of a search. A container of the code
    /// interpreter is billed once, however often it is called.
    /// (<https://platform.openai.com/docs/pricing>, "Built-in tools")
    pub(super) fn add_output(&mut self, output: Json<'_>) -> Result<(), UsageError> {
        output.items().zip(1..).try_for_each(|(item, place)| self.add_item(item?, place))
    }

    /// Adds one item of an output. An item without an id is identified by its place.
    pub(super) fn add_item(&mut self, item: Json<'_>, place: u64) -> Result<(), UsageError> {
        let (mut kind, mut id, mut container, mut is_search) = (None, None, None, true);
        let mut is_hosted = false;
        for field in item.fields() {
            let (name, value) = field?;
            match &*name {
                "type" => kind = value.string(),
                "id" => id = value.string(),
                "container_id" => container = value.string(),
                "environment" => {
                    let kind = value.field("type").and_then(Json::string);
                    is_hosted = kind.is_some_and(|kind| kind.starts_with("container"));
                }
                "action" => {
                    let kind = value.field("type").and_then(Json::string);
                    is_search = kind.is_none_or(|kind| kind == "search");
                }
                _ => {}
            }
        }
        let id = id.filter(|id| !id.is_empty()).map_or_else(|| hashed(&place), |id| hashed(&id));
        match kind.as_deref() {
            Some("web_search_call") if is_search => self.add_call(Bucket::WebSearchRequests, id),
            Some("file_search_call") => self.add_call(Bucket::FileSearchRequests, id),
            Some("code_interpreter_call") => {
                let container = container.map_or(id, |container| hashed(&container));
                self.add_call(Bucket::CodeContainers, container);
            }
            Some("image_generation_call") => self.add_unpriced("generated images"),
            // A shell that the provider hosts runs in a container; the caller's own does not.
            Some("shell_call") if is_hosted => self.add_unpriced("containers of a shell"),
            Some(other)
                if other.ends_with("_call")
                    && other != "web_search_call"
                    && !FREE_CALLS.contains(&other) =>
            {
                self.add_unpriced("a tool that this version does not know");
            }
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
        candidates.items().try_for_each(|candidate| self.add_candidate(candidate?))
    }

    /// Adds what one candidate is grounded in, and whether it shows an image.
    pub(super) fn add_candidate(&mut self, candidate: Json<'_>) -> Result<(), UsageError> {
        let (mut grounding, mut names_urls) = (None, false);
        // Google's SDK for Python writes the names in its own way.
        for field in candidate.fields() {
            let (name, value) = field?;
            match &*name {
                "groundingMetadata" | "grounding_metadata" => grounding = Some(value),
                "urlContextMetadata" | "url_context_metadata" => names_urls = !value.is_null(),
                "content" => {
                    let parts = value.field("parts").into_iter().flat_map(Json::items);
                    for part in parts {
                        self.add_part(part?);
                    }
                }
                _ => {}
            }
        }
        let Some(grounding) = grounding else { return Ok(()) };
        let (mut has_sources, mut has_queries) = (false, false);
        for field in grounding.fields() {
            let (name, value) = field?;
            match &*name {
                "webSearchQueries" | "web_search_queries" | "imageSearchQueries" => {
                    for query in value.items() {
                        let text = query?.string().filter(|text| !text.trim().is_empty());
                        if let Some(text) = text {
                            has_queries = true;
                            self.queries.insert(hashed(&(name == "imageSearchQueries", text)));
                        }
                    }
                }
                "groundingChunks" | "grounding_chunks" => {
                    for chunk in value.items() {
                        let chunk = chunk?;
                        self.used_maps |= chunk.field("maps").is_some();
                        has_sources |= chunk.field("web").is_some();
                    }
                }
                "googleMapsWidgetContextToken" | "google_maps_widget_context_token" => {
                    self.used_maps |= !value.is_null();
                }
                "searchEntryPoint" | "search_entry_point" => has_sources |= !value.is_null(),
                _ => {}
            }
        }
        // Pages that the prompt names are read without a search.
        if has_sources && !has_queries && !names_urls {
            self.add_unpriced("searches that are not listed");
        }
        Ok(())
    }

    /// Notes an image that the model has made.
    fn add_part(&mut self, part: Json<'_>) {
        let data = part.field("inlineData").or(part.field("inline_data"));
        let kind =
            data.and_then(|data| data.field("mimeType").or(data.field("mime_type"))?.string());
        self.shows_image |= kind.is_some_and(|kind| kind.starts_with("image/"));
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == PaidTools::default()
    }

    /// True if the model has made an image, of which the provider counts the tokens.
    pub(super) fn shows_image(&self) -> bool {
        self.shows_image
    }

    /// Adds the calls in other events of the same answer.
    pub(super) fn join(&mut self, other: PaidTools) {
        self.calls.extend(other.calls);
        self.counted_searches = self.counted_searches.or(other.counted_searches);
        self.queries.extend(other.queries);
        self.used_maps |= other.used_maps;
        self.shows_image |= other.shows_image;
        other.unpriced.into_iter().for_each(|what| self.add_unpriced(what));
    }

    fn add_call(&mut self, bucket: Bucket, id: u64) {
        self.calls.insert((bucket as usize, id));
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
        let most = |usage: &mut Usage, bucket: Bucket, count: u64| {
            usage.set(bucket, usage.get(bucket).max(count));
        };
        // Each call, once.
        for bucket in [Bucket::FileSearchRequests, Bucket::CodeContainers] {
            most(usage, bucket, self.number(bucket));
        }
        most(usage, Bucket::MapsRequests, u64::from(self.used_maps));
        // Before Gemini 3 a prompt that was grounded in any query has one fee.
        let is_per_prompt = model.is_some_and(|model| {
            let model = model.rsplit('/').next().unwrap_or(model);
            ["gemini-1", "gemini-2"].iter().any(|old| model.starts_with(old))
        });
        let queries = self.queries.len() as u64;
        let queries = if is_per_prompt { queries.min(1) } else { queries };
        let searches = self.counted_searches.unwrap_or(self.number(Bucket::WebSearchRequests));
        most(usage, Bucket::WebSearchRequests, searches.max(queries));
    }

    fn number(&self, bucket: Bucket) -> u64 {
        self.calls.iter().filter(|(of, _)| *of == bucket as usize).count() as u64
    }
}

/// Hashes an id. The hash is stable within one process only.
pub(super) fn hashed(id: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
