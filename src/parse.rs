//! [`ParseNameError`]: the error of `FromStr` for small enums.

use std::fmt;

/// A text is not one of an enum's names. Its `Display` lists the names.
///
/// ```
/// use bursar::select::Complexity;
///
/// assert_eq!("complex".parse(), Ok(Complexity::Complex));
/// let error = "hard".parse::<Complexity>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`hard` is not a complexity; write `simple`, `medium`, `complex` or `unknown`",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}; write {}", Listed(names))]
pub struct ParseNameError {
    /// The beginning of the text.
    text: String,
    what: &'static str,
    names: Vec<&'static str>,
}

struct Listed<'a>(&'a [&'static str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            let joint = match (place, self.0.len().saturating_sub(1)) {
                (0, _) => "",
                (place, last) if place == last => " or ",
                _ => ", ",
            };
            write!(f, "{joint}`{name}`")?;
        }
        Ok(())
    }
}

/// Finds the value with this name. A space may be written as `_`, as in the serde forms.
pub(crate) fn named<T: Copy>(
    text: &str,
    what: &'static str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, ParseNameError> {
    let is_named = |value: &&T| name(**value) == text || name(**value).replace(' ', "_") == text;
    all.iter().find(is_named).copied().ok_or_else(|| ParseNameError {
        text: text.chars().take(40).collect(),
        what,
        names: all.iter().map(|value| name(*value)).collect(),
    })
}
