//! Tracing and metrics. Both features cost nothing when they are off, and little without a
//! subscriber or recorder.
//!
//! # Feature `tracing`
//!
//! Nothing to call: install a subscriber. The target is `bursar`.
//!
//! | what | level | when |
//! |---|---|---|
//! | span `bursar.call` | info | opened when a call is admitted, entered while [`Reservation::sending`](crate::Reservation::sending) or an agent runs, closed with the guard |
//! | event `settled` | debug | a call was booked: `cost_usd`, `held_usd`, `confidence` |
//! | event `released` | debug | a hold was given back |
//! | event `recorded` | debug | a call without a hold was booked: `account`, `cost_usd`, `confidence` |
//! | event `refused` | info | `account`, `error` (the sentence) |
//! | event of an alert | warn | `account`, `kind` (`threshold`, `overrun`, `doubtful`, …); the message is its sentence |
//!
//! The span's fields are those of OpenTelemetry's conventions for generative AI, and `bursar.*` for
//! what these have no name for: `otel.name` (`chat gpt-6-luna`), `otel.kind`, `gen_ai.operation.name`
//! (`chat`, or `embeddings` for a call without output; absent without a model),
//! `gen_ai.provider.name`, `gen_ai.request.model`, `gen_ai.request.max_tokens` (what was admitted,
//! for each choice), `gen_ai.response.model`, `gen_ai.usage.input_tokens` and `.output_tokens` (with
//! everything that they contain), `.cache_read.input_tokens`, `.cache_write.input_tokens`,
//! `.reasoning.output_tokens`, `bursar.account`, `bursar.held_usd`, `bursar.cost_usd` (dollars as
//! exact decimal text), `bursar.confidence`, `bursar.outcome` (`settled`, `assumed`, `released`).
//!
//! # Feature `metrics`
//!
//! `MetricsObserver` counts what happens, and `publish` sets gauges from a report. Install a recorder
//! of the `metrics` facade, for instance Prometheus'.
//!
//! Without either, an [`Observer`](crate::Observer) of your own sees the same.

#[cfg(feature = "metrics")]
mod meters;

#[cfg(feature = "metrics")]
pub use meters::{MetricsObserver, publish};
