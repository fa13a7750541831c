//! The selector's view of a budget: what an [`Account`] has left, and a reserve by a [`Ranking`].

use super::{Funds, Ranking};
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
    /// [`Wish::funds`](crate::select::Wish::funds). Advice, like
    /// [`can_afford`](Account::can_afford).
    pub fn funds(&self) -> Vec<Funds> {
        self.funds_with(Usd::ZERO, self.path())
    }

    /// The same for a call inside another, which may take what is set aside at that account.
    pub(crate) fn funds_with(&self, set_aside: Usd, holder: &Path) -> Vec<Funds> {
        self.map_limits(|view, now| {
            let aside = if holder.is_within(view.account) { set_aside.pico() } else { 0 };
            binds_all_money(&view).then(|| funds(&view, aside, now))
        })
    }
}

impl Tag {
    /// What each spend limit on it or above it leaves, see [`Account::funds`].
    pub fn funds(&self) -> Vec<Funds> {
        self.account().funds()
    }

    pub(crate) fn funds_with(&self, set_aside: Usd) -> Vec<Funds> {
        self.account().funds_with(set_aside, self.path())
    }
}

/// True for a limit on the cost of every model.
fn binds_all_money(view: &LimitView<'_>) -> bool {
    view.limit.measure() == Measure::Cost && view.limit.binds_every_model()
}

fn funds(view: &LimitView<'_>, set_aside: i128, now: Timestamp) -> Funds {
    let left = Usd::from_pico(view.available().saturating_add(set_aside));
    let funds = Funds::new(Usd::from_pico(view.limit.amount().value()), left);
    match (view.started_at, view.resets_at) {
        (Some(start), Some(end)) => funds.within(now, start, end),
        _ => funds,
    }
}
