//! [`Doubt`]: why a bill may differ from the provider's, as data and as a sentence.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::UsageError;
use crate::money::Usd;

/// Why a bill may differ from what the provider charges. Booking a [`Bill`](super::Bill) raises an
/// alert for each of its doubts.
///
/// Its `Display` is a sentence without a full stop, for a person who compares invoices:
///
/// ```
/// use bursar::usage::Doubt;
///
/// let doubt = Doubt::Uncounted { what: "grounding with Google Maps".into() };
/// assert_eq!(
///     doubt.to_string(),
///     "the provider bills grounding with Google Maps, which the answer does not count",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "doubt")]
#[non_exhaustive]
pub enum Doubt {
    /// A number in the usage object that this version does not read. Raised once for each field
    /// name and manager, not once for each call.
    UnknownField {
        /// The field, with its path: `usage.prompt_tokens_details.video_tokens`.
        field: String,
    },
    /// Something that the provider bills beside tokens, and that the answer does not count or this
    /// version has no bucket for.
    Uncounted {
        /// What is billed, as a noun phrase.
        what: String,
    },
    /// One whole side of the call, input or output, was not counted by the provider and has been
    /// estimated.
    Missing {
        /// `input` or `output`.
        side: String,
    },
    /// A field should be a count or an amount and is neither; it was left out.
    Unreadable {
        /// The field, with its path.
        field: String,
        /// The beginning of what it holds.
        found: String,
    },
    /// Two counts cannot both be true; the reading that the total supports was taken.
    Contradiction {
        /// What contradicts what, as a clause: "`a` is 3, more than the 2 of `b`".
        what: String,
    },
    /// The stream ended before the provider stated the usage.
    CutShort,
    /// The answer names another model than the request, and no reason for it.
    OtherModel {
        /// The model that was asked, as `provider/id`.
        asked: String,
        /// The name in the answer.
        answered: String,
        /// The model whose price was taken, as `provider/id`.
        priced_as: String,
    },
    /// A part of the answer comes from a model that the answer does not name, or that has no price.
    UnpricedPart {
        /// The name in the answer, if it has one.
        model: Option<String>,
        /// The model whose price was taken, as `provider/id`.
        priced_as: String,
    },
    /// The provider stated a cost, and the price that the user wrote down was taken instead.
    StatedCost {
        /// What the provider stated.
        stated: Usd,
    },
}

impl From<&UsageError> for Doubt {
    /// The doubt that an unreadable event leaves.
    fn from(error: &UsageError) -> Doubt {
        match error {
            UsageError::NotACount { field, found } | UsageError::NotMoney { field, found } => {
                Doubt::Unreadable { field: field.clone(), found: found.clone() }
            }
            UsageError::Malformed { .. } | UsageError::EventTooLong { .. } => Doubt::CutShort,
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::UnknownField { field } => write!(
                f,
                "the answer has a number in `{field}`, which this version of bursar does not read; \
                 compare the next invoice, and report the field"
            ),
            Doubt::Uncounted { what } => {
                write!(f, "the provider bills {what}, which the answer does not count")
            }
            Doubt::Missing { side } => write!(
                f,
                "the provider did not count the {side} of a call that had some; it was estimated"
            ),
            Doubt::Unreadable { field, found } => {
                write!(
                    f,
                    "`{field}` is {found}, which is not a count or an amount, and was left out"
                )
            }
            Doubt::Contradiction { what } => {
                write!(f, "{what}; the reading that the total supports was taken")
            }
            Doubt::CutShort => f.write_str("the stream ended before the provider stated the usage"),
            Doubt::OtherModel { asked, answered, priced_as } => write!(
                f,
                "{asked} was asked and `{answered}` answered, and the answer does not say why; the \
                 price is that of {priced_as}; if both names mean one model, give its price the \
                 other name with `ModelPrice::alias`"
            ),
            Doubt::UnpricedPart { model: Some(model), priced_as } => write!(
                f,
                "a part of the answer was made by `{model}`, which has no price; the price is that \
                 of {priced_as}; insert a `ModelPrice` for it"
            ),
            Doubt::UnpricedPart { model: None, priced_as } => write!(
                f,
                "a part of the answer was made by a model that it does not name; the price is that \
                 of {priced_as}"
            ),
            Doubt::StatedCost { stated } => write!(
                f,
                "the provider stated a cost of {}; the price that you wrote down was taken",
                stated.exact()
            ),
        }
    }
}
