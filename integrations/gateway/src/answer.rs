//! The provider's answer on its way back: a plain one is read whole and settled, a stream is metered as it
//! passes.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bursar::Reservation;
use bursar::agent::BudgetedStream;
use futures_util::stream::{Stream, StreamExt, unfold};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// The longest body that is read whole, in bytes.
pub(crate) const LONGEST_BODY: usize = 256 << 20;

/// The longest event that is looked at before it is passed on, in bytes: one with usage is short.
const LONGEST_USAGE_EVENT: usize = 1 << 16;

/// Settles an answer, or lets it settle itself as it flows. `hides_usage` holds back the usage that
/// the client has not asked for.
pub(crate) async fn pass_on(
    hold: Reservation,
    response: Response,
    hides_usage: bool,
) -> Result<Response, Refusal> {
    if is_stream(response.headers()) && response.status().is_success() {
        return Ok(stream(hold, response, hides_usage));
    }
    plain(hold, response).await
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}

async fn plain(hold: Reservation, response: Response) -> Result<Response, Refusal> {
    let (mut head, body) = response.into_parts();
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        drop(hold); // law 8: it was sent
        return Err(Refusal::lost("the provider's answer broke off"));
    };
    let outcome = hold.judge(head.status.as_u16(), &body[..]);
    let cost = hold.finish(outcome).map(|receipt| receipt.cost.exact().to_string());
    if let Some(Ok(cost)) = cost.map(HeaderValue::try_from) {
        head.headers.insert("x-bursar-cost", cost);
    }
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(body)))
}

fn stream(hold: Reservation, response: Response, hides_usage: bool) -> Response {
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    // The provider has the hold's cap, or its own; either way the stream ends within the hold.
    let metered = BudgetedStream::new(hold, body.into_data_stream(), |chunk: &Bytes, usage| {
        usage.push(chunk);
    });
    let body = if hides_usage {
        Body::from_stream(without_usage(metered))
    } else {
        Body::from_stream(metered)
    };
    Response::from_parts(head, body)
}

/// The stream without the events that hold nothing but usage. All other bytes pass as they came, an
/// event's when it is whole.
fn without_usage<E>(
    stream: impl Stream<Item = Result<Bytes, E>>,
) -> impl Stream<Item = Result<Bytes, E>> {
    let state = (Box::pin(stream), Events::default());
    unfold(state, |(mut stream, mut events)| async move {
        loop {
            let passed = match stream.next().await {
                Some(Ok(chunk)) => events.push(&chunk),
                Some(Err(error)) => return Some((Err(error), (stream, events))),
                None if events.0.is_empty() => return None,
                None => std::mem::take(&mut events.0),
            };
            if !passed.is_empty() {
                return Some((Ok(passed.into()), (stream, events)));
            }
        }
    })
}

/// The part of an event stream that has come and is not passed on yet.
#[derive(Debug, Default)]
struct Events(Vec<u8>);

impl Events {
    /// Takes in a chunk; gives what may pass.
    fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(chunk);
        let mut passed = Vec::new();
        while let Some(end) = end_of_event(&self.0) {
            let event: Vec<u8> = self.0.drain(..end).collect();
            if !is_usage_alone(&event) {
                passed.extend(event);
            }
        }
        if self.0.len() > LONGEST_USAGE_EVENT {
            passed.append(&mut self.0);
        }
        passed
    }
}

/// Where the first event ends: behind an empty line.
fn end_of_event(bytes: &[u8]) -> Option<usize> {
    let mut line_is_empty = false;
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if line_is_empty => return Some(place + 1),
            b'\n' => line_is_empty = true,
            b'\r' => {}
            _ => line_is_empty = false,
        }
    }
    None
}

/// True for the chunk that `stream_options.include_usage` adds: usage, and no choices.
fn is_usage_alone(event: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Chunk<'e> {
        #[serde(borrow)]
        choices: Vec<&'e RawValue>,
        usage: Option<serde::de::IgnoredAny>,
    }
    let Some(data) = event.strip_prefix(b"data:") else { return false };
    let chunk = serde_json::from_slice::<Chunk<'_>>(data);
    chunk.is_ok_and(|chunk| chunk.choices.is_empty() && chunk.usage.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "data: {\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n: ping\r\n\r\n\
        data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n\
        data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\ndata: [DONE]\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n";

    #[test]
    fn the_usage_is_held_back_however_the_stream_is_cut() {
        for size in 1..=STREAM.len() {
            let mut events = Events::default();
            let mut passed = Vec::new();
            for chunk in STREAM.as_bytes().chunks(size) {
                passed.extend(events.push(chunk));
            }
            assert_eq!(String::from_utf8(passed).unwrap(), STREAM.replace(USAGE, ""));
        }
    }

    #[test]
    fn a_long_event_does_not_wait_for_its_end() {
        let mut events = Events::default();
        let long = vec![b'x'; LONGEST_USAGE_EVENT];
        assert!(events.push(&long).is_empty());
        assert_eq!(events.push(b"x").len(), LONGEST_USAGE_EVENT + 1);
    }
}
