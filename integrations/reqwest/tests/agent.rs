//! Tests of the example `agent`: an agent over HTTP on a budget.

use bursar::{Agent, BudgetManager, Call, Usd};
use bursar_stand_in::{Answer, StandIn, Tokens};

#[path = "../examples/agent.rs"]
#[allow(dead_code, reason = "an example is a program")]
mod agent;

#[tokio::test]
async fn it_asks_until_the_money_is_gone_and_its_books_are_the_servers() {
    let answer = Answer::text("At 6:12.").usage(Tokens::new(18, 240));
    let server = StandIn::start().await.always(answer).script(Answer::error(429));
    let budget = BudgetManager::new("0.005".parse().unwrap()).unwrap();
    let harbour = agent::harbour(&budget, server.url(), "none".to_owned()).unwrap();
    let ask = || harbour.execute(Call::new("When is high tide in Brest?".to_owned()));

    assert!(ask().await.unwrap_err().to_string().contains("429"));
    assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::ZERO), "a 429 is free");
    let refused = loop {
        if let Err(error) = ask().await {
            break error.to_string();
        }
    };
    assert!(refused.starts_with("`harbour` asks for"), "{refused}");
    assert_eq!((budget.spent().pico(), budget.held()), (server.bill(), Usd::ZERO));
    assert!(server.requests().len() > 3 && budget.spent() <= "0.005".parse().unwrap());
}
