//! [`PriceBasis`]: which model's price applies to an answer, if it names another model than the
//! request.

use crate::usage::Bill;

use super::book::{PriceBook, UnknownModel};
use super::model::Model;
use super::names::{without_date, without_version};

/// Which model's price applies to the answer's own usage.
pub(super) enum PriceBasis {
    /// One model, without a doubt.
    One(Model),
    /// A model whose price the user wrote down, although the answer names another.
    Own { model: Model, answered: Option<Model> },
    /// The dearer of the requested model and the one that answered.
    Dearer(Model, Model),
    /// No model, and why.
    Unknown(String),
}

impl PriceBasis {
    /// The models whose prices may apply.
    pub(super) fn models(&self) -> impl Iterator<Item = &Model> {
        let (first, second) = match self {
            PriceBasis::One(model) | PriceBasis::Own { model, .. } => (Some(model), None),
            PriceBasis::Dearer(asked, answered) => (Some(asked), Some(answered)),
            PriceBasis::Unknown(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The model that answered, if the book has it.
    pub(super) fn answered(&self) -> Option<&Model> {
        match self {
            PriceBasis::One(model) | PriceBasis::Dearer(_, model) => Some(model),
            PriceBasis::Own { answered, .. } => answered.as_ref(),
            PriceBasis::Unknown(_) => None,
        }
    }
}

/// Finds the model whose price applies to a bill. `asked` are the models that the request named,
/// the requested one first.
pub(super) fn price_basis(book: &PriceBook, asked: &[Model], bill: &Bill) -> PriceBasis {
    let unknown = |error: UnknownModel| PriceBasis::Unknown(error.to_string());
    match (asked.split_first(), bill.model.as_deref()) {
        (None, None) => PriceBasis::Unknown(
            "no model is named; settle with `settle_cost`, or name the model in the bill"
                .to_owned(),
        ),
        (None, Some(name)) => book.find(name).map_or_else(unknown, PriceBasis::One),
        (Some((asked, _)), None) => PriceBasis::One(asked.clone()),
        (Some((asked, named)), Some(name)) => {
            match answering(book, asked, name) {
                // Keep the price of the reserve; the book may have changed since.
                Ok(found) if found.name() == asked.name() => PriceBasis::One(asked.clone()),
                Ok(found) if may_answer(asked, named, &found, name, bill.fell_back) => {
                    PriceBasis::One(found)
                }
                found if asked.price().is_own() => own(asked, found.ok()),
                Ok(found) => PriceBasis::Dearer(asked.clone(), found),
                Err(error) => unknown(error),
            }
        }
    }
}

/// The user's price for the requested model applies, unless the user also wrote one for the model
/// that answered, at the same provider.
fn own(asked: &Model, answered: Option<Model>) -> PriceBasis {
    let is_own = |model: &&Model| {
        model.price().is_own() && model.price().provider() == asked.price().provider()
    };
    let model = answered.as_ref().filter(is_own).unwrap_or(asked).clone();
    PriceBasis::Own { model, answered }
}

/// Finds the model that a name in the answer means: one of the requested provider; or the requested
/// model by its maker's name for it; or else any.
fn answering(book: &PriceBook, asked: &Model, name: &str) -> Result<Model, UnknownModel> {
    let provider = asked.price().provider();
    if let Ok(found) = book.find_in(provider, name) {
        return Ok(found);
    }
    let (plain, answered) = (bare(asked.id()), bare(name));
    let undated = without_date(answered).unwrap_or(answered);
    if asked.is_called(name) || [answered, undated].iter().any(|n| n.eq_ignore_ascii_case(plain)) {
        return Ok(asked.clone());
    }
    book.find(name)
}

/// True if the answer may come from that model without a doubt about its price: the request named
/// it, the answer lists its attempts, a router chose it, or it is a dated form or an alias of the
/// requested model with a price of its own. A dated form does not undo a price that the user wrote
/// for the plain name.
fn may_answer(asked: &Model, named: &[Model], found: &Model, name: &str, fell_back: bool) -> bool {
    fell_back
        || named.iter().any(|model| model.name() == found.name())
        || is_router(asked)
        || (!asked.price().is_own() && is_form_of(asked, name))
}

/// True if a name is the model's own with a date, a version or a region.
fn is_form_of(asked: &Model, name: &str) -> bool {
    let name = bare(name);
    let names = [Some(name), without_date(name)];
    let known = || asked.price().aliases().chain([asked.id()]).map(bare);
    names.into_iter().flatten().any(|name| known().any(|own| own.eq_ignore_ascii_case(name)))
}

/// A model's name without its platform, region and maker: `us.anthropic.claude-x-v1:0`,
/// `anthropic/claude-x` and `models/claude-x` are `claude-x`. Its date stays.
fn bare(name: &str) -> &str {
    let mut name = name.rsplit_once('/').map_or(name, |(_, id)| id);
    // Makers and regions in Bedrock's names have no hyphen, except `us-gov`. A version such as the
    // 3.2 of `llama3.2` begins with a digit.
    while let Some((first, rest)) = name.split_once('.') {
        let is_word = first == "us-gov" || first.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_word || first.is_empty() || !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            break;
        }
        name = rest;
    }
    without_version(name).unwrap_or(name)
}

/// True if the requested name is that of a router, which names the model that it chose in its
/// answer and bills at that model's price:
///
/// - OpenRouter's Auto Router, Free Models Router, Body Builder, Pareto and Fusion routers, and
///   `~maker/model-latest` (openrouter.ai/docs, "Routers"; read 2026-11-30);
/// - Azure's model router, a deployment of the model `model-router` (learn.microsoft.com, "Use model
///   router for Microsoft Foundry"; read 2026-11-30);
/// - a prompt router of Bedrock, asked by its ARN (docs.aws.amazon.com, `PromptRouterTrace`; read
///   2026-11-30).
fn is_router(asked: &Model) -> bool {
    const OPENROUTER: [&str; 5] = ["auto", "free", "bodybuilder", "pareto-code", "fusion"];
    let (provider, id) = (asked.price().provider(), asked.id());
    let id = id.strip_prefix("openrouter/").unwrap_or(id);
    match provider {
        "openrouter" => OPENROUTER.contains(&id) || id.starts_with('~'),
        "azure" | "azure_ai" => {
            let id = without_date(id).unwrap_or(id);
            matches!(id, "model-router" | "model_router")
        }
        _ => id.starts_with("arn:aws") && id.contains("prompt-router/"),
    }
}
