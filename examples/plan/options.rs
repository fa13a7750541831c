//! The command line of the plan.

use std::error::Error;

use bursar::clock::{Clock, SystemClock, Timestamp};
use bursar::plan::{Agents, Builder};
use bursar::price::Ratio;
use bursar::{Plan, PriceBook};

pub const HELP: &str = "\
Plans what agents will cost in a day, a month and a year.

usage: plan [--overhead F] [--margin F] [--at TIME] [--policy] [KIND …]

KIND         --agents NAME [--count N] [--tasks N] [--tokens IN/OUT]
             [--model NAME[=PARTS] …] [--prompt-hits %] [--result-hits %]
--agents     begins a kind of agent; NAME is its account
--count      how many agents (1)
--tasks      how many tasks each does in a day (100)
--tokens     tokens of a task, in and out (1000/200)
--model      a model and its parts of the tasks (gpt-6.1-terra)
--prompt-hits  percent of the input that the prompt cache has (0)
--result-hits  percent of the tasks that a result cache has (0)
--overhead   times more than the tasks alone, 2 to 5 as a rule (3)
--margin     times more to set aside, 3 to 5 for a first plan (3)
--at         the moment whose prices count, such as 2026-11-24T00:00:00Z (now)
--policy     prints the limits as a policy file
";

/// The plan of a call without arguments.
const SHOWN: &str = "--agents research --count 5 --tasks 100 --tokens 6000/800 \
    --model gpt-6-luna=7 --model gpt-6.1-sol=3 --prompt-hits 60 --result-hits 20 \
    --agents review --count 2 --tasks 40 --tokens 12000/1500 --model gpt-6.1-sol";

/// What was asked for.
pub struct Options {
    pub plan: Builder,
    pub at: Timestamp,
    pub policy: bool,
}

impl Options {
    /// Reads the arguments; `None` if help is asked for.
    pub fn read(
        arguments: impl Iterator<Item = String>,
        book: &PriceBook,
    ) -> Result<Option<Options>, Box<dyn Error>> {
        let mut given: Vec<String> = arguments.collect();
        if !given.iter().any(|argument| argument == "--agents") {
            given.extend(SHOWN.split_whitespace().map(str::to_owned));
        }
        let mut arguments = given.into_iter();
        let (plan, at) = (Plan::builder(), SystemClock::new().now());
        let mut options = Options { plan, at, policy: false };
        let mut kind: Option<Kind> = None;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--policy" => options.policy = true,
                _ => {
                    let value = arguments
                        .next()
                        .ok_or_else(|| format!("{argument} needs a value; see --help"));
                    options.take(&argument, &value?, &mut kind, book)?;
                }
            }
        }
        options.finish(kind.take(), book)?;
        Ok(Some(options))
    }

    fn take(
        &mut self,
        option: &str,
        value: &str,
        kind: &mut Option<Kind>,
        book: &PriceBook,
    ) -> Result<(), Box<dyn Error>> {
        match option {
            "--overhead" => self.plan = self.plan.clone().overhead(factor(option, value)?),
            "--margin" => self.plan = self.plan.clone().margin(factor(option, value)?),
            "--at" => self.at = value.parse()?,
            "--agents" => self.finish(kind.replace(Kind::new(value)), book)?,
            _ => match kind {
                Some(kind) => kind.take(option, value)?,
                None => {
                    return Err(format!("{option} stands before an --agents; see --help").into());
                }
            },
        }
        Ok(())
    }

    fn finish(&mut self, kind: Option<Kind>, book: &PriceBook) -> Result<(), Box<dyn Error>> {
        if let Some(kind) = kind {
            self.plan = self.plan.clone().agents(kind.agents(book)?);
        }
        Ok(())
    }
}

/// A kind of agent, as far as it has been read.
struct Kind {
    name: String,
    count: u32,
    tasks: u32,
    tokens: (u64, u64),
    models: Vec<(String, u32)>,
    prompt_hits: u16,
    result_hits: u16,
}

impl Kind {
    fn new(name: &str) -> Kind {
        Kind {
            name: name.to_owned(),
            count: 1,
            tasks: 100,
            tokens: (1_000, 200),
            models: Vec::new(),
            prompt_hits: 0,
            result_hits: 0,
        }
    }

    fn take(&mut self, option: &str, value: &str) -> Result<(), String> {
        let wrong = |what: &str| format!("{option} is `{value}`; it takes {what}");
        let count = || value.parse().map_err(|_| wrong("a whole number"));
        match option {
            "--count" => self.count = count()?,
            "--tasks" => self.tasks = count()?,
            "--tokens" => {
                let pair = value
                    .split_once('/')
                    .and_then(|(input, output)| Some((input.parse().ok()?, output.parse().ok()?)));
                self.tokens = pair.ok_or_else(|| wrong("tokens in and out, such as 6000/800"))?;
            }
            "--model" => {
                let (name, parts) = value.rsplit_once('=').unwrap_or((value, "1"));
                let parts = parts.parse().map_err(|_| wrong("a model and parts: gpt-6-luna=7"))?;
                self.models.push((name.to_owned(), parts));
            }
            "--prompt-hits" => self.prompt_hits = per_mille(option, value)?,
            "--result-hits" => self.result_hits = per_mille(option, value)?,
            _ => return Err(format!("there is no option {option}; see --help")),
        }
        Ok(())
    }

    fn agents(mut self, book: &PriceBook) -> Result<Agents, Box<dyn Error>> {
        if self.models.is_empty() {
            self.models.push(("gpt-6.1-terra".to_owned(), 1));
        }
        let mut agents = Agents::new(self.name, self.count)
            .tasks_per_day(self.tasks)
            .tokens(self.tokens.0, self.tokens.1)
            .prompt_hits_per_mille(self.prompt_hits)
            .result_hits_per_mille(self.result_hits);
        for (name, parts) in &self.models {
            agents = agents.model(&book.find(name)?, *parts);
        }
        Ok(agents)
    }
}

fn factor(option: &str, value: &str) -> Result<Ratio, String> {
    value.parse().map_err(|error| format!("{option}: {error}"))
}

/// Percent with at most one decimal, `30` or `62.5%`.
fn per_mille(option: &str, value: &str) -> Result<u16, String> {
    let percent = value.trim_end_matches('%');
    let (whole, tenth) = percent.split_once('.').unwrap_or((percent, "0"));
    let per_mille = format!("{whole}{tenth}").parse().ok();
    let per_mille = per_mille.filter(|n| tenth.len() == 1 && *n <= 1_000);
    per_mille.ok_or_else(|| format!("{option} is `{value}`; it takes percent: 30, or 62.5%"))
}
