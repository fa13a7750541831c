//! A team of agents on one budget, against a local server that keeps a bill of its own:
//! `cargo run -p bursar-agents`.
//!
//! A planner, three workers at once and a critic speak HTTP with the models of two providers. The
//! money ends midway: outputs are shortened, a cheaper model takes over, calls are refused before
//! they are sent, and the last answer is paid from what was kept for it. Then our report is held
//! against the server's bill. How a budget gets around an HTTP client is in `team.rs`.

pub(crate) mod audit;
mod client;
mod script;
mod server;
mod team;
mod wire;
mod worker;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use bursar::agent::testing::ManualClock;
use bursar::agent::{OnRefusal, agent_fn};
use bursar::{BudgetConstrained, BudgetManager, Call, Estimate, Limit, Report, Usd};

use client::{Client, read, text_of};
use server::{Books, Server};
use team::{Chat, Stream};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode, Failure> {
    let Story { mission, report, books } = story().await?;
    let (table, is_equal) = audit::audit(&report, &books);
    println!("{}\n\n{report}\n{table}", mission.told.join("\n"));
    Ok(if is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has happened, and what both sides say that it costs.
pub(crate) struct Story {
    pub(crate) mission: Mission,
    pub(crate) report: Report,
    pub(crate) books: Books,
}

pub(crate) async fn story() -> Result<Story, Failure> {
    let server = Server::start().await?;

    // Six cents for the team, of which one is kept for its last answer, and 1.5 for each worker.
    // The clock stands still, so that two runs are the same.
    let budget = BudgetManager::builder()
        .clock(ManualClock::at("2026-11-24T09:00:00Z".parse()?))
        .limit("team", Limit::spend(Usd::cents(6)).keep_for_wrap_up(Usd::cents(1)))
        .limit("team/workers/*", Limit::spend("0.015".parse::<Usd>()?))
        .build()?;

    // The team is an agent too: one hold for the mission, out of which its members take theirs.
    let crew = Arc::new(Crew { client: Client::new(&server.base), budget: budget.clone() });
    let whole = Estimate::fixed(Usd::cents(5));
    let estimate = move |_: &String| whole.clone();
    let team = agent_fn("team", estimate, move |call| Arc::clone(&crew).mission(call)).metered();
    let team = BudgetConstrained::new(team, budget.account("team")?);
    let task = "Should the town buy the old harbour crane?".to_owned();
    let mission = team.run(task).await.map_err(|error| error.to_string())?.output;
    drop(team); // and with it the client's connections

    Ok(Story { mission, report: budget.report(), books: server.close().await })
}

struct Crew {
    client: Client,
    budget: BudgetManager,
}

/// How far the team came.
#[derive(Default)]
pub(crate) struct Mission {
    pub(crate) told: Vec<String>,
    pub(crate) refusals: Vec<String>,
    /// The last answer, why it ended, and whether it was paid from what was kept for it.
    pub(crate) answer: (String, Option<String>, bool),
}

impl Crew {
    async fn mission(self: Arc<Self>, call: Call<String>) -> Result<Mission, Failure> {
        let mut mission = Mission { told: vec![call.task().clone()], ..Mission::default() };

        // The planner cuts the task into three.
        let planner = self.member("planner", "claude-sonnet-5-5", 2_000)?;
        let desk = self.budget.account("team/planner")?;
        let first = BudgetConstrained::new(planner.clone(), desk.clone());
        let plan = first.call(call.inner(format!("Plan: {}", call.task()))).await?;
        let topics = text_of(&plan.output).0;
        mission.told.push(format!("planner: {topics}, {}", plan.cost));

        // Three workers at once, each on a limit of its own: shorter, then cheaper, then refused.
        let mut workers = Vec::new();
        for topic in topics.split(", ") {
            let account = self.budget.account(&format!("team/workers/{topic}"))?;
            let worker = BudgetConstrained::new(self.member(topic, "gpt-6.1-sol", 600)?, account)
                .on_refusal(OnRefusal::Shorten { at_least: 300 })
                .on_refusal(OnRefusal::FallTo(self.budget.model("gpt-6.1-terra")?));
            let task = call.inner(topic.to_owned());
            workers.push((topic, tokio::spawn(worker::work(worker, task))));
        }
        let mut notes = Vec::new();
        for (topic, worker) in workers {
            let work = worker.await?;
            mission.told.extend(work.told);
            mission.refusals.push(work.refusal);
            notes.push((topic, work.notes.join(" ")));
        }

        // The critic listens until it has heard enough and hangs up, and until the money ends.
        let critic = Stream(self.member("critic", "gpt-6.1-terra", 2_700)?);
        let critic = BudgetConstrained::new(critic, self.budget.account("team/critic")?);
        for (topic, notes) in &notes {
            let task = format!("Review the notes on {topic}: {notes}");
            mission.told.push(match critic.call(call.inner(task)).await {
                Ok(mut reply) => {
                    let (verdict, end) = read(&mut reply.output.events, Some("Approved.")).await?;
                    let end = end.unwrap_or_else(|| "hung up".to_owned());
                    format!("critic on {topic}: {} … ({end})", head(&verdict))
                }
                Err(error) if error.refused().is_some() => {
                    mission.refusals.push(error.to_string());
                    format!("critic on {topic}: refused\n  {}", worker::cut(&error))
                }
                Err(error) => return Err(error.into()),
            });
        }

        // The last answer takes what was kept for it.
        let last = BudgetConstrained::new(Stream(planner), desk)
            .on_refusal(OnRefusal::Shorten { at_least: 800 })
            .on_refusal(OnRefusal::WrapUp);
        let notes: Vec<String> = notes.into_iter().map(|(_, notes)| notes).collect();
        let task = format!("Conclude: {}", notes.join(" "));
        let mut opened = last.call(call.inner(task)).await?.output;
        let (text, end) = read(&mut opened.events, None).await?;
        let (cap, from) = (opened.cap, if opened.is_wrap_up { "kept" } else { "left" });
        let reason = end.as_deref().unwrap_or("cut");
        let line =
            format!("planner, with {cap} tokens at most, of what was {from}: {}", head(&text));
        mission.told.push(format!("{line} … ({reason})"));
        mission.answer = (text, end, opened.is_wrap_up);
        Ok(mission)
    }

    fn member(&self, name: &str, model: &str, max_output: u64) -> Result<Chat, Failure> {
        let (client, model) = (self.client.clone(), self.budget.model(model)?);
        let role = script::essay(&format!("You are the {name}. Keep in mind that"), 300);
        Ok(Chat { client, name: name.to_owned(), model, max_output, role })
    }
}

/// The first words of a text.
fn head(text: &str) -> String {
    text.split_whitespace().take(10).collect::<Vec<_>>().join(" ")
}
