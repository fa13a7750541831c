//! The proof: reqwest as a tower service behind the layer, against a server that keeps its own bill,
//! and the ledger says the same.

use std::future::ready;
use std::task::{Context, Poll};

use bursar::agent::StreamHold;
use bursar::usage::{Outcome, RequestError};
use bursar::{Account, Bill, BudgetManager, Estimate, Limit, Model, Reservation, Usage, Usd};
use bursar_reqwest::metered;
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use bursar_tower::{Books, BudgetError, BudgetLayer, Closures};
use reqwest::{Client, Request, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::retry::Policy;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const TOKENS: Tokens = Tokens::new(1_000, 80).cached(2_000).reasoning(20);

/// What the layer has to be told of reqwest.
struct Http {
    model: Model,
    budget: BudgetManager,
}

impl Books<Request, Response, reqwest::Error> for Http {
    type Answer = Response;
    type Unclear = RequestError;

    fn estimate(&self, request: &Request) -> Result<Estimate, RequestError> {
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        self.model.estimate_request(body)
    }

    fn account(&self, request: &Request) -> Option<Account> {
        let path = request.headers().get("x-account")?.to_str().ok()?;
        self.budget.account(path).ok()
    }

    fn settle(&self, hold: Reservation, response: Response) -> Response {
        let status = response.status().as_u16();
        metered(response, StreamHold::new(hold).answered(status)) // the hold goes with the body
    }

    fn outcome_of_error(&self, _: &Reservation, error: &reqwest::Error) -> Outcome {
        if error.is_connect() { Outcome::Unsent } else { Outcome::Lost }
    }
}

type Budgeted = BoxCloneService<Request, Response, BudgetError<reqwest::Error, RequestError>>;

fn dollar() -> BudgetManager {
    BudgetManager::new(Usd::dollars(1)).unwrap()
}

fn layer(budget: &BudgetManager) -> BudgetLayer<Http> {
    let model = budget.model("claude-haiku-4-5").unwrap();
    BudgetLayer::new(&budget.account("team").unwrap(), Http { model, budget: budget.clone() })
}

fn service(budget: &BudgetManager) -> Budgeted {
    BoxCloneService::new(layer(budget).layer(Client::new()))
}

fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 400, "messages": [
        {"role": "user", "content": "When is high tide in Brest?"}]})
}

fn post(server: &StandIn, body: &Value) -> Request {
    Client::new().post(server.url() + "/messages").json(body).build().unwrap()
}

fn held(budget: &BudgetManager) -> Usd {
    let model = budget.model("claude-haiku-4-5").unwrap();
    budget.reserve("probe", &model.estimate_request(&body()).unwrap()).unwrap().held()
}

#[track_caller]
fn assert_books_are(budget: &BudgetManager, server: &StandIn) {
    assert_eq!((budget.spent().pico(), budget.held()), (server.bill(), Usd::ZERO));
}

#[tokio::test]
async fn plain_calls_tool_calls_and_streams_cost_what_the_server_bills() {
    let server = StandIn::start().await;
    let (budget, mut asked) = (dollar(), body());
    let service = service(&budget);
    for (answer, streams, expected) in [
        (Answer::text("At 6:12."), false, "At 6:12."),
        (Answer::tool("tide", json!({"port": "Brest"})), false, "tool_use"),
        (Answer::tool("tide", json!({"port": "Brest"})), true, "tool_use"),
        (Answer::text("At 6:12."), true, "message_stop"),
    ] {
        server.then(answer.usage(TOKENS));
        asked["stream"] = streams.into();
        let response = service.clone().oneshot(post(&server, &asked)).await.unwrap();
        assert!(response.text().await.unwrap().contains(expected));
        assert_books_are(&budget, &server);
    }
    assert!(server.bill() > 0);

    let mut request = post(&server, &body());
    request.headers_mut().insert("x-account", "other".parse().unwrap());
    server.then(Answer::text("At 6:12.").usage(TOKENS));
    service.oneshot(request).await.unwrap().text().await.unwrap();
    assert!(budget.account("other").unwrap().spent() > Usd::ZERO);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn a_stream_that_is_dropped_midway_is_booked_as_far_as_it_came() {
    let (server, gate, budget) = (StandIn::start().await, Gate::new(), dollar());
    let pieces = Answer::pieces(["Twelve letters", " and never seen"]);
    server.then(pieces.usage(Tokens::new(1_000, 4)).hold_after(1, &gate)); // 2 tokens are sent
    let mut asked = body();
    asked["stream"] = true.into();
    let mut response = service(&budget).oneshot(post(&server, &asked)).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("Twelve letters") {
        seen += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    drop(response);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn an_error_is_free_or_lost() {
    let server = StandIn::start().await.script(Answer::error(429)).script(Answer::error(500));
    let (budget, gate) = (dollar(), Gate::new());
    let (service, held) = (service(&budget), held(&budget));
    let response = service.clone().oneshot(post(&server, &body())).await.unwrap();
    assert_eq!(response.status().as_u16(), 429);
    assert!(response.text().await.unwrap().contains("rate_limit_error"));
    assert_books_are(&budget, &server);
    let response = service.clone().oneshot(post(&server, &body())).await.unwrap();
    assert_eq!(response.status().as_u16(), 500);
    drop(response);
    assert_eq!(budget.spent(), held);

    server.then(Answer::text("too late").behind(&gate));
    let call = service.oneshot(post(&server, &body()));
    tokio::select! {
        _ = call => unreachable!(),
        () = server.wait_for_requests(3) => {}
    }
    let both = held.checked_mul(2).unwrap();
    assert_eq!((budget.spent(), budget.held()), (both, Usd::ZERO), "cancelled");
}

/// Asks again as long as the answer is 429.
#[derive(Clone)]
struct Again;

impl<E> Policy<Request, Response, E> for Again {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Request, reply: &mut Result<Response, E>) -> Option<Self::Future> {
        let is_busy = reply.as_ref().is_ok_and(|reply| reply.status().as_u16() == 429);
        is_busy.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request.try_clone()
    }
}

#[tokio::test]
async fn each_attempt_below_a_retry_is_a_call_of_its_own() {
    let server = StandIn::start().await.script(Answer::error(429)).script(Answer::error(429));
    let server = server.always(Answer::text("At last.").usage(TOKENS));
    let budget = dollar();
    budget.set_limit("team", Limit::requests(3)).unwrap();
    let service = ServiceBuilder::new().retry(Again).layer(layer(&budget)).service(Client::new());
    let response = service.clone().oneshot(post(&server, &body())).await.unwrap();
    assert!(response.text().await.unwrap().contains("At last."));
    assert_eq!(server.requests().len(), 3);
    assert_books_are(&budget, &server);
    assert!(service.oneshot(post(&server, &body())).await.unwrap_err().refused().is_some());
    assert_eq!(server.requests().len(), 3, "three attempts were three requests");
}

#[tokio::test]
async fn what_cannot_be_afforded_or_bounded_is_never_sent() {
    let server = StandIn::start().await.always(Answer::text("?"));
    let budget = BudgetManager::new(Usd::from_pico(1_000)).unwrap();
    let service = service(&budget);
    let refused = service.clone().oneshot(post(&server, &body())).await.unwrap_err();
    assert!(refused.refused().is_some());
    assert!(refused.to_string().starts_with("`team` asks for $0.00"), "{refused}");
    let unclear = service.oneshot(post(&server, &json!({"task": "?"}))).await;
    assert!(matches!(unclear, Err(BudgetError::Unclear(RequestError::Unrecognised))));
    assert_eq!((server.requests().len(), budget.spent()), (0, Usd::ZERO));
}

#[tokio::test]
async fn sixty_four_calls_at_once_stay_within_the_limit() {
    let gate = Gate::new();
    let answer = Answer::text("At 6:12.").usage(Tokens::new(10, 400)).behind(&gate);
    let (server, budget) = (StandIn::start().await.always(answer), dollar());
    let held = held(&budget);
    let limit = held.checked_mul(11).unwrap().checked_sub(Usd::from_pico(1)).unwrap();
    budget.set_limit("team", Limit::spend(limit)).unwrap();
    let (service, mut calls) = (service(&budget), JoinSet::new());
    for _ in 0..64 {
        let call = service.clone().oneshot(post(&server, &body()));
        calls.spawn(async move {
            let response = call.await?;
            response.text().await.map_err(BudgetError::Service)
        });
    }
    // Ten are held back at the server; the others have been refused before it opens.
    for _ in 0..54 {
        let error = calls.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(error.refused().is_some(), "{error}");
    }
    server.wait_for_requests(10).await;
    assert_eq!(budget.held(), held.checked_mul(10).unwrap());
    gate.open();
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(server.requests().len(), 10);
    assert!(budget.spent() <= limit);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn a_service_that_is_ready_and_not_called_holds_nothing() {
    let budget = dollar();
    let terra = budget.model("gpt-6.1-terra").unwrap();
    let books = Closures(
        move |input: &u64| terra.estimate().input(*input).max_output(800),
        |output: &u64| (*output > 0).then(|| Bill::new(Usage::tokens(1_150, *output))),
    );
    let mut service = ServiceBuilder::new()
        .layer(BudgetLayer::new(&budget.account("team").unwrap(), books))
        .concurrency_limit(1)
        .service(service_fn(|input: u64| async move {
            match input {
                0 => Err(std::io::Error::other("nothing asked")),
                input => Ok(input - 1_200),
            }
        }));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(service.poll_ready(&mut context), Poll::Ready(Ok(()))));
    assert_eq!(budget.held(), Usd::ZERO);

    let call = service.call(1_540);
    assert!(budget.held() > Usd::ZERO);
    assert!(service.poll_ready(&mut context).is_pending(), "the limit inside is respected");
    assert_eq!(call.await.unwrap(), 340);
    assert_eq!((budget.spent(), budget.held()), ("0.00285".parse().unwrap(), Usd::ZERO));

    let held = |input: u64| {
        let terra = budget.model("gpt-6.1-terra").unwrap();
        let call = terra.estimate().input(input).max_output(800);
        budget.reserve("probe", &call).unwrap().held()
    };
    let before = budget.spent();
    assert_eq!(service.ready().await.unwrap().call(1_200).await.unwrap(), 0, "no bill: lost");
    let lost = before.checked_add(held(1_200)).unwrap();
    assert_eq!(budget.spent(), lost);
    let failed = service.ready().await.unwrap().call(0).await;
    assert!(matches!(failed, Err(BudgetError::Service(_))));
    assert_eq!(budget.spent(), lost.checked_add(held(0)).unwrap());
    assert_eq!(budget.held(), Usd::ZERO);
}
