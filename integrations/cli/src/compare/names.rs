//! `Names`: matches names on an invoice with models of a ledger.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bursar::PriceBook;

use self::words::Words;
use super::Unmatched;
use crate::Invoice;

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
    let undated = std::iter::once(&**name).chain(PriceBook::shorter_names(name));
    let by_their_name = undated.map(|form| -> Vec<&Arc<str>> {
        // A model of exactly that name is meant, even if a provider has one of that id.
        match ledger.get(form) {
            Some(model) => vec![model],
            None => ledger.iter().filter(|model| is(model, form)).collect(),
        }
    });
    let dated = |model: &&Arc<str>| {
        PriceBook::shorter_names(id(model)).any(|form| form == &**name)
            || PriceBook::shorter_names(model).any(|form| form == &**name)
    };
    let by_ours = std::iter::once_with(|| ledger.iter().filter(dated).collect());
    let spelled = [true, false].into_iter().map(|is_strict| spelled_as(name, is_strict, ledger));
    let ways = by_their_name.chain(by_ours).chain(spelled);
    let first = ways.into_iter().find(|models| !models.is_empty());
    match first.as_deref() {
        None => Err(nothing()),
        Some([model]) => Ok(Arc::clone(model)),
        Some(several) => {
            let could_be = several.iter().map(|model| Arc::clone(model)).collect();
            Err(Unmatched { could_be, ..nothing() })
        }
    }
}

/// The models that have the same words as a name. Their date and region are the same too or, if it
/// is not strict, one of the two has none.
fn spelled_as<'a>(
    name: &str,
    is_strict: bool,
    ledger: &'a BTreeSet<Arc<str>>,
) -> Vec<&'a Arc<str>> {
    let (path, name) = name.rsplit_once('/').unwrap_or(("", name));
    let theirs = Words::forms(name);
    let is_spelled = |model: &&Arc<str>| {
        let (above, model) = model.rsplit_once('/').unwrap_or(("", model));
        let mut path = path.split('/').filter(|part| !part.is_empty());
        let is_below =
            path.all(|part| above.split('/').any(|other| other.eq_ignore_ascii_case(part)));
        let is = |our: &Words| theirs.iter().any(|their| our.is(their, is_strict));
        is_below && Words::forms(model).iter().any(is)
    };
    ledger.iter().filter(is_spelled).collect()
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
            ("GPT-5", "openai/gpt-5"),
            ("GPT 5 Mini", "openai/gpt-5-mini"),
            ("mini GPT-5", "openai/gpt-5-mini"),
            ("OpenAI GPT-5", "openai/gpt-5"),
            ("Azure GPT-5", "nothing"),
            ("GPT-4o", "openai/gpt-4o-2024-05-13"),
            ("GPT-4o 2024-05-13", "openai/gpt-4o-2024-05-13"),
            ("GPT-4o (2024-08-06)", "nothing"), // another snapshot
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
        assert_eq!(meant("anthropic/claude-4.8-opus-20260528", &router), router[0]);
        assert_eq!(meant("openai/claude-4.8-opus", &router), "nothing");
    }

    #[test]
    fn words_may_stand_in_any_order_and_numbers_in_theirs_alone() {
        let ledger = [
            "anthropic/claude-3-5-haiku-latest",
            "anthropic/claude-haiku-4-5",
            "anthropic/claude-opus-4-0",
            "anthropic/claude-opus-4-20250514",
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "google/gemini-2.5-flash",
            "google/gemini-2.5-flash-lite",
            "mistral/mistral-large-latest",
            "openai/gpt-5.4",
        ];
        for (name, expected) in [
            ("Claude Haiku 3.5", "anthropic/claude-3-5-haiku-latest"),
            ("claude-haiku-3-5", "anthropic/claude-3-5-haiku-latest"),
            ("claude-3.5-haiku", "anthropic/claude-3-5-haiku-latest"),
            ("claude-3-5-haiku-20241022", "anthropic/claude-3-5-haiku-latest"),
            ("Claude 3.5 Haiku (2024-10-22)", "anthropic/claude-3-5-haiku-latest"),
            ("anthropic/claude-3.5-haiku", "anthropic/claude-3-5-haiku-latest"),
            ("Anthropic Claude Haiku 3.5", "anthropic/claude-3-5-haiku-latest"),
            ("Claude Haiku 4.5", "anthropic/claude-haiku-4-5"),
            ("Claude Haiku 5.3", "nothing"), // the numbers of 3.5, the other way round
            ("Claude Haiku 4", "nothing"),
            ("Claude Haiku", "nothing"),
            ("Claude Opus 4", "anthropic/claude-opus-4-0"),
            ("claude-opus-4-20250514", "anthropic/claude-opus-4-20250514"),
            ("Claude Sonnet 4.5", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("US Claude Sonnet 4.5", "nothing"), // a region stands in front of a dot
            ("eu.anthropic.claude-sonnet-4-5", "nothing"),
            ("Gemini 2.5 Flash", "google/gemini-2.5-flash"),
            ("gemini-2-5-flash-lite", "google/gemini-2.5-flash-lite"),
            ("Gemini 2.5 Flash Lite Preview", "nothing"),
            ("Mistral Large", "mistral/mistral-large-latest"),
            ("Large", "nothing"),
            ("GPT 5.4", "openai/gpt-5.4"),
            ("GPT 4.5", "nothing"),
            ("latest", "nothing"),
            ("2025-05-14", "nothing"),
            ("---", "nothing"),
        ] {
            assert_eq!(meant(name, &ledger), expected, "{name}");
        }
        let two = ["anthropic/claude-3-5-haiku-latest", "openrouter/anthropic/claude-3.5-haiku"];
        assert_eq!(meant("Claude Haiku 3.5", &two), two.join(" or "));

        // Regions have prices of their own: a name without one could be either.
        let [all, us] = ["global", "us"]
            .map(|r| format!("bedrock/{r}.anthropic.claude-sonnet-4-5-20250929-v1:0"));
        let regions = [&*all, &*us];
        assert_eq!(meant("Claude Sonnet 4.5", &regions), regions.join(" or "));
        assert_eq!(meant("us.anthropic.claude-sonnet-4-5", &regions), us);
        let both = ["bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", &*us];
        assert_eq!(meant("us.anthropic.claude-4.5-sonnet-20250929", &both), us);
        assert_eq!(meant("anthropic.claude-4.5-sonnet-20250929", &both), both[0]);
    }
}
