//! [`Agents`]: one kind of agent, how many there are, and what each does in a day.

use crate::clock::Timestamp;
use crate::ledger::Path;
use crate::money::Usd;
use crate::price::Model;
use crate::usage::{Bucket, Usage};

use super::MOST_A_DAY;
use super::error::{PlanError, Problem};

/// One kind of agent: how many there are, and what each of them does in a day.
///
/// ```
/// use bursar::plan::Agents;
/// use bursar::PriceBook;
///
/// let book = PriceBook::builtin();
/// let researchers = Agents::new("research", 5)
///     .tasks_per_day(100)
///     .tokens(6_000, 800)
///     .model(&book.find("gpt-6-luna")?, 7) // seven tasks of ten
///     .model(&book.find("gpt-6.1-sol")?, 3)
///     .prompt_hits_per_mille(600) // of the input is read from the provider's prompt cache
///     .result_hits_per_mille(200); // of the tasks are answered by a `ResultCache`
/// # Ok::<(), bursar::price::UnknownModel>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "agents cost nothing until they are part of a plan"]
pub struct Agents {
    pub(super) name: String,
    pub(super) count: u32,
    tasks: u32,
    input: u64,
    output: u64,
    mix: Vec<(Model, u32)>,
    prompt_hits: u16,
    result_hits: u16,
}

impl Agents {
    /// A number of agents, whose accounts lie below the account of that name: `research/1`, …
    pub fn new(name: impl Into<String>, count: u32) -> Agents {
        Agents {
            name: name.into(),
            count,
            tasks: 0,
            input: 0,
            output: 0,
            mix: Vec::new(),
            prompt_hits: 0,
            result_hits: 0,
        }
    }

    /// How many tasks each agent does in a day.
    pub fn tasks_per_day(mut self, tasks: u32) -> Agents {
        self.tasks = tasks;
        self
    }

    /// How many tokens a task takes on the average, in and out.
    pub fn tokens(mut self, input: u64, output: u64) -> Agents {
        self.input = input;
        self.output = output;
        self
    }

    /// Adds a model to the mix, with its part of the tasks: parts of 7 and 3 are seven and three
    /// tasks of ten.
    pub fn model(mut self, model: &Model, parts: u32) -> Agents {
        self.mix.push((model.clone(), parts));
        self
    }

    /// How much of the input is read from the provider's prompt cache, in thousandths. The rest
    /// counts at the plain rate of input; what cache writes add is part of the overhead.
    pub fn prompt_hits_per_mille(mut self, thousandths: u16) -> Agents {
        self.prompt_hits = thousandths;
        self
    }

    /// How many tasks are answered from a result cache and cost nothing, in thousandths.
    pub fn result_hits_per_mille(mut self, thousandths: u16) -> Agents {
        self.result_hits = thousandths;
        self
    }

    /// What all of them cost in a day without overhead, rounded up to a picodollar.
    pub(super) fn base_day(&self, at: Timestamp) -> Result<Usd, PlanError> {
        let wrong = |problem| PlanError::about(&self.name, problem);
        self.check().map_err(wrong)?;
        // The price of a task of each model, times its parts of the tasks.
        let mut cost = Some(0_u128);
        let mut all = 0_u128;
        for (model, parts) in &self.mix {
            let task = self.task(model, at).map_err(wrong)?;
            all += u128::from(*parts);
            cost =
                task.checked_mul(u128::from(*parts)).zip(cost).and_then(|(a, b)| a.checked_add(b));
        }
        // Tasks that are paid for: all but those that a result cache answers.
        let paid = u128::from(self.count) * u128::from(self.tasks); // at most 2^64
        let paid = paid * u128::from(1_000 - self.result_hits);
        let cost = cost.and_then(|cost| cost.checked_mul(paid));
        let pico = cost.map(|cost| cost.div_ceil(all * TASK_UNIT * 1_000));
        let day = pico.and_then(|pico| i128::try_from(pico).ok()).map(Usd::from_pico);
        day.filter(|day| *day <= MOST_A_DAY).ok_or_else(|| wrong(Problem::TooLarge))
    }

    fn check(&self) -> Result<(), Problem> {
        let path = Path::new(&self.name).map_err(Problem::Name)?;
        if path.as_str().is_empty() || path.is_tag() {
            return Err(Problem::Account);
        }
        if self.count == 0 || self.tasks == 0 {
            return Err(Problem::Idle);
        }
        if self.mix.iter().all(|(_, parts)| *parts == 0) {
            return Err(Problem::NoModel);
        }
        if self.prompt_hits > 1_000 || self.result_hits > 1_000 {
            return Err(Problem::Share);
        }
        if self.input.saturating_add(self.output) > Usage::MAX_COUNT {
            return Err(Problem::Tokens);
        }
        Ok(())
    }

    /// A task of one model, of which `TASK_UNIT` are a picodollar. Tokens are at most 1e12 and a
    /// rate is at most 1e16: far from the end.
    fn task(&self, model: &Model, at: Timestamp) -> Result<u128, Problem> {
        let price = model.price();
        let rate = |bucket| {
            let rate = price.standard_rate(bucket, self.input, at).map_err(Problem::Price)?;
            Ok::<_, Problem>(u128::from(rate.atto_per_token()))
        };
        let (hits, input) = (u128::from(self.prompt_hits), u128::from(self.input));
        let output = u128::from(self.output);
        let fee = price.atto_per_request();
        Ok(input * (1_000 - hits) * rate(Bucket::Input)?
            + input * hits * rate(Bucket::CacheRead)?
            + output * 1_000 * rate(Bucket::Output)?
            + fee * 1_000)
    }
}

/// How many thousandths of an attodollar are a picodollar.
const TASK_UNIT: u128 = 1_000_000_000;
