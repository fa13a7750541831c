//! Tests that cache keys do not depend on what rig's features do to JSON.

use bursar::cache::Namespace;
use serde_json::{Value, json};

#[test]
fn equal_requests_have_equal_keys_where_maps_keep_their_order() {
    let one: Value = serde_json::from_str(r#"{"model": "m", "n": {"b": 1, "a": 2}}"#).unwrap();
    let two: Value = serde_json::from_str(r#"{"n": {"a": 2, "b": 1}, "model": "m"}"#).unwrap();
    assert_ne!(one.to_string(), two.to_string(), "rig has switched `preserve_order` on");
    let space = Namespace::tenant("acme");
    assert_eq!(space.key(&one).unwrap(), space.key(&two).unwrap());
    let other = json!({"model": "m", "n": {"a": 1, "b": 2}});
    assert_ne!(space.key(&one).unwrap(), space.key(&other).unwrap());
}
