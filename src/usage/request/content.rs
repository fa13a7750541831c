//! The walk over messages and their parts: what counts as text, and what does not.

use crate::usage::error::UsageError;
use crate::usage::json::{Json, Place};
use crate::usage::messages::{Holds, held_by};

use super::fields::Reader;

type Read = Result<(), UsageError>;

/// What a provider may put around a part of a message.
const PER_PART: u64 = 4;

/// Parts within parts: a result of a tool holds parts, and a search result in it again. Deeper is
/// not known to any API.
const DEEPEST: usize = 6;

/// How many unseen fields are named.
const NAMED: usize = 16;

impl Reader<'_> {
    pub(super) fn messages(&mut self, messages: Json<'_>, place: Place<'_>) -> Read {
        let is_chat = matches!(place, Place::Field("messages"));
        if !messages.is_array() {
            return self.message(messages, place); // Gemini takes a single one
        }
        for (index, message) in messages.items().enumerate() {
            let message = message?;
            if is_chat {
                self.forms.saw_message(message);
            }
            self.message(message, Place::Item(&place, index))?;
        }
        Ok(())
    }

    /// A message, or one of Responses' items that are none.
    pub(super) fn message(&mut self, message: Json<'_>, place: Place<'_>) -> Read {
        let kind = message.field("type").and_then(Json::string);
        if is_by_id(message, kind.as_deref()) {
            self.unseen(place);
        }
        if !message.is_object() || kind.is_some_and(|kind| kind != "message") {
            self.add(self.framing.per_message);
            return self.part(message, place, 0);
        }
        self.add(self.framing.per_message);
        for field in message.fields() {
            let (name, value) = field?;
            match &*name {
                _ if value.is_null() => {}
                // A well-known word, which needs no margin.
                "role" => self.add(self.counter.count(&value.string().unwrap_or_default())),
                "name" => {
                    self.add(self.framing.per_name);
                    self.text(value);
                }
                "content" | "parts" => self.content(value, Place::Within(&place, &name), 0)?,
                "images" => self.each_image(value, place)?,
                "audio" => self.unseen(Place::Within(&place, "audio")), // an earlier answer, by its id
                "cache_control" => self.cache_mark(value),
                _ => self.json_unless_scalar(value),
            }
        }
        Ok(())
    }

    pub(super) fn each_image(&mut self, images: Json<'_>, place: Place<'_>) -> Read {
        images.items().try_for_each(|image| {
            self.image(image?, None, place);
            Ok(())
        })
    }

    /// Text, a part, or several parts.
    pub(super) fn content(&mut self, content: Json<'_>, place: Place<'_>, depth: usize) -> Read {
        if !content.is_array() {
            return self.part(content, place, depth);
        }
        for (index, part) in content.items().enumerate() {
            self.part(part?, Place::Item(&place, index), depth)?;
        }
        Ok(())
    }

    pub(super) fn part(&mut self, part: Json<'_>, place: Place<'_>, depth: usize) -> Read {
        if !part.is_object() {
            self.text(part);
            return Ok(());
        }
        self.add(PER_PART);
        if depth > DEEPEST {
            self.json(part);
            self.unseen(place);
            return Ok(());
        }
        match part.field("type").and_then(Json::string) {
            Some(kind) => {
                self.marks(part)?;
                self.held(&kind, part, place, depth)
            }
            // Gemini's and Bedrock's: the names of the fields are the kinds.
            None => {
                for field in part.fields() {
                    let (name, value) = field?;
                    if !value.is_null() {
                        self.held(&name, value, Place::Within(&place, &name), depth)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// What stands under the name of a field, or the part whose type is that name.
    fn held(&mut self, name: &str, value: Json<'_>, place: Place<'_>, depth: usize) -> Read {
        let within = |names: &[&str]| names.iter().find_map(|name| value.field(name));
        match held_by(name) {
            Some(Holds::Text) if value.is_object() => self.texts(value)?,
            Some(Holds::Text) => self.text(value),
            Some(Holds::Parts) => self.content(value, place, depth + 1)?,
            Some(Holds::Result) => self.nested(value, place, depth)?,
            Some(Holds::Image) => {
                let image = within(&["image_url", "source"]).unwrap_or(value);
                self.image(image, value.field("detail"), place);
            }
            Some(Holds::Audio) => self.audio(within(&["input_audio"]).unwrap_or(value), place),
            Some(Holds::Document) => {
                self.document(within(&["file"]).unwrap_or(value), place, depth)?;
            }
            Some(Holds::Blob) => self.blob(value, place),
            Some(Holds::Video) => self.unseen(place),
            Some(Holds::CacheMark) => self.cache_mark(value),
            Some(Holds::Reasoning | Holds::Call | Holds::Name | Holds::Plain) => {
                self.json_unless_scalar(value);
            }
            Some(Holds::Arguments | Holds::Data) | None => {
                self.json(value);
                self.unseen(place);
            }
        }
        Ok(())
    }

    /// A part that holds parts: their fields, and around them the text of the others.
    pub(super) fn nested(&mut self, part: Json<'_>, place: Place<'_>, depth: usize) -> Read {
        for field in part.fields() {
            let (name, value) = field?;
            match &*name {
                "content" | "output" | "parts" => {
                    self.content(value, Place::Within(&place, &name), depth + 1)?;
                }
                "cache_control" => {}
                _ => self.json_unless_scalar(value),
            }
        }
        Ok(())
    }

    /// The strings of an object as text, all else as JSON.
    fn texts(&mut self, part: Json<'_>) -> Read {
        for field in part.fields() {
            let (name, value) = field?;
            if !matches!(&*name, "type" | "cache_control" | "prompt_cache_breakpoint") {
                self.json_unless_scalar(value);
            }
        }
        Ok(())
    }

    /// Marks for the prompt cache on a part or tool.
    pub(super) fn marks(&mut self, part: Json<'_>) -> Read {
        for field in part.fields() {
            let (name, value) = field?;
            match &*name {
                "cache_control" | "cachePoint" if !value.is_null() => self.cache_mark(value),
                "prompt_cache_breakpoint" => self.request.cache_write_30m = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// A mark for the prompt cache: for 5 minutes, unless it says how long.
    pub(super) fn cache_mark(&mut self, mark: Json<'_>) {
        match mark.field("ttl") {
            Some(ttl) => self.cache_ttl(ttl),
            None => self.request.cache_write_5m = true,
        }
    }

    /// What lives longer costs more; a time that is not known is the longest.
    pub(super) fn cache_ttl(&mut self, ttl: Json<'_>) {
        let request = &mut self.request;
        match ttl.string().as_deref() {
            Some("5m") => request.cache_write_5m = true,
            Some("30m") => request.cache_write_30m = true,
            Some("1h") => request.cache_write_1h = true,
            _ => request.cache_write_12h = true,
        }
    }

    pub(super) fn add(&mut self, tokens: u64) {
        self.request.input = self.request.input.saturating_add(tokens);
    }

    /// A string as the text that it is; anything else as JSON.
    pub(super) fn text(&mut self, value: Json<'_>) {
        match value.string() {
            Some(text) => self.add(self.counter.upper_bound(&text)),
            None => self.json(value),
        }
    }

    /// The text of the JSON itself.
    pub(super) fn json(&mut self, value: Json<'_>) {
        self.add(self.counter.upper_bound(&value.text()));
    }

    /// Text counts; a number, a truth or nothing is a setting.
    pub(super) fn json_unless_scalar(&mut self, value: Json<'_>) {
        if value.number().is_none() && value.boolean().is_none() && !value.is_null() {
            self.text(value);
        }
    }

    pub(super) fn unseen(&mut self, place: Place<'_>) {
        if self.request.unseen.len() < NAMED {
            self.request.unseen.push(place.to_string());
        }
    }

    /// The provider runs a tool: what it reads is unseen, and the model may be asked again.
    pub(super) fn runs_tools(&mut self, place: Place<'_>) {
        self.unseen(place);
        self.request.is_one_prompt = false;
    }
}

/// True of an item of the Responses API that stands for one that the provider has kept: reasoning
/// without its encrypted content, and a reference, which needs no type.
fn is_by_id(item: Json<'_>, kind: Option<&str>) -> bool {
    let has = |name: &str| item.field(name).is_some_and(|value| !value.is_null());
    match kind {
        Some("reasoning") => has("id") && !has("encrypted_content") && !has("content"),
        None => has("id") && !has("role") && !has("content") && !has("parts"),
        Some(_) => false,
    }
}
