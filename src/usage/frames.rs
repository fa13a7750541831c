//! [`Frames`]: cuts the bytes of a stream into events, however they are chunked.

use memchr::{memchr, memchr2};

use super::json::is_blank;

/// Cuts server-sent events, or JSON objects that stand one after another (Ollama's lines, Gemini's
/// array), out of chunks of bytes.
///
/// It keeps at most one event, of at most [`Frames::MAX_EVENT`] bytes; a longer one is passed over
/// and handed out as [`Frame::TooLong`].
#[derive(Debug, Default)]
pub(super) struct Frames {
    encoding: Encoding,
    /// The bytes of a line (server-sent events) or object (JSON) that has not ended yet.
    part: Vec<u8>,
    /// The data of the event whose lines are coming in.
    data: Vec<u8>,
    has_data: bool,
    is_too_long: bool,
    /// The beginning of the line that is coming in was passed over.
    in_long_line: bool,
    /// The last byte was a carriage return, so a line feed belongs to it.
    after_return: bool,
    depth: u64,
    in_string: bool,
    after_backslash: bool,
}

/// What the bytes are, by the first one that is not white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Encoding {
    #[default]
    Unknown,
    ServerSentEvents,
    Json,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'f> {
    Data(&'f [u8]),
    TooLong,
}

impl Frames {
    /// The longest event that is kept: 16 MiB. OpenAI's last event repeats the whole response.
    pub(super) const MAX_EVENT: usize = 16 << 20;

    /// Takes in a chunk, and calls `each` with every event that ends in it.
    pub(super) fn push(&mut self, chunk: &[u8], each: &mut dyn FnMut(Frame<'_>)) {
        let mut chunk = chunk;
        if self.encoding == Encoding::Unknown {
            // Of the byte order mark, no byte is ever a first byte of anything else.
            let is_before = |byte: &u8| is_blank(*byte) || b"\xef\xbb\xbf".contains(byte);
            let Some(begin) = chunk.iter().position(|byte| !is_before(byte)) else { return };
            chunk = &chunk[begin..];
            self.encoding = match chunk[0] {
                b'{' | b'[' => Encoding::Json,
                _ => Encoding::ServerSentEvents,
            };
        }
        match self.encoding {
            Encoding::Json => self.push_json(chunk, each),
            Encoding::ServerSentEvents | Encoding::Unknown => self.push_lines(chunk, each),
        }
    }

    /// Hands out what is left when the stream has ended without a last blank line.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(Frame<'_>)) {
        if self.encoding == Encoding::ServerSentEvents {
            self.push_lines(b"\n\n", each);
        }
    }

    /// True for JSON of which no object is unfinished.
    pub(super) fn is_between_objects(&self) -> bool {
        self.encoding == Encoding::Json && self.depth == 0
    }

    fn push_lines(&mut self, mut chunk: &[u8], each: &mut dyn FnMut(Frame<'_>)) {
        loop {
            if self.after_return && !chunk.is_empty() {
                self.after_return = false;
                chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
            }
            let Some(end) = memchr2(b'\n', b'\r', chunk) else { break };
            let (line, rest) = (&chunk[..end], &chunk[end + 1..]);
            self.after_return = chunk[end] == b'\r';
            chunk = rest;
            if self.part.is_empty() && !self.in_long_line && line.len() < Frames::MAX_EVENT {
                self.line(line, each);
                continue;
            }
            self.keep_of_line(line);
            let mut part = std::mem::take(&mut self.part);
            if !std::mem::take(&mut self.in_long_line) {
                self.line(&part, each);
            }
            part.clear();
            self.part = part;
        }
        self.keep_of_line(chunk);
    }

    /// Keeps the bytes of a line that has not ended yet, unless it gets too long.
    fn keep_of_line(&mut self, bytes: &[u8]) {
        if self.part.len() + bytes.len() >= Frames::MAX_EVENT {
            self.in_long_line = true;
            self.is_too_long = true;
        }
        if self.in_long_line {
            self.part.clear();
        } else {
            self.part.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, line: &[u8], each: &mut dyn FnMut(Frame<'_>)) {
        if line.is_empty() {
            if self.is_too_long {
                each(Frame::TooLong);
            } else if self.has_data {
                each(Frame::Data(&self.data));
            }
            self.data.clear();
            self.has_data = false;
            self.is_too_long = false;
            return;
        }
        // Comments, names, ids and retry times say nothing of usage.
        let Some(data) = line.strip_prefix(b"data") else { return };
        let data = match data {
            [] => data,
            [b':', data @ ..] => data.strip_prefix(b" ").unwrap_or(data),
            _ => return,
        };
        if self.data.len() + data.len() >= Frames::MAX_EVENT {
            self.is_too_long = true;
            self.data.clear();
        }
        if self.is_too_long {
            return;
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(data);
        self.has_data = true;
    }

    fn push_json(&mut self, mut chunk: &[u8], each: &mut dyn FnMut(Frame<'_>)) {
        while !chunk.is_empty() {
            if self.depth == 0 {
                // Between the objects are only commas, white space, and brackets of an array.
                let Some(begin) = memchr(b'{', chunk) else { return };
                chunk = &chunk[begin..];
            }
            let end = self.end_of_object(chunk);
            let (object, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
            chunk = rest;
            if self.part.len() + object.len() >= Frames::MAX_EVENT {
                self.is_too_long = true;
            } else if end.is_some() && self.part.is_empty() && !self.is_too_long {
                each(Frame::Data(object));
                continue;
            } else if !self.is_too_long {
                self.part.extend_from_slice(object);
            }
            if end.is_some() {
                each(if self.is_too_long { Frame::TooLong } else { Frame::Data(&self.part) });
                self.part.clear();
                self.is_too_long = false;
            }
        }
    }

    /// Where in the chunk the object ends that began in it or before it.
    fn end_of_object(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < chunk.len() {
            if std::mem::take(&mut self.after_backslash) {
                at += 1;
            } else if self.in_string {
                at += memchr2(b'"', b'\\', &chunk[at..])?;
                self.in_string = chunk[at] != b'"';
                self.after_backslash = self.in_string;
                at += 1;
            } else {
                match chunk[at] {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                if self.depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(stream: &[u8], size: usize) -> Vec<String> {
        let mut frames = Frames::default();
        let mut events = Vec::new();
        let mut each = |frame: Frame<'_>| {
            events.push(match frame {
                Frame::Data(data) => String::from_utf8_lossy(data).into_owned(),
                Frame::TooLong => "too long".to_owned(),
            });
        };
        for chunk in stream.chunks(size) {
            frames.push(chunk, &mut each);
            assert!(frames.part.len() + frames.data.len() <= Frames::MAX_EVENT);
        }
        frames.end(&mut each);
        events
    }

    #[test]
    fn the_lines_of_an_event_are_joined_by_a_line_feed() {
        for stream in [
            "data: a\ndata:b\n:c\ndata\ndata:  d\n\nevent: x\n\ndata: e",
            "data: a\r\ndata:b\r\n:c\r\ndata\r\ndata:  d\r\n\r\nevent: x\r\n\r\ndata: e",
            "data: a\rdata:b\r:c\rdata\rdata:  d\r\revent: x\r\rdata: e",
        ] {
            for size in 1..stream.len() {
                assert_eq!(cut(stream.as_bytes(), size), ["a\nb\n\n d", "e"], "{stream:?}, {size}");
            }
        }
    }

    #[test]
    fn objects_are_cut_wherever_they_stand() {
        let stream = r#" [{"a": "}\"{"}, {"b": [{}]}] {"c": 1}{"d": "#;
        for size in 1..stream.len() {
            let objects = [r#"{"a": "}\"{"}"#, r#"{"b": [{}]}"#, r#"{"c": 1}"#];
            assert_eq!(cut(stream.as_bytes(), size), objects, "{size}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let filling = "data: x ".repeat(Frames::MAX_EVENT / 8 + 99_999);
        let lines = format!("data: 1\n\ndata: {filling}\n\ndata: 2\n\n");
        let many_lines = format!(
            "data: 1\n\n{}\ndata: 2\n\n",
            format!("data: {}\n", "x".repeat(1_000)).repeat(17_000)
        );
        let comment = format!("data: 1\n:{filling}\n\ndata: 2\n\n");
        let objects = format!("{{\"1\":1}}{{\"a\":\"{filling}\"}}{{\"2\":2}}");
        for size in [1 << 18, Frames::MAX_EVENT + 20, usize::MAX] {
            for stream in [&lines, &many_lines] {
                assert_eq!(cut(stream.as_bytes(), size), ["1", "too long", "2"], "{size}");
            }
            assert_eq!(cut(comment.as_bytes(), size), ["too long", "2"], "{size}");
            let expected = ["{\"1\":1}", "too long", "{\"2\":2}"];
            assert_eq!(cut(objects.as_bytes(), size), expected, "{size}");
        }
    }
}
