//! [`StandIn`]: a local server that speaks the providers' wire formats and keeps its own bill.
//!
//! For tests: they point a real client at [`StandIn::url`], let it call models, and then compare what
//! bursar booked with [`StandIn::bill`], which knows nothing of bursar and has prices of its own.
//!
//! It answers OpenAI's chat completions and responses and Anthropic's messages, at any path that ends
//! in `/chat/completions`, `/responses` or `/messages`, as JSON or as an event stream, as the request
//! asks. What it answers is a script:
//!
//! ```
//! use bursar_stand_in::{Answer, StandIn, Tokens};
//!
//! # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # rt.block_on(async {
//! let server = StandIn::start()
//!     .await
//!     .script(Answer::text("Rain until noon.").usage(Tokens::new(1_180, 340).cached(1_024)))
//!     .script(Answer::error(429));
//! let base = server.url(); // the base URL of an SDK: "http://127.0.0.1:40211/v1"
//! // … a client asks twice …
//! # let _ = base;
//! assert_eq!((server.bill(), server.requests().len()), (0, 0));
//! # });
//! ```
//!
//! As the providers do, it answers as the model that was asked, stops at the output cap of the
//! request, streams usage to OpenAI's chat only with `stream_options.include_usage`, refuses an unknown
//! model with 404, and bills a stream that is cut for what it had generated.

mod answer;
mod prices;
mod sending;
mod wire;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use answer::{Answer, Gate, Tokens};
use sending::Sending;
use wire::Api;

/// The server. It lives until it is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
}

/// A request that it was sent, and what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The path: `/v1/chat/completions`.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it was no JSON.
    pub body: Value,
    /// The status of the answer; 0 before there is one.
    pub status: u16,
    /// What the answer costs so far, in picodollars.
    pub billed: i128,
}

impl StandIn {
    /// Starts a server on the loopback, on a free port, in the present tokio runtime.
    ///
    /// # Panics
    /// If there is no port to be had.
    pub async fn start() -> StandIn {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let desk = Arc::new(Desk::default());
        let routes = Router::new().fallback(take).with_state(Arc::clone(&desk));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        StandIn { address, desk, serving }
    }

    /// Puts an answer at the end of the script. Requests take them in the order in which they come,
    /// whatever they ask for.
    #[must_use]
    pub fn script(self, answer: Answer) -> StandIn {
        self.then(answer);
        self
    }

    /// As [`script`](StandIn::script), while the server is in use.
    pub fn then(&self, answer: Answer) {
        locked(&self.desk.script).push_back(answer);
    }

    /// Answers so when the script is at its end. Without it, such a request gets a 500 that says so.
    #[must_use]
    pub fn always(self, answer: Answer) -> StandIn {
        self.answering(move |_| answer.clone())
    }

    /// Asks this closure for an answer when the script is at its end.
    #[must_use]
    pub fn answering(self, answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> StandIn {
        *locked(&self.desk.then) = Some(Arc::new(answer));
        self
    }

    /// The base URL with the version, as OpenAI's SDKs want it: `http://127.0.0.1:40211/v1`.
    pub fn url(&self) -> String {
        format!("{}/v1", self.root())
    }

    /// The base URL without a path, as Anthropic's SDKs want it: `http://127.0.0.1:40211`.
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has billed in all, in picodollars (1e-12 USD).
    pub fn bill(&self) -> i128 {
        self.desk.seen.borrow().iter().map(|seen| seen.billed).sum()
    }

    /// The requests that it was sent, in the order in which they came.
    pub fn requests(&self) -> Vec<Seen> {
        self.desk.seen.borrow().clone()
    }

    /// Waits until it has been sent this many requests in all.
    pub async fn wait_for_requests(&self, count: usize) {
        let mut seen = self.desk.seen.subscribe();
        let _ = seen.wait_for(|seen| seen.len() >= count).await; // the desk outlives the wait
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Answering = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// What the requests share.
#[derive(Default)]
struct Desk {
    script: Mutex<VecDeque<Answer>>,
    then: Mutex<Option<Answering>>,
    seen: watch::Sender<Vec<Seen>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("seen", &*self.seen.borrow()).finish_non_exhaustive()
    }
}

impl Desk {
    /// Notes a request and takes the answer that is its turn, in one step.
    fn note(&self, seen: Seen) -> (usize, Option<Answer>) {
        let mut script = locked(&self.script);
        let answer = script.pop_front().or_else(|| {
            let then = locked(&self.then).clone();
            then.map(|answering| answering(&seen))
        });
        let mut place = 0;
        self.seen.send_modify(|all| {
            place = all.len();
            all.push(seen);
        });
        (place, answer)
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(|all| change(&mut all[place]));
    }

    /// Sets what the answer to a request costs.
    fn bill(&self, place: usize, model: &str, tokens: Tokens) {
        let billed = prices::cost(model, tokens).unwrap_or_default();
        self.change(place, |seen| seen.billed = billed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one request: notes it, waits for its gate, answers.
async fn take(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let api = Api::of(&path);
    let seen = Seen { path, headers: head.headers, body: body.clone(), status: 0, billed: 0 };
    let (place, answer) = desk.note(seen);
    let response = match (api, answer) {
        (None, _) => refusal(Api::Chat, 404, "there is no such endpoint"),
        (Some(api), None) => refusal(api, 500, "the script is at its end"),
        (Some(api), Some(answer)) => reply(&desk, place, api, &body, answer).await,
    };
    desk.change(place, |seen| seen.status = response.status().as_u16());
    response
}

async fn reply(
    desk: &Arc<Desk>,
    place: usize,
    api: Api,
    request: &Value,
    answer: Answer,
) -> Response {
    if let Some(status) = answer.status {
        if let Some(gate) = &answer.gate {
            gate.wait().await;
        }
        let mut response = refusal(api, status, &answer.whole_text());
        answer.put_headers(response.headers_mut());
        return response;
    }
    if let Some(wrong) = api.flaw(request) {
        return refusal(api, 400, wrong);
    }
    let answer = answer.fit_to(api, request);
    if prices::cost(answer.model(), Tokens::default()).is_none() {
        return refusal(api, 404, &format!("the model `{}` does not exist", answer.model()));
    }
    Sending::new(desk, place, api, request, answer).response().await
}

fn refusal(api: Api, status: u16, why: &str) -> Response {
    json(status, api.error(status, why).to_string().into())
}

fn json(status: u16, body: Body) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(body).expect("a response")
}
