//! The recount: every sum of the ledger computed again from its parts.

use super::Ledger;
use super::accounts::NONE;
use super::counter::{Counter, Span, WindowSlot};
use super::fast_path::Headroom;

impl Ledger {
    /// Law 4, conservation: recounts every balance, counter and hold. For tests, fuzzing and debug
    /// builds; the time it takes grows with accounts times holds.
    ///
    /// # Errors
    /// A sentence that says which sum is wrong. That is a defect of this library.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.check_balances()?;
        self.check_counters()?;
        self.check_lines()?;
        self.check_rules()?;
        self.holds.check()?;
        self.check_nesting()?;
        self.check_keys()
    }

    /// In each tree, an account's spent and held are the sums of its children's plus its own.
    fn check_balances(&self) -> Result<(), String> {
        for (index, account) in self.accounts.iter() {
            let name = &account.path;
            // The balance.
            let children = || account.children.iter().map(|child| self.accounts.at(*child));
            let own: i128 = account.totals.iter().map(|(_, totals)| totals.total_cost()).sum();
            let spent = own + children().map(|child| child.balance.spent).sum::<i128>();
            if spent != account.balance.spent {
                return Err(format!("`{name}`: spent {} is {spent}", account.balance.spent));
            }
            let parts = self.held_parts().filter(|(charged, ..)| *charged == index);
            let own: i128 = parts.map(|(_, part, _)| part.amounts.cost).sum();
            let held = own + children().map(|child| child.balance.held).sum::<i128>();
            if held != account.balance.held {
                return Err(format!("`{name}`: held {} is {held}", account.balance.held));
            }
            // The holds that name the account, open and late.
            let charged = |id: &&super::AccountId| id.index == index;
            let open = self.holds.iter().filter(|(id, _)| self.holds.open(*id).is_some());
            let holds = open.filter(|(_, hold)| {
                [hold.target.account]
                    .iter()
                    .chain(hold.target.tags.as_slice())
                    .any(|id| charged(&id))
            });
            if holds.count() != account.holds as usize {
                return Err(format!("`{name}`: {} holds is wrong", account.holds));
            }
            let late = self.holds.iter().filter(|(_, hold)| {
                hold.is_late() && hold.target.account == self.accounts.id(index)
            });
            if late.count() != account.late as usize {
                return Err(format!("`{name}`: {} late holds is wrong", account.late));
            }
            // The links of the tree.
            if !self.accounts.knows_children(index) {
                return Err(format!("`{name}`: a child does not know its place"));
            }
            if children().any(|child| child.parent != index || child.tree != account.tree) {
                return Err(format!("`{name}`: a child lies elsewhere"));
            }
        }
        Ok(())
    }

    fn check_counters(&self) -> Result<(), String> {
        let per_call = self.counters.iter().flatten().filter(|counter| counter.is_per_call());
        if per_call.count() != self.per_call as usize {
            return Err(format!("{} caps for each call is wrong", self.per_call));
        }
        for (place, counter) in self.counters.iter().enumerate() {
            let Some(counter) = counter else { continue };
            let name = format!("limit {place} of `{}`", self.accounts.at(counter.account).path);
            let account = self.accounts.at(counter.account);
            counter
                .check(&account.balance, &self.windows, self.now, self.window_epoch)
                .map_err(|what| format!("{name}: {what}"))?;
            // What is held, in this window and the one before.
            let (mut now, mut before) = (0, 0);
            for (charged, part, model) in self.held_parts() {
                let counted = self.is_above(counter.account, charged)
                    && self.filter_lets_through(counter, model);
                match counter.slot(&self.windows, part.at) {
                    WindowSlot::Current if counted => now += counter.of(&part.amounts),
                    WindowSlot::Previous if counted => before += counter.of(&part.amounts),
                    _ => {}
                }
            }
            let level = self.level(counter, self.now);
            if level.held != now {
                return Err(format!("{name}: held {} is {now}", level.held));
            }
            let previous = counter.previous_level(&account.balance, &self.windows);
            if previous.held != before {
                return Err(format!("{name}: held before {} is {before}", previous.held));
            }
            // What is spent, where the account's totals have the same sum.
            if counter.span == Span::Lifetime && counter.filter == Counter::NO_FILTER {
                let spent = self.total_of(counter.account, counter.measure) + counter.opening_gap;
                if level.spent != spent {
                    return Err(format!("{name}: spent {} is {spent}", level.spent));
                }
            }
        }
        Ok(())
    }

    fn check_lines(&self) -> Result<(), String> {
        for (index, account) in self.accounts.iter() {
            let (own, name) = (&account.all_limits, &account.path);
            let is_derived = |limit: &&u32| self.counter(**limit).is_some_and(Counter::is_derived);
            let counting = own.iter().filter(|limit| !is_derived(limit));
            if !counting.eq(&account.counting) {
                return Err(format!(
                    "`{name}`: the list of its limits that are not derived is stale"
                ));
            }
            let limits = own.iter().filter_map(|limit| self.counter(*limit));
            if account.headroom.epoch() == self.window_epoch
                && account.headroom != Headroom::of(self.window_epoch, limits)
            {
                return Err(format!("`{name}`: its headroom is stale"));
            }
            let frozen = self
                .accounts
                .upward(index)
                .filter(|index| self.accounts.at(*index).frozen_why.is_some());
            if frozen.last().unwrap_or(NONE) != account.frozen_by {
                return Err(format!("`{}`: its freeze is stale", account.path));
            }
        }
        Ok(())
    }

    /// Every account has exactly the counters of the rules that mean it.
    fn check_rules(&self) -> Result<(), String> {
        self.rules.check()?;
        self.filters.check(&self.rules.filters())?;
        for (_, account) in self.accounts.iter() {
            let own = account.all_limits.iter().filter_map(|place| self.counter(*place));
            let mut has: Vec<u32> = own.map(|counter| counter.rule).collect();
            let meant = self.rules.iter().filter(|(_, rule)| rule.scope.matches(&account.path));
            let wanted: Vec<u32> = meant.map(|(place, _)| place).collect();
            has.sort_unstable();
            if has != wanted {
                return Err(format!("`{}`: its limits are {has:?} of {wanted:?}", account.path));
            }
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), String> {
        if self.keys.len() == self.keys_by_age.len() {
            Ok(())
        } else {
            Err("keys are remembered twice, or never forgotten".to_owned())
        }
    }
}
