//! Tests that the stand-in answers, bills and breaks off as its script says.

use bursar_stand_in::{Answer, Gate, StandIn, Tokens};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a request, and reads until the connection ends.
async fn post(server: &StandIn, path: &str, body: Value) -> (u16, String) {
    let address = server.root().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer[9..12].parse().unwrap();
    (status, answer)
}

/// The JSON in an answer.
fn object(answer: &str) -> Value {
    serde_json::from_str(&answer[answer.find("\r\n\r\n").unwrap()..]).unwrap()
}

/// The events of a stream.
fn events(answer: &str) -> Vec<Value> {
    let data = answer.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn chat(extra: Value) -> Value {
    let mut body = json!({"model": "gpt-6.1-terra", "messages": []});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

const CHAT: &str = "/v1/chat/completions";
const TOKENS: Tokens = Tokens::new(1_000, 80).cached(2_000).reasoning(20);
/// $0.001 + $0.0001 + $0.0005
const COST: i128 = 1_600_000_000;

#[tokio::test]
async fn each_form_says_what_is_billed() {
    let server = StandIn::start().await.always(Answer::text("Rain until noon.").usage(TOKENS));
    let (status, answer) = post(&server, CHAT, chat(json!({}))).await;
    let answer = object(&answer);
    assert_eq!((status, &answer["model"]), (200, &json!("gpt-6.1-terra")));
    assert_eq!(answer["choices"][0]["message"]["content"], "Rain until noon.");
    assert_eq!(answer["usage"]["prompt_tokens"], 3_000);
    assert_eq!(answer["usage"]["completion_tokens"], 100);
    assert_eq!(server.bill(), COST);

    let body = json!({"model": "gpt-6.1-terra", "input": "?"});
    let answer = object(&post(&server, "/v1/responses", body).await.1);
    assert_eq!(answer["output"][0]["content"][0]["text"], "Rain until noon.");
    assert_eq!(answer["usage"]["input_tokens_details"]["cached_tokens"], 2_000);
    assert_eq!(server.bill(), 2 * COST);

    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 200, "messages": []});
    let answer = object(&post(&server, "/v1/messages", body).await.1);
    assert_eq!(
        (&answer["usage"]["input_tokens"], &answer["usage"]["output_tokens"]),
        (&json!(1_000), &json!(100))
    );
    // $0.001 + $0.0002 + $0.0005
    assert_eq!(server.bill(), 2 * COST + 1_700_000_000);
    assert_eq!(server.requests()[2].body["max_tokens"], 200);
    assert_eq!(server.requests()[2].status, 200);
}

#[tokio::test]
async fn a_chat_streams_its_usage_only_if_it_is_asked_to() {
    let server = StandIn::start().await.always(Answer::text("Rain until noon.").usage(TOKENS));
    let (_, silent) = post(&server, CHAT, chat(json!({"stream": true}))).await;
    assert!(events(&silent).iter().all(|event| event["usage"].is_null()));
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (_, counted) = post(&server, CHAT, chat(options)).await;
    let counted = events(&counted);
    assert_eq!(counted.len(), 1 + 3 + 1 + 1);
    assert_eq!(counted[5]["usage"]["total_tokens"], 3_100);
    assert_eq!((&counted[5]["choices"], &counted[2]["usage"]), (&json!([]), &Value::Null));
    assert_eq!(server.bill(), 2 * COST);
}

#[tokio::test]
async fn the_other_streams_say_it_at_their_ends() {
    let answer = Answer::text("Rain.").and_tool("look", json!({"at": "sky"})).usage(TOKENS);
    let server = StandIn::start().await.always(answer);
    let body = json!({"model": "gpt-6.1-terra", "input": "?", "stream": true});
    let responses = events(&post(&server, "/responses", body).await.1);
    let last = &responses[responses.len() - 1];
    assert_eq!(
        (&last["type"], &last["response"]["usage"]["output_tokens"]),
        (&json!("response.completed"), &json!(100))
    );
    assert_eq!(last["response"]["output"][1]["arguments"], r#"{"at":"sky"}"#);

    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 200, "messages": [],
        "stream": true});
    let messages = events(&post(&server, "/v1/messages", body).await.1);
    assert_eq!(messages[0]["message"]["usage"]["output_tokens"], 1);
    let delta = &messages[messages.len() - 2];
    assert_eq!(
        (&delta["delta"]["stop_reason"], &delta["usage"]["output_tokens"]),
        (&json!("tool_use"), &json!(100))
    );
}

#[tokio::test]
async fn what_is_refused_is_free() {
    let server = StandIn::start().await.script(Answer::error(429).header("retry-after", "0"));
    let (status, answer) = post(&server, CHAT, chat(json!({}))).await;
    assert_eq!((status, answer.contains("retry-after: 0")), (429, true));
    assert_eq!(object(&answer)["error"]["code"], "rate_limit_exceeded");
    assert_eq!(post(&server, CHAT, chat(json!({}))).await.0, 500, "the script is at its end");
    server.then(Answer::text("?"));
    assert_eq!(post(&server, CHAT, chat(json!({"model": "gpt-9"}))).await.0, 404);
    server.then(Answer::text("?"));
    let body = json!({"model": "claude-haiku-4-5", "messages": []});
    let (status, answer) = post(&server, "/v1/messages", body).await;
    assert_eq!((status, &object(&answer)["error"]["type"]), (400, &json!("invalid_request_error")));
    assert_eq!((server.bill(), server.requests().len()), (0, 4));
}

#[tokio::test]
async fn an_answer_ends_at_the_cap_of_the_request() {
    let server = StandIn::start().await.always(Answer::text("a b c d").usage(Tokens::new(10, 8)));
    let answer = object(&post(&server, CHAT, chat(json!({"max_completion_tokens": 4}))).await.1);
    assert_eq!(answer["choices"][0]["message"]["content"], "a b ");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(server.bill(), 10_000_000 + 20_000_000);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_billed_for_what_was_sent() {
    let answer = Answer::text("a b c d").usage(Tokens::new(10, 8)).cut_after(3);
    let server = StandIn::start().await.always(answer);
    let (_, cut) = post(&server, CHAT, chat(json!({"stream": true}))).await;
    assert_eq!(events(&cut).len(), 1 + 3);
    assert!(!cut.contains("\r\n0\r\n"), "the last chunk never comes");
    assert_eq!(server.bill(), 10_000_000 + 30_000_000);
    let (_, cut) = post(&server, CHAT, chat(json!({}))).await;
    assert!(cut.contains("chatcmpl-1") && !cut.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_gate_holds_an_answer_back() {
    let (gate, later) = (Gate::new(), Gate::new());
    let answer = Answer::text("a b c d").usage(Tokens::new(10, 8));
    let answer = answer.behind(&gate).hold_after(2, &later);
    let server = StandIn::start().await.always(answer);
    let call = post(&server, CHAT, chat(json!({"stream": true})));
    let test = async {
        server.wait_for_requests(1).await;
        assert_eq!(server.bill(), 10_000_000);
        gate.open();
        while server.bill() < 30_000_000 {
            tokio::task::yield_now().await;
        }
        later.open();
    };
    let ((_, answer), ()) = tokio::join!(call, test);
    assert_eq!((events(&answer).len(), server.bill()), (6, 50_000_000));
}
