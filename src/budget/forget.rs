//! [`Tag::forget`] and [`Account::forget`]: remove a name from the ledger and keep its totals.

use super::account::{Account, Tag};
use super::error::AccountError;
use crate::ledger::{Command, Ledger, Rejection};

impl Tag {
    /// Removes the tag, and every tag below it, from the ledger: for a user who asks to be
    /// forgotten. No total changes: its spend moves to the tag above it or to the root of its tree,
    /// whose spend and limits stay as they are.
    ///
    /// Its name disappears from the ledger and from later reports, with the limits and freezes that
    /// were set for it by name. The handle and its clones refuse calls from then on. Asking for the
    /// same name again opens a new tag, for which limits of a pattern (`user:*`) start from zero: a
    /// user who comes back has a whole daily limit.
    ///
    /// ```
    /// use bursar::{BudgetManager, Estimate, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let ada = budget.tag_for("user", "ada@acme.org")?;
    /// let support = budget.account("support")?;
    /// support.request(Estimate::fixed(Usd::cents(4))).tag(&ada).reserve()?.settle_cost(Usd::cents(3));
    ///
    /// ada.forget()?;
    /// let report = budget.report();
    /// assert!(report.account("user:ada@acme.org").is_none());
    /// assert_eq!(report.account("user:").map(|users| users.spent), Some(Usd::cents(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # What a journal still has
    ///
    /// A journal is a history and is not rewritten. Its events and snapshots name the tag until two
    /// more snapshots have been made, each after ten thousand events or more. The lines of
    /// `charges` name it in their column `tags` for as long as they are kept: 400 days, or the time
    /// of `SqliteOptions::keep_charges`. To remove names from a file within a month, keep charges
    /// for a month, and export them without tags if you need them longer. Copies of the file,
    /// exports, traces, metrics and logs of observers are yours to clean. If a name must never be
    /// written, use a pseudonym as the tag, and delete the mapping.
    ///
    /// # Errors
    /// [`AccountError::InUse`] while calls that carry it are under way, [`AccountError::Closed`] if
    /// it has been forgotten already. On an error nothing changes.
    pub fn forget(&self) -> Result<(), AccountError> {
        self.account().forget()
    }
}

impl Account {
    /// Removes the account, and every account below it, from the ledger: for a customer who has
    /// left. It works as [`Tag::forget`] does: its spend moves to the account above it, no total
    /// changes, and the limits that were set for it by name are lifted. A later call that names the
    /// account opens a new one.
    ///
    /// # Errors
    /// [`AccountError::InUse`] while calls of it are under way (a [`Run`](super::Run) that is
    /// closed waits for them instead), [`AccountError::Root`] of the whole budget,
    /// [`AccountError::Closed`] if it has been closed already. On an error nothing changes.
    pub fn forget(&self) -> Result<(), AccountError> {
        let (id, path) = (self.id(), self.path().clone());
        let work = move |ledger: &mut Ledger, now| {
            let calls = ledger.calls_below(id).ok_or(Rejection::Closed)?;
            if calls > 0 {
                return Err(Rejection::InUse { calls });
            }
            ledger.decide(now, &Command::Close { account: id })?;
            for (scope, limit) in ledger.limits_by_name(&path) {
                ledger.execute(now, &Command::LiftLimit { scope, limit })?;
            }
            ledger.execute(now, &Command::Close { account: id })
        };
        match self.core.change(work)? {
            Ok(_) => Ok(()),
            Err(rejection) => Err(AccountError::from_rejection(&rejection, self.path())),
        }
    }
}
