//! The command line of the replay.

use std::error::Error;
use std::fs;

use bursar::Policy;

pub const HELP: &str = "\
Replays a trace of LLM calls through a budget, on the trace's own clock.

usage: replay [TRACE.csv] [--policy POLICY.toml] [--model NAME] [--agents N]
              [--max-output TOKENS] [--json] [--strict]

TRACE.csv    TIMESTAMP,ContextTokens,GeneratedTokens; without it a small bundled trace
--policy     limits, see `bursar::Policy`; the agents are `agents/agent-1`, `agents/agent-2`, …
--model      the model that every call asks (gpt-6.1-terra)
--agents     how many agents take turns (8)
--max-output the output cap of every call, in tokens (2000)
--json       prints one JSON object instead of tables
--strict     stops at the first row that is no row, instead of leaving it out
";

/// What was asked for.
pub struct Options {
    pub trace: Option<String>,
    pub policy: Policy,
    pub model: String,
    pub agents: u64,
    pub max_output: u64,
    pub json: bool,
    pub strict: bool,
}

impl Options {
    /// Reads the arguments; `None` if help is asked for.
    pub fn read(
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Option<Options>, Box<dyn Error>> {
        let mut options = Options {
            trace: None,
            policy: Policy::from_toml(include_str!("policy.toml"))?,
            model: "gpt-6.1-terra".to_owned(),
            agents: 8,
            max_output: 2_000,
            json: false,
            strict: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("{argument} needs a value; see --help"));
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--json" => options.json = true,
                "--strict" => options.strict = true,
                "--policy" => options.policy = policy(&value()?)?,
                "--model" => options.model = value()?,
                "--agents" => options.agents = count(&argument, &value()?, 1_000_000)?,
                "--max-output" => options.max_output = count(&argument, &value()?, 1_000_000_000)?,
                flag if flag.starts_with('-') => {
                    return Err(format!("there is no option {flag}; see --help").into());
                }
                _ if options.trace.is_some() => {
                    return Err(format!("`{argument}` is a second trace; give one").into());
                }
                _ => options.trace = Some(argument),
            }
        }
        Ok(Some(options))
    }
}

fn policy(file: &str) -> Result<Policy, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let policy =
        if file.ends_with(".json") { Policy::from_json(&text) } else { Policy::from_toml(&text) };
    Ok(policy.map_err(|error| format!("{file}: {error}"))?)
}

fn count(option: &str, text: &str, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{option} is `{text}`; it takes a whole number from 1 to {most}"))
}
