//! [`ParseError`]: the error of `FromStr`, for amounts, dates, moments, zones, ratios and names.

use std::borrow::Cow;

/// A text that cannot be read. Its `Display` says what to write.
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
#[error("`{text}` is not {what}")]
pub struct ParseError {
    /// The first 40 letters of the text.
    text: String,
    what: Cow<'static, str>,
}

impl ParseError {
    /// `what` ends the sentence "`text` is not …" and says what to write.
    pub(crate) fn new(text: &str, what: impl Into<Cow<'static, str>>) -> ParseError {
        let text = match text.char_indices().nth(40) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        ParseError { text, what: what.into() }
    }
}

/// Finds the value with this name. A space may be written as `_`, as in the serde forms.
pub(crate) fn named<T: Copy>(
    text: &str,
    what: &'static str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, ParseError> {
    let is_named = |value: &&T| name(**value) == text || name(**value).replace(' ', "_") == text;
    all.iter().find(is_named).copied().ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|value| format!("`{}`", name(*value))).collect();
        let (last, rest) = names.split_last().map_or(("", &[][..]), |(l, rest)| (l.as_str(), rest));
        ParseError::new(text, format!("{what}; write {} or {last}", rest.join(", ")))
    })
}
