//! The feature `tracing`: the fields of a call's span, named as in
//! OpenTelemetry's conventions for generative AI, and those of the events.

use std::future::Future;

use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use crate::budget::{Alert, Receipt, ReserveError};
use crate::ledger::Path;
use crate::money::Usd;
use crate::price::Model;
use crate::usage::Confidence;

/// The span of one call: opened when it is admitted, entered while it runs, closed with its guard.
#[derive(Clone)]
pub(crate) struct CallSpan(Span);

impl CallSpan {
    /// Asks for the account only if a subscriber listens.
    pub(in crate::budget) fn open(
        account: impl Fn() -> Path,
        model: Option<&Model>,
        max_output: u64,
        held: Usd,
    ) -> CallSpan {
        let span = tracing::info_span!(
            target: "bursar",
            "bursar.call",
            otel.name = Empty,
            otel.kind = "client",
            gen_ai.operation.name = Empty,
            gen_ai.provider.name = Empty,
            gen_ai.request.model = Empty,
            gen_ai.request.max_tokens = Empty,
            gen_ai.response.model = Empty,
            gen_ai.usage.input_tokens = Empty,
            gen_ai.usage.output_tokens = Empty,
            gen_ai.usage.cache_read.input_tokens = Empty,
            gen_ai.usage.cache_write.input_tokens = Empty,
            gen_ai.usage.reasoning.output_tokens = Empty,
            bursar.account = %account(),
            bursar.held_usd = %held.exact(),
            bursar.cost_usd = Empty,
            bursar.confidence = Empty,
            bursar.outcome = Empty,
        );
        if let (Some(model), false) = (model, span.is_disabled()) {
            let operation = if max_output == 0 { "embeddings" } else { "chat" };
            let id = model.id();
            span.record("otel.name", display(format_args!("{operation} {id}")));
            span.record("gen_ai.operation.name", operation);
            span.record("gen_ai.provider.name", model.price().provider());
            span.record("gen_ai.request.model", id);
            span.record("gen_ai.request.max_tokens", max_output);
        }
        CallSpan(span)
    }

    /// Enters the span whenever the call is polled.
    pub(crate) fn run<F: Future>(&self, call: F) -> impl Future<Output = F::Output> + use<F> {
        call.instrument(self.0.clone())
    }

    pub(in crate::budget) fn settled(&self, receipt: &Receipt) {
        if self.0.is_disabled() {
            return;
        }
        let usage = &receipt.usage;
        if let Some(model) = &receipt.model {
            self.0.record("gen_ai.response.model", model.id());
        }
        self.0.record("gen_ai.usage.input_tokens", usage.input_tokens());
        self.0.record("gen_ai.usage.output_tokens", usage.output_tokens());
        self.0.record("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens());
        self.0.record("gen_ai.usage.cache_write.input_tokens", usage.cache_write_tokens());
        self.0.record("gen_ai.usage.reasoning.output_tokens", usage.reasoning);
        self.0.record("bursar.cost_usd", display(receipt.cost.exact()));
        self.0.record("bursar.confidence", receipt.confidence.as_str());
        let outcome = match receipt.confidence {
            Confidence::Assumed => "assumed",
            _ => "settled",
        };
        self.0.record("bursar.outcome", outcome);
        tracing::debug!(
            target: "bursar",
            parent: &self.0,
            cost_usd = %receipt.cost.exact(),
            held_usd = %receipt.held.exact(),
            confidence = receipt.confidence.as_str(),
            "settled"
        );
    }

    pub(in crate::budget) fn released(&self) {
        self.0.record("bursar.outcome", "released");
        tracing::debug!(target: "bursar", parent: &self.0, "released");
    }
}

pub(in crate::budget) fn tell_refused(account: impl Fn() -> Path, error: &ReserveError) {
    tracing::info!(target: "bursar", account = %account(), error = %error, "refused");
}

pub(in crate::budget) fn tell_recorded(account: &Path, receipt: &Receipt) {
    tracing::debug!(
        target: "bursar",
        account = %account,
        cost_usd = %receipt.cost.exact(),
        confidence = receipt.confidence.as_str(),
        "recorded"
    );
}

pub(in crate::budget) fn tell_alert(alert: &Alert) {
    tracing::warn!(
        target: "bursar",
        account = %alert.account(),
        kind = alert.kind(),
        "{alert}"
    );
}
