//! The target `requests`: any bytes as a request body, for models of several families.

use bursar::PriceBook;
use bursar::clock::Timestamp;
use bursar::usage::tokens::Heuristic;
use bursar::usage::{Body, Request};

const MODELS: [&str; 4] =
    ["gpt-6.1-terra", "claude-haiku-4-5", "gemini-2.5-flash", "acme/owl-2:latest"];

/// No request panics; one that can be bounded has an estimate that costs something or is an error.
pub fn run(data: &[u8]) {
    // The length decides the model, so that the corpus is made of requests as they are.
    let model = MODELS[data.len() % MODELS.len()];
    check(Body::from(data), model);
    if let Ok(tree) = serde_json::from_slice::<serde_json::Value>(data) {
        check(Body::from(&tree), model);
    }
}

fn check(body: Body<'_>, model: &str) {
    let counter = Heuristic::new();
    let request = match Request::read(body, model, &counter) {
        Ok(request) => request,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(request.unseen.len() <= 16, "{request:?}");
    let prices = PriceBook::builtin();
    let Ok(model) = prices.find(model) else { return };
    let known = model.estimate_of(&request);
    assert!(known.is_err() || request.unseen.is_empty(), "what is unseen is unknown");
    let told = request.with_unseen_input(5_000).with_web_searches(3);
    let at = Timestamp::from_secs(1_790_000_000);
    let cost = model.estimate_of(&told).map(|estimate| estimate.cost_at(at));
    if let Ok(Ok(cost)) = cost {
        assert!(cost.pico() >= 0, "{cost}");
    }
    let _ = model.estimate_request(body);
}
