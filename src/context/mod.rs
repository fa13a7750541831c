//! [`ContextTrimmer`]: chooses which messages of a long conversation are sent, and which are dropped.
//!
//! [`openai`], [`responses`], [`anthropic`] and [`gemini`] read a request's JSON as it is,
//! [`ChatMessage`] is a message of your own. Around an agent,
//! [`BudgetConstrained::trimmer`](crate::BudgetConstrained::trimmer) trims each task to the window of
//! its model.

mod chat;
mod count;
mod cut;
mod error;
mod items;
mod json;
mod message;
mod shorten;
mod trimmed;
mod unit;
mod walk;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::usage::tokens::{Framing, Heuristic, TokenCounter};
pub use chat::ChatMessage;
use count::Counting;
pub use cut::Cut;
pub use error::TrimError;
pub use json::{JsonChat, JsonMessage, anthropic, gemini, openai, responses};
pub use message::{
    Bond, Counted, Grouping, Message, Messages, Piece, Render, Role, Rules, counted,
};
pub use trimmed::{TrimReport, Trimmed};
use walk::Walk;

/// Chooses what to keep of a conversation, so that it has at most `max_tokens`: the instructions
/// at its beginning, the first message of the user, and of the rest what is newest.
///
/// It is [`ContextTrimmer::new`] with its defaults; [`ContextTrimmer`] has more to say.
///
/// ```
/// use bursar::context::openai;
/// use bursar::trim_context;
/// use serde_json::json;
///
/// let messages = [
///     json!({"role": "system", "content": "You are terse."}),
///     json!({"role": "user", "content": "Find the bug."}),
///     json!({"role": "assistant", "tool_calls": [
///         {"id": "1", "type": "function", "function": {"name": "read", "arguments": "{}"}}]}),
///     json!({"role": "tool", "tool_call_id": "1", "content": "fn main() {}\n".repeat(200)}),
///     json!({"role": "user", "content": "And now?"}),
/// ];
/// let chat = openai(&messages);
/// let trimmed = trim_context(&chat, 60)?;
/// assert_eq!(trimmed.kept(), [0, 1, 4], "the call went with its result");
/// assert!(trimmed.tokens() <= 60);
/// let body = json!({"model": "gpt-6.1-terra", "messages": trimmed.render()});
/// # assert_eq!(body["messages"][2], messages[4]);
/// # Ok::<(), bursar::context::TrimError>(())
/// ```
///
/// # Errors
/// [`TrimError`]: what must stay does not fit, or no provider would take it.
pub fn trim_context<C: Messages + ?Sized>(
    messages: &C,
    max_tokens: u64,
) -> Result<Trimmed<'_, C>, TrimError> {
    ContextTrimmer::new(max_tokens).trim(messages)
}

/// Trims conversations, by a policy.
///
/// # What stays
///
/// 1. What is **pinned**: the system messages at the beginning, the first message of the user, and
///    what [`pin`](ContextTrimmer::pin) names (instructions further down, say:
///    `.pin(|_, message| message.role() == Role::System)`). It stays or there is an error.
/// 2. The **newest** message. If it does not fit, it is cut in its middle, or there is an error
///    ([`Oversize`]).
/// 3. The messages before it, newest first, up to the first that does not fit.
///
/// An assistant message that calls tools and the results of all its calls are one thing: they stay
/// or go together, and a pin on one of them holds all. What no provider takes falls out, whether it
/// fits or not: a result without its call right before, a call without its result right behind, a
/// second result of one call. So nothing here can turn a list that a provider takes into one that
/// it refuses; [`Rules`] says what else it asks.
///
/// System prompts that are beside the list (Anthropic's `system`, Gemini's `systemInstruction`),
/// tools and schemas are the caller's: take their tokens off `max_tokens`.
///
/// # How it counts
///
/// With [`TokenCounter::upper_bound`] and [`Framing`], so that what is kept can be reserved as it
/// is: `model.estimate().input(trimmed.tokens())`.
///
/// # How long it takes
///
/// It looks at what it keeps and at the next message, and at the beginning up to the first message
/// of the user. What it does not look at is neither counted nor copied.
/// [`counted`](counted()) gives it counts that were made before. A predicate of
/// [`pin`](ContextTrimmer::pin) is asked about every message, and of [`responses`] the ids of all
/// items are read; nothing else makes it read the whole.
///
/// # A summary of what falls out
///
/// Trimming makes no call. It lists what fell out; a call that sums it up is reserved and settled
/// like any other, and the caller puts its text in that place:
///
/// ```
/// use bursar::context::{ChatMessage, ContextTrimmer};
/// use bursar::{BudgetManager, Usage, Usd};
///
/// # let mut chat = vec![ChatMessage::user("Plan my trip to Lisbon.")];
/// # for day in 0..40 {
/// #     chat.push(ChatMessage::assistant(format!("Day {day}: a walk by the river, and fish.")));
/// #     chat.push(ChatMessage::user(format!("Good. What about day {}?", day + 1)));
/// # }
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let small = budget.model("gpt-6-luna")?;
///
/// let trimmer = ContextTrimmer::new(600 - 120); // leaves room for the summary
/// let trimmed = trimmer.trim(&chat)?;
/// let asked = 50 + trimmed.dropped_tokens(); // the prompt of the summariser, and what it reads
/// let hold = budget.reserve("helper/summary", &small.estimate().input(asked).max_output(100))?;
/// # fn summarise<'a>(_: impl Iterator<Item = &'a ChatMessage>) -> (String, Usage) {
/// #     ("Days 0 to 30: walks by the river.".to_owned(), Usage::tokens(1_100, 12))
/// # }
/// let (summary, usage) = summarise(trimmed.dropped_messages()); // the call
/// hold.settle(usage);
///
/// let summary = ChatMessage::user(summary);
/// assert!(trimmed.tokens() + trimmer.count(&summary) <= 600);
/// let mut sent = trimmed.render();
/// sent.insert(1, summary); // behind the first message of the user, which is pinned
/// # assert!(budget.spent() > Usd::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ContextTrimmer {
    max_tokens: u64,
    counting: Counting,
    rules: Option<Rules>,
    pin_first_user: bool,
    pin: Option<Pin>,
    oversize: Oversize,
}

type Pin = Arc<dyn Fn(usize, &dyn Message) -> bool + Send + Sync>;

impl ContextTrimmer {
    /// What stands where something was cut out.
    pub const MARK: &'static str = cut::MARK;

    /// Keeps at most `max_tokens`, and cuts a newest message that is larger. It counts with
    /// [`Heuristic::new`] and [`Framing::CAUTIOUS`] unless it is given the model.
    pub fn new(max_tokens: u64) -> ContextTrimmer {
        ContextTrimmer {
            max_tokens,
            counting: Counting::new(Arc::new(Heuristic::new()), Framing::CAUTIOUS),
            rules: None,
            pin_first_user: true,
            pin: None,
            oversize: Oversize::Cut,
        }
    }

    /// Counts for this model, by its name, without a vocabulary.
    pub fn for_model(self, model: &str) -> ContextTrimmer {
        self.counter(Heuristic::for_model(model), Framing::for_model(model))
    }

    /// Counts with this counter, and so much around each message.
    pub fn counter(
        mut self,
        counter: impl TokenCounter + 'static,
        framing: Framing,
    ) -> ContextTrimmer {
        self.counting = Counting::new(Arc::new(counter), framing);
        self
    }

    /// Holds other rules than those of the list's form.
    pub fn rules(mut self, rules: Rules) -> ContextTrimmer {
        self.rules = Some(rules);
        self
    }

    /// Whether the first message of the user stays; true by default. Without it, a
    /// list that ends in a long chain of tool calls may have no message to begin with.
    pub fn pin_first_user(mut self, pinned: bool) -> ContextTrimmer {
        self.pin_first_user = pinned;
        self
    }

    /// Names further messages that stay, by index and message. It is asked about every message.
    pub fn pin(
        mut self,
        is_pinned: impl Fn(usize, &dyn Message) -> bool + Send + Sync + 'static,
    ) -> ContextTrimmer {
        self.pin = Some(Arc::new(is_pinned));
        self
    }

    /// What happens to what is larger than all the room that is not pinned.
    pub fn oversize(mut self, oversize: Oversize) -> ContextTrimmer {
        self.oversize = oversize;
        self
    }

    /// The tokens of a message, with what is around it: for [`counted`](counted()).
    pub fn count(&self, message: &impl Message) -> u64 {
        self.counting.message(message)
    }

    /// The same trimmer, keeping `tokens` at most.
    pub(crate) fn at_most(&self, tokens: u64) -> Cow<'_, ContextTrimmer> {
        if tokens >= self.max_tokens {
            return Cow::Borrowed(self);
        }
        Cow::Owned(ContextTrimmer { max_tokens: tokens, ..self.clone() })
    }

    /// Chooses what to keep.
    ///
    /// # Errors
    /// [`TrimError`]: what must stay does not fit, or no provider would take it.
    pub fn trim<'a, C: Messages + ?Sized>(
        &self,
        messages: &'a C,
    ) -> Result<Trimmed<'a, C>, TrimError> {
        let picked = Walk::new(self, messages).pick()?;
        Ok(Trimmed::new(messages, self.counting.clone(), picked))
    }
}

impl fmt::Debug for ContextTrimmer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextTrimmer")
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

/// What happens to a message or exchange that is larger than all the room that is not pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversize {
    /// Its longest texts are cut in their middle, where a mark then stands.
    Cut,
    /// The newest is an error, an older one falls out.
    Refuse,
}

#[cfg(test)]
mod tests;
