//! Owns the proof of what the features `tracing` and `metrics` tell, with recorders that keep it all.

#[cfg(feature = "metrics")]
#[path = "telemetry/metrics.rs"]
mod metrics;
#[cfg(feature = "tracing")]
#[path = "telemetry/tracing.rs"]
mod tracing;
