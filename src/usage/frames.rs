//! Owns cutting the bytes of a stream into events, however they are chunked.

use memchr::{memchr, memchr2};

use super::json::is_blank;

/// Cuts server-sent events, or JSON objects that stand one after another (Ollama's lines, Gemini's
/// array), out of chunks of bytes.
///
/// It keeps at most one event, of at most [`Frames::MAX_EVENT`] bytes; a longer one is passed over
/// and handed out as [`Frame::TooLong`].
#[derive(Debug, Default)]
pub(super) struct Frames {
    form: Form,
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

/// What the bytes are; told by the first one that is not white space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
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
    pub(super) fn push(&mut self, chunk: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        let mut chunk = chunk;
        if self.form == Form::Unknown {
            // Of the byte order mark, no byte is ever a first byte of anything else.
            let is_before = |byte: &u8| is_blank(*byte) || b"\xef\xbb\xbf".contains(byte);
            let Some(begin) = chunk.iter().position(|byte| !is_before(byte)) else { return };
            chunk = &chunk[begin..];
            self.form = match chunk[0] {
                b'{' | b'[' => Form::Json,
                _ => Form::ServerSentEvents,
            };
        }
        match self.form {
            Form::Json => self.push_json(chunk, each),
            Form::ServerSentEvents | Form::Unknown => self.push_lines(chunk, each),
        }
    }

    /// Hands out what is left when the stream has ended without a last blank line.
    pub(super) fn end(&mut self, each: &mut impl FnMut(Frame<'_>)) {
        if self.form == Form::ServerSentEvents {
            self.push_lines(b"\n\n", each);
        }
    }

    /// True for JSON of which no object is unfinished.
    pub(super) fn is_between_objects(&self) -> bool {
        self.form == Form::Json && self.depth == 0
    }

    fn push_lines(&mut self, mut chunk: &[u8], each: &mut impl FnMut(Frame<'_>)) {
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
            (self.in_long_line, self.is_too_long) = (true, true);
        }
        if self.in_long_line {
            self.part.clear();
        } else {
            self.part.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, line: &[u8], each: &mut impl FnMut(Frame<'_>)) {
        if line.is_empty() {
            if self.is_too_long {
                each(Frame::TooLong);
            } else if self.has_data {
                each(Frame::Data(&self.data));
            }
            self.data.clear();
            (self.has_data, self.is_too_long) = (false, false);
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

    fn push_json(&mut self, mut chunk: &[u8], each: &mut impl FnMut(Frame<'_>)) {
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
        for (at, &byte) in chunk.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.after_backslash => self.after_backslash = false,
                    b'\\' => self.after_backslash = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
