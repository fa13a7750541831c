//! The interface of `on` without effects, for builds without the feature `tracing`.

use std::future::Future;

use crate::budget::{Alert, Receipt, ReserveError};
use crate::ledger::Path;
use crate::money::Usd;
use crate::price::Model;

/// No span.
#[derive(Clone)]
pub(crate) struct CallSpan;

impl CallSpan {
    #[inline(always)]
    pub(in crate::budget) fn open(
        _account: impl Fn() -> Path,
        _model: Option<&Model>,
        _max_output: u64,
        _held: Usd,
    ) -> CallSpan {
        CallSpan
    }

    #[inline(always)]
    pub(crate) fn run<F: Future>(&self, call: F) -> F {
        call
    }

    #[inline(always)]
    pub(in crate::budget) fn settled(&self, _receipt: &Receipt) {}

    #[inline(always)]
    pub(in crate::budget) fn released(&self) {}
}

#[inline(always)]
pub(in crate::budget) fn tell_refused(_account: impl Fn() -> Path, _error: &ReserveError) {}

#[inline(always)]
pub(in crate::budget) fn tell_recorded(_account: &Path, _receipt: &Receipt) {}

#[inline(always)]
pub(in crate::budget) fn tell_alert(_alert: &Alert) {}
