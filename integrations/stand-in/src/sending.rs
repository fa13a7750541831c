//! Sending an answer: its gates, its cut, and the bill that grows with it.

use std::io;
use std::sync::Arc;
use std::vec;

use axum::body::Body;
use axum::response::Response;
use futures_util::stream::unfold;
use serde_json::Value;

use crate::answer::{Answer, Tokens};
use crate::wire::{Api, Frame, halves};
use crate::{Desk, json};

pub(crate) struct Sending {
    desk: Arc<Desk>,
    place: usize,
    answer: Answer,
    /// What it sends: one JSON body, or the frames of a stream.
    frames: vec::IntoIter<Frame>,
    is_stream: bool,
    pieces: usize,
    sent: usize,
    is_cut: bool,
}

impl Sending {
    pub(crate) fn new(
        desk: &Arc<Desk>,
        place: usize,
        api: Api,
        request: &Value,
        answer: Answer,
    ) -> Sending {
        let is_stream = request["stream"] == true;
        let frames = match is_stream {
            true => api.stream(request, &answer),
            false => vec![Frame::rest(api.body(request, &answer).to_string())],
        };
        let pieces = frames.iter().filter(|frame| frame.is_piece).count();
        let (desk, frames) = (Arc::clone(desk), frames.into_iter());
        Sending { desk, place, answer, frames, is_stream, pieces, sent: 0, is_cut: false }
    }

    /// The response, when its gate is open. The model has done its work by then, also if the client has left.
    pub(crate) async fn response(mut self) -> Response {
        self.bill(!self.is_stream);
        if let Some(gate) = self.answer.gate.take() {
            gate.wait().await;
        }
        let answer = self.answer.clone();
        let mut response = match (self.is_stream, answer.cut_after) {
            (false, None) => json(200, self.frames.next().unwrap_or_default().text.into()),
            (false, Some(_)) => {
                let whole = self.frames.next().unwrap_or_default();
                let [first, _] = halves(&whole.text);
                self.frames = vec![Frame::rest(first.to_owned())].into_iter();
                self.answer.cut_after = Some(0);
                json(200, self.into_body())
            }
            (true, _) => {
                let response = Response::builder().header("content-type", "text/event-stream");
                response.body(self.into_body()).expect("a response")
            }
        };
        answer.put_headers(response.headers_mut());
        response
    }

    fn into_body(self) -> Body {
        Body::from_stream(unfold(self, |mut sending| async move {
            sending.next().await.map(|item| (item, sending))
        }))
    }

    async fn next(&mut self) -> Option<Result<String, io::Error>> {
        if self.is_cut {
            return None;
        }
        let Some(frame) = self.frames.next() else {
            return self.cut_if(self.answer.cut_after.is_some()).await;
        };
        if frame.is_piece {
            for (after, gate) in self.answer.gates.clone() {
                if after == self.sent {
                    gate.wait().await;
                }
            }
            if self.answer.cut_after == Some(self.sent) {
                return self.cut_if(true).await;
            }
            self.sent += 1;
            self.bill(false);
        } else if self.sent == self.pieces && frame.is_end {
            if self.answer.cut_after.is_some_and(|after| after >= self.pieces) {
                return self.cut_if(true).await;
            }
            for (after, gate) in self.answer.gates.clone() {
                if after >= self.pieces {
                    gate.wait().await;
                }
            }
            self.bill(true);
        }
        Some(Ok(frame.text))
    }

    /// Ends the body with an error, so that the connection is closed; what was sent before is
    /// flushed first.
    async fn cut_if(&mut self, cut: bool) -> Option<Result<String, io::Error>> {
        if !cut {
            return None;
        }
        tokio::task::yield_now().await;
        self.is_cut = true;
        Some(Err(io::Error::other("cut by the script")))
    }

    /// Bills the input, the thoughts, and the part of the output that has been sent.
    fn bill(&self, whole: bool) {
        let tokens = self.answer.tokens();
        let parts = (self.sent as u64, self.pieces.max(1) as u64);
        let output =
            if whole { tokens.output } else { (tokens.output * parts.0).div_ceil(parts.1) };
        self.desk.bill(self.place, self.answer.model(), Tokens { output, ..tokens });
    }
}
