//! [`ContextTrimmer::shorten`]: trims a list of messages in place.

use serde_json::Value;

use super::message::Render;
use super::{ContextTrimmer, JsonChat, TrimError, TrimReport, Trimmed};

impl ContextTrimmer {
    /// Trims a list in place and says what fell out; `None` if all of it stays as it is.
    ///
    /// ```
    /// use bursar::context::{ChatMessage, ContextTrimmer};
    ///
    /// let mut chat: Vec<_> = (0..40).map(|n| ChatMessage::user(format!("Line {n}."))).collect();
    /// let trimmer = ContextTrimmer::new(120);
    /// let report = trimmer.shorten(&mut chat)?.expect("40 lines are more than 120 tokens");
    /// assert_eq!((chat.len(), report.messages_dropped), (report.messages_kept, 40 - chat.len()));
    /// assert_eq!(trimmer.shorten(&mut chat)?, None);
    /// # Ok::<(), bursar::context::TrimError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`trim`](ContextTrimmer::trim); the list stays as it was then.
    pub fn shorten<M>(&self, messages: &mut Vec<M>) -> Result<Option<TrimReport>, TrimError>
    where
        [M]: Render<Owned = M>,
    {
        let shorter = written(&self.trim(messages.as_slice())?);
        Ok(replace(messages, shorter))
    }

    /// Trims the messages of a JSON body in place, in the form that `view` makes of them
    /// ([`openai`](super::openai), [`responses`](super::responses),
    /// [`anthropic`](super::anthropic), [`gemini`](super::gemini)), and says what fell out; `None`
    /// if all of it stays as it is.
    ///
    /// ```
    /// use bursar::context::{ContextTrimmer, openai};
    /// use serde_json::{Value, json};
    ///
    /// let message = |n: u64| json!({"role": "user", "content": format!("Line {n}.")});
    /// let mut messages: Vec<Value> = (0..40).map(message).collect();
    /// let report = ContextTrimmer::new(120).shorten_json(&mut messages, openai)?;
    /// assert_eq!(report.map(|report| report.messages_kept), Some(messages.len()));
    /// # Ok::<(), bursar::context::TrimError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`trim`](ContextTrimmer::trim); the list stays as it was then.
    pub fn shorten_json(
        &self,
        messages: &mut Vec<Value>,
        view: impl Fn(&[Value]) -> JsonChat<'_>,
    ) -> Result<Option<TrimReport>, TrimError> {
        let shorter = written(&self.trim(&view(messages))?);
        Ok(replace(messages, shorter))
    }
}

/// The list that is left, and what fell out; `None` if nothing did.
fn written<C: Render + ?Sized>(trimmed: &Trimmed<'_, C>) -> Option<(Vec<C::Owned>, TrimReport)> {
    let is_whole = trimmed.dropped().next().is_none() && trimmed.cuts().is_empty();
    (!is_whole).then(|| (trimmed.render(), trimmed.report()))
}

fn replace<M>(messages: &mut Vec<M>, shorter: Option<(Vec<M>, TrimReport)>) -> Option<TrimReport> {
    let (kept, report) = shorter?;
    *messages = kept;
    Some(report)
}
