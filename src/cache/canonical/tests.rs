//! Tests of the canonical text: the values of `serde_json`, in one order.

use super::*;
use proptest::prelude::*;
use serde::Serialize;
use serde::ser::{self, Serializer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

fn text(value: &(impl Serialize + ?Sized)) -> Result<String, KeyError> {
    with_text(value, |text| String::from_utf8(text.to_vec()).unwrap())
}

#[derive(Serialize)]
struct Fields<T> {
    zeta: T,
    alpha: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone: Option<T>,
    #[serde(flatten)]
    more: BTreeMap<&'static str, T>,
}

#[derive(Serialize)]
enum Shape {
    Unit,
    One(u8),
    Two(u8, u8),
    Named { y: u8, x: u8 },
}

#[derive(Serialize)]
struct Nothing;

#[derive(Serialize)]
struct Wrapped(f32);

/// Bytes as `serde_bytes` writes them.
struct Bytes;

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&[1, 255])
    }
}

#[test]
fn every_shape_is_written_as_serde_json_writes_it_but_in_order() {
    let fields = Fields { zeta: 1, alpha: 2, gone: None, more: [("mu", 3)].into() };
    assert_eq!(text(&fields).unwrap(), r#"{"alpha":2,"mu":3,"zeta":1}"#);
    assert_eq!(text(&Shape::Named { y: 1, x: 2 }).unwrap(), r#"{"Named":{"x":2,"y":1}}"#);

    macro_rules! as_serde_json {
        ($($value:expr),* $(,)?) => {$(
            assert_eq!(text(&$value).unwrap(), serde_json::to_string(&$value).unwrap());
        )*};
    }
    as_serde_json! {
        (), true, 'ß', "", "a\"\\\n\u{1}\u{7f}é🦀", 0_u8, -1_i8, u64::MAX, i64::MIN, i128::MIN,
        u128::MAX, 1.0, 1, -0.0, 1e300, 0.1_f32, f64::MIN_POSITIVE, Some(1), None::<u8>,
        Wrapped(0.3), Nothing, Bytes, Shape::Unit, Shape::One(1), Shape::Two(1, 2),
        [(); 0], [[1, 2], [3, 4]], (1, "a", [0.5]), BTreeMap::<u8, u8>::new(),
        BTreeMap::from([(1, 2), (3, 4)]), BTreeMap::from([(true, 1)]),
        BTreeMap::from([('c', 1)]), BTreeMap::from([(Some("a"), 1)]),
        json!({"a": {"b": [{}, [], {"c": null}]}}), format_args!("{}-\"{}\"", 1, 2),
        std::net::Ipv4Addr::LOCALHOST,
    }
}

#[test]
fn what_json_cannot_say_is_refused() {
    let nothing = |outcome: Result<String, KeyError>| outcome.unwrap_err();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(nothing(text(&[number])), KeyError::NotFinite);
        assert_eq!(nothing(text(&(number as f32))), KeyError::NotFinite);
    }
    assert_eq!(nothing(text(&BTreeMap::from([([1], 1)]))), KeyError::KeyIsNotText);
    assert_eq!(nothing(text(&BTreeMap::from([((), 1)]))), KeyError::KeyIsNotText);
    assert_eq!(nothing(text(&BTreeMap::from([(None::<u8>, 1)]))), KeyError::KeyIsNotText);

    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("not today"))
        }
    }
    let error = nothing(text(&BTreeMap::from([("a", Refuses)])));
    assert_eq!(error.to_string(), "the request cannot be written as JSON: not today");
    assert_eq!(text(&json!({"b": 1, "a": 2})).unwrap(), r#"{"a":2,"b":1}"#, "after an error");
}

#[test]
fn keys_are_sorted_at_every_depth_and_stay_with_their_values() {
    let shuffled = raw(r#" {"b":{"y":1,"x":[{"q":1,"p":2}]},"a":"b","ab":0,"":3,"a!":4} "#);
    let sorted = r#"{"":3,"a":"b","a!":4,"ab":0,"b":{"x":[{"p":2,"q":1}],"y":1}}"#;
    assert_eq!(text(&shuffled).unwrap(), sorted);

    let many: HashMap<u32, u32> = (0..1_000).map(|n| (n, n)).collect();
    let same: HashMap<u32, u32> = (0..1_000).rev().map(|n| (n, n)).collect();
    assert_eq!(text(&many), text(&same));
}

#[test]
fn raw_json_counts_as_the_json_it_is() {
    let spaced = "{ \"b\" : [ 1 , 2.50, true ,null ] ,\n\"\\u0061\":\"\\u00e9\\/\" }";
    assert_eq!(text(&raw(spaced)).unwrap(), r#"{"a":"é/","b":[1,2.50,true,null]}"#);
    assert_eq!(text(&[raw("{}"), raw("[]"), raw("\"\"")]).unwrap(), r#"[{},[],""]"#);
    let long = "123456789012345678901234567890.000000000000000000001";
    assert_eq!(text(&raw(long)).unwrap(), long, "a number keeps all of its digits");
    assert_eq!(text(&raw(r#"{"a":1,"a":2}"#)).unwrap(), r#"{"a":1,"a":2}"#);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(text(&raw(&deep)), Err(KeyError::TooDeep));
}

#[test]
fn a_value_that_makes_a_key_while_it_is_written_disturbs_nothing() {
    struct Nested;
    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&text(&json!({"inner": 1})).unwrap())
        }
    }
    let outer = BTreeMap::from([("a", Nested), ("b", Nested)]);
    assert_eq!(text(&outer).unwrap(), serde_json::to_string(&outer).unwrap());
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.trim().to_owned()).unwrap()
}

/// A map that is written in the order in which it was filled, as with `preserve_order`.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Value),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Leaf(value) => value.serialize(serializer),
            Tree::List(list) => serializer.collect_seq(list),
            Tree::Map(map) => serializer.collect_map(map.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl Tree {
    /// The same JSON with every map back to front.
    fn reversed(&self) -> Tree {
        match self {
            Tree::Leaf(value) => Tree::Leaf(value.clone()),
            Tree::List(list) => Tree::List(list.iter().map(Tree::reversed).collect()),
            Tree::Map(map) => {
                let turned = map.iter().rev().map(|(key, tree)| (key.clone(), tree.reversed()));
                Tree::Map(turned.collect())
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_map(Tree::Leaf).prop_recursive(4, 40, 6, |inner| {
        let map = proptest::collection::btree_map("[a-c\"\\\\é,:]{0,3}", inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Tree::List),
            map.prop_map(|map| Tree::Map(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn equal_json_gives_equal_text_and_the_text_says_the_same(tree in tree()) {
        let canonical = text(&tree).unwrap();
        prop_assert_eq!(&canonical, &text(&tree.reversed()).unwrap());
        let sent = serde_json::to_string(&tree).unwrap();
        let value: Value = serde_json::from_str(&sent).unwrap();
        prop_assert_eq!(&value, &serde_json::from_str::<Value>(&canonical).unwrap());
        prop_assert_eq!(&canonical, &text(&value).unwrap());
        let pretty = serde_json::to_string_pretty(&tree.reversed()).unwrap();
        prop_assert_eq!(&canonical, &text(&raw(&pretty)).unwrap());
    }
}
