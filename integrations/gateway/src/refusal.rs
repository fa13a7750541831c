//! [`Refusal`]: an error answer in the provider's own form.

use std::fmt::Display;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bursar::budget::Denied;
use bursar::ledger::Retry;
use bursar::{Measure, ReserveError};
use serde_json::{Value, json};

use crate::route::Provider;

/// A call that the gateway does not make, or whose answer it does not have.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    why: String,
    /// The refusal as data, if a limit is in the way.
    denied: Option<Value>,
    /// After how many seconds it is worth asking again.
    retry_after: Option<u64>,
}

/// The longest wait that a client is asked for; what takes longer is refused for good. A rolling
/// minute is over after 61 seconds at most.
const LONGEST_WAIT_SECS: u64 = 61;

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Display) -> Refusal {
        Refusal { status, why: why.to_string(), denied: None, retry_after: None }
    }

    /// A request that makes no sense as it is.
    pub(crate) fn bad(why: impl Display) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, why)
    }

    pub(crate) fn forbidden(why: impl Display) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, why)
    }

    pub(crate) fn unknown_key() -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, "this gateway does not know that key")
    }

    /// The provider did not answer.
    pub(crate) fn lost(why: impl Display) -> Refusal {
        Refusal::new(StatusCode::BAD_GATEWAY, why)
    }

    /// The budget refused the call. Asking again does not help, so the status is 402, which SDKs
    /// do not retry; a limit of another kind that passes soon is a rate limit, 429.
    pub(crate) fn of(error: &ReserveError) -> Refusal {
        let Some(denied) = error.denied() else {
            return match error {
                ReserveError::Frozen { .. } => Refusal::forbidden(error),
                _ => Refusal::bad(error),
            };
        };
        let retry_after = wait(denied);
        let status = match retry_after {
            Some(_) => StatusCode::TOO_MANY_REQUESTS,
            None => StatusCode::PAYMENT_REQUIRED,
        };
        let denied = serde_json::to_value(denied).ok();
        Refusal { denied, retry_after, ..Refusal::new(status, error) }
    }

    pub(crate) fn response(self, provider: Provider) -> Response {
        let (kind, code) = self.names(provider);
        let Refusal { status, why, denied, retry_after } = self;
        let mut error = match provider {
            Provider::OpenAi => json!({"message": why, "type": kind, "param": null, "code": code}),
            Provider::Anthropic => json!({"type": kind, "message": why}),
        };
        if let Some(denied) = denied {
            error["denied"] = denied;
        }
        let body = match provider {
            Provider::OpenAi => json!({"error": error}),
            Provider::Anthropic => json!({"type": "error", "error": error}),
        };
        let mut response = json_response(status, &body);
        let headers = response.headers_mut();
        if let Some(secs) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        } else if status.is_client_error() {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }

    /// Its type, and for OpenAI its code.
    fn names(&self, provider: Provider) -> (&'static str, Option<&'static str>) {
        match (provider, self.status.as_u16()) {
            (Provider::OpenAi, 401) => ("invalid_request_error", Some("invalid_api_key")),
            (Provider::OpenAi, 402) => ("insufficient_quota", Some("budget_exceeded")),
            (Provider::OpenAi, 429) => ("requests", Some("rate_limit_exceeded")),
            (Provider::OpenAi, 400..500) => ("invalid_request_error", None),
            (Provider::OpenAi, _) => ("server_error", None),
            (Provider::Anthropic, 401) => ("authentication_error", None),
            (Provider::Anthropic, 402) => ("billing_error", None),
            (Provider::Anthropic, 403) => ("permission_error", None),
            (Provider::Anthropic, 404) => ("not_found_error", None),
            (Provider::Anthropic, 413) => ("request_too_large", None),
            (Provider::Anthropic, 429) => ("rate_limit_error", None),
            (Provider::Anthropic, 400..500) => ("invalid_request_error", None),
            (Provider::Anthropic, _) => ("api_error", None),
        }
    }
}

/// After how many seconds a limit that is not money lets the call pass, if it does soon.
fn wait(denied: &Denied) -> Option<u64> {
    if matches!(denied.limit.measure(), Measure::Cost | Measure::PerCall) {
        return None;
    }
    match denied.retry {
        Retry::WhenHoldsEnd => Some(1),
        Retry::At(_) => {
            let wait = denied.retry_after()?;
            let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            (secs <= LONGEST_WAIT_SECS).then_some(secs)
        }
        Retry::Never => None,
    }
}

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
