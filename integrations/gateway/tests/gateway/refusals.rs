//! Tests that a call that does not fit is refused before the provider sees it, in the
//! provider's own form.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bursar::{Limit, Period, Usd};
use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use serde_json::{Value, json};

use crate::house::{CHAT, House, MESSAGES, RESPONSES, chat, messages, responses};

async fn rain() -> StandIn {
    raining(60).await
}

/// Answers with so many output tokens.
async fn raining(output: u64) -> StandIn {
    StandIn::start().await.always(Answer::text("Rain.").usage(Tokens::new(10, output)))
}

/// A file for the length of a test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn money_that_is_not_there_is_402_in_the_providers_form() {
    let house = House::open(rain().await, &["--spend", "0.0001"]).await;
    let refused = house.post(CHAT, &chat(json!({}))).await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (402, Some("false")));
    assert_eq!(refused.header("retry-after"), None);
    let error = &refused.json()["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("insufficient_quota"), &json!("budget_exceeded"))
    );
    let sentence = error["message"].as_str().unwrap();
    assert!(sentence.starts_with("`anonymous` asks for $0.0"), "{sentence}");
    assert_eq!(error["denied"]["asked_by"], "anonymous");
    assert_eq!(error["denied"]["account"], "");
    assert!(error["denied"]["max_output_tokens"].is_u64(), "{error}");

    let refused = house.post(MESSAGES, &messages(json!({"stream": true}))).await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (402, Some("false")));
    let body = refused.json();
    assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!("billing_error")));
    assert!(body["error"]["denied"].is_object());
    assert_eq!(house.provider.requests().len(), 0);
}

#[tokio::test]
async fn a_limit_that_passes_soon_and_is_no_money_is_a_rate_limit() {
    let minute = || Period::rolling(Duration::from_secs(60));
    for (limit, status, passes_soon) in [
        (Limit::requests(1).per(minute()), 429, true),
        (Limit::requests(1).per(Period::HOUR), 402, false),
        (Limit::requests(1), 402, false),
        (Limit::spend("0.0006".parse::<Usd>().unwrap()).per(minute()), 402, false),
    ] {
        let house = House::open(rain().await, &[]).await;
        house.budget.set_limit("", limit.clone()).unwrap();
        assert_eq!(house.post(CHAT, &chat(json!({}))).await.status, 200, "{limit}");
        let refused = house.post(CHAT, &chat(json!({}))).await;
        let waits = refused.header("retry-after").map(|secs| secs.parse::<u64>().unwrap());
        assert_eq!((refused.status, waits.is_some()), (status, passes_soon), "{limit}");
        let Some(secs) = waits else { continue };
        assert_eq!(refused.header("x-should-retry"), None);
        house.clock.advance(Duration::from_secs(secs));
        assert_eq!(house.post(CHAT, &chat(json!({}))).await.status, 200, "when it said so");
    }
}

#[tokio::test]
async fn calls_in_flight_are_a_rate_limit() {
    let gate = Gate::new();
    let provider = StandIn::start().await.always(Answer::text("Rain.").behind(&gate));
    let house = House::open(provider, &[]).await;
    house.budget.set_limit("", Limit::in_flight(1)).unwrap();
    let first = house.begin("POST", CHAT, "", &chat(json!({})).to_string()).await;
    house.provider.wait_for_requests(1).await;
    let refused = house.post(MESSAGES, &messages(json!({}))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    gate.open();
    drop(first);
}

#[tokio::test]
async fn what_has_no_bound_or_no_meaning_is_refused_with_the_remedy() {
    let house = House::open(rain().await, &[]).await;
    for (path, body, status, words) in [
        (CHAT, chat(json!({"model": "gpt-99"})), 400, "gpt-99"),
        (CHAT, json!({"messages": []}), 400, "names no model"),
        (
            RESPONSES,
            responses(json!({"previous_response_id": "resp_1"})),
            400,
            "previous_response_id",
        ),
        (CHAT, json!([]), 400, "JSON object"),
        ("/v1/images/generations", json!({}), 404, "--allow-unmetered"),
    ] {
        let refused = house.post(path, &body).await;
        assert_eq!(refused.status, status, "{}", refused.body);
        let body = refused.json();
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert!(body["error"]["message"].as_str().unwrap().contains(words), "{body}");
    }
    let twice = r#"{"model": "gpt-6-luna", "model": "gpt-6.1-terra", "messages": []}"#;
    assert_eq!(house.send("POST", CHAT, "", twice).await.status, 400);
    let packed = house.send("POST", CHAT, "content-encoding: gzip\r\n", "\u{1f}").await;
    assert_eq!(packed.status, 415);
    for headers in
        ["x-bursar-account: a//b\r\n", "x-bursar-tags: untagged\r\n", "x-bursar-tags: user:\r\n"]
    {
        let call = chat(json!({})).to_string();
        assert_eq!(house.send("POST", CHAT, headers, &call).await.status, 400, "{headers}");
    }
    house.budget.freeze("", "the weekend").unwrap();
    let frozen = house.post(MESSAGES, &messages(json!({}))).await;
    assert_eq!((frozen.status, &frozen.json()["error"]["type"]), (403, &json!("permission_error")));
    assert!(frozen.body.contains("the weekend"));
    assert_eq!(house.provider.requests().len(), 0);
}

/// An empty name was the root, which no limit of a pattern means.
#[tokio::test]
async fn an_empty_account_is_nobody_in_particular() {
    let house = House::open(rain().await, &[]).await;
    let call = chat(json!({})).to_string();
    assert_eq!(house.send("POST", CHAT, "x-bursar-account: \r\n", &call).await.status, 200);
    let spent = house.budget.spent();
    assert!(spent > bursar::Usd::ZERO);
    assert_eq!(house.budget.account("anonymous").unwrap().spent(), spent);
}

#[tokio::test]
async fn what_a_request_does_not_hold_passes_if_it_is_allowed_for() {
    let house = House::open(rain().await, &["--unseen-input", "5000"]).await;
    let call = responses(json!({"previous_response_id": "resp_1"}));
    assert_eq!(house.post(RESPONSES, &call).await.status, 200);
    house.assert_even();
}

#[tokio::test]
async fn an_answer_is_shortened_to_what_is_left() {
    // One token of output costs $0.000005; the input of this call a little.
    let house = House::open(raining(2).await, &["--spend", "0.0004", "--shorten", "10"]).await;
    for (path, call, field) in [
        (CHAT, chat(json!({})), "max_completion_tokens"),
        (RESPONSES, responses(json!({})), "max_output_tokens"),
        (MESSAGES, messages(json!({})), "max_tokens"),
    ] {
        assert_eq!(house.post(path, &call).await.status, 200);
        let seen = house.provider.requests().pop().unwrap().body;
        let cap = seen[field].as_u64().unwrap();
        assert!((10..100).contains(&cap), "{seen}");
        let mut before = call.clone();
        before[field] = seen[field].clone();
        assert_eq!(seen, before, "nothing else has changed");
    }
    // Without a cap the request gets one.
    let mut open = chat(json!({}));
    open.as_object_mut().unwrap().remove("max_completion_tokens");
    assert_eq!(house.post(CHAT, &open).await.status, 200);
    let seen = house.provider.requests().pop().unwrap().body;
    assert!(seen["max_completion_tokens"].as_u64().unwrap() < 100);
    house.assert_even();

    let short = House::open(rain().await, &["--spend", "0.0001", "--shorten", "90"]).await;
    assert_eq!(short.post(CHAT, &chat(json!({}))).await.status, 402);
    assert_eq!(short.provider.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_calls_at_the_edge_of_a_limit_never_cross_it() {
    let gate = Gate::new();
    let answer = Answer::text("Rain.").usage(Tokens::new(20, 100)).behind(&gate);
    let limit: Usd = "0.01".parse().unwrap();
    let house =
        Arc::new(House::open(StandIn::start().await.always(answer), &["--spend", "0.01"]).await);
    let calls: Vec<_> = (0..64)
        .map(|number| {
            let house = Arc::clone(&house);
            let call = chat(json!({"stream": number % 2 == 0}));
            tokio::spawn(async move { house.post(CHAT, &call).await.status })
        })
        .collect();
    // Whoever is refused has its answer at once; the others wait at the gate.
    let answered = || calls.iter().filter(|call| call.is_finished()).count();
    while house.provider.requests().len() + answered() < 64 {
        assert!(house.budget.report().account("").unwrap().peak <= limit);
        tokio::task::yield_now().await;
    }
    let admitted = house.provider.requests().len();
    gate.open();
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap());
    }
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(402)), (admitted, 64 - admitted));
    assert!((10..=20).contains(&admitted), "{admitted}: each holds a little more than $0.0005");
    assert!(house.budget.report().account("").unwrap().peak <= limit);
    house.assert_even();
}

#[tokio::test]
async fn a_key_pays_from_its_account_and_no_other() {
    let keys = File::new(
        "keys.toml",
        "[[key]]\nkey = 'gw-root'\naccount = ''\n\
         [[key]]\nkey = 'gw-red'\naccount = 'red'\ntags = ['team:red']\n",
    );
    let words =
        ["--keys", keys.path(), "--openai-api-key", "sk-real", "--anthropic-api-key", "sk-ant"];
    let house = House::open(rain().await, &words).await;
    let (call, letter) = (chat(json!({})).to_string(), messages(json!({})).to_string());
    let red = "authorization: Bearer gw-red\r\n";

    for headers in ["", "authorization: Bearer sk-guess\r\n", "x-api-key: gw-re\r\n"] {
        let refused = house.send("POST", CHAT, headers, &call).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (401, &json!("invalid_api_key"))
        );
        assert_eq!(house.send("POST", MESSAGES, headers, &letter).await.status, 401);
        assert_eq!(house.get("/v1/models", headers).await.status, 401);
        assert_eq!(house.get("/report", headers).await.status, 401);
    }
    let other = format!("{red}x-bursar-account: blue\r\n");
    assert_eq!(house.send("POST", CHAT, &other, &call).await.status, 403);
    assert_eq!(house.provider.requests().len(), 0);

    let plainly = "x-api-key: gw-red\r\n";
    assert_eq!(house.send("POST", CHAT, plainly, &call).await.status, 200);
    let below = format!("{red}x-bursar-account: red/one\r\n");
    let below = below.as_str();
    assert_eq!(house.send("POST", MESSAGES, below, &letter).await.status, 200);
    house.assert_even();
    let spent = house.budget.spent();
    assert_eq!(house.budget.account("red").unwrap().spent(), spent);
    assert_eq!(house.budget.tag("team:red").unwrap().spent(), spent);
    let seen = house.provider.requests();
    assert_eq!(seen[0].headers["authorization"], "Bearer sk-real");
    assert_eq!(seen[1].headers["x-api-key"], "sk-ant");
    for seen in &seen {
        assert!(!format!("{:?}", seen.headers).contains("gw-"), "a gateway's key stays here");
    }

    assert_eq!(house.get("/report", red).await.status, 403);
    let root = house.get("/report", "authorization: Bearer gw-root\r\n").await;
    assert_eq!(root.json()["accounts"][0]["spent"], Value::String(spent.exact().to_string()));
}

#[tokio::test]
async fn limits_come_from_a_policy_file_and_the_report_shows_them() {
    let policy = File::new(
        "policy.toml",
        "[[limit]]\naccount = 'research/*'\nspend = '0.0008'\nper = 'day'\n",
    );
    let house = House::open(rain().await, &["--policy", policy.path()]).await;
    let call = chat(json!({})).to_string();
    for (account, status) in [("research/one", 200), ("research/one", 402), ("research/two", 200)] {
        let headers = format!("x-bursar-account: {account}\r\n");
        assert_eq!(house.send("POST", CHAT, &headers, &call).await.status, status, "{account}");
    }
    let table = house.get("/report.txt", "").await;
    assert!(
        table.body.contains("research/two") && table.body.contains("per day"),
        "{}",
        table.body
    );
    let report = house.get("/report", "").await.json();
    assert_eq!(report["limits"].as_array().unwrap().len(), 2);
    assert_eq!(report, serde_json::to_value(house.budget.report()).unwrap());
}

#[tokio::test]
async fn a_price_list_makes_a_model_known() {
    let prices = File::new(
        "prices.json",
        r#"{"house-embedding-1": {"litellm_provider": "openai", "mode": "embedding",
            "input_cost_per_token": 2e-08, "output_cost_per_token": 0, "max_input_tokens": 8191}}"#,
    );
    let call = json!({"model": "house-embedding-1", "input": ["Rain.", "Snow."]});
    let house = House::open(rain().await, &[]).await;
    assert_eq!(house.post("/v1/embeddings", &call).await.status, 400, "nobody knows its price");
    assert_eq!(house.provider.requests().len(), 0);

    let house = House::open(rain().await, &["--prices", prices.path(), "--shorten", "9"]).await;
    assert_eq!(house.post("/v1/embeddings", &call).await.status, 404, "the stand-in has none");
    assert_eq!(house.provider.requests()[0].body, call);
    assert_eq!(house.post(CHAT, &chat(json!({}))).await.status, 200, "beside the built-in ones");
    house.assert_even();
}

#[tokio::test]
async fn what_costs_nothing_passes_unmetered_and_the_rest_only_if_told() {
    let house = House::open(rain().await, &["--spend", "0"]).await;
    assert_eq!(house.get("/v1/models", "").await.status, 404, "the stand-in has no such list");
    let count = house.post("/v1/messages/count_tokens", &messages(json!({}))).await;
    assert_eq!(count.status, 404);
    let seen = house.provider.requests();
    assert_eq!((seen.len(), seen[1].path.as_str()), (2, "/v1/messages/count_tokens"));
    assert_eq!(seen[1].body, messages(json!({})));
    assert_eq!(house.post("/v1/audio/speech", &json!({})).await.status, 404);
    assert_eq!(house.provider.requests().len(), 2);

    let open = House::open(rain().await, &["--allow-unmetered"]).await;
    open.post("/v1/audio/speech", &json!({"input": "Rain."})).await;
    assert_eq!(open.provider.requests()[0].path, "/v1/audio/speech");
    assert_eq!(open.budget.spent(), Usd::ZERO);
}
