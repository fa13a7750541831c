//! [`BudgetedChatStream`]: genai's stream of chat events, settled when it ends.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, ready};

use bursar::agent::{BudgetedStream, CallError, StreamUsage};
use bursar::{Receipt, Reservation};
use futures_core::Stream;
use genai::ModelIden;
use genai::adapter::AdapterKind;
use genai::chat::{
    ChatFrameSink, ChatOptions, ChatStream, ChatStreamEvent, FrameCtx, RawFrameRef, StreamEnd,
};

use crate::Error;
use crate::bill;

/// What [`BudgetedClient::exec_chat_stream`](crate::BudgetedClient::exec_chat_stream) answers, as
/// genai's own.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChatStreamResponse {
    /// The events.
    pub stream: BudgetedChatStream,
    /// The model that is asked.
    pub model_iden: ModelIden,
}

/// genai's stream of chat events, settled when it ends or is dropped.
///
/// | what happens | what is booked |
/// |---|---|
/// | read to its end | the provider's counts |
/// | dropped midway | what was seen, as estimated, and the output cap of a model that can reason; the provider's counts if they had come |
/// | an error of the provider | what that costs by [`FailedCalls`](bursar::usage::FailedCalls): mostly a call of $0 |
/// | no connection | nothing |
/// | it breaks before anything came | what was held, as assumed |
/// | dropped before it was first polled | nothing: genai sends with the first poll |
#[must_use = "a stream does nothing unless it is polled"]
pub struct BudgetedChatStream {
    state: State,
}

type Show = Box<dyn FnMut(&Piece, &mut StreamUsage) + Send>;

enum State {
    /// Nothing has come of the answer.
    Opening(Box<Opening>),
    Flowing(Box<BudgetedStream<Tapped, Show>>),
    Over,
}

struct Opening {
    hold: Reservation,
    tapped: Tapped,
}

impl BudgetedChatStream {
    pub(crate) fn new(hold: Reservation, tapped: Tapped) -> Self {
        BudgetedChatStream { state: State::Opening(Box::new(Opening { hold, tapped })) }
    }

    /// What was booked, once the stream has ended with anything to book.
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.state {
            State::Flowing(stream) => stream.receipt(),
            _ => None,
        }
    }
}

impl Stream for BudgetedChatStream {
    type Item = Result<ChatStreamEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = &mut self.get_mut().state;
        loop {
            match state {
                State::Opening(opening) => {
                    opening.hold.mark_sent();
                    // The first event decides whether the answer has begun.
                    let first = match ready!(Pin::new(&mut opening.tapped).poll_next(context)) {
                        Some(Ok(Piece::Event(ChatStreamEvent::Start))) => {
                            return Poll::Ready(Some(Ok(ChatStreamEvent::Start)));
                        }
                        Some(Ok(piece)) => Some(piece),
                        Some(Err(error)) => {
                            state.fail(&error);
                            return Poll::Ready(Some(Err(error.into())));
                        }
                        None => None,
                    };
                    state.flow(first);
                }
                State::Flowing(stream) => {
                    // Frames are for the hold; events are for the caller.
                    return match ready!(Pin::new(stream).poll_next(context)) {
                        Some(Ok(Piece::Frame(_))) => continue,
                        Some(Ok(Piece::Event(event))) => Poll::Ready(Some(Ok(event))),
                        Some(Err(CallError::Agent(error))) => Poll::Ready(Some(Err(error.into()))),
                        Some(Err(CallError::Refused(refusal))) => {
                            Poll::Ready(Some(Err(refusal.into())))
                        }
                        Some(Err(_)) | None => Poll::Ready(None),
                    };
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

impl State {
    /// The answer begins, or ends before it began: then the hold is dropped, and the call is lost.
    fn flow(&mut self, first: Option<Piece>) {
        let State::Opening(opening) = std::mem::replace(self, State::Over) else { return };
        let Opening { hold, mut tapped } = *opening;
        if first.is_none() {
            return;
        }
        tapped.unread = first;
        let kind = tapped.kind;
        let show: Show = Box::new(move |piece, usage| show(piece, usage, kind));
        // The provider was given the cap, so the stream is not cut for our count of its text.
        let stream = BudgetedStream::new(hold, tapped, show);
        *self = State::Flowing(Box::new(stream));
    }

    /// Ends the hold of an answer that failed before it began.
    fn fail(&mut self, error: &genai::Error) {
        if let State::Opening(opening) = std::mem::replace(self, State::Over) {
            let outcome = bill::of_error(&opening.hold, error);
            opening.hold.finish(outcome);
        }
    }
}

impl fmt::Debug for BudgetedChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetedChatStream")
            .field("receipt", &self.receipt())
            .finish_non_exhaustive()
    }
}

/// The provider's own frames say it best; genai's counts stand in where their form is not known.
fn show(piece: &Piece, usage: &mut StreamUsage, kind: AdapterKind) {
    match piece {
        Piece::Frame(frame) => usage.event(frame.as_str()),
        Piece::Event(ChatStreamEvent::End(end)) if usage.seen().is_none() => {
            let captured = end.captured_usage.as_ref();
            if let Some(bill) = captured.and_then(|captured| bill::of_usage(captured, kind)) {
                usage.bill(bill);
            }
        }
        Piece::Event(_) => {}
    }
}

/// One of the provider's frames, or one of genai's events. A frame comes before the events that
/// genai makes of it.
pub(crate) enum Piece {
    Frame(String),
    Event(ChatStreamEvent),
}

/// genai's stream, and the provider's frames that it is made of.
pub(crate) struct Tapped {
    stream: ChatStream,
    kind: AdapterKind,
    frames: Receiver<String>,
    unread: Option<Piece>,
    /// The stream's last event, until the frames before it are read.
    next: Option<Option<Result<ChatStreamEvent, genai::Error>>>,
}

impl Tapped {
    pub(crate) fn new(stream: ChatStream, kind: AdapterKind, frames: Receiver<String>) -> Tapped {
        Tapped { stream, kind, frames, unread: None, next: None }
    }
}

impl Stream for Tapped {
    type Item = Result<Piece, genai::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(piece) = this.unread.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let mut is_pending = false;
        if this.next.is_none() {
            match Pin::new(&mut this.stream).poll_next(context) {
                Poll::Ready(item) => this.next = Some(item),
                Poll::Pending => is_pending = true,
            }
        }
        if let Ok(frame) = this.frames.try_recv() {
            return Poll::Ready(Some(Ok(Piece::Frame(frame))));
        }
        match this.next.take() {
            Some(item) => Poll::Ready(item.map(|event| event.map(Piece::Event))),
            None if is_pending => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

/// Passes each frame on, to us and to the listener that was set before.
struct Tap {
    frames: Sender<String>,
    theirs: Option<Arc<dyn ChatFrameSink>>,
}

/// Listens to the frames of a stream.
pub(crate) fn tap(options: &mut ChatOptions) -> Receiver<String> {
    let (frames, receiver) = channel();
    let theirs = options.raw_frame_sink.take();
    options.raw_frame_sink = Some(Arc::new(Tap { frames, theirs }));
    receiver
}

impl ChatFrameSink for Tap {
    fn on_frame(&self, context: &FrameCtx, frame: RawFrameRef<'_>) {
        if !frame.data.is_empty() {
            let _ = self.frames.send(frame.data.to_owned()); // an error if nobody reads any more
        }
        if let Some(theirs) = &self.theirs {
            theirs.on_frame(context, frame);
        }
    }

    fn on_end(&self, context: &FrameCtx, end: &StreamEnd) {
        if let Some(theirs) = &self.theirs {
            theirs.on_end(context, end);
        }
    }

    fn on_error(&self, context: &FrameCtx, error: &genai::Error) {
        if let Some(theirs) = &self.theirs {
            theirs.on_error(context, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use bursar::Usage;

    use super::*;

    #[test]
    fn genais_counts_stand_in_for_frames_of_a_form_that_is_not_known() {
        let usage = genai::chat::Usage {
            prompt_tokens: Some(90),
            completion_tokens: Some(7),
            ..Default::default()
        };
        let end = StreamEnd { captured_usage: Some(usage), ..StreamEnd::default() };
        let end = Piece::Event(ChatStreamEvent::End(end));
        let seen = |frame: &str| {
            let mut usage = StreamUsage::default();
            show(&Piece::Frame(frame.to_owned()), &mut usage, AdapterKind::GeminiIx);
            show(&end, &mut usage, AdapterKind::GeminiIx);
            usage.seen()
        };
        assert_eq!(seen(r#"{"event_type": "interaction.strange"}"#), Usage::tokens(90, 7));
        let known = r#"{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}"#;
        assert_eq!(seen(known), Usage::tokens(5, 3));
    }
}
