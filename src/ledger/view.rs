//! Views: what callers may read of a ledger's accounts and limits.

use std::sync::Arc;

use super::accounts::{Account, Ancestors, Balance, State, Totals};
use super::counter::{Counter, Level, Span};
use super::{AccountId, HoldId, Ledger, Limit, LimitId, Measure, ModelId, Path, Scope};
use crate::clock::Timestamp;

/// One account, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct AccountView<'a> {
    /// Its id.
    pub id: AccountId,
    /// Its path.
    pub path: &'a Path,
    /// Spent and held of it and everything below it, in picodollars.
    pub balance: Balance,
    /// What was charged to it directly, by model.
    pub direct: &'a [(ModelId, Totals)],
    /// What a cache has saved its own calls, in picodollars.
    pub saved: i128,
    /// Calls under way that are charged to it directly.
    pub open_holds: u32,
    /// False if it refuses new calls and waits for those under way to end.
    pub is_open: bool,
    /// Why it was frozen, if it was itself.
    pub frozen_why: Option<&'a Arc<str>>,
}

/// One limit on one account, as it stands. Amounts are in its measure.
#[derive(Clone, Copy, Debug)]
pub struct LimitView<'a> {
    /// Its id.
    pub id: LimitId,
    /// The account.
    pub account: &'a Path,
    /// The accounts that the limit was set for.
    pub scope: &'a Scope,
    /// The limit.
    pub limit: &'a Arc<Limit>,
    /// Spent in the present window.
    pub spent: i128,
    /// Held in the present window.
    pub held: i128,
    /// Spent in the window before; 0 where there is none.
    pub previous_spent: i128,
    /// The largest spent and held so far, in any window.
    pub peak: i128,
    /// The highest threshold that has fired in this window, in percent; 0 for none.
    pub fired: u16,
    /// When the present window began; `None` if the limit has no window of the calendar.
    pub started_at: Option<Timestamp>,
    /// When the present window ends; `None` if it has no end.
    pub resets_at: Option<Timestamp>,
}

impl LimitView<'_> {
    /// What an ordinary call may still take; negative when overrun.
    pub fn available(&self) -> i128 {
        let kept = self.limit.wrap_up.map_or(0, |slice| slice.value());
        self.limit.amount.value().saturating_sub(kept).saturating_sub(self.committed())
    }

    /// Spent and held, in percent of the amount, rounded down; 100 for an amount of zero. 0 of a cap
    /// for each call, which counts nothing.
    pub fn used_percent(&self) -> u64 {
        if self.limit.measure() == Measure::PerCall {
            return 0;
        }
        let hundredfold = self.committed().saturating_mul(100);
        let percent = hundredfold.checked_div(self.limit.amount.value()).unwrap_or(100);
        u64::try_from(percent).unwrap_or(0)
    }

    fn committed(&self) -> i128 {
        self.spent.saturating_add(self.held)
    }
}

impl Ledger {
    /// All accounts.
    #[doc(hidden)]
    pub fn accounts(&self) -> impl Iterator<Item = AccountView<'_>> {
        self.accounts.iter().map(|(index, account)| self.view(index, account))
    }

    /// One account; `None` if it has been closed.
    #[doc(hidden)]
    pub fn account(&self, id: AccountId) -> Option<AccountView<'_>> {
        self.accounts.get(id).map(|account| self.view(id.index, account))
    }

    fn view<'a>(&self, index: u32, account: &'a Account) -> AccountView<'a> {
        AccountView {
            id: self.accounts.id(index),
            path: &account.path,
            balance: account.balance_with_peak(),
            direct: &account.totals,
            saved: account.saved,
            open_holds: account.holds,
            is_open: account.state == State::Open,
            frozen_why: account.frozen_why.as_ref(),
        }
    }

    /// All limits, each on each account that it is for, as of the last event.
    #[doc(hidden)]
    pub fn limits(&self) -> impl Iterator<Item = LimitView<'_>> {
        self.limits_at(self.now)
    }

    /// All limits, each on each account that it is for. What has left a rolling period by `now` is
    /// not counted, even if nothing has happened since.
    #[doc(hidden)]
    pub fn limits_at(&self, now: Timestamp) -> impl Iterator<Item = LimitView<'_>> {
        let now = self.now.max(now);
        let places = (0..).zip(&self.counters);
        places.filter_map(move |(at, counter)| self.limit_view(LimitId(at), counter.as_ref()?, now))
    }

    /// One limit, as of the last event; `None` if it has been lifted.
    #[doc(hidden)]
    pub fn limit(&self, id: LimitId) -> Option<LimitView<'_>> {
        self.limit_view(id, self.counters.get(id.0 as usize)?.as_ref()?, self.now)
    }

    /// The limits that a charge to an account touches: its own, then those above.
    #[doc(hidden)]
    pub fn limits_of(&self, id: AccountId, now: Timestamp) -> impl Iterator<Item = LimitView<'_>> {
        let now = self.now.max(now);
        let own = self.accounts.get(id).map(|_| Ancestors::of_account(id.index));
        let path = own.into_iter().flat_map(|path| self.limits_along(path));
        path.filter_map(move |(limit, counter)| self.limit_view(limit, counter, now))
    }

    /// The least money that any limit on an account or above it leaves to an ordinary call of any
    /// model, in picodollars; `None` if there is no such limit.
    pub(crate) fn least_room(&self, id: AccountId, now: Timestamp) -> Option<i128> {
        let now = self.now.max(now);
        self.accounts.get(id)?;
        let mut least = i128::MAX;
        let mut path = Ancestors::of_account(id.index);
        while let Some(account) = path.next(&self.accounts) {
            let derived = account.room_fast(self.window_epoch);
            let limits = if derived.is_some() { &account.counting } else { &account.all_limits };
            least = least.min(derived.unwrap_or(i128::MAX));
            for limit in limits {
                let counter = self.counter(*limit).filter(|counter| counter.binds_all_money());
                let Some(counter) = counter else { continue };
                least = least.min(counter.room(&account.balance, &self.windows, now, false));
            }
        }
        (least != i128::MAX).then_some(least)
    }

    fn limit_view<'a>(
        &'a self,
        id: LimitId,
        counter: &Counter,
        now: Timestamp,
    ) -> Option<LimitView<'a>> {
        let rule = self.rules.get(counter.rule)?;
        let account = self.accounts.at(counter.account);
        let Level { spent, held } = counter.level(&account.balance, &self.windows, now);
        let window = match &counter.span {
            Span::Calendar(own) => Some(&self.windows[own.window as usize]),
            _ => None,
        };
        Some(LimitView {
            id,
            account: &account.path,
            scope: &rule.scope,
            limit: &rule.limit,
            spent,
            held,
            previous_spent: counter.previous_level(&account.balance, &self.windows).spent,
            peak: counter.peak(&account.balance),
            fired: counter.fired(),
            started_at: window.map(|window| window.start),
            resets_at: window.map(|window| window.end).filter(|end| *end != Timestamp::MAX),
        })
    }

    /// The name of a model.
    #[doc(hidden)]
    pub fn model_name(&self, model: ModelId) -> Option<&Arc<str>> {
        self.models.get(model.0 as usize)
    }

    /// How large a copy of it is: accounts, counters and holds.
    pub(crate) fn size(&self) -> u64 {
        let size = self.accounts.len().saturating_add(self.counters.len());
        size.saturating_add(self.holds.len()) as u64
    }

    /// How many holds are open.
    #[doc(hidden)]
    pub fn open_holds(&self) -> usize {
        self.holds.iter().filter(|(id, _)| self.holds.open(*id).is_some()).count()
    }

    /// The open holds: what each holds, in picodollars, and when its lease ends.
    #[doc(hidden)]
    pub fn holds(&self) -> impl Iterator<Item = (HoldId, i128, Timestamp)> {
        let open = self.holds.iter().filter(|(_, hold)| !hold.is_late());
        open.map(|(id, hold)| (id, hold.total().cost, hold.lease_until))
    }

    /// What a hold holds in picodollars, see [`HoldView::held`].
    #[inline]
    pub(crate) fn cost_held(&self, id: HoldId) -> Option<i128> {
        let costs = self.holds.get(id)?.parts().map(|part| part.amounts.cost);
        Some(costs.fold(0, i128::saturating_add))
    }

    /// The input tokens of an open hold without what its inner calls have taken out.
    pub(crate) fn input_held(&self, id: HoldId) -> Option<u64> {
        self.holds.get(id).map(|hold| hold.total().input)
    }

    /// A hold, while it is open or waits for its settlement.
    #[doc(hidden)]
    pub fn find_hold(&self, id: HoldId) -> Option<HoldView> {
        self.holds.get(id).map(|hold| HoldView {
            account: hold.target.account,
            held: hold.total().cost,
            has_expired: hold.is_late(),
            is_charged: hold.is_expired(),
        })
    }
}

/// One hold, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct HoldView {
    /// The account that is charged.
    pub account: AccountId,
    /// What it holds without what its inner calls have taken out, in picodollars; if its lease has
    /// ended, what was charged or given back then.
    pub held: i128,
    /// True if its lease has ended.
    pub has_expired: bool,
    /// True if its lease has ended and what it held has been charged.
    pub is_charged: bool,
}

impl Totals {
    /// The amount in one measure.
    pub(super) fn get(&self, measure: Measure) -> i128 {
        let usage = &self.usage;
        match measure {
            Measure::Cost => self.total_cost(),
            Measure::Tokens => i128::from(usage.total_tokens()),
            Measure::InputTokens => i128::from(usage.input_tokens()),
            Measure::UncachedInputTokens => {
                i128::from(usage.input_tokens().saturating_sub(usage.cache_read_tokens()))
            }
            Measure::OutputTokens => i128::from(usage.output_tokens()),
            Measure::Requests => i128::from(self.requests),
            Measure::InFlight | Measure::PerCall => 0,
        }
    }
}
