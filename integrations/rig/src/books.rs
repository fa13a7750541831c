//! What a reply is booked at: [`Watched`], its frames as they pass, and [`Books`].

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bursar::Reservation;
use bursar::agent::StreamHold;
use bursar::usage::Outcome;
use futures_core::Stream;
use rig_core::error::ProviderError;
use rig_core::http_client;
use rig_core::wire::WireFrame;

/// The frames of a reply, each shown to the books as it passes.
pub(crate) struct Watched<S> {
    frames: S,
    books: Books,
}

impl<S> Watched<S> {
    pub(crate) fn new(frames: S, books: Books) -> Watched<S> {
        Watched { frames, books }
    }
}

impl<S> Stream for Watched<S>
where
    S: Stream<Item = Result<WireFrame, ProviderError>> + Unpin,
{
    type Item = Result<WireFrame, ProviderError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.frames).poll_next(context));
        match &item {
            Some(Ok(frame)) => self.books.note(frame),
            Some(Err(error)) => self.books.note_failure(error),
            None => self.books.close(),
        }
        Poll::Ready(item)
    }
}

/// The hold of a reply. Closed once, by the latest when it is dropped.
#[derive(Debug)]
pub(crate) struct Books {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing has come.
    Waiting(Reservation),
    /// Some of the answer has come.
    Answering(Box<StreamHold>),
    Closed,
}

impl Books {
    pub(crate) fn new(hold: Reservation) -> Books {
        Books { state: State::Waiting(hold) }
    }

    fn note(&mut self, frame: &WireFrame) {
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Waiting(hold) => {
                let hold = StreamHold::new(hold);
                State::Answering(Box::new(hold))
            }
            other => other,
        };
        let State::Answering(hold) = &mut self.state else { return };
        match frame {
            WireFrame::Text(text) => hold.usage().event(text),
            WireFrame::Bytes(bytes) => hold.usage().event(bytes),
        }
    }

    /// Ends with an error: an answer of the provider costs what its status and body say, a request
    /// without a connection is given back, an answer that broke off is booked as far as it came, any
    /// other is lost.
    pub(crate) fn note_failure(&mut self, error: &ProviderError) {
        // A stream hold is closed when it is dropped.
        let State::Waiting(hold) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        let outcome = match error.provider_response() {
            Some(answer) => {
                let status = answer.status.map_or(200, |status| status.as_u16());
                hold.judge(status, answer.body.as_str())
            }
            None if is_unsent(error) => Outcome::Unsent,
            None => Outcome::Lost,
        };
        hold.finish(outcome);
    }

    fn close(&mut self) {
        self.state = State::Closed;
    }
}

/// True if there never was a connection to send the request over.
fn is_unsent(error: &ProviderError) -> bool {
    let ProviderError::Http(error) = error else { return false };
    let http_client::Error::Instance(cause) = &**error else { return false };
    let mut cause: Option<&(dyn Error + 'static)> = Some(&**cause);
    while let Some(error) = cause {
        let by_client =
            error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect);
        let by_system = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if by_client || by_system {
            return true;
        }
        cause = error.source();
    }
    false
}
