//! The proof: async-openai itself against a server that keeps its own bill, and the ledger says the
//! same.

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::CreateChatCompletionRequest;
use async_openai::types::responses::{CreateResponse, ResponseStreamEvent};
use bursar::price::EstimateError;
use bursar::usage::Request;
use bursar::usage::tokens::Heuristic;
use bursar::{BudgetManager, Confidence, Limit, Usage, Usd};
use bursar_async_openai::{Budgeted, ClientExt, Error};
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const TOKENS: Tokens = Tokens::new(1_000, 80).cached(2_000).written(500).reasoning(20);

fn dollar() -> BudgetManager {
    BudgetManager::new(Usd::dollars(1)).unwrap()
}

fn client(server: &StandIn) -> Client<OpenAIConfig> {
    Client::with_config(OpenAIConfig::new().with_api_base(server.url()).with_api_key("none"))
}

fn team<'c>(
    client: &'c Client<OpenAIConfig>,
    budget: &BudgetManager,
) -> Budgeted<'c, OpenAIConfig> {
    client.budgeted(budget, &budget.account("team").unwrap())
}

fn chat() -> CreateChatCompletionRequest {
    serde_json::from_value(json!({"model": "gpt-6.1-terra", "max_completion_tokens": 400,
        "messages": [{"role": "user", "content": "When is high tide in Brest?"}]}))
    .unwrap()
}

/// The same without reasoning: what is not shown of a stream that is cut is nothing then.
fn plain_chat() -> CreateChatCompletionRequest {
    let mut chat = serde_json::to_value(chat()).unwrap();
    chat["reasoning_effort"] = "none".into();
    serde_json::from_value(chat).unwrap()
}

fn plain_response() -> CreateResponse {
    let mut response = serde_json::to_value(response()).unwrap();
    response["reasoning"] = json!({"effort": "none"});
    serde_json::from_value(response).unwrap()
}

fn response() -> CreateResponse {
    serde_json::from_value(json!({"model": "gpt-6.1-terra", "max_output_tokens": 400,
        "input": "When is high tide in Brest?"}))
    .unwrap()
}

/// What the input of a request is at most.
fn input_of(request: &impl serde::Serialize) -> u64 {
    let body = serde_json::to_vec(request).unwrap();
    Request::read(&body, "gpt-6.1-terra", &Heuristic::for_model("gpt-6.1-terra")).unwrap().input
}

/// What is held for a chat.
fn held(budget: &BudgetManager) -> Usd {
    let terra = budget.model("gpt-6.1-terra").unwrap();
    let call = terra.estimate_request(&serde_json::to_vec(&chat()).unwrap()).unwrap();
    budget.reserve("probe", &call).unwrap().held()
}

#[track_caller]
fn assert_books_are(budget: &BudgetManager, server: &StandIn) {
    assert_eq!((budget.spent().pico(), budget.held()), (server.bill(), Usd::ZERO));
}

#[tokio::test]
async fn a_plain_call_costs_what_the_server_bills() {
    let server = StandIn::start().await.always(Answer::text("At 6:12.").usage(TOKENS));
    let (client, budget) = (client(&server), dollar());
    let user = budget.tag("user:42").unwrap();
    let team = team(&client, &budget).tag(&user);
    let answer = team.chat().create(chat()).await.unwrap();
    assert_eq!(answer.choices[0].message.content.as_deref(), Some("At 6:12."));
    assert!(server.bill() > 0);
    assert_books_are(&budget, &server);
    let answer = team.responses().create(response()).await.unwrap();
    assert_eq!(answer.output_text().as_deref(), Some("At 6:12."));
    assert_books_are(&budget, &server);
    assert_eq!(user.spent(), budget.spent());
}

#[tokio::test]
async fn each_call_of_a_tool_loop_is_booked() {
    let tool = Answer::tool("tide", json!({"port": "Brest"})).usage(TOKENS);
    let server = StandIn::start().await.script(tool.clone()).script(tool);
    let server = server.script(Answer::text("At 6:12.").usage(TOKENS));
    let (client, budget) = (client(&server), dollar());
    let (team, mut request) = (team(&client, &budget), serde_json::to_value(chat()).unwrap());
    let answer = loop {
        let asked = serde_json::from_value(request.clone()).unwrap();
        let answer = team.chat().create(asked).await.unwrap();
        assert_books_are(&budget, &server);
        let message: Value = serde_json::to_value(&answer.choices[0].message).unwrap();
        let Some(calls) = message["tool_calls"].as_array() else { break message };
        let result = json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "6:12"});
        request["messages"].as_array_mut().unwrap().extend([message.clone(), result]);
    };
    assert_eq!((&answer["content"], server.requests().len()), (&json!("At 6:12."), 3));
}

#[tokio::test]
async fn a_stream_is_booked_at_its_end() {
    let server = StandIn::start().await.always(Answer::text("At 6:12.").usage(TOKENS));
    let (client, budget) = (client(&server), dollar());
    let team = team(&client, &budget);

    let (mut stream, mut text) = (team.chat().create_stream(chat()).await.unwrap(), String::new());
    while let Some(chunk) = stream.next().await {
        let choices = chunk.unwrap().choices;
        text.extend(choices.into_iter().filter_map(|choice| choice.delta.content));
    }
    assert_eq!(text, "At 6:12.");
    assert_eq!(stream.receipt().unwrap().confidence, Confidence::Exact);
    assert_books_are(&budget, &server);

    let mut stream = team.responses().create_stream(response()).await.unwrap();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event.unwrap());
    }
    assert!(matches!(last, Some(ResponseStreamEvent::ResponseCompleted(_))));
    assert_eq!(stream.receipt().unwrap().confidence, Confidence::Exact);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn a_stream_that_is_dropped_midway_is_booked_as_far_as_it_came() {
    let (server, gate) = (StandIn::start().await, Gate::new());
    let (client, budget) = (client(&server), dollar());
    let team = team(&client, &budget);
    // The server says nothing of the input before the end: its bound is booked.
    let answer = |input| {
        let pieces = Answer::pieces(["Twelve letters", " and never seen"]);
        pieces.usage(Tokens::new(input, 8)).hold_after(1, &gate) // 4 tokens have been sent
    };

    server.then(answer(input_of(&plain_chat())));
    let mut stream = team.chat().create_stream(plain_chat()).await.unwrap();
    while stream.seen() == Usage::NONE {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    assert_books_are(&budget, &server);

    server.then(answer(input_of(&plain_response())));
    let mut stream = team.responses().create_stream(plain_response()).await.unwrap();
    while stream.seen() == Usage::NONE {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn a_stream_that_the_server_cuts_is_booked_as_far_as_it_came() {
    let server = StandIn::start().await;
    let pieces = Answer::pieces(["Twelve letters", " and never sent"]).cut_after(1);
    server.then(pieces.usage(Tokens::new(input_of(&plain_chat()), 8)));
    let (client, budget) = (client(&server), dollar());
    let mut stream = team(&client, &budget).chat().create_stream(plain_chat()).await.unwrap();
    let mut failed = false;
    while let Some(chunk) = stream.next().await {
        failed |= chunk.is_err();
    }
    assert!(failed);
    drop(stream);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn a_retry_of_the_client_is_one_call() {
    let later = || Answer::error(429).header("retry-after", "0");
    let server = StandIn::start().await.script(later()).script(later());
    let server = server.script(Answer::text("At last.").usage(TOKENS));
    let (client, budget) = (client(&server), dollar());
    budget.set_limit("team", Limit::requests(1)).unwrap();
    team(&client, &budget).chat().create(chat()).await.unwrap();
    assert_eq!(server.requests().len(), 3);
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn an_error_of_the_provider_is_free_or_lost() {
    let server = StandIn::start().await.script(Answer::error(400)).script(Answer::error(404));
    let (client, budget) = (client(&server), dollar());
    let (team, held) = (team(&client, &budget), held(&budget));
    assert!(matches!(team.chat().create(chat()).await, Err(Error::OpenAI(_))));
    assert!(matches!(team.chat().create_stream(chat()).await, Err(Error::OpenAI(_))));
    assert_books_are(&budget, &server);

    for _ in 0..4 {
        server.then(Answer::error(503).header("retry-after", "0"));
    }
    assert!(matches!(team.chat().create(chat()).await, Err(Error::OpenAI(_))));
    assert_books_are(&budget, &server);

    for _ in 0..4 {
        server.then(Answer::error(500).header("retry-after", "0"));
    }
    assert!(matches!(team.chat().create(chat()).await, Err(Error::OpenAI(_))));
    assert_eq!((budget.spent(), budget.held()), (held, Usd::ZERO), "nobody knows");

    let gate = Gate::new();
    server.then(Answer::text("too late").behind(&gate));
    let (seen, responses) = (server.requests().len(), team.responses());
    tokio::select! {
        _ = responses.create(response()) => unreachable!(),
        () = server.wait_for_requests(seen + 1) => {}
    }
    assert!(budget.spent() > held, "cancelled");
    assert_eq!(budget.held(), Usd::ZERO);
}

#[tokio::test]
async fn what_cannot_be_afforded_or_priced_is_never_sent() {
    let server = StandIn::start().await.always(Answer::text("?"));
    let (client, budget) = (client(&server), BudgetManager::new(Usd::from_pico(1_000)).unwrap());
    let team = team(&client, &budget);
    let refused = team.chat().create(chat()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)));
    assert!(refused.to_string().starts_with("`team` asks for $0.00"), "{refused}");
    assert!(matches!(team.chat().create_stream(chat()).await, Err(Error::Refused(_))));
    assert!(matches!(team.responses().create(response()).await, Err(Error::Refused(_))));
    let unknown = CreateChatCompletionRequest { model: "gpt-9".to_owned(), ..chat() };
    assert!(matches!(
        team.chat().create(unknown).await,
        Err(Error::Estimate(EstimateError::UnknownModel(_)))
    ));
    let unnamed = CreateResponse { model: None, ..response() };
    assert!(matches!(
        team.responses().create(unnamed).await,
        Err(Error::Estimate(EstimateError::NoModel))
    ));
    let unseen = CreateResponse { previous_response_id: Some("r".to_owned()), ..response() };
    let unclear = team.responses().create(unseen.clone()).await;
    assert!(matches!(unclear, Err(Error::Estimate(EstimateError::Request(_)))));
    let told = team.clone().allow_unseen_input(100);
    assert!(matches!(told.responses().create(unseen).await, Err(Error::Refused(_))));
    assert_eq!((server.requests().len(), budget.spent()), (0, Usd::ZERO));
}

#[tokio::test]
async fn a_shorter_output_is_asked_of_the_provider() {
    let server = StandIn::start().await.always(Answer::text("At 6:12.").usage(Tokens::new(5, 400)));
    let (client, budget) = (client(&server), dollar());
    let half = Usd::from_pico(held(&budget).pico() / 2);
    budget.set_limit("team", Limit::spend(half)).unwrap();
    let team = team(&client, &budget).at_least(50);
    team.chat().create(chat()).await.unwrap();
    let cap = server.requests()[0].body["max_completion_tokens"].as_u64().unwrap();
    assert!((50..400).contains(&cap), "{cap}");
    assert_books_are(&budget, &server);
    assert!(budget.spent() <= half);
}

#[tokio::test]
async fn sixty_four_calls_at_once_stay_within_the_limit() {
    let gate = Gate::new();
    let answer = Answer::text("At 6:12.").usage(Tokens::new(10, 400)).behind(&gate);
    let server = StandIn::start().await.always(answer);
    let (client, budget) = (client(&server), dollar());
    let held = held(&budget);
    let limit = held.checked_mul(11).unwrap().checked_sub(Usd::from_pico(1)).unwrap();
    budget.set_limit("team", Limit::spend(limit)).unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let (client, budget) = (client.clone(), budget.clone());
        calls.spawn(async move { team(&client, &budget).chat().create(chat()).await.map(|_| ()) });
    }
    // Ten are held back at the server; the others have been refused before it opens.
    for _ in 0..54 {
        let refused = calls.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
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
