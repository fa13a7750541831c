//! Owns the way in: from what a wrapper asks for to the hold that it got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::guard::Guard;
use super::{Agent, BudgetConstrained, Call, Meter};
use crate::budget::{Ask, Reservation, ReserveError, Tag};
use crate::price::Estimate;

/// What is asked for, and what instead.
pub(super) struct Bids {
    pub(super) first: Estimate,
    pub(super) others: Vec<Estimate>,
}

/// Whether a layer, or one inside it, had to make do with less than it asked for first.
#[derive(Debug, Default)]
pub(super) struct Lesser {
    made_do: AtomicBool,
    around: Option<Arc<Lesser>>,
}

impl Lesser {
    pub(super) fn inside(around: Option<Arc<Lesser>>) -> Arc<Lesser> {
        Arc::new(Lesser { made_do: AtomicBool::new(false), around })
    }

    /// Says so, to all layers around as well.
    pub(super) fn mark(&self) {
        self.made_do.store(true, Ordering::Relaxed);
        if let Some(around) = &self.around {
            around.mark();
        }
    }

    pub(super) fn is_marked(&self) -> bool {
        self.made_do.load(Ordering::Relaxed)
    }
}

impl<A: Agent> BudgetConstrained<A> {
    pub(super) fn estimate_of(&self, call: &Call<A::Task>) -> Estimate {
        let mut estimate = Agent::estimate(self, &call.task);
        if let Some(model) = &call.model {
            estimate = estimate.with_model(model);
        }
        if let Some(tokens) = call.max_output_tokens {
            estimate.cap_output(tokens);
        }
        estimate
    }

    /// Sets the money aside, for the first of the bids that fits; the call as it was admitted.
    pub(super) fn reserve(
        &self,
        bids: Bids,
        call: Call<A::Task>,
    ) -> Result<(Guard, Call<A::Task>), ReserveError> {
        let (input, cap) = (bids.first.inputs(), bids.first.output_cap());
        let (hold, wrap_up) = self.hold(bids, &call)?;
        let (model, max_output) = (hold.model().cloned(), hold.max_output_tokens());
        if let Some(lesser) = &call.lesser {
            let is_whole = cap.is_none_or(|cap| cap == max_output);
            if !is_whole || hold.alternative() != 0 || wrap_up {
                lesser.mark();
            }
        }
        let tags = self.tags_inside(call.meter.as_ref());
        let meter = Some(Meter::new(&hold, &self.account, tags, wrap_up));
        let max_output_tokens = model.is_some().then_some(max_output);
        let guard = Guard::new(hold, input, self.lost, self.agent.is_metered());
        Ok((guard, Call { model, max_output_tokens, wrap_up, meter, ..call }))
    }

    /// The hold, and whether it took what is kept for wrapping up.
    fn hold(&self, bids: Bids, call: &Call<A::Task>) -> Result<(Reservation, bool), ReserveError> {
        let meter = call.meter.as_ref();
        let last = (self.wraps_up && !call.wrap_up)
            .then(|| Bids { first: bids.first.clone(), others: bids.others.clone() });
        match (self.ask(bids, meter).reserve(), last) {
            (Err(ReserveError::Denied(_)), Some(bids)) => {
                let hold = self.ask(bids, meter).wrap_up().reserve()?;
                Ok((hold, true))
            }
            (answer, _) => Ok((answer?, call.wrap_up)),
        }
    }

    fn ask<'a>(&'a self, bids: Bids, meter: Option<&'a Meter>) -> Ask<'a> {
        let mut ask = match meter {
            Some(meter) => meter.ask_for(&self.account, bids.first),
            None => self.account.ask(bids.first),
        };
        ask = bids.others.into_iter().fold(ask, Ask::or);
        ask = self.own_tags(meter).fold(ask, Ask::tag);
        match self.at_least {
            Some(tokens) => ask.at_least(tokens),
            None => ask,
        }
    }

    /// The tags that an outer call does not carry already.
    pub(super) fn own_tags<'a>(
        &'a self,
        meter: Option<&'a Meter>,
    ) -> impl Iterator<Item = &'a Tag> {
        let outer = meter.map_or(&[][..], Meter::tags);
        let own = self.tags.as_deref().unwrap_or_default();
        own.iter().filter(|tag| !outer.iter().any(|other| other.path() == tag.path()))
    }

    /// All tags that an inner call carries.
    fn tags_inside(&self, meter: Option<&Meter>) -> Option<Arc<[Tag]>> {
        match meter.and_then(Meter::shared_tags) {
            None => self.tags.clone(),
            Some(outer) if self.own_tags(meter).next().is_none() => Some(Arc::clone(outer)),
            Some(outer) => Some(outer.iter().chain(self.own_tags(meter)).cloned().collect()),
        }
    }
}
