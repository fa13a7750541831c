//! [`Fields`]: the top-level fields of a request, each value byte for byte as it came.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};

/// The fields of one JSON object, in their order.
///
/// An object that has a field twice is refused: the provider might obey the one that was not
/// counted.
#[derive(Debug)]
pub(crate) struct Fields<'b>(Vec<(String, Cow<'b, RawValue>)>);

/// The fields that cap an answer, in the forms that the gateway knows.
const CAPS: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];

impl<'b> Fields<'b> {
    pub(crate) fn read(body: &'b [u8]) -> Result<Fields<'b>, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// The value as it is written; `None` also for null.
    fn raw(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.get()).filter(|value| *value != "null")
    }

    fn is_true(&self, name: &str) -> bool {
        self.raw(name) == Some("true")
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        let value = Cow::Owned(value);
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Writes the cap into each field that the request caps its answer with, or into `otherwise`.
    pub(crate) fn cap(&mut self, tokens: u64, otherwise: &str) -> Result<(), serde_json::Error> {
        let used: Vec<&str> = CAPS.into_iter().filter(|cap| self.raw(cap).is_some()).collect();
        let used = if used.is_empty() { vec![otherwise] } else { used };
        for field in used {
            self.set(field, to_raw_value(&tokens)?);
        }
        Ok(())
    }

    /// Asks a stream for its usage; false if there is no stream, or it was asked already.
    pub(crate) fn ask_for_usage(&mut self) -> Result<bool, serde_json::Error> {
        if !self.is_true("stream") {
            return Ok(false);
        }
        let options = self.raw("stream_options").unwrap_or("{}").to_owned();
        // What is no object is for the provider to refuse.
        let Ok(mut options) = serde_json::from_str::<Fields<'_>>(&options) else {
            return Ok(false);
        };
        if options.is_true("include_usage") {
            return Ok(false);
        }
        options.set("include_usage", to_raw_value(&true)?);
        let options = to_raw_value(&options)?;
        self.set("stream_options", options);
        Ok(true)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields<'de>, M::Error> {
                let mut fields: Vec<(String, Cow<'de, RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if fields.iter().any(|(field, _)| *field == name) {
                        return Err(M::Error::custom(format_args!(
                            "the field `{name}` stands twice"
                        )));
                    }
                    fields.push((name, Cow::Borrowed(value)));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(body: &str, change: impl Fn(&mut Fields<'_>)) -> String {
        let mut fields = Fields::read(body.as_bytes()).unwrap();
        change(&mut fields);
        serde_json::to_string(&fields).unwrap()
    }

    #[test]
    fn what_is_not_changed_stays_byte_for_byte() {
        let body = r#"{ "temperature": 1.00, "a\u00e9" : {"x": [1e2,  2]}, "max_tokens": 9 }"#;
        let capped = changed(body, |fields| fields.cap(4, "none").unwrap());
        assert_eq!(capped, r#"{"temperature":1.00,"aé":{"x": [1e2,  2]},"max_tokens":4}"#);
    }

    #[test]
    fn a_cap_is_written_where_the_request_has_it() {
        let cap = |body| changed(body, |fields| fields.cap(4, "max_completion_tokens").unwrap());
        assert_eq!(cap("{}"), r#"{"max_completion_tokens":4}"#);
        assert_eq!(
            cap(r#"{"max_tokens":null}"#),
            r#"{"max_tokens":null,"max_completion_tokens":4}"#
        );
        let both = r#"{"max_tokens":8,"max_completion_tokens":9}"#;
        assert_eq!(cap(both), r#"{"max_tokens":4,"max_completion_tokens":4}"#);
    }

    #[test]
    fn a_stream_is_asked_for_its_usage_once() {
        let asked = |body| changed(body, |fields| _ = fields.ask_for_usage().unwrap());
        for (body, expected) in [
            (r#"{"stream":false}"#, r#"{"stream":false}"#),
            (r#"{"stream":true}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
            (
                r#"{"stream_options":{"a":1,"include_usage":false},"stream":true}"#,
                r#"{"stream_options":{"a":1,"include_usage":true},"stream":true}"#,
            ),
            (r#"{"stream":true,"stream_options":7}"#, r#"{"stream":true,"stream_options":7}"#),
        ] {
            assert_eq!(asked(body), expected);
        }
        let body = r#"{"stream":true,"stream_options":{"include_usage":true}}"#;
        assert!(!Fields::read(body.as_bytes()).unwrap().ask_for_usage().unwrap());
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        let error = Fields::read(br#"{"model":"a","mod\u0065l":"b"}"#).unwrap_err();
        assert!(error.to_string().contains("`model` stands twice"), "{error}");
        assert!(Fields::read(b"[]").is_err());
    }
}
