//! Tests that the `Display` of every error is complete, the cause included, and that `source()`
//! does not repeat it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use bursar::budget::{AccountError, RecordError};
use bursar::journal::JournalError;
use bursar::price::{EstimateError, PriceError, RateError};
use bursar::usage::RequestError;
use bursar::{BudgetManager, Estimate, Limit, Plan, Policy, PriceBook, Rate, ReserveError, Usd};

/// The sentence has the cause, and nothing of it stands in the chain of sources once more.
fn tells(error: &(dyn Error + 'static), cause: &str) {
    let text = error.to_string();
    assert!(text.contains(cause), "{error:?} tells {text:?}, and not {cause:?}");
    let mut next = error.source();
    while let Some(source) = next {
        assert!(!text.contains(&source.to_string()), "{text:?} is repeated by its source {source}");
        next = source.source();
    }
}

/// It said "limit 1, for ``, cannot be set".
#[test]
fn a_negative_budget_says_what_is_wrong_with_it() {
    let error = BudgetManager::new(Usd::dollars(-1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "limit 1, for the whole budget: the limit \"-$1.00 in all\" cannot be set: an amount is \
         negative; use 0 to admit nothing",
    );
    tells(&error, "an amount is negative");
}

#[test]
fn an_error_has_its_cause_in_its_sentence() {
    let build = |to: &str, limit| BudgetManager::builder().limit(to, limit).build().unwrap_err();
    tells(&build("a//b", Limit::requests(1)), "an empty segment");
    tells(&build("a", Limit::tokens(1).alert_at([0])), "alert_at");
    let twice =
        BudgetManager::builder().limit("", Limit::requests(1)).limit("", Limit::requests(2));
    tells(&twice.build().unwrap_err(), "both for the whole budget");
    tells(&BudgetManager::builder().max_children("a/", 1).build().unwrap_err(), "empty segment");

    let journal = JournalError::new("the disk is full");
    tells(&ReserveError::from(journal.clone()), "the disk is full");
    tells(&ReserveError::from(AccountError::from(journal.clone())), "the disk is full");
    tells(&RecordError::from(journal.clone()), "the disk is full");
    tells(&RecordError::from(AccountError::from(journal.clone())), "the disk is full");
    tells(&AccountError::from(journal.clone()), "the disk is full");
    tells(&bursar::budget::SetLimitError::from(journal.clone()), "the disk is full");
    tells(&bursar::budget::BuildError::from(journal), "the disk is full");

    let budget = BudgetManager::new(Usd::dollars(1)).unwrap();
    tells(&budget.account("a//b").unwrap_err(), "an empty segment");
    tells(&budget.reserve("a//b", &Estimate::fixed(Usd::ZERO)).unwrap_err(), "an empty segment");
    tells(&budget.reserve("a", &Estimate::fixed(Usd::cents(-1))).unwrap_err(), "-$0.01");
    tells(&budget.set_limit("a", Limit::spend(Usd::cents(-1))).unwrap_err(), "negative");
    tells(&budget.set_limit(":", Limit::spend(Usd::ZERO)).unwrap_err(), "an empty segment");
    let denied = budget.reserve("a", &Estimate::fixed(Usd::dollars(2))).unwrap_err();
    tells(&denied, "it can never pass unless the limit is raised");
    let call: bursar::agent::CallError<std::io::Error> = denied.into();
    tells(&call, "it can never pass unless the limit is raised");

    tells(&budget.estimate_request("[]").unwrap_err(), "send one JSON object");
    tells(
        &budget.estimate_request(r#"{"model": "nobody/nothing"}"#).unwrap_err(),
        "nobody/nothing",
    );
    tells(&EstimateError::from(RequestError::UnboundedSearches), "how often");
    let price = PriceError::Impossible { model: "a/b".into() };
    tells(&EstimateError::from(price.clone()), "a/b");
    tells(&ReserveError::from(price), "a/b");
    tells(&"x".parse::<Rate>().unwrap_err(), "write a decimal number");
    tells(&RateError::from("x".parse::<Usd>().unwrap_err()), "write a decimal number");
    let book = PriceBook::from_toml("[[model]]\nid = \"x\"").unwrap_err();
    tells(&book, "cannot be read");
    tells(&PriceBook::from_list("[[model]]\nid = \"x\"").unwrap_err(), "cannot be");

    let policy = Policy::from_toml("[[limit]]\naccount = \"a//b\"\nspend = 1").unwrap_err();
    tells(&policy, "an empty segment");
    let agents = bursar::plan::Agents::new("a//b", 1).tasks_per_day(1);
    let plan = Plan::builder().agents(agents).build("2026-11-24T00:00:00Z".parse().unwrap());
    tells(&plan.unwrap_err(), "an empty segment");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The rule behind it, for every error of the crate and its integrations: one that is not transparent
/// has no `#[from]`, no `#[source]` and no field `source`, because its sentence names the cause.
#[test]
fn no_error_leaves_its_cause_to_its_source() {
    struct Errors(Vec<String>, usize);
    impl<'ast> syn::visit::Visit<'ast> for Errors {
        fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
            if is_error(&item.attrs) {
                for variant in &item.variants {
                    let name = format!("{}::{}", item.ident, variant.ident);
                    self.look(&name, &variant.attrs, &variant.fields);
                }
            }
        }

        fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
            if is_error(&item.attrs) {
                self.look(&item.ident.to_string(), &item.attrs, &item.fields);
            }
        }
    }
    impl Errors {
        fn look(&mut self, name: &str, attrs: &[syn::Attribute], fields: &syn::Fields) {
            self.1 += 1;
            let sentence = attrs.iter().find(|attr| attr.path().is_ident("error"));
            let is_transparent = sentence.is_some_and(|attr| {
                attr.parse_args::<syn::Ident>().is_ok_and(|word| word == "transparent")
            });
            let has_source = |field: &syn::Field| {
                let marked = |attr: &syn::Attribute| {
                    attr.path().is_ident("from") || attr.path().is_ident("source")
                };
                let named = field.ident.as_ref().is_some_and(|name| name == "source");
                named || field.attrs.iter().any(marked)
            };
            if !is_transparent && fields.iter().any(has_source) {
                self.0.push(name.to_owned());
            }
        }
    }
    fn is_error(attrs: &[syn::Attribute]) -> bool {
        let mut found = false;
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
            attr.parse_nested_meta(|meta| {
                found |= meta.path.segments.last().is_some_and(|last| last.ident == "Error");
                Ok(())
            })
            .unwrap();
        }
        found
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    for package in fs::read_dir(root.join("integrations")).into_iter().flatten() {
        sources(&package.unwrap().path().join("src"), &mut files);
    }
    let mut errors = Errors(Vec::new(), 0);
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        syn::visit::Visit::visit_file(&mut errors, &syn::parse_file(&text).unwrap());
    }
    assert!(errors.1 > 50, "it reads {} variants", errors.1);
    assert_eq!(errors.0, [""; 0]);
}
