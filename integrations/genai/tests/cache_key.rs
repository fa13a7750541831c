//! Tests that a cache key does not depend on the order of fields, although genai makes
//! every `serde_json::Map` of a program keep it.

use bursar::cache::Namespace;
use serde_json::{Value, json};

#[test]
fn equal_requests_have_equal_keys_in_whatever_order_their_fields_are() {
    let one: Value = serde_json::from_str(r#"{"b": {"y": 1, "x": [2]}, "a": "3"}"#).unwrap();
    let two: Value = serde_json::from_str(r#"{"a": "3", "b": {"x": [2], "y": 1}}"#).unwrap();
    assert_ne!(one.to_string(), two.to_string(), "genai switches on `serde_json/preserve_order`");
    let keys = Namespace::shared_by_all();
    assert_eq!(keys.key(&one).unwrap(), keys.key(&two).unwrap());
    assert_ne!(keys.key(&one).unwrap(), keys.key(&json!({"a": "3"})).unwrap());
}
