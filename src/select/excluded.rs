//! [`NoModel`]: why no candidate is left, one by one.

use std::fmt;
use std::sync::Arc;

use crate::money::Usd;
use crate::price::PriceError;

use super::Capability;

/// A candidate that was ruled out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excluded {
    /// `provider/id`.
    pub model: Arc<str>,
    /// Why.
    pub why: Exclusion,
}

impl fmt::Display for Excluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.model, self.why)
    }
}

/// Why a candidate was ruled out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusion {
    /// It is not good enough.
    Quality {
        /// Its quality.
        quality: u8,
        /// The least that is required.
        floor: u8,
    },
    /// It lacks a capability that is required.
    Lacks(Capability),
    /// Its answer is shorter than what was asked for.
    Output {
        /// The output cap of the estimate, in tokens.
        asked: u64,
        /// The most that it answers, in tokens.
        most: u64,
    },
    /// The request does not fit into its context.
    Context {
        /// Input and output cap of the estimate, in tokens.
        needs: u64,
        /// Its context window, in tokens.
        window: u64,
    },
    /// The call may cost more than allowed.
    Cost {
        /// What the call costs at most.
        cost: Usd,
        /// The most that is allowed.
        ceiling: Usd,
    },
    /// The call has no price.
    Price(PriceError),
    /// Its provider has switched it off.
    Retired,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exclusion::Quality { quality, floor } => {
                write!(f, "has quality {quality}, below the floor of {floor}")
            }
            Exclusion::Lacks(capability) => write!(f, "is not said to have {capability}"),
            Exclusion::Output { asked, most } => {
                write!(f, "answers at most {most} tokens, and {asked} are asked for")
            }
            Exclusion::Context { needs, window } => {
                write!(f, "has room for {window} tokens, and the call needs {needs}")
            }
            Exclusion::Cost { cost, ceiling } => {
                write!(f, "may cost {cost}, above the ceiling of {ceiling}")
            }
            Exclusion::Price(error) => write!(f, "cannot be priced ({error})"),
            Exclusion::Retired => f.write_str("has been switched off by its provider"),
        }
    }
}

/// No candidate is left: all of them, with the reason why each was ruled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoModel {
    pub(super) excluded: Vec<Excluded>,
}

impl NoModel {
    /// The candidates, in the order in which they were named.
    pub fn excluded(&self) -> &[Excluded] {
        &self.excluded
    }
}

/// The most candidates that the sentence names; the data has them all.
const NAMED: usize = 6;

impl fmt::Display for NoModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.excluded.is_empty() {
            return f.write_str("the selector has no candidates; add one with `candidate`");
        }
        f.write_str("no model fits: ")?;
        for (place, one) in self.excluded.iter().take(NAMED).enumerate() {
            write!(f, "{}{one}", if place == 0 { "" } else { "; " })?;
        }
        match self.excluded.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for NoModel {}
