//! Tests that genai's real client stays within a budget: it talks to a local server, and
//! the ledger is compared with the server's own bill, to the picodollar.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bursar::clock::ManualClock;
use bursar::ledger::Path;
use bursar::{BudgetManager, Confidence, Limit, Observer, Receipt, ReserveError, Usd};
use bursar_genai::{BudgetedClient, Error};
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use futures_util::StreamExt;
use genai::chat::{
    CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatResponseFormat, ChatStreamEvent,
    CollectorSink, ContentPart, JsonSpec, ReasoningEffort, ServiceTier, Tool, ToolCall, ToolName,
    ToolResponse, Verbosity,
};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ServiceTarget};
use serde_json::json;

/// One model for each wire form: chat completions, responses, messages.
const MODELS: [&str; 3] = ["gpt-4o-mini", "gpt-6.1-terra", "claude-haiku-4-5"];

const TOKENS: Tokens = Tokens::new(1_000, 100).cached(2_000).reasoning(20);

/// What was booked, in the order in which it was, and how many calls were refused.
#[derive(Clone, Default)]
struct Booked(Arc<Mutex<Vec<Receipt>>>, Arc<AtomicUsize>);

impl Observer for Booked {
    fn on_settle(&self, _: &Path, receipt: &Receipt) {
        self.0.lock().unwrap().push(receipt.clone());
    }

    fn on_refuse(&self, _: &Path, _: &ReserveError) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

struct House {
    server: StandIn,
    budget: BudgetManager,
    client: BudgetedClient,
    booked: Booked,
}

impl House {
    fn new(server: StandIn, limit: Usd) -> House {
        let booked = Booked::default();
        let budget = BudgetManager::builder()
            .limit("", Limit::spend(limit))
            .clock(ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap()))
            .observer(booked.clone())
            .build()
            .unwrap();
        let account = budget.account("research/crawler").unwrap();
        let client = BudgetedClient::new(client(&server.url()), &budget, account);
        House { server, budget, client, booked }
    }

    fn rich(server: StandIn) -> House {
        House::new(server, Usd::dollars(10))
    }

    /// The ledger says what the server says, and holds nothing.
    fn assert_settled(&self) {
        assert_eq!(self.budget.spent().pico(), self.server.bill());
        assert_eq!(self.budget.held(), Usd::ZERO);
    }

    fn confidences(&self) -> Vec<Confidence> {
        self.booked.0.lock().unwrap().iter().map(|receipt| receipt.confidence).collect()
    }
}

/// genai's client, pointed at the server.
fn client(url: &str) -> Client {
    let url = format!("{url}/");
    let to_server = move |mut target: ServiceTarget| {
        target.endpoint = Endpoint::from_owned(url.clone());
        target.auth = AuthData::from_single("key");
        Ok(target)
    };
    let resolver = ServiceTargetResolver::from_resolver_fn(to_server);
    Client::builder().with_service_target_resolver(resolver).build().unwrap()
}

/// A question that is longer than what the server says it was, as a real one would be.
fn question() -> ChatRequest {
    ChatRequest::from_system("You are terse.")
        .append_message(ChatMessage::user("word ".repeat(4_000)))
}

fn capped(tokens: u32) -> ChatOptions {
    ChatOptions::default().with_max_tokens(tokens)
}

#[tokio::test]
async fn a_plain_call_costs_what_the_provider_bills() {
    for model in MODELS {
        let answer = Answer::text("Rain until noon.").usage(TOKENS);
        let house = House::rich(StandIn::start().await.script(answer));
        let reply = house.client.exec_chat(model, question(), Some(&capped(800))).await.unwrap();
        assert_eq!(reply.first_text(), Some("Rain until noon."), "{model}");
        assert_eq!(reply.captured_raw_body, None, "nobody asked for the body");
        assert!(house.server.bill() > 0);
        house.assert_settled();
        assert_eq!(house.confidences(), [Confidence::Exact]);
        assert!(house.booked.0.lock().unwrap()[0].held > house.budget.spent());
    }
}

#[tokio::test]
async fn cache_writes_are_billed_by_their_lives() {
    let answer = Answer::text("Rain.").usage(TOKENS.written(400));
    for model in ["gpt-6.1-terra", "claude-haiku-4-5"] {
        let house = House::rich(StandIn::start().await.script(answer.clone()));
        house.client.exec_chat(model, question(), Some(&capped(800))).await.unwrap();
        house.assert_settled();
    }
}

#[tokio::test]
async fn the_callers_own_body_stays() {
    let house = House::rich(StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS)));
    let options = capped(800).with_capture_raw_body(true);
    let reply = house.client.exec_chat(MODELS[0], question(), Some(&options)).await.unwrap();
    assert_eq!(reply.captured_raw_body.unwrap()["model"], MODELS[0]);
}

#[tokio::test]
async fn each_call_of_a_tool_loop_is_booked() {
    for model in MODELS {
        let server = StandIn::start()
            .await
            .script(Answer::tool("weather", json!({"city": "Berlin"})).usage(TOKENS))
            .script(Answer::tool("weather", json!({"city": "Potsdam"})).usage(TOKENS))
            .script(Answer::text("Rain in both.").usage(TOKENS));
        let house = House::rich(server);
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let tool = Tool::new("weather").with_description("The weather.").with_schema(schema);
        let mut talk = question().with_tools(vec![tool]);
        let text = loop {
            let reply = house.client.exec_chat(model, talk.clone(), Some(&capped(800))).await;
            let reply = reply.unwrap();
            if let Some(text) = reply.first_text() {
                break text.to_owned();
            }
            let calls: Vec<ToolCall> = reply.into_tool_calls();
            let answers = calls.iter().map(|call| ToolResponse::from_tool_call(call, "rain"));
            let answers: Vec<ToolResponse> = answers.collect();
            talk = talk.append_message(calls);
            for answer in answers {
                talk = talk.append_message(answer);
            }
        };
        assert_eq!((text.as_str(), house.server.requests().len()), ("Rain in both.", 3), "{model}");
        house.assert_settled();
        assert_eq!(house.confidences(), [Confidence::Exact; 3]);
    }
}

#[tokio::test]
async fn a_stream_that_is_read_to_its_end_costs_what_the_provider_bills() {
    for model in MODELS {
        let answer = Answer::text("Rain until noon.").usage(TOKENS);
        let house = House::rich(StandIn::start().await.script(answer));
        let options = capped(800);
        let response =
            house.client.exec_chat_stream(model, question(), Some(&options)).await.unwrap();
        let mut stream = response.stream;
        let mut text = String::new();
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event.unwrap() {
                text.push_str(&chunk.content);
            }
        }
        assert_eq!(text, "Rain until noon.", "{model}");
        house.assert_settled();
        assert_eq!(house.confidences(), [Confidence::Exact]);
        assert_eq!(stream.receipt().unwrap().cost, house.budget.spent());
    }
}

#[tokio::test]
async fn the_callers_own_sink_goes_on_listening() {
    let answer = Answer::text("Rain until noon.").usage(TOKENS);
    let house = House::rich(StandIn::start().await.script(answer));
    let theirs = Arc::new(CollectorSink::new());
    let options = capped(800).with_raw_frame_sink_arc(theirs.clone());
    let response = house.client.exec_chat_stream(MODELS[1], question(), Some(&options)).await;
    response.unwrap().stream.for_each(async |event| drop(event.unwrap())).await;
    assert!(theirs.len() > 3);
    house.assert_settled();
}

#[tokio::test]
async fn a_stream_that_breaks_books_what_was_seen() {
    for model in MODELS {
        let answer = Answer::text("one two six ten red sky").usage(Tokens::new(900, 6));
        let house = House::rich(StandIn::start().await.script(answer.cut_after(3)));
        let options = capped(800);
        let response = house.client.exec_chat_stream(model, question(), Some(&options)).await;
        let events: Vec<_> = response.unwrap().stream.collect().await;
        assert!(events.len() > 3, "{model}");
        assert_eq!(house.confidences(), [Confidence::Estimated], "{model}");
        let output = house.booked.0.lock().unwrap()[0].usage.output;
        assert!((2..=8).contains(&output), "three words: {model}, {output}");
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_midway_books_what_was_seen() {
    for model in MODELS {
        let gate = Gate::new();
        // Six words, of which three are sent: about 3 tokens.
        let answer = Answer::text("one two six ten red sky").usage(Tokens::new(900, 6));
        let house = House::rich(StandIn::start().await.script(answer.hold_after(3, &gate)));
        let options = capped(800);
        let response =
            house.client.exec_chat_stream(model, question(), Some(&options)).await.unwrap();
        let mut stream = response.stream;
        let mut text = String::new();
        while text != "one two six " {
            if let ChatStreamEvent::Chunk(chunk) = stream.next().await.unwrap().unwrap() {
                text.push_str(&chunk.content);
            }
        }
        assert!(house.budget.held() > Usd::ZERO);
        drop(stream);
        assert_eq!(house.budget.held(), Usd::ZERO);
        assert_eq!(house.confidences(), [Confidence::Estimated]);
        let receipt = house.booked.0.lock().unwrap()[0].clone();
        assert!((2..=8).contains(&receipt.usage.output), "three words: {model}, {receipt:?}");
        assert!(house.budget.spent().pico() >= house.server.bill(), "{model}");
        assert!(receipt.cost < receipt.held);
        if model.starts_with("claude") {
            assert_eq!(receipt.usage.input_tokens(), 900, "its first event says the input");
        }
        gate.open();
    }
}

#[tokio::test]
async fn a_stream_that_was_never_polled_costs_nothing() {
    let house = House::rich(StandIn::start().await);
    let response = house.client.exec_chat_stream(MODELS[0], question(), None).await.unwrap();
    assert!(house.budget.held() > Usd::ZERO);
    drop(response);
    house.assert_settled();
    assert!(house.server.requests().is_empty() && house.confidences().is_empty());
}

#[tokio::test]
async fn an_error_of_the_request_is_free() {
    for model in MODELS {
        for status in [400, 401, 404, 429] {
            let house = House::rich(StandIn::start().await.always(Answer::error(status)));
            let options = capped(800);
            let error =
                house.client.exec_chat(model, question(), Some(&options)).await.unwrap_err();
            assert_eq!(error.as_genai().unwrap().status().unwrap().as_u16(), status);

            let response = house.client.exec_chat_stream(model, question(), Some(&options)).await;
            let events: Vec<_> = response.unwrap().stream.collect().await;
            assert!(events.iter().any(Result::is_err), "{model}, {status}");
            assert_eq!(house.server.requests().len(), 2);
            house.assert_settled();
            assert_eq!(house.confidences(), [Confidence::Reported; 2], "free, and known to be");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_provider_is_charged_as_held_unless_it_took_no_request() {
    for (model, status) in MODELS.into_iter().flat_map(|model| [(model, 503), (model, 504)]) {
        let house = House::rich(StandIn::start().await.always(Answer::error(status)));
        let options = capped(800);
        house.client.exec_chat(model, question(), Some(&options)).await.unwrap_err();
        let response = house.client.exec_chat_stream(model, question(), Some(&options)).await;
        let events: Vec<_> = response.unwrap().stream.collect().await;
        assert!(events.iter().any(Result::is_err));
        assert_eq!(house.budget.held(), Usd::ZERO);
        if status == 503 {
            assert_eq!(house.confidences(), [Confidence::Reported; 2], "{model}");
            assert_eq!(house.budget.spent(), Usd::ZERO);
            continue;
        }
        assert_eq!(house.confidences(), [Confidence::Assumed; 2]);
        let booked = house.booked.0.lock().unwrap();
        assert!(booked.iter().all(|receipt| receipt.cost == receipt.held), "{model}");
    }
}

#[tokio::test]
async fn no_connection_costs_nothing() {
    let house = House::rich(StandIn::start().await);
    let nobody = BudgetedClient::new(
        client("http://127.0.0.1:1/v1"),
        &house.budget,
        house.budget.account("research").unwrap(),
    );
    nobody.exec_chat(MODELS[0], question(), None).await.unwrap_err();
    let stream = nobody.exec_chat_stream(MODELS[0], question(), None).await.unwrap().stream;
    assert!(stream.collect::<Vec<_>>().await.iter().any(Result::is_err));
    house.assert_settled();
    assert!(house.confidences().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_cut_is_charged_as_held() {
    let answer = Answer::text("Rain until noon.").usage(TOKENS).cut_after(0);
    let house = House::rich(StandIn::start().await.script(answer));
    house.client.exec_chat(MODELS[0], question(), Some(&capped(800))).await.unwrap_err();
    assert_eq!(house.confidences(), [Confidence::Assumed]);
    assert!(house.budget.spent().pico() > house.server.bill());
}

#[tokio::test]
async fn a_call_that_is_given_up_is_charged_as_held() {
    let gate = Gate::new();
    let answer = Answer::text("Rain.").usage(TOKENS).behind(&gate);
    let house = House::rich(StandIn::start().await.script(answer));
    let client = house.client.clone();
    let options = capped(800);
    tokio::select! {
        _ = client.exec_chat(MODELS[0], question(), Some(&options)) => unreachable!("it waits"),
        () = house.server.wait_for_requests(1) => {}
    }
    assert_eq!(house.confidences(), [Confidence::Assumed]);
    assert_eq!(house.budget.held(), Usd::ZERO);
}

#[tokio::test]
async fn a_retry_of_the_caller_is_a_call_of_its_own() {
    for model in MODELS {
        let server = StandIn::start()
            .await
            .script(Answer::error(429).header("retry-after", "0"))
            .script(Answer::text("Rain.").usage(TOKENS));
        let house = House::rich(server);
        let options = capped(800);
        let ask = || house.client.exec_chat(model, question(), Some(&options));
        let error = ask().await.unwrap_err();
        assert!(error.as_genai().unwrap().headers().unwrap().contains_key("retry-after"));
        ask().await.unwrap();
        assert_eq!(house.server.requests().len(), 2, "genai's client retries nothing");
        house.assert_settled();
    }
}

#[tokio::test]
async fn a_refusal_comes_before_anything_is_sent() {
    for model in MODELS {
        let house = House::new(StandIn::start().await, Usd::from_pico(1_000));
        let error = house.client.exec_chat(model, question(), None).await.unwrap_err();
        assert!(error.to_string().contains("`research/crawler` asks for $"), "{error}");
        assert!(error.as_refusal().unwrap().denied().is_some());
        let refused = house.client.exec_chat_stream(model, question(), None).await;
        assert!(matches!(refused, Err(Error::Refused(_))));
        assert!(house.server.requests().is_empty());
        house.assert_settled();
    }
}

/// Requests of all that genai can say to these three, each a part of its own.
fn requests() -> Vec<(ChatRequest, ChatOptions)> {
    let options = capped(800);
    let words = "word ".repeat(300);
    let schema = json!({"type": "object", "properties": {
        "city": {"type": "string", "description": "The city."},
        "at": {"type": "object", "properties": {"day": {"type": "string"}, "hour": {"type": "integer"}}}}});
    let tool = |strict| {
        let tool = Tool::new("weather").with_description("The weather.");
        Tool { strict, ..tool.with_schema(schema.clone()) }
    };
    let call = ToolCall {
        call_id: "call_1".to_owned(),
        fn_name: "weather".to_owned(),
        fn_arguments: json!({"city": "Berlin", "at": {"day": "Monday", "hour": 7}}),
        thought_signatures: None,
    };
    let thought = vec![
        ContentPart::ThoughtSignature("c2lnbmF0dXJl".repeat(20)),
        ContentPart::ReasoningContent(words.clone()),
        ContentPart::ToolCall(call.clone()),
    ];
    let picture = ContentPart::from_binary_base64("image/png", "iVBORw0KGgo=", None);
    let marked = ChatMessage::user(words.clone()).with_options(CacheControl::Ephemeral1h);
    let ask = || ChatRequest::from_system("You are terse.");
    vec![
        (question(), options.clone()),
        (ask().append_message(ChatMessage::system(words)).append_message(marked), options.clone()),
        (question().with_tools(vec![tool(None), tool(Some(true))]), options.clone()),
        (
            question()
                .append_message(ChatMessage::assistant(thought))
                .append_message(ToolResponse::from_tool_call(&call, "rain"))
                .with_tools(vec![tool(None)]),
            options.clone(),
        ),
        (
            ask().append_message(ChatMessage::user(vec![picture, "What is it?".into()])),
            options.clone(),
        ),
        (question(), options.clone().with_response_format(JsonSpec::new("answer", schema.clone()))),
        (
            // Little but objects, of which each is closed.
            question(),
            options.clone().with_response_format(JsonSpec::new(
                "answer",
                json!({"type": "object", "properties": {"a": {"properties": {
                    "b": {"properties": {"c": {"properties": {"d": {}}}}}}}}}),
            )),
        ),
        (question(), options.clone().with_response_format(ChatResponseFormat::JsonMode)),
        (question(), options.clone().with_verbosity(Verbosity::Low)),
        (question(), options.clone().with_extra_body(json!({"n": 2, "metadata": {"a": "b"}}))),
        (question(), options.clone().with_extra_body(json!({"max_tokens": 2_000}))),
        (question(), options.clone().with_cache_control(CacheControl::Ephemeral24h)),
        (question(), options.clone().with_reasoning_effort(ReasoningEffort::Budget(4_000))),
        (question(), options.with_service_tier(ServiceTier::Flex)),
        (question(), ChatOptions::default()),
    ]
}

#[tokio::test]
async fn what_is_held_bounds_the_body_that_genai_sends() {
    for model in MODELS {
        for (number, (asked, options)) in requests().into_iter().enumerate() {
            let house = House::rich(StandIn::start().await.always(Answer::text("Rain.")));
            house.client.exec_chat(model, asked, Some(&options)).await.unwrap();
            let mut sent = house.server.requests()[0].body.clone();
            sent.as_object_mut().unwrap().remove("service_tier"); // flex: cheaper, if it has a price
            let bound = house.budget.model(model).unwrap().estimate_request(&sent).unwrap();
            let bound = bound.cost_at("2026-11-24T09:00:00Z".parse().unwrap()).unwrap();
            let held = house.booked.0.lock().unwrap()[0].held;
            assert!(held >= bound, "{model}, {number}: {held} is held, {bound} is asked: {sent:#}");
        }
    }
}

#[tokio::test]
async fn what_a_request_does_not_show_needs_a_word_of_the_user() {
    let house = House::rich(StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS)));
    let stored = || ChatRequest {
        previous_response_id: Some("resp_17".to_owned()),
        store: Some(true),
        ..ChatRequest::from_user("And in winter?")
    };
    let news = || question().with_tools(vec![Tool::new(ToolName::WebSearch)]);
    let options = capped(800);
    let model = "gpt-6.1-terra";
    let error = house.client.exec_chat(model, stored(), Some(&options)).await.unwrap_err();
    assert!(error.to_string().contains("previous_response_id"), "{error}");
    assert!(error.to_string().contains("`BudgetedClient::with_unseen_input`"), "{error}");
    let patient = house.client.clone().with_unseen_input(12_000);
    let error = patient.exec_chat(model, news(), Some(&options)).await.unwrap_err();
    assert!(error.to_string().contains("with_web_searches"), "{error}");
    assert!(house.server.requests().is_empty());

    patient.exec_chat(model, stored(), Some(&options)).await.unwrap();
    patient.with_web_searches(2).exec_chat(model, news(), Some(&options)).await.unwrap();
    house.assert_settled();
    let booked = house.booked.0.lock().unwrap();
    // 12,000 tokens at $1.25 for a million, and two searches at a cent.
    assert!(booked[0].held > Usd::from_pico(12_000 * 1_250_000));
    assert!(booked[1].held > booked[0].held.checked_add(Usd::cents(2)).unwrap());
}

#[tokio::test]
async fn a_tag_is_charged_beside_the_account() {
    let house = House::rich(StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS)));
    let user = house.budget.tag("user:42").unwrap();
    let client = house.client.clone().with_tag(&user);
    client.exec_chat(MODELS[0], question(), Some(&capped(800))).await.unwrap();
    assert_eq!(user.spent().pico(), house.server.bill());
    house.assert_settled();
}

#[tokio::test]
async fn an_unknown_model_is_not_free() {
    let house = House::rich(StandIn::start().await);
    let error = house.client.exec_chat("gpt-4-nonsense", question(), None).await.unwrap_err();
    assert!(matches!(error, Error::UnknownModel(_)), "{error}");
    assert!(house.server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_edge_of_a_limit_19_of_64_calls_pass_and_none_more() {
    for model in MODELS {
        let one = {
            let gate = Gate::new();
            let house = House::rich(StandIn::start().await.always(Answer::text("x").behind(&gate)));
            let options = capped(800);
            let response = house.client.exec_chat_stream(model, question(), Some(&options));
            let _open = response.await.unwrap();
            house.budget.held()
        };
        let gate = Gate::new();
        let answer = Answer::text("Rain.").usage(TOKENS).behind(&gate);
        let limit = one.checked_mul(20).unwrap().checked_sub(Usd::from_pico(1)).unwrap();
        let house = House::new(StandIn::start().await.always(answer), limit);
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let client = house.client.clone();
                tokio::spawn(async move {
                    client.exec_chat(model, question(), Some(&capped(800))).await
                })
            })
            .collect();
        house.server.wait_for_requests(19).await;
        while house.booked.1.load(Ordering::SeqCst) < 45 {
            tokio::task::yield_now().await;
        }
        assert_eq!(house.budget.held(), one.checked_mul(19).unwrap());
        gate.open();
        let mut passed = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => passed += 1,
                Err(error) => assert!(matches!(error, Error::Refused(_)), "{error}"),
            }
        }
        assert_eq!((passed, house.server.requests().len()), (19, 19), "{model}");
        assert!(house.budget.spent() <= limit);
        house.assert_settled();
    }
}

#[tokio::test]
async fn a_shorter_output_is_told_to_the_provider() {
    let house = House::new(StandIn::start().await.always(Answer::text("Rain.")), Usd::cents(2));
    let client = house.client.clone().at_least(50);
    let refused = house.client.exec_chat("gpt-6.1-terra", question(), Some(&capped(60_000))).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    client.exec_chat("gpt-6.1-terra", question(), Some(&capped(60_000))).await.unwrap();
    let sent = house.server.requests()[0].body["max_output_tokens"].as_u64().unwrap();
    assert!((50..60_000).contains(&sent), "{sent}");
    house.assert_settled();
}

#[tokio::test]
async fn another_model_that_answers_is_never_the_cheaper_of_the_two() {
    // A dated form of the model that was asked is that model.
    let answer = Answer::text("Rain.").usage(TOKENS).from_model("gpt-5-2025-08-07");
    let house = House::rich(StandIn::start().await.script(answer));
    house.client.exec_chat("gpt-5", question(), Some(&capped(800))).await.unwrap();
    house.assert_settled();
    assert_eq!(house.confidences(), [Confidence::Exact]);

    // An unnamed model that is dearer is charged at its price, a cheaper one at that of the
    // requested.
    for (asked, answers, booked_for_bill) in
        [("gpt-5-mini", "gpt-5", 1), ("gpt-5", "gpt-5-mini", 5)]
    {
        let answer = Answer::text("Rain.").usage(TOKENS).from_model(answers);
        let house = House::rich(StandIn::start().await.script(answer));
        house.client.exec_chat(asked, question(), Some(&capped(800))).await.unwrap();
        let booked = house.server.bill() * booked_for_bill;
        assert_eq!(house.budget.spent().pico(), booked, "gpt-5 costs five times as much");
        assert_eq!(house.confidences(), [Confidence::Estimated]);
        assert_eq!(house.budget.held(), Usd::ZERO);
    }
}

#[tokio::test]
async fn the_resolver_and_the_effort_in_a_name_say_which_model_it_is() {
    let server = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS));
    let house = House::rich(server);
    // A resolver that would change its own answer once more.
    let url = format!("{}/", house.server.url());
    let by_alias = move |mut target: ServiceTarget| {
        let name = match &*target.model.model_name {
            "gpt-fast" => "gpt-5-mini",
            "gpt-5-mini" => "gpt-5",
            name => name,
        };
        target.model = target.model.from_name(name.to_owned());
        target.endpoint = Endpoint::from_owned(url.clone());
        target.auth = AuthData::from_single("key");
        Ok(target)
    };
    let resolver = ServiceTargetResolver::from_resolver_fn(by_alias);
    let client = Client::builder().with_service_target_resolver(resolver).build().unwrap();
    let account = house.budget.account("research").unwrap();
    let client = BudgetedClient::new(client, &house.budget, account);
    client.exec_chat("gpt-fast", question(), Some(&capped(800))).await.unwrap();
    assert_eq!(house.server.requests()[0].body["model"], "gpt-5-mini");
    client.exec_chat("gpt-5-high", question(), Some(&capped(800))).await.unwrap();
    assert_eq!(house.server.requests()[1].body["model"], "gpt-5");
    house.assert_settled();
    assert_eq!(house.confidences(), [Confidence::Exact; 2]);
}
