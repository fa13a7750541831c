//! [`Message`] and [`Messages`]: what trimming needs to know of a conversation.

/// Who speaks in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions: `system` and `developer`.
    System,
    /// The user.
    User,
    /// The model: `assistant`, in Gemini's words `model`.
    Assistant,
    /// The result of a tool, where it has a role of its own.
    Tool,
}

/// A part of a message, as far as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that may be cut in its middle.
    Text(&'a str),
    /// Text that must stay as it is: a tool's name, its arguments.
    Fixed(&'a str),
    /// The tokens of something other than text, such as an image.
    Tokens(u64),
}

/// One message of a conversation, as trimming sees it.
///
/// ```
/// use bursar::context::{Message, Piece, Role};
///
/// struct Line(String);
///
/// impl Message for Line {
///     fn role(&self) -> Role {
///         Role::User
///     }
///
///     fn each_piece<'a>(&'a self, visit: &mut dyn FnMut(Piece<'a>)) {
///         visit(Piece::Text(&self.0));
///     }
/// }
///
/// let lines = [Line("first".into()), Line("long ".repeat(900)), Line("last".into())];
/// assert_eq!(bursar::trim_context(&lines, 60)?.kept(), [0, 2]);
/// # Ok::<(), bursar::context::TrimError>(())
/// ```
pub trait Message {
    /// Who speaks.
    fn role(&self) -> Role;

    /// Visits all that counts, in order: the same at each visit.
    fn each_piece<'a>(&'a self, visit: &mut dyn FnMut(Piece<'a>));

    /// Visits the ids of the tools that an assistant message calls: whatever names a call in its
    /// result. One call, one visit.
    fn each_call<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let _ = visit;
    }

    /// Visits the ids of the calls whose results the message brings.
    fn each_result<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        let _ = visit;
    }

    /// Which neighbours the message must be kept with, where messages are [items](Grouping::Items)
    /// of a turn.
    fn bond(&self) -> Bond {
        Bond::None
    }

    /// What the message is and where it belongs, if it is not of the form of its list. To keep it
    /// is then [`TrimError::WrongForm`](super::TrimError::WrongForm).
    fn wrong_form(&self) -> Option<&'static str> {
        None
    }
}

/// Which messages of a list are kept or dropped together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grouping {
    /// A message that calls tools, and the results right behind it.
    #[default]
    Exchanges,
    /// Items of turns, as in OpenAI's Responses API: a call and its output, wherever it stands, and
    /// reasoning with the model's next item ([`Message::bond`]).
    Items {
        /// Earlier turns are kept by the provider: an output may answer a call that is not in the
        /// list, and then it stays.
        continued: bool,
    },
}

/// Which other items of its turn an item of the model must be kept with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bond {
    /// Only the output of its call.
    #[default]
    None,
    /// The item after it, for a `reasoning` item.
    Next,
    /// The `reasoning` item before it in the turn, if there is one: the provider knows it by its id.
    Turn,
    /// Unknown, for an `item_reference`.
    Unknown,
}

/// A list of messages, oldest first. Slices, arrays and vectors of [`Message`] are lists, and so
/// are the views of JSON: [`openai`](super::openai), [`responses`](super::responses),
/// [`anthropic`](super::anthropic), [`gemini`](super::gemini).
pub trait Messages {
    /// One message, or a view of it.
    type Message<'a>: Message
    where
        Self: 'a;

    /// How many there are.
    fn len(&self) -> usize;

    /// The message at a place; `None` behind the end.
    fn at(&self, index: usize) -> Option<Self::Message<'_>>;

    /// True if there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the provider asks of such a list.
    fn rules(&self) -> Rules {
        Rules::default()
    }

    /// Which messages stay or go together.
    fn grouping(&self) -> Grouping {
        Grouping::default()
    }

    /// The tokens of a message, if they are known without counting.
    fn counted(&self, index: usize) -> Option<u64> {
        let _ = index;
        None
    }
}

/// A list of which a shorter copy can be made.
pub trait Render: Messages {
    /// A message of its own.
    type Owned;

    /// The message at a place, its texts replaced where `replace` says so: it is given the number
    /// of each [`Piece::Text`], counted from zero.
    fn owned(
        &self,
        index: usize,
        replace: &dyn Fn(usize, &str) -> Option<String>,
    ) -> Option<Self::Owned>;
}

/// A list whose messages have been counted before; made by [`counted`].
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a, C: ?Sized> {
    messages: &'a C,
    tokens: &'a [u64],
}

/// A list of messages beside the counts that the caller keeps, one for each message, in order, as
/// [`ContextTrimmer::count`](super::ContextTrimmer::count) gives them. A message without a count is
/// counted when it is looked at.
///
/// ```
/// use bursar::context::{ChatMessage, ContextTrimmer, counted};
///
/// let trimmer = ContextTrimmer::new(2_000);
/// let (mut messages, mut tokens) = (Vec::new(), Vec::new());
/// for text in ["Hello!", "Are you there?"] {
///     let message = ChatMessage::user(text);
///     tokens.push(trimmer.count(&message)); // once
///     messages.push(message);
/// }
/// let list = counted(&messages, &tokens);
/// assert_eq!(trimmer.trim(&list)?.kept(), [0, 1]);
/// # Ok::<(), bursar::context::TrimError>(())
/// ```
pub fn counted<'a, C: Messages + ?Sized>(messages: &'a C, tokens: &'a [u64]) -> Counted<'a, C> {
    Counted { messages, tokens }
}

impl<C: Messages + ?Sized> Messages for Counted<'_, C> {
    type Message<'b>
        = C::Message<'b>
    where
        Self: 'b;

    fn len(&self) -> usize {
        self.messages.len()
    }

    fn at(&self, index: usize) -> Option<C::Message<'_>> {
        self.messages.at(index)
    }

    fn rules(&self) -> Rules {
        self.messages.rules()
    }

    fn grouping(&self) -> Grouping {
        self.messages.grouping()
    }

    fn counted(&self, index: usize) -> Option<u64> {
        self.tokens.get(index).copied().or_else(|| self.messages.counted(index))
    }
}

impl<C: Render + ?Sized> Render for Counted<'_, C> {
    type Owned = C::Owned;

    fn owned(
        &self,
        index: usize,
        replace: &dyn Fn(usize, &str) -> Option<String>,
    ) -> Option<C::Owned> {
        self.messages.owned(index, replace)
    }
}

/// Implements [`Messages`] for lists of any [`Message`].
macro_rules! lists {
    ($($list:ty $(, const $n:ident)?;)*) => {$(
        impl<M: Message $(, const $n: usize)?> Messages for $list {
            type Message<'a> = &'a M where M: 'a;

            fn len(&self) -> usize {
                <[M]>::len(self)
            }

            fn at(&self, index: usize) -> Option<&M> {
                self.get(index)
            }
        }
    )*};
}

lists! {
    [M];
    Vec<M>;
    [M; N], const N;
}

impl<M: Message> Message for &M {
    fn role(&self) -> Role {
        (**self).role()
    }

    fn each_piece<'a>(&'a self, visit: &mut dyn FnMut(Piece<'a>)) {
        (**self).each_piece(visit);
    }

    fn each_call<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        (**self).each_call(visit);
    }

    fn each_result<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        (**self).each_result(visit);
    }

    fn bond(&self) -> Bond {
        (**self).bond()
    }

    fn wrong_form(&self) -> Option<&'static str> {
        (**self).wrong_form()
    }
}

/// What a provider asks of a list, besides whole tool exchanges.
///
/// The default holds for OpenAI and Anthropic, and for what has no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The first message after the instructions is the user's. Waived if there is none of the user.
    pub user_first: bool,
    /// Where something fell out, user and model still take turns. What the caller has put side by
    /// side stays so.
    pub alternate: bool,
}

impl Rules {
    /// Messages of one role may follow one another.
    pub const OPENAI: Rules = Rules { user_first: true, alternate: false };

    /// The first message is the user's; "consecutive `user` or `assistant` turns in your request
    /// will be combined into a single turn" (Anthropic's reference of the Messages API).
    pub const ANTHROPIC: Rules = Rules { user_first: true, alternate: false };

    /// Turns alternate, and "function call turn comes immediately after a user turn or after a
    /// function response turn" (the Gemini API's own error message).
    pub const GEMINI: Rules = Rules { user_first: true, alternate: true };
}

impl Default for Rules {
    fn default() -> Rules {
        Rules::OPENAI
    }
}
