//! [`CostBias`]: by which rule a ranking moves to cheaper models as money runs short, and
//! [`MoneyLeft`], what is left of a limit.

use std::ops::Range;

use crate::clock::Timestamp;
use crate::money::Usd;

use super::Complexity;

/// How much money one limit leaves, and how much of its time is over.
///
/// Made by [`Account::money_left`](crate::Account::money_left), or by hand from any two amounts.
///
/// ```
/// use bursar::Usd;
/// use bursar::select::MoneyLeft;
///
/// let money_left = MoneyLeft::new(Usd::dollars(10), Usd::dollars(4));
/// assert_eq!(money_left.used_per_mille(), 600);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoneyLeft {
    limit: Usd,
    left: Usd,
    elapsed: Option<u16>,
}

impl MoneyLeft {
    /// What is left of a limit: negative when it is overrun.
    pub fn new(limit: Usd, left: Usd) -> MoneyLeft {
        MoneyLeft { limit, left, elapsed: None }
    }

    /// Says when the limit's window began and when it ends, so that the pace can be judged.
    #[must_use]
    pub fn within(self, now: Timestamp, start: Timestamp, end: Timestamp) -> MoneyLeft {
        let (gone, whole) = (now.since(start).as_micros(), end.since(start).as_micros());
        let elapsed = gone.saturating_mul(1_000).checked_div(whole).map(clamped);
        MoneyLeft { elapsed, ..self }
    }

    /// The cap.
    pub fn limit(&self) -> Usd {
        self.limit
    }

    /// What an ordinary call may still take.
    pub fn left(&self) -> Usd {
        self.left
    }

    /// The part of the limit that is spent or held, in thousandths, rounded up; 1000 for a limit of
    /// zero.
    pub fn used_per_mille(&self) -> u16 {
        let limit = self.limit.pico().unsigned_abs();
        let left = u128::try_from(self.left.pico()).unwrap_or(0).min(limit);
        if self.limit <= Usd::ZERO {
            return FULL;
        }
        // Far below the end: a limit is at most 1e30 picodollars, and beyond that it is scaled.
        let scale = (limit >> 100).max(1);
        FULL - clamped((left / scale).saturating_mul(1_000) / (limit / scale).max(1))
    }

    /// The part of the window that is over, in thousandths, rounded down; `None` if it has no end.
    fn elapsed_per_mille(&self) -> Option<u16> {
        self.elapsed
    }
}

/// The rule by which a ranking weighs price against quality. It is one number, the **bias** of
/// a call, from 0 (the best model first) to 1000 (the cheapest first):
///
/// ```text
/// bias = the largest of
///            what the complexity asks for      simple 1000, medium 500, complex 0, unknown 1000
///            ramp(used,  500 .. 900)           used  = what is spent or held of a limit, in ‰
///            ramp(ahead,  50 .. 300)           ahead = used − how much of its window is over, in ‰
///
/// ramp(x, a .. b) = 0 up to a, 1000 from b on, and between them 1000 × (x − a) ÷ (b − a)
/// ```
///
/// Each candidate then has the score
///
/// ```text
/// (1000 − bias) × quality × dearest − bias × 100 × cost
/// ```
///
/// where `cost` is the upper bound of this call and `dearest` that of the dearest candidate that is
/// not ruled out. The highest score comes first; of equals the cheaper, then the better. All of it
/// is whole numbers: 100 points of quality weigh as much as the whole price of the dearest
/// candidate when the bias is 500. As bias grows, a cheaper model that has overtaken a dearer
/// one stays ahead of it.
///
/// Of several limits the one that presses hardest counts. Every number can be changed:
///
/// ```
/// use bursar::select::{Complexity, MoneyLeft, CostBias};
/// use bursar::Usd;
///
/// let half_used = MoneyLeft::new(Usd::dollars(10), Usd::dollars(3)); // 700 ‰ used
/// assert_eq!(CostBias::default().of(Complexity::Complex, &[half_used]), 500);
///
/// let relaxed = CostBias { used: 800..1000, ..CostBias::default() };
/// assert_eq!(relaxed.of(Complexity::Complex, &[half_used]), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostBias {
    /// The least bias of a simple task.
    pub simple: u16,
    /// The least bias of a task of medium complexity.
    pub medium: u16,
    /// The least bias of a complex task.
    pub complex: u16,
    /// The least bias of a task of unknown complexity.
    pub unknown: u16,
    /// Between which parts of a limit, spent or held, in thousandths, bias grows to 1000.
    pub used: Range<u16>,
    /// By how much the part that is used may be ahead of the part of the window that is over, in
    /// thousandths, while bias grows to 1000.
    pub ahead: Range<u16>,
}

impl Default for CostBias {
    fn default() -> CostBias {
        let (used, ahead) = (500..900, 50..300);
        CostBias { simple: FULL, medium: 500, complex: 0, unknown: FULL, used, ahead }
    }
}

impl CostBias {
    /// The bias of a call, from 0 to 1000.
    pub fn of(&self, complexity: Complexity, money_left: &[MoneyLeft]) -> u16 {
        let least = match complexity {
            Complexity::Simple => self.simple,
            Complexity::Medium => self.medium,
            Complexity::Complex => self.complex,
            Complexity::Unknown => self.unknown,
        };
        let pressure = money_left.iter().map(|money_left| self.pressure(money_left)).max();
        least.min(FULL).max(pressure.unwrap_or(0))
    }

    fn pressure(&self, money_left: &MoneyLeft) -> u16 {
        let used = money_left.used_per_mille();
        let ahead =
            money_left.elapsed_per_mille().map_or(0, |elapsed| used.saturating_sub(elapsed));
        ramp(used, &self.used).max(ramp(ahead, &self.ahead))
    }
}

/// All of it, in thousandths.
pub(super) const FULL: u16 = 1_000;

/// From 0 at the start of the range to 1000 at its end.
fn ramp(value: u16, range: &Range<u16>) -> u16 {
    if value >= range.end {
        // An empty range is a step; one that begins at zero is never passed by nothing.
        return if value == 0 { 0 } else { FULL };
    }
    let above = u32::from(value.saturating_sub(range.start));
    let span = u32::from(range.end.saturating_sub(range.start)).max(1);
    clamped(u128::from(above * 1_000 / span))
}

fn clamped(per_mille: u128) -> u16 {
    u16::try_from(per_mille).map_or(FULL, |part| part.min(FULL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn thrift_grows_as_the_money_drains_and_as_it_runs_ahead() {
        let start = Timestamp::from_secs(0);
        let end = Timestamp::from_secs(1_000);
        let rule = CostBias::default();
        for (left, elapsed, cost_bias) in [
            (1_000, None, 0),
            (500, None, 0),
            (400, None, 250),
            (200, None, 750),
            (100, None, 1_000),
            (0, None, 1_000),
            (-50, None, 1_000),
            (900, Some(100), 0),   // in step
            (900, Some(0), 200),   // 100 ‰ ahead: (100 − 50) ÷ 250
            (700, Some(100), 600), // 200 ‰ ahead
            (600, Some(0), 1_000), // 400 ‰ ahead
            (400, Some(900), 250), // behind: only what is used counts
        ] {
            let mut money_left = MoneyLeft::new(Usd::cents(1_000), Usd::cents(left));
            if let Some(elapsed) = elapsed {
                money_left =
                    money_left.within(start.plus(Duration::from_secs(elapsed)), start, end);
            }
            assert_eq!(
                rule.of(Complexity::Complex, &[money_left]),
                cost_bias,
                "{left} {elapsed:?}"
            );
        }
        let drained = MoneyLeft::new(Usd::cents(10), Usd::cents(1));
        let full = MoneyLeft::new(Usd::cents(10), Usd::cents(10));
        assert_eq!(rule.of(Complexity::Complex, &[full, drained]), 1_000, "the hardest counts");
        assert_eq!(rule.of(Complexity::Medium, &[full]), 500);
        assert_eq!(rule.of(Complexity::Unknown, &[]), 1_000);
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        for (limit, left) in [
            (Usd::ZERO, Usd::ZERO),
            (Usd::dollars(-1), Usd::dollars(5)),
            (Usd::MAX, Usd::MIN),
            (Usd::MIN, Usd::MAX),
        ] {
            assert_eq!(MoneyLeft::new(limit, left).used_per_mille(), 1_000, "{limit} {left}");
        }
        assert_eq!(MoneyLeft::new(Usd::MAX, Usd::MAX).used_per_mille(), 0);
        let now = Timestamp::from_secs(5);
        assert_eq!(
            MoneyLeft::new(Usd::ZERO, Usd::ZERO).within(now, now, now).elapsed_per_mille(),
            None
        );
        #[expect(clippy::reversed_empty_ranges, reason = "what a careless caller may write")]
        let step = CostBias { used: 900..500, ahead: 0..0, ..CostBias::default() };
        assert_eq!(
            step.of(Complexity::Complex, &[MoneyLeft::new(Usd::cents(2), Usd::cents(2))]),
            0
        );
        assert_eq!(
            step.of(Complexity::Complex, &[MoneyLeft::new(Usd::cents(2), Usd::cents(1))]),
            1_000
        );
    }

    proptest! {
        #[test]
        fn less_money_is_never_less_thrift(
            limit in 1_i128..1_000_000,
            left in -10_i128..1_000_000,
            less in 0_i128..1_000_000,
            from in 0_u16..1_200,
            to in 0_u16..1_200,
        ) {
            let rule = CostBias { used: from..to, ..CostBias::default() };
            let at = |left: i128| {
                let money_left = MoneyLeft::new(Usd::from_pico(limit), Usd::from_pico(left));
                rule.of(Complexity::Complex, &[money_left])
            };
            prop_assert!(at(left - less) >= at(left));
            prop_assert!(at(left) <= 1_000);
        }
    }
}
