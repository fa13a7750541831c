//! How a wrapper saves money: it trims the task and ranks the models.

use super::{Agent, BudgetConstrained, Call, SubBudget};
use crate::budget::Tag;
use crate::context::{ContextTrimmer, TrimError, TrimReport};
use crate::price::{Estimate, Model};
use crate::select::{ModelSelector, MoneyLeft, NoModel, Requirements};

/// How tasks are shortened.
pub(super) struct Trimming<T> {
    pub(super) trimmer: ContextTrimmer,
    pub(super) shorten: Box<Shorten<T>>,
}

type Shorten<T> =
    dyn Fn(&mut T, &ContextTrimmer) -> Result<Option<TrimReport>, TrimError> + Send + Sync;

/// How models are chosen.
pub(super) struct Choosing<T> {
    pub(super) selector: ModelSelector,
    pub(super) requirements: Box<dyn Fn(&T) -> Requirements + Send + Sync>,
}

impl<A: Agent> BudgetConstrained<A> {
    /// Shortens a task to what the trimmer allows and the model takes; says what was left out.
    #[inline]
    pub(super) fn trim(
        &self,
        task: &mut A::Task,
        estimate: &Estimate,
    ) -> Result<Option<TrimReport>, TrimError> {
        let Some(Trimming { trimmer, shorten }) = self.trimming.as_deref() else { return Ok(None) };
        let window = estimate.model().and_then(|model| model.price().context_window_tokens());
        let room = window.map(|window| window.saturating_sub(estimate.output_cap().unwrap_or(0)));
        shorten(task, &trimmer.at_most(room.unwrap_or(u64::MAX)))
    }

    /// What to ask for instead, in order. The estimate becomes that of the model that ranks first.
    #[inline]
    pub(super) fn rank(
        &self,
        estimate: &mut Estimate,
        call: &Call<A::Task>,
    ) -> Result<Vec<Estimate>, NoModel> {
        let mut others = Vec::new();
        if let Some(choosing) = &self.choosing {
            others = self.choose(choosing, estimate, call)?;
        }
        if !self.cheaper.is_empty() {
            others.extend(self.cheaper.iter().map(|model| estimate.with_model(model)));
        }
        Ok(others)
    }

    #[cold]
    fn choose(
        &self,
        Choosing { selector, requirements }: &Choosing<A::Task>,
        estimate: &mut Estimate,
        call: &Call<A::Task>,
    ) -> Result<Vec<Estimate>, NoModel> {
        if call.model.is_some() || estimate.model().is_none() {
            return Ok(Vec::new());
        }
        let requirements =
            requirements(&call.task).money_left(self.money_left(call.sub_budget.as_ref()));
        let bound = |model: &Model| estimate.with_model(model);
        let mut ranked =
            selector.rank_at(self.account.now(), bound, &requirements)?.into_estimates();
        if let Some(first) = ranked.next() {
            *estimate = first;
        }
        Ok(ranked.collect())
    }

    /// What each spend limit leaves to a call, with what the outer one has set aside for it.
    fn money_left(&self, sub_budget: Option<&SubBudget>) -> Vec<MoneyLeft> {
        let own = self.own_tags(sub_budget).flat_map(Tag::money_left);
        let Some(sub_budget) = sub_budget else {
            return self.account.money_left().into_iter().chain(own).collect();
        };
        let left = sub_budget.left();
        let account = self.account.money_left_with(left, sub_budget.account().path());
        let outer = sub_budget.tags().iter().flat_map(|tag| tag.money_left_with(left));
        account.into_iter().chain(outer).chain(own).collect()
    }
}
