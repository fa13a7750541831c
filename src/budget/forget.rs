//! [`Tag::forget`] and [`Account::forget`]: take a name out of the books and leave the sums.

use super::account::{Account, Tag};
use super::error::AccountError;
use crate::ledger::{Command, Ledger, Rejection};

impl Tag {
    /// Takes the tag, and every tag below it, out of the books: a user who asks to be forgotten. No
    /// total changes: what was booked on it counts as booked on the tag above it or, without a name,
    /// on the root of its tree, whose spend and limits stay as they are.
    ///
    /// Its place is freed and its name is gone from the ledger, from every later report and, with
    /// them, the limits and freezes that were set for it by name. The handle, and its clones, refuse
    /// from then on. The same name is a new tag if it is asked for again, and limits of a pattern
    /// (`user:*`) begin anew for it: who comes back to a daily limit has all of it.
    ///
    /// ```
    /// use bursar::{BudgetManager, Estimate, Usd};
    ///
    /// let budget = BudgetManager::new(Usd::dollars(1))?;
    /// let ada = budget.tag_for("user", "ada@acme.org")?;
    /// let support = budget.account("support")?;
    /// support.ask(Estimate::fixed(Usd::cents(4))).tag(&ada).reserve()?.settle_cost(Usd::cents(3));
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
    /// A journal is a history, and what is written in it is not altered. The events and snapshots of the
    /// file name the tag until two further snapshots have been made, each after ten thousand events or
    /// more; the lines of `charges` name it in their column `tags` as long as they are kept: 400 days, or
    /// what `SqliteOptions::keep_charges` says. To have a name out of a file within a month, keep the charges
    /// for so long, and export what has to be kept for longer without its tags. Copies of the file, exports
    /// and what observers, traces and metrics were given are yours to clean. Where no name may ever
    /// be written, charge the tag of a pseudonym, and forget what it stands for.
    ///
    /// # Errors
    /// [`AccountError::InUse`] while calls that carry it are under way, [`AccountError::Closed`] if it
    /// has been forgotten already. Nothing has changed then.
    pub fn forget(&self) -> Result<(), AccountError> {
        self.account().forget()
    }
}

impl Account {
    /// Takes the account, and every account below it, out of the books: a customer who has left. What
    /// [`Tag::forget`] says of a tag holds of it too: its spend is that of the account above it from
    /// then on, no total changes, and the limits that were set for it by name are lifted. A call that
    /// names the account afterwards opens a new one.
    ///
    /// # Errors
    /// [`AccountError::InUse`] while calls of it are under way (a [`Run`](super::Run) that is closed
    /// waits for them instead), [`AccountError::Root`] of the whole budget, [`AccountError::Closed`] if
    /// it has been closed already. Nothing has changed then.
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
