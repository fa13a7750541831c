//! [`ChatMessage`]: a message for callers that have no type of their own.

use super::message::{Message, Messages, Piece, Render, Role};

/// A message of text, with the tools that it calls or the result that it brings.
///
/// ```
/// use bursar::context::ChatMessage;
///
/// let chat = [
///     ChatMessage::system("You answer in one sentence."),
///     ChatMessage::user("What is the weather in Paris?"),
///     ChatMessage::assistant("").call("call_1", "weather", r#"{"city":"Paris"}"#),
///     ChatMessage::tool("call_1", "18 degrees, clear"),
///     ChatMessage::assistant("It is clear and 18 degrees in Paris."),
/// ];
/// assert_eq!(bursar::trim_context(&chat, 2_000)?.kept(), [0, 1, 2, 3, 4]);
/// # Ok::<(), bursar::context::TrimError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    role: Role,
    text: String,
    calls: Vec<Call>,
    answers: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    id: String,
    name: String,
    arguments: String,
}

impl ChatMessage {
    /// Instructions.
    pub fn system(text: impl Into<String>) -> ChatMessage {
        ChatMessage::new(Role::System, text.into())
    }

    /// What the user says.
    pub fn user(text: impl Into<String>) -> ChatMessage {
        ChatMessage::new(Role::User, text.into())
    }

    /// What the model says.
    pub fn assistant(text: impl Into<String>) -> ChatMessage {
        ChatMessage::new(Role::Assistant, text.into())
    }

    /// The result of the call of that id.
    pub fn tool(call_id: impl Into<String>, text: impl Into<String>) -> ChatMessage {
        ChatMessage { answers: Some(call_id.into()), ..ChatMessage::new(Role::Tool, text.into()) }
    }

    /// Adds a call of a tool to what the model says.
    #[must_use]
    pub fn call(
        mut self,
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> ChatMessage {
        let call = Call { id: id.into(), name: name.into(), arguments: arguments.into() };
        self.calls.push(call);
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn new(role: Role, text: String) -> ChatMessage {
        ChatMessage { role, text, calls: Vec::new(), answers: None }
    }
}

impl Message for ChatMessage {
    fn role(&self) -> Role {
        self.role
    }

    fn each_piece<'a>(&'a self, visit: &mut dyn FnMut(Piece<'a>)) {
        visit(Piece::Text(&self.text));
        for call in &self.calls {
            visit(Piece::Fixed(&call.name));
            visit(Piece::Fixed(&call.arguments));
        }
    }

    fn each_call<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        self.calls.iter().for_each(|call| visit(&call.id));
    }

    fn each_result<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        if let Some(id) = &self.answers {
            visit(id);
        }
    }
}

/// Implements [`Render`] for lists of [`ChatMessage`].
macro_rules! lists {
    ($($list:ty $(, const $n:ident)?;)*) => {$(
        impl$(<const $n: usize>)? Render for $list {
            type Owned = ChatMessage;

            fn owned(
                &self,
                index: usize,
                replace: &dyn Fn(usize, &str) -> Option<String>,
            ) -> Option<ChatMessage> {
                let message = self.at(index)?.clone();
                Some(match replace(0, &message.text) {
                    Some(text) => ChatMessage { text, ..message },
                    None => message,
                })
            }
        }
    )*};
}

lists! {
    [ChatMessage];
    Vec<ChatMessage>;
    [ChatMessage; N], const N;
}
