//! [`Answer`]: a scripted answer, its [`Tokens`], and [`Gate`], which holds it back.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::wire::Api;

/// One answer of the script: a text in pieces, calls of tools, or an error.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub(crate) pieces: Vec<String>,
    pub(crate) tools: Vec<(String, Value)>,
    pub(crate) status: Option<u16>,
    pub(crate) gate: Option<Gate>,
    pub(crate) gates: Vec<(usize, Gate)>,
    pub(crate) cut_after: Option<usize>,
    pub(crate) stop: Stop,
    tokens: Option<Tokens>,
    model: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stop {
    #[default]
    End,
    Tools,
    Length,
}

impl Answer {
    /// A text; a stream sends it word by word.
    pub fn text(text: &str) -> Answer {
        Answer::pieces(text.split_inclusive(' '))
    }

    /// A text, in the pieces in which a stream sends it.
    pub fn pieces(pieces: impl IntoIterator<Item = impl Into<String>>) -> Answer {
        Answer { pieces: pieces.into_iter().map(Into::into).collect(), ..Answer::default() }
    }

    /// A call of a tool, with its arguments as a JSON object.
    pub fn tool(name: &str, arguments: Value) -> Answer {
        Answer::default().and_tool(name, arguments)
    }

    /// An error of this status, in the provider's form, free of charge.
    pub fn error(status: u16) -> Answer {
        Answer { status: Some(status), ..Answer::text(&format!("scripted {status}")) }
    }

    /// One more call of a tool in the same answer.
    #[must_use]
    pub fn and_tool(mut self, name: &str, arguments: Value) -> Answer {
        self.tools.push((name.to_owned(), arguments));
        self.stop = Stop::Tools;
        self
    }

    /// What it uses; without it, 10 tokens in and one out for each piece.
    #[must_use]
    pub fn usage(mut self, tokens: Tokens) -> Answer {
        self.tokens = Some(tokens);
        self
    }

    /// Answers, and bills, as another model than the one that was asked.
    #[must_use]
    pub fn from_model(mut self, model: &str) -> Answer {
        self.model = Some(model.to_owned());
        self
    }

    /// Adds a header to the response: `retry-after` to an error.
    ///
    /// # Panics
    /// If it is no header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Answer {
        let name = HeaderName::from_static(name);
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// Waits for the gate before anything of the answer is sent. It is billed all the same: the
    /// provider works while a client waits.
    #[must_use]
    pub fn behind(mut self, gate: &Gate) -> Answer {
        self.gate = Some(gate.clone());
        self
    }

    /// A stream waits for the gate when it has sent this many pieces.
    #[must_use]
    pub fn hold_after(mut self, pieces: usize, gate: &Gate) -> Answer {
        self.gates.push((pieces, gate.clone()));
        self
    }

    /// Cuts the connection: a stream's when it has sent this many pieces, a JSON body's in its middle.
    #[must_use]
    pub fn cut_after(mut self, pieces: usize) -> Answer {
        self.cut_after = Some(pieces);
        self
    }

    /// The answer to this request: its model, and no more output than its cap.
    pub(crate) fn fit_to(mut self, api: Api, request: &Value) -> Answer {
        if self.model.is_none() {
            self.model = request["model"].as_str().map(str::to_owned);
        }
        let mut tokens = self.tokens();
        let cap = api.output_cap(request).unwrap_or(u64::MAX);
        if tokens.output + tokens.reasoning > cap {
            let whole = tokens.output.max(1);
            tokens.reasoning = tokens.reasoning.min(cap);
            tokens.output = cap - tokens.reasoning;
            self.tokens = Some(tokens);
            let kept = self.pieces.len() as u64 * tokens.output / whole;
            self.pieces.truncate(kept as usize);
            self.tools.clear();
            self.stop = Stop::Length;
        }
        self
    }

    pub(crate) fn tokens(&self) -> Tokens {
        self.tokens.unwrap_or(Tokens::new(10, self.pieces.len() as u64))
    }

    pub(crate) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    pub(crate) fn whole_text(&self) -> String {
        self.pieces.concat()
    }

    pub(crate) fn put_headers(&self, headers: &mut HeaderMap) {
        headers.extend(self.headers.iter().cloned());
    }
}

/// What an answer uses, each token in one place only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Input that was neither read from the prompt cache nor written to it.
    pub input: u64,
    /// Input read from the prompt cache.
    pub cached: u64,
    /// Input written to it: for 30 minutes at OpenAI, for 5 at Anthropic.
    pub written: u64,
    /// Visible output.
    pub output: u64,
    /// Output that was thought and not shown.
    pub reasoning: u64,
}

impl Tokens {
    /// Tokens in and out, without cached input and reasoning.
    pub const fn new(input: u64, output: u64) -> Tokens {
        Tokens { input, cached: 0, written: 0, output, reasoning: 0 }
    }

    /// Adds tokens that were read from the cache.
    #[must_use]
    pub const fn cached(self, cached: u64) -> Tokens {
        Tokens { cached, ..self }
    }

    /// Adds tokens that were written to the cache.
    #[must_use]
    pub const fn written(self, written: u64) -> Tokens {
        Tokens { written, ..self }
    }

    /// Adds tokens of reasoning.
    #[must_use]
    pub const fn reasoning(self, reasoning: u64) -> Tokens {
        Tokens { reasoning, ..self }
    }

    pub(crate) fn all_input(&self) -> u64 {
        self.input + self.cached + self.written
    }

    pub(crate) fn all_output(&self) -> u64 {
        self.output + self.reasoning
    }
}

/// Holds answers back until a test says go. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that is shut.
    pub fn new() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    /// Opens it for good.
    pub fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn wait(&self) {
        let _ = self.0.acquire().await; // an error once it is open
    }
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new()
    }
}
