//! Tests of what is not paid for, what is not sent, and what is lost.

mod kit;

use bursar::{Confidence, Usd};
use bursar_stand_in::{Answer, Gate, StandIn};
use futures_util::{StreamExt, poll};
use kit::{Books, HAIKU, TERRA, TOKENS, anthropic, ask, http, openai};
use rig::agent::AgentBuilder;
use rig::error::{ErrorKind, ProviderError};
use rig::providers::openai::OpenAIConfig;
use serde_json::json;

#[tokio::test]
async fn what_the_budget_refuses_is_never_sent() {
    let server = StandIn::start().await.always(Answer::text("Rain."));
    let books = Books::of(Usd::from_pico(1_000_000));
    let chat = books.budget().around(openai(&server).chat(TERRA));
    let error = chat.call(ask()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Denied, false));
    let sentence = error.to_string();
    assert!(sentence.starts_with("`research/crawler` asks for $0.00"), "{sentence}");
    assert!(sentence.contains("it can never pass unless the limit is raised"), "{sentence}");

    let mut stream =
        books.budget().around(anthropic(&server).completion(HAIKU)).stream(ask()).unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Denied, false));
    assert!(stream.next().await.is_none());

    let agent = AgentBuilder::new(chat).max_tokens(200).build();
    let error = agent.prompt("How is the sky?").await.unwrap_err();
    assert!(error.to_string().contains("`research/crawler` asks for"), "{error}");
    assert_eq!((server.requests().len(), books.spent()), (0, 0));
}

#[tokio::test]
async fn what_has_no_price_is_never_sent() {
    let server = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let error = books.budget().around(openai(&server).chat("gpt-9")).call(ask()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("gpt-9"), "{error}");
    assert_eq!((server.requests().len(), books.spent()), (0, 0));

    // The name of a deployment says nothing; whoever made it knows what it is.
    let terra = books.manager.model(TERRA).unwrap();
    let model = books.budget().priced_as(&terra).around(openai(&server).chat("ours"));
    server.then(Answer::text("Rain.").usage(TOKENS).from_model(TERRA));
    model.call(ask()).await.unwrap();
    assert_eq!(books.spent(), server.bill());
    assert_eq!(books.seen.confidences(), [Confidence::Exact]);
}

#[tokio::test]
async fn what_a_request_does_not_hold_must_be_bounded() {
    let server = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let stored = || ask().additional_params(json!({"previous_response_id": "resp_17"}));
    let model = books.budget().around(openai(&server).responses(TERRA));
    let error = model.call(stored()).await.unwrap_err();
    assert!(error.to_string().contains("previous_response_id"), "{error}");
    assert_eq!((server.requests().len(), books.spent()), (0, 0));

    let model = books.budget().allow_unseen_input(12_000).around(openai(&server).responses(TERRA));
    model.call(stored()).await.unwrap();
    assert!(books.seen.held()[0] > "0.012".parse().unwrap());
    assert_eq!(books.spent(), server.bill());
}

#[tokio::test]
async fn a_short_budget_shortens_the_answer() {
    let server = StandIn::start().await.always(Answer::text("a b c d e").usage(TOKENS));
    let books = Books::of("0.0004".parse().unwrap());
    let model = books.budget().at_least(20).around(openai(&server).chat(TERRA));
    let answer = model.call(ask()).await.unwrap();
    let cap = server.requests()[0].body["max_completion_tokens"].as_u64().unwrap();
    assert!((20..200).contains(&cap), "{cap}");
    assert!(answer.usage.output_tokens.unwrap() <= cap);
    assert_eq!(books.spent(), server.bill());
    assert_eq!(books.seen.confidences(), [Confidence::Exact]);
}

#[tokio::test]
async fn a_cap_that_is_put_back_is_not_sent() {
    let server = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS));
    let books = Books::of("0.0004".parse().unwrap());
    let model = books.budget().at_least(20).around(openai(&server).chat(TERRA));
    let request = ask().additional_params(json!({"max_completion_tokens": 200}));
    let error = model.call(request).await.unwrap_err();
    assert!(error.to_string().contains("cannot be shortened"), "{error}");
    assert_eq!((server.requests().len(), books.spent()), (0, 0));
}

#[tokio::test]
async fn what_the_provider_refuses_is_free() {
    let server = StandIn::start().await;
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    for status in [400, 401, 404, 429] {
        server.then(Answer::error(status));
        let error = model.call(ask()).await.unwrap_err();
        assert_eq!(error.provider_response_status().unwrap().as_u16(), status);
        server.then(Answer::error(status));
        let mut stream = model.stream(ask()).unwrap();
        assert!(stream.next().await.unwrap().is_err());
    }
    assert_eq!((books.spent(), server.bill()), (0, 0));
    assert_eq!((server.requests().len(), books.seen.held().len()), (8, 8));
}

#[tokio::test]
async fn a_server_that_fails_is_charged_for_as_it_may_have_worked() {
    let server = StandIn::start().await;
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    server.then(Answer::error(503)); // it has not taken the request
    assert!(model.call(ask()).await.is_err());
    assert_eq!(books.spent(), 0);
    server.then(Answer::error(500));
    assert!(model.call(ask()).await.is_err());
    assert_eq!(books.spent(), books.seen.held()[0].pico());

    server.then(Answer::text("Rain until noon.").usage(TOKENS).cut_after(0));
    assert!(model.call(ask()).await.is_err());
    assert_eq!(books.spent(), 2 * books.seen.held()[0].pico());
    let confidences = [Confidence::Reported, Confidence::Assumed, Confidence::Assumed];
    assert_eq!(books.seen.confidences(), confidences);
}

#[tokio::test]
async fn without_a_connection_nothing_is_charged() {
    let server = StandIn::start().await;
    let config = OpenAIConfig::new("key").with_base_url(server.url());
    let books = Books::of(Usd::dollars(1));
    drop(server); // nobody listens there any more
    tokio::task::yield_now().await;
    let model = books.budget().around(config.connect(http()).chat(TERRA));
    let error = model.call(ask()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Http(_)), "{error}");
    assert!(model.stream(ask()).unwrap().next().await.unwrap().is_err());
    assert_eq!((books.spent(), books.seen.held().len(), books.seen.receipts().len()), (0, 2, 0));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_charged() {
    let gate = Gate::new();
    let server = StandIn::start().await.always(Answer::text("Rain.").behind(&gate));
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    drop(model.call(ask())); // never polled
    assert_eq!((books.spent(), books.seen.held().len()), (0, 0));

    tokio::select! {
        _ = model.call(ask()) => panic!("the gate is shut"),
        () = server.wait_for_requests(1) => {}
    }
    assert_eq!(books.spent(), books.seen.held()[0].pico());
    assert_eq!(books.seen.confidences(), [Confidence::Assumed]);
}

#[tokio::test]
async fn each_attempt_of_a_retry_is_a_call() {
    let server = StandIn::start()
        .await
        .script(Answer::error(429))
        .script(Answer::error(500))
        .script(Answer::text("Rain until noon.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    let mut attempts = 0;
    while let Err(error) = model.call(ask()).await {
        assert!(error.is_retryable(), "{error}");
        attempts += 1;
    }
    assert_eq!((attempts, server.requests().len()), (2, 3));
    // The first was free, the second may have been billed and is charged whole, the third is known.
    let lost = books.seen.held()[1].pico();
    assert_eq!(books.spent(), lost + server.bill());
}

#[tokio::test]
async fn many_calls_at_the_edge_of_a_limit_never_pass_it() {
    let alone = Books::of(Usd::dollars(1));
    let server = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS));
    alone.budget().around(openai(&server).chat(TERRA)).call(ask()).await.unwrap();
    let one = alone.seen.held()[0];

    let gate = Gate::new();
    let answer = Answer::text("Rain.").usage(TOKENS).behind(&gate);
    let server = StandIn::start().await.always(answer);
    // Enough for 20 of 64 and nearly one more.
    let total = Usd::from_pico(one.pico() * 21 - 1);
    let books = Books::of(total);
    let model = books.budget().around(openai(&server).chat(TERRA));
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..64 {
        let mut call = Box::pin(model.call(ask()));
        match poll!(&mut call) {
            std::task::Poll::Pending => waiting.push(call),
            std::task::Poll::Ready(answer) => {
                assert_eq!(answer.unwrap_err().kind(), ErrorKind::Denied);
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (20, 44));
    assert_eq!(books.manager.held().pico(), one.pico() * 20);
    gate.open();
    for answer in futures_util::future::join_all(waiting).await {
        answer.unwrap();
    }
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 20));
    assert!(books.manager.spent() <= total);
}
