//! [`Keys`] and [`Payer`]: which account pays for a call.

use std::collections::HashMap;
use std::path::Path;

use axum::http::HeaderMap;
use bursar::{Account, BudgetManager, Tag};
use serde::Deserialize;

use crate::options::{StartError, read, wrong};
use crate::refusal::Refusal;

/// Who pays where a request says nothing.
const ANONYMOUS: &str = "anonymous";

/// The account and the tags that a call is charged to.
pub(crate) struct Payer {
    pub(crate) account: Account,
    pub(crate) tags: Vec<Tag>,
}

/// The gateway's own keys.
#[derive(Debug)]
pub(crate) struct Keys(HashMap<String, Owner>);

#[derive(Debug)]
struct Owner {
    account: String,
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    account: String,
    #[serde(default)]
    tags: Vec<String>,
}

impl Keys {
    /// Reads them and opens their accounts, so that a wrong name is an error at the start.
    pub(crate) fn read(file: &Path, budget: &BudgetManager) -> Result<Keys, StartError> {
        let listed: File = toml::from_str(&read(file)?).map_err(|error| wrong(file, error))?;
        let mut keys = HashMap::new();
        for Entry { key, account, tags } in listed.key {
            budget.account(&account).map_err(|error| wrong(file, error))?;
            for tag in &tags {
                budget.tag(tag).map_err(|error| wrong(file, error))?;
            }
            if keys.insert(key, Owner { account, tags }).is_some() {
                return Err(wrong(file, "two entries have the same key"));
            }
        }
        Ok(Keys(keys))
    }

    fn owner(&self, headers: &HeaderMap) -> Result<&Owner, Refusal> {
        let bearer = text(headers, "authorization").and_then(|it| it.strip_prefix("Bearer "));
        let shown = bearer.or(text(headers, "x-api-key"));
        shown.and_then(|key| self.0.get(key)).ok_or_else(Refusal::unknown_key)
    }

    /// Whether the request shows a key.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        self.owner(headers).map(|_| ())
    }

    /// Whether the request shows a key of the root account, to which the whole budget belongs.
    pub(crate) fn check_root(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self.owner(headers)?.account.is_empty() {
            true => Ok(()),
            false => Err(Refusal::forbidden("the report is for keys of the root account, `\"\"`")),
        }
    }
}

impl Payer {
    /// With keys: the key's account, or the one below it that the request names. Without: the one
    /// that it names.
    pub(crate) fn of(
        headers: &HeaderMap,
        keys: Option<&Keys>,
        budget: &BudgetManager,
    ) -> Result<Payer, Refusal> {
        let owner = keys.map(|keys| keys.owner(headers)).transpose()?;
        // An empty name would be the root, which the limits of a pattern do not mean.
        let named = text(headers, "x-bursar-account").filter(|name| !name.trim().is_empty());
        let account = match (owner, named) {
            (None, named) => named.unwrap_or(ANONYMOUS),
            (Some(owner), None) => &owner.account,
            (Some(owner), Some(named)) if is_within(named, &owner.account) => named,
            (Some(owner), Some(named)) => {
                let own = &owner.account;
                let why =
                    format!("`{named}` is neither the account of this key, `{own}`, nor below it");
                return Err(Refusal::forbidden(why));
            }
        };
        let account = budget.account(account).map_err(Refusal::bad)?;
        let of_key = owner.into_iter().flat_map(|owner| owner.tags.iter().map(String::as_str));
        let listed = text(headers, "x-bursar-tags").unwrap_or_default().split(',');
        let listed = listed.map(str::trim).filter(|tag| !tag.is_empty());
        let tags = of_key.chain(listed).map(|tag| budget.tag(tag).map_err(Refusal::bad));
        Ok(Payer { account, tags: tags.collect::<Result<_, _>>()? })
    }
}

fn is_within(path: &str, above: &str) -> bool {
    let below = path.strip_prefix(above);
    above.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn an_account_is_within_itself_and_those_above_it() {
        for path in ["team", "team/a", "team/a/b"] {
            assert!(is_within(path, "team") && is_within(path, ""), "{path}");
        }
        for path in ["", "teams", "te", "other/team"] {
            assert!(!is_within(path, "team"), "{path}");
        }
    }
}
