//! [`Gateway`]: serves one call from its request to its answer.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::Response;
use axum::routing::get;
use bursar::{BudgetManager, Estimate, Reservation};

use crate::answer::{LONGEST_BODY, pass_on};
use crate::fields::Fields;
use crate::options::{Options, StartError};
use crate::payer::{Keys, Payer};
use crate::refusal::{Refusal, json_response};
use crate::route::{Form, Kind, Provider, Route};
use crate::upstream::Upstream;

/// The gateway, without a port of its own.
pub struct Gateway(Arc<Desk>);

struct Desk {
    budget: BudgetManager,
    keys: Option<Keys>,
    upstream: Arc<Upstream>,
    shorten: Option<u64>,
    unseen_input: Option<u64>,
    allow_unmetered: bool,
}

impl Gateway {
    /// A gateway in front of this budget.
    ///
    /// # Errors
    /// [`StartError`] if the keys or the base URLs make no sense.
    pub fn new(options: &Options, budget: BudgetManager) -> Result<Gateway, StartError> {
        let keys = options.keys.as_deref().map(|file| Keys::read(file, &budget)).transpose()?;
        let upstream = Arc::new(Upstream::new(options)?);
        let Options { shorten, unseen_input, allow_unmetered, .. } = *options;
        let desk = Desk { budget, keys, upstream, shorten, unseen_input, allow_unmetered };
        Ok(Gateway(Arc::new(desk)))
    }

    /// What answers its requests.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/report", get(report))
            .route("/report.txt", get(report_as_text))
            .fallback(take)
            .with_state(Arc::clone(&self.0))
    }
}

/// Takes one request.
async fn take(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Route { provider, kind } = Route::of(&head);
    let answer = match kind {
        Kind::Metered(form) => desk.call(provider, form, &head, body).await,
        Kind::Free => desk.pass(provider, &head, body).await,
        Kind::Unknown if desk.allow_unmetered => desk.pass(provider, &head, body).await,
        Kind::Unknown => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format_args!(
                "the gateway cannot meter {} {}; --allow-unmetered passes it on uncounted",
                head.method,
                head.uri.path()
            ),
        )),
    };
    answer.unwrap_or_else(|refusal| refusal.response(provider))
}

impl Desk {
    /// One metered call: who pays, what it may cost, the hold, the provider, the bill.
    async fn call(
        &self,
        provider: Provider,
        form: Form,
        head: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        let payer = Payer::of(&head.headers, self.keys.as_ref(), &self.budget)?;
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            let why = "the gateway reads a request before it passes it on: send it uncompressed";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let body = to_bytes(body, LONGEST_BODY).await;
        let body = body.map_err(|error| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error))?;
        let (hold, body, hides_usage) = self.admit(&payer, form, body)?;
        let request = self.upstream.metered(provider, head, body)?;
        let upstream = Arc::clone(&self.upstream);
        // A task of its own: a client that hangs up does not keep a plain answer from being booked.
        let call = tokio::spawn(async move {
            match hold.sending(upstream.send(request)).await {
                Ok(response) => pass_on(hold, response, hides_usage).await,
                Err(error) if error.is_connect() => {
                    let why = format!("the provider could not be reached: {}", root_cause(&error));
                    hold.refund(why.clone());
                    Err(Refusal::lost(why))
                }
                // Law 8: dropped after it was sent.
                Err(error) => Err(Refusal::lost(format_args!(
                    "the connection to the provider broke: {}",
                    root_cause(&error)
                ))),
            }
        });
        call.await.unwrap_or_else(|_| Err(Refusal::lost("the call failed inside the gateway")))
    }

    /// Bounds the call and sets the money aside. Returns the body, changed only where it must be, and
    /// whether it asks for usage that the client does not want.
    fn admit(
        &self,
        payer: &Payer,
        form: Form,
        body: Bytes,
    ) -> Result<(Reservation, Bytes, bool), Refusal> {
        let mut fields = Fields::read(&body).map_err(Refusal::bad)?;
        let (model, call) = self.budget.read_request(&body[..]).map_err(Refusal::bad)?;
        let call = call.bounded_by(self.unseen_input, None);
        let estimate = model.estimate_of(&call).map_err(Refusal::bad)?;
        let cap = call.max_output.or(model.price().max_output_tokens());
        let hold = self.reserve(payer, form, estimate)?;

        let mut is_changed = false;
        if let Some(field) = form.cap_field().filter(|_| Some(hold.max_output_tokens()) != cap) {
            fields.cap(hold.max_output_tokens(), field).map_err(Refusal::bad)?;
            is_changed = true;
        }
        let hides_usage = form.hides_usage() && fields.ask_for_usage().map_err(Refusal::bad)?;
        if is_changed || hides_usage {
            let changed = serde_json::to_vec(&fields).map_err(Refusal::bad)?;
            return Ok((hold, changed.into(), hides_usage));
        }
        drop(fields);
        Ok((hold, body, hides_usage))
    }

    fn reserve(
        &self,
        payer: &Payer,
        form: Form,
        estimate: Estimate,
    ) -> Result<Reservation, Refusal> {
        let mut ask = payer.account.request(estimate);
        if let Some(least) = self.shorten.filter(|_| form.cap_field().is_some()) {
            ask = ask.at_least(least);
        }
        let ask = payer.tags.iter().fold(ask, |ask, tag| ask.tag(tag));
        ask.reserve().map_err(|error| Refusal::of(&error))
    }

    /// Passes a request and its answer through, unmetered.
    async fn pass(
        &self,
        provider: Provider,
        head: &Parts,
        body: Body,
    ) -> Result<Response, Refusal> {
        if let Some(keys) = &self.keys {
            keys.check(&head.headers)?;
        }
        let mut request = self.upstream.request(provider, head)?;
        *request.body_mut() = body;
        let sent = self.upstream.send(request).await;
        sent.map_err(|error| {
            Refusal::lost(format_args!("the provider did not answer: {}", root_cause(&error)))
        })
    }

    fn may_see_the_report(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.keys.as_ref().map_or(Ok(()), |keys| keys.check_root(headers))
    }
}

async fn report(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let report = desk.may_see_the_report(&headers).and_then(|()| {
        serde_json::to_value(desk.budget.report())
            .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))
    });
    match report {
        Ok(report) => json_response(StatusCode::OK, &report),
        Err(refusal) => refusal.response(Provider::OpenAi),
    }
}

async fn report_as_text(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    match desk.may_see_the_report(&headers) {
        Ok(()) => Response::new(Body::from(desk.budget.report().to_string())),
        Err(refusal) => refusal.response(Provider::OpenAi),
    }
}

/// What is at the bottom of an error: "connection refused", "unknown issuer".
fn root_cause(error: &dyn Error) -> &dyn Error {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}
