//! A gateway in front of a stand-in for the providers, and a client that speaks raw HTTP to it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bursar::clock::{Clock, ManualClock};
use bursar::{BudgetManager, Observer, Path, Receipt};
use bursar_gateway::{Gateway, Options};
use bursar_stand_in::StandIn;
use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

pub const CHAT: &str = "/v1/chat/completions";
pub const RESPONSES: &str = "/v1/responses";
pub const MESSAGES: &str = "/v1/messages";

/// The gateway and all around it.
pub struct House {
    pub provider: StandIn,
    pub budget: BudgetManager,
    pub clock: ManualClock,
    address: String,
    settled: UnboundedReceiver<Receipt>,
    serving: JoinHandle<()>,
}

/// Tells of what is booked.
struct Books(UnboundedSender<Receipt>);

impl Observer for Books {
    fn on_settle(&self, _account: &Path, receipt: &Receipt) {
        let _ = self.0.send(receipt.clone());
    }
}

impl House {
    /// Opens it, with the words of a command line.
    pub async fn open(provider: StandIn, words: &[&str]) -> House {
        let (openai, anthropic) = (provider.url(), provider.root());
        House::open_at(provider, &openai, &anthropic, words).await
    }

    /// Opens it in front of other base URLs than the stand-in's.
    pub async fn open_at(
        provider: StandIn,
        openai: &str,
        anthropic: &str,
        words: &[&str],
    ) -> House {
        let mut line = vec!["bursar-gateway", "--openai-base-url", openai];
        line.extend(["--anthropic-base-url", anthropic]);
        line.extend(words);
        let options = Options::try_parse_from(line).unwrap();
        let clock = ManualClock::at("2026-11-24T09:00:00Z".parse().unwrap());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let (tell, settled) = unbounded_channel();
        let budget = options.budget(shared, Books(tell)).unwrap();
        let gateway = Gateway::new(&options, budget.clone()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(async move {
            axum::serve(listener, gateway.router()).await.unwrap();
        });
        House { provider, budget, clock, address, settled, serving }
    }

    /// Sends a request and reads its answer to the end.
    pub async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut connection = self.begin(method, path, headers, body).await;
        let mut text = String::new();
        connection.read_to_string(&mut text).await.unwrap();
        Answer::read(&text)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "", &body.to_string()).await
    }

    pub async fn get(&self, path: &str, headers: &str) -> Answer {
        self.send("GET", path, headers, "").await
    }

    /// Sends a request, and leaves its answer to be read. `headers` are whole lines.
    pub async fn begin(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        connection.write_all((head + body).as_bytes()).await.unwrap();
        connection
    }

    /// The next thing that is booked.
    pub async fn booked(&mut self) -> Receipt {
        self.settled.recv().await.unwrap()
    }

    /// What is booked is what the provider bills, to the picodollar, and nothing is held.
    pub fn assert_even(&self) {
        assert_eq!(self.budget.spent().pico(), self.provider.bill());
        assert_eq!(self.budget.held().pico(), 0);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Reads until the answer holds this.
pub async fn read_until(connection: &mut TcpStream, words: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(words) {
        assert_ne!(connection.read_buf(&mut text).await.unwrap(), 0, "it ended without {words}");
    }
    String::from_utf8(text).unwrap()
}

/// An answer that has been read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    fn read(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        let body = match head.contains("transfer-encoding: chunked") {
            true => joined(body),
            false => body.to_owned(),
        };
        Answer { status: head[9..12].parse().unwrap(), head, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The chunks of a body, as one text.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

/// A small call of chat completions, with more fields.
pub fn chat(more: Value) -> Value {
    let ask = json!([{"role": "user", "content": "How will the weather be?"}]);
    merged(json!({"model": "gpt-6.1-terra", "max_completion_tokens": 100, "messages": ask}), more)
}

/// A small call of messages, with more fields.
pub fn messages(more: Value) -> Value {
    let ask = json!([{"role": "user", "content": "How will the weather be?"}]);
    merged(json!({"model": "claude-haiku-4-5", "max_tokens": 100, "messages": ask}), more)
}

/// A small call of responses, with more fields.
pub fn responses(more: Value) -> Value {
    let ask = "How will the weather be?";
    merged(json!({"model": "gpt-6.1-terra", "max_output_tokens": 100, "input": ask}), more)
}

fn merged(mut one: Value, other: Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}
