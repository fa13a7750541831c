//! Tests that every call and stream of rig's real clients is booked as the server billed it.

mod kit;

use std::collections::BTreeMap;

use bursar::usage::Request;
use bursar::usage::tokens::Heuristic;
use bursar::{Confidence, Usd};
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use futures_util::StreamExt;
use kit::{Books, HAIKU, MINI, TERRA, TOKENS, anthropic, ask, openai};
use rig::agent::AgentBuilder;
use rig::extractor::ExtractorBuilder;
use rig::providers::gemini::GeminiConfig;
use rig::streaming::{Item, StreamEvent};
use rig::tool::PortableTool;
use serde_json::json;

#[tokio::test]
async fn a_plain_call_costs_what_the_server_billed() {
    let server = StandIn::start().await.always(Answer::text("Rain until noon.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let chat = books.budget().around(openai(&server).chat(TERRA));
    let responses = books.budget().around(openai(&server).responses(TERRA));
    let messages = books.budget().around(anthropic(&server).completion(HAIKU));

    let answer = chat.call(ask()).await.unwrap();
    assert_eq!(answer.usage.output_tokens, Some(60));
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 1));
    responses.call(ask()).await.unwrap();
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 2));
    messages.call(ask()).await.unwrap();
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 3));
    assert!(server.bill() > 0);
    assert_eq!(books.seen.confidences(), [Confidence::Exact; 3]);
}

#[tokio::test]
async fn a_stream_that_is_read_to_its_end_costs_what_the_server_billed() {
    let server = StandIn::start().await.always(Answer::text("Rain until noon.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let chat = books.budget().around(openai(&server).chat(TERRA)).erase();
    let responses = books.budget().around(openai(&server).responses(TERRA)).erase();
    let messages = books.budget().around(anthropic(&server).completion(HAIKU)).erase();
    for (count, model) in [chat, responses, messages].iter().enumerate() {
        let mut stream = model.stream(ask()).unwrap();
        assert_eq!(server.requests().len(), count, "nothing is sent or held before it is read");
        assert_eq!(books.seen.held().len(), count);
        let mut text = String::new();
        while let Some(item) = stream.next().await {
            if let Item::Event(StreamEvent::Text { text: piece, .. }) = item.unwrap() {
                text += &piece;
            }
        }
        assert_eq!(text, "Rain until noon.");
        assert_eq!(books.spent(), server.bill());
    }
    // rig stops reading where the provider ends: the counts have come by then.
    assert_eq!(books.seen.confidences(), [Confidence::Exact; 3]);
}

#[tokio::test]
async fn a_stream_that_ends_midway_costs_what_had_come() {
    for (is_chat, is_cut) in [(true, false), (false, false), (true, true), (false, true)] {
        let server = StandIn::start().await;
        let books = Books::of(Usd::dollars(1));
        let model = match is_chat {
            true => books.budget().around(openai(&server).chat(MINI)).erase(),
            false => books.budget().around(anthropic(&server).completion(HAIKU)).erase(),
        };
        server.then(Answer::error(429));
        assert!(model.stream(ask()).unwrap().next().await.unwrap().is_err());

        // This provider counts as bursar estimates, four letters a token, so that the estimate has
        // to be its bill. Of the two, Anthropic says how long the input was before it answers.
        let body = &server.requests()[0].body;
        let request = Request::read(body, MINI, &Heuristic::for_model(MINI)).unwrap();
        let input = if is_chat { request.input } else { 10 };
        let output = "Rain until ".len().div_ceil(4) as u64;
        let gate = Gate::new();
        let pieces = Answer::pieces(["Rain ", "until ", "noon, ", "then sun."]);
        let pieces = pieces.usage(Tokens::new(input, 2 * output));
        server.then(if is_cut { pieces.cut_after(2) } else { pieces.hold_after(2, &gate) });

        let mut stream = model.stream(ask()).unwrap();
        let mut heard = 0;
        while heard < 2 {
            let item = stream.next().await.unwrap().unwrap();
            heard += usize::from(matches!(item, Item::Event(StreamEvent::Text { .. })));
        }
        if is_cut {
            while stream.next().await.is_some_and(|item| item.is_ok()) {}
        } else {
            assert_eq!(books.account.held(), books.seen.held()[1]);
        }
        drop(stream);
        assert!(server.bill() > 0);
        assert_eq!(books.spent(), server.bill());
        assert_eq!(books.seen.confidences(), [Confidence::Reported, Confidence::Estimated]);
    }
}

/// A tool of the agent's.
struct Look;

impl PortableTool for Look {
    const NAME: &'static str = "look";
    type Args = serde_json::Value;
    type Output = String;
    type Error = std::io::Error;

    fn description(&self) -> String {
        "Looks at the sky".to_owned()
    }

    fn parameters(&self) -> serde_json::Value {
        json!({"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})
    }

    async fn call(&self, _: serde_json::Value) -> Result<String, std::io::Error> {
        Ok("clouds".to_owned())
    }
}

#[tokio::test]
async fn a_loop_over_tools_is_booked_call_by_call() {
    let server = StandIn::start()
        .await
        .script(Answer::tool("look", json!({"at": "north"})).usage(TOKENS))
        .script(Answer::tool("look", json!({"at": "south"})).usage(TOKENS.cached(80)))
        .script(Answer::text("Clouds all round.").usage(TOKENS.cached(90)));
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    let agent = AgentBuilder::new(model).tool(Look).max_tokens(200).build();
    let answer = agent.prompt("How is the sky?").max_turns(5).await.unwrap();
    assert_eq!(answer.output(), "Clouds all round.");
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 3));
    assert_eq!(books.seen.confidences(), [Confidence::Exact; 3]);
    assert!(books.seen.held().is_sorted(), "a longer talk is held for more");
}

#[tokio::test]
async fn an_agent_that_streams_is_booked_call_by_call() {
    let server = StandIn::start()
        .await
        .script(Answer::tool("look", json!({"at": "north"})).usage(TOKENS))
        .script(Answer::text("Clouds all round.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(anthropic(&server).completion(HAIKU));
    let agent = AgentBuilder::new(model).tool(Look).max_tokens(200).build();
    let mut stream = agent.prompt("How is the sky?").max_turns(5).stream();
    while let Some(item) = stream.next().await {
        item.unwrap();
    }
    drop(stream);
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 2));
    assert_eq!(books.seen.confidences(), [Confidence::Exact; 2]);
}

#[tokio::test]
async fn an_extractor_that_tries_again_pays_twice() {
    let server = StandIn::start()
        .await
        .script(Answer::text("It rained.").usage(TOKENS))
        .script(Answer::tool("submit", json!({"sky": "clouds"})).usage(TOKENS.cached(80)));
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    let extractor = ExtractorBuilder::<BTreeMap<String, String>>::new(model);
    let extractor = extractor.max_tokens(200).retries(1).build();
    let found = extractor.extract("Clouds all round.").await.unwrap();
    assert_eq!(found.output["sky"], "clouds");
    assert_eq!((books.spent(), server.requests().len()), (server.bill(), 2));
    assert_eq!(books.seen.confidences(), [Confidence::Exact; 2]);
}

#[tokio::test]
async fn another_model_for_one_request_has_its_own_price() {
    let server = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS));
    let books = Books::of(Usd::dollars(1));
    let model = books.budget().around(openai(&server).chat(TERRA));
    let mut request = ask();
    request.model = Some("gpt-6-luna".to_owned());
    model.call(request).await.unwrap();
    assert_eq!(server.requests()[0].body["model"], "gpt-6-luna");
    assert_eq!(books.spent(), server.bill());

    // Options that rig does not know of reach the body, and the body counts.
    let request = ask().additional_params(json!({"model": "gpt-5-mini"}));
    model.call(request).await.unwrap();
    assert_eq!(server.requests()[1].body["model"], "gpt-5-mini");
    assert_eq!(books.spent(), server.bill());

    model.call(ask()).await.unwrap();
    let [luna, mini, terra] = books.seen.held()[..] else { panic!("three calls") };
    assert!(luna < mini && mini < terra, "each is held at its own price");
}

#[tokio::test]
async fn a_model_that_only_the_path_names_is_found() {
    let server = StandIn::start().await;
    let books = Books::of(Usd::dollars(1));
    let config = GeminiConfig::new("key").with_base_url(server.root());
    let model = config.connect(kit::http()).completion("gemini-3.5-flash-lite");
    let model = books.budget().around(model);
    let mut dearer = ask();
    dearer.model = Some("gemini-3.1-pro-preview".to_owned());
    for request in [ask(), dearer] {
        let error = model.call(request).await.unwrap_err();
        // The server does not speak Gemini, and a 404 is free.
        assert_eq!(error.provider_response_status().unwrap().as_u16(), 404);
    }
    let paths: Vec<String> = server.requests().into_iter().map(|seen| seen.path).collect();
    assert!(paths[0].contains("gemini-3.5-flash-lite"), "{paths:?}");
    assert!(paths[1].contains("gemini-3.1-pro-preview"), "{paths:?}");
    let [lite, pro] = books.seen.held()[..] else { panic!("two calls") };
    assert!(pro.pico() > 2 * lite.pico() && lite > Usd::ZERO, "{lite} {pro}");
    assert_eq!(books.spent(), 0);
}
