//! [`Path`]: the name of an account; [`Scope`]: the accounts that a limit is for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest path, in bytes.
const MAX_LEN: usize = 512;
/// The most segments of a path.
const MAX_DEPTH: usize = 32;
/// The longest segment that [`Path::child_for`] makes, in bytes.
const MAX_ESCAPED: usize = 128;
/// Separates the beginning of a long id from the hash of the whole id. No escape looks like it.
const HASHED: &str = "%~";
/// The segment of an empty id. No escape looks like it.
const EMPTY: &str = "%";

/// The name of an account: segments joined by `/`, such as `acme/research/crawler`.
///
/// The empty path is the root of the main tree. A path that starts with a word and a colon lies in
/// a tag tree of its own: `user:42` is an account of the tree `user:`, `team:blue/west` lies below
/// `team:blue`.
///
/// A segment is not empty, does not start or end with white space, and has no control character
/// and none of `/`, `:` and `*`. A path has at most 32 segments and 512 bytes. A name that comes from
/// outside becomes a segment with [`child_for`](Path::child_for).
///
/// ```
/// use bursar::Path;
///
/// let crawler = Path::new("acme/research/crawler")?;
/// assert_eq!(crawler.parent(), Path::new("acme/research").ok());
/// assert!(Path::new("user:42")?.is_tag());
/// assert!(Path::new("acme//crawler").is_err());
/// # Ok::<(), bursar::ledger::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

impl Path {
    /// Its name in a sentence.
    pub(crate) fn called(&self) -> String {
        match self.as_str() {
            "" => "the whole budget".to_owned(),
            path => format!("`{path}`"),
        }
    }

    /// Reads a path.
    ///
    /// # Errors
    /// [`PathError`], which says what is wrong.
    pub fn new(text: &str) -> Result<Path, PathError> {
        check(text, false)?;
        Ok(Path(text.into()))
    }

    /// The root of the main tree.
    pub fn root() -> Path {
        Path(Arc::from(""))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, to share.
    pub(crate) fn shared(&self) -> &Arc<str> {
        &self.0
    }

    /// True if this is a tag: an account outside the main tree.
    pub fn is_tag(&self) -> bool {
        self.0.contains(':')
    }

    /// The account above; `None` for the root of a tree.
    pub fn parent(&self) -> Option<Path> {
        let (tree, rest) = split_tree(&self.0);
        match rest.rfind('/') {
            Some(slash) => Some(Path(self.0[..tree.len() + slash].into())),
            None if rest.is_empty() => None,
            None => Some(Path(tree.into())),
        }
    }

    /// True of an account that is this one or above it.
    pub(crate) fn is_within(&self, account: &Path) -> bool {
        is_within(&self.0, account)
    }

    /// A key in whose order each account comes after the one above it, and before the next tree.
    pub(crate) fn sort_key(&self) -> String {
        let (tree, rest) = split_tree(&self.0);
        // No segment has a control character, so this one separates them and comes before all others.
        format!("{tree}\0{}", rest.replace('/', "\0"))
    }

    /// The account below with that name.
    ///
    /// # Errors
    /// [`PathError`] if `name` is no segment.
    pub fn child(&self, name: &str) -> Result<Path, PathError> {
        let joint = if self.is_root() { "" } else { "/" };
        if name.is_empty() || name.contains(':') {
            return Err(PathError::new(
                name,
                "a name below an account is not empty and has no `:`",
            ));
        }
        Path::new(&format!("{}{joint}{name}", self.0))
    }

    /// The account below for an id that comes from outside: a user, a customer, a file name. Any
    /// text will do, and different texts are different accounts.
    ///
    /// Letters and digits of any script and `-`, `_`, `.`, `@` and `+` stay as they are; every
    /// other byte of its UTF-8 form is written as `%` and two hexadecimal digits, as in a URL. So
    /// the segment has no `/`, `:` or `*`. The empty id becomes `%`. A segment of more than 128
    /// bytes is cut, and `%~` and the BLAKE3 hash of the whole id follow.
    ///
    /// ```
    /// use bursar::Path;
    ///
    /// let users = Path::new("user:")?;
    /// assert_eq!(users.child_for("ada@acme.org")?.as_str(), "user:ada@acme.org");
    /// assert_eq!(users.child_for("../42")?.as_str(), "user:..%2F42");
    /// assert_eq!(users.child_for("")?.as_str(), "user:%");
    /// # Ok::<(), bursar::ledger::PathError>(())
    /// ```
    ///
    /// # Errors
    /// [`PathError`] if this path is so long or so deep that no account of that size can lie below
    /// it. It does not depend on the id: below a path of at most 383 bytes and 31 segments there is
    /// no error.
    pub fn child_for(&self, id: &str) -> Result<Path, PathError> {
        if self.0.len() + 1 + MAX_ESCAPED > MAX_LEN {
            let what = "it has no room for an id of 128 bytes below it; use a shorter path";
            return Err(PathError::new(&self.0, what));
        }
        self.child(&escaped(id))
    }

    /// The patterns that match this account: each segment is itself or `*`. `None` if it has more
    /// than `most` segments.
    pub(super) fn patterns(&self, most: usize) -> Option<Vec<Scope>> {
        let (tree, rest) = split_tree(&self.0);
        let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
        let count = segments.len();
        let pattern = |stars: u32| {
            let starred = |place: usize| stars >> place & 1 == 1;
            let each = segments.iter().enumerate();
            let each = each.map(|(place, own)| if starred(place) { "*" } else { *own });
            Scope(format!("{tree}{}", each.collect::<Vec<_>>().join("/")).into())
        };
        (count <= most).then(|| (1..1_u32 << count).map(pattern).collect())
    }

    /// True for the root of a tree: `""`, or `user:`.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty() || self.0.ends_with(':')
    }
}

/// True of an account that a path or pattern begins with.
fn is_within(text: &str, account: &Path) -> bool {
    let below = text.strip_prefix(&*account.0);
    below.is_some_and(|rest| account.is_root() || rest.is_empty() || rest.starts_with('/'))
}

/// Escapes any text as one segment; different texts give different segments.
fn escaped(id: &str) -> String {
    let mut escaped = String::with_capacity(id.len().min(MAX_ESCAPED));
    for letter in id.chars() {
        if letter.is_alphanumeric() || "-_.@+".contains(letter) {
            escaped.push(letter);
        } else {
            let mut buffer = [0; 4];
            letter.encode_utf8(&mut buffer).bytes().for_each(|b| escaped += &format!("%{b:02X}"));
        }
        if escaped.len() > MAX_ESCAPED {
            return hashed(escaped, id);
        }
    }
    if escaped.is_empty() { EMPTY.to_owned() } else { escaped }
}

/// Cuts a long segment and appends a hash of the whole id.
fn hashed(mut beginning: String, id: &str) -> String {
    let hash = blake3::hash(id.as_bytes()).to_hex();
    let mut end = MAX_ESCAPED - HASHED.len() - hash.len();
    while !beginning.is_char_boundary(end) {
        end -= 1;
    }
    beginning.truncate(end);
    format!("{beginning}{HASHED}{hash}")
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Path, PathError> {
        Path::new(text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({:?})", &*self.0)
    }
}

impl AsRef<str> for Path {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Path, D::Error> {
        Path::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The accounts that a limit is for: one path, or each account that a pattern names.
///
/// In a pattern, `*` stands for exactly one segment: `research/*` is each child of `research`
/// separately, but neither `research` nor its grandchildren; `user:*` is each user.
///
/// ```
/// use bursar::Path;
/// use bursar::ledger::Scope;
///
/// let each = Scope::new("research/*")?;
/// assert!(each.matches(&Path::new("research/crawler")?));
/// assert!(!each.matches(&Path::new("research")?));
/// assert!(!each.matches(&Path::new("research/crawler/page")?));
/// # Ok::<(), bursar::ledger::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Reads a path or a pattern.
    ///
    /// # Errors
    /// [`PathError`], which says what is wrong.
    pub fn new(text: &str) -> Result<Scope, PathError> {
        check(text, true)?;
        Ok(Scope(text.into()))
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if this account is meant.
    pub fn matches(&self, path: &Path) -> bool {
        let (tree, wanted) = split_tree(&self.0);
        let (its_tree, its_path) = split_tree(&path.0);
        tree == its_tree && wanted.split('/').count() == its_path.split('/').count() && {
            let mut pairs = wanted.split('/').zip(its_path.split('/'));
            pairs.all(|(wanted, its)| wanted == its || (wanted == "*" && !its.is_empty()))
        }
    }

    /// The root of its tree, and its segments.
    pub(super) fn parts(&self) -> (&str, impl Iterator<Item = &str>) {
        let (tree, rest) = split_tree(&self.0);
        (tree, rest.split('/').filter(|segment| !segment.is_empty()))
    }

    /// True of an account that is named in full: this one, or the beginning of it.
    pub(crate) fn is_within(&self, account: &Path) -> bool {
        is_within(&self.0, account)
    }

    /// The one account that is meant, if this is no pattern.
    pub fn as_path(&self) -> Option<Path> {
        (!self.0.contains('*')).then(|| Path(Arc::clone(&self.0)))
    }
}

impl FromStr for Scope {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Scope, PathError> {
        Scope::new(text)
    }
}

/// The one account.
impl From<&Path> for Scope {
    fn from(path: &Path) -> Scope {
        Scope(Arc::clone(&path.0))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", &*self.0)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scope, D::Error> {
        Scope::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// `user:42` as (`user:`, `42`); the tree of a main path has no name.
fn split_tree(text: &str) -> (&str, &str) {
    text.split_at(text.find(':').map_or(0, |colon| colon + 1))
}

fn check(text: &str, pattern: bool) -> Result<(), PathError> {
    let problem = |what| Err(PathError::new(text, what));
    // The size.
    if text.len() > MAX_LEN {
        return problem("it is longer than 512 bytes");
    }
    let (tree, rest) = split_tree(text);
    let segments = if rest.is_empty() { 0 } else { rest.split('/').count() };
    if segments > MAX_DEPTH {
        return problem("it has more than 32 segments");
    }
    // Each segment, and the name of the tree.
    let tree_name = tree.strip_suffix(':');
    let named = rest.split('/').filter(|_| segments > 0).chain(tree_name);
    for segment in named {
        if segment.is_empty() {
            return problem("an empty segment; write names joined by single slashes");
        }
        if segment.trim() != segment {
            return problem("white space around a segment; take it away");
        }
        if segment.chars().any(char::is_control) {
            return problem("a control character; take it away");
        }
        if segment.contains(':') {
            return problem("more than one `:`; it ends the name of a tag tree and stands once");
        }
        let is_star = pattern && segment == "*" && Some(segment) != tree_name;
        if segment.contains('*') && !is_star {
            return problem("`*` is for the patterns of limits, where it stands for one segment");
        }
    }
    if tree_name.is_some_and(|name| name.contains('/')) {
        return problem("a `/` before the `:`; the name of a tag tree is one word");
    }
    Ok(())
}

/// A text is no path of an account, or no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not an account path: {problem}")]
pub struct PathError {
    path: String,
    problem: &'static str,
}

impl PathError {
    fn new(path: &str, problem: &'static str) -> PathError {
        PathError { path: path.chars().take(60).collect(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_paths_are_refused() {
        for good in ["", "a", "acme/research/crawler", "user:", "user:42", "team:blue/west", "ä b"]
        {
            assert_eq!(Path::new(good).unwrap().as_str(), good);
        }
        let deep = vec!["a"; 33].join("/");
        let long = "a".repeat(513);
        for bad in [
            "/", "a/", "/a", "a//b", " a", "a ", "a/ b", ":", ":x", "a:b:c", "a/b:c", "a\n", "*",
            "a*", "a/*", "x:/a", &deep, &long,
        ] {
            assert!(Path::new(bad).is_err(), "{bad:?}");
        }
        for bad in ["*:x", "a*", "a/**", "a//*"] {
            assert!(Scope::new(bad).is_err(), "{bad:?}");
        }
    }

    /// `user:` + an empty id was the root of the tree, and a `/` in an id a deeper account.
    #[test]
    fn an_id_from_outside_is_one_segment() {
        let below = |tree: &str, id: &str| Path::new(tree).unwrap().child_for(id).unwrap();
        let long = "x".repeat(200);
        let hash = blake3::hash(long.as_bytes()).to_hex();
        for (id, segment) in [
            ("42", "42"),
            ("ada@acme.org", "ada@acme.org"),
            ("Jörg-日本", "Jörg-日本"),
            ("", "%"),
            ("%", "%25"),
            (" ", "%20"),
            ("a/b", "a%2Fb"),
            ("user:42", "user%3A42"),
            ("*", "%2A"),
            ("a\n", "a%0A"),
            ("\u{200b}", "%E2%80%8B"),
            (&long, &format!("{}%~{hash}", "x".repeat(62))),
        ] {
            assert_eq!(below("user:", id).as_str(), format!("user:{segment}"));
            assert_eq!(below("", id).as_str(), segment);
            assert_eq!(below("customers", id).as_str(), format!("customers/{segment}"));
        }
        let deep = "a/".repeat(191) + "a";
        assert!(Path::new(&deep[..61]).unwrap().child_for(&long).is_ok());
        let full = "a".repeat(384);
        let error = Path::new(&full).unwrap().child_for("1").unwrap_err();
        assert!(error.to_string().contains("no room for an id"), "{error}");
    }

    proptest::proptest! {
        /// Different ids are different accounts; none is the root of its tree or of another depth.
        #[test]
        fn ids_never_meet(
            one in proptest::prop_oneof!["[a%/: *~2F]{0,6}", ".{0,80}", "\\PC{120,200}"],
            other in proptest::prop_oneof!["[a%/: *~2F]{0,6}", ".{0,80}", "\\PC{120,200}"],
        ) {
            for parent in ["", "customers", "user:", "team:blue"] {
                let parent = Path::new(parent).unwrap();
                let (a, b) = (parent.child_for(&one).unwrap(), parent.child_for(&other).unwrap());
                assert_eq!(a == b, one == other, "{one:?} {other:?} {a} {b}");
                assert_eq!(a.parent().as_ref(), Some(&parent));
                assert!(Path::new(a.as_str()).is_ok() && !a.is_root());
                assert!(a.as_str().len() <= parent.as_str().len() + 1 + MAX_ESCAPED);
                // What has been escaped is a text like any other: it does not stand for itself.
                let segment = a.as_str().rsplit(['/', ':']).next().unwrap();
                let again = parent.child_for(segment).unwrap();
                assert_eq!(again == a, segment == one, "{segment}");
            }
        }
    }

    #[test]
    fn a_star_is_exactly_one_segment() {
        for (scope, path, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "a", true),
            ("*", "", false),
            ("*", "a/b", false),
            ("research/*", "research/crawler", true),
            ("research/*", "research", false),
            ("research/*", "research/a/b", false),
            ("*/b", "a/b", true),
            ("*/b", "a/c", false),
            ("user:*", "user:42", true),
            ("user:*", "user:", false),
            ("user:*", "42", false),
            ("*", "user:42", false),
            ("team:*/west", "team:blue/west", true),
        ] {
            let (scope, path) = (Scope::new(scope).unwrap(), Path::new(path).unwrap());
            assert_eq!(scope.matches(&path), expected, "{scope:?} {path:?}");
        }
    }

    #[test]
    fn sorted_by_its_key_an_account_follows_the_one_above_it() {
        let paths = ["", "a", "a/b", "a/b/c", "a/c", "a b", "a-b", "b", "team:", "team:x", "user:"];
        let mut sorted: Vec<Path> = paths.iter().map(|path| Path::new(path).unwrap()).collect();
        sorted.reverse();
        sorted.sort_by_cached_key(Path::sort_key);
        assert_eq!(sorted.iter().map(Path::as_str).collect::<Vec<_>>(), paths);
    }

    #[test]
    fn parents_stay_in_their_tree() {
        let parent = |text| Path::new(text).unwrap().parent().map(|path| path.to_string());
        assert_eq!(parent("a/b").as_deref(), Some("a"));
        assert_eq!(parent("a").as_deref(), Some(""));
        assert_eq!(parent(""), None);
        assert_eq!(parent("team:blue/west").as_deref(), Some("team:blue"));
        assert_eq!(parent("team:blue").as_deref(), Some("team:"));
        assert_eq!(parent("team:"), None);
    }
}
