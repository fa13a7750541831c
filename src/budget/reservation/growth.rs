//! Growing a hold: at once, or with a journal, without blocking the caller.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::super::books::Ticket;
use super::super::error::{InvalidCall, ReserveError};
use super::{Reservation, account_of};
use crate::clock::Timestamp;
use crate::ledger::{Change, CostBound, Event, Grow, Ledger};
use crate::money::Usd;

/// More output that is being written.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(crate) tokens: u64,
    more: Ticket<Result<Usd, ReserveError>>,
}

impl Reservation {
    /// The same as [`grow_output`](Reservation::grow_output) without blocking the thread where there
    /// is a journal. If the future is dropped, the hold may have grown and not say so; what it holds
    /// goes back when it ends.
    ///
    /// # Errors
    /// As for [`grow_output`](Reservation::grow_output).
    pub async fn grow_output_async(&mut self, tokens: u64) -> Result<(), ReserveError> {
        if !self.is_written() {
            return self.grow_output(tokens);
        }
        let mut growth = self.begin_growth(tokens)?;
        poll_fn(|context| self.poll_growth(&mut growth, context)).await
    }

    /// True if there is a journal.
    pub(crate) fn is_written(&self) -> bool {
        self.core.books().is_some()
    }

    /// Has another thread write more output.
    pub(crate) fn begin_growth(&self, tokens: u64) -> Result<Growth, ReserveError> {
        let mut grow = self.growth(self.bound_for_output(tokens)?);
        let more = self.core.change_later(move |ledger, _, now| grow(ledger, now), |more| more);
        Ok(Growth { tokens, more })
    }

    /// What has become of it. The hold has grown when it is ready, and not before.
    pub(crate) fn poll_growth(
        &mut self,
        growth: &mut Growth,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ReserveError>> {
        let grown = ready!(Pin::new(&mut growth.more).poll(context));
        let grown = grown.unwrap_or_else(|error| Err(error.into()));
        Poll::Ready(grown.map(|more| {
            self.held = self.held.checked_add(more).unwrap_or(Usd::MAX);
            self.max_output_tokens = self.max_output_tokens.saturating_add(growth.tokens);
        }))
    }

    pub(super) fn bound_for_output(&self, tokens: u64) -> Result<CostBound, ReserveError> {
        if self.model.is_none() {
            return Err(ReserveError::Invalid(InvalidCall::NoModel));
        }
        let (per_output, choices) = (self.per_output, self.choices);
        let (floor, cap) = (tokens, tokens);
        Ok(CostBound { fixed: 0, per_output, input: 0, choices, floor, cap })
    }

    pub(super) fn grow(&mut self, bound: CostBound) -> Result<(), ReserveError> {
        let more = self.core.change(self.growth(bound))??;
        self.held = self.held.checked_add(more).unwrap_or(Usd::MAX);
        Ok(())
    }

    fn growth(
        &self,
        bound: CostBound,
    ) -> impl FnMut(&mut Ledger, Timestamp) -> Result<Usd, ReserveError> + Send + use<> {
        let grow = Grow { hold: self.hold, bound, wrap_up: self.wrap_up };
        move |ledger, now| {
            let grown = ledger.decide_grow(now, &grow).map_err(|rejection| {
                let account = account_of(ledger, grow.hold);
                ReserveError::from_rejection(rejection, &account)
            })?;
            let more = Usd::from_pico(grown.amounts.cost);
            ledger.apply(&Event { at: now, change: Change::Grown(grown) });
            Ok(more)
        }
    }
}
