//! Owns the canonical text of a value: the JSON that `serde_json` writes, with every key in order.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::ser::{self, Serialize, Serializer};
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
/// or `serde_json`'s `preserve_order` gives them, and raw JSON is read and written anew. Numbers
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
    entries: Vec<Entry>,
    sorted: Vec<u8>,
}

/// Where one entry of an object, `"key":value,`, stands in the text.
#[derive(Clone, Copy)]
struct Entry {
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

    fn list(&mut self, open: &'static [u8], close: &'static [u8]) -> List<'_> {
        self.text.extend_from_slice(open);
        List { start: self.text.len(), writer: self, close }
    }

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
        let key = |entry: &Entry| &text[entry.start + 1..entry.key_end - 1];
        entries.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(a.start.cmp(&b.start)));

        let mut moved = &entries[..];
        while let [entry, rest @ ..] = moved {
            if entry.start != start {
                break;
            }
            (start, moved) = (entry.end, rest);
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
        let previous = entries.get(self.first..).and_then(<[Entry]>::last).copied();
        self.writer.key(key)?;
        let Writer { text, entries, .. } = &mut *self.writer;
        let key_end = text.len();
        if let Some(previous) = previous {
            let before = &text[previous.start + 1..previous.key_end - 1];
            self.in_order &= before <= &text[start + 1..key_end - 1];
        }
        entries.push(Entry { start, key_end, end: key_end });
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

    fn finish(self) {
        if !self.in_order {
            self.writer.sort(self.first);
        }
        self.writer.entries.truncate(self.first);
        self.writer.close(self.start, self.close);
    }
}

/// A struct, or what `serde_json` passes off as one: raw JSON, a number of any length.
enum Struct<'a> {
    Fields(Object<'a>),
    Embedded(&'a mut Writer),
}

/// The names under which `serde_json` passes its own values through serde.
const EMBEDDED: [&str; 2] = ["$serde_json::private::RawValue", "$serde_json::private::Number"];

macro_rules! leaves {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<(), KeyError> {
            self.leaf(&value)
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Struct<'a>;
    type SerializeStructVariant = Object<'a>;

    leaves! {
        serialize_bool(bool), serialize_char(char),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_i128(i128), serialize_u128(u128),
    }

    fn serialize_str(self, text: &str) -> Result<(), KeyError> {
        self.leaf(text)
    }

    fn serialize_f32(self, number: f32) -> Result<(), KeyError> {
        if number.is_finite() { self.leaf(&number) } else { Err(KeyError::NotFinite) }
    }

    fn serialize_f64(self, number: f64) -> Result<(), KeyError> {
        if number.is_finite() { self.leaf(&number) } else { Err(KeyError::NotFinite) }
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), KeyError> {
        self.leaf(bytes)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, text: &T) -> Result<(), KeyError> {
        serde_json::Serializer::new(&mut self.text).collect_str(text).map_err(KeyError::other)
    }

    fn serialize_none(self) -> Result<(), KeyError> {
        self.leaf(&())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), KeyError> {
        self.leaf(&())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), KeyError> {
        self.leaf(&())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), KeyError> {
        self.leaf(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.text.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, KeyError> {
        Ok(self.list(b"[", b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'a>, KeyError> {
        Ok(self.list(b"[", b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, KeyError> {
        Ok(self.list(b"[", b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, KeyError> {
        self.variant(variant)?;
        Ok(self.list(b"[", b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, KeyError> {
        Ok(self.object(b"}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct<'a>, KeyError> {
        Ok(if EMBEDDED.contains(&name) {
            Struct::Embedded(self)
        } else {
            Struct::Fields(self.object(b"}"))
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, KeyError> {
        self.variant(variant)?;
        Ok(self.object(b"}}"))
    }
}

macro_rules! lists {
    ($($kind:ident::$method:ident),*) => {$(
        impl ser::$kind for List<'_> {
            type Ok = ();
            type Error = KeyError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
                self.part(|writer| value.serialize(writer))
            }

            fn end(self) -> Result<(), KeyError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.value(|writer| value.serialize(writer))
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStructVariant for Object<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.entry(name, |writer| value.serialize(writer))
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish();
        Ok(())
    }
}

impl ser::SerializeStruct for Struct<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        match self {
            Struct::Fields(object) => object.entry(name, |writer| value.serialize(writer)),
            Struct::Embedded(writer) => writer.embedded(value),
        }
    }

    fn end(self) -> Result<(), KeyError> {
        if let Struct::Fields(object) = self {
            object.finish();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
