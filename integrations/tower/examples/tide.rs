//! A tour: a service of one's own behind the layer, asked until its money is gone.

use std::convert::Infallible;
use std::error::Error;

use bursar::{Bill, BudgetManager, Usage, Usd};
use bursar_tower::{BudgetError, BudgetLayer, Closures};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

struct Answer {
    text: &'static str,
    usage: Usage,
}

/// Stands for a client of a model.
async fn ask(_prompt: &'static str) -> Result<Answer, Infallible> {
    Ok(Answer { text: "High tide is at 6:12.", usage: Usage::tokens(18, 240) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let budget = BudgetManager::new("0.005".parse::<Usd>()?)?;
    let terra = budget.model("gpt-6.1-terra")?;
    let books = Closures(
        move |prompt: &&str| terra.estimate().input(prompt.len() as u64).max_output(300),
        |answer: &Answer| Some(Bill::new(answer.usage)),
    );
    let mut service = ServiceBuilder::new()
        .layer(BudgetLayer::new(&budget.account("crawler")?, books))
        .service(service_fn(ask));
    loop {
        match service.ready().await?.call("When is high tide in Brest?").await {
            Ok(answer) => println!("{}: {} spent", answer.text, budget.spent()),
            Err(BudgetError::Refused(why)) => break println!("{why}"),
            Err(error) => return Err(error.into()),
        }
    }
    println!("\n{}", budget.report());
    Ok(())
}
