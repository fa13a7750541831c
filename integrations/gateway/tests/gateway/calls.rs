//! Tests that calls pass through untouched, and that the ledger is the provider's own bill.

use crate::house::{CHAT, House, MESSAGES, RESPONSES, chat, messages, read_until, responses};
use bursar::{Confidence, Usd};
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use serde_json::{Value, json};

const TOKENS: Tokens = Tokens::new(11, 3).cached(4).reasoning(2);

async fn weather() -> StandIn {
    StandIn::start().await.always(Answer::text("Rain until noon.").usage(TOKENS))
}

#[tokio::test]
async fn a_plain_call_passes_untouched_and_is_booked_before_its_answer_is_sent() {
    let house = House::open(weather().await, &["--spend", "1"]).await;
    // Numbers and spaces as a client may write them.
    let body = r#"{ "model": "gpt-6.1-terra", "temperature": 1.00, "max_completion_tokens": 100,
        "messages": [{"role": "user", "content": "Weather?"}] }"#;
    let headers = "authorization: Bearer sk-1\r\naccept-encoding: gzip\r\nx-bursar-account: a/b\r\n\
        x-bursar-tags: user:7, team:blue\r\n";
    let answer = house.send("POST", &format!("{CHAT}?x=1"), headers, body).await;
    assert_eq!((answer.status, answer.json()["usage"]["total_tokens"].as_u64()), (200, Some(20)));
    house.assert_even();
    let cost = house.budget.spent();
    assert_eq!(answer.header("x-bursar-cost"), Some(cost.exact().to_string().as_str()));
    for account in ["a/b", "a"] {
        assert_eq!(house.budget.account(account).unwrap().spent(), cost);
    }
    for tag in ["user:7", "team:blue"] {
        assert_eq!(house.budget.tag(tag).unwrap().spent(), cost);
    }

    let seen = &house.provider.requests()[0];
    assert_eq!(seen.headers["content-length"], body.len().to_string(), "byte for byte");
    assert_eq!(seen.body, serde_json::from_str::<Value>(body).unwrap());
    assert_eq!(seen.headers["authorization"], "Bearer sk-1");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("x-bursar")));
    assert_eq!(seen.headers["host"].to_str().unwrap(), &house.provider.root()[7..]);
}

#[tokio::test]
async fn each_form_is_booked_at_the_providers_own_bill() {
    let house = House::open(weather().await, &[]).await;
    for (path, call) in [
        (CHAT, chat(json!({}))),
        (RESPONSES, responses(json!({}))),
        (MESSAGES, messages(json!({}))),
    ] {
        assert_eq!(house.post(path, &call).await.status, 200);
        house.assert_even();
    }
    assert_eq!(house.budget.account("anonymous").unwrap().spent(), house.budget.spent());
    assert_eq!(house.budget.report().models.len(), 2);
}

#[tokio::test]
async fn a_tool_loop_is_the_sum_of_its_calls() {
    let provider = StandIn::start()
        .await
        .script(Answer::tool("weather", json!({"city": "Ulm"})).usage(Tokens::new(50, 20)))
        .script(Answer::text("Rain until noon.").usage(Tokens::new(30, 9).cached(64)))
        .script(Answer::tool("weather", json!({"city": "Ulm"})).usage(Tokens::new(60, 21)))
        .script(Answer::text("Rain.").usage(Tokens::new(20, 4).written(70)));
    let house = House::open(provider, &[]).await;
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {}}}]);
    let first = house.post(CHAT, &chat(json!({"tools": tools}))).await.json();
    let said = &first["choices"][0]["message"];
    let result =
        json!({"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "wet"});
    let talk = json!([{"role": "user", "content": "?"}, said, result]);
    let last = house.post(CHAT, &chat(json!({"tools": tools, "messages": talk}))).await.json();
    assert_eq!(last["choices"][0]["message"]["content"], "Rain until noon.");
    house.assert_even();

    let tools = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
    let first = house.post(MESSAGES, &messages(json!({"tools": tools}))).await.json();
    let id = &first["content"][0]["id"];
    let result = json!([{"type": "tool_result", "tool_use_id": id, "content": "wet"}]);
    let talk = json!([{"role": "user", "content": "?"},
        {"role": "assistant", "content": first["content"]}, {"role": "user", "content": result}]);
    house.post(MESSAGES, &messages(json!({"tools": tools, "messages": talk}))).await;
    house.assert_even();
    assert_eq!(house.provider.requests().len(), 4);
}

#[tokio::test]
async fn a_stream_is_booked_at_its_end_and_the_usage_nobody_asked_for_is_held_back() {
    let house = House::open(weather().await, &[]).await;
    let silent = house.post(CHAT, &chat(json!({"stream": true}))).await;
    assert!(silent.body.contains("noon.") && silent.body.ends_with("data: [DONE]\n\n"));
    assert!(!silent.body.contains("total_tokens"), "{}", silent.body);
    assert_eq!(silent.header("content-length"), None);
    assert_eq!(house.provider.requests()[0].body["stream_options"], json!({"include_usage": true}));
    house.assert_even();

    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let counted = house.post(CHAT, &chat(asked)).await;
    assert!(counted.body.contains("\"total_tokens\":20"));
    house.assert_even();

    let streamed = house.post(RESPONSES, &responses(json!({"stream": true}))).await;
    assert!(streamed.body.contains("response.completed"));
    assert_eq!(house.provider.requests()[2].body.get("stream_options"), None);
    house.assert_even();

    let streamed = house.post(MESSAGES, &messages(json!({"stream": true}))).await;
    assert!(streamed.body.contains("message_stop"));
    house.assert_even();
}

#[tokio::test]
async fn a_stream_passes_piece_by_piece() {
    let gate = Gate::new();
    let provider =
        StandIn::start().await.always(Answer::text("Rain until noon.").hold_after(1, &gate));
    let house = House::open(provider, &[]).await;
    for (path, call) in
        [(CHAT, chat(json!({"stream": true}))), (MESSAGES, messages(json!({"stream": true})))]
    {
        let mut connection = house.begin("POST", path, "", &call.to_string()).await;
        let start = read_until(&mut connection, "Rain").await;
        assert!(!start.contains("noon"), "the provider has not said more");
    }
    gate.open();
}

#[tokio::test]
async fn a_stream_that_the_client_drops_is_booked_at_what_was_seen() {
    let gate = Gate::new();
    let answer = Answer::text("Rain until noon.").usage(Tokens::new(10, 12)).hold_after(2, &gate);
    let mut house = House::open(StandIn::start().await.always(answer), &[]).await;

    let call = messages(json!({"stream": true})).to_string();
    let mut connection = house.begin("POST", MESSAGES, "", &call).await;
    read_until(&mut connection, "until").await;
    drop(connection);
    let receipt = house.booked().await;
    assert_eq!(receipt.confidence, Confidence::Estimated);
    assert_eq!(receipt.usage.input_tokens(), 10, "Anthropic says it in the first event");
    assert!((1..=12).contains(&receipt.usage.output_tokens()), "{receipt:?}");

    let call = chat(json!({"stream": true, "reasoning_effort": "none"})).to_string();
    let mut connection = house.begin("POST", CHAT, "", &call).await;
    read_until(&mut connection, "until").await;
    drop(connection);
    let receipt = house.booked().await;
    assert_eq!(receipt.confidence, Confidence::Estimated);
    assert!(receipt.usage.input_tokens() >= 10, "the bound of the input");
    assert!((1..=12).contains(&receipt.usage.output_tokens()), "{receipt:?}");
    assert!(receipt.cost < receipt.held);

    // A model that reasons has used what it has not shown.
    let call = chat(json!({"stream": true, "max_completion_tokens": 90})).to_string();
    let mut connection = house.begin("POST", CHAT, "", &call).await;
    read_until(&mut connection, "until").await;
    drop(connection);
    let receipt = house.booked().await;
    assert_eq!((receipt.confidence, receipt.usage.output_tokens()), (Confidence::Estimated, 90));
    assert_eq!(house.budget.held(), Usd::ZERO);
}

#[tokio::test]
async fn a_plain_call_whose_client_hangs_up_is_booked_all_the_same() {
    let gate = Gate::new();
    let provider = StandIn::start().await.always(Answer::text("Rain.").usage(TOKENS).behind(&gate));
    let mut house = House::open(provider, &[]).await;
    let connection = house.begin("POST", CHAT, "", &chat(json!({})).to_string()).await;
    house.provider.wait_for_requests(1).await;
    drop(connection);
    // The gateway has seen that when it has answered another client.
    assert_eq!(house.get("/report", "").await.status, 200);
    gate.open();
    assert_eq!(house.booked().await.confidence, Confidence::Exact);
    house.assert_even();
}

#[tokio::test]
async fn a_providers_refusal_passes_and_costs_nothing() {
    let provider = StandIn::start()
        .await
        .script(Answer::error(429).header("retry-after", "7"))
        .script(Answer::error(400));
    let house = House::open(provider, &[]).await;
    let limited = house.post(CHAT, &chat(json!({}))).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    // A stream that was refused is no stream.
    let refused = house.post(MESSAGES, &messages(json!({"stream": true}))).await;
    assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
    house.assert_even();
    assert_eq!(house.provider.bill(), 0);
}

#[tokio::test]
async fn a_lost_answer_is_charged_at_what_was_held_unless_told_otherwise() {
    for (words, confidence) in [(&[][..], Some(Confidence::Assumed)), (&["--release-lost"], None)] {
        let provider = StandIn::start()
            .await
            .script(Answer::error(500))
            .script(Answer::text("Rain until noon.").cut_after(0));
        let mut house = House::open(provider, words).await;
        for status in [500, 502] {
            let before = house.budget.spent();
            assert_eq!(house.post(CHAT, &chat(json!({}))).await.status, status);
            match confidence {
                Some(_) => {
                    let receipt = house.booked().await;
                    assert_eq!(Some(receipt.confidence), confidence);
                    assert_eq!(receipt.cost, receipt.held);
                }
                None => assert_eq!(house.budget.spent(), before),
            }
            assert_eq!(house.budget.held(), Usd::ZERO);
        }
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_costs_nothing() {
    let nobody = "http://127.0.0.1:1";
    let house = House::open_at(StandIn::start().await, nobody, nobody, &[]).await;
    let answer = house.post(MESSAGES, &messages(json!({}))).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (502, &json!("api_error")));
    assert!(answer.body.contains("refused"), "it says why: {}", answer.body);
    house.assert_even();
}
