//! A tour: an unchanged client asks until its money is gone, against a server on this machine, or
//! against OpenAI with `OPENAI_API_KEY` set.

use std::error::Error;

use bursar::{BudgetManager, Usd};
use bursar_reqwest::{BudgetMiddleware, Refused};
use bursar_stand_in::{Answer, StandIn, Tokens};
use reqwest_middleware::ClientBuilder;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let answer = Answer::text("High tide is at 6:12.").usage(Tokens::new(18, 240));
    let server = StandIn::start().await.always(answer);
    let key = std::env::var("OPENAI_API_KEY");
    let url = match &key {
        Ok(_) => "https://api.openai.com/v1".to_owned(),
        Err(_) => server.url(),
    };

    let budget = BudgetManager::new("0.005".parse::<Usd>()?)?;
    let crawler = budget.account("crawler")?;
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(BudgetMiddleware::new(&budget, &crawler))
        .build();

    let body = json!({"model": "gpt-6.1-terra", "input": "When is high tide in Brest?",
        "max_output_tokens": 300});
    loop {
        let request = client.post(format!("{url}/responses")).json(&body);
        let request = request.bearer_auth(key.as_deref().unwrap_or("none"));
        match request.send().await {
            Ok(response) => {
                let answer: Value = response.json().await?;
                println!("{}: {} spent", answer["output"][0]["content"][0]["text"], budget.spent());
            }
            Err(error) if Refused::of(&error).is_some() => break println!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    println!("\n{}", budget.report());
    Ok(())
}
