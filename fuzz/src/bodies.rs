//! Owns the target `bodies`: any bytes as a response body, of a form that is recognised and of one
//! that is told.

use bursar::usage::{Api, Body};
use bursar::{Bill, BudgetManager, Estimate, Usd};

const APIS: [Api; 9] = [
    Api::OpenAi,
    Api::Xai,
    Api::OpenRouter,
    Api::Perplexity,
    Api::Anthropic,
    Api::Gemini,
    Api::Bedrock,
    Api::Cohere,
    Api::Ollama,
];

/// No body panics; a bill that comes of one is of possible usage, and can be settled.
pub fn run(data: &[u8]) {
    check(None, Body::from(data));
    // The length decides which form is told, so that the corpus is made of bodies as they are.
    check(Some(APIS[data.len() % APIS.len()]), Body::from(data));
    if let Ok(tree) = serde_json::from_slice::<serde_json::Value>(data) {
        check(None, Body::from(&tree));
    }
}

fn check(api: Option<Api>, body: Body<'_>) {
    let read = match api {
        None => Bill::from_response(body),
        Some(api) => Bill::from_response_of(api, body),
    };
    match read {
        Ok(Some(bill)) => {
            assert!(bill.usage.is_possible(), "{bill:?}");
            settle(bill);
        }
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What a provider says is booked, whatever it is.
fn settle(bill: Bill) {
    let reported = bill.reported_cost;
    let budget = BudgetManager::builder().build().expect("no limit is no fault");
    let account = budget.account("a").expect("a path");
    let hold = account.reserve(&Estimate::fixed(Usd::dollars(1))).expect("there is no limit");
    let receipt = hold.settle(bill);
    assert!(reported.is_none_or(|cost| cost == receipt.cost || cost.pico() < 0), "{receipt:?}");
}
