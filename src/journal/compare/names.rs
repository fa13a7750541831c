//! Owns which name on an invoice is which model of a ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Unmatched;
use crate::journal::Invoice;
use crate::price::shorter;

/// The names of an invoice beside those of a ledger.
pub(super) struct Names {
    /// For each name on the invoice its model.
    models: BTreeMap<Arc<str>, Arc<str>>,
    unmatched: Vec<Unmatched>,
    ledger: BTreeSet<Arc<str>>,
    no_model: Arc<str>,
}

impl Names {
    pub(super) fn new<'a>(invoice: &Invoice, ledger: impl Iterator<Item = &'a Arc<str>>) -> Names {
        let ledger: BTreeSet<Arc<str>> = ledger.cloned().collect();
        let mut names = Names {
            models: BTreeMap::new(),
            unmatched: Vec::new(),
            ledger,
            no_model: invoice.no_model(),
        };
        for (_, name) in invoice.lines.keys() {
            if names.models.contains_key(name) {
                continue;
            }
            let said = invoice.same.get(&**name).map(String::as_str);
            let model = match found(name, said, &names.ledger) {
                _ if name.is_empty() => names.no_model.clone(),
                Ok(model) => model,
                Err(unmatched) => {
                    names.unmatched.push(unmatched);
                    let provider = invoice.provider.as_ref().filter(|_| !invoice.bills(name));
                    provider.map_or(name.clone(), |provider| format!("{provider}/{name}").into())
                }
            };
            names.models.insert(name.clone(), model);
        }
        names.unmatched.sort_by(|one, other| one.name.cmp(&other.name));
        names
    }

    /// The model that a name on the invoice means; one of that name if it means none.
    pub(super) fn model<'a>(&'a self, name: &'a Arc<str>) -> &'a Arc<str> {
        self.models.get(name).unwrap_or(name)
    }

    /// The names of either side that the other does not have.
    pub(super) fn unmatched(self) -> (Vec<Unmatched>, Vec<Arc<str>>) {
        let matched: BTreeSet<&Arc<str>> = self.models.values().collect();
        let alone = |model: &&Arc<str>| **model != self.no_model && !matched.contains(model);
        let in_ledger = self.ledger.iter().filter(alone).cloned().collect();
        (self.unmatched, in_ledger)
    }
}

/// The model of a ledger that a name means, by the rules of [`Invoice::compare`].
fn found(
    name: &Arc<str>,
    said: Option<&str>,
    ledger: &BTreeSet<Arc<str>>,
) -> Result<Arc<str>, Unmatched> {
    let nothing = || Unmatched { name: name.clone(), could_be: Vec::new() };
    if let Some(said) = said {
        return ledger.get(said).cloned().ok_or_else(nothing);
    }
    let is = |model: &str, form: &str| model == form || id(model) == form;
    let undated = std::iter::once(&**name).chain(shorter(name));
    let by_their_name = undated.map(|form| -> Vec<&Arc<str>> {
        // A model of exactly that name is meant, even if a provider has one of that id.
        match ledger.get(form) {
            Some(model) => vec![model],
            None => ledger.iter().filter(|model| is(model, form)).collect(),
        }
    });
    let dated = |model: &&Arc<str>| {
        shorter(id(model)).any(|form| form == &**name) || shorter(model).any(|form| form == &**name)
    };
    let by_ours = std::iter::once_with(|| ledger.iter().filter(dated).collect());
    let first = by_their_name.chain(by_ours).find(|models| !models.is_empty());
    match first.as_deref() {
        None => Err(nothing()),
        Some([model]) => Ok(Arc::clone(model)),
        Some(several) => {
            let could_be = several.iter().map(|model| Arc::clone(model)).collect();
            Err(Unmatched { could_be, ..nothing() })
        }
    }
}

/// A model's name without its provider.
fn id(model: &str) -> &str {
    model.split_once('/').map_or(model, |(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str, ledger: &[&str]) -> String {
        let ledger = ledger.iter().map(|model| Arc::from(*model)).collect();
        match found(&name.into(), None, &ledger) {
            Ok(model) => model.to_string(),
            Err(unmatched) if unmatched.could_be.is_empty() => "nothing".to_owned(),
            Err(unmatched) => unmatched.could_be.join(" or "),
        }
    }

    #[test]
    fn names_mean_what_they_mean_in_a_price_book() {
        let ledger = ["openai/gpt-5", "openai/gpt-5-mini", "openai/gpt-4o-2024-05-13"];
        for (name, expected) in [
            ("gpt-5", "openai/gpt-5"),
            ("openai/gpt-5", "openai/gpt-5"),
            ("gpt-5-2025-08-07", "openai/gpt-5"),
            ("openai/gpt-5-mini-2025-08-07", "openai/gpt-5-mini"),
            ("gpt-4o", "openai/gpt-4o-2024-05-13"),
            ("gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),
            ("gpt-4o-2024-08-06", "nothing"), // another snapshot
            ("gpt-5-pro", "nothing"),         // never a mere prefix
            ("azure/gpt-5", "nothing"),
            ("GPT-5", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(meant(name, &ledger), expected, "{name}");
        }
    }

    #[test]
    fn a_snapshot_of_its_own_is_meant_before_the_model_without_a_date() {
        let ledger = ["openai/gpt-4o", "openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-08-06"];
        assert_eq!(meant("gpt-4o-2024-05-13", &ledger), "openai/gpt-4o-2024-05-13");
        assert_eq!(meant("gpt-4o-2024-11-20", &ledger), "openai/gpt-4o");
        assert_eq!(meant("gpt-4o", &ledger), "openai/gpt-4o");
    }

    #[test]
    fn what_could_be_two_is_neither() {
        let both = "openai/gpt-4o-2024-05-13 or openai/gpt-4o-2024-08-06";
        assert_eq!(
            meant("gpt-4o", &["openai/gpt-4o-2024-08-06", "openai/gpt-4o-2024-05-13"]),
            both
        );
        assert_eq!(meant("gpt-5", &["azure/gpt-5", "openai/gpt-5"]), "azure/gpt-5 or openai/gpt-5");
        assert_eq!(
            meant("openai/gpt-5", &["openai/gpt-5", "openrouter/openai/gpt-5"]),
            "openai/gpt-5"
        );
        let router = ["openrouter/anthropic/claude-opus-4.8"];
        assert_eq!(meant("anthropic/claude-opus-4.8-20260528", &router), router[0]);
        assert_eq!(meant("anthropic/claude-4.8-opus-20260528", &router), "nothing");
    }
}
