//! A tour: a client asks until its money is gone, the last time for a shorter answer; against a
//! server on this machine, or against OpenAI with `OPENAI_API_KEY` set.

use std::error::Error as StdError;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::responses::CreateResponseArgs;
use bursar::{BudgetManager, Usd};
use bursar_async_openai::{ClientExt, Error};
use bursar_stand_in::{Answer, StandIn, Tokens};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let answer = Answer::text("High tide is at 6:12.").usage(Tokens::new(18, 240));
    let server = StandIn::start().await.always(answer);
    let config = match std::env::var("OPENAI_API_KEY") {
        Ok(key) => OpenAIConfig::new().with_api_key(key),
        Err(_) => OpenAIConfig::new().with_api_base(server.url()).with_api_key("none"),
    };
    let client = Client::with_config(config);

    let budget = BudgetManager::new("0.005".parse::<Usd>()?)?;
    let crawler = client.budgeted(&budget, &budget.account("crawler")?).at_least(50);
    let request = CreateResponseArgs::default()
        .model("gpt-6.1-terra")
        .input("When is high tide in Brest?")
        .max_output_tokens(300_u32)
        .build()?;
    loop {
        match crawler.responses().create(request.clone()).await {
            Ok(answer) => println!("{:?}: {} spent", answer.output_text(), budget.spent()),
            Err(Error::Refused(why)) => break println!("{why}"),
            Err(error) => return Err(error.into()),
        }
    }
    println!("\n{}", budget.report());
    Ok(())
}
