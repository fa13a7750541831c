//! An agent over HTTP with a budget around it, in 30 lines: `cargo run -p bursar-reqwest --example agent`.
//! It asks OpenAI if `OPENAI_API_KEY` is set, else a server on this machine, until the money is gone.

use std::error::Error;

use bursar::agent::{OnRefusal, agent_fn};
use bursar::usage::Outcome;
use bursar::{Agent, Bill, BudgetConstrained, BudgetManager, Call};
use bursar_stand_in::{Answer, StandIn, Tokens};
use serde_json::json;

/// An agent that answers questions; its output is the body of the response.
pub(crate) fn harbour(
    budget: &BudgetManager,
    url: String,
    key: String,
) -> Result<impl Agent<Task = String, Output = String, Error: Error>, Box<dyn Error>> {
    let terra = budget.model("gpt-6.1-terra")?;
    let client = reqwest::Client::new();
    // The most that a call costs: a token has at least one byte, and the request asks for a cap.
    let bound =
        move |question: &String| terra.estimate().input(question.len() as u64 + 50).max_output(300);
    let execute = move |call: Call<String>| {
        let cap = call.max_output_tokens().unwrap_or(300); // less if money is short
        let body =
            json!({"model": "gpt-6.1-terra", "input": call.task(), "max_output_tokens": cap});
        let request = client.post(format!("{url}/responses")).bearer_auth(&key);
        let request = request.header("content-type", "application/json").body(body.to_string());
        async move { request.send().await?.error_for_status()?.text().await }
    };
    let agent = agent_fn("harbour", bound, execute).outcome(|result| match result {
        Ok(body) => Bill::from_response(body).ok().flatten().into(), // no usage: charged as held
        Err(error) if error.is_connect() => Outcome::Unsent,
        Err(error) if error.status().is_some_and(|status| status.is_client_error()) => {
            Outcome::Free
        }
        Err(_) => Outcome::Lost, // a timeout, a 500: charged as held
    });
    let account = budget.account("harbour")?;
    Ok(BudgetConstrained::new(agent, account).on_refusal(OnRefusal::Shorten { at_least: 100 }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = StandIn::start().await;
    let server = server.always(Answer::text("At 6:12.").usage(Tokens::new(18, 240)));
    let key = std::env::var("OPENAI_API_KEY");
    let url = if key.is_ok() { "https://api.openai.com/v1".to_owned() } else { server.url() };

    let budget = BudgetManager::new("0.005".parse()?)?;
    let harbour = harbour(&budget, url, key.unwrap_or_default())?;
    loop {
        match harbour.execute(Call::new("When is high tide in Brest?".to_owned())).await {
            Ok(body) => println!("{} bytes: {} spent", body.len(), budget.spent()),
            Err(refused) => break println!("{refused}"),
        }
    }
    println!("\n{}", budget.report());
    Ok(())
}
