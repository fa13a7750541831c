//! What the benchmarks measure: budgets of a given shape, and calls through them.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use bursar::{Account, BudgetManager, Estimate, Limit, Model, Period, Tag, Usage, Usd};

/// A limit that is never reached.
fn wide() -> Limit {
    Limit::spend(Usd::dollars(1_000_000_000))
}

/// Limits of so many windows (day, then month) on each level down to `depth`: 1 is the root alone.
pub fn budget(depth: usize, windows: usize) -> BudgetManager {
    let mut builder = BudgetManager::builder();
    for level in ["", "org", "org/*"].iter().take(depth) {
        let periods = [Period::DAY, Period::MONTH].into_iter().take(windows);
        for period in periods {
            builder = builder.limit(*level, wide().per(period));
        }
        if windows == 0 {
            builder = builder.limit(*level, wide());
        }
    }
    builder.build().unwrap()
}

/// An account on that level.
pub fn account(budget: &BudgetManager, depth: usize, number: usize) -> Account {
    match depth {
        1 => budget.account(""),
        2 => budget.account("org"),
        _ => budget.account(&format!("org/agent-{number}")),
    }
    .unwrap()
}

/// The ledger pair: by handle, priced beforehand.
pub struct LedgerPair {
    pub account: Account,
    estimate: Estimate,
    cost: Usd,
}

impl LedgerPair {
    pub fn new(account: Account) -> LedgerPair {
        LedgerPair { account, estimate: Estimate::fixed(Usd::cents(3)), cost: Usd::cents(2) }
    }

    #[inline]
    pub fn call(&self) {
        let hold = self.account.reserve(&self.estimate).unwrap();
        std::hint::black_box(hold.settle_cost(self.cost));
    }

    /// The same by name.
    #[inline]
    pub fn call_by_name(&self, budget: &BudgetManager) {
        let hold = budget.reserve(self.account.path().as_str(), &self.estimate).unwrap();
        std::hint::black_box(hold.settle_cost(self.cost));
    }
}

/// The public pair: by handle, priced twice, one tag, one filtered limit, alerts set.
pub struct PublicPair {
    account: Account,
    model: Model,
    tag: Tag,
}

impl PublicPair {
    pub fn new() -> PublicPair {
        let mut builder = BudgetManager::builder()
            .limit("org", wide().only_model("gpt-6*"))
            .limit("user:*", wide())
            .on_alert(|alert| panic!("{alert}"));
        for level in ["", "org", "org/*"] {
            for period in [Period::DAY, Period::MONTH] {
                builder = builder.limit(level, wide().per(period).alert_at([50, 80, 95]));
            }
        }
        let budget = builder.build().unwrap();
        PublicPair {
            account: budget.account("org/agent").unwrap(),
            model: budget.model("gpt-6.1-terra").unwrap(),
            tag: budget.tag("user:42").unwrap(),
        }
    }

    #[inline]
    pub fn call(&self) {
        let estimate = self.model.estimate().input(1_200).max_output(800);
        let hold = self.account.request(estimate).tag(&self.tag).reserve().unwrap();
        std::hint::black_box(hold.settle(Usage::tokens(1_180, 340)));
    }
}

/// An account whose limit is spent out.
pub fn spent_out() -> (Account, Estimate) {
    let budget = BudgetManager::new(Usd::ZERO).unwrap();
    (budget.account("org/agent").unwrap(), Estimate::fixed(Usd::cents(1)))
}

/// A budget with so many accounts, each of which has been charged once.
pub fn crowd(accounts: usize) -> (BudgetManager, Vec<Account>) {
    let budget = budget(3, 2);
    let crowd: Vec<Account> = (0..accounts).map(|n| account(&budget, 3, n)).collect();
    for account in &crowd {
        LedgerPair::new(account.clone()).call();
    }
    (budget, crowd)
}
