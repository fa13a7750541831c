//! The answer: a body that passes through untouched and is shown to its hold.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bursar::agent::StreamHold;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use reqwest::{Body, Response, ResponseBuilderExt};

/// A response whose body is shown to the hold as it is read, and that closes the hold at its end or
/// when it is dropped. Nothing else about the response changes.
///
/// [`BudgetMiddleware`](crate::BudgetMiddleware) does this by itself.
pub fn metered(response: Response, hold: StreamHold) -> Response {
    let (parts, body) = apart(response);
    let body = Body::wrap(Metered { body, hold });
    http::Response::from_parts(parts, body).into()
}

/// The whole body of a response, and the response with that body.
pub(crate) async fn read(response: Response) -> Result<(Response, Vec<u8>), reqwest::Error> {
    let (parts, body) = apart(response);
    let body = Response::from(http::Response::new(body)).bytes().await?.to_vec();
    let response = http::Response::from_parts(parts, Body::from(body.clone()));
    Ok((response.into(), body))
}

/// The head of a response, which keeps its URL, and its body.
fn apart(response: Response) -> (http::response::Parts, Body) {
    let mut with_url = http::Response::builder().url(response.url().clone());
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    if let Some(url) = with_url.extensions_mut() {
        parts.extensions.extend(mem::take(url));
    }
    (parts, body)
}

pin_project! {
    struct Metered {
        #[pin]
        body: Body,
        hold: StreamHold,
    }
}

impl http_body::Body for Metered {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            if let Some(data) = frame.data_ref() {
                this.hold.usage().push(data);
            }
        }
        // A reader need not ask for what comes after the end.
        if frame.is_none() || this.body.is_end_stream() {
            this.hold.close();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
