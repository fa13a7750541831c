//! [`Body`], a response body or event, and [`Bill::from_response`], which reads a whole one.

use serde_json::Value;

use super::Bill;
use super::answer::Answer;
use super::content::Content;
use super::envelope::Envelope;
use super::error::UsageError;
use super::json::Json;
use super::stream::UsageMeter;

/// A response body or one event of a stream: JSON as text or bytes, or a tree that has already
/// been built.
///
/// Prefer the text or bytes as they came: a cost is then read digit for digit, where a tree has
/// usually made a binary float of it, and no tree needs to be built to be read.
///
/// ```
/// use bursar::Bill;
/// use serde_json::json;
///
/// let text = r#"{"model": "m", "usage": {"prompt_tokens": 12, "completion_tokens": 5}}"#;
/// let tree = json!({"model": "m", "usage": {"prompt_tokens": 12, "completion_tokens": 5}});
/// assert_eq!(Bill::from_response(text)?, Bill::from_response(text.as_bytes())?);
/// assert_eq!(Bill::from_response(text)?, Bill::from_response(&tree)?);
/// # Ok::<(), bursar::usage::UsageError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Body<'b>(pub(super) Json<'b>);

/// Implements `From` for text and bytes.
macro_rules! from_text {
    ($($text:ty $(, const $n:ident)?;)*) => {$(
        impl<'b $(, const $n: usize)?> From<&'b $text> for Body<'b> {
            fn from(text: &'b $text) -> Body<'b> {
                Body(Json::Text(text.as_ref()))
            }
        }
    )*};
}

from_text! {
    [u8];
    [u8; N], const N;
    Vec<u8>;
    str;
    String;
}

impl<'b> From<&'b Value> for Body<'b> {
    fn from(tree: &'b Value) -> Body<'b> {
        Body(Json::Tree(tree))
    }
}

impl Bill {
    /// Reads what a provider answered, and recognises whose form it has.
    ///
    /// `None` if the answer states no usage, as an error does. That does not mean zero: an empty
    /// answer has zero counts. The text of a whole event stream, or of JSON lines, is read as well.
    ///
    /// A side of the call that the provider did not count is estimated: the output from the text of
    /// the answer; the input is left at zero, and settling a hold fills it in. The bill is then
    /// [`Estimated`](crate::Confidence) and lists a [`Doubt::Missing`](super::Doubt). Contradictory
    /// counts are read as the total supports. Several answers in one text are added up, each id
    /// once.
    ///
    /// ```
    /// use bursar::{Bill, Usage};
    ///
    /// let body = r#"{"model": "claude-haiku-4-5", "content": [{"type": "text", "text": "Yes."}],
    ///     "usage": {"input_tokens": 12, "cache_read_input_tokens": 2048, "output_tokens": 3}}"#;
    /// let bill = Bill::from_response(body)?.expect("the body has usage");
    /// assert_eq!(bill.usage, Usage { cache_read: 2_048, ..Usage::tokens(12, 3) });
    /// assert_eq!(bill.model.as_deref(), Some("claude-haiku-4-5"));
    /// assert_eq!(Bill::from_response(r#"{"error": {"type": "overloaded_error"}}"#)?, None);
    /// # Ok::<(), bursar::usage::UsageError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is neither JSON nor an event stream, or if a field is not the count or cost that it
    /// should be and nothing else can be used.
    pub fn from_response<'b>(body: impl Into<Body<'b>>) -> Result<Option<Bill>, UsageError> {
        read_whole(body.into().0)
    }
}

fn read_whole(body: Json<'_>) -> Result<Option<Bill>, UsageError> {
    match body {
        Json::Text(text) => read_text(trimmed(text)),
        Json::Tree(Value::String(text)) => read_text(trimmed(text.as_bytes())),
        Json::Tree(Value::Object(_)) => read_object(body),
        Json::Tree(_) => UsageMeter::read_items(body),
    }
}

fn read_text(text: &[u8]) -> Result<Option<Bill>, UsageError> {
    let as_stream = |error| UsageMeter::read_whole(text).unwrap_or(Err(error));
    match text.first() {
        None => Ok(None),
        Some(b'{') => match read_object(Json::Text(text)) {
            // It may be the first of several lines of JSON.
            Err(error @ UsageError::Malformed { .. }) => as_stream(error),
            read => read,
        },
        Some(_) => as_stream(UsageError::malformed("it begins like neither")),
    }
}

fn read_object(body: Json<'_>) -> Result<Option<Bill>, UsageError> {
    let envelope = Envelope::open(body)?;
    if envelope.is_transcription() {
        return UsageMeter::read_event(body);
    }
    let mut answer = Answer::default();
    if !answer.take(&envelope)? || answer.is_of_no_use() {
        return Ok(None);
    }
    // The text is read only where a count is missing.
    if answer.needs_text() {
        let progress = answer.content.add_event(body);
        answer.advance(progress);
        if answer.content.is_empty() {
            answer.content.add_whole(body);
        }
    }
    Ok(Some(answer.bill(&Content::default(), 0)))
}

/// The text without the white space, and the byte order mark, around it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii()
}
