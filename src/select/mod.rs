//! Which model to ask: [`ModelSelector`] ranks the candidates of a call, the ledger admits one.
//!
//! Reading order: a [`Candidate`] is a model and how good it is, [`Requirements`] what a call needs,
//! [`CostBias`] the rule that weighs price against quality, [`Ranking`] the result and [`NoModel`]
//! the refusal.
//!
//! Use it when several models could do a task and the hard ones are few. It works without a budget
//! too; [`Account::request_ranked`](crate::Account::request_ranked) asks for its ranking by hand, and
//! [`BudgetConstrained::selector`](crate::BudgetConstrained::selector) around an agent. For one
//! cheaper model when money is short, [`ReserveRequest::or`](crate::budget::ReserveRequest::or) and
//! [`OnRefusal::FallTo`](crate::agent::OnRefusal::FallTo) are enough.

mod account;
mod complexity;
mod excluded;
#[cfg(test)]
mod tests;
mod bias;

use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::money::Usd;
use crate::price::{Estimate, Model};

pub use bias::{CostBias, MoneyLeft};
pub use complexity::Complexity;
pub use excluded::{Excluded, Exclusion, NoModel};

/// Ranks models for a call: by how hard the task is, what it needs, and the money that is left.
///
/// The selector ranks, the ledger admits: [`Account::request_ranked`](crate::Account::request_ranked) asks
/// for the models of a [`Ranking`] one after the other under one lock, so that nothing that was
/// read before decides about money.
///
/// ```
/// use bursar::select::{Candidate, Capability, Complexity, ModelSelector, Requirements};
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(10))?;
/// let (sol, luna) = (budget.model("gpt-6.1-sol")?, budget.model("gpt-6-luna")?);
/// let selector = ModelSelector::new()
///     .candidate(Candidate::new(&sol, 95).can([Capability::Tools, Capability::Vision]))
///     .candidate(Candidate::new(&luna, 60).can([Capability::Tools]));
///
/// assert_eq!(selector.select(Complexity::Simple)?.name(), luna.name());
/// assert_eq!(selector.select(Complexity::Complex)?.name(), sol.name());
/// assert_eq!(selector.select(Complexity::Unknown)?.name(), luna.name());
///
/// let crawler = budget.account("crawler")?;
/// let requirements = Requirements::new(Complexity::guess("Design a cache"))
///     .needs([Capability::Tools])
///     .max_cost(Usd::cents(50))
///     .money_left(crawler.money_left());
/// let ranking = selector.rank(|model| model.estimate().input(9_000).max_output(4_000), &requirements)?;
/// let hold = crawler.request_ranked(&ranking).reserve()?;
/// assert_eq!(hold.model().map(|model| model.name()), Some(sol.name()));
/// # hold.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The order is that of [`CostBias`], a short formula of whole numbers. Prices are those of the
/// moment, by the machine's clock unless another is given.
#[derive(Clone)]
pub struct ModelSelector {
    candidates: Vec<Candidate>,
    cost_bias: CostBias,
    clock: Arc<dyn Clock>,
}

impl ModelSelector {
    /// A selector without candidates.
    pub fn new() -> ModelSelector {
        let clock = Arc::new(SystemClock::new());
        ModelSelector { candidates: Vec::new(), cost_bias: CostBias::default(), clock }
    }

    /// Adds a candidate, in place of one that is the same model.
    #[must_use]
    pub fn candidate(mut self, candidate: Candidate) -> ModelSelector {
        let same = |known: &&mut Candidate| known.model.name() == candidate.model.name();
        match self.candidates.iter_mut().find(same) {
            Some(known) => *known = candidate,
            None => self.candidates.push(candidate),
        }
        self
    }

    /// Weighs price against quality by another rule.
    #[must_use]
    pub fn cost_bias(mut self, cost_bias: CostBias) -> ModelSelector {
        self.cost_bias = cost_bias;
        self
    }

    /// Where the time comes from, if not from the machine: prices have dates and hours.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> ModelSelector {
        self.clock = Arc::new(clock);
        self
    }

    /// The candidates, in the order in which they were named.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The first model for a task of which nothing else is known, by the price of 1,000 tokens in
    /// and 250 out: for a simple or unknown task the cheapest, for a complex one the best.
    ///
    /// # Errors
    /// [`NoModel`] if there is no candidate that has a price today.
    pub fn select(&self, complexity: Complexity) -> Result<Model, NoModel> {
        let yardstick = |model: &Model| model.estimate().input(1_000).max_output(250);
        Ok(self.rank(yardstick, &Requirements::new(complexity))?.into_best().model)
    }

    /// Orders the candidates that a call could ask, the first choice first.
    ///
    /// `estimate` bounds the call for a model; token counts may differ from model to model. It is
    /// asked for each candidate that the requirements do not rule out by themselves.
    ///
    /// # Errors
    /// [`NoModel`], with the reason for each, if none is left.
    pub fn rank(
        &self,
        estimate: impl Fn(&Model) -> Estimate,
        requirements: &Requirements,
    ) -> Result<Ranking, NoModel> {
        self.rank_at(self.clock.now(), estimate, requirements)
    }

    /// The same at the prices of another moment.
    pub(crate) fn rank_at(
        &self,
        now: Timestamp,
        estimate: impl Fn(&Model) -> Estimate,
        requirements: &Requirements,
    ) -> Result<Ranking, NoModel> {
        // Which candidates the call could ask.
        let mut fitting = Vec::new();
        let mut excluded = Vec::new();
        for candidate in &self.candidates {
            match candidate.bid(&estimate, requirements, now) {
                Ok(ranked) => fitting.push(ranked),
                Err(why) => excluded.push(Excluded { model: candidate.model.name().clone(), why }),
            }
        }
        // Their order, by how much price counts.
        let cost_bias = self.cost_bias.of(requirements.complexity, &requirements.money_left);
        let dearest = fitting.iter().map(|ranked| ranked.cost).max().unwrap_or_default();
        // The sort is stable: of equals in everything the one that was named first.
        fitting.sort_by_key(|ranked| {
            let score = ranked.score(cost_bias, dearest);
            (Reverse(score), ranked.cost, Reverse(ranked.quality))
        });
        let mut fitting = fitting.into_iter();
        match fitting.next() {
            Some(best) => Ok(Ranking { best, others: fitting.collect(), excluded }),
            None => Err(NoModel { excluded }),
        }
    }
}

impl Default for ModelSelector {
    fn default() -> ModelSelector {
        ModelSelector::new()
    }
}

impl fmt::Debug for ModelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSelector")
            .field("candidates", &self.candidates)
            .field("cost_bias", &self.cost_bias)
            .finish_non_exhaustive()
    }
}

/// A model that may be asked, and what it is good for.
///
/// Its price comes with the model; its context window too, if the price says one.
///
/// ```
/// use bursar::select::{Candidate, Capability};
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let luna = Candidate::new(&budget.model("gpt-6-luna")?, 60) // of 100, by your own measure
///     .can([Capability::Tools, Capability::Json]);
/// assert_eq!(luna.quality(), 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Candidate {
    model: Model,
    quality: u8,
    context_window: Option<u64>,
    capabilities: Capabilities,
}

impl Candidate {
    /// A model and its quality, from 0 to 100; more counts as 100. Qualities are yours: a score of
    /// your own evaluation, or of a public one, as long as all candidates have the same scale.
    pub fn new(model: &Model, quality: u8) -> Candidate {
        Candidate {
            context_window: model.price().context_window_tokens(),
            model: model.clone(),
            quality: quality.min(100),
            capabilities: Capabilities::default(),
        }
    }

    /// Adds what it can do; anything else counts as what it cannot.
    #[must_use]
    pub fn can(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Candidate {
        self.capabilities.extend(capabilities);
        self
    }

    /// Says how many tokens fit into a request, input and output together, whatever the price says.
    #[must_use]
    pub fn context_window(mut self, tokens: u64) -> Candidate {
        self.context_window = Some(tokens);
        self
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Its quality, from 0 to 100.
    pub fn quality(&self) -> u8 {
        self.quality
    }

    /// The candidate with the price of the call, or why it is ruled out.
    fn bid(
        &self,
        estimate: impl Fn(&Model) -> Estimate,
        requirements: &Requirements,
        now: Timestamp,
    ) -> Result<Ranked, Exclusion> {
        // What the model is.
        let price = self.model.price();
        if price.is_retired(now) {
            return Err(Exclusion::Retired);
        }
        if self.quality < requirements.min_quality {
            return Err(Exclusion::Quality {
                quality: self.quality,
                floor: requirements.min_quality,
            });
        }
        if let Some(lacking) = requirements.needs.first_missing(self.capabilities) {
            return Err(Exclusion::Lacks(lacking));
        }
        // Whether the call fits into it.
        let estimate = estimate(&self.model);
        let asked = estimate.asked_output().unwrap_or(0);
        if let Some(most) = price.max_output_tokens().filter(|most| asked > *most) {
            return Err(Exclusion::Output { asked, most });
        }
        let needs = estimate.input_tokens().saturating_add(asked);
        if let Some(window) = self.context_window.filter(|window| needs > *window) {
            return Err(Exclusion::Context { needs, window });
        }
        // What the call costs.
        let cost = estimate.cost_at(now).map_err(Exclusion::Price)?;
        if let Some(ceiling) = requirements.max_cost.filter(|ceiling| cost > *ceiling) {
            return Err(Exclusion::Cost { cost, ceiling });
        }
        Ok(Ranked { model: self.model.clone(), quality: self.quality, cost, estimate })
    }
}

/// What a model can do besides answering in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// It calls tools.
    Tools,
    /// It sees images.
    Vision,
    /// It keeps to a JSON schema.
    Json,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Capability::Tools => "tools",
            Capability::Vision => "vision",
            Capability::Json => "JSON output",
        })
    }
}

/// A bit for each capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Capabilities(u8);

impl Capabilities {
    fn extend(&mut self, more: impl IntoIterator<Item = Capability>) {
        more.into_iter().for_each(|one| self.0 |= 1 << one as u8);
    }

    fn first_missing(self, present: Capabilities) -> Option<Capability> {
        let missing = self.0 & !present.0;
        let all = [Capability::Tools, Capability::Vision, Capability::Json];
        all.into_iter().find(|one| missing >> *one as u8 & 1 == 1)
    }
}

/// What a call needs, and what it may cost.
///
/// ```
/// use bursar::select::{Capability, Complexity, Requirements};
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::dollars(1))?;
/// let requirements = Requirements::new(Complexity::guess("Prove that the two programs are equivalent."))
///     .needs([Capability::Tools])
///     .min_quality(50)
///     .money_left(budget.account("crawler")?.money_left()); // the less, the cheaper the first choice
/// # let _ = requirements;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a requirements does nothing until models are ranked by it"]
pub struct Requirements {
    complexity: Complexity,
    min_quality: u8,
    max_cost: Option<Usd>,
    needs: Capabilities,
    money_left: Vec<MoneyLeft>,
}

impl Requirements {
    /// A task of that complexity, which any model may do at any price.
    pub fn new(complexity: Complexity) -> Requirements {
        Requirements { complexity, ..Requirements::default() }
    }

    /// Rules out models of a lower quality, from 0 to 100.
    pub fn min_quality(mut self, quality: u8) -> Requirements {
        self.min_quality = quality;
        self
    }

    /// Rules out models with which the call may cost more.
    pub fn max_cost(mut self, cost: Usd) -> Requirements {
        self.max_cost = Some(cost);
        self
    }

    /// Rules out models without these capabilities.
    pub fn needs(mut self, capabilities: impl IntoIterator<Item = Capability>) -> Requirements {
        self.needs.extend(capabilities);
        self
    }

    /// Says what money is left, so that cheaper models come first as it runs short. It rules
    /// nothing out: whether there is enough is decided by the ledger. Call it for an account
    /// and for each of the call's tags.
    pub fn money_left(mut self, money_left: impl IntoIterator<Item = MoneyLeft>) -> Requirements {
        self.money_left.extend(money_left);
        self
    }
}

/// The candidates for a call, the first choice first; at least one.
#[derive(Clone, Debug)]
pub struct Ranking {
    best: Ranked,
    others: Vec<Ranked>,
    excluded: Vec<Excluded>,
}

impl Ranking {
    /// The first choice.
    pub fn best(&self) -> &Ranked {
        &self.best
    }

    /// All choices, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Ranked> {
        std::iter::once(&self.best).chain(&self.others)
    }

    /// The candidates that were ruled out, and why.
    pub fn excluded(&self) -> &[Excluded] {
        &self.excluded
    }

    /// The bounds of all choices, the first one first.
    pub(crate) fn into_estimates(self) -> impl Iterator<Item = Estimate> {
        std::iter::once(self.best).chain(self.others).map(|ranked| ranked.estimate)
    }

    fn into_best(self) -> Ranked {
        self.best
    }
}

/// A candidate that a call could ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ranked {
    /// The model.
    pub model: Model,
    /// Its quality, from 0 to 100.
    pub quality: u8,
    /// The upper bound of the call, at the prices of the moment of ranking.
    pub cost: Usd,
    /// The same bound, for the ledger.
    pub estimate: Estimate,
}

impl Ranked {
    /// See [`CostBias`]. Far from the end: a cost is at most 1e23 picodollars, since a call has at
    /// most 1e12 tokens.
    fn score(&self, cost_bias: u16, dearest: Usd) -> i128 {
        let worth = i128::from(self.quality) * dearest.pico();
        i128::from(bias::FULL - cost_bias) * worth - i128::from(cost_bias) * 100 * self.cost.pico()
    }
}
