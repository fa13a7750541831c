//! The selector's view of a budget: what an [`Account`] has left, and a reserve by a [`Ranking`].

use super::{MoneyLeft, Ranking};
use crate::budget::{Account, ReserveRequest, Tag};
use crate::clock::Timestamp;
use crate::ledger::{LimitView, Measure, Path};
use crate::money::Usd;

impl Account {
    /// Asks for the models of a ranking, the first choice first; the first that fits is admitted.
    pub fn request_ranked(&self, ranking: &Ranking) -> ReserveRequest<'_> {
        let estimates = ranking.iter().skip(1).map(|ranked| ranked.estimate.clone());
        let first = self.request(ranking.best().estimate.clone());
        estimates.fold(first, ReserveRequest::or)
    }

    /// What each spend limit on it or above it leaves to an ordinary call of any model, for
    /// [`Requirements::money_left`](crate::select::Requirements::money_left). Advice, like
    /// [`can_afford`](Account::can_afford).
    pub fn money_left(&self) -> Vec<MoneyLeft> {
        self.money_left_with(Usd::ZERO, self.path())
    }

    /// The same for a call inside another, which may take what is set aside at that account.
    pub(crate) fn money_left_with(&self, set_aside: Usd, holder: &Path) -> Vec<MoneyLeft> {
        self.map_limits(|view, now| {
            let aside = if holder.is_within(view.account) { set_aside.pico() } else { 0 };
            binds_all_money(&view).then(|| money_left(&view, aside, now))
        })
    }
}

impl Tag {
    /// What each spend limit on it or above it leaves, see [`Account::money_left`].
    pub fn money_left(&self) -> Vec<MoneyLeft> {
        self.account().money_left()
    }

    pub(crate) fn money_left_with(&self, set_aside: Usd) -> Vec<MoneyLeft> {
        self.account().money_left_with(set_aside, self.path())
    }
}

/// True for a limit on the cost of every model.
fn binds_all_money(view: &LimitView<'_>) -> bool {
    view.limit.measure() == Measure::Cost && view.limit.binds_every_model()
}

fn money_left(view: &LimitView<'_>, set_aside: i128, now: Timestamp) -> MoneyLeft {
    let left = Usd::from_pico(view.available().saturating_add(set_aside));
    let money_left = MoneyLeft::new(Usd::from_pico(view.limit.amount().value()), left);
    match (view.started_at, view.resets_at) {
        (Some(start), Some(end)) => money_left.within(now, start, end),
        _ => money_left,
    }
}
