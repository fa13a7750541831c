//! Owns what tools and schemas add to the input, and which tools the provider runs itself.

use crate::usage::error::UsageError;
use crate::usage::json::Json;
use crate::usage::raw::count;

use super::content::Place;
use super::fields::Reader;

type Read = Result<(), UsageError>;

/// For each tool, beside the text of its JSON. OpenAI's cookbook counts at most 12 around a
/// function, and less than its JSON for the rest.
const PER_TOOL: u64 = 16;

/// For having tools or a schema at all.
const ANY_TOOLS: u64 = 32;

/// For a prompt or a schema that the provider keeps to itself.
const HIDDEN_PROMPT: u64 = 1_000;

impl Reader<'_> {
    pub(super) fn tools(&mut self, tools: Json<'_>, place: Place<'_>) -> Read {
        let mut index = 0;
        tools.items(|tool| {
            index += 1;
            self.tool(tool, Place::Item(&place, index - 1))
        })?;
        if index > 0 {
            self.add(if self.is_claude { HIDDEN_PROMPT } else { ANY_TOOLS });
        }
        Ok(())
    }

    fn tool(&mut self, tool: Json<'_>, place: Place<'_>) -> Read {
        self.add(PER_TOOL);
        self.marks(tool)?;
        let kind = tool.field("type").and_then(Json::string);
        match kind.as_deref() {
            None => self.json(tool),
            Some("function" | "custom") => self.json(tool),
            Some(kind) if RUN_BY_THE_CALLER.iter().any(|start| kind.starts_with(start)) => {
                self.json(tool);
                self.add(HIDDEN_PROMPT);
            }
            Some(kind) => {
                if kind.starts_with("web_search") || kind == "x_search" {
                    self.searches(tool.field("max_uses"))?;
                }
                self.provided(tool, place);
            }
        }
        if kind.is_some() {
            return Ok(());
        }
        tool.fields(|name, value| {
            match name {
                "googleSearch"
                | "google_search"
                | "googleSearchRetrieval"
                | "systemTool"
                | "google_search_retrieval"
                | "enterpriseWebSearch"
                | "googleMaps" => {
                    self.searches(None)?;
                    self.provided(value, place);
                }
                "codeExecution" | "code_execution" | "urlContext" | "url_context"
                | "fileSearch" | "file_search" | "retrieval" | "mcpServers" => {
                    self.provided(value, place);
                }
                _ => {}
            }
            Ok(())
        })
    }

    /// A tool that the provider runs.
    fn provided(&mut self, tool: Json<'_>, place: Place<'_>) {
        self.json(tool);
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

    /// A schema for the output. Claude is told of it in a hidden prompt.
    pub(super) fn schema(&mut self, name: &str, value: Json<'_>) {
        if !value.is_object() {
            return;
        }
        self.json(value);
        let is_told =
            self.is_claude && (name == "output_format" || value.field("format").is_some());
        self.add(if is_told { HIDDEN_PROMPT } else { ANY_TOOLS });
    }
}

/// Tools whose schema the provider knows, and which the caller runs.
const RUN_BY_THE_CALLER: &[&str] =
    &["bash_", "text_editor_", "computer", "memory_", "local_shell", "shell", "apply_patch"];
