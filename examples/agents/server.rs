//! The local provider: OpenAI's chat completions and Anthropic's messages over HTTP, whole and
//! as event streams, and a bill of its own. Nothing in this file knows bursar.
//!
//! A word is a token. What it answers depends on the prompt alone, so that two runs are the same.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::script::{PAUSE, Script};
use super::wire::{Answer, Wire};

/// Picodollars for a token: input, written to the cache, read from it, output.
const PRICES: [(&str, [u128; 4]); 3] = [
    ("gpt-6.1-terra", [1_000_000, 1_250_000, 50_000, 5_000_000]),
    ("gpt-6.1-sol", [2_000_000, 2_500_000, 100_000, 10_000_000]),
    ("claude-sonnet-5-5", [2_000_000, 2_500_000, 100_000, 10_000_000]),
];

/// One request, as it was billed. Tokens are in the order of the prices.
#[derive(Clone, Debug)]
pub struct Line {
    pub model: String,
    pub tokens: [usize; 4],
    pub picodollars: u128,
}

/// All requests that came, answered or not. One that was turned away is billed nothing.
#[derive(Default)]
pub struct Books {
    pub lines: Vec<Line>,
    cached: HashSet<(String, String)>,
    failed: HashSet<String>,
}

impl Books {
    /// Requests and picodollars of each model.
    pub fn by_model(&self) -> BTreeMap<&str, (u64, u128)> {
        let mut sums = BTreeMap::new();
        for line in &self.lines {
            let (requests, picodollars) = sums.entry(&*line.model).or_insert((0, 0));
            (*requests, *picodollars) = (*requests + 1, *picodollars + line.picodollars);
        }
        sums
    }

    fn book(&mut self, model: &str, tokens: [usize; 4]) -> usize {
        let (_, prices) = PRICES.iter().find(|(name, _)| *name == model).expect("a known model");
        let picodollars = prices.iter().zip(tokens).map(|(price, n)| price * n as u128).sum();
        self.lines.push(Line { model: model.to_owned(), tokens, picodollars });
        self.lines.len() - 1
    }
}

type Shared = Arc<Mutex<Books>>;

fn lock(books: &Shared) -> MutexGuard<'_, Books> {
    books.lock().expect("nobody panics with the books open")
}

pub struct Server {
    pub base: String,
    books: Shared,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens on a free port of the loopback.
    pub async fn start() -> std::io::Result<Server> {
        let books = Shared::default();
        let routes = Router::new()
            .route("/v1/chat/completions", post(|books, body| answer(Wire::OpenAi, books, body)))
            .route("/v1/messages", post(|books, body| answer(Wire::Anthropic, books, body)))
            .route("/v1/generations/{id}", get(generation))
            .with_state(Arc::clone(&books));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}/v1", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, routes).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        Ok(Server { base, books, stop, serving: tokio::spawn(serve.into_future()) })
    }

    /// Waits for all connections to end, and closes the books.
    pub async fn close(self) -> Books {
        let _ = self.stop.send(());
        self.serving.await.expect("the server does not panic").expect("it listens to the end");
        std::mem::take(&mut lock(&self.books))
    }
}

async fn answer(wire: Wire, State(books): State<Shared>, Json(body): Json<Value>) -> Response {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let messages = &body["messages"];
    let (system, prompt, cap) = match wire {
        Wire::OpenAi => (&messages[0]["content"], &messages[1], &body["max_completion_tokens"]),
        Wire::Anthropic => (&body["system"][0]["text"], &messages[0], &body["max_tokens"]),
    };
    let (model, system, prompt) = (text(&body["model"]), text(system), text(&prompt["content"]));
    let script = Script::of(&prompt);

    // The first time, a prompt that is to fail does.
    let mut open = lock(&books);
    let fails = script.fails_with.filter(|_| open.failed.insert(prompt.clone()));
    if fails == Some(429) {
        open.book(&model, [0; 4]); // turned away, and not billed
        return (StatusCode::TOO_MANY_REQUESTS, "slow down").into_response();
    }

    // A system prompt is written to the cache once for each model, and read from it afterwards.
    let (count, prefix) = (prompt.split_whitespace().count(), system.split_whitespace().count());
    let is_new = open.cached.insert((model.clone(), system));
    let input = if is_new { [count, prefix, 0] } else { [count, 0, prefix] };
    let cap = cap.as_u64().unwrap_or(u64::MAX) as usize;
    let words: Vec<_> = script.text.split_inclusive(' ').map(str::to_owned).take(cap).collect();
    let is_whole = words.concat() == script.text;
    let answer = Answer { wire, model, input, words, is_whole };

    if body["stream"] == true {
        drop(open);
        return Body::from_stream(answer.events(books)).into_response();
    }
    let id = open.book(&answer.model, answer.used(answer.words.len()));
    if fails.is_some() {
        // It was written, it is billed, and it is lost on the way.
        return (StatusCode::INTERNAL_SERVER_ERROR, [("x-request-id", id.to_string())], "oh")
            .into_response();
    }
    Json(answer.body()).into_response()
}

/// What a request was billed for, whose answer was lost.
async fn generation(State(books): State<Shared>, Path(id): Path<usize>) -> Response {
    let Some(line) = lock(&books).lines.get(id).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let wire = if line.model.starts_with("claude") { Wire::Anthropic } else { Wire::OpenAi };
    Json(json!({"model": line.model, "usage": wire.usage(line.tokens)})).into_response()
}

impl Answer {
    /// One event for each word. What was sent is booked when the last has gone or the reader has
    /// hung up: a body that is dropped is how a server learns of it.
    fn events(self, books: Shared) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let (first, last) = (self.first(), self.last());
        let sending = Sending { answer: self, sent: 0, books };
        let words = stream::unfold(sending, |mut sending| async {
            let word = sending.answer.words.get(sending.sent)?.clone();
            if word.trim() == PAUSE {
                std::future::pending::<()>().await;
            }
            sending.sent += 1;
            Some((sending.answer.piece(&word, sending.sent), sending))
        });
        stream::iter(first).chain(words).chain(stream::iter(last)).map(|event| Ok(event.into()))
    }
}

/// An answer under way.
struct Sending {
    answer: Answer,
    sent: usize,
    books: Shared,
}

impl Drop for Sending {
    fn drop(&mut self) {
        lock(&self.books).book(&self.answer.model, self.answer.used(self.sent));
    }
}
