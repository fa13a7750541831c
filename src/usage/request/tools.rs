//! What tools and schemas add to the input, and which tools the provider runs itself.

use crate::usage::error::UsageError;
use crate::usage::json::{Json, Place};
use crate::usage::raw::count;

use super::fields::Reader;

type Read = Result<(), UsageError>;

/// For the prompt or the schema of a tool that the provider keeps to itself.
const HIDDEN_PROMPT: u64 = 1_000;

/// Tokens for each byte of a schema on Claude, which reads it in a form of its own. Nested schemas
/// were billed at up to 1.875 a byte (measured in 2026), so bytes are not a bound there.
const CLAUDE_TOKENS_PER_BYTE: u64 = 2;

impl Reader<'_> {
    pub(super) fn tools(&mut self, tools: Json<'_>, place: Place<'_>) -> Read {
        let mut has_any = tools.is_object();
        if has_any {
            self.tool(tools, place)?; // Google takes a single one
        }
        for (index, tool) in tools.items().enumerate() {
            has_any = true;
            self.tool(tool?, Place::Item(&place, index))?;
        }
        if has_any {
            self.add(self.framing.any_tools);
        }
        Ok(())
    }

    fn tool(&mut self, tool: Json<'_>, place: Place<'_>) -> Read {
        self.add(self.framing.per_tool);
        self.marks(tool)?;
        let kind = tool.field("type").and_then(Json::string);
        match kind.as_deref() {
            None | Some("function" | "custom") => self.schema_text(tool),
            Some(kind) if RUN_BY_THE_CALLER.iter().any(|start| kind.starts_with(start)) => {
                self.schema_text(tool);
                self.add(HIDDEN_PROMPT);
            }
            Some(kind) => {
                let fees = &mut self.request.fees;
                if kind.starts_with("web_search") || kind == "x_search" {
                    fees.searches_web = true;
                    self.searches(tool.field("max_uses"))?;
                } else if kind == "file_search" {
                    fees.searches_files = true;
                    self.searches(None)?;
                } else if kind.starts_with("advisor") {
                    self.names_models = true; // asked at its own price, beside the model
                } else if kind == "code_interpreter" {
                    fees.containers = fees.containers.saturating_add(1);
                }
                self.provided(tool, place);
            }
        }
        if kind.is_some() {
            return Ok(());
        }
        for field in tool.fields() {
            let (name, value) = field?;
            match &*name {
                "googleSearch"
                | "google_search"
                | "googleSearchRetrieval"
                | "systemTool"
                | "google_search_retrieval"
                | "enterpriseWebSearch" => {
                    self.request.fees.searches_web = true;
                    self.searches(None)?;
                    self.provided(value, place);
                }
                // Billed once for a prompt, however often the map is asked.
                "googleMaps" | "google_maps" => {
                    self.request.fees.maps = 1;
                    self.provided(value, place);
                }
                "codeExecution" | "code_execution" | "urlContext" | "url_context"
                | "fileSearch" | "file_search" | "retrieval" | "mcpServers" => {
                    self.provided(value, place);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A tool that the provider runs.
    fn provided(&mut self, tool: Json<'_>, place: Place<'_>) {
        self.schema_text(tool);
        self.add(HIDDEN_PROMPT);
        self.runs_tools(place);
    }

    fn searches(&mut self, max_uses: Option<Json<'_>>) -> Read {
        let uses = max_uses.map(|uses| count("tools", "max_uses", uses)).transpose()?.flatten();
        match uses {
            Some(uses) => {
                self.searches.bounded = self.searches.bounded.saturating_add(uses);
            }
            None => self.searches.has_unbounded = true,
        }
        Ok(())
    }

    /// A schema for the output. Claude reads it in a hidden prompt.
    pub(super) fn schema(&mut self, name: &str, value: Json<'_>) {
        if !value.is_object() {
            return;
        }
        self.schema_text(value);
        let is_plain =
            !self.is_claude || (name != "output_format" && value.field("format").is_none());
        self.add(if is_plain { SCHEMA } else { self.framing.any_tools.max(SCHEMA) });
    }

    /// The JSON of a tool or a schema.
    fn schema_text(&mut self, value: Json<'_>) {
        let text = value.text();
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let tokens = self.counter.upper_bound(&text);
        let least = if self.is_claude { bytes.saturating_mul(CLAUDE_TOKENS_PER_BYTE) } else { 0 };
        self.add(tokens.max(least));
    }
}

/// For having an output schema at all.
const SCHEMA: u64 = 32;

/// Tools whose schema the provider knows, and which the caller runs.
const RUN_BY_THE_CALLER: &[&str] =
    &["bash_", "text_editor_", "computer", "memory_", "local_shell", "shell", "apply_patch"];
