//! Tests that one body of each provider comes out in its normal form
//! (`tests/data/usage/samples.json`).
#![allow(clippy::unwrap_used, clippy::panic)]

use bursar::{Bill, Confidence, Usage};
use serde_json::Value;

const SAMPLES: &str = include_str!("data/usage/samples.json");

#[test]
fn every_sample_has_its_normal_form_as_text_and_as_tree() {
    let samples: Vec<Value> = serde_json::from_str(SAMPLES).unwrap();
    assert_eq!(samples.len(), 20);
    for sample in &samples {
        let name = &sample["name"];
        let raw = &sample["raw"];
        let mut normal = sample["normalised"].as_object().unwrap().clone();
        let cost = normal.remove("reported_cost_usd").map(|cost| cost.as_str().unwrap().to_owned());
        let usage: Usage = serde_json::from_value(Value::Object(normal)).unwrap();
        let from_tree = Bill::from_response(raw).unwrap().unwrap();
        let from_text = Bill::from_response(&raw.to_string()).unwrap().unwrap();
        assert_eq!(from_text.usage, usage, "{name}");
        assert_eq!(from_tree, from_text, "{name}");
        assert_eq!(from_text.confidence, Confidence::Exact, "{name}");
        let model = [&raw["model"], &raw["modelVersion"], &raw["response"]["model"]];
        let model = model.into_iter().find_map(Value::as_str);
        assert_eq!(from_text.model.as_deref(), model, "{name}");
        if let Some(cost) = cost {
            assert_eq!(from_text.reported_cost, Some(cost.parse().unwrap()), "{name}");
        }
    }
}
