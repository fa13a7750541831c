//! [`open_account`] opens accounts by name; [`AccountCaps`] limits how many, since names may come
//! from outside.

use std::sync::Arc;

use super::error::AccountError;
use crate::clock::Timestamp;
use crate::ledger::{AccountId, Change, Command, Ledger, Path};

/// The most accounts that may be open: see `Builder::max_accounts` and `Builder::max_children`.
#[derive(Clone, Debug)]
pub(super) struct AccountCaps {
    pub(super) total: usize,
    /// By the account above, the most directly below it.
    pub(super) below: Arc<[(Path, usize)]>,
}

impl AccountCaps {
    /// The default of `Builder::max_accounts`.
    pub(super) const TOTAL: usize = 2_000_000;

    /// Checks that an account can be opened, with the accounts above it that are missing.
    fn check(&self, ledger: &Ledger, path: &Path) -> Result<(), AccountError> {
        let full = |below: Option<Path>, most| {
            Err(AccountError::TooMany { account: path.clone(), below, most })
        };
        let (mut wanted, mut missing) = (Some(path.clone()), 0_usize);
        while let Some(new) = wanted.filter(|path| ledger.find(path.as_str()).is_none()) {
            missing = missing.saturating_add(1);
            wanted = new.parent();
            let Some(above) = &wanted else { break };
            let limit = self.below.iter().find(|(path, _)| path == above);
            if let Some((_, most)) = limit.filter(|(_, most)| ledger.children(above) >= *most) {
                return full(Some(above.clone()), *most);
            }
        }
        if ledger.open_accounts().saturating_add(missing) > self.total && missing > 0 {
            full(None, self.total)
        } else {
            Ok(())
        }
    }
}

/// The account, or `None` if it is not there and can be opened.
pub(super) fn find_or_check(
    ledger: &Ledger,
    path: &Path,
    caps: &AccountCaps,
) -> Result<Option<AccountId>, AccountError> {
    let mut next = Some(path.clone());
    while let Some(nearest) = next {
        let Some(id) = ledger.find(nearest.as_str()) else {
            next = nearest.parent();
            continue;
        };
        let is_open = ledger.account(id).is_some_and(|view| view.is_open);
        match (is_open, nearest == *path) {
            (false, _) => return Err(AccountError::Closed(path.clone())),
            (true, true) => return Ok(Some(id)),
            (true, false) => break,
        }
    }
    caps.check(ledger, path)?;
    Ok(None)
}

/// Finds the account, or opens it with all missing accounts above it.
pub(super) fn open_account(
    ledger: &mut Ledger,
    now: Timestamp,
    path: &Path,
    caps: &AccountCaps,
) -> Result<AccountId, AccountError> {
    match find_or_check(ledger, path, caps)? {
        Some(account) => Ok(account),
        None => open_line(ledger, now, path),
    }
}

/// Opens an account whose parent is open.
pub(super) fn open_below(
    ledger: &mut Ledger,
    now: Timestamp,
    path: &Path,
    caps: &AccountCaps,
) -> Result<AccountId, AccountError> {
    if path.parent().is_some_and(|above| ledger.find(above.as_str()).is_none()) {
        return Err(AccountError::Closed(path.clone()));
    }
    caps.check(ledger, path)?;
    open(ledger, now, path)
}

fn open_line(ledger: &mut Ledger, now: Timestamp, path: &Path) -> Result<AccountId, AccountError> {
    if let Some(account) = ledger.find(path.as_str()) {
        return Ok(account);
    }
    if let Some(above) = path.parent() {
        open_line(ledger, now, &above)?;
    }
    open(ledger, now, path)
}

fn open(ledger: &mut Ledger, now: Timestamp, path: &Path) -> Result<AccountId, AccountError> {
    let refused = |rejection| AccountError::from_rejection(&rejection, path);
    let event = ledger.execute(now, &Command::OpenAccount { path: path.clone() });
    match event.map_err(refused)?.change {
        Change::Opened { account, .. } => Ok(account),
        _ => Err(AccountError::Full),
    }
}

/// A path of the main tree.
pub(super) fn account_path(name: &str) -> Result<Path, AccountError> {
    let path = Path::new(name)?;
    if path.is_tag() {
        Err(AccountError::WrongTree(path, "an account; ask for it with `tag`"))
    } else {
        Ok(path)
    }
}

/// A path of a tag tree, below its root: a call that is charged to the root alone would pass the
/// limits of every tag (`user:*`).
pub(super) fn tag_path(name: &str) -> Result<Path, AccountError> {
    let path = Path::new(name)?;
    let what = match (path.is_tag(), path.is_root()) {
        (true, false) => return Ok(path),
        (false, _) => "a tag; a tag has a tree of its own, such as `user:42`",
        (true, true) => {
            "a tag: the id after the `:` is empty; write one, as in `user:42`, and take an id from \
             outside to `tag_for`, which accepts any text"
        }
    };
    Err(AccountError::WrongTree(path, what))
}

/// The account below `parent` for an id from outside. A parent that is a tag tree may be written
/// without its `:`.
pub(super) fn path_for(parent: &str, id: &str, is_tag: bool) -> Result<Path, AccountError> {
    let parent = if is_tag && !parent.contains(':') {
        Path::new(&format!("{parent}:"))?
    } else {
        Path::new(parent)?
    };
    Ok(parent.child_for(id)?)
}
