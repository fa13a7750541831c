//! The canonical text of a value: the JSON that `serde_json` writes, with every key in order.

mod serializer;

use std::cell::Cell;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::key::KeyError;

/// How deep raw JSON may nest, the bound that `serde_json` sets when it reads.
const MAX_RAW_DEPTH: usize = 128;
/// The largest buffer that a thread keeps for the next value, in bytes.
const MAX_KEPT: usize = 1 << 20;

thread_local! {
    static KEPT: Cell<Writer> = const { Cell::new(Writer::new()) };
}

/// Hands the canonical text of a value to `read`, from a buffer that the thread keeps.
///
/// Equal JSON gives equal text: object keys are sorted at every depth, whatever order a `HashMap`
/// or `serde_json`'s `preserve_order` gives them, and raw JSON is read and written again. Numbers
/// keep the text that is sent, so `1` and `1.0` differ.
pub(super) fn with_text<T>(
    value: &(impl Serialize + ?Sized),
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, KeyError> {
    // Taken, not borrowed: a value that makes a key while it is written gets a buffer of its own.
    let mut writer = KEPT.try_with(Cell::take).unwrap_or_default();
    writer.text.clear();
    writer.entries.clear();
    let outcome = value.serialize(&mut writer).map(|()| read(&writer.text));
    if writer.text.capacity() <= MAX_KEPT {
        // It fails only while the thread ends, when nothing needs to be kept.
        let _ = KEPT.try_with(|kept| kept.set(writer));
    }
    outcome
}

/// Writes one value; maps and structs are put in order when they end.
struct Writer {
    text: Vec<u8>,
    /// The entries of all objects that are open, innermost last.
    entries: Vec<Member>,
    sorted: Vec<u8>,
}

/// Where one entry of an object, `"key":value,`, stands in the text.
#[derive(Clone, Copy)]
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
}

impl Writer {
    const fn new() -> Writer {
        Writer { text: Vec::new(), entries: Vec::new(), sorted: Vec::new() }
    }

    /// A value without parts, as `serde_json` writes it.
    fn leaf(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), KeyError> {
        value.serialize(&mut serde_json::Serializer::new(&mut self.text)).map_err(KeyError::other)
    }

    /// The key of an entry, in quotes; numbers and booleans are put in quotes as in `serde_json`.
    fn key(&mut self, key: &(impl Serialize + ?Sized)) -> Result<(), KeyError> {
        let start = self.text.len();
        key.serialize(&mut *self)?;
        match self.text.get(start) {
            Some(b'"') => Ok(()),
            Some(b'-' | b'0'..=b'9' | b't' | b'f') => {
                self.text.insert(start, b'"');
                self.text.push(b'"');
                Ok(())
            }
            _ => Err(KeyError::KeyIsNotText),
        }
    }

    #[inline]
    fn list(&mut self, open: &'static [u8], close: &'static [u8]) -> List<'_> {
        self.text.extend_from_slice(open);
        List { start: self.text.len(), writer: self, close }
    }

    #[inline]
    fn object(&mut self, close: &'static [u8]) -> Object<'_> {
        self.text.push(b'{');
        let (start, first) = (self.text.len(), self.entries.len());
        Object { start, first, in_order: true, writer: self, close }
    }

    /// Opens the object of an enum variant that carries a value: `{"variant":`.
    fn variant(&mut self, variant: &'static str) -> Result<(), KeyError> {
        self.text.push(b'{');
        self.leaf(variant)?;
        self.text.push(b':');
        Ok(())
    }

    /// Ends a list or an object whose parts each end with a comma.
    #[inline]
    fn close(&mut self, start: usize, close: &'static [u8]) {
        if self.text.len() > start {
            self.text.pop();
        }
        self.text.extend_from_slice(close);
    }

    /// Puts the entries from `first` on in the order of their keys; equal keys keep theirs.
    fn sort(&mut self, first: usize) {
        let Writer { text, entries, sorted } = self;
        let Some(entries) = entries.get_mut(first..) else { return };
        let Some(mut start) = entries.first().map(|entry| entry.start) else { return };
        let key = |entry: &Member| &text[entry.start + 1..entry.key_end - 1];
        entries.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(a.start.cmp(&b.start)));

        let mut moved = &entries[..];
        while let [entry, rest @ ..] = moved {
            if entry.start != start {
                break;
            }
            start = entry.end;
            moved = rest;
        }
        sorted.clear();
        for entry in moved {
            sorted.extend_from_slice(&text[entry.start..entry.end]);
        }
        text[start..start + sorted.len()].copy_from_slice(sorted);
    }

    /// The text of raw JSON, which arrives as a string.
    fn embedded(&mut self, json: &(impl Serialize + ?Sized)) -> Result<(), KeyError> {
        let start = self.text.len();
        json.serialize(&mut *self)?;
        let json: String = read(&self.text[start..])?;
        self.text.truncate(start);
        let checked: &RawValue = read(json.as_bytes())?;
        self.raw(checked, 0)
    }

    /// Raw JSON without its white space and escapes, keys in order, numbers as they are written.
    fn raw(&mut self, json: &RawValue, depth: usize) -> Result<(), KeyError> {
        if depth > MAX_RAW_DEPTH {
            return Err(KeyError::TooDeep);
        }
        let text = json.get();
        match text.as_bytes().first() {
            Some(b'{') => {
                let mut reader = serde_json::Deserializer::from_str(text);
                let members = reader.deserialize_map(Members).map_err(KeyError::other)?;
                let mut object = self.object(b"}");
                for (key, value) in members {
                    object.entry(&key, |writer| writer.raw(value, depth + 1))?;
                }
                object.finish();
            }
            Some(b'[') => {
                let mut list = self.list(b"[", b"]");
                for value in read::<Vec<&RawValue>>(text.as_bytes())? {
                    list.part(|writer| writer.raw(value, depth + 1))?;
                }
                list.finish();
            }
            Some(b'"') => self.leaf(&read::<String>(text.as_bytes())?)?,
            _ => self.text.extend_from_slice(text.as_bytes()),
        }
        Ok(())
    }
}

impl Default for Writer {
    fn default() -> Writer {
        Writer::new()
    }
}

fn read<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, KeyError> {
    serde_json::from_slice(json).map_err(KeyError::other)
}

/// Reads an object into its members, a key that comes twice included.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

/// A list that is being written.
struct List<'a> {
    writer: &'a mut Writer,
    start: usize,
    close: &'static [u8],
}

impl List<'_> {
    fn part(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        write(self.writer)?;
        self.writer.text.push(b',');
        Ok(())
    }

    #[inline]
    fn finish(self) {
        self.writer.close(self.start, self.close);
    }
}

/// An object that is being written.
struct Object<'a> {
    writer: &'a mut Writer,
    start: usize,
    /// Its first place among the open entries.
    first: usize,
    in_order: bool,
    close: &'static [u8],
}

impl Object<'_> {
    fn entry(
        &mut self,
        key: &(impl Serialize + ?Sized),
        value: impl FnOnce(&mut Writer) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        self.key(key)?;
        self.value(value)
    }

    fn key(&mut self, key: &(impl Serialize + ?Sized)) -> Result<(), KeyError> {
        let Writer { text, entries, .. } = &mut *self.writer;
        let start = text.len();
        let previous = entries.get(self.first..).and_then(<[Member]>::last).copied();
        self.writer.key(key)?;
        let Writer { text, entries, .. } = &mut *self.writer;
        let key_end = text.len();
        if let Some(previous) = previous {
            let before = &text[previous.start + 1..previous.key_end - 1];
            self.in_order &= before <= &text[start + 1..key_end - 1];
        }
        entries.push(Member { start, key_end, end: key_end });
        text.push(b':');
        Ok(())
    }

    fn value(
        &mut self,
        write: impl FnOnce(&mut Writer) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        write(self.writer)?;
        self.writer.text.push(b',');
        if let Some(entry) = self.writer.entries.last_mut() {
            entry.end = self.writer.text.len();
        }
        Ok(())
    }

    #[inline]
    fn finish(self) {
        if !self.in_order {
            self.writer.sort(self.first);
        }
        self.writer.entries.truncate(self.first);
        self.writer.close(self.start, self.close);
    }
}

#[cfg(test)]
mod tests;
