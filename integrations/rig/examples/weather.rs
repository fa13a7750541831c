//! The smallest agent of rig's with a budget: a `+` marks each line that bursar adds.
//!
//! `cargo run -p bursar-rig --example weather`. A local server stands in for the provider; with a
//! key, the client would be `OpenAI::from_env()?`.

use bursar::{BudgetManager, Usd}; // +
use bursar_rig::Budget; // +
use bursar_stand_in::{Answer, StandIn, Tokens};
use rig::agent::AgentBuilder;
use rig::providers::openai::OpenAIConfig;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let answer = Answer::text("Rain until noon, then sun.").usage(Tokens::new(48, 310));
    let server = StandIn::start().await.always(answer);
    let client = OpenAIConfig::new("key").with_base_url(server.url()).client();

    let budget = BudgetManager::new("0.006".parse::<Usd>()?)?; // +
    let crawler = budget.account("research/crawler")?; // +
    let model = client.chat("gpt-6.1-terra");
    let model = Budget::new(&budget, &crawler).around(model); // +
    let agent = AgentBuilder::new(model).max_tokens(600).build();
    for city in ["Berlin", "Hamburg", "Munich"] {
        match agent.prompt(format!("Will it rain in {city} today?")).await {
            Ok(answer) => println!("{city}: {}", answer.output()),
            Err(error) => println!("{city}: {error}"),
        }
    }
    println!("\n{}", budget.report()); // +
    Ok(())
}
