//! [`PlanError`]: why a plan cannot be made.

use crate::ledger::PathError;
use crate::price::PriceError;

/// Why a plan cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan for `{agents}` cannot be made: {problem}")]
pub struct PlanError {
    agents: String,
    problem: Problem,
}

impl PlanError {
    pub(super) fn about(agents: &str, problem: Problem) -> PlanError {
        PlanError { agents: agents.chars().take(80).collect(), problem }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("there are no agents; add some with `agents`")]
    Empty,
    #[error(transparent)]
    Name(PathError),
    #[error("their name is that of an account below the root, such as `research`, and no tag")]
    Account,
    #[error("agents of that name are planned twice; give each kind a name of its own")]
    Twice,
    #[error("there is nobody, or nothing to do; give a `count` and `tasks_per_day` above zero")]
    Idle,
    #[error("no model has a part of the tasks; add one with `model`")]
    NoModel,
    #[error("a share of hits is above 1000 thousandths")]
    Share,
    #[error("a task takes at most a trillion tokens")]
    Tokens,
    #[error(transparent)]
    Price(PriceError),
    #[error("the sum is too large to be kept exactly; use smaller or rounder numbers")]
    TooLarge,
}
