//! The money of a call: what a wrapper asks for, the hold that it gets, and what is booked.

use std::sync::Arc;

use super::guard::CallGuard;
use super::{Agent, Billing, BudgetConstrained, Call, CallError, Reply, SubBudget};
use crate::budget::{Reservation, ReserveError, ReserveRequest, Tag};
use crate::price::{Estimate, EstimateError};

impl<A: Agent> BudgetConstrained<A> {
    #[inline]
    pub(super) fn estimate_of(&self, call: &Call<A::Task>) -> Result<Estimate, EstimateError> {
        let mut estimate = Agent::estimate(self, &call.task)?;
        if let Some(model) = &call.model {
            estimate = estimate.with_model(model);
        }
        if let Some(tokens) = call.max_output_tokens {
            estimate.cap_output(tokens);
        }
        Ok(estimate)
    }

    /// Sets the money aside for the first estimate that fits, and tells the call what was admitted.
    #[inline]
    pub(super) async fn reserve(
        &self,
        estimate: Estimate,
        others: Vec<Estimate>,
        call: &mut Call<A::Task>,
    ) -> Result<CallGuard, ReserveError> {
        let mut hold = self.hold(&estimate, &others, call).await?;
        if let Some(lost) = self.on_lost {
            hold.set_on_lost(lost);
        }
        let billing = self.agent.billing();
        if billing != Billing::Metered {
            hold.mark_sent(); // a metered agent sends nothing itself, its inner calls do
        }
        let max_output = hold.max_output_tokens();
        if let Some(degraded) = &call.degraded {
            let is_whole = estimate.output_cap().is_none_or(|cap| cap == max_output);
            if !is_whole || hold.alternative() != 0 || call.wrap_up {
                degraded.mark();
            }
        }
        let tags = self.tags_inside(call.sub_budget.as_ref());
        call.sub_budget = Some(SubBudget::new(&hold, &self.account, tags, call.wrap_up));
        call.model = hold.model().cloned();
        call.max_output_tokens = call.model.is_some().then_some(max_output);
        let mut guard = CallGuard::new(hold);
        if billing == Billing::Streamed {
            call.hold = guard.share();
        }
        Ok(guard)
    }

    /// The hold; the call wraps up if it had to take what is kept for that.
    #[inline]
    async fn hold(
        &self,
        estimate: &Estimate,
        others: &[Estimate],
        call: &mut Call<A::Task>,
    ) -> Result<Reservation, ReserveError> {
        let sub_budget = call.sub_budget.as_ref();
        let ask = self.request(estimate, others, sub_budget);
        let answer = match self.at_most {
            Some(at_most) => ask.wait(at_most).await,
            None => ask.reserve_async().await,
        };
        match answer {
            Err(ReserveError::Denied(_) | ReserveError::Queued(_))
                if self.wraps_up && !call.wrap_up =>
            {
                let hold =
                    self.request(estimate, others, sub_budget).wrap_up().reserve_async().await?;
                call.wrap_up = true;
                Ok(hold)
            }
            answer => answer,
        }
    }

    #[inline]
    fn request<'a>(
        &'a self,
        estimate: &'a Estimate,
        others: &'a [Estimate],
        sub_budget: Option<&'a SubBudget>,
    ) -> ReserveRequest<'a> {
        let mut ask = self.account.request_borrowed(estimate, others);
        if let Some(sub_budget) = sub_budget {
            ask = sub_budget.inside(ask);
        }
        ask = self.own_tags(sub_budget).fold(ask, ReserveRequest::tag);
        match self.at_least {
            Some(tokens) => ask.at_least(tokens),
            None => ask,
        }
    }

    /// Reserves, calls and settles.
    #[inline]
    pub(super) async fn pay(
        &self,
        estimate: Estimate,
        others: Vec<Estimate>,
        mut call: Call<A::Task>,
    ) -> Result<Reply<A::Output>, CallError<A::Error>> {
        // Reserve: every limit of the account's path, or none.
        let mut guard = self.reserve(estimate, others, &mut call).await?;
        let trimmed = call.trimmed.clone();

        // Call: from here on a lost reply is charged.
        let result = guard.run(self.agent.execute(call)).await;

        // Settle: the truth, whatever it is.
        let outcome = self.agent.outcome(&result);
        let (receipt, inner) = guard.end(outcome, self.agent.billing(), result.is_ok());
        if let Some(written) = self.account.written() {
            let _ = written.await; // what could not be written waits in memory
        }
        let inner = inner.get().await;
        Ok(Reply::new(result.map_err(CallError::Agent)?, receipt, inner, trimmed))
    }

    /// The tags that an outer call does not carry already.
    #[inline]
    pub(super) fn own_tags<'a>(
        &'a self,
        sub_budget: Option<&'a SubBudget>,
    ) -> impl Iterator<Item = &'a Tag> {
        let outer = sub_budget.map_or(&[][..], SubBudget::tags);
        let own = self.tags.as_deref().unwrap_or_default();
        own.iter().filter(|tag| !outer.iter().any(|other| other.path() == tag.path()))
    }

    /// All tags that an inner call carries.
    #[inline]
    fn tags_inside(&self, sub_budget: Option<&SubBudget>) -> Option<Arc<[Tag]>> {
        match sub_budget.and_then(SubBudget::shared_tags) {
            None => self.tags.clone(),
            Some(outer) if self.own_tags(sub_budget).next().is_none() => Some(Arc::clone(outer)),
            Some(outer) => Some(outer.iter().chain(self.own_tags(sub_budget)).cloned().collect()),
        }
    }
}
