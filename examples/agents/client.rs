//! A small HTTP client of two providers, as a framework has one. It knows one thing of bursar:
//! an error says what it has cost.

use bursar::{Bill, Model};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

/// A client of everything that speaks OpenAI's or Anthropic's HTTP under one address.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// A request that brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the provider answered {status}")]
pub struct HttpError {
    /// The status; 0 if there was none.
    pub status: u16,
    /// What it has cost; `None` if nobody knows.
    pub bill: Option<Bill>,
}

impl Client {
    pub fn new(base: &str) -> Client {
        let http = reqwest::Client::builder().no_proxy().build().expect("plain HTTP needs nothing");
        Client { http, base: base.to_owned() }
    }

    /// The body of a request, in the form of the model's provider.
    pub fn body(model: &Model, cap: u64, system: &str, prompt: &str, stream: bool) -> Value {
        let (id, user) = (model.id(), json!({"role": "user", "content": prompt}));
        match model.price().provider() {
            "anthropic" => json!({"model": id, "max_tokens": cap, "stream": stream,
                "system": [{"type": "text", "text": system,
                    "cache_control": {"type": "ephemeral"}}],
                "messages": [user]}),
            // vLLM and its like send the counts so far with each piece of a stream, if asked to. As
            // reasoning is off, nothing is billed beside what these count when the reader hangs up.
            _ => json!({"model": id, "max_completion_tokens": cap, "stream": stream,
                "reasoning_effort": "none",
                "stream_options": stream.then(|| {
                    json!({"include_usage": true, "continuous_usage_stats": true})
                }),
                "messages": [{"role": "system", "content": system}, user]}),
        }
    }

    /// Sends a body; the answer may be read whole or piece by piece.
    pub async fn send(&self, model: &Model, body: &Value) -> Result<reqwest::Response, HttpError> {
        let path = match model.price().provider() {
            "anthropic" => "messages",
            _ => "chat/completions",
        };
        let response = self.http.post(format!("{}/{path}", self.base)).json(body).send().await?;
        match response.status().as_u16() {
            200 => Ok(response),
            status @ 400..500 => Err(HttpError { status, bill: Some(Bill::free()) }), // free
            status => Err(HttpError { status, bill: self.billed(&response).await }),
        }
    }

    /// What a request was billed for whose answer was lost: this provider can be asked, as
    /// OpenRouter can. Of one that cannot be, `None` is the truth, and what was held is charged.
    async fn billed(&self, lost: &reqwest::Response) -> Option<Bill> {
        let id = lost.headers().get("x-request-id")?.to_str().ok()?;
        let url = format!("{}/generations/{id}", self.base);
        let body = self.http.get(url).send().await.ok()?.text().await.ok()?;
        Bill::from_response(&body).ok()?
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> HttpError {
        // Never connected: nothing was sent. Else nobody knows.
        HttpError { status: 0, bill: error.is_connect().then(Bill::free) }
    }
}

/// The text of a whole answer or of an event, and why it ended if it has.
pub fn text_of(json: impl AsRef<[u8]>) -> (String, Option<String>) {
    let answer: Value = serde_json::from_slice(json.as_ref()).unwrap_or_default();
    let choice = &answer["choices"][0];
    let texts = [
        &choice["message"]["content"],
        &choice["delta"]["content"],
        &answer["content"][0]["text"],
        &answer["delta"]["text"],
    ];
    let ends = [&choice["finish_reason"], &answer["stop_reason"], &answer["delta"]["stop_reason"]];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (texts.into_iter().find_map(text).unwrap_or_default(), ends.into_iter().find_map(text))
}

/// Reads an event stream until its text ends with `until`, or it is over. The rest is not read:
/// whoever drops the stream hangs up.
pub async fn read<B: AsRef<[u8]>, E>(
    stream: &mut (impl Stream<Item = Result<B, E>> + Unpin),
    until: Option<&str>,
) -> Result<(String, Option<String>), E> {
    let (mut bytes, mut text, mut ended) = (Vec::new(), String::new(), None);
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(chunk?.as_ref());
        while let Some(end) = bytes.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = bytes.drain(..end + 2).collect();
            let data = event.strip_prefix(b"data: ").unwrap_or_default();
            let (piece, end) = text_of(data);
            text.push_str(&piece);
            ended = ended.or(end);
        }
        if until.is_some_and(|until| text.trim_end().ends_with(until)) {
            break;
        }
    }
    Ok((text, ended))
}
