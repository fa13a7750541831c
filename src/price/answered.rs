//! [`Payer`]: whose price counts for an answer, where another model answered than was asked.

use crate::usage::Bill;

use super::book::{PriceBook, UnknownModel};
use super::model::Model;
use super::names::{without_date, without_version};

/// Whose price counts for what the answer itself used.
pub(super) enum Payer {
    /// That of one model, and nothing is doubtful about it.
    One(Model),
    /// That of a model whose price the user wrote down, although another name answered.
    Own { model: Model, answered: Option<Model> },
    /// The dearer of the model that was asked and of the one that answered.
    Dearer(Model, Model),
    /// Nobody's, and why.
    Unknown(String),
}

impl Payer {
    /// The models whose prices are looked at.
    pub(super) fn models(&self) -> impl Iterator<Item = &Model> {
        let (first, second) = match self {
            Payer::One(model) | Payer::Own { model, .. } => (Some(model), None),
            Payer::Dearer(asked, answered) => (Some(asked), Some(answered)),
            Payer::Unknown(_) => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// The model that answered, as far as it is known.
    pub(super) fn answered(&self) -> Option<&Model> {
        match self {
            Payer::One(model) | Payer::Dearer(_, model) => Some(model),
            Payer::Own { answered, .. } => answered.as_ref(),
            Payer::Unknown(_) => None,
        }
    }
}

/// Finds whose price counts for a bill. `asked` are the models that the request named, the one it
/// asked first.
pub(super) fn payer(book: &PriceBook, asked: &[Model], bill: &Bill) -> Payer {
    let unknown = |error: UnknownModel| Payer::Unknown(error.to_string());
    match (asked.split_first(), bill.model.as_deref()) {
        (None, None) => Payer::Unknown(
            "no model is named; settle with `settle_cost`, or name the model in the bill"
                .to_owned(),
        ),
        (None, Some(name)) => book.find(name).map_or_else(unknown, Payer::One),
        (Some((asked, _)), None) => Payer::One(asked.clone()),
        (Some((asked, named)), Some(name)) => {
            match answering(book, asked, name) {
                // Its price is that of the reserve, whatever the book says by now.
                Ok(found) if found.name() == asked.name() => Payer::One(asked.clone()),
                Ok(found) if may_answer(asked, named, &found, name, bill.fell_back) => {
                    Payer::One(found)
                }
                found if asked.price().is_own() => own(asked, found.ok()),
                Ok(found) => Payer::Dearer(asked.clone(), found),
                Err(error) => unknown(error),
            }
        }
    }
}

/// The price that the user wrote for the model that was asked stays, unless there is one that the
/// user wrote for the model that answered, at the same provider.
fn own(asked: &Model, answered: Option<Model>) -> Payer {
    let is_own = |model: &&Model| {
        model.price().is_own() && model.price().provider() == asked.price().provider()
    };
    let model = answered.as_ref().filter(is_own).unwrap_or(asked).clone();
    Payer::Own { model, answered }
}

/// The model that a name in the answer means: one of the provider that was asked; or the asked one
/// itself, by the name that its maker gives it; or else any.
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

/// True if the answer may come from that model without a reason to doubt its price: the request
/// named it, the answer lists its attempts, a router has chosen it, or it is a dated form or an
/// alias of the model that was asked and has a price of its own. A dated form does not undo a price
/// that the user wrote for the plain name.
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

/// A model's name without what says where it runs and who made it: `us.anthropic.claude-x-v1:0`,
/// `anthropic/claude-x` and `models/claude-x` are `claude-x`. Its date stays.
fn bare(name: &str) -> &str {
    let mut name = name.rsplit_once('/').map_or(name, |(_, id)| id);
    // The makers and regions of Bedrock's names have no hyphen, but for that of the US government.
    // A version such as the 3.2 of `llama3.2` begins with a digit.
    while let Some((first, rest)) = name.split_once('.') {
        let is_word = first == "us-gov" || first.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_word || first.is_empty() || !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            break;
        }
        name = rest;
    }
    without_version(name).unwrap_or(name)
}

/// True if the name that was asked is no model but a router, which names the model that it has
/// chosen in its answer and bills at that model's price:
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
