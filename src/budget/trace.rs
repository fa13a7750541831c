//! The feature `tracing`: a span for each call, and events for refusals, bookings and
//! alerts. Without the feature nothing of it is there: a span is an empty type.
//!
//! The names are documented in [`crate::telemetry`].

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::CallSpan;
#[cfg(not(feature = "tracing"))]
pub(super) use off::{tell_alert, tell_recorded, tell_refused};
#[cfg(feature = "tracing")]
pub(crate) use on::CallSpan;
#[cfg(feature = "tracing")]
pub(super) use on::{tell_alert, tell_recorded, tell_refused};
