//! [`CostBound`]: what one call may cost at most, as a straight line in its output cap.

use super::cost::ATTO_PER_PICO;
use crate::money::div_up;

/// What a call may cost at most, as a straight line in its output cap: a ledger can shorten the
/// output until the call fits, without knowing a price.
///
/// The cost of `output` tokens is `fixed + per_output * output` attodollars, rounded up to a
/// picodollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostBound {
    /// Everything but the output, in attodollars (1e-18 USD).
    pub fixed: i128,
    /// One token of the output cap, in attodollars; all choices together.
    pub per_output: i128,
    /// Input tokens, audio included.
    pub input: u64,
    /// Tokens of output for each token of the output cap: the number of choices.
    pub choices: u64,
    /// The smallest output cap that is of use.
    pub floor: u64,
    /// The largest output cap that is asked for.
    pub cap: u64,
}

impl CostBound {
    /// The largest cost of one call: 1e23 picodollars, a hundred billion dollars.
    pub(crate) const MAX_COST: i128 = 100_000_000_000_000_000_000_000;

    /// A fixed cost in picodollars, and no tokens.
    pub(crate) const fn fixed(cost: i128) -> CostBound {
        let fixed = cost.saturating_mul(ATTO_PER_PICO as i128);
        CostBound { fixed, per_output: 0, input: 0, choices: 0, floor: 0, cap: 0 }
    }

    /// The cost with this output cap, in picodollars; `None` if it is negative or above
    /// [`MAX_COST`](CostBound::MAX_COST).
    #[inline]
    pub(crate) fn cost(&self, cap: u64) -> Option<i128> {
        match self.small_cost(cap) {
            Some(cost) => Some(cost),
            None => self.large_cost(cap),
        }
    }

    /// The cost, if it is at most eighteen dollars: nearly every call's is, and 128 bits cost more
    /// than the rest of a reserve.
    #[inline]
    fn small_cost(&self, cap: u64) -> Option<i128> {
        let fixed = u64::try_from(self.fixed).ok()?;
        let per_output = u64::try_from(self.per_output).ok()?;
        let atto = per_output.checked_mul(cap)?.checked_add(fixed)?;
        Some(i128::from(atto.div_ceil(ATTO_PER_PICO)))
    }

    #[cold]
    fn large_cost(&self, cap: u64) -> Option<i128> {
        const UNIT: i128 = ATTO_PER_PICO as i128;
        let CostBound { fixed, per_output, .. } = *self;
        if !(0..=CostBound::MAX_COST * UNIT).contains(&fixed) || per_output < 0 {
            return None;
        }
        let atto = match cap {
            0 => fixed,
            _ => per_output.checked_mul(i128::from(cap))?.checked_add(fixed)?,
        };
        let cost = div_up(atto, UNIT);
        (cost <= CostBound::MAX_COST).then_some(cost)
    }

    /// Whichever of two becomes true.
    pub(super) fn or(self, other: CostBound) -> CostBound {
        CostBound {
            fixed: self.fixed.max(other.fixed),
            per_output: self.per_output.max(other.per_output),
            input: self.input.max(other.input),
            choices: self.choices.max(other.choices),
            ..self
        }
    }

    /// Both.
    pub(super) fn and(self, other: CostBound) -> CostBound {
        CostBound {
            fixed: self.fixed.saturating_add(other.fixed),
            per_output: self.per_output.saturating_add(other.per_output),
            input: self.input.saturating_add(other.input),
            choices: self.choices.saturating_add(other.choices),
            ..self
        }
    }

    /// The same bound as a line in the cap of another call. Output beyond that cap, and all that has
    /// a cap of its own, is fixed: to shorten the other call does not make it less.
    pub(super) fn at_cap(self, cap: u64, has_own_cap: bool) -> CostBound {
        let beyond = if has_own_cap { self.cap } else { self.cap.saturating_sub(cap) };
        let output = self.per_output.saturating_mul(i128::from(beyond));
        // As many choices as have the same tokens.
        let times = self.cap.div_ceil(cap.max(1)).max(1);
        CostBound {
            fixed: self.fixed.saturating_add(output),
            per_output: if has_own_cap { 0 } else { self.per_output },
            choices: self.choices.saturating_mul(times),
            cap,
            ..self
        }
    }
}
