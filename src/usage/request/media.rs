//! The bounds of images, audio and documents in a request.

use crate::usage::error::UsageError;
use crate::usage::json::{Json, Place};

use super::fields::Reader;

type Read = Result<(), UsageError>;

impl Reader<'_> {
    /// An image, in base64 or by a URL or id: its size does not matter.
    pub(super) fn image(&mut self, image: Json<'_>, detail: Option<Json<'_>>, place: Place<'_>) {
        let url = image.string().or_else(|| image.field("url")?.string());
        if url.is_some_and(|url| url.starts_with("data:") && !url.starts_with("data:image/")) {
            self.unseen(place); // some servers take documents as images
        }
        let detail = detail.or(image.field("detail")).and_then(Json::string);
        self.add(self.images.at(detail.as_deref()));
    }

    pub(super) fn audio(&mut self, audio: Json<'_>, place: Place<'_>) {
        let source = audio.field("source").unwrap_or(audio);
        let is_url = audio.string().is_some_and(|text| text.starts_with("http"));
        let data = payload(source).or_else(|| audio.string().filter(|_| !is_url).map(|_| audio));
        let kind = ["format", "media_type", "mime_type", "mimeType"];
        let kind = kind.iter().find_map(|name| audio.field(name)?.string());
        match data {
            Some(data) => {
                let tokens = decoded_bytes(data) / bytes_of_a_token(kind.as_deref()) + 1;
                self.request.input_audio = self.request.input_audio.saturating_add(tokens);
            }
            None => self.unseen(place),
        }
    }

    /// A document: plain text can be bounded, pages cannot.
    pub(super) fn document(&mut self, document: Json<'_>, place: Place<'_>, depth: usize) -> Read {
        let source = document.field("source").unwrap_or(document);
        for name in ["title", "context", "name", "filename"] {
            document.field(name).into_iter().for_each(|value| self.text(value));
        }
        if let Some(text) = source.field("text") {
            self.text(text);
            return Ok(());
        }
        if let Some(content) = source.field("content") {
            return self.content(content, place, depth + 1);
        }
        let is_text = source.field("type").and_then(Json::string).as_deref() == Some("text");
        if let (true, Some(data)) = (is_text, source.field("data")) {
            self.text(data);
            return Ok(());
        }
        let kind = document.field("format").or(source.field("media_type"));
        let kind = kind.and_then(Json::string);
        let is_plain =
            kind.is_some_and(|kind| PLAIN.contains(&&*kind) || kind.starts_with("text/"));
        match payload(source) {
            Some(data) if is_plain => self.add(decoded_bytes(data)),
            _ => self.unseen(place),
        }
        Ok(())
    }

    /// Gemini's data of any kind, in base64 or by a URI.
    pub(super) fn blob(&mut self, blob: Json<'_>, place: Place<'_>) {
        let kind = blob.field("mimeType").or(blob.field("mime_type")).and_then(Json::string);
        let kind = kind.unwrap_or_default();
        match payload(blob) {
            _ if kind.starts_with("image/") => self.image(blob, None, place),
            Some(_) if kind.starts_with("audio/") => self.audio(blob, place),
            Some(data) if kind.starts_with("text/") => self.add(decoded_bytes(data)),
            _ => self.unseen(place),
        }
    }
}

/// Bedrock's names of plain text.
const PLAIN: &[&str] = &["txt", "md", "csv", "html"];

/// What stands in base64.
fn payload(source: Json<'_>) -> Option<Json<'_>> {
    let data = source.field("data").or(source.field("bytes"))?;
    data.string().map(|_| data)
}

/// Not less than the bytes that are meant: each has at least one token in no vocabulary.
fn decoded_bytes(base64: Json<'_>) -> u64 {
    let length = base64.string().map_or(0, |text| text.len());
    u64::try_from(length).unwrap_or(u64::MAX) / 4 * 3 + 3
}

/// 32 tokens are a second of sound: 8,000 bytes or more of PCM, 512 or more of anything else.
fn bytes_of_a_token(kind: Option<&str>) -> u64 {
    let kind = kind.unwrap_or_default();
    let is_pcm = ["wav", "pcm", "l16"].iter().any(|pcm| kind.to_ascii_lowercase().contains(pcm));
    if is_pcm { 250 } else { 16 }
}
