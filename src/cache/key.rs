//! [`CacheKey`], the name of a request, and the [`Namespace`] it lies in.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::ser::{self, Serialize};

use super::canonical;

/// The name of a request: a BLAKE3 digest of its namespace and its canonical JSON.
///
/// Made by [`Namespace::key`]. Equal requests have equal keys; that different ones share a key
/// cannot be brought about, by accident or on purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest is its own hash: its first eight bytes.
impl Hash for CacheKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// Prints the digest in hexadecimal.
impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({self})")
    }
}

/// Who shares results with whom: whose they are, and everything besides the request that an answer
/// depends on (provider, model, temperature, the version of a prompt).
///
/// A namespace belongs to a tenant, or is explicitly shared by all; results of one tenant are never
/// found by another. Within a tenant, agents that ask the same thing of the same model share its
/// results. To keep them apart, name the agent as well.
///
/// ```
/// use bursar::cache::Namespace;
///
/// let space = Namespace::tenant("acme").with("provider", "openai").with("model", "gpt-6.1");
/// let hot = space.clone().with("temperature", 1.2);
/// assert_ne!(space.key("What is a budget?")?, hot.key("What is a budget?")?);
///
/// let other = Namespace::tenant("globex").with("provider", "openai").with("model", "gpt-6.1");
/// assert_ne!(space.key("What is a budget?")?, other.key("What is a budget?")?);
/// # Ok::<(), bursar::cache::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    tenant: Option<Box<str>>,
    parts: BTreeMap<Box<str>, Box<str>>,
    /// The BLAKE3 key of all that is hashed in it.
    seed: Seed,
}

impl Namespace {
    /// A namespace of that tenant (a customer, a user, a project) alone.
    pub fn tenant(tenant: impl Into<Box<str>>) -> Namespace {
        Namespace::new(Some(tenant.into()))
    }

    /// A namespace that all tenants share, for results that do not depend on the data of a tenant.
    pub fn shared_by_all() -> Namespace {
        Namespace::new(None)
    }

    /// The same namespace, narrowed to one value of something that an answer depends on. A name
    /// that is given again replaces its value; the order of names does not matter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Namespace {
        self.parts.insert(name.into(), value.to_string().into());
        self.seed = seed(self.tenant.as_deref(), &self.parts);
        self
    }

    /// The key of a request, from its JSON: any value that serde can write.
    ///
    /// Two values have the same key if they are the same JSON, whatever the order of their keys:
    /// a struct, a `HashMap`, a `serde_json::Value` with `preserve_order` or without, and a
    /// [`RawValue`](serde_json::value::RawValue) with any white space. Numbers count as they are
    /// written: `1` and `1.0` differ.
    ///
    /// # Errors
    /// [`KeyError`] if the value cannot be written as JSON.
    pub fn key(&self, request: &(impl Serialize + ?Sized)) -> Result<CacheKey, KeyError> {
        canonical::with_text(request, |text| {
            CacheKey(*blake3::keyed_hash(&self.seed.0, text).as_bytes())
        })
    }

    fn new(tenant: Option<Box<str>>) -> Namespace {
        let parts = BTreeMap::new();
        let seed = seed(tenant.as_deref(), &parts);
        Namespace { tenant, parts, seed }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seed([u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// Hashes the namespace; each text after its length, so that none can run into the next.
fn seed(tenant: Option<&str>, parts: &BTreeMap<Box<str>, Box<str>>) -> Seed {
    let mut hasher = blake3::Hasher::new_derive_key("bursar 2026 cache namespace v1");
    let mut text = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    match tenant {
        Some(tenant) => {
            text("tenant");
            text(tenant);
        }
        None => text("shared"),
    }
    for (name, value) in parts {
        text(name);
        text(value);
    }
    Seed(*hasher.finalize().as_bytes())
}

/// Why a value has no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A float that is infinite or not a number.
    #[error("a number in the request is infinite or not a number; JSON has only finite ones")]
    NotFinite,
    /// A map whose keys are lists, maps or nothing.
    #[error("a map in the request has keys that JSON cannot write; use text or numbers as keys")]
    KeyIsNotText,
    /// Raw JSON that nests too deep.
    #[error("raw JSON in the request is nested more than 128 levels deep; send it flatter")]
    TooDeep,
    /// The value refused to be written, or its raw JSON is none.
    #[error("the request cannot be written as JSON: {0}")]
    Unwritable(String),
}

impl KeyError {
    pub(super) fn other(error: serde_json::Error) -> KeyError {
        KeyError::Unwritable(error.to_string())
    }
}

impl ser::Error for KeyError {
    fn custom<T: fmt::Display>(message: T) -> KeyError {
        KeyError::Unwritable(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashSet;

    #[test]
    fn namespaces_never_run_into_each_other() {
        let spaces = [
            Namespace::shared_by_all(),
            Namespace::tenant(""),
            Namespace::tenant("shared"),
            Namespace::tenant("tenant"),
            Namespace::tenant("a"),
            Namespace::tenant("b"),
            Namespace::tenant("a").with("model", "x"),
            Namespace::tenant("a").with("model", "xy"),
            Namespace::tenant("a").with("modelx", "y"),
            Namespace::tenant("a").with("model", "").with("x", ""),
            Namespace::tenant("a").with("model", "x").with("", ""),
            Namespace::tenant("amodelx"),
            Namespace::tenant("a\0model\0x"),
            Namespace::shared_by_all().with("tenant", "a"),
            Namespace::shared_by_all().with("a", "model"),
            Namespace::tenant("a").with("tenant", "b"),
            Namespace::tenant("a").with("temperature", 1),
            Namespace::tenant("a").with("temperature", 0.1),
        ];
        let mut keys = HashSet::new();
        for space in &spaces {
            assert!(keys.insert(space.key("request").unwrap()), "{space:?}");
        }
    }

    #[test]
    fn a_namespace_is_what_it_says_and_not_how_it_was_built() {
        let one = Namespace::tenant("a").with("model", "x").with("provider", "p");
        let other = Namespace::tenant("a").with("provider", "p").with("model", "y");
        assert_ne!(one, other);
        let other = other.with("model", "x");
        assert_eq!(one, other);
        assert_eq!(one.key(&json!({"a": 1})), other.key(&json!({"a": 1})));
    }

    #[test]
    fn requests_that_differ_in_any_way_have_keys_of_their_own() {
        let space = Namespace::tenant("a");
        let requests = [
            json!(null),
            json!([]),
            json!({}),
            json!(""),
            json!("null"),
            json!(0),
            json!(0.0),
            json!(-0.0),
            json!("0"),
            json!(false),
            json!(1),
            json!(1.0),
            json!([1]),
            json!([[1]]),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"a": 1.0}),
            json!({"a": null}),
            json!({"a": {"b": 1}}),
            json!({"a": {}, "b": 1}),
            json!({"a,b": 1}),
            json!(["a", "b"]),
            json!(["ab"]),
            json!(["a,b"]),
            json!("a\",\"b"),
            json!({"a\":1,\"b": 1}),
            json!("é"),
            json!("e\u{301}"),
            json!("a "),
            json!("a"),
            json!("A"),
        ];
        let keys: HashSet<CacheKey> =
            requests.iter().map(|request| space.key(request).unwrap()).collect();
        assert_eq!(keys.len(), requests.len());
    }

    #[test]
    fn a_key_is_printed_in_hexadecimal_and_hashes_to_its_first_bytes() {
        let key = Namespace::tenant("a").key("b").unwrap();
        let text = key.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(u8::from_str_radix(&text[..2], 16).unwrap(), key.as_bytes()[0]);
        assert_eq!(format!("{key:?}"), format!("CacheKey({text})"));
    }

    /// Keys may be kept on disk one day: they must not change by accident.
    #[test]
    fn keys_are_the_same_in_every_version() {
        let space = Namespace::tenant("acme").with("model", "gpt-6.1");
        let key = space.key(&json!({"b": [1, 1.0], "a": "é"})).unwrap();
        assert_eq!(key.to_string()[..16], *"11c9eef1795b42a0");
    }
}
