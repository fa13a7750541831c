//! Tests that embeddings are budgeted: genai's real client talks to a server of one answer.

use bursar::clock::ManualClock;
use bursar::{BudgetManager, Limit, ModelPrice, Rate, Usd};
use bursar_genai::{BudgetedClient, Error};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ServiceTarget};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const MODEL: &str = "text-embedding-3-small";

/// Answers one request with this body.
async fn serve(status: &'static str, body: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            connection.read_buf(&mut request).await.unwrap();
        }
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(answer.as_bytes()).await.unwrap();
    });
    url
}

fn client(url: String, limit: Usd) -> (BudgetManager, BudgetedClient) {
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(limit))
        .clock(ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap()))
        .build()
        .unwrap();
    let rate = |price: &str| Rate::per_million(price.parse().unwrap()).unwrap();
    budget.insert_price(ModelPrice::new("openai", MODEL, rate("0.02"), rate("0"))).unwrap();
    let to_server = move |mut target: ServiceTarget| {
        target.endpoint = Endpoint::from_owned(url.clone());
        target.auth = AuthData::from_single("key");
        Ok(target)
    };
    let resolver = ServiceTargetResolver::from_resolver_fn(to_server);
    let client = Client::builder().with_service_target_resolver(resolver).build().unwrap();
    let account = budget.account("index").unwrap();
    let client = BudgetedClient::new(client, &budget, account);
    (budget, client)
}

#[tokio::test]
async fn embeddings_cost_their_input() {
    let url = serve(
        "200 OK",
        json!({"object": "list", "model": MODEL, "usage": {"prompt_tokens": 9, "total_tokens": 9},
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]},
                {"object": "embedding", "index": 1, "embedding": [0.25]}]}),
    )
    .await;
    let (budget, client) = client(url, Usd::cents(1));
    let texts = vec!["How high is it?".to_owned(), "And how cold?".to_owned()];
    let answer = client.embed_batch(MODEL, texts, None).await.unwrap();
    assert_eq!((answer.embedding_count(), answer.captured_raw_body), (2, None));
    assert_eq!(budget.spent().pico(), 9 * 20_000); // $0.02 for a million tokens
    assert_eq!(budget.held(), Usd::ZERO);
}

#[tokio::test]
async fn embeddings_that_are_refused_cost_nothing() {
    let url = serve("429 Too Many Requests", json!({"error": {"message": "slow down"}})).await;
    let (budget, client) = client(url, Usd::cents(1));
    let error = client.embed(MODEL, "How high is it?", None).await.unwrap_err();
    assert_eq!(error.as_genai().unwrap().status().unwrap().as_u16(), 429);
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO));
}

#[tokio::test]
async fn embeddings_without_money_are_not_asked_for() {
    let (budget, client) = client("http://127.0.0.1:1/v1/".to_owned(), Usd::from_pico(1));
    let error = client.embed(MODEL, "How high is it?", None).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(budget.held(), Usd::ZERO);
}
