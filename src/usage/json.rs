//! [`Json`]: walks a provider's JSON for the few fields that are wanted, in one pass and without
//! building a tree.
//!
//! A body is mostly text, vectors or audio that is not read here. It is skipped at the speed at
//! which quotes and brackets can be found, in one loop: deep nesting costs a counter, not stack,
//! and no input takes more than linear time. What is skipped is not validated beyond its quotes
//! and brackets.
//!
//! `serde_json::value::RawValue` would do with less code here, but it validates what it skips: the
//! same fields took 2.9 times as long to find in a chat answer of 2 KB, and 37 times as long in one
//! of embeddings (2026-11-30).

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr_iter};
use serde_json::Value;

use super::error::UsageError;

/// Where something stands in a body, as a path.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Body,
    Field(&'p str),
    Item(&'p Place<'p>, usize),
    Within(&'p Place<'p>, &'p str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Body => Ok(()),
            Place::Field(name) | Place::Within(Place::Body | Place::Field(""), name) => {
                write!(f, "{name:.80}")
            }
            Place::Item(outer, index) => write!(f, "{outer}[{index}]"),
            Place::Within(outer, name) => write!(f, "{outer}.{name:.80}"),
        }
    }
}

/// One JSON value: the text of exactly that value, or a tree that the caller has built.
#[derive(Clone, Copy, Debug)]
pub(super) enum Json<'j> {
    Text(&'j [u8]),
    Tree(&'j Value),
}

impl<'j> Json<'j> {
    /// The fields of an object, in order, up to the first error. Anything else has no fields.
    pub(super) fn fields(
        self,
    ) -> impl Iterator<Item = Result<(Cow<'j, str>, Json<'j>), UsageError>> {
        let tree = match self {
            Json::Tree(Value::Object(fields)) => Some(fields),
            _ => None,
        };
        let field = |(name, value)| Ok((Cow::Borrowed(String::as_str(name)), Json::Tree(value)));
        let mut cursor = Cursor::of(self, [b'{', b'}']);
        let of_text = std::iter::from_fn(move || {
            cursor.entry(|cursor| Ok((cursor.name()?, Json::Text(cursor.value()?))))
        });
        tree.into_iter().flatten().map(field).chain(of_text)
    }

    /// The items of an array, in order, up to the first error. Anything else has no items.
    pub(super) fn items(self) -> impl Iterator<Item = Result<Json<'j>, UsageError>> {
        let tree = match self {
            Json::Tree(Value::Array(items)) => items.as_slice(),
            _ => &[],
        };
        let mut cursor = Cursor::of(self, [b'[', b']']);
        let of_text =
            std::iter::from_fn(move || cursor.entry(|cursor| Ok(Json::Text(cursor.value()?))));
        tree.iter().map(|item| Ok(Json::Tree(item))).chain(of_text)
    }

    /// A field of an object; `None` if there is none, or if the text is broken.
    pub(super) fn field(self, wanted: &str) -> Option<Json<'j>> {
        let mut found = None;
        for field in self.fields() {
            let (name, value) = field.ok()?;
            if name == wanted {
                found = Some(value);
            }
        }
        found
    }

    /// The text of a string.
    pub(super) fn string(self) -> Option<Cow<'j, str>> {
        match self {
            Json::Tree(Value::String(text)) => Some(Cow::Borrowed(text)),
            Json::Tree(_) => None,
            Json::Text(text) => unquoted(text),
        }
    }

    /// The text of a number, digit for digit as it was sent. (A tree has usually made a float of
    /// a decimal; then it is the shortest text of that.)
    pub(super) fn number(self) -> Option<Cow<'j, str>> {
        match self {
            Json::Tree(Value::Number(number)) => Some(Cow::Owned(number.to_string())),
            Json::Tree(_) => None,
            Json::Text(text) => {
                let begins = text.first().is_some_and(|&b| b == b'-' || b.is_ascii_digit());
                std::str::from_utf8(text).ok().filter(|_| begins).map(Cow::Borrowed)
            }
        }
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self {
            Json::Tree(value) => value.as_bool(),
            Json::Text(b"true") => Some(true),
            Json::Text(b"false") => Some(false),
            Json::Text(_) => None,
        }
    }

    pub(super) fn is_null(self) -> bool {
        matches!(self, Json::Text(b"null") | Json::Tree(Value::Null))
    }

    pub(super) fn is_object(self) -> bool {
        match self {
            Json::Text(text) => text.first() == Some(&b'{'),
            Json::Tree(value) => value.is_object(),
        }
    }

    pub(super) fn is_array(self) -> bool {
        match self {
            Json::Text(text) => text.first() == Some(&b'['),
            Json::Tree(value) => value.is_array(),
        }
    }

    /// The text of the JSON itself.
    pub(super) fn text(self) -> Cow<'j, str> {
        match self {
            Json::Text(text) => String::from_utf8_lossy(text),
            Json::Tree(tree) => Cow::Owned(tree.to_string()),
        }
    }

    /// The value as an error quotes it: the beginning of a scalar.
    pub(super) fn quoted(self) -> String {
        const SHOWN: usize = 40;
        if self.is_object() || self.is_array() {
            return if self.is_object() { "{…}" } else { "[…]" }.to_owned();
        }
        let text = self.text();
        match text.char_indices().nth(SHOWN) {
            Some((cut, _)) => format!("{}…", &text[..cut]),
            None => text.into_owned(),
        }
    }
}

/// A place in the text of an object or array.
struct Cursor<'j> {
    text: &'j [u8],
    at: usize,
    /// The bracket that closes it; `None` once it is over.
    close: Option<u8>,
}

impl<'j> Cursor<'j> {
    /// Behind the opening bracket, if the value is the text of such an object or array.
    fn of(json: Json<'j>, [open, close]: [u8; 2]) -> Cursor<'j> {
        match json {
            Json::Text(text) if text.first() == Some(&open) => {
                Cursor { text, at: 1, close: Some(close) }
            }
            _ => Cursor { text: &[], at: 0, close: None },
        }
    }

    /// The next field or item; `None` behind the last one, and behind an error.
    fn entry<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, UsageError>,
    ) -> Option<Result<T, UsageError>> {
        let close = self.close?;
        let entry = match self.has_another(close) {
            Ok(true) => Some(read(self)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        };
        if !matches!(entry, Some(Ok(_))) {
            self.close = None;
        }
        entry
    }

    /// True, and past the comma, if another entry follows; false if the object or array ends.
    fn has_another(&mut self, close: u8) -> Result<bool, UsageError> {
        let is_first = self.at == 1;
        let byte = self.next()?;
        if is_first && byte != close {
            return Ok(true);
        }
        self.at += 1;
        match byte {
            b',' => Ok(true),
            _ if byte != close => {
                Err(UsageError::malformed("a comma or a closing bracket is missing"))
            }
            _ if self.at < self.text.len() => {
                Err(UsageError::malformed("something follows the last bracket"))
            }
            _ => Ok(false),
        }
    }

    /// The name of the next field, and past its colon.
    fn name(&mut self) -> Result<Cow<'j, str>, UsageError> {
        if self.next()? != b'"' {
            return Err(UsageError::malformed("the name of a field is missing"));
        }
        let name = unquoted(self.value()?)
            .ok_or(UsageError::malformed("the name of a field is not text"))?;
        if self.next()? != b':' {
            return Err(UsageError::malformed("a colon is missing"));
        }
        self.at += 1;
        Ok(name)
    }

    /// The next value, and past it.
    fn value(&mut self) -> Result<&'j [u8], UsageError> {
        self.next()?;
        let end = end_of_value(self.text, self.at).ok_or(CUT)?;
        let value = &self.text[self.at..end];
        self.at = end;
        if value.is_empty() {
            return Err(UsageError::malformed("a value is missing"));
        }
        Ok(value)
    }

    /// The next byte that is no white space, and at it.
    fn next(&mut self) -> Result<u8, UsageError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|&&byte| is_blank(byte)).count();
        self.at += blanks;
        rest.get(blanks).copied().ok_or(CUT)
    }
}

const CUT: UsageError = UsageError::malformed("it ends in the middle");

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Where the value that begins at `start` ends; `None` if the text ends first.
fn end_of_value(text: &[u8], start: usize) -> Option<usize> {
    match text.get(start)? {
        b'"' => end_of_string(text, start),
        b'{' | b'[' => end_of_brackets(text, start),
        _ => {
            let ends = |&byte: &u8| is_blank(byte) || matches!(byte, b',' | b':' | b']' | b'}');
            text[start..].iter().position(ends).map(|length| start + length)
        }
    }
}

/// Where the string whose quote is at `start` ends.
///
/// A quote ends it unless an odd number of backslashes stands before. Each backslash is looked at
/// for one quote only, so this is linear on any text.
fn end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let inner = text.get(start + 1..)?;
    let mut from = 0;
    for quote in memchr_iter(b'"', inner) {
        let escapes = inner[from..quote].iter().rev().take_while(|&&byte| byte == b'\\').count();
        from = quote + 1;
        if escapes % 2 == 0 {
            return Some(start + 1 + from);
        }
    }
    None
}

/// Where the object or array whose bracket is at `start` ends. Its two kinds of brackets are not
/// distinguished.
fn end_of_brackets(text: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        at = next_mark(text, at)?;
        match text[at] {
            b'"' => {
                at = end_of_string(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            _ => depth -= 1,
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The next quote or bracket. They stand close together, or far apart (in vectors of numbers): a
/// step is then checked as a whole, which compilers turn into a handful of vector instructions.
fn next_mark(text: &[u8], mut at: usize) -> Option<usize> {
    const NEAR: usize = 4;
    const STEP: usize = 32;
    let is_mark = |byte: u8| byte == b'"' || matches!(byte | 0x20, b'{' | b'}');
    let position = |bytes: &[u8]| bytes.iter().position(|&byte| is_mark(byte));
    let rest = text.get(at..)?;
    if let Some(distance) = position(rest.first_chunk::<NEAR>().map_or(rest, |near| near)) {
        return Some(at + distance);
    }
    while let Some(step) = text.get(at..)?.first_chunk::<STEP>() {
        if step.iter().fold(false, |any, &byte| any | is_mark(byte)) {
            break;
        }
        at += STEP;
    }
    position(text.get(at..)?).map(|distance| at + distance)
}

/// What stands between the quotes of a string.
fn unquoted(text: &[u8]) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr(b'\\', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(text).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    /// The whole tree, built by walking.
    fn rebuilt(json: Json<'_>) -> Result<Value, UsageError> {
        if json.is_object() {
            let mut map = Map::new();
            for field in json.fields() {
                let (name, value) = field?;
                map.insert(name.into_owned(), rebuilt(value)?);
            }
            return Ok(Value::Object(map));
        }
        if json.is_array() {
            return json.items().map(|item| rebuilt(item?)).collect();
        }
        if json.is_null() {
            return Ok(Value::Null);
        }
        if let Some(truth) = json.boolean() {
            return Ok(Value::Bool(truth));
        }
        if let Some(text) = json.string() {
            return Ok(Value::String(text.into_owned()));
        }
        let number = json.number().and_then(|text| serde_json::from_str(&text).ok());
        number.ok_or(UsageError::malformed("no value"))
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec![0.5, -2.25, 1e30, 1.5e-7]).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            r#"[\\"{}\[\],:a ]{0,80}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((r#"[\\"{}a-c]{0,4}"#, inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn a_broken_text_says_how_it_is_broken() {
        for (text, problem) in [
            ("{", "it ends in the middle"),
            ("{\"a\": \"", "it ends in the middle"),
            ("{\"a\": \"\\\"}", "it ends in the middle"),
            ("{\"a\": [1, {}}", "it ends in the middle"),
            ("{\"a\" 1}", "a colon is missing"),
            ("{\"a\": }", "a value is missing"),
            ("{\"a\": 1 \"b\": 2}", "a comma or a closing bracket is missing"),
            ("{\"a\": 1, }", "the name of a field is missing"),
            ("{1: 2}", "the name of a field is missing"),
            ("{\"\\x\": 2}", "the name of a field is not text"),
            ("{\"a\": 1} {", "something follows the last bracket"),
        ] {
            let read = Json::Text(text.as_bytes()).fields().find_map(Result::err);
            assert_eq!(read, Some(UsageError::malformed(problem)), "{text}");
        }
    }

    #[test]
    fn a_value_is_quoted_by_its_beginning() {
        let long = format!("\"{}\"", "ü".repeat(100));
        assert_eq!(Json::Text(long.as_bytes()).quoted().chars().count(), 41);
        assert_eq!(Json::Text(b"-1.5").quoted(), "-1.5");
        assert_eq!(Json::Tree(&json!("5")).quoted(), "\"5\"");
        assert_eq!(Json::Tree(&json!({"a": [1]})).quoted(), "{…}");
    }

    proptest! {
        #[test]
        fn any_json_is_walked_as_it_is(tree in any_json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{tree:#}") } else { tree.to_string() };
            prop_assert_eq!(rebuilt(Json::Tree(&tree)), Ok(tree.clone()));
            prop_assert_eq!(rebuilt(Json::Text(text.as_bytes())), Ok(tree));
        }

        /// What serde_json accepts is read as serde_json reads it; what it refuses may be refused.
        #[test]
        fn a_damaged_text_is_read_as_serde_reads_it(
            tree in any_json(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), r#"[\\"{}\[\],:a1 ]"#), 1..4),
        ) {
            let mut text = tree.to_string().into_bytes();
            for (place, bytes) in damage {
                let place = place.index(text.len());
                text[place] = bytes.as_bytes()[0];
            }
            let ours = rebuilt(Json::Text(crate::usage::body::trimmed(&text)));
            if let Ok(theirs) = serde_json::from_slice::<Value>(&text) {
                prop_assert_eq!(ours, Ok(theirs));
            }
        }
    }
}
