//! The proof: reqwest itself against a server that keeps its own bill, and the ledger says the same.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use bursar::usage::Request;
use bursar::usage::tokens::Heuristic;
use bursar::{BudgetManager, Limit, Usd};
use bursar_reqwest::{BudgetMiddleware, Refused};
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use http::HeaderName;
use reqwest::Response;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const TOKENS: Tokens = Tokens::new(1_000, 80).cached(2_000).reasoning(20);

fn dollar() -> BudgetManager {
    BudgetManager::new(Usd::dollars(1)).unwrap()
}

fn middleware(budget: &BudgetManager) -> BudgetMiddleware {
    BudgetMiddleware::new(budget, &budget.account("team").unwrap())
}

fn client(budget: &BudgetManager) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new()).with(middleware(budget)).build()
}

fn chat() -> Value {
    json!({"model": "gpt-6.1-terra", "max_completion_tokens": 400, "messages": [
        {"role": "user", "content": "When is high tide in Brest?"}]})
}

fn messages() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 400, "messages": [
        {"role": "user", "content": "When is high tide in Brest?"}]})
}

fn responses() -> Value {
    json!({"model": "gpt-6.1-terra", "max_output_tokens": 400,
        "input": "When is high tide in Brest?"})
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = true.into();
    body
}

type Sent = reqwest_middleware::Result<Response>;

async fn post(client: &ClientWithMiddleware, url: String, body: Value) -> Sent {
    client.post(url).json(&body).send().await
}

/// What is held for this body.
fn held_for(budget: &BudgetManager, body: &Value) -> Usd {
    let model = budget.model(body["model"].as_str().unwrap()).unwrap();
    let hold = budget.reserve("probe", &model.estimate_request(body).unwrap()).unwrap();
    hold.held()
}

/// Reads until the text has come, and drops the rest.
async fn read_until(mut response: Response, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        seen += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
}

#[track_caller]
fn assert_books_are(budget: &BudgetManager, server: &StandIn) {
    assert_eq!((budget.spent().pico(), budget.held()), (server.bill(), Usd::ZERO));
}

#[tokio::test]
async fn a_plain_call_costs_what_the_server_bills_in_every_form() {
    let (server, budget) = (StandIn::start().await, dollar());
    let (server, client) = (server.always(Answer::text("At 6:12.").usage(TOKENS)), client(&budget));
    for (path, body) in
        [("/chat/completions", chat()), ("/responses", responses()), ("/messages", messages())]
    {
        let url = server.url() + path;
        let response = post(&client, url.clone(), body).await.unwrap();
        assert_eq!((response.status().as_u16(), response.url().as_str()), (200, url.as_str()));
        assert!(response.content_length().is_some(), "the headers pass through");
        let answer = response.text().await.unwrap();
        assert!(answer.contains("At 6:12."), "{answer}");
        assert!(server.bill() > 0);
        assert_books_are(&budget, &server);
    }
    assert_eq!(server.requests()[0].body, chat(), "the request passes through");
}

#[tokio::test]
async fn each_call_of_a_tool_loop_is_booked() {
    let tool = Answer::tool("tide", json!({"port": "Brest"})).usage(TOKENS);
    let server = StandIn::start().await.script(tool.clone()).script(tool);
    let server = server.script(Answer::text("At 6:12.").usage(TOKENS));
    let (budget, mut body) = (dollar(), chat());
    let client = client(&budget);
    let answer = loop {
        let response =
            post(&client, server.url() + "/chat/completions", body.clone()).await.unwrap();
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_books_are(&budget, &server);
        let message = &answer["choices"][0]["message"];
        let Some(calls) = message["tool_calls"].as_array() else { break message.clone() };
        let result = json!({"role": "tool", "tool_call_id": calls[0]["id"], "content": "6:12"});
        let talk = body["messages"].as_array_mut().unwrap();
        talk.extend([message.clone(), result]);
    };
    assert_eq!((&answer["content"], server.requests().len()), (&json!("At 6:12."), 3));
}

#[tokio::test]
async fn a_stream_passes_through_and_is_booked_at_its_end() {
    let mut with_usage = streamed(chat());
    with_usage["stream_options"] = json!({"include_usage": true});
    for (path, body) in [
        ("/chat/completions", with_usage),
        ("/responses", streamed(responses())),
        ("/messages", streamed(messages())),
    ] {
        let (server, budget) = (StandIn::start().await, dollar());
        let server = server.always(Answer::text("At 6:12.").usage(TOKENS));
        let response = post(&client(&budget), server.url() + path, body.clone()).await.unwrap();
        let text = response.text().await.unwrap();
        assert_books_are(&budget, &server);
        let bare = reqwest::Client::new().post(server.url() + path).body(body.to_string());
        assert_eq!(text, bare.send().await.unwrap().text().await.unwrap());
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_midway_is_booked_as_far_as_it_came() {
    let gate = Gate::new();
    let answer = |input: u64, output: u64| {
        let pieces = Answer::pieces(["Twelve letters", " and never seen"]);
        pieces.usage(Tokens::new(input, output)).hold_after(1, &gate) // half has been sent
    };
    let (server, budget) = (StandIn::start().await, dollar());
    let client = client(&budget);

    // Anthropic says at the beginning what came in.
    server.then(answer(1_000, 4));
    let response = post(&client, server.url() + "/messages", streamed(messages())).await.unwrap();
    read_until(response, "Twelve letters").await;
    assert_books_are(&budget, &server);

    // OpenAI does not: the bound of the input is booked.
    let mut plain = responses();
    plain["reasoning"] = json!({"effort": "none"});
    let bound = Request::read(&plain, "gpt-6.1-terra", &Heuristic::for_model("gpt-6.1-terra"));
    let input = bound.unwrap().input;
    server.then(answer(input, 8));
    let response = post(&client, server.url() + "/responses", streamed(plain)).await.unwrap();
    read_until(response, "Twelve letters").await;
    assert_books_are(&budget, &server);

    // What a model that reasons has not shown is billed too: all 400 tokens of the cap.
    let (server, budget) = (StandIn::start().await, dollar());
    server.then(answer(1_000, 8));
    let client = self::client(&budget);
    let response = post(&client, server.url() + "/responses", streamed(responses())).await.unwrap();
    read_until(response, "Twelve letters").await;
    let output = Usd::from_pico(400 * 5_000_000); // $5 a million
    assert!(budget.spent() > output && budget.spent() <= held_for(&budget, &responses()));
}

#[tokio::test]
async fn a_stream_that_the_server_cuts_is_booked_as_far_as_it_came() {
    let answer = Answer::pieces(["Twelve letters", " and never sent"]).cut_after(1);
    let server = StandIn::start().await.script(answer.usage(Tokens::new(1_000, 4)));
    let budget = dollar();
    let sent = post(&client(&budget), server.url() + "/messages", streamed(messages())).await;
    assert!(sent.unwrap().text().await.is_err());
    assert_books_are(&budget, &server);
}

#[tokio::test]
async fn what_the_provider_rejects_is_free() {
    let server = StandIn::start().await.script(Answer::error(429)).script(Answer::error(400));
    let (budget, url) = (dollar(), server.url() + "/chat/completions");
    for status in [429, 400] {
        let response = post(&client(&budget), url.clone(), chat()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.text().await.unwrap().contains("scripted"), "the error passes through");
        assert_books_are(&budget, &server);
    }
    // A rejection is one, read or not; so is a server that turns the request away, eleven times.
    server.then(Answer::error(429));
    drop(post(&client(&budget), url.clone(), chat()).await.unwrap());
    for _ in 0..11 {
        server.then(Answer::error(503));
        let response = post(&client(&budget), url.clone(), chat()).await.unwrap();
        assert_eq!(response.status().as_u16(), 503);
    }
    assert_books_are(&budget, &server);
    let free_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = format!("http://{free_port}/responses");
    let error = post(&client(&budget), nowhere, responses()).await.unwrap_err();
    assert!(error.is_connect());
    assert_books_are(&budget, &server);
}

/// An answer that no provider writes: the page of a proxy, or nothing.
#[tokio::test]
async fn an_error_page_is_a_lost_reply() {
    for (status, body, is_lost) in [
        (503, "<html>Service Unavailable</html>", true),
        (401, "", true),
        (302, "<html>Found</html>", true),
        (408, r#"{"error": {"message": "timeout", "type": "server_error"}}"#, true),
        (503, r#"{"error": {"message": "slow down", "type": "server_error"}}"#, false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/chat/completions", listener.local_addr().unwrap());
        let proxy = std::thread::spawn(move || {
            let (mut line, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut piece = [0; 4096];
                let read = line.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}");
            line.write_all(head.as_bytes()).unwrap();
        });
        let budget = dollar();
        let response = post(&client(&budget), url, chat()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.text().await.unwrap(), body, "it passes through");
        let expected = if is_lost { held_for(&budget, &chat()) } else { Usd::ZERO };
        assert_eq!((budget.spent(), budget.held()), (expected, Usd::ZERO), "{status} {body}");
        proxy.join().unwrap();
    }
}

#[tokio::test]
async fn a_lost_reply_is_charged_as_held() {
    let (server, budget) = (StandIn::start().await, dollar());
    let (client, url) = (client(&budget), server.url() + "/chat/completions");
    let held = held_for(&budget, &chat());
    let mut lost = Usd::ZERO;
    let mut one_more = || {
        lost = lost.checked_add(held).unwrap();
        lost
    };

    server.then(Answer::error(500));
    assert_eq!(post(&client, url.clone(), chat()).await.unwrap().status().as_u16(), 500);
    assert_eq!(budget.spent(), one_more());

    let gate = Gate::new();
    server.then(Answer::text("too late").behind(&gate));
    tokio::select! {
        _ = post(&client, url.clone(), chat()) => unreachable!(),
        () = server.wait_for_requests(2) => {}
    }
    assert_eq!(budget.spent(), one_more(), "cancelled");

    server.then(Answer::text("unread"));
    drop(post(&client, url.clone(), chat()).await.unwrap());
    assert_eq!(budget.spent(), one_more(), "nobody read it");

    server.then(Answer::text("cut").cut_after(0));
    assert!(post(&client, url, chat()).await.unwrap().text().await.is_err());
    assert_eq!((budget.spent(), budget.held()), (one_more(), Usd::ZERO));
}

#[tokio::test]
async fn each_attempt_below_a_retry_is_a_call_of_its_own() {
    let server = StandIn::start().await.script(Answer::error(429)).script(Answer::error(429));
    let server = server.script(Answer::text("At last.").usage(TOKENS));
    let budget = dollar();
    budget.set_limit("team", Limit::requests(3)).unwrap();
    let at_once = ExponentialBackoff::builder().retry_bounds(Duration::ZERO, Duration::ZERO);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(at_once.build_with_max_retries(3)))
        .with(middleware(&budget))
        .build();
    let url = server.url() + "/chat/completions";
    let response = post(&client, url.clone(), chat()).await.unwrap();
    assert!(response.text().await.unwrap().contains("At last."));
    assert_eq!(server.requests().len(), 3);
    assert_books_are(&budget, &server);
    let refused = post(&client, url, chat()).await.unwrap_err();
    assert!(refused.to_string().contains("requests"), "{refused}");
    assert_eq!(server.requests().len(), 3, "three attempts were three requests");
}

#[tokio::test]
async fn what_cannot_be_afforded_or_priced_is_never_sent() {
    let server = StandIn::start().await.always(Answer::text("?"));
    let budget = BudgetManager::new(Usd::from_pico(1_000_000)).unwrap();
    let client = client(&budget);
    let refusal = async |body: Value| {
        let error = post(&client, server.url() + "/responses", body).await.unwrap_err();
        assert!(Refused::of(&error).is_some(), "{error}");
        error.to_string()
    };
    let said = refusal(responses()).await;
    assert!(said.starts_with("the request was not sent: `team` asks for $0.002"), "{said}");
    assert!(said.contains("but the limit of the whole budget"), "{said}");
    for (body, why) in [
        (json!({"model": "gpt-9", "input": "?"}), "gpt-9"),
        (json!({"model": "gpt-6-luna", "task": "?"}), "no input of a known form"),
        (json!({"contents": [{"parts": [{"text": "?"}]}]}), "names no model"),
        (
            json!({"model": "gpt-6-luna", "input": "?", "previous_response_id": "r"}),
            "previous_response_id",
        ),
    ] {
        let said = refusal(body).await;
        assert!(said.contains(why), "{said}");
    }
    assert_eq!((server.requests().len(), budget.spent()), (0, Usd::ZERO));
}

#[tokio::test]
async fn what_asks_no_model_passes_through() {
    let server = StandIn::start().await.always(Answer::error(418));
    let budget = BudgetManager::new(Usd::ZERO).unwrap();
    let client = client(&budget);
    let url = server.url() + "/responses";
    for request in
        [client.get(&url), client.post(&url).body("no JSON"), client.post(&url).body("{}")]
    {
        assert_eq!(request.send().await.unwrap().status().as_u16(), 418);
    }
}

#[tokio::test]
async fn a_request_names_who_pays() {
    let server = StandIn::start().await.always(Answer::text("At 6:12.").usage(TOKENS));
    let budget = dollar();
    let header = HeaderName::from_static("x-account");
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(middleware(&budget).account_header(header).allow_unseen_input(100))
        .build();
    let request = || client.post(server.url() + "/responses").json(&responses());
    let (other, user) = (budget.account("other").unwrap(), budget.tag("user:42").unwrap());
    for request in [
        request(),
        request().header("x-account", "ann"),
        request().with_extension(other.clone()).with_extension(user.clone()),
    ] {
        request.send().await.unwrap().text().await.unwrap();
    }
    let each = Usd::from_pico(server.bill() / 3);
    let spent = |path: &str| budget.account(path).unwrap().spent();
    assert_eq!(spent("team"), each.checked_mul(2).unwrap());
    assert_eq!((spent("team/ann"), spent("other"), user.spent()), (each, each, each));
    let sent = server.requests();
    assert!(sent.iter().all(|request| request.headers.get("x-account").is_none()));
    assert_books_are(&budget, &server);

    let error = request().header("x-account", " ").send().await.unwrap_err();
    assert!(format!("{error:?}").contains("its account is empty"), "it is not the root: {error:?}");

    let luna = budget.model("gpt-6-luna").unwrap();
    let unnamed = json!({"input": "?", "previous_response_id": "r", "max_output_tokens": 9});
    let request = client.post(server.url() + "/responses").json(&unnamed).with_extension(luna);
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 404, "the stand-in wants a name; it was let through");
}

#[tokio::test]
async fn sixty_four_calls_at_once_stay_within_the_limit() {
    let gate = Gate::new();
    let answer = Answer::text("At 6:12.").usage(Tokens::new(10, 400)).behind(&gate);
    let server = StandIn::start().await.always(answer);
    let budget = dollar();
    let held = held_for(&budget, &chat());
    let limit = held.checked_mul(11).unwrap().checked_sub(Usd::from_pico(1)).unwrap();
    budget.set_limit("team", Limit::spend(limit)).unwrap();

    let (client, url) = (client(&budget), server.url() + "/chat/completions");
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let (client, url) = (client.clone(), url.clone());
        calls.spawn(async move {
            let response = post(&client, url, chat()).await?;
            response.text().await.map_err(reqwest_middleware::Error::from)
        });
    }
    // Ten are held back at the server; the others have been refused before it opens.
    for _ in 0..54 {
        let error = calls.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(Refused::of(&error).is_some(), "{error}");
    }
    assert_eq!(budget.held(), held.checked_mul(10).unwrap());
    server.wait_for_requests(10).await;
    gate.open();
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    assert_eq!(server.requests().len(), 10);
    assert!(budget.spent() <= limit);
    assert_books_are(&budget, &server);
}
