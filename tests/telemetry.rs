//! Tests of what the features `tracing` and `metrics` tell, with recorders that keep it all.

#[cfg(feature = "metrics")]
#[path = "telemetry/metrics.rs"]
mod metrics;
#[cfg(feature = "tracing")]
#[path = "telemetry/tracing.rs"]
mod tracing;

/// One test at a time: a place in the code that is first reached while another thread changes its
/// subscriber can be taken for one that nobody listens to.
#[cfg(any(feature = "metrics", feature = "tracing"))]
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static GATE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
